//! The inode on the disk: 256 bytes, of which the last 96 hold extended attributes.
//!
//! | at | what | | at | what |
//! |---|---|---|---|---|
//! | 0 | mode | | 104 | xattr block, low 32 bits |
//! | 2 | uid, low half | | 108 | size, high half |
//! | 4 | size, low half | | 116 | sectors, high 16 bits |
//! | 8, 12, 16 | access, change, modification | | 118 | xattr block, high 16 bits |
//! | 24 | gid, low half | | 120, 122 | uid and gid, high halves |
//! | 26 | links | | 124, 130 | checksum, low and high half |
//! | 28 | sectors of 512 bytes, low half | | 128 | extra size: 32 |
//! | 32 | flags | | 132, 136, 140 | extra change, modification, access |
//! | 40 | extents, target or device (60) | | 144, 148 | creation and its extra |
//! | 100 | generation: 0 | | 160 | extended attributes (96) |
//!
//! Times are 34 bits of seconds from 1901 to 2446, the upper two of them in the "extra" words beside
//! 30 bits of nanoseconds. Later and earlier times are moved to the nearest that can be told.

use super::bytes::{low16, low32, put16, put32};
use super::checksum::Checksum;
use super::xattr::INLINE;
use crate::volume::Timestamp;

/// Bytes of an inode.
pub(super) const INODE_LEN: usize = 256;
/// Bytes of the fields after the first 128.
const EXTRA: u16 = 32;

/// `i_mode` of a directory.
pub(super) const DIRECTORY: u16 = 0o040_000;
/// `i_mode` of a regular file.
pub(super) const REGULAR: u16 = 0o100_000;
/// `i_mode` of a symbolic link.
pub(super) const SYMLINK: u16 = 0o120_000;
/// `i_mode` of a character device.
pub(super) const CHAR_DEVICE: u16 = 0o020_000;

/// `chattr +i`.
pub(super) const IMMUTABLE: u32 = 0x10;
/// The directory has a hash index.
pub(super) const INDEXED: u32 = 0x1000;
/// The 60 bytes are the root of an extent tree.
pub(super) const EXTENTS: u32 = 0x8_0000;

/// What an inode says.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) size: u64,
    pub(super) links: u16,
    pub(super) time: Timestamp,
    pub(super) flags: u32,
    /// Blocks of data, of the extent tree and of extended attributes.
    pub(super) blocks: u64,
    pub(super) body: [u8; 60],
    pub(super) xattr_block: u64,
    pub(super) xattrs: Option<&'a [u8; INLINE]>,
}

impl Fields<'_> {
    /// The bytes of the inode `number`.
    pub(super) fn encode(&self, number: u32, seed: Checksum) -> [u8; INODE_LEN] {
        let mut raw = [0; INODE_LEN];
        let (seconds, extra) = encode_time(self.time);
        let sectors = self.blocks * 8;
        put16(&mut raw, 0, self.mode);
        put16(&mut raw, 2, low16(u64::from(self.uid)));
        put32(&mut raw, 4, low32(self.size));
        for at in [8, 12, 16, 144] {
            put32(&mut raw, at, seconds);
        }
        put16(&mut raw, 24, low16(u64::from(self.gid)));
        put16(&mut raw, 26, self.links);
        put32(&mut raw, 28, low32(sectors));
        put32(&mut raw, 32, self.flags);
        raw[40..100].copy_from_slice(&self.body);
        put32(&mut raw, 104, low32(self.xattr_block));
        put32(&mut raw, 108, low32(self.size >> 32));
        put16(&mut raw, 116, low16(sectors >> 32));
        put16(&mut raw, 118, low16(self.xattr_block >> 32));
        put16(&mut raw, 120, low16(u64::from(self.uid >> 16)));
        put16(&mut raw, 122, low16(u64::from(self.gid >> 16)));
        put16(&mut raw, 128, EXTRA);
        for at in [132, 136, 140, 148] {
            put32(&mut raw, at, extra);
        }
        if let Some(xattrs) = self.xattrs {
            raw[INODE_LEN - INLINE..].copy_from_slice(xattrs);
        }
        let sum = seed.of_inode(number).then(&raw).0;
        put16(&mut raw, 124, low16(u64::from(sum)));
        put16(&mut raw, 130, low16(u64::from(sum >> 16)));
        raw
    }
}

/// The bytes of a reserved inode that is not in use.
pub(super) fn encode_unused(number: u32, seed: Checksum) -> [u8; INODE_LEN] {
    let mut raw = [0; INODE_LEN];
    let sum = seed.of_inode(number).then(&raw).0;
    put16(&mut raw, 124, low16(u64::from(sum)));
    raw
}

/// The seconds and the extra word of a time.
fn encode_time(time: Timestamp) -> (u32, u32) {
    const FIRST: i64 = -(1 << 31);
    const LAST: i64 = (1 << 34) - (1 << 31) - 1;
    let secs = time.secs.clamp(FIRST, LAST);
    // From here on seconds count from FIRST, so that bits 32 and 33 are those of the epoch.
    let since_first = secs.abs_diff(FIRST);
    let epoch = low32(since_first >> 32);
    (low32(since_first) ^ 0x8000_0000, epoch | (time.nanos << 2))
}

/// The 60 bytes of a character device: 16 bits where the numbers fit, else 32.
pub(super) fn encode_device(major: u32, minor: u32) -> [u8; 60] {
    let mut body = [0; 60];
    if major < 256 && minor < 256 {
        put32(&mut body, 0, (major << 8) | minor);
    } else {
        put32(&mut body, 4, (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12));
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_use_the_epoch_bits() {
        let encode = |secs, nanos| encode_time(Timestamp { secs, nanos });
        assert_eq!(encode(0, 5), (0, 20));
        assert_eq!(encode(-5, 0), (0xffff_fffb, 0));
        assert_eq!(encode(0x7fff_ffff, 0), (0x7fff_ffff, 0));
        assert_eq!(encode(0x8000_0000, 1), (0x8000_0000, 1 | 4));
        assert_eq!(encode(13_569_465_600, 0), (low32(13_569_465_600), 3));
        assert_eq!(encode(i64::MIN, 0), (0x8000_0000, 0));
        assert_eq!(encode(i64::MAX, 0), (0x7fff_ffff, 3));
    }

    #[test]
    fn devices_have_an_old_and_a_new_form() {
        assert_eq!(encode_device(1, 3)[..8], [3, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(encode_device(259, 0x12345)[..8], [0, 0, 0, 0, 0x45, 0x03, 0x31, 0x12]);
    }
}
