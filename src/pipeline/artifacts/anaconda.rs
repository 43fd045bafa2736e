//! Anaconda's boot ISO with the image on it, and its checksum beside it. Alone, it takes no disk.

use super::super::Recorder;
use super::super::anaconda::{BootIso, fetch};
use super::super::error::Error;
use super::super::import::Context;
use super::super::install::Inputs;
use super::super::request::Outcome;
use super::{Complete, conclude, iso, text};
use crate::digest::Sha256Digest;
use crate::format::len_of;
use crate::output::Pending;
use crate::plan::manifest::{Artifact, ImageRecord, Manifest, Plan, SignatureRecord};
use crate::plan::types::DiskType;
use crate::progress::Event;

/// What was made.
pub(super) struct Made {
    pub(super) complete: [Complete; 2],
    pub(super) records: [Artifact; 2],
}

/// Writes the ISO into a temporary file; all layers were read.
pub(super) fn write(inputs: Inputs<'_>, context: Context<'_>) -> Result<Made, Error> {
    let kind = DiskType::AnacondaIso;
    context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
    let boot = BootIso::open(inputs.request)?;
    let pending = Pending::create(&inputs.request.output.join(kind.path()))?;
    let len = boot
        .write(pending.file(), inputs, context)
        .map_err(|error| error.or_disk_full(pending.target()))?;
    let sha256 = iso::digest(pending.file(), context).map_err(|source| pending.error(source))?;
    let sha256 = sha256.ok_or(Error::Cancelled)?;
    let (path, checksum) = (iso::checksum_path(), iso::checksum(sha256));
    let record = |path: &str, size_bytes, sha256: Sha256Digest| Artifact {
        r#type: kind.name().to_owned(),
        path: path.to_owned(),
        size_bytes,
        sha256: Some(sha256.to_hex()),
    };
    let bytes = checksum.as_bytes();
    let records =
        [record(kind.path(), len.0, sha256), record(&path, len_of(bytes), Sha256Digest::of(bytes))];
    let checksum = text(inputs, &path, &checksum)?;
    Ok(Made { complete: [Complete::File(pending), Complete::File(checksum)], records })
}

/// Makes the ISO and nothing else: no disk, no layer unpacked.
pub fn write_alone(
    plan: Plan,
    signature: Option<SignatureRecord>,
    inputs: Inputs<'_>,
    recorder: &Recorder<'_>,
    context: Context<'_>,
) -> Result<Outcome, Error> {
    fetch(inputs.source, context)?;
    let Made { complete, records } = write(inputs, context)?;
    let digest = inputs.source.image().manifest_digest.to_oci();
    let record = Manifest {
        version: Manifest::VERSION,
        image: ImageRecord { digest, commit: None, kernel: None },
        signature,
        plan,
        disk: None,
        warnings: recorder.warnings(),
        artifacts: records.into(),
    };
    conclude(&record, complete.into(), None, inputs, context)
}
