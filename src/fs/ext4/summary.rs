//! What was made: counts, and which bytes matter.

use super::bytes::index;
use super::geometry::Geometry;
use super::group::Group;
use super::layout::{BLOCK, Frame, GROUP, Run};
use crate::units::{ByteLen, ByteOffset};

/// What a part of the file system must hold. Parts that are not listed may hold anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The bytes of the canvas.
    Data,
    /// Zeros, which the canvas may have as a hole.
    Zeros,
}

/// A part of the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub start: ByteOffset,
    /// Its length.
    pub len: ByteLen,
    /// What it must hold.
    pub kind: Kind,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Blocks of 4 KiB; less than the size asked for when a last group would have been too small.
    pub block_count: u64,
    /// Blocks that are free.
    pub free_blocks: u64,
    /// Inodes there are.
    pub inode_count: u32,
    /// Inodes in use, the eleven reserved ones among them.
    pub used_inodes: u32,
    /// What must be where, in order, without overlaps.
    pub parts: Vec<Part>,
}

/// All parts, in order, adjacent ones joined.
pub(super) fn parts(
    geometry: &Geometry,
    frame: Frame,
    content_end: u64,
    groups: &[Group],
) -> Vec<Part> {
    let mut runs: Vec<(Run, Kind)> = Vec::new();
    let mut add = |start, len, kind| runs.push((Run { start, len }, kind));
    let written_head = 1 + geometry.descriptor_blocks();
    for (group, number) in groups.iter().zip(0..) {
        let (start, head) = (number * GROUP, frame.head(number));
        let at = index(number);
        if number == 0 {
            add(0, head, Kind::Data);
        } else if head > 0 {
            add(start, written_head, Kind::Data);
            add(start + written_head, head - written_head, Kind::Zeros);
        }
        let used = group.used_inodes().div_ceil(super::geometry::INODES_PER_BLOCK);
        add(geometry.tables[at], used, Kind::Data);
        add(geometry.tables[at] + used, geometry.table_blocks() - used, Kind::Zeros);
        let block_kind = if group.block_bitmap.is_some() { Kind::Data } else { Kind::Zeros };
        let inode_kind = if group.inode_bitmap.is_some() { Kind::Data } else { Kind::Zeros };
        add(geometry.block_bitmaps[at], 1, block_kind);
        add(geometry.inode_bitmaps[at], 1, inode_kind);
    }
    frame.runs(0, content_end).iter().for_each(|run| add(run.start, run.len, Kind::Data));
    for (run, at) in geometry.journal.iter().zip(0..) {
        let written = u64::from(at == 0);
        add(run.start, written, Kind::Data);
        add(run.start + written, run.len - written, Kind::Zeros);
    }
    let singles = geometry.journal_tree.iter().chain([&geometry.resize_map]);
    singles.for_each(|block| add(*block, 1, Kind::Data));
    join(runs)
}

fn join(mut runs: Vec<(Run, Kind)>) -> Vec<Part> {
    runs.retain(|(run, _)| run.len > 0);
    runs.sort_by_key(|(run, _)| run.start);
    let mut joined: Vec<(Run, Kind)> = Vec::new();
    for (run, kind) in runs {
        match joined.last_mut() {
            Some((last, same)) if *same == kind && last.end() == run.start => last.len += run.len,
            _ => joined.push((run, kind)),
        }
    }
    let part = |(run, kind): (Run, Kind)| Part {
        start: ByteOffset(run.start * BLOCK),
        len: ByteLen(run.len * BLOCK),
        kind,
    };
    joined.into_iter().map(part).collect()
}
