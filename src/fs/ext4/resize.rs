//! The resize inode: it owns the blocks that descriptors may grow into.
//!
//! Its double-indirect block names the reserved blocks of group 0, each at the place of the
//! descriptor block it will become; each of those serves as an indirect block and names the reserved
//! blocks at the same place in the heads of all other groups, in the order of the groups.

use super::bytes::{index, low32, put32};
use super::geometry::Geometry;
use super::layout::{BLOCK, BLOCK_LEN, Frame, GROUP, next_head};

/// Its number.
pub(super) const RESIZE_INODE: u32 = 7;
/// Block numbers in a block.
const PER_BLOCK: u64 = BLOCK / 4;
/// Block numbers in an inode before the indirect ones.
const DIRECT: u64 = 12;
/// Where the inode names its double-indirect block.
const DOUBLE_AT: usize = 13 * 4;

/// The size the inode claims: all that direct, indirect and double-indirect blocks can name.
pub(super) const SIZE: u64 = (PER_BLOCK * PER_BLOCK + PER_BLOCK + DIRECT) * BLOCK;

/// The 60 bytes of the inode.
pub(super) fn body(geometry: &Geometry) -> [u8; 60] {
    let mut body = [0; 60];
    put32(&mut body, DOUBLE_AT, low32(geometry.resize_map));
    body
}

/// Blocks that belong to the inode.
pub(super) fn blocks(geometry: &Geometry, frame: Frame) -> u64 {
    let heads = u64::try_from(other_heads(geometry).count()).unwrap_or(u64::MAX);
    1 + reserved(geometry, frame).count_blocks() * (1 + heads)
}

/// The double-indirect block.
pub(super) fn map(geometry: &Geometry, frame: Frame) -> Vec<u8> {
    let mut block = vec![0; BLOCK_LEN];
    let reserved = reserved(geometry, frame);
    for at in reserved.first..reserved.end {
        put32(&mut block, index((at - 1) % PER_BLOCK) * 4, low32(at));
    }
    block
}

/// The reserved blocks of group 0 with their content.
pub(super) fn indirect(geometry: &Geometry, frame: Frame) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let heads: Vec<u64> = other_heads(geometry).collect();
    let reserved = reserved(geometry, frame);
    (reserved.first..reserved.end).map(move |at| {
        let mut block = vec![0; BLOCK_LEN];
        for (place, group) in block.chunks_exact_mut(4).zip(&heads) {
            put32(place, 0, low32(group * GROUP + at));
        }
        (at, block)
    })
}

/// Reserved blocks of group 0.
struct Reserved {
    first: u64,
    end: u64,
}

impl Reserved {
    fn count_blocks(&self) -> u64 {
        self.end - self.first
    }
}

fn reserved(geometry: &Geometry, frame: Frame) -> Reserved {
    Reserved { first: 1 + geometry.descriptor_blocks(), end: 1 + frame.descriptor_blocks }
}

/// Groups with a head, without group 0.
fn other_heads(geometry: &Geometry) -> impl Iterator<Item = u64> {
    let groups = geometry.groups;
    std::iter::successors(Some(1), |group| Some(next_head(*group)))
        .take_while(move |group| *group < groups)
}
