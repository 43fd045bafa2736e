//! Docker's archives: what `docker save`, `podman save` and `skopeo copy … docker-archive:` write.
//!
//! | name | content |
//! |---|---|
//! | `manifest.json` | for each image `Config`, `RepoTags` and `Layers`: names of files in the tar |
//! | a config | the image config; its digest is the image's id |
//! | a layer | a tar, sometimes compressed, sometimes a symbolic link to another |
//! | `repositories`, `…/json`, `…/VERSION` | for older Dockers; not read |
//!
//! There is no OCI manifest. The fetching helper makes one up, of Docker's format: the config, and
//! for each layer the diff id that the config claims, with the length of its tar and the media type
//! of a *compressed* layer. The importer stores what becomes of that, so we make up the same, byte
//! for byte, and hand out layers uncompressed. (The importer itself trips over the media type: it
//! takes the plain tars for compressed ones. We look.)
//!
//! Two oddities are the helper's, and part of the manifest's digest: a layer that is a symbolic link
//! has the length 0, unless its content was met before under its own name.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::Error;
use super::media::{DOCKER_CONFIG, DOCKER_MANIFEST};
use super::model::{CONFIG_LIMIT_BYTES, MANIFEST_LIMIT_BYTES};
use super::name::as_docker_means;
use super::reference::{ArchiveChoice, ArchiveReference};
use super::source::{Store, Top, read_limited};
use super::tar_index::{Repeats, TarIndex, Window, clean, compression_of};
use crate::digest::Sha256Digest;
use crate::progress::Cancel;
use crate::spec::{Compression, Layer};

/// What the helper says of every layer.
const DOCKER_GZIP_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// A window of 2^27 bytes, 128 MiB: the most a zstd frame may ask for.
const WINDOW_LOG_MAX: u32 = 27;

/// An archive, and the image in it that was asked for.
#[derive(Debug)]
pub(crate) struct DockerArchive {
    path: PathBuf,
    index: TarIndex,
    config: Vec<u8>,
    manifest: Vec<u8>,
    layers: BTreeMap<Sha256Digest, StoredLayer>,
}

#[derive(Debug)]
struct StoredLayer {
    name: String,
    /// Length of the tar, unpacked.
    size_bytes: u64,
}

/// An image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// What is read of a config here.
#[derive(Debug, Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

impl DockerArchive {
    pub(crate) fn open(reference: &ArchiveReference, cancel: &Cancel) -> Result<Self, Error> {
        let index = TarIndex::read(&reference.path, cancel, |_| true, Repeats::First)?;
        Self::of(index, reference, cancel)
    }

    /// The image in a tar that was read.
    pub(crate) fn of(
        index: TarIndex,
        reference: &ArchiveReference,
        cancel: &Cancel,
    ) -> Result<Self, Error> {
        let path = reference.path.clone();
        let missing = "manifest.json";
        let Some(file) = index.open(missing) else {
            return Err(Error::NotADockerArchive { path, missing: missing.to_owned() });
        };
        let bytes = read_document(&path, file, "archive's manifest", MANIFEST_LIMIT_BYTES)?;
        let items: Vec<Item> = parse("archive's manifest", &bytes)?;
        let item = choose(reference, &items)?;
        let missing = item.config.clone();
        let Some(file) = index.open(&clean(&missing)) else {
            return Err(Error::NotADockerArchive { path, missing });
        };
        let config = read_document(&path, file, "image config", CONFIG_LIMIT_BYTES)?;
        let parsed: Config = parse("image config", &config)?;
        let diff_ids = parsed.rootfs.diff_ids.unwrap_or_default();
        let names = item.layers.as_deref().unwrap_or_default();
        let mut archive =
            Self { path, index, config, manifest: Vec::new(), layers: BTreeMap::new() };
        archive.make_up(names, &diff_ids, cancel)?;
        Ok(archive)
    }

    /// Finds the layers, and makes the manifest up.
    fn make_up(
        &mut self,
        names: &[String],
        diff_ids: &[String],
        cancel: &Cancel,
    ) -> Result<(), Error> {
        if names.len() != diff_ids.len() {
            let (path, layers, diff_ids) = (self.path.clone(), names.len(), diff_ids.len());
            return Err(Error::LayerCount { path, layers, diff_ids });
        }
        let mut told = BTreeMap::new();
        let mut used = BTreeSet::new();
        let mut descriptors = Vec::new();
        for (index, (name, diff_id)) in names.iter().zip(diff_ids).enumerate() {
            let what = || format!("layer {index}");
            let digest = Sha256Digest::parse_oci(diff_id)
                .map_err(|source| Error::UnsupportedDigest { what: what(), source })?;
            if !self.layers.contains_key(&digest) {
                let name = clean(name);
                if !used.insert(name.clone()) {
                    return Err(Error::SharedLayer { path: self.path.clone(), layer: name });
                }
                let size_bytes = self.unpacked_len(&name, cancel)?;
                told.insert(digest, if self.index.is_link(&name) { 0 } else { size_bytes });
                self.layers.insert(digest, StoredLayer { name, size_bytes });
            }
            let size = told.get(&digest).copied().unwrap_or_default();
            descriptors.push(descriptor(DOCKER_GZIP_LAYER, size, digest));
        }
        let size = u64::try_from(self.config.len()).unwrap_or(u64::MAX);
        let config = descriptor(DOCKER_CONFIG, size, Sha256Digest::of(&self.config));
        let layers = descriptors.join(",");
        self.manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{DOCKER_MANIFEST}","config":{config},"layers":[{layers}]}}"#
        )
        .into_bytes();
        Ok(())
    }

    fn window(&self, name: &str) -> Result<Window, Error> {
        self.index.open(name).ok_or_else(|| Error::NotADockerArchive {
            path: self.path.clone(),
            missing: name.to_owned(),
        })
    }

    fn unpacked_len(&self, name: &str, cancel: &Cancel) -> Result<u64, Error> {
        let in_file = |source| Error::File { path: self.path.join(name), source };
        let window = self.window(name)?;
        let len = window.len();
        let Some(mut unpacked) = unpack(window).map_err(in_file)? else { return Ok(len) };
        let mut buffer = vec![0; 64 << 10];
        let mut len: u64 = 0;
        loop {
            if cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match unpacked.read(&mut buffer).map_err(in_file)? {
                0 => return Ok(len),
                count => len = len.saturating_add(u64::try_from(count).unwrap_or(u64::MAX)),
            }
        }
    }
}

impl Store for DockerArchive {
    fn top(&self) -> Result<Top, Error> {
        let (bytes, digest) = (self.manifest.clone(), Sha256Digest::of(&self.manifest));
        Ok(Top { bytes, digest, media_type: Some(DOCKER_MANIFEST.to_owned()) })
    }

    fn manifest(&self, digest: Sha256Digest, _size_bytes: u64) -> Result<Vec<u8>, Error> {
        Err(Error::MissingBlob { digest, path: self.path.clone() })
    }

    fn blob(&self, digest: Sha256Digest, _size_bytes: u64) -> Result<Box<dyn Read + Send>, Error> {
        if digest == Sha256Digest::of(&self.config) {
            return Ok(Box::new(io::Cursor::new(self.config.clone())));
        }
        let missing = || Error::MissingBlob { digest, path: self.path.clone() };
        let name = &self.layers.get(&digest).ok_or_else(missing)?.name;
        let in_file = |source| Error::File { path: self.path.join(name), source };
        match unpack(self.window(name)?).map_err(in_file)? {
            Some(unpacked) => Ok(unpacked),
            None => Ok(Box::new(self.window(name)?)),
        }
    }

    fn stored(&self, layer: &Layer, _: usize) -> Result<Layer, Error> {
        let stored = self
            .layers
            .get(&layer.digest)
            .ok_or_else(|| Error::MissingBlob { digest: layer.digest, path: self.path.clone() })?;
        let (digest, size_bytes) = (layer.digest, stored.size_bytes);
        Ok(Layer { digest, size_bytes, compression: Compression::None })
    }
}

fn descriptor(media_type: &str, size: u64, digest: Sha256Digest) -> String {
    let digest = digest.to_oci();
    format!(r#"{{"mediaType":"{media_type}","size":{size},"digest":"{digest}"}}"#)
}

fn parse<'a, T: Deserialize<'a>>(what: &'static str, bytes: &'a [u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Malformed { what, source })
}

fn read_document(
    path: &Path,
    file: Window,
    what: &'static str,
    limit: u64,
) -> Result<Vec<u8>, Error> {
    let size = file.len();
    if size > limit {
        return Err(Error::TooLarge { what, size, limit });
    }
    read_limited(file, limit).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn choose<'a>(reference: &ArchiveReference, items: &'a [Item]) -> Result<&'a Item, Error> {
    let tags = |item: &'a Item| item.repo_tags.iter().flatten();
    let path = || reference.path.clone();
    let available = || -> Vec<String> {
        let name = |(index, item): (usize, &'a Item)| {
            tags(item).next().cloned().unwrap_or_else(|| format!("@{index}"))
        };
        items.iter().enumerate().map(name).collect()
    };
    match (&reference.choice, items) {
        (Some(ArchiveChoice::Name(name)), _) => {
            let wanted = as_docker_means(name);
            let is_it = |tag: &String| wanted.is_some() && as_docker_means(tag) == wanted;
            items.iter().find(|item| tags(item).any(is_it)).ok_or_else(|| Error::NoSuchTag {
                path: path(),
                tag: name.clone(),
                available: available(),
            })
        }
        (Some(ArchiveChoice::Index(index)), _) => items.get(*index).ok_or_else(|| {
            Error::NoSuchTag { path: path(), tag: format!("@{index}"), available: available() }
        }),
        (None, [only]) => Ok(only),
        (None, _) => {
            Err(Error::SeveralImages { path: path(), count: items.len(), available: available() })
        }
    }
}

/// The bytes unpacked; `None` when they are not packed.
fn unpack(window: Window) -> io::Result<Option<Box<dyn Read + Send>>> {
    let mut bytes = BufReader::new(window);
    Ok(match compression_of(bytes.fill_buf()?) {
        None => None,
        Some("gzip") => Some(Box::new(flate2::bufread::MultiGzDecoder::new(bytes))),
        Some("zstd") => {
            let mut unpacked = zstd::stream::read::Decoder::with_buffer(bytes)?;
            unpacked.window_log_max(WINDOW_LOG_MAX)?;
            Some(Box::new(unpacked))
        }
        Some(other) => {
            let text = format!("layers compressed with {other} are not supported");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    })
}

#[cfg(test)]
mod tests;
