//! A machine made by the product upgrades itself with ostree, and goes back.
//!
//! ```text
//! boot 1   the version from the disk: its /etc is changed, the next version pulled and deployed
//! boot 2   the next version, first in the menu: /etc merged, /var kept; the old one is made default
//! boot 3   the old version as it was left
//! ```
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::next::{self, TITLE};
use bootc_image_fixtures::tier::Tier;
use bootc_image_fixtures::{debian, forky};
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::served::{Served, Version};
use bootc_image_vm_tests::sysroot::Sysroot;
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, working_folder};

const STATEROOT: &str = "default";
const OWN_KARG: &str = "fixture.answer=42";
const GRUB_TIMEOUT: Duration = Duration::from_secs(120);

/// The bridge: GRUB runs the boot entries that ostree writes as scripts.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn debian_upgrades_and_rolls_back() -> Result<()> {
    if !Tier::allows(Tier::Full, "an upgrade of Debian, three boots") {
        return Ok(());
    }
    upgrades_and_rolls_back("debian-upgrade", &debian::layouts()?.gzip, &next::debian()?)
}

/// Composefs images of both versions, SELinux labels, and GRUB's own reader of boot entries.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn forky_upgrades_and_rolls_back() -> Result<()> {
    if !Tier::allows(Tier::Full, "an upgrade of forky, three boots") {
        return Ok(());
    }
    upgrades_and_rolls_back("forky-upgrade", &forky::layout()?, &next::forky()?)
}

fn upgrades_and_rolls_back(name: &str, old: &Path, next: &Path) -> Result<()> {
    let folder = working_folder(name)?;
    let mut kargs = KARGS.to_vec();
    kargs.push(OWN_KARG);
    let disk = |layout, tag, output: &Path| {
        let disks = Build::new(layout, tag, &kargs).run(output, &[Format::Raw])?;
        Ok::<_, anyhow::Error>(disks[0].clone())
    };
    let (old_folder, next_folder) = (folder.join("old"), folder.join("next"));
    let old_disk = disk(old, "latest", &old_folder)?;
    let old = Version::of_disk(&old_disk, STATEROOT, &old_folder)?;
    let next_disk = disk(next, "next", &next_folder)?;
    let next = Version::of_disk(&next_disk, STATEROOT, &next_folder)?;

    let served = next.serve();
    let overlay = Overlay::create(&folder, &old_disk, Format::Raw, None)?;
    let machine = |boot: &str| start(&folder.join(boot), &overlay);

    let mut vm = machine("boot-1")?;
    runs(&mut vm, "derived", &old.commit)?;
    changes_etc_and_var(&mut vm)?;
    let links = boot_links(&mut vm)?;
    pulls_and_deploys(&mut vm, &served, &next)?;
    ensure!(boot_links(&mut vm)? != links, "the boot links are still {links}");
    vm.power_off()?;
    fetched_what_differs(&served, &old, &next)?;

    let mut vm = machine("boot-2")?;
    is_first_in_the_menu(&mut vm, TITLE)?;
    runs(&mut vm, "next", &next.commit)?;
    has_the_next_usr(&mut vm)?;
    has_etc_merged_and_var_kept(&mut vm)?;
    vm.check("echo late >/etc/late.conf && echo late >/var/lib/late")?;
    vm.check("ostree admin set-default 1")?;
    vm.power_off()?;

    let mut vm = machine("boot-3")?;
    is_first_in_the_menu(&mut vm, "Debian")?;
    runs(&mut vm, "derived", &old.commit)?;
    is_as_it_was_left(&mut vm)?;
    vm.power_off()?;
    holds_both(&overlay.flatten()?, &folder.join("mounted"), [&old, &next])
}

/// Switches the machine on, on QEMU's user network.
fn start(folder: &Path, overlay: &Overlay) -> Result<Vm> {
    std::fs::create_dir_all(folder)?;
    let mut qemu = qemu(folder, overlay.path(), Firmware::Uefi, Bus::Virtio)?;
    qemu.args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]);
    Vm::spawn(qemu.args(["-serial", "stdio"]), folder, false)
}

/// GRUB says which entry it boots by itself: the first one of the menu.
fn is_first_in_the_menu(vm: &mut Vm, title: &str) -> Result<()> {
    vm.console().wait_for_boot("Booting `", GRUB_TIMEOUT)?;
    let entry = vm.console().wait_for("'", GRUB_TIMEOUT)?;
    ensure!(entry.starts_with(title) && entry.ends_with("(ostree:0)"), "the menu has {entry}");
    Ok(())
}

/// The version with this marker runs, from this commit, whole and with its kernel arguments.
fn runs(vm: &mut Vm, marker: &str, commit: &str) -> Result<()> {
    let line = vm.wait_for_marker()?;
    ensure!(line.starts_with(&format!("{marker} ")), "marker: {line}");
    vm.login()?;
    let state = vm.run("systemctl is-system-running --wait; systemctl --failed --no-legend")?;
    ensure!(state.text == "running", "the system is {}", state.text);
    let status = vm.check("ostree admin status")?;
    let booted = format!("* {STATEROOT} {commit}.0");
    ensure!(status.lines().any(|line| line.trim_end() == booted), "{booted}, not: {status}");
    let line = vm.check("cat /proc/cmdline")?;
    for karg in KARGS.iter().chain([&OWN_KARG]) {
        ensure!(line.split_whitespace().any(|given| given == *karg), "no {karg} in {line}");
    }
    Ok(())
}

fn changes_etc_and_var(vm: &mut Vm) -> Result<()> {
    vm.check("echo edited >/etc/motd && echo mine >/etc/mine.conf && rm /etc/issue.net")?;
    vm.check("echo kept >/var/lib/kept").map(drop)
}

/// What changes when ostree writes boot entries: where its links point.
fn boot_links(vm: &mut Vm) -> Result<String> {
    vm.check("cd /sysroot && readlink boot/loader ostree/boot.[01]; cd /")
}

fn pulls_and_deploys(vm: &mut Vm, served: &Served, next: &Version) -> Result<()> {
    joins_the_network(vm)?;
    vm.check(&format!("ostree remote add --no-gpg-verify upgrade {}", served.url()))?;
    vm.check(&format!("ostree pull upgrade {}", Version::REF))?;
    vm.check(&format!("ostree admin deploy --os={STATEROOT} upgrade:{}", Version::REF))?;
    let status = vm.check("ostree admin status")?;
    let first = status.lines().next().unwrap_or_default();
    ensure!(first.contains(&format!("{STATEROOT} {}.0", next.commit)), "status: {status}");
    ensure!(status.contains(&format!("upgrade:{}", Version::REF)), "status: {status}");
    Ok(())
}

fn joins_the_network(vm: &mut Vm) -> Result<()> {
    vm.check("mkdir -p /run/systemd/network")?;
    vm.check(
        "printf '[Match]\\nName=e*\\n[Network]\\nAddress=10.0.2.15/24\\n' \
         >/run/systemd/network/user.network",
    )?;
    vm.check("modprobe virtio_net && systemctl start systemd-networkd")?;
    let online = vm.run("/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=120")?;
    if online.status != 0 {
        let state = vm.run("networkctl status --all --no-pager")?;
        anyhow::bail!("no network: {}\n{}", online.text, state.text);
    }
    Ok(())
}

/// Each object that only the next version has, once, and no other.
fn fetched_what_differs(served: &Served, old: &Version, next: &Version) -> Result<()> {
    let (old, next) = (old.objects()?, next.objects()?);
    let expected: Vec<String> = next.difference(&old).cloned().collect();
    let fetched = served.fetched();
    let files = expected.iter().filter(|object| object.ends_with(".filez")).count();
    ensure!(files > 0 && files < 100, "the versions differ in {files} files");
    ensure!(fetched == expected, "fetched: {fetched:#?}\ndifferent: {expected:#?}");
    Ok(())
}

fn has_the_next_usr(vm: &mut Vm) -> Result<()> {
    ensure!(vm.check("hello")? == "hello from the next version");
    ensure!(vm.check("cat /usr/lib/next/only-here")? == "next");
    vm.check("! ls /usr/share/fixture/hl-c 2>/dev/null")?;
    ensure!(vm.check(". /etc/os-release && echo $PRETTY_NAME")? == TITLE);
    Ok(())
}

fn has_etc_merged_and_var_kept(vm: &mut Vm) -> Result<()> {
    let etc = vm.check("cd /etc && cat motd mine.conf fixture.conf next.conf; cd /")?;
    ensure!(etc == "edited\nmine\nanswer=43\narrived", "/etc: {etc}");
    vm.check("! ls /etc/issue.net 2>/dev/null").context("a file removed in /etc is back")?;
    ensure!(vm.check("cat /var/lib/kept")? == "kept");
    Ok(())
}

fn is_as_it_was_left(vm: &mut Vm) -> Result<()> {
    ensure!(vm.check("hello")? == "hello from the derived layer");
    ensure!(vm.check("cat /usr/share/fixture/hl-c")? == "hardlinked");
    let etc = vm.check("cd /etc && cat motd mine.conf fixture.conf; cd /")?;
    ensure!(etc == "edited\nmine\nanswer=42", "/etc: {etc}");
    vm.check("! ls /etc/next.conf /etc/late.conf /etc/issue.net /usr/lib/next 2>/dev/null")?;
    let var = vm.check("cat /var/lib/kept /var/lib/late")?;
    ensure!(var == "kept\nlate", "/var: {var}");
    let fsck = vm.check("ostree fsck")?;
    ensure!(fsck.contains("no errors found"), "ostree fsck says: {fsck}");
    Ok(())
}

/// After all that the disk is sound, has both versions, and the old one comes first.
fn holds_both(raw: &Path, at: &Path, versions: [&Version; 2]) -> Result<()> {
    let root = Sysroot::mount(raw, at)?;
    root.fsck()?;
    let mut commits = versions.map(|version| version.commit.clone());
    commits.sort();
    ensure!(root.deployed(STATEROOT)? == commits, "not both are deployed");
    let entries = root.boot_entries()?;
    let titles: Vec<_> = entries.iter().filter_map(|entry| entry.lines().find(is_title)).collect();
    ensure!(titles.len() == 2 && titles[1].contains(TITLE), "boot entries: {titles:?}");
    ensure!(entries.iter().all(|entry| entry.contains(OWN_KARG)), "{entries:?}");
    Ok(())
}

fn is_title(line: &&str) -> bool {
    line.starts_with("title ")
}
