//! Volume descriptors: one sector each.
//!
//! | at | primary and supplementary (ECMA-119 8.4, 8.5) |
//! |---|---|
//! | 0 | type 1 or 2, `CD001`, version 1 |
//! | 8, 40 | system and volume, 32 characters each |
//! | 80 | sectors of the volume |
//! | 88 | supplementary: `%/E`, which says UCS-2 at level 3 |
//! | 120, 124, 128 | one volume, the first of one; bytes of a sector |
//! | 132 | bytes of a path table |
//! | 140, 148 | where it is: little-endian, big-endian |
//! | 156 | the record of the root directory |
//! | 190 … 813 | names of volume set, publisher, preparer, application (at 574), and of three files |
//! | 813, 830, 847, 864 | times: made, changed, expires (never), takes effect |
//! | 881 | version 1 |
//! | 883 … 1395 | of who made the image; nothing of ours |

use super::records::{self, DIRECTORY, Extent, Found};
use super::{Options, SECTOR_BYTES, both16, both32};
use crate::volume::Civil;

const SECTOR: usize = 2048;
const SYSTEM: &str = "LINUX";
/// A time that is none.
const NEVER: &[u8; 17] = b"0000000000000000\0";

/// Where the parts of a descriptor are that are read, too.
pub(super) mod at {
    pub const SYSTEM_ID: usize = 8;
    pub const VOLUME_ID: usize = 40;
    pub const SECTORS: usize = 80;
    pub const ESCAPES: usize = 88;
    pub const SECTOR_BYTES: usize = 128;
    pub const TABLE_BYTES: usize = 132;
    pub const TABLES: [usize; 2] = [140, 148];
    /// Copies of the tables, which need not be.
    pub const MORE_TABLES: [usize; 2] = [144, 152];
    pub const ROOT: usize = 156;
    pub const APPLICATION: usize = 574;
    /// Room for who made the image.
    pub const FREE: std::ops::Range<usize> = 883..1395;
}

pub(super) const BOOT: u8 = 0;
pub(super) const PRIMARY: u8 = 1;
pub(super) const SUPPLEMENTARY: u8 = 2;
pub(super) const TERMINATOR: u8 = 255;
/// What makes a sector a descriptor, after its type.
pub(super) const MAGIC: &[u8; 5] = b"CD001";

pub(super) type Sector = [u8; SECTOR];

/// What the descriptors of both views say differently.
#[derive(Debug, Clone, Copy)]
pub(super) struct Volume {
    /// How long it is.
    pub sectors: u32,
    /// Bytes of the path table.
    pub table_bytes: u32,
    /// First sectors of the path tables: little-endian, big-endian.
    pub tables: [u32; 2],
    /// The root directory.
    pub root: Extent,
}

/// The descriptor that every reader looks for.
pub(super) fn primary(volume: Volume, options: &Options, time: Civil) -> Sector {
    let text = |text: &str, len: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.resize(len, b' ');
        bytes
    };
    descriptor(PRIMARY, volume, options, time, text)
}

/// The descriptor of the names for Windows.
pub(super) fn joliet(volume: Volume, options: &Options, time: Civil) -> Sector {
    let text = |text: &str, len: usize| {
        let units = text.encode_utf16().chain(std::iter::repeat(u16::from(b' ')));
        let mut bytes: Vec<u8> = units.take(len / 2).flat_map(u16::to_be_bytes).collect();
        bytes.resize(len, 0);
        bytes
    };
    let mut sector = descriptor(SUPPLEMENTARY, volume, options, time, text);
    sector[at::ESCAPES..at::ESCAPES + 3].copy_from_slice(b"%/E");
    sector
}

fn descriptor(
    kind: u8,
    volume: Volume,
    options: &Options,
    time: Civil,
    text: impl Fn(&str, usize) -> Vec<u8>,
) -> Sector {
    let mut sector = head(kind);
    let mut put = |at: usize, bytes: &[u8]| sector[at..at + bytes.len()].copy_from_slice(bytes);
    put(at::SYSTEM_ID, &text(SYSTEM, 32));
    put(at::VOLUME_ID, &text(options.volume_id.as_str(), 32));
    put(at::SECTORS, &both32(volume.sectors));
    put(120, &both16(1));
    put(124, &both16(1));
    put(at::SECTOR_BYTES, &both16(u16::try_from(SECTOR_BYTES).unwrap_or(0)));
    put(at::TABLE_BYTES, &both32(volume.table_bytes));
    put(at::TABLES[0], &volume.tables[0].to_le_bytes());
    put(at::TABLES[1], &volume.tables[1].to_be_bytes());
    put(at::ROOT, &records::record(&[0], volume.root, DIRECTORY, time, &[]));
    for unused in [190, 318, 446] {
        put(unused, &text("", 128));
    }
    put(at::APPLICATION, &text(&options.application, 128));
    for unused in [702, 739, 776] {
        put(unused, &text("", 37));
    }
    for set in [813, 830, 864] {
        put(set, &long_time(time));
    }
    put(847, NEVER);
    put(881, &[1]);
    sector
}

/// Where a descriptor says that the root is.
pub(super) fn root(descriptor: &[u8]) -> Option<Extent> {
    Found::parse(descriptor.get(at::ROOT..)?).map(|(found, _)| found.extent)
}

/// Says in a descriptor, as it is found, what is different now.
pub(super) fn change(descriptor: &mut [u8], volume: Volume) {
    let mut put = |at: usize, bytes: &[u8]| descriptor[at..at + bytes.len()].copy_from_slice(bytes);
    put(at::SECTORS, &both32(volume.sectors));
    put(at::TABLE_BYTES, &both32(volume.table_bytes));
    put(at::TABLES[0], &volume.tables[0].to_le_bytes());
    put(at::TABLES[1], &volume.tables[1].to_be_bytes());
    for copy in at::MORE_TABLES {
        put(copy, &[0; 4]);
    }
    records::lead_to(&mut descriptor[at::ROOT..], volume.root);
}

/// The descriptor after the last.
pub(super) fn terminator() -> Sector {
    head(TERMINATOR)
}

pub(super) fn head(kind: u8) -> Sector {
    let mut sector = [0; SECTOR];
    sector[0] = kind;
    sector[1..6].copy_from_slice(MAGIC);
    sector[6] = 1;
    sector
}

fn long_time(time: Civil) -> [u8; 17] {
    let Civil { year, month, day, hour, minute, second } = time;
    let digits = format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}00\0");
    digits.as_bytes().try_into().unwrap_or(*NEVER)
}
