//! Adds files to an image that others made, and keeps what boots it.
//!
//! ```text
//!  0 … 15     system area: as it was (a partition table is its owner's to change)
//!  16 …       descriptors: as they were, but for the volume's length and where its trees are
//!  …          everything that was there, where it was: boot catalog, boot images, all files
//!  old end    path tables and directories of both trees, written anew
//!  …          the added files
//! ```
//!
//! Boot images know their sector, and so do the catalog and code before the file system; nothing of
//! that moves. Old directories and path tables stay as well, and nothing leads to them any more. A
//! record that was there keeps its names, modes and times; one that leads to a directory leads to
//! the new one.
//!
//! A checksum of the whole medium that its maker left in the primary descriptor (`ISO MD5SUM = …`)
//! would be wrong; it is taken away. Left out on purpose: images with relocated directories (`CL`),
//! a second set of descriptors for a partition, which goes on showing what was there.

mod view;

use std::io::{self, Read, Seek};

use super::descriptors::at;
use super::layout::{Sectors, civil};
use super::listing::View;
use super::reader::{Image, ReadError};
use super::tree::{self, File};
use super::{FileId, IsoError, SECTOR_BYTES};
use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset};
use crate::volume::Timestamp;
use view::Tree;

/// The longest path of a directory; images that people make have shorter ones.
const MOST_PATH_BYTES: usize = 1024;
/// What a file's entries are made from; its length is in its record alone.
const FILE: File = File { len: ByteLen(0), align_sectors: 1 };
/// How a checksum of the medium begins.
const CHECKSUM: &[u8] = b"ISO MD5SUM";

/// Files that are added to an image.
#[derive(Debug)]
pub struct Addition {
    trees: Vec<Tree>,
    added: Vec<Added>,
    end: u64,
    time: Timestamp,
}

/// The same, in which everything has its place.
#[derive(Debug)]
pub struct Appended {
    trees: Vec<Tree>,
    added: Vec<Added>,
    sectors: u64,
}

/// A file that is added.
#[derive(Debug, Clone)]
struct Added {
    path: String,
    len: ByteLen,
    sector: u32,
}

/// Why nothing can be added.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The image cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file cannot be added.
    #[error(transparent)]
    Iso(#[from] IsoError),
    /// Something that few images have.
    #[error("it has {0}, which is not changed here")]
    NotSupported(&'static str),
    /// A path that is longer than any.
    #[error("the path `{}…` on it is longer than {MOST_PATH_BYTES} bytes", start(.0))]
    PathTooLong(String),
}

/// As much of a path as an error needs.
fn start(path: &str) -> String {
    path.chars().take(80).flat_map(char::escape_debug).collect()
}

impl Addition {
    /// Reads the directories of an image. Records and directories that are added have this time.
    ///
    /// # Errors
    ///
    /// An image that cannot be read, or not be added to.
    pub fn new<R: Read + Seek>(image: &mut Image<R>, time: Timestamp) -> Result<Self, AppendError> {
        let end = image.len().0.div_ceil(SECTOR_BYTES);
        let (source, primary, joliet, skip) = image.parts();
        if skip.is_some_and(|skip| skip > 0) {
            return Err(AppendError::NotSupported("bytes before its entries of Rock Ridge"));
        }
        let has_rock_ridge = skip.is_some();
        let (sector, mut descriptor) = primary;
        let free = &mut descriptor[at::FREE];
        if free.windows(CHECKSUM.len()).any(|window| window == CHECKSUM) {
            free.fill(b' ');
        }
        let mut trees =
            vec![Tree::load(source, View::Primary, has_rock_ridge, (sector, descriptor))?];
        if let Some(joliet) = joliet {
            trees.push(Tree::load(source, View::Joliet, false, joliet)?);
        }
        Ok(Self { trees, added: Vec::new(), end, time })
    }

    /// Adds a file of this length, instead of the one that has this path; directories are implied.
    ///
    /// # Errors
    ///
    /// A path that cannot be stored, or that a directory has.
    pub fn add_file(&mut self, path: &str, len: ByteLen) -> Result<FileId, AppendError> {
        tree::check(path)?;
        if self.added.iter().any(|added| added.path == path) {
            return Err(IsoError::Taken(path.to_owned()).into());
        }
        if u32::try_from(len.0 / SECTOR_BYTES).is_err() {
            return Err(IsoError::TooLarge(len.0 / SECTOR_BYTES).into());
        }
        let number = self.added.len();
        for tree in &mut self.trees {
            tree.add_file(path, number, len.0, civil(self.time))?;
        }
        self.added.push(Added { path: path.to_owned(), len, sector: 0 });
        Ok(FileId(number))
    }

    /// Gives everything its place.
    ///
    /// # Errors
    ///
    /// More sectors than can be numbered.
    pub fn layout(self) -> Result<Appended, AppendError> {
        let Self { mut trees, mut added, end, .. } = self;
        let mut sectors = Sectors(end);
        for tree in &mut trees {
            tree.place(&mut sectors)?;
        }
        for file in &mut added {
            file.sector = sectors.take(file.len.0.div_ceil(SECTOR_BYTES), 1)?;
        }
        Ok(Appended { trees, added, sectors: sectors.0 })
    }
}

impl Appended {
    /// Where the first sector after the last file is.
    pub fn end(&self) -> ByteOffset {
        ByteOffset(self.sectors * SECTOR_BYTES)
    }

    /// Where an added file's content belongs, in one piece.
    pub fn place(&self, file: FileId) -> ByteOffset {
        ByteOffset(u64::from(self.added[file.0].sector) * SECTOR_BYTES)
    }

    /// Writes what leads to the files, onto a copy of the image; the descriptors last. `volume` is
    /// the length of the whole medium, with what others put behind the files.
    ///
    /// # Errors
    ///
    /// A volume that is too short, too long or no whole sectors; the canvas failed.
    pub fn write(&self, canvas: &mut impl Canvas, volume: ByteLen) -> Result<(), AppendError> {
        let needed = ByteLen(self.end().0);
        if volume < needed || !volume.0.is_multiple_of(SECTOR_BYTES) {
            return Err(IsoError::VolumeSize { asked: volume, needed }.into());
        }
        let sectors = volume.0 / SECTOR_BYTES;
        let sectors = u32::try_from(sectors).map_err(|_| IsoError::TooLarge(sectors))?;
        let all = self.trees.iter().map(|tree| tree.structures(&self.added, sectors));
        let (mut heads, mut all): (Vec<_>, Vec<_>) = (Vec::new(), all.collect());
        for structures in &mut all {
            heads.extend(structures.pop());
        }
        let in_error = |source: io::Error| AppendError::Iso(IsoError::Write(source));
        for (sector, bytes) in all.into_iter().flatten().chain(heads) {
            let at = ByteOffset(u64::from(sector) * SECTOR_BYTES);
            canvas.write_at(at, &bytes).map_err(in_error)?;
        }
        Ok(())
    }
}
