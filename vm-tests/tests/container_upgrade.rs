//! A machine made by the product upgrades itself as images are upgraded: upstream's importer fetches the
//! new layer of the image in the origin from a registry, and stages what comes of it.
//!
//! The image is a commit in chunks, because the importer as it was published takes no other.
//!
//! ```text
//!  layout ─► registry on loopback ─► product ─► disk ─► boot 1   the tag is as installed; it moves on,
//!                │                                               and the next version is staged
//!                └◄──── 10.0.2.2: skopeo and the importer ────── boot 2   the next version
//! ```
#![allow(clippy::disallowed_methods, reason = "tests run other programs")]

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use bootc_image_fixtures::next::TITLE;
use bootc_image_fixtures::registry::{Repository, Server};
use bootc_image_fixtures::second_client;
use bootc_image_fixtures::tier::{self, Tier};
use bootc_image_vm_tests::disk::{Format, Overlay};
use bootc_image_vm_tests::product::Build;
use bootc_image_vm_tests::sysroot::{self, Sysroot};
use bootc_image_vm_tests::versions::{
    STATEROOT, boot_links, changes_etc_and_var, has_etc_merged_and_var_kept, has_the_next_usr,
    is_first_in_the_menu, runs,
};
use bootc_image_vm_tests::vm::{Bus, Firmware, Vm, qemu};
use bootc_image_vm_tests::{network, selinux, system, tool, working_folder};

/// How many layers the versions share.
const SHARED: usize = 10;
/// In the label of what was written by root's shell or its programs, whatever its path.
const WRITTEN_HERE: &str = " from unconfined_u:";

/// Composefs and SELinux, as image based systems have them.
#[test]
#[ignore = "boots a VM: cargo xtask test --full"]
fn forky_upgrades_from_a_registry() -> Result<()> {
    if !Tier::allows(Tier::Full, "an upgrade of forky from a registry, two boots") {
        return Ok(());
    }
    let Some(chroot) = tier::second_client()? else { return Ok(()) };
    let Some(layout) = tier::chunked()? else { return Ok(()) };
    let registry = Registry::serve(&layout)?;
    let machine = Machine::prepare(&registry, &second_client::program(&chroot))?;

    let mut vm = machine.boot(1)?;
    runs(&mut vm, "derived", &machine.old, &selinux::kargs())?;
    registry.is_reached_from(&mut vm)?;
    registry.fetched();
    let said = machine.upgrade(&mut vm)?;
    ensure!(said == format!("present {}", machine.old), "{said}");
    let fetched = registry.fetched();
    ensure!(fetched.is_empty(), "an image that is there was fetched: {fetched:?}");

    registry.moves_on();
    changes_etc_and_var(&mut vm)?;
    let links = boot_links(&mut vm)?;
    let said = machine.upgrade(&mut vm)?;
    let staged = staged(&said, &registry.next)?;
    let tree = vm.check(&format!("ostree ls -d -C {staged} /"))?;
    ensure!(tree == machine.next_tree, "{tree}, but the product makes {}", machine.next_tree);
    let fetched = registry.fetched();
    let mut wanted = [registry.next.config.clone(), registry.next.layers[SHARED].clone()];
    wanted.sort();
    ensure!(fetched == wanted, "fetched: {fetched:?}, not {wanted:?}");
    ensure!(boot_links(&mut vm)? == links, "the boot links changed before the shutdown");
    vm.power_off()?;

    let mut vm = machine.boot(2)?;
    is_first_in_the_menu(&mut vm, TITLE)?;
    runs(&mut vm, "next", staged, &selinux::kargs())?;
    has_the_next_usr(&mut vm)?;
    has_etc_merged_and_var_kept(&mut vm)?;
    selinux::is_on(&mut vm)?;
    system::is_composefs(&mut vm)?;
    let mut wrong = selinux::wrong_labels(&mut vm)?;
    wrong.retain(|change| !change.contains(WRITTEN_HERE));
    ensure!(wrong.is_empty(), "wrong labels: {wrong:#?}");
    let status = vm.check("ostree admin status")?;
    let rollback = format!("{STATEROOT} {}.0 (rollback)", machine.old);
    ensure!(status.contains(&rollback), "{rollback} is not in {status}");
    network::join(&mut vm)?;
    let said = machine.upgrade(&mut vm)?;
    ensure!(said == format!("present {staged}"), "{said}");
    ensure!(registry.fetched().is_empty());
    vm.power_off()?;
    machine.disk_holds_both(staged, &registry)
}

/// The importer knew all layers but the last, which it fetched. Returns the commit that it staged.
fn staged<'t>(said: &'t str, image: &Repository) -> Result<&'t str> {
    let (new, known) = image.layers.split_last().context("no layers")?;
    let mut expected: Vec<String> = known.iter().map(|layer| format!("known {layer}")).collect();
    expected.push(format!("new {new}"));
    let commit = said.lines().find_map(|line| line.strip_prefix("merge ")).unwrap_or_default();
    expected.extend(["merge", "staged"].map(|word| format!("{word} {commit}")));
    let lines: Vec<&str> = said.lines().collect();
    ensure!(lines == expected, "{lines:#?}\nexpected: {expected:#?}");
    Ok(commit)
}

/// A registry with one image, whose tag moves on to the next version.
struct Registry {
    server: Server,
    next: Repository,
    moved: Arc<AtomicBool>,
    seen: Cell<usize>,
}

impl Registry {
    fn serve(layout: &Path) -> Result<Self> {
        let old = Repository::of_tag(layout, "latest")?;
        let next = Repository::of_tag(layout, "next")?;
        ensure!(next.layers.len() == SHARED + 1 && next.layers[..SHARED] == old.layers);
        let moved = Arc::new(AtomicBool::new(false));
        let (later, flag) = (next.clone(), Arc::clone(&moved));
        let server = Server::start(move |request| {
            if flag.load(Ordering::SeqCst) { later.serve(request) } else { old.serve(request) }
        });
        Ok(Self { server, next, moved, seen: Cell::new(0) })
    }

    fn moves_on(&self) {
        self.moved.store(true, Ordering::SeqCst);
    }

    fn moves_back(&self) {
        self.moved.store(false, Ordering::SeqCst);
    }

    /// The blobs that were asked for since the last time, sorted, each as often as it was.
    fn fetched(&self) -> Vec<String> {
        let log = self.server.log();
        let new = &log[self.seen.replace(log.len())..];
        let blobs = new.iter().filter_map(|path| Some(path.split_once("/blobs/")?.1.to_owned()));
        let mut blobs: Vec<_> = blobs.collect();
        blobs.sort();
        blobs
    }

    /// The image as the host names it.
    fn image(&self) -> String {
        format!("{}/{}", self.server.host, Repository::NAME)
    }

    /// The image as the machine names it.
    fn target(&self) -> String {
        format!("{}/{}", network::address(&self.server.host), Repository::NAME)
    }

    /// Brings the machine on the network, and tells it that this registry has no TLS.
    fn is_reached_from(&self, vm: &mut Vm) -> Result<()> {
        network::join(vm)?;
        let host = network::address(&self.server.host);
        vm.check(&format!(
            "printf '[[registry]]\\nlocation = \"{host}\"\\ninsecure = true\\n' \
             >/etc/containers/registries.conf.d/fixture.conf"
        ))
        .map(drop)
    }
}

/// A machine with the old version, and a disk with the client.
struct Machine {
    folder: PathBuf,
    overlay: Overlay,
    client: PathBuf,
    /// The commit that the product made of the old version, and installed.
    old: String,
    /// The tree that it makes of the next one; as published, the importer writes other metadata than
    /// bootc into the commit, and in any order.
    next_tree: String,
}

impl Machine {
    fn prepare(registry: &Registry, client: &Path) -> Result<Self> {
        let folder = working_folder("container-upgrade")?;
        registry.moves_on();
        let (_, next_tree) = installed(&build(registry, &folder.join("next"))?)?;
        registry.moves_back();
        let raw = build(registry, &folder.join("old"))?;
        let (old, _) = installed(&raw)?;
        let overlay = Overlay::create(&folder, &raw, Format::Raw, None)?;
        Ok(Self { folder, overlay, client: client.into(), old, next_tree })
    }

    /// Switches the machine on, on QEMU's user network, with the client as its second disk.
    fn boot(&self, number: u32) -> Result<Vm> {
        let folder = self.folder.join(format!("boot-{number}"));
        std::fs::create_dir(&folder)?;
        let mut qemu = qemu(&folder, self.overlay.path(), Firmware::Uefi, Bus::Virtio)?;
        let client = self.client.display();
        qemu.arg("-drive").arg(format!("if=none,id=client,format=raw,readonly=on,file={client}"));
        qemu.args(["-device", "virtio-blk-pci,drive=client"]);
        Vm::spawn(qemu.args(network::OPTIONS).args(["-serial", "stdio"]), &folder, false)
    }

    /// Runs the client, which is in no image, and returns what it said.
    fn upgrade(&self, vm: &mut Vm) -> Result<String> {
        let len = std::fs::metadata(&self.client)?.len();
        vm.check(&format!("head -c {len} /dev/vdb >/run/client && chmod +x /run/client"))?;
        vm.check("unshare --mount /run/client upgrade")
    }

    /// After all that the disk is sound, has both versions with one origin, and the next comes first.
    fn disk_holds_both(&self, next: &str, registry: &Registry) -> Result<()> {
        let root = Sysroot::mount(&self.overlay.flatten()?, &self.folder.join("mounted"))?;
        root.fsck()?;
        let mut commits = [&self.old, next].map(String::from);
        commits.sort();
        ensure!(root.deployed(STATEROOT)? == commits, "not both are deployed");
        let deploy = root.path().join("ostree/deploy").join(STATEROOT).join("deploy");
        for commit in commits {
            let origin = std::fs::read_to_string(deploy.join(format!("{commit}.0.origin")))?;
            let image = format!("ostree-unverified-registry:{}", registry.target());
            ensure!(origin.contains(&format!("container-image-reference={image}\n")), "{origin}");
        }
        let entries = root.boot_entries()?;
        let titles: Vec<_> = entries.iter().map(|entry| sysroot::title(entry)).collect();
        ensure!(titles.len() == 2 && titles[0].contains(TITLE), "boot entries: {titles:?}");
        Ok(())
    }
}

/// A raw disk of what the registry has now.
fn build(registry: &Registry, output: &Path) -> Result<PathBuf> {
    let build = Build {
        image: registry.image(),
        kargs: selinux::kargs().into_iter().map(Into::into).collect(),
        options: ["--tls-verify=false", "--target-imgref", &registry.target()]
            .map(Into::into)
            .into(),
    };
    Ok(build.run(output, &[Format::Raw])?.remove(0))
}

/// The one commit that is deployed on a raw disk, and its tree.
fn installed(raw: &Path) -> Result<(String, String)> {
    let root = Sysroot::mount(raw, &raw.with_extension("mounted"))?;
    let commit = root.deployed(STATEROOT)?.into_iter().next().context("no deployment")?;
    let repo = format!("--repo={}", root.repo().display());
    let tree = tool(Command::new("ostree").args([&repo, "ls", "-d", "-C", &commit, "/"]))?;
    Ok((commit, tree.trim_end().into()))
}
