//! El Torito: where firmware finds what it starts.
//!
//! | at | boot record (sector 17) |
//! |---|---|
//! | 0 | type 0, `CD001`, version 1, `EL TORITO SPECIFICATION` |
//! | 71 | sector of the catalog |
//!
//! The catalog has entries of 32 bytes:
//!
//! | entry | content |
//! |---|---|
//! | validation | 1, platform (0 BIOS, 0xEF UEFI), at 28 a checksum, at 30 `55 AA`; its 16-bit words add up to 0 |
//! | default | 0x88, at 6 how many sectors of 512 bytes are loaded, at 8 where they are |
//! | section header | 0x91 (the last one), platform, number of entries |
//! | entry of the section | as the default one |
//!
//! UEFI takes the FAT that the entry names as a disk of that many sectors of 512 bytes; with 0, which is
//! what a larger one gets, as one that goes on to the end of the medium.

use super::descriptors::{Sector, head};
use crate::units::ByteLen;

const BIOS: u8 = 0;
const UEFI: u8 = 0xEF;
/// What BIOS loads: one sector of a CD.
const BIOS_SECTORS: u16 = 4;

/// What firmware starts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries {
    /// The file for BIOS: its first sector.
    pub bios: Option<u32>,
    /// The file for UEFI: its first sector and its length.
    pub uefi: Option<(u32, ByteLen)>,
}

/// The descriptor that leads to the catalog.
pub(super) fn record(catalog: u32) -> Sector {
    let mut sector = head(0);
    sector[7..30].copy_from_slice(b"EL TORITO SPECIFICATION");
    sector[71..75].copy_from_slice(&catalog.to_le_bytes());
    sector
}

/// The catalog.
pub(super) fn catalog(entries: Entries) -> Sector {
    let bios = entries.bios.map(|sector| entry(BIOS_SECTORS, sector));
    let uefi = entries.uefi.map(|(sector, len)| {
        let sectors = u16::try_from(len.0.div_ceil(512)).unwrap_or(0);
        entry(sectors, sector)
    });
    let parts: Vec<[u8; 32]> = match (bios, uefi) {
        (Some(bios), Some(uefi)) => vec![validation(BIOS), bios, section(UEFI), uefi],
        (Some(bios), None) => vec![validation(BIOS), bios],
        (None, Some(uefi)) => vec![validation(UEFI), uefi],
        (None, None) => Vec::new(),
    };
    let mut sector = [0; 2048];
    let parts = parts.concat();
    sector[..parts.len()].copy_from_slice(&parts);
    sector
}

fn validation(platform: u8) -> [u8; 32] {
    let mut entry = [0; 32];
    entry[0] = 1;
    entry[1] = platform;
    entry[30..].copy_from_slice(&[0x55, 0xAA]);
    let words = entry.chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    let sum = words.fold(0, u16::wrapping_add);
    entry[28..30].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    entry
}

fn section(platform: u8) -> [u8; 32] {
    let mut header = [0; 32];
    header[..4].copy_from_slice(&[0x91, platform, 1, 0]);
    header
}

fn entry(count: u16, sector: u32) -> [u8; 32] {
    let mut entry = [0; 32];
    entry[0] = 0x88;
    entry[6..8].copy_from_slice(&count.to_le_bytes());
    entry[8..12].copy_from_slice(&sector.to_le_bytes());
    entry
}
