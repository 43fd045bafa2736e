//! Where artifacts are made of the disk, one after the other, each on all threads.

use super::super::disk::Disk;
use super::super::error::Error;
use super::super::import::Context;
use super::super::install::Inputs;
use super::super::request::Qcow2Compression;
use super::{ami, text};
use crate::digest::Sha256Digest;
use crate::format::{FormatError, Summary, qcow2};
use crate::output::Pending;
use crate::plan::manifest::Artifact;
use crate::plan::types::{DiskType, RAW_PATH};
use crate::progress::Event;

/// Fast levels: most of an image is compressed already.
const DEFLATE_LEVEL: u8 = 1;
const ZSTD_LEVEL: u8 = 1;

/// Artifacts under way.
pub(super) struct Workshop<'a> {
    disk: &'a Disk,
    inputs: Inputs<'a>,
    context: Context<'a>,
    records: Vec<Artifact>,
    complete: Vec<Pending>,
}

impl<'a> Workshop<'a> {
    pub fn new(disk: &'a Disk, inputs: Inputs<'a>, context: Context<'a>) -> Self {
        Self { disk, inputs, context, records: Vec::new(), complete: Vec::new() }
    }

    /// What was made, as the build record tells it, and the files that wait for their names.
    pub fn finish(self) -> (Vec<Artifact>, Vec<Pending>) {
        (self.records, self.complete)
    }

    /// Makes what a type consists of.
    pub fn make(&mut self, kind: DiskType) -> Result<(), Error> {
        match kind {
            DiskType::Raw => self.record(kind, RAW_PATH, self.disk.size.0, None),
            DiskType::Ami => {
                self.record(kind, RAW_PATH, self.disk.size.0, None);
                self.ami()?;
            }
            DiskType::Qcow2 => self.qcow2()?,
        }
        Ok(())
    }

    fn record(
        &mut self,
        kind: DiskType,
        path: &str,
        size_bytes: u64,
        sha256: Option<Sha256Digest>,
    ) {
        self.records.push(Artifact {
            r#type: kind.name().to_owned(),
            path: path.to_owned(),
            size_bytes,
            sha256: sha256.map(|digest| digest.to_hex()),
        });
    }

    fn ami(&mut self) -> Result<(), Error> {
        let json = ami::register_image(self.disk, self.inputs.request.arch, self.context.reporter);
        let digest = Sha256Digest::of(json.as_bytes());
        let len_bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
        self.complete.push(text(self.inputs, ami::PATH, &json)?);
        self.record(DiskType::Ami, ami::PATH, len_bytes, Some(digest));
        Ok(())
    }

    fn qcow2(&mut self) -> Result<(), Error> {
        let (disk, context, request) = (self.disk, self.context, self.inputs.request);
        let options = qcow2::Options {
            compression: match request.qcow2_compression {
                Qcow2Compression::None => qcow2::Compression::None,
                Qcow2Compression::Deflate => qcow2::Compression::Deflate { level: DEFLATE_LEVEL },
                Qcow2Compression::Zstd => qcow2::Compression::Zstd { level: ZSTD_LEVEL },
            },
            threads: request.threads,
        };
        let kind = DiskType::Qcow2;
        let (pending, summary) = self.encode(kind, |out| {
            let (source, size) = (disk.file.file(), disk.size);
            qcow2::encode(source, size, out, &options, context.reporter, context.cancel)
        })?;
        self.complete.push(pending);
        self.record(kind, kind.path(), summary.size_bytes, Some(summary.sha256));
        Ok(())
    }

    /// A file with the name of a type, written by `encoder`.
    fn encode(
        &self,
        kind: DiskType,
        encoder: impl FnOnce(&std::fs::File) -> Result<Summary, FormatError>,
    ) -> Result<(Pending, Summary), Error> {
        self.context.reporter.report(Event::Stage { name: format!("writing {}", kind.name()) });
        let pending = Pending::create(&self.inputs.request.output.join(kind.path()))?;
        let summary =
            encoder(pending.file()).map_err(|source| Error::format(pending.target(), source))?;
        Ok((pending, summary))
    }
}
