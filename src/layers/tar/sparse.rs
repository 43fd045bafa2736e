//! Sparse files: which bytes of a file the archive stores.
//!
//! | form | where the map is |
//! |---|---|
//! | GNU, type `S` | 4 segments in the header, 21 in each extension block of 512 bytes |
//! | PAX 0.0 | records `GNU.sparse.offset`, `GNU.sparse.numbytes`, repeated |
//! | PAX 0.1 | record `GNU.sparse.map` |
//! | PAX 1.0 | before the data: a count, then offsets and lengths, a line each, padded to 512 bytes |
//!
//! The stored data is that of all segments, without gaps. A map ends with an empty segment at the
//! file's length when the file ends in a hole.

use std::io::BufRead;

use super::header::{BLOCK_BYTES, number};
use super::input::{Input, count_u64};
use super::pax::decimal;
use crate::layers::Error;
use crate::layers::error::shown;

/// The most segments that a map may have: 16 MiB of memory.
const SEGMENTS_MAX: usize = 1 << 20;
/// Offset and length of 12 bytes each.
const GNU_SEGMENT_BYTES: usize = 24;
/// Segments in an extension block; the byte after them tells whether another one follows.
const GNU_EXTENSION_SEGMENTS: usize = 21;

/// A run of stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// Where the run belongs in the file.
    pub(super) offset: u64,
    /// Its length.
    pub(super) len: u64,
}

/// A map that fits its file: segments ascend, end within it, and hold all stored bytes.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) segments: Vec<Segment>,
    pub(super) real_size: u64,
}

impl Map {
    /// The map of a file that is stored whole.
    pub(super) fn dense(len: u64) -> Self {
        let whole = Segment { offset: 0, len };
        Self { segments: if len == 0 { Vec::new() } else { vec![whole] }, real_size: len }
    }

    /// Checks a map; says what is wrong with it.
    pub(super) fn new(
        segments: Vec<Segment>,
        real_size: u64,
        stored: u64,
    ) -> Result<Self, &'static str> {
        let mut end = 0;
        let mut sum = 0u64;
        for segment in &segments {
            if segment.offset < end {
                return Err("segments overlap or are out of order");
            }
            end = segment.offset.checked_add(segment.len).ok_or("a segment is out of range")?;
            sum += segment.len;
        }
        if end > real_size {
            return Err("a segment ends after the file");
        }
        if sum != stored {
            return Err("the segments do not hold as many bytes as are stored");
        }
        Ok(Self { segments, real_size })
    }

    /// Whether the file ends in a hole that no final segment closes.
    pub(super) fn is_unterminated(&self) -> bool {
        self.segments.last().map_or(0, |last| last.offset + last.len) != self.real_size
    }
}

/// Reads segments in GNU's binary form up to the first unused one.
fn gnu_segments(bytes: &[u8], segments: &mut Vec<Segment>) -> Result<(), &'static str> {
    for pair in bytes.as_chunks::<GNU_SEGMENT_BYTES>().0 {
        let (offset, len) = pair.split_at(12);
        if len[0] == 0 {
            break;
        }
        let field = |field| number(field).and_then(|value| u64::try_from(value).ok());
        let (Some(offset), Some(len)) = (field(offset), field(len)) else {
            return Err("a segment is no number");
        };
        push(segments, Segment { offset, len })?;
    }
    Ok(())
}

/// Reads the rest of a GNU map: `first` from the header, then extension blocks.
pub(super) fn load_gnu<R: BufRead>(
    input: &mut Input<R>,
    first: &[u8],
    mut is_extended: bool,
    path: &[u8],
) -> Result<Vec<Segment>, Error> {
    const USED_BYTES: usize = GNU_EXTENSION_SEGMENTS * GNU_SEGMENT_BYTES;
    let bad = |reason| Error::BadSparseMap { path: shown(path), reason };
    let mut segments = Vec::new();
    gnu_segments(first, &mut segments).map_err(bad)?;
    let mut blocks = 0;
    while is_extended {
        blocks += 1;
        if blocks > SEGMENTS_MAX / GNU_EXTENSION_SEGMENTS {
            return Err(bad("it has too many segments"));
        }
        let block = load_block(input, path)?;
        gnu_segments(&block[..USED_BYTES], &mut segments).map_err(bad)?;
        is_extended = block[USED_BYTES] != 0;
    }
    Ok(segments)
}

/// Reads the map in front of the data of form 1.0; also returns how many bytes it took.
pub(super) fn load_pax_1_0<R: BufRead>(
    input: &mut Input<R>,
    stored: u64,
    path: &[u8],
) -> Result<(Vec<Segment>, u64), Error> {
    let bad = |reason| Error::BadSparseMap { path: shown(path), reason };
    let mut lines = Lines { left: stored, taken: 0, line: Vec::new() };
    let mut block = [0; BLOCK_BYTES];
    let mut at = BLOCK_BYTES;
    let mut next = |lines: &mut Lines| -> Result<u64, Error> {
        loop {
            if at == BLOCK_BYTES {
                lines.take_block().map_err(bad)?;
                block = load_block(input, path)?;
                at = 0;
            }
            let byte = block[at];
            at += 1;
            if let Some(number) = lines.push(byte).map_err(bad)? {
                return Ok(number);
            }
        }
    };
    let count = next(&mut lines)?;
    if count > count_u64(SEGMENTS_MAX) {
        return Err(bad("it has too many segments"));
    }
    let mut segments = Vec::new();
    for _ in 0..count {
        let (offset, len) = (next(&mut lines)?, next(&mut lines)?);
        push(&mut segments, Segment { offset, len }).map_err(bad)?;
    }
    Ok((segments, lines.taken))
}

/// Decimal numbers, a line each, in blocks.
struct Lines {
    left: u64,
    taken: u64,
    line: Vec<u8>,
}

impl Lines {
    fn take_block(&mut self) -> Result<(), &'static str> {
        let block = count_u64(BLOCK_BYTES);
        self.left = self.left.checked_sub(block).ok_or("it is longer than the stored data")?;
        self.taken += block;
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<Option<u64>, &'static str> {
        const DIGITS_MAX: usize = 20;
        if byte != b'\n' {
            self.line.push(byte);
            return if self.line.len() > DIGITS_MAX { Err("a line is too long") } else { Ok(None) };
        }
        let number = decimal(&self.line).ok_or("a line is no number")?;
        self.line.clear();
        Ok(Some(number))
    }
}

fn load_block<R: BufRead>(input: &mut Input<R>, path: &[u8]) -> Result<[u8; BLOCK_BYTES], Error> {
    match input.block() {
        Ok(Some(block)) => Ok(block),
        Ok(None) | Err(Error::TruncatedHeader { .. }) => {
            Err(Error::Truncated { path: shown(path), offset: input.offset() })
        }
        Err(error) => Err(error),
    }
}

fn push(segments: &mut Vec<Segment>, segment: Segment) -> Result<(), &'static str> {
    if segments.len() == SEGMENTS_MAX {
        return Err("it has too many segments");
    }
    segments.push(segment);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(u64, u64)], real_size: u64, stored: u64) -> Result<bool, &'static str> {
        let segments = pairs.iter().map(|&(offset, len)| Segment { offset, len }).collect();
        Map::new(segments, real_size, stored).map(|map| map.is_unterminated())
    }

    #[test]
    fn a_map_must_fit_its_file() {
        assert_eq!(map(&[(0, 5), (10, 5)], 15, 10), Ok(false));
        assert_eq!(map(&[(0, 5), (15, 0)], 15, 5), Ok(false));
        assert_eq!(map(&[(0, 5)], 15, 5), Ok(true));
        assert_eq!(map(&[], 15, 0), Ok(true));
        assert_eq!(map(&[], 0, 0), Ok(false));
        assert!(map(&[(5, 5), (9, 1)], 15, 6).is_err());
        assert!(map(&[(5, 5)], 9, 5).is_err());
        assert!(map(&[(5, 5)], 10, 6).is_err());
        assert!(map(&[(5, u64::MAX)], 10, 6).is_err());
    }
}
