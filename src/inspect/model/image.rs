//! The report on an image.

use std::collections::BTreeMap;

use serde::Serialize;

use super::disk::Selinux;

/// Everything about an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageReport {
    /// `image`.
    pub kind: &'static str,
    /// [`super::VERSION`].
    pub version: u32,
    /// As typed.
    pub reference: String,
    /// Digest of the manifest.
    pub digest: String,
    /// Digest of the config.
    pub config_digest: String,
    /// In Go's words.
    pub architecture: String,
    /// When it was created, RFC 3339 in UTC.
    pub created: Option<String>,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Layers from the lowest up.
    pub layers: Vec<LayerRecord>,
    /// Their compressed bytes together.
    pub layers_bytes: u64,
    /// The name of the system.
    pub os: Option<String>,
    /// Its kernels. More than one cannot become a disk.
    pub kernels: Vec<Kernel>,
    /// The merged install configuration.
    pub install: Option<InstallConfig>,
    /// Kernel arguments as `build` would write them without options. The UUID of the root file system
    /// is that of the disk that `build` makes without options.
    pub kernel_arguments: Option<String>,
    /// The stateroot.
    pub stateroot: Option<String>,
    /// The boot loaders that a disk would get.
    pub boot_loaders: Option<BootLoaders>,
    /// SELinux: what `etc/selinux/config` says.
    pub selinux: Option<Selinux>,
    /// The policy that is in force; none without.
    pub selinux_policy: Option<String>,
    /// What `prepare-root.conf` says: `off`, `on`, `verity` or `signed`.
    pub composefs: Option<String>,
    /// What ostree makes of it.
    pub ostree: Ostree,
    /// Container images that belong to the system.
    pub bound_images: Vec<String>,
    /// How large disks become.
    pub size: Option<SizeEstimate>,
    /// Whether `build` would make a disk of it.
    pub buildable: bool,
    /// Why not, and what could not be read; a sentence each.
    pub problems: Vec<String>,
    /// What `build` would warn of.
    pub warnings: Vec<String>,
}

/// A layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerRecord {
    /// Digest of the compressed blob.
    pub digest: String,
    /// Its length.
    pub size_bytes: u64,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// Its version: the name of its directory.
    pub version: String,
    /// Path of its initramfs.
    pub initramfs: Option<String>,
}

/// The merged `bootc/install/*.toml`; the keys are theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstallConfig {
    /// `filesystem.root.type`.
    pub root_fs_type: Option<String>,
    /// `kargs`.
    pub kargs: Vec<String>,
    /// `karg-deletes`.
    pub karg_deletes: Vec<String>,
    /// `stateroot`.
    pub stateroot: Option<String>,
    /// `root-mount-spec`.
    pub root_mount_spec: Option<String>,
    /// `boot-mount-spec`.
    pub boot_mount_spec: Option<String>,
    /// `ostree.bls-append-except-default`.
    pub bls_append_except_default: Option<String>,
    /// `bootupd.skip-boot-uuid`.
    pub skip_boot_uuid: Option<bool>,
    /// `bootloader`.
    pub bootloader: Option<String>,
    /// `discoverable-partitions`.
    pub discoverable_partitions: Option<bool>,
    /// `block`.
    pub block: Option<Vec<String>>,
}

/// The boot loaders that a disk would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BootLoaders {
    /// `bootupd`, `own`: the image's GRUB with a configuration of ours, or `none`.
    pub source: String,
    /// Which one, for people.
    pub description: String,
    /// Whether the disk boots from UEFI.
    pub uefi: bool,
    /// Whether everything that UEFI starts is signed.
    pub signed: bool,
    /// Whether the disk boots from BIOS.
    pub bios: bool,
    /// What to know, a sentence each.
    pub notices: Vec<String>,
}

/// The image in ostree's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Ostree {
    /// Whether the image carries a commit.
    pub encapsulated: bool,
    /// That commit.
    pub base_commit: Option<String>,
    /// The commit that a disk would have.
    pub merge_commit: Option<String>,
}

/// How large disks become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SizeEstimate {
    /// What the root file system needs, its own metadata with it.
    pub root_bytes: u64,
    /// The disk of `--size min`.
    pub min_disk_bytes: u64,
    /// The disk of `--size auto`.
    pub auto_disk_bytes: u64,
}
