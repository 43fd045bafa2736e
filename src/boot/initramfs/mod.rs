//! An initramfs: what one was made of, as far as dracut tells ([`dracut`]), and how one is written
//! ([`cpio`]).
//!
//! Either is a cpio archive of the `newc` format, entry after entry:
//!
//! | at | entry |
//! |---|---|
//! | 0 | `070701`, or `070702` with checksums |
//! | 6 | 13 numbers of 8 hexadecimal digits |
//! | 110 | the name with a NUL, zeros up to a multiple of 4, the content, zeros up to a multiple of 4 |
//!
//! | numbers | |
//! |---|---|
//! | 0 | inode |
//! | 1 | file type and permissions |
//! | 2, 3 | owner, group |
//! | 4 | links |
//! | 5 | time of the last change |
//! | 6 | length of the content |
//! | 7, 8 | device that the file was on |
//! | 9, 10 | device that the file is |
//! | 11 | length of the name, its NUL counted |
//! | 12 | checksum, 0 in `070701` |
//!
//! The last entry of an archive is named `TRAILER!!!`.
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

pub mod cpio;
pub mod dracut;

pub use dracut::{InitramfsError, dracut_modules};

const MAGIC: &[u8; 6] = b"070701";
const MAGIC_WITH_CHECKSUM: &[u8; 6] = b"070702";
/// How many numbers follow.
const NUMBERS: usize = 13;
const HEADER_BYTES: usize = 110;
const TRAILER: &str = "TRAILER!!!";
/// Names and targets of links are no longer, their NUL counted: the kernel passes over others.
const NAME_LIMIT_BYTES: u64 = 4096;
