//! What `qemu-img` says of our qcow2.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootc_image::format::qcow2::{Compression, Options, encode};
use bootc_image::format::{Summary, checksum};
use bootc_image::progress::{Cancel, Silent};
use bootc_image::units::{ByteLen, GIB, MIB};
use proptest::prelude::{ProptestConfig, Strategy, any, proptest};

use tools::run;

const ALL: [Compression; 5] = [
    Compression::None,
    Compression::Deflate { level: 1 },
    Compression::Deflate { level: 6 },
    Compression::Deflate { level: 9 },
    Compression::Zstd { level: 3 },
];

fn create(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap()
}

fn write(raw: &File, path: &Path, compression: Compression, threads: usize) -> Summary {
    let size = ByteLen(raw.metadata().unwrap().len());
    let options = Options { compression, threads };
    encode(raw, size, &create(path), &options, &Silent, &Cancel::default()).unwrap()
}

/// Encodes `raw` and has `qemu-img` check and compare it. Says the size of the qcow2.
fn check(raw: &Path, compression: Compression) -> u64 {
    let path = raw.with_extension("qcow2");
    let summary = write(&File::open(raw).unwrap(), &path, compression, 2);
    assert_eq!(checksum(&File::open(&path).unwrap(), &Cancel::default()).unwrap(), summary);
    let (qcow2, raw) = (path.to_str().unwrap(), raw.to_str().unwrap());
    if let Some(verdict) = run("qemu-img", &["check", "-f", "qcow2", qcow2]) {
        assert!(verdict.contains("No errors were found"), "{verdict}");
        run("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", raw, qcow2]);
    }
    summary.size_bytes
}

/// Bytes that do not compress; the same for the same seed.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

/// A file of text, noise and zeros over 3 GiB, so that several L2 tables are needed.
fn mixed(path: &Path) {
    let raw = create(path);
    raw.set_len(3 * GIB + 512).unwrap();
    let text: Vec<u8> = (0..400_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    raw.write_all_at(&text, 1000).unwrap();
    raw.write_all_at(&noise(7, 1_000_000), 40 * MIB + 17).unwrap();
    raw.write_all_at(&text, GIB - 2 * MIB).unwrap();
    for part in 0..40 {
        let at = 2 * GIB + part * 100_000;
        raw.write_all_at(&noise(part, 30_000), at).unwrap();
        raw.write_all_at(&text[..60_000], at + 30_000).unwrap();
    }
    raw.write_all_at(b"end", 3 * GIB + 509).unwrap();
}

#[test]
fn every_compression_holds_the_same_disk() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw);
    let sizes = ALL.map(|compression| check(&raw, compression));
    assert!(sizes[1..].iter().all(|size| *size < sizes[0] / 2), "{sizes:?}");
}

#[test]
fn threads_do_not_change_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    mixed(&raw);
    let raw = File::open(&raw).unwrap();
    for compression in ALL {
        let path = folder.path().join("qcow2");
        let [one, three, nine] = [1, 3, 9].map(|threads| write(&raw, &path, compression, threads));
        assert!(one == three && one == nine, "{compression:?}");
    }
}

#[test]
fn written_zeros_are_like_holes() {
    let folder = tempfile::tempdir().unwrap();
    let (sparse, dense) = (folder.path().join("sparse"), folder.path().join("dense"));
    let (hollow, full) = (create(&sparse), create(&dense));
    full.write_all_at(&vec![0; 4 << 20], 0).unwrap();
    for file in [&hollow, &full] {
        file.set_len(4 * MIB).unwrap();
        file.write_all_at(b"here", 2 * MIB + 100).unwrap();
    }
    for compression in ALL {
        let path = folder.path().join("qcow2");
        assert_eq!(write(&hollow, &path, compression, 2), write(&full, &path, compression, 2));
    }
}

#[test]
fn an_empty_disk_is_small_and_large_ones_work() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    for size in [512, 10 * GIB, 8 << 40] {
        let file = create(&raw);
        file.set_len(size).unwrap();
        file.write_all_at(b"x", size - 1).unwrap();
        let encoded = check(&raw, Compression::Deflate { level: 1 });
        assert!(encoded <= 8 << 16, "{encoded}");
    }
}

#[test]
fn what_the_file_says_of_itself() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("raw");
    create(&raw).set_len(10 * GIB).unwrap();
    for (compression, name) in [
        (Compression::None, "\"compression-type\": \"zlib\""),
        (Compression::Zstd { level: 3 }, "\"compression-type\": \"zstd\""),
    ] {
        check(&raw, compression);
        let path = raw.with_extension("qcow2");
        let info = run("qemu-img", &["info", "--output=json", path.to_str().unwrap()]);
        let Some(info) = info else { return };
        for expected in ["\"virtual-size\": 10737418240", "\"compat\": \"1.1\"", name] {
            assert!(info.contains(expected), "{info}");
        }
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
    let options = Options { compression: Compression::None, threads: 2 };
    let result = encode(&raw, ByteLen(GIB), &out, &options, &Silent, &cancel);
    assert!(matches!(result, Err(bootc_image::format::FormatError::Cancelled)));
}

/// A piece of a disk: where, how long, noise or text.
fn pieces() -> impl Strategy<Value = Vec<(u64, usize, bool)>> {
    proptest::collection::vec((0..900 * MIB, 1..300_000_usize, any::<bool>()), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_disk_survives(pieces in pieces(), which in 0..ALL.len(), sectors in 1..4_u64) {
        let folder = tempfile::tempdir().unwrap();
        let raw = folder.path().join("raw");
        let file = create(&raw);
        for (at, len, is_noise) in pieces {
            let bytes = if is_noise { noise(at, len) } else { vec![7; len] };
            file.write_all_at(&bytes, at).unwrap();
        }
        file.set_len(901 * MIB + sectors * 512).unwrap();
        check(&raw, ALL[which]);
    }
}
