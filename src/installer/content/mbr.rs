//! The master boot record.
//!
//! | at | field |
//! |---|---|
//! | 446 | four entries of 16 bytes: 0x80 or 0, type at 4, first sector at 8, count at 12 |
//! | 510 | 0x55 0xAA |
//!
//! File systems have these two last bytes as well, with code where the entries would be: it is a
//! table when all four entries could be one. Partitions inside an extended one are not looked for.

use std::fmt;

use super::{Signature, le32};
use crate::units::{ByteLen, ByteOffset, Lba, SectorSize};

const ENTRIES: usize = 446;
const ENTRY_BYTES: usize = 16;
const PROTECTIVE: u8 = 0xEE;

/// A partition of a master boot record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MbrPartition {
    /// Its number, from 1.
    pub index: u32,
    /// Its type.
    pub kind: u8,
    /// Where it starts.
    pub start: ByteOffset,
    /// How long it is.
    pub len: ByteLen,
    /// What it begins with.
    pub holds: Option<Signature>,
}

impl fmt::Display for MbrPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, kind, len, .. } = self;
        match (&self.holds, kind) {
            (Some(holds), _) => write!(f, "{holds} ({len})"),
            (None, 0x05 | 0x0F | 0x85) => write!(f, "number {index} ({len}, extended)"),
            (None, _) => write!(f, "number {index} ({len}, type {kind:02x})"),
        }
    }
}

/// The table in a disk's first sector.
pub(super) fn parse(first: &[u8], len_bytes: u64, sector: SectorSize) -> Option<Vec<MbrPartition>> {
    let entries = first.get(ENTRIES..510).filter(|_| first.get(510..) == Some(&[0x55, 0xAA]))?;
    let mut partitions = Vec::new();
    for (index, entry) in (1..).zip(entries.chunks_exact(ENTRY_BYTES)) {
        let [active, kind] = [entry[0], entry[4]];
        let start = Lba(le32(entry, 8).into()).to_offset(sector)?;
        let len = ByteLen(Lba(le32(entry, 12).into()).to_offset(sector)?.0);
        let is_unused = kind == 0 && len.0 == 0;
        if active & 0x7F != 0 || !is_unused && start.0 >= len_bytes {
            return None;
        }
        if kind != 0 && len.0 > 0 {
            partitions.push(MbrPartition { index, kind, start, len, holds: None });
        }
    }
    // without an entry, it is boot code, or a file system's
    (!partitions.is_empty()).then_some(partitions)
}

/// Whether it is there for the sake of a GPT.
pub(super) fn is_protective(partitions: &[MbrPartition]) -> bool {
    partitions.iter().any(|partition| partition.kind == PROTECTIVE)
}
