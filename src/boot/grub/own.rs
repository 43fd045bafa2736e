//! GRUB with a configuration of ours: what goes to the ESP, to `/boot` and before the partitions.
//!
//! | | UEFI | BIOS |
//! |---|---|---|
//! | 1 | shim and signed GRUB as they are ([`esp`]) | composed of the image's modules ([`composed`]) |
//! | 2 | composed of the image's modules | |
//!
//! Both read the same `grub.cfg`. One of the two is enough for a disk.

use std::collections::BTreeMap;

use super::super::BootError;
use super::super::loader::{
    Bios, BiosImage, BootFile, Content, Loader, Notice, Origin, Target, Uefi,
};
use super::bios::Early;
use super::composed::Composed;
use super::config::{self, Grub};
use super::esp::{Found, Names};
use super::pe::{self, GrubBinary};
use super::{composed, esp};
use crate::files::Files;

/// GRUB for UEFI, wherever it is from.
struct ForUefi {
    source: String,
    grub: Grub,
    esp: BTreeMap<String, Content>,
    boot: Vec<BootFile>,
}

/// Decides on the boot loader of the deployed image.
pub(in crate::boot) fn plan(files: &dyn Files, target: Target<'_>) -> Result<Loader, BootError> {
    let uefi = for_uefi(files, target)?;
    let bios = for_bios(files, target.bios, target.early)?;
    let mut notices = Vec::new();
    let bios = match (&uefi, bios) {
        (None, ForBios::Not) => return Err(esp::nothing(files, target.arch)),
        (None, ForBios::Impossible(why)) => return Err(why),
        (None, ForBios::Composed(bios)) => {
            notices.push(Notice::NoUefi);
            Some(*bios)
        }
        (Some(_), bios) => bios.or_notice(target.bios, &mut notices),
    };
    let grubs = config::Grubs {
        uefi: uefi.as_ref().map(|uefi| &uefi.grub),
        bios: bios.as_ref().map(|bios| &bios.grub),
    };
    let mut boot = config::boot_files(grubs, target.menu, target.reads);
    let origin = Origin::Own {
        uefi: uefi
            .as_ref()
            .map(|uefi| Uefi { source: uefi.source.clone(), reader: uefi.grub.reader }),
        bios: bios.as_ref().map(|bios| bios.grub.reader),
    };
    let mut esp = BTreeMap::new();
    if let Some(uefi) = uefi {
        boot.extend(uefi.boot);
        esp = uefi.esp;
    }
    let bios = bios.map(|bios| {
        boot.extend(bios.files);
        bios.image
    });
    Ok(Loader { esp, boot, bios, origin, notices })
}

/// GRUB for BIOS.
#[derive(Debug)]
pub(in crate::boot) enum ForBios {
    /// Not wanted, or the image has nothing for it.
    Not,
    /// Wanted if possible, which it is not: what the image has for it cannot be used.
    Impossible(BootError),
    /// There it is.
    Composed(Box<Composed<BiosImage>>),
}

impl ForBios {
    /// What there is, for a disk that boots without it too; if there is nothing, why.
    pub(in crate::boot) fn or_notice(
        self,
        wish: Bios,
        notices: &mut Vec<Notice>,
    ) -> Option<Composed<BiosImage>> {
        match self {
            Self::Composed(bios) => return Some(*bios),
            Self::Impossible(why) => notices.push(Notice::UnusableBios(why.to_string())),
            Self::Not if matches!(wish, Bios::IfPossible(_)) => notices.push(Notice::NoBios),
            Self::Not => {}
        }
        None
    }
}

/// GRUB for BIOS, where it is wanted.
pub(in crate::boot) fn for_bios(
    files: &dyn Files,
    wish: Bios,
    early: Option<&Early>,
) -> Result<ForBios, BootError> {
    let none = Early::default();
    let early = early.unwrap_or(&none);
    let composed = match wish {
        Bios::No | Bios::Never(_) => return Ok(ForBios::Not),
        Bios::Demanded(place) => {
            Some(composed::bios(files, place, early)?.ok_or_else(composed::no_bios)?)
        }
        Bios::IfPossible(place) => match composed::bios(files, place, early) {
            Ok(composed) => composed,
            Err(BootError::Files(error)) => return Err(error.into()),
            Err(why) => return Ok(ForBios::Impossible(why)),
        },
    };
    Ok(composed.map_or(ForBios::Not, |composed| ForBios::Composed(Box::new(composed))))
}

/// Begins what takes longest in making GRUB for BIOS. What is wrong with it is told when it is made.
pub(in crate::boot) fn begin(files: &dyn Files, wish: Bios, early: &Early) {
    if let Bios::Demanded(place) | Bios::IfPossible(place) = wish {
        let _ = composed::begin_bios(files, place, early);
    }
}

fn for_uefi(files: &dyn Files, target: Target<'_>) -> Result<Option<ForUefi>, BootError> {
    let names = Names::of(target.arch);
    if let Some(found) = esp::find(files, target.arch, &names)? {
        return signed(files, found, target).map(Some);
    }
    let Some(composed) = composed::uefi(files, target.arch)? else { return Ok(None) };
    let stub = Content::Bytes(config::stub(target.boot_uuid, target.boot));
    let esp = BTreeMap::from([
        (format!("EFI/BOOT/{}", names.removable), Content::Bytes(composed.image)),
        ("EFI/BOOT/grub.cfg".to_owned(), stub),
    ]);
    Ok(Some(ForUefi { source: composed.directory, grub: composed.grub, esp, boot: composed.files }))
}

/// Binaries of the image, and the stub where they look for it.
fn signed(files: &dyn Files, found: Found, target: Target<'_>) -> Result<ForUefi, BootError> {
    let file = files.read(&found.grub, pe::LIMIT_BYTES)?.unwrap_or_default();
    let in_binary = |problem| BootError::GrubImage { path: found.grub.clone(), problem };
    let binary = GrubBinary::parse(&file).map_err(in_binary)?;
    let vendor = binary.vendor().map(str::to_owned);
    let grub = Grub::of(binary.modules)
        .map_err(|missing| BootError::GrubModules { path: found.grub.clone(), missing })?;
    let mut esp: BTreeMap<String, Content> = BTreeMap::new();
    for (path, source) in found.files {
        esp.insert(format!("EFI/{path}"), Content::Image(source));
    }
    let stub = Content::Bytes(config::stub(target.boot_uuid, target.boot));
    for directory in found.stubs.into_iter().chain(vendor) {
        esp.insert(format!("EFI/{directory}/grub.cfg"), stub.clone());
    }
    Ok(ForUefi { source: found.grub, grub, esp, boot: Vec::new() })
}

#[cfg(test)]
mod tests;
