//! What identifies a disk whatever its format: the digest of its blocks that are not all zeros.
//!
//! ```text
//!  segments ─┬► reader 0: read, hash blocks ─┐
//!            └► reader 1: read, hash blocks ─┴─► offset 8, digest 32, … in disk order ─► hash
//! ```
//!
//! Segment `n` is of reader `n` modulo their number, and is taken from there: order needs no
//! sorting, and what comes out does not depend on the number of readers. A segment has as many
//! blocks as [`digests`] hashes at once. Most blocks are known by then: a [`Follower`] hashes them
//! while others are still being written.

mod follower;

pub use follower::{Follower, Known};

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::sync_channel;

use super::{FormatError, clamp, extents::Extents, is_zero};
use crate::digest::{Message, Sha256, Sha256Digest, digests};
use crate::progress::Cancel;
use crate::units::ByteLen;

const BLOCK_BYTES: usize = 64 * 1024;
const BLOCK: u64 = 64 * 1024;
/// What a reader does at a time.
const SEGMENT: u64 = 16 * BLOCK;
const SEGMENT_BYTES: usize = 16 * BLOCK_BYTES;
const SEGMENTS_AHEAD: usize = 16;
/// More readers would only wait for the disk.
const MAX_READERS: usize = 16;

/// SHA-256 over a record of every block of 64 KiB of the disk that is not all zeros, in order: its
/// offset in bytes (64 bits, little-endian), then the SHA-256 of its bytes. A last block may be
/// short.
pub fn blocks_digest(
    file: &File,
    size: ByteLen,
    threads: usize,
    cancel: &Cancel,
) -> Result<Sha256Digest, FormatError> {
    blocks_digest_knowing(&Known::new(), file, size, threads, cancel)
}

/// The same, where some blocks are known and need not be read.
pub fn blocks_digest_knowing(
    known: &Known,
    file: &File,
    size: ByteLen,
    threads: usize,
    cancel: &Cancel,
) -> Result<Sha256Digest, FormatError> {
    let count = threads.clamp(1, MAX_READERS);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..count)
            .map(|reader| {
                let (records, from) = sync_channel(SEGMENTS_AHEAD);
                scope.spawn(move || {
                    let mut buffer = vec![0; SEGMENT_BYTES];
                    for segment in Segments::new(file, size).skip(reader).step_by(count) {
                        let result = segment_records(file, segment, &mut buffer, known, cancel);
                        let failed = result.is_err();
                        if records.send(result).is_err() || failed {
                            return;
                        }
                    }
                });
                from
            })
            .collect();
        let mut hasher = Sha256::default();
        // The first reader without a segment is the end: those after it have none either.
        for records in readers.iter().cycle().map_while(|reader| reader.recv().ok()) {
            hasher.update(&records?);
        }
        Ok(hasher.finish())
    })
}

/// The records of the blocks in `segment`, which `buffer` has room for.
fn segment_records(
    file: &File,
    segment: Range<u64>,
    buffer: &mut [u8],
    known: &Known,
    cancel: &Cancel,
) -> Result<Vec<u8>, FormatError> {
    if cancel.is_cancelled() {
        return Err(FormatError::Cancelled);
    }
    let offsets: Vec<u64> = segment.clone().step_by(BLOCK_BYTES).collect();
    let found: Vec<Option<&Option<Sha256Digest>>> =
        offsets.iter().map(|offset| known.get(offset)).collect();
    let mut fresh = Vec::new();
    if found.contains(&None) {
        let offset = segment.start;
        let bytes = clamp(buffer, segment.end - offset);
        file.read_exact_at(bytes, offset).map_err(|source| FormatError::Read { offset, source })?;
        fresh = block_digests(bytes, |block| found[block].is_none());
    }
    let mut records = Vec::new();
    for (block, offset) in offsets.iter().enumerate() {
        let digest = found[block].copied().unwrap_or_else(|| fresh[block]);
        if let Some(digest) = digest {
            records.extend_from_slice(&offset.to_le_bytes());
            records.extend_from_slice(&digest.0);
        }
    }
    Ok(records)
}

/// Digests of the blocks in `bytes` that are `wanted` and not all zeros.
fn block_digests(bytes: &[u8], wanted: impl Fn(usize) -> bool) -> Vec<Option<Sha256Digest>> {
    let blocks = bytes.chunks(BLOCK_BYTES).enumerate();
    let (numbers, messages): (Vec<usize>, Vec<Message<'_>>) = blocks
        .filter(|(number, block)| wanted(*number) && !is_zero(block))
        .map(|(number, block)| (number, Message::of(block)))
        .unzip();
    let mut all = vec![None; bytes.len().div_ceil(BLOCK_BYTES)];
    for (number, digest) in numbers.into_iter().zip(digests(&messages)) {
        all[number] = Some(digest);
    }
    all
}

/// All blocks that may hold something, some at a time: each range begins with a block and ends with
/// one, or with the disk.
struct Segments<'f> {
    extents: Extents<'f>,
    rest: Range<u64>,
    size: u64,
}

impl<'f> Segments<'f> {
    fn new(file: &'f File, size: ByteLen) -> Self {
        Self { extents: Extents::new(file, size.0), rest: 0..0, size: size.0 }
    }
}

impl Iterator for Segments<'_> {
    type Item = Range<u64>;

    fn next(&mut self) -> Option<Range<u64>> {
        while self.rest.is_empty() {
            let extent = self.extents.next()?;
            let start = (extent.start / BLOCK * BLOCK).max(self.rest.end);
            self.rest = start..extent.end.next_multiple_of(BLOCK).min(self.size);
        }
        let start = self.rest.start;
        self.rest.start = self.rest.end.min(start + SEGMENT);
        Some(start..self.rest.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_counts() {
        let size = ByteLen(BLOCK * 5 + 7);
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(size.0).unwrap();
        sparse.write_all_at(b"x", BLOCK + 9).unwrap();
        sparse.write_all_at(b"y", BLOCK * 5 + 6).unwrap();
        let dense = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; usize::try_from(size.0).unwrap()];
        bytes[BLOCK_BYTES + 9] = b'x';
        *bytes.last_mut().unwrap() = b'y';
        dense.write_all_at(&bytes, 0).unwrap();
        let cancel = Cancel::default();
        let digest = blocks_digest(&sparse, size, 1, &cancel).unwrap();
        assert_eq!(digest, blocks_digest(&dense, size, 2, &cancel).unwrap());
        let mut expected = Sha256::default();
        for block in [1, 5] {
            expected.update(&(BLOCK * block).to_le_bytes());
            let start = BLOCK_BYTES * usize::try_from(block).unwrap();
            let block = &bytes[start..bytes.len().min(start + BLOCK_BYTES)];
            expected.update(&Sha256Digest::of(block).0);
        }
        assert_eq!(digest, expected.finish());
    }

    #[test]
    fn full_segments_count_block_by_block() {
        let bytes: Vec<u8> =
            (0..48 * BLOCK_BYTES + 99).map(|at| (at / 999 + at).to_le_bytes()[0]).collect();
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&bytes, 0).unwrap();
        let mut expected = Sha256::default();
        for (number, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            expected.update(&(number * BLOCK_BYTES).to_le_bytes());
            expected.update(&Sha256Digest::of(block).0);
        }
        let size = ByteLen(u64::try_from(bytes.len()).unwrap());
        let digest = blocks_digest(&file, size, 2, &Cancel::default()).unwrap();
        assert_eq!(digest, expected.finish());
    }

    #[test]
    fn the_number_of_readers_changes_nothing() {
        let size = ByteLen(SEGMENT * 9 + 5);
        let file = tempfile::tempfile().unwrap();
        file.set_len(size.0).unwrap();
        for at in [0, 1, 15, 16, 40, 41, 42, 100, 143] {
            file.write_all_at(&[7; 5000], at * BLOCK + at).unwrap();
        }
        file.write_all_at(b"end", size.0 - 3).unwrap();
        let digest = |threads| blocks_digest(&file, size, threads, &Cancel::default()).unwrap();
        assert!((2..20).all(|threads| digest(threads) == digest(1)));
        let before = digest(3);
        file.write_all_at(b"x", SEGMENT * 5).unwrap();
        assert_ne!(digest(3), before);
    }

    #[test]
    fn cancelling_stops_all_readers() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[1; 100], 0).unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let result = blocks_digest(&file, ByteLen(BLOCK), 3, &cancel);
        assert!(matches!(result, Err(FormatError::Cancelled)));
    }
}
