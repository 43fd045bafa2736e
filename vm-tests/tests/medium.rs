//! The installer's medium: one file that is a CD and a USB stick, started by every firmware.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bootc_image::boot::initramfs::cpio;
use bootc_image::boot::iso::{self, Bios, INITRAMFS, KERNEL};
use bootc_image::boot::loader::{Menu, SerialPort};
use bootc_image::digest::Sha256Digest;
use bootc_image::files::{FileKind, Files, FilesError};
use bootc_image::fs::iso9660::Options;
use bootc_image::pipeline::medium::{Boot, ESP, Medium, Part};
use bootc_image::plan::ids::Ids;
use bootc_image::progress::Cancel;
use bootc_image::spec::{Arch, VolumeId};
use bootc_image::volume::Timestamp;
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::vm::{Firmware, Vm, diskless};
use bootc_image_vm_tests::{tool, working_folder};
use serde_json::Value;

const LABEL: &str = "Fixture-Installer_1.0";
const TIMEOUT: Duration = Duration::from_secs(300);
/// The kernel comes to it and finds that it is no program.
const INIT: &[u8] = b"the end of the medium's work";

/// An unpacked image.
struct Folder(PathBuf);

impl Files for Folder {
    fn kind(&self, path: &str) -> Option<FileKind> {
        let path = self.0.join(path);
        let meta = fs::symlink_metadata(&path).ok()?;
        if meta.is_symlink() {
            let target = fs::read_link(path).ok()?.to_str()?.to_owned();
            return Some(FileKind::Symlink { target });
        }
        Some(if meta.is_dir() {
            FileKind::Directory
        } else {
            FileKind::Regular { len_bytes: meta.len() }
        })
    }

    fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(path)).into_iter().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    fn read(&self, path: &str, _: u64) -> Result<Option<Vec<u8>>, FilesError> {
        let is_file = matches!(self.kind(path), Some(FileKind::Regular { .. }));
        Ok(is_file.then(|| fs::read(self.0.join(path)).ok()).flatten())
    }
}

/// The files of the fixture that matter here.
fn image(layout: &Path, to: &Path) -> Result<Folder> {
    let blob = |descriptor: &Value| -> Result<PathBuf> {
        let digest = descriptor["digest"].as_str().context("no digest")?;
        Ok(layout.join("blobs").join(digest.replace(':', "/")))
    };
    let json = |path: &Path| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let index = json(&layout.join("index.json"))?;
    let manifest = json(&blob(&index["manifests"][0])?)?;
    fs::create_dir(to)?;
    for layer in manifest["layers"].as_array().context("no layers")? {
        let unwanted = ["./usr/share", "./usr/lib/x86_64-linux-gnu", "./usr/lib/python3", "./dev"];
        let unwanted = unwanted.map(|path| format!("--exclude={path}"));
        let mut tar = Command::new("tar");
        tar.args(["-xzf"]).arg(blob(layer)?).arg("-C").arg(to).args(unwanted);
        tool(&mut tar)?;
    }
    Ok(Folder(to.to_owned()))
}

/// An initramfs with nothing in it that could go on.
fn initramfs() -> Result<Vec<u8>> {
    let archive = cpio::Writer::new(Vec::new()).folder("dev", 0o755)?;
    let archive = archive.character_device("dev/console", 0o600, 5, 1)?;
    let len = u64::try_from(INIT.len())?;
    Ok(archive.file("init", 0o755, len, &mut &*INIT)?.finish()?)
}

fn medium(folder: &Path, name: &str, image: &Folder) -> Result<PathBuf> {
    let version = image.names("usr/lib/modules").pop().context("the image has no kernel")?;
    let vmlinuz = format!("usr/lib/modules/{version}/vmlinuz");
    let kargs = ["console=ttyS0", "panic=1", "mitigations=off"].map(String::from);
    let target = iso::Target {
        arch: Arch::X86_64,
        label: &VolumeId::parse(LABEL)?,
        name: "the fixture",
        kargs: &kargs,
        vmlinuz: &vmlinuz,
        bios: Bios::IfPossible,
        menu: Menu { timeout_secs: 1, serial: Some(SerialPort { unit: 0, speed: 115_200 }) },
    };
    let boot = iso::plan(image, target)?;
    ensure!(boot.notices.is_empty(), "{:?}", boot.notices);
    let kernel = Part::File(Arc::new(File::open(image.0.join(vmlinuz))?));
    let files = [
        (KERNEL.to_owned(), kernel),
        (INITRAMFS.to_owned(), Part::from(initramfs()?)),
        (
            "container/oci-layout".to_owned(),
            Part::from(b"{\"imageLayoutVersion\":\"1.0.0\"}".to_vec()),
        ),
    ];
    let medium = Medium {
        volume: Options {
            volume_id: VolumeId::parse(LABEL)?,
            application: "bootc-image".to_owned(),
            time: Timestamp::of_secs(1_700_000_000),
        },
        ids: &Ids::derive(Sha256Digest::of(b"image"), Sha256Digest::of(b"plan")),
        boot: &Boot::read(image, boot)?,
        files: BTreeMap::from(files),
    };
    let path = folder.join(name);
    let out = File::options().read(true).write(true).create_new(true).open(&path)?;
    medium.write(&Arc::new(out), &path, &Cancel::default())?;
    Ok(path)
}

/// Other people's readers find a CD that starts from BIOS and UEFI, and a disk with an ESP.
#[test]
fn medium_is_a_cd_and_a_disk() -> Result<()> {
    if !Tier::allows(Tier::Ci, "the installer's medium") {
        return Ok(());
    }
    let folder = working_folder("medium-readers")?;
    let image = image(&debian::layouts()?.gzip, &folder.join("image"))?;
    let path = medium(&folder, "medium.iso", &image)?;
    let again = medium(&folder, "again.iso", &image)?;
    tool(Command::new("cmp").args([&path, &again]))?;

    let mut xorriso = Command::new("xorriso");
    xorriso.args(["-abort_on", "WARNING", "-indev"]).arg(&path);
    let report =
        tool(xorriso.args(["-report_el_torito", "plain", "-report_system_area", "plain"]))?;
    for line in [
        "El Torito boot img :   1  BIOS  y   none",
        "El Torito boot img :   2  UEFI  y   none",
        "/images/eltorito.img",
        "/images/efiboot.img",
        "grub2-boot-info",
        "GPT partition name",
        "protective-msdos-label",
    ] {
        ensure!(report.contains(line), "no `{line}`:\n{report}");
    }
    let verified = tool(Command::new("sgdisk").arg("-v").arg(&path))?;
    ensure!(verified.contains("No problems found"), "{verified}");
    let listed = tool(Command::new("isoinfo").args(["-R", "-f", "-i"]).arg(&path))?;
    for file in [KERNEL, INITRAMFS, ESP, "boot/grub2/grub.cfg", "EFI/BOOT/BOOTX64.EFI"] {
        ensure!(listed.lines().any(|line| line == format!("/{file}")), "no {file}:\n{listed}");
    }
    let esp = folder.join("esp");
    let mut osirrox = Command::new("xorriso");
    osirrox.args(["-osirrox", "on", "-indev"]).arg(&path);
    tool(osirrox.args(["-extract", &format!("/{ESP}")]).arg(&esp))?;
    tool(Command::new("fsck.fat").arg("-n").arg(&esp))?;
    let programs = tool(Command::new("mdir").arg("-i").arg(&esp).args(["-/", "-b", "::"]))?;
    ensure!(programs.to_lowercase().contains("::/efi/boot/bootx64.efi"), "{programs}");
    Ok(())
}

#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn medium_starts_from_every_firmware() -> Result<()> {
    if !Tier::allows(Tier::Full, "the installer's medium on every firmware") {
        return Ok(());
    }
    let folder = working_folder("medium")?;
    let image = image(&debian::layouts()?.gzip, &folder.join("image"))?;
    let path = medium(&folder, "medium.iso", &image)?;
    for firmware in [Firmware::Bios, Firmware::Uefi, Firmware::SecureBoot] {
        for device in [
            ["-device", "ide-cd,drive=medium,bootindex=1"].as_slice(),
            &["-device", "qemu-xhci", "-device", "usb-storage,drive=medium,bootindex=1"],
        ] {
            starts(&folder, &path, firmware, device)
                .with_context(|| format!("{firmware:?}, {device:?}"))?;
        }
    }
    Ok(())
}

/// Firmware, GRUB, kernel and initramfs of the medium come after each other.
fn starts(folder: &Path, medium: &Path, firmware: Firmware, device: &[&str]) -> Result<()> {
    let mut qemu = diskless(folder, firmware, 1024)?;
    let media = if device[1].starts_with("ide-cd") { "media=cdrom," } else { "" };
    qemu.arg("-drive")
        .arg(format!("if=none,id=medium,readonly=on,format=raw,{media}file={}", medium.display()))
        .args(device);
    let mut vm = Vm::spawn(qemu.args(["-serial", "stdio"]), folder, false)?;
    vm.console().wait_for("Install the fixture", TIMEOUT).context("no menu")?;
    let command_line = vm.console().wait_for("Run /init as init process", TIMEOUT)?;
    ensure!(command_line.contains("panic=1 mitigations=off"), "{command_line}");
    vm.console().wait_for("Failed to execute /init (error -8)", TIMEOUT)?;
    Ok(())
}
