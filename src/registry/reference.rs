//! What users type for IMAGE.
//!
//! | spelling | meaning |
//! |---|---|
//! | `host[:port]/path[:tag][@sha256:…]` | a registry; `docker://` in front is optional |
//! | `oci:DIR[:TAG]` | an OCI layout folder |
//! | `oci-archive:FILE[:TAG]` | an uncompressed tar of an OCI layout |
//!
//! Short names (`fedora`, `org/os`) are not guessed: which registry they mean depends on the machine
//! they are typed on. Neither is `localhost/…` without a port: in podman that prefix stands for
//! local storage, and no registry answers there.
//!
//! In `oci:PATH:TAG` the path ends at the first colon, as containers-transports(5) has it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::digest::{ParseDigestError, Sha256Digest};

/// Transports that containers-transports(5) knows and we do not read.
const OTHER_TRANSPORTS: [&str; 8] = [
    "containers-storage",
    "dir",
    "docker-archive",
    "docker-daemon",
    "ostree",
    "registry",
    "sif",
    "tarball",
];

/// An image's name, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// In a registry.
    Registry(RegistryReference),
    /// In an OCI layout folder.
    OciDir(LayoutReference),
    /// In a tar of an OCI layout.
    OciArchive(LayoutReference),
}

/// A name in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryReference {
    /// The name as typed, without `docker://`.
    pub text: String,
    /// Host, with the port if one was typed.
    pub host: String,
    /// Path of the repository.
    pub repository: String,
    /// The tag, if one was typed.
    pub tag: Option<String>,
    /// The digest, if one was typed; it wins over the tag.
    pub digest: Option<Sha256Digest>,
}

/// An image in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The folder or the archive.
    pub path: PathBuf,
    /// The tag, if one was typed.
    pub tag: Option<String>,
}

/// Why a text names no image.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseReferenceError {
    /// Nothing was typed.
    #[error("the image name is empty")]
    Empty,
    /// No registry host.
    #[error(
        "`{0}` does not say which registry: give the full name, such as `registry.example/{0}`"
    )]
    NoHost(String),
    /// `localhost/…`, which podman uses for local storage.
    #[error(
        "`{0}` names no registry: `localhost/` without a port stands for podman's local storage, \
         which is not supported yet"
    )]
    LocalStorage(String),
    /// A transport that exists, but not here.
    #[error("images in `{0}:` are not supported yet")]
    Transport(String),
    /// A part that the grammar does not allow.
    #[error("`{text}` is no image name: {part} `{value}` is not allowed")]
    Malformed {
        /// What was typed.
        text: String,
        /// Which part of it.
        part: &'static str,
        /// That part.
        value: String,
    },
    /// A digest that is none.
    #[error("`{text}` is no image name: {source}")]
    Digest {
        /// What was typed.
        text: String,
        /// What is wrong with the digest.
        source: ParseDigestError,
    },
}

impl Reference {
    /// Reads what a user typed.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        if text.is_empty() {
            return Err(ParseReferenceError::Empty);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return RegistryReference::parse(name).map(Self::Registry);
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            return LayoutReference::parse(text, rest).map(Self::OciDir);
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return LayoutReference::parse(text, rest).map(Self::OciArchive);
        }
        match text.split_once(':') {
            Some((word, _)) if OTHER_TRANSPORTS.contains(&word) => {
                Err(ParseReferenceError::Transport(word.to_owned()))
            }
            _ => RegistryReference::parse(text).map(Self::Registry),
        }
    }
}

impl fmt::Display for Reference {
    /// As typed, without `docker://`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => f.write_str(&name.text),
            Self::OciDir(layout) => write!(f, "oci:{layout}"),
            Self::OciArchive(layout) => write!(f, "oci-archive:{layout}"),
        }
    }
}

impl LayoutReference {
    fn parse(text: &str, rest: &str) -> Result<Self, ParseReferenceError> {
        let (path, tag) = match rest.split_once(':') {
            Some((path, tag)) => (path, Some(tag)),
            None => (rest, None),
        };
        let malformed = |part, value: &str| ParseReferenceError::Malformed {
            text: text.to_owned(),
            part,
            value: value.to_owned(),
        };
        if path.is_empty() {
            return Err(malformed("path", path));
        }
        if let Some(tag) = tag.filter(|tag| !is_ref_name(tag)) {
            return Err(malformed("tag", tag));
        }
        Ok(Self { path: PathBuf::from(path), tag: tag.map(str::to_owned) })
    }

    /// The folder or the archive.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for LayoutReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))
    }
}

impl RegistryReference {
    /// Reads a name, without any transport in front.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        if text.is_empty() {
            return Err(ParseReferenceError::Empty);
        }
        let malformed = |part, value: &str| ParseReferenceError::Malformed {
            text: text.to_owned(),
            part,
            value: value.to_owned(),
        };
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        let digest = digest
            .map(Sha256Digest::parse_oci)
            .transpose()
            .map_err(|source| ParseReferenceError::Digest { text: text.to_owned(), source })?;
        let (host, path) = match name.split_once('/') {
            Some((host, path)) if is_host(host) => (host, path),
            _ => return Err(ParseReferenceError::NoHost(text.to_owned())),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_host_well_formed(host) {
            return Err(malformed("host", host));
        }
        if !repository.split('/').all(is_path_component) {
            return Err(malformed("path", repository));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(malformed("tag", tag));
        }
        if host == "localhost" {
            return Err(ParseReferenceError::LocalStorage(text.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_oci(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

/// Whether the first component is a host and not a path: it has a dot or a port, or is `localhost`.
fn is_host(word: &str) -> bool {
    word.contains(['.', ':']) || word == "localhost"
}

fn is_host_well_formed(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) && is_host_name(name)
}

fn is_host_name(name: &str) -> bool {
    if let Some(address) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    name.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

/// Lower-case letters and digits, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(component: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    edges.is_some_and(|(first, last)| is_word(*first) && is_word(*last))
        && bytes.iter().all(|byte| is_word(*byte) || matches!(byte, b'.' | b'_' | b'-'))
        && component
            .split(|c: char| c.is_ascii_alphanumeric())
            .all(|run| matches!(run, "" | "." | "_" | "__") || run.bytes().all(|b| b == b'-'))
}

/// A word character, then up to 127 word characters, dots and dashes.
fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(is_word)
        && tag.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// What a layout may call an image (image-spec, annotation rules).
fn is_ref_name(name: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric();
    name.bytes().next().is_some_and(is_word)
        && name.bytes().all(|byte| is_word(byte) || b"-._:@+/".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn registry(text: &str) -> (String, String, Option<String>, bool) {
        match Reference::parse(text) {
            Ok(Reference::Registry(name)) => {
                (name.host, name.repository, name.tag, name.digest.is_some())
            }
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn full_names_are_taken_apart() {
        let of = |host: &str, path: &str, tag: Option<&str>, digest| {
            (host.to_owned(), path.to_owned(), tag.map(str::to_owned), digest)
        };
        assert_eq!(
            registry("registry.example/org/os"),
            of("registry.example", "org/os", None, false)
        );
        assert_eq!(
            registry("docker://registry.example:5000/a/b:V1_x.y-z"),
            of("registry.example:5000", "a/b", Some("V1_x.y-z"), false)
        );
        let pinned = format!("localhost:5000/my__os:1@{DIGEST}");
        assert_eq!(registry(&pinned), of("localhost:5000", "my__os", Some("1"), true));
        assert_eq!(registry("[::1]:5000/x"), of("[::1]:5000", "x", None, false));
        assert_eq!(registry("oci.example/x"), of("oci.example", "x", None, false));
    }

    #[test]
    fn the_digest_wins_over_the_tag() {
        let version = |text: &str| RegistryReference::parse(text).unwrap().version();
        assert_eq!(version("r.example/x"), "latest");
        assert_eq!(version("r.example/x:1"), "1");
        assert_eq!(version(&format!("r.example/x:1@{DIGEST}")), DIGEST);
    }

    #[test]
    fn short_names_are_not_guessed() {
        for text in ["fedora", "fedora:42", "org/os:1", "x@sha256"] {
            let error = Reference::parse(text).unwrap_err();
            assert!(
                matches!(
                    error,
                    ParseReferenceError::NoHost(_) | ParseReferenceError::Digest { .. }
                ),
                "{text}: {error:?}"
            );
        }
        let error = Reference::parse("org/os:1").unwrap_err().to_string();
        assert!(error.contains("give the full name"), "{error}");
    }

    #[test]
    fn localhost_without_a_port_is_local_storage() {
        let error = Reference::parse("localhost/my-os:latest").unwrap_err();
        assert_eq!(error, ParseReferenceError::LocalStorage("localhost/my-os:latest".to_owned()));
        assert!(error.to_string().contains("podman's local storage"));
    }

    #[test]
    fn other_transports_are_not_supported_yet() {
        for text in ["docker-archive:/a.tar", "containers-storage:localhost/x", "dir:/x"] {
            let error = Reference::parse(text).unwrap_err();
            assert!(matches!(error, ParseReferenceError::Transport(_)), "{text}");
            assert!(error.to_string().contains("not supported yet"));
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in [
            "",
            "docker://",
            "r.example/",
            "r.example/Upper",
            "r.example/a//b",
            "r.example/a/",
            "r.example/a..b",
            "r.example/a_-b",
            "r.example/a-",
            "r.example/a:",
            "r.example/a:-x",
            "r.example/a:b:c",
            "r.example/é",
            "r.example:0/x",
            "r.example:70000/x",
            "r.example:/x",
            "r..example/x",
            "-r.example/x",
            "[::g]:1/x",
            "r.example/a@sha512:00",
            "r.example/a@sha256:00",
            "https://r.example/x",
            "oci:",
            "oci::tag",
            "oci:/x:",
            "oci-archive:",
            "oci:/x:a b",
        ] {
            assert!(Reference::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn layouts_have_a_path_and_perhaps_a_tag() {
        let Ok(Reference::OciDir(layout)) = Reference::parse("oci:/tmp/x:a/b:c") else { panic!() };
        assert_eq!(layout.path(), Path::new("/tmp/x"));
        assert_eq!(layout.tag.as_deref(), Some("a/b:c"));
        let Ok(Reference::OciArchive(layout)) = Reference::parse("oci-archive:x.tar") else {
            panic!()
        };
        assert_eq!((layout.path(), layout.tag.clone()), (Path::new("x.tar"), None));
    }

    #[test]
    fn names_print_as_typed() {
        for text in ["r.example/x:1", "oci:/tmp/x:tag", "oci-archive:x.tar", "oci:x"] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
    }
}
