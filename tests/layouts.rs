//! Disks whose partitions were wished for: other people's programs accept them, and everything is where
//! it belongs.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bootc_image::digest::Sha256Digest;
use bootc_image::pipeline::request::{Bios, Request};
use bootc_image::pipeline::{self, Error};
use bootc_image::plan::size::SizeRequest;
use bootc_image::plan::types::DiskType;
use bootc_image::progress::{Cancel, Reporter, Silent};
use bootc_image::registry::{Reference, TargetRef};
use bootc_image::settings::disk::{
    DiskLayout, FileSystemKind, FileSystemSize, FileSystemWish, Mounts, PartitionTable,
    PartitionWish, Payload,
};
use bootc_image::spec::Arch;
use bootc_image::units::{ByteLen, GIB, MIB, SectorSize};
use bootc_image_fixtures::oci::Compression;
use bootc_image_fixtures::policy;
use bootc_image_fixtures::synthetic::{self, ImageBuilder};
use bootc_image_fixtures::tar::{Content, Entry};
use ext4_view::Ext4;
use tempfile::TempDir;

use tools::run;

/// Not a whole number of sectors.
const FIRMWARE_BYTES: u64 = 3_000_001;

fn image() -> ImageBuilder {
    synthetic::bootable().recompressed(Compression::None).layer(|tar| {
        tar.dir("var/lib")
            .entry(Entry::dir("var/lib/data").mode(0o750))
            .file("var/lib/data/kept", "data\n")
            .file("var/lib/other", "other\n")
            .dir("srv")
            .file("usr/lib/firmware.img", Content::Pattern { len: FIRMWARE_BYTES, seed: 3 })
    })
}

/// A built disk; the folder also has the image.
struct Built {
    folder: TempDir,
    record: serde_json::Value,
}

fn request(folder: &Path, layout: Option<DiskLayout>) -> Request {
    let source_text = format!("oci:{}:latest", folder.join("layout").display());
    let source = Reference::parse(&source_text).unwrap();
    Request {
        target: Some(TargetRef::parse("registry.example/os:1").unwrap()),
        types: vec![DiskType::Raw],
        output: folder.join("out"),
        size: SizeRequest::Min,
        layout,
        source_date_epoch: Some(1_700_000_000),
        threads: 2,
        ..Request::new(source, source_text, Arch::X86_64)
    }
}

fn try_build(
    image: &ImageBuilder,
    layout: Option<DiskLayout>,
    change: impl FnOnce(&mut Request),
) -> Result<Built, Error> {
    let folder = tempfile::tempdir().unwrap();
    image.write(&folder.path().join("layout"), "latest").unwrap();
    let mut request = request(folder.path(), layout);
    change(&mut request);
    let reporter: Arc<dyn Reporter> = Arc::new(Silent);
    pipeline::build(&request, &reporter, &Cancel::default())?;
    let record = std::fs::read(folder.path().join("out/manifest-raw.json")).unwrap();
    Ok(Built { folder, record: serde_json::from_slice(&record).unwrap() })
}

fn build(layout: DiskLayout) -> Built {
    try_build(&image(), Some(layout), |_| ()).unwrap()
}

impl Built {
    fn raw(&self) -> PathBuf {
        self.folder.path().join("out/image/disk.raw")
    }

    fn place(&self, number: usize) -> (u64, u64) {
        let partition = &self.record["disk"]["partitions"][number - 1];
        let field = |name: &str| partition[name].as_u64().unwrap();
        (field("start_bytes"), field("len_bytes"))
    }

    /// What identifies the disk's content, made of its bytes as the record's documentation says.
    fn record_tells_the_blocks(&self) {
        let disk = std::fs::read(self.raw()).unwrap();
        let mut all = Vec::new();
        for (number, block) in (0u64..).zip(disk.chunks(64 << 10)) {
            if block.iter().any(|byte| *byte != 0) {
                all.extend((number << 16).to_le_bytes());
                all.extend(Sha256Digest::of(block).0);
            }
        }
        assert_eq!(self.record["disk"]["blocks_sha256"], Sha256Digest::of(&all).to_hex());
    }

    fn bytes(&self, number: usize, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(len).unwrap()];
        File::open(self.raw()).unwrap().read_exact_at(&mut bytes, self.place(number).0).unwrap();
        bytes
    }

    /// A partition as a file of its own.
    fn extract(&self, number: usize) -> PathBuf {
        let (start, len) = self.place(number);
        let path = self.folder.path().join(format!("partition-{number}"));
        let (from, to) = (File::open(self.raw()).unwrap(), File::create(&path).unwrap());
        let mut buffer = vec![0; 1 << 20];
        for offset in (0..len).step_by(1 << 20) {
            from.read_exact_at(&mut buffer, start + offset).unwrap();
            if buffer.iter().any(|byte| *byte != 0) {
                to.write_all_at(&buffer, offset).unwrap();
            }
        }
        to.set_len(len).unwrap();
        path
    }

    /// The content of an ext4, checked before.
    fn ext4(&self, number: usize) -> Ext4 {
        let path = self.extract(number);
        run("e2fsck", &["-fn", path.to_str().unwrap()]);
        Ext4::load_from_path(&path).unwrap()
    }

    /// What `blkid` says of a partition: one tag.
    fn tag(&self, number: usize, tag: &str) -> Option<String> {
        let path = self.extract(number);
        let value = run("blkid", &["-p", "-o", "value", "-s", tag, path.to_str().unwrap()])?;
        Some(value.trim().to_owned())
    }

    fn table_is_sound(&self) {
        if let Some(verdict) = run("sgdisk", &["--verify", self.raw().to_str().unwrap()]) {
            assert!(verdict.contains("No problems found"), "{verdict}");
        }
    }

    fn kernel_arguments(&self) -> &str {
        self.record["disk"]["kernel_arguments"].as_str().unwrap()
    }
}

fn wish(payload: Payload, mib: u64) -> PartitionWish {
    let min_size = (mib > 0).then_some(ByteLen(mib * MIB));
    PartitionWish { min_size, payload, ..PartitionWish::default() }
}

fn file_system(kind: FileSystemKind, mountpoint: &str, mib: u64) -> PartitionWish {
    let fs = FileSystemWish {
        kind,
        mountpoint: Some(mountpoint.to_owned()),
        label: None,
        uuid: None,
        options: None,
    };
    wish(Payload::FileSystem(fs), mib)
}

fn ext4(mountpoint: &str, mib: u64) -> PartitionWish {
    file_system(FileSystemKind::Ext4, mountpoint, mib)
}

fn table(partitions: Vec<PartitionWish>) -> PartitionTable {
    PartitionTable { partitions, ..PartitionTable::default() }
}

/// `/boot`, data, swap, a file of the image, FAT, root in the middle.
fn full() -> PartitionTable {
    table(vec![
        ext4("/boot", 200),
        ext4("/var/lib/data", 64),
        ext4("/", 0),
        wish(Payload::Swap { label: "swapped".to_owned() }, 32),
        wish(Payload::Raw { source: "/usr/lib/firmware.img".to_owned() }, 0),
        file_system(FileSystemKind::Vfat, "/var/fat", 40),
    ])
}

fn text(ext4: &Ext4, path: &str) -> String {
    ext4.read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn names(ext4: &Ext4, path: &str) -> Vec<String> {
    let entries = ext4.read_dir(path).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().as_str().unwrap().to_owned());
    let mut names: Vec<String> =
        names.filter(|name| !matches!(name.as_str(), "." | ".." | "lost+found")).collect();
    names.sort();
    names
}

/// Path of the only deployment on the root.
fn deployment(root: &Ext4) -> String {
    let all = names(root, "/ostree/deploy/default/deploy");
    let name = all.iter().find(|name| name.ends_with(".0")).unwrap();
    format!("/ostree/deploy/default/deploy/{name}")
}

#[test]
fn every_kind_of_partition_is_what_was_wished() {
    let disk = build(DiskLayout::Partitions(full()));
    disk.table_is_sound();
    // BIOS boot, ESP, /boot, data, root, swap, firmware, FAT
    let (boot, data, root) = (disk.ext4(3), disk.ext4(4), disk.ext4(5));
    assert!((1..=8).all(|number| disk.place(number).0 <= disk.place(5).0), "root is not last");

    let directory = format!("/ostree/{}", names(&boot, "/ostree")[0]);
    assert_eq!(names(&boot, &directory).len(), 2);
    assert_eq!(names(&boot, "/"), ["boot", "efi", "grub2", "loader", "loader.1", "ostree"]);
    let entry = text(&boot, "/loader/entries/ostree-1.conf");
    let linux = entry.lines().find_map(|line| line.strip_prefix("linux ")).unwrap();
    assert_eq!(boot.read(linux).unwrap().len(), 3_000_000, "through the link boot -> .");
    let cfg = String::from_utf8(disk.esp("EFI/debian/grub.cfg")).unwrap();
    let uuid = disk.record["disk"]["partitions"][2]["uuid"].as_str().unwrap().to_owned();
    assert!(cfg.contains(&uuid) && cfg.contains("/grub2/grub.cfg"), "{cfg}");
    assert!(!cfg.contains("/boot/grub2"), "{cfg}");
    assert!(disk.kernel_arguments().contains(&format!(" rw boot=UUID={uuid} ")));
    assert_eq!(disk.tag(3, "UUID").unwrap_or(uuid.clone()), uuid);
    assert_eq!(disk.tag(3, "LABEL").unwrap_or("boot".into()), "boot");
    assert!(names(&root, "/boot").iter().all(|name| name == "efi"));
    assert!(root.exists("/.bootc-aleph.json").unwrap());

    assert_eq!(text(&data, "/kept"), "data\n");
    assert_eq!(data.metadata("/").unwrap().mode() & 0o7777, 0o750);
    assert_eq!(names(&root, "/ostree/deploy/default/var/lib/data"), Vec::<String>::new());
    assert_eq!(text(&root, "/ostree/deploy/default/var/lib/other"), "other\n");
    assert!(root.exists("/ostree/deploy/default/var/fat").unwrap());

    let etc = format!("{}/etc", deployment(&root));
    assert_eq!(text(&root, &format!("{etc}/fstab")), format!("UUID={uuid} /boot auto ro 0 0\n"));
    let units = names(&root, &format!("{etc}/systemd/system"));
    let swap = disk.record["disk"]["partitions"][5]["uuid"].as_str().unwrap().replace('-', "\\x2d");
    let swap = format!("dev-disk-by\\x2duuid-{swap}.swap");
    let expected = [
        swap.as_str(),
        "local-fs.target.requires",
        "swap.target.wants",
        "var-fat.mount",
        "var-lib-data.mount",
    ];
    assert_eq!(units, expected);
    let requires = format!("{etc}/systemd/system/local-fs.target.requires");
    assert_eq!(names(&root, &requires), ["var-fat.mount", "var-lib-data.mount"]);
    let link = root.read_link(format!("{requires}/var-fat.mount").as_str()).unwrap();
    assert_eq!(link.to_str().unwrap(), "/etc/systemd/system/var-fat.mount");
    let unit = text(&root, &format!("{etc}/systemd/system/var-fat.mount"));
    let what = disk.tag(8, "UUID").map(|uuid| format!("What=/dev/disk/by-uuid/{uuid}\n"));
    assert!(what.is_none_or(|what| unit.contains(&what)), "{unit}");

    for (number, tag, value) in [
        (6, "TYPE", "swap"),
        (6, "VERSION", "1"),
        (6, "LABEL", "swapped"),
        (8, "TYPE", "vfat"),
        (4, "TYPE", "ext4"),
    ] {
        assert_eq!(disk.tag(number, tag).as_deref().unwrap_or(value), value, "{number}: {tag}");
    }
    run("fsck.fat", &["-n", disk.extract(8).to_str().unwrap()]);
    assert_eq!(disk.place(7).1, 3 * MIB);
    assert_eq!(disk.bytes(7, FIRMWARE_BYTES), disk.firmware());
    let rest = disk.bytes(7, 3 * MIB).split_off(usize::try_from(FIRMWARE_BYTES).unwrap());
    assert!(rest.iter().all(|byte| *byte == 0));
}

impl Built {
    fn esp(&self, path: &str) -> Vec<u8> {
        let file = File::open(self.extract(2)).unwrap();
        let fat = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
        let mut bytes = Vec::new();
        let mut found = fat.root_dir().open_file(path).unwrap();
        std::io::Read::read_to_end(&mut found, &mut bytes).unwrap();
        bytes
    }

    /// The file that a partition holds, as the deployment has it.
    fn firmware(&self) -> Vec<u8> {
        let root = self.ext4(5);
        root.read(format!("{}/usr/lib/firmware.img", deployment(&root)).as_str()).unwrap()
    }
}

#[test]
fn the_same_wish_gives_the_same_bytes_and_another_other_ids() {
    let disks = [full(), full(), PartitionTable { start: Some(ByteLen(MIB)), ..full() }]
        .map(|table| build(DiskLayout::Partitions(table)));
    let field = |disk: &Built, part: &str, name: &str| disk.record[part][name].clone();
    let digest = |disk: &Built| field(disk, "disk", "blocks_sha256");
    assert_eq!(digest(&disks[0]), digest(&disks[1]));
    assert_ne!(field(&disks[0], "disk", "ids"), field(&disks[2], "disk", "ids"));
    let plain = try_build(&image(), None, |_| ()).unwrap();
    assert!(field(&plain, "plan", "layout_sha256").is_null());
    assert!(plain.record["disk"]["partitions"][2]["filesystem"].is_null());
}

#[test]
fn var_on_a_partition_of_its_own_has_the_images_content() {
    let mut wish = table(vec![ext4("/var", 64), ext4("/var/lib/data", 64)]);
    wish.mounts = Mounts::Fstab;
    let disk = build(DiskLayout::Partitions(wish));
    disk.table_is_sound();
    let (var, data, root) = (disk.ext4(3), disk.ext4(4), disk.ext4(5));
    assert_eq!(text(&var, "/lib/other"), "other\n");
    assert_eq!(names(&var, "/lib/data"), Vec::<String>::new());
    assert_eq!(text(&data, "/kept"), "data\n");
    assert_eq!(names(&root, "/ostree/deploy/default/var"), [".ostree-selabeled"]);
    let fstab = text(&root, &format!("{}/etc/fstab", deployment(&root)));
    let places: Vec<_> = fstab.lines().map(|line| line.split(' ').nth(1).unwrap()).collect();
    assert_eq!(places, ["/var", "/var/lib/data"]);
    assert!(!disk.kernel_arguments().contains("boot="));
}

/// The partition before root grows after root is written: root moves.
#[test]
fn content_that_outgrows_a_wish_makes_room() {
    let large = image()
        .layer(|tar| tar.file("var/lib/data/large", Content::Pattern { len: 150 * MIB, seed: 9 }));
    let wish = DiskLayout::Partitions(table(vec![ext4("/boot", 8), ext4("/var/lib/data", 16)]));
    let disk = try_build(&large, Some(wish), |_| ()).unwrap();
    disk.table_is_sound();
    disk.record_tells_the_blocks();
    let (boot, data, root) = (disk.ext4(3), disk.ext4(4), disk.ext4(5));
    assert_eq!(data.metadata("/large").unwrap().len(), 150 * MIB);
    assert!(disk.place(4).1 > 150 * MIB && disk.place(3).1 > 8 * MIB);
    assert!(boot.exists("/grub2/grub.cfg").unwrap());
    assert_eq!(text(&root, "/ostree/deploy/default/var/lib/other"), "other\n");
}

#[test]
fn sizes_alone_add_file_systems() {
    let size = |mountpoint: &str, min_size: u64| FileSystemSize {
        mountpoint: mountpoint.to_owned(),
        min_size: ByteLen(min_size),
    };
    let sizes = vec![size("/var/data", 2 * GIB), size("/boot", GIB), size("/", 3 * GIB)];
    let disk = build(DiskLayout::FileSystems(sizes));
    disk.table_is_sound();
    assert_eq!(disk.place(3).1, GIB);
    let partitions = disk.record["disk"]["partitions"].as_array().unwrap();
    let mountpoint = |at: usize| partitions[at]["mountpoint"].as_str().unwrap_or_default();
    let all: Vec<&str> = (0..partitions.len()).map(mountpoint).collect();
    assert_eq!(all, ["", "/boot/efi", "/boot", "/var/data", "/"]);
    assert_eq!((disk.place(4).1, disk.place(5).1), (2 * GIB, 3 * GIB));
    disk.ext4(4);
}

/// The table is known when root is written already: root moves.
#[test]
fn the_images_own_table_counts() {
    let yaml = "mount_configuration: none\npartition_table:\n  type: gpt\n  partitions:\n\
        \x20   - size: 100 MiB\n      type: C12A7328-F81F-11D2-BA4B-00A0C93EC93B\n\
        \x20     payload_type: filesystem\n      payload: {type: vfat, mountpoint: /boot/efi}\n\
        \x20   - size: 64 MiB\n      payload_type: raw\n      payload: {source_path: /usr/lib/firmware.img}\n\
        \x20   - size: 1 GiB\n      payload_type: filesystem\n\
        \x20     payload: {type: ext4, mountpoint: /, label: mine}\n";
    let own = image().layer(|tar| {
        tar.dir("usr/lib/image-builder")
            .dir("usr/lib/image-builder/bootc")
            .file("usr/lib/image-builder/bootc/disk.yaml", yaml)
    });
    let disk = try_build(&own, None, |_| ()).unwrap();
    disk.table_is_sound();
    // BIOS boot, ESP, firmware, root
    assert_eq!((disk.place(2).1, disk.place(3).1), (100 * MIB, 64 * MIB));
    assert_eq!(disk.place(4), (166 * MIB, GIB));
    let root = disk.ext4(4);
    assert_eq!(root.label().to_str().unwrap(), "mine");
    assert_eq!(text(&root, "/ostree/deploy/default/var/lib/other"), "other\n");
    let firmware = format!("{}/usr/lib/firmware.img", deployment(&root));
    assert_eq!(disk.bytes(3, FIRMWARE_BYTES), root.read(firmware.as_str()).unwrap());
}

#[test]
fn large_sectors_and_arm_do_as_well() {
    let disk = try_build(&image(), Some(DiskLayout::Partitions(full())), |request| {
        request.sector_size = SectorSize::B4096;
        request.bios = Bios::Off;
    })
    .unwrap();
    // no BIOS boot partition
    disk.ext4(2);
    disk.ext4(4);
    assert_eq!(disk.place(7).1, 260 * MIB, "the least FAT32");
    run("fsck.fat", &["-n", disk.extract(7).to_str().unwrap()]);
}

#[test]
fn labels_are_those_of_the_places() {
    let labelled = image().layer(|tar| tar.entries(policy::entries(policy::CONTEXTS)));
    let disk = try_build(&labelled, Some(DiskLayout::Partitions(full())), |_| ()).unwrap();
    for (number, path) in [(3, "/grub2"), (3, "/"), (4, "/kept"), (4, "/lost+found")] {
        let image = disk.extract(number);
        let request = format!("ea_list {path}");
        let Some(list) = run("debugfs", &["-R", &request, image.to_str().unwrap()]) else { return };
        assert!(list.contains("security.selinux"), "{number} {path}: {list}");
    }
}

#[test]
fn what_the_image_cannot_have_is_refused() {
    let raw = |source: &str| wish(Payload::Raw { source: source.to_owned() }, 0);
    for (partition, words) in [
        (ext4("/data", 64), "the image has no such directory"),
        (ext4("/var/lib/other", 64), "the image has a file there"),
        (ext4("/ostree/x", 64), "the system has its own there"),
        (raw("/usr/lib/missing"), "no regular file `usr/lib/missing`"),
        (raw("/usr/lib"), "no regular file `usr/lib`"),
    ] {
        let layout = DiskLayout::Partitions(table(vec![partition]));
        let error = try_build(&image(), Some(layout), |_| ()).err().unwrap().to_string();
        assert!(error.contains(words), "{error} has no {words}");
    }
    // `/home` is a link to `var/home`
    let twice = table(vec![ext4("/home", 64), ext4("/var/home", 64)]);
    let error = try_build(&image(), Some(DiskLayout::Partitions(twice)), |_| ()).err().unwrap();
    assert!(error.to_string().contains("two file systems"), "{error}");
    let late = PartitionWish {
        type_guid: Some(0x2168_6148_6449_6E6F_744E_6565_6445_4649),
        ..PartitionWish::default()
    };
    let order = table(vec![ext4("/boot", 8), late]);
    let built = try_build(&image(), Some(DiskLayout::Partitions(order)), |_| ());
    // only what BIOS starts is bound to a place, and this image has nothing for BIOS
    built.unwrap().table_is_sound();
}
