//! What users type for IMAGE.
//!
//! | spelling | meaning |
//! |---|---|
//! | `host[:port]/path[:tag][@sha256:…]` | a registry; `docker://` in front is optional |
//! | `path[:tag][@sha256:…]` | a short name, which registries.conf completes |
//! | `oci:DIR[:TAG]` | an OCI layout folder |
//! | `oci-archive:FILE[:TAG]` | an uncompressed tar of an OCI layout |
//! | `docker-archive:FILE[:NAME\|:@INDEX]` | what `docker save` and `podman save` write |
//! | `dir:DIR` | what `skopeo copy … dir:DIR` writes |
//! | `containers-storage:NAME` | the local storage of podman, through skopeo |
//!
//! `localhost/…` without a port is no registry: in podman that prefix stands for local storage, and
//! no registry answers there.
//!
//! In `oci:PATH:TAG` the path ends at the first colon, as containers-transports(5) has it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::name::{RegistryReference, ShortName, as_docker_means};
use crate::digest::ParseDigestError;

/// Transports that containers-transports(5) knows and we do not read.
const OTHER_TRANSPORTS: [&str; 5] = ["docker-daemon", "ostree", "registry", "sif", "tarball"];

/// An image's name, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// In a registry.
    Registry(RegistryReference),
    /// In a registry that a configuration knows.
    Short(ShortName),
    /// In an OCI layout folder.
    OciDir(LayoutReference),
    /// In a tar of an OCI layout.
    OciArchive(LayoutReference),
    /// In a tar as Docker writes it.
    DockerArchive(ArchiveReference),
    /// In a folder as skopeo writes it.
    Dir(PathBuf),
    /// In the local storage of podman and its kin.
    Storage(StorageReference),
}

/// An image in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReference {
    /// The folder or the archive.
    pub path: PathBuf,
    /// The tag, if one was typed.
    pub tag: Option<String>,
}

/// An image in Docker's archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveReference {
    /// The archive.
    pub path: PathBuf,
    /// Which image, if it was typed.
    pub choice: Option<ArchiveChoice>,
}

/// Which of an archive's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveChoice {
    /// The one of this name, as typed.
    Name(String),
    /// The one at this place, from 0.
    Index(usize),
}

/// An image in local storage: `[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]NAME`, which only skopeo reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageReference {
    /// All of it, as typed.
    pub name: String,
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
    #[error("`{0}` names no registry: `localhost/` without a port stands for local storage")]
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
            return Self::parse_name(name);
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            return LayoutReference::parse(text, rest).map(Self::OciDir);
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            return LayoutReference::parse(text, rest).map(Self::OciArchive);
        }
        if let Some(rest) = text.strip_prefix("docker-archive:") {
            return ArchiveReference::parse(text, rest).map(Self::DockerArchive);
        }
        if let Some(rest) = text.strip_prefix("dir:") {
            return path(text, rest).map(Self::Dir);
        }
        if let Some(rest) = text.strip_prefix("containers-storage:") {
            return StorageReference::parse(text, rest).map(Self::Storage);
        }
        match text.split_once(':') {
            Some((word, _)) if OTHER_TRANSPORTS.contains(&word) => {
                Err(ParseReferenceError::Transport(word.to_owned()))
            }
            _ => Self::parse_name(text),
        }
    }

    fn parse_name(text: &str) -> Result<Self, ParseReferenceError> {
        match RegistryReference::parse(text) {
            Err(ParseReferenceError::NoHost(_)) => ShortName::parse(text).map(Self::Short),
            parsed => parsed.map(Self::Registry),
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
            Self::Short(name) => f.write_str(&name.text),
            Self::DockerArchive(archive) => write!(f, "docker-archive:{archive}"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
            Self::Storage(storage) => write!(f, "containers-storage:{}", storage.name),
        }
    }
}

fn malformed(text: &str, part: &'static str, value: &str) -> ParseReferenceError {
    ParseReferenceError::Malformed { text: text.to_owned(), part, value: value.to_owned() }
}

fn path(text: &str, path: &str) -> Result<PathBuf, ParseReferenceError> {
    if path.is_empty() { Err(malformed(text, "path", path)) } else { Ok(PathBuf::from(path)) }
}

/// The path ends at the first colon.
fn split_path<'a>(
    text: &str,
    rest: &'a str,
) -> Result<(PathBuf, Option<&'a str>), ParseReferenceError> {
    match rest.split_once(':') {
        Some((before, more)) => Ok((path(text, before)?, Some(more))),
        None => Ok((path(text, rest)?, None)),
    }
}

impl LayoutReference {
    fn parse(text: &str, rest: &str) -> Result<Self, ParseReferenceError> {
        let (path, tag) = split_path(text, rest)?;
        if let Some(tag) = tag.filter(|tag| !is_ref_name(tag)) {
            return Err(malformed(text, "tag", tag));
        }
        Ok(Self { path, tag: tag.map(str::to_owned) })
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

impl ArchiveReference {
    fn parse(text: &str, rest: &str) -> Result<Self, ParseReferenceError> {
        let (path, more) = split_path(text, rest)?;
        let choice = match more.map(|more| (more, more.strip_prefix('@'))) {
            None => None,
            Some((_, Some(digits))) => {
                let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
                let index = digits.parse().ok().filter(|_| is_number);
                let index = index.ok_or_else(|| malformed(text, "index", digits))?;
                Some(ArchiveChoice::Index(index))
            }
            Some((name, None)) if as_docker_means(name).is_some() => {
                Some(ArchiveChoice::Name(name.to_owned()))
            }
            Some((name, None)) => return Err(malformed(text, "name", name)),
        };
        Ok(Self { path, choice })
    }
}

impl fmt::Display for ArchiveReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        match &self.choice {
            None => Ok(()),
            Some(ArchiveChoice::Name(name)) => write!(f, ":{name}"),
            Some(ArchiveChoice::Index(index)) => write!(f, ":@{index}"),
        }
    }
}

impl StorageReference {
    fn parse(text: &str, name: &str) -> Result<Self, ParseReferenceError> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control();
        if name.is_empty() || name.ends_with(']') || name.contains(is_odd) {
            return Err(malformed(text, "name", name));
        }
        Ok(Self { name: name.to_owned() })
    }
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
    fn short_names_have_no_registry() {
        let short = |text: &str| match Reference::parse(text) {
            Ok(Reference::Short(name)) => (name.repository, name.tag, name.digest.is_some()),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(short("fedora"), ("fedora".to_owned(), None, false));
        assert_eq!(short("docker://org/os:1"), ("org/os".to_owned(), Some("1".to_owned()), false));
        assert_eq!(short(&format!("os@{DIGEST}")), ("os".to_owned(), None, true));
        assert!(matches!(Reference::parse("x@sha256"), Err(ParseReferenceError::Digest { .. })));
        assert!(matches!(Reference::parse("X"), Err(ParseReferenceError::Malformed { .. })));
    }

    #[test]
    fn localhost_without_a_port_is_local_storage() {
        let error = Reference::parse("localhost/my-os:latest").unwrap_err();
        assert_eq!(error, ParseReferenceError::LocalStorage("localhost/my-os:latest".to_owned()));
        assert!(error.to_string().contains("local storage"));
    }

    #[test]
    fn other_transports_are_not_supported_yet() {
        for text in ["docker-daemon:x:1", "ostree:x", "sif:/x", "tarball:/x.tar"] {
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
            "docker-archive:",
            "docker-archive:x:",
            "docker-archive:x:@",
            "docker-archive:x:@-1",
            "docker-archive:x:@+1",
            "docker-archive:x:@99999999999999999999999",
            "docker-archive:x:A",
            "docker-archive:x:a@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "dir:",
            "containers-storage:",
            "containers-storage:[/x]",
            "containers-storage:a b",
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
        for text in [
            "r.example/x:1",
            "os",
            "oci:/tmp/x:tag",
            "oci-archive:x.tar",
            "oci:x",
            "docker-archive:x.tar",
            "docker-archive:x.tar:os",
            "docker-archive:x.tar:r.example:5000/os:1",
            "docker-archive:x.tar:@3",
            "dir:/a:b",
            "containers-storage:localhost/os:1",
            "containers-storage:[vfs@/root+/run:opt=1]localhost/os",
        ] {
            assert_eq!(Reference::parse(text).unwrap().to_string(), text);
        }
    }
}
