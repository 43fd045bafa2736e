//! The tar's bytes, counted.

use std::io::{self, BufRead};

use super::header::BLOCK_BYTES;
use crate::layers::Error;

/// A forward-only reader that knows its offset.
#[derive(Debug)]
pub(super) struct Input<R> {
    reader: R,
    offset: u64,
}

/// Why bytes are missing.
#[derive(Debug)]
pub(super) enum Short {
    /// The stream ended.
    Ended,
    /// The stream failed.
    Failed(Error),
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, offset: 0 }
    }

    /// Bytes consumed so far.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn into_inner(self) -> R {
        self.reader
    }

    /// What is at hand, at least one byte; empty at the end of the stream.
    pub(super) fn fill(&mut self) -> Result<&[u8], Error> {
        loop {
            match self.reader.fill_buf() {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::from_io(error)),
            }
        }
        self.reader.fill_buf().map_err(Error::from_io)
    }

    /// Takes `count` of the bytes that [`Self::fill`] showed.
    pub(super) fn consume(&mut self, count: usize) {
        self.reader.consume(count);
        self.offset = self.offset.saturating_add(count_u64(count));
    }

    /// The next block; `None` when the stream ends before it.
    pub(super) fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, Error> {
        let mut block = [0; BLOCK_BYTES];
        match self.copy_to(&mut block)? {
            0 => Ok(None),
            BLOCK_BYTES => Ok(Some(block)),
            _ => Err(Error::TruncatedHeader { offset: self.offset }),
        }
    }

    /// The next `len` bytes; the caller has bounded them.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Vec<u8>, Short> {
        let mut bytes = vec![0; len];
        match self.copy_to(&mut bytes) {
            Ok(count) if count == len => Ok(bytes),
            Ok(_) => Err(Short::Ended),
            Err(error) => Err(Short::Failed(error)),
        }
    }

    /// Passes over `len` bytes.
    pub(super) fn skip(&mut self, mut len: u64) -> Result<(), Short> {
        while len > 0 {
            let at_hand = self.fill().map_err(Short::Failed)?.len();
            if at_hand == 0 {
                return Err(Short::Ended);
            }
            let count = at_hand.min(usize::try_from(len).unwrap_or(usize::MAX));
            self.consume(count);
            len -= count_u64(count);
        }
        Ok(())
    }

    fn copy_to(&mut self, target: &mut [u8]) -> Result<usize, Error> {
        let mut done = 0;
        while done < target.len() {
            let at_hand = self.fill()?;
            let count = at_hand.len().min(target.len() - done);
            if count == 0 {
                break;
            }
            target[done..done + count].copy_from_slice(&at_hand[..count]);
            self.consume(count);
            done += count;
        }
        Ok(done)
    }
}

/// A count of bytes in memory as a length in the stream.
pub(super) fn count_u64(count: usize) -> u64 {
    u64::try_from(count).expect("no address space is wider than 64 bits")
}
