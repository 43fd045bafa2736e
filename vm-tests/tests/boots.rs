//! The whole promise: an image becomes a disk, the disk boots, and the system is what was asked for.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::debian;
use bootc_image_vm_tests::disk::{self, Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Firmware, Vm};
use bootc_image_vm_tests::{KARGS, system, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";
const GROWTH: u64 = 6 << 30;

/// A qcow2 from gzip layers, on UEFI: all that the first issue promises, in one boot.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn debian_boots_on_uefi() -> Result<()> {
    let folder = working_folder("debian-uefi")?;
    let mut kargs = KARGS.to_vec();
    kargs.push("fixture.answer=42");
    let mut build = Build::new(&debian::layouts()?.gzip, "latest", &kargs);
    build.options.extend(["--target-imgref".into(), TARGET.into()]);
    let disks = build.run(&folder, &[Format::Qcow2, Format::Raw])?;

    let size = disk::virtual_size(&disks[0])?;
    ensure!(size == disk::virtual_size(&disks[1])?, "qcow2 and raw differ in size");
    let overlay = Overlay::create(&folder, &disks[0], Format::Qcow2, Some(size + GROWTH))?;
    let mut vm = Vm::start(&folder, overlay.path(), Firmware::Uefi)?;
    let marker = vm.wait_for_marker()?;
    ensure!(marker.starts_with("derived ") && marker.contains(" fw=uefi "), "marker: {marker}");
    vm.login()?;
    system::is_whole(&mut vm)?;
    system::is_deployment(&mut vm, TARGET)?;
    system::has_sound_repository(&mut vm)?;
    has_the_kernel_arguments(&mut vm, &kargs)?;
    writes_where_it_may(&mut vm)?;
    has_the_derived_layer(&mut vm)?;
    let root = grows_online(&mut vm)?;
    vm.power_off()?;

    let raw = overlay.flatten()?;
    let partition = disk::partition(&raw, root)?.context("the root is no partition")?;
    ensure!(partition.start + partition.size + (2 << 20) > size + GROWTH, "{partition:?}");
    disk::check_ext4(&raw, partition.start)
}

/// The raw disk, from zstd layers, with Secure Boot on: shim, GRUB and kernel are accepted.
#[test]
#[ignore = "boots a VM: cargo xtask test"]
fn debian_boots_with_secure_boot() -> Result<()> {
    let folder = working_folder("debian-secure-boot")?;
    let build = Build::new(&debian::layouts()?.zstd, "latest", KARGS);
    let disks = build.run(&folder, &[Format::Raw])?;
    let overlay = Overlay::create(&folder, &disks[0], Format::Raw, None)?;
    let mut vm = Vm::start(&folder, overlay.path(), Firmware::SecureBoot)?;
    let marker = vm.wait_for_marker()?;
    ensure!(
        marker.contains(" secureboot=1 ") && marker.trim_end().ends_with("failed=0"),
        "{marker}"
    );
    vm.login()?;
    system::is_whole(&mut vm)?;
    let root = system::root_partition(&mut vm)?;
    vm.power_off()?;

    let raw = overlay.flatten()?;
    let partition = disk::partition(&raw, root)?.context("the root is no partition")?;
    disk::check_ext4(&raw, partition.start)
}

fn has_the_kernel_arguments(vm: &mut Vm, kargs: &[&str]) -> Result<()> {
    let line = vm.check("cat /proc/cmdline")?;
    let given: Vec<&str> = line.split_whitespace().collect();
    for karg in kargs {
        ensure!(given.contains(karg), "{karg} is missing in: {line}");
    }
    ensure!(given.iter().any(|karg| karg.starts_with("ostree=/ostree/boot.")), "{line}");
    Ok(())
}

fn writes_where_it_may(vm: &mut Vm) -> Result<()> {
    vm.check("echo x >/etc/written && echo x >/var/written && echo x >/root/written")?;
    let refused = vm.run("touch /usr/written")?;
    ensure!(refused.status != 0, "/usr can be written");
    ensure!(refused.text.contains("Read-only file system"), "/usr: {}", refused.text);
    Ok(())
}

fn has_the_derived_layer(vm: &mut Vm) -> Result<()> {
    ensure!(vm.check("hello")? == "hello from the derived layer");
    vm.check("fixture-cap && fixture-suid && fixture-sgid")?;
    let modes = vm.check("stat -c '%a %u:%g' /usr/bin/fixture-suid /usr/bin/fixture-sgid")?;
    ensure!(modes == "4755 0:0\n2755 0:8", "modes: {modes}");
    let files = vm.check(
        "cd /usr/share/fixture && cat marker olddir/* dir-to-file file-to-dir/y hl-b hl-c ünïcödé /etc/motd; cd /",
    )?;
    ensure!(
        files == "derived\nnew\nnow a file\nnew\nhardlinked\nhardlinked\nu\nderived motd",
        "files: {files}"
    );
    vm.check("! ls -d /usr/share/fixture/removed /usr/share/fixture/gonedir 2>/dev/null")?;
    vm.check("! find /usr /etc -name '.wh.*' | grep .").map(drop)
}

/// Takes the disk's new space for the root, as a machine in use would; returns root's partition.
fn grows_online(vm: &mut Vm) -> Result<u64> {
    let before: u64 = vm.check("findmnt -bnro SIZE /sysroot")?.parse()?;
    let number = system::root_partition(vm)?;
    vm.check(&format!(
        "echo ', +' | sfdisk --force --no-reread --no-tell-kernel -N {number} /dev/vda"
    ))?;
    vm.check(&format!("partx --update --nr {number} /dev/vda"))?;
    // /sysroot is mounted read-only; in a mount namespace of its own it may be writable for a moment
    vm.check(&format!(
        "unshare --mount sh -c 'mount -o remount,rw /sysroot && resize2fs /dev/vda{number}'"
    ))?;
    let after: u64 = vm.check("findmnt -bnro SIZE /sysroot")?.parse()?;
    ensure!(after > before + GROWTH / 10 * 9, "the root grew from {before} to {after} bytes");
    vm.check("dd if=/dev/zero of=/var/fill bs=1M count=64 conv=fsync status=none && rm /var/fill")?;
    Ok(number)
}
