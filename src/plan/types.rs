//! What can be made of a disk: the types of `--type`, with the names that existing scripts know.
//!
//! | type | file below the output folder | sizes that it accepts | platform |
//! |---|---|---|---|
//! | `qcow2` | `qcow2/disk.qcow2` | any | |
//! | `raw` | `image/disk.raw` | any | |
//! | `ami` | `image/disk.raw`, `image/ami.json` | whole GiB, as volumes have | `aws` |
//! | `vmdk` | `vmdk/disk.vmdk` | any | `vmware` |
//! | `ova` | `archive/image.ova` | any | `vmware` |
//! | `vhd` | `vpc/disk.vhd` | whole MiB | `azure` |
//! | `vhdx` | `vhdx/disk.vhdx` | whole MiB | `hyperv` |
//! | `gce` | `gce/image.tar.gz` | whole GiB | `gcp` |
//! | `containerdisk` | `containerdisk/`, an OCI layout | any | `kubevirt` |
//! | `raw.zst` | `image/disk.raw.zst` | any | |
//! | `pxe` | `pxe/`, a folder to be served | any | `metal` |
//! | `pxe-tar-xz` | `xz/pxe.tar.xz`, the same folder | any | `metal` |
//! | `iso` | `bootiso/install.iso`, `bootiso/install.iso.sha256` | any | |
//! | `anaconda-iso` | the same names | no disk is made | |
//!
//! Every disk is a whole number of MiB anyway.

use super::platform::Platform;
use crate::units::{GIB, MIB};

/// A type of artifact that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiskType {
    /// QEMU's format.
    Qcow2,
    /// The bytes of the disk.
    Raw,
    /// The bytes of the disk, and how Amazon's EC2 is told about them.
    Ami,
    /// VMware's format, stream-optimized.
    Vmdk,
    /// A virtual machine with a VMDK.
    Ova,
    /// Azure's format: a fixed VHD.
    Vhd,
    /// Hyper-V's format.
    Vhdx,
    /// Google's format: a tar of the disk's bytes.
    Gce,
    /// An image for KubeVirt that holds a qcow2.
    ContainerDisk,
    /// The bytes of the disk, compressed.
    RawZst,
    /// What boots from a network, as a folder.
    Pxe,
    /// The same, as one file.
    PxeTarXz,
    /// What installs onto the disks of machines.
    Iso,
    /// Anaconda's boot ISO, with the image on it.
    AnacondaIso,
}

impl DiskType {
    /// All there are, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Qcow2,
        Self::Raw,
        Self::Ami,
        Self::Vmdk,
        Self::Ova,
        Self::Vhd,
        Self::Vhdx,
        Self::Gce,
        Self::ContainerDisk,
        Self::RawZst,
        Self::Pxe,
        Self::PxeTarXz,
        Self::Iso,
        Self::AnacondaIso,
    ];

    /// What the command line and the build record call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
            Self::Ami => "ami",
            Self::Vmdk => "vmdk",
            Self::Ova => "ova",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Gce => "gce",
            Self::ContainerDisk => "containerdisk",
            Self::RawZst => "raw.zst",
            Self::Pxe => "pxe",
            Self::PxeTarXz => "pxe-tar-xz",
            Self::Iso => "iso",
            Self::AnacondaIso => "anaconda-iso",
        }
    }

    /// What it is, in a few words.
    pub fn description(self) -> &'static str {
        match self {
            Self::Qcow2 => "QEMU's format",
            Self::Raw => "the bytes of the disk, as a sparse file",
            Self::Ami => "the bytes of the disk, and ami.json with what EC2 is to be told",
            Self::Vmdk => "VMware's format, stream-optimized",
            Self::Ova => "a virtual machine for VMware and VirtualBox, with a VMDK",
            Self::Vhd => "what Azure imports: a VHD of fixed size",
            Self::Vhdx => "Hyper-V's format",
            Self::Gce => "what Google's cloud imports: disk.raw in a tar.gz",
            Self::ContainerDisk => "an image for KubeVirt, as an OCI layout, with a qcow2 in it",
            Self::RawZst => "the bytes of the disk, compressed with Zstandard",
            Self::Pxe => "what boots from a network: kernel, initramfs, root file system, scripts",
            Self::PxeTarXz => "the same, as one file",
            Self::Iso => "an installer for CDs and USB sticks, which needs no network",
            Self::AnacondaIso => "Anaconda's boot ISO of `--boot-iso`, with the image on it",
        }
    }

    /// Where its file or folder is in the output folder.
    pub fn path(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2/disk.qcow2",
            Self::Raw | Self::Ami => RAW_PATH,
            Self::Vmdk => "vmdk/disk.vmdk",
            Self::Ova => "archive/image.ova",
            Self::Vhd => "vpc/disk.vhd",
            Self::Vhdx => "vhdx/disk.vhdx",
            Self::Gce => "gce/image.tar.gz",
            Self::ContainerDisk => "containerdisk",
            Self::RawZst => "image/disk.raw.zst",
            Self::Pxe => "pxe",
            Self::PxeTarXz => "xz/pxe.tar.xz",
            Self::Iso | Self::AnacondaIso => "bootiso/install.iso",
        }
    }

    /// Whether it is the bytes of the disk themselves.
    pub fn is_raw(self) -> bool {
        matches!(self, Self::Raw | Self::Ami)
    }

    /// Whether it is made of the image alone, and no disk is needed.
    pub fn is_without_disk(self) -> bool {
        self == Self::AnacondaIso
    }

    /// Whether it boots from a network.
    pub fn is_netboot(self) -> bool {
        matches!(self, Self::Pxe | Self::PxeTarXz)
    }

    /// What the disk's size is a multiple of, in bytes: a power of two.
    pub fn granule_bytes(self) -> u64 {
        match self {
            Self::Ami | Self::Gce => GIB,
            _ => MIB,
        }
    }

    /// Where disks of this type run, when there is one place.
    pub fn platform(self) -> Option<Platform> {
        match self {
            Self::Qcow2 | Self::Raw | Self::RawZst | Self::Iso | Self::AnacondaIso => None,
            Self::Ami => Some(Platform::Aws),
            Self::Vmdk | Self::Ova => Some(Platform::Vmware),
            Self::Vhd => Some(Platform::Azure),
            Self::Vhdx => Some(Platform::Hyperv),
            Self::Gce => Some(Platform::Gcp),
            Self::ContainerDisk => Some(Platform::Kubevirt),
            Self::Pxe | Self::PxeTarXz => Some(Platform::Metal),
        }
    }
}

/// Where the bytes of the disk are in the output folder.
pub const RAW_PATH: &str = "image/disk.raw";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_paths_are_told_apart() {
        let names: std::collections::BTreeSet<_> =
            DiskType::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), DiskType::ALL.len());
        let paths: std::collections::BTreeSet<_> =
            DiskType::ALL.iter().map(|kind| kind.path()).collect();
        assert_eq!(paths.len(), DiskType::ALL.len() - 2, "ami and raw, both ISOs");
        assert!(DiskType::ALL.iter().all(|kind| kind.granule_bytes().is_power_of_two()));
    }
}
