//! A write-once FAT32: what firmware reads an EFI system partition with.
//!
//! ```text
//!  sector 0     1        6         7        32       32+F      32+2F …
//!  ┌──────┬────────┬─ ─┬──────┬────────┬─ ─┬────────┬────────┬──────────────────────────────┐
//!  │ boot │ FSInfo │   │ boot │ FSInfo │   │ FAT    │ FAT    │ clusters from number 2:      │
//!  │      │        │   │ copy │ copy   │   │        │ copy   │ directories, then files      │
//!  └──────┴────────┴─ ─┴──────┴────────┴─ ─┴────────┴────────┴──────────────────────────────┘
//! ```
//!
//! A [`Builder`] collects the files, in memory since boot partitions are small, and
//! [`Builder::finish`] lays them out: directories breadth-first, then files, each contiguous, in the
//! order of their names. So the bytes depend on the set of files, not on the order of adding. Only
//! what holds something is written: the canvas must read as zeros elsewhere. The boot sector is last.
//!
//! Facts are from Microsoft's FAT specification 1.03 (cluster sizes as `mkfs.fat` chooses them).
//! [`edit`] is for those that others made.
//! Left out on purpose: FAT12 and FAT16, deleting, attributes, case flags of short names (a name
//! that is not plain upper-case 8.3 gets a long name).

mod directory;
pub mod edit;
mod geometry;
mod name;
mod sectors;
mod time;

use std::io;
use std::sync::Arc;

use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset, SectorSize};
use crate::volume::Timestamp;

use directory::{Directory, Layout, Target};
use geometry::Geometry;

/// What a file system is besides its files.
#[derive(Debug, Clone)]
pub struct Options {
    /// The size of the partition: whole sectors.
    pub size: ByteLen,
    /// The sector size of the disk.
    pub sector: SectorSize,
    /// Where the partition starts on the disk, for the "hidden sectors" field; 0 when there is none.
    pub start: ByteOffset,
    /// The volume label: 1 to 11 bytes of upper-case ASCII.
    pub label: String,
    /// The volume's serial number, shown as `XXXX-XXXX`.
    pub serial: u32,
    /// The time of every file and directory, brought into the years 1980 to 2107, as UTC.
    pub time: Timestamp,
}

/// Files that become a file system.
#[derive(Debug, Clone)]
pub struct Builder {
    options: Options,
    geometry: Geometry,
    label: [u8; 11],
    /// The root first; children refer to others by index.
    directories: Vec<Directory>,
    files: Vec<Arc<[u8]>>,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of one cluster.
    pub cluster_bytes: u32,
    /// Clusters that hold something.
    pub used_clusters: u32,
    /// All clusters.
    pub clusters: u32,
    /// Where that ends what must be as it was written, zeros where nothing was: clusters that hold
    /// something are the first.
    pub end: ByteOffset,
}

/// Why there is no file system.
#[derive(Debug, thiserror::Error)]
pub enum FatError {
    /// FAT32 needs at least 65,525 clusters, and its sector numbers have 32 bits.
    #[error("{size} is no size for FAT32: {clusters} clusters (65525 to 268435444 are possible)")]
    Size {
        /// The size asked for.
        size: ByteLen,
        /// The clusters it would have.
        clusters: u64,
    },
    /// The files take more room than there is.
    #[error("the files need a FAT32 of {needed}, but it has {size}")]
    TooSmall {
        /// The size asked for.
        size: ByteLen,
        /// The smallest size that would do, in whole mebibytes.
        needed: ByteLen,
    },
    /// Not 1 to 11 bytes of what labels may hold.
    #[error("volume label `{0}` is not 1 to 11 upper-case letters, digits or simple signs")]
    Label(String),
    /// The partition starts off the sectors or too far out.
    #[error("a FAT32 cannot start at byte {0}: not a sector, or beyond 32-bit sector numbers")]
    Start(u64),
    /// A path component that FAT cannot store.
    #[error("`{path}` has a component that FAT cannot store: `{component}`")]
    Name {
        /// The path as given.
        path: String,
        /// The component.
        component: String,
    },
    /// A name is taken, maybe in other letter case.
    #[error("`{path}` clashes with `{existing}`, which FAT cannot tell from it")]
    Clash {
        /// The path as given.
        path: String,
        /// The name that is there.
        existing: String,
    },
    /// A file of 4 GiB or more.
    #[error("`{path}` has {len_bytes} bytes, more than a file on FAT may")]
    FileTooLarge {
        /// The path as given.
        path: String,
        /// Its length.
        len_bytes: u64,
    },
    /// A directory of more than 65,536 entries.
    #[error("a directory would have {entries} entries, more than the 65536 of FAT")]
    DirectoryTooLarge {
        /// Its entries, those of long names included.
        entries: usize,
    },
    /// The canvas failed.
    #[error("writing the FAT32")]
    Write(#[from] io::Error),
}

impl Builder {
    /// An empty file system.
    pub fn new(options: Options) -> Result<Self, FatError> {
        let geometry = Geometry::new(options.size, options.sector, options.start)?;
        let label =
            name::label(&options.label).ok_or_else(|| FatError::Label(options.label.clone()))?;
        let directories = vec![Directory::root()];
        Ok(Self { options, geometry, label, directories, files: Vec::new() })
    }

    /// Adds a file; `path` is relative, its components separated by `/`, its directories implied.
    pub fn add_file(&mut self, path: &str, bytes: impl Into<Arc<[u8]>>) -> Result<(), FatError> {
        let bytes = bytes.into();
        if u32::try_from(bytes.len()).is_err() {
            let len_bytes = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            return Err(FatError::FileTooLarge { path: path.to_owned(), len_bytes });
        }
        let (parent, last) = match path.rsplit_once('/') {
            Some((parents, last)) => (self.directory(path, parents)?, last),
            None => (0, path),
        };
        let target = Target::File(self.files.len());
        match self.directories[parent].insert(path, last, target)? {
            inserted if inserted == target => self.files.push(bytes),
            _ => return Err(clash(path, path)),
        }
        Ok(())
    }

    /// Adds a directory and those above it, unless they are there.
    pub fn add_directory(&mut self, path: &str) -> Result<(), FatError> {
        self.directory(path, path).map(drop)
    }

    /// The directory at `parents`, made if need be; `path` is for the error.
    fn directory(&mut self, path: &str, parents: &str) -> Result<usize, FatError> {
        let mut at = 0;
        for component in parents.split('/') {
            let new = self.directories.len();
            at = match self.directories[at].insert(path, component, Target::Directory(new))? {
                Target::File(_) => return Err(clash(path, component)),
                Target::Directory(there) if there < new => there,
                Target::Directory(_) => {
                    self.directories.push(Directory::below(at));
                    new
                }
            };
        }
        Ok(at)
    }

    /// Lays everything out and writes it; offset 0 of `canvas` is the start of the partition.
    pub fn finish(self, canvas: &mut impl Canvas) -> Result<Usage, FatError> {
        let layout = Layout::new(&self.directories, &self.files, self.geometry.cluster_bytes())?;
        if layout.used_clusters() > u64::from(self.geometry.clusters) {
            return Err(self.too_small());
        }
        let used = u32::try_from(layout.used_clusters()).unwrap_or(u32::MAX);
        self.write_clusters(&layout, canvas)?;
        sectors::write_fats(&self.geometry, &layout.chains(), canvas)?;
        sectors::write_heads(&self.geometry, &self.options, &self.label, used, canvas)?;
        let Geometry { clusters, .. } = self.geometry;
        let (cluster_bytes, end) = (self.geometry.cluster_bytes(), self.geometry.end_of(used));
        Ok(Usage { cluster_bytes, used_clusters: used, clusters, end })
    }

    fn write_clusters(&self, layout: &Layout<'_>, canvas: &mut impl Canvas) -> io::Result<()> {
        for (bytes, chain) in self.files.iter().zip(&layout.files) {
            if let Some(at) = self.geometry.cluster_offset(*chain) {
                canvas.write_at(at, bytes)?;
            }
        }
        let stamp = time::DosTime::from(self.options.time);
        for (chain, bytes) in layout.directory_bytes(&self.label, stamp) {
            if let Some(at) = self.geometry.cluster_offset(chain) {
                canvas.write_at(at, &bytes)?;
            }
        }
        Ok(())
    }

    /// The error that names the size to take: clusters grow with the size, so it is searched for.
    fn too_small(&self) -> FatError {
        let Options { size, sector, start, .. } = self.options;
        let mut needed = size;
        loop {
            needed.0 = (needed.0 | (crate::units::MIB - 1)).saturating_add(1);
            let geometry = match Geometry::new(needed, sector, start) {
                Ok(geometry) => geometry,
                Err(error) => return error,
            };
            let cluster_bytes = geometry.cluster_bytes();
            let layout = match Layout::new(&self.directories, &self.files, cluster_bytes) {
                Ok(layout) => layout,
                Err(error) => return error,
            };
            let missing = layout.used_clusters().saturating_sub(geometry.clusters.into());
            if missing == 0 {
                return FatError::TooSmall { size, needed };
            }
            let bytes = missing.saturating_mul(cluster_bytes.into());
            needed.0 = needed.0.saturating_add(bytes).saturating_sub(crate::units::MIB);
        }
    }
}

fn clash(path: &str, existing: &str) -> FatError {
    FatError::Clash { path: path.to_owned(), existing: existing.to_owned() }
}

#[cfg(test)]
mod tests;
