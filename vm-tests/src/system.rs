//! What is asked of every system that came up.

use anyhow::{Context, Result, ensure};

use crate::vm::Vm;

/// Every unit started.
pub fn is_whole(vm: &mut Vm) -> Result<()> {
    let state = vm.run("systemctl is-system-running --wait")?;
    let failed = vm.check("systemctl --failed --plain --no-legend")?;
    ensure!(failed.is_empty(), "failed units: {failed}");
    ensure!(state.text == "running", "the system is {}", state.text);
    Ok(())
}

/// It runs the first deployment of the default stateroot, which will be updated from `target`.
pub fn is_deployment(vm: &mut Vm, target: &str) -> Result<()> {
    let status = vm.check("ostree admin status")?;
    ensure!(status.starts_with("* default "), "no booted deployment: {status}");
    let origin = vm.check("cat /sysroot/ostree/deploy/default/deploy/*.origin")?;
    ensure!(origin.contains(target), "the origin is: {origin}");
    Ok(())
}

/// Every object of the repository is what its name says.
pub fn has_sound_repository(vm: &mut Vm) -> Result<()> {
    let fsck = vm.check("ostree fsck")?;
    ensure!(fsck.contains("no errors found"), "ostree fsck says: {fsck}");
    Ok(())
}

/// The root is a composefs image of the deployment, and shows the files of the deployment.
pub fn is_composefs(vm: &mut Vm) -> Result<()> {
    let root = vm.check("findmnt -rno SOURCE,FSTYPE,OPTIONS /")?;
    ensure!(root.starts_with("composefs overlay ro,"), "the root is {root}");
    for option in ["lowerdir+=/run/ostree/.private/cfsroot-lower", "/sysroot/ostree/repo/objects"] {
        ensure!(root.contains(option), "the root has no {option}: {root}");
    }
    let refused = vm.run("touch /usr/written")?;
    ensure!(refused.text.contains("Read-only file system"), "/usr: {}", refused.text);
    let booted = "/sysroot/$(sed -E 's/.*ostree=([^ ]+).*/\\1/' /proc/cmdline)";
    vm.check(&format!("diff --recursive --no-dereference /usr {booted}/usr")).map(drop)
}

/// The number of the partition that is the root, from 1.
pub fn root_partition(vm: &mut Vm) -> Result<u64> {
    let device = vm.check("findmnt -nvro SOURCE /sysroot")?;
    let number = device.strip_prefix("/dev/vda").with_context(|| format!("the root: {device}"))?;
    Ok(number.parse()?)
}
