//! What boots from a network, read by the squashfs tools, the kernel and xz.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod disks;
mod tools;

use std::fs::File;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use bootc_image::format::netboot::{self, Parts};
use bootc_image::format::squashfs::{Options, encode};
use bootc_image::format::{FormatError, Summary, blocks_digest, checksum};
use bootc_image::output::PendingDirectory;
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB};
use proptest::prelude::{ProptestConfig, prop_assert, proptest};

use disks::{create, mixed, noise};
use tools::run;

const TIME_SECS: i64 = 1_700_000_000;

fn options(threads: usize) -> Options {
    Options { level: 1, threads, time_secs: TIME_SECS }
}

fn write(raw: &File, range: Range<u64>, path: &Path, threads: usize) -> Summary {
    let out = create(path);
    encode(raw, range, &out, &options(threads), &Silent, &Cancel::default()).unwrap()
}

/// Encodes a part of `raw`, has it listed and unpacked, and compares.
fn check(raw: &Path, range: Range<u64>) -> u64 {
    let path = raw.with_extension("squashfs");
    let file = File::open(raw).unwrap();
    let summary = write(&file, range.clone(), &path, 2);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), summary);
    assert!(summary.size_bytes.is_multiple_of(4096));
    let artifact = path.to_str().unwrap();
    let Some(list) = run("unsquashfs", &["-lln", "-UTC", artifact]) else {
        return summary.size_bytes;
    };
    let lines: Vec<_> = list.lines().map(words).collect();
    let len = range.end - range.start;
    let date = "2023-11-14 22:13";
    let expected = [
        format!("drwxr-xr-x 0/0 29 {date} squashfs-root"),
        format!("drwxr-xr-x 0/0 33 {date} squashfs-root/LiveOS"),
        format!("-rw-r--r-- 0/0 {len} {date} squashfs-root/LiveOS/rootfs.img"),
    ];
    assert_eq!(lines[lines.len() - 3..], expected);
    let facts = run("unsquashfs", &["-s", artifact]).unwrap();
    for fact in ["Compression zstd", "Block size 131072", "Number of inodes 3"] {
        assert!(facts.contains(fact), "{facts}");
    }
    let folder = raw.with_extension("out");
    run("unsquashfs", &["-no-progress", "-f", "-d", folder.to_str().unwrap(), artifact]);
    same(&file, range.clone(), &File::open(folder.join("LiveOS/rootfs.img")).unwrap());
    mounted(&path, &file, range);
    summary.size_bytes
}

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Compares a part of a file with a whole one.
fn same(left: &File, range: Range<u64>, right: &File) {
    let len = range.end - range.start;
    assert_eq!(right.metadata().unwrap().len(), len);
    let part = tempfile::tempfile().unwrap();
    part.set_len(len).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for at in (0..len).step_by(1 << 20) {
        let count = usize::try_from((len - at).min(1 << 20)).unwrap();
        left.read_exact_at(&mut buffer[..count], range.start + at).unwrap();
        if buffer[..count].iter().any(|byte| *byte != 0) {
            part.write_all_at(&buffer[..count], at).unwrap();
        }
    }
    let digest = |file| blocks_digest(file, ByteLen(len), 2, &Cancel::default()).unwrap();
    assert_eq!(digest(&part), digest(right));
}

/// The kernel's view, where this may mount.
fn mounted(path: &Path, file: &File, range: Range<u64>) {
    if std::fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIP: mounting takes root");
        return;
    }
    let folder = path.with_extension("mounted");
    std::fs::create_dir_all(&folder).unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "squashfs", "-o", "loop,ro"]).arg(path).arg(&folder);
    let mount = mount.output().unwrap();
    if !mount.status.success() {
        let said = String::from_utf8_lossy(&mount.stderr).into_owned();
        assert!(said.contains("unknown filesystem type"), "{said}");
        eprintln!("SKIP: this kernel has no squashfs");
        return;
    }
    let compared = std::panic::catch_unwind(|| {
        same(file, range, &File::open(folder.join("LiveOS/rootfs.img")).unwrap());
    });
    run("umount", &[folder.to_str().unwrap()]);
    compared.unwrap();
}

#[test]
fn the_file_is_the_part_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB);
    let whole = check(&raw, 0..3 * GIB);
    assert!(whole < 20 * MIB, "{whole}");
    check(&raw, 2 * MIB..GIB + 5 * MIB);
    check(&raw, MIB..MIB + 4096);
    check(&raw, MIB..2 * MIB + 12_288);
}

#[test]
fn nothing_but_zeros_is_next_to_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    create(&raw).set_len(40 * GIB).unwrap();
    let file = File::open(&raw).unwrap();
    let path = folder.path().join("squashfs");
    let summary = write(&file, MIB..40 * GIB, &path, 2);
    // 4 bytes for each 128 KiB
    assert!(summary.size_bytes < 1400 * 1024, "{}", summary.size_bytes);
    run("unsquashfs", &["-s", path.to_str().unwrap()]);
}

#[test]
fn threads_and_holes_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, GIB);
    let file = File::open(&raw).unwrap();
    let of = |file: &File, threads| {
        write(file, MIB..GIB, &folder.path().join(format!("{threads}.squashfs")), threads)
    };
    let one = of(&file, 1);
    assert_eq!([2, 7, 40].map(|threads| of(&file, threads)), [one; 3]);
    let dense = folder.path().join("dense");
    let mut out = create(&dense);
    std::io::copy(&mut File::open(&raw).unwrap(), &mut out).unwrap();
    assert_eq!(of(&File::open(&dense).unwrap(), 3), one);
}

#[test]
fn what_cannot_be_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let raw = create(&folder.path().join("raw"));
    let out = create(&folder.path().join("out"));
    for range in [0..0, 4096..MIB, Range { start: 2 * MIB, end: MIB }] {
        let made = encode(&raw, range, &out, &options(1), &Silent, &Cancel::default());
        assert!(matches!(made, Err(FormatError::Size { format: "squashfs", .. })));
    }
    let cancel = Cancel::default();
    cancel.cancel();
    mixed(&folder.path().join("mixed"), GIB);
    let raw = File::open(folder.path().join("mixed")).unwrap();
    let made = encode(&raw, 0..GIB, &out, &options(1), &Silent, &cancel);
    assert!(matches!(made, Err(FormatError::Cancelled)));
}

#[test]
fn the_tar_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, GIB);
    let disk = File::open(&raw).unwrap();
    let [vmlinuz, initramfs] = [9_000_000, 5].map(|len| {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&noise(5, len)).unwrap();
        file
    });
    let others = [("README", b"read".to_vec()), ("EFI/BOOT/BOOTX64.EFI", vec![7; 300_000])];
    let others = others.map(|(path, bytes)| (path.to_owned(), bytes));
    let range = MIB..GIB;
    let parts =
        Parts { vmlinuz: &vmlinuz, initramfs: &initramfs, root: (&disk, &range), others: &others };
    let target = folder.path().join("pxe");
    let pending = PendingDirectory::create(&target, netboot::NAMES).unwrap();
    let cancel = Cancel::default();
    let members = netboot::write(parts, &pending, &options(2), &Silent, &cancel).unwrap();
    let paths: Vec<_> = members.iter().map(|member| &*member.path).collect();
    let expected = ["vmlinuz", "initrd.img", "rootfs.img", "README", "EFI/BOOT/BOOTX64.EFI"];
    assert_eq!(paths, expected);
    let packed = |threads| {
        let path = folder.path().join(format!("{threads}.tar.xz"));
        let out = create(&path);
        let made = netboot::pack(pending.path(), &members, &out, threads, &Silent, &cancel);
        (path, made.unwrap())
    };
    let (path, summary) = packed(1);
    assert_eq!(packed(5).1, summary);
    assert_eq!(checksum(&File::open(&path).unwrap(), &cancel).unwrap(), summary);
    pending.commit().unwrap();
    for member in &members {
        let file = File::open(target.join(&member.path)).unwrap();
        assert_eq!(checksum(&file, &cancel).unwrap(), member.summary, "{}", member.path);
    }
    let artifact = path.to_str().unwrap();
    let Some(_) = run("xz", &["--test", artifact]) else { return };
    assert_eq!(run("tar", &["-tJf", artifact]).unwrap().lines().collect::<Vec<_>>(), expected);
    let unpacked = folder.path().join("unpacked");
    std::fs::create_dir(&unpacked).unwrap();
    run("tar", &["-xJf", artifact, "-C", unpacked.to_str().unwrap()]);
    run("diff", &["-r", target.to_str().unwrap(), unpacked.to_str().unwrap()]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_content_comes_back(
        pieces in proptest::collection::vec((0_u64..60, 1_usize..700_000), 0..8),
        start in 0_u64..3,
        blocks in 1_u64..20_000,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        let file = create(&raw);
        file.set_len(128 * MIB).unwrap();
        for (at, len) in pieces {
            file.write_all_at(&noise(at, len), at * MIB + 4096 * at).unwrap();
        }
        let range = start * MIB..start * MIB + blocks * 4096;
        let size = check(&raw, range);
        prop_assert!(size > 0);
    }
}
