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
//! | 6 | modules to compose a GRUB from | not supported yet |
//! | 7 | systemd-boot | not supported yet |
//!
//! A disk has no NVRAM: firmware finds it by `EFI/BOOT/BOOTX64.EFI`, which is shim. With `fbx64.efi`
//! beside it and a `BOOTX64.CSV` in the vendor's directory, shim makes the NVRAM entry and goes on from
//! there; without, shim starts the `grubx64.efi` beside it. A `fbx64.efi` without CSV would reset the
//! machine for ever, so it is left out.

use std::collections::BTreeMap;

use super::super::BootError;
use super::super::loader::{EspContent, Loader, Origin};
use super::config::{self, Reader};
use super::packages;
use super::pe::{self, GrubBinary};
use crate::files::{FileKind, Files};
use crate::spec::Arch;

/// Places that hold an `EFI` directory as the ESP should have it, after those of `usr/lib/efi`.
const TREES: [&str; 3] =
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
    /// Directory of GRUB's modules in the image.
    modules: &'static str,
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
                modules: "usr/lib/grub/x86_64-efi",
                systemd: "usr/lib/systemd/boot/efi/systemd-bootx64.efi",
            },
            Arch::Aarch64 => Self {
                removable: "BOOTAA64.EFI",
                shim: "shimaa64.efi",
                grub: "grubaa64.efi",
                mok_manager: "mmaa64.efi",
                fallback: "fbaa64.efi",
                csv: "BOOTAA64.CSV",
                modules: "usr/lib/grub/arm64-efi",
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

/// Finds the boot loader in the deployed image and configures it for the root file system of that UUID.
pub(in super::super) fn plan(
    files: &dyn Files,
    arch: Arch,
    root_uuid: &str,
) -> Result<Loader, BootError> {
    let names = Names::of(arch);
    let found = find(files, arch, &names)?;
    let binary = files.read(&found.grub, pe::LIMIT_BYTES)?.unwrap_or_default();
    let binary = GrubBinary::parse(&binary)
        .map_err(|problem| BootError::GrubImage { path: found.grub.clone(), problem })?;
    let reader = Reader::choose(&binary)
        .map_err(|missing| BootError::GrubModules { path: found.grub.clone(), missing })?;

    let mut esp: BTreeMap<String, EspContent> = BTreeMap::new();
    for (path, source) in found.files {
        esp.insert(format!("EFI/{path}"), EspContent::Image(source));
    }
    let stub = EspContent::Bytes(config::stub(root_uuid));
    for directory in found.stubs.iter().map(String::as_str).chain(binary.vendor()) {
        esp.insert(format!("EFI/{directory}/grub.cfg"), stub.clone());
    }
    let boot = config::boot_files(reader, &binary);
    Ok(Loader { esp, boot, origin: Origin::Own { grub: found.grub, reader } })
}

fn find(files: &dyn Files, arch: Arch, names: &Names) -> Result<Found, BootError> {
    if let Some(found) = from_tree(components(files), names)? {
        return Ok(found);
    }
    for place in TREES {
        if let Some(found) = from_tree(tree(files, place), names)? {
            return Ok(found);
        }
    }
    if let Some(found) = packages::find(files, arch, names) {
        return Ok(found);
    }
    let modules = format!("{}/moddep.lst", names.modules);
    if files.leads_to_file(&modules) {
        let what =
            "composing an unsigned GRUB of modules (the image has no shim with a signed GRUB)";
        return Err(BootError::NotSupportedYet { what, path: names.modules.to_owned() });
    }
    for path in [names.systemd.to_owned(), format!("{}.signed", names.systemd)] {
        if files.leads_to_file(&path) {
            return Err(BootError::NotSupportedYet { what: "systemd-boot", path });
        }
    }
    let trees = [format!("{COMPONENTS}/*/*/EFI")].into_iter().chain(TREES.map(str::to_owned));
    let others = [names.modules, names.systemd].map(str::to_owned);
    Err(BootError::NoBootLoader {
        searched: trees.chain(packages::searched(arch)).chain(others).collect(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::grub::pe::fake;
    use crate::files::MemoryFiles;

    const UUID: &str = "11111111-2222-4333-8444-555555555555";
    const MODULES: [&str; 9] = [
        "normal",
        "configfile",
        "test",
        "search_fs_uuid",
        "part_gpt",
        "ext2",
        "linux",
        "loadenv",
        "regexp",
    ];

    fn payload(root: &str, names: &[&str]) -> MemoryFiles {
        let grub = fake::grub("/EFI/fedora", &[&MODULES[..], &["blscfg"]].concat());
        names.iter().fold(MemoryFiles::default(), |files, name| {
            let content = if name.ends_with("grubx64.efi") { grub.as_slice() } else { b"x" };
            files.with(&format!("{root}/{name}"), content)
        })
    }

    fn reader(loader: &Loader) -> Reader {
        let Origin::Own { reader, .. } = &loader.origin else { panic!("{:?}", loader.origin) };
        *reader
    }

    fn paths(files: &MemoryFiles) -> Vec<String> {
        plan(files, Arch::X86_64, UUID).unwrap().esp.into_keys().collect()
    }

    #[test]
    fn debians_packages_make_the_removable_layout() {
        let files = MemoryFiles::default()
            .with("usr/lib/shim/shimx64.efi.signed", "shim")
            .with("usr/lib/shim/mmx64.efi.signed", "mm")
            .with("usr/lib/shim/fbx64.efi.signed", "fb")
            .with(
                "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
                fake::grub("/EFI/debian", &MODULES),
            );
        let loader = plan(&files, Arch::X86_64, UUID).unwrap();
        let image = |path: &str| EspContent::Image(path.to_owned());
        let expected = BTreeMap::from([
            ("EFI/BOOT/BOOTX64.EFI".to_owned(), image("usr/lib/shim/shimx64.efi.signed")),
            (
                "EFI/BOOT/grubx64.efi".to_owned(),
                image("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
            ),
            ("EFI/BOOT/mmx64.efi".to_owned(), image("usr/lib/shim/mmx64.efi.signed")),
            ("EFI/debian/grub.cfg".to_owned(), EspContent::Bytes(config::stub(UUID))),
        ]);
        assert_eq!(loader.esp, expected);
        assert_eq!(reader(&loader), Reader::Bridge);
    }

    #[test]
    fn a_payload_with_fallback_is_copied_as_it_is() {
        let names = [
            "BOOT/BOOTX64.EFI",
            "BOOT/fbx64.efi",
            "fedora/BOOTX64.CSV",
            "fedora/grubx64.efi",
            "fedora/shimx64.efi",
        ];
        for root in TREES {
            let expected = [
                "EFI/BOOT/BOOTX64.EFI",
                "EFI/BOOT/fbx64.efi",
                "EFI/fedora/BOOTX64.CSV",
                "EFI/fedora/grub.cfg",
                "EFI/fedora/grubx64.efi",
                "EFI/fedora/shimx64.efi",
            ];
            assert_eq!(paths(&payload(root, &names)), expected, "{root}");
        }
        let loader = plan(&payload(TREES[0], &names), Arch::X86_64, UUID).unwrap();
        assert_eq!(reader(&loader), Reader::Blscfg);
    }

    #[test]
    fn components_are_laid_over_each_other() {
        let files = MemoryFiles::default()
            .with("usr/lib/efi/shim/16/EFI/fedora/shimx64.efi", "shim")
            .with("usr/lib/efi/shim/16/EFI/BOOT/BOOTX64.EFI", "shim")
            .with(
                "usr/lib/efi/grub2/2.12/EFI/fedora/grubx64.efi",
                fake::grub("/EFI/fedora", &MODULES),
            );
        let expected = [
            "EFI/BOOT/BOOTX64.EFI",
            "EFI/BOOT/grubx64.efi",
            "EFI/fedora/grub.cfg",
            "EFI/fedora/grubx64.efi",
            "EFI/fedora/shimx64.efi",
        ];
        assert_eq!(paths(&files), expected);
    }

    #[test]
    fn fallback_without_a_csv_is_left_out() {
        let names = [
            "BOOT/BOOTX64.EFI",
            "BOOT/fbx64.efi",
            "fedora/mmx64.efi",
            "fedora/grubx64.efi",
            "fedora/shimx64.efi",
        ];
        let paths = paths(&payload(TREES[1], &names));
        assert!(!paths.contains(&"EFI/BOOT/fbx64.efi".to_owned()));
        assert!(paths.contains(&"EFI/BOOT/grubx64.efi".to_owned()));
        assert!(paths.contains(&"EFI/BOOT/mmx64.efi".to_owned()));
    }

    #[test]
    fn what_cannot_boot_is_refused_by_name() {
        let refusal = |files: &MemoryFiles| plan(files, Arch::X86_64, UUID).unwrap_err();
        let none = refusal(&MemoryFiles::default()).to_string();
        assert!(none.contains("usr/lib/bootupd/updates/EFI"), "{none}");
        assert!(none.contains("usr/lib/shim/shimx64.efi.signed"), "{none}");

        let two = ["a/shimx64.efi", "b/shimx64.efi", "a/grubx64.efi"];
        assert!(matches!(refusal(&payload(TREES[0], &two)), BootError::SeveralShims(_)));

        let systemd = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
        for path in ["usr/lib/grub/x86_64-efi/moddep.lst", systemd] {
            let error = refusal(&MemoryFiles::default().with(path, ""));
            assert!(matches!(error, BootError::NotSupportedYet { .. }), "{path}");
        }
        let junk = payload(TREES[0], &["x/shimx64.efi"])
            .with(&format!("{}/x/grubx64.efi", TREES[0]), "junk");
        assert!(matches!(refusal(&junk), BootError::GrubImage { .. }));
        let poor = payload(TREES[0], &["x/shimx64.efi"])
            .with(&format!("{}/x/grubx64.efi", TREES[0]), fake::grub("/EFI/x", &["normal"]));
        assert!(matches!(refusal(&poor), BootError::GrubModules { .. }));
    }
}
