//! Disks to encode.
#![allow(dead_code, reason = "not every test needs all of them")]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use bootc_image::units::{GIB, MIB};
use proptest::prelude::{Strategy, any};

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

/// Text, noise and zeros over more than 3 GiB, up to the last byte.
pub fn mixed(path: &Path, len_bytes: u64) {
    let raw = create(path);
    raw.set_len(len_bytes).unwrap();
    let text: Vec<u8> = (0..400_000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    raw.write_all_at(&text, 1000).unwrap();
    raw.write_all_at(&noise(7, 1_000_000), 40 * MIB + 17).unwrap();
    raw.write_all_at(&text, GIB - 2 * MIB).unwrap();
    for part in 0..40 {
        let at = 2 * GIB + part * 100_000;
        raw.write_all_at(&noise(part, 30_000), at).unwrap();
        raw.write_all_at(&text[..60_000], at + 30_000).unwrap();
    }
    raw.write_all_at(b"end", len_bytes - 3).unwrap();
}

/// The same GiB twice: with holes, and with zeros that were written.
pub fn hollow_and_full(folder: &Path) -> (File, File) {
    let (hollow, full) = (create(&folder.join("hollow")), create(&folder.join("full")));
    full.write_all_at(&vec![0; 4 << 20], 3 * MIB).unwrap();
    for file in [&hollow, &full] {
        file.set_len(GIB).unwrap();
        file.write_all_at(b"here", 5 * MIB + 100).unwrap();
    }
    (hollow, full)
}

/// A piece of a disk: where, how long, noise or not.
pub type Piece = (u64, usize, bool);

/// Some pieces of the first 901 MiB.
pub fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    proptest::collection::vec((0..900 * MIB, 1..300_000_usize, any::<bool>()), 0..12)
}

/// A disk of `pieces`.
pub fn of_pieces(path: &Path, pieces: &[Piece], len_bytes: u64) -> File {
    let file = create(path);
    for (at, len, is_noise) in pieces {
        let bytes = if *is_noise { noise(*at, *len) } else { vec![7; *len] };
        file.write_all_at(&bytes, *at).unwrap();
    }
    file.set_len(len_bytes).unwrap();
    file
}
