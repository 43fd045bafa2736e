//! The image becomes an installed system in a volume: everything of a build but the disk around it.

use std::collections::BTreeSet;

use super::disk::machine;
use super::error::Error;
use super::further::{self, Another, RawFile};
use super::import::{Context, Imported, import};
use super::mounts::{self, Place};
use super::soon::Soon;
use super::{boot_loader, bootiso, container::Container, netboot, request::Request};
use crate::additions::Addition;
use crate::boot::drivers::Drivers;
use crate::boot::loader::{self, BiosImage, Early};
use crate::boot::{self, bls, kernel::Kernel};
use crate::config::blueprint::ImageDisk;
use crate::config::bound_images::BoundImages;
use crate::config::install::{Install, Notice};
use crate::config::kargs_d;
use crate::customize::{self, Customized};
use crate::digest::Sha256Digest;
use crate::files::{FileKind, Files};
use crate::labels::Labels;
use crate::ostree::{
    self, BootChecksum, BootFile, Deployment, ImageFiles, MountPoint, Store, Sysroot,
};
use crate::plan::aleph::Aleph;
use crate::plan::ids::Ids;
use crate::plan::kargs::{Kargs, Sources};
use crate::plan::layout::Layout;
use crate::plan::platform::Profile;
use crate::plan::{PlanError, ssh, stateroot};
use crate::progress::Event;
use crate::registry::{Source, TargetRef};
use crate::spec::Image;
use crate::tree::Directory;
use crate::volume::several::Several;
use crate::volume::{Inode, Timestamp, Volume};

/// A file of the EFI system partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspFile {
    /// Path from the partition's root.
    pub path: String,
    /// Content.
    pub bytes: Vec<u8>,
}

/// What BIOS starts.
#[derive(Debug)]
pub struct BiosBoot {
    /// The boot code, and the content of that partition.
    pub image: BiosImage,
    /// What of it has been begun.
    pub early: Early,
}

/// What was installed.
#[derive(Debug)]
pub struct Installed<V> {
    /// The volume, complete but for its own metadata.
    pub volume: V,
    /// The merge commit.
    pub commit: Sha256Digest,
    /// The kernel's version.
    pub kernel: String,
    /// Options of the boot entry.
    pub kernel_arguments: String,
    /// Name of the stateroot.
    pub stateroot: String,
    /// Files for the EFI system partition.
    pub esp: Vec<EspFile>,
    /// What BIOS starts.
    pub bios: Option<BiosBoot>,
    /// Those of [`DRIVERS`] that the kernel has.
    pub drivers: BTreeSet<&'static str>,
    /// The partitions of the disk.
    pub layout: Layout,
    /// Indexes of the partitions that the volume's further file systems are for.
    pub further: Vec<usize>,
    /// Files of the image that are the content of partitions.
    pub raw: Vec<RawFile>,
    /// What boots it from a network, if that is asked for.
    pub netboot: Option<netboot::Planned>,
    /// What boots its installer, if one is asked for.
    pub bootiso: Option<bootiso::Planned>,
}

/// Which platform Ignition is told of.
const IGNITION_PLATFORM: &str = "ignition.platform.id";

/// Drivers that a platform may be told of.
const DRIVERS: [&str; 2] = ["ena", "nvme"];

impl<V> Installed<V> {
    /// The same with another volume, made of this one.
    pub fn map_volume<W>(self, map: impl FnOnce(V) -> W) -> Installed<W> {
        Installed {
            volume: map(self.volume),
            commit: self.commit,
            kernel: self.kernel,
            kernel_arguments: self.kernel_arguments,
            stateroot: self.stateroot,
            esp: self.esp,
            bios: self.bios,
            drivers: self.drivers,
            layout: self.layout,
            further: self.further,
            raw: self.raw,
            netboot: self.netboot,
            bootiso: self.bootiso,
        }
    }

    /// The volume, and what remains.
    pub fn take_volume(self) -> (V, Installed<()>) {
        let mut taken = None;
        let rest = self.map_volume(|volume| taken = Some(volume));
        (taken.expect("mapped above"), rest)
    }
}

/// What an installation is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What the user asked for.
    pub request: &'a Request,
    /// Where the layers come from.
    pub source: &'a Source,
    /// What the installed system updates from.
    pub target: &'a TargetRef,
    /// UUIDs.
    pub ids: &'a Ids,
    /// Stamps everything whose time is free, the layer commits among it.
    pub time: Timestamp,
    /// What the disk is given for where it runs.
    pub profile: &'a Profile,
    /// The plan's digest, which secrets of the installed system are salted with.
    pub seed: Sha256Digest,
    /// What the installed system keeps of the story of its installation.
    pub log: Option<Log<'a>>,
    /// Where layers are kept for an installer, if one is asked for.
    pub container: Option<&'a Container>,
}

/// What happened so far, as text.
#[derive(Clone, Copy)]
pub struct Log<'a>(pub &'a (dyn Fn() -> Vec<u8> + Sync));

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Log")
    }
}

/// Where the installed system has it; for root only.
pub const LOG: &str = "var/log/bootc-image-install.log";

/// Everything about the deployment that the merged image decides.
pub(super) struct Decisions {
    pub(super) install: Install,
    pub(super) kernel: Kernel,
    pub(super) name: String,
    pub(super) kargs: Kargs,
    stateroot: String,
    customized: Customized,
    /// Whether Ignition's stamp is to be looked for.
    pub(super) wants_ignition: bool,
    drivers: BTreeSet<&'static str>,
    pub(super) layout: Layout,
    places: Vec<Place>,
    additions: Vec<Addition>,
}

/// What takes long and is begun, on threads of its own, when the layers are read, or before. What is wrong
/// with it is told when it is asked for.
#[derive(Debug, Default)]
pub(super) struct Begun {
    boot_checksum: BootChecksum,
    bios: Early,
}

fn begin_boot_checksum<V: Volume>(store: &Store<V>, tree: &Directory) -> BootChecksum {
    let kernel = boot::kernel::find(&ImageFiles::new(store, tree));
    kernel.map(|kernel| BootChecksum::begin(store, tree, &kernel.hashed())).unwrap_or_default()
}

/// Installs the image into an empty volume, and into others where the layout has further file systems.
pub fn install<V: Volume>(
    volume: V,
    another: &mut Another<'_, V>,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<Installed<Several<V>>, Error> {
    let mut sysroot = Sysroot::create(Several::new(volume), inputs.time)?;
    let (mut boot_checksum, bios) = (BootChecksum::default(), Early::default());
    let begin_bios = |files: &dyn Files| boot_loader::begin(files, inputs, &bios);
    let has_threads = context.threads > 1;
    let soon = if has_threads {
        Soon::new(loader::bios_directories(), begin_bios)
    } else {
        Soon::nothing()
    };
    let imported =
        import(&mut sysroot, inputs.source, inputs.time.secs, context, soon, |store, tree| {
            if has_threads {
                boot_checksum = begin_boot_checksum(store, tree);
                begin_bios(&ImageFiles::new(store, tree));
            }
        })?;
    let begun = Begun { boot_checksum, bios };
    deploy_imported(sysroot, imported, begun, another, inputs, context)
}

/// The rest of an installation, after the import.
pub(super) fn deploy_imported<V: Volume>(
    mut sysroot: Sysroot<Several<V>>,
    imported: Imported,
    begun: Begun,
    another: &mut Another<'_, V>,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<Installed<Several<V>>, Error> {
    let image = inputs.source.image();
    let Imported { tree, composefs, layer_commits, base, policy } = imported;
    context.reporter.report(Event::Stage { name: "writing the deployment".into() });

    let decisions = decide(&ImageFiles::new(&sysroot.store, &tree), inputs, context)?;
    let created = image.created_secs.unwrap_or(inputs.time.secs);
    let commit = ostree::commit_merge(&mut sysroot.store, &tree, image, base, created)?;
    for (blob, layer) in layer_commits {
        sysroot.layer_reference(blob, layer)?;
    }
    sysroot.image_reference(&inputs.target.image_reference(), commit)?;
    sysroot.file("ostree/repo/config", 0o644, repo_config(&decisions.install).as_bytes())?;
    let aleph = aleph(image, inputs.target, &decisions.kernel, policy.is_some());
    sysroot.file(".bootc-aleph.json", 0o644, aleph.as_bytes())?;

    let labels = policy.as_ref().map(|policy| -> &dyn Labels { policy });
    let numbered = further::add_file_systems(&mut sysroot, &decisions.layout, another)?;
    let raw = further::raw_files(&sysroot, &tree, &decisions.layout)?;
    let mount_points = further::mount_points(&decisions.places, &numbered);
    let hashed = decisions.kernel.hashed();
    let boot_checksum = begun.boot_checksum.finish(&sysroot.store, &tree, &hashed)?;
    let mount_points = &mount_points;
    let made = Made { tree: &tree, composefs, commit, boot_checksum, labels, mount_points };
    let (kernel_arguments, ostree) = deploy(&mut sysroot, made, inputs, &decisions)?;
    let netboot = netboot::plan(&sysroot, &tree, inputs, &decisions, &ostree)?;
    let bootiso = bootiso::plan(&sysroot, &tree, inputs, &decisions, context)?;
    let loader = boot_loader::plan(&sysroot, &tree, inputs, &decisions, &raw, &begun.bios)?;
    let (esp, bios) = boot_loader::write(&mut sysroot, &tree, loader, &decisions, context)?;
    for file in &decisions.customized.boot {
        boot_loader::file(&mut sysroot, &file.path, file.mode, &file.bytes)?;
    }
    if let Some(labels) = labels {
        sysroot.label(labels)?;
    }
    Ok(Installed {
        volume: sysroot.into_volume(),
        commit,
        kernel: decisions.kernel.version,
        kernel_arguments,
        stateroot: decisions.stateroot,
        esp,
        drivers: decisions.drivers,
        bios: bios.map(|image| BiosBoot { image, early: begun.bios }),
        layout: decisions.layout,
        further: numbered,
        raw,
        netboot,
        bootiso,
    })
}

fn decide(files: &dyn Files, inputs: Inputs<'_>, context: Context<'_>) -> Result<Decisions, Error> {
    let request = inputs.request;
    boot::prepare_root::PrepareRoot::load(files)?.require_supported()?;
    let kernel = boot::kernel::find(files)?;
    let install = Install::load(files, request.arch)?;
    let is_asked_for =
        |notice: &Notice| matches!(notice, Notice::RootFs(_)) && request.explicit_rootfs;
    for notice in install.notices().into_iter().filter(|notice| !is_asked_for(notice)) {
        context.reporter.report(Event::Warning { message: notice.to_string() });
    }
    let bound = BoundImages::load(files)?;
    if !bound.0.is_empty() {
        context.reporter.report(Event::Warning { message: bound.to_string() });
    }
    let customized = customized(files, inputs)?;
    for message in &customized.warnings {
        context.reporter.report(Event::Warning { message: message.clone() });
    }
    let has_ignition = boot::ignition::is_in(files);
    let wants_ignition = request.settings.ignition.is_some();
    if wants_ignition && !has_ignition {
        let message = "the image has no Ignition: nothing will read its configuration".into();
        context.reporter.report(Event::Warning { message });
    }
    let platform = inputs.profile.kargs(request.arch, has_ignition);
    let image_disk = ImageDisk::load(files, request.layout.as_ref())?;
    for message in &image_disk.warnings {
        context.reporter.report(Event::Warning { message: message.clone() });
    }
    let wish = image_disk.layout(request.layout.clone());
    let layout =
        Layout::plan(wish.as_ref(), machine(request), inputs.ids).map_err(PlanError::from)?;
    if wants_ignition && has_ignition && layout.boot().label != boot::ignition::BOOT_LABEL {
        let message = "Fedora CoreOS looks for Ignition's files on a file system labelled `boot`, which \
                       this disk lacks: give `/boot` a partition of its own";
        context.reporter.report(Event::Warning { message: message.into() });
    }
    let places = mounts::places(files, &layout).map_err(PlanError::from)?;
    for place in places.iter().filter(|place| place.hides) {
        let message = format!(
            "what the image has in `/{}` is hidden by the file system that is mounted there",
            place.path
        );
        context.reporter.report(Event::Warning { message });
    }
    let boot_spec = boot_spec(&install, &layout);
    let mounting = mounts::additions(files, &layout, &places, boot_spec.as_deref())
        .map_err(boot::BootError::from)?;
    let mut kargs = Kargs::from_sources(&Sources {
        root: &install.root_spec(&layout.root().uuid.to_string()),
        root_flags: None,
        boot: boot_spec.as_deref(),
        install: &install.kargs,
        kargs_d: &kargs_d::load_kargs(files, request.arch)?,
        platform: &platform,
        install_deletes: &install.karg_deletes,
        cli_deletes: &request.karg_deletes,
        cli: &[&*customized.kargs, &request.kargs].concat(),
    });
    if wants_ignition && !kargs.have(IGNITION_PLATFORM) {
        kargs.add(&format!("{IGNITION_PLATFORM}=metal"));
    }
    let stateroot = stateroot::choose(request.stateroot.as_deref(), install.stateroot.as_deref())?;
    if kernel.is_link {
        let message = format!(
            "`{}` is a symbolic link: it is put into /boot as it is, and leads nowhere from there",
            kernel.vmlinuz
        );
        context.reporter.report(Event::Warning { message });
    }
    let root_link = match files.kind("root") {
        Some(FileKind::Symlink { target }) => Some(target),
        _ => None,
    };
    let drivers = Drivers::load(files, &kernel.vmlinuz).map_err(boot::BootError::from)?;
    let keys = request.root_ssh_authorized_keys.as_ref();
    let keys = keys
        .filter(|_| !has_keys_of_root(request))
        .map(|keys| ssh::tmpfiles(keys, root_link.as_deref()))
        .map(|text| Addition::file(ssh::PATH, 0o644, text));
    let others = customized.additions.iter().cloned();
    let log = inputs.log.map(|log| Addition::file(LOG, 0o600, (log.0)()));
    let additions = keys.into_iter().chain(mounting).chain(others).chain(log).collect();
    Ok(Decisions {
        drivers: DRIVERS.into_iter().filter(|driver| drivers.have(driver)).collect(),
        name: boot::os_release::pretty_name(files)?,
        install,
        kernel,
        kargs,
        stateroot,
        layout,
        places,
        additions,
        customized,
        wants_ignition,
    })
}

/// What `boot=` and the line of `/boot` in fstab say: as the image wants, else the UUID of a `/boot` of
/// its own.
fn boot_spec(install: &Install, layout: &Layout) -> Option<String> {
    match &install.boot_mount_spec {
        Some(_) => install.boot_spec().map(str::to_owned),
        None => layout.has_boot().then(|| format!("UUID={}", layout.boot().uuid)),
    }
}

/// What the settings come to in this image. Keys for root go one way: into its home when the settings
/// have some, else by tmpfiles.d.
fn customized(files: &dyn Files, inputs: Inputs<'_>) -> Result<Customized, Error> {
    let request = inputs.request;
    let keys = request.root_ssh_authorized_keys.as_deref();
    let day = u32::try_from(inputs.time.secs / 86_400).unwrap_or_default();
    Ok(customize::customize(&customize::Inputs {
        settings: &request.settings,
        files,
        root_keys: keys.filter(|_| has_keys_of_root(request)),
        seed: &inputs.seed.0,
        day,
    })?)
}

fn has_keys_of_root(request: &Request) -> bool {
    request.settings.users.iter().any(|user| user.name == "root" && !user.keys.is_empty())
}

/// What the import made, to be deployed.
#[derive(Clone, Copy)]
struct Made<'a> {
    tree: &'a Directory,
    composefs: Inode,
    commit: Sha256Digest,
    boot_checksum: Sha256Digest,
    labels: Option<&'a dyn Labels>,
    mount_points: &'a [MountPoint],
}

/// Writes the deployment; returns the options of its boot entry, and the one of them that leads to it.
fn deploy<V: Volume>(
    sysroot: &mut Sysroot<V>,
    Made { tree, composefs, commit, boot_checksum, labels, mount_points }: Made<'_>,
    inputs: Inputs<'_>,
    decisions: &Decisions,
) -> Result<(String, String), Error> {
    let Decisions { kernel, stateroot, .. } = decisions;
    let entry = bls::Entry {
        name: &decisions.name,
        stateroot,
        checksum: boot_checksum,
        kernel,
        kargs: decisions.kargs.as_slice(),
    };
    let boot_files: Vec<BootFile> = kernel
        .boot_files()
        .into_iter()
        .map(|file| BootFile { source: file.source, name: file.name, is_copied: file.copied })
        .collect();
    let deployment = Deployment {
        stateroot,
        commit,
        tree,
        boot_files: &boot_files,
        boot_checksum,
        bls_entry: &entry.to_text()?,
        origin: &inputs.target.origin(),
        additions: &decisions.additions,
        mount_points,
        composefs: Some(composefs),
        labels,
    };
    ostree::deploy(sysroot, &deployment)?;
    Ok((entry.options(), entry.ostree()))
}

/// The repository's `config` (ostree-contract 1.2).
fn repo_config(install: &Install) -> String {
    let mut config = "[core]\nrepo_version=1\nmode=bare\n\n\
                      [sysroot]\nbootloader=none\nbootprefix=true\nreadonly=true\n"
        .to_owned();
    if let Some(append) = &install.bls_append_except_default {
        config.push_str(&format!("bls-append-except-default={append}\n"));
    }
    config
}

fn aleph(image: &Image, target: &TargetRef, kernel: &Kernel, selinux: bool) -> String {
    let version = image.labels.get("org.opencontainers.image.version");
    Aleph {
        digest: image.manifest_digest,
        target_image: target.name(),
        kernel: &kernel.version,
        labels: &image.labels,
        selinux,
        version: version.or_else(|| image.labels.get("version")).map(String::as_str),
    }
    .to_json()
}
