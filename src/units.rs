//! Addresses and lengths. Every shift between bytes, sectors and blocks happens here.
//!
//! An offset and a length have the same width and must never be swapped, so each has its own type.
//! Constructors refuse what does not fit; arithmetic that could overflow returns `None`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A mebibyte, the alignment of partitions.
pub const MIB: u64 = 1 << 20;
/// A gibibyte.
pub const GIB: u64 = 1 << 30;

/// A position in bytes from the start of a disk, partition or file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ByteOffset(pub u64);

/// A length in bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ByteLen(pub u64);

/// The logical sector size of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SectorSize {
    /// 512 bytes, what nearly every virtual disk has.
    B512,
    /// 4096 bytes ("4Kn").
    B4096,
}

/// A sector number: logical block address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lba(pub u64);

/// A sector of a CD by its number: 2048 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CdSector(pub u32);

impl ByteOffset {
    /// This position moved forward by `len`; `None` past the end of 64 bits.
    pub fn checked_add(self, len: ByteLen) -> Option<Self> {
        self.0.checked_add(len.0).map(Self)
    }
}

impl ByteLen {
    /// The length rounded up to a multiple of `unit` bytes (`unit` is a power of two).
    pub fn checked_round_up(self, unit: u64) -> Option<Self> {
        debug_assert!(unit.is_power_of_two(), "alignment {unit} is no power of two");
        Some(Self(self.0.checked_add(unit - 1)? & !(unit - 1)))
    }
}

impl fmt::Display for ByteLen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", GIB), ("MiB", MIB), ("KiB", 1024)];
        match UNITS.iter().find(|(_, size)| self.0 >= *size) {
            Some((name, size)) => {
                let tenths = u128::from(self.0) * 10 / u128::from(*size);
                write!(f, "{}.{} {name}", tenths / 10, tenths % 10)
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl SectorSize {
    /// Bytes in one sector.
    pub fn bytes(self) -> u64 {
        match self {
            Self::B512 => 512,
            Self::B4096 => 4096,
        }
    }
}

impl Lba {
    /// The sector that starts at `offset`; `None` when the offset is inside a sector.
    pub fn at(offset: ByteOffset, sector: SectorSize) -> Option<Self> {
        offset.0.is_multiple_of(sector.bytes()).then(|| Self(offset.0 / sector.bytes()))
    }

    /// Where this sector starts; `None` past the end of 64 bits.
    pub fn to_offset(self, sector: SectorSize) -> Option<ByteOffset> {
        self.0.checked_mul(sector.bytes()).map(ByteOffset)
    }
}

impl CdSector {
    /// Bytes in one.
    pub const BYTES: u64 = 2048;

    /// Where it starts.
    pub fn to_offset(self) -> ByteOffset {
        ByteOffset(u64::from(self.0) * Self::BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_round_up_and_refuse_overflow() {
        assert_eq!(ByteLen(1).checked_round_up(4096), Some(ByteLen(4096)));
        assert_eq!(ByteLen(4096).checked_round_up(4096), Some(ByteLen(4096)));
        assert_eq!(ByteLen(u64::MAX).checked_round_up(4096), None);
    }

    #[test]
    fn lengths_print_in_the_largest_unit() {
        assert_eq!(ByteLen(10 * GIB).to_string(), "10.0 GiB");
        assert_eq!(ByteLen(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteLen(7).to_string(), "7 bytes");
    }

    #[test]
    fn sectors_refuse_unaligned_offsets() {
        assert_eq!(Lba::at(ByteOffset(1024), SectorSize::B512), Some(Lba(2)));
        assert_eq!(Lba::at(ByteOffset(1024), SectorSize::B4096), None);
        assert_eq!(Lba(3).to_offset(SectorSize::B4096), Some(ByteOffset(12288)));
    }
}
