//! Which partitions a disk has, and where.
//!
//! ```text
//! x86_64    0        1 MiB      2 MiB           514 MiB                 end - 1 MiB
//!           MBR GPT | BIOS-BOOT | EFI-SYSTEM    | root ................ | backup GPT
//! aarch64   0        1 MiB                       513 MiB
//!           MBR GPT | EFI-SYSTEM                | root ................ | backup GPT
//! wished    0        start
//!           MBR GPT | partitions in their order | root ................ | backup GPT
//! ```
//!
//! | partition | type | number | least length |
//! |---|---|---|---|
//! | BIOS boot, added on x86_64 | BIOS boot | first | 1 MiB |
//! | ESP, added | ESP | after it | 512 MiB |
//! | `/boot`, only when wished | XBOOTLDR | as wished | 1 GiB |
//! | swap | swap | as wished | 1 GiB |
//! | further file systems | Linux data | as wished | 1 GiB |
//! | a file of the image | Linux data | as wished | the file's |
//! | nothing | Linux data | as wished | 1 MiB |
//! | root, added | root of the architecture | as wished, else last | what it takes |
//!
//! Root comes last on the disk, whatever its number, so that it can take what the others leave, and can
//! grow when the disk does. A partition is as long as was wished, or longer when its content takes that.
//! Everything is a multiple of 1 MiB. The last MiB belongs to the backup GPT, whatever the sector size.

mod error;
mod mountpoint;
mod types;
mod wish;

#[cfg(test)]
mod tests;

use super::ids::{Ids, Uuid};
use crate::settings::disk::{DiskLayout, Mounts};
use crate::spec::Arch;
use crate::units::{ByteLen, ByteOffset, GIB, MIB, SectorSize};

pub use error::LayoutError;
pub use mountpoint::check as check_mountpoint;

/// What the backup GPT gets.
const TAIL_BYTES: u64 = MIB;
/// The disk that `--size auto` makes at least, unless a whole table was wished.
const USUAL_DISK: ByteLen = ByteLen(10 * GIB);

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// GRUB's core image for BIOS.
    BiosBoot,
    /// The EFI system partition.
    Esp,
    /// `/boot`, where it is a file system of its own.
    Boot,
    /// The root file system, `/boot` with it unless that has its own.
    Root,
    /// Anything else.
    Other,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Nothing, or what [`Role`] says.
    Nothing,
    /// An ext4.
    Ext4(Ext4),
    /// A FAT.
    Fat(Fat),
    /// Swap space.
    Swap {
        /// Its label.
        label: String,
        /// Its UUID.
        uuid: Uuid,
    },
    /// A file of the image, byte for byte.
    Raw {
        /// Its path in the image, without leading `/`.
        source: String,
    },
}

/// An ext4.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ext4 {
    /// Where it is mounted: absolute; nowhere when not given.
    pub mountpoint: Option<String>,
    /// Its label.
    pub label: String,
    /// Its UUID.
    pub uuid: Uuid,
    /// Seeds the hashes of names in large directories.
    pub hash_seed: Uuid,
    /// How it is mounted.
    pub options: Option<String>,
}

/// A FAT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fat {
    /// Where it is mounted: absolute; nowhere when not given.
    pub mountpoint: Option<String>,
    /// Its label.
    pub label: String,
    /// Its serial number.
    pub serial: u32,
    /// How it is mounted.
    pub options: Option<String>,
}

/// A partition that has no place yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub role: Role,
    /// Its name in the GPT.
    pub name: String,
    /// Its type.
    pub type_guid: Uuid,
    /// Its own GUID.
    pub guid: Uuid,
    /// GPT attributes.
    pub attributes: u64,
    /// What it holds.
    pub content: Content,
    /// Its least length, a multiple of 1 MiB.
    pub least: ByteLen,
}

/// A partition in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The partition.
    pub partition: Partition,
    /// Where it starts.
    pub start: ByteOffset,
    /// Its length.
    pub len: ByteLen,
}

/// What the partitions depend on besides a wish.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Its architecture.
    pub arch: Arch,
    /// Sectors of the disk.
    pub sector_size: SectorSize,
    /// Whether it may boot from BIOS.
    pub may_have_bios: bool,
}

/// The partitions of a disk, in the order of their numbers; one of them is root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The partitions.
    pub partitions: Vec<Partition>,
    /// How the installed system mounts them.
    pub mounts: Mounts,
    /// Whether anybody wished for it.
    pub is_wished: bool,
    /// The disk's GUID, when wished.
    pub disk_guid: Option<Uuid>,
    /// Where the first partition starts.
    start: ByteOffset,
    /// The disk's least size.
    pub(super) least_disk: ByteLen,
    /// What `--size auto` makes at least.
    pub(super) usual_disk: ByteLen,
    /// Whether root does not take what is left.
    pub(super) keeps_root_size: bool,
}

impl Layout {
    /// The layout that follows from a wish, or the usual one.
    pub fn plan(
        wish: Option<&DiskLayout>,
        machine: Machine,
        ids: &Ids,
    ) -> Result<Self, LayoutError> {
        match wish {
            None => Ok(Self::usual(wish::usual(machine, ids))),
            Some(DiskLayout::FileSystems(sizes)) => {
                let partitions = wish::file_systems(sizes, machine, ids)?;
                Ok(Self { is_wished: true, ..Self::usual(partitions) })
            }
            Some(DiskLayout::Partitions(table)) => {
                let asked_bytes = machine.sector_size.bytes();
                if let Some(wished_bytes) = table.sector_bytes.map(u64::from)
                    && wished_bytes != asked_bytes
                {
                    return Err(LayoutError::SectorSize { wished_bytes, asked_bytes });
                }
                let round_up = |len: Option<ByteLen>| round_up(len.unwrap_or_default());
                Ok(Self {
                    is_wished: true,
                    disk_guid: table.guid.map(Uuid::from_u128),
                    start: ByteOffset(round_up(table.start)?.0.max(MIB)),
                    least_disk: round_up(table.min_size)?,
                    usual_disk: ByteLen(0),
                    mounts: table.mounts,
                    keeps_root_size: table.keep_root_size,
                    ..Self::usual(wish::partitions(&table.partitions, machine, ids)?)
                })
            }
        }
    }

    fn usual(partitions: Vec<Partition>) -> Self {
        Self {
            partitions,
            mounts: Mounts::default(),
            is_wished: false,
            disk_guid: None,
            start: ByteOffset(MIB),
            least_disk: ByteLen(0),
            usual_disk: USUAL_DISK,
            keeps_root_size: false,
        }
    }

    /// Index and partition of a role.
    pub fn find(&self, role: Role) -> Option<(usize, &Partition)> {
        self.partitions.iter().enumerate().find(|(_, partition)| partition.role == role)
    }

    /// The root file system.
    pub fn root(&self) -> &Ext4 {
        self.ext4(Role::Root).expect("planning makes an ext4 root")
    }

    /// The file system that `/boot` is on.
    pub fn boot(&self) -> &Ext4 {
        self.ext4(Role::Boot).unwrap_or_else(|| self.root())
    }

    /// Number of the partition that `/boot` is on, from 1.
    pub fn boot_number(&self) -> usize {
        let found = self.find(Role::Boot).or_else(|| self.find(Role::Root));
        found.map_or(0, |(index, _)| index + 1)
    }

    /// Whether `/boot` is a file system of its own.
    pub fn has_boot(&self) -> bool {
        self.find(Role::Boot).is_some()
    }

    fn ext4(&self, role: Role) -> Option<&Ext4> {
        match &self.find(role)?.1.content {
            Content::Ext4(ext4) => Some(ext4),
            _ => None,
        }
    }

    /// The partitions in their places, when their content takes `needs` (by index, 0 for what takes
    /// nothing) and root takes `root`; `None` past the end of 64 bits.
    pub fn place(&self, needs: &[ByteLen], root: ByteLen) -> Option<Vec<Placed>> {
        let mut next = self.start.0;
        let mut placed = Vec::with_capacity(self.partitions.len());
        for (index, partition) in self.partitions.iter().enumerate() {
            let need = needs.get(index).copied().unwrap_or_default();
            let len = match partition.role {
                Role::Root => ByteLen(0),
                _ => partition.least.max(need).checked_round_up(MIB)?,
            };
            placed.push(Placed { partition: partition.clone(), start: ByteOffset(next), len });
            next = next.checked_add(len.0)?;
        }
        for placed in placed.iter_mut().filter(|placed| placed.partition.role == Role::Root) {
            (placed.start, placed.len) = (ByteOffset(next), root);
        }
        next.checked_add(root.0).map(|_| placed)
    }

    /// Where root will start, when content takes this.
    pub fn root_start(&self, needs: &[ByteLen]) -> Option<ByteOffset> {
        let placed = self.place(needs, ByteLen(0))?;
        placed.iter().find(|placed| placed.partition.role == Role::Root).map(|root| root.start)
    }

    /// What a disk has beside its root partition, when content takes this.
    pub fn overhead(&self, needs: &[ByteLen]) -> Option<ByteLen> {
        self.root_start(needs)?.0.checked_add(TAIL_BYTES).map(ByteLen)
    }
}

fn round_up(len: ByteLen) -> Result<ByteLen, LayoutError> {
    len.checked_round_up(MIB).ok_or(LayoutError::TooLarge)
}
