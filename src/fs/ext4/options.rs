//! What a caller decides about a file system.

use super::error::Error;
use super::layout::{BLOCK, Frame};
use crate::units::ByteLen;
use crate::volume::Timestamp;

/// The largest growth the descriptor reserve is ever made for.
const MOST_GROWTH: ByteLen = ByteLen(8 << 40);

/// What a caller decides about a file system.
#[derive(Debug, Clone)]
pub struct Options {
    /// Identifies the file system; checksums begin from it.
    pub uuid: [u8; 16],
    /// Seeds the hashes of names in large directories.
    pub hash_seed: [u8; 16],
    /// At most 16 bytes.
    pub label: String,
    /// The time of everything that has no other: superblock, journal, `lost+found`.
    pub time: Timestamp,
    /// The largest size the file system can be grown to without moving anything; also the largest it
    /// can be made with. Decides how much the descriptors reserve: 4 MiB in some groups for 8 TiB,
    /// which is the most.
    pub growth_limit: ByteLen,
    /// Whether files may get fs-verity.
    pub verity: bool,
    /// Whether there is a `lost+found`, as `e2fsck` likes it.
    pub lost_found: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            uuid: [0; 16],
            hash_seed: [0; 16],
            label: String::new(),
            time: Timestamp::default(),
            growth_limit: MOST_GROWTH,
            verity: false,
            lost_found: true,
        }
    }
}

impl Options {
    /// Refuses what the format cannot hold.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.label.len() > 16 {
            return Err(Error::LabelTooLong { label: self.label.clone() });
        }
        Ok(())
    }

    /// The heads of groups.
    pub(super) fn frame(&self) -> Frame {
        Frame::for_growth(self.growth_limit.0.min(MOST_GROWTH.0).div_ceil(BLOCK))
    }
}
