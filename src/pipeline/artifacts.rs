//! The disk becomes what was asked for, and the build record beside it.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt as _;

use super::Recorder;
use super::disk::Disk;
use super::error::Error;
use super::import::Context;
use super::install::Inputs;
use super::request::{DiskFormat, Outcome, Qcow2Compression};
use crate::format::{self, qcow2};
use crate::output::Pending;
use crate::plan::ids::Ids;
use crate::plan::manifest::{Artifact, DiskRecord, ImageRecord, Manifest, PartitionRecord, Plan};
use crate::progress::Event;

/// Fast levels: most of an image is compressed already.
const DEFLATE_LEVEL: u8 = 1;
const ZSTD_LEVEL: u8 = 1;

/// Writes all artifacts and the record, then gives them their names.
pub fn write(
    disk: Disk,
    plan: Plan,
    inputs: Inputs<'_>,
    recorder: &Recorder<'_>,
    context: Context<'_>,
) -> Result<Outcome, Error> {
    let request = inputs.request;
    let blocks =
        format::blocks_digest(disk.file.file(), disk.size, request.threads, context.cancel)
            .map_err(|source| Error::Format { path: disk.file.target().to_owned(), source })?;
    let mut complete = Vec::new();
    let mut records = Vec::new();
    for format in &request.formats {
        let path = format.path();
        let (size_bytes, sha256) = match format {
            DiskFormat::Raw => (disk.size.0, None),
            DiskFormat::Qcow2 => {
                let (pending, summary) = encode_qcow2(&disk, inputs, context)?;
                complete.push(pending);
                (summary.size_bytes, Some(summary.sha256.to_hex()))
            }
        };
        let r#type = format.name().to_owned();
        records.push(Artifact { r#type, path: path.to_owned(), size_bytes, sha256 });
    }
    let record = Manifest {
        version: Manifest::VERSION,
        image: ImageRecord {
            digest: inputs.source.image().manifest_digest.to_oci(),
            commit: disk.installed.commit.to_hex(),
            kernel: disk.installed.kernel.clone(),
        },
        plan: Plan { stateroot: disk.installed.stateroot.clone(), ..plan },
        disk: disk_record(&disk, inputs.ids, blocks.to_hex()),
        warnings: recorder.warnings(),
        artifacts: records,
    };
    let types: Vec<&str> = request.formats.iter().map(|format| format.name()).collect();
    let manifest_path = request.output.join(Manifest::file_name(&types));
    let manifest = Pending::create(&manifest_path)?;
    let written = manifest.file().write_all_at(record.to_json().as_bytes(), 0);
    written.map_err(|source| manifest.error(source))?;
    if context.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    if request.formats.contains(&DiskFormat::Raw) {
        complete.push(disk.file);
    }
    complete.push(manifest);
    for pending in complete {
        pending.commit()?;
    }
    let mut artifacts: Vec<_> =
        request.formats.iter().map(|format| request.output.join(format.path())).collect();
    artifacts.push(manifest_path);
    Ok(Outcome { artifacts })
}

fn encode_qcow2(
    disk: &Disk,
    inputs: Inputs<'_>,
    context: Context<'_>,
) -> Result<(Pending, format::Summary), Error> {
    let request = inputs.request;
    context.reporter.report(Event::Stage { name: "writing qcow2".into() });
    let pending = Pending::create(&request.output.join(DiskFormat::Qcow2.path()))?;
    let options = qcow2::Options {
        compression: match request.qcow2_compression {
            Qcow2Compression::None => qcow2::Compression::None,
            Qcow2Compression::Deflate => qcow2::Compression::Deflate { level: DEFLATE_LEVEL },
            Qcow2Compression::Zstd => qcow2::Compression::Zstd { level: ZSTD_LEVEL },
        },
        threads: request.threads,
    };
    let encoded = qcow2::encode(
        disk.file.file(),
        disk.size,
        pending.file(),
        &options,
        context.reporter,
        context.cancel,
    );
    match encoded {
        Ok(summary) => Ok((pending, summary)),
        Err(format::FormatError::Cancelled) => Err(Error::Cancelled),
        Err(source) => {
            let path = pending.target().to_owned();
            Err(Error::Format { path: path.clone(), source }.or_disk_full(&path))
        }
    }
}

fn disk_record(disk: &Disk, ids: &Ids, blocks_sha256: String) -> DiskRecord {
    let partitions = disk.partitions.iter().map(|partition| PartitionRecord {
        name: partition.name.to_owned(),
        type_guid: partition.type_guid.to_string(),
        start_bytes: partition.start.0,
        len_bytes: partition.len.0,
    });
    let ids = [
        ("disk", ids.disk.to_string()),
        ("esp", ids.esp.to_string()),
        ("esp-serial", format!("{:08x}", ids.esp_serial)),
        ("root", ids.root.to_string()),
        ("root-fs", ids.root_fs.to_string()),
    ];
    DiskRecord {
        size_bytes: disk.size.0,
        blocks_sha256,
        kernel_arguments: disk.installed.kernel_arguments.clone(),
        ids: ids.map(|(what, id)| (what.to_owned(), id)).into_iter().collect::<BTreeMap<_, _>>(),
        partitions: partitions.collect(),
    }
}
