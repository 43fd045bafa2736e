//! GRUB for an installer's medium, which is a CD and a disk alike.
//!
//! | platform | GRUB | looks for `grub.cfg` in |
//! |---|---|---|
//! | BIOS | composed of the image's modules ([`bios::cd_image`]) | `/boot/grub2` |
//! | UEFI | shim and signed GRUB of the image, its build for CDs if it can be | its prefix |
//! | UEFI, nothing signed | composed of the image's modules | `/EFI/BOOT` |
//!
//! A build for CDs lies beside the one for disks: `gcdx64.efi` beside `grubx64.efi`. On the ESP it
//! has the name of the other, which is the one that shim starts.
//!
//! What GRUB on UEFI takes for the device that it was started from may be the ESP or the file
//! system of the CD, as firmware presents them; and builds look in other directories than their
//! prefix too. So what leads to the menu is in all [`Uefi::directories`] of both.
//!
//! The menu is ours and static: everything that it takes is built in, and there are no modules to
//! load.

use std::collections::{BTreeMap, BTreeSet};

use super::area::Word;
use super::bios::{self, CdImage, HybridCode, Parts};
use super::esp::{Found, Names};
use super::modules::{Modules, Platform};
use super::pe::{self, GrubBinary};
use super::{composed, efi_image, esp};
use crate::boot::BootError;
use crate::boot::loader::Content;
use crate::files::Files;
use crate::spec::Arch;

/// The directory of the menu on the medium.
pub(in crate::boot) const DIRECTORY: &str = "boot/grub2";
/// Where firmware looks for programs.
const REMOVABLE: &str = "EFI/BOOT";

/// What any GRUB needs to be built in to find the medium, read the menu and start Linux.
const NEEDED: [&str; 7] =
    ["normal", "configfile", "test", "search", "search_label", "iso9660", "linux"];

/// What is built in besides where the image has it.
const WELCOME: [&str; 17] = [
    "echo",
    "sleep",
    "chain",
    "part_gpt",
    "part_msdos",
    "fat",
    "search_fs_file",
    "gzio",
    "serial",
    "terminal",
    "loopback",
    "regexp",
    "minicmd",
    "reboot",
    "halt",
    "ls",
    "cat",
];

/// GRUB for BIOS.
#[derive(Debug)]
pub(in crate::boot) struct Bios {
    /// What is built in.
    pub modules: BTreeSet<String>,
    /// What BIOS starts of a CD.
    pub image: CdImage,
    /// What BIOS starts of a disk.
    pub code: HybridCode,
}

/// GRUB for UEFI.
#[derive(Debug)]
pub(in crate::boot) struct Uefi {
    /// Where it is from: a binary of the image, or the directory of modules that it is composed of.
    pub source: String,
    /// What is built in.
    pub modules: BTreeSet<String>,
    /// What firmware starts, and what that starts, by path.
    pub programs: BTreeMap<String, Content>,
    /// The directories in which it may look for `grub.cfg`.
    pub directories: BTreeSet<String>,
}

/// GRUB for BIOS; `None` when the image has no modules for it.
pub(in crate::boot) fn bios(files: &dyn Files) -> Result<Option<Bios>, BootError> {
    let Some(modules) = Modules::find(files, Platform::I386Pc)? else { return Ok(None) };
    let names = choose(&modules, &["biosdisk"]);
    let area = composed::pack(&modules, Word::Bits32, &names, &format!("/{DIRECTORY}"))?;
    let file = |name| modules.file(name);
    let (cdboot, hybrid) = (file("cdboot.img")?, file("boot_hybrid.img")?);
    let (diskboot, decompressor) = (file("diskboot.img")?, file("lzma_decompress.img")?);
    let kernel = file("kernel.img")?;
    let parts = Parts { diskboot: &diskboot, decompressor: &decompressor, kernel: &kernel };
    let in_image = |problem| composed::image_error(&modules, problem);
    let image = bios::cd_image(&cdboot, parts, &area).map_err(in_image)?;
    let code = HybridCode::parse(&hybrid).map_err(in_image)?;
    Ok(Some(Bios { modules: modules.closure(&names)?.into_iter().collect(), image, code }))
}

/// GRUB for UEFI; `None` when the image has none.
pub(in crate::boot) fn uefi(files: &dyn Files, arch: Arch) -> Result<Option<Uefi>, BootError> {
    let names = Names::of(arch);
    match esp::find(files, arch, &names)? {
        Some(found) => signed(files, &found, &names).map(Some),
        None => composed(files, arch, &names),
    }
}

/// The image's own programs. No fallback program: there is nothing to be entered into NVRAM.
fn signed(files: &dyn Files, found: &Found, names: &Names) -> Result<Uefi, BootError> {
    let chosen = Binary::choose(files, &found.grub)?;
    let named = |name: &str| {
        let vendors = || found.files.iter().find(|(path, _)| path.ends_with(&format!("/{name}")));
        let own = found.files.get_key_value(&format!("BOOT/{name}"));
        own.or_else(vendors).map(|(_, source)| source)
    };
    let sources = [
        (names.removable, named(names.removable)),
        (names.grub, Some(&chosen.path)),
        (names.mok_manager, named(names.mok_manager)),
    ];
    let programs = sources.into_iter().filter_map(|(name, source)| {
        Some((format!("{REMOVABLE}/{name}"), Content::Image(source?.clone())))
    });
    let vendor = chosen.grub.vendor().map(str::to_owned);
    let vendors = vendor.into_iter().chain(found.stubs.iter().cloned());
    Ok(Uefi {
        programs: programs.collect(),
        directories: directories(vendors),
        source: chosen.path,
        modules: chosen.grub.modules,
    })
}

fn composed(files: &dyn Files, arch: Arch, names: &Names) -> Result<Option<Uefi>, BootError> {
    let Some(modules) = Modules::find(files, Platform::uefi(arch))? else { return Ok(None) };
    let chosen = choose(&modules, &["part_gpt", "fat", "efi_gop"]);
    let area = composed::pack(&modules, Word::Bits64, &chosen, &format!("/{REMOVABLE}"))?;
    let kernel = modules.file("kernel.img")?;
    let image = efi_image::compose(arch, &kernel, &area, &composed::sbat(files)?)
        .map_err(|problem| composed::image_error(&modules, problem))?;
    let path = format!("{REMOVABLE}/{}", names.removable);
    Ok(Some(Uefi {
        source: modules.directory().to_owned(),
        modules: modules.closure(&chosen)?.into_iter().collect(),
        programs: BTreeMap::from([(path, Content::Bytes(image))]),
        directories: directories([]),
    }))
}

/// What goes into an image: what is needed, there or not, and what is welcome.
fn choose<'n>(modules: &Modules<'_>, platform: &[&'n str]) -> Vec<&'n str> {
    let welcome = WELCOME.into_iter().filter(|name| modules.has(name));
    platform.iter().copied().chain(NEEDED).chain(welcome).collect()
}

/// The directories of the ESP and of the medium that lead to the menu. FAT makes no difference
/// between cases: of names that differ in no more, the first counts.
fn directories(vendors: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let common = [REMOVABLE, "boot/grub", DIRECTORY].map(str::to_owned);
    let vendors = vendors.into_iter().map(|vendor| format!("EFI/{vendor}"));
    let mut by_name = BTreeMap::new();
    for directory in common.into_iter().chain(vendors) {
        by_name.entry(directory.to_ascii_lowercase()).or_insert(directory);
    }
    by_name.into_values().collect()
}

/// A GRUB of the image that can read the menu.
struct Binary {
    path: String,
    grub: GrubBinary,
    is_signed: bool,
}

impl Binary {
    /// The build for CDs beside this one, unless it would be the only one without a signature.
    fn choose(files: &dyn Files, for_disks: &str) -> Result<Self, BootError> {
        let for_cds = beside(for_disks).and_then(|path| files.resolve(&path));
        let for_cds = for_cds.and_then(|path| Self::load(files, &path).ok());
        match (for_cds, Self::load(files, for_disks)) {
            (Some(cds), Ok(disks)) if cds.is_signed || !disks.is_signed => Ok(cds),
            (Some(cds), Err(_)) => Ok(cds),
            (_, disks) => disks,
        }
    }

    fn load(files: &dyn Files, path: &str) -> Result<Self, BootError> {
        let file = files.read(path, pe::LIMIT_BYTES)?.unwrap_or_default();
        let in_binary = |problem| BootError::GrubImage { path: path.to_owned(), problem };
        let grub = GrubBinary::parse(&file).map_err(in_binary)?;
        let missing: Vec<String> =
            NEEDED.into_iter().filter(|name| !grub.has(name)).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(BootError::GrubModules { path: path.to_owned(), missing });
        }
        Ok(Self { path: path.to_owned(), grub, is_signed: pe::is_signed(&file).unwrap_or(false) })
    }
}

/// Where the build for CDs is if there is one.
fn beside(for_disks: &str) -> Option<String> {
    let (directory, name) = for_disks.rsplit_once('/')?;
    Some(format!("{directory}/gcd{}", name.strip_prefix("grub")?))
}
