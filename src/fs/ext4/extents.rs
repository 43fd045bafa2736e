//! Extent trees: which blocks of a file lie where.
//!
//! ```text
//! node:  ┌ header 12 ─────────────────────┬ entry 12 ┬ entry 12 ┬ … ┬ checksum 4 ┐
//!        │ magic entries max depth gen(0) │          │          │   │ blocks only │
//! leaf entry:  logical:32 len:16 start_hi:16 start_lo:32        (len <= 32768)
//! index entry: logical:32 block_lo:32 block_hi:16 0:16
//! ```
//!
//! The root, in the inode, has room for four entries; a node in a block for 340.

use std::io;

use super::bytes::{count, index, low16, low32, put16, put32};
use super::checksum::Checksum;
use super::layout::{BLOCK, BLOCK_LEN, Extent};

const MAGIC: u16 = 0xf30a;
const ROOT_ENTRIES: usize = 4;
const NODE_ENTRIES: usize = (BLOCK_LEN - 16) / 12;

type Entry = [u8; 12];

/// How many blocks the tree of `extents` extents needs besides the inode.
pub(super) fn tree_blocks(extents: usize) -> u64 {
    let mut level = extents;
    let mut blocks = 0;
    while level > ROOT_ENTRIES {
        level = level.div_ceil(NODE_ENTRIES);
        blocks += count(level);
    }
    blocks
}

/// The root of the tree over `extents`, and its nodes, one for each of `blocks`.
pub(super) fn tree(
    extents: &[Extent],
    blocks: &[u64],
    sum: Checksum,
) -> ([u8; 60], Vec<(u64, Vec<u8>)>) {
    let mut level: Vec<Entry> = extents.iter().map(leaf_entry).collect();
    let mut places = blocks.iter().copied();
    let mut nodes = Vec::new();
    let mut depth = 0;
    while level.len() > ROOT_ENTRIES {
        let mut above = Vec::with_capacity(level.len().div_ceil(NODE_ENTRIES));
        for entries in level.chunks(NODE_ENTRIES) {
            let place = places.next().expect("as many places as `tree_blocks` says");
            let mut node = vec![0; BLOCK_LEN];
            fill(&mut node, entries, NODE_ENTRIES, depth);
            let check = sum.then(&node[..BLOCK_LEN - 4]);
            put32(&mut node, BLOCK_LEN - 4, check.0);
            nodes.push((place, node));
            above.push(index_entry(&entries[0], place));
        }
        level = above;
        depth += 1;
    }
    let mut root = [0; 60];
    fill(&mut root, &level, ROOT_ENTRIES, depth);
    (root, nodes)
}

fn fill(node: &mut [u8], entries: &[Entry], room: usize, depth: u16) {
    put16(node, 0, MAGIC);
    put16(node, 2, low16(count(entries.len())));
    put16(node, 4, low16(count(room)));
    put16(node, 6, depth);
    for (place, entry) in node[12..].chunks_exact_mut(12).zip(entries) {
        place.copy_from_slice(entry);
    }
}

fn leaf_entry(extent: &Extent) -> Entry {
    let mut entry = [0; 12];
    put32(&mut entry, 0, extent.logical);
    put16(&mut entry, 4, low16(u64::from(extent.len)));
    put32(&mut entry, 8, extent.start);
    entry
}

fn index_entry(first: &Entry, block: u64) -> Entry {
    let mut entry = [0; 12];
    entry[..4].copy_from_slice(&first[..4]);
    put32(&mut entry, 4, low32(block));
    put16(&mut entry, 8, low16(block >> 32));
    entry
}

/// Reads a file from `offset` on: its blocks by `read_at`, which gets their places in bytes, with zeros
/// where there are none.
pub(super) fn read(
    extents: &[Extent],
    offset: u64,
    buffer: &mut [u8],
    mut read_at: impl FnMut(u64, &mut [u8]) -> io::Result<()>,
) -> io::Result<()> {
    let end = offset + count(buffer.len());
    let bounds = |extent: &Extent| {
        let start = u64::from(extent.logical) * BLOCK;
        (start, start + u64::from(extent.len) * BLOCK)
    };
    let first = extents.partition_point(|extent| bounds(extent).1 <= offset);
    buffer.fill(0);
    for extent in &extents[first..] {
        let (start, stop) = bounds(extent);
        if start >= end {
            break;
        }
        let (from, to) = (start.max(offset), stop.min(end));
        let place = u64::from(extent.start) * BLOCK + from - start;
        read_at(place, &mut buffer[index(from - offset)..index(to - offset)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_grow_a_level_when_the_root_is_full() {
        let sizes = [(0, 0), (4, 0), (5, 1), (340, 1), (341, 2), (1360, 4), (1361, 6)];
        for (extents, blocks) in sizes {
            assert_eq!(tree_blocks(extents), blocks, "{extents} extents");
        }
    }

    #[test]
    fn nodes_take_exactly_the_blocks_counted() {
        let extents: Vec<Extent> =
            (0..2000).map(|n| Extent { logical: 2 * n, len: 1, start: 1000 + 3 * n }).collect();
        let blocks: Vec<u64> = (0..tree_blocks(extents.len())).map(|n| 90_000 + n).collect();
        let (root, nodes) = tree(&extents, &blocks, Checksum::START);
        assert_eq!(nodes.len(), 7);
        assert_eq!(root[..8], [0x0a, 0xf3, 1, 0, 4, 0, 2, 0]);
        assert_eq!(root[16..20], 90_006u32.to_le_bytes());
    }
}
