//! qcow2, versions 2 and 3.
//!
//! ```text
//! header: "QFI\xfb" 4, version 4, backing file 8+4, cluster bits 4, size 8, encryption 4,
//!         L1 entries 4, L1 offset 8, refcount table offset 8, its clusters 4, …; version 3: at 72 incompatible features 8, …,
//!         at 100 header length 4, compression type 1 (0 deflate, 1 zstd)
//! L1 entry: bits 9 to 55 the offset of an L2 table
//! L2 entry: bit 62 clear: bits 9 to 55 the cluster's offset, bit 0 says that it reads as zeros
//!           bit 62 set:   low 62 - (cluster bits - 8) bits the offset, above them the count of
//!                         further sectors of 512 bytes
//! ```
//!
//! Numbers are big-endian. Encryption, backing files, data files and extended L2 entries are refused.

use std::io::Read as _;

use super::cache::Cache;
use super::{DiskImage, Shared, by_units, check_inside, check_size, read_part};
use crate::inspect::bytes::{be32, be64, count, index};
use crate::inspect::error::Problem;

const HEADER_BYTES: usize = 112;
const OFFSET: u64 = 0x00FF_FFFF_FFFF_FE00;
const COMPRESSED: u64 = 1 << 62;
const ZERO: u64 = 1;
/// What QEMU allows an L1 table.
const MOST_L1: u64 = (32 << 20) / 8;
const TABLES: usize = 16;
const CLUSTERS: usize = 16;

const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;

/// A qcow2.
#[derive(Debug)]
pub(super) struct Qcow2 {
    file: Shared,
    len: u64,
    cluster_bits: u32,
    l1: Vec<u8>,
    /// Where the table of reference counts is, and how many clusters it takes.
    counts: (u64, u32),
    zstd: bool,
    has_zeros: bool,
    tables: Cache,
    clusters: Cache,
}

impl Qcow2 {
    pub(super) fn open(file: Shared) -> Result<Self, Problem> {
        let len = HEADER_BYTES.min(index(file.len_bytes()));
        let header = read_part(&*file, "the header", 0, len)?;
        let version = be32(&header, 4);
        if !matches!(version, 2 | 3) {
            return Err(Problem::Version(version.into()));
        }
        let features = if version == 3 { be64(&header, 72) } else { 0 };
        check_features(&*file, &header, features)?;
        let cluster_bits = be32(&header, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(Problem::Value {
                what: "the size of clusters",
                value: cluster_bits.into(),
            });
        }
        let zstd = match (features & COMPRESSION_TYPE != 0).then(|| header.get(104)).flatten() {
            None | Some(0) => false,
            Some(1) => true,
            Some(other) => {
                return Err(Problem::Value {
                    what: "the type of compression",
                    value: (*other).into(),
                });
            }
        };
        let len = check_size(be64(&header, 24))?;
        // an L2 table is one cluster of 8-byte entries
        let needed = len.div_ceil(1 << (2 * cluster_bits - 3));
        if needed > MOST_L1 || u64::from(be32(&header, 36)) < needed {
            let value = be32(&header, 36).into();
            return Err(Problem::Value { what: "the length of the L1 table", value });
        }
        let l1 = read_part(&*file, "the L1 table", be64(&header, 40), index(needed * 8))?;
        let counts = (be64(&header, 48), be32(&header, 56));
        let (tables, clusters) = (Cache::new(TABLES), Cache::new(CLUSTERS));
        let has_zeros = version == 3;
        Ok(Self { file, len, cluster_bits, l1, counts, zstd, has_zeros, tables, clusters })
    }

    fn cluster_len(&self) -> usize {
        1 << self.cluster_bits
    }

    /// The L2 entry of a cluster; 0 where there is no table.
    fn entry(&self, cluster: u64) -> Result<u64, Problem> {
        let in_table = 1_u64 << (self.cluster_bits - 3);
        let table = be64(&self.l1, index(cluster / in_table * 8)) & OFFSET;
        if table == 0 {
            return Ok(0);
        }
        let table = self
            .tables
            .get(table, || read_part(&*self.file, "an L2 table", table, self.cluster_len()))?;
        Ok(be64(&table, index(cluster % in_table * 8)))
    }

    /// Where compressed content begins, and in how many further sectors it ends.
    fn packed(&self, entry: u64) -> (u64, u64) {
        let offset_bits = 62 - (self.cluster_bits - 8);
        let offset = entry & ((1 << offset_bits) - 1);
        let sectors = (entry & (COMPRESSED - 1)) >> offset_bits;
        (offset, sectors)
    }

    /// Checks that a cluster's content begins inside the file.
    fn check_entry(&self, entry: u64) -> Result<(), Problem> {
        let (what, offset, end) = if entry & COMPRESSED != 0 {
            let (offset, sectors) = self.packed(entry);
            // it ends somewhere in its last sector
            let end =
                if sectors == 0 { offset } else { (offset & !511).saturating_add(sectors * 512) };
            ("a compressed cluster", offset, end)
        } else {
            let place = entry & OFFSET;
            ("a cluster", place, place)
        };
        let is_inside = offset == 0 || end < self.file.len_bytes();
        if is_inside { Ok(()) } else { Err(Problem::Outside { what, offset }) }
    }

    /// Checks that the reference counts are inside the file. No read needs them, every write does.
    fn check_counts(&self) -> Result<(), Problem> {
        let (table, clusters) = self.counts;
        for cluster in 0..u64::from(clusters) {
            let place = table.saturating_add(cluster << self.cluster_bits);
            let what = "the table of reference counts";
            let blocks = read_part(&*self.file, what, place, self.cluster_len())?;
            let blocks = blocks.chunks_exact(8).map(|entry| be64(entry, 0) & OFFSET);
            for offset in blocks.filter(|block| *block != 0) {
                if offset + count(self.cluster_len()) > self.file.len_bytes() {
                    return Err(Problem::Outside { what: "a block of reference counts", offset });
                }
            }
        }
        Ok(())
    }

    fn unpacked(&self, entry: u64) -> Result<std::rc::Rc<[u8]>, Problem> {
        self.clusters.get(entry, || {
            let (offset, sectors) = self.packed(entry);
            let end =
                (offset & !511).saturating_add((sectors + 1) * 512).min(self.file.len_bytes());
            let outside = Problem::Outside { what: "a compressed cluster", offset };
            let len = end.checked_sub(offset).ok_or(outside)?;
            let packed = read_part(&*self.file, "a compressed cluster", offset, index(len))?;
            unpack(&packed, self.cluster_len(), self.zstd).ok_or(Problem::Compressed(offset))
        })
    }
}

fn check_features(file: &dyn DiskImage, header: &[u8], features: u64) -> Result<(), Problem> {
    if be32(header, 32) != 0 {
        return Err(Problem::Encrypted);
    }
    if be64(header, 8) != 0 {
        let len = index(be32(header, 16).into()).min(1023);
        let name = read_part(file, "the backing file's name", be64(header, 8), len)?;
        return Err(Problem::BackingFile(String::from_utf8_lossy(&name).into_owned()));
    }
    if features & CORRUPT != 0 {
        return Err(Problem::MarkedCorrupt);
    }
    if features & EXTERNAL != 0 {
        return Err(Problem::ExternalData);
    }
    match features & !(DIRTY | COMPRESSION_TYPE) {
        0 => Ok(()),
        unknown => Err(Problem::Features(unknown)),
    }
}

/// The content of a compressed cluster. Sectors are whole, so something may follow it.
fn unpack(packed: &[u8], len: usize, zstd: bool) -> Option<Vec<u8>> {
    let mut cluster = vec![0; len];
    if zstd {
        let mut decoder = zstd::stream::read::Decoder::with_buffer(packed).ok()?;
        decoder.window_log_max(27).ok()?;
        decoder.read_exact(&mut cluster).ok()?;
    } else {
        flate2::read::DeflateDecoder::new(packed).read_exact(&mut cluster).ok()?;
    }
    Some(cluster)
}

impl DiskImage for Qcow2 {
    fn len_bytes(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem> {
        check_inside(offset, buffer, self.len)?;
        by_units(offset, buffer, 1 << self.cluster_bits, |cluster, at, buffer| {
            let entry = self.entry(cluster)?;
            if entry & COMPRESSED != 0 {
                let unpacked = self.unpacked(entry & (COMPRESSED | (COMPRESSED - 1)))?;
                buffer.copy_from_slice(&unpacked[at..at + buffer.len()]);
                return Ok(());
            }
            let place = entry & OFFSET;
            if place == 0 || self.has_zeros && entry & ZERO != 0 {
                buffer.fill(0);
                return Ok(());
            }
            let place = place + count(at);
            let outside = Problem::Outside { what: "a cluster", offset: place };
            self.file.read_at(place, buffer).map_err(|error| match error {
                // the last cluster of a file may be cut short: the rest was never written
                Problem::PastEnd { .. } => outside,
                other => other,
            })
        })
    }

    fn check(&self) -> Result<(), Problem> {
        // a file cannot have more tables than clusters, but name one many times
        let most = self.file.len_bytes() >> self.cluster_bits;
        let tables = self.l1.chunks_exact(8).map(|entry| be64(entry, 0) & OFFSET);
        for (table, _) in tables.filter(|table| *table != 0).zip(0..=most) {
            let entries = read_part(&*self.file, "an L2 table", table, self.cluster_len())?;
            entries.chunks_exact(8).try_for_each(|entry| self.check_entry(be64(entry, 0)))?;
        }
        self.check_counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::Memory;
    use std::rc::Rc;

    fn header() -> Vec<u8> {
        let mut bytes = vec![0; 1024];
        bytes[..4].copy_from_slice(b"QFI\xfb");
        bytes[7] = 3;
        bytes[23] = 9;
        bytes[24..32].copy_from_slice(&4096_u64.to_be_bytes());
        bytes[39] = 1;
        bytes[40..48].copy_from_slice(&512_u64.to_be_bytes());
        bytes[103] = 112;
        bytes
    }

    fn open(change: impl FnOnce(&mut Vec<u8>)) -> Result<Qcow2, Problem> {
        let mut bytes = header();
        change(&mut bytes);
        Qcow2::open(Rc::new(Memory(bytes)))
    }

    #[test]
    fn what_is_not_read_is_said() {
        let disk = open(|_| ()).unwrap();
        let mut read = [9; 4096];
        disk.read_at(0, &mut read).unwrap();
        assert_eq!(read, [0; 4096]);
        assert!(matches!(disk.read_at(1, &mut read), Err(Problem::PastEnd { .. })));
        assert!(matches!(open(|b| b[7] = 1), Err(Problem::Version(1))));
        assert!(matches!(open(|b| b[35] = 1), Err(Problem::Encrypted)));
        assert!(matches!(open(|b| b[79] = 4), Err(Problem::ExternalData)));
        assert!(matches!(open(|b| b[79] = 2), Err(Problem::MarkedCorrupt)));
        assert!(matches!(open(|b| b[79] = 16), Err(Problem::Features(16))));
        assert!(matches!(open(|b| b[23] = 40), Err(Problem::Value { value: 40, .. })));
        assert!(matches!(open(|b| b[24] = 1), Err(Problem::TooLarge(_))));
        assert!(matches!(open(|b| b[39] = 0), Err(Problem::Value { value: 0, .. })));
        assert!(matches!(open(|b| b[43] = 1), Err(Problem::Outside { .. })));
        let backed = open(|b| {
            b[14..16].copy_from_slice(&[2, 0]);
            b[19] = 4;
            b[512..516].copy_from_slice(b"base");
        });
        assert!(matches!(backed, Err(Problem::BackingFile(name)) if name == "base"));
    }

    #[test]
    fn a_table_that_points_anywhere_is_an_error() {
        // the L1 table points to the L2 table behind it, that to a cluster far away
        let disk = open(|b| {
            b[518] = 2;
            b[519] = 0;
            b.resize(0x200 + 512 + 512, 0);
            b[0x200..0x208].copy_from_slice(&0x400_u64.to_be_bytes());
            b.resize(0x600, 0);
            b[0x400..0x408].copy_from_slice(&0x00FF_FFFF_0000_0000_u64.to_be_bytes());
            b[0x408..0x410].copy_from_slice(&(COMPRESSED | 0x10).to_be_bytes());
        })
        .unwrap();
        let mut read = [0; 16];
        assert!(matches!(disk.read_at(0, &mut read), Err(Problem::Outside { .. })));
        assert!(matches!(disk.check(), Err(Problem::Outside { what: "a cluster", .. })));
        assert!(matches!(disk.read_at(512, &mut read), Err(Problem::Compressed(16))));
    }
}
