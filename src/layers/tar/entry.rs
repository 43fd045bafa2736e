//! What a tar member is, apart from its data.

use crate::volume::{Timestamp, Xattrs};

/// A member of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The name as stored: raw bytes without NUL, not normalised, perhaps with `./` or `/` around.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes; POSIX ACLs only where they are stored as such.
    pub xattrs: Xattrs,
}

/// What a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file; [`Reader::next_chunk`](super::Reader::next_chunk) has its content.
    Regular {
        /// Length of the content, holes included.
        len_bytes: u64,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Its target as stored; not empty, no NUL.
        target: Vec<u8>,
    },
    /// Another name of a member.
    Hardlink {
        /// That member's name as stored; not empty, no NUL.
        target: Vec<u8>,
    },
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// A piece of a regular file, in order, without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk<'a> {
    /// These bytes.
    Data(&'a [u8]),
    /// That many zeros which the archive does not store; not 0.
    Hole(u64),
}
