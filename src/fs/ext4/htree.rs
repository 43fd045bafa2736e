//! The index of a large directory: from the hash of a name to the block it is in.
//!
//! ```text
//! root: entry `.`, entry `..` to the end, 0:4, hash 1, 8, levels 1, 0:1, limit 2, count 2, block 4,
//!       then count - 1 times (hash 4, block 4); after `limit` of them 0:4, checksum 4
//! node: an empty entry over the whole block (8), then as in the root from `limit` on
//! ```
//!
//! Leaves are built in the order of hashes, so the index is built from the bottom up. Where entries
//! of one hash begin in one leaf and go on in the next, the next has the lowest bit of its hash set.

use std::io;

use super::bytes::{count, low8, low16, low32, put16, put32};
use super::checksum::Checksum;
use super::directory::{Name, Owner, TYPE_DIRECTORY, put_entry};
use super::hash::Hasher;
use super::layout::BLOCK_LEN;

const HALF_MD4: u8 = 1;
/// Where a root's pairs begin.
const ROOT_AT: usize = 32;
/// Where a node's pairs begin.
const NODE_AT: usize = 8;
const ROOT_PAIRS: usize = (BLOCK_LEN - ROOT_AT - 8) / 8;
const NODE_PAIRS: usize = (BLOCK_LEN - NODE_AT - 8) / 8;

/// How many blocks an index over `leaves` leaves takes; `None` when two levels are not enough.
pub(super) fn index_blocks(leaves: usize) -> Option<usize> {
    match leaves {
        0..=ROOT_PAIRS => Some(1),
        _ => {
            let nodes = leaves.div_ceil(NODE_PAIRS);
            (nodes <= ROOT_PAIRS).then_some(1 + nodes)
        }
    }
}

/// An index: for each leaf the hash it begins with.
#[derive(Debug)]
pub(super) struct Index {
    hashes: Vec<u32>,
}

impl Index {
    /// The index over `names`, in the order of their hashes, with leaves beginning at `starts`.
    pub(super) fn over(names: &[Name<'_>], starts: &[usize], hasher: Hasher) -> Self {
        let major = |at: usize| hasher.hash(names[at].bytes).0;
        let begin = |start: usize| match start {
            0 => 0,
            _ => major(start) | u32::from(major(start) == major(start - 1)),
        };
        Self { hashes: starts.iter().map(|start| begin(*start)).collect() }
    }

    /// Hands the root and the nodes to `emit`.
    pub(super) fn write(
        &self,
        owner: Owner,
        sum: Checksum,
        mut emit: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let blocks = index_blocks(self.hashes.len()).unwrap_or(usize::MAX);
        let leaves: Vec<_> = self.hashes.iter().zip(low32(count(blocks))..).collect();
        let leaves: Vec<(u32, u32)> = leaves.into_iter().map(|(hash, at)| (*hash, at)).collect();
        if blocks == 1 {
            return emit(&root(owner, &leaves, 0, sum));
        }
        let nodes: Vec<&[(u32, u32)]> = leaves.chunks(NODE_PAIRS).collect();
        let above: Vec<(u32, u32)> =
            nodes.iter().zip(1..).map(|(pairs, block)| (pairs[0].0, block)).collect();
        emit(&root(owner, &above, 1, sum))?;
        nodes.into_iter().try_for_each(|pairs| emit(&node(pairs, sum)))
    }
}

fn root(owner: Owner, pairs: &[(u32, u32)], levels: u8, sum: Checksum) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    let dot = |bytes, number| Name { bytes, number, file_type: TYPE_DIRECTORY };
    put_entry(&mut block, 0, dot(b".", owner.number), 12);
    put_entry(&mut block, 12, dot(b"..", owner.parent), BLOCK_LEN - 12);
    block[28] = HALF_MD4;
    block[29] = low8(8);
    block[30] = levels;
    put_pairs(&mut block, ROOT_AT, pairs, ROOT_PAIRS, sum);
    block
}

fn node(pairs: &[(u32, u32)], sum: Checksum) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    put16(&mut block, 4, low16(count(BLOCK_LEN)));
    put_pairs(&mut block, NODE_AT, pairs, NODE_PAIRS, sum);
    block
}

/// Stores pairs, limit and count (in the place of the first hash), and the checksum after the last.
fn put_pairs(block: &mut [u8], at: usize, pairs: &[(u32, u32)], limit: usize, sum: Checksum) {
    for (place, (hash, target)) in block[at..].chunks_exact_mut(8).zip(pairs) {
        put32(place, 0, *hash);
        put32(place, 4, *target);
    }
    put16(block, at, low16(count(limit)));
    put16(block, at + 2, low16(count(pairs.len())));
    let check = sum.then(&block[..at + 8 * pairs.len()]).then(&[0; 8]);
    put32(block, at + 8 * limit + 4, check.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_when_the_root_is_full() {
        assert_eq!(index_blocks(507), Some(1));
        assert_eq!(index_blocks(508), Some(2));
        assert_eq!(index_blocks(511), Some(3));
        assert_eq!(index_blocks(507 * 510), Some(508));
        assert_eq!(index_blocks(507 * 510 + 1), None);
    }
}
