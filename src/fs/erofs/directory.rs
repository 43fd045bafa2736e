//! Directory data: entries in order of their names, `.` and `..` among them.
//!
//! Every block stands for itself: twelve bytes for each of its entries, then their names, the last
//! one ended by the block's end or a NUL.
//!
//! | bytes | an entry |
//! |---|---|
//! | 8 | number of the inode |
//! | 2 | where the name starts in the block |
//! | 1 | type |
//! | 1 | zero |

use super::scan::{Entry, Scan, index};
use super::{BLOCK_BYTES, Source};

const ENTRY_BYTES: usize = 12;
const BLOCK: usize = 4096;

/// Names with the index of their inode, `.` and `..` among them.
fn for_each_name<S: Source>(
    source: &S,
    scan: &Scan<S::Node>,
    directory: usize,
    mut each: impl FnMut(&[u8], usize),
) {
    let entry = &scan.entries[directory];
    let mut dots = [(&b"."[..], directory), (b"..", index(entry.parent))].into_iter().peekable();
    let numbers = entry.first_child..entry.first_child + entry.child_count;
    for ((name, _), number) in source.children(entry.node).zip(numbers) {
        while let Some((dot, inode)) = dots.next_if(|(dot, _)| *dot < name) {
            each(dot, inode);
        }
        each(name, index(number));
    }
    dots.for_each(|(dot, inode)| each(dot, inode));
}

/// How many bytes a directory's data has: whole blocks, and what is left.
pub(super) fn measure<S: Source>(
    source: &S,
    scan: &Scan<S::Node>,
    directory: usize,
) -> (u64, usize) {
    let (mut blocks, mut filled) = (0, 0);
    for_each_name(source, scan, directory, |name, _| {
        let needed = ENTRY_BYTES + name.len();
        if filled + needed > BLOCK {
            blocks += 1;
            filled = 0;
        }
        filled += needed;
    });
    (blocks, filled)
}

/// How many subdirectories a directory has.
pub(super) fn subdirectories<N>(scan: &Scan<N>, directory: &Entry<N>) -> u32 {
    let first = index(directory.first_child);
    let children = &scan.entries[first..first + index(directory.child_count)];
    let count = children.iter().filter(|child| child.entry_type == super::DIRECTORY_TYPE).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Which part of a directory's data to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The blocks of its own.
    Blocks,
    /// What follows the inode.
    Tail,
}

/// Appends one part of a directory's data.
pub(super) fn store<S: Source>(
    source: &S,
    scan: &Scan<S::Node>,
    directory: usize,
    part: Part,
    into: &mut Vec<u8>,
) {
    let mut block = Block::default();
    let mut left = scan.entries[directory].block_count;
    for_each_name(source, scan, directory, |name, inode| {
        if block.len() + ENTRY_BYTES + name.len() > BLOCK {
            if part == Part::Blocks {
                block.store_padded(into);
            }
            block.clear();
            left = left.saturating_sub(1);
        }
        let target = &scan.entries[inode];
        block.add(name, target.slot, target.entry_type);
    });
    match part {
        Part::Blocks if left > 0 => block.store_padded(into),
        Part::Tail if left == 0 => block.store(into),
        Part::Blocks | Part::Tail => {}
    }
}

#[derive(Debug, Default)]
struct Block {
    /// Inode, length of the name, type.
    entries: Vec<(u32, u16, u8)>,
    names: Vec<u8>,
}

impl Block {
    fn len(&self) -> usize {
        self.entries.len() * ENTRY_BYTES + self.names.len()
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.names.clear();
    }

    fn add(&mut self, name: &[u8], inode: u32, entry_type: u8) {
        self.entries.push((inode, u16::try_from(name.len()).unwrap_or(u16::MAX), entry_type));
        self.names.extend_from_slice(name);
    }

    fn store(&self, into: &mut Vec<u8>) {
        let mut name_at = u16::try_from(self.entries.len() * ENTRY_BYTES).unwrap_or(u16::MAX);
        for (inode, name_len, entry_type) in &self.entries {
            into.extend_from_slice(&u64::from(*inode).to_le_bytes());
            into.extend_from_slice(&name_at.to_le_bytes());
            into.extend_from_slice(&[*entry_type, 0]);
            name_at = name_at.saturating_add(*name_len);
        }
        into.extend_from_slice(&self.names);
    }

    fn store_padded(&self, into: &mut Vec<u8>) {
        let start = into.len();
        self.store(into);
        into.resize(start + BLOCK, 0);
    }
}

const _: () = assert!(BLOCK_BYTES == 4096 && BLOCK == 4096);
