//! `.reloc`: which addresses firmware changes when it loads the image elsewhere than at 0.
//!
//! Blocks, each for one page, little-endian:
//!
//! | offset | content |
//! |---|---|
//! | 0 | u32 address of the page |
//! | 4 | u32 length of the block in bytes, a multiple of 4 |
//! | 8 | u16 entries: 4 bits type (10: all 64 bits; 0: nothing), 12 bits place in the page |
//!
//! Entries stay in their order, so that a page has a block for each run of its addresses. Blocks are
//! padded to 8 bytes by entries of type 0, the last to the end of its page of the file.

use super::{ImageError, PAGE, to_u32, to_u64, to_usize};

const ALL_BITS: u16 = 10 << 12;
const BLOCK_HEADER: usize = 8;

/// The blocks for the addresses at these places.
pub fn encode(places: &[u64]) -> Result<Vec<u8>, ImageError> {
    let mut blocks = Vec::new();
    let runs = places.chunk_by(|a, b| a / PAGE == b / PAGE);
    let last = runs.clone().count();
    for (number, run) in runs.enumerate() {
        let start = blocks.len();
        blocks.extend(to_u32(run[0] / PAGE * PAGE)?.to_le_bytes());
        blocks.extend([0; 4]);
        for place in run {
            let in_page = u16::try_from(place % PAGE).expect("a page has 12 bits");
            blocks.extend((ALL_BITS | in_page).to_le_bytes());
        }
        let unit = if number + 1 == last { to_usize(PAGE)? } else { BLOCK_HEADER };
        blocks.resize(blocks.len().next_multiple_of(unit), 0);
        let len = to_u32(to_u64(blocks.len() - start))?;
        blocks[start + 4..start + 8].copy_from_slice(&len.to_le_bytes());
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_of_a_page_is_a_block() {
        let blocks = encode(&[0x1008, 0x1010, 0x1018, 0x2FF8, 0x1020]).unwrap();
        let expected = [
            &b"\0\x10\0\0\x10\0\0\0\x08\xA0\x10\xA0\x18\xA0\0\0"[..],
            b"\0\x20\0\0\x10\0\0\0\xF8\xAF\0\0\0\0\0\0",
            b"\0\x10\0\0\xE0\x0F\0\0\x20\xA0\0\0",
        ]
        .concat();
        assert_eq!(blocks.len(), 4096);
        assert_eq!(blocks[..expected.len()], expected);
        assert!(blocks[expected.len()..].iter().all(|byte| *byte == 0));
        assert!(encode(&[]).unwrap().is_empty());
    }
}
