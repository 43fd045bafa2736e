//! Images in the local storage of podman, buildah and CRI-O.
//!
//! The storage belongs to its own library and its locks, and for a user who is not root to a user
//! namespace. So skopeo reads it: first the manifest, then all of the image into a temporary folder
//! of the form that [`super::dir`] has, which goes away with us.
//!
//! Storage keeps the manifest as it was pulled or built, but unpacks the layers. The importer stores
//! that manifest, and refs for the digests in it, and reads the layers plain; so do we. What skopeo
//! writes beside the layers is a manifest of its own, which only tells which layer is which.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::dir::Dir;
use super::error::Error;
use super::model::MANIFEST_LIMIT_BYTES;
use super::reference::StorageReference;
use super::skopeo::skopeo;
use super::source::{Store, Top};
use crate::digest::Sha256Digest;
use crate::output::{OutputError, Scratch};
use crate::progress::Cancel;
use crate::spec::Layer;

/// A copy of an image in local storage.
#[derive(Debug)]
pub(crate) struct Storage {
    name: String,
    manifest: Vec<u8>,
    copy: Dir,
    /// The layers as they are in the copy.
    layers: Vec<Descriptor>,
    _scratch: Scratch,
}

/// What is read of a manifest here.
#[derive(Debug, Deserialize)]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
}

impl Storage {
    /// Copies the image into a temporary folder in `folder`.
    pub(crate) fn open(
        reference: &StorageReference,
        folder: &Path,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let name = reference.name.clone();
        let source = OsString::from(format!("containers-storage:{name}"));
        let run = |arguments: &[&str], more: &[&OsString]| {
            let words: Vec<_> = arguments.iter().map(OsString::from).collect();
            let all: Vec<_> =
                words.iter().chain(more.iter().copied()).map(OsString::as_os_str).collect();
            skopeo(&name, &all, MANIFEST_LIMIT_BYTES, cancel)
        };
        let manifest = run(&["inspect", "--raw"], &[&source])?;
        let size = u64::try_from(manifest.len()).unwrap_or(u64::MAX);
        if size > MANIFEST_LIMIT_BYTES {
            return Err(Error::TooLarge { what: "manifest", size, limit: MANIFEST_LIMIT_BYTES });
        }
        let scratch = Scratch::create(folder, "containers-storage").map_err(in_scratch)?;
        let folder = scratch.path().join("image");
        let mut target = OsString::from("dir:");
        target.push(&folder);
        // Whether the image may be used is not decided here, and not by another program's rules.
        run(&["--insecure-policy", "copy", "--quiet"], &[&source, &target])?;
        let copy = Dir::open(&folder, cancel.clone())?;
        let copied: Manifest = parse(&copy.top()?.bytes)?;
        if parse::<Manifest>(&manifest).is_ok_and(|original| {
            original.config != copied.config || original.layers.len() != copied.layers.len()
        }) {
            return Err(Error::StorageChanged(name));
        }
        Ok(Self { name, manifest, copy, layers: copied.layers, _scratch: scratch })
    }
}

impl Store for Storage {
    fn top(&self) -> Result<Top, Error> {
        let (bytes, digest) = (self.manifest.clone(), Sha256Digest::of(&self.manifest));
        Ok(Top { bytes, digest, media_type: None })
    }

    fn manifest(&self, _: Sha256Digest, _: u64) -> Result<Vec<u8>, Error> {
        let reason = "it is a list of images: name one of them".to_owned();
        Err(Error::Skopeo { name: self.name.clone(), reason })
    }

    fn blob(&self, digest: Sha256Digest, size_bytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        self.copy.blob(digest, size_bytes)
    }

    fn stored(&self, layer: &Layer, index: usize) -> Result<Layer, Error> {
        let copied =
            self.layers.get(index).ok_or_else(|| Error::StorageChanged(self.name.clone()))?;
        let digest = Sha256Digest::parse_oci(&copied.digest).map_err(|source| {
            Error::UnsupportedDigest { what: format!("layer {index}"), source }
        })?;
        let plain = Layer { digest, size_bytes: copied.size, compression: layer.compression };
        self.copy.stored(&plain, index)
    }
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Malformed { what: "manifest", source })
}

fn in_scratch(error: OutputError) -> Error {
    match error {
        OutputError::Io { path, source } => Error::Scratch { path, source },
        OutputError::DiskFull { path } => {
            Error::Scratch { path, source: std::io::ErrorKind::StorageFull.into() }
        }
        OutputError::Name { path } | OutputError::InTheWay { path, .. } => {
            Error::Scratch { path, source: std::io::ErrorKind::NotADirectory.into() }
        }
    }
}
