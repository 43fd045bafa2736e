//! vmdk, `streamOptimized`: compressed grains, then their tables, then a footer.
//!
//! ```text
//! header, 512 bytes: "KDMV" 4, version 4, flags 4, capacity 8, grain size 8, descriptor offset 8,
//!   descriptor size 8, entries of a grain table 4, redundant directory 8, grain directory 8, …,
//!   at 77 compression 2 (1 is deflate)
//! file: header, descriptor, grains …, tables, directory, footer marker, footer, end marker
//! grain: sector number 8, length 4, zlib stream
//! ```
//!
//! All places are in sectors of 512 bytes, numbers little-endian. The footer is a header that knows
//! where the directory is; it is the sector before the last.

use std::io::Read as _;

use super::cache::Cache;
use super::{DiskImage, Shared, by_units, check_inside, check_size, read_part};
use crate::inspect::bytes::{index, le16, le32, le64};
use crate::inspect::error::Problem;

pub(super) const MAGIC: &[u8] = b"KDMV";
const SECTOR: u64 = 512;
const AT_END: u64 = u64::MAX;
const COMPRESSED: u32 = 1 << 16;
const READ: &str = "`streamOptimized`";
/// A descriptor is some hundred bytes.
const DESCRIPTOR_LIMIT: u64 = 128 << 10;
/// Grain directories of 64 TiB with the usual grains have two million entries.
const MOST_TABLES: u64 = 4 << 20;

/// A vmdk.
#[derive(Debug)]
pub(super) struct Vmdk {
    file: Shared,
    len: u64,
    grain_len: u64,
    /// Grains of one table.
    per_table: u64,
    directory: Vec<u8>,
    tables: Cache,
    grains: Cache,
}

impl Vmdk {
    pub(super) fn open(file: Shared) -> Result<Self, Problem> {
        let mut header = read_part(&*file, "the header", 0, 512)?;
        check_descriptor(&*file, &header)?;
        if le64(&header, 56) == AT_END {
            let footer = file.len_bytes().checked_sub(2 * SECTOR);
            header = read_part(&*file, "the footer", footer.unwrap_or(u64::MAX), 512)?;
            if !header.starts_with(MAGIC) {
                return Err(Problem::Signature("the footer"));
            }
        }
        if le32(&header, 8) & COMPRESSED == 0 || le16(&header, 77) != 1 {
            return Err(Problem::Variety { found: "not compressed".to_owned(), read: READ });
        }
        let capacity = le64(&header, 12);
        let len = check_size(capacity.checked_mul(SECTOR).ok_or(Problem::TooLarge(u64::MAX))?)?;
        let grain = le64(&header, 20);
        if !grain.is_power_of_two() || !(1..=2048).contains(&grain) {
            return Err(Problem::Value { what: "the size of grains in sectors", value: grain });
        }
        let per_table = u64::from(le32(&header, 44));
        if !(1..=65_536).contains(&per_table) {
            return Err(Problem::Value { what: "the length of grain tables", value: per_table });
        }
        let grain_len = grain * SECTOR;
        let tables = len.div_ceil(grain_len * per_table);
        if tables > MOST_TABLES {
            return Err(Problem::Value {
                what: "the length of the grain directory",
                value: tables,
            });
        }
        let at = le64(&header, 56).saturating_mul(SECTOR);
        let directory = read_part(&*file, "the grain directory", at, index(tables * 4))?;
        let (tables, grains) = (Cache::new(16), Cache::new(32));
        Ok(Self { file, len, grain_len, per_table, directory, tables, grains })
    }

    /// The sector of a grain; 0 and 1 for one that is zeros.
    fn place(&self, grain: u64) -> Result<u64, Problem> {
        let table = u64::from(le32(&self.directory, index(grain / self.per_table * 4)));
        if table == 0 {
            return Ok(0);
        }
        let len = index(self.per_table * 4);
        let table = self
            .tables
            .get(table, || read_part(&*self.file, "a grain table", table * SECTOR, len))?;
        Ok(le32(&table, index(grain % self.per_table * 4)).into())
    }

    fn unpacked(&self, grain: u64, sector: u64) -> Result<std::rc::Rc<[u8]>, Problem> {
        self.grains.get(grain, || {
            let at = sector * SECTOR;
            let head = read_part(&*self.file, "a grain", at, 12)?;
            let number = le64(&head, 0);
            if number != grain * self.grain_len / SECTOR {
                return Err(Problem::Value { what: "the place that a grain gives", value: number });
            }
            let len = u64::from(le32(&head, 8));
            if len > 2 * self.grain_len + 1024 {
                return Err(Problem::Value { what: "the length of a grain", value: len });
            }
            let packed = read_part(&*self.file, "a grain", at + 12, index(len))?;
            unpack(&packed, index(self.grain_len)).ok_or(Problem::Compressed(at))
        })
    }
}

/// The content of a grain; the last one of a disk may be short.
fn unpack(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut grain = Vec::new();
    let limit = crate::inspect::bytes::count(len);
    flate2::read::ZlibDecoder::new(packed).take(limit).read_to_end(&mut grain).ok()?;
    grain.resize(len, 0);
    Some(grain)
}

/// Refuses what needs other files.
fn check_descriptor(file: &dyn DiskImage, header: &[u8]) -> Result<(), Problem> {
    if !(1..=3).contains(&le32(header, 4)) {
        return Err(Problem::Version(le32(header, 4).into()));
    }
    let len = le64(header, 36).saturating_mul(SECTOR);
    if len == 0 {
        return Ok(());
    }
    let at = le64(header, 28).saturating_mul(SECTOR);
    let text = read_part(file, "the descriptor", at, index(len.min(DESCRIPTOR_LIMIT)))?;
    let text = String::from_utf8_lossy(&text);
    let value = |wanted: &str| {
        let mut pairs = text.lines().filter_map(|line| line.split_once('='));
        let found = pairs.find(|(key, _)| key.trim() == wanted);
        found.map(|(_, value)| value.trim().trim_matches(['"', '\0']).to_owned())
    };
    if let Some(parent) = value("parentFileNameHint") {
        return Err(Problem::BackingFile(parent));
    }
    match value("createType") {
        Some(found) if found != "streamOptimized" => Err(Problem::Variety { found, read: READ }),
        _ => Ok(()),
    }
}

impl DiskImage for Vmdk {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len)?;
        by_units(offset, buffer, self.grain_len, |grain, at, buffer| {
            match self.place(grain)? {
                0 | 1 => buffer.fill(0),
                sector => {
                    let unpacked = self.unpacked(grain, sector)?;
                    buffer.copy_from_slice(&unpacked[at..at + buffer.len()]);
                }
            }
            Ok(())
        })
    }
}
