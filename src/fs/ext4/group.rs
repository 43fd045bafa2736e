//! Groups: their bitmaps and their descriptors.
//!
//! | at | descriptor | | at | high halves |
//! |---|---|---|---|---|
//! | 0, 4, 8 | block bitmap, inode bitmap, inode table | | 32, 36, 40 | the same |
//! | 12, 14, 16 | free blocks, free inodes, directories | | 44, 46, 48 | the same |
//! | 18 | flags | | | |
//! | 24, 26 | checksums of block and inode bitmap | | 56, 58 | the same |
//! | 28 | inodes never used, at the end of the table | | 50 | the same |
//! | 30 | checksum | | | |
//!
//! A group without any used inode needs no inode bitmap, one without any block in use besides its
//! head no block bitmap: flags say so, and the bitmaps are not written. Inode tables read as zeros.

use super::bytes::{count, index, low16, low32, put16, put32};
use super::checksum::Checksum;
use super::geometry::{Geometry, free_between};
use super::layout::{BLOCK_LEN, Frame, GROUP};

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR_LEN: usize = 64;

const NO_INODES: u16 = 1;
const NO_BLOCKS: u16 = 2;
const TABLE_ZEROED: u16 = 4;

/// The inodes in use in the whole file system: numbers up to `last`, but for the spare ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inodes<'a> {
    pub(super) last: u64,
    /// In order, counted from 0.
    pub(super) spare: &'a [u64],
}

/// What a group is like.
#[derive(Debug, Clone)]
pub(super) struct Group {
    number: u64,
    free_blocks: u64,
    /// Inodes up to the last in use.
    used_inodes: u64,
    /// Those among them that nothing uses.
    spare_inodes: u64,
    directories: u32,
    /// Its bitmaps; `None` where a flag takes their place.
    pub(super) block_bitmap: Option<Vec<u8>>,
    pub(super) inode_bitmap: Option<Vec<u8>>,
}

impl Group {
    /// The group `number`, in which there are `directories` directories.
    pub(super) fn new(
        geometry: &Geometry,
        frame: Frame,
        number: u64,
        inodes: Inodes<'_>,
        directories: u32,
    ) -> Self {
        let (start, len) = (number * GROUP, geometry.group_blocks(number));
        let free_blocks = free_between(&geometry.free, start, start + len);
        let before = number * geometry.inodes_per_group;
        let used_inodes = inodes.last.saturating_sub(before).min(geometry.inodes_per_group);
        let spare = &inodes.spare[inodes.spare.partition_point(|at| *at < before)..];
        let spare = &spare[..spare.partition_point(|at| *at < before + used_inodes)];
        let last = number + 1 == geometry.groups;
        let untouched = !last && number > 0 && free_blocks + frame.head(number) == len;
        let block_bitmap = (!untouched).then(|| block_bitmap(geometry, number));
        let inode_bitmap = (used_inodes > 0).then(|| {
            let mut bitmap = vec![0xff; BLOCK_LEN];
            clear(&mut bitmap, used_inodes, geometry.inodes_per_group);
            spare.iter().for_each(|at| clear(&mut bitmap, at - before, at - before + 1));
            bitmap
        });
        let spare_inodes = count(spare.len());
        Self {
            number,
            free_blocks,
            used_inodes,
            spare_inodes,
            directories,
            block_bitmap,
            inode_bitmap,
        }
    }

    /// Its descriptor.
    pub(super) fn encode(&self, geometry: &Geometry, seed: Checksum) -> [u8; DESCRIPTOR_LEN] {
        let mut raw = [0; DESCRIPTOR_LEN];
        let at = index(self.number);
        let places = [geometry.block_bitmaps[at], geometry.inode_bitmaps[at], geometry.tables[at]];
        for (place, low) in places.into_iter().zip([0, 4, 8]) {
            put32(&mut raw, low, low32(place));
            put32(&mut raw, low + 32, low32(place >> 32));
        }
        let unused = geometry.inodes_per_group - self.used_inodes;
        let bitmap_sum = |bitmap: &Option<Vec<u8>>, len: u64| match bitmap {
            Some(bytes) => u64::from(seed.then(&bytes[..index(len / 8)]).0),
            None => 0,
        };
        let halves = [
            (12, 44, self.free_blocks),
            (14, 46, unused + self.spare_inodes),
            (16, 48, u64::from(self.directories)),
            (24, 56, bitmap_sum(&self.block_bitmap, GROUP)),
            (26, 58, bitmap_sum(&self.inode_bitmap, geometry.inodes_per_group)),
            (28, 50, unused),
        ];
        for (low, high, value) in halves {
            put16(&mut raw, low, low16(value));
            put16(&mut raw, high, low16(value >> 16));
        }
        let no_inodes = if self.inode_bitmap.is_none() { NO_INODES } else { 0 };
        let no_blocks = if self.block_bitmap.is_none() { NO_BLOCKS } else { 0 };
        put16(&mut raw, 18, TABLE_ZEROED | no_inodes | no_blocks);
        let sum = seed.then(&low32(self.number).to_le_bytes()).then(&raw);
        put16(&mut raw, 30, low16(u64::from(sum.0)));
        raw
    }

    /// How many inodes there are up to the last in use.
    pub(super) fn used_inodes(&self) -> u64 {
        self.used_inodes
    }
}

/// A bitmap with ones for what is in use or past the end.
fn block_bitmap(geometry: &Geometry, group: u64) -> Vec<u8> {
    let (start, end) = (group * GROUP, group * GROUP + geometry.group_blocks(group));
    let mut bitmap = vec![0xff; BLOCK_LEN];
    let first = geometry.free.partition_point(|run| run.end() <= start);
    for run in geometry.free[first..].iter().take_while(|run| run.start < end) {
        clear(&mut bitmap, run.start.max(start) - start, run.end().min(end) - start);
    }
    bitmap
}

/// Clears the bits from `from` to before `to`.
fn clear(bitmap: &mut [u8], from: u64, to: u64) {
    let mut bit = from;
    while bit < to {
        if bit.is_multiple_of(8) && to - bit >= 8 {
            bitmap[index(bit / 8)] = 0;
            bit += 8;
        } else {
            bitmap[index(bit / 8)] &= !(1 << (bit % 8));
            bit += 1;
        }
    }
    debug_assert!(to <= count(bitmap.len()) * 8);
}
