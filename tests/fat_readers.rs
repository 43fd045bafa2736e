//! What other people's readers say of our FAT32.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use bootc_image::canvas::FileCanvas;
use bootc_image::fs::fat::{Builder, Options};
use bootc_image::units::{ByteLen, ByteOffset, MIB, SectorSize};
use bootc_image::volume::Timestamp;
use proptest::prelude::{ProptestConfig, Strategy, proptest};

use tools::run;

type Files = BTreeMap<String, Vec<u8>>;

fn write(path: &Path, size_mib: u64, sector: SectorSize, files: &Files) {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
    let file = file.unwrap();
    file.set_len(size_mib * MIB).unwrap();
    let mut fat = Builder::new(Options {
        size: ByteLen(size_mib * MIB),
        sector,
        start: ByteOffset(2 * MIB),
        label: "EFI-SYSTEM".into(),
        serial: 0xCAFE_F00D,
        time: Timestamp { secs: 1_709_210_096, nanos: 0 },
    })
    .unwrap();
    for (path, bytes) in files {
        fat.add_file(path, bytes.as_slice()).unwrap();
    }
    fat.finish(&mut FileCanvas::new(Arc::new(file))).unwrap();
}

fn read(path: &Path) -> Files {
    let file = File::options().read(true).write(true).open(path).unwrap();
    let fat = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
    let mut files = Files::new();
    let mut todo = vec![(String::new(), fat.root_dir())];
    while let Some((prefix, directory)) = todo.pop() {
        for entry in directory.iter().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name());
            match entry.file_name().as_str() {
                "." | ".." => {}
                _ if entry.is_dir() => todo.push((format!("{name}/"), entry.to_dir())),
                _ => {
                    let mut bytes = Vec::new();
                    entry.to_file().read_to_end(&mut bytes).unwrap();
                    let fatfs::DateTime { date, time } = entry.modified();
                    assert_eq!((date.year, date.month, date.day), (2024, 2, 29));
                    assert_eq!((time.hour, time.min, time.sec), (12, 34, 56));
                    files.insert(name, bytes);
                }
            }
        }
    }
    files
}

fn check(path: &Path) {
    if let Some(verdict) = run("fsck.fat", &["-nv", path.to_str().unwrap()]) {
        let problem = ["Differences", "wrong", "invalid", "Dirty", "should be"];
        assert!(!problem.iter().any(|word| verdict.contains(word)), "{verdict}");
    }
}

fn esp() -> Files {
    let mut files = Files::from([
        ("EFI/BOOT/BOOTX64.EFI".into(), vec![7; 950_001]),
        ("EFI/debian/grub.cfg".into(), b"search --label root\n".to_vec()),
        ("EFI/debian/empty".into(), vec![]),
        ("a name of exactly twenty-six".into(), vec![1; 4096]),
        ("thirteen.unit".into(), vec![2; 4097]),
        ("ünïcödé 𝄞.txt".into(), vec![3; 512]),
    ]);
    for number in 0..700 {
        files.insert(format!("many/a rather long name {number}.conf"), vec![4; number]);
    }
    files
}

#[test]
fn a_boot_partition_reads_back_in_both_sector_sizes() {
    for sector in [SectorSize::B512, SectorSize::B4096] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("esp");
        write(&path, 512, sector, &esp());
        assert_eq!(read(&path), esp());
        check(&path);
    }
}

#[test]
fn label_and_serial_are_where_readers_look() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esp");
    write(&path, 64, SectorSize::B512, &Files::from([("A".into(), vec![1])]));
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let fat = fatfs::FileSystem::new(file, fatfs::FsOptions::new()).unwrap();
    assert_eq!(fat.fat_type(), fatfs::FatType::Fat32);
    assert_eq!(fat.volume_id(), 0xCAFE_F00D);
    assert_eq!(fat.volume_label(), "EFI-SYSTEM");
    assert_eq!(fat.read_volume_label_from_root_dir().unwrap().unwrap(), "EFI-SYSTEM");
    let stats = fat.stats().unwrap();
    assert_eq!(stats.free_clusters(), stats.total_clusters() - 2);
}

#[test]
fn mtools_lists_and_copies() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("esp"), folder.path().join("copy"));
    write(&path, 512, SectorSize::B512, &esp());
    let disk = path.to_str().unwrap();
    let Some(listing) = run("mdir", &["-i", disk, "-/", "-b", "::"]) else { return };
    assert_eq!(listing.lines().filter(|line| line.contains("many/a rather long")).count(), 700);
    let loader = "::EFI/BOOT/BOOTX64.EFI";
    run("mcopy", &["-i", disk, loader, copy.to_str().unwrap()]).unwrap();
    assert_eq!(std::fs::read(&copy).unwrap(), esp()["EFI/BOOT/BOOTX64.EFI"]);
}

#[test]
fn little_is_written() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("esp");
    write(&path, 512, SectorSize::B512, &Files::from([("A".into(), vec![1; 100_000])]));
    let blocks = std::fs::metadata(&path).unwrap().blocks();
    assert!(blocks * 512 < 200_000, "{blocks} blocks");
}

fn trees() -> impl Strategy<Value = Files> {
    let name = "[A-Za-z0-9 ._~+ßéИ日-]{0,20}[A-Za-z0-9]";
    let path = proptest::collection::vec(name, 1..4).prop_map(|parts| parts.join("/"));
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 0..3000);
    proptest::collection::btree_map(path, bytes, 0..60)
}

/// Without the paths that FAT cannot hold together.
fn compatible(files: Files) -> Files {
    let mut fat = Builder::new(Options {
        size: ByteLen(64 * MIB),
        sector: SectorSize::B512,
        start: ByteOffset(0),
        label: "X".into(),
        serial: 0,
        time: Timestamp::default(),
    })
    .unwrap();
    files.into_iter().filter(|(path, bytes)| fat.add_file(path, bytes.as_slice()).is_ok()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_tree_reads_back(files in trees()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("esp");
        let files = compatible(files);
        write(&path, 64, SectorSize::B512, &files);
        assert_eq!(read(&path), files);
        check(&path);
    }
}
