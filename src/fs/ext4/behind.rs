//! Write-behind: adjacent small writes become one large write.

use std::io;

use super::bytes::{count, index};
use crate::canvas::Canvas;
use crate::units::ByteOffset;

/// Bytes gathered before they are written.
const CAPACITY: usize = 1 << 20;

/// Bytes that belong at `start` of a canvas and are not there yet.
#[derive(Debug, Default)]
pub(super) struct Behind {
    start: u64,
    bytes: Vec<u8>,
}

impl Behind {
    /// Writes `bytes` at `offset`, now or later.
    pub(super) fn write<C: Canvas>(
        &mut self,
        canvas: &mut C,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let adjacent = offset == self.end();
        if !adjacent || self.bytes.len() + bytes.len() > CAPACITY {
            self.flush(canvas)?;
        }
        if bytes.len() >= CAPACITY {
            return canvas.write_at(ByteOffset(offset), bytes);
        }
        if self.bytes.is_empty() {
            self.start = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn flush<C: Canvas>(&mut self, canvas: &mut C) -> io::Result<()> {
        if !self.bytes.is_empty() {
            canvas.write_at(ByteOffset(self.start), &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }

    /// Forgets what was gathered for `offset` and beyond.
    pub(super) fn forget_from(&mut self, offset: u64) {
        self.bytes.truncate(index(offset.saturating_sub(self.start)));
    }

    /// Reads what the canvas will hold once everything is written.
    pub(super) fn read<C: Canvas>(
        &self,
        canvas: &C,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let end = offset + count(buffer.len());
        let (from, to) = (offset.max(self.start), end.min(self.end()));
        if from >= to {
            return canvas.read_at(ByteOffset(offset), buffer);
        }
        if from > offset || to < end {
            canvas.read_at(ByteOffset(offset), buffer)?;
        }
        buffer[index(from - offset)..index(to - offset)]
            .copy_from_slice(&self.bytes[index(from - self.start)..index(to - self.start)]);
        Ok(())
    }

    fn end(&self) -> u64 {
        self.start + count(self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::MemoryCanvas;

    #[test]
    fn reads_see_what_is_not_yet_written() {
        let mut canvas = MemoryCanvas::default();
        let mut behind = Behind::default();
        behind.write(&mut canvas, 0, b"ab").unwrap();
        behind.write(&mut canvas, 10, b"cd").unwrap();
        behind.write(&mut canvas, 12, b"efgh").unwrap();
        behind.forget_from(14);
        assert_eq!(canvas.bytes, b"ab");
        let mut read = [9; 16];
        behind.read(&canvas, 0, &mut read).unwrap();
        assert_eq!(&read, b"ab\0\0\0\0\0\0\0\0cdef\0\0");
        let mut middle = [9; 2];
        behind.read(&canvas, 11, &mut middle).unwrap();
        assert_eq!(&middle, b"de");
        behind.flush(&mut canvas).unwrap();
        assert_eq!(canvas.bytes.len(), 14);
    }
}
