//! An initramfs, written: one plain archive, forward, the same bytes for the same calls.
//!
//! | | |
//! |---|---|
//! | inodes | 1, 2, 3, …: no file has two names |
//! | owner, group, times, device | 0 |
//! | links | 2 of a folder, 1 of anything else |
//! | after the trailer | zeros up to a multiple of 512 |
//!
//! The kernel makes files in the order of the archive, and no folder that is not listed: so every
//! entry comes after the folder it is in. It passes silently over names that are too long, which are
//! errors here.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use super::{HEADER_BYTES, MAGIC, NAME_LIMIT_BYTES, NUMBERS, TRAILER};
use crate::boot::pour::{Stopped, pour};

const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
const PERMISSIONS: u32 = 0o7777;
/// What Linux has room for in a device's number.
const MAJOR_LIMIT: u32 = 1 << 12;
const MINOR_LIMIT: u32 = 1 << 20;
const COMPONENT_LIMIT_BYTES: usize = 255;
const END_BYTES: u64 = 512;
/// As many zeros as any padding has.
const ZEROS: [u8; 512] = [0; 512];

/// Why a file cannot be part of an initramfs.
#[derive(Debug, thiserror::Error)]
pub enum CpioError {
    /// The path is none, or none that stays inside.
    #[error("{path:?} cannot be a path in an initramfs: {problem}")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The path was there before.
    #[error("`{path}` is twice in the initramfs")]
    Duplicate {
        /// The path.
        path: String,
    },
    /// The folder that a file is in does not come before it.
    #[error("`{path}` is put into an initramfs in which there is no folder `{parent}` yet")]
    NoParent {
        /// The path.
        path: String,
        /// The folder it is in.
        parent: String,
    },
    /// A symbolic link that leads nowhere or too far.
    #[error("`{path}` cannot be a link to {target:?}: {problem}")]
    Target {
        /// The path.
        path: String,
        /// Where it should lead to.
        target: String,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// Permissions with bits of something else.
    #[error("`{path}` cannot have the permissions {permissions:#o}")]
    Permissions {
        /// The path.
        path: String,
        /// Its permissions.
        permissions: u32,
    },
    /// A device that Linux has no number for.
    #[error("`{path}` cannot be the device {major}:{minor}")]
    Device {
        /// The path.
        path: String,
        /// The driver.
        major: u32,
        /// Which of the driver's.
        minor: u32,
    },
    /// The format has no more than 32 bits for a length.
    #[error("`{path}` has {len_bytes} bytes, an initramfs takes files of less than 4 GiB")]
    TooLarge {
        /// The path.
        path: String,
        /// Its length.
        len_bytes: u64,
    },
    /// The format has no more than 32 bits for an inode.
    #[error("`{path}` is one file more than an initramfs can have")]
    TooMany {
        /// The path.
        path: String,
    },
    /// The content ended before it should.
    #[error("`{path}` has {actual_bytes} bytes instead of {len_bytes}")]
    Shorter {
        /// The path.
        path: String,
        /// The length it was said to have.
        len_bytes: u64,
        /// What there was.
        actual_bytes: u64,
    },
    /// The content did not end where it should.
    #[error("`{path}` has more than {len_bytes} bytes")]
    Longer {
        /// The path.
        path: String,
        /// The length it was said to have.
        len_bytes: u64,
    },
    /// The content could not be read.
    #[error("reading what becomes `{path}` in the initramfs")]
    Content {
        /// The path.
        path: String,
        /// What failed.
        source: io::Error,
    },
    /// The archive could not be written.
    #[error("writing the initramfs")]
    Write(#[from] io::Error),
}

/// An archive that is being written. Paths are relative to its root, which is always there.
///
/// Every step hands the archive on. After an error there is none: what was written is not whole.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    offset: u64,
    inode: u32,
    /// Every path there is, and whether it is a folder.
    paths: BTreeMap<String, bool>,
}

/// What the headers of two entries differ in.
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    len: u32,
    major: u32,
    minor: u32,
}

impl<W: Write> Writer<W> {
    /// An empty archive.
    pub fn new(out: W) -> Self {
        Self { out, offset: 0, inode: 0, paths: BTreeMap::new() }
    }

    /// Adds a folder.
    pub fn folder(mut self, path: &str, permissions: u32) -> Result<Self, CpioError> {
        let header = Header { links: 2, ..self.enter(path, FOLDER, permissions)? };
        self.header(path, &header)?;
        Ok(self)
    }

    /// Adds a regular file of exactly so many bytes.
    pub fn file(
        mut self,
        path: &str,
        permissions: u32,
        len_bytes: u64,
        content: &mut impl Read,
    ) -> Result<Self, CpioError> {
        let owned = || path.to_owned();
        let header = self.enter(path, REGULAR, permissions)?;
        let len = u32::try_from(len_bytes);
        let len = len.map_err(|_| CpioError::TooLarge { path: owned(), len_bytes })?;
        self.header(path, &Header { len, ..header })?;
        let failed = |stopped| match stopped {
            Stopped::Reading(source) => CpioError::Content { path: owned(), source },
            Stopped::Writing(error) => CpioError::Write(error),
        };
        let actual_bytes = pour(content, &mut self.out, len_bytes).map_err(failed)?;
        self.offset += actual_bytes;
        if actual_bytes < len_bytes {
            return Err(CpioError::Shorter { path: owned(), len_bytes, actual_bytes });
        }
        if pour(content, &mut io::sink(), 1).map_err(failed)? > 0 {
            return Err(CpioError::Longer { path: owned(), len_bytes });
        }
        self.pad(4)?;
        Ok(self)
    }

    /// Adds a symbolic link.
    pub fn symlink(mut self, path: &str, target: &str) -> Result<Self, CpioError> {
        let bad = |problem| CpioError::Target {
            path: path.to_owned(),
            target: target.to_owned(),
            problem,
        };
        let header = self.enter(path, SYMLINK, 0o777)?;
        let limit = NAME_LIMIT_BYTES - 1;
        let len = u32::try_from(target.len()).ok().filter(|len| u64::from(*len) <= limit);
        let len = len.ok_or_else(|| bad("it is too long"))?;
        if len == 0 || target.contains('\0') {
            return Err(bad("it is empty or has a NUL"));
        }
        self.header(path, &Header { len, ..header })?;
        self.put(target.as_bytes())?;
        self.pad(4)?;
        Ok(self)
    }

    /// Adds a character device, as `dev/console` is one: 5:1.
    pub fn character_device(
        mut self,
        path: &str,
        permissions: u32,
        major: u32,
        minor: u32,
    ) -> Result<Self, CpioError> {
        let header = self.enter(path, CHARACTER_DEVICE, permissions)?;
        if major >= MAJOR_LIMIT || minor >= MINOR_LIMIT {
            return Err(CpioError::Device { path: path.to_owned(), major, minor });
        }
        self.header(path, &Header { major, minor, ..header })?;
        Ok(self)
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Result<W, CpioError> {
        self.header(TRAILER, &Header { inode: 0, mode: 0, links: 1, len: 0, major: 0, minor: 0 })?;
        self.pad(END_BYTES)?;
        self.out.flush()?;
        Ok(self.out)
    }

    /// Takes a path, and an inode for what will be there.
    fn enter(&mut self, path: &str, kind: u32, permissions: u32) -> Result<Header, CpioError> {
        let owned = || path.to_owned();
        if let Some(problem) = problem(path) {
            return Err(CpioError::Path { path: owned(), problem });
        }
        if permissions & !PERMISSIONS != 0 {
            return Err(CpioError::Permissions { path: owned(), permissions });
        }
        if let Some((parent, _)) = path.rsplit_once('/')
            && self.paths.get(parent) != Some(&true)
        {
            return Err(CpioError::NoParent { path: owned(), parent: parent.to_owned() });
        }
        if self.paths.insert(owned(), kind == FOLDER).is_some() {
            return Err(CpioError::Duplicate { path: owned() });
        }
        let next = self.inode.checked_add(1);
        self.inode = next.ok_or_else(|| CpioError::TooMany { path: owned() })?;
        let mode = kind | permissions;
        Ok(Header { inode: self.inode, mode, links: 1, len: 0, major: 0, minor: 0 })
    }

    fn header(&mut self, name: &str, header: &Header) -> Result<(), CpioError> {
        let Header { inode, mode, links, len, major, minor } = *header;
        let name_len = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        let numbers: [u32; NUMBERS] =
            [inode, mode, 0, 0, links, 0, len, 0, 0, major, minor, name_len, 0];
        let mut bytes = Vec::with_capacity(HEADER_BYTES + name.len() + 1);
        bytes.extend(MAGIC);
        bytes.extend(numbers.iter().flat_map(|number| format!("{number:08X}").into_bytes()));
        bytes.extend(name.as_bytes());
        bytes.push(0);
        self.put(&bytes)?;
        self.pad(4)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), CpioError> {
        self.out.write_all(bytes)?;
        self.offset += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// Zeros up to the next multiple, of 512 at most.
    fn pad(&mut self, multiple: u64) -> Result<(), CpioError> {
        let len = self.offset.next_multiple_of(multiple) - self.offset;
        self.put(&ZEROS[..usize::try_from(len).unwrap_or(0)])
    }
}

fn problem(path: &str) -> Option<&'static str> {
    let is_long = |component: &str| component.len() > COMPONENT_LIMIT_BYTES;
    let total = u64::try_from(path.len()).unwrap_or(u64::MAX);
    if total >= NAME_LIMIT_BYTES || path.split('/').any(is_long) {
        return Some("it is too long");
    }
    let checks = [
        (path == TRAILER, "it would end the archive"),
        (path.contains('\0'), "it has a NUL"),
        (
            path.split('/').any(|component| matches!(component, "" | "." | "..")),
            "it is not relative to the root, without empty components, `.` and `..`",
        ),
    ];
    checks.into_iter().find_map(|(holds, problem)| holds.then_some(problem))
}

#[cfg(test)]
mod tests;
