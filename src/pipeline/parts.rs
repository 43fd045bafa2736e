//! Partitions beside root: they are filled in files of their own while root is, since their places are
//! known only when everything is; then they are put where they belong.
//!
//! Root is written where it will probably be. When another partition's content outgrows what was
//! wished, or the image wishes for other partitions than usual, it is moved.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::ground::Ground;
use crate::canvas::{Canvas, Window};
use crate::fs::{ext4, fat};
use crate::output::Pending;
use crate::plan::layout::Ext4;
use crate::units::{ByteLen, ByteOffset};
use crate::volume::{Inode, Timestamp, Volume as _};

/// How far an ext4 can grow: so many times its size.
const GROWTH: u64 = 1024;
const STEP: u64 = 4 << 20;

/// An ext4 of a disk.
pub(super) type Writer = ext4::Writer<Window<Ground>>;

/// What an ext4 that was planned is made with.
pub(super) fn options(planned: &Ext4, time: Timestamp) -> ext4::Options {
    ext4::Options {
        uuid: planned.uuid.0,
        hash_seed: planned.hash_seed.0,
        label: planned.label.clone(),
        time,
        ..ext4::Options::default()
    }
}

/// The same for one beside root, of this least size.
pub(super) fn further_options(planned: &Ext4, least: ByteLen, time: Timestamp) -> ext4::Options {
    let usual = ext4::Options::default().growth_limit;
    let growth_limit = ByteLen(least.0.saturating_mul(GROWTH)).min(usual);
    ext4::Options { growth_limit, ..options(planned, time) }
}

/// Files for partitions that have no place yet. They vanish with this.
#[derive(Debug)]
pub(super) struct Waiting {
    path: PathBuf,
    time: Timestamp,
    files: Vec<Pending>,
}

impl Waiting {
    /// Nothing yet; files will be beside `path`.
    pub(super) fn new(path: &Path, time: Timestamp) -> Self {
        Self { path: path.to_owned(), time, files: Vec::new() }
    }

    fn create(&mut self) -> Result<Arc<File>, Error> {
        let pending = Pending::create(&self.path.with_extension("partition"))?;
        let file = Arc::clone(pending.file());
        self.files.push(pending);
        Ok(file)
    }

    /// A file with an ext4 to be filled.
    pub(super) fn ext4(&mut self, planned: &Ext4, least: ByteLen) -> Result<Writer, Error> {
        let canvas = Window::new(Ground::file(&self.create()?), ByteOffset(0));
        Ok(ext4::Writer::create(canvas, further_options(planned, least, self.time))?)
    }

    /// A copy of a file of the root file system.
    pub(super) fn copy(&mut self, root: &Writer, inode: Inode) -> Result<Arc<File>, Error> {
        let file = self.create()?;
        let mut canvas = Ground::file(&file);
        let mut buffer = vec![0; 1 << 20];
        let mut offset = 0;
        loop {
            let count = root.read_at(inode, offset, &mut buffer)?;
            if count == 0 {
                return Ok(file);
            }
            canvas.write_at(ByteOffset(offset), &buffer[..count]).map_err(self.error())?;
            offset += u64::try_from(count).unwrap_or(u64::MAX);
        }
    }

    fn error(&self) -> impl FnOnce(io::Error) -> Error {
        let path = self.path.clone();
        move |source| Error::Canvas { path, source }
    }
}

/// A FAT with these files, by path, where the options have it.
pub(super) fn put_fat<'f>(
    canvas: &Ground,
    options: fat::Options,
    files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
) -> Result<fat::Usage, Error> {
    let mut window = Window::new(canvas.clone(), options.start);
    let mut builder = fat::Builder::new(options)?;
    for (path, bytes) in files {
        builder.add_file(path, bytes)?;
    }
    Ok(builder.finish(&mut window)?)
}

/// Copies what a file holds to `start` of the canvas.
pub(super) fn put(from: &Arc<File>, canvas: &mut Ground, start: ByteOffset) -> io::Result<()> {
    let len = from.metadata()?.len();
    let source = Ground::file(from);
    let mut buffer = vec![0; buffer_len(STEP)];
    for part in source.held(0..len) {
        for step in steps(&part, STEP) {
            put_step(from, step.clone(), canvas, ByteOffset(start.0 + step.start), &mut buffer)?;
        }
    }
    Ok(())
}

/// Copies a part of a file to `start` of the canvas.
pub(super) fn put_piece(
    from: &Arc<File>,
    piece: &Range<u64>,
    canvas: &mut Ground,
    start: ByteOffset,
) -> io::Result<()> {
    let mut buffer = vec![0; buffer_len(STEP)];
    for step in steps(piece, STEP) {
        let to = ByteOffset(start.0 + (step.start - piece.start));
        put_step(from, step, canvas, to, &mut buffer)?;
    }
    Ok(())
}

/// By the file system, which may not even copy, where it can; else through the buffer.
fn put_step(
    from: &Arc<File>,
    step: Range<u64>,
    canvas: &mut Ground,
    to: ByteOffset,
    buffer: &mut [u8],
) -> io::Result<()> {
    let copied = canvas.copy_from(from, ByteOffset(step.start), to, ByteLen(step.end - step.start));
    let done = copied?.0;
    let bytes = &mut buffer[..buffer_len(step.end - step.start - done)];
    if bytes.is_empty() {
        return Ok(());
    }
    Ground::file(from).read_at(ByteOffset(step.start + done), bytes)?;
    canvas.write_at(ByteOffset(to.0 + done), bytes)
}

/// Moves `len` bytes within a disk; where they were and are no more, it reads as zeros.
pub(super) fn shift(
    canvas: &mut Ground,
    from: ByteOffset,
    to: ByteOffset,
    len: ByteLen,
) -> io::Result<()> {
    let distance = from.0.abs_diff(to.0);
    if distance == 0 {
        return Ok(());
    }
    let end = from.0.saturating_add(len.0);
    let most = STEP.min(distance);
    let held = canvas.held(from.0..end);
    let mut all: Vec<Range<u64>> = held.iter().flat_map(|part| steps(part, most)).collect();
    if to > from {
        all.reverse();
    }
    let mut buffer = vec![0; buffer_len(most)];
    for step in all {
        let len = step.end - step.start;
        let bytes = &mut buffer[..buffer_len(len)];
        canvas.read_at(ByteOffset(step.start), bytes)?;
        canvas.write_at(ByteOffset(step.start - from.0 + to.0), bytes)?;
        canvas.discard(ByteOffset(step.start), ByteLen(len))?;
    }
    Ok(())
}

/// A range in steps of at most `most` bytes.
fn steps(range: &Range<u64>, most: u64) -> impl Iterator<Item = Range<u64>> + use<> {
    let Range { start, end } = *range;
    (0..(end - start).div_ceil(most)).map(move |step| {
        let start = start + step * most;
        start..(start + most).min(end)
    })
}

fn buffer_len(len: u64) -> usize {
    usize::try_from(len).expect("a step fits into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn file(parts: &[(u64, u64)], len: u64) -> Arc<File> {
        let file = tempfile::tempfile().unwrap();
        for (start, len) in parts {
            let bytes: Vec<u8> =
                (*start..start + len).map(|at| u8::try_from(at % 251 + 1).unwrap()).collect();
            file.write_all_at(&bytes, *start).unwrap();
        }
        file.set_len(len).unwrap();
        Arc::new(file)
    }

    fn bytes(file: &File, start: u64, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; buffer_len(len)];
        Ground::file(&Arc::new(file.try_clone().unwrap()))
            .read_at(ByteOffset(start), &mut bytes)
            .unwrap();
        bytes
    }

    #[test]
    fn what_is_moved_arrives_and_leaves_zeros() {
        const K: u64 = 1024;
        let parts = [(64 * K, 40 * K), (9000 * K, 5 * K), (9100 * K, 300 * K)];
        for (from, to) in [(64, 68), (64, 4000), (64, 20_000), (64, 0), (64, 60)] {
            let file = file(&parts, 9500 * K);
            let before = bytes(&file, 64 * K, 9436 * K);
            let (from_byte, to_byte) = (ByteOffset(from * K), ByteOffset(to * K));
            shift(&mut Ground::file(&file), from_byte, to_byte, ByteLen(9436 * K)).unwrap();
            assert!(bytes(&file, to * K, 9436 * K) == before, "to {to}");
            let end = (to.min(9500)) * K;
            if to > from {
                assert!(bytes(&file, from * K, end - from * K).iter().all(|byte| *byte == 0));
            } else {
                let left = bytes(&file, (to + 9436) * K, (from - to) * K);
                assert!(left.iter().all(|byte| *byte == 0), "to {to}");
            }
        }
    }

    #[test]
    fn a_piece_arrives_alone() {
        let from = file(&[(0, 9 << 20)], 9 << 20);
        let target = Arc::new(tempfile::tempfile().unwrap());
        let (piece, start) = (4097..4097 + (8 << 20) + 3, ByteOffset(2048));
        put_piece(&from, &piece, &mut Ground::file(&target), start).unwrap();
        let len = piece.end - piece.start;
        assert!(bytes(&target, 2048, len) == bytes(&from, piece.start, len));
        assert_eq!(target.metadata().unwrap().len(), 2048 + len);
        put_piece(&from, &(5..5), &mut Ground::file(&target), start).unwrap();
    }

    #[test]
    fn what_is_put_keeps_its_holes() {
        let from = file(&[(0, 10_000), (5 << 20, 70_000)], 6 << 20);
        let target = Arc::new(tempfile::tempfile().unwrap());
        put(&from, &mut Ground::file(&target), ByteOffset(1 << 20)).unwrap();
        assert!(bytes(&target, 1 << 20, 6 << 20) == bytes(&from, 0, 6 << 20));
        assert!(bytes(&target, 0, 1 << 20).iter().all(|byte| *byte == 0));
    }
}
