//! Numbers into bytes, and numbers into other widths, without `as`.

/// Stores a 16-bit little-endian number.
pub(super) fn put16(block: &mut [u8], at: usize, value: u16) {
    block[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Stores a 32-bit little-endian number.
pub(super) fn put32(block: &mut [u8], at: usize, value: u32) {
    block[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Stores a 64-bit little-endian number.
pub(super) fn put64(block: &mut [u8], at: usize, value: u64) {
    block[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

/// The lowest 8 bits.
pub(super) fn low8(value: u64) -> u8 {
    value.to_le_bytes()[0]
}

/// The lowest 16 bits.
pub(super) fn low16(value: u64) -> u16 {
    let bytes = value.to_le_bytes();
    u16::from_le_bytes([bytes[0], bytes[1]])
}

/// The lowest 32 bits.
pub(super) fn low32(value: u64) -> u32 {
    let bytes = value.to_le_bytes();
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// An index in memory; what does not fit a `usize` fits no memory either.
pub(super) fn index(value: impl Into<u64>) -> usize {
    usize::try_from(value.into()).unwrap_or(usize::MAX)
}

/// A length in memory as a number on the disk.
pub(super) fn count(value: usize) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}
