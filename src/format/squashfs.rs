//! A squashfs with one file in it: the root file system, as live systems are fetched over a network.
//!
//! ```text
//!  ┌────────────┬───────────────────┬────────┬─────────────┬─────┬─────┐
//!  │ superblock │ blocks of the file│ inodes │ directories │ ids │ pad │
//!  └────────────┴───────────────────┴────────┴─────────────┴─────┴─────┘
//!        LiveOS/rootfs.img is all there is below the root directory
//! ```
//!
//! A block holds 128 KiB of the file, alone: there are no fragments. A block of zeros takes no byte, and
//! one that Zstandard does not make smaller is stored as it is. The tables are chains of metadata blocks:
//! a 16-bit length, whose highest bit says that the bytes are not compressed (ours never are: they are
//! few), and up to 8 KiB. A reference to an inode is where its metadata block begins in the table, shifted
//! by 16 bits, and the offset in it.
//!
//! | superblock | field (little-endian) |
//! |---|---|
//! | 0, 4, 8 | `hsqs`, inodes, time of making |
//! | 12, 16, 20, 22 | block size, fragments, compressor (6: Zstandard), log2 of the block size |
//! | 24, 26, 28, 30 | flags, ids, version 4, 0 |
//! | 32, 40 | reference to the root directory, bytes used |
//! | 48 to 88 | where tables begin: ids, xattrs, inodes, directories, fragments, export; −1: none |
//!
//! Source: the kernel's `Documentation/filesystems/squashfs.rst`, and what `unsquashfs -s` tells of
//! images that `mksquashfs` made. The file is written forward but for the superblock, which is the last
//! and makes it valid. Memory is bounded by 4 bytes per block, and the batches under way.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use zstd::zstd_safe::compress_bound;

use super::batches::{self, BATCH_BYTES, PackError, Packer};
use super::extents::Extents;
use super::{FormatError, Summary, checksum, is_zero, len_of};
use crate::progress::{Cancel, Event, Reporter};

const BLOCK_BYTES: usize = 128 << 10;
const BLOCK: u64 = 128 << 10;
const SUPERBLOCK_BYTES: u64 = 96;
const METADATA_BYTES: usize = 8192;
const NO_TABLE: u64 = u64::MAX;
const NONE: u32 = u32::MAX;
/// Neither inodes, fragments nor ids are compressed; there are no fragments and no xattrs.
const FLAGS: u16 = 0x0001 | 0x0008 | 0x0010 | 0x0200 | 0x0800;
const ZSTD: u16 = 6;
/// In the length of a block, or of a metadata block: it is not compressed.
const STORED: u32 = 1 << 24;
const STORED_METADATA: u16 = 1 << 15;
const FOLDER: &str = "LiveOS";
const NAME: &str = "rootfs.img";

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Level of Zstandard, 1 to 19; others are brought into range.
    pub level: u8,
    /// How many threads read and compress. Does not change the bytes.
    pub threads: usize,
    /// Stamps the three inodes; what 32 bits cannot hold becomes the nearest that they can.
    pub time_secs: i64,
}

/// Encodes the bytes of `source` in `range`, which starts at a whole MiB, into `out`, an empty file.
pub fn encode(
    source: &File,
    range: Range<u64>,
    out: &File,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<Summary, FormatError> {
    let len_bytes = range.end.saturating_sub(range.start);
    let is_possible = len_bytes > 0 && range.start.is_multiple_of(BATCH_BYTES);
    if !is_possible || len_bytes.div_ceil(BLOCK) > u64::from(u32::MAX) {
        return Err(FormatError::Size { format: "squashfs", disk_bytes: len_bytes });
    }
    let report = |done_bytes| {
        let format = "squashfs";
        reporter.report(Event::Encoded { format, done_bytes, total_bytes: len_bytes });
    };
    let mut blocks = Blocks { out, at: SUPERBLOCK_BYTES, sizes: Vec::new(), sparse_bytes: 0 };
    let extents = Extents::new(source, range.end)
        .filter(|extent| extent.end > range.start)
        .map(|extent| extent.start.max(range.start)..extent.end);
    let ranges = batches::ranges(extents, BLOCK).map(|part| part.start..part.end.min(range.end));
    let threads = options.threads;
    let read =
        batches::Source { file: source, disk_bytes: range.end, chunk_bytes: BLOCK_BYTES, threads };
    batches::for_each(
        read,
        || BlockPacker::new(options.level),
        ranges,
        |batch| {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            blocks.zeros_until(batch.range.start - range.start);
            let mut packed = &*batch.packed;
            for (chunk, content) in batch.chunks.iter().zip(batch.content.chunks(BLOCK_BYTES)) {
                let (bytes, rest) = packed.split_at(chunk.len());
                blocks.add(*chunk, bytes, len_of(content))?;
                packed = rest;
            }
            report(batch.range.end - range.start);
            Ok(())
        },
    )?;
    blocks.zeros_until(len_bytes);
    blocks.finish(len_bytes, options.time_secs)?;
    report(len_bytes);
    checksum(out, cancel)
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Zero,
    Packed(usize),
    Stored(usize),
}

impl Block {
    fn len(self) -> usize {
        match self {
            Self::Zero => 0,
            Self::Packed(len) | Self::Stored(len) => len,
        }
    }
}

struct BlockPacker {
    zstd: zstd::bulk::Compressor<'static>,
    buffer: Vec<u8>,
}

impl BlockPacker {
    fn new(level: u8) -> Result<Self, PackError> {
        let zstd = zstd::bulk::Compressor::new(i32::from(level.clamp(1, 19)))?;
        Ok(Self { zstd, buffer: vec![0; compress_bound(BLOCK_BYTES)] })
    }
}

impl Packer for BlockPacker {
    type Chunk = Block;

    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Block, PackError> {
        if is_zero(content) {
            return Ok(Block::Zero);
        }
        let len = self.zstd.compress_to_buffer(content, &mut self.buffer)?;
        if len < content.len() {
            packed.extend_from_slice(&self.buffer[..len]);
            return Ok(Block::Packed(len));
        }
        packed.extend_from_slice(content);
        Ok(Block::Stored(content.len()))
    }
}

/// The blocks of the file, being written.
struct Blocks<'f> {
    out: &'f File,
    /// Where the next block goes.
    at: u64,
    /// Of each block, as the inode has it.
    sizes: Vec<u32>,
    /// How much of the file takes no byte.
    sparse_bytes: u64,
}

impl Blocks<'_> {
    /// Blocks of zeros until the next one begins at `end` of the file, or covers it.
    fn zeros_until(&mut self, end: u64) {
        let blocks = usize::try_from(end.div_ceil(BLOCK)).unwrap_or(usize::MAX);
        let more = blocks.saturating_sub(self.sizes.len());
        self.sparse_bytes += BLOCK * u64::try_from(more).unwrap_or(0);
        self.sizes.resize(self.sizes.len() + more, 0);
    }

    fn add(&mut self, block: Block, bytes: &[u8], content_bytes: u64) -> Result<(), FormatError> {
        let len = u32::try_from(bytes.len()).unwrap_or(0);
        self.sizes.push(match block {
            Block::Zero => 0,
            Block::Packed(_) => len,
            Block::Stored(_) => len | STORED,
        });
        if block == Block::Zero {
            self.sparse_bytes += content_bytes;
        }
        self.write(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let offset = self.at;
        let error = |source| FormatError::Write { offset, source };
        self.out.write_all_at(bytes, offset).map_err(error)?;
        self.at += len_of(bytes);
        Ok(())
    }

    /// Writes the tables, then the superblock.
    fn finish(mut self, len_bytes: u64, time_secs: i64) -> Result<(), FormatError> {
        let time = u32::try_from(time_secs.max(0)).unwrap_or(u32::MAX);
        // No block counts twice what the end of the file cuts off.
        let sparse_bytes = self.sparse_bytes.min(len_bytes.saturating_sub(1));
        let inodes = Inodes::new(&self.sizes, len_bytes, sparse_bytes, time);
        let inode_table = self.at;
        self.write(&metadata(&inodes.bytes))?;
        let directory_table = self.at;
        self.write(&metadata(&inodes.directories))?;
        let ids = self.at;
        self.write(&metadata(&[0; 4]))?;
        let id_table = self.at;
        self.write(&ids.to_le_bytes())?;
        let used = self.at;
        let padding = used.next_multiple_of(4096) - used;
        self.write(&[0; 4096][..usize::try_from(padding).unwrap_or(0)])?;

        let mut superblock = Vec::with_capacity(96);
        superblock.extend_from_slice(b"hsqs");
        for word in [3, time, 128 << 10, 0] {
            superblock.extend_from_slice(&word.to_le_bytes());
        }
        for word in [ZSTD, 17, FLAGS, 1, 4, 0] {
            superblock.extend_from_slice(&word.to_le_bytes());
        }
        let tables = [id_table, NO_TABLE, inode_table, directory_table, NO_TABLE, NO_TABLE];
        for word in [inodes.root, used].into_iter().chain(tables) {
            superblock.extend_from_slice(&word.to_le_bytes());
        }
        self.at = 0;
        self.write(&superblock)
    }
}

/// Both tables, before they are cut into metadata blocks.
struct Inodes {
    bytes: Vec<u8>,
    directories: Vec<u8>,
    /// The reference to the root directory's inode.
    root: u64,
}

impl Inodes {
    /// Inode 1 is the file, 2 its folder, 3 the root directory.
    fn new(sizes: &[u32], len_bytes: u64, sparse_bytes: u64, time: u32) -> Self {
        let mut bytes = Vec::with_capacity(sizes.len() * 4 + 128);
        common(&mut bytes, 9, 0o644, time, 1);
        for word in [SUPERBLOCK_BYTES, len_bytes, sparse_bytes] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        for word in [1, NONE, 0, NONE].iter().chain(sizes) {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        let folder = bytes.len();
        let file_entry = listing(0, 1, 2, NAME);
        directory(&mut bytes, time, 2, (2, 0, file_entry.len()), 3);
        let root = bytes.len();
        let (folder_block, folder_offset) = place(folder);
        let folder_entry = listing_at(folder_block, folder_offset, 2, 1, FOLDER);
        directory(&mut bytes, time, 3, (3, file_entry.len(), folder_entry.len()), 4);
        let (root_block, root_offset) = place(root);
        Self {
            bytes,
            directories: [file_entry, folder_entry].concat(),
            root: u64::from(root_block) << 16 | u64::from(root_offset),
        }
    }
}

/// Where a byte of a table is when the table is written: the start of its metadata block, and its offset
/// in that.
fn place(at: usize) -> (u32, u16) {
    let block = at / METADATA_BYTES * (METADATA_BYTES + 2);
    (u32::try_from(block).unwrap_or(NONE), u16::try_from(at % METADATA_BYTES).unwrap_or(0))
}

fn common(bytes: &mut Vec<u8>, kind: u16, mode: u16, time: u32, number: u32) {
    for word in [kind, mode, 0, 0] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(&time.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
}

/// A directory's inode; of its listing there are the links that it makes, where it begins, and its length.
fn directory(
    bytes: &mut Vec<u8>,
    time: u32,
    number: u32,
    (links, at, len): (u32, usize, usize),
    parent: u32,
) {
    common(bytes, 1, 0o755, time, number);
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    bytes.extend_from_slice(&links.to_le_bytes());
    // 3 more than there are, for `.` and `..`, which no listing has
    for word in [len + 3, at] {
        bytes.extend_from_slice(&u16::try_from(word).unwrap_or(0).to_le_bytes());
    }
    bytes.extend_from_slice(&parent.to_le_bytes());
}

fn listing(at: usize, number: u32, kind: u16, name: &str) -> Vec<u8> {
    let (block, offset) = place(at);
    listing_at(block, offset, number, kind, name)
}

/// A listing of one name.
fn listing_at(block: u32, offset: u16, number: u32, kind: u16, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0, block, number] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    let len = u16::try_from(name.len() - 1).unwrap_or(0);
    for word in [offset, 0, kind, len] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    bytes.extend_from_slice(name.as_bytes());
    bytes
}

/// A table cut into metadata blocks.
fn metadata(table: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(table.len() + table.len() / METADATA_BYTES * 2 + 2);
    for block in table.chunks(METADATA_BYTES) {
        let len = u16::try_from(block.len()).unwrap_or(0);
        bytes.extend_from_slice(&(len | STORED_METADATA).to_le_bytes());
        bytes.extend_from_slice(block);
    }
    bytes
}
