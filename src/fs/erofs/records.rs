//! Superblock and inodes as bytes. All numbers are little-endian.

use super::{BLOCK_BYTES, FIRST_INODE, Inode, Kind};
use crate::volume::Timestamp;

const MAGIC: u32 = 0xE0F5_E1E2;
/// Times (0x2) and name filters of attributes (0x4).
const COMPATIBLE_FEATURES: u32 = 0x2 | 0x4;
const BLOCK_BITS: u8 = 12;
const SUPERBLOCK_BYTES: usize = 128;

/// What the superblock says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Superblock {
    pub(super) root_slot: u16,
    pub(super) inode_count: u64,
    /// The time of all compact inodes.
    pub(super) time: Timestamp,
    pub(super) block_count: u32,
    pub(super) shared_xattrs_block: u32,
}

/// | offset | bytes | |
/// |---|---|---|
/// | 0 | 4 | magic |
/// | 8 | 4 | compatible features |
/// | 12 | 1 | log2 of the block size |
/// | 14 | 2 | number of the root inode |
/// | 16 | 8 | how many inodes |
/// | 24 | 8, 4 | time: seconds, nanoseconds |
/// | 36 | 4 | how many blocks |
/// | 40 | 4 | block that inode numbers count from |
/// | 44 | 4 | block of the shared attributes |
///
/// Checksum, volume name, UUID and everything of compression and devices are zeros.
impl Superblock {
    pub(super) fn to_bytes(self) -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, &MAGIC.to_le_bytes());
        put(8, &COMPATIBLE_FEATURES.to_le_bytes());
        put(12, &[BLOCK_BITS]);
        put(14, &self.root_slot.to_le_bytes());
        put(16, &self.inode_count.to_le_bytes());
        put(24, &self.time.secs.to_le_bytes());
        put(32, &self.time.nanos.to_le_bytes());
        put(36, &self.block_count.to_le_bytes());
        put(44, &self.shared_xattrs_block.to_le_bytes());
        bytes
    }
}

const _: () = assert!(FIRST_INODE < BLOCK_BYTES, "inode numbers count from block 0");

/// How an inode's data is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// In blocks, or there is none.
    Plain,
    /// In blocks and after the inode.
    Tail,
    /// In chunks, whose addresses follow the inode.
    Chunks {
        /// log2 of the blocks of a chunk.
        block_bits: u16,
    },
}

/// An inode to be stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct InodeRecord {
    pub(super) inode: Inode,
    pub(super) layout: Layout,
    pub(super) is_compact: bool,
    pub(super) xattr_words: u16,
    pub(super) links: u32,
    pub(super) len_bytes: u64,
    /// The first block of its own.
    pub(super) first_block: u32,
    /// A number of its own.
    pub(super) serial: u32,
}

impl InodeRecord {
    /// | compact | extended | |
    /// |---|---|---|
    /// | 0: 2 | 0: 2 | bit 0: extended; bits 1-3: layout (0 plain, 2 tail, 4 chunks) |
    /// | 2: 2 | 2: 2 | words of attributes: 0, or 1 + (bytes - 12) / 4 |
    /// | 4: 2 | 4: 2 | mode |
    /// | 6: 2 | 44: 4 | links |
    /// | 8: 4 | 8: 8 | length |
    /// | 16: 4 | 16: 4 | first block, chunk format or device number |
    /// | 20: 4 | 20: 4 | serial number |
    /// | 24: 2 | 24: 4 | owner |
    /// | 26: 2 | 28: 4 | group |
    /// | – | 32: 8, 4 | time: seconds, nanoseconds |
    pub(super) fn store(&self, into: &mut Vec<u8>) {
        let mut bytes = [0; 64];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        let (layout, place) = match self.layout {
            Layout::Plain => (0, self.first_block),
            Layout::Tail => (2, self.first_block),
            Layout::Chunks { block_bits } => (4, u32::from(block_bits)),
        };
        let place = match self.inode.kind {
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                device_number(major, minor)
            }
            _ => place,
        };
        let format: u16 = layout << 1 | u16::from(!self.is_compact);
        put(0, &format.to_le_bytes());
        put(2, &self.xattr_words.to_le_bytes());
        put(4, &(self.inode.kind.mode_bits() | self.inode.mode & 0o7777).to_le_bytes());
        put(8, &self.len_bytes.to_le_bytes());
        put(16, &place.to_le_bytes());
        put(20, &self.serial.to_le_bytes());
        if self.is_compact {
            put(6, &low_half(self.links));
            put(24, &low_half(self.inode.uid));
            put(26, &low_half(self.inode.gid));
            into.extend_from_slice(&bytes[..32]);
        } else {
            put(24, &self.inode.uid.to_le_bytes());
            put(28, &self.inode.gid.to_le_bytes());
            put(32, &self.inode.mtime.secs.to_le_bytes());
            put(40, &self.inode.mtime.nanos.to_le_bytes());
            put(44, &self.links.to_le_bytes());
            into.extend_from_slice(&bytes);
        }
    }
}

/// The low half of a number that has no other.
fn low_half(number: u32) -> [u8; 2] {
    let [low, high, ..] = number.to_le_bytes();
    [low, high]
}

/// Linux's encoding of a device number in 32 bits: 12 of the major, 20 of the minor.
fn device_number(major: u32, minor: u32) -> u32 {
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}
