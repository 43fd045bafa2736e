//! The disk becomes what was asked for, and the build record beside it.
//!
//! | file | what it makes |
//! |---|---|
//! | `workshop` | each artifact, and what several of them hold only once |
//! | `ami` | `ami.json`, what Amazon's EC2 is told |
//! | `iso` | the installer's medium |
//! | `anaconda` | Anaconda's boot ISO with the image on it |
//!
//! All are temporary files until everything is complete; the bytes of the disk are the canvas, renamed
//! when they were asked for and removed when not.

mod ami;
mod anaconda;
mod iso;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};

pub use self::anaconda::write_alone;
use self::workshop::Workshop;
use super::Recorder;
use super::disk::Disk;
use super::error::Error;
use super::import::Context;
use super::install::Inputs;
use super::request::{Outcome, Request};
use crate::format;
use crate::output::{OutputError, Owner, Pending, PendingDirectory};
use crate::plan::layout::{Content, Layout, Placed, Role};
use crate::plan::manifest::{
    DiskRecord, ImageRecord, Manifest, PartitionRecord, Plan, SignatureRecord,
};
use crate::plan::types::DiskType;

/// What is in the way of a folder is told before anything is made.
pub fn check(request: &Request) -> Result<(), OutputError> {
    request.types.iter().try_for_each(|kind| {
        let ours = match kind {
            DiskType::Pxe => format::netboot::NAMES,
            DiskType::ContainerDisk => format::containerdisk::NAMES,
            _ => return Ok(()),
        };
        PendingDirectory::check(&request.output.join(kind.path()), ours)
    })
}

/// Writes all artifacts and the record, then gives them their names.
pub fn write(
    disk: Disk,
    plan: Plan,
    signature: Option<SignatureRecord>,
    inputs: Inputs<'_>,
    recorder: &Recorder<'_>,
    context: Context<'_>,
) -> Result<Outcome, Error> {
    let request = inputs.request;
    let (file, size) = (disk.file.file(), disk.size);
    let blocks =
        format::blocks_digest_knowing(&disk.known, file, size, request.threads, context.cancel)
            .map_err(|source| Error::format(disk.file.target(), source))?;
    let mut workshop = Workshop::new(&disk, inputs, context);
    for kind in &request.types {
        workshop.make(*kind)?;
    }
    let (artifacts, complete) = workshop.finish();
    let record = Manifest {
        version: Manifest::VERSION,
        image: ImageRecord {
            digest: inputs.source.image().manifest_digest.to_oci(),
            commit: Some(disk.installed.commit.to_hex()),
            kernel: Some(disk.installed.kernel.clone()),
        },
        signature,
        plan: Plan { stateroot: disk.installed.stateroot.clone(), ..plan },
        disk: Some(disk_record(&disk, inputs, blocks.to_hex())),
        warnings: recorder.warnings(),
        artifacts,
    };
    conclude(&record, complete, Some(disk.file), inputs, context)
}

/// Writes the record, then gives everything its name, to its owner. Of the disk's file a name is
/// given only where its bytes were asked for.
fn conclude(
    record: &Manifest,
    mut complete: Vec<Complete>,
    disk: Option<Pending>,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<Outcome, Error> {
    let request = inputs.request;
    let types: Vec<&str> = request.types.iter().map(|kind| kind.name()).collect();
    let manifest = text(inputs, &Manifest::file_name(&types), &record.to_json())?;
    if context.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    if let Some(owner) = request.owner {
        // the first files of all: the folders were made for them
        inputs.container.map_or(Ok(()), |container| container.give_to(owner))?;
        disk.as_ref().map_or(Ok(()), |disk| disk.give_to(owner))?;
    }
    if request.types.iter().any(|kind| kind.is_raw()) {
        complete.extend(disk.map(Complete::File));
    }
    let manifest_path = manifest.target().to_owned();
    complete.push(Complete::File(manifest));
    let mut paths: Vec<_> = (record.artifacts.iter().map(|artifact| &artifact.path))
        .map(|path| request.output.join(path))
        .collect();
    paths.push(manifest_path);
    let mut told = BTreeSet::new();
    paths.retain(|path| told.insert(path.clone()));
    if let Some(owner) = request.owner {
        complete.iter().try_for_each(|pending| pending.give_to(owner))?;
    }
    for pending in complete {
        pending.commit()?;
    }
    Ok(Outcome { artifacts: paths })
}

/// What has everything but its name.
enum Complete {
    File(Pending),
    Directory(PendingDirectory),
}

impl Complete {
    fn give_to(&self, owner: Owner) -> Result<(), OutputError> {
        match self {
            Self::File(pending) => pending.give_to(owner),
            Self::Directory(pending) => pending.give_to(owner),
        }
    }

    fn commit(self) -> Result<(), OutputError> {
        match self {
            Self::File(pending) => pending.commit().map(drop),
            Self::Directory(pending) => pending.commit().map(drop),
        }
    }
}

/// A text file that is complete but for its name; `path` is in the output folder.
fn text(inputs: Inputs<'_>, path: &str, text: &str) -> Result<Pending, Error> {
    use std::os::unix::fs::FileExt as _;
    let pending = Pending::create(&inputs.request.output.join(path))?;
    let written = pending.file().write_all_at(text.as_bytes(), 0);
    written.map_err(|source| pending.error(source))?;
    Ok(pending)
}

fn disk_record(disk: &Disk, inputs: Inputs<'_>, blocks_sha256: String) -> DiskRecord {
    let ids = inputs.ids;
    let layout = &disk.installed.layout;
    let partitions = disk.partitions.iter().map(|placed| partition_record(placed, layout));
    let esp = disk.partitions.iter().find(|placed| placed.partition.role == Role::Esp);
    let root = disk.partitions.iter().find(|placed| placed.partition.role == Role::Root);
    let guid = |placed: Option<&Placed>| placed.map(|placed| placed.partition.guid.to_string());
    let serial = esp.and_then(|placed| match &placed.partition.content {
        Content::Fat(fat) => Some(fat.serial),
        _ => None,
    });
    let ids = [
        ("disk", ids.disk.to_string()),
        ("esp", guid(esp).unwrap_or_default()),
        ("esp-serial", serial.map_or_else(String::new, |serial| format!("{serial:08x}"))),
        ("root", guid(root).unwrap_or_default()),
        ("root-fs", layout.root().uuid.to_string()),
    ];
    DiskRecord {
        size_bytes: disk.size.0,
        blocks_sha256,
        kernel_arguments: disk.installed.kernel_arguments.clone(),
        guest_features: inputs.profile.guest_features(inputs.request.arch),
        ids: ids.map(|(what, id)| (what.to_owned(), id)).into_iter().collect::<BTreeMap<_, _>>(),
        partitions: partitions.collect(),
    }
}

/// What is recorded of a partition: of one that was wished for, what it holds too.
fn partition_record(placed: &Placed, layout: &Layout) -> PartitionRecord {
    let partition = &placed.partition;
    let (filesystem, mountpoint, uuid) = match &partition.content {
        _ if !layout.is_wished => (None, None, None),
        Content::Ext4(ext4) => (Some("ext4"), ext4.mountpoint.clone(), Some(ext4.uuid.to_string())),
        Content::Fat(fat) => {
            (Some("vfat"), fat.mountpoint.clone(), Some(format!("{:08x}", fat.serial)))
        }
        Content::Swap { uuid, .. } => (Some("swap"), None, Some(uuid.to_string())),
        Content::Nothing | Content::Raw { .. } => (None, None, None),
    };
    PartitionRecord {
        name: partition.name.clone(),
        type_guid: partition.type_guid.to_string(),
        start_bytes: placed.start.0,
        len_bytes: placed.len.0,
        filesystem: filesystem.map(str::to_owned),
        mountpoint,
        uuid,
    }
}
