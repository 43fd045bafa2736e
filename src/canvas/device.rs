//! A canvas on a block device: a disk that somebody used before.
//!
//! A file that grows reads as zeros where nothing was written; a device reads as what was there. So
//! this canvas knows what was written, and reads zeros elsewhere. What must be zeros when all is done is
//! zeroed then ([`DeviceCanvas::settle`]): only who wrote the file systems knows which blocks are
//! theirs, and most of a disk is nobody's.
//!
//! Nothing that is half made boots: the first [`HEAD_BYTES`], with boot code and partition table, stay
//! in memory until everything else is on the device. Until then zeros are there, or what may stay there
//! so long.
//!
//! A device may take bytes and give back others. So there is a checksum of every block that was
//! written, and in the end they are read once more ([`Written::verify`]).

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use super::checks::{BLOCK, Checks};
use super::ranges::Ranges;
use super::{Canvas, FileCanvas, write_zeros};
use crate::units::{ByteLen, ByteOffset};

/// What is written last.
pub const HEAD_BYTES: usize = 1 << 20;
const HEAD: u64 = 1 << 20;
/// How much is read back at once; whole blocks.
const STEP: u64 = 1 << 20;

/// A canvas on a device. Clones write to the same one.
#[derive(Debug, Clone)]
pub struct DeviceCanvas {
    device: Arc<File>,
    len: u64,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    written: Ranges,
    protected: Ranges,
    checks: Checks,
    head: Vec<u8>,
}

/// A device that has everything.
#[derive(Debug)]
pub struct Written(DeviceCanvas);

/// What was written is not there.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be read.
    #[error("reading back what was written at byte {}", .at.0)]
    Read {
        /// Where.
        at: ByteOffset,
        /// Why.
        source: io::Error,
    },
    /// Other bytes are there.
    #[error("what was written at byte {} reads back as something else", .at.0)]
    Differs {
        /// The start of the block.
        at: ByteOffset,
    },
}

impl DeviceCanvas {
    /// Takes a device of this length, open for reading and writing, and makes its start zeros.
    ///
    /// # Errors
    ///
    /// The device cannot be written.
    pub fn new(device: Arc<File>, len: ByteLen) -> io::Result<Self> {
        let canvas = Self::keeping_start(device, len);
        canvas.device.write_all_at(&canvas.state().head, 0)?;
        canvas.device.sync_data()?;
        Ok(canvas)
    }

    /// Takes a device of this length whose start may stay as it is until the end.
    pub fn keeping_start(device: Arc<File>, len: ByteLen) -> Self {
        let head = vec![0; HEAD_BYTES.min(usize::try_from(len.0).unwrap_or(HEAD_BYTES))];
        let (written, protected) = (Ranges::default(), Ranges::default());
        let state = State { written, protected, checks: Checks::default(), head };
        Self { device, len: len.0, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets nobody write to a range from now on: to them it is as if the device ended there.
    pub fn protect(&self, range: Range<u64>) {
        self.state().protected.insert(range);
    }

    /// The device's length.
    pub fn len(&self) -> ByteLen {
        ByteLen(self.len)
    }

    /// Whether the device has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was written of a range, in order.
    pub fn written(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.state().written.within(range).collect()
    }

    /// Zeroes what was not written of these ranges, the start aside, and waits until the device has
    /// everything that was written so far.
    ///
    /// # Errors
    ///
    /// The device failed.
    pub fn settle(&self, zeros: impl IntoIterator<Item = Range<u64>>) -> io::Result<()> {
        for range in zeros {
            let range = range.start.max(HEAD)..range.end.min(self.len);
            let gaps = self.state().written.gaps(range);
            gaps.into_iter().try_for_each(|gap| self.zero(gap))?;
        }
        self.device.sync_data()
    }

    /// By a command of the device where it has one, else by writing.
    fn zero(&self, range: Range<u64>) -> io::Result<()> {
        self.state().check(&range)?;
        let len = range.end - range.start;
        let flags = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
        if fallocate(&self.device, flags, range.start, len).is_ok() {
            return Ok(());
        }
        let mut device = FileCanvas::new(Arc::clone(&self.device));
        write_zeros(&mut device, ByteOffset(range.start), ByteLen(len))
    }

    /// Gives the device its start, when it has everything else.
    ///
    /// # Errors
    ///
    /// The device failed; it does not boot then.
    pub fn finish(self) -> io::Result<Written> {
        self.device.sync_data()?;
        self.device.write_all_at(&self.state().head, 0)?;
        self.device.sync_all()?;
        Ok(Written(self))
    }

    /// A writer that panicked wrote what it wrote.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A range of the device.
    fn range(&self, offset: ByteOffset, len: usize) -> io::Result<Range<u64>> {
        let len = u64::try_from(len).map_err(io::Error::other)?;
        let end = offset.0.checked_add(len).filter(|end| *end <= self.len);
        Ok(offset.0..end.ok_or_else(full)?)
    }

    /// Remembers what blocks hold where `bytes` were just written at `offset`.
    fn remember(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let end = offset + u64::try_from(bytes.len()).map_err(io::Error::other)?;
        let first_whole = offset.next_multiple_of(BLOCK);
        let last_whole = end - end % BLOCK;
        if first_whole < last_whole {
            let skipped = usize::try_from(first_whole - offset).map_err(io::Error::other)?;
            let size = usize::try_from(BLOCK).map_err(io::Error::other)?;
            let whole = bytes[skipped..].chunks_exact(size);
            let mut state = self.state();
            for (block, bytes) in (first_whole / BLOCK..last_whole / BLOCK).zip(whole) {
                state.checks.set(block, bytes);
            }
        }
        self.remember_edges(offset, end)
    }

    /// Remembers anew the blocks that a range covers in part.
    fn remember_edges(&self, start: u64, end: u64) -> io::Result<()> {
        let edges = [start, end].into_iter().filter(|edge| !edge.is_multiple_of(BLOCK));
        let mut blocks: Vec<u64> = edges.map(|edge| edge / BLOCK).collect();
        blocks.dedup();
        for block in blocks {
            let mut bytes = vec![0; usize::try_from(BLOCK).map_err(io::Error::other)?];
            self.read_at(ByteOffset(block * BLOCK), &mut bytes)?;
            self.state().checks.set(block, &bytes);
        }
        Ok(())
    }

    /// What was written of a range that begins with this offset, from the device; zeros elsewhere.
    fn read_device(
        &self,
        offset: u64,
        buffer: &mut [u8],
        parts: Vec<Range<u64>>,
    ) -> io::Result<()> {
        let place = |at: u64| usize::try_from(at - offset).map_err(io::Error::other);
        for Range { start, end } in parts {
            self.device.read_exact_at(&mut buffer[place(start)?..place(end)?], start)?;
        }
        Ok(())
    }
}

impl Written {
    /// Reads back every block that was written, from the device where the kernel's cache can be
    /// dropped; `step` hears how many bytes were read and may stop it.
    ///
    /// # Errors
    ///
    /// A block is not as it was written, or `step` failed.
    pub fn verify<E: From<VerifyError>>(
        &self,
        mut step: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self(canvas) = self;
        let _ = fadvise(&canvas.device, 0, None, Advice::DontNeed);
        let block = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        let mut buffer = Vec::new();
        let mut at = 0;
        while let Some(next) = canvas.written(at..canvas.len).first() {
            let start = next.start.max(at) / BLOCK * BLOCK;
            let end = next.end.min(start + STEP).next_multiple_of(BLOCK).min(start + STEP);
            buffer.clear();
            buffer.resize(usize::try_from(end - start).unwrap_or(0), 0);
            let parts = canvas.written(start..end.min(canvas.len));
            canvas
                .read_device(start, &mut buffer, parts)
                .map_err(|source| VerifyError::Read { at: ByteOffset(start), source })?;
            let state = canvas.state();
            for (number, bytes) in (start / BLOCK..).zip(buffer.chunks(block)) {
                if !state.checks.is(number, bytes) {
                    return Err(VerifyError::Differs { at: ByteOffset(number * BLOCK) }.into());
                }
            }
            drop(state);
            step(end - start)?;
            at = end;
        }
        Ok(())
    }
}

impl State {
    fn check(&self, range: &Range<u64>) -> io::Result<()> {
        match self.protected.within(range.clone()).next() {
            Some(_) => Err(full()),
            None => Ok(()),
        }
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "the device ends")
}

/// How much of so many bytes at an offset is the head's, and where in it.
fn in_head(offset: u64, len: usize, head: usize) -> Range<usize> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(head);
    start..start.saturating_add(len).min(head)
}

impl Canvas for DeviceCanvas {
    fn write_at(&mut self, offset: ByteOffset, bytes: &[u8]) -> io::Result<()> {
        let range = self.range(offset, bytes.len())?;
        let mut state = self.state();
        state.check(&range)?;
        let part = in_head(offset.0, bytes.len(), state.head.len());
        let (head, rest) = bytes.split_at(part.len());
        state.head[part].copy_from_slice(head);
        state.written.insert(range.clone());
        drop(state);
        self.device.write_all_at(rest, range.end - u64::try_from(rest.len()).unwrap_or(0))?;
        self.remember(offset.0, bytes)
    }

    fn read_at(&self, offset: ByteOffset, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let len = u64::try_from(buffer.len()).map_err(io::Error::other)?;
        let end = offset.0.saturating_add(len).min(self.len);
        let state = self.state();
        let part = in_head(offset.0, buffer.len(), state.head.len());
        buffer[..part.len()].copy_from_slice(&state.head[part]);
        let parts: Vec<_> = state.written.within(offset.0.max(HEAD)..end).collect();
        drop(state);
        self.read_device(offset.0, buffer, parts)
    }

    fn discard_from(&mut self, offset: ByteOffset) -> io::Result<()> {
        self.discard(offset, ByteLen(self.len.saturating_sub(offset.0)))
    }

    fn discard(&mut self, offset: ByteOffset, len: ByteLen) -> io::Result<()> {
        let end = offset.0.saturating_add(len.0);
        let mut state = self.state();
        let part =
            in_head(offset.0, usize::try_from(len.0).unwrap_or(usize::MAX), state.head.len());
        state.head[part].fill(0);
        state.written.remove(offset.0..end);
        drop(state);
        self.remember_edges(offset.0, end.min(self.len))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::canvas::MemoryCanvas;

    const LEN: usize = 3 << 20;
    const OLD: u8 = 0xAA;

    /// A device on which is something, and its canvas.
    fn used() -> (Arc<File>, DeviceCanvas) {
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.write_all_at(&vec![OLD; LEN], 0).unwrap();
        let len = ByteLen(u64::try_from(LEN).unwrap());
        (Arc::clone(&file), DeviceCanvas::new(file, len).unwrap())
    }

    fn content(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; LEN];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn place(at: usize) -> u64 {
        u64::try_from(at).unwrap()
    }

    fn bytes(range: &Range<u64>) -> Range<usize> {
        let at = |at| usize::try_from(at).unwrap();
        at(range.start)..at(range.end)
    }

    #[test]
    fn the_start_comes_last() {
        let (file, mut canvas) = used();
        canvas.write_at(ByteOffset(0), b"boot").unwrap();
        canvas.write_at(ByteOffset(HEAD - 2), b"across").unwrap();
        let before = content(&file);
        assert!(before[..HEAD_BYTES].iter().all(|byte| *byte == 0), "nothing boots");
        assert_eq!(&before[HEAD_BYTES..][..5], b"ross\xAA");
        canvas.settle(std::iter::once(0..HEAD + 8)).unwrap();
        canvas.finish().unwrap();
        let after = content(&file);
        assert_eq!(
            (&after[..6], &after[HEAD_BYTES - 2..][..12]),
            (&b"boot\0\0"[..], &b"across\0\0\0\0\xAA\xAA"[..])
        );
    }

    #[test]
    fn a_device_ends_where_it_ends() {
        let (_, mut canvas) = used();
        let end = u64::try_from(LEN).unwrap();
        canvas.write_at(ByteOffset(end - 1), b"x").unwrap();
        let error = canvas.write_at(ByteOffset(end - 1), b"xy").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(canvas.write_at(ByteOffset(u64::MAX), b"x").is_err());
        let mut read = [9; 4];
        canvas.read_at(ByteOffset(end - 1), &mut read).unwrap();
        assert_eq!(&read, b"x\0\0\0");
    }

    #[test]
    fn what_is_protected_stays() {
        let (file, mut canvas) = used();
        canvas.protect(HEAD + 8192..HEAD + 9000);
        let error = canvas.write_at(ByteOffset(HEAD + 8190), b"abc").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        canvas.write_at(ByteOffset(HEAD + 8189), b"abc").unwrap();
        canvas.write_at(ByteOffset(HEAD + 9000), b"d").unwrap();
        assert!(canvas.settle(std::iter::once(HEAD..HEAD + 10_000)).is_err());
        canvas.finish().unwrap();
        let after = content(&file);
        assert!(after[HEAD_BYTES + 8192..HEAD_BYTES + 9000].iter().all(|byte| *byte == OLD));
    }

    #[test]
    fn what_a_device_garbles_is_found() {
        let (file, mut canvas) = used();
        canvas.write_at(ByteOffset(100), b"boot").unwrap();
        canvas.write_at(ByteOffset(HEAD + 5000), &[1; 9000]).unwrap();
        let written = canvas.finish().unwrap();
        let verify = || written.verify(|_| Ok::<_, VerifyError>(()));
        verify().unwrap();
        file.write_all_at(b"x", HEAD + 4999).unwrap();
        verify().unwrap();
        for (at, block) in [(HEAD + 5000, HEAD + 4096), (HEAD + 13_999, HEAD + 12_288), (101, 0)] {
            let mut before = [0];
            file.read_exact_at(&mut before, at).unwrap();
            file.write_all_at(b"x", at).unwrap();
            let error = verify().unwrap_err();
            assert!(
                matches!(error, VerifyError::Differs { at: ByteOffset(at) } if at == block),
                "{error}"
            );
            file.write_all_at(&before, at).unwrap();
        }
        file.set_len(HEAD).unwrap();
        let error = verify().unwrap_err();
        assert!(matches!(error, VerifyError::Read { .. }), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn a_used_device_is_as_good_as_an_empty_file(
            steps in proptest::collection::vec((0_u8..4, 0..LEN - 70_000, 1_usize..70_000), 1..20),
            zeros in proptest::collection::vec((0..LEN, 0..LEN), 0..4),
        ) {
            let (file, mut canvas) = used();
            let mut model = MemoryCanvas { bytes: vec![0; LEN] };
            let mut touched = Ranges::default();
            for (number, (kind, at, len)) in (1..).zip(steps) {
                // half of them around the end of the head
                let at = if at % 2 == 0 { HEAD_BYTES - 35_000 + at % 70_000 } else { at };
                let (offset, len_bytes) = (ByteOffset(place(at)), place(len));
                touched.insert(place(at)..place(at + len));
                match kind {
                    0 => {
                        canvas.discard(offset, ByteLen(len_bytes)).unwrap();
                        model.discard(offset, ByteLen(len_bytes)).unwrap();
                    }
                    _ => {
                        canvas.write_at(offset, &vec![number; len]).unwrap();
                        model.write_at(offset, &vec![number; len]).unwrap();
                    }
                }
            }
            let mut read = vec![9; LEN];
            canvas.read_at(ByteOffset(0), &mut read).unwrap();
            prop_assert!(read == model.bytes);
            let mut known = Ranges::default();
            known.insert(0..HEAD);
            canvas.written(0..u64::MAX).into_iter().for_each(|range| known.insert(range));
            let ordered = |(a, b): &(usize, usize)| place(*a.min(b))..place(*a.max(b));
            zeros.iter().for_each(|range| known.insert(ordered(range)));
            canvas.settle(zeros.iter().map(ordered)).unwrap();
            let written = canvas.finish().unwrap();
            let count = |_| Ok::<_, VerifyError>(());
            prop_assert!(written.verify(count).is_ok());
            let after = content(&file);
            for part in known.within(0..place(LEN)) {
                prop_assert!(after[bytes(&part)] == model.bytes[bytes(&part)], "{part:?}");
                touched.insert(part);
            }
            for part in touched.gaps(0..place(LEN)) {
                prop_assert!(after[bytes(&part)].iter().all(|byte| *byte == OLD), "{part:?}");
            }
        }
    }
}
