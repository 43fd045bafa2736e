//! Disks whose partitions were wished for boot, mount everything, and take another deployment.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bootc_image::pipeline;
use bootc_image::pipeline::request::Request;
use bootc_image::plan::types::DiskType;
use bootc_image::progress::{Cancel, Reporter, Silent};
use bootc_image::registry::{Reference, TargetRef};
use bootc_image::settings::disk::{
    DiskLayout, FileSystemKind, FileSystemWish, Mounts, PartitionTable, PartitionWish, Payload,
};
use bootc_image::spec::Arch;
use bootc_image::units::{ByteLen, MIB};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::disk::{self, Format, Overlay};
use bootc_image_vm_tests::product::artifact;
use bootc_image_vm_tests::vm::{Firmware, Vm};
use bootc_image_vm_tests::{KARGS, system, working_folder};

const TARGET: &str = "registry.example/fixture/os:stable";

fn partition(payload: Payload, mib: u64) -> PartitionWish {
    PartitionWish { min_size: Some(ByteLen(mib * MIB)), payload, ..PartitionWish::default() }
}

fn ext4(mountpoint: &str, mib: u64) -> PartitionWish {
    let fs = FileSystemWish {
        kind: FileSystemKind::Ext4,
        mountpoint: Some(mountpoint.to_owned()),
        label: None,
        uuid: None,
        options: None,
    };
    partition(Payload::FileSystem(fs), mib)
}

fn build(folder: &Path, partitions: Vec<PartitionWish>, mounts: Mounts) -> Result<PathBuf> {
    let source_text = format!("oci:{}:latest", debian::layouts()?.gzip.display());
    let table = PartitionTable { partitions, mounts, ..PartitionTable::default() };
    let request = Request {
        target: Some(TargetRef::parse(TARGET)?),
        types: vec![DiskType::Raw],
        output: folder.to_owned(),
        layout: Some(DiskLayout::Partitions(table)),
        kargs: KARGS.iter().map(|&karg| karg.to_owned()).collect(),
        threads: 2,
        ..Request::new(Reference::parse(&source_text)?, source_text, Arch::X86_64)
    };
    let reporter: Arc<dyn Reporter> = Arc::new(Silent);
    pipeline::build(&request, &reporter, &Cancel::default())?;
    artifact(folder, Format::Raw)
}

/// Where something is mounted: device, type and whether it may be written.
fn mounted(vm: &mut Vm, place: &str) -> Result<String> {
    let found = vm.check(&format!("findmnt -nro SOURCE,FSTYPE,OPTIONS --mountpoint {place}"))?;
    let found = found.lines().last().unwrap_or_default();
    let mut fields = found.split([' ', ',']);
    let fields: Vec<&str> = fields.by_ref().take(3).collect();
    Ok(fields.join(" "))
}

/// `/boot`, data and swap on partitions of their own. From UEFI the system deploys its commit again,
/// which writes other boot entries; from BIOS these are read.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn boot_data_and_swap_have_partitions() -> Result<()> {
    if !Tier::allows(Tier::Full, "a disk with a /boot of its own, two boots") {
        return Ok(());
    }
    let folder = working_folder("layouts")?;
    let swap = Payload::Swap { label: "swapped".to_owned() };
    let wish = vec![ext4("/boot", 512), ext4("/var/lib/data", 200), partition(swap, 128)];
    let raw = build(&folder, wish, Mounts::Units)?;
    let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;

    let mut vm = Vm::start(&folder, overlay.path(), Firmware::Uefi)?;
    vm.login()?;
    is_as_wished(&mut vm)?;
    system::is_deployment(&mut vm, TARGET)?;
    system::has_sound_repository(&mut vm)?;
    vm.check("echo kept >/var/lib/data/kept")?;
    let commit =
        vm.check("ostree admin status | sed -n '1s/^[* ]*default \\([0-9a-f]*\\).*/\\1/p'")?;
    vm.check(&format!("ostree admin deploy --os=default --karg-append=again=1 {commit}"))?;
    ensure!(vm.check("readlink /boot/loader")? == "loader.0", "the entries are the old ones");
    let entries = vm.check("ls -1 /boot/loader/entries")?;
    ensure!(entries.lines().count() == 2, "entries: {entries}");
    vm.power_off()?;

    let mut vm = Vm::start(&folder, overlay.path(), Firmware::Bios)?;
    vm.login()?;
    is_as_wished(&mut vm)?;
    let line = vm.check("cat /proc/cmdline")?;
    ensure!(line.contains("again=1"), "not the new entry: {line}");
    ensure!(vm.check("cat /var/lib/data/kept")? == "kept");
    vm.power_off()?;

    let raw = overlay.flatten()?;
    for number in [3, 4, 6] {
        let partition = disk::partition(&raw, number)?.context("no partition")?;
        disk::check_ext4(&raw, partition.start).with_context(|| number.to_string())?;
    }
    Ok(())
}

fn is_as_wished(vm: &mut Vm) -> Result<()> {
    system::is_whole(vm)?;
    ensure!(mounted(vm, "/boot")? == "/dev/vda3 ext4 ro", "{}", mounted(vm, "/boot")?);
    let data = mounted(vm, "/var/lib/data")?;
    ensure!(data == "/dev/vda4 ext4 rw", "{data}");
    let swap = vm.check("swapon --show=NAME,SIZE --noheadings --bytes --raw")?;
    ensure!(swap == format!("/dev/vda5 {}", (128 << 20) - 4096), "swap: {swap}");
    ensure!(system::root_partition(vm)? == 6, "another root");
    let states =
        vm.check("systemctl is-enabled var-lib-data.mount && systemctl is-active swap.target")?;
    ensure!(states == "enabled\nactive", "units: {states}");
    Ok(())
}

/// `/var` on a partition of its own, by fstab, with what the image has in it.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn var_has_a_partition() -> Result<()> {
    if !Tier::allows(Tier::Full, "a disk with a /var of its own") {
        return Ok(());
    }
    for (name, mounts) in [("layouts-var", Mounts::Units), ("layouts-fstab", Mounts::Fstab)] {
        let folder = working_folder(name)?;
        let raw = build(&folder, vec![ext4("/var", 1024)], mounts)?;
        let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
        let mut vm = Vm::start(&folder, overlay.path(), Firmware::Uefi)?;
        vm.login()?;
        system::is_whole(&mut vm)?;
        let var = mounted(&mut vm, "/var")?;
        ensure!(var == "/dev/vda3 ext4 rw", "{name}: {var}");
        ensure!(system::root_partition(&mut vm)? == 4, "another root");
        vm.check("test -d /var/lib/dpkg -o -d /var/lib/systemd && echo x >/var/written")?;
        let left = vm.check("ls -A /sysroot/ostree/deploy/default/var")?;
        ensure!(left == ".ostree-selabeled", "{name}: {left}");
        vm.power_off()?;
        let raw = overlay.flatten()?;
        for number in [3, 4] {
            let partition = disk::partition(&raw, number)?.context("no partition")?;
            disk::check_ext4(&raw, partition.start)?;
        }
    }
    Ok(())
}
