//! The canvas: the sparse file (or device) that becomes the disk, written at any place, readable.
//!
//! Writers get a [`Canvas`] whose offset 0 is theirs: the whole disk, or a [`Window`] of one
//! partition. Bytes never written read as zeros. Nobody reads what another writer has not yet
//! written, so there is no order between windows.

mod checks;
mod device;
mod ranges;

pub use device::{DeviceCanvas, HEAD_BYTES, VerifyError, Written};
pub use ranges::Ranges;

use std::fs::File;
use std::io::{self, IoSlice};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use crate::units::{ByteLen, ByteOffset};

/// Bytes at places. Offsets count from the start of what the writer owns.
pub trait Canvas {
    /// Writes all of `bytes` at `offset`, growing the canvas when it ends before.
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()>;

    /// Writes `parts`, one after the other, from `offset` on.
    fn write_parts_at(&mut self, offset: ByteOffset, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        self.write_at(offset, &parts.concat())
    }

    /// Fills `buffer` from `offset`. What was never written, or lies past the end, reads as zeros.
    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()>;

    /// Reads it on another thread, while others write elsewhere; none where that cannot be.
    fn reader(&self) -> Option<Box<dyn Reader>> {
        None
    }

    /// Gives everything from `offset` on back: it reads as zeros again.
    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()>;

    /// Makes `len` bytes from `offset` on zeros, giving their space back where that is possible.
    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()>;
}

/// Reads a canvas to which others write.
pub trait Reader: std::fmt::Debug + Send {
    /// As [`Canvas::read_at`].
    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()>;
}

/// Parts that the system takes in one call (`IOV_MAX`); more than these cost several.
pub const MOST_PARTS: usize = 1024;

fn write_zeros<C: Canvas>(canvas: &mut C, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut done = 0;
    while done < len.0 {
        let step = usize::try_from(len.0 - done).unwrap_or(ZEROS.len()).min(ZEROS.len());
        canvas.write_at(ByteOffset(offset.0 + done), &ZEROS[..step])?;
        done += u64::try_from(step).unwrap_or(u64::MAX);
    }
    Ok(())
}

/// Is told of everything that changes in a file.
pub trait Watcher: std::fmt::Debug + Send + Sync {
    /// The bytes in `range` are not what they were. To the end of the file, whatever that is, ends
    /// with [`u64::MAX`].
    fn touched(&self, range: Range<u64>);
}

/// A canvas in a file.
#[derive(Debug, Clone)]
pub struct FileCanvas {
    file: Arc<File>,
    watcher: Option<Arc<dyn Watcher>>,
}

impl FileCanvas {
    /// A canvas over `file`, which must be open for reading and writing.
    pub fn new(file: Arc<File>) -> Self {
        Self { file, watcher: None }
    }

    /// The same; `watcher` is told what changes, each time when it has changed.
    pub fn watched(file: Arc<File>, watcher: Arc<dyn Watcher>) -> Self {
        Self { file, watcher: Some(watcher) }
    }

    fn touched(&self, range: Range<u64>) {
        if let Some(watcher) = &self.watcher {
            watcher.touched(range);
        }
    }

    /// Gives the file this length.
    pub fn set_len(&self, len: ByteLen) -> io::Result<()> {
        let set = self.file.set_len(len.0);
        self.touched(len.0..u64::MAX);
        set
    }

    /// The file.
    pub fn into_file(self) -> Arc<File> {
        self.file
    }

    /// Lets the system copy what is in another file; how much of it was copied: less than asked for, or
    /// nothing, where it cannot.
    pub fn copy_from(
        &mut self,
        file: &File,
        from: ByteOffset,
        to: ByteOffset,
        len: ByteLen,
    ) -> io::Result<ByteLen> {
        use rustix::io::Errno as E;
        let (mut done, mut off_in, mut off_out) = (0, from.0, to.0);
        while done < len.0 {
            let left = usize::try_from(len.0 - done).unwrap_or(usize::MAX);
            let copied = rustix::fs::copy_file_range(
                file,
                Some(&mut off_in),
                &self.file,
                Some(&mut off_out),
                left,
            );
            match copied {
                Ok(0) => break,
                Ok(count) => done += u64::try_from(count).map_err(io::Error::other)?,
                Err(E::INTR) => {}
                Err(
                    E::XDEV | E::INVAL | E::NOSYS | E::OPNOTSUPP | E::PERM | E::BADF | E::TXTBSY,
                ) => {
                    break;
                }
                Err(error) => {
                    self.touched(to.0..to.0.saturating_add(len.0));
                    return Err(error.into());
                }
            }
        }
        self.touched(to.0..to.0.saturating_add(done));
        Ok(ByteLen(done))
    }
}

impl Canvas for FileCanvas {
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all_at(bytes, offset.0);
        let len = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        self.touched(offset.0..offset.0.saturating_add(len));
        written
    }

    fn write_parts_at(&mut self, offset: ByteOffset, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        let len = u64::try_from(len).map_err(io::Error::other)?;
        let written = write_parts(&self.file, offset.0, parts);
        self.touched(offset.0..offset.0.saturating_add(len));
        written
    }

    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = offset.0 + u64::try_from(done).map_err(io::Error::other)?;
            match self.file.read_at(&mut buffer[done..], at)? {
                0 => break,
                read => done += read,
            }
        }
        buffer[done..].fill(0);
        Ok(())
    }

    fn reader(&self) -> Option<Box<dyn Reader>> {
        Some(Box::new(ReadOnly(Self::new(Arc::clone(&self.file)))))
    }

    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
        if self.file.metadata()?.len() > offset.0 {
            self.set_len(ByteLen(offset.0))?;
        }
        Ok(())
    }

    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
        use rustix::fs::{FallocateFlags, fallocate};
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match fallocate(&self.file, flags, offset.0, len.0) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                write_zeros(self, offset, len)
            }
            result => {
                self.touched(offset.0..offset.0.saturating_add(len.0));
                Ok(result?)
            }
        }
    }
}

/// A canvas of which only the reader is wanted.
#[derive(Debug)]
struct ReadOnly(FileCanvas);

impl Reader for ReadOnly {
    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buffer)
    }
}

fn write_parts(file: &File, mut offset: u64, parts: &[IoSlice<'_>]) -> io::Result<()> {
    let mut parts = parts.to_vec();
    let mut left = &mut parts[..];
    while !left.is_empty() {
        let some = &left[..left.len().min(MOST_PARTS)];
        let written = match rustix::io::pwritev(file, some, offset) {
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            result => result?,
        };
        offset += u64::try_from(written).map_err(io::Error::other)?;
        IoSlice::advance_slices(&mut left, written);
    }
    Ok(())
}

/// A canvas in memory, for tests and small file systems.
#[derive(Debug, Clone, Default)]
pub struct MemoryCanvas {
    /// Everything written so far; bytes past its end are zeros.
    pub bytes: Vec<u8>,
}

impl Canvas for MemoryCanvas {
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset.0).map_err(io::Error::other)?;
        let end = start.checked_add(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset.0).map_err(io::Error::other)?.min(self.bytes.len());
        let available = buffer.len().min(self.bytes.len() - start);
        buffer[..available].copy_from_slice(&self.bytes[start..start + available]);
        buffer[available..].fill(0);
        Ok(())
    }

    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
        self.bytes.truncate(usize::try_from(offset.0).map_err(io::Error::other)?);
        Ok(())
    }

    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
        write_zeros(self, offset, len)
    }
}

/// The part of a canvas from `start` on, seen as a canvas of its own.
#[derive(Debug, Clone)]
pub struct Window<C> {
    inner: C,
    start: ByteOffset,
}

impl<C: Canvas> Window<C> {
    /// The canvas from `start` on.
    pub fn new(inner: C, start: ByteOffset) -> Self {
        Self { inner, start }
    }

    /// The canvas this window looks into.
    pub fn into_inner(self) -> C {
        self.inner
    }
}

impl<C> Window<C> {
    fn place(&self, offset: ByteOffset) -> io::Result<ByteOffset> {
        Ok(self.start.checked_add(ByteLen(offset.0)).ok_or(io::ErrorKind::FileTooLarge)?)
    }
}

impl Reader for Window<Box<dyn Reader>> {
    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(self.place(offset)?, buffer)
    }
}

impl<C: Canvas> Canvas for Window<C> {
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
        let place = self.place(offset)?;
        self.inner.write_at(place, bytes)
    }

    fn write_parts_at(&mut self, offset: ByteOffset, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let place = self.place(offset)?;
        self.inner.write_parts_at(place, parts)
    }

    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(self.place(offset)?, buffer)
    }

    fn reader(&self) -> Option<Box<dyn Reader>> {
        let inner = self.inner.reader()?;
        Some(Box::new(Window { inner, start: self.start }))
    }

    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
        let place = self.place(offset)?;
        self.inner.discard_from(place)
    }

    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
        let place = self.place(offset)?;
        self.inner.discard(place, len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_shifts_and_unwritten_bytes_are_zeros() {
        let mut window = Window::new(MemoryCanvas::default(), ByteOffset(10));
        window.write_at(ByteOffset(2), b"abc").unwrap();
        let mut read = [9; 5];
        window.read_at(ByteOffset(1), &mut read).unwrap();
        assert_eq!(&read, b"\0abc\0");
        assert_eq!(window.into_inner().bytes.len(), 15);
    }

    #[test]
    fn discarded_ranges_are_zeros() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let mut canvas = Window::new(FileCanvas::new(file), ByteOffset(4096));
        canvas.write_at(ByteOffset(0), &[7; 3 * 4096]).unwrap();
        canvas.discard(ByteOffset(4096), ByteLen(4096)).unwrap();
        let mut read = vec![9; 3 * 4096];
        canvas.read_at(ByteOffset(0), &mut read).unwrap();
        assert_eq!(read, [[7; 4096], [0; 4096], [7; 4096]].concat());
    }

    #[test]
    fn discarded_bytes_are_zeros() {
        let mut canvas = MemoryCanvas::default();
        canvas.write_at(ByteOffset(0), b"abcdef").unwrap();
        canvas.discard_from(ByteOffset(2)).unwrap();
        let mut read = [9; 4];
        canvas.read_at(ByteOffset(0), &mut read).unwrap();
        assert_eq!(&read, b"ab\0\0");
    }

    #[test]
    fn parts_are_written_one_after_the_other() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let bytes: Vec<u8> = (0..=250).cycle().take(70_000).collect();
        let parts: Vec<_> = bytes.chunks(13).map(IoSlice::new).collect();
        assert!(parts.len() > 5 * MOST_PARTS);
        let mut canvas = FileCanvas::new(file);
        canvas.write_parts_at(ByteOffset(7), &parts).unwrap();
        let mut memory = MemoryCanvas::default();
        memory.write_parts_at(ByteOffset(7), &parts).unwrap();
        let mut read = vec![9; 70_010];
        canvas.read_at(ByteOffset(0), &mut read).unwrap();
        assert!(read == [&[0; 7], &*bytes, &[0; 3]].concat());
        assert!(memory.bytes == [&[0; 7], &*bytes].concat());
    }
}
