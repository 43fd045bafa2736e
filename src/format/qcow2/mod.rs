//! qcow2, version 3: QEMU's own format.
//!
//! ```text
//!  cluster 0   1 …      …                                              … end
//!  ┌────────┬─────────┬──────────────────────────────────────┬──────────┬──────────┐
//!  │ header │ L1      │ clusters of the disk; behind those of│ refcount │ refcount │
//!  │        │ table   │ each 512 MiB the L2 table to them    │ blocks   │ table    │
//!  └────────┴─────────┴──────────────────────────────────────┴──────────┴──────────┘
//! ```
//!
//! | header offset | field (big-endian) | | offset | field |
//! |---|---|---|---|---|
//! | 0 | `QFI\xFB`, version 3 | | 72 | incompatible features: bit 3, compression type |
//! | 20 | log2 of the cluster size: 16 | | 96 | log2 of a refcount's bits: 4 |
//! | 24 | size of the disk | | 100 | length of the header: 104 or 112 |
//! | 36, 40 | entries and place of the L1 table | | 104 | compression type: 1 for zstd |
//! | 48, 56 | place and clusters of the refcount table | | | |
//!
//! An L1 or L2 entry is a place in the file with bit 63, "used once", set. A compressed cluster's L2
//! entry has bit 62 set instead, its first byte's place in bits 0 to 53, and in bits 54 to 61 how
//! many further 512-byte sectors it touches. Compressed clusters follow each other byte by byte.
//!
//! Clusters of zeros have no entry, whether or not they are holes of the canvas. The file is written
//! forward, except header and L1 table, which come last; memory is bounded by 2 bytes per cluster
//! of the file, one L2 table, and the batches under way.
//!
//! Who can read it: uncompressed and deflate (a window of 12 bits) any QEMU since 1.1 and everything
//! that imports qcow2; zstd needs QEMU 5.1.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::ByteLen;

use super::batches::{self, Batch};
use super::extents::Extents;
use super::{FormatError, Summary, len_of};
use clusters::{Cluster, ClusterPacker};

mod clusters;

const CLUSTER_BYTES: usize = 1 << CLUSTER_BITS;
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of an L2 table.
const L2_ENTRIES: usize = CLUSTER_BYTES / 8;
/// Refcounts in a refcount block.
const BLOCK_REFCOUNTS: usize = CLUSTER_BYTES / 2;
/// What QEMU allows: an L1 table of 32 MiB.
const MAX_DISK_BYTES: u64 = 1 << 51;
const USED_ONCE: u64 = 1 << 63;
const COMPRESSED: u64 = 1 << 62;
const EXTRA_SECTORS_SHIFT: u32 = 54;

/// How clusters are compressed, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not: fastest, largest.
    None,
    /// Deflate, level 1 to 9: read by everything.
    Deflate {
        /// The level; others are brought into range.
        level: u8,
    },
    /// Zstandard: fast and small, for QEMU 5.1 and newer.
    Zstd {
        /// The level, 1 to 19.
        level: u8,
    },
}

impl Default for Compression {
    /// Deflate at its fastest: read by everything, half the size of none for as much time.
    fn default() -> Self {
        Self::Deflate { level: 1 }
    }
}

/// How to encode.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How clusters are compressed.
    pub compression: Compression,
    /// How many threads read and compress. Does not change the bytes.
    pub threads: usize,
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
    if !disk_bytes.is_multiple_of(512) || disk_bytes == 0 || disk_bytes > MAX_DISK_BYTES {
        return Err(FormatError::Size { format: "qcow2", disk_bytes });
    }
    let mut writer = Writer::new(out, disk_bytes);
    let report = |done_bytes| {
        let format = "qcow2";
        reporter.report(Event::Encoded { format, done_bytes, total_bytes: disk_bytes });
    };
    let ranges = batches::ranges(Extents::new(source, disk_bytes), CLUSTER);
    let threads = options.threads;
    let source = batches::Source { file: source, disk_bytes, chunk_bytes: CLUSTER_BYTES, threads };
    let packer = || ClusterPacker::new(options.compression);
    batches::for_each(source, packer, ranges, |batch| {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        writer.add(batch)?;
        report(batch.range.end.min(disk_bytes));
        Ok(())
    })?;
    writer.finish(options.compression)?;
    report(disk_bytes);
    super::checksum(out, cancel)
}

/// The file being written.
struct Writer<'f> {
    out: &'f File,
    disk_bytes: u64,
    /// The end of the file so far: a multiple of the cluster size.
    end: u64,
    /// Where the next compressed cluster goes if it fits; at a multiple of the cluster size, it
    /// goes to the end instead.
    packed_end: u64,
    refcounts: Vec<u16>,
    l1: Vec<u64>,
    /// The L2 table being filled, and its index.
    l2: (usize, Vec<u64>),
}

impl<'f> Writer<'f> {
    fn new(out: &'f File, disk_bytes: u64) -> Self {
        let l1_entries = disk_bytes.div_ceil(CLUSTER).div_ceil(len_of_entries(L2_ENTRIES));
        let l1 = vec![0; usize::try_from(l1_entries).unwrap_or(0)];
        let mut writer = Self {
            out,
            disk_bytes,
            end: 0,
            packed_end: 0,
            refcounts: Vec::new(),
            l1,
            l2: (0, vec![0; L2_ENTRIES]),
        };
        writer.allocate(1 + (8 * l1_entries).div_ceil(CLUSTER));
        writer
    }

    /// Takes that many clusters at the end, each used once.
    fn allocate(&mut self, clusters: u64) -> u64 {
        let at = self.end;
        self.end += clusters * CLUSTER;
        self.use_clusters(at, clusters * CLUSTER);
        at
    }

    /// Counts one more use of every cluster of the file that the range touches.
    fn use_clusters(&mut self, at: u64, len_bytes: u64) {
        let index = |offset: u64| usize::try_from(offset / CLUSTER).unwrap_or(usize::MAX);
        let (first, last) = (index(at), index(at + len_bytes - 1));
        if self.refcounts.len() <= last {
            self.refcounts.resize(last + 1, 0);
        }
        self.refcounts[first..=last].iter_mut().for_each(|count| *count += 1);
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<(), FormatError> {
        let error = |source| FormatError::Write { offset: at, source };
        self.out.write_all_at(bytes, at).map_err(error)
    }

    fn add(&mut self, batch: &Batch<Cluster>) -> Result<(), FormatError> {
        let mut packed = batch.packed.as_slice();
        let contents = batch.content.chunks_exact(CLUSTER_BYTES);
        let numbers = batch.range.start / CLUSTER..;
        for ((cluster, content), number) in batch.chunks.iter().zip(contents).zip(numbers) {
            let entry = match *cluster {
                Cluster::Zero => continue,
                Cluster::Raw => {
                    self.turn_to(number)?;
                    let at = self.allocate(1);
                    self.write(at, content)?;
                    at | USED_ONCE
                }
                Cluster::Packed(len) => {
                    let (bytes, rest) = packed.split_at(len);
                    packed = rest;
                    self.turn_to(number)?;
                    let at = self.place_packed(len_of(bytes));
                    self.write(at, bytes)?;
                    let extra = (at + len_of(bytes) - 1) / 512 - at / 512;
                    at | COMPRESSED | extra << EXTRA_SECTORS_SHIFT
                }
            };
            let index = number % len_of_entries(L2_ENTRIES);
            self.l2.1[usize::try_from(index).unwrap_or(0)] = entry;
        }
        Ok(())
    }

    /// Where a compressed cluster goes: behind the one before if there is room, at the end if not.
    fn place_packed(&mut self, len_bytes: u64) -> u64 {
        let room_end = self.packed_end.next_multiple_of(CLUSTER);
        let fits = self.packed_end + len_bytes <= room_end || room_end == self.end;
        let at = if fits && room_end > self.packed_end { self.packed_end } else { self.end };
        self.packed_end = at + len_bytes;
        self.end = self.end.max(self.packed_end.next_multiple_of(CLUSTER));
        self.use_clusters(at, len_bytes);
        at
    }

    /// Makes the L2 table of the disk's cluster `number` the one being filled.
    fn turn_to(&mut self, number: u64) -> Result<(), FormatError> {
        let index = usize::try_from(number / len_of_entries(L2_ENTRIES)).unwrap_or(usize::MAX);
        if index != self.l2.0 {
            self.write_l2()?;
            self.l2.0 = index;
        }
        Ok(())
    }

    fn write_l2(&mut self) -> Result<(), FormatError> {
        if self.l2.1.iter().any(|entry| *entry != 0) {
            let at = self.allocate(1);
            self.write(at, &big_endian(&self.l2.1))?;
            self.l1[self.l2.0] = at | USED_ONCE;
            self.l2.1.fill(0);
        }
        Ok(())
    }

    fn finish(mut self, compression: Compression) -> Result<(), FormatError> {
        self.write_l2()?;
        let (table_at, table_clusters) = self.write_refcounts()?;
        let truncated = self.out.set_len(self.end);
        truncated.map_err(|source| FormatError::Write { offset: self.end, source })?;
        self.write(CLUSTER, &big_endian(&self.l1))?;
        self.write(0, &self.header(compression, table_at, table_clusters)?)
    }

    /// Writes refcount blocks and table, which count themselves too.
    fn write_refcounts(&mut self) -> Result<(u64, u64), FormatError> {
        let used = self.refcounts.len();
        let (mut blocks, mut table) = (0_usize, 0);
        while blocks * BLOCK_REFCOUNTS < used + blocks + table {
            blocks += 1;
            table = blocks.div_ceil(L2_ENTRIES);
        }
        let (blocks, table) = (len_of_entries(blocks), len_of_entries(table));
        let blocks_at = self.allocate(blocks);
        let table_at = self.allocate(table);
        let bytes: Vec<u8> = self.refcounts.iter().flat_map(|count| count.to_be_bytes()).collect();
        self.write(blocks_at, &bytes)?;
        let entries: Vec<u64> = (0..blocks).map(|block| blocks_at + block * CLUSTER).collect();
        self.write(table_at, &big_endian(&entries))?;
        Ok((table_at, table))
    }

    fn header(
        &self,
        compression: Compression,
        table_at: u64,
        table_clusters: u64,
    ) -> Result<Vec<u8>, FormatError> {
        let disk_bytes = self.disk_bytes;
        let too_large = |_| FormatError::Size { format: "qcow2", disk_bytes };
        let narrow = |value: u64| u32::try_from(value).map_err(too_large);
        let (features, length) = match compression {
            Compression::Zstd { .. } => (1_u64 << 3, 112_u32),
            Compression::None | Compression::Deflate { .. } => (0, 104),
        };
        let mut bytes = vec![0; 120];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, b"QFI\xFB");
        put(4, &3_u32.to_be_bytes());
        put(20, &CLUSTER_BITS.to_be_bytes());
        put(24, &self.disk_bytes.to_be_bytes());
        put(36, &narrow(len_of_entries(self.l1.len()))?.to_be_bytes());
        put(40, &CLUSTER.to_be_bytes());
        put(48, &table_at.to_be_bytes());
        put(56, &narrow(table_clusters)?.to_be_bytes());
        put(72, &features.to_be_bytes());
        put(96, &4_u32.to_be_bytes());
        put(100, &length.to_be_bytes());
        if length > 104 {
            put(104, &[1]);
        }
        Ok(bytes)
    }
}

fn len_of_entries(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn big_endian(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_qemu_refuses_are_refused() {
        let file = tempfile::tempfile().unwrap();
        for size in [0, 513, 1 << 52] {
            let options = Options { compression: Compression::None, threads: 1 };
            let silent = &crate::progress::Silent;
            let result = encode(&file, ByteLen(size), &file, &options, silent, &Cancel::default());
            assert!(matches!(result, Err(FormatError::Size { .. })));
        }
    }
}
