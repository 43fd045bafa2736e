//! SELinux as the running system sees it: is the policy loaded, does it agree with the labels, and what
//! did it deny.

use anyhow::{Context, Result, ensure};

use crate::vm::Vm;

/// Kernel arguments that switch SELinux on and let every denial be found: without a limit to the
/// kernel's messages none gets lost.
///
/// Denials are told, not enforced. Enforced, Debian's policy boots without a failed unit, but knows
/// nothing of ostree: its generator may not look at links in `/boot`, so that `/boot` is not mounted, and
/// what fills `/var` may not create there.
const KARGS: &[&str] =
    &["selinux=1", "enforcing=0", "audit=1", "sysctl.kernel.printk_ratelimit=0", "log_buf_len=8M"];

/// All arguments of a machine with SELinux: the usual ones, which switch auditing off, are bent.
pub fn kargs() -> Vec<&'static str> {
    let usual = crate::KARGS.iter().filter(|karg| **karg != "audit=0");
    usual.chain(KARGS).copied().collect()
}

/// The arguments of a machine that enforces its policy.
pub fn enforcing_kargs() -> Vec<&'static str> {
    let enforce = |karg| if karg == "enforcing=0" { "enforcing=1" } else { karg };
    kargs().into_iter().map(enforce).collect()
}

/// The image's policy is loaded, and tells.
pub fn is_on(vm: &mut Vm) -> Result<()> {
    let mount = vm.check("findmnt -nro FSTYPE /sys/fs/selinux")?;
    ensure!(mount == "selinuxfs", "/sys/fs/selinux is {mount}");
    let mode = vm.check("getenforce")?;
    ensure!(mode == "Permissive", "SELinux is {mode}");
    let status = vm.check("sestatus")?;
    ensure!(status.contains("Loaded policy name:             default"), "sestatus: {status}");
    let init = vm.check("tr -d '\\0' </proc/1/attr/current")?;
    ensure!(init == "system_u:system_r:init_t:s0", "init runs as {init}");
    Ok(())
}

/// What `restorecon` would change on the file systems that we made, but for what is [`known`].
pub fn wrong_labels(vm: &mut Vm) -> Result<Vec<String>> {
    let found = vm.check("restorecon -n -v -F -R -x / /etc /var /boot")?;
    let lines = found.lines().filter(|line| !line.is_empty());
    let wrong = lines.map(|line| {
        let change = line.strip_prefix("Would relabel ").with_context(|| found.clone())?;
        Ok((!known(change)).then(|| change.to_owned()))
    });
    wrong.filter_map(Result::transpose).collect()
}

/// Labels that are not the policy's, because upstream's installer leaves them so: a kernel in `/boot`
/// is a further name of the object in `/usr/lib/modules`; the stamp has its label by its physical path.
fn known(change: &str) -> bool {
    let is_kernel =
        change.starts_with("/boot/ostree/default-") && change.contains(":modules_object_t:");
    is_kernel || change.starts_with("/var/.ostree-selabeled ")
}

/// Every inode of the disk has a label, one that the policy knows, and nothing was denied for want
/// of one.
pub fn has_all_labels(vm: &mut Vm) -> Result<()> {
    let count: u64 = vm.check("find /sysroot -xdev -context '*_t:s0' | wc -l")?.trim().parse()?;
    ensure!(count > 10_000, "only {count} labelled inodes in /sysroot");
    let unlabelled = vm.check("find /sysroot / -xdev -context '*:unlabeled_t:*'")?;
    ensure!(unlabelled.is_empty(), "no label, or an unknown one: {unlabelled}");
    let log = vm.run("dmesg | grep -E 'avc: .*unlabeled_t|SELinux: .*(invalid|unmapped)'")?;
    ensure!(log.text.is_empty(), "denials: {}", log.text);
    vm.check("dmesg | grep -q 'audit: type=1403 '")
        .context("the policy's audit record is lost")
        .map(drop)
}
