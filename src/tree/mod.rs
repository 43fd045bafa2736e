//! A directory tree whose files are objects: the tree of one layer, and the merged one.
//!
//! A [`Directory`] owns its entries, sorted by the bytes of their names; names are UTF-8, as ostree
//! demands. File content is elsewhere: a file is the [`ObjectId`] of an object, a directory's
//! owner, mode and xattrs are a [`MetaId`] of a shared table. So an entry costs little more than
//! its name, and equal things are equal numbers.

use std::collections::BTreeMap;

/// An object (regular file or symbolic link), by its place in the object store's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u32);

/// Owner, mode and xattrs, by their place in a table of distinct ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetaId(pub u32);

/// What a name in a directory stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A regular file or symbolic link.
    File(ObjectId),
    /// A directory.
    Directory(Box<Directory>),
}

/// A directory with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Owner, mode and xattrs.
    pub meta: MetaId,
    /// Entries in byte order of their names.
    pub entries: BTreeMap<Box<str>, Node>,
}

impl Directory {
    /// An empty directory.
    pub fn new(meta: MetaId) -> Self {
        Self { meta, entries: BTreeMap::new() }
    }

    /// What is at `path`, components separated by `/`; the empty path is no node.
    pub fn get(&self, path: &str) -> Option<&Node> {
        match path.split_once('/') {
            Some((first, rest)) => self.subdirectory(first)?.get(rest),
            None => self.entries.get(path),
        }
    }

    /// The directory at `path`; the empty path is this directory.
    pub fn directory(&self, path: &str) -> Option<&Self> {
        if path.is_empty() {
            return Some(self);
        }
        match self.get(path)? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    /// The directory named `name` directly in this one.
    pub fn subdirectory(&self, name: &str) -> Option<&Self> {
        match self.entries.get(name)? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    /// As [`Directory::subdirectory`], to be changed.
    pub fn subdirectory_mut(&mut self, name: &str) -> Option<&mut Self> {
        match self.entries.get_mut(name)? {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        }
    }

    /// Files of this directory, in order.
    pub fn files(&self) -> impl Iterator<Item = (&str, ObjectId)> {
        self.entries.iter().filter_map(|(name, node)| match node {
            Node::File(object) => Some((&**name, *object)),
            Node::Directory(_) => None,
        })
    }

    /// Directories of this directory, in order.
    pub fn directories(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.entries.iter().filter_map(|(name, node)| match node {
            Node::File(_) => None,
            Node::Directory(directory) => Some((&**name, &**directory)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_nodes() {
        let mut root = Directory::new(MetaId(0));
        let mut usr = Directory::new(MetaId(1));
        usr.entries.insert("file".into(), Node::File(ObjectId(7)));
        root.entries.insert("usr".into(), Node::Directory(Box::new(usr)));
        assert_eq!(root.get("usr/file"), Some(&Node::File(ObjectId(7))));
        assert_eq!(root.get("usr/file/below"), None);
        assert_eq!(root.directory("usr").map(|usr| usr.meta), Some(MetaId(1)));
        assert_eq!(root.directory("").map(|root| root.meta), Some(MetaId(0)));
        assert!(root.directory("usr/file").is_none());
    }
}
