//! The table of a medium that others made and that got longer.
//!
//! A GPT is at both ends of a disk, so a longer one needs its second copy elsewhere, and the first
//! must say where. Entries stay as they are, each where it was; the protective MBR gets the new
//! length, and so does a record of an older hybrid that begins in sector 0. Sectors have 512 bytes.

use std::io;

use super::encode::HEADER_BYTES;
use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset, MIB};

const SECTOR: usize = 512;
const SECTOR_BYTES: u64 = 512;
const ENTRY_BYTES: usize = 128;
/// What is read of a table: xorriso's has 248 entries.
const MOST_ENTRIES: u32 = 1024;
/// Where an MBR has its records, and how long they are.
const RECORDS: usize = 446;
const RECORD_BYTES: usize = 16;
const PROTECTIVE: u8 = 0xEE;

/// The tables that a medium has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grown {
    mbr: Vec<u8>,
    gpt: Option<Gpt>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Gpt {
    header: Vec<u8>,
    entries: Vec<u8>,
    entries_at: ByteOffset,
}

/// Why a table cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// The medium could not be read or written.
    #[error("moving the end of the partition table")]
    Io(#[from] io::Error),
    /// A GPT that is damaged or unlike all others.
    #[error("its partition table has {0}")]
    Damaged(&'static str),
}

impl Grown {
    /// Reads the tables at a medium's start.
    ///
    /// # Errors
    ///
    /// A GPT that is damaged.
    pub fn load(canvas: &impl Canvas) -> Result<Self, GrowError> {
        let mut mbr = vec![0; SECTOR];
        canvas.read_at(ByteOffset(0), &mut mbr)?;
        let mut header = vec![0; SECTOR];
        canvas.read_at(ByteOffset(SECTOR_BYTES), &mut header)?;
        let gpt = match header.starts_with(b"EFI PART") {
            true => Some(Gpt::load(canvas, header)?),
            false => None,
        };
        Ok(Self { mbr, gpt })
    }

    /// Takes away the entries of partitions for which `keep`, asked with their starts, says no.
    pub fn retain(&mut self, mut keep: impl FnMut(ByteOffset) -> bool) {
        let Some(gpt) = &mut self.gpt else { return };
        for entry in gpt.entries.chunks_exact_mut(ENTRY_BYTES) {
            let start = u64_at(entry, 32).saturating_mul(SECTOR_BYTES);
            let is_used = entry[..16].iter().any(|byte| *byte != 0);
            if is_used && !keep(ByteOffset(start)) {
                entry.fill(0);
            }
        }
    }

    /// How long a medium is whose content ends here: whole MiB, with room for the second copy.
    pub fn len_for(&self, end: ByteOffset) -> Option<ByteLen> {
        let copy = self.gpt.as_ref().map_or(0, Gpt::copy_bytes);
        end.checked_add(ByteLen(copy)).and_then(|end| ByteLen(end.0).checked_round_up(MIB))
    }

    /// Writes the tables of a medium that is this long, the first sector last.
    ///
    /// # Errors
    ///
    /// The canvas failed.
    pub fn write(&self, canvas: &mut impl Canvas, len: ByteLen) -> Result<(), GrowError> {
        let sectors = len.0 / SECTOR_BYTES;
        if let Some(gpt) = &self.gpt {
            gpt.write(canvas, sectors.saturating_sub(1))?;
        }
        canvas.write_at(ByteOffset(0), &self.mbr_for(sectors))?;
        Ok(())
    }

    fn mbr_for(&self, sectors: u64) -> Vec<u8> {
        let mut mbr = self.mbr.clone();
        if !mbr.ends_with(&[0x55, 0xAA]) {
            return mbr;
        }
        for record in mbr[RECORDS..SECTOR - 2].chunks_exact_mut(RECORD_BYTES) {
            let first = u64::from(u32_at(record, 8));
            let is_whole = record[4] == PROTECTIVE || (record[4] != 0 && first == 0);
            if is_whole {
                let count = sectors.saturating_sub(first);
                let count = u32::try_from(count).unwrap_or(u32::MAX);
                record[12..].copy_from_slice(&count.to_le_bytes());
            }
        }
        mbr
    }
}

impl Gpt {
    fn load(canvas: &impl Canvas, header: Vec<u8>) -> Result<Self, GrowError> {
        let len = usize::try_from(u32_at(&header, 12)).unwrap_or(usize::MAX);
        if !(HEADER_BYTES..=SECTOR).contains(&len) {
            return Err(GrowError::Damaged("a header of another length"));
        }
        if with_checksum(header.clone()) != header {
            return Err(GrowError::Damaged("a header with a wrong checksum"));
        }
        let count = u32_at(&header, 80);
        let entry_bytes = u32_at(&header, 84);
        if count > MOST_ENTRIES || usize::try_from(entry_bytes).ok() != Some(ENTRY_BYTES) {
            return Err(GrowError::Damaged("entries of another number or length"));
        }
        let entries_at = ByteOffset(u64_at(&header, 72).saturating_mul(SECTOR_BYTES));
        let mut entries = vec![0; usize::try_from(count).unwrap_or(0) * ENTRY_BYTES];
        canvas.read_at(entries_at, &mut entries)?;
        if crc32fast::hash(&entries) != u32_at(&header, 88) {
            return Err(GrowError::Damaged("entries with a wrong checksum"));
        }
        Ok(Self { header, entries, entries_at })
    }

    /// Sectors of the entries.
    fn entries_sectors(&self) -> u64 {
        let len = u64::try_from(self.entries.len()).unwrap_or(u64::MAX);
        len.div_ceil(SECTOR_BYTES)
    }

    fn copy_bytes(&self) -> u64 {
        (self.entries_sectors() + 1) * SECTOR_BYTES
    }

    fn write(&self, canvas: &mut impl Canvas, last: u64) -> io::Result<()> {
        let copy = last.saturating_sub(self.entries_sectors());
        let crc = crc32fast::hash(&self.entries).to_le_bytes();
        let header = |this: u64, other: u64, entries: u64| {
            let mut header = self.header.clone();
            let mut put =
                |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
            put(24, &this.to_le_bytes());
            put(32, &other.to_le_bytes());
            put(48, &copy.saturating_sub(1).to_le_bytes());
            put(72, &entries.to_le_bytes());
            put(88, &crc);
            with_checksum(header)
        };
        let entries = self.entries_at.0 / SECTOR_BYTES;
        canvas.write_at(ByteOffset(copy * SECTOR_BYTES), &self.entries)?;
        canvas.write_at(ByteOffset(last * SECTOR_BYTES), &header(last, 1, copy))?;
        canvas.write_at(self.entries_at, &self.entries)?;
        canvas.write_at(ByteOffset(SECTOR_BYTES), &header(1, last, entries))
    }
}

/// A header with the checksum that it must have; its length was checked.
fn with_checksum(mut header: Vec<u8>) -> Vec<u8> {
    let len = usize::try_from(u32_at(&header, 12)).unwrap_or(SECTOR).min(header.len());
    header[16..20].fill(0);
    let crc = crc32fast::hash(&header[..len]);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
    header
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let eight = bytes.get(at..at + 8).and_then(|eight| eight.try_into().ok());
    eight.map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::super::{ESP, Guid, Partition, Table};
    use super::*;
    use crate::canvas::MemoryCanvas;
    use crate::units::SectorSize;

    fn table(len: ByteLen) -> Table {
        let partition = Partition {
            type_guid: ESP,
            unique_guid: Guid::from_bytes([2; 16]),
            name: "esp".into(),
            start: ByteOffset(MIB),
            len: ByteLen(MIB),
            attributes: 0,
        };
        let guid = Guid::from_bytes([1; 16]);
        Table::new(len, SectorSize::B512, guid, vec![partition]).unwrap()
    }

    fn written(len: ByteLen) -> MemoryCanvas {
        let mut canvas = MemoryCanvas::default();
        table(len).write(&mut canvas).unwrap();
        canvas
    }

    #[test]
    fn a_grown_table_is_the_one_of_a_longer_disk() {
        let mut canvas = written(ByteLen(4 * MIB));
        let grown = Grown::load(&canvas).unwrap();
        let len = grown.len_for(ByteOffset(9 * MIB + 1)).unwrap();
        assert_eq!(len, ByteLen(10 * MIB));
        grown.write(&mut canvas, len).unwrap();
        let longer = written(len);
        assert!(canvas.bytes[..3 * 1024 * 1024] == longer.bytes[..3 * 1024 * 1024]);
        let copy = canvas.bytes.len() - 33 * SECTOR;
        assert!(canvas.bytes[copy..] == longer.bytes[copy..]);
    }

    #[test]
    fn entries_can_go() {
        let mut canvas = written(ByteLen(4 * MIB));
        let mut grown = Grown::load(&canvas).unwrap();
        grown.retain(|start| start != ByteOffset(MIB));
        grown.write(&mut canvas, ByteLen(4 * MIB)).unwrap();
        assert!(canvas.bytes[1024..1024 + ENTRY_BYTES].iter().all(|byte| *byte == 0));
        Grown::load(&canvas).unwrap();
    }

    #[test]
    fn damage_is_seen() {
        for at in [512 + 12, 512 + 40, 512 + 80, 1024] {
            let mut canvas = written(ByteLen(4 * MIB));
            canvas.bytes[at] ^= 0x40;
            assert!(matches!(Grown::load(&canvas), Err(GrowError::Damaged(_))), "{at}");
        }
    }

    #[test]
    fn without_gpt_a_hybrid_record_grows() {
        let mut canvas = MemoryCanvas { bytes: vec![0; 4096] };
        canvas.bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
        canvas.bytes[450] = 0x17;
        canvas.bytes[454] = 8;
        canvas.bytes[458] = 8;
        let other = canvas.bytes.clone();
        Grown::load(&canvas).unwrap().write(&mut canvas, ByteLen(MIB)).unwrap();
        assert!(canvas.bytes == other, "one that begins elsewhere stays");
        canvas.bytes[454..462].fill(0);
        Grown::load(&canvas).unwrap().write(&mut canvas, ByteLen(MIB)).unwrap();
        assert_eq!(canvas.bytes[458..462], 2048_u32.to_le_bytes());
    }
}
