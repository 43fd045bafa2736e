//! The superblock: 1024 bytes at offset 1024 of the file system, copies at the start of heads.
//!
//! Features, and nothing else:
//!
//! | set | features |
//! |---|---|
//! | compatible | has_journal (unless too small for one), ext_attr, resize_inode, dir_index |
//! | incompatible | filetype, extents, 64bit, flex_bg |
//! | read-only | sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum, verity if asked |

use super::bytes::{low8, low16, low32, put16, put32, put64};
use super::checksum::Checksum;
use super::geometry::{Geometry, inode_count};
use super::layout::{Frame, GROUP};
use super::options::Options;

/// Bytes of a superblock.
pub(super) const SUPERBLOCK_LEN: usize = 1024;

const HAS_JOURNAL: u32 = 0x4;
const COMPATIBLE: u32 = 0x8 | 0x10 | 0x20;
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200;
const READ_ONLY: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;
const VERITY: u32 = 0x8000;

const MAGIC: u16 = 0xef53;
const CLEAN: u16 = 1;
const CONTINUE_ON_ERROR: u16 = 1;
const HALF_MD4: u8 = 1;
const SIGNED_HASH: u32 = 1;
const CRC32C: u8 = 1;
const USER_XATTRS_AND_ACLS: u32 = 0x4 | 0x8;
/// Groups whose bitmaps and tables the kernel keeps together when it adds more: 2^4.
const LOG_GROUPS_PER_FLEX: u8 = 4;
const RESERVED_PERCENT: u64 = 5;
/// The journal's inode.
pub(super) const JOURNAL_INODE: u32 = 8;
/// The first inode that is not reserved.
pub(super) const FIRST_INODE: u32 = 11;

/// What changes from one file system to the next, besides options and geometry.
#[derive(Debug, Clone)]
pub(super) struct State {
    pub(super) free_blocks: u64,
    pub(super) free_inodes: u32,
    /// Blocks of heads, bitmaps, tables and journal.
    pub(super) overhead: u64,
    pub(super) written_kib: u64,
    /// The 60 bytes of the journal's inode and its size.
    pub(super) journal: Option<([u8; 60], u64)>,
}

/// The copy for `group`.
pub(super) fn encode(
    options: &Options,
    geometry: &Geometry,
    frame: Frame,
    state: &State,
    group: u64,
) -> [u8; SUPERBLOCK_LEN] {
    let mut raw = [0; SUPERBLOCK_LEN];
    let reserved = geometry.blocks * RESERVED_PERCENT / 100;
    put32(&mut raw, 0, inode_count(geometry));
    put32(&mut raw, 4, low32(geometry.blocks));
    put32(&mut raw, 8, low32(reserved));
    put32(&mut raw, 12, low32(state.free_blocks));
    put32(&mut raw, 16, state.free_inodes);
    put32(&mut raw, 24, 2);
    put32(&mut raw, 28, 2);
    put32(&mut raw, 32, low32(GROUP));
    put32(&mut raw, 36, low32(GROUP));
    put32(&mut raw, 40, low32(geometry.inodes_per_group));
    put16(&mut raw, 54, u16::MAX);
    put16(&mut raw, 56, MAGIC);
    put16(&mut raw, 58, CLEAN);
    put16(&mut raw, 60, CONTINUE_ON_ERROR);
    put32(&mut raw, 76, 1);
    put32(&mut raw, 84, FIRST_INODE);
    put16(&mut raw, 88, 256);
    put16(&mut raw, 90, low16(group));
    put_features(&mut raw, options, state);
    raw[104..120].copy_from_slice(&options.uuid);
    raw[120..120 + options.label.len()].copy_from_slice(options.label.as_bytes());
    put16(&mut raw, 206, low16(frame.descriptor_blocks - geometry.descriptor_blocks()));
    raw[236..252].copy_from_slice(&options.hash_seed);
    raw[252] = HALF_MD4;
    put16(&mut raw, 254, 64);
    put32(&mut raw, 256, USER_XATTRS_AND_ACLS);
    put_journal(&mut raw, state);
    put32(&mut raw, 336, low32(geometry.blocks >> 32));
    put32(&mut raw, 340, low32(reserved >> 32));
    put32(&mut raw, 344, low32(state.free_blocks >> 32));
    put16(&mut raw, 348, 32);
    put16(&mut raw, 350, 32);
    put32(&mut raw, 352, SIGNED_HASH);
    raw[372] = LOG_GROUPS_PER_FLEX;
    raw[373] = CRC32C;
    put64(&mut raw, 376, state.written_kib);
    put32(&mut raw, 584, low32(state.overhead));
    put_times(&mut raw, options);
    let sum = Checksum::START.then(&raw[..SUPERBLOCK_LEN - 4]);
    put32(&mut raw, SUPERBLOCK_LEN - 4, sum.0);
    raw
}

fn put_features(raw: &mut [u8], options: &Options, state: &State) {
    put32(raw, 92, COMPATIBLE | if state.journal.is_some() { HAS_JOURNAL } else { 0 });
    put32(raw, 96, INCOMPATIBLE);
    put32(raw, 100, READ_ONLY | if options.verity { VERITY } else { 0 });
}

/// The journal's inode and a copy of where its blocks are.
fn put_journal(raw: &mut [u8], state: &State) {
    if let Some((body, size)) = &state.journal {
        put32(raw, 224, JOURNAL_INODE);
        raw[253] = 1;
        raw[268..328].copy_from_slice(body);
        put32(raw, 328, low32(size >> 32));
        put32(raw, 332, low32(*size));
    }
}

/// Written, checked and made at the same time; 40 bits of seconds since 1970.
fn put_times(raw: &mut [u8], options: &Options) {
    let seconds = u64::try_from(options.time.secs).unwrap_or(0).min((1 << 40) - 1);
    for (low, high) in [(48, 628), (64, 631), (264, 630)] {
        put32(raw, low, low32(seconds));
        raw[high] = low8(seconds >> 32);
    }
}
