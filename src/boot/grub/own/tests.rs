use super::*;
use crate::boot::grub::config::Reader;
use crate::boot::grub::fake_modules;
use crate::boot::grub::pe::fake;
use crate::boot::loader::{BiosPlace, BootPlace, Menu, Reads};
use crate::files::MemoryFiles;
use crate::spec::Arch;
use crate::units::{ByteLen, Lba};

const UUID: &str = "11111111-2222-4333-8444-555555555555";
const MODULES: [&str; 10] = [
    "normal",
    "configfile",
    "test",
    "search",
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

const PLACE: BiosPlace = BiosPlace {
    start: Lba(2048),
    len: ByteLen(1 << 20),
    boot_partition: 3,
    boot: BootPlace::OnRoot,
};
const PC: &str = "usr/lib/grub/i386-pc";

fn target(bios: Bios) -> Target<'static> {
    let (boot_uuid, vmlinuz) = (UUID, "usr/lib/modules/1/vmlinuz");
    let menu = Menu { timeout_secs: 1, serial: None };
    Target {
        arch: Arch::X86_64,
        boot_uuid,
        boot: BootPlace::OnRoot,
        skip_boot_uuid: false,
        vmlinuz,
        bios,
        menu,
        reads: Reads::default(),
        early: None,
    }
}

/// The readers on UEFI and on BIOS.
fn readers(loader: &Loader) -> (Option<Reader>, Option<Reader>) {
    let Origin::Own { uefi, bios } = &loader.origin else { panic!("{:?}", loader.origin) };
    (uefi.as_ref().map(|uefi| uefi.reader), *bios)
}

fn paths(files: &MemoryFiles) -> Vec<String> {
    plan(files, target(Bios::No)).unwrap().esp.into_keys().collect()
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
    let loader = plan(&files, target(Bios::No)).unwrap();
    let image = |path: &str| Content::Image(path.to_owned());
    let expected = BTreeMap::from([
        ("EFI/BOOT/BOOTX64.EFI".to_owned(), image("usr/lib/shim/shimx64.efi.signed")),
        (
            "EFI/BOOT/grubx64.efi".to_owned(),
            image("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"),
        ),
        ("EFI/BOOT/mmx64.efi".to_owned(), image("usr/lib/shim/mmx64.efi.signed")),
        ("EFI/debian/grub.cfg".to_owned(), Content::Bytes(config::stub(UUID, BootPlace::OnRoot))),
    ]);
    assert_eq!(loader.esp, expected);
    assert_eq!(readers(&loader), (Some(Reader::Bridge), None));
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
    for root in esp::TREES {
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
    let loader = plan(&payload(esp::TREES[0], &names), target(Bios::No)).unwrap();
    assert_eq!(readers(&loader), (Some(Reader::Blscfg), None));
}

#[test]
fn components_are_laid_over_each_other() {
    let files = MemoryFiles::default()
        .with("usr/lib/efi/shim/16/EFI/fedora/shimx64.efi", "shim")
        .with("usr/lib/efi/shim/16/EFI/BOOT/BOOTX64.EFI", "shim")
        .with("usr/lib/efi/grub2/2.12/EFI/fedora/grubx64.efi", fake::grub("/EFI/fedora", &MODULES));
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
    let paths = paths(&payload(esp::TREES[1], &names));
    assert!(!paths.contains(&"EFI/BOOT/fbx64.efi".to_owned()));
    assert!(paths.contains(&"EFI/BOOT/grubx64.efi".to_owned()));
    assert!(paths.contains(&"EFI/BOOT/mmx64.efi".to_owned()));
}

#[test]
fn what_cannot_boot_is_refused_by_name() {
    let refusal = |files: &MemoryFiles| plan(files, target(Bios::No)).unwrap_err();
    let none = refusal(&MemoryFiles::default()).to_string();
    assert!(none.contains("usr/lib/bootupd/updates/EFI"), "{none}");
    assert!(none.contains("usr/lib/shim/shimx64.efi.signed"), "{none}");

    let two = ["a/shimx64.efi", "b/shimx64.efi", "a/grubx64.efi"];
    assert!(matches!(refusal(&payload(esp::TREES[0], &two)), BootError::SeveralShims(_)));

    let systemd = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    for path in [systemd.to_owned(), format!("{systemd}.signed")] {
        let error = refusal(&MemoryFiles::default().with(&path, ""));
        assert!(matches!(error, BootError::SystemdBoot { path: named } if named == path));
    }
    let junk = payload(esp::TREES[0], &["x/shimx64.efi"])
        .with(&format!("{}/x/grubx64.efi", esp::TREES[0]), "junk");
    assert!(matches!(refusal(&junk), BootError::GrubImage { .. }));
    let poor = payload(esp::TREES[0], &["x/shimx64.efi"])
        .with(&format!("{}/x/grubx64.efi", esp::TREES[0]), fake::grub("/EFI/x", &["normal"]));
    assert!(matches!(refusal(&poor), BootError::GrubModules { .. }));
}

fn signed_grub(files: MemoryFiles) -> MemoryFiles {
    let grub = fake::grub("/EFI/debian", &MODULES);
    files
        .with("usr/lib/shim/shimx64.efi.signed", "shim")
        .with("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed", grub)
}

#[test]
fn bios_and_uefi_share_a_disk() {
    let files = fake_modules::add(signed_grub(MemoryFiles::default()), PC, &["blsuki"]);
    let loader = plan(&files, target(Bios::IfPossible(PLACE))).unwrap();
    assert_eq!(readers(&loader), (Some(Reader::Bridge), Some(Reader::Blsuki)));
    let bios = loader.bios.unwrap();
    assert_eq!(bios.boot_code[0x5C..0x64], 2048_u64.to_le_bytes());
    assert_eq!(bios.core(&Early::default()).unwrap()[0x1F4..0x1FC], 2049_u64.to_le_bytes());
    let place = |name: &str| loader.boot.iter().find(|file| file.path == name);
    let module = place("grub2/i386-pc/normal.mod").unwrap();
    assert_eq!(module.content, Content::Image(format!("{PC}/normal.mod")));
    assert!(place("grub2/i386-pc/moddep.lst").is_some());
    assert!(place("grub2/i386-pc/kernel.img").is_none());
    assert!(!loader.notices.contains(&Notice::NoBios));
}

#[test]
fn one_of_bios_and_uefi_is_enough() {
    let signed = signed_grub(MemoryFiles::default());
    let modules = fake_modules::add(MemoryFiles::default(), PC, &["regexp"]);
    let wish = Bios::IfPossible(PLACE);
    let uefi = plan(&signed, target(wish)).unwrap();
    assert!(uefi.bios.is_none() && uefi.notices.contains(&Notice::NoBios));
    let bios = plan(&modules, target(wish)).unwrap();
    assert_eq!(readers(&bios), (None, Some(Reader::Bridge)));
    assert!(bios.esp.is_empty() && bios.notices == [Notice::NoUefi], "{:?}", bios.notices);

    let refusal = plan(&signed, target(Bios::Demanded(PLACE))).unwrap_err();
    assert!(refusal.to_string().contains(PC), "{refusal}");
    let refusal = plan(&modules, target(Bios::No)).unwrap_err();
    assert!(matches!(refusal, BootError::NoBootLoader { .. }));
}

#[test]
fn what_cannot_be_composed_is_left_out_if_that_is_possible() {
    let mut files = fake_modules::add(signed_grub(MemoryFiles::default()), PC, &["regexp"]);
    files.regular.remove(&format!("{PC}/linux.mod"));
    let loader = plan(&files, target(Bios::IfPossible(PLACE))).unwrap();
    assert!(loader.bios.is_none() && !loader.esp.is_empty());
    let says = |notice: &Notice| notice.to_string().contains("lacks the modules linux");
    assert!(loader.notices.iter().any(says), "{:?}", loader.notices);
    assert!(plan(&files, target(Bios::Demanded(PLACE))).is_err());
}

#[test]
fn endless_modules_are_refused() {
    let mut files = fake_modules::add(MemoryFiles::default(), PC, &["regexp"]);
    files = files.with(&format!("{PC}/large.mod"), vec![0; 3 << 20]);
    for number in 0..12 {
        files = files.with_link(&format!("{PC}/{number}.mod"), "large.mod");
    }
    let refusal = plan(&files, target(Bios::IfPossible(PLACE))).unwrap_err();
    assert!(matches!(refusal, BootError::GrubModulesTooLarge { .. }), "{refusal}");
}

#[test]
fn parts_that_are_none_of_grub_are_refused() {
    let whole = fake_modules::add(MemoryFiles::default(), PC, &["regexp"]);
    for name in ["boot.img", "diskboot.img", "lzma_decompress.img", "kernel.img"] {
        let refusal = |files| plan(&files, target(Bios::IfPossible(PLACE))).unwrap_err();
        let path = format!("{PC}/{name}");
        let junk = refusal(whole.clone().with(&path, "junk"));
        assert!(matches!(junk, BootError::GrubParts { .. }), "{name}: {junk}");
        let mut without = whole.clone();
        without.regular.remove(&path);
        if name != "kernel.img" {
            assert!(refusal(without).to_string().contains(&path), "{name}");
        }
    }
    let mut poor = whole.clone();
    poor.regular.remove(&format!("{PC}/linux.mod"));
    let poor = plan(&poor, target(Bios::IfPossible(PLACE))).unwrap_err();
    assert!(matches!(poor, BootError::GrubModules { .. }));
    let small = BiosPlace { len: ByteLen(512), ..PLACE };
    let small = plan(&whole, target(Bios::IfPossible(small))).unwrap_err();
    assert!(small.to_string().contains("BIOS boot partition"), "{small}");
}

#[test]
fn what_carries_no_signature_is_said() {
    let unsigned = |files: &MemoryFiles| -> Vec<String> {
        let loader = crate::boot::loader::plan(files, target(Bios::No)).unwrap();
        loader.notices.iter().map(ToString::to_string).collect()
    };
    let sign = |mut binary: Vec<u8>| {
        binary[0x98 + 112 + 4 * 8 + 4] = 8;
        binary
    };
    let shim = sign(fake::pe(b".text\0\0\0", b"code"));
    let files = signed_grub(MemoryFiles::default());
    let grub_path = "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed";
    let (grub, vmlinuz) = (sign(files.regular[grub_path].clone()), "usr/lib/modules/1/vmlinuz");
    let steps = [
        ("usr/lib/shim/shimx64.efi.signed", shim.clone(), "`EFI/BOOT/BOOTX64.EFI` carries"),
        (grub_path, grub, "`EFI/BOOT/grubx64.efi` carries"),
        (vmlinuz, shim, "the kernel `usr/lib/modules/1/vmlinuz` carries"),
    ];
    let complete = steps.into_iter().fold(files, |files, (path, signed, says)| {
        // one word is enough
        let notices = unsigned(&files);
        assert!(notices.len() == 1 && notices[0].contains(says), "{notices:?}");
        files.with(path, signed)
    });
    assert!(unsigned(&complete).is_empty());
}
