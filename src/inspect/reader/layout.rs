//! A containerdisk: an OCI layout whose image has a disk in `disk/`.
//!
//! Blobs are found by their digests; whether their bytes fit them is not checked here, the disk's own
//! structure is what is looked at.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use serde::Deserialize;

use super::scratch::{Scratch, Stopped};
use super::tar::{Member, Stream, Tar};
use super::{DiskImage as _, FileImage, Part, Shared, read_part, unpack};
use crate::digest::Sha256Digest;
use crate::inspect::bytes::index;
use crate::inspect::error::{Error, Problem};

const DOCUMENT_LIMIT: u64 = 4 << 20;
/// Layers that are looked into.
const MOST_LAYERS: usize = 128;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
}

/// Whether the folder is an OCI layout.
pub(super) fn is_layout(folder: &Path) -> bool {
    folder.join("oci-layout").is_file()
}

/// The disk in the layout; `None` when it holds something else.
pub(super) fn open(folder: &Path, scratch: &Scratch) -> Result<Option<Shared>, Stopped> {
    let index: Index = document(&folder.join("index.json"), "index.json")?;
    let [entry] = index.manifests.as_slice() else {
        return Err(Problem::Value {
            what: "the number of images in the layout",
            value: crate::inspect::bytes::count(index.manifests.len()),
        }
        .into());
    };
    let manifest: Manifest = document(&blob(folder, entry)?, "the image's manifest")?;
    for layer in manifest.layers.iter().take(MOST_LAYERS) {
        let path = blob(folder, layer)?;
        if let Some(disk) = in_layer(Rc::new(open_file(&path)?), scratch)? {
            return Ok(Some(disk));
        }
    }
    Ok(None)
}

fn in_layer(layer: Shared, scratch: &Scratch) -> Result<Option<Shared>, Stopped> {
    let magic = read_part(&*layer, "a layer", 0, 4.min(index(layer.len_bytes())))?;
    if magic.starts_with(unpack::GZIP) || magic == unpack::ZSTD {
        let found = unpack::member(layer, scratch, is_disk)?;
        return Ok(found.map(|(_, file)| -> Shared { Rc::new(file) }));
    }
    let mut tar = Tar::new(Stream::new(Rc::clone(&layer)));
    while let Some(member) = tar.next()? {
        if is_disk(&member) {
            let start = tar.into_stream().position();
            let outside = Problem::Outside { what: "the disk", offset: start };
            let part = Part::new(layer, start, member.len).ok_or(outside)?;
            return Ok(Some(Rc::new(part)));
        }
    }
    Ok(None)
}

fn is_disk(member: &Member) -> bool {
    let name = member.name.trim_start_matches("./").trim_start_matches('/');
    name.strip_prefix("disk/").is_some_and(|name| !name.is_empty() && !name.contains('/'))
}

fn blob(folder: &Path, descriptor: &Descriptor) -> Result<PathBuf, Problem> {
    let digest = Sha256Digest::parse_oci(&descriptor.digest);
    let digest = digest.map_err(|_| Problem::Signature("a digest in the layout"))?;
    Ok(folder.join("blobs/sha256").join(digest.to_hex()))
}

fn open_file(path: &Path) -> Result<FileImage, Error> {
    let opened = File::open(path).and_then(FileImage::new);
    opened.map_err(|source| Error::File { path: path.to_owned(), source })
}

fn document<T: for<'de> Deserialize<'de>>(path: &Path, what: &'static str) -> Result<T, Stopped> {
    let file = open_file(path)?;
    if file.len_bytes() > DOCUMENT_LIMIT {
        return Err(
            Problem::Value { what: "the length of a document", value: file.len_bytes() }.into()
        );
    }
    let bytes = read_part(&file, what, 0, index(file.len_bytes()))?;
    Ok(serde_json::from_slice(&bytes).map_err(|source| Problem::Document { what, source })?)
}
