//! Damaged disks: `inspect` tells what it can, and never panics, loops or takes the memory for it.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::fs;
use std::io::Write as _;
use std::path::Path;

use bootc_image::canvas::{Canvas as _, MemoryCanvas, Window};
use bootc_image::digest::Sha256Digest;
use bootc_image::fs::ext4;
use bootc_image::inspect::{Scratch, fuzz_disk, fuzz_fat, fuzz_gpt, fuzz_tar};
use bootc_image::partition::{Guid, Partition, Table};
use bootc_image::pipeline;
use bootc_image::units::{ByteLen, ByteOffset, MIB, SectorSize};
use bootc_image::volume::{Inode, Meta, Volume as _};
use proptest::prelude::*;

use tools::run;

/// A change of some bytes, at places that matter more often than by chance.
#[derive(Debug, Clone)]
struct Change {
    at: usize,
    value: u64,
    len: usize,
}

fn change(len: usize, hot: Vec<usize>) -> impl Strategy<Value = Change> {
    let hot = prop::sample::select(hot);
    let at =
        prop_oneof![3 => (hot, 0_usize..600).prop_map(|(base, more)| base + more), 1 => 0..len];
    let value = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(0),
        Just(1 << 31),
        Just(u64::MAX.swap_bytes() >> 1),
        any::<u8>().prop_map(u64::from),
    ];
    (at, value, prop_oneof![Just(1_usize), Just(2), Just(4), Just(8)])
        .prop_map(|(at, value, len)| Change { at, value, len })
}

fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for Change { at, value, len } in changes {
        for (place, byte) in bytes.iter_mut().skip(*at).take(*len).zip(value.to_le_bytes()) {
            *place = byte;
        }
    }
    bytes
}

/// Runs `look` on damaged copies of `bytes`, and on pieces of it.
fn damage(bytes: &[u8], hot: &[usize], cases: u32, look: impl Fn(&[u8])) {
    look(bytes);
    for len in (0..bytes.len()).step_by(bytes.len() / 50 + 1) {
        look(&bytes[..len]);
    }
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let strategy = prop::collection::vec(change(bytes.len(), hot.to_vec()), 1..4);
    proptest!(config, |(changes in strategy)| {
        look(&changed(bytes, &changes));
    });
}

/// A disk of 2 MiB with a little content, converted by `qemu-img`.
fn converted(folder: &Path, format: &str, options: &[&str]) -> Option<Vec<u8>> {
    let (raw, path) = (folder.join("raw"), folder.join("disk"));
    let mut content = vec![0; 2 << 20];
    content[..70_000].fill(7);
    content[510..512].copy_from_slice(&[0x55, 0xAA]);
    content[1 << 20..(1 << 20) + 9].copy_from_slice(b"something");
    fs::write(&raw, content).unwrap();
    let files = [raw.to_str().unwrap(), path.to_str().unwrap()];
    run("qemu-img", &[&["convert", "-f", "raw", "-O", format], options, &files].concat())?;
    Some(fs::read(path).unwrap())
}

#[test]
fn damaged_disk_formats() {
    let folder = tempfile::tempdir().unwrap();
    for (format, options, hot) in [
        ("qcow2", &[][..], &[0, 0x30000, 0x40000][..]),
        ("qcow2", &["-c"], &[0, 0x30000, 0x40000, 0x50000]),
        ("qcow2", &["-c", "-o", "compression_type=zstd"], &[0, 0x30000, 0x40000, 0x50000]),
        ("vmdk", &["-o", "subformat=streamOptimized"], &[0, 512, 0x10000, 0x10200]),
        ("vhdx", &["-o", "subformat=dynamic"], &[0, 0x10000, 0x30000, 0x200000, 0x300000]),
        ("vpc", &["-o", "subformat=fixed,force_size=on"], &[2 << 20]),
    ] {
        let Some(bytes) = converted(folder.path(), format, options) else { return };
        let cases = if bytes.len() > 1 << 20 { 60 } else { 300 };
        damage(&bytes, hot, cases, fuzz_disk);
    }
}

#[test]
fn damaged_tars() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tar");
    let script = "cd \"${1%/*}\"; truncate -s 50M disk.raw; \
                  for at in 0 1 3 5 7 9 11 13; do echo x | \
                  dd of=disk.raw bs=1M seek=$at conv=notrunc status=none; done; \
                  echo hello > $(printf 'n%.0s' $(seq 150)); \
                  tar --format=oldgnu -S -cf \"$1\" disk.raw n*; \
                  tar --format=posix -rf \"$1\" n*";
    if run("sh", &["-ec", script, "sh", path.to_str().unwrap()]).is_none() {
        return;
    }
    let bytes = fs::read(path).unwrap();
    damage(&bytes, &[0, 100, 380, 512, 1024], 1000, fuzz_tar);
}

/// A disk as `build` would lay it out, but small: a GPT, a FAT, an ext4 with a deployment.
fn small_disk() -> Vec<u8> {
    let mut canvas = MemoryCanvas::default();
    let (fat, root) = (MIB, 3 * MIB);
    canvas.write_at(ByteOffset(fat), &small_fat()).unwrap();
    let options = ext4::Options { uuid: [7; 16], label: "root".to_owned(), ..Default::default() };
    let mut writer =
        ext4::Writer::create(Window::new(canvas.clone(), ByteOffset(root)), options).unwrap();
    fill(&mut writer);
    let size = writer.required().unwrap().checked_round_up(MIB).unwrap();
    let (_, window) = writer.finish(size).unwrap();
    canvas = window.into_inner();
    let end = root + size.0 + MIB;
    canvas.bytes.resize(usize::try_from(end).unwrap(), 0);
    let partition = |name: &str, guid: [u8; 16], start, len| Partition {
        type_guid: Guid::from_bytes(guid),
        unique_guid: Guid::from_bytes([guid[15]; 16]),
        name: name.to_owned(),
        start: ByteOffset(start),
        len: ByteLen(len),
        attributes: 0,
    };
    let esp = 0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B_u128.to_be_bytes();
    let linux = 0x0FC63DAF_8483_4772_8E79_3D69D8477DE4_u128.to_be_bytes();
    let all = vec![partition("esp", esp, fat, 2 * MIB), partition("root", linux, root, size.0)];
    let guid = Guid::from_bytes([9; 16]);
    let table = Table::new(ByteLen(end), SectorSize::B512, guid, all).unwrap();
    table.write(&mut canvas).unwrap();
    canvas.bytes
}

/// The tree of a root file system with one deployment.
fn fill(writer: &mut ext4::Writer<Window<MemoryCanvas>>) {
    let hex = Sha256Digest::of(b"").to_hex();
    let deployment = format!("ostree/deploy/default/deploy/{hex}.0");
    let object = format!("ostree/repo/objects/{}/{}.commit", &hex[..2], &hex[2..]);
    let origin = "[origin]\ncontainer-image-reference=x\n";
    let entry = "title T\nlinux /boot/vmlinuz\ninitrd /boot/i\noptions quiet\n";
    let files: Vec<(String, &str)> = vec![
        (format!("{deployment}.origin"), origin),
        (format!("{deployment}/usr/lib/os-release"), "PRETTY_NAME=x\n"),
        (format!("{deployment}/usr/lib/modules/6.1/vmlinuz"), "kernel"),
        (format!("{deployment}/etc/selinux/config"), "SELINUX=enforcing\n"),
        (object, "no commit"),
        (".bootc-aleph.json".to_owned(), "{}"),
        ("boot/loader/entries/ostree-1.conf".to_owned(), entry),
        ("boot/vmlinuz".to_owned(), "kernel"),
        ("boot/grub2/grub.cfg".to_owned(), "cfg"),
    ];
    let mut directories = std::collections::BTreeMap::from([(String::new(), Inode(0))]);
    for (path, content) in files {
        let mut parent = Inode(0);
        for (at, _) in path.match_indices('/') {
            parent = *directories.entry(path[..at].to_owned()).or_insert_with(|| {
                let made = writer.directory(&Meta::root_owned(0o755)).unwrap();
                let name = path[..at].rsplit('/').next().unwrap();
                writer.link(parent, name.as_bytes(), made).unwrap();
                made
            });
        }
        let file = writer.file(&Meta::root_owned(0o644), content.as_bytes()).unwrap();
        writer.link(parent, path.rsplit('/').next().unwrap().as_bytes(), file).unwrap();
    }
}

/// A FAT of 2 MiB, by another writer.
fn small_fat() -> Vec<u8> {
    let mut image = std::io::Cursor::new(vec![0; 2 << 20]);
    let options = fatfs::FormatVolumeOptions::new().volume_label(*b"SMALL      ");
    fatfs::format_volume(&mut image, options).unwrap();
    {
        let volume = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new()).unwrap();
        let root = volume.root_dir();
        let boot = root.create_dir("EFI").unwrap().create_dir("BOOT").unwrap();
        boot.create_file("BOOTX64.EFI").unwrap().write_all(&[1; 5000]).unwrap();
        boot.create_file("a rather long name.efi").unwrap().write_all(b"x").unwrap();
    }
    image.into_inner()
}

#[test]
fn damaged_content() {
    let disk = small_disk();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk");
    fs::write(&path, &disk).unwrap();
    let report = pipeline::inspect::disk(&path, &Scratch::new(folder.path())).unwrap();
    assert_eq!((report.deployments.len(), report.boot_loader.esp_files.len()), (1, 2));
    assert!(report.boot_entries[0].kernel.as_ref().unwrap().present);
    // its commit is none, and its initrd is not there
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    assert!(!report.boot_entries[0].initrds[0].present);
    let ext4 = 3 * (1 << 20);
    let groups = ext4 + 4096;
    // superblock, group descriptors, and the tables, which come last
    let end = disk.len() - (1 << 20);
    let hot: Vec<usize> = [0, 512, 1024, 1 << 20, (1 << 20) + 4096, ext4 + 1024, groups]
        .into_iter()
        .chain((1..120).map(|n| end - n * 4096))
        .collect();
    damage(&disk, &hot, 400, pipeline::inspect::fuzz_raw);
}

#[test]
fn damaged_tables_and_fats() {
    let disk = small_disk();
    damage(&disk[..64 << 10], &[512, 1024], 500, fuzz_gpt);
    damage(&small_fat(), &[0, 512, 4096, 10_000], 500, fuzz_fat);
}

#[test]
fn directories_that_contain_each_other_end() {
    let mut fat = small_fat();
    // every entry of a directory becomes one that leads back to it: attributes and cluster
    let at = fat.windows(11).position(|name| name == b"BOOT       ").unwrap();
    let cluster = [fat[at + 26], fat[at + 27]];
    for place in 0..fat.len() - 32 {
        if &fat[place..place + 11] == b"BOOTX64 EFI" {
            fat[place + 11] = 0x10;
            fat[place + 26..place + 28].copy_from_slice(&cluster);
        }
    }
    fuzz_fat(&fat);
}

#[test]
fn a_bomb_is_only_as_large_as_its_content() {
    if run("zstd", &["--version"]).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.zst");
    let script = "(printf '%510s\\125\\252' x; head -c 3G /dev/zero) | zstd -q -1 > \"$1\"";
    run("sh", &["-ec", script, "sh", path.to_str().unwrap()]).unwrap();
    assert!(fs::metadata(&path).unwrap().len() < 1 << 20);
    let report = pipeline::inspect::disk(&path, &Scratch::new(folder.path())).unwrap();
    assert_eq!(report.virtual_size_bytes, (3 << 30) + 512);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file stayed");
}

#[test]
fn a_file_that_was_cut_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    let told = |bytes: &[u8]| {
        let path = dir.path().join("cut");
        fs::write(&path, bytes).unwrap();
        let report = pipeline::inspect::disk(&path, &Scratch::new(dir.path())).unwrap();
        report.problems.iter().any(|problem| problem.contains("not whole"))
    };
    let cases: [&[&str]; 3] = [&[], &["-c"], &["-c", "-o", "compression_type=zstd"]];
    for options in cases {
        let Some(whole) = converted(dir.path(), "qcow2", options) else { return };
        assert!(!told(&whole), "{options:?}");
        assert!(told(&whole[..whole.len() - (64 << 10)]), "{options:?}");
    }
}
