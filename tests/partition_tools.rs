//! What other people's readers say of our partition tables.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bootc_image::canvas::FileCanvas;
use bootc_image::partition::{self, Guid, Partition, Table};
use bootc_image::units::{ByteLen, ByteOffset, GIB, MIB, SectorSize};

use tools::run;

const DISK: Guid = Guid::from_u128(0x0123_4567_89AB_CDEF_0123_4567_89AB_CDEF);

fn partitions() -> Vec<Partition> {
    let rows = [
        (partition::BIOS_BOOT, "BIOS-BOOT", 1, MIB, 1 << 2),
        (partition::ESP, "EFI-SYSTEM", 2, 512 * MIB, 0),
        (partition::ROOT_X86_64, "root \u{1D11E} ä", 514, GIB - 515 * MIB, 1 << 59),
    ];
    let make =
        |((type_guid, name, start, len, attributes), number): ((_, &str, u64, _, _), u128)| {
            Partition {
                type_guid,
                unique_guid: Guid::from_u128(0xA000_0000_0000_4000_8000_0000_0000_0000 + number),
                name: name.into(),
                start: ByteOffset(start * MIB),
                len: ByteLen(len),
                attributes,
            }
        };
    rows.into_iter().zip(1..).map(make).collect()
}

fn write_disk(path: &Path, sector: SectorSize) -> Vec<Partition> {
    let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    file.set_len(GIB).unwrap();
    let table = Table::new(ByteLen(GIB), sector, DISK, partitions()).unwrap();
    table.write(&mut FileCanvas::new(Arc::new(file))).unwrap();
    partitions()
}

#[test]
fn gptman_reads_what_we_wrote() {
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        let ours = write_disk(&path, sector);
        let mut file = File::open(&path).unwrap();
        let primary = gptman::GPT::find_from(&mut file).unwrap();
        assert_eq!(primary.sector_size, sector.bytes());
        assert_eq!(primary.header.disk_guid, DISK.to_disk_bytes());
        let mut theirs = primary.iter().filter(|(_, entry)| entry.is_used());
        for (expected, number) in ours.iter().zip(1..) {
            let (index, entry) = theirs.next().unwrap();
            assert_eq!(index, number);
            assert_eq!(entry.partition_type_guid, expected.type_guid.to_disk_bytes());
            assert_eq!(entry.unique_partition_guid, expected.unique_guid.to_disk_bytes());
            assert_eq!(entry.starting_lba * sector.bytes(), expected.start.0);
            assert_eq!(entry.size().unwrap() * sector.bytes(), expected.len.0);
            assert_eq!(entry.attribute_bits, expected.attributes);
            assert_eq!(entry.partition_name.as_str(), expected.name);
        }
        assert!(theirs.next().is_none());
    }
}

#[test]
fn the_backup_alone_is_enough() {
    use std::os::unix::fs::FileExt as _;
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        write_disk(&path, sector);
        let file = File::options().read(true).write(true).open(&path).unwrap();
        file.write_all_at(&[0; 8], sector.bytes()).unwrap();
        let gpt = gptman::GPT::read_from(&mut &file, sector.bytes()).unwrap();
        assert!(gpt.is_backup());
        assert_eq!(gpt.iter().filter(|(_, entry)| entry.is_used()).count(), 3);
    }
}

#[test]
fn sgdisk_finds_no_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    write_disk(&path, SectorSize::B512);
    let disk = path.to_str().unwrap();
    let Some(verdict) = run("sgdisk", &["-v", disk]) else { return };
    assert!(verdict.contains("No problems found"), "{verdict}");
    let all = run("sgdisk", &["-p", disk]).unwrap();
    assert!(all.contains(&DISK.to_string()), "{all}");
    let root = run("sgdisk", &["-i", "3", disk]).unwrap();
    for expected in [
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709",
        "A0000000-0000-4000-8000-000000000003",
        "First sector: 1052672",
        "Attribute flags: 0800000000000000",
    ] {
        assert!(root.contains(expected), "{expected} is not in:\n{root}");
    }
}

#[test]
fn fdisk_reads_large_sectors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    write_disk(&path, SectorSize::B4096);
    let disk = path.to_str().unwrap();
    let columns = ["-b", "4096", "-o", "Start,Sectors,Name", "-l", disk];
    let Some(listing) = run("fdisk", &columns) else { return };
    let words: Vec<Vec<_>> = listing.lines().map(|l| l.split_whitespace().collect()).collect();
    assert!(words.contains(&vec!["512", "131072", "EFI-SYSTEM"]), "{listing}");
    assert!(listing.contains(&DISK.to_string()), "{listing}");
}
