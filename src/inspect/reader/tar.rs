//! Tars that hold a disk: the old GNU form with its sparse files, ustar, PAX names and sizes.
//!
//! ```text
//! name 100, mode 8, owner 8, group 8, size 12, time 12, checksum 8, type 1, link 100, magic 6, …
//! ustar: prefix 155 at 345
//! old GNU, type S: at 386 four times (offset 12, length 12), more 1, real size 12
//!         more: blocks of 21 such pairs, more 1 at 504
//! ```
//!
//! Only what comes forward is read: members in order, each with its pieces of data.

use std::io::{self, Read};

use super::{LIMIT_BYTES, Shared};
use crate::inspect::bytes::{count, index};
use crate::inspect::error::Problem;

pub(super) const BLOCK: usize = 512;
/// Names and PAX records beyond this are refused.
const RECORD_LIMIT: u64 = 1 << 20;
/// Pieces of a sparse file: a disk of 64 GiB with every other block of 64 KiB in use has half of that.
const MOST_PIECES: usize = 1 << 20;

/// Bytes that come forward and can be passed over.
pub(super) trait Forward: Read {
    /// Passes over `len` bytes.
    fn skip(&mut self, len: u64) -> io::Result<()>;
}

/// A disk image read forward.
#[derive(Debug)]
pub(super) struct Stream {
    image: Shared,
    at: u64,
}

impl Stream {
    pub(super) fn new(image: Shared) -> Self {
        Self { image, at: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.at
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.image.len_bytes().saturating_sub(self.at);
        let len = buffer.len().min(index(left));
        self.image.read_at(self.at, &mut buffer[..len]).map_err(|problem| match problem {
            Problem::Io(source) => source,
            other => io::Error::other(other),
        })?;
        self.at += count(len);
        Ok(len)
    }
}

impl Forward for Stream {
    fn skip(&mut self, len: u64) -> io::Result<()> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.image.len_bytes());
        self.at = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(())
    }
}

/// A stream that is made as it is read.
#[derive(Debug)]
pub(super) struct Made<R>(pub(super) R);

impl<R: Read> Read for Made<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Forward for Made<R> {
    fn skip(&mut self, len: u64) -> io::Result<()> {
        match io::copy(&mut self.0.by_ref().take(len), &mut io::sink())? {
            skipped if skipped == len => Ok(()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A regular file in a tar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    /// Its name as written.
    pub(super) name: String,
    /// The length of its content.
    pub(super) len: u64,
    /// Where its data belongs: offset and length, ascending. Between are zeros.
    pub(super) pieces: Vec<(u64, u64)>,
}

/// Goes through a tar.
#[derive(Debug)]
pub(super) struct Tar<R> {
    stream: R,
    /// What is left of the current member, its padding with it.
    left: u64,
}

impl<R: Forward> Tar<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, left: 0 }
    }

    /// The stream, at the data of the member that was returned last. Who reads of it, reads all.
    pub(super) fn into_stream(self) -> R {
        self.stream
    }

    /// The next regular file; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Member>, Problem> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            self.stream.skip(self.left).map_err(Problem::Stream)?;
            self.left = 0;
            let mut block = [0; BLOCK];
            match self.stream.read(&mut block[..1]).map_err(Problem::Stream)? {
                0 => return Ok(None),
                _ => self.stream.read_exact(&mut block[1..]).map_err(Problem::Stream)?,
            }
            if block == [0; BLOCK] {
                return Ok(None);
            }
            check_sum(&block)?;
            let size = number(&block[124..136]).ok_or(Problem::Signature("a member's size"))?;
            match block[156] {
                b'x' | b'L' => {
                    let record = self.record(size)?;
                    if block[156] == b'x' {
                        let (name, size) = pax(&record);
                        long_name = name.or(long_name);
                        long_size = size.or(long_size);
                    } else {
                        let name = record.split(|byte| *byte == 0).next().unwrap_or_default();
                        long_name = Some(String::from_utf8_lossy(name).into_owned());
                    }
                }
                kind => {
                    let size = long_size.take().unwrap_or(size);
                    if size > LIMIT_BYTES {
                        return Err(Problem::TooLarge(size));
                    }
                    let name = long_name.take().unwrap_or_else(|| name(&block));
                    let (len, pieces) = match kind {
                        b'S' => self.sparse(&block, size)?,
                        b'0' | 0 | b'7' => (size, vec![(0, size)]),
                        b'g' | b'K' => (0, Vec::new()),
                        // a directory, a link: no data, whatever the size says
                        _ => continue,
                    };
                    self.left = padded(size);
                    if !matches!(kind, b'g' | b'K') {
                        return Ok(Some(Member { name, len, pieces }));
                    }
                }
            }
        }
    }

    fn record(&mut self, size: u64) -> Result<Vec<u8>, Problem> {
        if size > RECORD_LIMIT {
            return Err(Problem::Value { what: "the length of a name or record", value: size });
        }
        let mut record = vec![0; index(padded(size))];
        self.stream.read_exact(&mut record).map_err(Problem::Stream)?;
        record.truncate(index(size));
        Ok(record)
    }

    /// The map of a sparse file whose data has `size` bytes.
    fn sparse(&mut self, block: &[u8], size: u64) -> Result<(u64, Vec<(u64, u64)>), Problem> {
        let wrong = || Problem::Signature("the map of a sparse file");
        let mut pieces = Vec::new();
        add_pieces(&block[386..482], &mut pieces).ok_or_else(wrong)?;
        let mut more = block[482] != 0;
        while more {
            let mut block = [0; BLOCK];
            self.stream.read_exact(&mut block).map_err(Problem::Stream)?;
            add_pieces(&block[..504], &mut pieces).ok_or_else(wrong)?;
            more = block[504] != 0;
        }
        let len = number(&block[483..495]).ok_or_else(wrong)?;
        if len > LIMIT_BYTES {
            return Err(Problem::TooLarge(len));
        }
        let (mut end, mut sum) = (0, 0_u64);
        for (offset, piece) in &pieces {
            if *offset < end {
                return Err(wrong());
            }
            end = offset.checked_add(*piece).filter(|end| *end <= len).ok_or_else(wrong)?;
            sum += piece;
        }
        if sum == size { Ok((len, pieces)) } else { Err(wrong()) }
    }
}

fn add_pieces(table: &[u8], pieces: &mut Vec<(u64, u64)>) -> Option<()> {
    for pair in table.chunks_exact(24) {
        if pair[0] == 0 {
            break;
        }
        if pieces.len() >= MOST_PIECES {
            return None;
        }
        pieces.push((number(&pair[..12])?, number(&pair[12..])?));
    }
    Some(())
}

/// The length with padding to whole blocks.
pub(super) fn padded(size: u64) -> u64 {
    size.saturating_add(511) & !511
}

fn name(block: &[u8]) -> String {
    let text = |field: &[u8]| {
        let text = field.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    };
    let name = text(&block[..100]);
    // only POSIX has a prefix: GNU's magic ends with blanks
    match text(&block[345..500]) {
        prefix if &block[257..263] == b"ustar\0" && !prefix.is_empty() => {
            format!("{prefix}/{name}")
        }
        _ => name,
    }
}

/// Octal digits, or a big-endian number marked by the highest bit.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let (first, rest) = field.split_first()?;
        let mut value = u64::from(first & 0x7F);
        for byte in rest {
            value = value.checked_mul(256)? | u64::from(*byte);
        }
        return Some(value);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

/// Whether this could be the header of a tar.
pub(super) fn is_header(block: &[u8]) -> bool {
    block.len() >= BLOCK && &block[257..262] == b"ustar" && check_sum(&block[..BLOCK]).is_ok()
}

fn check_sum(block: &[u8]) -> Result<(), Problem> {
    let bytes = block.iter().enumerate();
    let sum: u64 =
        bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
    if number(&block[148..156]) == Some(sum) {
        Ok(())
    } else {
        Err(Problem::Checksum("the header of a member"))
    }
}

/// Name and size of PAX records.
fn pax(records: &[u8]) -> (Option<String>, Option<u64>) {
    let (mut name, mut size) = (None, None);
    for line in String::from_utf8_lossy(records).lines() {
        let Some((key, value)) = line.split_once(' ').and_then(|(_, pair)| pair.split_once('='))
        else {
            continue;
        };
        match key {
            "path" => name = Some(value.to_owned()),
            "size" => size = value.parse().ok(),
            _ => {}
        }
    }
    (name, size)
}

/// For fuzzing: goes through a tar.
pub fn fuzz_tar(bytes: &[u8]) {
    let image: Shared = std::rc::Rc::new(super::Memory(bytes.to_vec()));
    let mut tar = Tar::new(Stream::new(image));
    while let Ok(Some(member)) = tar.next() {
        assert!(member.pieces.iter().all(|(at, len)| at + len <= member.len), "{member:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::Memory;
    use std::rc::Rc;

    fn header(name: &str, kind: u8, size: u64) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = kind;
        block[257..262].copy_from_slice(b"ustar");
        summed(block)
    }

    fn summed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }

    fn members(bytes: Vec<u8>) -> Result<Vec<Member>, Problem> {
        let mut tar = Tar::new(Stream::new(Rc::new(Memory(bytes))));
        std::iter::from_fn(|| tar.next().transpose()).collect()
    }

    fn padded_to_block(text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(BLOCK, 0);
        bytes
    }

    #[test]
    fn names_and_sizes_of_pax_count() {
        let records = "13 size=1000\n22 path=disk/disk.img\n";
        let bytes = [
            &header("pax", b'x', 37)[..],
            &padded_to_block(records),
            &header("short", b'0', 0),
            &[7; 1024],
            &header("folder", b'5', 0),
            &header("next", b'0', 3),
            &padded_to_block("abc"),
            &[0; 1024],
        ]
        .concat();
        let found = members(bytes).unwrap();
        let expected = [("disk/disk.img", 1000), ("next", 3)].map(|(name, len)| Member {
            name: name.to_owned(),
            len,
            pieces: vec![(0, len)],
        });
        assert_eq!(found, expected);
    }

    fn sparse(pieces: &[(u64, u64)], real: u64, size: u64) -> Result<Vec<Member>, Problem> {
        let mut block = header("disk.raw", b'S', size);
        for (place, (offset, len)) in block[386..].chunks_exact_mut(24).zip(pieces) {
            place.copy_from_slice(format!("{offset:011o}\0{len:011o}\0").as_bytes());
        }
        // too large for eleven octal digits: a binary number
        block[483] = 0x80;
        block[487..495].copy_from_slice(&real.to_be_bytes());
        members([&summed(block)[..], &[1; 1536], &[0; 1024]].concat())
    }

    #[test]
    fn maps_of_sparse_files_must_add_up() {
        let good = sparse(&[(512, 512), (4096, 600), (10_000, 0)], 10_000, 1112).unwrap();
        assert_eq!(good[0].len, 10_000);
        assert_eq!(good[0].pieces, [(512, 512), (4096, 600), (10_000, 0)]);
        for (pieces, real) in [
            (&[(4096, 600), (512, 512)][..], 10_000),
            (&[(512, 512), (1000, 600)], 10_000),
            (&[(512, 512), (4096, 600)], 4000),
            (&[(512, 1113)], 10_000),
        ] {
            assert!(matches!(sparse(pieces, real, 1112), Err(Problem::Signature(_))), "{pieces:?}");
        }
        let huge = sparse(&[(512, 1112)], LIMIT_BYTES + 1, 1112);
        assert!(matches!(huge, Err(Problem::TooLarge(_))));
    }

    #[test]
    fn damaged_headers_are_seen() {
        let mut block = header("x", b'0', 0);
        block[0] = b'y';
        assert!(matches!(members(block.to_vec()), Err(Problem::Checksum(_))));
        assert!(members(header("x", b'0', 1000)[..400].to_vec()).is_err());
        assert!(matches!(members(header("x", b'L', 2 << 20).to_vec()), Err(Problem::Value { .. })));
    }
}
