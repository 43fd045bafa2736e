use super::*;
use crate::boot::grub::fake_modules;
use crate::boot::loader;
use crate::boot::loader::{BiosPlace, BootPlace, Menu, Reads};
use crate::files::MemoryFiles;
use crate::spec::Arch;
use crate::units::{ByteLen, Lba};

const UUID: &str = "11111111-2222-4333-8444-555555555555";
const META: &str = r#"{"timestamp":"2025-08-20T08:48:03.555492819Z","version":"grub2-1:2.12-41.fc44,shim-15.8-4","versions":[{"name":"grub2","rpm_evr":"1:2.12-41.fc44"},{"name":"shim","rpm_evr":"15.8-4"}]}"#;
/// Of older images: without `versions`.
const OLD_META: &str = r#"{"timestamp":"2024-01-02T03:04:05Z","version":"grub2-efi-x64,shim-x64"}"#;

// As sha512sum has them.
const SHA512_SHIM: &str = "5d1ecd558fbfea91445de9070b4e88d8b6a45523452e35aeb1c63af569a35055\
    f052631a9574b01a29f355fac49f7264a38d1d345e1a7e3845b4755eaa50ece0";
const SHA512_CSV: &str = "05088067a34511eb650f22785ddfdcca31a5d39ff89fc39acc582698a3f077ff\
    b2f252d5e5d33d7cf7ad31788272f6af09d502738b8d4baaf7e5b38aa520c152";
const SHA512_GRUB: &str = "f9689f873d8f39c28b5f0cb0625fc354c9e2ce332dd058540cd86a00a8238d2f\
    a0d5b8688e587bd1f2f60b7ea5c41efab524d42fa4df0d1653b2edbaac624a43";

/// What both layouts have.
fn common(meta: &str) -> MemoryFiles {
    let grub_static = "usr/lib/bootupd/grub2-static";
    MemoryFiles::default()
        .with("usr/lib/bootupd/updates/EFI.json", meta)
        .with(&format!("{grub_static}/grub-static-pre.cfg"), "pre\n")
        .with(&format!("{grub_static}/grub-static-efi.cfg"), "efi\n")
        .with(&format!("{grub_static}/configs.d/README.md"), "not GRUB\n")
        .with(&format!("{grub_static}/configs.d/10_blscfg.cfg"), "blscfg\n")
        .with(&format!("{grub_static}/configs.d/01_users.cfg"), "users")
}

/// As in Fedora 44.
fn new_layout() -> MemoryFiles {
    common(META)
        .with("usr/lib/efi/shim/15.8-4/EFI/BOOT/BOOTX64.EFI", "shim")
        .with("usr/lib/efi/shim/15.8-4/EFI/fedora/shimx64.efi", "shim")
        .with("usr/lib/efi/grub2/2.12/EFI/fedora/grubx64.efi", "grub")
}

/// As in Fedora 43 and before.
fn old_layout() -> MemoryFiles {
    common(OLD_META)
        .with("usr/lib/bootupd/updates/EFI/fedora/shimx64.efi", "shim")
        .with("usr/lib/bootupd/updates/EFI/fedora/BOOTX64.CSV", "csv")
}

fn target() -> Target<'static> {
    Target {
        arch: Arch::X86_64,
        boot_uuid: UUID,
        boot: BootPlace::OnRoot,
        skip_boot_uuid: false,
        vmlinuz: "usr/lib/modules/1/vmlinuz",
        bios: Bios::No,
        menu: Menu { timeout_secs: 1, serial: None },
        reads: Reads::default(),
        early: None,
    }
}

fn planned(files: &MemoryFiles) -> Loader {
    loader::plan(files, target()).unwrap()
}

fn boot_text(loader: &Loader, path: &str) -> String {
    let file = loader.boot.iter().find(|file| file.path == path).unwrap();
    match &file.content {
        Content::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        Content::Image(path) => panic!("{path}"),
    }
}

fn refusal(files: &MemoryFiles) -> String {
    loader::plan(files, target()).unwrap_err().to_string()
}

#[test]
fn components_are_merged_on_the_esp() {
    let image = |path: &str| Content::Image(format!("usr/lib/efi/{path}"));
    let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    let uuid = format!("set BOOT_UUID=\"{UUID}\"\n");
    let expected = BTreeMap::from([
        ("EFI/BOOT/BOOTX64.EFI", image("shim/15.8-4/EFI/BOOT/BOOTX64.EFI")),
        ("EFI/fedora/bootuuid.cfg", bytes(&uuid)),
        ("EFI/fedora/grub.cfg", bytes("efi\n")),
        ("EFI/fedora/grubx64.efi", image("grub2/2.12/EFI/fedora/grubx64.efi")),
        ("EFI/fedora/shimx64.efi", image("shim/15.8-4/EFI/fedora/shimx64.efi")),
    ]);
    let loader = planned(&new_layout());
    let esp = loader.esp.iter().map(|(path, content)| (path.as_str(), content.clone()));
    assert_eq!(esp.collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(boot_text(&loader, "grub2/bootuuid.cfg"), uuid);
}

#[test]
fn components_win_over_updates_and_later_ones_over_earlier_ones() {
    let files = new_layout()
        .with("usr/lib/bootupd/updates/EFI/fedora/old.efi", "old")
        .with("usr/lib/efi/grub2-extra/1/EFI/fedora/grubx64.efi", "another")
        .with("usr/lib/efi/grub2/2.12/README", "not for the ESP");
    let loader = planned(&files);
    let grub = Content::Image("usr/lib/efi/grub2-extra/1/EFI/fedora/grubx64.efi".to_owned());
    assert_eq!(loader.esp["EFI/fedora/grubx64.efi"], grub);
    assert_eq!(loader.esp.len(), 5, "{:?}", loader.esp.keys());
    let state = boot_text(&loader, "bootupd-state.json");
    assert!(state.contains("grub2-extra/1/EFI/fedora/grubx64.efi") && !state.contains("README"));
}

#[test]
fn the_state_is_what_bootupd_would_save() {
    let expected = format!(
        "{{\"installed\":{{\"EFI\":{{\"meta\":{META},\"filetree\":{{\"children\":{{\
         \"BOOT/BOOTX64.EFI\":{{\"source\":\"shim/15.8-4/EFI/BOOT/BOOTX64.EFI\",\"size\":4,\
         \"sha512\":\"sha512:{SHA512_SHIM}\"}},\
         \"fedora/grubx64.efi\":{{\"source\":\"grub2/2.12/EFI/fedora/grubx64.efi\",\"size\":4,\
         \"sha512\":\"sha512:{SHA512_GRUB}\"}},\
         \"fedora/shimx64.efi\":{{\"source\":\"shim/15.8-4/EFI/fedora/shimx64.efi\",\"size\":4,\
         \"sha512\":\"sha512:{SHA512_SHIM}\"}}}}}},\"adopted-from\":null}}}},\"pending\":null,\
         \"static-configs\":{{\"timestamp\":\"1970-01-01T00:00:00Z\",\"version\":\"unknown\",\
         \"versions\":null}}}}"
    );
    assert_eq!(boot_text(&planned(&new_layout()), "bootupd-state.json"), expected);
}

#[test]
fn in_the_old_layout_source_and_path_are_the_same() {
    let meta = OLD_META.replace('}', ",\"versions\":null}");
    let expected = format!(
        "{{\"installed\":{{\"EFI\":{{\"meta\":{meta},\"filetree\":{{\"children\":{{\
         \"fedora/BOOTX64.CSV\":{{\"source\":\"fedora/BOOTX64.CSV\",\"size\":3,\
         \"sha512\":\"sha512:{SHA512_CSV}\"}},\
         \"fedora/shimx64.efi\":{{\"source\":\"fedora/shimx64.efi\",\"size\":4,\
         \"sha512\":\"sha512:{SHA512_SHIM}\"}}}}}},\"adopted-from\":null}}}},"
    );
    let loader = planned(&old_layout());
    let state = boot_text(&loader, "bootupd-state.json");
    assert!(state.starts_with(&expected), "{state}");
    let shim = Content::Image("usr/lib/bootupd/updates/EFI/fedora/shimx64.efi".to_owned());
    assert_eq!(loader.esp["EFI/fedora/shimx64.efi"], shim);
}

#[test]
fn the_configuration_is_pieced_together() {
    let loader = planned(&new_layout());
    let expected = "# Generated by bootupd / do not edit\n\npre\n\n\
        ### BEGIN 01_users.cfg ###\nusers### END 01_users.cfg ###\n\n\
        ### BEGIN 10_blscfg.cfg ###\nblscfg\n### END 10_blscfg.cfg ###\n";
    assert_eq!(boot_text(&loader, "grub2/grub.cfg"), expected);
    let modes: Vec<_> = loader.boot.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    let expected = [
        ("grub2/grub.cfg", 0o600),
        ("grub2/grubenv", 0o600),
        ("bootupd-state.json", 0o644),
        ("grub2/bootuuid.cfg", 0o600),
    ];
    assert_eq!(modes, expected);
    let environment = boot_text(&loader, "grub2/grubenv");
    let lines: Vec<&str> = environment.lines().collect();
    assert_eq!((environment.len(), lines.len(), lines[0]), (1024, 3, "# GRUB Environment Block"));
    assert!(lines[2].chars().all(|c| c == '#'), "{environment}");
}

#[test]
fn the_uuid_can_be_left_out() {
    let target = Target { skip_boot_uuid: true, ..target() };
    let loader = loader::plan(&new_layout(), target).unwrap();
    assert!(!loader.esp.contains_key("EFI/fedora/bootuuid.cfg"));
    assert!(loader.boot.iter().all(|file| file.path != "grub2/bootuuid.cfg"));
}

#[test]
fn bios_is_installed_if_bootupd_has_it_and_the_disk_wants_it() {
    let place = BiosPlace {
        start: Lba(2048),
        len: ByteLen(1 << 20),
        boot_partition: 3,
        boot: BootPlace::OnRoot,
    };
    let plan = |files: &MemoryFiles, bios| loader::plan(files, Target { bios, ..target() });
    let directory = "usr/lib/grub/i386-pc";
    let with_modules = |files| fake_modules::add(files, directory, &["blscfg"]);
    let metadata = "usr/lib/bootupd/updates/BIOS.json";
    let complete = with_modules(new_layout().with(metadata, OLD_META));

    let loader = plan(&complete, Bios::IfPossible(place)).unwrap();
    assert!(loader.bios.is_some() && !loader.notices.contains(&Notice::NoBios));
    let state = boot_text(&loader, "bootupd-state.json");
    let meta = OLD_META.replace('}', ",\"versions\":null}");
    let component = format!(
        "{{\"installed\":{{\"BIOS\":{{\"meta\":{meta},\"filetree\":null,\"adopted-from\":null}},\"EFI\""
    );
    assert!(state.starts_with(&component), "{state}");
    assert!(loader.boot.iter().any(|file| file.path == "grub2/i386-pc/normal.mod"));

    let mut bridge = complete.clone().with("usr/lib/grub/i386-pc/regexp.mod", "module");
    bridge.regular.remove("usr/lib/grub/i386-pc/blscfg.mod");
    let without = [
        (with_modules(new_layout()), Bios::IfPossible(place), "no component BIOS"),
        (new_layout().with(metadata, OLD_META), Bios::IfPossible(place), "no GRUB modules"),
        (bridge.clone(), Bios::IfPossible(place), "lacks the modules blscfg"),
        (complete, Bios::No, "no signature"),
    ];
    for (files, bios, says) in without {
        let loader = plan(&files, bios).unwrap();
        assert_eq!(loader.bios, None);
        let notices: Vec<String> = loader.notices.iter().map(ToString::to_string).collect();
        assert!(notices[0].contains(says), "{notices:?}");
        assert_eq!(loader.boot, planned(&new_layout()).boot);
    }
    let refusal = plan(&bridge, Bios::Demanded(place)).unwrap_err();
    assert!(matches!(refusal, BootError::GrubModules { .. }), "{refusal}");
    assert!(plan(&with_modules(new_layout()), Bios::Demanded(place)).unwrap().bios.is_some());
    let refusal = plan(&new_layout(), Bios::Demanded(place)).unwrap_err();
    assert!(matches!(refusal, BootError::NoBiosModules { .. }));
}

#[test]
fn without_metadata_bootupd_has_nothing_for_uefi() {
    let mut files = new_layout();
    files.regular.remove("usr/lib/bootupd/updates/EFI.json");
    assert!(plan(&files, target()).unwrap().is_none());
}

#[test]
fn broken_metadata_is_refused_by_name() {
    let cases = [
        ("{", "EOF while parsing"),
        ("[]", "invalid length"),
        (r#"{"version":"1"}"#, "missing field `timestamp`"),
        (r#"{"timestamp":"1970-01-01T00:00:00Z","version":"1","new":1}"#, "unknown field `new`"),
        (r#"{"timestamp":"yesterday","version":"1"}"#, "\"yesterday\" is no time"),
        (r#"{"timestamp":"1970-01-01T00:00:00.Z","version":"1"}"#, "is no time"),
        (r#"{"timestamp":"1970-01-01T00:00:00Z","version":"1","versions":[{}]}"#, "missing field"),
    ];
    for (text, says) in cases {
        for name in ["EFI.json", "BIOS.json"] {
            let files = new_layout().with(&format!("usr/lib/bootupd/updates/{name}"), text);
            let error = refusal(&files);
            let names = error.starts_with(&format!("`usr/lib/bootupd/updates/{name}`: "));
            assert!(names && error.contains(says), "{error}");
        }
    }
}

#[test]
fn missing_configuration_is_refused_by_name() {
    for name in ["grub-static-pre.cfg", "grub-static-efi.cfg", "configs.d"] {
        let path = format!("usr/lib/bootupd/grub2-static/{name}");
        let mut files = new_layout();
        files.regular.retain(|other, _| !other.starts_with(&path));
        assert_eq!(refusal(&files), format!("the image has bootupd, but no `{path}`"));
    }
    let path = "usr/lib/bootupd/grub2-static/configs.d/x.cfg";
    let error = refusal(&new_layout().with(path, [0xFF_u8]));
    assert_eq!(error, format!("`{path}` is not UTF-8"));
}

#[test]
fn payloads_that_bootupd_would_not_install_are_refused() {
    let link = new_layout().with_link("usr/lib/efi/shim/15.8-4/EFI/fedora/shim.efi", "shimx64.efi");
    assert!(refusal(&link).ends_with("is a symbolic link"), "{}", refusal(&link));
    let temporary = new_layout().with("usr/lib/efi/shim/15.8-4/EFI/.btmp.fedora/x", "");
    assert!(refusal(&temporary).ends_with("is a temporary file"), "{}", refusal(&temporary));

    let two = new_layout().with("usr/lib/efi/shim/16/EFI/fedora/shimx64.efi", "newer");
    assert!(
        matches!(plan(&two, target()), Err(BootError::SeveralShims(paths)) if paths.len() == 2)
    );
    let arm = Target { arch: Arch::Aarch64, ..target() };
    let error = loader::plan(&new_layout(), arm).unwrap_err().to_string();
    assert!(error.contains("EFI/<vendor>/shimaa64.efi"), "{error}");
    let deep = common(META).with("usr/lib/efi/shim/1/EFI/a/b/shimx64.efi", "");
    assert!(refusal(&deep).contains("no `EFI/<vendor>/shimx64.efi`"), "{}", refusal(&deep));
}
