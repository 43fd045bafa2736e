//! Inodes and names in memory, packed: some hundred bytes for a file with its name.

use super::bytes::{count, index};
use super::error::Error;
use super::inode;
use super::layout::Extent;
use crate::volume::{Inode, Timestamp};

/// A handle that is none.
pub(super) const NOBODY: u32 = u32::MAX;

/// What kind of inode it is, and where its content is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Body {
    /// Extents: the first and how many.
    File { first: u32, extents: u32 },
    /// The target begins here among all texts.
    Symlink { text: u32 },
    /// The directory this one is named in, and how many it names.
    Directory { parent: u32, subdirectories: u32 },
    /// A character device.
    Device { major: u32, minor: u32 },
    /// Nothing: what was here is forgotten.
    Spare,
}

/// An inode to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) size: u64,
    pub(super) time: Timestamp,
    pub(super) body: Body,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Number of the set of extended attributes.
    pub(super) xattrs: u32,
    /// Names so far.
    pub(super) links: u32,
    /// Permission bits.
    pub(super) mode: u16,
    pub(super) immutable: bool,
}

impl Record {
    /// File type and permissions as in `i_mode`.
    pub(super) fn full_mode(&self) -> u16 {
        match self.body {
            Body::File { .. } => inode::REGULAR | self.mode,
            Body::Symlink { .. } => inode::SYMLINK | 0o777,
            Body::Directory { .. } => inode::DIRECTORY | self.mode,
            Body::Device { .. } => inode::CHAR_DEVICE | self.mode,
            Body::Spare => 0,
        }
    }
}

/// A name: in which directory, of what, and where its length and bytes are among all texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) directory: u32,
    pub(super) child: u32,
    pub(super) text: u32,
}

/// All inodes, by handle, and what belongs to them.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) inodes: Vec<Record>,
    pub(super) entries: Vec<Entry>,
    pub(super) extents: Vec<Extent>,
    /// Handles of [`Body::Spare`], the next to be given out last.
    pub(super) spare: Vec<Inode>,
    texts: Vec<u8>,
}

impl Records {
    /// Adds an inode.
    pub(super) fn add(&mut self, record: Record) -> Result<Inode, Error> {
        if let Some(handle) = self.spare.pop() {
            self.inodes[index(handle.0)] = record;
            return Ok(handle);
        }
        // Numbers begin some dozen above handles.
        let handle = narrow(self.inodes.len(), "inodes")?;
        if handle > u32::MAX - 64 {
            return Err(Error::TooMany { what: "inodes" });
        }
        self.inodes.push(record);
        Ok(Inode(handle))
    }

    /// The inode of a handle.
    pub(super) fn get(&self, inode: Inode) -> Result<&Record, Error> {
        let unknown = Error::Misuse { inode: inode.0, what: "does not exist" };
        self.inodes.get(index(inode.0)).ok_or(unknown)
    }

    /// The inode of a handle, to be changed.
    pub(super) fn get_mut(&mut self, inode: Inode) -> Result<&mut Record, Error> {
        let unknown = Error::Misuse { inode: inode.0, what: "does not exist" };
        self.inodes.get_mut(index(inode.0)).ok_or(unknown)
    }

    /// Keeps a symbolic link's target.
    pub(super) fn keep_target(&mut self, target: &[u8]) -> Result<u32, Error> {
        let text = narrow(self.texts.len(), "names")?;
        self.texts.extend_from_slice(target);
        Ok(text)
    }

    /// The target of a symbolic link of `size` bytes.
    pub(super) fn target(&self, text: u32, size: u64) -> &[u8] {
        &self.texts[index(text)..index(text) + index(size)]
    }

    /// Keeps a name, which has at most 255 bytes.
    pub(super) fn keep_name(&mut self, name: &[u8]) -> Result<u32, Error> {
        let text = narrow(self.texts.len(), "names")?;
        self.texts.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        self.texts.extend_from_slice(name);
        Ok(text)
    }

    /// The name of an entry.
    pub(super) fn name(&self, entry: &Entry) -> &[u8] {
        let at = index(entry.text);
        &self.texts[at + 1..at + 1 + usize::from(self.texts[at])]
    }

    /// The extents of a regular file, none for others.
    pub(super) fn extents_of(&self, record: &Record) -> &[Extent] {
        match record.body {
            Body::File { first, extents } => {
                &self.extents[index(first)..index(first) + index(extents)]
            }
            _ => &[],
        }
    }
}

/// A position that must fit 32 bits.
pub(super) fn narrow(position: usize, what: &'static str) -> Result<u32, Error> {
    u32::try_from(count(position)).map_err(|_| Error::TooMany { what })
}
