//! From a manifest and a config to an [`Image`], and whether it can become a disk.

use canon_json::CanonJsonSerialize as _;
use oci_spec::image::ImageConfiguration;

use super::error::Error;
use super::goconfig::GoConfig;
use super::manifest::Manifest;
use super::timestamp::Timestamp;
use crate::digest::Sha256Digest;
use crate::spec::{Arch, Image};

/// Manifests and indexes beyond this are refused, as registries do.
pub(crate) const MANIFEST_LIMIT_BYTES: u64 = 4 << 20;
/// Configs beyond this are refused.
pub(crate) const CONFIG_LIMIT_BYTES: u64 = 16 << 20;

/// Puts together what was fetched and verified.
pub(crate) fn image(
    manifest_digest: Sha256Digest,
    manifest: Manifest,
    config_bytes: &[u8],
) -> Result<Image, Error> {
    let (layers, warnings) = manifest.layers()?;
    let config = GoConfig::parse(config_bytes)?;
    let go_config = config.to_go_json()?;
    // An annotation that does not parse hides the config's time, as it does for the importer.
    let created_secs = match manifest.created().or(config.created.as_deref()) {
        Some(text) => Timestamp::parse(text).map(|time| time.unix_secs()),
        None => None,
    };
    Ok(Image {
        manifest_digest,
        canonical_manifest: manifest.canonical(&go_config)?,
        canonical_config: canonical_config(&go_config)?,
        config_digest: Sha256Digest::of(config_bytes),
        architecture: config.architecture,
        created_secs,
        labels: config.config.labels,
        layers,
        diff_ids: config.rootfs.diff_ids.unwrap_or_default(),
        warnings,
    })
}

/// The config as the importer stores it: through Go's model, then through its own.
fn canonical_config(go_config: &[u8]) -> Result<String, Error> {
    let malformed = |source| Error::Malformed { what: "image config", source };
    let model: ImageConfiguration = serde_json::from_slice(go_config).map_err(malformed)?;
    model.to_canon_json_string().map_err(serde_json::Error::io).map_err(malformed)
}

/// Whether the image is made to boot, and on `arch`.
pub fn check_bootable(image: &Image, arch: Arch) -> Result<(), Error> {
    let has = |label| image.labels.contains_key(label);
    if !has("containers.bootc") && !has("ostree.bootable") {
        return Err(Error::NotBootable);
    }
    if image.architecture != arch.oci_name() {
        return Err(Error::Architecture {
            wanted: arch.oci_name().to_owned(),
            found: image.architecture.clone(),
        });
    }
    Ok(())
}
