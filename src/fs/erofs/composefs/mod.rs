//! composefs: a tree's metadata in an EROFS image, its files in a store of objects, put together by
//! overlayfs when mounted.
//!
//! Three layers, each a view of the one below, none a copy:
//!
//! | layer | adds |
//! |---|---|
//! | [`Tree`], what the caller has | |
//! | [`ostree::Deployment`], a [`Tree`] | directories a root needs, time 0, `.file` |
//! | [`Overlay`], a [`Source`](super::Source) | what overlayfs needs, and a header |
//!
//! ```text
//! let deployment = ostree::Deployment::new(&commit);
//! let overlay = Overlay::new(&deployment);
//! let image = Image::plan(&overlay, &overlay.header())?;
//! image.write(&overlay, |bytes| …)?;
//! ```
//!
//! Where the receiver of the bytes is what the tree reads link targets from,
//! [`Stream::next`](super::Stream::next) with [`Overlay::again`] takes the place of `write`.
//!
//! A store of objects that are named by their fs-verity digest (composefs without ostree) needs no
//! `Deployment`.

pub mod ostree;
mod overlay;
mod whiteouts;

pub use overlay::{Facts, Overlay};

use crate::digest::Sha256Digest;
use crate::volume::{Timestamp, Xattrs};

/// A tree whose files are objects. The rules are those of [`Source`](super::Source).
pub trait Tree {
    /// A handle of a node.
    type Node: Copy;
    /// Why content could not be read.
    type Error;

    /// The root directory.
    fn root(&self) -> Self::Node;

    /// The entries of a directory in byte order of their names, without `.` and `..`.
    fn children(&self, directory: Self::Node) -> impl Iterator<Item = (&[u8], Self::Node)>;

    /// What a node is.
    fn inode(&self, node: Self::Node) -> Inode<'_>;

    /// Adds the target of a symbolic link or the bytes of an inline file.
    fn content(&self, node: Self::Node, into: &mut Vec<u8>) -> Result<(), Self::Error>;

    /// How the names of objects end.
    fn object_suffix(&self) -> &'static str {
        ""
    }
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inode<'a> {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid and sticky.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time.
    pub mtime: Timestamp,
    /// Extended attributes, as they shall be seen in the mounted tree.
    pub xattrs: &'a Xattrs,
}

/// What a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file without content.
    Empty,
    /// A regular file whose bytes are an object.
    Object {
        /// Length. Without any bytes it is as [`Kind::Empty`].
        len_bytes: u64,
        /// The digest that names the object: `XX/…` with [`Tree::object_suffix`].
        name: Sha256Digest,
        /// The fs-verity digest that the mounted file must have.
        verity: Option<Sha256Digest>,
    },
    /// A regular file whose bytes are in the image.
    Inline {
        /// Length.
        len_bytes: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Length of the target.
        len_bytes: u64,
    },
    /// A character device: major and minor number. 0:0 is a whiteout: the mounted tree has an empty
    /// file of that name, which an overlay upon the mounted tree takes for a whiteout.
    CharDevice(u32, u32),
    /// A block device: major and minor number.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}
