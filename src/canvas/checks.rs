//! What blocks must read as later: a checksum of each, kept for the blocks that were written.

use std::collections::BTreeMap;

/// Bytes of a block, whatever sectors a device has.
pub(super) const BLOCK: u64 = 4096;
/// Blocks whose checksums are kept together: 4 MiB of a device, 4 KiB of memory.
const TOGETHER: usize = 1024;

/// CRC-32C of blocks by number. Those that were never set are 0.
#[derive(Debug, Clone, Default)]
pub(super) struct Checks(BTreeMap<u64, Box<[u32]>>);

impl Checks {
    /// Remembers a block.
    pub(super) fn set(&mut self, block: u64, bytes: &[u8]) {
        let (page, place) = place(block);
        let page = self.0.entry(page).or_insert_with(|| vec![0; TOGETHER].into());
        page[place] = crc32c::crc32c(bytes);
    }

    /// Whether a block is as it was remembered.
    pub(super) fn is(&self, block: u64, bytes: &[u8]) -> bool {
        let (page, place) = place(block);
        self.0.get(&page).is_some_and(|page| page[place] == crc32c::crc32c(bytes))
    }
}

fn place(block: u64) -> (u64, usize) {
    let together = u64::try_from(TOGETHER).unwrap_or(u64::MAX);
    (block / together, usize::try_from(block % together).unwrap_or(0))
}
