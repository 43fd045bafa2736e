//! Which parts of a sparse file may hold something: a hint that saves reading, never a promise.

use std::fs::File;
use std::ops::Range;

use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;

/// Ranges in ascending order outside of which the file is zeros. On file systems that cannot tell,
/// one range over everything.
#[derive(Debug)]
pub struct Extents<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl<'f> Extents<'f> {
    /// The extents of the first `end` bytes.
    pub fn new(file: &'f File, end: u64) -> Self {
        Self { file, at: 0, end }
    }
}

impl Iterator for Extents<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        if self.at >= self.end {
            return None;
        }
        let start = match seek(self.file, SeekFrom::Data(self.at)) {
            Ok(start) if start < self.end => start.max(self.at),
            Ok(_) | Err(Errno::NXIO) => {
                self.at = self.end;
                return None;
            }
            Err(_) => self.at,
        };
        let end = match seek(self.file, SeekFrom::Hole(start)) {
            Ok(end) if end > start => end.min(self.end),
            _ => self.end,
        };
        self.at = end;
        Some(start..end)
    }
}
