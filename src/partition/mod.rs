//! The partition table: GPT, with the protective MBR before it (UEFI 2.10, chapter 5).
//!
//! ```text
//!  sector 0   1         2 …                first usable … last usable      …        last
//!  ┌────────┬─────────┬──────────────────┬─────────────────────────┬───────────┬─────────┐
//!  │ MBR    │ header  │ 128 entries of   │ partitions, each from a │ entries   │ header  │
//!  │        │         │ 128 bytes        │ multiple of 1 MiB on    │ (again)   │ (again) │
//!  └────────┴─────────┴──────────────────┴─────────────────────────┴───────────┴─────────┘
//! ```
//!
//! A [`Table`] exists only when its partitions are aligned, apart from each other and within the
//! disk, so writing one cannot fail but for the canvas. It is written backwards, the MBR last: until
//! then nothing boots. The first 440 bytes, a BIOS loader's boot code, are never touched.
//!
//! [`grow`] moves the end of somebody else's table. Left out on purpose: other changes, hybrid
//! MBRs, more than 128 entries of our own.

mod encode;
pub mod grow;
mod guid;

pub use guid::{BIOS_BOOT, ESP, Guid, LINUX_DATA, ROOT_AARCH64, ROOT_X86_64, XBOOTLDR};

use std::collections::BTreeSet;
use std::io;

use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset, MIB, SectorSize};

/// How many bytes the MBR leaves to boot code.
pub const BOOT_CODE_BYTES: usize = 440;

const MAX_PARTITIONS: usize = 128;
const MAX_NAME_UNITS: usize = 36;

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub type_guid: Guid,
    /// Which one it is.
    pub unique_guid: Guid,
    /// Its label: at most 36 UTF-16 units.
    pub name: String,
    /// Where it starts: a multiple of 1 MiB.
    pub start: ByteOffset,
    /// How long it is: a multiple of the sector size.
    pub len: ByteLen,
    /// Attribute bits: bit 0 required, bit 2 legacy BIOS bootable, bit 59 grow, bit 60 read-only …
    pub attributes: u64,
}

/// Partitions that fit on a disk; partition `n` is the `n`th of the list, counted from 1. Those that
/// were there before and stay have numbers of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    disk_size: ByteLen,
    sector: SectorSize,
    disk_guid: Guid,
    partitions: Vec<Partition>,
    kept: Vec<(usize, Partition)>,
}

/// Why partitions do not make a table. Numbers count from 1.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PartitionError {
    /// The disk ends inside a sector.
    #[error("disk size {disk_bytes} is not a multiple of its {sector_bytes}-byte sectors")]
    DiskSize {
        /// The disk's size.
        disk_bytes: u64,
        /// The sector's size.
        sector_bytes: u64,
    },
    /// Not even an empty table fits.
    #[error("a disk of {disk_size} is too small for a partition table")]
    DiskTooSmall {
        /// The disk's size.
        disk_size: ByteLen,
    },
    /// More partitions than entries.
    #[error("{count} partitions, but the table has 128 entries")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// A start or length off its grid.
    #[error(
        "partition {number} (`{name}`) at {start_bytes}, {len_bytes} bytes long, \
         must start at a multiple of {grid_bytes} and hold whole sectors"
    )]
    Misaligned {
        /// Which partition.
        number: usize,
        /// Its label.
        name: String,
        /// Its start.
        start_bytes: u64,
        /// Its length.
        len_bytes: u64,
        /// What its start must be a multiple of.
        grid_bytes: u64,
    },
    /// A partition that stays has the number of another, or none that there is.
    #[error(
        "partition {number} (`{name}`) cannot keep its number: it is taken, or not in 1 to 128"
    )]
    Number {
        /// The number.
        number: usize,
        /// Its label.
        name: String,
    },
    /// It reaches into the backup table or past the end.
    #[error(
        "partition {number} (`{name}`) ends at {end_bytes}, \
         beyond the last usable byte {usable_end_bytes} of the disk"
    )]
    BeyondDisk {
        /// Which partition.
        number: usize,
        /// Its label.
        name: String,
        /// Where it ends; saturated when that is past 64 bits.
        end_bytes: u64,
        /// Where usable space ends.
        usable_end_bytes: u64,
    },
    /// Two partitions share bytes.
    #[error("partitions {first} and {second} overlap")]
    Overlap {
        /// The one that starts first.
        first: usize,
        /// The one that starts inside it.
        second: usize,
    },
    /// The label does not fit or holds a NUL.
    #[error("name `{name}` of partition {number} has {units} UTF-16 units (at most 36, no NUL)")]
    Name {
        /// Which partition.
        number: usize,
        /// Its label.
        name: String,
        /// Its length.
        units: usize,
    },
    /// A GUID is nil or used twice.
    #[error("GUID {guid} of partition {number} is nil or not unique")]
    Guid {
        /// Which partition.
        number: usize,
        /// The GUID.
        guid: Guid,
    },
}

impl Table {
    /// Checks that `partitions` fit on a disk of `disk_size` and beside each other.
    pub fn new(
        disk_size: ByteLen,
        sector: SectorSize,
        disk_guid: Guid,
        partitions: Vec<Partition>,
    ) -> Result<Self, PartitionError> {
        let usable_end_bytes = usable_end(disk_size, sector)?;
        if partitions.len() > MAX_PARTITIONS {
            return Err(PartitionError::TooMany { count: partitions.len() });
        }
        for (partition, number) in partitions.iter().zip(1..) {
            check_one(partition, number, MIB, sector, usable_end_bytes)?;
        }
        let table = Self { disk_size, sector, disk_guid, partitions, kept: Vec::new() };
        table.check_all()
    }

    /// The table with partitions that were on the disk before, by number: they need not start on a
    /// mebibyte.
    pub fn keeping(self, kept: Vec<(usize, Partition)>) -> Result<Self, PartitionError> {
        let usable_end_bytes = usable_end(self.disk_size, self.sector)?;
        let mut taken: BTreeSet<usize> = (1..=self.partitions.len()).collect();
        for (number, partition) in &kept {
            let number = *number;
            if !(1..=MAX_PARTITIONS).contains(&number) || !taken.insert(number) {
                return Err(PartitionError::Number { number, name: partition.name.clone() });
            }
            check_one(partition, number, self.sector.bytes(), self.sector, usable_end_bytes)?;
        }
        Self { kept, ..self }.check_all()
    }

    fn check_all(self) -> Result<Self, PartitionError> {
        check_overlap(self.numbered())?;
        check_guids(self.disk_guid, self.numbered())?;
        Ok(self)
    }

    /// All partitions with their numbers.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Partition)> {
        (1..).zip(&self.partitions).chain(self.kept.iter().map(|(number, kept)| (*number, kept)))
    }

    /// The partitions in the order of their numbers, but for those that were kept.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The size of the disk.
    pub fn disk_size(&self) -> ByteLen {
        self.disk_size
    }

    /// Writes both copies of the table and the protective MBR onto the whole disk's canvas.
    ///
    /// Bytes 0 to 439 are left to boot code, before or after.
    pub fn write(&self, canvas: &mut impl Canvas) -> io::Result<()> {
        encode::regions(self).into_iter().try_for_each(|(at, bytes)| canvas.write_at(at, &bytes))
    }
}

/// The smallest disk on which usable space ends no earlier than `end`, in whole mebibytes.
///
/// `None` past the end of 64 bits.
pub fn disk_size_for(end: ByteOffset, sector: SectorSize) -> Option<ByteLen> {
    let size = end.checked_add(ByteLen(encode::backup_bytes(sector)))?;
    ByteLen(size.0).checked_round_up(MIB)
}

/// Where the backup entries begin, checked to leave at least one mebibyte for partitions.
fn usable_end(disk_size: ByteLen, sector: SectorSize) -> Result<u64, PartitionError> {
    let sector_bytes = sector.bytes();
    if !disk_size.0.is_multiple_of(sector_bytes) {
        return Err(PartitionError::DiskSize { disk_bytes: disk_size.0, sector_bytes });
    }
    match disk_size.0.checked_sub(encode::backup_bytes(sector)) {
        Some(end) if end >= MIB => Ok(end),
        _ => Err(PartitionError::DiskTooSmall { disk_size }),
    }
}

fn check_one(
    partition: &Partition,
    number: usize,
    grid_bytes: u64,
    sector: SectorSize,
    usable_end_bytes: u64,
) -> Result<(), PartitionError> {
    let Partition { start, len, .. } = *partition;
    let name = || partition.name.clone();
    let on_grid = start.0.is_multiple_of(grid_bytes) && len.0.is_multiple_of(sector.bytes());
    if !on_grid || start.0 == 0 || len.0 == 0 {
        let (start_bytes, len_bytes) = (start.0, len.0);
        return Err(PartitionError::Misaligned {
            number,
            name: name(),
            start_bytes,
            len_bytes,
            grid_bytes,
        });
    }
    let end_bytes = start.0.saturating_add(len.0);
    if end_bytes > usable_end_bytes {
        return Err(PartitionError::BeyondDisk {
            number,
            name: name(),
            end_bytes,
            usable_end_bytes,
        });
    }
    let units = partition.name.encode_utf16().count();
    if units > MAX_NAME_UNITS || partition.name.contains('\0') {
        return Err(PartitionError::Name { number, name: name(), units });
    }
    Ok(())
}

fn check_overlap<'p>(
    partitions: impl Iterator<Item = (usize, &'p Partition)>,
) -> Result<(), PartitionError> {
    let mut spans: Vec<_> = partitions.map(|(number, p)| (p.start.0, p.len.0, number)).collect();
    spans.sort_unstable();
    match spans.windows(2).find(|pair| pair[0].0 + pair[0].1 > pair[1].0) {
        Some(pair) => Err(PartitionError::Overlap { first: pair[0].2, second: pair[1].2 }),
        None => Ok(()),
    }
}

fn check_guids<'p>(
    disk_guid: Guid,
    partitions: impl Iterator<Item = (usize, &'p Partition)>,
) -> Result<(), PartitionError> {
    let mut seen = BTreeSet::from([disk_guid]);
    for (number, partition) in partitions {
        let (kind, unique) = (partition.type_guid, partition.unique_guid);
        if kind.is_nil() {
            return Err(PartitionError::Guid { number, guid: kind });
        }
        if unique.is_nil() || !seen.insert(unique) {
            return Err(PartitionError::Guid { number, guid: unique });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
