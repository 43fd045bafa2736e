//! The fixed structures of a VHDX: bytes from numbers, nothing else.

use super::{BAT_AT, LOG_AT, Layout, METADATA_AT};
use crate::units::MIB;

const HEADER_BYTES: usize = 4096;
const TABLE_BYTES: usize = 64 * 1024;
/// Where metadata items begin in their region: behind the table.
const ITEMS_AT: usize = TABLE_BYTES;
const CHECKSUM_AT: usize = 4;

const BAT_REGION: &str = "2DC27766-F623-4200-9D64-115E9BFD4A08";
const METADATA_REGION: &str = "8B7CA206-4790-4B9A-B8FE-575F050F886E";
const FILE_PARAMETERS: &str = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B";
const DISK_SIZE: &str = "2FA54224-CD1B-4876-B211-5DBED83BF4B8";
const DISK_ID: &str = "BECA12AB-B2E6-4523-93EF-C309E000C746";
const LOGICAL_SECTOR: &str = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F";
const PHYSICAL_SECTOR: &str = "CDA348C7-445D-4471-9CC9-E9885251C556";

/// Flags of a metadata item.
const OF_THE_DISK: u32 = 2;
const REQUIRED: u32 = 4;
/// Linux aligns to it anyway, and the hosts below have it.
const PHYSICAL_SECTOR_BYTES: u32 = 4096;

pub(super) fn file_type() -> Vec<u8> {
    let creator = "bootc-image".encode_utf16().flat_map(u16::to_le_bytes);
    b"vhdxfile".iter().copied().chain(creator).collect()
}

/// Without a log: its GUID is zero. Both headers name the same content.
pub(super) fn header(sequence_number: u64, content_id: &[u8; 16]) -> Vec<u8> {
    let log_bytes = u32::try_from(MIB).unwrap_or(0);
    let mut bytes = vec![0; HEADER_BYTES];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"head");
    put(8, &sequence_number.to_le_bytes());
    put(16, content_id);
    put(32, content_id);
    put(66, &1_u16.to_le_bytes());
    put(68, &log_bytes.to_le_bytes());
    put(72, &LOG_AT.to_le_bytes());
    seal(bytes)
}

pub(super) fn region_table(bat_bytes: u64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TABLE_BYTES);
    bytes.extend_from_slice(b"regi\0\0\0\0");
    bytes.extend_from_slice(&2_u64.to_le_bytes());
    for (guid, at, len) in [(BAT_REGION, BAT_AT, bat_bytes), (METADATA_REGION, METADATA_AT, MIB)] {
        bytes.extend_from_slice(&to_bytes(guid));
        bytes.extend_from_slice(&at.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(len).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&1_u32.to_le_bytes());
    }
    bytes.resize(TABLE_BYTES, 0);
    seal(bytes)
}

pub(super) fn metadata_region(layout: &Layout, disk_id: &[u8; 16]) -> Vec<u8> {
    let narrow = |value: u64| u32::try_from(value).unwrap_or(0).to_le_bytes();
    let mut file_parameters = narrow(layout.block_bytes).to_vec();
    // Blocks may be given back, and there is no parent.
    file_parameters.extend_from_slice(&0_u32.to_le_bytes());
    let items: [(&str, u32, &[u8]); 5] = [
        (FILE_PARAMETERS, REQUIRED, &file_parameters),
        (DISK_SIZE, OF_THE_DISK | REQUIRED, &layout.disk_bytes.to_le_bytes()),
        (DISK_ID, OF_THE_DISK | REQUIRED, disk_id),
        (LOGICAL_SECTOR, OF_THE_DISK | REQUIRED, &narrow(layout.sector_bytes)),
        (PHYSICAL_SECTOR, OF_THE_DISK | REQUIRED, &PHYSICAL_SECTOR_BYTES.to_le_bytes()),
    ];
    let mut table = b"metadata\0\0".to_vec();
    table.extend_from_slice(&u16::try_from(items.len()).unwrap_or(0).to_le_bytes());
    table.resize(32, 0);
    let mut content = Vec::new();
    for (guid, flags, item) in items {
        let word = |value: usize| u32::try_from(value).unwrap_or(0).to_le_bytes();
        table.extend_from_slice(&to_bytes(guid));
        table.extend_from_slice(&word(ITEMS_AT + content.len()));
        table.extend_from_slice(&word(item.len()));
        table.extend_from_slice(&flags.to_le_bytes());
        table.extend_from_slice(&[0; 4]);
        content.extend_from_slice(item);
    }
    table.resize(ITEMS_AT, 0);
    table.extend_from_slice(&content);
    table
}

/// Fills in the checksum, whose field is zero so far.
fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&bytes).to_le_bytes();
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&checksum);
    bytes
}

/// A GUID as Microsoft stores it: the first three groups in little-endian order.
fn to_bytes(guid: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let digits = guid.bytes().filter(|byte| *byte != b'-').map(|digit| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit - b'A' + 10,
    });
    digits
        .enumerate()
        .for_each(|(index, value)| bytes[index / 2] |= value << (4 * (1 - index % 2)));
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_mixed_endian() {
        let expected = [
            0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd,
            0x4a, 0x08,
        ];
        assert_eq!(to_bytes(BAT_REGION), expected);
    }

    #[test]
    fn the_metadata_region_holds_its_items() {
        let layout = Layout::new(3 << 30, 512);
        let region = metadata_region(&layout, &[9; 16]);
        assert_eq!(region.len(), ITEMS_AT + 8 + 8 + 16 + 4 + 4);
        assert_eq!(region[10], 5);
        assert_eq!(region[ITEMS_AT + 8..ITEMS_AT + 16], (3_u64 << 30).to_le_bytes());
    }
}
