//! Compressed streams and tars as nobody should send them: typed errors or content, never a panic.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write as _};

use bootc_image::layers::{Error, Quirk, Reader, Warnings, decoder};
use bootc_image::spec::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const SKIPPABLE: [u8; 11] = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

fn unpack(packed: Compression, blob: &[u8]) -> (Result<Vec<u8>, Error>, Vec<Quirk>) {
    let warnings = Warnings::default();
    let mut bytes = Vec::new();
    let blob = std::io::Cursor::new(blob.to_vec());
    let result = decoder(packed, blob, &warnings).read_to_end(&mut bytes);
    let result = result.map(|_| bytes).map_err(|error| error.downcast::<Error>().unwrap());
    (result, warnings.to_vec().iter().map(|warning| warning.quirk).collect())
}

fn error(packed: Compression, blob: &[u8]) -> Error {
    unpack(packed, blob).0.unwrap_err()
}

#[test]
fn gzip_members_are_joined_and_padding_is_no_junk() {
    let two = [gzip(b"one"), gzip(b""), gzip(b"two")].concat();
    let (bytes, quirks) = unpack(Compression::Gzip, &two);
    assert_eq!((bytes.unwrap(), quirks), (b"onetwo".to_vec(), vec![Quirk::MultiMemberGzip]));
    let padded = [gzip(b"one"), vec![0; 200_000]].concat();
    let (bytes, quirks) = unpack(Compression::Gzip, &padded);
    assert_eq!((bytes.unwrap(), quirks), (b"one".to_vec(), vec![]));
}

#[test]
fn broken_gzip_is_refused_for_its_reason() {
    let good = gzip(&[7; 100_000]);
    let len = u64::try_from(good.len()).unwrap();
    for junk in [&b"x"[..], b"\0\0x", &[0x1f; 12]] {
        let error = error(Compression::Gzip, &[&good[..], junk].concat());
        assert!(matches!(error, Error::TrailingJunk { offset, .. } if offset >= len), "{error}");
    }
    for cut in [1, 5, good.len() / 2, good.len() - 1] {
        let error = error(Compression::Gzip, &good[..cut]);
        assert!(matches!(error, Error::TruncatedStream { .. }), "{cut}: {error}");
    }
    for place in [good.len() - 1, good.len() - 8] {
        let mut wrong = good.clone();
        wrong[place] ^= 1;
        let error = error(Compression::Gzip, &wrong);
        assert!(matches!(error, Error::CorruptStream { .. }), "{error}");
    }
    let second_cut = [&good[..], &good[..good.len() - 3]].concat();
    let error = error(Compression::Gzip, &second_cut);
    assert!(matches!(error, Error::TruncatedStream { .. }), "{error}");
}

#[test]
fn zstd_frames_are_joined_and_checked() {
    let frames =
        [&SKIPPABLE[..], &zstd(b"one"), &SKIPPABLE, &zstd(b""), &zstd(b"two"), &SKIPPABLE].concat();
    assert_eq!(unpack(Compression::Zstd, &frames).0.unwrap(), b"onetwo");
    let none = error(Compression::Zstd, b"");
    assert!(matches!(none, Error::TruncatedStream { .. }), "{none}");

    let good = zstd(&[7; 100_000]);
    let junk = error(Compression::Zstd, &[&good[..], b"junk junk"].concat());
    assert!(matches!(junk, Error::TrailingJunk { .. }), "{junk}");
    let cut = error(Compression::Zstd, &good[..good.len() - 1]);
    assert!(matches!(cut, Error::TruncatedStream { .. }), "{cut}");
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    let wrong = error(Compression::Zstd, &wrong);
    assert!(matches!(wrong, Error::CorruptStream { .. }), "{wrong}");
}

#[test]
fn zstd_windows_have_a_limit() {
    // A frame header with a window descriptor of 2^(10 + n) bytes, then one empty raw block.
    let frame = |n: u8| [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, n << 3][..], &[1, 0, 0]].concat();
    assert_eq!(unpack(Compression::Zstd, &frame(17)).0.unwrap(), b"");
    let error = error(Compression::Zstd, &frame(18));
    assert!(matches!(error, Error::WindowTooLarge { .. }), "{error}");
}

#[test]
fn other_formats_are_named() {
    let mut tar = vec![0; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let cases = [
        (Compression::Gzip, zstd(b"x"), "zstd data"),
        (Compression::Gzip, tar.clone(), "a plain tar"),
        (Compression::Zstd, gzip(b"x"), "gzip data"),
        (Compression::Zstd, tar, "a plain tar"),
        (Compression::None, gzip(b"x"), "gzip data"),
        (Compression::None, b"\xfd7zXZ\0...".to_vec(), "xz data"),
        (Compression::Gzip, b"hello".to_vec(), "data of an unknown format"),
    ];
    for (packed, blob, name) in cases {
        let error = error(packed, &blob);
        assert!(matches!(error, Error::WrongCompression { found, .. } if found == name), "{error}");
    }
}

fn walk(tar: &[u8]) -> Result<u64, Error> {
    let mut reader = Reader::new(tar, &Warnings::default());
    let mut count = 0;
    while reader.next_entry()?.is_some() {
        while reader.next_chunk()?.is_some() {
            count += 1;
        }
    }
    Ok(count)
}

/// A tar with PAX records, long names and a few kinds of members, by another writer.
fn sample() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let records = [("mtime", &b"-1.5"[..]), ("SCHILY.xattr.user.a", b"x"), ("uid", b"70000")];
    let sparse = [("GNU.sparse.map", &b"0,3,9,0"[..]), ("GNU.sparse.size", b"9")];
    let sparse = sparse.into_iter().chain([("GNU.sparse.numblocks", &b"2"[..])]);
    let mut header = tar::Header::new_gnu();
    header.set_size(3);
    header.set_mode(0o644);
    builder.append_pax_extensions(records).unwrap();
    builder.append_data(&mut header, "a".repeat(200), &b"abc"[..]).unwrap();
    builder.append_pax_extensions(sparse).unwrap();
    builder.append_data(&mut header, "sparse", &b"abc"[..]).unwrap();
    header.set_size(0);
    header.set_entry_type(tar::EntryType::Symlink);
    builder.append_link(&mut header, "l", "t".repeat(300)).unwrap();
    builder.into_inner().unwrap()
}

/// Makes the header checksum of the block at `start` right again.
fn mend(tar: &mut [u8], start: usize) {
    let block = &mut tar[start..start + 512];
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

#[test]
fn the_sample_is_read_and_every_cut_is_seen() {
    let tar = sample();
    assert_eq!(walk(&tar).unwrap(), 3);
    for len in (0..tar.len() - 1024).filter(|len| !len.is_multiple_of(512)) {
        let error = walk(&tar[..len]).unwrap_err();
        let is_cut = matches!(error, Error::Truncated { .. } | Error::TruncatedHeader { .. });
        assert!(is_cut, "{len}: {error}");
    }
}

#[test]
fn extensions_without_a_member_or_without_measure_are_refused() {
    let tar = sample();
    assert!(matches!(walk(&tar[..1024]).unwrap_err(), Error::DanglingExtension { .. }));
    let mut huge = tar;
    huge[124..136].copy_from_slice(b"77777777777\0");
    mend(&mut huge, 0);
    assert!(matches!(walk(&huge).unwrap_err(), Error::ExtensionTooLarge { .. }));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        drop(walk(&bytes));
        for packed in [Compression::None, Compression::Gzip, Compression::Zstd] {
            drop(unpack(packed, &bytes));
        }
    }

    #[test]
    fn mutated_tars_never_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
    ) {
        let mut tar = sample();
        for (place, byte) in changes {
            let place = place.index(tar.len());
            tar[place] = byte;
            mend(&mut tar, place / 512 * 512);
        }
        drop(walk(&tar));
    }

    #[test]
    fn mutated_blobs_never_panic(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for (packed, mut blob) in
            [(Compression::Gzip, gzip(&sample())), (Compression::Zstd, zstd(&sample()))]
        {
            let place = place.index(blob.len());
            blob[place] = byte;
            drop(unpack(packed, &blob));
        }
    }
}
