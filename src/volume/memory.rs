//! A volume in memory, for tests of those who fill volumes.

use super::{Inode, Meta, Volume};
use std::collections::BTreeMap;
use std::io::{Cursor, Read};

/// What an inode is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    Regular(Vec<u8>),
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A character device.
    CharDevice(u32, u32),
    /// A directory: entries by name.
    Directory(BTreeMap<Vec<u8>, Inode>),
    /// Nothing any more.
    Forgotten,
}

/// An inode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Owner, mode, times, xattrs.
    pub meta: Meta,
    /// What it is.
    pub content: Content,
    /// How many names it has.
    pub links: u32,
    /// `chattr +i`.
    pub immutable: bool,
}

/// A volume that keeps everything in memory.
#[derive(Debug, Clone)]
pub struct MemoryVolume {
    /// All inodes; the root directory is the first.
    pub nodes: Vec<Node>,
}

/// A breach of the protocol of [`Volume`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum MemoryError {
    /// The inode is no directory.
    #[error("inode {0:?} is no directory")]
    NotDirectory(Inode),
    /// The inode has names, or is a directory, and cannot be forgotten.
    #[error("inode {0:?} is in use")]
    InUse(Inode),
    /// The inode is no regular file of the content's length.
    #[error("inode {0:?} was not reserved for this content")]
    NotReserved(Inode),
    /// The name is in use.
    #[error("the name `{0}` exists")]
    Exists(String),
    /// More inodes or bytes than the address space holds.
    #[error("too large")]
    TooLarge,
}

impl Default for MemoryVolume {
    fn default() -> Self {
        let content = Content::Directory(BTreeMap::new());
        let meta = Meta::root_owned(0o755);
        Self { nodes: vec![Node { meta, content, links: 1, immutable: false }] }
    }
}

impl MemoryVolume {
    /// The inode at `path`, components separated by `/`; no link is followed.
    pub fn find(&self, path: &str) -> Option<&Node> {
        let mut node = self.nodes.first()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Content::Directory(entries) = &node.content else { return None };
            node = self.node(*entries.get(name.as_bytes())?);
        }
        Some(node)
    }

    fn node(&self, inode: Inode) -> &Node {
        &self.nodes[usize::try_from(inode.0).expect("32 bits fit a usize")]
    }

    fn node_mut(&mut self, inode: Inode) -> &mut Node {
        &mut self.nodes[usize::try_from(inode.0).expect("32 bits fit a usize")]
    }

    fn add(&mut self, meta: &Meta, content: Content) -> Result<Inode, MemoryError> {
        let inode = u32::try_from(self.nodes.len()).map_err(|_| MemoryError::TooLarge)?;
        self.nodes.push(Node { meta: meta.clone(), content, links: 0, immutable: false });
        Ok(Inode(inode))
    }
}

impl Volume for MemoryVolume {
    type Error = MemoryError;
    type Open = Vec<u8>;

    fn begin(&mut self) -> Result<Vec<u8>, MemoryError> {
        Ok(Vec::new())
    }

    fn append(&mut self, open: &mut Vec<u8>, bytes: &[u8]) -> Result<(), MemoryError> {
        open.extend_from_slice(bytes);
        Ok(())
    }

    fn append_hole(&mut self, open: &mut Vec<u8>, len_bytes: u64) -> Result<(), MemoryError> {
        let len = usize::try_from(len_bytes).ok().and_then(|len| open.len().checked_add(len));
        open.resize(len.ok_or(MemoryError::TooLarge)?, 0);
        Ok(())
    }

    fn commit(&mut self, open: Vec<u8>, meta: &Meta) -> Result<Inode, MemoryError> {
        self.add(meta, Content::Regular(open))
    }

    fn abandon(&mut self, _: Vec<u8>) -> Result<(), MemoryError> {
        Ok(())
    }

    fn forget(&mut self, inode: Inode) -> Result<(), MemoryError> {
        let node = self.node_mut(inode);
        if node.links > 0 || matches!(node.content, Content::Directory(_)) {
            return Err(MemoryError::InUse(inode));
        }
        node.content = Content::Forgotten;
        Ok(())
    }

    fn reserve(&mut self, meta: &Meta, len_bytes: u64) -> Result<Inode, MemoryError> {
        let len = usize::try_from(len_bytes).map_err(|_| MemoryError::TooLarge)?;
        self.add(meta, Content::Regular(vec![0; len]))
    }

    fn fill(&mut self, contents: &[(Inode, &[u8])]) -> Result<(), MemoryError> {
        for (inode, bytes) in contents {
            match &mut self.node_mut(*inode).content {
                Content::Regular(content) if content.len() == bytes.len() => {
                    content.copy_from_slice(bytes);
                }
                _ => return Err(MemoryError::NotReserved(*inode)),
            }
        }
        Ok(())
    }

    fn detached(&self, inode: Inode) -> Option<Box<dyn Read + Send>> {
        match &self.node(inode).content {
            Content::Regular(bytes) => Some(Box::new(Cursor::new(bytes.clone()))),
            _ => None,
        }
    }

    fn symlink(&mut self, meta: &Meta, target: &[u8]) -> Result<Inode, MemoryError> {
        self.add(meta, Content::Symlink(target.to_vec()))
    }

    fn directory(&mut self, meta: &Meta) -> Result<Inode, MemoryError> {
        self.add(meta, Content::Directory(BTreeMap::new()))
    }

    fn char_device(&mut self, meta: &Meta, major: u32, minor: u32) -> Result<Inode, MemoryError> {
        self.add(meta, Content::CharDevice(major, minor))
    }

    fn link(&mut self, directory: Inode, name: &[u8], child: Inode) -> Result<(), MemoryError> {
        let Content::Directory(entries) = &mut self.node_mut(directory).content else {
            return Err(MemoryError::NotDirectory(directory));
        };
        if entries.insert(name.to_vec(), child).is_some() {
            return Err(MemoryError::Exists(String::from_utf8_lossy(name).into_owned()));
        }
        self.node_mut(child).links += 1;
        Ok(())
    }

    fn set_meta(&mut self, inode: Inode, meta: &Meta) -> Result<(), MemoryError> {
        self.node_mut(inode).meta = meta.clone();
        Ok(())
    }

    fn set_immutable(&mut self, inode: Inode) -> Result<(), MemoryError> {
        self.node_mut(inode).immutable = true;
        Ok(())
    }

    fn link_count(&self, inode: Inode) -> u32 {
        self.node(inode).links
    }

    fn len_bytes(&self, inode: Inode) -> u64 {
        match &self.node(inode).content {
            Content::Regular(bytes) | Content::Symlink(bytes) => {
                u64::try_from(bytes.len()).unwrap_or(u64::MAX)
            }
            Content::CharDevice(..) | Content::Directory(_) | Content::Forgotten => 0,
        }
    }

    fn read_at(&self, inode: Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, MemoryError> {
        let (Content::Regular(bytes) | Content::Symlink(bytes)) = &self.node(inode).content else {
            return Ok(0);
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }
}
