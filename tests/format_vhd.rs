//! What `qemu-img`, 7-Zip and libvhdi say of our VHD.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod format_disks;
mod tools;

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use bootc_image::format::vhd::{Options, encode};
use bootc_image::format::{Summary, checksum};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB};
use proptest::prelude::{ProptestConfig, proptest};

use format_disks::{create, disk, pieces, unpacked_by_7zip, without_holes};
use tools::run;

const OPTIONS: Options = Options { unique_id: *b"0123456789abcdef", created_secs: 1_700_000_000 };

fn write(raw: &File, path: &Path) -> Summary {
    let size = ByteLen(raw.metadata().unwrap().len());
    let (out, cancel) = (create(path), Cancel::default());
    let ByteLen(size_bytes) = encode(raw, size, &out, &OPTIONS, &Silent, &cancel).unwrap();
    let summary = checksum(&out, &cancel).unwrap();
    assert_eq!(summary.size_bytes, size_bytes);
    summary
}

/// Encodes `raw` and has `qemu-img` compare it; the size must be the same.
fn check(raw: &Path) {
    let path = raw.with_extension("vhd");
    let file = File::open(raw).unwrap();
    let summary = write(&file, &path);
    let disk_bytes = file.metadata().unwrap().len();
    assert_eq!(summary.size_bytes, disk_bytes + 512);
    let (vhd, raw) = (path.to_str().unwrap(), raw.to_str().unwrap());
    run("qemu-img", &["compare", "-f", "raw", "-F", "vpc", raw, vhd]);
    if let Some(info) = run("qemu-img", &["info", "-f", "vpc", "--output=json", vhd]) {
        assert!(info.contains(&format!("\"virtual-size\": {disk_bytes},")), "{info}");
    }
}

#[test]
fn sizes_are_taken_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    // None but the first is a product of cylinders, heads and sectors.
    for mebibytes in [17, 1, 1025, 2 * 1024 + 3] {
        let file = disk(&raw, mebibytes * MIB, &[(0, 5000, true)]);
        file.write_all_at(b"end", mebibytes * MIB - 3).unwrap();
        check(&raw);
    }
}

#[test]
fn holes_stay_holes_and_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, path) = (folder.path().join("raw"), folder.path().join("vhd"));
    let sparse = disk(&raw, 64 * MIB, &[(MIB + 17, 100_000, true), (40 * MIB, 9, false)]);
    let dense = without_holes(&sparse, &folder.path().join("dense"), 64 * MIB);
    let from_dense = write(&dense, &path);
    assert_eq!(write(&sparse, &path), from_dense);
    assert!(path.metadata().unwrap().blocks() * 512 < MIB, "holes were filled");
}

#[test]
fn the_footer_is_the_one_that_qemu_writes() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, theirs) = (folder.path().join("raw"), folder.path().join("theirs"));
    disk(&raw, GIB + 5 * MIB, &[(0, 512, true)]);
    write(&File::open(&raw).unwrap(), &folder.path().join("ours"));
    let arguments = ["convert", "-f", "raw", "-O", "vpc", "-o", "subformat=fixed,force_size=on"];
    let paths = [raw.to_str().unwrap(), theirs.to_str().unwrap()];
    if run("qemu-img", &[&arguments[..], &paths].concat()).is_none() {
        return;
    }
    let footer = |name: &str| {
        let file = File::open(folder.path().join(name)).unwrap();
        let mut bytes = [0; 512];
        file.read_exact_at(&mut bytes, file.metadata().unwrap().len() - 512).unwrap();
        bytes
    };
    let (ours, theirs) = (footer("ours"), footer("theirs"));
    // Time, creator and geometry, checksum and id are our own.
    for range in [0..24, 36..56, 60..64, 84..512] {
        assert_eq!(ours[range.clone()], theirs[range.clone()], "{range:?}");
    }
}

#[test]
fn others_read_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, path) = (folder.path().join("raw"), folder.path().join("disk.vhd"));
    let file = disk(&raw, 21 * MIB, &[(MIB + 17, 100_000, true), (20 * MIB, 9, false)]);
    write(&file, &path);
    if let Some(found) = unpacked_by_7zip("VHD", &path) {
        assert!(found == std::fs::read(&raw).unwrap());
    }
    if let Some(info) = run("vhdiinfo", &[path.to_str().unwrap()]) {
        for expected in ["Fixed", "(22020096 bytes)", "30313233-3435-3637-3839-616263646566"] {
            assert!(info.contains(expected), "{info}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in pieces(60), more in 0..9_u64) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        disk(&raw, (61 + more) * MIB, &pieces);
        check(&raw);
    }
}
