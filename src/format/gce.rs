//! What Google Compute Engine imports: a gzipped tar with nothing but a sparse `disk.raw`.
//!
//! The tar is one that `tar --format=oldgnu --sparse` could have written:
//!
//! ```text
//!  ┌─────────────┬───────────┬────────────┬──────────────────────┬─────────────────┐
//!  │ header, 4   │ 21 entries│ … as many  │ the runs of content, │ zeros up to the │
//!  │ map entries │ in a block│ as needed  │ one after the other  │ next 10,240     │
//!  └─────────────┴───────────┴────────────┴──────────────────────┴─────────────────┘
//! ```
//!
//! | block | offset | field |
//! |---|---|---|
//! | header | 124, 156 | bytes of all runs; type `S` |
//! | | 386, 482, 483 | 4 map entries; 1 when another block follows; size of the disk |
//! | others | 0, 504 | 21 map entries; 1 when another block follows |
//!
//! A map entry is offset and length of a run, 12 bytes each ([`tarball::number`]). The last entry has
//! no length and is where the disk ends. Runs are whole blocks of 64 KiB that are not all zeros,
//! whether or not zeros are holes of the canvas. The map comes before the content: so the disk is
//! read twice, first to find the runs, then to compress them.
//!
//! The gzip is a single member without name or time. Lanes compress a MiB at a time, each by itself;
//! what they make ends at a whole byte ("sync flush"), so that one after the other it is one deflate
//! stream; checksums are combined. Memory is bounded by 16 bytes per run, and the batches under way.

use std::fs::File;
use std::ops::Range;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::{ByteLen, GIB};

use super::batches::{self, BATCH_BYTES, PackError, Packer};
use super::deflate::Deflate;
use super::extents::Extents;
use super::sink::Sink;
use super::tarball::{self, BLOCK, BLOCK_BYTES, RECORD_BYTES};
use super::{FormatError, Summary, ZEROS, is_zero};

const RUN_BLOCK_BYTES: usize = 64 * 1024;
const RUN_BLOCK: u64 = 64 * 1024;
const CHUNK_BYTES: usize = 1 << 20;
const ENTRIES_IN_HEADER: usize = 4;
const ENTRIES_IN_BLOCK: usize = 21;

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of deflate, 1 to 9; others are brought into range.
    pub level: u8,
    /// How many threads read and compress. Does not change the bytes.
    pub threads: usize,
}

/// Encodes the first `disk_size` bytes of `source`, whole GiB, into `out`, an empty file. What
/// `source` lacks is zeros.
pub fn encode(
    source: &File,
    disk_size: ByteLen,
    out: &File,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let disk_bytes = disk_size.0;
    if !disk_bytes.is_multiple_of(GIB) || disk_bytes == 0 {
        return Err(FormatError::Size { format: "gce", disk_bytes });
    }
    let report = |done_bytes| {
        let format = "gce";
        reporter.report(Event::Encoded { format, done_bytes, total_bytes: disk_bytes });
    };
    let threads = options.threads;
    let disk = batches::Source { file: source, disk_bytes, chunk_bytes: RUN_BLOCK_BYTES, threads };
    let runs = find_runs(disk, cancel)?;
    let content_bytes = runs.iter().map(|run| run.end - run.start).sum();
    let mut gzip = Gzip::begin(out, options.level)?;
    gzip.write(&tar_header(&runs, content_bytes, disk_bytes))?;
    let source = batches::Source { chunk_bytes: CHUNK_BYTES, ..disk };
    let packer = || Ok(PartPacker(Deflate::bare(options.level, 15, CHUNK_BYTES)));
    let ranges = runs.iter().flat_map(|run| batches::pieces(run.clone(), BATCH_BYTES));
    batches::for_each(source, packer, ranges, |batch| {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        batch.chunks.iter().for_each(|checksum| gzip.checksum.combine(checksum));
        gzip.sink.write(&batch.packed)?;
        report(batch.range.end);
        Ok(())
    })?;
    let header_bytes = len_of_map(runs.len());
    let written = header_bytes + content_bytes;
    let end = (written + 2 * BLOCK).next_multiple_of(RECORD_BYTES);
    gzip.write(&ZEROS[..usize::try_from(end - written).unwrap_or(0)])?;
    let summary = gzip.finish(end)?;
    report(disk_bytes);
    Ok(summary)
}

/// What of the disk is not zeros, in whole blocks.
fn find_runs(source: batches::Source<'_>, cancel: &Cancel) -> Result<Vec<Range<u64>>, FormatError> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    let ranges = batches::ranges(Extents::new(source.file, source.disk_bytes), RUN_BLOCK);
    batches::for_each(
        source,
        || Ok(Sieve),
        ranges,
        |batch| {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            for (start, keep) in (batch.range.start..).step_by(RUN_BLOCK_BYTES).zip(&batch.chunks) {
                match runs.last_mut() {
                    _ if !keep => {}
                    Some(run) if run.end == start => run.end += RUN_BLOCK,
                    _ => runs.push(start..start + RUN_BLOCK),
                }
            }
            Ok(())
        },
    )?;
    Ok(runs)
}

/// Says which blocks hold something.
struct Sieve;

impl Packer for Sieve {
    type Chunk = bool;

    fn pack(&mut self, content: &[u8], _: &mut Vec<u8>) -> Result<bool, PackError> {
        Ok(!is_zero(content))
    }
}

/// Makes parts of a deflate stream.
struct PartPacker(Deflate);

impl Packer for PartPacker {
    /// The checksum of what went in.
    type Chunk = crc32fast::Hasher;

    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Self::Chunk, PackError> {
        packed.extend_from_slice(self.0.part(content)?);
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(content);
        Ok(checksum)
    }
}

/// A gzip being written.
struct Gzip<'f> {
    sink: Sink<'f>,
    deflate: Deflate,
    checksum: crc32fast::Hasher,
}

impl<'f> Gzip<'f> {
    fn begin(out: &'f File, level: u8) -> Result<Self, FormatError> {
        let mut sink = Sink::new(out);
        // Deflate; no flags, no time, nothing about the effort; of no particular system.
        sink.write(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?;
        let deflate = Deflate::bare(level, 15, CHUNK_BYTES);
        Ok(Self { sink, deflate, checksum: crc32fast::Hasher::new() })
    }

    /// Compresses what is not of the disk.
    fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            let packed = self.deflate.part(chunk);
            self.sink
                .write(packed.map_err(|source| FormatError::Compress { offset: 0, source })?)?;
            self.checksum.update(chunk);
        }
        Ok(())
    }

    /// Ends a gzip of `content_bytes`.
    fn finish(mut self, content_bytes: u64) -> Result<Summary, FormatError> {
        // The last block, an empty one.
        self.sink.write(&[3, 0])?;
        self.sink.write(&self.checksum.finalize().to_le_bytes())?;
        self.sink.write(&content_bytes.to_le_bytes()[..4])?;
        self.sink.finish()
    }
}

/// How many blocks of a tar the header takes with a map of `runs` and the end.
fn map_blocks(runs: usize) -> usize {
    1 + (runs + 1).saturating_sub(ENTRIES_IN_HEADER).div_ceil(ENTRIES_IN_BLOCK)
}

fn len_of_map(runs: usize) -> u64 {
    u64::try_from(map_blocks(runs)).unwrap_or(u64::MAX) * BLOCK
}

/// The header of `disk.raw` with its map.
fn tar_header(runs: &[Range<u64>], content_bytes: u64, disk_bytes: u64) -> Vec<u8> {
    let end = std::iter::once(disk_bytes..disk_bytes);
    let entries = runs.iter().cloned().chain(end).flat_map(|run| {
        [tarball::number(run.start), tarball::number(run.end - run.start)].concat()
    });
    let mut map: Vec<u8> = entries.collect();
    let more = map.split_off(map.len().min(ENTRIES_IN_HEADER * 24));
    let mut header = tar::Header::new_gnu();
    if let Some(gnu) = header.as_gnu_mut() {
        for (entry, bytes) in gnu.sparse.iter_mut().zip(map.chunks_exact(24)) {
            entry.offset.copy_from_slice(&bytes[..12]);
            entry.numbytes.copy_from_slice(&bytes[12..]);
        }
        gnu.isextended = [u8::from(!more.is_empty())];
        gnu.realsize = tarball::number(disk_bytes);
    }
    tarball::describe(&mut header, "disk.raw", content_bytes).expect("the name is short");
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    for entries in more.chunks(ENTRIES_IN_BLOCK * 24) {
        let at = bytes.len();
        bytes.extend_from_slice(entries);
        bytes.resize(at + BLOCK_BYTES, 0);
        bytes[at + 504] = 1;
    }
    if !more.is_empty() {
        let last = bytes.len() - BLOCK_BYTES;
        bytes[last + 504] = 0;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn only_whole_gib_are_taken() {
        let file = tempfile::tempfile().unwrap();
        for size in [0, 512, GIB + 512, GIB - 1] {
            let options = Options { level: 1, threads: 1 };
            let result = encode(&file, ByteLen(size), &file, &options, &Silent, &Cancel::default());
            assert!(matches!(result, Err(FormatError::Size { format: "gce", .. })));
        }
    }

    #[test]
    fn maps_fill_blocks_one_by_one() {
        for (runs, blocks) in [(0, 1), (3, 1), (4, 2), (24, 2), (25, 3), (45, 3), (46, 4)] {
            let map: Vec<_> =
                (0..runs).map(|n| n * 2 * RUN_BLOCK..(n * 2 + 1) * RUN_BLOCK).collect();
            let header = tar_header(&map, runs * RUN_BLOCK, GIB);
            assert_eq!((header.len(), map_blocks(map.len())), (blocks * 512, blocks), "{runs}");
            let flags = (0..blocks).map(|n| header[n * 512 + if n == 0 { 482 } else { 504 }]);
            let expected = (1..=blocks).map(|n| u8::from(n < blocks));
            assert!(flags.eq(expected), "{runs}");
        }
    }
}
