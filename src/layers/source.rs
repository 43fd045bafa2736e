//! The compressed blob, counted, with its own errors told apart from the decompressor's.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read};

const BUFFER_BYTES: usize = 128 * 1024;

/// A blob being read. Errors of the blob leave as [`Error::Io`](super::Error::Io) inside.
pub(super) struct Source {
    reader: BufReader<Box<dyn Read + Send>>,
    offset: u64,
}

impl Source {
    pub(super) fn new(reader: Box<dyn Read + Send>) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), offset: 0 }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The first `N` bytes without consuming them, fewer where the blob is shorter. Only at the start.
    pub(super) fn peek_start<const N: usize>(&mut self) -> io::Result<Vec<u8>> {
        // A blob may arrive in pieces smaller than N: what was read is put in front of the rest.
        let mut head = Vec::with_capacity(N);
        let limit = u64::try_from(N).unwrap_or(u64::MAX);
        let inner: &mut Box<dyn Read + Send> = self.reader.get_mut();
        inner.by_ref().take(limit).read_to_end(&mut head).map_err(wrap)?;
        let rest = std::mem::replace(inner, Box::new(io::empty()));
        self.reader = BufReader::with_capacity(
            BUFFER_BYTES,
            Box::new(io::Cursor::new(head.clone()).chain(rest)),
        );
        Ok(head)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer).map_err(wrap)?;
        self.offset += u64::try_from(count).unwrap_or(u64::MAX);
        Ok(count)
    }
}

impl BufRead for Source {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf().map_err(wrap)
    }

    fn consume(&mut self, count: usize) {
        self.reader.consume(count);
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
