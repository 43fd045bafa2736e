//! What an image or a disk is: the conductor of [`crate::inspect`].
//!
//! An image is installed as `build` would do it, onto a canvas without a name in the folder for
//! temporary files; so sizes and kernel arguments are those of the disk, not an estimate of another
//! kind. What an image lacks for a disk is told with everything else.

use std::path::Path;
use std::sync::Arc;

use super::disk::{likely_layout, root_options};
use super::error::Error;
use super::import::{Context, import};
use super::install::{self, Begun, Inputs, Installed};
use super::request::Request;
use super::soon::Soon;
use super::{Recorder, ids, open_any, plan, stamp, target};
use super::{boot_loader, parts};
use crate::boot::loader::{self, Loader, Notice, Origin};
use crate::boot::os_release;
use crate::boot::prepare_root::{Composefs, PrepareRoot};
use crate::canvas::FileCanvas;
use crate::config::bound_images::BoundImages;
use crate::config::install::{BlockSetup, Bootloader, Install};
use crate::files::{Deployed, FileKind, Files};
use crate::fs::ext4;
use crate::inspect::model::{
    BootLoaders, DiskReport, ImageReport, InstallConfig, Kernel, LayerRecord, Ostree, SizeEstimate,
    VERSION,
};
use crate::inspect::{CommitFacts, Knowledge, Scratch, selinux_config};
use crate::ostree::{self, ImageFiles, Sysroot};
use crate::plan::ids::Ids;
use crate::plan::layout::{Ext4, Layout};
use crate::plan::platform;
use crate::plan::size::{Needs, SizeRequest, further_ext4};
use crate::progress::{Cancel, Event, Reporter, Silent};
use crate::registry;
use crate::spec::{Arch, Compression, Image};
use crate::units::ByteLen;
use crate::volume::Timestamp;
use crate::volume::several::Several;

const CONFIG_LIMIT_BYTES: u64 = 1 << 20;
const MODULES: &str = "usr/lib/modules";

/// Looks at a disk.
pub fn disk(path: &Path, scratch: &Scratch) -> Result<DiskReport, Error> {
    Ok(crate::inspect::disk(path, scratch, &KNOWLEDGE)?)
}

/// What the other rooms know of a disk's content.
pub const KNOWLEDGE: Knowledge<'static> = Knowledge {
    commit: &|bytes| {
        let facts = ostree::CommitFacts::read(bytes).map_err(|error| error.to_string())?;
        Ok(CommitFacts {
            parent: facts.parent.map(|parent| parent.to_hex()),
            image_digest: facts.manifest_digest,
            version: facts.version,
            image_config: facts.image_config,
        })
    },
    os_name: &|files| os_release::pretty_name(files).ok(),
    composefs: &composefs,
};

/// For fuzzing: looks at a raw disk.
pub fn fuzz_raw(bytes: &[u8]) {
    crate::inspect::fuzz_raw(bytes, &KNOWLEDGE);
}

/// Looks at an image; `request` is that of a build without options.
pub fn image(
    request: &Request,
    scratch: &Scratch,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<ImageReport, Error> {
    reporter.report(Event::Stage { name: format!("resolving {}", request.source_text) });
    let request = &Request { output: scratch.folder.clone(), ..request.clone() };
    let (source, _) = open_any(request, reporter, cancel)?;
    let image = source.image();
    let warnings = Recorder::new(reporter);
    for message in &image.warnings {
        warnings.report(Event::Warning { message: message.clone() });
    }
    let request = &Request {
        arch: Arch::parse(&image.architecture).unwrap_or(request.arch),
        ..request.clone()
    };
    let mut report = manifest(request, image);
    if let Err(error) = registry::check_bootable(image, request.arch) {
        report.problems.push(chain(&error));
    }
    // what it would warn of concerns the disk only
    let target = target(request, source.reference(), &Silent)?;
    let time = stamp(request, image);
    let (platform, _) = platform::choose(request.platform, &request.types);
    let ids_for = |size| {
        let plan = plan(&Request { size, ..request.clone() }, platform, &target, time);
        let seed = plan.digest();
        (ids(request, image.manifest_digest, seed), seed)
    };
    let ((ids, seed), (ids_of_min, _)) = (ids_for(request.size), ids_for(SizeRequest::Min));
    let profile = platform.profile();
    let (source, target, ids, profile) = (&source, &target, &ids, &profile);
    let (log, container) = (None, None);
    let inputs = Inputs { request, source, target, ids, time, profile, seed, log, container };
    let context = Context { reporter: &warnings, cancel, threads: request.threads };
    content(&mut report, inputs, &ids_of_min, scratch, context).map_err(|error| {
        match error.or_disk_full(&scratch.folder) {
            Error::Output(crate::output::OutputError::DiskFull { path }) => {
                crate::inspect::Error::ScratchFull(path).into()
            }
            other => other,
        }
    })?;
    report.buildable = report.problems.is_empty();
    report.warnings = warnings.warnings();
    Ok(report)
}

/// What manifest and config say.
fn manifest(request: &Request, image: &Image) -> ImageReport {
    let layer = |layer: &crate::spec::Layer| LayerRecord {
        digest: layer.digest.to_oci(),
        size_bytes: layer.size_bytes,
        compression: match layer.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
        .to_owned(),
    };
    ImageReport {
        kind: "image",
        version: VERSION,
        reference: request.source_text.clone(),
        digest: image.manifest_digest.to_oci(),
        config_digest: image.config_digest.to_oci(),
        architecture: image.architecture.clone(),
        created: image.created_secs.map(|secs| Timestamp::of_secs(secs).civil().to_string()),
        labels: image.labels.clone(),
        layers: image.layers.iter().map(layer).collect(),
        layers_bytes: image.layers.iter().map(|layer| layer.size_bytes).sum(),
        os: None,
        kernels: Vec::new(),
        install: None,
        kernel_arguments: None,
        stateroot: None,
        boot_loaders: None,
        selinux: None,
        selinux_policy: None,
        composefs: None,
        ostree: Ostree::default(),
        bound_images: Vec::new(),
        size: None,
        buildable: false,
        problems: Vec::new(),
        warnings: Vec::new(),
    }
}

/// What the layers say.
fn content(
    report: &mut ImageReport,
    inputs: Inputs<'_>,
    ids_of_min: &Ids,
    scratch: &Scratch,
    context: Context<'_>,
) -> Result<(), Error> {
    let canvas = FileCanvas::new(Arc::new(scratch.file()?));
    let layout = likely_layout(inputs)?;
    let root = ext4::Writer::create(canvas, root_options(&layout, inputs))?;
    let mut another = |planned: &Ext4, least| {
        let canvas = FileCanvas::new(Arc::new(scratch.file()?));
        let options = parts::further_options(planned, least, inputs.time);
        Ok(ext4::Writer::create(canvas, options)?)
    };
    let mut sysroot = Sysroot::create(Several::new(root), inputs.time)?;
    let soon = Soon::nothing();
    let imported = import(&mut sysroot, inputs.source, inputs.time.secs, context, soon, |_, _| ())?;
    report.ostree.encapsulated = imported.base.is_some();
    report.ostree.base_commit = imported.base.map(|commit| commit.to_hex());
    report.selinux_policy = imported.policy.as_ref().map(|policy| policy.name().to_owned());
    facts(report, &ImageFiles::new(&sysroot.store, &imported.tree), &layout, inputs);
    match install::deploy_imported(
        sysroot,
        imported,
        Begun::default(),
        &mut another,
        inputs,
        context,
    ) {
        Ok(installed) => deployed(report, installed, inputs, ids_of_min),
        Err(Error::Cancelled) => Err(Error::Cancelled),
        Err(error) => match error.or_disk_full(&scratch.folder) {
            full @ Error::Output(_) => Err(full),
            error => {
                report.problems.push(chain(&error));
                Ok(())
            }
        },
    }
}

/// What the files of the merged image say. What cannot be read is told by the installation.
fn facts(report: &mut ImageReport, files: &dyn Files, layout: &Layout, inputs: Inputs<'_>) {
    report.os = os_release::pretty_name(files).ok();
    report.kernels = kernels(&Deployed(files));
    report.composefs = composefs(files);
    let config = Deployed(files).read_following("etc/selinux/config", CONFIG_LIMIT_BYTES);
    let config = config.ok().flatten();
    report.selinux = config.map(|bytes| selinux_config(&String::from_utf8_lossy(&bytes)));
    report.bound_images = BoundImages::load(files).map(|images| images.0).unwrap_or_default();
    let install = Install::load(files, inputs.request.arch).ok();
    report.boot_loaders = boot_loaders(files, install.as_ref(), layout, inputs);
    report.install = install.map(install_config);
}

/// What the installation made.
fn deployed<C: crate::canvas::Canvas>(
    report: &mut ImageReport,
    installed: Installed<Several<ext4::Writer<C>>>,
    inputs: Inputs<'_>,
    ids_of_min: &Ids,
) -> Result<(), Error> {
    let (volumes, installed) = installed.take_volume();
    let (root, further) = volumes.into_parts();
    let layout = &installed.layout;
    let mut others = vec![ByteLen(0); layout.partitions.len()];
    for (index, writer) in installed.further.iter().zip(&further) {
        others[*index] = further_ext4(writer.required()?);
    }
    installed.raw.iter().for_each(|raw| others[raw.index] = raw.len);
    let granule = super::granule_bytes(inputs.request);
    let disk =
        |size: SizeRequest, root| size.decide(layout, Needs { root, others: &others }, granule);
    let root_of_min = root.required_with(&ids_of_min.root_hash_seed.0)?;
    report.size = Some(SizeEstimate {
        root_bytes: root_of_min.0,
        min_disk_bytes: disk(SizeRequest::Min, root_of_min)?.size.0,
        auto_disk_bytes: disk(SizeRequest::Auto, root.required()?)?.size.0,
    });
    report.kernel_arguments = Some(installed.kernel_arguments);
    report.stateroot = Some(installed.stateroot);
    report.ostree.merge_commit = Some(installed.commit.to_hex());
    Ok(())
}

fn kernels(files: &dyn Files) -> Vec<Kernel> {
    let modules = files.resolve(MODULES).unwrap_or_else(|| MODULES.to_owned());
    let kernel = |version: String| {
        let beside = |name: &str| format!("{modules}/{version}/{name}");
        let is_there = |name: &&str| files.leads_to_file(&beside(name));
        is_there(&"vmlinuz").then(|| Kernel {
            initramfs: ["initramfs.img", "initramfs"]
                .iter()
                .find(|name| is_there(name))
                .map(|name| beside(name)),
            version: version.clone(),
        })
    };
    let is_directory =
        |name: &String| files.kind(&format!("{modules}/{name}")) == Some(FileKind::Directory);
    files.names(&modules).into_iter().filter(is_directory).filter_map(kernel).collect()
}

fn composefs(files: &dyn Files) -> Option<String> {
    let name = match PrepareRoot::load(files).ok()?.composefs().ok()? {
        Composefs::Off => "off",
        Composefs::On => "on",
        Composefs::Verity => "verity",
        Composefs::Signed => "signed",
    };
    Some(name.to_owned())
}

/// What `build` would choose.
fn boot_loaders(
    files: &dyn Files,
    install: Option<&Install>,
    layout: &Layout,
    inputs: Inputs<'_>,
) -> Option<BootLoaders> {
    if install.is_some_and(Install::forgoes_boot_loader) {
        return Some(BootLoaders {
            source: "none".to_owned(),
            description: "the install configuration wants none".to_owned(),
            uefi: false,
            signed: false,
            bios: false,
            notices: Vec::new(),
        });
    }
    let kernel = crate::boot::kernel::find(files).ok()?;
    let boot_uuid = layout.boot().uuid.to_string();
    let target = loader::Target {
        skip_boot_uuid: install.is_some_and(|install| install.skip_boot_uuid == Some(true)),
        ..boot_loader::target(inputs, layout, &[], &boot_uuid, &kernel.vmlinuz, None)
    };
    let Loader { esp, bios, origin, notices, .. } = loader::plan(files, target).ok()?;
    let is_unsigned = notices.iter().any(|notice| matches!(notice, Notice::Unsigned(_)));
    let source = match &origin {
        Origin::Bootupd { .. } => "bootupd",
        Origin::Own { .. } => "own",
    };
    Some(BootLoaders {
        source: source.to_owned(),
        description: origin.to_string(),
        uefi: !esp.is_empty(),
        signed: !esp.is_empty() && !is_unsigned,
        bios: bios.is_some(),
        notices: notices.iter().map(ToString::to_string).collect(),
    })
}

fn install_config(install: Install) -> InstallConfig {
    let block = |setup: BlockSetup| match setup {
        BlockSetup::Direct => "direct".to_owned(),
        BlockSetup::Tpm2Luks => "tpm2-luks".to_owned(),
    };
    let bootloader = |loader: Bootloader| match loader {
        Bootloader::Grub => "grub".to_owned(),
        Bootloader::Systemd => "systemd".to_owned(),
        Bootloader::GrubCc => "grub-cc".to_owned(),
        Bootloader::None => "none".to_owned(),
    };
    InstallConfig {
        root_fs_type: install.root_fs.map(|fs| fs.to_string()),
        kargs: install.kargs,
        karg_deletes: install.karg_deletes,
        stateroot: install.stateroot,
        root_mount_spec: install.root_mount_spec,
        boot_mount_spec: install.boot_mount_spec,
        bls_append_except_default: install.bls_append_except_default,
        skip_boot_uuid: install.skip_boot_uuid,
        bootloader: install.bootloader.map(bootloader),
        discoverable_partitions: install.discoverable_partitions,
        block: install.block.map(|block_setups| block_setups.into_iter().map(block).collect()),
    }
}

/// An error with its causes, as one sentence.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    for cause in std::iter::successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        if !cause.is_empty() && !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
