//! ext2 to ext4: what the superblock says, and the tree.
//!
//! ```text
//! superblock, at 1024: blocks 4 at 4, free blocks 4 at 12, block size 4 at 24 (1024 << n),
//!   blocks of a group 4 at 32, magic 2 at 56, features 4×3 at 92, UUID 16 at 104, label 16 at 120,
//!   high halves of blocks and free blocks 4 at 0x150 and 0x158
//! ```
//!
//! The tree is read by `ext4-view`, which checks checksums and replays the journal in memory. Before it
//! sees a superblock, this one's numbers must be possible in a partition of this length.

use std::cell::RefCell;

use ext4_view::{Ext4, Ext4Read, FileType};

use super::text;
use crate::files::{FileKind, Files, FilesError};
use crate::inspect::bytes::{bytes16, index, le16, le32, uuid};
use crate::inspect::model::FileSystem;
use crate::inspect::reader::Shared;

const COMPAT_JOURNAL: u32 = 0x4;
const INCOMPAT_EXTENTS: u32 = 0x40;
const INCOMPAT_64BIT: u32 = 0x80;
/// 64 TiB in groups of 128 MiB are half as many.
const MOST_GROUPS: u64 = 1 << 20;
/// The most entries of a directory that are looked at.
const MOST_ENTRIES: usize = 100_000;

/// What the superblock says.
pub(super) struct About {
    pub(super) facts: FileSystem,
    groups: u64,
}

/// Reads the superblock in the first bytes of a partition.
pub(super) fn recognise(head: &[u8]) -> Option<About> {
    let superblock = head.get(1024..2048)?;
    let shift = le32(superblock, 24);
    if le16(superblock, 56) != 0xEF53 || shift > 6 {
        return None;
    }
    let incompat = le32(superblock, 96);
    let wide = |low: usize, high: usize| {
        let high = if incompat & INCOMPAT_64BIT != 0 { le32(superblock, high) } else { 0 };
        u64::from(high) << 32 | u64::from(le32(superblock, low))
    };
    let (blocks, free) = (wide(4, 0x150), wide(12, 0x158));
    let block = 1024_u64 << shift;
    let kind = match (incompat & INCOMPAT_EXTENTS != 0, le32(superblock, 92) & COMPAT_JOURNAL) {
        (true, _) => "ext4",
        (false, 0) => "ext2",
        (false, _) => "ext3",
    };
    Some(About {
        facts: FileSystem {
            r#type: kind.to_owned(),
            label: text(&superblock[120..136]),
            uuid: Some(uuid(bytes16(superblock, 104))),
            size_bytes: blocks.checked_mul(block),
            used_bytes: blocks.checked_sub(free).and_then(|used| used.checked_mul(block)),
        },
        groups: blocks.div_ceil(u64::from(le32(superblock, 32)).max(1)),
    })
}

/// The partition as `ext4-view` reads it.
struct Source(Shared);

impl Ext4Read for Source {
    fn read(
        &mut self,
        start: u64,
        buffer: &mut [u8],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.read_at(start, buffer).map_err(|problem| problem.to_string().into())
    }
}

/// The files of an ext4. Paths are from its root, without a leading slash.
pub struct Ext4Tree {
    view: Ext4,
    /// The first thing that could not be read.
    problem: RefCell<Option<String>>,
}

impl Ext4Tree {
    /// Opens the tree; says why it cannot be.
    pub(super) fn open(partition: &Shared, about: &About) -> Result<Self, String> {
        let fits = about.facts.size_bytes.is_some_and(|size| size <= partition.len_bytes());
        if !fits || about.groups > MOST_GROUPS {
            return Err("its superblock claims more than the partition has".to_owned());
        }
        let view = Ext4::load(Box::new(Source(Shared::clone(partition))));
        let view = view.map_err(|error| error.to_string())?;
        Ok(Self { view, problem: RefCell::default() })
    }

    /// The first thing that could not be read, if anything could not.
    pub fn problem(&self) -> Option<String> {
        self.problem.borrow().clone()
    }

    fn noted<T>(&self, path: &str, read: Result<T, ext4_view::Ext4Error>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(
                ext4_view::Ext4Error::NotFound
                | ext4_view::Ext4Error::NotADirectory
                | ext4_view::Ext4Error::NotASymlink,
            ) => None,
            Err(error) => {
                self.problem.borrow_mut().get_or_insert_with(|| format!("`/{path}`: {error}"));
                None
            }
        }
    }

    /// The names in a directory, links followed, in byte order.
    pub fn list(&self, path: &str) -> Vec<String> {
        let absolute = format!("/{path}");
        let Some(entries) = self.noted(path, self.view.read_dir(absolute.as_str())) else {
            return Vec::new();
        };
        let mut names = Vec::new();
        for entry in entries.take(MOST_ENTRIES) {
            let Some(entry) = self.noted(path, entry) else { break };
            match entry.file_name().as_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort();
        names
    }

    /// A file's content, links followed; `None` when there is none, or it is too long.
    pub fn content(&self, path: &str, limit_bytes: u64) -> Option<Vec<u8>> {
        let absolute = format!("/{path}");
        let file = self.noted(path, self.view.open(absolute.as_str()));
        let mut file = file.filter(|file| file.metadata().len() <= limit_bytes)?;
        let mut bytes = vec![0; index(file.metadata().len())];
        let mut done = 0;
        while done < bytes.len() {
            match self.noted(path, file.read_bytes(&mut bytes[done..]))? {
                0 => break,
                read => done += read,
            }
        }
        bytes.truncate(done);
        Some(bytes)
    }

    /// Whether something is there, links followed.
    pub fn exists(&self, path: &str) -> bool {
        let absolute = format!("/{path}");
        self.noted(path, self.view.exists(absolute.as_str())).unwrap_or(false)
    }
}

impl Files for Ext4Tree {
    fn kind(&self, path: &str) -> Option<FileKind> {
        let absolute = format!("/{path}");
        let meta = self.noted(path, self.view.symlink_metadata(absolute.as_str()))?;
        match meta.file_type() {
            FileType::Regular => Some(FileKind::Regular { len_bytes: meta.len() }),
            FileType::Directory => Some(FileKind::Directory),
            FileType::Symlink => {
                let target = self.noted(path, self.view.read_link(absolute.as_str()))?;
                Some(FileKind::Symlink { target: target.to_str().ok()?.to_owned() })
            }
            _ => None,
        }
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.list(path)
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        match self.kind(path) {
            Some(FileKind::Regular { len_bytes }) if len_bytes > limit_bytes => {
                let path = path.to_owned();
                Err(FilesError::TooLarge { path, len_bytes, limit_bytes })
            }
            Some(FileKind::Regular { .. }) => Ok(self.content(path, limit_bytes)),
            _ => Ok(None),
        }
    }
}

/// A part of a tree: a deployment, in which `usr/etc` is what the running system sees, `etc`.
pub struct Below<'a> {
    /// The tree.
    pub tree: &'a Ext4Tree,
    /// Path of the directory.
    pub root: &'a str,
}

impl Below<'_> {
    fn place(&self, path: &str) -> String {
        let path = path
            .strip_prefix("usr/")
            .filter(|rest| *rest == "etc" || rest.starts_with("etc/"))
            .unwrap_or(path);
        format!("{}/{path}", self.root)
    }
}

impl Files for Below<'_> {
    fn kind(&self, path: &str) -> Option<FileKind> {
        self.tree.kind(&self.place(path))
    }

    fn names(&self, path: &str) -> Vec<String> {
        self.tree.names(&self.place(path))
    }

    fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, FilesError> {
        self.tree.read(&self.place(path), limit_bytes)
    }
}
