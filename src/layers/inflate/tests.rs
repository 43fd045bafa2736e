//! Every refusal by a stream made for it, and the same verdicts and bytes as zlib's.

use std::io::{self, BufRead, Read, Write as _};

use flate2::bufread::GzDecoder;
use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Decompress, FlushDecompress, Status};
use proptest::prelude::*;

use super::fault::{Fault, Reason};
use super::member::Member;
use super::stream::Inflate;

/// Bytes that come in pieces.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("only what is buffered is read")
    }
}

impl BufRead for Pieces<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.rest[..self.rest.len().min(self.piece)])
    }

    fn consume(&mut self, count: usize) {
        assert!(count <= self.piece, "{count} bytes were not shown");
        self.rest = &self.rest[count..];
    }
}

/// The bytes; and, if all is well, how many of the packed bytes were left.
type Unpacked = (Vec<u8>, Result<usize, Fault>);

fn unpack(packed: &[u8], piece: usize, take: usize) -> Unpacked {
    let mut source = Pieces { rest: packed, piece };
    let mut inflate = Inflate::new();
    let mut bytes = Vec::new();
    loop {
        match inflate.unpack(&mut source) {
            Ok([]) => return (bytes, Ok(source.rest.len())),
            Ok(waiting) => {
                let count = waiting.len().min(take);
                bytes.extend_from_slice(&waiting[..count]);
                inflate.hand_out(count);
            }
            Err(fault) => return (bytes, Err(fault)),
        }
    }
}

fn unpack_member(packed: &[u8], piece: usize, take: usize) -> Unpacked {
    let mut source = Pieces { rest: packed, piece };
    let mut member = Member::new();
    let mut bytes = Vec::new();
    let mut buffer = vec![0; take];
    if let Err(fault) = member.begin(&mut source) {
        return (bytes, Err(fault));
    }
    loop {
        match member.read(&mut source, &mut buffer) {
            Ok(0) => return (bytes, Ok(source.rest.len())),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(fault) => return (bytes, Err(fault)),
        }
    }
}

fn deflate(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What zlib makes of a stream of at most a few hundred thousand bytes.
fn reference(packed: &[u8]) -> (Vec<u8>, Option<usize>) {
    let mut decoder = Decompress::new(false);
    let mut bytes = Vec::with_capacity(4 << 20);
    let status = decoder.decompress_vec(packed, &mut bytes, FlushDecompress::Finish);
    bytes.resize(usize::try_from(decoder.total_out()).unwrap(), 0);
    let used = usize::try_from(decoder.total_in()).unwrap();
    (bytes, matches!(status, Ok(Status::StreamEnd)).then(|| packed.len() - used))
}

/// Bits of a stream, least significant first.
#[derive(Default, Clone)]
struct Writer(Vec<bool>);

impl Writer {
    fn number(mut self, value: u32, bits: u32) -> Self {
        self.0.extend((0..bits).map(|bit| (value >> bit) & 1 == 1));
        self
    }

    /// A code, which is written from its first bit.
    fn code(mut self, code: &str) -> Self {
        self.0.extend(code.bytes().map(|bit| bit == b'1'));
        self
    }

    /// The head of a last dynamic block.
    fn dynamic(litlens: u32, distances: u32, lengths: &[u32]) -> Self {
        let count = u32::try_from(lengths.len()).unwrap();
        let head = Self::default().number(0b101, 3).number(litlens - 257, 5);
        let head = head.number(distances - 1, 5).number(count - 4, 4);
        lengths.iter().fold(head, |writer, len| writer.number(*len, 3))
    }

    fn finish(self) -> Vec<u8> {
        let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte * 2 + u8::from(*bit));
        self.0.chunks(8).map(byte).collect()
    }
}

/// A block whose code lengths are written in a code of 0 as `0`, 1 as `10`, 18 as `11`.
fn lens_of_0_1_18(distances: u32) -> Writer {
    //                    16 17 18 0  8  7  9  6 10  5 11  4 12  3 13  2 14  1
    let lengths = [0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    Writer::dynamic(257, distances, &lengths)
}

/// 256 code lengths of zero: no literal.
fn no_literals(writer: Writer) -> Writer {
    writer.code("11").number(127, 7).code("11").number(107, 7)
}

#[test]
fn each_contradiction_is_refused_for_what_it_is() {
    let fixed = || Writer::default().number(0b011, 3);
    let one_distance = || no_literals(lens_of_0_1_18(1)).code("10").code("10");
    let cases = [
        (Writer::default().number(0b111, 3), Reason::BlockType),
        (Writer::default().number(0b001, 8).number(0x0005, 32), Reason::StoredLength),
        (Writer::dynamic(287, 1, &[0; 4]), Reason::TooManyCodes),
        (Writer::dynamic(257, 31, &[0; 4]), Reason::TooManyCodes),
        (Writer::dynamic(257, 1, &[1, 1, 1, 0]), Reason::LengthsCode),
        (Writer::dynamic(257, 1, &[1, 0, 0, 0]), Reason::LengthsCode),
        (Writer::dynamic(257, 1, &[0, 0, 1, 2]), Reason::LengthsCode),
        (Writer::dynamic(257, 1, &[1, 0, 0, 1]).code("1"), Reason::Repeat),
        (no_literals(lens_of_0_1_18(1)).code("11"), Reason::Repeat),
        (no_literals(lens_of_0_1_18(1)).code("0").code("0"), Reason::NoEnd),
        // Three codes of one bit: two literals and the end.
        (
            lens_of_0_1_18(1)
                .code("10")
                .code("10")
                .code("11")
                .number(127, 7)
                .code("11")
                .number(105, 7)
                .code("10")
                .code("0"),
            Reason::LitlenCode,
        ),
        (no_literals(lens_of_0_1_18(3)).code("10101010"), Reason::DistanceCode),
        // The end is `0`; nothing is `1`.
        (one_distance().code("1"), Reason::Litlen),
        // Symbols 286 and 287.
        (fixed().code("11000110"), Reason::Litlen),
        (fixed().code("11000111"), Reason::Litlen),
        // A literal, then length 3 and distance symbols 30 and 31.
        (fixed().code("00110000").code("0000001").code("11110"), Reason::Distance),
        (fixed().code("00110000").code("0000001").code("11111"), Reason::Distance),
        // A literal, then length 3 and distance 2.
        (fixed().code("00110000").code("0000001").code("00001"), Reason::TooFar),
    ];
    for (number, (writer, reason)) in cases.into_iter().enumerate() {
        let short = writer.finish();
        let long = [&short[..], &[0; 100]].concat();
        assert_eq!(reference(&long).1, None, "case {number}");
        for piece in [1, 2, 7, 1000] {
            let fault = unpack(&long, piece, 1000).1.unwrap_err();
            assert!(
                matches!(fault, Fault::Corrupt(found) if found == reason),
                "case {number} in pieces of {piece}: {fault:?}"
            );
        }
    }
}

#[test]
fn codes_that_zlib_lets_pass_are_let_pass() {
    let block = no_literals(lens_of_0_1_18(1));
    let cases = [
        // One code for the end, none or one for distances.
        block.clone().code("10").code("0").code("0"),
        block.code("10").code("10").code("0"),
        // An empty stored block, then an empty fixed one.
        Writer::default().number(0, 8).number(0xffff_0000, 32).number(0b011, 3).number(0, 7),
    ];
    for writer in cases {
        let packed = [writer.finish(), vec![0xaa; 40]].concat();
        for piece in [1, 1000] {
            let (bytes, rest) = unpack(&packed, piece, 1);
            assert_eq!((bytes.len(), rest.unwrap()), (0, 40));
        }
        assert_eq!(reference(&packed), (vec![], Some(40)));
    }
}

#[test]
fn a_stream_that_is_cut_off_is_said_to_be() {
    let bytes = sample(3000);
    for level in [0, 1, 9] {
        let packed = deflate(&bytes, level);
        for len in 0..packed.len() {
            let (found, result) = unpack(&packed[..len], 50, 1000);
            assert!(matches!(result, Err(Fault::Truncated)), "{len}: {result:?}");
            assert!(bytes.starts_with(&found));
        }
    }
}

#[test]
fn long_streams_survive_every_slide_of_the_window() {
    let bytes = sample(2_500_000);
    for level in 0..=9 {
        let packed = deflate(&bytes, level);
        for (piece, take) in [(1 << 17, 1 << 18), (4099, 77_777), (40, 1 << 20)] {
            let (found, rest) = unpack(&packed, piece, take);
            assert_eq!(rest.unwrap(), 0);
            assert!(found == bytes, "level {level}, pieces of {piece}, {take} at a time");
        }
    }
}

#[test]
fn headers_are_read_with_all_their_fields() {
    let content = deflate(b"content", 6);
    let crc = crc32fast::hash(b"content").to_le_bytes();
    let trailer = [&crc[..], &7_u32.to_le_bytes()].concat();
    let mut header = vec![0x1f, 0x8b, 8, 0b1_1110, 1, 2, 3, 4, 0, 255];
    header.extend_from_slice(b"\x03\0abcname\0comment\0");
    let [low, high, ..] = crc32fast::hash(&header).to_le_bytes();
    header.extend_from_slice(&[low, high]);
    let good = [&header[..], &content, &trailer, b"behind"].concat();
    for piece in [1, 1000] {
        let (bytes, rest) = unpack_member(&good, piece, 5);
        assert_eq!((&bytes[..], rest.unwrap()), (&b"content"[..], 6));
    }
    let end = good.len() - 6;
    let cases = [
        (0, Reason::Header),
        (1, Reason::Header),
        (2, Reason::Header),
        (4, Reason::HeaderChecksum),
        (header.len() - 1, Reason::HeaderChecksum),
        (end - 8, Reason::Checksum),
        (end - 4, Reason::Length),
    ];
    for (place, reason) in cases {
        let mut bad = good.clone();
        bad[place] ^= 1;
        let fault = unpack_member(&bad, 1000, 1000).1.unwrap_err();
        assert!(matches!(fault, Fault::Corrupt(found) if found == reason), "{place}: {fault:?}");
    }
    for flag in [0x20, 0x40, 0x80] {
        let mut bad = good.clone();
        bad[3] |= flag;
        let fault = unpack_member(&bad, 1000, 1000).1.unwrap_err();
        assert!(matches!(fault, Fault::Corrupt(Reason::Header)), "{fault:?}");
    }
    for len in 0..end {
        let fault = unpack_member(&good[..len], 1000, 1000).1.unwrap_err();
        assert!(matches!(fault, Fault::Truncated), "{len}: {fault:?}");
    }
    let name = |len| [&[0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0][..], &vec![b'n'; len]].concat();
    let long = [name(65_535), vec![0], content.clone(), trailer].concat();
    assert_eq!(unpack_member(&long, 1000, 1000).0, b"content");
    let fault = unpack_member(&name(65_536), 1000, 1000).1.unwrap_err();
    assert!(matches!(fault, Fault::Corrupt(Reason::HeaderField)), "{fault:?}");
}

#[test]
fn a_member_forgets_the_one_before() {
    let mut member = Member::new();
    let mut buffer = [0; 100];
    let first = gzip(b"first");
    member.begin(&mut &first[..]).unwrap();
    assert_eq!(member.read(&mut &first[10..], &mut buffer).unwrap(), 5);
    // A match from the first member's bytes.
    let stream = Writer::default().number(0b011, 3).code("0000001").code("00001").finish();
    let second = [&first[..10], &stream, &[0; 50]].concat();
    let mut source = &second[..];
    member.begin(&mut source).unwrap();
    let fault = member.read(&mut source, &mut buffer).unwrap_err();
    assert!(matches!(fault, Fault::Corrupt(Reason::TooFar)), "{fault:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Bytes of all kinds: noise, runs, periods, copies from near and far.
fn sample(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 8).unwrap() % below
    };
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let limit = if random(10) == 0 { 3000 } else { 40 };
        let count = 1 + random(limit);
        match random(4) {
            0 => bytes.extend((0..count).map(|_| u8::try_from(random(256)).unwrap())),
            1 => bytes.extend((0..count).map(|_| u8::try_from(random(20)).unwrap())),
            _ => {
                let far = if random(2) == 0 { 20 } else { 33_000 };
                let distance = (1 + random(far)).min(bytes.len());
                for _ in 0..count {
                    let byte = bytes.len().checked_sub(distance).map_or(0, |at| bytes[at]);
                    bytes.push(byte);
                }
            }
        }
    }
    bytes.truncate(len);
    bytes
}

fn content() -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let few = prop::collection::vec(0_u8..6, 0..300);
    let run = (any::<u8>(), 0_usize..1500).prop_map(|(byte, len)| vec![byte; len]);
    let period = (prop::collection::vec(any::<u8>(), 1..40), 1_usize..100)
        .prop_map(|(bytes, times)| bytes.repeat(times));
    let part = prop_oneof![noise, few, run, period];
    prop::collection::vec(part, 0..12).prop_map(|parts| {
        let once = parts.concat();
        // Copies of parts, from further away.
        let again: Vec<u8> = parts.into_iter().step_by(2).flatten().collect();
        [once, again].concat()
    })
}

proptest! {
    #[test]
    fn what_was_packed_is_unpacked(
        bytes in content(), level in 0_u32..=9, piece in 1_usize..300, take in 1_usize..5000,
    ) {
        let packed = [deflate(&bytes, level), b"behind".to_vec()].concat();
        let (found, rest) = unpack(&packed, piece, take);
        prop_assert_eq!(rest.unwrap(), 6);
        prop_assert!(found == bytes);
        let (found, rest) = unpack_member(&gzip(&bytes), piece, take);
        prop_assert_eq!(rest.unwrap(), 0);
        prop_assert!(found == bytes);
    }

    #[test]
    fn of_spoilt_streams_zlib_says_the_same(
        bytes in content(), level in 0_u32..=9, piece in 1_usize..3000,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u32..8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut packed = deflate(&bytes, level);
        for (place, bit) in flips {
            let place = place.index(packed.len().min(200));
            packed[place] ^= 1 << bit;
        }
        packed.extend_from_slice(&[0x5a; 60]);
        if let Some(cut) = cut {
            packed.truncate(cut.index(packed.len()));
        }
        let (expected, rest) = reference(&packed);
        let (found, result) = unpack(&packed, piece, 1000);
        prop_assert!(
            found == expected,
            "{} bytes instead of {}: {result:?}", found.len(), expected.len()
        );
        prop_assert_eq!(result.ok(), rest);
    }

    #[test]
    fn of_spoilt_members_zlib_says_the_same(
        place in 0_usize..30, byte in any::<u8>(), piece in 1_usize..40,
    ) {
        let mut packed = gzip(b"the content of a member");
        packed[place] = byte;
        packed.extend_from_slice(&[0; 60]);
        let mut decoder = GzDecoder::new(&packed[..]);
        let mut expected = Vec::new();
        let is_good = decoder.read_to_end(&mut expected).is_ok();
        let (found, result) = unpack_member(&packed, piece, 1000);
        prop_assert_eq!(result.ok(), is_good.then(|| decoder.into_inner().len()));
        // Its reader keeps back what came just before a fault.
        prop_assert!(found.starts_with(&expected));
    }
}
