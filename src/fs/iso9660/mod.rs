//! ISO 9660: what machines boot from a CD or a USB stick, and what installers read. Here it is
//! written, once; [`reader`] reads what others wrote, too, and [`append`] adds to that.
//!
//! ```text
//! sector of 2048 bytes
//!  0 … 15   system area: nothing of ours; boot code and partition tables of a hybrid medium
//!  16       primary volume descriptor                                            (descriptors)
//!  17       boot record, when something boots                                           (boot)
//!  …        supplementary volume descriptor for Joliet, terminator               (descriptors)
//!  …        path tables: little-endian, big-endian; the same for Joliet          (descriptors)
//!  …        directories, breadth-first; those of Joliet                              (records)
//!  …        boot catalog, when something boots                                          (boot)
//!  …        files, in the order of their paths
//! ```
//!
//! Files are described first ([`Builder`]), with the lengths that they will have; then everything has
//! its place ([`Layout`]), so that content can go there in one pass, from wherever it comes; the
//! structures are written last ([`Layout::write`]). The bytes depend on the set of files, not on the
//! order of adding. Only what holds something is written: the canvas must read as zeros elsewhere.
//!
//! Each file has three names: a short one of `A` to `Z`, `0` to `9` and `_` that every reader takes, the
//! real one for POSIX systems (Rock Ridge), and up to 64 UTF-16 units for Windows (Joliet). A file of
//! 4 GiB or more is several extents that follow each other, each but the last marked as not final.
//!
//! Facts are from ECMA-119 (4th edition), the SUSP and RRIP drafts 1.12, Microsoft's Joliet
//! specification and the El Torito specification 1.0. Left out on purpose: links, owners and modes (all
//! is root's and read-only), relocated directories, continuation areas, hidden files.

pub mod append;
mod boot;
mod descriptors;
mod layout;
mod listing;
mod names;
pub mod reader;
mod records;
mod tree;

pub use layout::Layout;

use std::io;

use tree::Tree;

use crate::spec::VolumeId;
use crate::units::{ByteLen, CdSector};
use crate::volume::Timestamp;

/// Bytes of a sector, the unit of everything here.
pub const SECTOR_BYTES: u64 = CdSector::BYTES;

/// What a file system is besides its files.
#[derive(Debug, Clone)]
pub struct Options {
    /// The volume's name.
    pub volume_id: VolumeId,
    /// What made it: at most 128 bytes of ASCII.
    pub application: String,
    /// The time of the volume and of all files, brought into the years 1970 to 2155, as UTC.
    pub time: Timestamp,
}

/// A file of a [`Builder`], and of the [`Layout`] that it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(usize);

/// Files that become a file system.
#[derive(Debug, Clone)]
pub struct Builder {
    options: Options,
    tree: Tree,
    bios: Option<FileId>,
    uefi: Option<FileId>,
}

/// Why there is no file system.
#[derive(Debug, thiserror::Error)]
pub enum IsoError {
    /// Not what a field of a descriptor may hold.
    #[error("`{}` is not at most 128 bytes of printable ASCII", .0.escape_debug())]
    Application(String),
    /// A path that no file can have here.
    #[error("`{}` cannot be a path on an ISO: {problem}", path.escape_debug())]
    Path {
        /// The path as given.
        path: String,
        /// Why not.
        problem: &'static str,
    },
    /// Something has that path already.
    #[error("`{}` is there already", .0.escape_debug())]
    Taken(String),
    /// Path tables number directories with 16 bits.
    #[error("there are {0} directories, more than the 65535 of ISO 9660")]
    TooManyDirectories(usize),
    /// Sectors are numbered with 32 bits.
    #[error("the files need {0} sectors of 2048 bytes, more than ISO 9660 can number")]
    TooLarge(u64),
    /// The medium would end before its files.
    #[error("a volume of {asked} cannot hold what needs {needed}")]
    VolumeSize {
        /// The length asked for.
        asked: ByteLen,
        /// The least that would do.
        needed: ByteLen,
    },
    /// The canvas failed.
    #[error("writing the ISO 9660")]
    Write(#[from] io::Error),
}

impl Builder {
    /// An empty file system.
    ///
    /// # Errors
    ///
    /// An application that cannot be stored.
    pub fn new(options: Options) -> Result<Self, IsoError> {
        let application = &options.application;
        let is_printable = |c: char| c == ' ' || c.is_ascii_graphic();
        if application.len() > 128 || !application.chars().all(is_printable) {
            return Err(IsoError::Application(application.clone()));
        }
        Ok(Self { options, tree: Tree::default(), bios: None, uefi: None })
    }

    /// Adds a file of this length; `path` is relative, its components separated by `/`, its directories
    /// implied.
    ///
    /// # Errors
    ///
    /// A path that cannot be stored, or that is taken.
    pub fn add_file(&mut self, path: &str, len: ByteLen) -> Result<FileId, IsoError> {
        self.add_aligned_file(path, len, SECTOR_BYTES)
    }

    /// The same, for a file that starts at a multiple of `align_bytes`, a power of two.
    ///
    /// # Errors
    ///
    /// A path that cannot be stored, or that is taken.
    pub fn add_aligned_file(
        &mut self,
        path: &str,
        len: ByteLen,
        align_bytes: u64,
    ) -> Result<FileId, IsoError> {
        let align_sectors = (align_bytes / SECTOR_BYTES).max(1);
        self.tree.add_file(path, tree::File { len, align_sectors }).map(FileId)
    }

    /// Lets BIOS load the first 2048 bytes of this file, and start them.
    pub fn boot_from_bios(&mut self, file: FileId) {
        self.bios = Some(file);
    }

    /// Lets UEFI look for its programs in the FAT that this file is.
    pub fn boot_from_uefi(&mut self, file: FileId) {
        self.uefi = Some(file);
    }

    /// Gives everything its place.
    ///
    /// # Errors
    ///
    /// More directories or sectors than can be numbered.
    pub fn layout(self) -> Result<Layout, IsoError> {
        Layout::new(self)
    }
}

/// A number as both kinds of processors read it: little-endian, then big-endian.
fn both32(number: u32) -> [u8; 8] {
    let mut both = [0; 8];
    both[..4].copy_from_slice(&number.to_le_bytes());
    both[4..].copy_from_slice(&number.to_be_bytes());
    both
}

/// The same for half the width.
fn both16(number: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (number.to_le_bytes(), number.to_be_bytes());
    [a, b, c, d]
}

/// Four bytes as a little-endian number; `None` past the end.
fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests;
