//! The images to measure with, and where their layers lie.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// One image in an OCI layout.
#[derive(Debug, Clone)]
pub struct Image {
    /// The layout.
    pub layout: PathBuf,
    /// Its tag there.
    pub tag: String,
    /// Its layers' digests, as in the manifest.
    pub layers: Vec<String>,
}

impl Image {
    /// The image of that tag.
    pub fn open(layout: &Path, tag: &str) -> Result<Self> {
        let layers = layers(layout, tag)
            .with_context(|| format!("reading the layout {}", layout.display()))?;
        Ok(Self { layout: layout.into(), tag: tag.into(), layers })
    }

    /// As the command line names it.
    pub fn reference(&self) -> String {
        format!("oci:{}:{}", self.layout.display(), self.tag)
    }

    /// Where its layers' blobs are.
    pub fn blobs(&self) -> Vec<PathBuf> {
        self.layers.iter().map(|digest| blob(&self.layout, digest)).collect()
    }

    /// The bytes of its layers as they lie there.
    pub fn compressed_bytes(&self) -> Result<u64> {
        let lengths = self.blobs().into_iter().map(|blob| Ok(fs::metadata(blob)?.len()));
        lengths.sum()
    }
}

fn blob(layout: &Path, digest: &str) -> PathBuf {
    layout.join("blobs").join(digest.replace(':', "/"))
}

fn layers(layout: &Path, tag: &str) -> Result<Vec<String>> {
    let read = |path: PathBuf| -> Result<Value> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    let digest = |descriptor: &Value| {
        descriptor["digest"].as_str().map(str::to_owned).context("a descriptor has no digest")
    };
    let index = read(layout.join("index.json"))?;
    let tagged = |entry: &&Value| entry["annotations"]["org.opencontainers.image.ref.name"] == tag;
    let entry = index["manifests"].as_array().and_then(|all| all.iter().find(tagged));
    let manifest = digest(entry.with_context(|| format!("there is no tag {tag}"))?)?;
    let manifest = read(blob(layout, &manifest))?;
    manifest["layers"].as_array().context("a manifest has no layers")?.iter().map(digest).collect()
}
