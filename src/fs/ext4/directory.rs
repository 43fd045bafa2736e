//! Directories: names packed into blocks, with an index over their hashes beyond one block.
//!
//! ```text
//! entry: inode 4, entry_len 2, name_len 1, type 1, name, to 4 bytes
//! block: entry │ entry │ … the last reaches to the tail │ 0:4, 12:2, 0:1, 0xde:1, checksum 4
//! ```
//!
//! A directory of one block is sorted by name. A larger one is sorted by hash, and its blocks are the
//! index's root, the index's nodes if there are any, and the leaves (see [`super::htree`]).

use std::io;

use super::bytes::{count, low8, low16, put16, put32};
use super::checksum::Checksum;
use super::hash::Hasher;
use super::htree::Index;
use super::layout::BLOCK_LEN;

/// Bytes of a block before its tail.
pub(super) const ROOM: usize = BLOCK_LEN - 12;
/// Bytes of `.` and `..`.
const DOTS: usize = 24;
/// Blocks of an empty `lost+found`.
pub(super) const LOST_FOUND_BLOCKS: u64 = 4;

/// File types in entries.
pub(super) const TYPE_REGULAR: u8 = 1;
pub(super) const TYPE_DIRECTORY: u8 = 2;
pub(super) const TYPE_CHAR_DEVICE: u8 = 3;
pub(super) const TYPE_SYMLINK: u8 = 7;

/// A name and what it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) number: u32,
    pub(super) file_type: u8,
}

/// Whose directory it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    pub(super) number: u32,
    pub(super) parent: u32,
}

/// Bytes of the entry of a name.
fn entry_len(name_len: usize) -> usize {
    (8 + name_len).next_multiple_of(4)
}

/// Whether names of these lengths fit into one block together with `.` and `..`.
pub(super) fn fits_one_block(lengths: impl Iterator<Item = usize>) -> bool {
    let mut left = ROOM - DOTS;
    for length in lengths {
        match left.checked_sub(entry_len(length)) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

/// Where leaves begin when names of these lengths, in order, fill one after the other.
pub(super) fn leaf_starts(lengths: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut left = 0;
    for (at, length) in lengths.enumerate() {
        let len = entry_len(length);
        if starts.is_empty() || left < len {
            starts.push(at);
            left = ROOM;
        }
        left -= len;
    }
    starts
}

/// Hands every block of a directory, whose names are in their order, to `emit`.
pub(super) fn write(
    owner: Owner,
    names: &[Name<'_>],
    hasher: Hasher,
    seed: Checksum,
    mut emit: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let sum = seed.of_inode(owner.number);
    if fits_one_block(names.iter().map(|name| name.bytes.len())) {
        let mut block = Block::with_dots(owner);
        names.iter().for_each(|name| block.push(*name));
        return emit(&block.finish(sum));
    }
    let starts = leaf_starts(names.iter().map(|name| name.bytes.len()));
    let index = Index::over(names, &starts, hasher);
    index.write(owner, sum, &mut emit)?;
    for (at, start) in starts.iter().enumerate() {
        let end = starts.get(at + 1).copied().unwrap_or(names.len());
        let mut block = Block::empty();
        names[*start..end].iter().for_each(|name| block.push(*name));
        emit(&block.finish(sum))?;
    }
    Ok(())
}

/// Hands the blocks of an empty `lost+found` to `emit`: room for what a check finds.
pub(super) fn write_lost_found(
    owner: Owner,
    seed: Checksum,
    mut emit: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let sum = seed.of_inode(owner.number);
    emit(&Block::with_dots(owner).finish(sum))?;
    for _ in 1..LOST_FOUND_BLOCKS {
        emit(&Block::empty().finish(sum))?;
    }
    Ok(())
}

/// A block of entries being filled.
struct Block {
    bytes: Vec<u8>,
    /// Where the last entry begins.
    last: usize,
    end: usize,
}

impl Block {
    fn empty() -> Self {
        Self { bytes: vec![0; BLOCK_LEN], last: 0, end: 0 }
    }

    fn with_dots(owner: Owner) -> Self {
        let mut block = Self::empty();
        let dot = |bytes, number| Name { bytes, number, file_type: TYPE_DIRECTORY };
        block.push(dot(b".", owner.number));
        block.push(dot(b"..", owner.parent));
        block
    }

    fn push(&mut self, name: Name<'_>) {
        self.last = self.end;
        self.end += entry_len(name.bytes.len());
        put_entry(&mut self.bytes, self.last, name, self.end - self.last);
    }

    fn finish(mut self, sum: Checksum) -> Vec<u8> {
        put16(&mut self.bytes, self.last + 4, low16(count(ROOM - self.last)));
        put16(&mut self.bytes, ROOM + 4, 12);
        self.bytes[ROOM + 7] = 0xde;
        let check = sum.then(&self.bytes[..ROOM]);
        put32(&mut self.bytes, ROOM + 8, check.0);
        self.bytes
    }
}

/// Stores an entry that takes `len` bytes.
pub(super) fn put_entry(block: &mut [u8], at: usize, name: Name<'_>, len: usize) {
    put32(block, at, name.number);
    put16(block, at + 4, low16(count(len)));
    block[at + 6] = low8(count(name.bytes.len()));
    block[at + 7] = name.file_type;
    block[at + 8..at + 8 + name.bytes.len()].copy_from_slice(name.bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_fill_to_the_tail() {
        let starts = leaf_starts(std::iter::repeat_n(4, 341 + 340));
        assert_eq!(starts, [0, 340, 680]);
        assert!(fits_one_block(std::iter::repeat_n(4, 338)));
        assert!(!fits_one_block(std::iter::repeat_n(4, 339)));
    }
}
