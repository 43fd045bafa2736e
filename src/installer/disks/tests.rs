use proptest::prelude::*;

use super::fake::Machine;
use super::*;

fn named<'d>(disks: &'d [Disk], name: &str) -> &'d Disk {
    disks.iter().find(|disk| disk.name == name).unwrap_or_else(|| panic!("{name}: {disks:#?}"))
}

fn names_of(disks: &[Disk]) -> Vec<&str> {
    disks.iter().map(|disk| disk.name.as_str()).collect()
}

fn uses(disk: &Disk) -> Vec<String> {
    disk.uses.iter().map(Use::to_string).collect()
}

#[test]
fn names_come_in_the_order_of_people() {
    let mut names =
        ["nvme0n10", "sdaa", "nvme0n2", "vda", "sdb", "nvme10n1", "sda", "sdz", "sda10"];
    names.sort_by(|one, other| natural(one, other));
    let expected = ["sda", "sda10", "sdb", "sdz", "vda", "nvme0n2", "nvme0n10", "nvme10n1", "sdaa"];
    assert_eq!(names, expected);
}

#[test]
fn a_disk_tells_about_itself() {
    let mut page = b"\0\x80\0\x14".to_vec();
    page.extend(b"     S3R14L          ");
    let machine = Machine::new()
        .disk("nvme0n1", "259:0", 1024)
        .with("nvme0n1", "queue/logical_block_size", "4096")
        .with("nvme0n1", "device/model", "Fast 9000          ")
        .with("nvme0n1", "device/serial", "  N-1")
        .with("nvme0n1", "wwid", "eui.0025388b710116a1")
        .partition("nvme0n1", 10, "259:2", (4096, 8))
        .partition("nvme0n1", 2, "259:1", (2048, 2048))
        .disk("sda", "8:0", 2048)
        .with("sda", "device/type", "0")
        .with("sda", "device/vendor", "ATA     ")
        .with("sda", "device/model", "\x1b[31mRED")
        .with("sda", "device/vpd_pg80", page)
        .with("sda", "device/wwid", "naa.5000c500a1b2c3d4")
        .with("sda", "removable", "1")
        .disk("vda", "252:0", 10)
        .with("vda", "device/vendor", "0x1af4")
        .with("vda", "serial", "root-disk")
        .with("vda", "ro", "1")
        .disk("mmcblk0", "179:0", 4)
        .with("mmcblk0", "device/name", "SD32G");
    let disks = load(machine.root()).unwrap();
    assert_eq!(names_of(&disks), ["sda", "vda", "nvme0n1", "mmcblk0"]);

    let nvme = named(&disks, "nvme0n1");
    assert_eq!(nvme.path(), "/dev/nvme0n1");
    assert_eq!((nvme.size, nvme.sector_bytes), (ByteLen(1 << 30), 4096));
    assert_eq!(nvme.title(), "Fast 9000 N-1");
    assert_eq!(nvme.wwid.as_deref(), Some("eui.0025388b710116a1"));
    let partitions: Vec<_> =
        nvme.partitions.iter().map(|p| (p.path(), p.index, p.start.0, p.len.0)).collect();
    assert_eq!(
        partitions,
        [
            ("/dev/nvme0n1p2".to_owned(), 2, 1 << 20, 1 << 20),
            ("/dev/nvme0n1p10".to_owned(), 10, 2 << 20, 4096),
        ]
    );
    assert!(nvme.carries(DeviceNumber { major: 259, minor: 2 }));
    assert!(nvme.uses.is_empty() && !nvme.is_read_only && !nvme.is_removable);

    let sda = named(&disks, "sda");
    assert_eq!(sda.title(), "ATA ?[31mRED S3R14L");
    assert_eq!(sda.wwid.as_deref(), Some("naa.5000c500a1b2c3d4"));
    assert!(sda.is_removable);
    let vda = named(&disks, "vda");
    assert_eq!((vda.title().as_str(), vda.is_read_only), ("root-disk", true));
    assert_eq!(named(&disks, "mmcblk0").title(), "SD32G");
}

#[test]
fn what_is_no_disk_is_not_listed() {
    let machine = Machine::new();
    let idle = ["loop0", "ram0", "zram0", "fd0", "mtdblock0", "mmcblk0boot0", "nvme0c0n1"];
    let machine = idle.iter().fold(machine, |machine, name| machine.disk(name, "7:0", 1));
    let machine = machine
        .with("nvme0c0n1", "hidden", "1")
        .disk("loop1", "7:1", 1)
        .with("loop1", "loop/backing_file", "/x.img")
        .disk("sr0", "11:0", 700)
        .disk("sdb", "8:16", 700)
        .with("sdb", "device/type", "5")
        .disk("dm-0", "253:0", 1)
        .disk("md127", "9:127", 1)
        .disk("rbd0", "251:0", 1)
        .disk("cciss!c0d0", "104:0", 1)
        // one that is just being taken away
        .with("sdc", "size", "2048");
    let disks = load(machine.root()).unwrap();
    let kinds: Vec<_> = disks.iter().map(|disk| (disk.path(), disk.kind)).collect();
    let expected = [
        ("/dev/sr0", Kind::CdRom),
        ("/dev/md127", Kind::Made),
        ("/dev/dm-0", Kind::Made),
        ("/dev/rbd0", Kind::Disk),
        ("/dev/sdb", Kind::CdRom),
        ("/dev/loop1", Kind::Loop),
        ("/dev/cciss/c0d0", Kind::Disk),
    ];
    let mut found: Vec<_> = kinds.iter().map(|(path, kind)| (path.as_str(), *kind)).collect();
    found.sort_by_key(|(path, _)| *path);
    let mut expected = expected.to_vec();
    expected.sort_by_key(|(path, _)| *path);
    assert_eq!(found, expected);
}

#[test]
fn what_uses_a_disk_is_found_through_all_that_is_made_of_it() {
    let machine = Machine::new()
        .disk("vda", "252:0", 100)
        .partition("vda", 1, "252:1", (2048, 2048))
        .partition("vda", 2, "252:2", (4096, 2048))
        .partition("vda", 3, "252:3", (6144, 2048))
        .partition("vda", 4, "252:4", (8192, 2048))
        .with("vda", "vda3/holders/dm-0/x", "")
        .disk("dm-0", "253:0", 1)
        .with("dm-0", "dm/name", "luks-1")
        .with("dm-0", "holders/dm-1/x", "")
        // a ring that no kernel makes
        .with("dm-1", "holders/dm-0/x", "")
        .disk("dm-1", "253:1", 1)
        .with("dm-1", "dm/name", "fedora-root")
        .disk("vdb", "252:16", 100)
        .with("vdb", "holders/md127/x", "")
        .disk("md127", "9:127", 10)
        .partition("md127", 1, "259:7", (2048, 2048))
        .disk("vdc", "252:32", 100)
        .mount("252:1", "/boot", "ext4 /dev/vda1")
        .mount("252:1", "/mnt/a\\040b", "ext4 /dev/vda1")
        .mount("253:1", "/", "xfs /dev/mapper/fedora-root")
        .mount("0:40", "/var", "btrfs /dev/vda4")
        .mount("259:7", "/srv", "ext4 /dev/md127p1")
        .swap("/dev/vda2")
        .swap("/swapfile");
    machine.put("sys/fs/btrfs/features/raid56", "0\n");
    machine.put("sys/fs/btrfs/c0ffee/devices/vda4/x", "");
    let disks = load(machine.root()).unwrap();
    assert_eq!(
        uses(named(&disks, "vda")),
        [
            "`/dev/vda1` is mounted at `/boot`",
            "`/dev/vda1` is mounted at `/mnt/a b`",
            "`/dev/vda2` is swap space in use",
            "`/dev/vda3` is part of `/dev/dm-0` (`luks-1`)",
            "`/dev/vda4` is mounted at `/var`",
            "`/dev/vda4` is part of the mounted Btrfs c0ffee",
            "`/dev/dm-0` is part of `/dev/dm-1` (`fedora-root`)",
            "`/dev/dm-1` is mounted at `/`",
            "`/dev/dm-1` is part of `/dev/dm-0` (`luks-1`)",
        ]
    );
    assert_eq!(
        uses(named(&disks, "vdb")),
        ["`/dev/vdb` is part of `/dev/md127`", "`/dev/md127p1` is mounted at `/srv`"]
    );
    assert!(named(&disks, "vdc").uses.is_empty());
    let root = DeviceNumber { major: 253, minor: 1 };
    assert!(named(&disks, "vda").carries(root));
    assert!(!named(&disks, "vdb").carries(root));
}

#[test]
fn what_cannot_be_known_is_an_error() {
    let machine = Machine::new().disk("vda", "252:0", 100);
    fs::remove_file(machine.root().join("proc/swaps")).unwrap();
    assert_eq!(load(machine.root()).unwrap().len(), 1);

    machine.put("proc/self/mountinfo", "1 0 0:2 / / rw - rootfs rootfs rw\nnonsense \x1b\n");
    let error = load(machine.root()).unwrap_err().to_string();
    assert!(
        error.ends_with("/proc/self/mountinfo` line 2 is not understood: `nonsense ?`"),
        "{error}"
    );
    fs::remove_file(machine.root().join("proc/self/mountinfo")).unwrap();
    let error = load(machine.root()).unwrap_err().to_string();
    assert!(error.ends_with("/proc/self/mountinfo`"), "{error}");

    let machine = Machine::new();
    fs::remove_dir(machine.root().join("sys/block")).unwrap();
    assert!(matches!(load(machine.root()), Err(DisksError::Read { .. })));
}

#[test]
fn too_much_is_an_error() {
    let machine = Machine::new();
    for index in 0..=MOST_ENTRIES {
        fs::create_dir(machine.root().join(format!("sys/block/sd{index}"))).unwrap();
    }
    assert!(matches!(load(machine.root()), Err(DisksError::TooMany { .. })));
    let machine = Machine::new();
    machine.put("proc/self/mountinfo", vec![b'\n'; (16 << 20) + 1]);
    assert!(matches!(load(machine.root()), Err(DisksError::TooLong { .. })));
}

#[test]
fn numbers_are_digits() {
    assert_eq!(DeviceNumber::parse("8:17\n"), Some(DeviceNumber { major: 8, minor: 17 }));
    for wrong in ["", "8", "8:", ":1", "+8:1", "8:-1", "8:1:2", "8:99999999999"] {
        assert_eq!(DeviceNumber::parse(wrong), None, "{wrong}");
    }
    assert_eq!(scsi_serial(b"\0\x80\0\x05abc"), None);
    assert_eq!(scsi_serial(b"\0\x83\0\x03abc"), None);
    assert_eq!(scsi_serial(b"\0\x80\0\x03abcdef").as_deref(), Some("abc"));
}

/// Whatever this machine has, and shows to whoever runs tests.
#[test]
fn this_machine_can_be_read() {
    match load(Path::new("/")) {
        Ok(disks) => assert!(disks.iter().all(|disk| disk.path().starts_with("/dev/"))),
        Err(error) => assert!(matches!(error, DisksError::Read { .. }), "{error}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_device_makes_it_panic(
        files in prop::collection::vec(
            (0..12_usize, prop::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        const FILES: [&str; 12] = [
            "size", "dev", "ro", "queue/logical_block_size", "device/model", "device/vpd_pg80",
            "device/type", "serial", "vda1/start", "vda1/size", "vda1/partition", "wwid",
        ];
        let machine = Machine::new().disk("vda", "252:0", 1).partition("vda", 1, "252:1", (1, 1));
        let machine = files
            .into_iter()
            .fold(machine, |machine, (file, content)| machine.with("vda", FILES[file], content));
        prop_assert!(load(machine.root()).unwrap().len() <= 1);
    }
}
