//! Where things may lie: groups at fixed places, and what is kept free at the head of some.
//!
//! ```text
//! group 0                      group 1                      group 2          group 3
//! ┌──┬────┬─────────┬────────┬──┬────┬─────────┬────────┬────────────────┬──┬────┬─── …
//! │SB│GDT │reserved │ data … │SB│GDT │reserved │ data … │ data …         │SB│GDT │
//! └──┴────┴─────────┴────────┴──┴────┴─────────┴────────┴────────────────┴──┴────┴─── …
//! ```
//!
//! Groups 0 and 1 and those whose number is a power of 3, 5 or 7 have a *head*: the superblock, the
//! group descriptors and the blocks descriptors may grow into. Descriptors and reserve together have
//! one constant length ([`Frame`]), so heads are known before the size of the file system is.

use super::bytes::low32;

/// Bytes in a block.
pub(super) const BLOCK: u64 = 4096;
/// Bytes in a block, as a length in memory.
pub(super) const BLOCK_LEN: usize = 4096;
/// Blocks in a group: as many as a bitmap of one block has bits.
pub(super) const GROUP: u64 = 32768;
/// Group descriptors (of 64 bytes) in a block.
pub(super) const DESCRIPTORS_PER_BLOCK: u64 = 64;
/// The most blocks an extent covers.
pub(super) const EXTENT_CAP: u64 = 32768;
/// The most descriptor blocks that can be reserved: the entries of one indirect block.
const MOST_DESCRIPTOR_BLOCKS: u64 = 1024;

/// Adjacent blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl Run {
    /// The block after the last.
    pub(super) fn end(self) -> u64 {
        self.start + self.len
    }
}

/// Blocks of a file: `len` blocks from file block `logical` on lie at `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) logical: u32,
    pub(super) len: u32,
    pub(super) start: u32,
}

/// Cuts runs, in the order of the file, into extents.
pub(super) fn extents_of(runs: &[Run]) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut logical = 0;
    for run in runs {
        let mut start = run.start;
        while start < run.end() {
            let len = EXTENT_CAP.min(run.end() - start);
            extents.push(Extent { logical: low32(logical), len: low32(len), start: low32(start) });
            logical += len;
            start += len;
        }
    }
    extents
}

/// The heads of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Blocks of descriptors and of their reserve, together.
    pub(super) descriptor_blocks: u64,
}

impl Frame {
    /// The frame of a file system that can grow to `limit` blocks, or as far as the format allows.
    pub(super) fn for_growth(limit: u64) -> Self {
        let groups = limit.div_ceil(GROUP);
        let blocks = groups.div_ceil(DESCRIPTORS_PER_BLOCK);
        Self { descriptor_blocks: blocks.clamp(1, MOST_DESCRIPTOR_BLOCKS) }
    }

    /// The most blocks the descriptors can describe.
    pub(super) fn most_blocks(self) -> u64 {
        self.descriptor_blocks * DESCRIPTORS_PER_BLOCK * GROUP
    }

    /// Blocks of the head of `group`.
    pub(super) fn head(self, group: u64) -> u64 {
        if has_head(group) { 1 + self.descriptor_blocks } else { 0 }
    }

    /// The first block from `block` on that is in no head.
    fn outside(self, block: u64) -> u64 {
        let group = block / GROUP;
        block.max(group * GROUP + self.head(group))
    }

    /// The parts of `start..end` that are in no head.
    pub(super) fn runs(self, start: u64, end: u64) -> Vec<Run> {
        let mut runs = Vec::new();
        let mut cursor = Cursor { frame: self, next: start };
        while self.outside(cursor.next) < end {
            let from = self.outside(cursor.next);
            runs.push(cursor.take(end - from));
        }
        runs
    }
}

/// Hands out blocks, forward, skipping heads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    frame: Frame,
    /// No block from here on has been handed out.
    pub(super) next: u64,
}

impl Cursor {
    /// A cursor at the first block after the head of group 0.
    pub(super) fn new(frame: Frame) -> Self {
        Self { frame, next: frame.outside(0) }
    }

    /// Up to `most` adjacent blocks, at least one.
    pub(super) fn take(&mut self, most: u64) -> Run {
        let start = self.frame.outside(self.next);
        let end = next_head(start / GROUP) * GROUP;
        let run = Run { start, len: most.clamp(1, end - start) };
        self.next = run.end();
        run
    }

    /// Exactly `blocks` blocks, in as few runs as heads allow.
    pub(super) fn take_all(&mut self, blocks: u64) -> Vec<Run> {
        let mut left = blocks;
        let mut runs = Vec::new();
        while left > 0 {
            let run = self.take(left);
            left -= run.len;
            runs.push(run);
        }
        runs
    }
}

/// Whether `group` has a copy of superblock and descriptors.
pub(super) fn has_head(group: u64) -> bool {
    group == 0 || next_head(group - 1) == group
}

/// The first group after `group` that has a head.
pub(super) fn next_head(group: u64) -> u64 {
    let after = |base: u64| {
        let mut power = 1;
        while power <= group {
            power *= base;
        }
        power
    };
    after(3).min(after(5)).min(after(7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_at_powers_of_three_five_and_seven() {
        let heads: Vec<u64> = (0..130).filter(|group| has_head(*group)).collect();
        assert_eq!(heads, [0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125]);
    }

    #[test]
    fn the_cursor_skips_every_head() {
        let frame = Frame::for_growth(8 << 28);
        assert_eq!(frame.descriptor_blocks, 1024);
        let mut cursor = Cursor::new(frame);
        let runs = cursor.take_all(4 * GROUP);
        assert_eq!(runs[0], Run { start: 1025, len: GROUP - 1025 });
        assert_eq!(runs[1], Run { start: GROUP + 1025, len: 2 * GROUP - 1025 });
        assert_eq!(runs[2].start, 3 * GROUP + 1025);
        assert_eq!(runs.iter().map(|run| run.len).sum::<u64>(), 4 * GROUP);
    }

    #[test]
    fn runs_between_two_blocks_leave_heads_out() {
        let frame = Frame::for_growth(GROUP);
        assert_eq!(frame.descriptor_blocks, 1);
        let runs = frame.runs(GROUP - 1, GROUP + 5);
        assert_eq!(runs, [Run { start: GROUP - 1, len: 1 }, Run { start: GROUP + 2, len: 3 }]);
        assert_eq!(frame.runs(GROUP, GROUP + 2), []);
    }

    #[test]
    fn long_runs_are_cut_at_the_extent_cap() {
        let extents = extents_of(&[Run { start: 5, len: 32769 }, Run { start: 90000, len: 2 }]);
        let parts: Vec<_> = extents.iter().map(|e| (e.logical, e.len, e.start)).collect();
        assert_eq!(parts, [(0, 32768, 5), (32768, 1, 32773), (32769, 2, 90000)]);
    }
}
