//! The tree as a list of inodes, breadth first.
//!
//! A directory's entries are neighbours in the list, in the order of their names, so the list needs
//! no names: whoever wants them walks the source beside it.

use super::{Error, Source};
use crate::volume::Timestamp;

/// The longest name.
const MAX_NAME_BYTES: usize = 255;

/// A node, and its place in the image once it has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<N> {
    pub(super) node: N,
    pub(super) parent: u32,
    /// Where a directory's entries are in the list, and how many.
    pub(super) first_child: u32,
    pub(super) child_count: u32,
    /// Where the inode starts, in units of 32 bytes: the number of the inode.
    pub(super) slot: u32,
    /// Where blocks of its own start, and how many.
    pub(super) first_block: u32,
    pub(super) block_count: u32,
    /// Bytes that follow the inode.
    pub(super) tail_bytes: u16,
    /// The number of its type in directory entries.
    pub(super) entry_type: u8,
    /// Whether the inode has 32 bytes rather than 64.
    pub(super) is_compact: bool,
}

/// All inodes.
#[derive(Debug)]
pub(super) struct Scan<N> {
    pub(super) entries: Vec<Entry<N>>,
    /// The earliest modification time.
    pub(super) oldest: Timestamp,
}

/// An index into the list.
pub(super) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl<N: Copy> Scan<N> {
    /// Walks `source`.
    pub(super) fn new<S: Source<Node = N>>(source: &S) -> Result<Self, Error> {
        let mut scan = Self { entries: Vec::new(), oldest: source.inode(source.root()).mtime };
        scan.add(source, source.root(), 0);
        if scan.entries[0].entry_type != super::DIRECTORY_TYPE {
            return Err(Error::RootIsNoDirectory);
        }
        let mut next = 0;
        while let Some(entry) = scan.entries.get(next) {
            if entry.entry_type == super::DIRECTORY_TYPE {
                scan.add_children(source, next)?;
            }
            next += 1;
        }
        Ok(scan)
    }

    fn add<S: Source<Node = N>>(&mut self, source: &S, node: N, parent: u32) {
        let inode = source.inode(node);
        self.oldest = self.oldest.min(inode.mtime);
        self.entries.push(Entry {
            node,
            parent,
            first_child: 0,
            child_count: 0,
            slot: 0,
            first_block: 0,
            block_count: 0,
            tail_bytes: 0,
            entry_type: inode.kind.entry_type(),
            is_compact: false,
        });
    }

    fn add_children<S: Source<Node = N>>(
        &mut self,
        source: &S,
        parent: usize,
    ) -> Result<(), Error> {
        let number = |len: usize| u32::try_from(len).map_err(|_| Error::TooLarge);
        let first_child = number(self.entries.len())?;
        let parent_number = number(parent)?;
        let mut previous: &[u8] = b"";
        for (name, child) in source.children(self.entries[parent].node) {
            if !is_name(name) {
                return Err(Error::Name { path: self.path_below(source, parent, name) });
            }
            if name <= previous {
                return Err(Error::Order { path: self.path_below(source, parent, name) });
            }
            previous = name;
            self.add(source, child, parent_number);
        }
        let child_count = number(self.entries.len())? - first_child;
        let entry = &mut self.entries[parent];
        (entry.first_child, entry.child_count) = (first_child, child_count);
        Ok(())
    }

    /// The path of an inode, for messages.
    pub(super) fn path<S: Source<Node = N>>(&self, source: &S, mut number: usize) -> String {
        let mut names = Vec::new();
        while number > 0 {
            let parent = index(self.entries[number].parent);
            let place = number - index(self.entries[parent].first_child);
            let child = source.children(self.entries[parent].node).nth(place);
            names.push(String::from_utf8_lossy(child.map_or(b"", |(name, _)| name)));
            number = parent;
        }
        let folders = names.iter().rev().map(|name| format!("/{name}")).collect::<String>();
        if folders.is_empty() { "/".to_owned() } else { folders }
    }

    fn path_below<S: Source<Node = N>>(&self, source: &S, parent: usize, name: &[u8]) -> String {
        let folder = self.path(source, parent);
        format!("{}/{}", folder.trim_end_matches('/'), String::from_utf8_lossy(name))
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..")
        && name.len() <= MAX_NAME_BYTES
        && !name.iter().any(|byte| matches!(byte, 0 | b'/'))
}
