//! Where every inode and every block goes.
//!
//! Inodes follow one another from byte 1152 on, each at a multiple of 32. What belongs to an inode
//! follows it (attributes, then its *tail*: link target, end of a directory, chunk addresses) unless
//! it is longer than half a block; a tail never crosses the end of a block, so an inode may have to
//! start later. Blocks of their own follow the shared attributes, in the order of the inodes.

use super::directory;
use super::scan::Scan;
use super::sharing::{Assigned, Shared};
use super::xattr::{HEADER_BYTES, XattrSet};
use super::{
    BLOCK_BYTES, Error, FIRST_INODE, Inode, Kind, MAX_FILE_BYTES, MAX_INLINE_BYTES,
    MAX_SYMLINK_BYTES, SLOT_BYTES, Source,
};

/// The attributes of an inode are counted in words, in 16 bits.
const MAX_XATTR_BYTES: u64 = HEADER_BYTES + (65_535 - 1) * 4;
/// log2 of the smallest and the largest chunk.
const CHUNK_BITS: std::ops::RangeInclusive<u32> = 12..=43;

/// Where the areas are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Areas {
    /// End of the inodes, start of the shared attributes.
    pub(super) inodes_end: u64,
    /// Start of the blocks.
    pub(super) blocks_start: u64,
    /// End of everything.
    pub(super) end: u64,
}

/// Data of an inode: whole blocks, and what follows it.
struct Data {
    blocks: u64,
    tail: u64,
}

/// log2 of the chunk size of a file, and how many chunks it has.
pub(super) fn chunks(len_bytes: u64) -> (u32, u64) {
    let bits = (u64::BITS - len_bytes.saturating_sub(1).leading_zeros())
        .clamp(*CHUNK_BITS.start(), *CHUNK_BITS.end());
    (bits, len_bytes.div_ceil(1 << bits))
}

/// Gives every inode its place.
pub(super) fn place<S: Source>(
    source: &S,
    scan: &mut Scan<S::Node>,
    shared: &Shared,
) -> Result<Areas, Error> {
    let (mut xattrs, mut assigned) = (XattrSet::default(), Assigned::default());
    let (mut end, mut blocks) = (FIRST_INODE, 0);
    for number in 0..scan.entries.len() {
        let node = scan.entries[number].node;
        let inode = source.inode(node);
        xattrs.clear();
        source.xattrs(node, &mut xattrs);
        xattrs.sort();
        shared.assign(&xattrs, &mut assigned);
        let xattr_bytes = assigned.len_bytes;
        if xattr_bytes > MAX_XATTR_BYTES {
            let path = scan.path(source, number);
            return Err(Error::XattrsTooLarge { path, len_bytes: xattr_bytes });
        }
        let mut data = data(source, scan, number, inode.kind)?;
        let is_compact = is_compact(scan, number, &inode, &data);
        let fixed = if is_compact { 32 } else { 64 } + xattr_bytes;
        let start = start(end.next_multiple_of(SLOT_BYTES), fixed, inode.kind, &mut data);
        end = start + fixed + data.tail;

        let entry = &mut scan.entries[number];
        entry.is_compact = is_compact;
        entry.slot = narrow(start / SLOT_BYTES)?;
        entry.tail_bytes = u16::try_from(data.tail).map_err(|_| Error::TooLarge)?;
        entry.block_count = narrow(data.blocks)?;
        entry.first_block = narrow(blocks)?;
        blocks += data.blocks;
    }
    let inodes_end = end.next_multiple_of(SLOT_BYTES);
    let blocks_start = (inodes_end + shared.len_bytes).next_multiple_of(BLOCK_BYTES);
    let end = blocks_start + blocks * BLOCK_BYTES;
    narrow(end / BLOCK_BYTES)?;
    let first = narrow(blocks_start / BLOCK_BYTES)?;
    for entry in &mut scan.entries {
        entry.first_block = if entry.block_count == 0 { 0 } else { entry.first_block + first };
    }
    Ok(Areas { inodes_end, blocks_start, end })
}

fn narrow(number: u64) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::TooLarge)
}

/// The data of an inode when nothing stands in its way.
fn data<S: Source>(
    source: &S,
    scan: &Scan<S::Node>,
    number: usize,
    kind: Kind,
) -> Result<Data, Error> {
    let path = || scan.path(source, number);
    let halved = |blocks: u64, rest: u64| {
        if rest > BLOCK_BYTES / 2 {
            Data { blocks: blocks + 1, tail: 0 }
        } else {
            Data { blocks, tail: rest }
        }
    };
    let too_long = |len_bytes, limit| Err(Error::FileTooLong { path: path(), len_bytes, limit });
    match kind {
        Kind::Directory => {
            let (blocks, rest) = directory::measure(source, scan, number);
            Ok(halved(blocks, u64::try_from(rest).map_err(|_| Error::TooLarge)?))
        }
        Kind::Inline { len_bytes } if len_bytes > MAX_INLINE_BYTES => {
            too_long(len_bytes, MAX_INLINE_BYTES)
        }
        Kind::Inline { len_bytes } => Ok(halved(len_bytes / BLOCK_BYTES, len_bytes % BLOCK_BYTES)),
        Kind::Hollow { len_bytes } if len_bytes > MAX_FILE_BYTES => {
            too_long(len_bytes, MAX_FILE_BYTES)
        }
        Kind::Hollow { len_bytes } => Ok(Data { blocks: 0, tail: chunks(len_bytes).1 * 4 }),
        Kind::Symlink { len_bytes } if (1..=MAX_SYMLINK_BYTES).contains(&len_bytes) => {
            Ok(Data { blocks: 0, tail: len_bytes })
        }
        Kind::Symlink { len_bytes } => {
            Err(Error::SymlinkLength { path: path(), len_bytes, limit: MAX_SYMLINK_BYTES })
        }
        Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Fifo | Kind::Socket => {
            Ok(Data { blocks: 0, tail: 0 })
        }
    }
}

fn is_compact<N: Copy>(scan: &Scan<N>, number: usize, inode: &Inode, data: &Data) -> bool {
    let (links, len_bytes) = match inode.kind {
        Kind::Directory => (
            directory::subdirectories(scan, &scan.entries[number]).saturating_add(2),
            data.blocks * BLOCK_BYTES + data.tail,
        ),
        Kind::Inline { len_bytes } | Kind::Hollow { len_bytes } => (1, len_bytes),
        _ => (1, 0),
    };
    inode.mtime == scan.oldest
        && len_bytes <= u64::from(u32::MAX)
        && [links, inode.uid, inode.gid].iter().all(|number| *number <= u32::from(u16::MAX))
}

/// Where an inode starts, at `free` or later; its tail may become a block.
fn start(free: u64, fixed: u64, kind: Kind, data: &mut Data) -> u64 {
    let total = fixed + data.tail;
    if matches!(kind, Kind::Symlink { .. }) {
        // a target and its whole inode are in one block, or the target has its own
        let crosses = free / BLOCK_BYTES != (free + total - 1) / BLOCK_BYTES;
        if total >= BLOCK_BYTES {
            *data = Data { blocks: 1, tail: 0 };
        }
        return if crosses { free.next_multiple_of(BLOCK_BYTES) } else { free };
    }
    let room = |start: u64| BLOCK_BYTES - (start + fixed) % BLOCK_BYTES;
    if room(free) >= data.tail {
        return free;
    }
    // tails are at most half a block, so the next slots have room for it
    free + room(free).next_multiple_of(SLOT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_few() {
        assert_eq!(chunks(0), (12, 0));
        assert_eq!(chunks(1), (12, 1));
        assert_eq!(chunks(4096), (12, 1));
        assert_eq!(chunks(4097), (13, 1));
        assert_eq!(chunks(5 << 30), (33, 1));
        assert_eq!(chunks(1 << 43), (43, 1));
        assert_eq!(chunks((1 << 43) + 1), (43, 2));
        assert_eq!(chunks(MAX_FILE_BYTES).1 * 4, BLOCK_BYTES / 2);
    }

    #[test]
    fn tails_do_not_cross_blocks() {
        let kind = Kind::Directory;
        let place = |free, tail| {
            let mut data = Data { blocks: 0, tail };
            (start(free, 44, kind, &mut data), data.blocks)
        };
        assert_eq!(place(4096 - 64, 20), (4096 - 64, 0));
        assert_eq!(place(4096 - 64, 21), (4096 - 32, 0));
        assert_eq!(place(4096 - 32, 21), (4096 - 32, 0));
    }

    #[test]
    fn long_targets_get_a_block() {
        let place = |free, tail| {
            let mut data = Data { blocks: 0, tail };
            let start = start(free, 32, Kind::Symlink { len_bytes: tail }, &mut data);
            (start, data.blocks, data.tail)
        };
        assert_eq!(place(4096, 4063), (4096, 0, 4063));
        assert_eq!(place(4096, 4064), (4096, 1, 0));
        assert_eq!(place(4128, 4063), (8192, 0, 4063));
        assert_eq!(place(4128, 4095), (8192, 1, 0));
    }
}
