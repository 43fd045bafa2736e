//! VMDK, `streamOptimized`: what vSphere, AWS and VirtualBox import, and what an OVA holds.
//!
//! ```text
//!  sector 0  1 … 20       128                                                       … end
//!  ┌────────┬────────────┬────────────────────────────┬───────────┬────────┬────────┬─────┐
//!  │ header │ descriptor │ grains; behind those of    │ grain     │ footer │ end of │
//!  │        │ (text)     │ each 32 MiB their table    │ directory │        │ stream │
//!  └────────┴────────────┴────────────────────────────┴───────────┴────────┴────────┘
//! ```
//!
//! | header offset | field (little-endian) | | offset | field |
//! |---|---|---|---|---|
//! | 0 | `KDMV`, version 3 | | 44 | entries of a grain table: 512 |
//! | 8 | flags: newlines, compressed, markers | | 56 | sector of the grain directory; all ones: see the footer |
//! | 12, 20 | sectors of the disk, of a grain: 128 | | 64 | sectors before the first grain |
//! | 28, 36 | sector and sectors of the descriptor | | 73, 77 | `\n \r\n`, compression: 1, deflate |
//!
//! Everything behind the descriptor has a marker. A grain's is 12 bytes (its first sector on the
//! disk, 64 bits; the length of its data, 32 bits), and a zlib stream follows at once. All others
//! fill a sector: how many sectors follow, a zero, and what they are (1 a grain table, 2 the
//! directory, 3 the footer, 0 the end). Everything is padded to whole sectors. Tables hold the
//! sectors of the grains' markers, the directory those of the tables, 32 bits each, 0 for none. The
//! footer is the header again, with the place of the directory.
//!
//! Grains of zeros are left out, whether or not they are holes of the canvas. The file is written
//! forward; memory is bounded by 4 bytes per 32 MiB of the disk, one table, and the batches under
//! way. The end matters: readers of VMware take the stream for what it is, up to the end marker, and
//! compute the digest that an OVA's manifest promises over that.

use std::fs::File;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::ByteLen;

use super::batches::{self, Batch, PackError, Packer};
use super::deflate::Deflate;
use super::extents::Extents;
use super::sink::Sink;
use super::{FormatError, Summary, is_zero, len_of};

const SECTOR: u64 = 512;
const GRAIN_BYTES: usize = 64 * 1024;
const GRAIN: u64 = 64 * 1024;
/// Grains in a table.
const TABLE_GRAINS: u64 = 512;
const DESCRIPTOR_SECTORS: u64 = 20;
/// Where grains begin: at a multiple of their size.
const FIRST_GRAIN_SECTOR: u64 = GRAIN / SECTOR;
const DIRECTORY_AT_END: u64 = u64::MAX;
/// What vSphere allows.
const MAX_DISK_BYTES: u64 = 62 << 40;

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of deflate, 1 to 9; others are brought into range.
    pub level: u8,
    /// What tells this content from any other (`CID`), for disks that are layered on it later. Two
    /// values that mean something else are replaced.
    pub content_id: u32,
    /// How many threads read and compress. Does not change the bytes.
    pub threads: usize,
}

/// A VMDK, and what an OVA says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoded {
    /// The file.
    pub summary: Summary,
    /// The size of the disk.
    pub disk_size: ByteLen,
    /// How much of it is not left out.
    pub populated: ByteLen,
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
) -> Result<Encoded, FormatError> {
    let disk_bytes = disk_size.0;
    if !disk_bytes.is_multiple_of(SECTOR) || disk_bytes == 0 || disk_bytes > MAX_DISK_BYTES {
        return Err(FormatError::Size { format: "vmdk", disk_bytes });
    }
    let report = |done_bytes| {
        let format = "vmdk";
        reporter.report(Event::Encoded { format, done_bytes, total_bytes: disk_bytes });
    };
    let mut writer = Writer::begin(out, disk_bytes, options.content_id)?;
    let threads = options.threads;
    let ranges = batches::ranges(Extents::new(source, disk_bytes), GRAIN)
        .map(|range| range.start..range.end.min(disk_bytes));
    let source = batches::Source { file: source, disk_bytes, chunk_bytes: GRAIN_BYTES, threads };
    let packer = || Ok(GrainPacker(Deflate::zlib(options.level, GRAIN_BYTES)));
    batches::for_each(source, packer, ranges, |batch| {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        writer.add(batch)?;
        report(batch.range.end);
        Ok(())
    })?;
    let populated = ByteLen(writer.populated_bytes);
    let summary = writer.finish()?;
    report(disk_bytes);
    Ok(Encoded { summary, disk_size, populated })
}

struct GrainPacker(Deflate);

impl Packer for GrainPacker {
    /// The length of a compressed grain, unless it is all zeros.
    type Chunk = Option<usize>;

    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Self::Chunk, PackError> {
        if is_zero(content) {
            return Ok(None);
        }
        let bytes = self.0.stream(content)?;
        packed.extend_from_slice(bytes);
        Ok(Some(bytes.len()))
    }
}

/// What follows a marker that is a sector of its own.
#[derive(Debug, Clone, Copy)]
enum Marker {
    EndOfStream,
    Table,
    Directory,
    Footer,
}

/// The file being written.
struct Writer<'f> {
    sink: Sink<'f>,
    disk_bytes: u64,
    populated_bytes: u64,
    directory: Vec<u32>,
    /// The table being filled, and its number.
    table: (usize, Vec<u32>),
}

impl<'f> Writer<'f> {
    fn begin(out: &'f File, disk_bytes: u64, content_id: u32) -> Result<Self, FormatError> {
        let tables = disk_bytes.div_ceil(GRAIN * TABLE_GRAINS);
        let mut writer = Self {
            sink: Sink::new(out),
            disk_bytes,
            populated_bytes: 0,
            directory: vec![0; usize::try_from(tables).unwrap_or(0)],
            table: (0, vec![0; index(TABLE_GRAINS)]),
        };
        writer.sink.write(&header(disk_bytes, DIRECTORY_AT_END))?;
        writer.sink.write(descriptor(disk_bytes, content_id).as_bytes())?;
        writer.sink.pad(FIRST_GRAIN_SECTOR * SECTOR)?;
        Ok(writer)
    }

    fn add(&mut self, batch: &Batch<Option<usize>>) -> Result<(), FormatError> {
        let mut packed = batch.packed.as_slice();
        let contents = batch.content.chunks(GRAIN_BYTES);
        let numbers = batch.range.start / GRAIN..;
        for ((chunk, content), number) in batch.chunks.iter().zip(contents).zip(numbers) {
            let Some(len) = *chunk else { continue };
            let (data, rest) = packed.split_at(len);
            packed = rest;
            self.turn_to(index(number / TABLE_GRAINS))?;
            self.table.1[index(number % TABLE_GRAINS)] = self.here()?;
            self.sink.write(&(number * GRAIN / SECTOR).to_le_bytes())?;
            self.sink.write(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes())?;
            self.sink.write(data)?;
            self.sink.pad(SECTOR)?;
            self.populated_bytes += len_of(content);
        }
        Ok(())
    }

    /// Makes `number` the table being filled.
    fn turn_to(&mut self, number: usize) -> Result<(), FormatError> {
        if self.table.0 == number {
            return Ok(());
        }
        self.write_table()?;
        self.table.0 = number;
        Ok(())
    }

    fn write_table(&mut self) -> Result<(), FormatError> {
        if self.table.1.iter().any(|sector| *sector != 0) {
            let bytes = little_endian(&self.table.1);
            self.directory[self.table.0] = self.write_marked(Marker::Table, &bytes)?;
            self.table.1.fill(0);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Summary, FormatError> {
        self.write_table()?;
        let bytes = little_endian(&self.directory);
        let directory = self.write_marked(Marker::Directory, &bytes)?;
        let footer = header(self.disk_bytes, directory.into());
        self.write_marked(Marker::Footer, &footer)?;
        self.write_marked(Marker::EndOfStream, &[])?;
        self.sink.finish()
    }

    /// Writes a marker and `bytes` behind it; says the sector of the latter.
    fn write_marked(&mut self, marker: Marker, bytes: &[u8]) -> Result<u32, FormatError> {
        let kind: u32 = match marker {
            Marker::EndOfStream => 0,
            Marker::Table => 1,
            Marker::Directory => 2,
            Marker::Footer => 3,
        };
        self.sink.write(&len_of(bytes).div_ceil(SECTOR).to_le_bytes())?;
        self.sink.write(&[0; 4])?;
        self.sink.write(&kind.to_le_bytes())?;
        self.sink.pad(SECTOR)?;
        let at = self.here()?;
        self.sink.write(bytes)?;
        self.sink.pad(SECTOR)?;
        Ok(at)
    }

    /// The sector at the end of the file so far, as tables hold it.
    fn here(&self) -> Result<u32, FormatError> {
        let disk_bytes = self.disk_bytes;
        u32::try_from(self.sink.len_bytes() / SECTOR)
            .map_err(|_| FormatError::Size { format: "vmdk", disk_bytes })
    }
}

/// An index in memory of what is known to be small.
fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn little_endian(entries: &[u32]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_le_bytes()).collect()
}

fn header(disk_bytes: u64, directory_sector: u64) -> [u8; 512] {
    let mut bytes = [0; 512];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"KDMV");
    put(4, &3_u32.to_le_bytes());
    put(8, &(1_u32 | 1 << 16 | 1 << 17).to_le_bytes());
    put(12, &(disk_bytes / SECTOR).to_le_bytes());
    put(20, &(GRAIN / SECTOR).to_le_bytes());
    put(28, &1_u64.to_le_bytes());
    put(36, &DESCRIPTOR_SECTORS.to_le_bytes());
    put(44, &512_u32.to_le_bytes());
    put(56, &directory_sector.to_le_bytes());
    put(64, &FIRST_GRAIN_SECTOR.to_le_bytes());
    put(73, b"\n \r\n");
    put(77, &1_u16.to_le_bytes());
    bytes
}

/// The text that VMware keeps beside or inside a VMDK.
///
/// `lsilogic` is what importers know best, and says only which geometry was meant; hardware version
/// 6 is the oldest that all of them take; the tools' version says "the guest has its own".
fn descriptor(disk_bytes: u64, content_id: u32) -> String {
    let sectors = disk_bytes / SECTOR;
    let cylinders = sectors.div_ceil(255 * 63).min(65_535);
    // The last two mean "no parent" and "a disk full of zeros".
    let content_id = content_id.min(0xffff_fffd);
    format!(
        "# Disk DescriptorFile\n\
         version=1\n\
         encoding=\"UTF-8\"\n\
         CID={content_id:08x}\n\
         parentCID=ffffffff\n\
         createType=\"streamOptimized\"\n\
         \n\
         # Extent description\n\
         RW {sectors} SPARSE \"disk.vmdk\"\n\
         \n\
         # The Disk Data Base\n\
         #DDB\n\
         \n\
         ddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\n\
         ddb.geometry.heads = \"255\"\n\
         ddb.geometry.sectors = \"63\"\n\
         ddb.toolsInstallType = \"4\"\n\
         ddb.toolsVersion = \"2147483647\"\n\
         ddb.virtualHWVersion = \"6\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt as _;

    fn encode_file(file: &File, size: u64) -> Result<(Encoded, Vec<u8>), FormatError> {
        let out = tempfile::tempfile().unwrap();
        let options = Options { level: 9, content_id: u32::MAX, threads: 1 };
        let silent = &crate::progress::Silent;
        let encoded = encode(file, ByteLen(size), &out, &options, silent, &Cancel::default())?;
        let mut bytes = vec![0; index(encoded.summary.size_bytes)];
        out.read_exact_at(&mut bytes, 0).unwrap();
        Ok((encoded, bytes))
    }

    #[test]
    fn sizes_that_nobody_reads_are_refused() {
        let file = tempfile::tempfile().unwrap();
        for size in [0, 513, MAX_DISK_BYTES + 512] {
            assert!(matches!(encode_file(&file, size), Err(FormatError::Size { .. })));
        }
    }

    #[test]
    fn the_parts_are_where_markers_say() {
        let file = tempfile::tempfile().unwrap();
        // A grain of the first table, and a short one at the end of the third.
        let size = 65 * (1 << 20) + 512;
        file.write_all_at(b"x", 5 * GRAIN + 3).unwrap();
        file.write_all_at(b"y", size - 1).unwrap();
        let (encoded, bytes) = encode_file(&file, size).unwrap();
        assert_eq!(encoded.populated, ByteLen(GRAIN + 512));
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let kinds_and_lengths = |sector: usize| (word(sector * 512 + 12), word(sector * 512));
        // Two grains of one sector each.
        assert_eq!((word(128 * 512), word(134 * 512)), (5 * 128, 1040 * 128));
        assert_eq!(kinds_and_lengths(129), (1, 4));
        assert_eq!(word(130 * 512 + 5 * 4), 128);
        assert_eq!(kinds_and_lengths(135), (1, 4));
        assert_eq!(word(136 * 512 + 16 * 4), 134);
        assert_eq!(kinds_and_lengths(140), (2, 1));
        assert_eq!([0, 4, 8, 12].map(|at| word(141 * 512 + at)), [130, 0, 136, 0]);
        assert_eq!(kinds_and_lengths(142), (3, 1));
        assert_eq!(bytes[143 * 512..144 * 512], header(size, 141));
        assert_eq!(bytes[144 * 512..], [0; 512]);
        assert_eq!(bytes[..512], header(size, u64::MAX));
        let text = String::from_utf8_lossy(&bytes[512..3000]).into_owned();
        assert!(text.contains("\nCID=fffffffd\n"), "{text}");
    }
}
