//! The bytes of a table.
//!
//! | header offset | field | | entry offset | field |
//! |---|---|---|---|---|
//! | 0 | `EFI PART`, revision 1.0, header size 92 | | 0 | type GUID |
//! | 16 | CRC-32 of the header with this field zero | | 16 | unique GUID |
//! | 24, 32 | this header's and the other header's sector | | 32 | first sector |
//! | 40, 48 | first and last usable sector | | 40 | last sector |
//! | 56 | disk GUID | | 48 | attributes |
//! | 72 | first sector of the entries | | 56 | name, 36 UTF-16 units |
//! | 80, 84, 88 | entry count, entry size, CRC-32 of the entries | | | |
//!
//! All numbers are little-endian.

use crate::units::{ByteOffset, SectorSize};

use super::{BOOT_CODE_BYTES, Partition, Table};

const ENTRY_BYTES: usize = 128;
const ENTRIES: usize = super::MAX_PARTITIONS;
const ENTRIES_BYTES: u64 = 16 * 1024;
const _: () = assert!(ENTRY_BYTES * ENTRIES == 16 * 1024);
pub(super) const HEADER_BYTES: usize = 92;

/// Bytes that the backup entries and the backup header take at the end of the disk.
pub(super) fn backup_bytes(sector: SectorSize) -> u64 {
    ENTRIES_BYTES + sector.bytes()
}

/// Everything to write, in the order to write it: the backup, the table, the MBR.
pub(super) fn regions(table: &Table) -> Vec<(ByteOffset, Vec<u8>)> {
    let sector_bytes = table.sector.bytes();
    let entries = entries(table);
    let last = table.disk_size.0 / sector_bytes - 1;
    let backup_entries = last - ENTRIES_BYTES / sector_bytes;
    let crc = crc32fast::hash(&entries);
    let primary = header(table, Place { this: 1, other: last, entries: 2 }, crc);
    let backup = header(table, Place { this: last, other: 1, entries: backup_entries }, crc);
    let at = |lba: u64| ByteOffset(lba * sector_bytes);
    vec![
        (at(backup_entries), entries.clone()),
        (at(last), backup),
        (at(2), entries),
        (at(1), primary),
        protective_mbr(last),
    ]
}

/// Where a header and what it points to are, in sectors.
struct Place {
    this: u64,
    other: u64,
    entries: u64,
}

fn header(table: &Table, place: Place, entries_crc: u32) -> Vec<u8> {
    let sector_bytes = table.sector.bytes();
    let first_usable = 2 + ENTRIES_BYTES / sector_bytes;
    let last_usable = (table.disk_size.0 - backup_bytes(table.sector)) / sector_bytes - 1;
    let mut bytes = Vec::with_capacity(4096);
    bytes.extend_from_slice(b"EFI PART");
    put_u32s(&mut bytes, &[0x0001_0000, 92, 0, 0]);
    put_u64s(&mut bytes, &[place.this, place.other, first_usable, last_usable]);
    bytes.extend_from_slice(&table.disk_guid.to_disk_bytes());
    put_u64s(&mut bytes, &[place.entries]);
    put_u32s(&mut bytes, &[128, 128, entries_crc]);
    debug_assert_eq!(bytes.len(), HEADER_BYTES);
    let crc = crc32fast::hash(&bytes);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    let padded = match table.sector {
        SectorSize::B512 => 512,
        SectorSize::B4096 => 4096,
    };
    bytes.resize(padded, 0);
    bytes
}

fn entries(table: &Table) -> Vec<u8> {
    let mut bytes = vec![0; ENTRIES * ENTRY_BYTES];
    for (number, partition) in table.numbered() {
        let entry = entry(partition, table.sector);
        bytes[(number - 1) * ENTRY_BYTES..][..entry.len()].copy_from_slice(&entry);
    }
    bytes
}

fn entry(partition: &Partition, sector: SectorSize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_BYTES);
    let first = partition.start.0 / sector.bytes();
    let last = first + partition.len.0 / sector.bytes() - 1;
    bytes.extend_from_slice(&partition.type_guid.to_disk_bytes());
    bytes.extend_from_slice(&partition.unique_guid.to_disk_bytes());
    put_u64s(&mut bytes, &[first, last, partition.attributes]);
    bytes.extend(partition.name.encode_utf16().flat_map(u16::to_le_bytes));
    bytes
}

/// The MBR from the end of the boot code on: one partition of type 0xEE over the whole disk.
fn protective_mbr(last: u64) -> (ByteOffset, Vec<u8>) {
    let sectors = u32::try_from(last).unwrap_or(u32::MAX);
    let mut bytes = vec![0; 512 - BOOT_CODE_BYTES];
    let record = &mut bytes[446 - BOOT_CODE_BYTES..][..16];
    record[..8].copy_from_slice(&[0x00, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF]);
    record[8..12].copy_from_slice(&1_u32.to_le_bytes());
    record[12..].copy_from_slice(&sectors.to_le_bytes());
    bytes[510 - BOOT_CODE_BYTES..].copy_from_slice(&[0x55, 0xAA]);
    (ByteOffset(440), bytes)
}

fn put_u32s(bytes: &mut Vec<u8>, values: &[u32]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn put_u64s(bytes: &mut Vec<u8>, values: &[u64]) {
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
