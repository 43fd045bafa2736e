//! A machine made by the product upgrades itself with ostree, and goes back.
//!
//! ```text
//! boot 1   the version from the disk: its /etc is changed, the next version pulled and deployed
//! boot 2   the next version, first in the menu: /etc merged, /var kept; the old one is made default
//! boot 3   the old version as it was left
//! ```
//!
//! Everything is done by the programs in the image; the host only serves files and looks afterwards.
//! The second boot is from BIOS, so that both of a disk's loaders find what the machine wrote.
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use bootc_image_fixtures::next::{self, TITLE};
use bootc_image_fixtures::tier::Tier;
use bootc_image_fixtures::{debian, forky};
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::served::{Served, Version, objects};
use bootc_image_vm_tests::sysroot::{self, Sysroot};
use bootc_image_vm_tests::versions::{
    STATEROOT, boot_links, changes_etc_and_var, has_etc_merged_and_var_kept, has_the_next_usr,
    is_first_in_the_menu, runs,
};
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{KARGS, network, working_folder};

const OWN_KARG: &str = "fixture.answer=42";

/// The bridge: GRUB, signed and composed, runs the boot entries that ostree writes as scripts.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn debian_upgrades_and_rolls_back() -> Result<()> {
    if !Tier::allows(Tier::Full, "an upgrade of Debian, three boots") {
        return Ok(());
    }
    let old = debian::layouts()?.gzip;
    upgrades_and_rolls_back("debian-upgrade", (&old, "latest"), (&next::debian()?, "next"))
}

/// Composefs images of both versions, SELinux labels, and GRUB's own reader of boot entries, composed
/// for both firmwares.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn forky_upgrades_and_rolls_back() -> Result<()> {
    if !Tier::allows(Tier::Full, "an upgrade of forky, three boots") {
        return Ok(());
    }
    let (old, next) = (forky::layout()?, next::forky()?);
    upgrades_and_rolls_back("forky-upgrade", (&old, "unsigned"), (&next, "next-unsigned"))
}

/// A deployment staged as bootc stages it, and the product's own one forgotten: libostree can take
/// away everything that the product wrote.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn debian_stages_and_forgets_where_it_came_from() -> Result<()> {
    if !Tier::allows(Tier::Full, "a staged upgrade of Debian, two boots") {
        return Ok(());
    }
    let old = debian::layouts()?.gzip;
    let upgrade = Upgrade::prepare("debian-staged", (&old, "latest"), (&next::debian()?, "next"))?;
    let mut vm = upgrade.boot(1)?;
    runs(&mut vm, "derived", &upgrade.old.commit, &kargs())?;
    changes_etc_and_var(&mut vm)?;
    let links = boot_links(&mut vm)?;
    upgrade.pull_and_deploy(&mut vm, "--stage")?;
    ensure!(boot_links(&mut vm)? == links, "the boot links changed before the shutdown");
    vm.power_off()?;
    upgrade.fetched_what_differs()?;

    let mut vm = upgrade.boot(2)?;
    is_first_in_the_menu(&mut vm, TITLE)?;
    runs(&mut vm, "next", &upgrade.next.commit, &kargs())?;
    has_etc_merged_and_var_kept(&mut vm)?;
    vm.check("ostree admin undeploy 1")?;
    forgets_the_image(&mut vm)?;
    vm.power_off()?;
    upgrade.disk_holds_the_next_alone()
}

fn upgrades_and_rolls_back(name: &str, old: Image<'_>, next: Image<'_>) -> Result<()> {
    let upgrade = Upgrade::prepare(name, old, next)?;
    let mut vm = upgrade.boot(1)?;
    runs(&mut vm, "derived", &upgrade.old.commit, &kargs())?;
    has_changed_nothing_in_etc(&mut vm)?;
    changes_etc_and_var(&mut vm)?;
    let links = boot_links(&mut vm)?;
    upgrade.pull_and_deploy(&mut vm, "")?;
    ensure!(boot_links(&mut vm)? != links, "the boot links are still {links}");
    vm.power_off()?;
    upgrade.fetched_what_differs()?;

    let mut vm = upgrade.boot_from(Firmware::Bios, 2)?;
    is_first_in_the_menu(&mut vm, TITLE)?;
    runs(&mut vm, "next", &upgrade.next.commit, &kargs())?;
    has_the_next_usr(&mut vm)?;
    has_etc_merged_and_var_kept(&mut vm)?;
    vm.check("echo late >/etc/late.conf && echo late >/var/lib/late")?;
    vm.check("ostree admin set-default 1")?;
    vm.power_off()?;

    let mut vm = upgrade.boot(3)?;
    is_first_in_the_menu(&mut vm, "Debian")?;
    runs(&mut vm, "derived", &upgrade.old.commit, &kargs())?;
    is_as_it_was_left(&mut vm)?;
    vm.power_off()?;
    upgrade.disk_holds_both()
}

/// A layout and a tag.
type Image<'a> = (&'a Path, &'a str);

/// The arguments that the machine was made with, and keeps.
fn kargs() -> Vec<&'static str> {
    KARGS.iter().copied().chain([OWN_KARG]).collect()
}

/// A machine with one version, and the one that it upgrades to.
struct Upgrade {
    folder: PathBuf,
    overlay: Overlay,
    old: Version,
    next: Version,
    served: Served,
}

impl Upgrade {
    fn prepare(name: &str, old: Image<'_>, next: Image<'_>) -> Result<Self> {
        let folder = working_folder(name)?;
        let kargs = kargs();
        let version = |layout: &Path, tag: &str, output: &Path| {
            let disks = Build::new(layout, tag, &kargs).run(output, &[Format::Raw])?;
            Ok::<_, anyhow::Error>((Version::of_disk(&disks[0], STATEROOT, output)?, disks))
        };
        let (old, disks) = version(old.0, old.1, &folder.join("old"))?;
        let (next, _) = version(next.0, next.1, &folder.join("next"))?;
        let overlay = Overlay::create(&folder, &disks[0], Format::Raw, None)?;
        Ok(Self { folder, overlay, old, served: next.serve(), next })
    }

    /// Switches the machine on, on QEMU's user network.
    fn boot(&self, number: u32) -> Result<Vm> {
        self.boot_from(Firmware::Uefi, number)
    }

    fn boot_from(&self, firmware: Firmware, number: u32) -> Result<Vm> {
        let folder = self.folder.join(format!("boot-{number}"));
        std::fs::create_dir(&folder)?;
        let mut qemu = qemu(&folder, self.overlay.path(), firmware, Bus::Virtio)?;
        Vm::spawn(qemu.args(network::OPTIONS).args(["-serial", "stdio"]), &folder, false)
    }

    fn pull_and_deploy(&self, vm: &mut Vm, options: &str) -> Result<()> {
        network::join(vm)?;
        let (url, name) = (self.served.url(), Version::REF);
        vm.check(&format!("ostree remote add --no-gpg-verify upgrade {url}"))?;
        vm.check(&format!("ostree pull upgrade {name}"))?;
        vm.check(&format!("ostree admin deploy {options} --os={STATEROOT} upgrade:{name}"))?;
        let status = vm.check("ostree admin status")?;
        let first = status.lines().next().unwrap_or_default();
        let pending = format!("{STATEROOT} {}.0", self.next.commit);
        ensure!(first.contains(&pending), "{pending} is not first: {status}");
        ensure!(status.contains(&format!("upgrade:{name}")), "no new origin: {status}");
        Ok(())
    }

    /// Each object that only the next version has, once, and no other.
    fn fetched_what_differs(&self) -> Result<()> {
        let (old, next) = (self.old.objects()?, self.next.objects()?);
        let expected: Vec<String> = next.difference(&old).cloned().collect();
        let fetched = self.served.fetched();
        let files = expected.iter().filter(|object| object.ends_with(".filez")).count();
        ensure!(files > 0 && files < 100, "the versions differ in {files} files");
        ensure!(fetched == expected, "fetched: {fetched:#?}\ndifferent: {expected:#?}");
        Ok(())
    }

    /// After all that the disk is sound, has both versions, and the old one comes first.
    fn disk_holds_both(&self) -> Result<()> {
        let root = Sysroot::mount(&self.overlay.flatten()?, &self.folder.join("mounted"))?;
        root.fsck()?;
        let mut commits = [&self.old, &self.next].map(|version| version.commit.clone());
        commits.sort();
        ensure!(root.deployed(STATEROOT)? == commits, "not both are deployed");
        let entries = root.boot_entries()?;
        let titles: Vec<_> = entries.iter().map(|entry| sysroot::title(entry)).collect();
        ensure!(titles.len() == 2 && titles[1].contains(TITLE), "boot entries: {titles:?}");
        ensure!(entries.iter().all(|entry| entry.contains(OWN_KARG)), "{entries:?}");
        Ok(())
    }

    /// The disk is sound and has the next version and not one object more.
    fn disk_holds_the_next_alone(&self) -> Result<()> {
        let root = Sysroot::mount(&self.overlay.flatten()?, &self.folder.join("mounted"))?;
        root.fsck()?;
        ensure!(root.deployed(STATEROOT)? == [self.next.commit.as_str()]);
        let entries = root.boot_entries()?;
        ensure!(entries.len() == 1 && sysroot::title(&entries[0]).contains(TITLE), "{entries:?}");
        let kernels = std::fs::read_dir(root.path().join("boot/ostree"))?.count();
        ensure!(kernels == 1, "{kernels} folders with kernels");
        let left = objects(&root.repo())?;
        let wanted = self.next.objects()?;
        let bare = wanted.iter().map(|object| object.replace(".filez", ".file")).collect();
        let unwanted: Vec<_> = left.difference(&bare).collect();
        ensure!(left == bare, "{} objects are left, not wanted: {unwanted:?}", left.len());
        Ok(())
    }
}

/// A machine that was only booted has but its identity in `/etc`.
fn has_changed_nothing_in_etc(vm: &mut Vm) -> Result<()> {
    let changes = vm.check("ostree admin config-diff")?;
    ensure!(changes == "M    machine-id", "changes in /etc: {changes}");
    Ok(())
}

/// Deletes the refs of the image's layers, and what only they kept.
fn forgets_the_image(vm: &mut Vm) -> Result<()> {
    let repo = "ostree --repo=/sysroot/ostree/repo";
    let refs = vm.check(&format!("{repo} refs --list ostree"))?;
    ensure!(refs.lines().any(|name| name.starts_with("ostree/container/image/")), "refs: {refs}");
    // in a mount namespace of its own, as ostree does it for its own commands
    vm.check(&format!(
        "unshare --mount sh -c 'mount -o remount,rw /sysroot && \
         {repo} refs --delete ostree && {repo} prune --refs-only'"
    ))
    .map(drop)
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
