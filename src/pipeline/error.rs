//! Why there is no disk.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use crate::digest::Sha256Digest;
use crate::format::FolderError;
use crate::{
    boot, canvas, config, customize, format, fs, inspect, installer, layers, ostree, output,
    partition, plan, registry, selinux, trust,
};

/// Why a build failed. Nothing is left behind but what was there before.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image cannot be had, or is not one we can use.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// The source has another image than the one that is wanted.
    #[error("`{source_text}` is the image {}, not {}", .found.to_oci(), .expected.to_oci())]
    OtherImage {
        /// The source as typed.
        source_text: String,
        /// Digest of the manifest that is wanted.
        expected: Sha256Digest,
        /// Digest of the manifest that is there.
        found: Sha256Digest,
    },
    /// No signature by the user's keys.
    #[error("verifying the image with the keys of `--verify-key`")]
    Signature(#[source] trust::Error),
    /// The signature policy does not let the image in.
    #[error("the signature policy `{}` does not let this image in", .path.display())]
    Policy {
        /// The policy's file.
        path: PathBuf,
        /// Why not.
        source: trust::Error,
    },
    /// A key that the signature policy names cannot be read.
    #[error("reading the key `{}`, which the signature policy names", .path.display())]
    KeyFile {
        /// The key's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A name that has no place in signature policies.
    #[error("`{name}` is no name that signature policies know")]
    NoScope {
        /// The image.
        name: String,
    },
    /// A layer is wrong, or could not be written.
    #[error("reading layer {number} of {count} ({})", .digest.to_oci())]
    Layer {
        /// Place in the manifest, from 1.
        number: usize,
        /// How many there are.
        count: usize,
        /// The blob.
        digest: Sha256Digest,
        /// What is wrong.
        source: LayerError,
    },
    /// The manifest names no layers.
    #[error("the image has no layers")]
    NoLayers,
    /// The merged tree or the deployment could not be written.
    #[error("writing the deployment")]
    Ostree(#[source] ostree::Error),
    /// The image cannot boot.
    #[error(transparent)]
    Boot(#[from] boot::BootError),
    /// The SELinux policy that the image enables cannot be used.
    #[error(transparent)]
    Selinux(#[from] selinux::Error),
    /// The deployment cannot be described as a composefs image.
    #[error("writing `.ostree.cfs`")]
    Composefs(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A kernel argument that the image's GRUB cannot be given.
    #[error("the GRUB of this image cannot pass on the kernel argument {problem}")]
    Karg {
        /// The argument and what would become of it.
        problem: String,
    },
    /// BIOS demanded of a disk without boot loader.
    #[error(
        "`--bios on`, but the image's install configuration wants no boot loader \
         (`bootloader = \"none\"`)"
    )]
    NoBootLoaderWanted,
    /// Configuration inside the image is wrong.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    /// What the image says about its disk is wrong.
    #[error(transparent)]
    ImageDisk(#[from] config::blueprint::EmbeddedError),
    /// What the owner wants cannot be had in this image.
    #[error(transparent)]
    Customize(#[from] customize::Error),
    /// The plan cannot be carried out, for instance because the disk is too small.
    #[error(transparent)]
    Plan(#[from] plan::PlanError),
    /// The root file system could not be written.
    #[error("writing the root file system")]
    Ext4(#[from] fs::ext4::Error),
    /// The EFI system partition could not be written.
    #[error("writing the EFI system partition")]
    Fat(#[from] fs::fat::FatError),
    /// Nobody said which program an installer's medium starts.
    #[error("an installer needs a program to start")]
    NoProgram,
    /// The program that an installer's medium is to start will not do.
    #[error("`{}` cannot be an installer", .path.display())]
    Program {
        /// The program's file.
        path: PathBuf,
        /// Why not.
        source: installer::program::ProgramError,
    },
    /// The installer's kernel could not read its own medium.
    #[error("the kernel `{kernel}` cannot read an installer's medium: it has no driver `isofs`")]
    NoMediumDriver {
        /// The kernel's path in the image.
        kernel: String,
    },
    /// The kernel's modules for an installer cannot be had.
    #[error(transparent)]
    KernelModules(#[from] boot::kernel_modules::KernelModulesError),
    /// The installer's initramfs could not be written.
    #[error("writing the installer's initramfs")]
    Initramfs(#[from] boot::initramfs::cpio::CpioError),
    /// The build cannot be carried by a medium.
    #[error(transparent)]
    Carried(#[from] super::carried::CarriedError),
    /// Nobody said which boot ISO of Anaconda's gets the image.
    #[error("Anaconda's ISO is made of a boot ISO")]
    NoBootIso,
    /// The boot ISO cannot get the image.
    #[error(transparent)]
    BootIso(#[from] super::anaconda::BootIsoError),
    /// The image's layers are not there as its manifest names them.
    #[error(
        "not supported yet: `--type {kind}` from `{name}`, which does not keep layers as the \
         manifest names them"
    )]
    LayersUnpacked {
        /// The type that needs them.
        kind: &'static str,
        /// The image's name.
        name: String,
    },
    /// The installer's medium could not be written.
    #[error("writing the medium's file system")]
    Iso(#[from] fs::iso9660::IsoError),
    /// The partition table could not be written.
    #[error("writing the partition table")]
    Partition(#[from] partition::PartitionError),
    /// The initramfs cannot boot the system from a network.
    #[error(
        "`{path}` cannot boot from a network: it lacks dracut's {}", .missing.join(" and ")
    )]
    NoLiveInitramfs {
        /// The initramfs's path in the image.
        path: String,
        /// Modules of dracut.
        missing: Vec<&'static str>,
    },
    /// A disk format could not be written.
    #[error("writing `{}`", .path.display())]
    Format {
        /// The artifact.
        path: PathBuf,
        /// Why not.
        source: format::FormatError,
    },
    /// The output folder could not be written to.
    #[error(transparent)]
    Output(#[from] output::OutputError),
    /// Reading or writing the canvas failed.
    #[error("writing `{}`", .path.display())]
    Canvas {
        /// The temporary file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Which disks this machine has cannot be told.
    #[error(transparent)]
    Disks(#[from] installer::disks::DisksError),
    /// No disk is meant, or it must not be overwritten.
    #[error("{}", all(.0))]
    Refused(Vec<installer::target::Refusal>),
    /// Partitions that are to stay cannot stay.
    #[error(transparent)]
    Saved(#[from] installer::saved::SavedError),
    /// What is on the target cannot be read.
    #[error("looking at what is on `{device}`")]
    TargetContent {
        /// The device.
        device: String,
        /// Why not.
        source: installer::content::ContentError,
    },
    /// The target cannot be had, read or written.
    #[error("{doing} `{device}`")]
    Target {
        /// What was being done, as a gerund.
        doing: &'static str,
        /// The device.
        device: String,
        /// Why not.
        source: io::Error,
    },
    /// Another device has taken the target's name.
    #[error("`{device}` is not the disk any more that it was a moment ago")]
    TargetChanged {
        /// The device.
        device: String,
    },
    /// The image is larger than the target.
    #[error("`{device}` is too small for this image; it does not boot now")]
    TargetFull {
        /// The device.
        device: String,
    },
    /// The target did not keep what was written.
    #[error("verifying `{device}`")]
    Verify {
        /// The device.
        device: String,
        /// What is wrong.
        source: canvas::VerifyError,
    },
    /// A disk cannot be looked at.
    #[error(transparent)]
    Inspect(#[from] inspect::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}

/// Everything that speaks against a disk.
fn all(refusals: &[installer::target::Refusal]) -> String {
    let texts: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

impl Error {
    /// What a disk format's writer met, at `path`.
    pub(super) fn format(path: &Path, source: format::FormatError) -> Self {
        match source {
            format::FormatError::Cancelled => Self::Cancelled,
            source => Self::Format { path: path.to_owned(), source }.or_disk_full(path),
        }
    }

    /// What the writer of a folder met, at `path`.
    pub(super) fn folder(path: &Path, error: FolderError) -> Self {
        match error {
            FolderError::Format(source) => Self::format(path, source),
            FolderError::Output(source) => source.into(),
        }
    }

    /// A full disk said in its own words, wherever it was met while writing `path`.
    pub(super) fn or_disk_full(self, path: &Path) -> Self {
        let causes = std::iter::successors(self.source(), |&cause| cause.source());
        let mut kinds = causes.filter_map(|cause| cause.downcast_ref()).map(io::Error::kind);
        if kinds
            .any(|kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
        {
            let path = path.to_owned();
            return Self::Output(output::OutputError::DiskFull { path });
        }
        self
    }
}

impl From<ostree::Error> for Error {
    fn from(error: ostree::Error) -> Self {
        match error {
            ostree::Error::Cancelled => Self::Cancelled,
            other => Self::Ostree(other),
        }
    }
}

/// What is wrong with a layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// Its blob cannot be had.
    #[error(transparent)]
    Blob(#[from] registry::Error),
    /// It cannot be unpacked, or is no tar.
    #[error(transparent)]
    Tar(#[from] layers::Error),
    /// Its content cannot be in a commit, or not be written.
    #[error(transparent)]
    Content(#[from] ostree::Error),
    /// One entry is wrong.
    #[error("`{path}`")]
    Entry {
        /// The entry's name.
        path: String,
        /// What is wrong.
        source: Box<LayerError>,
    },
    /// A thread could not be started.
    #[error("starting a thread")]
    Io(#[source] io::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
}

impl LayerError {
    /// Names the entry, where the error does not do so itself.
    pub(super) fn at(self, path: String) -> Self {
        match self {
            Self::Content(ostree::Error::Volume { path: ref named, .. }) if *named != path => {
                Self::Entry { path, source: Box::new(self) }
            }
            _ => self,
        }
    }
}
