//! What `qemu-img` and libvmdk say of our VMDK.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod disks;
mod tools;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootc_image::format::vmdk::{Encoded, Options, encode};
use bootc_image::format::{FormatError, checksum};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB};
use proptest::prelude::{ProptestConfig, proptest};

use disks::{create, mixed, noise};
use tools::run;

fn write(raw: &File, path: &Path, level: u8, threads: usize) -> Encoded {
    let size = ByteLen(raw.metadata().unwrap().len());
    let options = Options { level, content_id: 0x1234_5678, threads };
    encode(raw, size, &create(path), &options, &Silent, &Cancel::default()).unwrap()
}

/// Encodes `raw` and has `qemu-img` check and compare it.
fn check(raw: &Path, level: u8) -> Encoded {
    let path = raw.with_extension("vmdk");
    let encoded = write(&File::open(raw).unwrap(), &path, level, 2);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), encoded.summary);
    let (vmdk, raw) = (path.to_str().unwrap(), raw.to_str().unwrap());
    if let Some(verdict) = run("qemu-img", &["check", "-f", "vmdk", vmdk]) {
        assert!(verdict.contains("No errors were found"), "{verdict}");
        run("qemu-img", &["compare", "-f", "raw", "-F", "vmdk", raw, vmdk]);
    }
    encoded
}

#[test]
fn every_level_holds_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB + 512);
    let [fast, usual, best] = [1, 6, 9].map(|level| check(&raw, level));
    assert!(fast.summary.size_bytes > usual.summary.size_bytes);
    assert!(usual.summary.size_bytes > best.summary.size_bytes);
    assert_eq!(fast.populated, best.populated);
    let (size, populated) = (fast.summary.size_bytes, fast.populated.0);
    assert!(size < populated / 2 && populated < 20 * MIB, "{size} of {populated}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 3 * GIB + 512);
    let raw = File::open(&raw).unwrap();
    let path = folder.path().join("vmdk");
    let [one, two, five] = [1, 2, 5].map(|threads| write(&raw, &path, 6, threads));
    assert!(one == two && one == five);
}

#[test]
fn written_zeros_are_like_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (hollow, full) = disks::hollow_and_full(folder.path());
    let path = folder.path().join("vmdk");
    assert_eq!(write(&hollow, &path, 1, 2), write(&full, &path, 1, 2));
}

#[test]
fn an_empty_disk_is_small_and_large_ones_work() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    for size in [512, 64 << 10, 10 * GIB] {
        create(&raw).set_len(size).unwrap();
        assert_eq!(check(&raw, 1).populated, ByteLen(0));
        create(&raw).set_len(size).unwrap();
        File::options().write(true).open(&raw).unwrap().write_all_at(b"x", size - 1).unwrap();
        let encoded = check(&raw, 1);
        assert_eq!(encoded.populated.0, size.min(64 << 10));
        assert!(encoded.summary.size_bytes <= (128 + 40) * 512 + size / (32 * MIB) * 4);
    }
    // Comparing takes minutes here: QEMU asks for each grain.
    let file = create(&raw);
    file.set_len(8 << 40).unwrap();
    file.write_all_at(b"x", (8 << 40) - 1).unwrap();
    let path = raw.with_extension("vmdk");
    assert!(write(&file, &path, 1, 2).summary.size_bytes < 2 * MIB);
    run(
        "qemu-io",
        &["-r", "-f", "vmdk", "-c", "read -P 0x78 8796093022207 1", path.to_str().unwrap()],
    );
}

#[test]
fn what_the_file_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw, 10 * GIB);
    check(&raw, 1);
    let path = raw.with_extension("vmdk");
    let path = path.to_str().unwrap();
    if let Some(info) = run("qemu-img", &["info", "--output=json", path]) {
        for expected in [
            "\"virtual-size\": 10737418240",
            "\"create-type\": \"streamOptimized\"",
            "\"cid\": 305419896",
            "\"parent-cid\": 4294967295",
            "\"compressed\": true",
            "\"cluster-size\": 65536",
        ] {
            assert!(info.contains(expected), "{expected} is not in {info}");
        }
    }
    if let Some(info) = run("vmdkinfo", &[path]) {
        for expected in ["Stream optimized", "0x12345678", "10737418240 bytes"] {
            assert!(info.contains(expected), "{expected} is not in {info}");
        }
    }
}

/// A reader that takes the file for a stream, as importers do: markers one after the other, tables
/// believed only when they agree with what went by.
fn read_stream(bytes: &[u8], disk: &mut [u8]) {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let index = |word: u32| usize::try_from(word).unwrap();
    let sector = |at: usize| u32::try_from(at / 512).unwrap();
    let (mut grains, mut tables, mut directory, mut footer) = (vec![], vec![], None, None);
    let mut at = 512 * index(word(64));
    loop {
        let (value, len) = (index(word(at)), index(word(at + 8)));
        if len > 0 {
            let grain = &mut disk[value * 512..];
            let end = grain.len().min(64 << 10);
            let mut inflate = flate2::Decompress::new(true);
            let finish = flate2::FlushDecompress::Finish;
            let status =
                inflate.decompress(&bytes[at + 12..at + 12 + len], &mut grain[..end], finish);
            assert_eq!(status.unwrap(), flate2::Status::StreamEnd);
            assert_eq!(usize::try_from(inflate.total_out()).unwrap(), end);
            grains.push((value / 128, sector(at)));
            at += (12 + len).next_multiple_of(512);
            continue;
        }
        let body = &bytes[at + 512..at + 512 + value * 512];
        let words = || body.chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap()));
        match word(at + 12) {
            0 => break,
            1 => tables.push((sector(at + 512), words().collect::<Vec<_>>())),
            2 => directory = Some((sector(at + 512), words().collect::<Vec<_>>())),
            3 => footer = Some(body.to_vec()),
            other => panic!("marker {other}"),
        }
        at += 512 + value * 512;
    }
    assert_eq!(at + 512, bytes.len(), "something follows the end of the stream");
    assert!(grains.is_sorted());
    let (directory_at, directory) = directory.unwrap();
    let footer = footer.unwrap();
    assert_eq!(footer[56..64], u64::from(directory_at).to_le_bytes());
    assert_eq!((&footer[..56], &footer[64..]), (&bytes[..56], &bytes[64..512]));
    let mut listed = Vec::new();
    for (number, table_at) in directory.iter().enumerate().filter(|(_, at)| **at != 0) {
        let (_, table) = tables.iter().find(|(at, _)| at == table_at).unwrap();
        let entries = table.iter().enumerate().filter(|(_, at)| **at != 0);
        listed.extend(entries.map(|(grain, at)| (number * 512 + grain, *at)));
    }
    assert_eq!(listed, grains);
}

#[test]
fn a_reader_of_streams_finds_everything() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    for size in [200 * MIB, 64 * MIB, 5 * MIB + 512] {
        let file = create(&raw);
        file.set_len(size).unwrap();
        for (at, len) in [(0, 300_000), (2 * MIB, 90_000), (size - 70_000, 70_000)] {
            file.write_all_at(&noise(at, len), at).unwrap();
        }
        let path = raw.with_extension("vmdk");
        write(&file, &path, 6, 2);
        let expected = std::fs::read(&raw).unwrap();
        let mut disk = vec![0; expected.len()];
        read_stream(&std::fs::read(path).unwrap(), &mut disk);
        assert!(disk == expected);
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
    let options = Options { level: 1, content_id: 1, threads: 2 };
    let result = encode(&raw, ByteLen(GIB), &out, &options, &Silent, &cancel);
    assert!(matches!(result, Err(FormatError::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in disks::pieces(), level in 1..=9_u8, sectors in 1..200_u64) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        disks::of_pieces(&raw, &pieces, 901 * MIB + sectors * 512);
        check(&raw, level);
    }
}
