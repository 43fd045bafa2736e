//! Loaders alone: from power-on to the kernel's first line, or to the word that refuses it.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{self, Format};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{BOOT_TIMEOUT, Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{tool, working_folder};

/// A kernel argument that shows that the boot entry's options arrived.
const OWN_KARG: &str = "fixture.answer=43";
const KARGS: [&str; 3] = ["console=ttyS0", "earlyprintk=serial,ttyS0", OWN_KARG];

#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn debian_starts_from_every_bus_and_firmware() -> Result<()> {
    let folder = working_folder("loaders")?;
    let layout = debian::layouts()?.gzip;
    let disk = build(&folder, &layout, "latest", &[])?;
    for (bus, firmware) in [
        (Bus::Ahci, Firmware::Uefi),
        (Bus::Nvme, Firmware::Uefi),
        (Bus::Virtio, Firmware::Bios),
        (Bus::Ahci, Firmware::Bios),
    ] {
        kernel_starts(&folder, &disk, firmware, bus)?;
    }
    let large = build(&folder.join("4k"), &layout, "latest", &["--sector-size", "4096"])?;
    kernel_starts(&folder, &large, Firmware::Uefi, Bus::Virtio4K)
}

/// GRUB composed of its modules, which has no `blscfg` in this release.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn debian_starts_without_signed_programs() -> Result<()> {
    let folder = working_folder("loaders-unsigned")?;
    let disk = build(&folder, &debian::layouts()?.gzip, "unsigned", &[])?;
    kernel_starts(&folder, &disk, Firmware::Uefi, Bus::Virtio)
}

/// GRUB composed of its modules, `blsuki` among them, for both firmwares.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn forky_starts_from_composed_images() -> Result<()> {
    let Some(layout) = tier::forky()? else { return Ok(()) };
    let folder = working_folder("loaders-forky")?;
    let disk = build(&folder, &layout, "unsigned", &[])?;
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        kernel_starts(&folder, &disk, firmware, Bus::Virtio)?;
    }
    Ok(())
}

/// GRUB composed of its modules, with the static configuration of bootupd.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn bootupd_starts_from_bios() -> Result<()> {
    if !Tier::allows(Tier::Full, "bootupd's configuration on BIOS") {
        return Ok(());
    }
    let Some(layout) = tier::bootupd()? else { return Ok(()) };
    let folder = working_folder("loaders-bootupd")?;
    let disk = build(&folder, &layout, "latest", &[])?;
    kernel_starts(&folder, &disk, Firmware::Bios, Bus::Virtio)
}

/// What somebody changed does not start where Secure Boot is on: neither GRUB nor the kernel.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn changed_programs_are_refused_by_secure_boot() -> Result<()> {
    if !Tier::allows(Tier::Full, "changed programs with Secure Boot") {
        return Ok(());
    }
    let folder = working_folder("loaders-changed")?;
    let layout = debian::layouts()?.gzip;
    let grub = raw(&folder.join("grub"), &layout, "latest")?;
    change_on_esp(&folder, &grub, "::EFI/BOOT/grubx64.efi")?;
    is_refused(&folder, &grub, "Security Violation")?;

    let kernel = raw(&folder.join("kernel"), &layout, "latest")?;
    change_kernel(&folder, &kernel)?;
    is_refused(&folder, &kernel, "bad shim signature")?;
    // without Secure Boot the changed one starts: it was refused for its signature alone
    kernel_starts(&folder, &kernel, Firmware::Uefi, Bus::Virtio)
}

/// `user.cfg` is read, its password does not keep a machine from booting, and `next_entry` is for once.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn settings_of_the_owner_are_heeded() -> Result<()> {
    if !Tier::allows(Tier::Full, "settings of the boot menu") {
        return Ok(());
    }
    let folder = working_folder("loaders-settings")?;
    let disk = raw(&folder.join("debian"), &debian::layouts()?.gzip, "latest")?;
    let boot = Boot::of(&disk)?;
    boot.write(&folder, "grub2/user.cfg", USER_CFG.as_bytes())?;
    let entry = boot.read(&folder, "loader.1/entries/ostree-1.conf")?;
    let entry = String::from_utf8(entry)?.replace("title ", "title Second ");
    boot.write(&folder, "loader.1/entries/ostree-2.conf", entry.as_bytes())?;
    let mut environment = b"# GRUB Environment Block\nnext_entry=1\n".to_vec();
    environment.resize(1024, b'#');
    boot.write(&folder, "grub2/grubenv", &environment)?;
    for (firmware, expected) in [(Firmware::Uefi, "Debian"), (Firmware::Bios, "Second")] {
        let mut qemu = qemu(&folder, &disk, firmware, Bus::Virtio)?;
        let mut vm = Vm::spawn(qemu.args(["-serial", "stdio"]), &folder, false)?;
        vm.console().wait_for_boot("settings-read", BOOT_TIMEOUT)?;
        vm.console().wait_for("Booting `", BOOT_TIMEOUT)?;
        let title = vm.console().wait_for("'", BOOT_TIMEOUT)?;
        ensure!(title.starts_with(expected), "{firmware:?} boots {title}");
        vm.console().wait_for_boot("Linux version", BOOT_TIMEOUT)?;
        drop(vm);
        let environment = String::from_utf8(boot.read(&folder, "grub2/grubenv")?)?;
        ensure!(!environment.contains("next_entry=1"), "it is still there: {environment}");
    }

    let Some(layout) = tier::forky()? else { return Ok(()) };
    let disk = raw(&folder.join("forky"), &layout, "unsigned")?;
    Boot::of(&disk)?.write(&folder, "grub2/user.cfg", USER_CFG.as_bytes())?;
    kernel_starts(&folder, &disk, Firmware::Uefi, Bus::Virtio)
}

/// A password that nobody knows: salt and hash are made up.
const USER_CFG: &str = "echo settings-read\nset timeout=2\n\
    GRUB2_PASSWORD=grub.pbkdf2.sha512.10000.0123456789ABCDEF0123456789ABCDEF.\
    00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF\
    00112233445566778899AABBCCDDEEFF00112233445566778899AABBCCDDEEFF\n";

fn build(folder: &Path, layout: &Path, tag: &str, options: &[&str]) -> Result<PathBuf> {
    let mut build = Build::new(layout, tag, &KARGS);
    build.options.extend(options.iter().map(|&option| option.to_owned()));
    Ok(build.run(folder, &[Format::Qcow2])?.remove(0))
}

fn raw(folder: &Path, layout: &Path, tag: &str) -> Result<PathBuf> {
    Ok(Build::new(layout, tag, &KARGS).run(folder, &[Format::Raw])?.remove(0))
}

fn kernel_starts(folder: &Path, disk: &Path, firmware: Firmware, bus: Bus) -> Result<()> {
    let mut qemu = qemu(folder, disk, firmware, bus)?;
    let mut vm = Vm::spawn(qemu.args(["-snapshot", "-serial", "stdio"]), folder, false)?;
    let what = || format!("{firmware:?} from {bus:?}");
    vm.console().wait_for_boot("Linux version", BOOT_TIMEOUT).with_context(what)?;
    vm.console().wait_for(OWN_KARG, BOOT_TIMEOUT).with_context(what)?;
    Ok(())
}

/// Waits for the word of refusal; the kernel must not have started before it.
fn is_refused(folder: &Path, disk: &Path, word: &str) -> Result<()> {
    let mut qemu = qemu(folder, disk, Firmware::SecureBoot, Bus::Virtio)?;
    let mut vm = Vm::spawn(qemu.args(["-snapshot", "-serial", "stdio"]), folder, false)?;
    let before = vm.console().wait_for_boot(word, BOOT_TIMEOUT)?;
    ensure!(!before.contains("Linux version"), "the kernel started: {before}");
    Ok(())
}

/// Changes the middle byte of a file on the ESP, which is code.
fn change_on_esp(folder: &Path, raw: &Path, name: &str) -> Result<()> {
    let esp = disk::partition(raw, 2)?.context("no ESP")?;
    let place = format!("{}@@{}", raw.display(), esp.start);
    let copy = folder.join("changed");
    tool(Command::new("mcopy").args(["-n", "-o", "-i", &place, name]).arg(&copy))?;
    let middle = fs::metadata(&copy)?.len() / 2;
    change(&copy, usize::try_from(middle)?)?;
    tool(Command::new("mcopy").args(["-D", "o", "-i", &place]).arg(&copy).arg(name)).map(drop)
}

/// Changes the kernel in `/boot`, in the text that its header has of its version (Linux boot protocol,
/// offset 0x20E): that does no harm.
fn change_kernel(folder: &Path, raw: &Path) -> Result<()> {
    let boot = Boot::of(raw)?;
    let deployment = boot.name("ostree", "default-")?;
    let kernel = boot.name(&deployment, "vmlinuz-")?;
    let mut bytes = boot.read(folder, &kernel)?;
    let at = usize::from(u16::from_le_bytes([bytes[0x20E], bytes[0x20F]])) + 0x200;
    ensure!(bytes[at..].starts_with(b"6."), "no version at {at:#x}");
    bytes[at + 2] ^= 1;
    boot.write(folder, &kernel, &bytes)
}

/// `/boot` of a raw disk, through debugfs.
struct Boot {
    place: String,
}

impl Boot {
    fn of(raw: &Path) -> Result<Self> {
        let root = disk::partition(raw, 3)?.context("no root")?;
        Ok(Self { place: format!("{}?offset={}", raw.display(), root.start) })
    }

    fn debugfs(&self, options: &[&str], request: &str) -> Result<String> {
        tool(Command::new("debugfs").args(options).args(["-R", request, &self.place]))
    }

    /// The first name in a directory that starts so, with the directory.
    fn name(&self, directory: &str, start: &str) -> Result<String> {
        let listing = self.debugfs(&[], &format!("ls -p /boot/{directory}"))?;
        let mut names = listing.split('/').filter(|name| name.starts_with(start));
        let name = names.next().with_context(|| format!("no {start}* in {directory}"))?;
        Ok(format!("{directory}/{name}"))
    }

    fn read(&self, folder: &Path, path: &str) -> Result<Vec<u8>> {
        let copy = folder.join("copy");
        self.debugfs(&[], &format!("dump /boot/{path} {}", copy.display()))?;
        fs::read(&copy).with_context(|| format!("reading {path}"))
    }

    /// Writes a file anew, whether it was there or not.
    fn write(&self, folder: &Path, path: &str, bytes: &[u8]) -> Result<()> {
        let copy = folder.join("copy");
        fs::write(&copy, bytes)?;
        self.debugfs(&["-w"], &format!("rm /boot/{path}"))?;
        self.debugfs(&["-w"], &format!("write {} /boot/{path}", copy.display()))?;
        ensure!(self.read(folder, path)? == bytes, "{path} was not written");
        Ok(())
    }
}

fn change(file: &Path, at: usize) -> Result<()> {
    let mut bytes = fs::read(file)?;
    bytes[at] ^= 1;
    Ok(fs::write(file, bytes)?)
}
