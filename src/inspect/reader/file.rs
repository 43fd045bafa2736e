//! Bytes as they are: a file, a part of something, memory.

use std::fs::File;
use std::io::{Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

use super::{DiskImage, Shared, check_inside};
use crate::inspect::bytes::{count, index};
use crate::inspect::error::Problem;

/// A file or a block device.
#[derive(Debug)]
pub struct FileImage {
    file: File,
    len: u64,
}

impl FileImage {
    /// Over an open file.
    pub fn new(mut file: File) -> std::io::Result<Self> {
        // the metadata of a block device has no length
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self { file, len })
    }
}

impl DiskImage for FileImage {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len)?;
        self.file.read_exact_at(buffer, offset).map_err(Problem::Io)
    }
}

/// A part of something: a partition, a file in an archive.
#[derive(Debug)]
pub struct Part {
    inner: Shared,
    start: u64,
    len: u64,
}

impl Part {
    /// `len` bytes from `start` on; `None` when they are not all there.
    pub fn new(inner: Shared, start: u64, len: u64) -> Option<Self> {
        let end = start.checked_add(len)?;
        (end <= inner.len_bytes()).then_some(Self { inner, start, len })
    }
}

impl DiskImage for Part {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len)?;
        self.inner.read_at(self.start + offset, buffer)
    }
}

/// Bytes in memory, for tests.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub Vec<u8>);

impl DiskImage for Memory {
    fn len_bytes(&self) -> u64 {
        count(self.0.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len_bytes())?;
        let start = index(offset);
        buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn parts_stay_inside() {
        let whole: Shared = Rc::new(Memory(b"0123456789".to_vec()));
        let part = Part::new(Rc::clone(&whole), 2, 5).unwrap();
        let mut read = [0; 3];
        part.read_at(2, &mut read).unwrap();
        assert_eq!(&read, b"456");
        assert!(matches!(part.read_at(3, &mut read), Err(Problem::PastEnd { len: 5, .. })));
        assert!(part.read_at(u64::MAX, &mut read).is_err());
        assert!(Part::new(Rc::clone(&whole), 6, 5).is_none());
        assert!(Part::new(whole, u64::MAX, 5).is_none());
    }
}
