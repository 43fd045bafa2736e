//! An artifact that is written from front to back, and hashed on the way.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::{FormatError, Summary, ZEROS, len_of};
use crate::digest::Sha256;

/// Smaller writes wait for each other.
const BUFFER_BYTES: usize = 128 * 1024;

/// Bytes on their way to a file.
#[derive(Debug)]
pub(super) struct Sink<'f> {
    out: &'f File,
    written: u64,
    waiting: Vec<u8>,
    hasher: Sha256,
}

impl<'f> Sink<'f> {
    /// Writes to `out` from its first byte on.
    pub fn new(out: &'f File) -> Self {
        let waiting = Vec::with_capacity(BUFFER_BYTES);
        Self { out, written: 0, waiting, hasher: Sha256::default() }
    }

    /// How many bytes there are so far.
    pub fn len_bytes(&self) -> u64 {
        self.written + len_of(&self.waiting)
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        if self.waiting.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            return self.pass_on(bytes);
        }
        self.waiting.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes zeros up to the next multiple of `unit`, which is at most 64 KiB.
    pub fn pad(&mut self, unit: u64) -> Result<(), FormatError> {
        let missing = self.len_bytes().next_multiple_of(unit) - self.len_bytes();
        self.write(&ZEROS[..usize::try_from(missing).unwrap_or(0)])
    }

    /// What was written.
    pub fn finish(mut self) -> Result<Summary, FormatError> {
        self.flush()?;
        Ok(Summary { size_bytes: self.written, sha256: self.hasher.finish() })
    }

    fn flush(&mut self) -> Result<(), FormatError> {
        let mut waiting = std::mem::take(&mut self.waiting);
        let result = self.pass_on(&waiting);
        waiting.clear();
        self.waiting = waiting;
        result
    }

    fn pass_on(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let offset = self.written;
        let error = |source| FormatError::Write { offset, source };
        self.out.write_all_at(bytes, offset).map_err(error)?;
        self.hasher.update(bytes);
        self.written += len_of(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;

    #[test]
    fn pieces_of_any_size_arrive_in_order() {
        let file = tempfile::tempfile().unwrap();
        let mut sink = Sink::new(&file);
        let mut all = Vec::new();
        for (byte, len) in (1_u8..).zip([1, BUFFER_BYTES, 5, BUFFER_BYTES + 1, 0, 300_000, 700]) {
            let piece = vec![byte; len];
            sink.write(&piece).unwrap();
            sink.pad(64).unwrap();
            all.extend(piece);
            all.resize(all.len().next_multiple_of(64), 0);
            assert_eq!(sink.len_bytes(), len_of(&all));
        }
        let summary = sink.finish().unwrap();
        let mut found = vec![0; all.len()];
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == all);
        assert_eq!(summary, Summary { size_bytes: len_of(&all), sha256: Sha256Digest::of(&all) });
    }
}
