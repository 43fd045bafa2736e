//! What lies beside an image and may be a signature of it. Nothing here is believed: digests bind
//! blobs to the manifests that name them, and that is all. Whether anything counts is decided elsewhere.
//!
//! | form | in a registry | in a layout |
//! |---|---|---|
//! | simple signing | the tag `sha256-<hex>.sig` | the same as a reference name, or an entry of the kind `dev.cosignproject.cosign/sigs` (`cosign save`) |
//! | sigstore bundles | the referrers of the digest, or the index under the tag `sha256-<hex>` | the same tag, or entries whose manifest has the digest as its subject |
//!
//! Limits: 256 manifests and layers of each, 1 MiB for each document, 16 MiB for all. Documents that are
//! larger are passed over: they are no signatures.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::Error;
use super::source::{Store, read_verified};
use crate::digest::Sha256Digest;
use crate::progress::Cancel;

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// How media types of bundles begin, whatever the version.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The bundles that are read.
pub(crate) const BUNDLE_0_3: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The most manifests of referrers, and layers of one manifest, that are looked at.
pub(crate) const COUNT_LIMIT: usize = 256;
const DOCUMENT_LIMIT_BYTES: u64 = 1 << 20;
const TOTAL_LIMIT_BYTES: u64 = 16 << 20;

/// Something that may be a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attachment {
    /// A layer of the manifest with simple signatures.
    SimpleSigning {
        /// The layer's bytes.
        payload: Vec<u8>,
        /// Its annotation.
        signature: String,
    },
    /// A sigstore bundle.
    Bundle(Vec<u8>),
}

/// A manifest that refers to an image, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
    pub(crate) subject: Option<Subject>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Subject {
    pub(crate) digest: String,
}

impl Manifest {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let what = "manifest of signatures";
        serde_json::from_slice(bytes).map_err(|source| Error::Malformed { what, source })
    }
}

/// The tag under which simple signatures of `digest` are.
pub(crate) fn signature_tag(digest: Sha256Digest) -> String {
    format!("sha256-{digest}.sig")
}

/// The tag under which those without an index of referrers keep one.
pub(crate) fn referrers_tag(digest: Sha256Digest) -> String {
    format!("sha256-{digest}")
}

/// Whether a layout's entry with this tag is something beside an image, and no image.
pub(crate) fn is_attachment_tag(tag: &str) -> bool {
    let Some((hex, rest)) = tag.strip_prefix("sha256-").and_then(|tag| tag.split_at_checked(64))
    else {
        return false;
    };
    Sha256Digest::parse_hex(hex).is_ok() && (rest.is_empty() || rest.starts_with('.'))
}

/// Everything beside `digest` that may be a signature.
pub(crate) fn collect(
    store: &dyn Store,
    digest: Sha256Digest,
    cancel: &Cancel,
) -> Result<Vec<Attachment>, Error> {
    let mut found = Vec::new();
    let mut total = 0_u64;
    let mut fetch = |layer: &Layer| -> Result<Option<Vec<u8>>, Error> {
        if layer.size > DOCUMENT_LIMIT_BYTES {
            return Ok(None);
        }
        let what = "signature";
        total = total.saturating_add(layer.size);
        if total > TOTAL_LIMIT_BYTES {
            return Err(Error::TooLarge { what, size: total, limit: TOTAL_LIMIT_BYTES });
        }
        let digest = Sha256Digest::parse_oci(&layer.digest)
            .map_err(|source| Error::UnsupportedDigest { what: what.to_owned(), source })?;
        let blob = store.blob(digest, layer.size)?;
        let limit = DOCUMENT_LIMIT_BYTES;
        read_verified(blob, digest, layer.size, what, limit, cancel).map(Some)
    };
    for manifest in store.signature_manifests(digest)? {
        for layer in layers(&manifest)? {
            let annotations = layer.annotations.as_ref();
            let Some(signature) = annotations.and_then(|all| all.get(SIGNATURE)) else { continue };
            if layer.media_type != SIMPLE_SIGNING {
                continue;
            }
            let signature = signature.clone();
            if let Some(payload) = fetch(&layer)? {
                found.push(Attachment::SimpleSigning { payload, signature });
            }
        }
    }
    for manifest in store.referrers(digest)? {
        for layer in layers(&manifest)? {
            if layer.media_type.starts_with(BUNDLE)
                && let Some(bundle) = fetch(&layer)?
            {
                found.push(Attachment::Bundle(bundle));
            }
        }
    }
    Ok(found)
}

fn layers(manifest: &[u8]) -> Result<Vec<Layer>, Error> {
    let layers = Manifest::parse(manifest)?.layers;
    check_count(layers.len())?;
    Ok(layers)
}

/// More than anybody needs would only keep us busy.
pub(crate) fn check_count(count: usize) -> Result<(), Error> {
    if count > COUNT_LIMIT {
        return Err(Error::TooManySignatures { count, limit: COUNT_LIMIT });
    }
    Ok(())
}

/// Reads bytes that strangers send as a manifest of signatures, for fuzzing.
pub fn parse_attachments(bytes: &[u8]) {
    let _ = layers(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attachments_are_told_from_images_by_their_tags() {
        let tag = signature_tag(Sha256Digest::of(b""));
        assert!(tag.starts_with("sha256-e3b0") && tag.ends_with("b855.sig"), "{tag}");
        assert!(is_attachment_tag(&tag));
        assert!(is_attachment_tag(&tag.replace(".sig", ".att")));
        assert!(is_attachment_tag(&referrers_tag(Sha256Digest::of(b""))));
        for image in ["latest", "sha256-1", "sha256", &tag[..60], &format!("x{tag}"), "é"] {
            assert!(!is_attachment_tag(image), "{image}");
        }
    }

    proptest::proptest! {
        #[test]
        fn changed_manifests_never_panic(at: usize, byte: u8) {
            let mut bytes = br#"{"layers":[{"mediaType":"x","digest":"y","size":1,"annotations":{"a":"b"}}],"subject":{"digest":"z"}}"#.to_vec();
            let place = at % bytes.len();
            bytes[place] = byte;
            parse_attachments(&bytes);
        }
    }
}
