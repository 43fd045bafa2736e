//! The compressed blob, counted, with its own errors told apart from the decompressor's.

use std::fmt;
use std::io::{self, BufRead, Read};

/// A blob being read. Errors of the blob leave as [`Error::Io`](super::Error::Io) inside.
pub(super) struct Source {
    reader: Box<dyn BufRead + Send>,
    /// The first bytes, when they were looked at; they come again.
    head: io::Cursor<Vec<u8>>,
    offset: u64,
}

impl Source {
    pub(super) fn new(reader: Box<dyn BufRead + Send>) -> Self {
        Self { reader, head: io::Cursor::default(), offset: 0 }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The first `N` bytes without consuming them, fewer where the blob is shorter. Only at the start.
    pub(super) fn peek_start<const N: usize>(&mut self) -> io::Result<&[u8]> {
        let limit = u64::try_from(N).unwrap_or(u64::MAX);
        self.reader.by_ref().take(limit).read_to_end(self.head.get_mut()).map_err(wrap)?;
        Ok(self.head.get_ref())
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.fill_buf()?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.head.fill_buf()? {
            [] => self.reader.fill_buf().map_err(wrap),
            _ => self.head.fill_buf(),
        }
    }

    fn consume(&mut self, count: usize) {
        match self.head.fill_buf() {
            Ok([_, ..]) => self.head.consume(count),
            _ => self.reader.consume(count),
        }
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("offset", &self.offset).finish_non_exhaustive()
    }
}

fn wrap(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        _ => super::Error::from_io(error).into(),
    }
}
