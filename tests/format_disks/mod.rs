//! Disks to encode.

#![allow(dead_code, reason = "no test needs all of it")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use proptest::prelude::{Strategy, any};

const MIB: u64 = 1 << 20;

/// An empty file, open for reading and writing.
pub fn create(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(true).open(path).unwrap()
}

/// Bytes that do not compress; the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..len).map(|_| next()).collect()
}

/// A piece of a disk: where, how long, noise or not.
pub type Piece = (u64, usize, bool);

/// Pieces within the first `len_mib` mebibytes.
pub fn pieces(len_mib: u64) -> impl Strategy<Value = Vec<Piece>> {
    proptest::collection::vec((0..(len_mib - 1) * MIB, 1..300_000_usize, any::<bool>()), 0..12)
}

/// A file of `len` bytes with these pieces; between them are holes.
pub fn disk(path: &Path, len: u64, pieces: &[Piece]) -> File {
    let file = create(path);
    for (at, len, is_noise) in pieces {
        let bytes = if *is_noise { noise(*at, *len) } else { vec![7; *len] };
        file.write_all_at(&bytes, *at).unwrap();
    }
    file.set_len(len).unwrap();
    file
}

/// The same content with every hole of the first `len` bytes written as zeros.
pub fn without_holes(from: &File, path: &Path, len: u64) -> File {
    let file = create(path);
    let mut at = 0;
    let mut buffer = vec![0; 1 << 20];
    while at < len {
        let count = buffer.len().min(usize::try_from(len - at).unwrap());
        from.read_exact_at(&mut buffer[..count], at).unwrap();
        file.write_all_at(&buffer[..count], at).unwrap();
        at += u64::try_from(count).unwrap();
    }
    file
}

/// What 7-Zip finds in a disk image; only for small ones.
pub fn unpacked_by_7zip(kind: &str, image: &Path) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let (kind, to) = (format!("-t{kind}"), format!("-o{}", folder.path().display()));
    crate::tools::run("7zz", &["e", "-y", &kind, &to, image.to_str().unwrap()])?;
    let mut found = std::fs::read_dir(folder.path()).unwrap();
    let path = found.next().unwrap().unwrap().path();
    assert!(found.next().is_none());
    Some(std::fs::read(path).unwrap())
}
