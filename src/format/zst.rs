//! The raw disk as Zstandard: `zstd -d` makes `disk.raw` of it.
//!
//! ```text
//!  ┌─────────┬─────────┬─────────┬───┬────────────────────────────┐
//!  │ frame 0 │ frame 1 │ frame 2 │ … │ skippable frame: seek table│
//!  └─────────┴─────────┴─────────┴───┴────────────────────────────┘
//! ```
//!
//! A frame holds a MiB of the disk (the last may be short), knows its size and has a checksum. A
//! stream may consist of any number of frames; that is what lets lanes work independently of each
//! other, and lets a MiB of zeros, hole or not, be the same 50 bytes every time without anybody
//! compressing it.
//!
//! | seek table offset | field (little-endian) |
//! |---|---|
//! | 0, 4 | `0x184D2A5E`, bytes that follow: what every decoder skips |
//! | 8 | compressed and uncompressed size of each frame, 32 bits each |
//! | end − 9 | how many frames (32 bits), a zero byte, `0x8F92EAB1` |
//!
//! It lets those who know the "seekable format" read any part without what is before. The file is
//! written forward; memory is bounded by 8 bytes per frame, and the batches under way.

use std::fs::File;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::ByteLen;

use super::batches::{self, BATCH_BYTES, PackError, Packer};
use super::extents::Extents;
use super::sink::Sink;
use super::{FormatError, Summary, is_zero, len_of};
use zstd::zstd_safe::{CParameter, compress_bound};

const FRAME_BYTES: usize = 1 << 20;
const FRAME: u64 = BATCH_BYTES;
/// What a seek table can list.
const MAX_FRAMES: u64 = 1 << 27;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of Zstandard, 1 to 19; others are brought into range.
    pub level: u8,
    /// How many threads read and compress. Does not change the bytes.
    pub threads: usize,
}

/// Encodes the first `disk_size` bytes of `source` into `out`, an empty file. What `source` lacks
/// is zeros.
pub fn encode(
    source: &File,
    disk_size: ByteLen,
    out: &File,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let disk_bytes = disk_size.0;
    if disk_bytes == 0 || disk_bytes.div_ceil(FRAME) > MAX_FRAMES {
        return Err(FormatError::Size { format: "raw.zst", disk_bytes });
    }
    let report = |done_bytes| {
        let format = "raw.zst";
        reporter.report(Event::Encoded { format, done_bytes, total_bytes: disk_bytes });
    };
    let mut writer = Writer::begin(out, disk_bytes, options.level, cancel)?;
    let threads = options.threads;
    let ranges = batches::ranges(Extents::new(source, disk_bytes), FRAME)
        .map(|range| range.start..range.end.min(disk_bytes));
    let source = batches::Source { file: source, disk_bytes, chunk_bytes: FRAME_BYTES, threads };
    batches::for_each(
        source,
        || FramePacker::new(options.level),
        ranges,
        |batch| {
            writer.zeros_until(batch.range.start)?;
            if batch.chunks.contains(&Frame::Packed) {
                writer.frame(&batch.packed, len_of(&batch.content))?;
            }
            report(batch.range.end);
            Ok(())
        },
    )?;
    writer.zeros_until(disk_bytes)?;
    let summary = writer.finish()?;
    report(disk_bytes);
    Ok(summary)
}

/// What became of a MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Zero,
    Packed,
}

struct FramePacker {
    zstd: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl FramePacker {
    fn new(level: u8) -> Result<Self, PackError> {
        let mut zstd = zstd::bulk::Compressor::new(i32::from(level.clamp(1, 19)))?;
        zstd.set_parameter(CParameter::ChecksumFlag(true))?;
        zstd.set_parameter(CParameter::ContentSizeFlag(true))?;
        Ok(Self { zstd, buffer: vec![0; compress_bound(FRAME_BYTES)] })
    }

    fn frame(&mut self, content: &[u8]) -> Result<&[u8], PackError> {
        let len = self.zstd.compress_to_buffer(content, &mut self.buffer)?;
        Ok(&self.buffer[..len])
    }
}

impl Packer for FramePacker {
    type Chunk = Frame;

    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Frame, PackError> {
        if is_zero(content) {
            return Ok(Frame::Zero);
        }
        packed.extend_from_slice(self.frame(content)?);
        Ok(Frame::Packed)
    }
}

/// The file being written.
struct Writer<'f> {
    sink: Sink<'f>,
    cancel: &'f Cancel,
    /// Where on the disk the next frame begins.
    at: u64,
    disk_bytes: u64,
    /// A MiB of zeros, and what is left of them at the end of the disk.
    zero_frames: [Vec<u8>; 2],
    /// The sizes of all frames, as the seek table has them.
    sizes: Vec<[u8; 8]>,
}

impl<'f> Writer<'f> {
    fn begin(
        out: &'f File,
        disk_bytes: u64,
        level: u8,
        cancel: &'f Cancel,
    ) -> Result<Self, FormatError> {
        let rest = usize::try_from(disk_bytes % FRAME).unwrap_or(0);
        let zeros = vec![0; FRAME_BYTES];
        let zero_frames = FramePacker::new(level)
            .and_then(|mut packer| {
                Ok([packer.frame(&zeros)?.to_vec(), packer.frame(&zeros[..rest])?.to_vec()])
            })
            .map_err(|source| FormatError::Compress { offset: 0, source })?;
        let sink = Sink::new(out);
        Ok(Self { sink, cancel, at: 0, disk_bytes, zero_frames, sizes: Vec::new() })
    }

    /// Writes frames of zeros until the next frame is that at `end`.
    fn zeros_until(&mut self, end: u64) -> Result<(), FormatError> {
        let zero_frames = std::mem::take(&mut self.zero_frames);
        while self.at < end {
            let content_bytes = FRAME.min(self.disk_bytes - self.at);
            let frame = &zero_frames[usize::from(content_bytes < FRAME)];
            self.frame(frame, content_bytes)?;
        }
        self.zero_frames = zero_frames;
        Ok(())
    }

    fn frame(&mut self, frame: &[u8], content_bytes: u64) -> Result<(), FormatError> {
        if self.cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        self.sink.write(frame)?;
        let mut sizes = [0; 8];
        sizes[..4].copy_from_slice(&len_of(frame).to_le_bytes()[..4]);
        sizes[4..].copy_from_slice(&content_bytes.to_le_bytes()[..4]);
        self.sizes.push(sizes);
        self.at += content_bytes;
        Ok(())
    }

    fn finish(mut self) -> Result<Summary, FormatError> {
        let table = self.sizes.concat();
        self.sink.write(&SKIPPABLE_MAGIC.to_le_bytes())?;
        self.sink.write(&(len_of(&table) + 9).to_le_bytes()[..4])?;
        self.sink.write(&table)?;
        self.sink.write(&(len_of(&table) / 8).to_le_bytes()[..4])?;
        self.sink.write(&[0])?;
        self.sink.write(&SEEKABLE_MAGIC.to_le_bytes())?;
        self.sink.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn sizes_that_have_no_table_are_refused() {
        let file = tempfile::tempfile().unwrap();
        for size in [0, (1 << 47) + 1] {
            let options = Options { level: 1, threads: 1 };
            let result = encode(&file, ByteLen(size), &file, &options, &Silent, &Cancel::default());
            assert!(matches!(result, Err(FormatError::Size { format: "raw.zst", .. })));
        }
    }

    #[test]
    fn zeros_cost_next_to_nothing() {
        let mut packer = FramePacker::new(3).unwrap();
        let frame = packer.frame(&vec![0; FRAME_BYTES]).unwrap();
        assert!(frame.len() < 64, "{}", frame.len());
    }
}
