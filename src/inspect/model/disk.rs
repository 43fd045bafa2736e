//! The report on a disk.

use std::collections::BTreeMap;

use serde::Serialize;

/// Everything about a disk.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiskReport {
    /// `disk`.
    pub kind: &'static str,
    /// [`super::VERSION`].
    pub version: u32,
    /// The outermost format: `qcow2`, `ova`, …
    pub format: String,
    /// The format of the disk in it, where that is a file in a file.
    pub inner_format: Option<String>,
    /// Length of the file; none for a folder.
    pub file_size_bytes: Option<u64>,
    /// Length of the disk.
    pub virtual_size_bytes: u64,
    /// The partition table.
    pub partition_table: Option<PartitionTable>,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Partition>,
    /// What starts the disk.
    pub boot_loader: BootLoader,
    /// The menu's entries.
    pub boot_entries: Vec<BootEntry>,
    /// The installed systems.
    pub deployments: Vec<Deployment>,
    /// `.bootc-aleph.json`, as it is.
    pub aleph: Option<serde_json::Value>,
    /// What could not be read, a sentence each.
    pub problems: Vec<String>,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartitionTable {
    /// `gpt`.
    pub r#type: String,
    /// The disk's GUID.
    pub guid: Option<String>,
    /// The size of its sectors.
    pub sector_size_bytes: u64,
    /// The first copy: `good`, `damaged` or `missing`.
    pub primary: String,
    /// The copy at the end: also `different`.
    pub backup: String,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its number, from 1.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// The short name of its type: `esp`, `root-x86-64`, …
    pub r#type: Option<String>,
    /// Its type.
    pub type_guid: String,
    /// Its own GUID.
    pub guid: String,
    /// Where it starts.
    pub start_bytes: u64,
    /// Its length.
    pub length_bytes: u64,
    /// GPT attributes.
    pub attributes: u64,
    /// What is in it.
    pub file_system: Option<FileSystem>,
}

/// A file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSystem {
    /// `ext4`, `vfat`, `xfs`, …
    pub r#type: String,
    /// Its label.
    pub label: Option<String>,
    /// Its UUID; of FAT the serial number, `ABCD-1234`.
    pub uuid: Option<String>,
    /// Its size.
    pub size_bytes: Option<u64>,
    /// How much of that is in use.
    pub used_bytes: Option<u64>,
}

/// What starts the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct BootLoader {
    /// Whether the boot record has code.
    pub bios_boot_code: bool,
    /// Whether the BIOS boot partition has content.
    pub bios_boot_partition: bool,
    /// Files of the EFI system partition.
    pub esp_files: Vec<EspFile>,
    /// GRUB's configurations, paths on their partitions.
    pub grub_configs: Vec<String>,
    /// What bootupd knows.
    pub bootupd: Option<Bootupd>,
}

/// A file of the EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EspFile {
    /// Number of the partition.
    pub partition: u32,
    /// Its path.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
}

/// `bootupd-state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bootupd {
    /// Versions of the installed components (`EFI`, `BIOS`).
    pub components: BTreeMap<String, String>,
    /// Whether the static configuration is in use.
    pub static_configs: bool,
}

/// An entry of the boot menu.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootEntry {
    /// Number of the partition.
    pub partition: u32,
    /// The file's name.
    pub file: String,
    /// `title`.
    pub title: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `options`.
    pub options: String,
    /// `linux`.
    pub kernel: Option<BootFile>,
    /// `initrd`, each.
    pub initrds: Vec<BootFile>,
}

/// A file that an entry names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootFile {
    /// Its path.
    pub path: String,
    /// Whether it is there.
    pub present: bool,
}

/// An installed system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deployment {
    /// Number of the partition.
    pub partition: u32,
    /// The stateroot.
    pub stateroot: String,
    /// The commit.
    pub checksum: String,
    /// The number of the deployment among those of the same commit.
    pub serial: u32,
    /// The name of the system.
    pub os: Option<String>,
    /// Versions of its kernels.
    pub kernels: Vec<String>,
    /// The origin file, as it is.
    pub origin: Option<String>,
    /// What it updates from: the origin's `container-image-reference`.
    pub image: Option<String>,
    /// Digest of the image that it was made from.
    pub image_digest: Option<String>,
    /// The image's version.
    pub version: Option<String>,
    /// Whether the commit is in the repository.
    pub commit_present: bool,
    /// The commit that it was derived from.
    pub parent: Option<String>,
    /// SELinux in its `/etc`.
    pub selinux: Option<Selinux>,
    /// What `prepare-root.conf` says: `off`, `on`, `verity` or `signed`.
    pub composefs: Option<String>,
    /// Whether it has a composefs image.
    pub composefs_image: bool,
}

/// `etc/selinux/config`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Selinux {
    /// `SELINUX`.
    pub mode: Option<String>,
    /// `SELINUXTYPE`.
    pub policy: Option<String>,
}
