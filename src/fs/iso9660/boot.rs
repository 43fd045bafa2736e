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

use super::descriptors::{BOOT, Sector, head};
use crate::units::ByteLen;

pub(super) const BIOS: u8 = 0;
pub(super) const UEFI: u8 = 0xEF;
/// What the boot record says it is, and where.
pub(super) const SYSTEM: &[u8] = b"EL TORITO SPECIFICATION";
pub(super) const SYSTEM_AT: usize = 7;
/// Where the boot record has the catalog's sector.
pub(super) const CATALOG_AT: usize = 71;
pub(super) const ENTRY_BYTES: usize = 32;
/// What entries begin with.
pub(super) const VALIDATION: u8 = 1;
pub(super) const BOOTABLE: u8 = 0x88;
pub(super) const LAST_SECTION: u8 = 0x91;
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
    let mut sector = head(BOOT);
    sector[SYSTEM_AT..SYSTEM_AT + SYSTEM.len()].copy_from_slice(SYSTEM);
    sector[CATALOG_AT..CATALOG_AT + 4].copy_from_slice(&catalog.to_le_bytes());
    sector
}

/// The catalog.
pub(super) fn catalog(entries: Entries) -> Sector {
    let bios = entries.bios.map(|sector| entry(BIOS_SECTORS, sector));
    let uefi = entries.uefi.map(|(sector, len)| {
        let sectors = u16::try_from(len.0.div_ceil(512)).unwrap_or(0);
        entry(sectors, sector)
    });
    let parts: Vec<[u8; ENTRY_BYTES]> = match (bios, uefi) {
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

fn validation(platform: u8) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[0] = VALIDATION;
    entry[1] = platform;
    entry[30..].copy_from_slice(&[0x55, 0xAA]);
    let checksum = sum(&entry).wrapping_neg();
    entry[28..30].copy_from_slice(&checksum.to_le_bytes());
    entry
}

/// What the words of a validation entry add up to: 0 where it is whole.
pub(super) fn sum(entry: &[u8]) -> u16 {
    let words = entry.chunks_exact(2).map(|word| u16::from_le_bytes([word[0], word[1]]));
    words.fold(0, u16::wrapping_add)
}

fn section(platform: u8) -> [u8; ENTRY_BYTES] {
    let mut header = [0; ENTRY_BYTES];
    header[..4].copy_from_slice(&[LAST_SECTION, platform, 1, 0]);
    header
}

fn entry(count: u16, sector: u32) -> [u8; ENTRY_BYTES] {
    let mut entry = [0; ENTRY_BYTES];
    entry[0] = BOOTABLE;
    entry[6..8].copy_from_slice(&count.to_le_bytes());
    entry[8..12].copy_from_slice(&sector.to_le_bytes());
    entry
}
