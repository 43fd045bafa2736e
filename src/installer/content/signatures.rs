//! What a disk or a partition is, by bytes at known places.
//!
//! A row is a place, the bytes that are there, and what they mean; one kind may have several rows.
//! Some write at the end: a place is then so many bytes before it, rounded down to a multiple.
//!
//! | kind | at | where a label is |
//! |---|---|---|
//! | ext2, ext3, ext4 | 1080, told apart by features at 1116 and 1120 | 1144, 16 bytes |
//! | XFS | 0 | 108, 12 |
//! | Btrfs | 65600 | 65835, 256 |
//! | FAT12, FAT16; FAT32 | 54; 82 | 43, 11; 71, 11 |
//! | exFAT, NTFS, BitLocker | 3 | not read |
//! | ISO 9660 | 32769 | 32808, 32 |
//! | LUKS | 0 | 24, 48, of version 2 |
//! | LVM | 24 in one of four sectors | not read |
//! | swap | 10 bytes before a page's end | 1052, 16 |
//! | RAID of Linux | 0, 4096 or at the end | 32 bytes after that, 32 |

use std::fmt;
use std::io::{Read, Seek};

use super::{ContentError, Reader, le32, take, text};
use crate::units::{ByteLen, ByteOffset};

/// Enough for every place that counts from the start.
const HEAD_BYTES: usize = 68 << 10;

/// What a disk or a partition is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// `ext4`, `XFS` …
    pub kind: &'static str,
    /// Its label.
    pub label: Option<String>,
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => write!(f, "{} `{label}`", self.kind),
            None => f.write_str(self.kind),
        }
    }
}

struct Row {
    at: usize,
    magic: &'static [u8],
    kind: &'static str,
    /// Where a label is, and how long.
    label: (usize, usize),
}

const fn row(at: usize, magic: &'static [u8], kind: &'static str, label: (usize, usize)) -> Row {
    Row { at, magic, kind, label }
}

const EXT: &str = "ext";
const LUKS: &str = "LUKS";
const RAID: &str = "Linux RAID";
const NONE: (usize, usize) = (0, 0);
const SWAP: (usize, usize) = (1052, 16);
const LVM: &[u8] = b"LVM2 001";
const RAID_MAGIC: &[u8] = &[0xFC, 0x4E, 0x2B, 0xA9];

const ROWS: &[Row] = &[
    row(1080, &[0x53, 0xEF], EXT, (1144, 16)),
    row(0, b"XFSB", "XFS", (108, 12)),
    row(0x1_0040, b"_BHRfS_M", "Btrfs", (0x1_012B, 256)),
    row(82, b"FAT32   ", "FAT", (71, 11)),
    row(54, b"FAT16   ", "FAT", (43, 11)),
    row(54, b"FAT12   ", "FAT", (43, 11)),
    row(3, b"EXFAT   ", "exFAT", NONE),
    row(3, b"NTFS    ", "NTFS", NONE),
    row(3, b"-FVE-FS-", "BitLocker", NONE),
    row(32769, b"CD001", "ISO 9660", (32808, 32)),
    row(32769, b"BEA01", "UDF", NONE),
    row(0, b"LUKS\xBA\xBE", LUKS, (24, 48)),
    row(24, LVM, "LVM", NONE),
    row(512 + 24, LVM, "LVM", NONE),
    row(1024 + 24, LVM, "LVM", NONE),
    row(1536 + 24, LVM, "LVM", NONE),
    row(4096 - 10, b"SWAPSPACE2", "swap", SWAP),
    row((16 << 10) - 10, b"SWAPSPACE2", "swap", SWAP),
    row((64 << 10) - 10, b"SWAPSPACE2", "swap", SWAP),
    row(0, RAID_MAGIC, RAID, (32, 32)),
    row(4096, RAID_MAGIC, RAID, (4096 + 32, 32)),
    row(
        4096 + 24,
        b"\xC6\x85\x73\xF6\x4E\x1A\x45\xCA\x82\x65\xF5\x7F\x48\xBA\x6D\x81",
        "bcache",
        NONE,
    ),
    row(
        4096 + 24,
        b"\xC6\x85\x73\xF6\x66\xCE\x90\xA9\xD9\x6A\x60\xCF\x80\x3D\xF7\xEF",
        "bcachefs",
        NONE,
    ),
    row(1024, &[0x10, 0x20, 0xF5, 0xF2], "F2FS", NONE),
    row(0, b"hsqs", "squashfs", NONE),
    row(1024, &[0xE2, 0xE1, 0xF5, 0xE0], "EROFS", NONE),
];

/// Rows that count from the end: how far before it, a multiple of what, the bytes, their meaning.
const TAIL_ROWS: &[(u64, u64, &[u8], &str)] = &[
    (8 << 10, 4 << 10, RAID_MAGIC, RAID),
    (64 << 10, 64 << 10, RAID_MAGIC, RAID),
    (1024, 512, b"Intel Raid ISM Cfg Sig. ", "RAID of the firmware"),
    (512, 512, &[0xDE, 0x11, 0xDE, 0x11], "RAID of the firmware"),
];

/// What is in a part of a disk, each kind once.
pub(super) fn find<D: Read + Seek>(
    disk: &mut Reader<D>,
    start: ByteOffset,
    len: ByteLen,
) -> Result<Vec<Signature>, ContentError> {
    let within = len.0.min(disk.len.saturating_sub(start.0));
    let head = disk.read(start.0, HEAD_BYTES.min(usize::try_from(within).unwrap_or(HEAD_BYTES)))?;
    let mut found: Vec<Signature> = Vec::new();
    let mut add = |signature: Signature| {
        if found.iter().all(|known| known.kind != signature.kind) {
            found.push(signature);
        }
    };
    for row in ROWS {
        if head.get(row.at..).is_some_and(|rest| rest.starts_with(row.magic)) {
            add(signature(&head, row));
        }
    }
    for (before, multiple, magic, kind) in TAIL_ROWS {
        let Some(at) = within.checked_sub(*before).map(|at| at - at % multiple) else { continue };
        let Some(at) = start.0.checked_add(at) else { continue };
        if disk.read(at, magic.len())? == *magic {
            add(Signature { kind, label: None });
        }
    }
    Ok(found)
}

fn signature(head: &[u8], row: &Row) -> Signature {
    let kind = if row.kind == EXT { ext(head) } else { row.kind };
    let has_label = row.kind != LUKS || u16::from_be_bytes(take(head, 6)) == 2;
    let (at, len) = row.label;
    let label = head.get(at..at + len).filter(|_| has_label).and_then(text::field);
    Signature { kind, label: label.filter(|label| label != "NO NAME") }
}

/// Which one, by the features: a journal, extents or 64 bits or metadata checksums.
fn ext(head: &[u8]) -> &'static str {
    let has_journal = le32(head, 1116) & 0x4 != 0;
    let is_newer = le32(head, 1120) & (0x40 | 0x80) != 0 || le32(head, 1124) & 0x400 != 0;
    match (is_newer, has_journal) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    }
}
