//! What `qemu-img`, 7-Zip and libvhdi say of our VHDX.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod format_disks;
mod tools;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootc_image::format::vhdx::{Options, encode};
use bootc_image::format::{FormatError, Summary, checksum};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB, SectorSize};
use proptest::prelude::{ProptestConfig, proptest};

use format_disks::{create, disk, noise, pieces, unpacked_by_7zip, without_holes};
use tools::run;

const OPTIONS: Options = Options {
    disk_id: *b"0123456789abcdef",
    content_id: *b"fedcba9876543210",
    sector_size: SectorSize::B512,
};

fn write(raw: &File, path: &Path) -> Summary {
    let size = ByteLen(raw.metadata().unwrap().len());
    encode(raw, size, &create(path), &OPTIONS, &Silent, &Cancel::default()).unwrap()
}

/// What QEMU reads from the VHDX of `raw` at that mebibyte.
fn mebibyte(raw: &Path, number: u64) -> Option<Vec<u8>> {
    let (vhdx, part) = (raw.with_extension("vhdx"), raw.with_extension("part"));
    let [from, to] =
        [("if", &vhdx), ("of", &part)].map(|(key, path)| format!("{key}={}", path.display()));
    // The count includes what is skipped.
    let (skip, count) = (format!("skip={number}"), format!("count={}", number + 1));
    run("qemu-img", &["dd", "-f", "vhdx", "-O", "raw", "bs=1M", &count, &skip, &from, &to])?;
    Some(std::fs::read(part).unwrap())
}

/// Whether QEMU reads at these mebibytes of the VHDX what is in `raw`.
fn check_at(raw: &Path, numbers: &[u64]) {
    let file = File::open(raw).unwrap();
    for number in numbers {
        let Some(mut found) = mebibyte(raw, *number) else { return };
        let mut expected = vec![0; 1 << 20];
        let len = file.read_at(&mut expected, number * MIB).unwrap();
        found.resize(1 << 20, 0);
        expected[len..].fill(0);
        assert!(found == expected, "mebibyte {number}");
    }
}

/// Encodes `raw` and has `qemu-img` check it, and compare it unless that would take minutes. Says the size of the VHDX.
fn check(raw: &Path) -> u64 {
    let path = raw.with_extension("vhdx");
    let file = File::open(raw).unwrap();
    let summary = write(&file, &path);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), summary);
    let (vhdx, raw) = (path.to_str().unwrap(), raw.to_str().unwrap());
    if let Some(verdict) = run("qemu-img", &["check", "-f", "vhdx", vhdx]) {
        assert!(verdict.contains("No errors were found"), "{verdict}");
        if file.metadata().unwrap().len() < GIB {
            run("qemu-img", &["compare", "-f", "raw", "-F", "vhdx", raw, vhdx]);
        }
    }
    if let Some(info) = run("qemu-img", &["info", "-f", "vhdx", "--output=json", vhdx]) {
        let disk_bytes = file.metadata().unwrap().len();
        assert!(info.contains(&format!("\"virtual-size\": {disk_bytes},")), "{info}");
    }
    summary.size_bytes
}

#[test]
fn empty_and_large_disks_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let tib = 1024 * GIB;
    // Beyond 4 GiB there is a second chunk, beyond 2 TiB blocks are larger.
    for (size, most) in [(512, 5), (4 * GIB + 512, 6), (10 * GIB, 6), (3 * tib, 22), (8 * tib, 30)]
    {
        let file = disk(&raw, size, &[]);
        file.write_all_at(b"x", size - 1).unwrap();
        let bytes = check(&raw);
        assert!(bytes <= most * MIB, "{size}: {bytes}");
        check_at(&raw, &[0, (size - 1) / MIB]);
    }
}

#[test]
fn blocks_are_where_chunks_end() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let pieces = [4 * GIB - 1000, 8 * GIB - 1000, 12 * GIB - 5 * MIB];
    disk(&raw, 13 * GIB, &pieces.map(|at| (at, 200_000, true)));
    assert_eq!(check(&raw), (3 + 1 + 5) * MIB);
    check_at(&raw, &[0, 4095, 4096, 4097, 8191, 8192, 8193, 12 * 1024 - 5, 13 * 1024 - 1]);
}

#[test]
fn written_zeros_are_like_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, path) = (folder.path().join("raw"), folder.path().join("vhdx"));
    let sparse = disk(&raw, 64 * MIB, &[(MIB + 17, 100_000, true), (40 * MIB, 9, false)]);
    let dense = without_holes(&sparse, &folder.path().join("dense"), 64 * MIB);
    let from_dense = write(&dense, &path);
    assert_eq!(write(&sparse, &path), from_dense);
    assert_eq!(from_dense.size_bytes, (3 + 1 + 2) * MIB);
}

#[test]
fn both_headers_and_region_tables_hold() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    disk(&raw, 5 * MIB, &[(0, 1000, true)]);
    check(&raw);
    let path = raw.with_extension("vhdx");
    let file = File::options().read(true).write(true).open(&path).unwrap();
    let compare = || {
        let (raw, vhdx) = (raw.to_str().unwrap(), path.to_str().unwrap());
        run("qemu-img", &["compare", "-f", "raw", "-F", "vhdx", raw, vhdx]);
    };
    for kibibytes in [64, 128] {
        let mut header = vec![0; 4096];
        file.read_exact_at(&mut header, kibibytes * 1024).unwrap();
        file.write_all_at(&[0; 4096], kibibytes * 1024).unwrap();
        compare();
        file.write_all_at(&header, kibibytes * 1024).unwrap();
    }
    let mut tables = [vec![0; 65_536], vec![0; 65_536]];
    file.read_exact_at(&mut tables[0], 192 << 10).unwrap();
    file.read_exact_at(&mut tables[1], 256 << 10).unwrap();
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn others_read_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let (raw, path) = (folder.path().join("raw"), folder.path().join("disk.vhdx"));
    let file = disk(&raw, 21 * MIB, &[(MIB + 17, 100_000, true), (20 * MIB, 9, false)]);
    for sector_size in [SectorSize::B512, SectorSize::B4096] {
        let options = Options { sector_size, ..OPTIONS };
        let (out, cancel) = (create(&path), Cancel::default());
        encode(&file, ByteLen(21 * MIB), &out, &options, &Silent, &cancel).unwrap();
        if let Some(found) = unpacked_by_7zip("VHDX", &path) {
            assert!(found == std::fs::read(&raw).unwrap());
        }
        if let Some(info) = run("vhdiinfo", &[path.to_str().unwrap()]) {
            let sector = format!("{} bytes", sector_size.bytes());
            for expected in ["Dynamic", "(22020096 bytes)", &sector] {
                assert!(info.contains(expected), "{info}");
            }
        }
    }
}

#[test]
fn sectors_of_4096_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    let file = disk(&raw, 40 * GIB, &[(33 * GIB, 5000, true)]);
    let (path, options) =
        (folder.path().join("vhdx"), Options { sector_size: SectorSize::B4096, ..OPTIONS });
    let out = create(&path);
    encode(&file, ByteLen(40 * GIB), &out, &options, &Silent, &Cancel::default()).unwrap();
    // QEMU reads no such disk. A chunk is 32 GiB here, too much to unpack: the table must be right.
    let mut entries = vec![0; 8 * (33 * 1024 + 2)];
    out.read_exact_at(&mut entries, 3 * MIB).unwrap();
    let entries: Vec<u64> =
        entries.chunks(8).map(|entry| u64::from_le_bytes(entry.try_into().unwrap())).collect();
    assert_eq!(entries[32 * 1024 - 1..32 * 1024 + 2], [2, 0, 2]);
    let present = entries[33 * 1024 + 1];
    assert_eq!(present & 7, 6);
    let mut content = vec![0; 5000];
    out.read_exact_at(&mut content, present & !7).unwrap();
    assert_eq!(content, noise(33 * GIB, 5000));
}

#[test]
fn a_cancelled_encoding_stops() {
    let folder = tempfile::tempdir().unwrap();
    let raw = disk(&folder.path().join("raw"), GIB, &[(5, 5, true)]);
    let cancel = Cancel::default();
    cancel.cancel();
    let out = tempfile::tempfile().unwrap();
    let result = encode(&raw, ByteLen(GIB), &out, &OPTIONS, &Silent, &cancel);
    assert!(matches!(result, Err(FormatError::Cancelled)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in pieces(300), sectors in 1..5000_u64) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        disk(&raw, 301 * MIB + sectors * 512, &pieces);
        check(&raw);
    }
}
