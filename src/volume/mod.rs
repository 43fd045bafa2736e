//! What a file system writer offers to those who fill it: [`Volume`].
//!
//! A volume is written once. File data goes to its final place as it arrives ([`Volume::begin`],
//! [`Volume::append`], [`Volume::commit`]); inodes are created without a name and get their names by
//! [`Volume::link`], so that one inode may have many; nothing about a directory is on the disk until
//! the writer is finished. Content stays readable all along ([`Volume::read_at`]).
//!
//! The rules of the caller: an inode gets at least one name (a directory exactly one) before the
//! volume is finished, or is forgotten ([`Volume::forget`]); a name is linked once in a directory; at most one file is open at a time.

use std::io::Read;
use std::sync::Arc;

pub mod memory;
pub mod several;
mod timestamp;

pub use timestamp::{Civil, Timestamp};

/// A handle of an inode, dense from 0 in order of creation; the root directory is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inode(pub u32);

/// One extended attribute: its full name (`security.selinux`) without NUL, and its raw value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// Name with its namespace prefix; not empty, no NUL.
    pub name: Box<[u8]>,
    /// Value; not empty.
    pub value: Box<[u8]>,
}

/// A set of extended attributes: sorted by name, no name twice, no empty value. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Xattrs(Option<Arc<[Xattr]>>);

impl Xattrs {
    /// The canonical set: empty values dropped, of several values for one name the last, sorted.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> Self {
        let map: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
        let sorted: Vec<Xattr> = map
            .into_iter()
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .map(|(name, value)| Xattr { name: name.into(), value: value.into() })
            .collect();
        Self(if sorted.is_empty() { None } else { Some(sorted.into()) })
    }

    /// The attributes in order of their names.
    pub fn as_slice(&self) -> &[Xattr] {
        self.0.as_deref().unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// Who owns an inode and who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Meta {
    /// Permission bits with setuid, setgid and sticky: 0 to 0o7777, no file type.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time; the access and change times are set to it too.
    pub mtime: Timestamp,
    /// Extended attributes.
    pub xattrs: Xattrs,
}

impl Meta {
    /// Owned by root, without xattrs, modified at 1970-01-01.
    pub fn root_owned(mode: u16) -> Self {
        Self { mode, ..Self::default() }
    }
}

/// A file system being written. See the module text for the protocol.
pub trait Volume {
    /// Why writing failed.
    type Error: std::error::Error + Send + Sync + 'static;
    /// A file whose data is being written.
    type Open;

    /// The root directory, of the file system chosen last where there are several.
    fn root(&self) -> Inode {
        Inode(0)
    }

    /// Chooses the file system that gets what is made from now on, where there are several
    /// ([`several::Several`]); returns the one chosen before.
    fn select(&mut self, _number: usize) -> usize {
        0
    }

    /// Starts the data of a regular file.
    fn begin(&mut self) -> Result<Self::Open, Self::Error>;

    /// Adds bytes at the end of the open file.
    fn append(&mut self, open: &mut Self::Open, bytes: &[u8]) -> Result<(), Self::Error>;

    /// Adds `len_bytes` zeros at the end of the open file, as a hole where whole blocks allow it.
    fn append_hole(&mut self, open: &mut Self::Open, len_bytes: u64) -> Result<(), Self::Error>;

    /// Makes the open file a regular inode.
    fn commit(&mut self, open: Self::Open, meta: &Meta) -> Result<Inode, Self::Error>;

    /// Gives the open file's space back, as if it had never been begun.
    fn abandon(&mut self, open: Self::Open) -> Result<(), Self::Error>;

    /// Unmakes a file, link or device that has no name: its space is free again, and its handle may
    /// come back for the next inode.
    fn forget(&mut self, inode: Inode) -> Result<(), Self::Error>;

    /// Makes a regular file of `len_bytes` whose content [`Volume::fill`] brings, before anything else
    /// happens to it.
    fn reserve(&mut self, meta: &Meta, len_bytes: u64) -> Result<Inode, Self::Error>;

    /// Brings the content of files that were reserved: each as long as it was said to be. Many at once,
    /// in the order in which they were reserved, are written faster than one by one.
    fn fill(&mut self, contents: &[(Inode, &[u8])]) -> Result<(), Self::Error>;

    /// Makes a symbolic link; `target` is 1 to 4095 bytes without NUL. Its mode is always 0777.
    fn symlink(&mut self, meta: &Meta, target: &[u8]) -> Result<Inode, Self::Error>;

    /// Makes a directory without a name.
    fn directory(&mut self, meta: &Meta) -> Result<Inode, Self::Error>;

    /// Makes a character device.
    fn char_device(&mut self, meta: &Meta, major: u32, minor: u32) -> Result<Inode, Self::Error>;

    /// Names `child` in `directory`; `name` is 1 to 255 bytes without `/` and NUL, not `.` or `..`.
    fn link(&mut self, directory: Inode, name: &[u8], child: Inode) -> Result<(), Self::Error>;

    /// Replaces owner, mode, times and xattrs of an inode; its file type stays.
    fn set_meta(&mut self, inode: Inode, meta: &Meta) -> Result<(), Self::Error>;

    /// Gives extended attributes to the directory `lost+found` that some file systems have of
    /// themselves; they must fit its inode. Without such a directory nothing happens.
    fn set_lost_found_xattrs(&mut self, _: &Xattrs) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Sets the immutable flag (`chattr +i`).
    fn set_immutable(&mut self, inode: Inode) -> Result<(), Self::Error>;

    /// How many names a non-directory inode has so far.
    fn link_count(&self, inode: Inode) -> u32;

    /// The length in bytes of a regular file or of a symbolic link's target.
    fn len_bytes(&self, inode: Inode) -> u64;

    /// Reads a regular file or a symbolic link's target; the returned count is short only at its end.
    fn read_at(&self, inode: Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Self::Error>;

    /// The content of a regular file, read on another thread while the volume is filled on; none where
    /// that cannot be. The file must stay as long.
    fn detached(&self, _: Inode) -> Option<Box<dyn Read + Send>> {
        None
    }

    /// Makes a regular file of `bytes`.
    fn file(&mut self, meta: &Meta, bytes: &[u8]) -> Result<Inode, Self::Error> {
        let mut open = self.begin()?;
        self.append(&mut open, bytes)?;
        self.commit(open, meta)
    }

    /// Makes a new regular file with the content of `source`.
    fn copy_file(&mut self, source: Inode, meta: &Meta) -> Result<Inode, Self::Error> {
        let mut open = self.begin()?;
        let mut buffer = vec![0; 256 * 1024];
        let mut offset = 0;
        loop {
            let count = self.read_at(source, offset, &mut buffer)?;
            if count == 0 {
                return self.commit(open, meta);
            }
            self.append(&mut open, &buffer[..count])?;
            offset += u64::try_from(count).unwrap_or(u64::MAX);
        }
    }
}
