//! What GNU tar and gzip say of what Google's cloud is given.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod disks;
mod tools;

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use bootc_image::format::gce::{Options, encode};
use bootc_image::format::{FormatError, Summary, checksum};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB};
use proptest::prelude::{ProptestConfig, proptest};

use disks::{create, mixed, noise};
use tools::run;

fn write(raw: &File, path: &Path, level: u8, threads: usize) -> Summary {
    let size = ByteLen(raw.metadata().unwrap().len());
    let options = Options { level, threads };
    encode(raw, size, &create(path), &options, &Silent, &Cancel::default()).unwrap()
}

/// Encodes `raw`, has it tested, listed and extracted, and compares. Says how large the artifact is.
fn check(raw: &Path, level: u8) -> u64 {
    let path = raw.with_extension("tar.gz");
    let file = File::open(raw).unwrap();
    let summary = write(&file, &path, level, 2);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), summary);
    let artifact = path.to_str().unwrap();
    run("gzip", &["--test", artifact]);
    let Some(list) = run("tar", &["-tvzf", artifact, "--utc"]) else { return summary.size_bytes };
    let size = file.metadata().unwrap().len();
    let expected = format!("-rw-r--r-- 0/0 {size} 1970-01-01 00:00 disk.raw");
    assert_eq!(list.split_whitespace().collect::<Vec<_>>().join(" "), expected);
    let folder = raw.with_extension("out");
    std::fs::create_dir_all(&folder).unwrap();
    run("tar", &["-xzf", artifact, "-C", folder.to_str().unwrap()]);
    let extracted = File::open(folder.join("disk.raw")).unwrap();
    same_content(&file, &extracted);
    let (ours, theirs) =
        (file.metadata().unwrap().blocks(), extracted.metadata().unwrap().blocks());
    // Runs are of 64 KiB, file systems have blocks of 4.
    assert!(theirs <= 16 * ours + 8, "{theirs} blocks from {ours}: holes became zeros");
    summary.size_bytes
}

/// Compares sparse files: what either holds is in both.
fn same_content(left: &File, right: &File) {
    let digest = |file: &File| {
        let size = ByteLen(file.metadata().unwrap().len());
        (size, bootc_image::format::blocks_digest(file, size, 2, &Cancel::default()).unwrap())
    };
    assert_eq!(digest(left), digest(right));
}

#[test]
fn every_level_holds_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 4 * GIB);
    let [fast, usual, best] = [1, 6, 9].map(|level| check(&raw, level));
    assert!(fast > usual && usual > best && fast < 10 * MIB, "{fast} {usual} {best}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 4 * GIB);
    let raw = File::open(&raw).unwrap();
    let path = folder.path().join("gce");
    let [one, two, five] = [1, 2, 5].map(|threads| write(&raw, &path, 6, threads));
    assert!(one == two && one == five);
}

#[test]
fn written_zeros_are_like_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (hollow, full) = disks::hollow_and_full(folder.path());
    let path = folder.path().join("gce");
    assert_eq!(write(&hollow, &path, 1, 2), write(&full, &path, 1, 2));
}

#[test]
fn empty_disks_and_offsets_past_8_gib() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    for size in [GIB, 10 * GIB, 1 << 40] {
        let file = create(&raw);
        file.set_len(size).unwrap();
        assert!(check(&raw, 1) < 600);
        file.write_all_at(b"x", size - 1).unwrap();
        assert!(check(&raw, 1) < 2000);
    }
}

#[test]
fn many_runs_have_a_long_map() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let file = create(&raw);
    file.set_len(12 * GIB).unwrap();
    for run in 0..2000 {
        file.write_all_at(b"here", run * 6 * MIB + run).unwrap();
    }
    check(&raw, 1);
}

#[test]
fn dense_disks_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let file = create(&raw);
    file.set_len(GIB).unwrap();
    file.write_all_at(&noise(3, 50 << 20), 0).unwrap();
    file.write_all_at(&noise(4, 50 << 20), GIB - 50 * MIB).unwrap();
    for level in [1, 9] {
        let size = check(&raw, level);
        assert!(size > 100 * MIB && size < 100 * MIB + 100_000, "{size}");
    }
}

#[test]
fn a_cancelled_encoding_stops() {
    let raw = tempfile::tempfile().unwrap();
    raw.set_len(GIB).unwrap();
    raw.write_all_at(&noise(1, 3 << 20), 0).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let out = tempfile::tempfile().unwrap();
    let options = Options { level: 1, threads: 2 };
    let result = encode(&raw, ByteLen(GIB), &out, &options, &Silent, &cancel);
    assert!(matches!(result, Err(FormatError::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in disks::pieces(), level in 1..=9_u8) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        disks::of_pieces(&raw, &pieces, GIB);
        check(&raw, level);
    }
}
