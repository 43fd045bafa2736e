//! VHDX, dynamic: Hyper-V's format, version 1 ([MS-VHDX]).
//!
//! ```text
//!  0       64 KiB  128 K   192 K    256 K        1 MiB  2 MiB       3 MiB   3 + n
//!  ┌──────┬───────┬───────┬────────┬────────┬───┬──────┬───────────┬───────┬──────────────┐
//!  │ file │header │header │ region │ region │   │ log, │ metadata  │ BAT   │ blocks of    │
//!  │ type │ 1     │ 2     │ table  │ again  │   │ empty│ region    │       │ the disk     │
//!  └──────┴───────┴───────┴────────┴────────┴───┴──────┴───────────┴───────┴──────────────┘
//! ```
//!
//! | structure | fields (little-endian) |
//! |---|---|
//! | file type | `vhdxfile`, creator in UTF-16 |
//! | header, 4 KiB | `head`, CRC-32C, sequence number, file, data and log GUID, log version 0, version 1, log length and place |
//! | region table, 64 KiB | `regi`, CRC-32C, count, 0; then GUID, place, length, required |
//! | metadata table, 64 KiB | `metadata`, 0, count; then GUID, offset, length, flags (2 of the disk, 4 required) |
//! | BAT entry | place in bits 20 to 63, state in bits 0 to 2: 2 zeros, 6 present |
//!
//! A CRC covers its structure with the CRC's field at 0. Of the two headers that with the greater
//! sequence number counts. Behind the BAT entries of each *chunk*, 2^23 sectors, is one for a sector
//! bitmap, which only disks with a parent have: here it is 0.
//!
//! Blocks of zeros are in the state "zeros", which promises zeros; "not present" promises nothing.
//! QEMU makes such files too. Blocks are of 1 MiB, the smallest, which Microsoft recommends for
//! Linux: with the 32 MiB that Hyper-V has by default, a mostly empty ext4 takes many times its
//! content. From 2 TiB on they are larger, so that the BAT stays below 17 MiB.
//!
//! [MS-VHDX]: https://learn.microsoft.com/openspecs/windows_protocols/ms-vhdx

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::{ByteLen, MIB, SectorSize};

use super::extents::Extents;
use super::{FormatError, Summary, ZEROS, clamp, len_of};

mod structures;

use structures::{file_type, header, metadata_region, region_table};

const LOG_AT: u64 = MIB;
const METADATA_AT: u64 = 2 * MIB;
const BAT_AT: u64 = 3 * MIB;
const KIB: u64 = 1024;
/// The format's limit.
const MAX_DISK_BYTES: u64 = 64 << 40;
/// Up to so many blocks they are of the smallest size.
const MANY_BLOCKS: u64 = 2 << 20;
const SECTORS_PER_CHUNK: u64 = 1 << 23;
const STATE_ZERO: u64 = 2;
const STATE_PRESENT: u64 = 6;
/// What is tested for zeros, and left out if it is nothing else.
const PIECE_BYTES: usize = 64 * 1024;

/// What the file says besides the disk's bytes.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The disk's own id ("page 83"), as it will be in the file.
    pub disk_id: [u8; 16],
    /// The GUID that stands for the file's content.
    pub content_id: [u8; 16],
    /// The logical sector size; the physical one is 4096 in any case.
    pub sector_size: SectorSize,
}

/// Encodes the first `disk_size` bytes of `source` into `out`, an empty file open for reading and
/// writing. What `source` lacks is zeros.
pub fn encode(
    source: &File,
    disk_size: ByteLen,
    out: &File,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let disk_bytes = disk_size.0;
    let sector_bytes = options.sector_size.bytes();
    if disk_bytes == 0 || !disk_bytes.is_multiple_of(sector_bytes) || disk_bytes > MAX_DISK_BYTES {
        return Err(FormatError::Size { format: "vhdx", disk_bytes });
    }
    let layout = Layout::new(disk_bytes, sector_bytes);
    let mut writer = Writer::new(source, out, &layout);
    for extent in Extents::new(source, disk_bytes) {
        let blocks = extent.start / layout.block_bytes..extent.end.div_ceil(layout.block_bytes);
        for block in blocks {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            writer.add(block)?;
            let done_bytes = ((block + 1) * layout.block_bytes).min(disk_bytes);
            let format = "vhdx";
            reporter.report(Event::Encoded { format, done_bytes, total_bytes: disk_bytes });
        }
    }
    writer.finish(options)?;
    super::checksum(out, cancel)
}

/// Sizes that follow from that of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Layout {
    disk_bytes: u64,
    sector_bytes: u64,
    block_bytes: u64,
    blocks: u64,
    /// How many blocks each entry for a sector bitmap stands for.
    blocks_per_chunk: u64,
    bat_bytes: u64,
}

impl Layout {
    fn new(disk_bytes: u64, sector_bytes: u64) -> Self {
        let block_bytes = disk_bytes.div_ceil(MANY_BLOCKS).next_power_of_two().max(MIB);
        let blocks = disk_bytes.div_ceil(block_bytes);
        let blocks_per_chunk = SECTORS_PER_CHUNK * sector_bytes / block_bytes;
        // The last entry is that of the last block.
        let entries = blocks + (blocks - 1) / blocks_per_chunk;
        let bat_bytes = (entries * 8).next_multiple_of(MIB);
        Self { disk_bytes, sector_bytes, block_bytes, blocks, blocks_per_chunk, bat_bytes }
    }

    /// The BAT's entry for a block of the disk.
    fn entry_of(&self, block: u64) -> usize {
        usize::try_from(block + block / self.blocks_per_chunk).unwrap_or(usize::MAX)
    }
}

/// The file being written.
struct Writer<'f> {
    source: &'f File,
    out: &'f File,
    layout: Layout,
    bat: Vec<u64>,
    /// The first block of the disk that no extent has touched yet.
    next: u64,
    /// The end of the file so far.
    end: u64,
    buffer: Vec<u8>,
}

impl<'f> Writer<'f> {
    fn new(source: &'f File, out: &'f File, layout: &Layout) -> Self {
        let mut bat = vec![0; layout.entry_of(layout.blocks - 1) + 1];
        (0..layout.blocks).for_each(|block| bat[layout.entry_of(block)] = STATE_ZERO);
        let end = BAT_AT + layout.bat_bytes;
        let buffer = vec![0; ZEROS.len()];
        Self { source, out, layout: *layout, bat, next: 0, end, buffer }
    }

    /// Adds a block unless it is zeros, or was added for an extent before.
    fn add(&mut self, block: u64) -> Result<(), FormatError> {
        if block < self.next {
            return Ok(());
        }
        self.next = block + 1;
        let start = block * self.layout.block_bytes;
        let end = (start + self.layout.block_bytes).min(self.layout.disk_bytes);
        let mut is_present = false;
        let mut at = start;
        while at < end {
            let buffer = clamp(&mut self.buffer, end - at);
            read(self.source, buffer, at)?;
            for piece in buffer.chunks(PIECE_BYTES) {
                if piece != &ZEROS[..piece.len()] {
                    is_present = true;
                    write(self.out, self.end + (at - start), piece)?;
                }
                at += len_of(piece);
            }
        }
        if is_present {
            self.bat[self.layout.entry_of(block)] = self.end | STATE_PRESENT;
            self.end += self.layout.block_bytes;
        }
        Ok(())
    }

    /// Writes what leads to the blocks, the headers last.
    fn finish(self, options: &Options) -> Result<(), FormatError> {
        let (out, layout) = (self.out, self.layout);
        let resized = out.set_len(self.end);
        resized.map_err(|source| FormatError::Write { offset: self.end, source })?;
        let bat: Vec<u8> = self.bat.iter().flat_map(|entry| entry.to_le_bytes()).collect();
        write(out, BAT_AT, &bat)?;
        let metadata = metadata_region(&layout, &options.disk_id);
        write(out, METADATA_AT, &metadata)?;
        let regions = region_table(layout.bat_bytes);
        write(out, 256 * KIB, &regions)?;
        write(out, 192 * KIB, &regions)?;
        write(out, 0, &file_type())?;
        write(out, 128 * KIB, &header(1, &options.content_id))?;
        write(out, 64 * KIB, &header(0, &options.content_id))
    }
}

fn read(source: &File, buffer: &mut [u8], at: u64) -> Result<(), FormatError> {
    let mut filled = 0;
    while filled < buffer.len() {
        let place = at + len_of(&buffer[..filled]);
        match source.read_at(&mut buffer[filled..], place) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(FormatError::Read { offset: place, source }),
        }
    }
    buffer[filled..].fill(0);
    Ok(())
}

fn write(out: &File, at: u64, bytes: &[u8]) -> Result<(), FormatError> {
    out.write_all_at(bytes, at).map_err(|source| FormatError::Write { offset: at, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn blocks_are_small_and_tables_bounded() {
        let gib = 1 << 30;
        for (disk_bytes, block_mib) in
            [(512, 1), (10 * gib, 1), (2048 * gib, 1), (65_536 * gib, 32)]
        {
            for sector_bytes in [512, 4096] {
                let layout = Layout::new(disk_bytes, sector_bytes);
                assert_eq!(layout.block_bytes, block_mib * MIB);
                assert!(layout.bat_bytes <= 17 * MIB, "{layout:?}");
            }
        }
    }

    #[test]
    fn bitmap_entries_stand_behind_each_chunk() {
        let layout = Layout::new(10 << 30, 512);
        assert_eq!(layout.blocks_per_chunk, 4096);
        assert_eq!(
            [0, 4095, 4096, 8192].map(|block| layout.entry_of(block)),
            [0, 4095, 4097, 8194]
        );
    }

    #[test]
    fn sizes_outside_the_format_are_refused() {
        let file = tempfile::tempfile().unwrap();
        for (size, sector_size) in [
            (0, SectorSize::B512),
            (513, SectorSize::B512),
            (512, SectorSize::B4096),
            (MAX_DISK_BYTES + MIB, SectorSize::B512),
        ] {
            let options = Options { disk_id: [1; 16], content_id: [2; 16], sector_size };
            let result = encode(&file, ByteLen(size), &file, &options, &Silent, &Cancel::default());
            assert!(matches!(result, Err(FormatError::Size { format: "vhdx", .. })), "{size}");
        }
    }
}
