//! Manifests and indexes: what a document is, which of an index's images is meant, and how the
//! importer stores a manifest.
//!
//! The importer keeps a manifest as its OCI model writes it in canonical JSON (RFC 8785): unknown
//! members vanish, empty ones stay, keys are sorted. We pass it through the same model. A manifest in
//! Docker's format was turned into an OCI one by the fetching helper before: new media types, and
//! the config's size and digest are those of the rewritten config.

use canon_json::CanonJsonSerialize as _;
use oci_spec::image::{Descriptor, ImageManifest, MediaType};
use serde::Deserialize;
use std::collections::BTreeMap;

use super::error::Error;
use super::media::{
    DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, LayerType, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST,
};
use crate::digest::Sha256Digest;
use crate::spec::{Arch, Layer};

/// What stands at the top of an image.
#[derive(Debug)]
pub(crate) enum Document {
    Index(Index),
    Manifest(Box<Manifest>),
}

/// A list of images for several platforms.
#[derive(Debug, Deserialize)]
pub(crate) struct Index {
    #[serde(default)]
    pub(crate) manifests: Vec<IndexEntry>,
}

/// An image in an index.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndexEntry {
    #[serde(default)]
    pub(crate) media_type: String,
    digest: String,
    pub(crate) size: u64,
    platform: Option<Platform>,
    annotations: Option<BTreeMap<String, String>>,
    artifact_type: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    variant: Option<String>,
}

/// An image's manifest.
#[derive(Debug)]
pub(crate) struct Manifest {
    model: ImageManifest,
    /// Whether it came in Docker's format.
    docker: bool,
}

/// What every document says of itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
}

fn malformed(what: &'static str) -> impl Fn(serde_json::Error) -> Error {
    move |source| Error::Malformed { what, source }
}

impl Document {
    /// Reads a document; its own media type goes before `served_as`, both may be missing.
    pub(crate) fn parse(bytes: &[u8], served_as: Option<&str>) -> Result<Self, Error> {
        let outline: Outline = serde_json::from_slice(bytes).map_err(malformed("manifest"))?;
        if outline.schema_version == Some(1) {
            return Err(Error::SchemaVersion1);
        }
        let known =
            |word: &&str| [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].contains(word);
        let shape = if outline.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST };
        let media_type = match outline.media_type.as_deref() {
            Some(media_type) => media_type,
            None => served_as.filter(known).unwrap_or(shape),
        };
        match media_type {
            OCI_INDEX | DOCKER_LIST => Index::parse(bytes).map(Self::Index),
            OCI_MANIFEST => Manifest::parse(bytes, false).map(|m| Self::Manifest(Box::new(m))),
            DOCKER_MANIFEST => Manifest::parse(bytes, true).map(|m| Self::Manifest(Box::new(m))),
            other => Err(Error::NotAnImage(other.to_owned())),
        }
    }
}

impl Index {
    /// Reads an index, a Docker manifest list or the `index.json` of a layout.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        serde_json::from_slice(bytes).map_err(malformed("image index"))
    }

    /// The image for `arch`: by the plainest CPU variant, then zstd before others, then the first,
    /// which is the order in which podman chooses.
    pub(crate) fn choose(&self, arch: Arch) -> Result<&IndexEntry, Error> {
        let ranked = self.manifests.iter().filter_map(|entry| Some((entry.rank(arch)?, entry)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, entry)| entry).ok_or_else(|| {
            Error::NoSuchArchitecture {
                wanted: arch.oci_name().to_owned(),
                available: self.manifests.iter().map(IndexEntry::platform_name).collect(),
            }
        })
    }
}

impl IndexEntry {
    pub(crate) fn digest(&self) -> Result<Sha256Digest, Error> {
        parse_digest("image in the index", &self.digest)
    }

    /// The name that a layout gives the image.
    pub(crate) fn ref_name(&self) -> Option<&str> {
        Some(self.annotations.as_ref()?.get("org.opencontainers.image.ref.name")?.as_str())
    }

    /// What `cosign save` says the entry is.
    pub(crate) fn cosign_kind(&self) -> Option<&str> {
        self.annotations.as_ref()?.get("kind")?.strip_prefix("dev.cosignproject.cosign/")
    }

    /// What the entry is, where it is no image.
    pub(crate) fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    pub(crate) fn is_index(&self) -> bool {
        matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_LIST)
    }

    /// How well the image fits `arch`, smaller is better; `None` if not at all.
    fn rank(&self, arch: Arch) -> Option<(u8, bool)> {
        let variant = match &self.platform {
            None => 3,
            Some(platform)
                if platform.os == "linux" && platform.architecture == arch.oci_name() =>
            {
                match (arch, platform.variant.as_deref().unwrap_or("")) {
                    (Arch::X86_64, "") | (Arch::Aarch64, "v8") => 0,
                    (_, "" | "v1") => 1,
                    _ => 2,
                }
            }
            Some(_) => return None,
        };
        let annotation = "io.github.containers.compression.zstd";
        let zstd = self.annotations.as_ref().is_some_and(|all| all.contains_key(annotation));
        Some((variant, !zstd))
    }

    fn platform_name(&self) -> String {
        match &self.platform {
            None => "no platform".to_owned(),
            Some(Platform { architecture, os, variant }) => {
                let variant = variant.iter().map(|variant| format!("/{variant}"));
                format!("{os}/{architecture}{}", variant.collect::<String>())
            }
        }
    }
}

impl Manifest {
    fn parse(bytes: &[u8], docker: bool) -> Result<Self, Error> {
        let model: ImageManifest = serde_json::from_slice(bytes).map_err(malformed("manifest"))?;
        let config_type = model.config().media_type().to_string();
        if !matches!(config_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            return Err(Error::NotAnImage(config_type));
        }
        Ok(Self { model, docker })
    }

    /// Digest and length of the config.
    pub(crate) fn media_type(&self) -> &'static str {
        if self.docker { DOCKER_MANIFEST } else { OCI_MANIFEST }
    }

    pub(crate) fn config(&self) -> Result<(Sha256Digest, u64), Error> {
        let config = self.model.config();
        Ok((parse_digest("image config", config.digest().as_ref())?, config.size()))
    }

    /// The layers, and what the user should know of them.
    pub(crate) fn layers(&self) -> Result<(Vec<Layer>, Vec<String>), Error> {
        let (mut layers, mut warnings) = (Vec::new(), Vec::new());
        for (index, layer) in self.model.layers().iter().enumerate() {
            let kind = LayerType::parse(index, layer.media_type().as_ref())?;
            if kind.docker && !self.docker {
                warnings.push(format!(
                    "layer {index} has Docker's media type in an OCI manifest: the updater in the \
                     installed system refuses such images"
                ));
            }
            layers.push(Layer {
                digest: parse_digest(&format!("layer {index}"), layer.digest().as_ref())?,
                size_bytes: layer.size(),
                compression: kind.compression,
            });
        }
        if layers.is_empty() { Err(Error::NoLayers) } else { Ok((layers, warnings)) }
    }

    /// The time of creation that the manifest claims.
    pub(crate) fn created(&self) -> Option<&str> {
        let annotations = self.model.annotations().as_ref()?;
        Some(annotations.get("org.opencontainers.image.created")?.as_str())
    }

    /// As the importer stores it; `go_config` is the config as Go writes it.
    pub(crate) fn canonical(mut self, go_config: &[u8]) -> Result<String, Error> {
        if self.docker {
            self.model = into_oci(&self.model, go_config)?;
        }
        let text = self.model.to_canon_json_string().map_err(serde_json::Error::io);
        text.map_err(malformed("manifest"))
    }
}

/// A Docker manifest in OCI's words.
fn into_oci(docker: &ImageManifest, go_config: &[u8]) -> Result<ImageManifest, Error> {
    let plain = |media_type: &str, size: u64, digest: &str| -> Result<Descriptor, Error> {
        let value = serde_json::json!({"mediaType": media_type, "size": size, "digest": digest});
        serde_json::from_value(value).map_err(malformed("manifest"))
    };
    let size = u64::try_from(go_config.len()).unwrap_or(u64::MAX);
    let mut oci = docker.clone();
    oci.set_media_type(Some(MediaType::ImageManifest));
    oci.set_config(plain(OCI_CONFIG, size, &Sha256Digest::of(go_config).to_oci())?);
    oci.set_artifact_type(None);
    oci.set_subject(None);
    oci.set_annotations(None);
    let mut layers = Vec::new();
    for (index, layer) in docker.layers().iter().enumerate() {
        let media_type = LayerType::parse(index, layer.media_type().as_ref())?.to_oci();
        let mut descriptor = plain(media_type, layer.size(), layer.digest().as_ref())?;
        descriptor.set_urls(layer.urls().clone().filter(|urls| !urls.is_empty()));
        layers.push(descriptor);
    }
    oci.set_layers(layers);
    Ok(oci)
}

fn parse_digest(what: &str, text: &str) -> Result<Sha256Digest, Error> {
    Sha256Digest::parse_oci(text)
        .map_err(|source| Error::UnsupportedDigest { what: what.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn chosen(arch: Arch, entries: &[(&str, &str)]) -> Result<u64, Error> {
        let entry = |(at, (platform, more)): (usize, &(&str, &str))| {
            format!(r#"{{"digest":"{DIGEST}","size":{at},"platform":{platform}{more}}}"#)
        };
        let entries: Vec<_> = entries.iter().enumerate().map(entry).collect();
        let index = format!(r#"{{"manifests":[{}]}}"#, entries.join(","));
        Index::parse(index.as_bytes())?.choose(arch).map(|entry| entry.size)
    }

    #[test]
    fn an_index_is_searched_as_podman_does() {
        let amd64 = r#"{"architecture":"amd64","os":"linux"}"#;
        let amd64_v3 = r#"{"architecture":"amd64","os":"linux","variant":"v3"}"#;
        let arm64 = r#"{"architecture":"arm64","os":"linux"}"#;
        let arm64_v8 = r#"{"architecture":"arm64","os":"linux","variant":"v8"}"#;
        let windows = r#"{"architecture":"amd64","os":"windows"}"#;
        let zstd = r#","annotations":{"io.github.containers.compression.zstd":"true"}"#;
        let check = |arch, entries: &[_], size| assert_eq!(chosen(arch, entries).unwrap(), size);
        check(Arch::X86_64, &[(windows, ""), (arm64, ""), (amd64, ""), (amd64, "")], 2);
        check(Arch::X86_64, &[(amd64_v3, ""), (amd64, "")], 1);
        check(Arch::X86_64, &[(amd64_v3, ""), (windows, "")], 0);
        check(Arch::X86_64, &[(amd64, ""), (amd64, zstd)], 1);
        check(Arch::Aarch64, &[(arm64, ""), (arm64_v8, "")], 1);
        check(Arch::Aarch64, &[("null", ""), (arm64, "")], 1);
        check(Arch::Aarch64, &[(amd64, ""), ("null", "")], 1);
        let error =
            chosen(Arch::Aarch64, &[(windows, ""), (amd64_v3, "")]).unwrap_err().to_string();
        assert!(error.ends_with("linux/arm64; it has: windows/amd64, linux/amd64/v3"), "{error}");
    }

    fn manifest(config_type: &str, layers: &str) -> String {
        let config = format!(r#"{{"mediaType":"{config_type}","digest":"{DIGEST}","size":2}}"#);
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#)
    }

    #[test]
    fn documents_say_what_they_are() {
        let parse = |text: &str, served_as| Document::parse(text.as_bytes(), served_as);
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(matches!(parse(index, None), Ok(Document::Index(_))));
        assert!(matches!(parse(index, Some("text/plain")), Ok(Document::Index(_))));
        let plain = manifest(OCI_CONFIG, "");
        assert!(matches!(parse(&plain, None), Ok(Document::Manifest(m)) if !m.docker));
        assert!(
            matches!(parse(&plain, Some(DOCKER_MANIFEST)), Ok(Document::Manifest(m)) if m.docker)
        );
        let schema1 = r#"{"schemaVersion":1,"fsLayers":[]}"#;
        assert!(matches!(parse(schema1, None), Err(Error::SchemaVersion1)));
        let artifact = manifest("application/vnd.oci.empty.v1+json", "");
        assert!(matches!(parse(&artifact, None), Err(Error::NotAnImage(_))));
        let other = r#"{"schemaVersion":2,"mediaType":"text/plain"}"#;
        assert!(matches!(parse(other, None), Err(Error::NotAnImage(_))));
        for text in ["", "{", "[]", "{}", r#"{"manifests":7}"#] {
            assert!(parse(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn layers_need_a_sha256_digest() {
        let sha512 = "0".repeat(128);
        let layer = format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha512:{sha512}","size":1}}"#
        );
        let result = Document::parse(manifest(OCI_CONFIG, &layer).as_bytes(), None);
        let Ok(Document::Manifest(manifest)) = result else { panic!("{result:?}") };
        assert!(matches!(manifest.layers(), Err(Error::UnsupportedDigest { .. })));
    }
}
