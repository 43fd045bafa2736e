//! A write-once ext4: data first, metadata last, the superblock last of all.
//!
//! # The order of things
//!
//! ```text
//! create ─► data of files, forward, past the heads of groups          (layout, behind)
//!           names and inodes, in memory                                (records, xattr)
//! finish ─► content: directories, extent trees, xattr blocks           (content, directory, htree, extents)
//!           geometry: groups, tables, bitmaps, journal; now the size   (geometry)
//!           writing: content, inodes, bitmaps, heads, superblock       (image, inode, group, superblock)
//! ```
//!
//! The size of the file system is asked for only by [`Writer::finish`]. Until then the cursor of the
//! data walks over groups of 128 MiB and leaves out what each group's head will need, whatever the
//! size (`layout`). Bitmaps, inode tables and the journal need no fixed place (flex_bg), so they
//! come after everything else, which leaves no hole between start and end of what is in use.
//!
//! Handles and inode numbers are tied: the root is 2, `lost+found` 11, then handles from 1 on.
//!
//! # What it is like
//!
//! As `mke2fs` makes it, except for what is not needed: blocks of 4 KiB, inodes of 256 bytes, groups
//! of 32768 blocks, 5 % reserved for root (which [`Writer::required`] does not count as needed), one
//! inode for 16 KiB, a journal by the table of `mke2fs`. The features are in `superblock`.
//! Left out on purpose: extended attributes beyond a block, inline data, encryption, quotas,
//! block devices, FIFOs and sockets.
//!
//! The writer writes inside its own bounds, and discards only what lies past the last byte of data
//! when something abandoned was written there. The canvas is not made longer than its last written
//! byte: the caller gives a file its length.
//!
//! # Limits
//!
//! 8 TiB, 16 TiB - 4 KiB for a file (sparse), 65000 names for an inode, some 20 million names in a
//! directory, attributes of an inode beyond what fits in it within one block.

mod acl;
mod behind;
mod bytes;
mod checksum;
mod content;
mod detached;
mod directory;
mod error;
mod extents;
mod geometry;
mod group;
mod hash;
mod htree;
mod image;
mod inode;
mod journal;
mod layout;
mod options;
mod records;
mod resize;
mod summary;
mod superblock;
mod writer;
mod xattr;

pub use error::Error;
pub use options::Options;
pub use summary::{Kind, Part, Summary};
pub use writer::{Open, Writer};
