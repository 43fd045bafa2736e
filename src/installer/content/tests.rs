use std::io::Cursor;

use proptest::prelude::*;

use super::*;

const MIB_BYTES: usize = 1 << 20;

fn probe(disk: &[u8]) -> Content {
    Content::probe(Cursor::new(disk), SectorSize::B512).unwrap()
}

fn shown(disk: &[u8]) -> String {
    probe(disk).to_string()
}

fn put(disk: &mut [u8], at: usize, bytes: &[u8]) {
    disk[at..at + bytes.len()].copy_from_slice(bytes);
}

/// A table by another writer: an ESP with a FAT, and a partition with an XFS.
fn gpt(sector: u64) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; 8 * MIB_BYTES]);
    gptman::GPT::write_protective_mbr_into(&mut disk, sector).unwrap();
    let mut gpt = gptman::GPT::new_from(&mut disk, sector, [5; 16]).unwrap();
    let mib = u64::try_from(MIB_BYTES).unwrap() / sector;
    let esp = [
        0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11, 0xba, 0x4b, 0, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b,
    ];
    for (index, kind, name) in [(1, esp, ""), (3, [7; 16], "data é")] {
        let first = mib * u64::from(index);
        gpt[index] = gptman::GPTPartitionEntry {
            partition_type_guid: kind,
            unique_partition_guid: [u8::try_from(index).unwrap(); 16],
            starting_lba: first,
            ending_lba: first + mib - 1,
            attribute_bits: 4,
            partition_name: name.into(),
        };
    }
    gpt.write_into(&mut disk).unwrap();
    let mut disk = disk.into_inner();
    put(&mut disk, MIB_BYTES + 82, b"FAT32   ");
    put(&mut disk, 3 * MIB_BYTES, b"XFSB");
    disk
}

fn mbr() -> Vec<u8> {
    let mut disk = vec![0; 4 * MIB_BYTES];
    put(&mut disk, 446, &[0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0]);
    put(&mut disk, 462, &[0, 0, 0, 0, 0x05, 0, 0, 0, 0, 16, 0, 0, 0, 8, 0, 0]);
    put(&mut disk, 510, &[0x55, 0xAA]);
    disk
}

#[test]
fn a_disk_of_zeros_is_blank_and_no_other() {
    let mut disk = vec![0; 4 * MIB_BYTES];
    assert!(probe(&disk).is_blank());
    assert_eq!(shown(&disk), "nothing");
    for at in [0, MIB_BYTES - 1, 3 * MIB_BYTES, 4 * MIB_BYTES - 1] {
        disk[at] = 1;
        assert!(!probe(&disk).is_blank(), "{at}");
        assert_eq!(shown(&disk), "data of an unknown kind", "{at}");
        disk[at] = 0;
    }
    assert!(probe(&[]).is_blank());
    assert!(!probe(&[1]).is_blank());
}

#[test]
fn tables_of_both_sector_sizes_are_read() {
    for (sector, other) in
        [(SectorSize::B512, SectorSize::B4096), (SectorSize::B4096, SectorSize::B512)]
    {
        let disk = gpt(sector.bytes());
        for asked in [sector, other] {
            let content = Content::probe(Cursor::new(&disk), asked).unwrap();
            let Some(Table::Gpt(gpt)) = &content.table else { panic!("{content:?}") };
            assert_eq!((gpt.sector, gpt.health), (sector, Health::Good));
            assert_eq!(gpt.guid, 0x05050505_0505_0505_0505_050505050505);
            let [esp, data] = gpt.partitions.as_slice() else { panic!("{gpt:?}") };
            assert_eq!((esp.index, esp.type_name(), esp.attributes), (1, Some("ESP"), 4));
            assert_eq!((data.index, data.name.as_str(), data.type_name()), (3, "data é", None));
            assert_eq!((data.start, data.len), (ByteOffset(3 * MIB), ByteLen(MIB)));
            assert_eq!(data.end(), ByteOffset(4 * MIB));
            let expected = "GPT partitions: ESP (1.0 MiB, FAT), `data é` (1.0 MiB, XFS)";
            assert_eq!(content.to_string(), expected);
        }
    }
}

#[test]
fn either_copy_of_a_gpt_will_do() {
    let good = gpt(512);
    let last = good.len() - 512;
    let health = |places: &[usize]| {
        let mut disk = good.clone();
        for place in places {
            disk[*place] ^= 1;
        }
        match probe(&disk).table {
            Some(Table::Gpt(gpt)) => Some((gpt.health, gpt.partitions.len())),
            _ => None,
        }
    };
    assert_eq!(health(&[]), Some((Health::Good, 2)));
    assert_eq!(health(&[512 + 40]), Some((Health::OneCopy, 2)));
    assert_eq!(health(&[512]), Some((Health::OneCopy, 2)));
    assert_eq!(health(&[1024 + 256]), Some((Health::OneCopy, 2)));
    assert_eq!(health(&[last + 90]), Some((Health::OneCopy, 2)));
    assert_eq!(health(&[512 + 40, last + 40]), Some((Health::Damaged, 0)));
    // a header that lies where another's belongs
    let mut disk = good.clone();
    put(&mut disk, last, &good[512..1024]);
    let Some(Table::Gpt(gpt)) = probe(&disk).table else { panic!() };
    assert_eq!(gpt.health, Health::OneCopy);
    // its protective record stays
    assert_eq!(health(&[512, last]), None);
    let mut disk = good.clone();
    put(&mut disk, 512, &vec![0; 33 * 512]);
    assert!(!probe(&disk).is_blank());
    disk[512] = b'E';
    put(&mut disk, 512, b"EFI PART");
    put(&mut disk, last, &[0; 512]);
    assert_eq!(shown(&disk), "a damaged GPT");
}

#[test]
fn an_mbr_is_a_table_when_its_entries_are() {
    let disk = mbr();
    let expected = "MBR partitions: number 1 (1.0 MiB, type 83), number 2 (1.0 MiB, extended)";
    assert_eq!(shown(&disk), expected);
    let mut with_swap = disk.clone();
    put(&mut with_swap, MIB_BYTES + 4086, b"SWAPSPACE2");
    put(&mut with_swap, MIB_BYTES + 1052, b"pages");
    assert!(shown(&with_swap).starts_with("MBR partitions: swap `pages` (1.0 MiB), number 2"));
    let mut of_a_file_system = disk.clone();
    put(&mut of_a_file_system, 446, b"Missing operating system");
    assert_eq!(probe(&of_a_file_system).table, None);
    let mut beyond = disk.clone();
    put(&mut beyond, 454, &[0xFF; 4]);
    assert_eq!(probe(&beyond).table, None);
    // written over a GPT, of which the backup is still there
    let mut over = gpt(512);
    put(&mut over, 0, &disk[..512]);
    assert!(matches!(probe(&over).table, Some(Table::Mbr(_))));
}

#[test]
fn whole_disks_are_recognised() {
    type Pieces<'p> = &'p [(usize, &'p [u8])];
    let cases: &[(&str, Pieces<'_>)] = &[
        ("ext2", &[(1080, &[0x53, 0xEF])]),
        ("ext3", &[(1080, &[0x53, 0xEF]), (1116, &[4])]),
        (
            "ext4 `root`",
            &[(1080, &[0x53, 0xEF]), (1116, &[4]), (1120, &[0xC2, 2]), (1144, b"root")],
        ),
        ("XFS `data`", &[(0, b"XFSB"), (108, b"data")]),
        ("Btrfs `pool`", &[(0x1_0040, b"_BHRfS_M"), (0x1_012B, b"pool")]),
        ("FAT `STICK`", &[(82, b"FAT32   "), (71, b"STICK      "), (510, &[0x55, 0xAA])]),
        ("FAT", &[(54, b"FAT16   "), (43, b"NO NAME    ")]),
        ("NTFS", &[(3, b"NTFS    "), (510, &[0x55, 0xAA])]),
        ("exFAT", &[(3, b"EXFAT   ")]),
        ("ISO 9660 `FEDORA 43`", &[(32769, b"CD001"), (32808, b"FEDORA 43    ")]),
        ("LUKS", &[(0, b"LUKS\xBA\xBE\0\x01"), (24, b"aes")]),
        ("LUKS `secret`", &[(0, b"LUKS\xBA\xBE\0\x02"), (24, b"secret")]),
        ("LVM", &[(512, b"LABELONE"), (536, b"LVM2 001")]),
        ("swap", &[(4086, b"SWAPSPACE2")]),
        ("swap", &[(65526, b"SWAPSPACE2")]),
        ("Linux RAID `host:0`", &[(4096, &[0xFC, 0x4E, 0x2B, 0xA9]), (4128, b"host:0")]),
        ("Linux RAID", &[(4 * MIB_BYTES - 8192, &[0xFC, 0x4E, 0x2B, 0xA9])]),
        ("Linux RAID", &[(4 * MIB_BYTES - 65536, &[0xFC, 0x4E, 0x2B, 0xA9])]),
        ("RAID of the firmware", &[(4 * MIB_BYTES - 1024, b"Intel Raid ISM Cfg Sig. 1.3")]),
        ("XFS, Linux RAID", &[(0, b"XFSB"), (4096, &[0xFC, 0x4E, 0x2B, 0xA9])]),
    ];
    for (expected, pieces) in cases {
        let mut disk = vec![0; 4 * MIB_BYTES];
        for (at, bytes) in *pieces {
            put(&mut disk, *at, bytes);
        }
        assert_eq!(shown(&disk), *expected);
        assert!(!probe(&disk).is_blank());
    }
    let hybrid = [mbr(), vec![0; 512]].concat();
    let mut hybrid = hybrid;
    put(&mut hybrid, 32769, b"CD001");
    assert!(shown(&hybrid).starts_with("ISO 9660, MBR partitions: number 1"), "{}", shown(&hybrid));
}

/// A disk with a place that cannot be read.
struct Broken(Cursor<Vec<u8>>);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.position() >= 2 * MIB {
            return Err(io::Error::other("medium error"));
        }
        self.0.read(buffer)
    }
}

impl Seek for Broken {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn what_cannot_be_read_is_an_error_and_not_blank() {
    let disk = Broken(Cursor::new(vec![0; 4 * MIB_BYTES]));
    let error = Content::probe(disk, SectorSize::B512).unwrap_err();
    assert!(error.at.0 >= 2 * MIB, "{error}");
    assert!(error.to_string().starts_with("reading 512 bytes at byte 41"), "{error}");
}

#[test]
fn labels_and_names_are_tame() {
    let mut disk = vec![0; MIB_BYTES];
    put(&mut disk, 0, b"XFSB");
    put(&mut disk, 108, b"a\x1b[2J");
    assert_eq!(shown(&disk), "XFS `a?[2J`");
    let partition = GptPartition {
        index: 1,
        name: "x\u{7}y".to_owned(),
        type_guid: 1,
        guid: 1,
        attributes: 0,
        start: ByteOffset(0),
        len: ByteLen(1),
        holds: None,
    };
    assert_eq!(partition.to_string(), "`x?y` (1 bytes)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_makes_it_panic(
        changes in prop::collection::vec((0..4096_usize, any::<u8>()), 0..24),
        at_end in prop::collection::vec((1..512_usize, any::<u8>()), 0..4),
        keep in 0..8 * MIB_BYTES,
    ) {
        let mut disk = gpt(512);
        for (at, byte) in changes {
            disk[at] = byte;
        }
        for (before, byte) in at_end {
            let at = disk.len() - before;
            disk[at] = byte;
        }
        fuzz_content(&disk);
        disk.truncate(keep);
        fuzz_content(&disk);
    }

    #[test]
    fn noise_does_not_either(noise in prop::collection::vec(any::<u8>(), 0..70_000)) {
        fuzz_content(&noise);
    }

    /// A header whose checksum is right says whatever it likes.
    #[test]
    fn hostile_headers_are_bounded(
        own in any::<u64>(), entries in any::<u64>(), count in any::<u32>(), size in any::<u32>(),
        first in any::<u64>(), last in any::<u64>(),
    ) {
        let mut disk = gpt(512);
        put(&mut disk, 1024 + 32, &first.to_le_bytes());
        put(&mut disk, 1024 + 40, &last.to_le_bytes());
        let sum = crc32fast::hash(&disk[1024..1024 + 128 * 128]);
        put(&mut disk, 512 + 88, &sum.to_le_bytes());
        if own % 2 == 0 {
            put(&mut disk, 512 + 72, &entries.to_le_bytes());
            put(&mut disk, 512 + 80, &count.to_le_bytes());
            put(&mut disk, 512 + 84, &size.to_le_bytes());
        }
        put(&mut disk, 512 + 16, &[0; 4]);
        let sum = crc32fast::hash(&disk[512..512 + 92]);
        put(&mut disk, 512 + 16, &sum.to_le_bytes());
        fuzz_content(&disk);
    }
}
