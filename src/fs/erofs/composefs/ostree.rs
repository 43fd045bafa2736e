//! How libostree 2026.4 makes `.ostree.cfs` of a commit (ostree-contract 4.9).
//!
//! It knows no times, names objects `XX/….file`, and adds what a root file system is mounted upon.
//! `.ostree-wh.NAME` stays an ordinary file here, although the checkout makes a whiteout of it. The
//! fs-verity digest of a file is stored if its object has one; with `composefs.enabled` neither
//! `verity` nor `signed`, no object has.

use super::{Inode, Kind, Tree};
use crate::volume::{Timestamp, Xattrs};

/// Directories of the root, 0755 and owned by root where the commit has nothing of that name.
const ROOT_DIRECTORIES: [&[u8]; 5] = [b"boot", b"etc", b"sysroot", b"usr", b"var"];

/// The tree of `.ostree.cfs` for a commit.
#[derive(Debug)]
pub struct Deployment<'t, T> {
    commit: &'t T,
    no_xattrs: Xattrs,
}

/// A node of a [`Deployment`].
#[derive(Debug, Clone, Copy)]
pub enum Node<N> {
    /// The root.
    Root,
    /// A node of the commit.
    Own(N),
    /// A directory that the commit has not.
    Added,
}

impl<'t, T: Tree> Deployment<'t, T> {
    /// The tree for `commit`, whose times and object suffix are not looked at.
    pub fn new(commit: &'t T) -> Self {
        Self { commit, no_xattrs: Xattrs::default() }
    }
}

impl<T: Tree> Tree for Deployment<'_, T> {
    type Node = Node<T::Node>;
    type Error = T::Error;

    fn root(&self) -> Self::Node {
        Node::Root
    }

    fn children(&self, directory: Self::Node) -> impl Iterator<Item = (&[u8], Self::Node)> {
        let (node, added) = match directory {
            Node::Root => (Some(self.commit.root()), &ROOT_DIRECTORIES[..]),
            Node::Own(node) => (Some(node), &[][..]),
            Node::Added => (None, &[][..]),
        };
        let own = node.into_iter().flat_map(|node| self.commit.children(node));
        super::overlay::merge(
            own.map(|(name, node)| (name, Node::Own(node))),
            added.iter().map(|name| (*name, Node::Added)),
        )
    }

    fn inode(&self, node: Self::Node) -> Inode<'_> {
        let mtime = Timestamp::default();
        match node {
            Node::Root => Inode { mtime, ..self.commit.inode(self.commit.root()) },
            Node::Own(node) => Inode { mtime, ..self.commit.inode(node) },
            Node::Added => Inode {
                kind: Kind::Directory,
                mode: 0o755,
                uid: 0,
                gid: 0,
                mtime,
                xattrs: &self.no_xattrs,
            },
        }
    }

    fn content(&self, node: Self::Node, into: &mut Vec<u8>) -> Result<(), Self::Error> {
        match node {
            Node::Own(node) => self.commit.content(node, into),
            Node::Root | Node::Added => Ok(()),
        }
    }

    fn object_suffix(&self) -> &'static str {
        ".file"
    }
}
