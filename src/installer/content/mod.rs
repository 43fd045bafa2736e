//! What is on a disk, told from a few of its bytes.
//!
//! A partition table, with what its partitions begin with; else what the whole disk begins or ends
//! with ([`signatures`]); else, whether the first and the last mebibyte are zeros. A disk is
//! *blank* only when all three find nothing: everything else may be somebody's data, an empty table
//! included.
//!
//! Nothing is followed but the table's entries, nothing is allocated by a number of the disk's
//! beyond a mebibyte, and a disk that contradicts itself is reported, not interpreted.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use super::text;
use crate::units::{ByteLen, ByteOffset, MIB, SectorSize};
pub use gpt::{Gpt, GptPartition, Health};
pub use mbr::MbrPartition;
pub use signatures::Signature;

mod gpt;
mod mbr;
mod signatures;
#[cfg(test)]
mod tests;

/// The most partitions that are looked into; all are listed.
const MOST_PROBED: usize = 128;

/// A disk could not be read.
#[derive(Debug, thiserror::Error)]
#[error("reading {} bytes at byte {}", .len_bytes, .at.0)]
pub struct ContentError {
    /// Where.
    pub at: ByteOffset,
    /// How much.
    pub len_bytes: usize,
    /// Why.
    pub source: io::Error,
}

/// What is on a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The partition table.
    pub table: Option<Table>,
    /// What the disk as a whole is, partitions aside; several where a former use shows through.
    pub signatures: Vec<Signature>,
    /// Whether its first and last mebibyte are zeros.
    pub is_zero: bool,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// A GPT.
    Gpt(Gpt),
    /// A master boot record.
    Mbr(Vec<MbrPartition>),
}

impl Content {
    /// Reads what is on a disk whose sectors are that large.
    pub fn probe(device: impl Read + Seek, sector: SectorSize) -> Result<Self, ContentError> {
        let mut disk = Reader::new(device)?;
        let first = disk.read(0, 512)?;
        let gpt = gpt::load(&mut disk, sector)?;
        let table = match (gpt, mbr::parse(&first, disk.len, sector)) {
            // made where a GPT had been: without a protective entry that is void
            (_, Some(mbr)) if !mbr::is_protective(&mbr) => Some(Table::Mbr(mbr)),
            (Some(gpt), _) => Some(Table::Gpt(gpt)),
            (None, mbr) => mbr.map(Table::Mbr),
        };
        let whole = ByteLen(disk.len);
        let signatures = signatures::find(&mut disk, ByteOffset(0), whole)?;
        let is_zero = disk.is_zero(0)? && disk.is_zero(disk.len.saturating_sub(MIB))?;
        let mut content = Self { table, signatures, is_zero };
        content.look_into_partitions(&mut disk)?;
        Ok(content)
    }

    /// Whether nothing is on it.
    pub fn is_blank(&self) -> bool {
        self.table.is_none() && self.signatures.is_empty() && self.is_zero
    }

    fn look_into_partitions<D: Read + Seek>(
        &mut self,
        disk: &mut Reader<D>,
    ) -> Result<(), ContentError> {
        let mut probe = |start, len| -> Result<Option<Signature>, ContentError> {
            Ok(signatures::find(disk, start, len)?.into_iter().next())
        };
        match &mut self.table {
            Some(Table::Gpt(gpt)) => {
                gpt.partitions.iter_mut().take(MOST_PROBED).try_for_each(|p| {
                    p.holds = probe(p.start, p.len)?;
                    Ok(())
                })
            }
            Some(Table::Mbr(partitions)) => partitions.iter_mut().try_for_each(|p| {
                p.holds = probe(p.start, p.len)?;
                Ok(())
            }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.table, self.signatures.as_slice()) {
            (None, []) if self.is_zero => f.write_str("nothing"),
            (None, []) => f.write_str("data of an unknown kind"),
            (None, all) => f.write_str(&text::several(all, Signature::to_string)),
            (Some(table), []) => table.fmt(f),
            (Some(table), all) => {
                write!(f, "{}, {table}", text::several(all, Signature::to_string))
            }
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, partitions) = match self {
            Self::Gpt(Gpt { health: Health::Damaged, .. }) => {
                return f.write_str("a damaged GPT");
            }
            Self::Gpt(gpt) => ("GPT", text::several(&gpt.partitions, GptPartition::to_string)),
            Self::Mbr(all) => ("MBR", text::several(all, MbrPartition::to_string)),
        };
        if partitions.is_empty() {
            return write!(f, "an empty {kind} partition table");
        }
        write!(f, "{kind} partitions: {partitions}")
    }
}

/// A device and its length. What lies past its end reads as zeros.
struct Reader<D> {
    device: D,
    len: u64,
}

impl<D: Read + Seek> Reader<D> {
    fn new(mut device: D) -> Result<Self, ContentError> {
        let end = device.seek(SeekFrom::End(0));
        let len = end.map_err(|source| ContentError { at: ByteOffset(0), len_bytes: 0, source })?;
        Ok(Self { device, len })
    }

    fn read(&mut self, at: u64, len_bytes: usize) -> Result<Vec<u8>, ContentError> {
        let mut bytes = vec![0; len_bytes];
        self.fill(at, &mut bytes).map_err(|source| ContentError {
            at: ByteOffset(at),
            len_bytes,
            source,
        })?;
        Ok(bytes)
    }

    fn fill(&mut self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        if at >= self.len {
            return Ok(());
        }
        self.device.seek(SeekFrom::Start(at))?;
        let mut done = 0;
        while done < bytes.len() {
            match self.device.read(&mut bytes[done..]) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Whether there is a mebibyte of zeros.
    fn is_zero(&mut self, at: u64) -> Result<bool, ContentError> {
        const STEP: usize = 64 << 10;
        for step in (at..at.saturating_add(MIB)).step_by(STEP) {
            if self.read(step, STEP)?.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// `N` bytes of a buffer; zeros where it ends before.
fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = at.checked_add(N).and_then(|end| bytes.get(at..end));
    found.and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(bytes, at))
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

/// For fuzzing: whatever the bytes are, what is told of them is bounded.
pub fn fuzz_content(bytes: &[u8]) {
    for sector in [SectorSize::B512, SectorSize::B4096] {
        if let Ok(content) = Content::probe(io::Cursor::new(bytes), sector) {
            assert!(content.to_string().len() < 64 << 10, "{content}");
        }
    }
}
