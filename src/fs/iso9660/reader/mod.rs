//! Reads ISO 9660 images: ours, and those of others.
//!
//! | file | what it reads |
//! |---|---|
//! | this one | volume descriptors; files by their paths |
//! | `tree` | directories |
//! | `rock_ridge` | what stands behind directory records |
//! | `boot` | the boot catalog |
//! | `source` | bytes, within the image's bounds |
//!
//! Names are those of Rock Ridge where the image has them, else those of Joliet, else the plain
//! ones without their versions, in capitals as they are. All directories are read when an image is
//! opened, files when they are asked for.
//!
//! An image may be hostile: every place is checked against the image's end, no directory is read
//! twice, and there are limits to how many files there are, how deep they are, and what describes
//! them takes. Left out on purpose: versions of a file but the first, interleaved files, what
//! zisofs compresses (read as it is), charsets of plain names.

mod boot;
mod error;
pub(super) mod rock_ridge;
pub(super) mod source;
#[cfg(test)]
mod tests;
pub(super) mod tree;

pub use boot::{BootEntry, BootPlatform};
pub use error::ReadError;

use std::io::{Read, Seek};

use super::descriptors::{self, BOOT, MAGIC, PRIMARY, SUPPLEMENTARY, TERMINATOR, at};
use super::le32;
use super::records::{Extent, Found};
use crate::units::{ByteLen, ByteOffset};
use rock_ridge::Facts;
use source::Source;
use tree::{Kind, Tree};

/// Where descriptors begin, and the most of them.
const FIRST_SECTOR: u32 = 16;
const MOST_DESCRIPTORS: u32 = 64;
/// What says that a supplementary descriptor is Joliet's, at one of three levels.
const JOLIET: [&[u8]; 3] = [b"%/@", b"%/C", b"%/E"];

/// An image that was opened.
#[derive(Debug)]
pub struct Image<R> {
    source: Source<R>,
    volume: Volume,
    tree: Tree,
    boot: Vec<BootEntry>,
    primary: Descriptor,
    joliet: Option<Descriptor>,
    /// Bytes before the entries of Rock Ridge, where there are any.
    skip: Option<usize>,
}

/// What the descriptors say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The volume's name.
    pub id: String,
    /// What made it.
    pub application: String,
    /// The length of the file system; the image may be longer, and shorter when it was cut off.
    pub len: ByteLen,
    /// Which names its files have here.
    pub names: NameKind,
}

/// Where names are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// The POSIX names of Rock Ridge.
    RockRidge,
    /// The names for Windows.
    Joliet,
    /// The short ones.
    Plain,
}

/// What has a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// Type and permissions, where Rock Ridge has them.
    pub mode: Option<u32>,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file.
    File {
        /// Its length.
        len: ByteLen,
    },
    /// A symbolic link.
    Link {
        /// Where it leads to.
        target: String,
    },
    /// A device, a pipe, a socket.
    Other,
}

/// Bytes of the image that are part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Where they are.
    pub at: ByteOffset,
    /// How many.
    pub len: ByteLen,
}

/// A descriptor's sector, and what is in it.
type Descriptor = (u32, Vec<u8>);

/// The descriptors of use here.
#[derive(Debug, Default)]
struct Descriptors {
    primary: Option<Descriptor>,
    joliet: Option<Descriptor>,
    catalog: Option<u32>,
}

impl<R: Read + Seek> Image<R> {
    /// Reads what describes the files.
    ///
    /// # Errors
    ///
    /// No ISO 9660, one that contradicts itself, or one that is larger than any that people make.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let mut source = Source::new(source)?;
        let found = find_descriptors(&mut source)?;
        let (primary_sector, primary) = found.primary.ok_or(ReadError::NotIso(FIRST_SECTOR))?;
        let bytes_of = |at: usize| u16::from_le_bytes([primary[at], primary[at + 1]]);
        if bytes_of(at::SECTOR_BYTES) != 2048 {
            return Err(ReadError::SectorSize(bytes_of(at::SECTOR_BYTES)));
        }
        let root = root(&primary)?;
        let skip = rock_ridge(&mut source, root)?;
        let (names, root) = match (skip, &found.joliet) {
            (Some(_), _) => (NameKind::RockRidge, root),
            (None, Some((_, joliet))) => (NameKind::Joliet, self::root(joliet)?),
            (None, None) => (NameKind::Plain, root),
        };
        let sectors = le32(&primary, at::SECTORS).unwrap_or(0);
        let volume = Volume {
            id: text(&primary[at::VOLUME_ID..at::VOLUME_ID + 32]),
            application: text(&primary[at::APPLICATION..at::APPLICATION + 128]),
            len: ByteLen(u64::from(sectors) * super::SECTOR_BYTES),
            names,
        };
        let tree = Tree::load(&mut source, root, names, skip.unwrap_or(0))?;
        let boot = found.catalog.map(|sector| boot::load(&mut source, sector)).transpose()?;
        let boot = boot.unwrap_or_default();
        let (primary, joliet) = ((primary_sector, primary), found.joliet);
        Ok(Self { source, volume, tree, boot, primary, joliet, skip })
    }

    /// What it takes to read both trees as they are: the bytes, the descriptors of both, and what
    /// comes before the entries of Rock Ridge.
    pub(super) fn parts(
        &mut self,
    ) -> (&mut Source<R>, Descriptor, Option<Descriptor>, Option<usize>) {
        (&mut self.source, self.primary.clone(), self.joliet.clone(), self.skip)
    }

    /// The length of the image.
    pub fn len(&self) -> ByteLen {
        ByteLen(self.source.end().0)
    }

    /// Whether there is nothing in it, which is never so.
    pub fn is_empty(&self) -> bool {
        self.len().0 == 0
    }

    /// What the descriptors say.
    pub fn volume(&self) -> &Volume {
        &self.volume
    }

    /// What the boot catalog has, the default entry first; nothing without catalog.
    pub fn boot_entries(&self) -> &[BootEntry] {
        &self.boot
    }

    /// What has this path. Links are not followed.
    pub fn entry(&self, path: &str) -> Option<Entry> {
        let node = &self.tree.nodes[self.tree.find(path)?];
        let kind = match &node.kind {
            Kind::Directory { .. } => EntryKind::Directory,
            Kind::File { extents, .. } => EntryKind::File { len: len_of(extents) },
            Kind::Link { target } => EntryKind::Link { target: target.clone() },
            Kind::Other => EntryKind::Other,
        };
        Some(Entry { kind, mode: node.mode })
    }

    /// The names in a directory, sorted; `None` where there is no such directory.
    pub fn list(&self, path: &str) -> Option<Vec<&str>> {
        match &self.tree.nodes[self.tree.find(path)?].kind {
            Kind::Directory { children, .. } => Some(children.keys().map(String::as_str).collect()),
            _ => None,
        }
    }

    /// The paths of everything but the root, each directory before what is in it.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        (1..self.tree.nodes.len()).map(|number| self.tree.path(number))
    }

    /// Where a file's content is, in its order; pieces that follow each other are one.
    ///
    /// # Errors
    ///
    /// No such file, or one that is not inside the image.
    pub fn pieces(&self, path: &str) -> Result<Vec<Piece>, ReadError> {
        let not_found = || ReadError::NotFound(path.to_owned());
        let number = self.tree.find(path).ok_or_else(not_found)?;
        let extents = match &self.tree.nodes[number].kind {
            Kind::File { has_gaps: true, .. } => {
                return Err(ReadError::Interleaved(path.to_owned()));
            }
            Kind::File { extents, .. } => extents,
            _ => return Err(ReadError::NotAFile(path.to_owned())),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for (at, len) in extents.iter().map(|extent| source::place(*extent)) {
            // a file without content is nowhere
            if len.0 > 0 {
                self.source.check(at, len, &format!("`{path}`"))?;
                match pieces.last_mut() {
                    Some(last) if last.at.0 + last.len.0 == at.0 => last.len.0 += len.0,
                    _ => pieces.push(Piece { at, len }),
                }
            }
        }
        Ok(pieces)
    }

    /// A whole file of at most so many bytes.
    ///
    /// # Errors
    ///
    /// No such file, one that is longer, or one that cannot be read.
    pub fn read(&mut self, path: &str, limit: ByteLen) -> Result<Vec<u8>, ReadError> {
        let pieces = self.pieces(path)?;
        let len = ByteLen(pieces.iter().fold(0, |all, piece| all.saturating_add(piece.len.0)));
        let too_large = || ReadError::TooLarge { path: path.to_owned(), len, limit };
        let size = Some(len).filter(|len| *len <= limit).ok_or_else(too_large)?;
        let mut bytes = vec![0; usize::try_from(size.0).map_err(|_| too_large())?];
        let mut rest = bytes.as_mut_slice();
        for piece in pieces {
            let len = usize::try_from(piece.len.0).map_err(|_| too_large())?;
            let (now, later) = rest.split_at_mut(len);
            self.source.read(piece.at, now)?;
            rest = later;
        }
        Ok(bytes)
    }
}

/// The descriptors up to the terminator.
fn find_descriptors<R: Read + Seek>(source: &mut Source<R>) -> Result<Descriptors, ReadError> {
    let mut found = Descriptors::default();
    for number in FIRST_SECTOR..FIRST_SECTOR + MOST_DESCRIPTORS {
        let sector = match source.sector(number, "a volume descriptor") {
            Err(ReadError::Outside { .. }) => return Err(ReadError::NotIso(number)),
            sector => sector?,
        };
        if !sector[1..].starts_with(MAGIC) {
            return Err(ReadError::NotIso(number));
        }
        match sector[0] {
            PRIMARY => found.primary = found.primary.or(Some((number, sector))),
            SUPPLEMENTARY if JOLIET.iter().any(|kind| sector[at::ESCAPES..].starts_with(kind)) => {
                found.joliet = found.joliet.or(Some((number, sector)));
            }
            BOOT => found.catalog = found.catalog.or(boot::catalog(&sector)),
            TERMINATOR => return Ok(found),
            _ => {}
        }
    }
    let limit = usize::try_from(MOST_DESCRIPTORS).unwrap_or(usize::MAX);
    Err(ReadError::TooMany { what: "volume descriptors", limit })
}

/// Where a descriptor says that the root is.
fn root(descriptor: &[u8]) -> Result<Extent, ReadError> {
    let damaged = || ReadError::Directory { path: String::new(), at: 0 };
    descriptors::root(descriptor).ok_or_else(damaged)
}

/// What comes before the entries of Rock Ridge in each record, where there are any: the root's own
/// record says so.
fn rock_ridge<R: Read + Seek>(
    source: &mut Source<R>,
    root: Extent,
) -> Result<Option<usize>, ReadError> {
    let sector = source.sector(root.sector, "the directory ``")?;
    let damaged = ReadError::Directory { path: String::new(), at: 0 };
    let (own, _) = Found::parse(&sector).ok_or(damaged)?;
    let facts = Facts::load(source, own.entries, "more of the directory ``")?;
    Ok(facts.skip.filter(|_| facts.mode.is_some()))
}

/// Text without the blanks behind it.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches([' ', '\0']).to_owned()
}

fn len_of(extents: &[Extent]) -> ByteLen {
    ByteLen(extents.iter().fold(0, |all, extent| all.saturating_add(extent.len_bytes.into())))
}

/// For fuzzing: opens an image, and reads all that is in it.
#[doc(hidden)]
pub fn fuzz_image(bytes: &[u8]) {
    let Ok(mut image) = Image::open(std::io::Cursor::new(bytes)) else { return };
    for path in image.paths().collect::<Vec<_>>() {
        let entry = image.entry(&path).expect("a path of the image leads to something");
        let read = image.read(&path, image.len());
        if let (EntryKind::File { len }, Ok(read)) = (entry.kind, read) {
            assert_eq!(u64::try_from(read.len()).ok(), Some(len.0), "{path}");
        }
    }
}
