//! A file's content, read while the file system is still being written.

use std::io::{self, Read};

use super::bytes::{count, index};
use super::extents;
use super::layout::Extent;
use crate::canvas::Reader;
use crate::units::ByteOffset;

/// Reads a file from its start.
#[derive(Debug)]
pub(super) struct Detached {
    canvas: Box<dyn Reader>,
    extents: Vec<Extent>,
    size: u64,
    offset: u64,
}

impl Detached {
    /// A file of `size` bytes with these extents, all of which are on the canvas.
    pub(super) fn new(canvas: Box<dyn Reader>, extents: &[Extent], size: u64) -> Self {
        Self { canvas, extents: extents.to_vec(), size, offset: 0 }
    }
}

impl Read for Detached {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(index(self.size - self.offset));
        extents::read(&self.extents, self.offset, &mut buffer[..len], |place, part| {
            self.canvas.read_at(ByteOffset(place), part)
        })?;
        self.offset += count(len);
        Ok(len)
    }
}
