//! Systems of other makes than [`boots`](../boots.rs): composefs, SELinux, commits in chunks, and boot
//! loaders that bootupd's payload brings.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{self, Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Firmware, Vm};
use bootc_image_vm_tests::{KARGS, selinux, system, tool, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";

/// Where everything is new at once, and so the one of these machines that every change must boot: a
/// commit in chunks and two layers above it, composefs, and a policy that tells of denials.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn chunked_image_boots_with_composefs_and_selinux() -> Result<()> {
    let Some(layout) = tier::chunked()? else { return Ok(()) };
    labelled_system_boots("chunked", &layout, has_both_derived_layers)
}

/// The same system from ordinary layers.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn layered_image_boots_with_composefs_and_selinux() -> Result<()> {
    if !Tier::allows(Tier::Full, "composefs and SELinux from ordinary layers") {
        return Ok(());
    }
    let Some(layout) = tier::forky()? else { return Ok(()) };
    labelled_system_boots("layered", &layout, system::has_sound_repository)
}

/// The policy enforced, as far as Debian's can be on a system of ostree's.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn policy_is_enforced() -> Result<()> {
    if !Tier::allows(Tier::Full, "a policy that is enforced") {
        return Ok(());
    }
    let Some(layout) = tier::forky()? else { return Ok(()) };
    let folder = working_folder("enforcing")?;
    let raw = Build::new(&layout, "latest", &selinux::enforcing_kargs())
        .run(&folder, &[Format::Raw])?
        .remove(0);
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    let mut vm = Vm::start(&folder, overlay.path(), Firmware::Uefi)?;
    let marker = vm.wait_for_marker()?;
    ensure!(marker.trim_end().ends_with("failed=0"), "marker: {marker}");
    vm.login()?;
    ensure!(vm.check("getenforce")? == "Enforcing");
    system::is_whole(&mut vm)?;
    selinux::has_all_labels(&mut vm)?;
    vm.power_off()
}

/// The checks above see a label that is wrong, in the composefs image and on the disk, and one that is
/// missing.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn wrong_labels_are_seen() -> Result<()> {
    if !Tier::allows(Tier::Full, "wrong labels in a machine") {
        return Ok(());
    }
    let Some(layout) = tier::chunked()? else { return Ok(()) };
    let folder = working_folder("wrong-labels")?;
    let raw = build(&folder, &layout, &selinux::kargs())?;
    spoil_labels(&folder, &raw)?;
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    boot(&folder, &overlay, Firmware::Uefi, |vm| {
        let mut wrong = selinux::wrong_labels(vm)?;
        wrong.sort();
        let expected = [
            "/etc/motd from system_u:object_r:shadow_t:s0 to system_u:object_r:etc_t:s0",
            "/usr/sbin/sulogin from system_u:object_r:dirmngr_exec_t:s0 to system_u:object_r:sulogin_exec_t:s0",
        ];
        ensure!(wrong == expected, "{wrong:#?}");
        let missing = selinux::has_all_labels(vm).err().context("the lost label is not missed")?;
        ensure!(missing.to_string().trim_end().ends_with("/.ostree.cfs"), "{missing}");
        Ok(())
    })
    .map(drop)
}

/// Shim, GRUB and configuration from bootupd's payload, as Secure Boot has them.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn bootupd_payload_boots_with_secure_boot() -> Result<()> {
    if !Tier::allows(Tier::Full, "a boot loader of bootupd's payload") {
        return Ok(());
    }
    let Some(layout) = tier::bootupd()? else { return Ok(()) };
    let folder = working_folder("bootupd")?;
    let raw = build(&folder, &layout, KARGS)?;
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    let root = boot(&folder, &overlay, Firmware::SecureBoot, |vm| {
        vm.check("mkdir -p /run/esp && mount -r /dev/vda2 /run/esp")?;
        let updates = "/usr/lib/bootupd/updates/EFI";
        vm.check(&format!("diff --recursive /run/esp/EFI/BOOT {updates}/BOOT"))?;
        vm.check(&format!("cmp /run/esp/EFI/debian/grubx64.efi {updates}/debian/grubx64.efi"))?;
        system::has_sound_repository(vm)
    })?;
    is_clean(&overlay, root)
}

/// Boots a system with composefs and SELinux, looks at both and then at what is its own.
fn labelled_system_boots(
    name: &str,
    layout: &Path,
    look: impl FnOnce(&mut Vm) -> Result<()>,
) -> Result<()> {
    let folder = working_folder(name)?;
    let raw = build(&folder, layout, &selinux::kargs())?;
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
    let root = boot(&folder, &overlay, Firmware::Uefi, |vm| {
        system::is_composefs(vm)?;
        selinux::is_on(vm)?;
        is_labelled(vm)?;
        look(vm)
    })?;
    is_clean(&overlay, root)
}

/// A raw disk of the image `latest` with these kernel arguments.
fn build(folder: &Path, layout: &Path, kargs: &[&str]) -> Result<PathBuf> {
    let mut build = Build::new(layout, "latest", kargs);
    build.options.extend(["--target-imgref".into(), TARGET.into()]);
    Ok(build.run(folder, &[Format::Raw])?.remove(0))
}

/// Boots the disk and looks around; returns the number of root's partition. What the machine said is
/// part of an error.
fn boot(
    folder: &Path,
    overlay: &Overlay,
    firmware: Firmware,
    look: impl FnOnce(&mut Vm) -> Result<()>,
) -> Result<u64> {
    let mut vm = Vm::start(folder, overlay.path(), firmware)?;
    let root = tour(&mut vm, firmware, look);
    let root = root.with_context(|| vm.console().transcript())?;
    vm.power_off()?;
    Ok(root)
}

fn tour(vm: &mut Vm, firmware: Firmware, look: impl FnOnce(&mut Vm) -> Result<()>) -> Result<u64> {
    let marker = vm.wait_for_marker()?;
    let secure = if firmware == Firmware::SecureBoot { "secureboot=1" } else { "secureboot=0" };
    let mut words = marker.split_whitespace();
    ensure!(words.next() == Some("derived"), "marker: {marker}");
    for expected in ["fw=uefi", secure, "failed=0"] {
        ensure!(words.clone().any(|word| word == expected), "no {expected}: {marker}");
    }
    vm.login()?;
    system::is_whole(vm)?;
    system::is_deployment(vm, TARGET)?;
    look(vm)?;
    system::root_partition(vm)
}

fn is_labelled(vm: &mut Vm) -> Result<()> {
    let wrong = selinux::wrong_labels(vm)?;
    ensure!(wrong.is_empty(), "{} wrong labels: {wrong:#?}", wrong.len());
    selinux::has_all_labels(vm)
}

/// What the second derived layer changed in the layers below it, and what it brings to `/opt`.
fn has_both_derived_layers(vm: &mut Vm) -> Result<()> {
    let files = vm.check(
        "cat /etc/fixture.conf /etc/second.conf /opt/fixture/data '/usr/share/fixture/with space'",
    )?;
    ensure!(files == "answer=43\nsecond\noptional\nreplaced", "files: {files}");
    vm.check("/opt/fixture/bin/tool && fixture-cap")?;
    let gone =
        "/usr/share/fixture/dangling /usr/lib/tmpfiles.d/legacy.conf /usr/share/fixture/removed";
    vm.check(&format!("! stat {gone} 2>/dev/null | grep File:")).map(drop)
}

fn is_clean(overlay: &Overlay, root: u64) -> Result<()> {
    let raw = overlay.flatten()?;
    let partition = disk::partition(&raw, root)?.context("the root is no partition")?;
    disk::check_ext4(&raw, partition.start)
}

/// Gives `/etc/motd` and, in the composefs image, `/usr/sbin/sulogin` labels of other files. The image
/// loses its own label.
fn spoil_labels(folder: &Path, raw: &Path) -> Result<()> {
    let start = disk::partition(raw, 3)?.context("no third partition")?.start;
    let place = format!("{}?offset={start}", raw.display());
    let debugfs = |request: &str| tool(Command::new("debugfs").args(["-R", request, &place]));
    let listing = debugfs("ls -p /ostree/deploy/default/deploy")?;
    let name = listing.split('/').find(|name| name.ends_with(".0")).context("no deployment")?;
    let deployment = format!("/ostree/deploy/default/deploy/{name}");

    let image = folder.join("composefs");
    debugfs(&format!("dump {deployment}/.ostree.cfs {}", image.display()))?;
    let mut bytes = fs::read(&image)?;
    let (right, wrong) = (b":sulogin_exec_t:s0", b":dirmngr_exec_t:s0");
    let mut places = bytes.windows(right.len()).enumerate().filter(|(_, label)| label == right);
    let at = places.next().context("no label of sulogin")?.0;
    ensure!(places.next().is_none(), "several programs have the label of sulogin");
    bytes[at..at + wrong.len()].copy_from_slice(wrong);
    fs::write(&image, bytes)?;

    let requests = folder.join("requests");
    let text = format!(
        "cd {deployment}\nrm .ostree.cfs\nwrite {} .ostree.cfs\n\
         ea_set etc/motd security.selinux system_u:object_r:shadow_t:s0\n",
        image.display()
    );
    fs::write(&requests, text)?;
    tool(Command::new("debugfs").args(["-w", "-f"]).arg(&requests).arg(&place)).map(drop)
}
