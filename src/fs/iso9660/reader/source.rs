//! The bytes of an image, within its bounds; and how many of them are spent on what describes
//! files.

use std::io::{Read, Seek, SeekFrom};

use super::super::SECTOR_BYTES;
use super::super::records::Extent;
use super::ReadError;
use crate::units::{ByteLen, ByteOffset};

/// What directories and their continuations may have in all: images of 100000 files have a tenth.
const MOST_METADATA_MIB: usize = 64;

/// The bytes of an image.
#[derive(Debug)]
pub(in crate::fs::iso9660) struct Source<R> {
    inner: R,
    end: ByteOffset,
    metadata_left: u64,
}

impl<R: Read + Seek> Source<R> {
    pub fn new(mut inner: R) -> Result<Self, ReadError> {
        let end = inner.seek(SeekFrom::End(0)).map_err(|source| ReadError::Io {
            at: ByteOffset(0),
            len: ByteLen(0),
            source,
        })?;
        let metadata_left = u64::try_from(MOST_METADATA_MIB << 20).unwrap_or(0);
        Ok(Self { inner, end: ByteOffset(end), metadata_left })
    }

    pub fn end(&self) -> ByteOffset {
        self.end
    }

    /// Whether so many bytes are there.
    pub fn check(&self, at: ByteOffset, len: ByteLen, what: &str) -> Result<(), ReadError> {
        if at.checked_add(len).is_some_and(|end| end <= self.end) {
            return Ok(());
        }
        Err(ReadError::Outside { what: what.to_owned(), at, len, end: self.end })
    }

    /// Fills the buffer; the caller has checked that the bytes are there.
    pub fn read(&mut self, at: ByteOffset, buffer: &mut [u8]) -> Result<(), ReadError> {
        let read = self.inner.seek(SeekFrom::Start(at.0));
        read.and_then(|_| self.inner.read_exact(buffer)).map_err(|source| {
            let len = ByteLen(u64::try_from(buffer.len()).unwrap_or(u64::MAX));
            ReadError::Io { at, len, source }
        })
    }

    /// A descriptor's sector.
    pub fn sector(&mut self, sector: u32, what: &str) -> Result<Vec<u8>, ReadError> {
        self.metadata(Extent { sector, len_bytes: 2048 }, what)
    }

    /// A part that describes files.
    pub fn metadata(&mut self, extent: Extent, what: &str) -> Result<Vec<u8>, ReadError> {
        let (at, len) = place(extent);
        self.check(at, len, what)?;
        let too_many = ReadError::TooMany { what: "MiB of directories", limit: MOST_METADATA_MIB };
        self.metadata_left = self.metadata_left.checked_sub(len.0).ok_or(too_many)?;
        let mut bytes = vec![0; usize::try_from(len.0).unwrap_or(0)];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }
}

/// An extent in bytes.
pub(super) fn place(extent: Extent) -> (ByteOffset, ByteLen) {
    let at = ByteOffset(u64::from(extent.sector) * SECTOR_BYTES);
    (at, ByteLen(u64::from(extent.len_bytes)))
}
