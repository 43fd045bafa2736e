//! The installer's medium in machines: a disk is installed from it, and that disk boots.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::vm::{Firmware, Vm, diskless};
use bootc_image_vm_tests::{KARGS, product, system, tool, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";
const SIZE: u64 = 4 << 30;
const START: Duration = Duration::from_secs(300);
const INSTALL: Duration = Duration::from_secs(600);
const DONE: &str = "installation complete";

/// How the machine has the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Cd,
    Stick,
}

impl Medium {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Cd => &["-device", "ide-cd,drive=medium,bootindex=2"],
            Self::Stick => {
                &["-device", "qemu-xhci", "-device", "usb-storage,drive=medium,bootindex=2"]
            }
        }
    }
}

/// The disk that is installed to.
#[derive(Debug, Clone, Copy)]
struct Target {
    device: &'static str,
    name: &'static str,
}

const VIRTIO: Target =
    Target { device: "virtio-blk-pci,drive=disk,bootindex=1,serial=first", name: "/dev/vda" };
const NVME_4K: Target = Target {
    device: "nvme,drive=disk,serial=first,bootindex=1,logical_block_size=4096,\
             physical_block_size=4096",
    name: "/dev/nvme0n1",
};

/// A medium of the fixture with the general kernel.
fn medium(folder: &Path, options: &[&str]) -> Result<Option<PathBuf>> {
    let Some(layout) = tier::general()? else { return Ok(None) };
    let mut build = Command::new(product::binary()?);
    build.args(["build", "--quiet", "--type", "iso", "--target-imgref", TARGET, "--output"]);
    build.arg(folder).args(KARGS.iter().flat_map(|karg| ["--karg", karg])).args(options);
    tool(build.arg(format!("oci:{}:latest", layout.display())))?;
    Ok(Some(folder.join("bootiso/install.iso")))
}

/// A machine with the medium and an empty disk.
fn machine(
    folder: &Path,
    firmware: Firmware,
    (medium, how): (&Path, Medium),
    (disk, target): (&Path, Target),
) -> Result<Vm> {
    let media = if how == Medium::Cd { "media=cdrom," } else { "" };
    let mut qemu = diskless(folder, firmware, 1536)?;
    qemu.arg("-drive")
        .arg(format!("if=none,id=medium,readonly=on,format=raw,{media}file={}", medium.display()))
        .args(how.options())
        .arg("-drive")
        .arg(format!("if=none,id=disk,cache=unsafe,format=raw,file={}", disk.display()))
        .args(["-device", target.device]);
    Vm::spawn(qemu.args(["-serial", "stdio"]), folder, false)
}

fn empty_disk(folder: &Path) -> Result<PathBuf> {
    let disk = folder.join("disk.raw");
    File::create(&disk)?.set_len(SIZE)?;
    Ok(disk)
}

/// The installed disk comes up by itself, whole.
fn boots(folder: &Path, firmware: Firmware, disk: &Path, target: Target) -> Result<()> {
    let mut qemu = diskless(folder, firmware, 1024)?;
    qemu.arg("-drive")
        .arg(format!("if=none,id=disk,cache=unsafe,format=raw,file={}", disk.display()))
        .args(["-device", target.device]);
    let mut vm = Vm::spawn(qemu.args(["-serial", "stdio"]), folder, false)?;
    let marker = vm.wait_for_marker()?;
    ensure!(marker.trim_end().ends_with("failed=0"), "{marker}");
    vm.login()?;
    system::is_whole(&mut vm)?;
    system::is_deployment(&mut vm, TARGET)?;
    system::has_sound_repository(&mut vm)?;
    let log = vm.check("cat /var/log/bootc-image-install.log")?;
    ensure!(log.contains(target.name), "the log of the installation: {log}");
    vm.power_off()
}

fn installs(
    name: &str,
    firmware: Firmware,
    how: Medium,
    target: Target,
    install_toml: &str,
) -> Result<()> {
    if !Tier::allows(Tier::Full, name) {
        return Ok(());
    }
    let folder = working_folder(name)?;
    let config = folder.join("install.toml");
    fs::write(&config, install_toml)?;
    let config = config.to_str().context("a path of text")?;
    let Some(iso) = medium(&folder, &["--installer-config", config])? else { return Ok(()) };
    let disk = empty_disk(&folder)?;
    let mut vm = machine(&folder, firmware, (&iso, how), (&disk, target))?;
    vm.console().wait_for("bootc-image installer", START)?;
    vm.console().wait_for(DONE, INSTALL)?;
    println!("{name}: installed after {:?}", vm.uptime());
    drop(vm);
    boots(&folder, firmware, &disk, target)
}

const UNATTENDED: &str = "[install]\nunattended = true\ntarget = \"only\"\nthen = \"poweroff\"\n";

#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn from_a_cd_on_bios_to_virtio() -> Result<()> {
    installs("installer-bios", Firmware::Bios, Medium::Cd, VIRTIO, UNATTENDED)
}

#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn from_a_cd_on_uefi_to_nvme_with_large_sectors() -> Result<()> {
    let by_serial = UNATTENDED.replace("only", "serial:first");
    installs("installer-nvme", Firmware::Uefi, Medium::Cd, NVME_4K, &by_serial)
}

#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn from_a_stick_with_secure_boot() -> Result<()> {
    installs("installer-secure", Firmware::SecureBoot, Medium::Stick, VIRTIO, UNATTENDED)
}
