//! What an image is made from: a tree the caller keeps in a shape of its own.

use super::xattr::XattrSet;
use crate::volume::Timestamp;

/// A tree that is asked, several times and always with the same answers, for what it holds.
///
/// Nothing is copied out of it but its nodes' handles, so [`Source::Node`] should be small. Every
/// node is one inode; hard links are not expressed.
pub trait Source {
    /// A handle of a node.
    type Node: Copy;
    /// Why content could not be read.
    type Error;

    /// The root directory.
    fn root(&self) -> Self::Node;

    /// The entries of a directory in byte order of their names, without `.` and `..`.
    fn children(&self, directory: Self::Node) -> impl Iterator<Item = (&[u8], Self::Node)>;

    /// Type, owner and time of a node.
    fn inode(&self, node: Self::Node) -> Inode;

    /// Adds the extended attributes of a node, in any order.
    fn xattrs(&self, node: Self::Node, into: &mut XattrSet);

    /// Adds the target of a symbolic link or the bytes of an inline file, as long as
    /// [`Source::inode`] said. Asked for when the node is written, and again if it has blocks.
    fn content(&self, node: Self::Node, into: &mut Vec<u8>) -> Result<(), Self::Error>;
}

/// Type, owner and time of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time, the only time an inode has.
    pub mtime: Timestamp,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file whose bytes are in the image; meant for small ones.
    Inline {
        /// Length, at most [`super::MAX_INLINE_BYTES`].
        len_bytes: u64,
    },
    /// A regular file whose bytes are elsewhere: it reads as zeros.
    Hollow {
        /// Length, at most [`super::MAX_FILE_BYTES`].
        len_bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Length of the target, 1 to [`super::MAX_SYMLINK_BYTES`].
        len_bytes: u64,
    },
    /// A character device: major and minor number.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

impl Kind {
    /// The bits of the type in an inode's mode.
    pub(super) fn mode_bits(self) -> u16 {
        match self {
            Self::Fifo => 0o010_000,
            Self::CharDevice(..) => 0o020_000,
            Self::Directory => 0o040_000,
            Self::BlockDevice(..) => 0o060_000,
            Self::Inline { .. } | Self::Hollow { .. } => 0o100_000,
            Self::Symlink { .. } => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }

    /// The number of the type in a directory entry.
    pub(super) fn entry_type(self) -> u8 {
        match self {
            Self::Inline { .. } | Self::Hollow { .. } => 1,
            Self::Directory => 2,
            Self::CharDevice(..) => 3,
            Self::BlockDevice(..) => 4,
            Self::Fifo => 5,
            Self::Socket => 6,
            Self::Symlink { .. } => 7,
        }
    }
}
