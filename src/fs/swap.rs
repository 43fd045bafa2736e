//! Swap space: one page that says so. The rest of the partition may hold anything.
//!
//! | offset | field |
//! |---|---|
//! | 1024 | version 1, last page, number of bad pages 0: 32 bits each, little-endian |
//! | 1036 | UUID, 16 bytes |
//! | 1052 | label, 16 bytes, ends in a NUL |
//! | 4086 | `SWAPSPACE2` |
//!
//! Pages have 4096 bytes: a kernel with larger ones does not take it.

use crate::units::ByteLen;

/// Bytes of a page.
const PAGE: usize = 4096;
const MAGIC: &[u8; 10] = b"SWAPSPACE2";
/// The longest label.
pub const MOST_LABEL: usize = 15;

/// The first page of a swap space of this length; what is longer than [`MOST_LABEL`] is cut off the
/// label.
pub fn header(len: ByteLen, uuid: [u8; 16], label: &str) -> Vec<u8> {
    let pages = len.0 / 4096;
    let last = u32::try_from(pages.saturating_sub(1)).unwrap_or(u32::MAX);
    let mut page = vec![0; PAGE];
    page[1024..1028].copy_from_slice(&1_u32.to_le_bytes());
    page[1028..1032].copy_from_slice(&last.to_le_bytes());
    page[1036..1052].copy_from_slice(&uuid);
    let label = &label.as_bytes()[..label.len().min(MOST_LABEL)];
    page[1052..1052 + label.len()].copy_from_slice(label);
    page[PAGE - MAGIC.len()..].copy_from_slice(MAGIC);
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_in_their_places() {
        let page = header(ByteLen(1 << 20), [7; 16], "a label too long");
        assert_eq!(page.len(), PAGE);
        assert_eq!(&page[1024..1036], &[1, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(
            (&page[1036..1052], &page[1052..1068]),
            (&[7; 16][..], &b"a label too lon\0"[..])
        );
        assert!(page.ends_with(b"SWAPSPACE2"));
    }
}
