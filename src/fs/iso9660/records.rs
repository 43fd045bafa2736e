//! Directory records, and what Rock Ridge adds to them.
//!
//! | at | record (ECMA-119 9.1) |
//! |---|---|
//! | 0, 1 | its length, even, at most 255; sectors of attributes before the content |
//! | 2, 10 | first sector and length of an extent, in both byte orders |
//! | 18 | time: years since 1900, month, day, hour, minute, second, zone |
//! | 25 | flags: 1 directory, 7 not the last extent |
//! | 26, 27 | where content has gaps: sectors of a piece, of a gap |
//! | 28 | volume 1, in both byte orders |
//! | 32 | length of the identifier, the identifier, a zero if that makes it even |
//! | … | entries of Rock Ridge: signature, length, version 1, content |
//!
//! Entries: `SP` marks the root of a tree that has them, `ER` says which these are, `PX` has mode and
//! number of links, `TF` times, `NM` the name. Others write more of them, see [`super::reader`].

use super::tree::{Kind, Node};
use super::{both16, both32, le32};
use crate::volume::Civil;

pub(super) const DIRECTORY: u8 = 1 << 1;
pub(super) const CONTINUED: u8 = 1 << 7;

/// A directory and a file that all may read, and nobody may change.
const DIRECTORY_MODE: u32 = 0o040_555;
const FILE_MODE: u32 = 0o100_444;
/// Times that `TF` has here: of the content, of the last access, of the attributes.
const TIMES: u8 = 0b1110;

/// Where the parts of a record are.
mod at {
    pub const ATTRIBUTES: usize = 1;
    pub const SECTOR: usize = 2;
    pub const LEN: usize = 10;
    pub const TIME: usize = 18;
    pub const FLAGS: usize = 25;
    pub const PIECE: usize = 26;
    pub const VOLUME: usize = 28;
    pub const ID_LEN: usize = 32;
    pub const ID: usize = 33;
}

/// Where bytes are: whole sectors from this one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extent {
    pub sector: u32,
    pub len_bytes: u32,
}

/// A directory record.
pub(super) fn record(
    id: &[u8],
    extent: Extent,
    flags: u8,
    time: Civil,
    rock_ridge: &[u8],
) -> Vec<u8> {
    let mut record = vec![0; at::ID];
    record[at::SECTOR..at::LEN].copy_from_slice(&both32(extent.sector));
    record[at::LEN..at::TIME].copy_from_slice(&both32(extent.len_bytes));
    record[at::TIME..at::FLAGS].copy_from_slice(&short_time(time));
    record[at::FLAGS] = flags;
    record[at::VOLUME..at::ID_LEN].copy_from_slice(&both16(1));
    record[at::ID_LEN] = byte(id.len());
    record.extend(id);
    if id.len().is_multiple_of(2) {
        record.push(0);
    }
    record.extend(rock_ridge);
    if !record.len().is_multiple_of(2) {
        record.push(0);
    }
    record[0] = byte(record.len());
    record
}

/// A directory record as it is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    /// Where the content is, behind its attributes.
    pub extent: Extent,
    pub flags: u8,
    /// Whether the content has gaps.
    pub has_gaps: bool,
    pub id: &'a [u8],
    /// Entries of Rock Ridge, or of something else.
    pub entries: &'a [u8],
}

/// Lets a record, as it is found, lead to this extent.
pub(super) fn lead_to(record: &mut [u8], extent: Extent) {
    if record.len() >= at::ID {
        record[at::ATTRIBUTES] = 0;
        record[at::SECTOR..at::LEN].copy_from_slice(&both32(extent.sector));
        record[at::LEN..at::TIME].copy_from_slice(&both32(extent.len_bytes));
    }
}

impl<'a> Found<'a> {
    /// The record at the start of these bytes, and its length; `None` when they hold none.
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let len = usize::from(*bytes.first()?);
        let record = bytes.get(..len)?;
        let id_len = usize::from(*record.get(at::ID_LEN)?);
        let id = record.get(at::ID..at::ID + id_len)?;
        let entries = at::ID + id_len + usize::from(id_len.is_multiple_of(2));
        let sector = le32(record, at::SECTOR)?;
        let found = Self {
            extent: Extent {
                sector: sector.checked_add(u32::from(record[at::ATTRIBUTES]))?,
                len_bytes: le32(record, at::LEN)?,
            },
            flags: record[at::FLAGS],
            has_gaps: record[at::PIECE] != 0,
            id,
            entries: record.get(entries..).unwrap_or_default(),
        };
        Some((found, len))
    }
}

/// The entries of a child.
pub(super) fn of_child(node: &Node, links: u32, time: Civil) -> Vec<u8> {
    [attributes(node, links), times(time), entry(b"NM", &[&[0], node.name.as_bytes()].concat())]
        .concat()
}

/// The entries of a directory's records for itself and for the one above it.
pub(super) fn of_directory(node: &Node, links: u32, time: Civil) -> Vec<u8> {
    [attributes(node, links), times(time)].concat()
}

/// The entries of the root's record for itself.
pub(super) fn of_root(node: &Node, links: u32, time: Civil) -> Vec<u8> {
    const RULES: &[u8] = b"RRIP_1991A";
    let marked = entry(b"SP", &[0xBE, 0xEF, 0]);
    let rules = entry(b"ER", &[&[byte(RULES.len()), 0, 0, 1], RULES].concat());
    [marked, of_directory(node, links, time), rules].concat()
}

fn attributes(node: &Node, links: u32) -> Vec<u8> {
    let mode = match node.kind {
        Kind::Directory(_) => DIRECTORY_MODE,
        Kind::File(_) => FILE_MODE,
    };
    entry(b"PX", &[mode, links, 0, 0].map(both32).concat())
}

fn times(time: Civil) -> Vec<u8> {
    let time = short_time(time);
    entry(b"TF", &[&[TIMES], &time[..], &time, &time].concat())
}

fn entry(signature: &[u8; 2], content: &[u8]) -> Vec<u8> {
    [signature, &[byte(4 + content.len()), 1][..], content].concat()
}

fn short_time(time: Civil) -> [u8; 7] {
    let Civil { year, month, day, hour, minute, second } = time;
    [u8::try_from(year - 1900).unwrap_or(0), month, day, hour, minute, second, 0]
}

/// Records, entries and names are short: [`super::tree`] sees to that.
fn byte(len: usize) -> u8 {
    debug_assert!(len < 256, "a record of {len} bytes");
    u8::try_from(len).unwrap_or(u8::MAX)
}
