//! What to do about media, and about disks that are to be overwritten.

use std::io;

use super::{BOOT_ISO, of_blueprint, of_output};
use crate::boot::BootError;
use crate::installer::area::AreaError;
use crate::installer::program::ProgramError;
use crate::installer::saved::SavedError;
use crate::installer::target::Refusal;
use crate::pipeline::BootIsoError;
use crate::pipeline::customize_medium::MediumError;

/// Only when one thing speaks against a disk is it enough to change that.
pub(super) fn of_refusals(against: &[Refusal]) -> Option<String> {
    let [refusal] = against else { return None };
    of_refusal(refusal)
}

pub(super) fn of_refusal(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::HoldsData { .. } => {
            "if that may be lost, say so with `--wipe`, or `wipe = true` in `install.toml`".into()
        }
        Refusal::NotADisk { disk, .. } => format!("did you mean `{disk}`?"),
        Refusal::InUse { .. } => "unmount what is on it, and stop what is made of it".into(),
        Refusal::SectorSize { found: 4096, .. } => {
            "BIOS starts from sectors of 512 bytes only: start the medium from UEFI".into()
        }
        Refusal::Ambiguous { .. } => "name one by its path, or by `serial:…`".into(),
        _ => return None,
    })
}

pub(super) fn of_saved(error: &SavedError) -> Option<String> {
    use SavedError as E;
    let hint = match error {
        E::Mbr => "if nothing on it must stay, leave the labels out",
        E::Damaged | E::Different | E::Overlap { .. } | E::BeyondDisk { .. } => {
            "`gdisk` shows such a table, and repairs what it can"
        }
        E::SectorSize { .. } => {
            "the disk was written behind another controller, a USB adapter for instance: use that"
        }
        E::NotTheTail { .. } => {
            "those that stay must be the last ones on the disk: name that one too, or save none"
        }
        E::NoSpace { .. } => {
            "let the new partitions be smaller with `[customizations.disk]`, or save fewer"
        }
    };
    Some(hint.to_owned())
}

pub(super) fn of_program(error: &ProgramError) -> Option<String> {
    let hint = match error {
        ProgramError::Dynamic => {
            "use the static build of bootc-image, or name one with `--installer-binary FILE`"
        }
        ProgramError::OtherMachine(_) => {
            "name a static bootc-image of the image's architecture with `--installer-binary FILE`"
        }
        _ => return None,
    };
    Some(hint.into())
}

pub(super) fn of_boot_iso(error: &BootIsoError) -> Option<String> {
    match error {
        BootIsoError::NotAnaconda(_) => Some(BOOT_ISO.to_owned()),
        BootIsoError::HasKickstart { .. } => {
            Some("give the boot ISO as it was published, without a kickstart".into())
        }
        _ => None,
    }
}

pub(super) fn of_medium(error: &MediumError) -> Option<String> {
    let hint = match error {
        MediumError::Blueprint(error) => return of_blueprint(error),
        MediumError::Output(error) => return of_output(error),
        MediumError::Kargs(BootError::TooManyKargs { .. }) => {
            "tell the installer in `install.toml` what it can be told there"
        }
        MediumError::NotOurs(_) => "`bootc-image build --type iso` makes such media",
        MediumError::Area { source: AreaError::Unfinished, .. } => {
            "make it what it was with `bootc-image iso reset`, then change it again"
        }
        MediumError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "write a changed copy with `-o`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}
