//! What to do about what an image holds, and what a disk is to become of it.

use super::{KARG, NOT_BOOTABLE};
use crate::boot::BootError;
use crate::customize;
use crate::ostree;
use crate::plan::PlanError;
use crate::plan::layout::LayoutError;
use crate::selinux;

const DAMAGED_COMMIT: &str =
    "the image was damaged before it was pushed: make it again from its ostree commit";

pub(super) fn of_boot(error: &BootError) -> Option<String> {
    let hint = match error {
        BootError::NoKernel => NOT_BOOTABLE,
        BootError::SeveralKernels(_) => "remove all kernels but one when the image is built",
        BootError::NoInitramfs { .. } => {
            "make it when the image is built, with `dracut` and its module `ostree`, for instance"
        }
        BootError::NoPrepareRoot => {
            "add it when the image is built, before the initramfs is made: an empty one will do; or \
             was a base container image meant?"
        }
        BootError::NotSupportedYet { what, .. } if what.starts_with("composefs.enabled") => {
            "use `enabled = yes` in the image and in its initramfs: the same without fs-verity"
        }
        BootError::ComposefsValue { .. } => {
            "it may be `no`, `maybe` or `yes`; the initramfs has a copy of the file"
        }
        BootError::NoBootLoader { .. } => {
            "install signed shim and GRUB, bootupd's payload, or GRUB's modules, when the image is built"
        }
        BootError::NoBiosModules { .. } => {
            "add them when the image is built (`grub-pc-bin` on Debian and Ubuntu, `grub2-pc-modules` \
             on Fedora, `grub2-i386-pc` on openSUSE, `grub` on Arch), or leave `--bios on` out"
        }
        BootError::SystemdBoot { .. } => {
            "add GRUB when the image is built: signed shim and GRUB, or GRUB's modules for UEFI"
        }
        BootError::NotForGrub { .. } => KARG,
        BootError::TooManyKargs { .. } => "leave some of them out of `--karg`",
        BootError::GrubModules { .. }
        | BootError::GrubFile { .. }
        | BootError::GrubParts { .. } => {
            "install the whole package of GRUB, of one version, when the image is built"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

pub(super) fn of_selinux(error: &selinux::Error) -> Option<String> {
    use selinux::{Error as E, PatternError};
    let hint = match error {
        E::Missing { .. } => {
            "install the whole policy when the image is built, or set `SELINUX=disabled` in its \
             `/etc/selinux/config`"
        }
        E::Pattern { source: PatternError::Unsupported(_), .. } => return None,
        E::Line { .. } | E::Pattern { .. } => {
            "libselinux refuses such a file too: correct it when the image is built"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

pub(super) fn of_content(error: &ostree::Error) -> Option<String> {
    use ostree::encapsulated::Error as Carried;
    use ostree::{Error as E, PathError};
    let hint = match error {
        E::UnsupportedType { .. } => {
            "remove it when the image is built; what must be there is made when the system starts, \
             by systemd-tmpfiles for instance"
        }
        E::Path(PathError::DotDot(_)) => {
            "the layer was not made by an image builder: do not trust it"
        }
        E::Path(PathError::NotUtf8(_)) => "rename the file when the image is built",
        E::HardlinkTarget { .. } => {
            "the layer is not whole: build the image again, with another builder if that does not help"
        }
        E::Encapsulated(Carried::Checksum { .. } | Carried::Missing { .. }) => DAMAGED_COMMIT,
        _ => return None,
    };
    Some(hint.to_owned())
}

pub(super) fn of_settings(error: &customize::Error) -> Option<String> {
    use customize::Error as E;
    match error {
        E::ReadOnly { .. } => Some(
            "add it to the image itself, in a layer of its own; a disk's settings reach `/etc` and \
             `/var`"
                .into(),
        ),
        E::NoDirectory { .. } => {
            Some("make it with `[[customizations.directories]]` and `ensure_parents = true`".into())
        }
        E::NoSuchName { what: "group", .. } => {
            Some("make the group with `[[customizations.group]]`, or correct its name".into())
        }
        E::NoSuchName { .. } => {
            Some("make the user with `[[customizations.user]]`, or correct its name".into())
        }
        E::IdTaken { .. } | E::OtherId { .. } => {
            Some("leave the number out, or choose one that is free".into())
        }
        E::NoTimeService => Some("add chrony or systemd-timesyncd to the image".into()),
        E::NoSuchUnit { .. } => {
            Some("correct its name, or add what brings it to the image".into())
        }
        _ => None,
    }
}

pub(super) fn of_plan(error: &PlanError) -> Option<String> {
    match error {
        PlanError::TooSmall { needed_mib, .. } => {
            Some(format!("use `--size {needed_mib}M` or more, or `--size auto`"))
        }
        PlanError::Layout(LayoutError::Mountpoint { problem, .. })
            if problem.contains("no such directory") =>
        {
            Some("mount it below `/var`, or make the directory when the image is built".to_owned())
        }
        PlanError::Layout(LayoutError::NoSource { .. }) => {
            Some("add the file when the image is built, or correct its path".to_owned())
        }
        PlanError::Layout(LayoutError::BiosBootMoved) => Some(
            "put the BIOS boot partition first, or leave it out: it is added where it is needed"
                .to_owned(),
        ),
        _ => None,
    }
}
