//! What to do where an image comes from: names, registries, layouts, signatures.

use std::path::Path;

use super::{NOT_BOOTABLE, of_io};
use crate::registry::{self, ParseReferenceError};
use crate::trust::{self, KeyError};

const DAMAGED: &str = "the copy of the image is damaged: copy the image again";
const OTHER_PROOF: &str = "give the key of a cosign signature with `--verify-key`, another policy with \
                           `--signature-policy`, or heed none with `--insecure-policy`";

pub(super) fn of_reference(error: &ParseReferenceError) -> Option<String> {
    match error {
        ParseReferenceError::LocalStorage(name) => Some(format!(
            "for an image that podman built, say `containers-storage:{name}`; for an OCI layout, \
             `oci:DIR`; for a registry on this machine, give its port (`localhost:5000/…`)"
        )),
        ParseReferenceError::NoHost(text) | ParseReferenceError::Malformed { text, .. }
            if Path::new(text).exists() =>
        {
            let transport = if Path::new(text).is_dir() { "oci" } else { "oci-archive" };
            Some(format!("for a folder or file on this machine, say what it is: `{transport}:{text}`"))
        }
        ParseReferenceError::NoHost(text) if text.starts_with("docker:") => {
            Some("an image in a registry is `docker://` and its full name, or the name alone".into())
        }
        ParseReferenceError::Malformed { text, .. }
            if let Some((_, name)) = text.split_once("://") =>
        {
            Some(format!("images have names, not addresses: say `{name}`"))
        }
        ParseReferenceError::NoHost(_) => Some(
            "a short name needs an alias, or one registry to search, in registries.conf; for an image \
             in the local storage, say `containers-storage:` and its full name"
                .into(),
        ),
        ParseReferenceError::Transport(word) => Some(format!(
            "copy the image with `skopeo copy {word}:… oci:DIR` and build from `oci:DIR`"
        )),
        _ => None,
    }
}

pub(super) fn of_registry(error: &registry::Error) -> Option<String> {
    use registry::Error as E;
    match error {
        E::Reference(error) => of_reference(error),
        E::Denied { name, credentials: None, .. } => {
            let host = name.split('/').next().unwrap_or(name);
            Some(format!("log in with `podman login {host}`, or name a file with `--authfile`"))
        }
        E::Denied { .. } => Some(
            "check that this account may read the image (or write it, with `--push`), log in again \
             with `podman login`, or name another file with `--authfile`"
                .into(),
        ),
        E::NoAuthFile(_) => {
            Some("`--authfile` or the environment variable REGISTRY_AUTH_FILE names it".into())
        }
        E::NotFound { .. } => Some("check the image's name and tag".into()),
        E::Connection { tls: true, tls_verify: true, .. } => Some(
            "if this registry speaks plain HTTP, or has a certificate of its own, and you trust the \
             network, use `--tls-verify=false`"
                .into(),
        ),
        E::NoSuchArchitecture { available, .. } if !available.is_empty() => {
            Some("choose another architecture with `--arch`".into())
        }
        E::Architecture { found, .. } if crate::spec::Arch::parse(found).is_some() => {
            Some(format!("build a disk for that architecture with `--arch {found}`"))
        }
        E::NotBootable => Some(NOT_BOOTABLE.to_owned()),
        E::Mirrors { source, .. } => of_registry(source),
        E::AmbiguousName { .. } => Some("give the full name".into()),
        E::Blocked { .. } => Some(
            "ask whoever blocked it; a mirror of it in the same file may be used".into(),
        ),
        E::NoSkopeo => Some(
            "install skopeo; or copy the image with `podman save --format oci-archive -o FILE` and \
             build from `oci-archive:FILE`"
                .into(),
        ),
        E::Skopeo { .. } => Some(
            "`podman images` lists what is there, with full names; root's storage is not the user's"
                .into(),
        ),
        E::NotADockerArchive { .. } => Some(
            "what `podman save` writes with `--format oci-archive` is read as `oci-archive:`".into(),
        ),
        E::Scratch { source, .. } => of_io(source),
        E::NotALayout { .. } | E::NoFolder(_) => Some(
            "`oci:` wants a folder with an OCI layout, `oci-archive:` a tar of one, `dir:` a folder that \
             skopeo wrote; in the first two the path ends at the first colon"
                .into(),
        ),
        E::CompressedArchive { .. } | E::NoSuchTag { .. } | E::SeveralImages { .. } => None,
        E::BlobDigest { .. } | E::BlobSize { .. } | E::MissingBlob { .. } => {
            Some(DAMAGED.to_owned())
        }
        E::PushToDigest(_) => Some("name a tag, such as `registry.example/org/disk:1`".into()),
        E::Blob { source, .. } => of_io(source),
        _ => None,
    }
}

pub(super) fn of_trust(error: &trust::Error) -> Option<String> {
    use trust::Error as E;
    match error {
        E::Rejected { .. } => Some(
            "if you trust the image nevertheless, name another policy with `--signature-policy`, or \
             heed none with `--insecure-policy`"
                .into(),
        ),
        E::NotSupported { .. } | E::Scopes { .. } => Some(OTHER_PROOF.to_owned()),
        E::Unsigned => Some(
            "sign it with `cosign sign --key cosign.key IMAGE@DIGEST`; signatures of a local layout \
             must be in that layout"
                .into(),
        ),
        _ => None,
    }
}

pub(super) fn of_key(error: &KeyError) -> Option<String> {
    match error {
        KeyError::Label(label) if label.ends_with("PRIVATE KEY") => {
            Some("give the public half: `cosign.pub`, not `cosign.key`".into())
        }
        KeyError::Label(_) | KeyError::NotPem | KeyError::NotAKey => Some(
            "`cosign generate-key-pair` writes one as `cosign.pub`, `openssl pkey -pubout` takes it \
             from a private key"
                .into(),
        ),
        _ => None,
    }
}
