//! The GPT.
//!
//! ```text
//! header: "EFI PART", revision 4, length 4, CRC-32 4, 0:4, own sector 8, other's sector 8,
//!         first and last usable sector 8+8, disk GUID 16, entries' sector 8, count 4, length of one 4,
//!         CRC-32 of the entries 4
//! entry:  type GUID 16, own GUID 16, first sector 8, last sector 8, attributes 8, name 72 (UTF-16)
//! ```
//!
//! The header is in the second sector and, as a backup, in the last. Either will do.

use super::bytes::{bytes16, count, guid, index, le16, le32, le64};
use super::model::{Partition, PartitionTable};
use super::reader::DiskImage;

const SIGNATURE: &[u8] = b"EFI PART";
/// What an entry may have at most; all tools write 128.
const MOST_ENTRY: usize = 4096;
const MOST_ENTRIES_BYTES: usize = 1 << 20;

/// One copy of the table.
struct Copy {
    guid: String,
    entries: Vec<u8>,
    entry_len: usize,
    entries_crc: u32,
}

/// The partition table; `None` when there is none. A table of which both copies are damaged has no
/// partitions.
pub(super) fn read(disk: &dyn DiskImage) -> Option<(PartitionTable, Vec<Partition>)> {
    [512, 4096].into_iter().find_map(|sector| read_with(disk, sector))
}

fn read_with(disk: &dyn DiskImage, sector: u64) -> Option<(PartitionTable, Vec<Partition>)> {
    let last = (disk.len_bytes() / sector).checked_sub(1)?;
    let [primary, backup] = [1, last].map(|lba| copy(disk, sector, lba));
    if primary.is_none() && backup.is_none() {
        return None;
    }
    let state = |copy: &Option<Result<Copy, ()>>| match copy {
        None => "missing",
        Some(Err(())) => "damaged",
        Some(Ok(_)) => "good",
    };
    let mut table = PartitionTable {
        r#type: "gpt".to_owned(),
        guid: None,
        sector_size_bytes: sector,
        primary: state(&primary).to_owned(),
        backup: state(&backup).to_owned(),
    };
    if let (Some(Ok(one)), Some(Ok(two))) = (&primary, &backup)
        && (one.entries_crc != two.entries_crc || one.guid != two.guid)
    {
        table.backup = "different".to_owned();
    }
    let copies = [primary, backup].into_iter().flatten().flatten();
    let Some(copy) = copies.into_iter().next() else { return Some((table, Vec::new())) };
    table.guid = Some(copy.guid.clone());
    let entries = (1..).zip(copy.entries.chunks_exact(copy.entry_len));
    let partitions = entries.filter_map(|(number, entry)| partition(number, entry, sector));
    Some((table, partitions.collect()))
}

/// The copy at a sector: none without signature; nothing in it when it is damaged.
fn copy(disk: &dyn DiskImage, sector: u64, lba: u64) -> Option<Result<Copy, ()>> {
    let mut header = vec![0; index(sector)];
    disk.read_at(lba.checked_mul(sector)?, &mut header).ok()?;
    header.starts_with(SIGNATURE).then(|| checked(disk, sector, lba, &header).ok_or(()))
}

fn checked(disk: &dyn DiskImage, sector: u64, lba: u64, header: &[u8]) -> Option<Copy> {
    let len = index(le32(header, 12).into());
    let mut covered = header.get(..len).filter(|covered| covered.len() >= 92)?.to_vec();
    covered[16..20].fill(0);
    if crc32fast::hash(&covered) != le32(header, 16) || le64(header, 24) != lba {
        return None;
    }
    let entry_len = index(le32(header, 84).into());
    if !entry_len.is_power_of_two() || !(128..=MOST_ENTRY).contains(&entry_len) {
        return None;
    }
    let len = index(le32(header, 80).into()).checked_mul(entry_len)?;
    if len > MOST_ENTRIES_BYTES {
        return None;
    }
    let mut entries = vec![0; len];
    disk.read_at(le64(header, 72).checked_mul(sector)?, &mut entries).ok()?;
    let entries_crc = le32(header, 88);
    (crc32fast::hash(&entries) == entries_crc).then(|| Copy {
        guid: guid(bytes16(header, 56)),
        entries,
        entry_len,
        entries_crc,
    })
}

fn partition(number: u32, entry: &[u8], sector: u64) -> Option<Partition> {
    let type_bytes = bytes16(entry, 0);
    if type_bytes == [0; 16] {
        return None;
    }
    let (first, last) = (le64(entry, 32), le64(entry, 40));
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let name: Vec<u16> = (0..36).map(|at| le16(entry, 56 + 2 * at)).collect();
    let name = name.split(|unit| *unit == 0).next().unwrap_or_default();
    let type_guid = guid(type_bytes);
    Some(Partition {
        number,
        name: String::from_utf16_lossy(name),
        r#type: type_name(&type_guid).map(str::to_owned),
        type_guid,
        guid: guid(bytes16(entry, 16)),
        start_bytes: first.checked_mul(sector)?,
        length_bytes: sectors.checked_mul(sector)?,
        attributes: le64(entry, 48),
        file_system: None,
    })
}

/// The short names of the discoverable-partitions specification, where it has one.
fn type_name(guid: &str) -> Option<&'static str> {
    Some(match guid {
        "21686148-6449-6e6f-744e-656564454649" => "bios-boot",
        "c12a7328-f81f-11d2-ba4b-00a0c93ec93b" => "esp",
        "bc13c2ff-59e6-4262-a352-b275fd6f7172" => "xbootldr",
        "4f68bce3-e8cd-4db1-96e7-fbcaf984b709" => "root-x86-64",
        "b921b045-1df0-41c3-af44-4c6f280d3fae" => "root-arm64",
        "8484680c-9521-48c6-9c11-b0720656f69e" => "usr-x86-64",
        "b0e01050-ee5f-4390-949a-9101b17104e9" => "usr-arm64",
        "0fc63daf-8483-4772-8e79-3d69d8477de4" => "linux-generic",
        "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f" => "swap",
        "933ac7e1-2eb4-4f13-b844-0e14e2aef915" => "home",
        "3b8f8425-20e0-4f3b-907f-1a25a76f98e8" => "srv",
        "4d21b016-b534-45c2-a9fb-5c16e091fd2d" => "var",
        "7ec6f557-3bc5-4aca-b293-16ef5df639d1" => "tmp",
        "e6d6d379-f507-44c2-a23c-238f2a3df928" => "lvm",
        "ca7d7ccb-63ed-4c53-861c-1742536059cc" => "luks",
        "a19d880f-05fc-4d3b-a006-743f0f84911e" => "raid",
        "9e1a2d38-c612-4316-aa26-8b49521e5a8b" => "prep",
        "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7" => "microsoft-basic-data",
        _ => return None,
    })
}

/// For fuzzing: reads a partition table.
pub fn fuzz_gpt(bytes: &[u8]) {
    let disk = super::reader::Memory(bytes.to_vec());
    if let Some((_, partitions)) = read(&disk) {
        assert!(partitions.len() <= MOST_ENTRIES_BYTES / 128, "{}", count(partitions.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::Memory;
    use std::io::Cursor;

    /// A table by another writer.
    fn disk(sector: u64) -> Vec<u8> {
        let mut disk = Cursor::new(vec![0; 4 << 20]);
        let mut gpt = gptman::GPT::new_from(&mut disk, sector, [5; 16]).unwrap();
        gpt[3] = gptman::GPTPartitionEntry {
            partition_type_guid: [
                0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e,
                0xc9, 0x3b,
            ],
            unique_partition_guid: [1; 16],
            starting_lba: 256,
            ending_lba: 299,
            attribute_bits: 4,
            partition_name: "ESP é".into(),
        };
        gpt.write_into(&mut disk).unwrap();
        disk.into_inner()
    }

    #[test]
    fn tables_of_both_sector_sizes_are_read() {
        for sector in [512, 4096] {
            let (table, partitions) = read(&Memory(disk(sector))).unwrap();
            assert_eq!(table.sector_size_bytes, sector);
            assert_eq!((table.primary.as_str(), table.backup.as_str()), ("good", "good"));
            assert_eq!(table.guid.as_deref(), Some("05050505-0505-0505-0505-050505050505"));
            let [esp] = partitions.as_slice() else { panic!("{partitions:?}") };
            assert_eq!((esp.number, esp.name.as_str(), esp.attributes), (3, "ESP é", 4));
            assert_eq!(esp.r#type.as_deref(), Some("esp"));
            assert_eq!((esp.start_bytes, esp.length_bytes), (256 * sector, 44 * sector));
        }
    }

    #[test]
    fn either_copy_will_do() {
        let good = disk(512);
        let last = good.len() - 512;
        let damaged = |places: &[usize]| {
            let mut bytes = good.clone();
            for place in places {
                bytes[*place] ^= 1;
            }
            read(&Memory(bytes)).map(|(table, found)| (table.primary, table.backup, found.len()))
        };
        let states = |primary: &str, backup: &str, count| {
            Some((primary.to_owned(), backup.to_owned(), count))
        };
        assert_eq!(damaged(&[512 + 40]), states("damaged", "good", 1));
        assert_eq!(damaged(&[512]), states("missing", "good", 1));
        assert_eq!(damaged(&[1024 + 256]), states("damaged", "good", 1));
        assert_eq!(damaged(&[last + 90]), states("good", "damaged", 1));
        assert_eq!(damaged(&[512 + 40, last + 40]), states("damaged", "damaged", 0));
        assert_eq!(damaged(&[512, last]), None);
        let longer = [&good[..], &[0; 4096]].concat();
        let (table, _) = read(&Memory(longer)).unwrap();
        assert_eq!(table.backup, "missing");
    }
}
