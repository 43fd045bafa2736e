//! What goes to the ESP: shim and GRUB found in the image, copied as they are, and the stub.
//!
//! Looked for in this order; the first place with a shim and its GRUB counts:
//!
//! | | place | put on the ESP |
//! |---|---|---|
//! | 1 | `usr/lib/efi/<component>/<version>/EFI` | the tree |
//! | 2 | `usr/lib/bootupd/updates/EFI` | the tree |
//! | 3 | `usr/lib/ostree-boot/efi/EFI` | the tree |
//! | 4 | `boot/efi/EFI` | the tree |
//! | 5 | packages' folders, `bootloaders/*.toml` | shim, GRUB and MokManager in `EFI/BOOT` |
//!
//! A disk has no NVRAM: firmware finds it by `EFI/BOOT/BOOTX64.EFI`, which is shim. With `fbx64.efi`
//! beside it and a `BOOTX64.CSV` in the vendor's directory, shim makes the NVRAM entry and goes on from
//! there; without, shim starts the `grubx64.efi` beside it. A `fbx64.efi` without CSV would reset the
//! machine for ever, so it is left out.

use std::collections::BTreeMap;

use super::super::BootError;
use super::modules::{Modules, Platform};
use super::packages;
use crate::files::{FileKind, Files};
use crate::spec::Arch;

/// Places that hold an `EFI` directory as the ESP should have it, after those of `usr/lib/efi`.
pub(super) const TREES: [&str; 3] =
    ["usr/lib/bootupd/updates/EFI", "usr/lib/ostree-boot/efi/EFI", "boot/efi/EFI"];
const COMPONENTS: &str = "usr/lib/efi";

/// The file names of one architecture.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Names {
    /// The removable path's file in `EFI/BOOT`.
    pub removable: &'static str,
    /// shim in the vendor's directory.
    pub shim: &'static str,
    /// What shim starts.
    pub grub: &'static str,
    /// MokManager.
    pub mok_manager: &'static str,
    /// shim's fallback program.
    pub fallback: &'static str,
    /// What fallback reads.
    pub csv: &'static str,
    /// systemd-boot in the image.
    systemd: &'static str,
}

impl Names {
    /// The names of an architecture.
    pub fn of(arch: Arch) -> Self {
        match arch {
            Arch::X86_64 => Self {
                removable: "BOOTX64.EFI",
                shim: "shimx64.efi",
                grub: "grubx64.efi",
                mok_manager: "mmx64.efi",
                fallback: "fbx64.efi",
                csv: "BOOTX64.CSV",
                systemd: "usr/lib/systemd/boot/efi/systemd-bootx64.efi",
            },
            Arch::Aarch64 => Self {
                removable: "BOOTAA64.EFI",
                shim: "shimaa64.efi",
                grub: "grubaa64.efi",
                mok_manager: "mmaa64.efi",
                fallback: "fbaa64.efi",
                csv: "BOOTAA64.CSV",
                systemd: "usr/lib/systemd/boot/efi/systemd-bootaa64.efi",
            },
        }
    }
}

/// Binaries found: files by path below `EFI/`, and where stubs belong.
#[derive(Debug)]
pub(super) struct Found {
    /// Paths in the image by paths below `EFI/`.
    pub files: BTreeMap<String, String>,
    /// Path of GRUB in the image.
    pub grub: String,
    /// Directories of `EFI/` that get the stub beside the one that GRUB's prefix names.
    pub stubs: Vec<String>,
}

/// Finds shim and its GRUB in the deployed image.
pub(super) fn find(
    files: &dyn Files,
    arch: Arch,
    names: &Names,
) -> Result<Option<Found>, BootError> {
    if let Some(found) = from_tree(components(files), names)? {
        return Ok(Some(found));
    }
    for place in TREES {
        if let Some(found) = from_tree(tree(files, place), names)? {
            return Ok(Some(found));
        }
    }
    Ok(packages::find(files, arch, names))
}

/// That there is nothing to boot with.
pub(in crate::boot) fn nothing(files: &dyn Files, arch: Arch) -> BootError {
    let names = Names::of(arch);
    for path in [names.systemd.to_owned(), format!("{}.signed", names.systemd)] {
        if files.leads_to_file(&path) {
            return BootError::SystemdBoot { path };
        }
    }
    let trees = [format!("{COMPONENTS}/*/*/EFI")].into_iter().chain(TREES.map(str::to_owned));
    let modules = Modules::places(Platform::uefi(arch));
    BootError::NoBootLoader {
        searched: trees.chain(packages::searched(arch)).chain(modules).collect(),
    }
}

/// The trees of all components over each other, in order of their names.
fn components(files: &dyn Files) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for component in files.names(COMPONENTS) {
        for version in files.names(&format!("{COMPONENTS}/{component}")) {
            all.extend(tree(files, &format!("{COMPONENTS}/{component}/{version}/EFI")));
        }
    }
    all
}

/// All regular files below `root`, links followed: where they are, by path below it.
fn tree(files: &dyn Files, root: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut todo = vec![String::new()];
    while let Some(below) = todo.pop() {
        for name in files.names(&format!("{root}{below}")) {
            let path = format!("{below}/{name}");
            let full = format!("{root}{path}");
            if files.kind(&full) == Some(FileKind::Directory) {
                todo.push(path);
            } else if let Some(real) = files.resolve(&full).filter(|real| files.leads_to_file(real))
            {
                found.insert(path[1..].to_owned(), real);
            }
        }
    }
    found
}

/// Makes a tree bootable; `None` when it has no shim with a GRUB.
fn from_tree(
    mut tree: BTreeMap<String, String>,
    names: &Names,
) -> Result<Option<Found>, BootError> {
    let vendors: Vec<String> = tree
        .keys()
        .filter_map(|path| path.strip_suffix(names.shim)?.strip_suffix('/'))
        .filter(|directory| !directory.eq_ignore_ascii_case("BOOT"))
        .map(str::to_owned)
        .collect();
    let vendor = match vendors.as_slice() {
        [] => return Ok(None),
        [vendor] => vendor.clone(),
        _ => return Err(BootError::SeveralShims(vendors)),
    };
    let beside = |name: &str| format!("{vendor}/{name}");
    let removable = |name: &str| format!("BOOT/{name}");
    let Some(grub) = tree.get(&beside(names.grub)).cloned() else { return Ok(None) };
    let fallback = removable(names.fallback);
    if !tree.contains_key(&beside(names.csv)) {
        tree.remove(&fallback);
    }
    let copy = |tree: &mut BTreeMap<String, String>, from: &str, to: &str| {
        if let Some(source) = tree.get(&beside(from)).cloned() {
            tree.entry(removable(to)).or_insert(source);
        }
    };
    copy(&mut tree, names.shim, names.removable);
    if !tree.contains_key(&fallback) {
        copy(&mut tree, names.grub, names.grub);
        copy(&mut tree, names.mok_manager, names.mok_manager);
    }
    Ok(Some(Found { files: tree, grub, stubs: vec![vendor] }))
}
