//! A canvas on a block device: a disk that somebody used before.
//!
//! A file that grows reads as zeros where nothing was written; a device reads as what was there. So
//! this canvas knows what was written, and reads zeros elsewhere. What must be zeros when all is done is
//! zeroed then ([`DeviceCanvas::finish`]): only who wrote the file systems knows which blocks are
//! theirs, and most of a disk is nobody's.
//!
//! Nothing that is half made boots: the first [`HEAD_BYTES`], with boot code and partition table, stay
//! in memory until everything else is on the device. Until then zeros are there.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Canvas;
use super::ranges::Ranges;
use crate::units::{ByteLen, ByteOffset};

/// What is written last.
pub const HEAD_BYTES: usize = 1 << 20;
const HEAD: u64 = 1 << 20;
/// How much is zeroed at once.
const STEP: usize = 1 << 20;

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
    head: Vec<u8>,
}

impl DeviceCanvas {
    /// Takes a device of this length, open for reading and writing, and makes its start zeros.
    ///
    /// # Errors
    ///
    /// The device cannot be written.
    pub fn new(device: Arc<File>, len: ByteLen) -> io::Result<Self> {
        let head = vec![0; HEAD_BYTES.min(usize::try_from(len.0).unwrap_or(HEAD_BYTES))];
        device.write_all_at(&head, 0)?;
        device.sync_data()?;
        let state = State { written: Ranges::default(), head };
        Ok(Self { device, len: len.0, state: Arc::new(Mutex::new(state)) })
    }

    /// What was written of a range, in order.
    pub fn written(&self, range: Range<u64>) -> Vec<Range<u64>> {
        self.state().written.within(range).collect()
    }

    /// Zeroes what was not written of these ranges, then gives the device its start.
    ///
    /// # Errors
    ///
    /// The device failed; it does not boot then.
    pub fn finish(self, zeros: impl IntoIterator<Item = Range<u64>>) -> io::Result<()> {
        static ZEROS: [u8; STEP] = [0; STEP];
        let state = self.state();
        for range in zeros {
            let range = range.start.max(HEAD)..range.end.min(self.len);
            for gap in state.written.gaps(range) {
                let mut at = gap.start;
                while at < gap.end {
                    let step = usize::try_from(gap.end - at).unwrap_or(STEP).min(STEP);
                    self.device.write_all_at(&ZEROS[..step], at)?;
                    at += u64::try_from(step).unwrap_or(u64::MAX);
                }
            }
        }
        self.device.sync_data()?;
        self.device.write_all_at(&state.head, 0)?;
        self.device.sync_all()
    }

    /// A writer that panicked wrote what it wrote.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A range of the device.
    fn range(&self, offset: ByteOffset, len: usize) -> io::Result<Range<u64>> {
        let len = u64::try_from(len).map_err(io::Error::other)?;
        let end = offset.0.checked_add(len).filter(|end| *end <= self.len);
        let end =
            end.ok_or_else(|| io::Error::new(io::ErrorKind::StorageFull, "the device ends"))?;
        Ok(offset.0..end)
    }
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
        let part = in_head(offset.0, bytes.len(), state.head.len());
        let (head, rest) = bytes.split_at(part.len());
        state.head[part].copy_from_slice(head);
        state.written.insert(range.clone());
        drop(state);
        self.device.write_all_at(rest, range.end - u64::try_from(rest.len()).unwrap_or(0))
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
        for Range { start, end } in parts {
            let place = |at: u64| usize::try_from(at - offset.0).map_err(io::Error::other);
            self.device.read_exact_at(&mut buffer[place(start)?..place(end)?], start)?;
        }
        Ok(())
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
        Ok(())
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
        canvas.finish(std::iter::once(0..HEAD + 8)).unwrap();
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
            canvas.finish(zeros.iter().map(ordered)).unwrap();
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
