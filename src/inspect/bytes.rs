//! Numbers in buffers. What lies past a buffer's end reads as zeros: callers read whole headers, and
//! check what the numbers say.

fn take<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = at.checked_add(N).and_then(|end| bytes.get(at..end));
    found.and_then(|found| found.try_into().ok()).unwrap_or([0; N])
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(take(bytes, at))
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}

pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(take(bytes, at))
}

pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(take(bytes, at))
}

/// Sixteen bytes as they are.
pub(super) fn bytes16(bytes: &[u8], at: usize) -> [u8; 16] {
    take(bytes, at)
}

/// A length as a number of 64 bits.
pub(super) fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

/// A number of 64 bits as a length; what no buffer can have becomes one that none has.
pub(super) fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A UUID in the order in which it is printed.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// A GUID as Microsoft stores it: the first three fields the other way round.
pub(super) fn guid(mut bytes: [u8; 16]) -> String {
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    uuid(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_past_the_end_are_zeros() {
        assert_eq!(le32(&[1, 2, 3, 4, 5], 1), 0x0504_0302);
        assert_eq!(be32(&[1, 2, 3, 4, 5], 1), 0x0203_0405);
        assert_eq!(le32(&[1, 2, 3, 4, 5], 2), 0);
        assert_eq!(le64(&[1], usize::MAX), 0);
    }

    #[test]
    fn guids_turn_their_first_fields_round() {
        let bytes = std::array::from_fn(|at| u8::try_from(at).unwrap());
        assert_eq!(uuid(bytes), "00010203-0405-0607-0809-0a0b0c0d0e0f");
        assert_eq!(guid(bytes), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }
}
