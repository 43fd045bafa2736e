use std::sync::LazyLock;

use super::*;
use crate::boot::grub::efi_image::fake as efi;
use crate::boot::grub::fake_modules;
use crate::boot::grub::pe::fake;
use crate::boot::loader::SerialPort;
use crate::files::MemoryFiles;
use crate::units::CdSector;

const PC: &str = "usr/lib/grub/i386-pc";
const SHIM: &str = "usr/lib/shim/shimx64.efi.signed";
const GRUB: &str = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
const CD_GRUB: &str = "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";
const VMLINUZ: &str = "usr/lib/modules/1/vmlinuz";
const MODULES: [&str; 7] =
    ["normal", "configfile", "test", "search", "search_label", "iso9660", "linux"];
static LABEL: LazyLock<VolumeId> = LazyLock::new(|| VolumeId::parse("INSTALL").unwrap());
/// What a disk does not ask for.
const MORE: [&str; 4] = ["iso9660", "search_label", "serial", "chain"];

fn target(bios: Bios) -> Target<'static> {
    let serial = Some(SerialPort { unit: 0, speed: 115_200 });
    Target {
        arch: Arch::X86_64,
        label: &LABEL,
        name: "Some OS",
        kargs: &[],
        vmlinuz: VMLINUZ,
        bios,
        menu: Menu { timeout_secs: 5, serial },
    }
}

fn grub(prefix: &str, more: &[&str]) -> Vec<u8> {
    fake::grub(prefix, &[&MODULES[..], more].concat())
}

fn sign(mut binary: Vec<u8>) -> Vec<u8> {
    binary[0x98 + 112 + 4 * 8 + 4] = 8;
    binary
}

fn debian() -> MemoryFiles {
    MemoryFiles::default()
        .with(SHIM, "shim")
        .with("usr/lib/shim/mmx64.efi.signed", "mm")
        .with("usr/lib/shim/fbx64.efi.signed", "fb")
        .with(GRUB, grub("/EFI/debian", &["serial", "chain"]))
}

fn modules_for_bios(files: MemoryFiles) -> MemoryFiles {
    fake_modules::add(files, PC, &MORE)
}

fn text(content: &Content) -> String {
    let Content::Bytes(bytes) = content else { panic!("{content:?}") };
    String::from_utf8(bytes.clone()).unwrap()
}

fn image(path: &str) -> Content {
    Content::Image(path.to_owned())
}

#[test]
fn stubs_are_wherever_grub_may_look() {
    let iso = plan(&debian(), target(Bios::No)).unwrap();
    let programs = [
        ("EFI/BOOT/BOOTX64.EFI", SHIM),
        ("EFI/BOOT/grubx64.efi", GRUB),
        ("EFI/BOOT/mmx64.efi", "usr/lib/shim/mmx64.efi.signed"),
    ];
    let stubs = ["EFI/BOOT", "EFI/debian", "boot/grub", "boot/grub2"];
    let stubs = stubs.map(|directory| format!("{directory}/grub.cfg"));
    let mut paths: Vec<&str> = programs.iter().map(|(path, _)| *path).collect();
    paths.extend(stubs.iter().map(String::as_str));
    paths.sort_unstable();
    assert_eq!(iso.esp.keys().collect::<Vec<_>>(), paths);
    for (path, source) in programs {
        assert_eq!((&iso.esp[path], &iso.files[path]), (&image(source), &image(source)), "{path}");
    }
    for stub in &stubs {
        assert!(text(&iso.esp[stub]).contains("configfile \"$prefix/grub.cfg\""), "{stub}");
    }
    // the medium has all that too, but for the menu, and what another GRUB runs
    let other: Vec<_> = iso.files.iter().filter(|(path, _)| !iso.esp.contains_key(*path)).collect();
    let loopback = [&"boot/grub/loopback.cfg".to_owned(), &"boot/grub2/loopback.cfg".to_owned()];
    assert_eq!(other.iter().map(|(path, _)| *path).collect::<Vec<_>>(), loopback);
    let menu = text(&iso.files["boot/grub2/grub.cfg"]);
    assert!(menu.contains("menuentry 'Install Some OS' {") && menu.contains("--speed=115200"));
    assert!(menu.contains("Boot from the first disk"));
    assert_eq!(iso.files["boot/grub/grub.cfg"], iso.esp["boot/grub/grub.cfg"]);
    assert_eq!(iso.uefi.as_deref(), Some(GRUB));
    assert!(iso.bios.is_none());
}

#[test]
fn the_build_for_cds_is_preferred_if_it_is_as_good() {
    let chosen = |files: &MemoryFiles| plan(files, target(Bios::No)).unwrap();
    let cds = || grub("/boot/grub", &[]);
    let files = debian().with(CD_GRUB, cds());
    let iso = chosen(&files);
    assert_eq!(iso.esp["EFI/BOOT/grubx64.efi"], image(CD_GRUB));
    assert!(!iso.esp.contains_key("EFI/debian/grub.cfg"));
    // the menu has only what all can read
    let menu = text(&iso.files["boot/grub2/grub.cfg"]);
    assert!(!menu.contains("serial") && !menu.contains("first disk"), "{menu}");

    let disks_signed = files.clone().with(GRUB, sign(grub("/EFI/debian", &[])));
    assert_eq!(chosen(&disks_signed).uefi.as_deref(), Some(GRUB));
    let both_signed = disks_signed.with(CD_GRUB, sign(cds()));
    assert_eq!(chosen(&both_signed).uefi.as_deref(), Some(CD_GRUB));
    for useless in [b"junk".to_vec(), fake::grub("/boot/grub", &["normal"])] {
        let files = debian().with(CD_GRUB, useless);
        assert_eq!(chosen(&files).uefi.as_deref(), Some(GRUB));
    }
    let poor = files.with(GRUB, fake::grub("/EFI/debian", &["normal"]));
    assert_eq!(chosen(&poor).uefi.as_deref(), Some(CD_GRUB));
}

#[test]
fn a_tree_gives_its_programs_and_nothing_for_nvram() {
    let root = "usr/lib/bootupd/updates/EFI";
    let path = |name: &str| format!("{root}/{name}");
    let files = ["BOOT/BOOTX64.EFI", "BOOT/fbx64.efi", "fedora/BOOTX64.CSV", "fedora/shimx64.efi"]
        .iter()
        .fold(MemoryFiles::default(), |files, name| files.with(&path(name), "x"))
        .with(&path("fedora/mmx64.efi"), "mm")
        .with(&path("fedora/gcdx64.efi"), grub("/EFI/BOOT", &[]))
        .with(&path("fedora/grubx64.efi"), grub("/EFI/fedora", &[]));
    let iso = plan(&files, target(Bios::No)).unwrap();
    let expected = [
        ("EFI/BOOT/BOOTX64.EFI", "BOOT/BOOTX64.EFI"),
        ("EFI/BOOT/grubx64.efi", "fedora/gcdx64.efi"),
        ("EFI/BOOT/mmx64.efi", "fedora/mmx64.efi"),
    ];
    let programs = iso.esp.iter().filter(|(_, content)| matches!(content, Content::Image(_)));
    assert_eq!(programs.clone().count(), expected.len());
    for (place, source) in expected {
        assert_eq!(iso.esp[place], image(&path(source)));
    }
    assert!(iso.esp.contains_key("EFI/fedora/grub.cfg"));
}

#[test]
fn names_on_the_esp_differ_in_more_than_case() {
    for (prefix, directory) in [("/EFI/Debian", Some("EFI/Debian")), ("/EFI/boot", None)] {
        let files = debian().with(GRUB, grub(prefix, &[]));
        let iso = plan(&files, target(Bios::No)).unwrap();
        let expected = directory.map(|directory| format!("{directory}/grub.cfg"));
        let stubs = iso.esp.keys().filter(|path| path.starts_with("EFI/"));
        let stubs: Vec<&String> = stubs.filter(|path| path.ends_with("grub.cfg")).collect();
        let boot = "EFI/BOOT/grub.cfg".to_owned();
        assert_eq!(stubs, [&boot].into_iter().chain(&expected).collect::<Vec<_>>());
    }
    let root = "usr/lib/bootupd/updates/EFI/fedora";
    let files = MemoryFiles::default()
        .with(&format!("{root}/shimx64.efi"), "shim")
        .with(&format!("{root}/grubx64.efi"), grub("/EFI/Fedora", &[]));
    let iso = plan(&files, target(Bios::No)).unwrap();
    assert!(iso.esp.contains_key("EFI/Fedora/grub.cfg"));
    assert!(!iso.esp.contains_key("EFI/fedora/grub.cfg"));
    assert!(iso.esp.contains_key("EFI/BOOT/BOOTX64.EFI"), "the vendor's shim is put there");
}

#[test]
fn without_signed_programs_one_is_composed() {
    let machines = [
        (Arch::X86_64, efi::X86_64, "x86_64-efi", "EFI/BOOT/BOOTX64.EFI"),
        (Arch::Aarch64, efi::AARCH64, "arm64-efi", "EFI/BOOT/BOOTAA64.EFI"),
    ];
    for (arch, machine, platform, program) in machines {
        let directory = format!("usr/lib/grub/{platform}");
        let more = [&MORE[..], &["fat", "efi_gop"]].concat();
        let files = fake_modules::add(MemoryFiles::default(), &directory, &more)
            .with(&format!("{directory}/kernel.img"), efi::kernel(machine, &[]));
        let iso = plan(&files, Target { arch, ..target(Bios::No) }).unwrap();
        assert_eq!(iso.uefi.as_deref(), Some(directory.as_str()));
        let paths: Vec<&str> = iso.esp.keys().map(String::as_str).collect();
        let stubs = ["EFI/BOOT/grub.cfg", "boot/grub/grub.cfg", "boot/grub2/grub.cfg"];
        assert_eq!(paths, [&[program][..], &stubs].concat());
        let Content::Bytes(composed) = &iso.esp[program] else { panic!() };
        assert!(composed.starts_with(b"MZ"));
        let [Notice::Unsigned(what)] = &*iso.notices else { panic!("{:?}", iso.notices) };
        assert_eq!(*what, format!("`{program}`"));
    }
}

#[test]
fn bios_starts_the_same_image_of_a_cd_and_of_a_stick() {
    let iso = plan(&modules_for_bios(debian()), target(Bios::IfPossible)).unwrap();
    assert!(!iso.notices.contains(&Notice::NoBios), "{:?}", iso.notices);
    let bios = iso.bios.unwrap();
    let image = bios.image.at(CdSector(67));
    assert_eq!(image.len(), bios.image.len());
    assert_eq!(image[0x0C..0x10], 67_u32.to_le_bytes());
    assert_eq!(image[2548..2556], 273_u64.to_le_bytes());
    assert_eq!(bios.code.at(CdSector(67))[0x1B0..], 272_u64.to_le_bytes());
}

#[test]
fn one_of_bios_and_uefi_is_enough() {
    let uefi = plan(&debian(), target(Bios::IfPossible)).unwrap();
    assert!(uefi.bios.is_none() && uefi.notices.contains(&Notice::NoBios));
    let quiet = plan(&debian(), target(Bios::No)).unwrap();
    assert!(!quiet.notices.contains(&Notice::NoBios));
    let only_bios = modules_for_bios(MemoryFiles::default());
    let bios = plan(&only_bios, target(Bios::IfPossible)).unwrap();
    assert_eq!(bios.notices, [Notice::NoUefi]);
    assert!(bios.esp.is_empty() && bios.uefi.is_none() && bios.bios.is_some());
    assert_eq!(bios.files.len(), 3, "{:?}", bios.files.keys());

    let refusal = plan(&debian(), target(Bios::Demanded)).unwrap_err();
    assert!(matches!(refusal, BootError::NoBiosModules { .. }), "{refusal}");
    for files in [only_bios, MemoryFiles::default()] {
        let refusal = plan(&files, target(Bios::No)).unwrap_err();
        assert!(matches!(refusal, BootError::NoBootLoader { .. }), "{refusal}");
    }
}

#[test]
fn parts_that_are_none_of_grub_are_said_or_refused() {
    for name in ["cdboot.img", "boot_hybrid.img", "diskboot.img", "iso9660.mod"] {
        let path = format!("{PC}/{name}");
        let mut without = modules_for_bios(debian());
        without.regular.remove(&path);
        let iso = plan(&without, target(Bios::IfPossible)).unwrap();
        let says = |notice: &Notice| matches!(notice, Notice::UnusableBios(_));
        assert!(iso.bios.is_none() && iso.notices.iter().any(says), "{:?}", iso.notices);
        assert!(!iso.notices.contains(&Notice::NoBios));
        plan(&without, target(Bios::Demanded)).unwrap_err();
        if name.ends_with(".img") {
            let junk = modules_for_bios(MemoryFiles::default()).with(&path, "junk");
            let refusal = plan(&junk, target(Bios::IfPossible)).unwrap_err();
            assert!(matches!(refusal, BootError::GrubParts { .. }), "{name}: {refusal}");
        }
    }
    let poor = debian().with(GRUB, fake::grub("/EFI/debian", &["normal", "linux"]));
    let refusal = plan(&poor, target(Bios::No)).unwrap_err();
    let BootError::GrubModules { path, missing } = refusal else { panic!("{refusal}") };
    assert_eq!((path.as_str(), missing.len()), (GRUB, MODULES.len() - 2));
}

#[test]
fn what_carries_no_signature_is_said() {
    let signed = sign(fake::pe(b".text\0\0\0", b"code"));
    let steps = [
        (SHIM, signed.clone(), "`EFI/BOOT/BOOTX64.EFI` carries"),
        (GRUB, sign(grub("/EFI/debian", &[])), "`EFI/BOOT/grubx64.efi` carries"),
        (VMLINUZ, signed, "the kernel `usr/lib/modules/1/vmlinuz` carries"),
    ];
    let complete = steps.into_iter().fold(debian(), |files, (path, signed, says)| {
        let notices = plan(&files, target(Bios::No)).unwrap().notices;
        assert!(notices.len() == 1 && notices[0].to_string().contains(says), "{notices:?}");
        files.with(path, signed)
    });
    assert!(plan(&complete, target(Bios::No)).unwrap().notices.is_empty());
}
