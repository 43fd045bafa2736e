//! The journal: an empty log that needs no recovery.
//!
//! Only its first block has content, the jbd2 superblock (version 2, big-endian); the rest is zeros.
//! It has no features, as after `mke2fs`: the kernel sets those it uses at the first mount.

use super::bytes::low32;
use super::layout::{BLOCK, BLOCK_LEN};

/// The block every jbd2 block of administration begins with.
const MAGIC: u32 = 0xc03b_3998;
const SUPERBLOCK_V2: u32 = 4;

/// The first block of a journal of `blocks` blocks.
pub(super) fn superblock(blocks: u64) -> Vec<u8> {
    let mut raw = vec![0; BLOCK_LEN];
    let fields = [
        (0, MAGIC),
        (4, SUPERBLOCK_V2),
        (12, low32(BLOCK)),
        (16, low32(blocks)),
        // The first block of the log, the sequence number expected there, and 0: no log begins.
        (20, 1),
        (24, 1),
        (28, 0),
        // How many file systems use it.
        (64, 1),
    ];
    for (at, value) in fields {
        raw[at..at + 4].copy_from_slice(&value.to_be_bytes());
    }
    raw
}
