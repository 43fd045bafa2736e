//! A file read forward while others read it elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt as _;

/// A file from its start, read without moving its own position.
#[derive(Debug)]
pub struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl<'f> At<'f> {
    /// From the first byte on.
    pub fn start(file: &'f File) -> Self {
        Self { file, offset: 0 }
    }
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}
