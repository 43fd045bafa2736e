//! Whole systems from each firmware and loader that the other machines do not have.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{self, Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm};
use bootc_image_vm_tests::{KARGS, system, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";

/// Our boot code, our core, GRUB 2.12 and the script that reads boot entries.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn debian_boots_from_bios() -> Result<()> {
    let image = (&*debian::layouts()?.gzip, "latest");
    boots("debian-bios", image, &["--bios", "on"], Firmware::Bios, Bus::Virtio)
}

/// GPT, FAT and ext4 on a disk that knows no sectors of 512 bytes.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn debian_boots_from_large_sectors() -> Result<()> {
    let image = (&*debian::layouts()?.zstd, "latest");
    boots("debian-4k", image, &["--sector-size", "4096"], Firmware::Uefi, Bus::Virtio4K)
}

/// GRUB 2.14 reads boot entries with its own `blsuki`.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn forky_boots_from_bios() -> Result<()> {
    let Some(layout) = forky()? else { return Ok(()) };
    boots("forky-bios", (&layout, "latest"), &[], Firmware::Bios, Bus::Ahci)
}

/// The same on UEFI, in a program that nobody signed.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn forky_boots_without_signed_programs() -> Result<()> {
    let Some(layout) = forky()? else { return Ok(()) };
    boots("forky-unsigned", (&layout, "unsigned"), &["--bios", "off"], Firmware::Uefi, Bus::Nvme)
}

fn forky() -> Result<Option<std::path::PathBuf>> {
    if Tier::allows(Tier::Full, "forky from another firmware") { tier::forky() } else { Ok(None) }
}

fn boots(
    name: &str,
    (layout, tag): (&Path, &str),
    options: &[&str],
    firmware: Firmware,
    bus: Bus,
) -> Result<()> {
    if !Tier::allows(Tier::Full, name) {
        return Ok(());
    }
    let folder = working_folder(name)?;
    let mut build = Build::new(layout, tag, KARGS);
    build.options.extend(["--target-imgref", TARGET].iter().chain(options).map(|&o| o.to_owned()));
    let raw = build.run(&folder, &[Format::Raw])?.remove(0);
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    let mut vm = Vm::start_on(&folder, overlay.path(), firmware, bus)?;
    let toured = tour(&mut vm, firmware).with_context(|| vm.console().transcript());
    toured?;
    vm.power_off()?;
    let flat = overlay.flatten()?;
    let root = disk::partition(&flat, 3)?.context("no third partition")?;
    disk::check_ext4(&flat, root.start)
}

fn tour(vm: &mut Vm, firmware: Firmware) -> Result<()> {
    let marker = vm.wait_for_marker()?;
    let expected = if firmware == Firmware::Bios { "fw=bios" } else { "fw=uefi" };
    for word in [expected, "failed=0"] {
        ensure!(marker.split_whitespace().any(|given| given == word), "no {word}: {marker}");
    }
    vm.login()?;
    system::is_whole(vm)?;
    system::is_deployment(vm, TARGET)?;
    system::has_sound_repository(vm)?;
    let line = vm.check("cat /proc/cmdline")?;
    for karg in KARGS {
        ensure!(line.split_whitespace().any(|given| given == *karg), "no {karg} in {line}");
    }
    Ok(())
}
