//! What a disk is laid out on: a file that grows with what is written, or a device that was used before.

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::sync::Arc;

use crate::canvas::{Canvas, DeviceCanvas, FileCanvas, Reader};
use crate::format::{Extents, Follower};
use crate::units::{ByteLen, ByteOffset};

/// A canvas of either kind. Clones write to the same one.
#[derive(Debug, Clone)]
pub(super) enum Ground {
    /// A file.
    File(FileCanvas),
    /// A device.
    Device(DeviceCanvas),
}

impl Ground {
    /// A file as a canvas.
    pub(super) fn file(file: &Arc<File>) -> Self {
        Self::File(FileCanvas::new(Arc::clone(file)))
    }

    /// A file as a canvas, whose writers `follower` follows.
    pub(super) fn followed(file: &Arc<File>, follower: &Follower) -> Self {
        Self::File(FileCanvas::watched(Arc::clone(file), follower.watcher()))
    }

    /// The length that cannot be chosen.
    pub(super) fn fixed_len(&self) -> Option<ByteLen> {
        match self {
            Self::File(_) => None,
            Self::Device(device) => Some(device.len()),
        }
    }

    /// Gives a file the length of the disk.
    pub(super) fn set_len(&self, len: ByteLen) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.set_len(len),
            Self::Device(_) => Ok(()),
        }
    }

    /// Parts of a range outside of which it reads as zeros, in order.
    pub(super) fn held(&self, range: Range<u64>) -> Vec<Range<u64>> {
        match self {
            Self::File(canvas) => Extents::new(&canvas.clone().into_file(), range.end)
                .filter(|part| part.end > range.start)
                .map(|part| part.start.max(range.start)..part.end)
                .collect(),
            Self::Device(device) => device.written(range),
        }
    }

    /// Lets the system copy what is in another file, where it can; how much of it was copied.
    pub(super) fn copy_from(
        &mut self,
        file: &File,
        from: ByteOffset,
        to: ByteOffset,
        len: ByteLen,
    ) -> io::Result<ByteLen> {
        match self {
            Self::File(canvas) => canvas.copy_from(file, from, to, len),
            Self::Device(_) => Ok(ByteLen(0)),
        }
    }

    /// Makes zeros of what reads as zeros there: files are so of themselves.
    pub(super) fn settle(&self, zeros: &[Range<u64>]) -> io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Device(device) => device.settle(zeros.iter().cloned()),
        }
    }
}

impl Canvas for Ground {
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.write_at(offset, bytes),
            Self::Device(canvas) => canvas.write_at(offset, bytes),
        }
    }

    fn write_parts_at(&mut self, offset: ByteOffset, parts: &[IoSlice<'_>]) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.write_parts_at(offset, parts),
            Self::Device(canvas) => canvas.write_parts_at(offset, parts),
        }
    }

    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.read_at(offset, buffer),
            Self::Device(canvas) => canvas.read_at(offset, buffer),
        }
    }

    fn reader(&self) -> Option<Box<dyn Reader>> {
        match self {
            Self::File(canvas) => canvas.reader(),
            Self::Device(canvas) => canvas.reader(),
        }
    }

    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.discard_from(offset),
            Self::Device(canvas) => canvas.discard_from(offset),
        }
    }

    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
        match self {
            Self::File(canvas) => canvas.discard(offset, len),
            Self::Device(canvas) => canvas.discard(offset, len),
        }
    }
}
