//! The image that a medium carries: an OCI layout at `container/`, byte for byte what was read.
//!
//! | file | from |
//! |---|---|
//! | `oci-layout`, `index.json` | us: the one image, with its platform and its name |
//! | `blobs/sha256/…` | manifest and config as served; layers as they come, each once |
//!
//! Layers are kept while they are imported, one behind the other in a temporary file: nothing is
//! fetched twice.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::error::Error;
use super::medium::Part;
use crate::digest::Sha256Digest;
use crate::output::{OutputError, Owner, Pending};
use crate::plan::PlanError;
use crate::plan::types::DiskType;
use crate::registry::{Reference, Source};
use crate::spec::Arch;
use crate::units::ByteOffset;

/// Where the medium has the layout.
pub const FOLDER: &str = "container";

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const NAME: &str = "org.opencontainers.image.ref.name";

/// The layers of an image that is being read, kept as they come.
#[derive(Debug)]
pub struct Container {
    file: Pending,
    layers: BTreeMap<Sha256Digest, Range<u64>>,
}

impl Container {
    /// From now on, what is read of the layers is kept in a temporary file, beside the medium of this
    /// type in the folder `output`.
    ///
    /// # Errors
    ///
    /// Layers that are not as the manifest has them; no file.
    pub(super) fn keep(source: &mut Source, output: &Path, kind: DiskType) -> Result<Self, Error> {
        if !source.is_as_named() {
            let name = source.reference().to_string();
            return Err(Error::LayersUnpacked { kind: kind.name(), name });
        }
        let file = Pending::create(&output.join(kind.path()).with_file_name("container"))?;
        let mut layers = BTreeMap::new();
        let mut end: u64 = 0;
        for layer in &source.image().layers {
            if let Entry::Vacant(vacant) = layers.entry(layer.digest) {
                let start = end;
                end = start.checked_add(layer.size_bytes).ok_or(PlanError::TooLarge)?;
                vacant.insert(start..end);
            }
        }
        let places = layers.iter().map(|(digest, place)| (*digest, ByteOffset(place.start)));
        source.copy_layers(Arc::clone(file.file()), places.collect());
        Ok(Self { file, layers })
    }

    /// Gives the file, and the folders that were made for it, to somebody.
    pub(super) fn give_to(&self, owner: Owner) -> Result<(), OutputError> {
        self.file.give_to(owner)
    }

    /// The files of the layout by their path on the medium, when all layers were read.
    pub(super) fn parts(&self, source: &Source, arch: Arch) -> BTreeMap<String, Part> {
        let file = self.file.file();
        let layers = (self.layers.iter())
            .map(|(digest, place)| (blob(*digest), Part::Piece(Arc::clone(file), place.clone())));
        let manifest = source.documents().last();
        let documents = manifest.into_iter().chain([source.config()]);
        let documents =
            documents.map(|named| (blob(named.digest), Part::from(named.bytes.clone())));
        let layout = json!({"imageLayoutVersion": "1.0.0"}).to_string();
        let texts = [("oci-layout", layout), ("index.json", index(source, arch))];
        let texts =
            texts.map(|(name, text)| (format!("{FOLDER}/{name}"), Part::from(text.into_bytes())));
        layers.chain(documents).chain(texts).collect()
    }
}

fn blob(digest: Sha256Digest) -> String {
    format!("{FOLDER}/blobs/sha256/{digest}")
}

// `serde_json` writes the members of `json!` in the order of their names.

fn index(source: &Source, arch: Arch) -> String {
    let manifest = source.documents().last();
    let mut image = json!({
        "digest": source.image().manifest_digest.to_oci(),
        "mediaType": source.media_type(),
        "platform": {"architecture": arch.oci_name(), "os": "linux"},
        "size": manifest.map_or(0, |manifest| manifest.bytes.len()),
    });
    if let Some(name) = name(source.reference()) {
        image["annotations"] = json!({ NAME: name });
    }
    json!({"manifests": [image], "mediaType": INDEX, "schemaVersion": 2}).to_string()
}

/// What the image is called where it comes from, if it is called anything.
fn name(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::Registry(name) => name.text.split('@').next(),
        Reference::OciDir(layout) | Reference::OciArchive(layout) => layout.tag.as_deref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_names_the_image_as_its_source_does() {
        for (typed, expected) in [
            ("registry.example/org/os:1", Some("registry.example/org/os:1")),
            ("oci:/a:tag", Some("tag")),
            ("oci:/a", None),
            ("dir:/a", None),
        ] {
            assert_eq!(name(&Reference::parse(typed).unwrap()), expected, "{typed}");
        }
        let pinned = format!("registry.example/os@{}", Sha256Digest::of(b"").to_oci());
        assert_eq!(name(&Reference::parse(&pinned).unwrap()), Some("registry.example/os"));
    }
}
