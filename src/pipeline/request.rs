//! What is wanted: the command line as meant, nothing left to parse.

use std::path::PathBuf;

use crate::plan::size::SizeRequest;
use crate::registry::{Environment, Reference, TargetRef};
use crate::spec::Arch;
use crate::units::SectorSize;

/// A disk format that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskFormat {
    /// The bytes of the disk, `image/disk.raw`.
    Raw,
    /// `qcow2/disk.qcow2`.
    Qcow2,
}

impl DiskFormat {
    /// What the command line and the build record call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }

    /// Where it is in the output folder.
    pub fn path(self) -> &'static str {
        match self {
            Self::Raw => "image/disk.raw",
            Self::Qcow2 => "qcow2/disk.qcow2",
        }
    }
}

/// How qcow2 clusters are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qcow2Compression {
    /// Uncompressed clusters.
    None,
    /// Deflate, which every QEMU reads.
    Deflate,
    /// Zstandard, from QEMU 5.1 on.
    Zstd,
}

/// Where identifiers (GUIDs, UUIDs, serial numbers) come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ids {
    /// From the image and the plan: the same bytes every time.
    Derived,
    /// From these random bytes, for disks that will be attached to one machine.
    Random([u8; 32]),
}

/// Whether the disk gets a boot loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootLoader {
    /// The image's own, on the ESP.
    FromImage,
    /// None: a disk like that of an installation with `bootloader = "none"`.
    None,
}

/// Whether the disk boots from BIOS too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bios {
    /// Where the machine has BIOS and the image brings what it takes.
    Auto,
    /// Certainly, or there is no disk.
    On,
    /// Not.
    Off,
}

impl Bios {
    /// What the command line and the build record call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// A build.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the image comes from.
    pub source: Reference,
    /// The source as typed, for messages and as the fall-back target.
    pub source_text: String,
    /// Architecture to choose from an index and to demand of the image.
    pub arch: Arch,
    /// What the installed system updates from; the source when not given.
    pub target: Option<TargetRef>,
    /// Formats in the order asked for, none twice, at least one.
    pub formats: Vec<DiskFormat>,
    /// The folder that gets `qcow2/disk.qcow2` and so on.
    pub output: PathBuf,
    /// Size of the disk.
    pub size: SizeRequest,
    /// Size of its sectors.
    pub sector_size: SectorSize,
    /// Whether it boots from BIOS too; not `On` for what cannot: other machines than x86_64, sectors
    /// of 4096 bytes.
    pub bios: Bios,
    /// Whether ext4 was asked for by name (`--rootfs`).
    pub explicit_rootfs: bool,
    /// Kernel arguments to add, in order.
    pub kargs: Vec<String>,
    /// Kernel arguments to remove.
    pub karg_deletes: Vec<String>,
    /// Content of the file with root's SSH keys.
    pub root_ssh_authorized_keys: Option<Vec<u8>>,
    /// Name of the stateroot, when not the image's choice or `default`.
    pub stateroot: Option<String>,
    /// Where identifiers come from.
    pub ids: Ids,
    /// Clusters of a qcow2.
    pub qcow2_compression: Qcow2Compression,
    /// Whether the disk gets a boot loader.
    pub boot_loader: BootLoader,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970.
    pub source_date_epoch: Option<i64>,
    /// How many threads may work at once; at least 1.
    pub threads: usize,
    /// File with registry credentials.
    pub authfile: Option<PathBuf>,
    /// Whether registries must prove who they are.
    pub tls_verify: bool,
    /// What was read from the environment.
    pub environment: Environment,
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Paths of the artifacts, in the order of the formats; the manifest is last.
    pub artifacts: Vec<PathBuf>,
}
