//! What is wanted: the command line as meant, nothing left to parse.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::trust::Trust;
use crate::digest::Sha256Digest;
use crate::output::Owner;
use crate::plan::platform::Platform;
use crate::plan::size::SizeRequest;
use crate::plan::types::DiskType;
use crate::registry::{Environment, Reference, RegistryReference, TargetRef};
use crate::settings::Settings;
use crate::settings::disk::DiskLayout;
use crate::spec::{Arch, VolumeId};
use crate::units::SectorSize;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootLoader {
    /// The image's own, on the ESP.
    FromImage,
    /// None: a disk like that of an installation with `bootloader = "none"`.
    None,
}

/// Whether the disk boots from BIOS too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// What an installer's medium is made with.
#[derive(Debug, Clone, Default)]
pub struct Installer {
    /// What it is found by; the system's name and version when not given.
    pub volume_id: Option<VolumeId>,
    /// Its `install.toml`.
    pub config: Vec<u8>,
    /// The program that it starts, linked statically.
    pub program: Option<PathBuf>,
    /// Anaconda's boot ISO, for one with the image on it.
    pub boot_iso: Option<PathBuf>,
    /// What Anaconda is told besides.
    pub kickstart: Option<String>,
}

/// A build.
#[derive(Debug, Clone)]
pub struct Request {
    /// Where the image comes from.
    pub source: Reference,
    /// The source as typed, for messages and as the fall-back target.
    pub source_text: String,
    /// Digest of the manifest that the source must lead to, when only one will do.
    pub digest: Option<Sha256Digest>,
    /// Architecture to choose from an index and to demand of the image.
    pub arch: Arch,
    /// What the installed system updates from; the source when not given.
    pub target: Option<TargetRef>,
    /// Types in the order asked for, none twice, at least one.
    pub types: Vec<DiskType>,
    /// Where the disk is to run, when that was said.
    pub platform: Option<Platform>,
    /// The folder that gets `qcow2/disk.qcow2` and so on.
    pub output: PathBuf,
    /// Where the containerDisk is pushed, when everything is complete.
    pub push: Option<RegistryReference>,
    /// Who is to own what is made, when not who makes it.
    pub owner: Option<Owner>,
    /// Size of the disk.
    pub size: SizeRequest,
    /// Size of its sectors.
    pub sector_size: SectorSize,
    /// Whether it boots from BIOS too; not `On` for what cannot: other machines than x86_64, sectors
    /// of 4096 bytes.
    pub bios: Bios,
    /// Whether ext4 was asked for by name (`--rootfs`).
    pub explicit_rootfs: bool,
    /// Which partitions are wished for; the image's own wish, or the usual ones, when not given.
    pub layout: Option<DiskLayout>,
    /// Kernel arguments to add, in order.
    pub kargs: Vec<String>,
    /// Kernel arguments to remove.
    pub karg_deletes: Vec<String>,
    /// Content of the file with root's SSH keys.
    pub root_ssh_authorized_keys: Option<Vec<u8>>,
    /// What the owner wants of the installed system.
    pub settings: Settings,
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
    /// The registries.conf to begin with.
    pub registries_conf: Option<PathBuf>,
    /// The only folder with certificates of registries.
    pub cert_dir: Option<PathBuf>,
    /// Whether registries must prove who they are.
    pub tls_verify: bool,
    /// What vouches for images.
    pub trust: Trust,
    /// What an installer's medium is made with, when one is asked for.
    pub installer: Installer,
    /// What was read from the environment.
    pub environment: Environment,
    /// What is to be said of the request itself, a sentence each.
    pub notices: Vec<String>,
}

impl Request {
    /// A build with everything but the image at its default: a qcow2 in the current folder, on one
    /// thread. `source_text` is the source as typed.
    pub fn new(source: Reference, source_text: String, arch: Arch) -> Self {
        Self {
            source,
            source_text,
            digest: None,
            arch,
            target: None,
            types: vec![DiskType::Qcow2],
            platform: None,
            output: PathBuf::from("."),
            push: None,
            owner: None,
            size: SizeRequest::Auto,
            sector_size: SectorSize::B512,
            bios: Bios::Auto,
            explicit_rootfs: false,
            layout: None,
            kargs: Vec::new(),
            karg_deletes: Vec::new(),
            root_ssh_authorized_keys: None,
            settings: Settings::default(),
            stateroot: None,
            ids: Ids::Derived,
            qcow2_compression: Qcow2Compression::Deflate,
            boot_loader: BootLoader::FromImage,
            source_date_epoch: None,
            threads: 1,
            authfile: None,
            registries_conf: None,
            cert_dir: None,
            tls_verify: true,
            trust: Trust::default(),
            installer: Installer::default(),
            environment: Environment::default(),
            notices: Vec::new(),
        }
    }
}

/// What was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Paths of the artifacts, in the order of the types, none twice; the manifest is last.
    pub artifacts: Vec<PathBuf>,
}
