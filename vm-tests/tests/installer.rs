//! The installer's medium in machines: a disk is installed from it, that disk boots, and nothing else is
//! written to.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bootc_image::fs::iso9660::reader::Image;
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
    fn options(self, bootindex: u8) -> Vec<String> {
        let (bus, device) = match self {
            Self::Cd => (None, "ide-cd"),
            Self::Stick => (Some("qemu-xhci"), "usb-storage"),
        };
        let device = format!("{device},drive=medium,bootindex={bootindex}");
        let devices = bus.map(str::to_owned).into_iter().chain([device]);
        devices.flat_map(|device| ["-device".to_owned(), device]).collect()
    }
}

/// The disk that is installed to.
#[derive(Debug, Clone, Copy)]
struct Target {
    device: &'static str,
    name: &'static str,
}

const VIRTIO: Target =
    Target { device: "virtio-blk-pci,drive=disk,bootindex=2,serial=first", name: "/dev/vda" };
const NVME_4K: Target = Target {
    device: "nvme,drive=disk,serial=first,bootindex=2,logical_block_size=4096,\
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

/// A machine with a medium and a disk.
#[derive(Clone, Copy)]
struct Machine<'a> {
    folder: &'a Path,
    firmware: Firmware,
    medium: (&'a Path, Medium),
    disk: (&'a Path, Target),
}

impl Machine<'_> {
    /// QEMU for it; the medium comes before the disk, after it, or is not there.
    fn qemu(&self, bootindex_of_medium: Option<u8>) -> Result<Command> {
        let mut qemu = diskless(self.folder, self.firmware, 1536)?;
        let (disk, target) = self.disk;
        qemu.arg("-drive")
            .arg(format!("if=none,id=disk,cache=unsafe,format=raw,file={}", disk.display()))
            .args(["-device", target.device]);
        if let Some(bootindex) = bootindex_of_medium {
            let (medium, how) = self.medium;
            let media = if how == Medium::Cd { "media=cdrom," } else { "" };
            let file = medium.display();
            qemu.arg("-drive")
                .arg(format!("if=none,id=medium,readonly=on,format=raw,{media}file={file}"))
                .args(how.options(bootindex));
        }
        qemu.args(["-serial", "stdio"]);
        Ok(qemu)
    }

    /// Starts the installer.
    fn install(&self) -> Result<Vm> {
        let mut vm = Vm::spawn(&mut self.qemu(Some(1))?, self.folder, false)?;
        vm.console().wait_for("bootc-image installer", START)?;
        Ok(vm)
    }

    /// The installed disk comes up by itself, whole.
    fn boots(&self) -> Result<Vm> {
        self.boots_with(false)
    }

    /// The same with the medium still there.
    fn boots_with(&self, has_medium: bool) -> Result<Vm> {
        let mut vm = Vm::spawn(&mut self.qemu(has_medium.then_some(3))?, self.folder, false)?;
        let marker = vm.wait_for_marker()?;
        ensure!(marker.trim_end().ends_with("failed=0"), "{marker}");
        vm.login()?;
        system::is_whole(&mut vm)?;
        system::is_deployment(&mut vm, TARGET)?;
        system::has_sound_repository(&mut vm)?;
        Ok(vm)
    }
}

fn empty_disk(folder: &Path) -> Result<PathBuf> {
    let disk = folder.join("disk.raw");
    File::create(&disk)?.set_len(SIZE)?;
    Ok(disk)
}

/// Options for a medium that does what this file says.
fn medium_with(folder: &Path, install_toml: &str) -> Result<Option<PathBuf>> {
    let config = folder.join("install.toml");
    fs::write(&config, install_toml)?;
    medium(folder, &["--installer-config", config.to_str().context("a path of text")?])
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
    let Some(iso) = medium_with(&folder, install_toml)? else { return Ok(()) };
    let disk = empty_disk(&folder)?;
    let machine = Machine { folder: &folder, firmware, medium: (&iso, how), disk: (&disk, target) };
    let mut vm = machine.install()?;
    let started = vm.uptime();
    vm.console().wait_for(DONE, INSTALL)?;
    tell(&format!("{name}: from the start of the installer to its end"), vm.uptime() - started);
    vm.console().wait_for("reboot: Power down", START)?;
    drop(vm);
    let mut vm = machine.boots()?;
    let log = vm.check("cat /var/log/bootc-image-install.log")?;
    ensure!(log.contains(target.name), "the log of the installation: {log}");
    vm.power_off()
}

#[allow(clippy::print_stderr, reason = "a figure of the test's")]
fn tell(name: &str, took: Duration) {
    eprintln!("{name}: {took:?}");
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

/// Nothing that firmware would start: no partition table at either end.
fn is_without_a_start(disk: &Path) -> Result<()> {
    let disk = File::open(disk)?;
    for at in [0, SIZE - (1 << 20)] {
        let mut bytes = vec![0; 1 << 20];
        disk.read_exact_at(&mut bytes, at)?;
        ensure!(bytes.iter().all(|byte| *byte == 0), "something starts at byte {at}");
    }
    Ok(())
}

/// On a stick, by hand over the serial line: what cannot be installed to is refused, the confirmation
/// must be typed, and a pulled plug leaves nothing that boots.
#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn by_hand_from_a_stick() -> Result<()> {
    if !Tier::allows(Tier::Full, "the installer's questions") {
        return Ok(());
    }
    let folder = working_folder("installer-by-hand")?;
    let Some(iso) = medium(&folder, &[])? else { return Ok(()) };
    let disk = empty_disk(&folder)?;
    let stick = (&*iso, Medium::Stick);
    let machine =
        Machine { folder: &folder, firmware: Firmware::Uefi, medium: stick, disk: (&disk, VIRTIO) };
    let choose = |vm: &mut Vm, confirmation: &str| -> Result<()> {
        vm.console().wait_for("q leaves): ", START)?;
        vm.console().send("/dev/vda\n")?;
        vm.console().wait_for("anything else to go back: ", START)?;
        vm.console().send(confirmation)
    };
    let mut vm = machine.install()?;
    let listed = vm.console().wait_for("number or path", START)?;
    ensure!(listed.contains("/dev/vda") && listed.contains("first"), "{listed}");
    vm.console().wait_for("q leaves): ", START)?;
    vm.console().send("/dev/sda\n")?;
    vm.console().wait_for("is the medium that the installer runs from", START)?;
    choose(&mut vm, "no\n")?;
    vm.console().wait_for("nothing is changed", START)?;
    choose(&mut vm, "yes\n")?;
    vm.console().wait_for("% [====", INSTALL)?;
    drop(vm); // the plug
    is_without_a_start(&disk)?;

    let mut vm = machine.install()?;
    // what was never finished is nobody's data
    choose(&mut vm, "yes\n")?;
    vm.console().wait_for("clearing", START)?;
    let began = vm.uptime();
    vm.console().wait_for(DONE, INSTALL)?;
    let took = vm.uptime() - began;
    drop(vm);
    let mut vm = machine.boots_with(true)?;
    let build = builds_in(&mut vm)?;
    tell("installation in the machine", took);
    tell("build in the same machine", build);
    ensure!(took < build * 3 / 2, "an installation takes {took:?}, a build {build:?}");
    vm.power_off()
}

/// How long the program of the stick takes to build the same disk in the machine.
fn builds_in(vm: &mut Vm) -> Result<Duration> {
    vm.check("mkdir -p /run/stick /var/tmp/build && mount -o ro /dev/sda /run/stick")?;
    vm.check(
        "cd /var/tmp/build && zcat /run/stick/images/pxeboot/initrd.img | cpio -id init; cd /",
    )?;
    let began = vm.uptime();
    vm.check(&format!(
        "/var/tmp/build/init build --type raw --size {SIZE} --target-imgref {TARGET} \
         --output /var/tmp/build oci:/run/stick/container"
    ))?;
    Ok(vm.uptime() - began)
}

/// Changes a bit in the middle of the largest layer; a byte of the same layer before that.
fn scratch_a_layer(medium: &Path) -> Result<u64> {
    const BLOBS: &str = "container/blobs/sha256";
    let file = File::options().read(true).write(true).open(medium)?;
    let image = Image::open(file.try_clone()?)?;
    let mut pieces = Vec::new();
    for name in image.list(BLOBS).context("a medium without an image")? {
        pieces.extend(image.pieces(&format!("{BLOBS}/{name}"))?);
    }
    let layer = pieces.iter().max_by_key(|piece| piece.len).context("a medium without layers")?;
    let (middle, mut byte) = (layer.at.0 + layer.len.0 / 2, [0]);
    file.read_exact_at(&mut byte, middle)?;
    file.write_all_at(&[byte[0] ^ 1], middle)?;
    Ok(layer.at.0 + layer.len.0 / 4)
}

/// The medium with a sector that cannot be read, as QEMU calls it.
fn with_bad_sector(folder: &Path, medium: &Path, byte: u64) -> Result<PathBuf> {
    let rules = folder.join("bad-sector");
    let sector = byte / 512;
    fs::write(
        &rules,
        format!("[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\nsector = \"{sector}\"\n"),
    )?;
    Ok(format!("blkdebug:{}:{}", rules.display(), medium.display()).into())
}

/// With ids that follow from the image the disk is that of a build; a medium with a bad layer is
/// refused, and a disk that holds data is as well.
#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn derived_disks_are_those_of_builds() -> Result<()> {
    if !Tier::allows(Tier::Full, "the installer's disk and a build's") {
        return Ok(());
    }
    let folder = working_folder("installer-derived")?;
    let config = format!("{UNATTENDED}ids = \"derived\"\n");
    let Some(iso) = medium_with(&folder, &config)? else { return Ok(()) };
    let Some(layout) = tier::general()? else { return Ok(()) };
    let disk = empty_disk(&folder)?;
    let machine = Machine {
        folder: &folder,
        firmware: Firmware::Bios,
        medium: (&iso, Medium::Cd),
        disk: (&disk, VIRTIO),
    };
    let mut vm = machine.install()?;
    vm.console().wait_for(DONE, INSTALL)?;
    vm.console().wait_for("reboot: Power down", START)?;
    drop(vm);
    let mut build = Command::new(product::binary()?);
    build.args(["build", "--quiet", "--type", "raw", "--target-imgref", TARGET, "--size"]);
    build.arg(SIZE.to_string()).args(KARGS.iter().flat_map(|karg| ["--karg", karg]));
    build.arg("--output").arg(&folder).arg(format!("oci:{}:latest", layout.display()));
    tool(&mut build)?;
    tool(Command::new("cmp").arg(&disk).arg(folder.join("image/disk.raw")))?;

    let mut vm = machine.install()?;
    vm.console().wait_for("holds data", START)?;
    vm.console().wait_for("retry, log, reboot or poweroff", START)?;
    drop(vm);
    tool(Command::new("cmp").arg(&disk).arg(folder.join("image/disk.raw")))?;

    tool(
        Command::new(product::binary()?)
            .args(["iso", "customize"])
            .arg(&iso)
            .args(["--karg", "bootc-image.install.wipe"]),
    )?;
    let before = scratch_a_layer(&iso)?;
    let bad = with_bad_sector(&folder, &iso, before)?;
    for (medium, words) in [(&iso, "corrupt"), (&bad, "error")] {
        let machine = Machine { medium: (medium, Medium::Cd), ..machine };
        let mut vm = machine.install()?;
        vm.console().wait_for("installation failed", INSTALL)?;
        let said = vm.console().wait_for("retry, log, reboot or poweroff", START)?;
        ensure!(said.contains("layer") && said.contains(words), "no `{words}`: {said}");
        drop(vm);
        is_without_a_start(&disk)?;
    }
    Ok(())
}
