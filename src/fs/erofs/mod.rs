//! EROFS images: read-only trees of inodes, without content but small one, as composefs uses them.
//!
//! The bytes are those of libcomposefs 1.0.8 for the same tree. What composefs and ostree add to a
//! tree is in [`composefs`]; this module knows only the format, and which of its freedoms that
//! library takes.
//!
//! # The format
//!
//! | from | what | by |
//! |---|---|---|
//! | 0 | what the caller wants there (composefs: a header) | |
//! | 1024 | superblock | `records` |
//! | 1152 | inodes with attributes and tails, breadth first | `scan`, `place`, `records`, `xattr` |
//! | after them | attributes that inodes share | `sharing` |
//! | next block | directory blocks, long link targets, inline files, in the order of the inodes | `directory` |
//!
//! Blocks have 4096 bytes. An inode's number is its offset / 32. It has 32 bytes (compact), or 64 if
//! an owner or a group needs more than 16 bits, its length more than 32, or its time is not the
//! earliest of all, which the superblock holds.
//!
//! A regular file whose bytes are elsewhere is stored in chunks, as large as it needs, none of which
//! has an address. EROFS means a hole by that; overlayfs gets the bytes from another layer.
//!
//! # The order of things
//!
//! [`Image::plan`] walks the [`Source`] and gives everything its place, and finds all that is wrong
//! with it; then the bytes come in one forward stream, from [`Stream::next`] or [`Image::write`].
//! Files need no memory but for their entry in the list of inodes.
//!
//! Left out on purpose: hard links, compression, devices, checksums, long attribute prefixes.

pub mod composefs;
mod directory;
mod error;
mod image;
mod place;
mod records;
mod scan;
mod sharing;
mod source;
mod xattr;

pub use error::{ContentError, Error, WriteError};
pub use image::{Image, Stream};
pub use source::{Inode, Kind, Source};
pub use xattr::XattrSet;

/// The longest file whose bytes are elsewhere: its chunk addresses fill half a block.
pub const MAX_FILE_BYTES: u64 = 1 << 52;
/// The longest file whose bytes are in the image.
pub const MAX_INLINE_BYTES: u64 = 64 << 10;
/// The longest link target Linux follows.
pub const MAX_SYMLINK_BYTES: u64 = 4095;

const BLOCK_BYTES: u64 = 4096;
const SLOT_BYTES: u64 = 32;
const SUPERBLOCK_OFFSET: u64 = 1024;
/// Where the superblock ends and the first inode may start.
const FIRST_INODE: u64 = 1152;
/// The type of a directory in directory entries.
const DIRECTORY_TYPE: u8 = 2;

#[cfg(test)]
mod tests;
