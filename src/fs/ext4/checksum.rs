//! CRC-32C as ext4 chains it: no inversion, each structure continues the sum of what it belongs to.
//!
//! | structure | starts from | then |
//! |---|---|---|
//! | file system ("seed") | all ones | UUID |
//! | inode and its blocks | seed | inode number, generation |
//! | group descriptor | seed | group number |
//! | bitmaps, superblock | seed; superblock: all ones | the bytes |

/// A running sum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checksum(pub(super) u32);

impl Checksum {
    /// The sum of nothing.
    pub(super) const START: Self = Self(u32::MAX);

    /// The sum continued over `bytes`.
    #[must_use]
    pub(super) fn then(self, bytes: &[u8]) -> Self {
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    /// The sum everything of the file system `uuid` starts from.
    pub(super) fn of_file_system(uuid: &[u8; 16]) -> Self {
        Self::START.then(uuid)
    }

    /// The sum everything of the inode `number` starts from; its generation is 0.
    pub(super) fn of_inode(self, number: u32) -> Self {
        self.then(&number.to_le_bytes()).then(&[0; 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_crc32c_without_the_final_inversion() {
        assert_eq!(Checksum::START.then(b"123456789"), Checksum(!0xe306_9283));
        assert_eq!(Checksum::START.then(b"1234").then(b"56789"), Checksum(!0xe306_9283));
    }
}
