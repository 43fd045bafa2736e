//! Disks for aarch64, made on whatever machine this is.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{self, Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{BOOT_TIMEOUT, Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, system, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";
const CONSOLE: &str = "console=ttyAMA0";
/// A kernel argument that shows that the boot entry's options arrived.
const OWN_KARG: &str = "fixture.answer=44";
/// The kernel speaks from its first line on.
const LOADER_KARGS: [&str; 3] = [CONSOLE, "earlycon=pl011,0x09000000", OWN_KARG];

/// Shim, GRUB and kernel as Secure Boot has them.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn aarch64_starts_with_secure_boot() -> Result<()> {
    let Some(layout) = tier::arm64()? else { return Ok(()) };
    let folder = working_folder("aarch64-loaders")?;
    let disk = build(&folder, &layout, "latest", &LOADER_KARGS, Format::Qcow2)?;
    kernel_starts(&folder, &disk, Firmware::AavmfSecureBoot, "Secure boot enabled")
}

/// GRUB composed of its modules, which Secure Boot refuses.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn aarch64_starts_without_signed_programs() -> Result<()> {
    let Some(layout) = tier::arm64()? else { return Ok(()) };
    let folder = working_folder("aarch64-loaders-unsigned")?;
    let disk = build(&folder, &layout, "unsigned", &LOADER_KARGS, Format::Qcow2)?;
    kernel_starts(&folder, &disk, Firmware::Aavmf, "Secure boot disabled")?;
    let mut vm = power_on(&folder, &disk, Firmware::AavmfSecureBoot)?;
    let before = vm.console().wait_for("Access Denied", BOOT_TIMEOUT)?;
    ensure!(!before.contains("GNU GRUB"), "GRUB started: {before}");
    Ok(())
}

/// The whole system, from power-on with Secure Boot to a proper shutdown.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn aarch64_boots() -> Result<()> {
    if !Tier::allows(Tier::Full, "a whole system on aarch64") {
        return Ok(());
    }
    let Some(layout) = tier::arm64()? else { return Ok(()) };
    let folder = working_folder("aarch64")?;
    let usual = KARGS.iter().filter(|karg| !karg.starts_with("console="));
    let kargs: Vec<&str> = usual.copied().chain([CONSOLE, OWN_KARG]).collect();
    let raw = build(&folder, &layout, "latest", &kargs, Format::Raw)?;
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    let mut vm = Vm::start(&folder, overlay.path(), Firmware::AavmfSecureBoot)?;
    let root = tour(&mut vm, &kargs);
    let root = root.with_context(|| vm.console().transcript())?;
    vm.power_off()?;

    let raw = overlay.flatten()?;
    let partition = disk::partition(&raw, root)?.context("the root is no partition")?;
    disk::check_ext4(&raw, partition.start)
}

/// Looks around; returns the number of root's partition.
fn tour(vm: &mut Vm, kargs: &[&str]) -> Result<u64> {
    let marker = vm.wait_for_marker()?;
    for expected in ["derived", "fw=uefi", "secureboot=1", "failed=0"] {
        ensure!(marker.split_whitespace().any(|word| word == expected), "{expected}: {marker}");
    }
    vm.login()?;
    system::is_whole(vm)?;
    system::is_deployment(vm, TARGET)?;
    system::has_sound_repository(vm)?;
    ensure!(vm.check("uname -m")? == "aarch64");
    let line = vm.check("cat /proc/cmdline")?;
    for karg in kargs {
        ensure!(line.split_whitespace().any(|given| given == *karg), "no {karg} in {line}");
    }
    ensure!(vm.check("hello")? == "hello from the derived layer");
    vm.check("fixture-cap && fixture-suid && fixture-sgid")?;
    vm.check("mkdir -p /run/esp && mount -r /dev/vda1 /run/esp")?;
    vm.check("cmp /run/esp/EFI/BOOT/BOOTAA64.EFI /usr/lib/shim/shimaa64.efi.signed")?;
    system::root_partition(vm)
}

/// From power-on to the kernel, which says `secure_boot` and has the boot entry's options.
fn kernel_starts(folder: &Path, disk: &Path, firmware: Firmware, secure_boot: &str) -> Result<()> {
    let mut vm = power_on(folder, disk, firmware)?;
    for text in ["Linux version", secure_boot, OWN_KARG] {
        vm.console().wait_for_boot(text, BOOT_TIMEOUT)?;
    }
    Ok(())
}

fn power_on(folder: &Path, disk: &Path, firmware: Firmware) -> Result<Vm> {
    let mut qemu = qemu(folder, disk, firmware, Bus::Virtio)?;
    Vm::spawn(qemu.args(["-snapshot", "-serial", "stdio"]), folder, false)
}

fn build(
    folder: &Path,
    layout: &Path,
    tag: &str,
    kargs: &[&str],
    format: Format,
) -> Result<PathBuf> {
    let mut build = Build::new(layout, tag, kargs);
    build.options = ["--arch", "arm64", "--target-imgref", TARGET].map(String::from).into();
    Ok(build.run(folder, &[format])?.remove(0))
}
