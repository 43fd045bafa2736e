use super::*;
use crate::digest::Sha256Digest;
use crate::settings::disk::{
    FileSystemKind, FileSystemSize, FileSystemWish, PartitionTable, PartitionWish, Payload,
};
use proptest::prelude::*;

fn ids() -> Ids {
    Ids::derive(Sha256Digest::of(b""), Sha256Digest::of(b""))
}

fn machine(arch: Arch) -> Machine {
    Machine { arch, sector_size: SectorSize::B512, may_have_bios: true }
}

fn plan(arch: Arch, wish: Option<&DiskLayout>) -> Result<Layout, LayoutError> {
    Layout::plan(wish, machine(arch), &ids())
}

/// Name, start and length in MiB of every partition, when root takes 100 MiB.
fn table(layout: &Layout) -> Vec<(String, u64, u64)> {
    let placed = layout.place(&[], ByteLen(100 * MIB)).unwrap();
    let row = |placed: Placed| (placed.partition.name, placed.start.0 / MIB, placed.len.0 / MIB);
    placed.into_iter().map(row).collect()
}

fn fs(kind: FileSystemKind, mountpoint: Option<&str>) -> PartitionWish {
    let fs = FileSystemWish {
        kind,
        mountpoint: mountpoint.map(str::to_owned),
        label: None,
        uuid: None,
        options: None,
    };
    PartitionWish { payload: Payload::FileSystem(fs), ..PartitionWish::default() }
}

fn ext4(mountpoint: &str) -> PartitionWish {
    fs(FileSystemKind::Ext4, Some(mountpoint))
}

fn wish(partitions: Vec<PartitionWish>) -> DiskLayout {
    DiskLayout::Partitions(PartitionTable { partitions, ..PartitionTable::default() })
}

fn owned(rows: &[(&str, u64, u64)]) -> Vec<(String, u64, u64)> {
    rows.iter().map(|(name, start, len)| ((*name).to_owned(), *start, *len)).collect()
}

#[test]
fn usual_partitions_follow_each_other() {
    let x86 = [("BIOS-BOOT", 1, 1), ("EFI-SYSTEM", 2, 512), ("root", 514, 100)];
    let arm = [("EFI-SYSTEM", 1, 512), ("root", 513, 100)];
    for (arch, rows) in [(Arch::X86_64, &x86[..]), (Arch::Aarch64, &arm)] {
        let layout = plan(arch, None).unwrap();
        assert_eq!(table(&layout), owned(rows));
        assert_eq!(layout.boot_number(), rows.len());
        let root = rows.last().unwrap().1;
        assert_eq!(layout.root_start(&[]), Some(ByteOffset(root * MIB)));
        assert_eq!(layout.overhead(&[]), Some(ByteLen((root + 1) * MIB)));
        assert!(!layout.is_wished && !layout.has_boot());
        assert_eq!(layout.boot().uuid, ids().root_fs);
    }
}

#[test]
fn what_is_missing_is_added_and_root_is_last_on_the_disk() {
    let data = PartitionWish {
        min_size: Some(ByteLen(5 * MIB + 1)),
        name: "data".to_owned(),
        ..ext4("/var/lib/data")
    };
    let swap = PartitionWish {
        payload: Payload::Swap { label: "s".to_owned() },
        min_size: Some(ByteLen(64 * MIB)),
        ..PartitionWish::default()
    };
    let wish = wish(vec![ext4("/boot"), ext4("/"), data, swap]);
    let layout = plan(Arch::X86_64, Some(&wish)).unwrap();
    let rows = [
        ("BIOS-BOOT", 1, 1),
        ("EFI-SYSTEM", 2, 512),
        ("boot", 514, 1024),
        ("root", 1608, 100),
        ("data", 1538, 6),
        ("swap", 1544, 64),
    ];
    assert_eq!(table(&layout), owned(&rows));
    assert_eq!((layout.boot_number(), layout.has_boot()), (3, true));
    let types: Vec<Uuid> = layout.partitions.iter().map(|part| part.type_guid).collect();
    let expected = [
        types::BIOS_BOOT,
        types::ESP,
        types::XBOOTLDR,
        types::root(Arch::X86_64),
        types::LINUX_DATA,
        types::SWAP,
    ];
    assert_eq!(types, expected);
    assert_eq!(layout.root().uuid, ids().root_fs);
    assert_eq!(layout.boot().uuid, ids().further.file_system(0));
    // content that outgrows its partition moves the others
    let needs = [0, 0, 2000 * MIB, 0, 0, 0].map(ByteLen);
    assert_eq!(layout.root_start(&needs), Some(ByteOffset((1608 + 976) * MIB)));
    let without_bios = Machine { may_have_bios: false, ..machine(Arch::X86_64) };
    let layout = Layout::plan(Some(&wish), without_bios, &ids()).unwrap();
    assert_eq!(table(&layout)[0], ("EFI-SYSTEM".to_owned(), 1, 512));
}

#[test]
fn sizes_alone_enlarge_the_usual_disk() {
    let size = |mountpoint: &str, gib: u64| FileSystemSize {
        mountpoint: mountpoint.to_owned(),
        min_size: ByteLen(gib * GIB),
    };
    let sizes = vec![size("/var/data", 2), size("/", 12), size("/boot", 0), size("/var/opt", 0)];
    let layout = plan(Arch::Aarch64, Some(&DiskLayout::FileSystems(sizes))).unwrap();
    let rows = [
        ("EFI-SYSTEM", 1, 512),
        ("boot", 513, 500),
        ("", 1013, 2048),
        ("root", 4085, 100),
        ("", 3061, 1024),
    ];
    assert_eq!(table(&layout), owned(&rows));
    let (_, root) = layout.find(Role::Root).unwrap();
    assert_eq!(root.least, ByteLen(12 * GIB));
}

#[test]
fn everything_can_be_said() {
    let full = PartitionWish {
        min_size: Some(ByteLen(MIB)),
        type_guid: Some(1),
        guid: Some(2),
        name: "mine".to_owned(),
        is_bootable: true,
        attributes: 1 << 60,
        payload: Payload::FileSystem(FileSystemWish {
            kind: FileSystemKind::Vfat,
            mountpoint: Some("/boot/efi".to_owned()),
            label: Some("esp".to_owned()),
            uuid: Some(0x7B77_95E7),
            options: Some("umask=0077,shortname=winnt".to_owned()),
        }),
    };
    let raw = PartitionWish {
        payload: Payload::Raw { source: "/usr/lib/firmware.img".to_owned() },
        ..PartitionWish::default()
    };
    let table = PartitionTable {
        start: Some(ByteLen(16 * MIB - 1)),
        partitions: vec![raw, full],
        mounts: Mounts::Fstab,
        ..PartitionTable::default()
    };
    let layout = plan(Arch::Aarch64, Some(&DiskLayout::Partitions(table))).unwrap();
    let placed = layout.place(&[ByteLen(3 * MIB + 5)], ByteLen(MIB)).unwrap();
    let starts: Vec<u64> = placed.iter().map(|placed| placed.start.0 / MIB).collect();
    assert_eq!(starts, [16, 20, 54]);
    let esp = &layout.partitions[1];
    assert_eq!((esp.role, esp.least), (Role::Esp, ByteLen(34 * MIB)));
    assert_eq!((esp.type_guid, esp.guid), (Uuid::from_u128(1), Uuid::from_u128(2)));
    assert_eq!((esp.name.as_str(), esp.attributes), ("mine", 1 << 60 | 4));
    let Content::Fat(fat) = &esp.content else { panic!("no FAT") };
    assert_eq!((fat.label.as_str(), fat.serial), ("ESP", 0x7B77_95E7));
    let source = Content::Raw { source: "usr/lib/firmware.img".to_owned() };
    assert_eq!(layout.partitions[0].content, source);
    assert_eq!(layout.mounts, Mounts::Fstab);
}

#[test]
fn what_cannot_be_is_refused() {
    let labelled = |label: &str, kind| {
        let mut wish = fs(kind, None);
        if let Payload::FileSystem(fs) = &mut wish.payload {
            fs.label = Some(label.to_owned());
        }
        wish
    };
    let options = |options: &str| {
        let mut wish = ext4("/var/x");
        if let Payload::FileSystem(fs) = &mut wish.payload {
            fs.options = Some(options.to_owned());
        }
        wish
    };
    let named = |name: &str| PartitionWish { name: name.to_owned(), ..PartitionWish::default() };
    let vfat = |mountpoint| fs(FileSystemKind::Vfat, Some(mountpoint));
    let cases: Vec<(Vec<PartitionWish>, &str)> = vec![
        (vec![ext4("/"), ext4("/")], "two file systems are to be mounted at `/`"),
        (vec![ext4("/var/a"), ext4("/var/a")], "at `/var/a`"),
        (vec![vfat("/")], "`/` must be ext4"),
        (vec![vfat("/boot")], "`/boot` must be ext4"),
        (vec![ext4("/boot/efi")], "`/boot/efi` must be vfat"),
        (vec![ext4("/etc")], "the system has its own there"),
        (vec![labelled("seventeen bytes..", FileSystemKind::Ext4)], "longer than 16"),
        (vec![labelled("a:b", FileSystemKind::Vfat)], "only letters"),
        (vec![options("noatime, x")], "mount options"),
        (vec![named(&"n".repeat(37))], "at most 36"),
        (vec![named("a\nb")], "control characters"),
        (vec![PartitionWish::default(); 126], "129 partitions"),
        ((0..16).map(|n| ext4(&format!("/var/{n}"))).collect(), "17 ext4"),
    ];
    for (partitions, words) in cases {
        let error = plan(Arch::X86_64, Some(&wish(partitions))).unwrap_err().to_string();
        assert!(error.contains(words), "{error} has no {words}");
    }
    let huge = PartitionWish { min_size: Some(ByteLen(u64::MAX)), ..PartitionWish::default() };
    assert_eq!(plan(Arch::X86_64, Some(&wish(vec![huge]))), Err(LayoutError::TooLarge));
}

fn any_wish() -> impl Strategy<Value = PartitionWish> {
    let payload = prop_oneof![
        Just(Payload::None),
        Just(Payload::Swap { label: String::new() }),
        Just(Payload::Raw { source: "x".to_owned() }),
        (any::<bool>(), 0_u32..6).prop_map(|(is_fat, number)| {
            let kind = if is_fat { FileSystemKind::Vfat } else { FileSystemKind::Ext4 };
            let place = ["/", "/boot", "/boot/efi", "/var", "/var/a", "/srv"];
            let place = place[usize::try_from(number).unwrap()];
            fs(kind, Some(place)).payload
        }),
    ];
    (proptest::option::of(any::<u64>().prop_map(|size| ByteLen(size >> 20))), payload).prop_map(
        |(min_size, payload)| PartitionWish { min_size, payload, ..PartitionWish::default() },
    )
}

proptest! {
    #[test]
    fn partitions_are_aligned_apart_and_in_order(
        wishes in proptest::collection::vec(any_wish(), 0..12),
        needs in proptest::collection::vec(any::<u64>().prop_map(|need| ByteLen(need >> 24)), 0..16),
        root in 1_u64..1 << 20,
    ) {
        let Ok(layout) = plan(Arch::X86_64, Some(&wish(wishes.clone()))) else { return Ok(()) };
        let placed = layout.place(&needs, ByteLen(root * MIB)).unwrap();
        for (index, one) in placed.iter().enumerate() {
            prop_assert!(one.start.0 % MIB == 0 && one.len.0 % MIB == 0 && one.start.0 >= MIB);
            prop_assert!(one.len.0 > 0);
            if one.partition.role != Role::Root {
                prop_assert!(one.len >= one.partition.least);
                prop_assert!(needs.get(index).is_none_or(|need| one.len >= *need));
            }
        }
        let root = placed.iter().find(|one| one.partition.role == Role::Root).unwrap();
        prop_assert!(placed.iter().all(|one| one.start <= root.start));
        let mut others: Vec<&Placed> =
            placed.iter().filter(|one| one.partition.role != Role::Root).collect();
        others.push(root);
        prop_assert!(others.windows(2).all(|pair| pair[0].start.0 + pair[0].len.0 == pair[1].start.0));
        let end = root.start.0 + root.len.0;
        prop_assert_eq!(layout.overhead(&needs).unwrap().0 + root.len.0, end + MIB);
    }
}

#[test]
fn tables_are_for_sectors_of_one_size() {
    let table = |sector_bytes| {
        DiskLayout::Partitions(PartitionTable {
            sector_bytes: Some(sector_bytes),
            guid: Some(7),
            ..PartitionTable::default()
        })
    };
    let plan =
        |sector_bytes| Layout::plan(Some(&table(sector_bytes)), machine(Arch::X86_64), &ids());
    assert_eq!(plan(512).unwrap().disk_guid, Some(Uuid::from_u128(7)));
    let error = LayoutError::SectorSize { wished_bytes: 4096, asked_bytes: 512 };
    assert_eq!(plan(4096).unwrap_err(), error);
}
