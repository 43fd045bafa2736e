//! How many sectors, clusters and FAT entries a size makes.

use crate::units::{ByteLen, ByteOffset, MIB, SectorSize};

use super::FatError;
use super::directory::Chain;

/// Sectors before the first FAT, at least.
const RESERVED_SECTORS: u64 = 32;
/// Below this many clusters a FAT is a FAT16 by definition.
const MIN_CLUSTERS: u64 = 65_525;
/// The highest cluster number is 0x0FFFFFF5, the lowest 2.
const MAX_CLUSTERS: u64 = 0x0FFF_FFF4;

/// Where the parts of a file system are. Data starts on a multiple of the cluster size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Geometry {
    pub sector_bytes: u16,
    pub cluster_sectors: u8,
    pub reserved_sectors: u16,
    pub fat_sectors: u32,
    pub total_sectors: u32,
    pub hidden_sectors: u32,
    pub clusters: u32,
}

impl Geometry {
    pub fn new(size: ByteLen, sector: SectorSize, start: ByteOffset) -> Result<Self, FatError> {
        let sector_bytes = sector.bytes();
        let cluster_sectors = cluster_bytes(size).max(sector_bytes) / sector_bytes;
        let reserved = RESERVED_SECTORS.next_multiple_of(cluster_sectors);
        let total = size.0 / sector_bytes;
        let fat = fat_sectors(total.saturating_sub(reserved), cluster_sectors, sector_bytes);
        let clusters = total.saturating_sub(reserved + 2 * fat) / cluster_sectors;
        let refused = || FatError::Size { size, clusters };
        if !(MIN_CLUSTERS..=MAX_CLUSTERS).contains(&clusters)
            || !size.0.is_multiple_of(sector_bytes)
        {
            return Err(refused());
        }
        let hidden = start.0 / sector_bytes;
        if !start.0.is_multiple_of(sector_bytes) || u32::try_from(hidden).is_err() {
            return Err(FatError::Start(start.0));
        }
        let narrow = |wide: u64| u32::try_from(wide).map_err(|_| refused());
        Ok(Self {
            sector_bytes: u16::try_from(sector_bytes).map_err(|_| refused())?,
            cluster_sectors: u8::try_from(cluster_sectors).map_err(|_| refused())?,
            reserved_sectors: u16::try_from(reserved).map_err(|_| refused())?,
            fat_sectors: narrow(fat)?,
            total_sectors: narrow(total)?,
            hidden_sectors: narrow(hidden)?,
            clusters: narrow(clusters)?,
        })
    }

    pub fn cluster_bytes(&self) -> u32 {
        u32::from(self.sector_bytes) * u32::from(self.cluster_sectors)
    }

    /// Where a sector starts.
    pub fn sector_offset(&self, sector: u32) -> ByteOffset {
        ByteOffset(u64::from(sector) * u64::from(self.sector_bytes))
    }

    /// Where the FAT and its copy start.
    pub fn fat_offsets(&self) -> [ByteOffset; 2] {
        let first = u32::from(self.reserved_sectors);
        [self.sector_offset(first), self.sector_offset(first + self.fat_sectors)]
    }

    /// Where a chain's first cluster starts; `None` when the chain is empty.
    pub fn cluster_offset(&self, chain: Chain) -> Option<ByteOffset> {
        Some(self.end_of(chain.first.checked_sub(2)?))
    }

    /// Where so many clusters end.
    pub fn end_of(&self, clusters: u32) -> ByteOffset {
        let data = u64::from(self.reserved_sectors) + 2 * u64::from(self.fat_sectors);
        let sector = data + u64::from(clusters) * u64::from(self.cluster_sectors);
        ByteOffset(sector * u64::from(self.sector_bytes))
    }
}

/// The cluster size for a file system of `size`, if its sectors are not larger.
fn cluster_bytes(size: ByteLen) -> u64 {
    match size.0.div_ceil(MIB) {
        0..=260 => 512,
        261..=8192 => 4096,
        8193..=16384 => 8192,
        16385..=32768 => 16384,
        _ => 32768,
    }
}

/// Sectors of one FAT, a multiple of the cluster's, when `available` sectors hold two and the data.
fn fat_sectors(available: u64, cluster_sectors: u64, sector_bytes: u64) -> u64 {
    // Each cluster takes its sectors and 2 × 4 bytes of FAT; two entries name no cluster.
    let clusters = (available * sector_bytes).div_ceil(cluster_sectors * sector_bytes + 8) + 2;
    (clusters * 4).div_ceil(sector_bytes).next_multiple_of(cluster_sectors)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(size: u64, sector: SectorSize) -> Result<Geometry, FatError> {
        Geometry::new(ByteLen(size), sector, ByteOffset(MIB))
    }

    #[test]
    fn sizes_divide_as_with_mkfs_fat() {
        let rows = [
            (33, 1, 520, 66_512),
            (260, 1, 4096, 524_252),
            (261, 8, 528, 66_675),
            (512, 8, 1024, 130_811),
            (8192, 8, 16_360, 2_093_057),
            (8193, 16, 8192, 1_047_675),
        ];
        for (mib, cluster_sectors, fat_sectors, clusters) in rows {
            let found = geometry(mib * MIB, SectorSize::B512).unwrap();
            assert_eq!((found.cluster_sectors, found.fat_sectors), (cluster_sectors, fat_sectors));
            // mkfs.fat counts whole tracks of up to 63 sectors.
            let tracks = u32::from(63 / found.cluster_sectors);
            assert!((clusters..=clusters + tracks).contains(&found.clusters), "{mib} MiB");
        }
        let large = geometry(512 * MIB, SectorSize::B4096).unwrap();
        assert_eq!((large.fat_sectors, large.clusters, large.hidden_sectors), (128, 130_784, 256));
    }

    #[test]
    fn every_cluster_has_an_entry_and_lies_within() {
        for sector in [SectorSize::B512, SectorSize::B4096] {
            for size in (33..40_000).map(|mib| mib * MIB + 12288) {
                let Ok(found) = geometry(size, sector) else {
                    assert!(size < 258 * MIB && sector == SectorSize::B4096, "{size}");
                    continue;
                };
                let entries = u64::from(found.fat_sectors) * sector.bytes() / 4;
                assert!(entries >= u64::from(found.clusters) + 2, "{size}");
                let end = Chain { first: found.clusters + 2, count: 0 };
                assert!(found.cluster_offset(end).unwrap().0 <= size, "{size}");
            }
        }
    }

    #[test]
    fn sizes_of_other_fats_are_refused() {
        for size in [0, 512, 32 * MIB, 33 * MIB + 1, 1 << 60, !511] {
            assert!(matches!(geometry(size, SectorSize::B512), Err(FatError::Size { .. })));
        }
        assert!(matches!(geometry(200 * MIB, SectorSize::B4096), Err(FatError::Size { .. })));
        let off = Geometry::new(ByteLen(512 * MIB), SectorSize::B512, ByteOffset(100));
        assert!(matches!(off, Err(FatError::Start(100))));
    }
}
