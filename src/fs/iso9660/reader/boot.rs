//! The boot catalog (El Torito), whose table is in [`super::super::boot`].

use std::io::{Read, Seek};

use super::super::boot::{
    BIOS, BOOTABLE, CATALOG_AT, ENTRY_BYTES, LAST_SECTION, SYSTEM, SYSTEM_AT, UEFI, VALIDATION, sum,
};
use super::super::{SECTOR_BYTES, le32};
use super::ReadError;
use super::source::Source;
use crate::units::{ByteLen, ByteOffset};

const SECTION: u8 = LAST_SECTION - 1;
/// More of the entry before; nothing that is of interest here.
const EXTENSION: u8 = 0x44;
/// The sector of the primary descriptor, which boot info tables name.
const DESCRIPTOR: u32 = 16;
const INFO_BYTES: usize = 24;

/// What an entry of the catalog starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootEntry {
    /// Who starts it.
    pub platform: BootPlatform,
    /// Whether it is to be started at all.
    pub is_bootable: bool,
    /// How the image is shown to the machine: 0 as it is, else as a floppy or a hard disk.
    pub emulation: u8,
    /// How many sectors of 512 bytes are loaded.
    pub load_sectors: u16,
    /// Where the image is.
    pub sector: u32,
    /// The image's length as the table in it says, where it has one for this place.
    pub boot_info_len: Option<ByteLen>,
}

/// Firmware, as the catalog numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPlatform {
    /// BIOS of PCs.
    Bios,
    /// UEFI.
    Uefi,
    /// Another.
    Other(u8),
}

impl BootEntry {
    /// Where the image begins.
    pub fn start(&self) -> ByteOffset {
        ByteOffset(u64::from(self.sector) * SECTOR_BYTES)
    }
}

/// The catalog's sector, where this boot record leads to one.
pub(super) fn catalog(record: &[u8]) -> Option<u32> {
    let is_ours = record.get(SYSTEM_AT..)?.starts_with(SYSTEM);
    is_ours.then(|| le32(record, CATALOG_AT)).flatten()
}

/// The entries of the catalog in this sector.
pub(super) fn load<R: Read + Seek>(
    source: &mut Source<R>,
    sector: u32,
) -> Result<Vec<BootEntry>, ReadError> {
    let bytes = source.sector(sector, "the boot catalog")?;
    let mut entries = parse(&bytes).map_err(|problem| ReadError::Catalog { sector, problem })?;
    for entry in &mut entries {
        entry.boot_info_len = boot_info_len(source, entry)?;
    }
    Ok(entries)
}

fn parse(catalog: &[u8]) -> Result<Vec<BootEntry>, &'static str> {
    let mut parts = catalog.chunks_exact(ENTRY_BYTES);
    let validation = parts.next().unwrap_or_default();
    if validation.first() != Some(&VALIDATION) || !validation.ends_with(&[0x55, 0xAA]) {
        return Err("has no validation entry");
    }
    if sum(validation) != 0 {
        return Err("has a wrong checksum");
    }
    let mut entries = Vec::new();
    entries.extend(parts.next().map(|default| entry(platform(validation[1]), default)));
    let mut section = None;
    for part in parts {
        match (part[0], section) {
            (EXTENSION, Some(_)) => {}
            (_, Some((platform, left))) if left > 0 => {
                entries.push(entry(platform, part));
                section = Some((platform, left - 1));
            }
            (SECTION | LAST_SECTION, _) => {
                let count = u16::from_le_bytes([part[2], part[3]]);
                section = Some((platform(part[1]), count));
            }
            _ => break,
        }
    }
    Ok(entries)
}

fn platform(number: u8) -> BootPlatform {
    match number {
        BIOS => BootPlatform::Bios,
        UEFI => BootPlatform::Uefi,
        other => BootPlatform::Other(other),
    }
}

fn entry(platform: BootPlatform, part: &[u8]) -> BootEntry {
    BootEntry {
        platform,
        is_bootable: part[0] == BOOTABLE,
        emulation: part[1] & 0x0F,
        load_sectors: u16::from_le_bytes([part[6], part[7]]),
        sector: le32(part, 8).unwrap_or(0),
        boot_info_len: None,
    }
}

/// Bytes 8 to 24 of an image that was told where it is: sector of the descriptor, its own, its
/// length, a checksum.
fn boot_info_len<R: Read + Seek>(
    source: &mut Source<R>,
    entry: &BootEntry,
) -> Result<Option<ByteLen>, ReadError> {
    let (start, mut head) = (entry.start(), [0; INFO_BYTES]);
    let len = ByteLen(u64::try_from(INFO_BYTES).unwrap_or(0));
    source.check(start, len, "an image of the boot catalog")?;
    source.read(start, &mut head)?;
    let is_told = le32(&head, 8) == Some(DESCRIPTOR) && le32(&head, 12) == Some(entry.sector);
    Ok(le32(&head, 16).filter(|_| is_told).map(|len| ByteLen(u64::from(len))))
}
