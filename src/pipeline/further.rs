//! Partitions beside root, as an installation sees them: file systems that are filled along with root,
//! and files of the image that a partition holds.

use super::error::Error;
use super::mounts::Place;
use crate::ostree::{self, MountPoint, Sysroot};
use crate::plan::PlanError;
use crate::plan::layout::{Content, Ext4, Layout, LayoutError, Role};
use crate::tree::Directory;
use crate::units::ByteLen;
use crate::volume::several::Several;
use crate::volume::{Inode, Volume};

/// Makes an empty file system for a partition with this least size.
pub type Another<'a, V> = dyn FnMut(&Ext4, ByteLen) -> Result<V, Error> + 'a;

/// A file of the root file system that is the content of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawFile {
    /// Index of the partition.
    pub index: usize,
    /// The file.
    pub inode: Inode,
    /// Its length.
    pub len: ByteLen,
}

/// Makes the file systems beside root; `/boot` gets its own at once.
pub(super) fn add_file_systems<V: Volume>(
    sysroot: &mut Sysroot<Several<V>>,
    layout: &Layout,
    another: &mut Another<'_, V>,
) -> Result<Vec<usize>, Error> {
    let mut further = Vec::new();
    for (index, partition) in layout.partitions.iter().enumerate() {
        let Content::Ext4(planned) = &partition.content else { continue };
        if partition.role == Role::Root {
            continue;
        }
        let volume = another(planned, partition.least)?;
        let number = sysroot.store.volume.add(volume);
        let count = layout.partitions.len();
        let number =
            number.map_err(|_| PlanError::from(LayoutError::TooManyFileSystems { count }))?;
        further.push(index);
        if partition.role == Role::Boot {
            sysroot.mount("boot", number)?;
            sysroot.directory("boot/efi", 0o755)?;
        }
    }
    Ok(further)
}

/// The mount points of the deployment; file systems are numbered from 1 in the order of `further`.
pub(super) fn mount_points(places: &[Place], further: &[usize]) -> Vec<MountPoint> {
    let number = |place: &Place| further.iter().position(|index| *index == place.index);
    let point = |place: &Place| MountPoint {
        path: place.path.clone(),
        file_system: number(place).map(|position| position + 1),
    };
    places.iter().map(point).collect()
}

/// The files that are the content of partitions.
pub(super) fn raw_files<V: Volume>(
    sysroot: &Sysroot<V>,
    tree: &Directory,
    layout: &Layout,
) -> Result<Vec<RawFile>, Error> {
    let mut found = Vec::new();
    for (index, partition) in layout.partitions.iter().enumerate() {
        let Content::Raw { source } = &partition.content else { continue };
        let missing = || PlanError::from(LayoutError::NoSource { path: source.clone() });
        let object = ostree::find_file(sysroot, tree, source).ok_or_else(missing)?;
        found.push(RawFile { index, inode: object.inode, len: ByteLen(object.len_bytes) });
    }
    Ok(found)
}
