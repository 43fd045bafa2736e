//! What overlayfs needs to find in the image.
//!
//! | node | has |
//! |---|---|
//! | any | `trusted.overlay.NAME` of the tree as `trusted.overlay.overlay.NAME`, which is how it is seen when mounted |
//! | file with an object | `trusted.overlay.redirect` with the object's path, `trusted.overlay.metacopy` with its fs-verity digest or empty |
//! | root | `trusted.overlay.opaque`, and a whiteout for every directory the object store may have |
//!
//! The header, at the start of the image: magic (4), version of the header 1 (4), flags (4; bit 0:
//! there are ACLs), version of composefs (4; 1 if the tree has whiteouts, else 0), zeros (16).

use std::iter::Peekable;

use super::super::source::{self, Source};
use super::super::xattr::XattrSet;
use super::whiteouts::{OBJECT_DIRECTORIES, mark_directory, mark_whiteout};
use super::{Inode, Kind, Tree};
use crate::digest::Sha256Digest;

const MAGIC: u32 = 0xD078_629A;
const HEADER_VERSION: u32 = 1;
const SELINUX: &[u8] = b"security.selinux";

/// A [`Tree`] as overlayfs wants it.
#[derive(Debug)]
pub struct Overlay<'t, T> {
    tree: &'t T,
    facts: Facts,
}

/// What the whole tree must be walked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// Any node has a POSIX ACL.
    pub has_acls: bool,
    /// Any node is a whiteout.
    pub has_whiteouts: bool,
}

/// A node of an [`Overlay`].
#[derive(Debug, Clone, Copy)]
pub enum Node<N> {
    /// The root.
    Root,
    /// A node of the tree.
    Own(N),
    /// A whiteout that hides a directory of the object store.
    Hider,
}

impl Facts {
    fn of<T: Tree>(tree: &T) -> Self {
        let mut facts = Self::default();
        let mut waiting = vec![tree.root()];
        while let Some(node) = waiting.pop() {
            let inode = tree.inode(node);
            facts.has_acls |= inode.xattrs.as_slice().iter().any(|xattr| {
                matches!(&*xattr.name, b"system.posix_acl_access" | b"system.posix_acl_default")
            });
            facts.has_whiteouts |= is_whiteout(inode.kind);
            if inode.kind == Kind::Directory {
                waiting.extend(tree.children(node).map(|(_, child)| child));
            }
        }
        facts
    }
}

fn is_whiteout(kind: Kind) -> bool {
    kind == Kind::CharDevice(0, 0)
}

impl<'t, T: Tree> Overlay<'t, T> {
    /// Walks `tree` once.
    pub fn new(tree: &'t T) -> Self {
        Self { tree, facts: Facts::of(tree) }
    }

    /// The same tree another time, without a walk.
    pub fn again(tree: &'t T, facts: Facts) -> Self {
        Self { tree, facts }
    }

    /// What was found.
    pub fn facts(&self) -> Facts {
        self.facts
    }

    /// The start of the image.
    pub fn header(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        let flags = u32::from(self.facts.has_acls);
        let version = u32::from(self.facts.has_whiteouts);
        for (place, word) in bytes.chunks_exact_mut(4).zip([MAGIC, HEADER_VERSION, flags, version])
        {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The tree's own node, but for those that hide.
    fn own(&self, node: Node<T::Node>) -> Option<T::Node> {
        match node {
            Node::Root => Some(self.tree.root()),
            Node::Own(node) => Some(node),
            Node::Hider => None,
        }
    }

    fn add_xattrs(&self, node: T::Node, inode: &Inode<'_>, into: &mut XattrSet) {
        for xattr in inode.xattrs.as_slice() {
            match xattr.name.strip_prefix(b"trusted.overlay.") {
                Some(rest) => into.push_joined(b"trusted.overlay.overlay.", rest, &xattr.value),
                None => into.push(&xattr.name, &xattr.value),
            }
        }
        match inode.kind {
            Kind::Object { len_bytes: 1.., name, verity } => {
                let (path, path_len) = object_path(name, self.tree.object_suffix());
                into.push(b"trusted.overlay.redirect", path.get(..path_len).unwrap_or_default());
                match verity {
                    Some(digest) => into.push(b"trusted.overlay.metacopy", &metacopy(digest)),
                    None => into.push(b"trusted.overlay.metacopy", b""),
                }
            }
            Kind::Directory if self.facts.has_whiteouts => {
                let mut children = self.tree.children(node);
                if children.any(|(_, child)| is_whiteout(self.tree.inode(child).kind)) {
                    mark_directory(into);
                }
            }
            kind if is_whiteout(kind) => mark_whiteout(into),
            _ => {}
        }
    }
}

impl<T: Tree> Source for Overlay<'_, T> {
    type Node = Node<T::Node>;
    type Error = T::Error;

    fn root(&self) -> Self::Node {
        Node::Root
    }

    fn children(&self, directory: Self::Node) -> impl Iterator<Item = (&[u8], Self::Node)> {
        let hidden = match directory {
            Node::Root => &OBJECT_DIRECTORIES[..],
            Node::Own(_) | Node::Hider => &[],
        };
        let own = self.own(directory).into_iter().flat_map(|node| self.tree.children(node));
        merge(
            own.map(|(name, node)| (name, Node::Own(node))),
            hidden.iter().map(|name| (&name[..], Node::Hider)),
        )
    }

    fn inode(&self, node: Self::Node) -> source::Inode {
        let inode = self.tree.inode(self.own(node).unwrap_or(self.tree.root()));
        let (kind, mode) = match node {
            Node::Hider => (source::Kind::CharDevice(0, 0), 0o644),
            Node::Root | Node::Own(_) => (stored_kind(inode.kind), inode.mode),
        };
        source::Inode { kind, mode, uid: inode.uid, gid: inode.gid, mtime: inode.mtime }
    }

    fn xattrs(&self, node: Self::Node, into: &mut XattrSet) {
        match self.own(node) {
            Some(own) => {
                self.add_xattrs(own, &self.tree.inode(own), into);
                if matches!(node, Node::Root) {
                    into.push(b"trusted.overlay.opaque", b"y");
                }
            }
            None => {
                let root = self.tree.inode(self.tree.root());
                let label = root.xattrs.as_slice().iter().find(|xattr| *xattr.name == *SELINUX);
                if let Some(label) = label {
                    into.push(SELINUX, &label.value);
                }
            }
        }
    }

    fn content(&self, node: Self::Node, into: &mut Vec<u8>) -> Result<(), Self::Error> {
        match node {
            Node::Own(node) => self.tree.content(node, into),
            Node::Root | Node::Hider => Ok(()),
        }
    }
}

fn stored_kind(kind: Kind) -> source::Kind {
    match kind {
        Kind::Directory => source::Kind::Directory,
        Kind::Empty | Kind::CharDevice(0, 0) => source::Kind::Hollow { len_bytes: 0 },
        Kind::Object { len_bytes, .. } => source::Kind::Hollow { len_bytes },
        Kind::Inline { len_bytes } => source::Kind::Inline { len_bytes },
        Kind::Symlink { len_bytes } => source::Kind::Symlink { len_bytes },
        Kind::CharDevice(major, minor) => source::Kind::CharDevice(major, minor),
        Kind::BlockDevice(major, minor) => source::Kind::BlockDevice(major, minor),
        Kind::Fifo => source::Kind::Fifo,
        Kind::Socket => source::Kind::Socket,
    }
}

/// The longest path of an object: two slashes, 64 digits, the suffix.
const MAX_PATH_BYTES: usize = 80;

/// `/XX/…` and the suffix.
fn object_path(name: Sha256Digest, suffix: &str) -> ([u8; MAX_PATH_BYTES], usize) {
    let mut path = [0; MAX_PATH_BYTES];
    let mut len = 0;
    let mut push = |byte: u8| {
        if let Some(place) = path.get_mut(len) {
            *place = byte;
            len += 1;
        }
    };
    push(b'/');
    for (number, byte) in name.0.iter().enumerate() {
        let [high, low] = OBJECT_DIRECTORIES[usize::from(*byte)];
        push(high);
        push(low);
        if number == 0 {
            push(b'/');
        }
    }
    suffix.bytes().for_each(push);
    (path, len)
}

/// Version 0, length, flags, number of SHA-256 in fs-verity; the digest.
fn metacopy(digest: Sha256Digest) -> [u8; 36] {
    let mut value = [0; 36];
    value[..4].copy_from_slice(&[0, 36, 0, 1]);
    value[4..].copy_from_slice(&digest.0);
    value
}

/// Two sorted lists as one; of two entries with one name the first list's stays.
pub(super) fn merge<'n, N>(
    first: impl Iterator<Item = (&'n [u8], N)>,
    second: impl Iterator<Item = (&'n [u8], N)>,
) -> impl Iterator<Item = (&'n [u8], N)> {
    let (mut first, mut second): (Peekable<_>, Peekable<_>) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some((ours, _)), Some((theirs, _))) if theirs < ours => second.next(),
        (Some((ours, _)), Some((theirs, _))) if theirs == ours => {
            second.next();
            first.next()
        }
        (Some(_), _) => first.next(),
        (None, _) => second.next(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_lists_are_sorted_and_the_first_wins() {
        let first = [(&b"b"[..], 1), (b"d", 1)];
        let second = [(&b"a"[..], 2), (b"b", 2), (b"c", 2), (b"e", 2)];
        let merged: Vec<_> = merge(first.into_iter(), second.into_iter()).collect();
        assert_eq!(merged, [(&b"a"[..], 2), (b"b", 1), (b"c", 2), (b"d", 1), (b"e", 2)]);
    }

    #[test]
    fn paths_of_objects_have_a_directory() {
        let mut digest = [0xab; 32];
        digest[0] = 0x0f;
        let (path, len) = object_path(Sha256Digest(digest), ".file");
        assert_eq!(&path[..6], b"/0f/ab");
        assert_eq!(&path[len - 7..len], b"ab.file");
        assert_eq!(len, 2 + 64 + 5);
    }
}
