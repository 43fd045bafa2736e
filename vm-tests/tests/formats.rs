//! Every type boots: from the very file where QEMU reads it, else from what a standard tool unpacks.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::debian;
use bootc_image_fixtures::tier::Tier;
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::vm::{Firmware, Vm};
use bootc_image_vm_tests::{KARGS, tool, working_folder};

const TYPES: &str = "qcow2,vmdk,ova,vhd,vhdx,gce,containerdisk,raw.zst";

#[test]
#[ignore = "boots VMs: cargo xtask test --full"]
fn every_type_boots() -> Result<()> {
    if !Tier::allows(Tier::Full, "eight types of disks, a boot of each") {
        return Ok(());
    }
    let folder = working_folder("formats")?;
    let kargs = [KARGS, &["test.quiet", "test.poweroff"]].concat();
    let mut build = Build::new(&debian::layouts()?.gzip, "latest", &kargs);
    build.options = vec!["--type".into(), TYPES.into()];
    tool(&mut build.command(&folder, &[])?)?;
    let unpacked = |name: &str| folder.join("unpacked").join(name);
    fs::create_dir(unpacked(""))?;
    let tar = |archive: &str, member: &str| -> Result<PathBuf> {
        let mut tar = Command::new("tar");
        tar.arg("-xSf").arg(folder.join(archive)).arg("-C").arg(unpacked("")).arg(member);
        tool(&mut tar)?;
        Ok(unpacked(member))
    };
    boots(&folder, "qcow2", &folder.join("qcow2/disk.qcow2"), Format::Qcow2)?;
    boots(&folder, "vmdk", &folder.join("vmdk/disk.vmdk"), Format::Vmdk)?;
    boots(&folder, "vhd", &folder.join("vpc/disk.vhd"), Format::Vhd)?;
    boots(&folder, "vhdx", &folder.join("vhdx/disk.vhdx"), Format::Vhdx)?;
    boots(&folder, "ova", &tar("archive/image.ova", "image.vmdk")?, Format::Vmdk)?;
    boots(&folder, "gce", &tar("gce/image.tar.gz", "disk.raw")?, Format::Raw)?;
    let raw = unpacked("zst.raw");
    let compressed = folder.join("image/disk.raw.zst");
    tool(Command::new("zstd").args(["-dq", "--sparse", "-o"]).arg(&raw).arg(compressed))?;
    boots(&folder, "raw.zst", &raw, Format::Raw)?;
    boots(&folder, "containerdisk", &contained(&folder, &unpacked(""))?, Format::Qcow2)
}

/// The disk in the only layer of the containerDisk.
fn contained(folder: &Path, out: &Path) -> Result<PathBuf> {
    let layout = format!("oci:{}", folder.join("containerdisk").display());
    let inspected = tool(Command::new("skopeo").args(["inspect", "--raw", &layout]))?;
    let manifest: serde_json::Value = serde_json::from_str(&inspected)?;
    let digest = manifest["layers"][0]["digest"].as_str().context("no layer")?;
    let blob = folder.join("containerdisk/blobs").join(digest.replace(':', "/"));
    tool(Command::new("tar").arg("-xzf").arg(blob).arg("-C").arg(out))?;
    Ok(out.join("disk/disk.qcow2"))
}

fn boots(folder: &Path, name: &str, disk: &Path, format: Format) -> Result<()> {
    let overlay = Overlay::create(folder, disk, format, None)?;
    let mut vm = Vm::start(folder, overlay.path(), Firmware::Uefi).context(name.to_owned())?;
    let marker = vm.wait_for_marker().with_context(|| name.to_owned())?;
    ensure!(marker.trim_end().ends_with("failed=0"), "{name}: {marker}");
    Ok(())
}
