//! The two versions of the fixture as a machine sees them that upgrades from one to the other, and what
//! it must keep.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::next::TITLE;

use crate::vm::Vm;

/// The stateroot that images without a choice of their own get.
pub const STATEROOT: &str = "default";
const GRUB_TIMEOUT: Duration = Duration::from_secs(120);

/// GRUB says which entry it boots by itself: the first one of the menu.
pub fn is_first_in_the_menu(vm: &mut Vm, title: &str) -> Result<()> {
    vm.console().wait_for_boot("Booting `", GRUB_TIMEOUT)?;
    let entry = vm.console().wait_for("'", GRUB_TIMEOUT)?;
    ensure!(entry.starts_with(title) && entry.ends_with("(ostree:0)"), "the menu has {entry}");
    Ok(())
}

/// The version with this marker runs, from this commit, whole and with these kernel arguments.
pub fn runs(vm: &mut Vm, marker: &str, commit: &str, kargs: &[&str]) -> Result<()> {
    let line = vm.wait_for_marker()?;
    ensure!(line.starts_with(&format!("{marker} ")), "marker: {line}");
    vm.login()?;
    let state = vm.run("systemctl is-system-running --wait; systemctl --failed --no-legend")?;
    ensure!(state.text == "running", "the system is {}", state.text);
    let status = vm.check("ostree admin status")?;
    let booted = format!("* {STATEROOT} {commit}.0");
    ensure!(status.lines().any(|line| line.trim_end() == booted), "{booted}, not: {status}");
    let line = vm.check("cat /proc/cmdline")?;
    for karg in kargs {
        ensure!(line.split_whitespace().any(|given| given == *karg), "no {karg} in {line}");
    }
    Ok(())
}

/// What changes when ostree writes boot entries: where its links point.
pub fn boot_links(vm: &mut Vm) -> Result<String> {
    vm.check("cd /sysroot && readlink boot/loader ostree/boot.[01]; cd /")
}

/// Edits, adds and removes a file in `/etc`, and adds one to `/var`.
pub fn changes_etc_and_var(vm: &mut Vm) -> Result<()> {
    vm.check("echo edited >/etc/motd && echo mine >/etc/mine.conf && rm /etc/issue.net")?;
    vm.check("echo kept >/var/lib/kept").map(drop)
}

/// `/usr` is the next version's.
pub fn has_the_next_usr(vm: &mut Vm) -> Result<()> {
    ensure!(vm.check("hello")? == "hello from the next version");
    ensure!(vm.check("cat /usr/lib/next/only-here")? == "next");
    vm.check("! ls /usr/share/fixture/hl-c 2>/dev/null")?;
    ensure!(vm.check(". /etc/os-release && echo $PRETTY_NAME")? == TITLE);
    Ok(())
}

/// The changes of [`changes_etc_and_var`] are there, and what the next version brings besides.
pub fn has_etc_merged_and_var_kept(vm: &mut Vm) -> Result<()> {
    let etc = vm.check("cd /etc && cat motd mine.conf fixture.conf next.conf; cd /")?;
    ensure!(etc == "edited\nmine\nanswer=43\narrived", "/etc: {etc}");
    vm.check("! ls /etc/issue.net 2>/dev/null").context("a file removed in /etc is back")?;
    ensure!(vm.check("cat /var/lib/kept")? == "kept");
    Ok(())
}
