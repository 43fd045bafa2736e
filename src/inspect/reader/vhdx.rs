//! vhdx, dynamic.
//!
//! ```text
//! 0        "vhdxfile"
//! 64 KiB   header: "head", CRC-32C over its 4 KiB, sequence 8, GUIDs 16 × 3 (the third of the log),
//! 128 KiB  and again; the valid one with the higher sequence counts
//! 192 KiB  regions: "regi", CRC-32C over 64 KiB, count 4; from 16 on each: GUID, offset 8,
//! 256 KiB  length 4, required 4; and again
//! ```
//!
//! The metadata region is a table of items: GUID, offset 4, length 4, flags 4. The block allocation
//! table (BAT) has 8 bytes for each block: the state in bits 0 to 2, the offset in MiB from bit 20 on;
//! after as many blocks as share one bitmap comes the entry of that bitmap. Numbers are little-endian.

use super::cache::Cache;
use super::{DiskImage, Shared, by_units, check_inside, check_size, read_part};
use crate::inspect::bytes::{bytes16, count, guid, index, le16, le32, le64};
use crate::inspect::error::Problem;

pub(super) const SIGNATURE: &[u8] = b"vhdxfile";
const KIB: u64 = 1024;
const BAT: &str = "2dc27766-f623-4200-9d64-115e9bfd4a08";
const METADATA: &str = "8b7ca206-4790-4b9a-b8fe-575f050f886e";
const PARAMETERS: &str = "caa16737-fa36-4d43-b3b6-33f0aa44e76b";
const DISK_SIZE: &str = "2fa54224-cd1b-4876-b211-5dbed83bf4b8";
const SECTOR_SIZE: &str = "8141bf1d-a96f-4709-ba47-f233a8faab5f";
/// Items that must be understood, and are, as far as they matter for reading.
const OTHERS: [&str; 3] = [
    "cda348c7-445d-4471-9cc9-e9885251c556",
    "beca12ab-b2e6-4523-93ef-c309e000c746",
    "a8d35f2d-b30b-454d-abf7-d3d84834ab0c",
];
const REGIONS_BYTES: usize = 64 << 10;
/// How much of the BAT is read at once.
const BAT_PIECE: u64 = 64 << 10;

/// A vhdx.
#[derive(Debug)]
pub(super) struct Vhdx {
    file: Shared,
    len: u64,
    block_len: u64,
    /// Blocks between two entries of bitmaps.
    ratio: u64,
    bat: Region,
    pieces: Cache,
}

#[derive(Debug, Clone, Copy)]
struct Region {
    offset: u64,
    len: u64,
}

impl Vhdx {
    pub(super) fn open(file: Shared) -> Result<Self, Problem> {
        check_headers(&*file)?;
        let (bat, metadata) = regions(&*file)?;
        let facts = Metadata::read(&*file, metadata)?;
        let len = check_size(facts.len)?;
        let ratio = (facts.sector_len << 23) / facts.block_len;
        let blocks = len.div_ceil(facts.block_len);
        let entries = blocks + blocks.saturating_sub(1) / ratio;
        if bat.len / 8 < entries {
            return Err(Problem::Value { what: "the length of the BAT", value: bat.len });
        }
        let (block_len, pieces) = (facts.block_len, Cache::new(16));
        Ok(Self { file, len, block_len, ratio, bat, pieces })
    }

    fn entry(&self, block: u64) -> Result<u64, Problem> {
        let at = (block + block / self.ratio) * 8;
        let start = at - at % BAT_PIECE;
        let piece = self.pieces.get(start, || {
            let len = BAT_PIECE.min(self.bat.len.saturating_sub(start));
            read_part(&*self.file, "the BAT", self.bat.offset + start, index(len))
        })?;
        Ok(le64(&piece, index(at % BAT_PIECE)))
    }
}

/// The valid header with the higher sequence must say that the log is empty.
fn check_headers(file: &dyn DiskImage) -> Result<(), Problem> {
    let mut current: Option<(u64, Vec<u8>)> = None;
    for offset in [64 * KIB, 128 * KIB] {
        let header = read_part(file, "a header", offset, 4096)?;
        let sequence = le64(&header, 8);
        let is_newer = current.as_ref().is_none_or(|(known, _)| *known < sequence);
        if header.starts_with(b"head") && is_intact(&header) && is_newer {
            current = Some((sequence, header));
        }
    }
    let (_, header) = current.ok_or(Problem::Checksum("the header"))?;
    if le16(&header, 66) != 1 {
        return Err(Problem::Version(le16(&header, 66).into()));
    }
    if bytes16(&header, 48) != [0; 16] {
        return Err(Problem::OpenLog);
    }
    Ok(())
}

/// Whether the CRC-32C at byte 4 fits.
fn is_intact(bytes: &[u8]) -> bool {
    let mut blank = bytes.to_vec();
    blank[4..8].fill(0);
    crc32c::crc32c(&blank) == le32(bytes, 4)
}

/// BAT and metadata.
fn regions(file: &dyn DiskImage) -> Result<(Region, Region), Problem> {
    let mut table = Err(Problem::Checksum("the table of regions"));
    for offset in [192 * KIB, 256 * KIB] {
        let bytes = read_part(file, "the table of regions", offset, REGIONS_BYTES)?;
        if bytes.starts_with(b"regi") && is_intact(&bytes) {
            table = Ok(bytes);
            break;
        }
    }
    let table = table?;
    let (mut bat, mut metadata) = (None, None);
    let entries = index(le32(&table, 8).into()).min(2047);
    for entry in table[16..].chunks_exact(32).take(entries) {
        let region = Region { offset: le64(entry, 16), len: le32(entry, 24).into() };
        match guid(bytes16(entry, 0)).as_str() {
            BAT => bat = Some(region),
            METADATA => metadata = Some(region),
            _ if le32(entry, 28) & 1 == 0 => {}
            _ => return Err(Problem::Features(le32(entry, 0).into())),
        }
    }
    let inside = |region: Option<Region>, what| {
        let Region { offset, len } = region.ok_or(Problem::Missing(what))?;
        match offset.checked_add(len) {
            Some(end) if end <= file.len_bytes() => Ok(Region { offset, len }),
            _ => Err(Problem::Outside { what, offset }),
        }
    };
    Ok((inside(bat, "the BAT")?, inside(metadata, "the metadata")?))
}

/// What the metadata say of the disk.
struct Metadata {
    len: u64,
    block_len: u64,
    sector_len: u64,
}

impl Metadata {
    fn read(file: &dyn DiskImage, region: Region) -> Result<Self, Problem> {
        let what = "the metadata";
        let table = read_part(file, what, region.offset, REGIONS_BYTES)?;
        if !table.starts_with(b"metadata") {
            return Err(Problem::Signature(what));
        }
        let (mut parameters, mut len, mut sector) = (None, None, None);
        for entry in table[32..].chunks_exact(32).take(usize::from(le16(&table, 10)).min(2047)) {
            let offset = u64::from(le32(entry, 16));
            let item = || {
                let item = read_part(file, what, region.offset + offset, 8)?;
                Ok::<_, Problem>(le64(&item, 0))
            };
            match guid(bytes16(entry, 0)).as_str() {
                PARAMETERS => parameters = Some(item()?),
                DISK_SIZE => len = Some(item()?),
                SECTOR_SIZE => sector = Some(item()? & 0xFFFF_FFFF),
                name if OTHERS.contains(&name) || le32(entry, 24) & 4 == 0 => {}
                _ => return Err(Problem::Features(le32(entry, 0).into())),
            }
        }
        let parameters = parameters.ok_or(Problem::Missing("the item with file parameters"))?;
        let (block_len, flags) = (parameters & 0xFFFF_FFFF, parameters >> 32);
        if flags & 2 != 0 {
            return Err(Problem::BackingFile("its parent".to_owned()));
        }
        if !block_len.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block_len) {
            return Err(Problem::Value { what: "the size of blocks", value: block_len });
        }
        let sector_len = sector.ok_or(Problem::Missing("the size of sectors"))?;
        if !matches!(sector_len, 512 | 4096) {
            return Err(Problem::Value { what: "the size of sectors", value: sector_len });
        }
        Ok(Self {
            len: len.ok_or(Problem::Missing("the size of the disk"))?,
            block_len,
            sector_len,
        })
    }
}

impl DiskImage for Vhdx {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len)?;
        by_units(offset, buffer, self.block_len, |block, at, buffer| {
            let entry = self.entry(block)?;
            let place = (entry >> 20 << 20).saturating_add(count(at));
            match entry & 7 {
                0..=3 => {
                    buffer.fill(0);
                    Ok(())
                }
                6 => self.file.read_at(place, buffer).map_err(|error| match error {
                    Problem::PastEnd { .. } => Problem::Outside { what: "a block", offset: place },
                    other => other,
                }),
                state => Err(Problem::Value { what: "the state of a block", value: state }),
            }
        })
    }
}
