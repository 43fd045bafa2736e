//! What fuzzers feed with bytes: each parser of files that people have, as far as it goes without a
//! network. Nothing is returned; a panic, or memory without bounds, is the finding.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;

use super::conf_file::ConfFile;
use super::docker_archive::DockerArchive;
use super::reference::{ArchiveChoice, ArchiveReference, Reference};
use super::source::Store as _;
use super::tar_index::{Repeats, TarIndex};
use super::{pull_secret, target};
use crate::progress::Cancel;

/// A file of registries.conf(5).
pub fn registries_conf(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = ConfFile::parse(text);
    }
}

/// A file with credentials, perhaps inside a Kubernetes secret.
pub fn pull_secret(bytes: &[u8]) {
    let _ = pull_secret::auths(bytes);
}

/// The name of an image.
pub fn reference(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Reference::parse(text);
        let _ = target::TargetRef::parse(text);
    }
}

/// An archive of `docker save`, with all its layers.
pub fn docker_archive(bytes: &[u8]) {
    let Ok(memory) = rustix::fs::memfd_create("archive", rustix::fs::MemfdFlags::CLOEXEC) else {
        return;
    };
    let mut file = File::from(memory);
    if file.write_all(bytes).is_err() {
        return;
    }
    let (path, cancel) = (PathBuf::from("archive"), Cancel::default());
    let choice = Some(ArchiveChoice::Index(0));
    let reference = ArchiveReference { path: path.clone(), choice };
    let Ok(index) = TarIndex::of(file, &path, &cancel, |_| true, Repeats::First) else { return };
    if let Ok(archive) = DockerArchive::of(index, &reference, &cancel) {
        let _ = archive.top();
    }
}
