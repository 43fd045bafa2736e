//! Little-endian numbers and parts of bytes that may end anywhere.

/// `len` bytes from `offset`, to the end when there is no `len`.
pub fn part(bytes: &[u8], offset: u64, len: Option<u64>) -> Option<&[u8]> {
    let rest = bytes.get(usize::try_from(offset).ok()?..)?;
    match len {
        None => Some(rest),
        Some(len) => rest.get(..usize::try_from(len).ok()?),
    }
}

pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().copied().map(u16::from_le_bytes)
}

pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_le_bytes)
}

pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    bytes.get(offset..)?.first_chunk().copied().map(u64::from_le_bytes)
}
