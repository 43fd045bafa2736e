//! How large the file system is and where its own structures go: decided last, purely.
//!
//! Everything up to the end of the content is in use, so what is free is known: the runs from there
//! to the end, without heads. Inode tables, then bitmaps, the resize inode's block and the journal
//! are taken from the front of these runs; what remains is the free space of the file system.
//!
//! [`required`] is the smallest size at which this works with a journal as large as usual and as few
//! inodes as needed. Every larger size works too: just above a size from which the journal is
//! larger, the journal stays as it was; and inodes beyond those needed take at most half of what is
//! free.

use super::bytes::{count, low32};
use super::extents::tree_blocks;
use super::layout::{BLOCK, Frame, GROUP, Run, extents_of};

/// Inodes in a block of an inode table.
pub(super) const INODES_PER_BLOCK: u64 = 16;
/// The most inodes of a group: as many as a bitmap of one block has bits.
const MOST_INODES: u64 = 32768;
/// Bytes of file system for each inode.
const INODE_RATIO: u64 = 16384;
/// A last group with fewer blocks than this beyond its own structures is left away.
const LEAST_LAST_GROUP: u64 = 50;

/// From which size on (in blocks) the journal has how many blocks.
const JOURNALS: [(u64, u64); 9] = [
    (0, 0),
    (2048, 1024),
    (32768, 4096),
    (256 << 10, 8192),
    (512 << 10, 16384),
    (4096 << 10, 32768),
    (8192 << 10, 65536),
    (16384 << 10, 131_072),
    (32768 << 10, 262_144),
];

/// What must fit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) frame: Frame,
    /// The block after the last in use.
    pub(super) content_end: u64,
    /// Inodes in use, the reserved ones among them.
    pub(super) inodes: u64,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Geometry {
    pub(super) blocks: u64,
    pub(super) groups: u64,
    pub(super) inodes_per_group: u64,
    /// The first block of each group's inode table.
    pub(super) tables: Vec<u64>,
    /// Each group's block bitmap.
    pub(super) block_bitmaps: Vec<u64>,
    /// Each group's inode bitmap.
    pub(super) inode_bitmaps: Vec<u64>,
    /// The double-indirect block of the resize inode.
    pub(super) resize_map: u64,
    pub(super) journal: Vec<Run>,
    /// Nodes of the journal's extent tree.
    pub(super) journal_tree: Vec<u64>,
    /// What is free, in order.
    pub(super) free: Vec<Run>,
}

impl Geometry {
    /// Blocks of a group's inode table.
    pub(super) fn table_blocks(&self) -> u64 {
        self.inodes_per_group / INODES_PER_BLOCK
    }

    /// Blocks of descriptors.
    pub(super) fn descriptor_blocks(&self) -> u64 {
        self.groups.div_ceil(super::layout::DESCRIPTORS_PER_BLOCK)
    }

    /// Blocks of the journal.
    pub(super) fn journal_blocks(&self) -> u64 {
        self.journal.iter().map(|run| run.len).sum()
    }

    /// Blocks of a group: the last may have fewer.
    pub(super) fn group_blocks(&self, group: u64) -> u64 {
        GROUP.min(self.blocks - group * GROUP)
    }
}

/// The smallest size, in blocks, at which everything fits; `None` when there is none.
pub(super) fn required(demand: Demand) -> Option<u64> {
    let limits = JOURNALS.iter().skip(1).map(|(from, _)| *from).chain([u64::MAX]);
    for ((from, journal), to) in JOURNALS.iter().zip(limits) {
        let most = demand.frame.most_blocks();
        let (mut low, mut high) = ((*from).max(demand.content_end), (to - 1).min(most));
        if low > high || !fits(demand, high, *journal) {
            continue;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if fits(demand, middle, *journal) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return Some(high);
    }
    None
}

/// The geometry of a file system of `size` blocks, which is at least what is [`required`].
pub(super) fn plan(demand: Demand, size: u64) -> Option<Geometry> {
    let journals = JOURNALS.iter().rev().filter(|(from, _)| *from <= size);
    let (least, journal) = journals
        .filter_map(|(_, journal)| Some((Sizes::new(demand, size, *journal, None)?, *journal)))
        .next()?;
    let least_table = least.inodes_per_group / INODES_PER_BLOCK;
    let spare_table = least.free() / 2 / least.groups;
    let usual = (least.blocks * BLOCK / INODE_RATIO).div_ceil(least.groups);
    let usual_table = usual.div_ceil(INODES_PER_BLOCK).min(MOST_INODES / INODES_PER_BLOCK);
    let table = usual_table.clamp(least_table, least_table + spare_table);
    let wished = Sizes::new(demand, size, journal, Some(table * INODES_PER_BLOCK));
    Some(wished.unwrap_or(least).geometry())
}

fn fits(demand: Demand, size: u64, journal: u64) -> bool {
    Sizes::new(demand, size, journal, None).is_some()
}

/// A geometry as runs: cheap to try.
#[derive(Debug)]
struct Sizes {
    blocks: u64,
    groups: u64,
    inodes_per_group: u64,
    tables: Vec<Run>,
    singles: Vec<Run>,
    journal: Vec<Run>,
    journal_tree: Vec<Run>,
    free: Vec<Run>,
}

impl Sizes {
    fn new(demand: Demand, size: u64, journal: u64, inodes: Option<u64>) -> Option<Self> {
        let (blocks, groups, inodes_per_group) = rounded(demand, size, inodes)?;
        let mut free = Free { runs: demand.frame.runs(demand.content_end, blocks) };
        let tables = free.take_chunks(groups, inodes_per_group / INODES_PER_BLOCK)?;
        let singles = free.take(1 + 2 * groups)?;
        let journal = match free.take_adjacent(journal) {
            Some(run) => run,
            None => free.take(journal)?,
        };
        let journal_tree = free.take(tree_blocks(extents_of(&journal).len()))?;
        free.runs.retain(|run| run.len > 0);
        let free = free.runs;
        Some(Self {
            blocks,
            groups,
            inodes_per_group,
            tables,
            singles,
            journal,
            journal_tree,
            free,
        })
    }

    fn free(&self) -> u64 {
        self.free.iter().map(|run| run.len).sum()
    }

    fn geometry(self) -> Geometry {
        let step = self.inodes_per_group / INODES_PER_BLOCK;
        let tables = self
            .tables
            .iter()
            .flat_map(|run| (0..run.len / step).map(move |at| run.start + at * step));
        let mut singles = blocks_of(&self.singles);
        let groups = usize::try_from(self.groups).unwrap_or(usize::MAX);
        Geometry {
            blocks: self.blocks,
            groups: self.groups,
            inodes_per_group: self.inodes_per_group,
            tables: tables.collect(),
            block_bitmaps: singles.by_ref().take(groups).collect(),
            inode_bitmaps: singles.by_ref().take(groups).collect(),
            resize_map: singles.next().unwrap_or(0),
            journal_tree: blocks_of(&self.journal_tree).collect(),
            journal: self.journal,
            free: self.free,
        }
    }
}

/// Blocks, groups and inodes per group, without a last group that is not worth it.
fn rounded(demand: Demand, size: u64, inodes: Option<u64>) -> Option<(u64, u64, u64)> {
    if size <= demand.content_end {
        return None;
    }
    let groups = size.div_ceil(GROUP);
    // Some to spare, or not even a directory could be made.
    let least = demand.inodes + demand.inodes / 16 + 16;
    let per_group = match inodes {
        Some(inodes) => inodes,
        None => least.div_ceil(groups).next_multiple_of(INODES_PER_BLOCK),
    };
    if per_group > MOST_INODES {
        return None;
    }
    let (last, start) = (size - (groups - 1) * GROUP, (groups - 1) * GROUP);
    let own = demand.frame.head(groups - 1) + 2 + per_group / INODES_PER_BLOCK;
    if groups > 1 && last < own + LEAST_LAST_GROUP && demand.content_end <= start {
        return rounded(demand, start, inodes);
    }
    Some((size, groups, per_group))
}

/// The blocks of runs, one after the other.
fn blocks_of(runs: &[Run]) -> impl Iterator<Item = u64> {
    runs.iter().flat_map(|run| run.start..run.end())
}

/// Free runs that are taken from their fronts.
struct Free {
    runs: Vec<Run>,
}

impl Free {
    /// `chunks` times `len` adjacent blocks.
    fn take_chunks(&mut self, chunks: u64, len: u64) -> Option<Vec<Run>> {
        let mut left = chunks;
        let mut taken = Vec::new();
        for run in &mut self.runs {
            let here = left.min(run.len / len.max(1));
            if here > 0 {
                taken.push(cut(run, here * len));
                left -= here;
            }
        }
        (left == 0).then_some(taken)
    }

    /// `blocks` blocks, from the front.
    fn take(&mut self, blocks: u64) -> Option<Vec<Run>> {
        self.take_chunks(blocks, 1)
    }

    /// `blocks` adjacent blocks.
    fn take_adjacent(&mut self, blocks: u64) -> Option<Vec<Run>> {
        let run = self.runs.iter_mut().find(|run| run.len >= blocks)?;
        Some(if blocks == 0 { Vec::new() } else { vec![cut(run, blocks)] })
    }
}

/// Cuts `len` blocks off the front of a run.
fn cut(run: &mut Run, len: u64) -> Run {
    let taken = Run { start: run.start, len };
    *run = Run { start: run.start + len, len: run.len - len };
    taken
}

impl Geometry {
    /// Adds blocks of the content that nothing uses to what is free.
    pub(super) fn free_too(&mut self, runs: &[Run]) {
        self.free.extend_from_slice(runs);
        self.free.sort_by_key(|run| run.start);
    }
}

/// How many blocks of `start..end` are free.
pub(super) fn free_between(free: &[Run], start: u64, end: u64) -> u64 {
    let first = free.partition_point(|run| run.end() <= start);
    let inside = free[first..].iter().take_while(|run| run.start < end);
    inside.map(|run| run.end().min(end) - run.start.max(start)).sum()
}

/// The table block and the byte in it where the inode `number` is.
pub(super) fn inode_offset(geometry: &Geometry, number: u32) -> u64 {
    let at = u64::from(number) - 1;
    let group = usize::try_from(at / geometry.inodes_per_group).unwrap_or(usize::MAX);
    geometry.tables[group] * BLOCK + at % geometry.inodes_per_group * 256
}

/// All inodes of the file system.
pub(super) fn inode_count(geometry: &Geometry) -> u32 {
    low32(count(geometry.tables.len()) * geometry.inodes_per_group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(content_end: u64, inodes: u64) -> Demand {
        Demand { frame: Frame::for_growth(1 << 31), content_end, inodes }
    }

    #[test]
    fn exactly_the_required_size_fits_and_every_larger_one() {
        for content_end in [1100, 40_000, 262_000, 524_000, 3_000_000] {
            for inodes in [11, 5_000, 300_000] {
                let demand = demand(content_end, inodes);
                let needed = required(demand).unwrap();
                assert!(needed > content_end);
                let journal = JOURNALS.iter().rev().find(|(from, _)| *from < needed).unwrap().1;
                assert!(!fits(demand, needed - 1, journal), "{needed} is not the smallest");
                for more in (0..2000).chain((2000..200_000).step_by(997)) {
                    let size = needed + more;
                    let geometry = plan(demand, size);
                    assert!(geometry.is_some(), "{needed} fits and {size} does not");
                }
            }
        }
    }

    #[test]
    fn structures_do_not_overlap_and_fill_what_is_not_free() {
        let demand = demand(200_000, 20_000);
        let geometry = plan(demand, 1_000_000).unwrap();
        let mut runs: Vec<Run> = geometry.free.clone();
        let table = geometry.table_blocks();
        runs.extend(geometry.tables.iter().map(|start| Run { start: *start, len: table }));
        let singles = geometry.block_bitmaps.iter().chain(&geometry.inode_bitmaps);
        runs.extend(singles.map(|start| Run { start: *start, len: 1 }));
        runs.push(Run { start: geometry.resize_map, len: 1 });
        runs.extend(&geometry.journal);
        runs.extend(geometry.journal_tree.iter().map(|start| Run { start: *start, len: 1 }));
        runs.sort_by_key(|run| run.start);
        assert!(runs.windows(2).all(|pair| pair[0].end() <= pair[1].start));
        let total: u64 = runs.iter().map(|run| run.len).sum();
        let outside = demand.frame.runs(demand.content_end, geometry.blocks);
        assert_eq!(total, outside.iter().map(|run| run.len).sum::<u64>());
        // One for 16 KiB: 250,000 over 31 groups, in whole blocks of the table.
        assert_eq!((geometry.groups, geometry.inodes_per_group), (31, 8080));
    }
}
