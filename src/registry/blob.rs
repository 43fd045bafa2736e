//! A blob that vouches for itself.
//!
//! [`Blob`] hands on bytes as they come and reports the end only when both length and digest agree
//! with the descriptor. Until then nothing read from it is verified. Whoever stops early (a tar ends
//! before its blob does) calls [`Blob::finish`]. What is read may be kept as well
//! ([`Blob::copying`]): the copy is whole, and verified, when the end was reported.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::error::Error;
use crate::digest::{Sha256, Sha256Digest};
use crate::progress::{Cancel, Event, Reporter};
use crate::units::ByteOffset;

/// The compressed bytes of a layer, or any other blob.
pub struct Blob {
    bytes: Box<dyn Read + Send>,
    digest: Sha256Digest,
    size_bytes: u64,
    seen_bytes: u64,
    hasher: Sha256,
    cancel: Cancel,
    progress: Option<(Arc<dyn Reporter>, usize)>,
    copy: Option<(Arc<File>, ByteOffset)>,
}

impl Blob {
    pub(crate) fn new(
        bytes: Box<dyn Read + Send>,
        digest: Sha256Digest,
        size_bytes: u64,
        cancel: Cancel,
    ) -> Self {
        let hasher = Sha256::default();
        let (seen_bytes, progress, copy) = (0, None, None);
        Self { bytes, digest, size_bytes, seen_bytes, hasher, cancel, progress, copy }
    }

    /// Reports what is read as bytes of a layer.
    pub(crate) fn reporting(mut self, reporter: Arc<dyn Reporter>, layer: usize) -> Self {
        self.progress = Some((reporter, layer));
        self
    }

    /// Writes what is read into a file too, from there on.
    pub(crate) fn copying(mut self, file: Arc<File>, start: ByteOffset) -> Self {
        self.copy = Some((file, start));
        self
    }

    /// Reads what is left, and checks.
    pub fn finish(mut self) -> Result<(), Error> {
        let mut buffer = vec![0; 64 << 10];
        while self.read_checked(&mut buffer)? > 0 {}
        Ok(())
    }

    fn read_checked(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if self.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let count = match self.bytes.read(buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                return self.read_checked(buffer);
            }
            Err(error) => return Err(self.failed(error)),
        };
        if count == 0 && !buffer.is_empty() {
            return self.check().map(|()| 0);
        }
        self.hasher.update(&buffer[..count]);
        let seen_before = self.seen_bytes;
        let count_bytes = u64::try_from(count).unwrap_or(u64::MAX);
        self.seen_bytes = self.seen_bytes.saturating_add(count_bytes);
        if self.seen_bytes > self.size_bytes {
            return Err(self.wrong_size());
        }
        if let Some((file, ByteOffset(start))) = &self.copy {
            let written = file.write_all_at(&buffer[..count], start.saturating_add(seen_before));
            written.map_err(|source| Error::Copy { digest: self.digest, source })?;
        }
        if let Some((reporter, layer)) = &self.progress {
            reporter.report(Event::LayerRead { layer: *layer, bytes: count_bytes });
        }
        Ok(count)
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::from_io(source, |source| Error::Blob { digest: self.digest, source })
    }

    fn check(&self) -> Result<(), Error> {
        if self.seen_bytes != self.size_bytes {
            return Err(self.wrong_size());
        }
        let seen = self.hasher.clone().finish();
        if seen == self.digest {
            Ok(())
        } else {
            Err(Error::BlobDigest { expected: self.digest, seen })
        }
    }

    fn wrong_size(&self) -> Error {
        Error::BlobSize { digest: self.digest, expected: self.size_bytes, seen: self.seen_bytes }
    }
}

impl Read for Blob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.read_checked(buffer)?)
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({}, {} of {} bytes)", self.digest, self.seen_bytes, self.size_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(bytes: &'static [u8], of: &[u8], size_bytes: u64) -> Blob {
        Blob::new(Box::new(bytes), Sha256Digest::of(of), size_bytes, Cancel::default())
    }

    fn error(mut blob: Blob) -> Error {
        let error = blob.read_to_end(&mut Vec::new()).unwrap_err();
        assert!(blob.read(&mut [0; 8]).is_err(), "an error must not turn into an end");
        error.downcast().unwrap()
    }

    #[test]
    fn the_end_comes_only_after_the_check() {
        let mut text = String::new();
        blob(b"abc", b"abc", 3).read_to_string(&mut text).unwrap();
        assert_eq!(text, "abc");
        assert!(matches!(error(blob(b"abd", b"abc", 3)), Error::BlobDigest { .. }));
        assert!(matches!(
            error(blob(b"ab", b"abc", 3)),
            Error::BlobSize { expected: 3, seen: 2, .. }
        ));
        assert!(matches!(
            error(blob(b"abcd", b"abc", 3)),
            Error::BlobSize { expected: 3, seen: 4, .. }
        ));
    }

    #[test]
    fn finish_reads_the_rest() {
        let mut good = blob(b"abc", b"abc", 3);
        good.read_exact(&mut [0]).unwrap();
        good.finish().unwrap();
        let mut bad = blob(b"abx", b"abc", 3);
        bad.read_exact(&mut [0]).unwrap();
        assert!(matches!(bad.finish(), Err(Error::BlobDigest { .. })));
    }

    #[test]
    fn a_copy_has_what_was_read() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let copying = |blob: Blob| blob.copying(Arc::clone(&file), ByteOffset(2));
        let mut one = copying(blob(b"abc", b"abc", 3));
        one.read_exact(&mut [0; 2]).unwrap();
        one.finish().unwrap();
        let mut copy = [9; 5];
        file.read_exact_at(&mut copy, 0).unwrap();
        assert_eq!(&copy, b"\0\0abc");
        assert!(matches!(error(copying(blob(b"abcd", b"abc", 3))), Error::BlobSize { .. }));
        assert_eq!(file.metadata().unwrap().len(), 5, "more than was announced is not kept");
    }

    #[test]
    fn an_empty_buffer_is_no_end() {
        let mut bad = blob(b"abx", b"abc", 3);
        assert_eq!(bad.read(&mut []).unwrap(), 0);
        assert!(bad.read_to_end(&mut Vec::new()).is_err());
    }

    #[test]
    fn cancelling_stops_a_read() {
        let cancel = Cancel::default();
        let mut blob =
            Blob::new(Box::new(io::repeat(0)), Sha256Digest::of(b""), 1 << 40, cancel.clone());
        blob.read_exact(&mut [0; 9]).unwrap();
        cancel.cancel();
        assert!(matches!(blob.finish(), Err(Error::Cancelled)));
    }
}
