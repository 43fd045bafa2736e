//! Where streams are unpacked: a file without a name, with holes for zeros.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{FileImage, LIMIT_BYTES};
use crate::inspect::bytes::count;
use crate::inspect::error::{Error, Problem};

/// Pieces that are looked at for zeros.
const PIECE: usize = 64 << 10;

/// The folder for temporary files.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Where it is.
    pub folder: PathBuf,
}

impl Scratch {
    /// In this folder.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// A file without a name: nothing of it is left, however the process ends.
    pub fn file(&self) -> Result<File, Error> {
        tempfile::tempfile_in(&self.folder).map_err(|source| self.error(source))
    }

    /// The error for `source`, met in this folder.
    pub fn error(&self, source: io::Error) -> Error {
        let folder = self.folder.clone();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::ScratchFull(folder),
            _ => Error::Scratch { folder, source },
        }
    }

    pub(super) fn sparse(&self) -> Result<Sparse, Error> {
        let file = self.file()?;
        let free = rustix::fs::fstatvfs(&file).map_err(|errno| self.error(errno.into()))?;
        let budget = free.f_bavail.saturating_mul(free.f_frsize);
        Ok(Sparse { scratch: self.clone(), file, budget, offset: 0 })
    }
}

/// Why unpacking stopped.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The stream is at fault.
    Stream(Problem),
    /// This machine is.
    Here(Error),
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Self {
        Self::Stream(problem)
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Here(error)
    }
}

/// A file written forward, in which zeros take no space.
#[derive(Debug)]
pub(super) struct Sparse {
    scratch: Scratch,
    file: File,
    /// How much may still be written: what was free at the start.
    budget: u64,
    offset: u64,
}

impl Sparse {
    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Stopped> {
        for piece in bytes.chunks(PIECE) {
            let len = count(piece.len());
            if piece.iter().any(|byte| *byte != 0) {
                let left = self.budget.checked_sub(len);
                self.budget =
                    left.ok_or_else(|| Error::ScratchFull(self.scratch.folder.clone()))?;
                let written = self.file.write_all_at(piece, self.offset);
                written.map_err(|source| self.scratch.error(source))?;
            }
            self.skip_to(self.offset.saturating_add(len))?;
        }
        Ok(())
    }

    /// Goes on at `offset`; what lies between is zeros.
    pub(super) fn skip_to(&mut self, offset: u64) -> Result<(), Stopped> {
        if offset > LIMIT_BYTES {
            return Err(Problem::TooLarge(offset).into());
        }
        self.offset = offset;
        Ok(())
    }

    /// What was written.
    pub(super) fn finish(self) -> Result<FileImage, Error> {
        let Self { scratch, file, offset, .. } = self;
        file.set_len(offset).map_err(|source| scratch.error(source))?;
        FileImage::new(file).map_err(|source| scratch.error(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::DiskImage as _;
    use std::os::unix::fs::MetadataExt as _;

    fn sparse() -> (tempfile::TempDir, Sparse) {
        let folder = tempfile::tempdir().unwrap();
        let sparse = Scratch::new(folder.path()).sparse().unwrap();
        (folder, sparse)
    }

    #[test]
    fn zeros_take_no_space() {
        let (_folder, mut sparse) = sparse();
        sparse.write(b"begin").unwrap();
        sparse.skip_to(64 << 20).unwrap();
        sparse.write(&vec![0; 32 << 20]).unwrap();
        sparse.write(b"end").unwrap();
        assert!(sparse.file.metadata().unwrap().blocks() * 512 < 1 << 20);
        let image = sparse.finish().unwrap();
        assert_eq!(image.len_bytes(), (96 << 20) + 3);
        let mut read = [0; 3];
        image.read_at(96 << 20, &mut read).unwrap();
        assert_eq!(&read, b"end");
    }

    #[test]
    fn no_more_is_written_than_was_free() {
        let (folder, mut sparse) = sparse();
        sparse.budget = 100_000;
        sparse.write(&vec![0; 1 << 20]).unwrap();
        sparse.write(&vec![1; PIECE]).unwrap();
        let stopped = sparse.write(&vec![1; PIECE]);
        assert!(
            matches!(&stopped, Err(Stopped::Here(Error::ScratchFull(at))) if at == folder.path())
        );
        let far = sparse.skip_to(LIMIT_BYTES + 1);
        assert!(matches!(far, Err(Stopped::Stream(Problem::TooLarge(_)))));
    }
}
