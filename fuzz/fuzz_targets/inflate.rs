//! Gzip members: the same bytes and the same verdict as zlib's.
#![no_main]

use std::io::Read as _;

use bootc_image::layers::{Warnings, decoder};
use bootc_image::spec::Compression;
use flate2::{Crc, Decompress, FlushDecompress, Status};

const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

libfuzzer_sys::fuzz_target!(|stream: &[u8]| {
    let mut zlib = Decompress::new(false);
    let mut expected = Vec::with_capacity(1 << 20);
    let status = zlib.decompress_vec(stream, &mut expected, FlushDecompress::Finish);
    if expected.len() == expected.capacity() {
        return;
    }
    let is_good = matches!(status, Ok(Status::StreamEnd));
    let used = if is_good { usize::try_from(zlib.total_in()).unwrap() } else { stream.len() };
    let mut crc = Crc::new();
    crc.update(&expected);
    let trailer = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    let trailer = if is_good { &trailer[..] } else { &[] };
    let member = [&HEADER[..], &stream[..used], trailer].concat();

    let mut found = Vec::new();
    let mut blob = decoder(Compression::Gzip, std::io::Cursor::new(member), &Warnings::default());
    assert_eq!(blob.read_to_end(&mut found).is_ok(), is_good);
    assert!(found == expected);
});
