//! How an owner, or the image, wants the disk to be laid out.

use serde::{Deserialize, Serialize};

use crate::units::ByteLen;

/// A wish for the partitions. What a machine needs to boot is added where it is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskLayout {
    /// Least sizes of file systems of the usual layout, and further file systems.
    FileSystems(Vec<FileSystemSize>),
    /// All partitions.
    Partitions(PartitionTable),
}

/// A file system that gets at least a size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSystemSize {
    /// Where it is mounted: absolute, without a slash at the end.
    pub mountpoint: String,
    /// Its least size.
    pub min_size: ByteLen,
}

/// A whole table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionTable {
    /// The disk's least size.
    pub min_size: Option<ByteLen>,
    /// The disk's GUID; derived when not given.
    pub guid: Option<u128>,
    /// Bytes of a sector, 512 or 4096; what the command line says when not given.
    pub sector_bytes: Option<u32>,
    /// Where the first partition may start; 1 MiB when not given.
    pub start: Option<ByteLen>,
    /// The partitions in order.
    pub partitions: Vec<PartitionWish>,
    /// How the installed system mounts them.
    pub mounts: Mounts,
    /// Whether `/` does not take what the others leave.
    pub keep_root_size: bool,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartitionWish {
    /// Its least size; the usual one when not given. It grows with its content.
    pub min_size: Option<ByteLen>,
    /// Its type, 16 bytes as a GUID is written.
    pub type_guid: Option<u128>,
    /// Its own GUID.
    pub guid: Option<u128>,
    /// Its name in the GPT, at most 36 UTF-16 units.
    pub name: String,
    /// Whether it is marked bootable.
    pub is_bootable: bool,
    /// Further GPT attribute bits.
    pub attributes: u64,
    /// What it holds.
    pub payload: Payload,
}

/// What a partition holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// A file system.
    FileSystem(FileSystemWish),
    /// Swap space.
    Swap {
        /// Its label.
        label: String,
    },
    /// A file of the image, byte for byte.
    Raw {
        /// Its path in the image.
        source: String,
    },
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSystemWish {
    /// Its type.
    pub kind: FileSystemKind,
    /// Where it is mounted; nowhere when not given.
    pub mountpoint: Option<String>,
    /// Its label; the usual one when not given.
    pub label: Option<String>,
    /// Its UUID, or the serial number of a FAT; derived when not given.
    pub uuid: Option<u128>,
    /// Mount options; `defaults` when not given.
    pub options: Option<String>,
}

/// A type of file system that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FileSystemKind {
    /// ext4.
    Ext4,
    /// FAT32, so at least 34 MiB.
    Vfat,
}

/// How the installed system mounts what is on its disk, `/` aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mounts {
    /// Units of systemd's in `/etc/systemd/system`.
    #[default]
    Units,
    /// Lines of `/etc/fstab`.
    Fstab,
    /// Not by anything that we write.
    None,
}
