//! What boots an installer's medium: an ISO 9660 file system that is a CD and a USB stick alike.
//!
//! | firmware | of a CD | of a disk |
//! |---|---|---|
//! | BIOS | [`ELTORITO`], by the boot catalogue | code of sector 0, which loads the same image |
//! | UEFI | the ESP, by the boot catalogue | the ESP, by the partition table |
//!
//! Every GRUB comes to the same menu ([`menu`]), which starts the kernel and the initramfs of the
//! medium:
//!
//! ```text
//! medium  images/eltorito.img              GRUB for BIOS
//!         images/pxeboot/{vmlinuz,initrd.img}
//!         boot/grub2/grub.cfg              the menu
//!         boot/grub{,2}/loopback.cfg       its entries, for a GRUB of another disk
//!         boot/grub/grub.cfg               a stub: finds the medium, hands over to the menu
//!         EFI/…                            as on the ESP
//! ESP     EFI/BOOT/BOOTX64.EFI             shim, or GRUB if nothing is signed
//!         EFI/BOOT/{grubx64,mmx64}.efi     GRUB and MokManager with shim
//!         EFI/BOOT/grub.cfg                a stub, as in EFI/<vendor> and in boot/grub{,2}
//! ```
//!
//! The medium has the programs of the ESP too, for sticks to which people copy files.
//!
//! Where the medium will not boot is said by [`Notice`]s. One of BIOS and UEFI is enough.

use std::collections::BTreeMap;
use std::fmt;

use super::BootError;
use super::grub::bios::{CdImage, HybridCode};
use super::grub::esp::Names;
use super::grub::{composed, esp, medium};
use super::loader::{Content, Menu, unsigned};
use crate::files::{Deployed, Files};
use crate::spec::{Arch, VolumeId};
use menu::Script;

pub mod menu;

/// Where the medium has GRUB for BIOS.
pub const ELTORITO: &str = "images/eltorito.img";
/// Where the medium has the kernel.
pub const KERNEL: &str = "images/pxeboot/vmlinuz";
/// Where the medium has the initramfs.
pub const INITRAMFS: &str = "images/pxeboot/initrd.img";

/// What the medium is to boot.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The machine.
    pub arch: Arch,
    /// Volume label of the medium's file system.
    pub label: &'a VolumeId,
    /// The name of the system that will be installed.
    pub name: &'a str,
    /// All arguments of the installer's kernel.
    pub kargs: &'a [String],
    /// Path of that kernel in the image.
    pub vmlinuz: &'a str,
    /// Whether it boots from BIOS.
    pub bios: Bios,
    /// How the menu shows.
    pub menu: Menu,
}

/// Whether a medium is to boot from BIOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bios {
    /// Not, and nobody expects it: it is for a machine without.
    No,
    /// If the image brings what it takes.
    IfPossible,
    /// Certainly.
    Demanded,
}

/// What boots a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Iso {
    /// What BIOS starts.
    pub bios: Option<BiosBoot>,
    /// Files of the ESP by path; none if the medium does not boot from UEFI.
    pub esp: BTreeMap<String, Content>,
    /// Files of the medium by path, but for [`ELTORITO`], [`KERNEL`] and [`INITRAMFS`].
    pub files: BTreeMap<String, Content>,
    /// Where GRUB on UEFI is from: a binary of the image, or the directory of modules that it is
    /// composed of.
    pub uefi: Option<String>,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

/// What BIOS starts, which both know the place of [`ELTORITO`] on the medium.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosBoot {
    /// The content of [`ELTORITO`].
    pub image: CdImage,
    /// The code of sector 0, before its MBR's partition table.
    pub code: HybridCode,
}

/// Where the medium will not boot, said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Not from BIOS, because there is nothing for it in the image.
    NoBios,
    /// Not from BIOS, because what the image has for it cannot be used.
    UnusableBios(String),
    /// Not from UEFI, because there is nothing for it in the image.
    NoUefi,
    /// Not with Secure Boot: a program that firmware or shim will refuse.
    Unsigned(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBios => f.write_str(
                "the medium boots from UEFI only: the image has no GRUB modules for BIOS \
                 (`usr/lib/grub/i386-pc`)",
            ),
            Self::UnusableBios(why) => write!(f, "the medium boots from UEFI only: {why}"),
            Self::NoUefi => f.write_str(
                "the medium boots from BIOS only: the image has no boot loader for UEFI",
            ),
            Self::Unsigned(what) => write!(
                f,
                "the medium does not boot where Secure Boot is on: {what} carries no signature"
            ),
        }
    }
}

/// Decides what of the merged image boots a medium.
pub fn plan(files: &dyn Files, target: Target<'_>) -> Result<Iso, BootError> {
    let files = &Deployed(files);
    let script = Script::new(target.label, target.name, target.kargs)?;
    let uefi = medium::uefi(files, target.arch)?;
    let mut notices = Vec::new();
    let bios = match for_bios(files, target.bios) {
        Err(why @ BootError::Files(_)) => return Err(why),
        Err(why) if uefi.is_none() || target.bios == Bios::Demanded => return Err(why),
        Err(why) => {
            notices.push(Notice::UnusableBios(why.to_string()));
            None
        }
        Ok(bios) => bios,
    };
    match (&uefi, &bios) {
        (None, None) => return Err(esp::nothing(files, target.arch)),
        (None, Some(_)) => notices.push(Notice::NoUefi),
        (Some(_), None) if target.bios == Bios::IfPossible && notices.is_empty() => {
            notices.push(Notice::NoBios);
        }
        (Some(_), _) => {}
    }
    let modules = uefi.iter().map(|uefi| &uefi.modules);
    let modules: Vec<_> = modules.chain(bios.iter().map(|bios| &bios.modules)).collect();
    let all_have = |module: &str| modules.iter().all(|modules| modules.contains(module));
    let shape = menu::Shape {
        timeout_secs: target.menu.timeout_secs,
        serial: target.menu.serial.filter(|_| all_have("serial")),
        removable: all_have("chain").then(|| Names::of(target.arch).removable),
    };

    let mut esp = BTreeMap::new();
    let source = uefi.map(|uefi| {
        esp = uefi.programs;
        let stub = Content::Bytes(script.stub().into_bytes());
        let paths = uefi.directories.iter().map(|directory| format!("{directory}/grub.cfg"));
        esp.extend(paths.map(|path| (path, stub.clone())));
        uefi.source
    });
    let mut tree = esp.clone();
    let loopback = Content::Bytes(script.loopback().into_bytes());
    tree.extend(
        ["boot/grub", medium::DIRECTORY]
            .map(|directory| (format!("{directory}/loopback.cfg"), loopback.clone())),
    );
    let menu = Content::Bytes(script.menu(shape).into_bytes());
    tree.insert(format!("{}/grub.cfg", medium::DIRECTORY), menu);

    let unsigned = unsigned(files, &esp, target.arch, target.vmlinuz)?;
    notices.extend(unsigned.map(Notice::Unsigned));
    let bios = bios.map(|bios| BiosBoot { image: bios.image, code: bios.code });
    Ok(Iso { bios, esp, files: tree, uefi: source, notices })
}

/// GRUB for BIOS, where it is wanted.
fn for_bios(files: &dyn Files, wish: Bios) -> Result<Option<medium::Bios>, BootError> {
    match wish {
        Bios::No => Ok(None),
        Bios::IfPossible => medium::bios(files),
        Bios::Demanded => medium::bios(files)?.ok_or_else(composed::no_bios).map(Some),
    }
}

#[cfg(test)]
mod tests;
