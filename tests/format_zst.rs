//! What `zstd` says of our compressed raw disks.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod disks;
mod tools;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use bootc_image::format::zst::{Options, encode};
use bootc_image::format::{FormatError, Summary, blocks_digest, checksum};
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

/// Encodes `raw`, has it decoded and compares.
fn check(raw: &Path, level: u8) -> u64 {
    let path = raw.with_extension("zst");
    let file = File::open(raw).unwrap();
    let summary = write(&file, &path, level, 2);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), summary);
    let out = raw.with_extension("out");
    let (artifact, decoded) = (path.to_str().unwrap(), out.to_str().unwrap());
    if run("zstd", &["-d", "-q", "-f", "--sparse", "-o", decoded, artifact]).is_some() {
        let digest = |file: &File| {
            let size = ByteLen(file.metadata().unwrap().len());
            (size, blocks_digest(file, size, 2, &Cancel::default()).unwrap())
        };
        assert_eq!(digest(&file), digest(&File::open(out).unwrap()));
    }
    summary.size_bytes
}

#[test]
fn every_level_holds_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB + 512);
    let [fast, usual, best] = [1, 3, 19].map(|level| check(&raw, level));
    assert!(fast > best && usual > best && usual < 3 * MIB, "{fast} {usual} {best}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB + 512);
    let raw = File::open(&raw).unwrap();
    let path = folder.path().join("zst");
    let [one, two, five] = [1, 2, 5].map(|threads| write(&raw, &path, 3, threads));
    assert!(one == two && one == five);
}

#[test]
fn written_zeros_are_like_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (hollow, full) = disks::hollow_and_full(folder.path());
    let path = folder.path().join("zst");
    assert_eq!(write(&hollow, &path, 1, 2), write(&full, &path, 1, 2));
}

#[test]
fn odd_ends() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    for size in [1, 512, MIB - 1, MIB, MIB + 1, 7 * MIB + 3] {
        let file = create(&raw);
        file.set_len(size).unwrap();
        check(&raw, 3);
        file.write_all_at(b"x", size - 1).unwrap();
        check(&raw, 3);
        file.write_all_at(b"x", size / 2).unwrap();
        check(&raw, 3);
    }
}

#[test]
fn holes_cost_neither_time_nor_space() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let file = create(&raw);
    file.set_len(10 * GIB).unwrap();
    file.write_all_at(b"x", 5 * GIB).unwrap();
    let start = Instant::now();
    let path = folder.path().join("zst");
    let summary = write(&file, &path, 3, 2);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(summary.size_bytes < MIB, "{}", summary.size_bytes);
    check(&raw, 3);
}

#[test]
fn frames_say_their_size_and_have_checksums() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB + 512);
    let path = folder.path().join("zst");
    write(&File::open(&raw).unwrap(), &path, 3, 2);
    let Some(list) = run("zstd", &["-l", "-v", path.to_str().unwrap()]) else { return };
    for expected in
        ["Zstandard Frames: 3073", "Skippable Frames: 1", "(3221225984 B)", "Check: XXH64"]
    {
        assert!(list.contains(expected), "{expected} is not in {list}");
    }
}

#[test]
fn the_seek_table_leads_to_any_part() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let size = 20 * MIB + 5;
    let file = create(&raw);
    file.set_len(size).unwrap();
    file.write_all_at(&noise(1, 3 << 20), 4 * MIB + 77).unwrap();
    file.write_all_at(b"end", size - 3).unwrap();
    let path = folder.path().join("zst");
    write(&file, &path, 3, 2);
    let (disk, bytes) = (std::fs::read(raw).unwrap(), std::fs::read(path).unwrap());
    let word = |at: usize| {
        usize::try_from(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
    };
    let end = bytes.len();
    assert_eq!((word(end - 4), bytes[end - 5], word(end - 9)), (0x8F92_EAB1, 0, 21));
    let table = end - 9 - 21 * 8;
    assert_eq!((word(table - 8), word(table - 4)), (0x184D_2A5E, 9 + 21 * 8));
    let (mut at, mut on_disk) = (0, 0);
    for entry in (table..end - 9).step_by(8) {
        let (packed, content) = (word(entry), word(entry + 4));
        let found = zstd::bulk::decompress(&bytes[at..at + packed], content).unwrap();
        assert!(found == disk[on_disk..on_disk + content]);
        (at, on_disk) = (at + packed, on_disk + content);
    }
    assert_eq!((at, on_disk), (table - 8, disk.len()));
}

#[test]
fn a_cancelled_encoding_stops() {
    let raw = tempfile::tempfile().unwrap();
    raw.set_len(GIB).unwrap();
    let cancel = Cancel::default();
    cancel.cancel();
    let options = Options { level: 1, threads: 2 };
    for _ in 0..2 {
        let out = tempfile::tempfile().unwrap();
        let result = encode(&raw, ByteLen(GIB), &out, &options, &Silent, &cancel);
        assert!(matches!(result, Err(FormatError::Cancelled)));
        raw.write_all_at(&noise(1, 3 << 20), 0).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in disks::pieces(), level in 1..=5_u8, rest in 1..3_000_000_u64) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        disks::of_pieces(&raw, &pieces, 901 * MIB + rest);
        check(&raw, level);
    }
}
