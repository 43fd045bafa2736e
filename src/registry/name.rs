//! Names of images in registries, and short ones.
//!
//! | spelling | meaning |
//! |---|---|
//! | `host[:port]/path[:tag][@sha256:…]` | a full name: [`RegistryReference`] |
//! | `path[:tag][@sha256:…]` | a short name, which a configuration may complete: [`ShortName`] |
//!
//! The first component is a host when it has a dot or a port, or is `localhost`. Neither stands for a
//! registry of ours to guess: see [`crate::registry`].

use super::reference::ParseReferenceError;
use crate::digest::Sha256Digest;

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

/// A name without a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShortName {
    /// The name as typed.
    pub text: String,
    /// The path, which is what aliases go by.
    pub repository: String,
    /// The tag, if one was typed.
    pub tag: Option<String>,
    /// The digest, if one was typed; it wins over the tag.
    pub digest: Option<Sha256Digest>,
}

/// A name, taken apart.
struct Parts {
    host: Option<String>,
    repository: String,
    tag: Option<String>,
    digest: Option<Sha256Digest>,
}

impl Parts {
    fn parse(text: &str) -> Result<Self, ParseReferenceError> {
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
            Some((host, path)) if is_host(host) => (Some(host), path),
            _ => (None, name),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if let Some(host) = host.filter(|host| !is_host_well_formed(host)) {
            return Err(malformed("host", host));
        }
        if !repository.split('/').all(is_path_component) {
            return Err(malformed("path", repository));
        }
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(malformed("tag", tag));
        }
        Ok(Self {
            host: host.map(str::to_owned),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl RegistryReference {
    /// Reads a name, without any transport in front.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        let Parts { host, repository, tag, digest } = Parts::parse(text)?;
        match host {
            None => Err(ParseReferenceError::NoHost(text.to_owned())),
            Some(host) if host == "localhost" => {
                Err(ParseReferenceError::LocalStorage(text.to_owned()))
            }
            Some(host) => Ok(Self { text: text.to_owned(), host, repository, tag, digest }),
        }
    }

    /// What to ask the registry for: the digest, else the tag, else `latest`.
    pub fn version(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_oci(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }

    /// The repository in full, by which configurations and credentials know it.
    pub(crate) fn full_name(&self) -> String {
        full_name(&self.host, &self.repository)
    }

    /// The same image in another repository, `host/path`.
    pub(crate) fn moved(&self, repository: &str) -> Result<Self, ParseReferenceError> {
        Self::parse(&with_version(repository, self.tag.as_deref(), self.digest))
    }
}

impl ShortName {
    /// Reads a name without a host.
    pub(crate) fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        let Parts { host, repository, tag, digest } = Parts::parse(text)?;
        match host {
            None => Ok(Self { text: text.to_owned(), repository, tag, digest }),
            Some(host) => Err(ParseReferenceError::Malformed {
                text: text.to_owned(),
                part: "host",
                value: host,
            }),
        }
    }

    /// The image in the repository that the name is found to stand for.
    pub(crate) fn within(
        &self,
        repository: &str,
    ) -> Result<RegistryReference, ParseReferenceError> {
        RegistryReference::parse(&with_version(repository, self.tag.as_deref(), self.digest))
    }
}

fn with_version(repository: &str, tag: Option<&str>, digest: Option<Sha256Digest>) -> String {
    let tag = tag.map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = digest.map(|digest| format!("@{}", digest.to_oci())).unwrap_or_default();
    format!("{repository}{tag}{digest}")
}

/// Docker Hub has two names, and keeps its own images in `library`.
fn full_name(host: &str, repository: &str) -> String {
    let is_hub = matches!(host, "docker.io" | "index.docker.io");
    match (is_hub, repository.contains('/')) {
        (true, true) => format!("docker.io/{repository}"),
        (true, false) => format!("docker.io/library/{repository}"),
        (false, _) => format!("{host}/{repository}"),
    }
}

/// What Docker's tools mean by a name: without a host, one on Docker Hub; without a tag, `latest`.
/// `None` for what is no name, or has a digest.
pub(crate) fn as_docker_means(text: &str) -> Option<String> {
    let Parts { host, repository, tag, digest } = Parts::parse(text).ok()?;
    let name = full_name(host.as_deref().unwrap_or("docker.io"), &repository);
    digest.is_none().then(|| format!("{name}:{}", tag.as_deref().unwrap_or("latest")))
}

/// Whether the first component is a host and not a path: it has a dot or a port, or is `localhost`.
fn is_host(word: &str) -> bool {
    word.contains(['.', ':']) || word == "localhost"
}

pub(crate) fn is_host_well_formed(host: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_wins_over_the_tag() {
        let version = |text: &str| RegistryReference::parse(text).unwrap().version();
        assert_eq!(version("r.example/x"), "latest");
        assert_eq!(version("r.example/x:1"), "1");
        assert_eq!(version(&format!("r.example/x:1@{DIGEST}")), DIGEST);
    }

    #[test]
    fn versions_move_along() {
        let moved = |text: &str| RegistryReference::parse(text).unwrap().moved("m.example/a/b");
        let text = |text: &str| moved(text).unwrap().text;
        assert_eq!(text("r.example/x"), "m.example/a/b");
        assert_eq!(text("r.example/x:1"), "m.example/a/b:1");
        assert_eq!(text(&format!("r.example/x:1@{DIGEST}")), format!("m.example/a/b:1@{DIGEST}"));
        let short =
            |text: &str| ShortName::parse(text).unwrap().within("r.example/y").unwrap().text;
        assert_eq!(short("x"), "r.example/y");
        assert_eq!(short("org/x:1"), "r.example/y:1");
        assert_eq!(short(&format!("x@{DIGEST}")), format!("r.example/y@{DIGEST}"));
    }

    #[test]
    fn docker_hub_is_one_registry() {
        let full = |text: &str| RegistryReference::parse(text).unwrap().full_name();
        assert_eq!(full("docker.io/x"), "docker.io/library/x");
        assert_eq!(full("index.docker.io/x/y:1"), "docker.io/x/y");
        assert_eq!(full("r.example:5000/x"), "r.example:5000/x");
    }

    #[test]
    fn names_in_archives_are_dockers() {
        let means = |text: &str| as_docker_means(text).unwrap_or_default();
        assert_eq!(means("os"), "docker.io/library/os:latest");
        assert_eq!(means("org/os:1"), "docker.io/org/os:1");
        assert_eq!(means("localhost/os:1"), "localhost/os:1");
        assert_eq!(means("r.example/os"), "r.example/os:latest");
        assert_eq!(means(&format!("os@{DIGEST}")), "");
        assert_eq!(means("Os"), "");
    }
}
