//! The boot sector, FSInfo and the FATs.
//!
//! | boot sector | field | | boot sector | field |
//! |---|---|---|---|---|
//! | 0 | jump, maker's name | | 36 | sectors of a FAT |
//! | 11 | bytes of a sector | | 44 | first cluster of the root directory |
//! | 13 | sectors of a cluster | | 48, 50 | sectors of FSInfo and of the boot sector's copy |
//! | 14 | sectors before the FATs | | 64 | drive 0x80 |
//! | 16 | number of FATs | | 66 | 0x29: the next three are there |
//! | 21 | medium 0xF8: fixed disk | | 67 | serial number |
//! | 24, 26 | sectors of a track, heads | | 71 | label |
//! | 28 | sectors before the partition | | 82 | `FAT32   ` |
//! | 32 | all sectors | | 510 | 0x55, 0xAA |

use std::io;

use crate::canvas::Canvas;

use super::Options;
use super::directory::Chain;
use super::geometry::Geometry;
use super::name::Short;

const FS_INFO_SECTOR: u16 = 1;
const BACKUP_SECTOR: u16 = 6;
const MEDIUM: u8 = 0xF8;
const END_OF_CHAIN: u32 = 0x0FFF_FFFF;
/// Halts: this is not the disk to boot from by its boot sector.
const HALT: [u8; 3] = [0xF4, 0xEB, 0xFD];

/// Writes both FATs as far as they are used.
pub(super) fn write_fats(
    geometry: &Geometry,
    chains: &[Chain],
    canvas: &mut impl Canvas,
) -> io::Result<()> {
    let mut entries = vec![0x0FFF_FF00 | u32::from(MEDIUM), END_OF_CHAIN];
    for chain in chains {
        let last = chain.first + chain.count - 1;
        entries.extend(chain.first + 1..=last);
        entries.push(END_OF_CHAIN);
    }
    let bytes: Vec<u8> = entries.into_iter().flat_map(u32::to_le_bytes).collect();
    geometry.fat_offsets().into_iter().try_for_each(|at| canvas.write_at(at, &bytes))
}

/// Writes FSInfo and the boot sector, the copies first.
pub(super) fn write_heads(
    geometry: &Geometry,
    options: &Options,
    label: &Short,
    used_clusters: u32,
    canvas: &mut impl Canvas,
) -> io::Result<()> {
    let boot = boot_sector(geometry, options, label);
    let info = fs_info(geometry, used_clusters);
    for start in [BACKUP_SECTOR, 0] {
        canvas.write_at(geometry.sector_offset(u32::from(start + FS_INFO_SECTOR)), &info)?;
        canvas.write_at(geometry.sector_offset(u32::from(start)), &boot)?;
    }
    Ok(())
}

fn boot_sector(geometry: &Geometry, options: &Options, label: &Short) -> [u8; 512] {
    let mut bytes = [0; 512];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &[0xEB, 0x58, 0x90]);
    put(3, b"BOOTCIMG");
    put(11, &geometry.sector_bytes.to_le_bytes());
    put(13, &[geometry.cluster_sectors]);
    put(14, &geometry.reserved_sectors.to_le_bytes());
    put(16, &[2]);
    put(21, &[MEDIUM]);
    put(24, &63_u16.to_le_bytes());
    put(26, &255_u16.to_le_bytes());
    put(28, &geometry.hidden_sectors.to_le_bytes());
    put(32, &geometry.total_sectors.to_le_bytes());
    put(36, &geometry.fat_sectors.to_le_bytes());
    put(44, &2_u32.to_le_bytes());
    put(48, &FS_INFO_SECTOR.to_le_bytes());
    put(50, &BACKUP_SECTOR.to_le_bytes());
    put(64, &[0x80, 0, 0x29]);
    put(67, &options.serial.to_le_bytes());
    put(71, label);
    put(82, b"FAT32   ");
    put(90, &HALT);
    put(510, &[0x55, 0xAA]);
    bytes
}

/// The free clusters and the last one in use, after which to look for the next.
fn fs_info(geometry: &Geometry, used_clusters: u32) -> [u8; 512] {
    let mut bytes = [0; 512];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"RRaA");
    put(484, b"rrAa");
    put(488, &(geometry.clusters - used_clusters).to_le_bytes());
    put(492, &(used_clusters + 1).to_le_bytes());
    put(510, &[0x55, 0xAA]);
    bytes
}
