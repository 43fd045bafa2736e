//! VHD, fixed: the disk's bytes and a footer. What Azure takes.
//!
//! ```text
//!  0                                              disk size       + 512
//!  ┌─────────────────────────────────────────────┬────────────────┐
//!  │ the disk, holes kept                        │ footer         │
//!  └─────────────────────────────────────────────┴────────────────┘
//! ```
//!
//! | footer offset | field (big-endian) | | offset | field |
//! |---|---|---|---|---|
//! | 0 | `conectix` | | 40, 48 | size when made, size now |
//! | 8 | features: 2, "reserved" | | 56 | cylinders (16 bits), heads, sectors per track |
//! | 12 | version 1.0 | | 60 | kind: 2, fixed |
//! | 16 | next header: all ones, none | | 64 | complement of the sum of all bytes but these |
//! | 24 | seconds since 2000 | | 68 | unique id |
//! | 28, 32, 36 | creator, its version, its system | | 84 | saved state: 0 |
//!
//! The geometry of the specification reaches 127 GiB and rounds down. Virtual PC and old QEMU cut
//! the disk to it; for the creator `win `, which is Hyper-V, everybody takes the size as it stands.
//! Azure wants whole mebibytes.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use crate::progress::{Cancel, Event, Reporter};
use crate::units::{ByteLen, MIB};

use super::FormatError;
use super::copy::copy_extents;

const FOOTER_BYTES: usize = 512;
const FOOTER: u64 = 512;
/// Where QEMU and the specification end.
const MAX_DISK_BYTES: u64 = 2040 << 30;
/// 2000-01-01T00:00:00Z in seconds since 1970.
const EPOCH_2000: i64 = 946_684_800;
const CHECKSUM_AT: usize = 64;

/// What the footer says besides the size.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Tells this disk from others: 16 bytes, as they will be in the file.
    pub unique_id: [u8; 16],
    /// When the disk was made, in seconds since 1970; before 2000 counts as 2000.
    pub created_secs: i64,
}

/// Encodes the first `disk_size` bytes of `source`, a multiple of a mebibyte, into `out`, an empty
/// file open for writing. What `source` lacks is zeros. Returns the file's length; nobody wants to
/// hash gigabytes of zeros.
pub fn encode(
    source: &File,
    disk_size: ByteLen,
    out: &File,
    options: &Options,
    reporter: &dyn Reporter,
    cancel: &Cancel,
) -> Result<ByteLen, FormatError> {
    let disk_bytes = disk_size.0;
    if disk_bytes == 0 || !disk_bytes.is_multiple_of(MIB) || disk_bytes > MAX_DISK_BYTES {
        return Err(FormatError::Size { format: "vhd", disk_bytes });
    }
    let report = |done_bytes| {
        reporter.report(Event::Encoded { format: "vhd", done_bytes, total_bytes: disk_bytes });
    };
    copy_extents(source, out, disk_bytes, cancel, &report)?;
    out.write_all_at(&footer(disk_bytes, options), disk_bytes)
        .map_err(|source| FormatError::Write { offset: disk_bytes, source })?;
    report(disk_bytes);
    Ok(ByteLen(disk_bytes + FOOTER))
}

fn footer(disk_bytes: u64, options: &Options) -> [u8; FOOTER_BYTES] {
    let since_2000 = options.created_secs.saturating_sub(EPOCH_2000).max(0);
    let time = u32::try_from(since_2000).unwrap_or(u32::MAX);
    let geometry = Geometry::of(disk_bytes / 512);
    let mut bytes = [0; FOOTER_BYTES];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"conectix");
    put(8, &2_u32.to_be_bytes());
    put(12, &0x0001_0000_u32.to_be_bytes());
    put(16, &u64::MAX.to_be_bytes());
    put(24, &time.to_be_bytes());
    put(28, b"win ");
    put(32, &0x000a_0000_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &disk_bytes.to_be_bytes());
    put(48, &disk_bytes.to_be_bytes());
    put(56, &geometry.cylinders.to_be_bytes());
    put(58, &[geometry.heads, geometry.sectors]);
    put(60, &2_u32.to_be_bytes());
    put(68, &options.unique_id);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    bytes[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&(!sum).to_be_bytes());
    bytes
}

/// Cylinders, heads and sectors per track, as the appendix of the specification computes them.
#[derive(Debug, PartialEq, Eq)]
struct Geometry {
    cylinders: u16,
    heads: u8,
    sectors: u8,
}

impl Geometry {
    fn of(total_sectors: u64) -> Self {
        let total = total_sectors.min(65_535 * 16 * 255);
        let (heads, sectors) = if total >= 65_535 * 16 * 63 {
            (16, 255)
        } else {
            let heads = (total / 17).div_ceil(1024).max(4);
            let fits = |sectors: u64, heads: u64| total / sectors < heads * 1024;
            match () {
                () if heads <= 16 && fits(17, heads) => (heads, 17),
                () if fits(31, 16) => (16, 31),
                () => (16, 63),
            }
        };
        let narrow = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        let cylinders = u16::try_from(total / sectors / heads).unwrap_or(u16::MAX);
        Self { cylinders, heads: narrow(heads), sectors: narrow(sectors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    fn geometry(total_sectors: u64) -> (u16, u8, u8) {
        let found = Geometry::of(total_sectors);
        (found.cylinders, found.heads, found.sectors)
    }

    #[test]
    fn geometries_are_those_of_the_specification() {
        // 1 MiB, 40 MiB, 1 GiB, 10 GiB, 64 GiB, 127 GiB and more.
        assert_eq!(geometry(2048), (30, 4, 17));
        assert_eq!(geometry(81_920), (963, 5, 17));
        assert_eq!(geometry(2_097_152), (2080, 16, 63));
        assert_eq!(geometry(20_971_520), (20_805, 16, 63));
        assert_eq!(geometry(134_217_728), (32_896, 16, 255));
        assert_eq!(geometry(1 << 32), (65_535, 16, 255));
    }

    #[test]
    fn a_geometry_never_holds_more_than_the_disk() {
        for mebibytes in (1..200_000).step_by(37) {
            let (cylinders, heads, sectors) = geometry(mebibytes * 2048);
            let held = u64::from(cylinders) * u64::from(heads) * u64::from(sectors);
            assert!(held <= mebibytes * 2048 && held > 0, "{mebibytes} MiB");
        }
    }

    #[test]
    fn the_footer_sums_up_to_its_checksum() {
        let options = Options { unique_id: [0xab; 16], created_secs: EPOCH_2000 + 7 };
        let mut bytes = footer(10 * MIB, &options);
        assert_eq!(bytes[24..28], [0, 0, 0, 7]);
        let stored: [u8; 4] = bytes[64..68].try_into().unwrap();
        bytes[64..68].fill(0);
        let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
        assert_eq!(u32::from_be_bytes(stored), !sum);
        let old = footer(MIB, &Options { created_secs: 0, ..options });
        assert_eq!(old[24..28], [0; 4]);
    }

    #[test]
    fn sizes_that_azure_refuses_are_refused() {
        let file = tempfile::tempfile().unwrap();
        let options = Options { unique_id: [0; 16], created_secs: 0 };
        for size in [0, 512, MIB + 512, MAX_DISK_BYTES + MIB] {
            let result = encode(&file, ByteLen(size), &file, &options, &Silent, &Cancel::default());
            assert!(matches!(result, Err(FormatError::Size { format: "vhd", .. })), "{size}");
        }
    }
}
