//! Adjacent small writes become one large write: [`Behind`] keeps them until then, [`Gathered`] only
//! borrows them.

use std::io::{self, IoSlice};
use std::ops::Range;

use super::bytes::{count, index};
use crate::canvas::{Canvas, MOST_PARTS};
use crate::units::ByteOffset;

/// Bytes that are written at a time. With eight times as many the system takes its memory in larger
/// pieces, which on virtual machines takes twice as long.
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
        mut offset: u64,
        bytes: &[u8],
    ) -> io::Result<()> {
        let adjacent = offset == self.end();
        if !adjacent || self.bytes.len() + bytes.len() > CAPACITY {
            self.flush(canvas)?;
        }
        if bytes.len() >= CAPACITY {
            for piece in bytes.chunks(CAPACITY) {
                canvas.write_at(ByteOffset(offset), piece)?;
                offset += count(piece.len());
            }
            return Ok(());
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

    /// Whether something that belongs in `range` is not there yet.
    pub(super) fn has_some_of(&self, range: Range<u64>) -> bool {
        !self.bytes.is_empty() && self.start < range.end && range.start < self.end()
    }

    fn end(&self) -> u64 {
        self.start + count(self.bytes.len())
    }
}

/// Bytes of several places in memory that belong one after the other at `start` of a canvas.
#[derive(Debug, Default)]
pub(super) struct Gathered<'b> {
    start: u64,
    len: usize,
    parts: Vec<IoSlice<'b>>,
}

impl<'b> Gathered<'b> {
    /// Writes `bytes` at `offset`, now or later.
    pub(super) fn write<C: Canvas>(
        &mut self,
        canvas: &mut C,
        offset: u64,
        mut bytes: &'b [u8],
    ) -> io::Result<()> {
        if offset != self.start + count(self.len) {
            self.flush(canvas)?;
            self.start = offset;
        }
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CAPACITY - self.len));
            self.parts.push(IoSlice::new(now));
            self.len += now.len();
            if self.len == CAPACITY || self.parts.len() == MOST_PARTS {
                self.flush(canvas)?;
            }
            bytes = later;
        }
        Ok(())
    }

    /// Writes what was gathered.
    pub(super) fn flush<C: Canvas>(&mut self, canvas: &mut C) -> io::Result<()> {
        if self.len > 0 {
            canvas.write_parts_at(ByteOffset(self.start), &self.parts)?;
            self.parts.clear();
            self.start += count(std::mem::take(&mut self.len));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::MemoryCanvas;
    use crate::units::ByteLen;

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

    #[derive(Default)]
    struct Writes(Vec<(u64, usize)>, MemoryCanvas);

    impl Canvas for Writes {
        fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
            self.0.push((offset.0, bytes.len()));
            self.1.write_at(offset, bytes)
        }

        fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
            self.1.read_at(offset, buffer)
        }

        fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
            self.1.discard_from(offset)
        }

        fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
            self.1.discard(offset, len)
        }
    }

    #[test]
    fn adjacent_parts_are_one_write() {
        let (mut canvas, mut gathered) = (Writes::default(), Gathered::default());
        gathered.write(&mut canvas, 5, b"ab").unwrap();
        gathered.write(&mut canvas, 7, b"").unwrap();
        gathered.write(&mut canvas, 7, b"cde").unwrap();
        assert_eq!(canvas.0, []);
        gathered.write(&mut canvas, 20, b"fg").unwrap();
        gathered.flush(&mut canvas).unwrap();
        gathered.write(&mut canvas, 22, b"h").unwrap();
        gathered.flush(&mut canvas).unwrap();
        assert_eq!(canvas.0, [(5, 5), (20, 2), (22, 1)]);
        assert_eq!(canvas.1.bytes[5..], *b"abcde\0\0\0\0\0\0\0\0\0\0fgh");
    }

    #[test]
    fn no_write_is_larger_than_the_capacity() {
        let (mut canvas, mut gathered) = (Writes::default(), Gathered::default());
        let large = vec![7; 2 * CAPACITY];
        gathered.write(&mut canvas, 1, b"0").unwrap();
        gathered.write(&mut canvas, 2, &large).unwrap();
        gathered.flush(&mut canvas).unwrap();
        let len = u64::try_from(CAPACITY).unwrap();
        assert_eq!(canvas.0, [(1, CAPACITY), (1 + len, CAPACITY), (1 + 2 * len, 1)]);
        canvas.0.clear();
        Behind::default().write(&mut canvas, 0, &large).unwrap();
        assert_eq!(canvas.0, [(0, CAPACITY), (len, CAPACITY)]);
    }

    #[test]
    fn many_small_parts_are_several_writes() {
        let (mut canvas, mut gathered) = (Writes::default(), Gathered::default());
        for offset in 0..2500 {
            gathered.write(&mut canvas, offset, b"x").unwrap();
        }
        gathered.flush(&mut canvas).unwrap();
        assert_eq!(canvas.0, [(0, MOST_PARTS), (1024, MOST_PARTS), (2048, 452)]);
    }
}
