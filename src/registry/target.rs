//! What the installed system updates from.
//!
//! ostree and the updater spell one name in two ways (ostree-contract 1.6 and 4.6):
//!
//! | transport | image reference (escaped, it names the ref) | origin |
//! |---|---|---|
//! | registry | `docker://NAME` | `ostree-unverified-registry:NAME` |
//! | other | `TRANSPORT:NAME` | `ostree-unverified-image:TRANSPORT:NAME` |
//!
//! The name is kept as typed. The updater finds the ref by escaping what the origin says, so the two
//! must stay renderings of one value.

use super::name::RegistryReference;
use super::reference::{ParseReferenceError, Reference};

/// Transports that an installed system can update from, or at least name.
const TRANSPORTS: [&str; 6] =
    ["oci", "oci-archive", "docker-archive", "docker-daemon", "containers-storage", "dir"];

/// The image that an installed system updates from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetRef {
    /// `None` for a registry.
    transport: Option<&'static str>,
    name: String,
}

impl TargetRef {
    /// Reads what a user typed: a registry's name, or `TRANSPORT:NAME`.
    pub fn parse(text: &str) -> Result<Self, ParseReferenceError> {
        if let Some((word, name)) = text.split_once(':')
            && let Some(transport) = TRANSPORTS.iter().find(|known| **known == word)
        {
            return if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control()) {
                Err(ParseReferenceError::Malformed {
                    text: text.to_owned(),
                    part: "name",
                    value: name.to_owned(),
                })
            } else {
                Ok(Self { transport: Some(transport), name: name.to_owned() })
            };
        }
        let name =
            text.strip_prefix("docker://").or(text.strip_prefix("registry:")).unwrap_or(text);
        let name = RegistryReference::parse(name)?.text;
        Ok(Self { transport: None, name })
    }

    /// The image reference: escaped, it names the ref of the merge commit.
    pub fn image_reference(&self) -> String {
        match self.transport {
            None => format!("docker://{}", self.name),
            Some(transport) => format!("{transport}:{}", self.name),
        }
    }

    /// The value of `container-image-reference` in the origin file.
    pub fn origin(&self) -> String {
        match self.transport {
            None => format!("ostree-unverified-registry:{}", self.name),
            Some(transport) => format!("ostree-unverified-image:{transport}:{}", self.name),
        }
    }

    /// Whether another machine could fetch updates from it.
    pub fn is_registry(&self) -> bool {
        self.transport.is_none()
    }

    /// The name alone, without any transport.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl From<&Reference> for TargetRef {
    /// An image updates from where it came from, unless told otherwise.
    fn from(reference: &Reference) -> Self {
        match reference {
            Reference::Registry(name) => Self { transport: None, name: name.text.clone() },
            Reference::OciDir(layout) => Self { transport: Some("oci"), name: layout.to_string() },
            Reference::OciArchive(layout) => {
                Self { transport: Some("oci-archive"), name: layout.to_string() }
            }
            Reference::Short(name) => Self { transport: None, name: name.text.clone() },
            Reference::DockerArchive(archive) => {
                Self { transport: Some("docker-archive"), name: archive.to_string() }
            }
            Reference::Dir(path) => {
                Self { transport: Some("dir"), name: path.display().to_string() }
            }
            Reference::Storage(storage) => {
                Self { transport: Some("containers-storage"), name: storage.name.clone() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(typed: &str, image_reference: &str, origin: &str) {
        let target = TargetRef::parse(typed).unwrap();
        assert_eq!(target.image_reference(), image_reference, "{typed}");
        assert_eq!(target.origin(), origin, "{typed}");
    }

    #[test]
    fn registries_have_their_own_spellings() {
        for prefix in ["", "docker://", "registry:"] {
            check(
                &format!("{prefix}registry.example/a-b/c:tag"),
                "docker://registry.example/a-b/c:tag",
                "ostree-unverified-registry:registry.example/a-b/c:tag",
            );
        }
        check(
            "registry.example/os:tag",
            "docker://registry.example/os:tag",
            "ostree-unverified-registry:registry.example/os:tag",
        );
    }

    #[test]
    fn other_transports_are_written_out() {
        check(
            "containers-storage:localhost/my_os:latest",
            "containers-storage:localhost/my_os:latest",
            "ostree-unverified-image:containers-storage:localhost/my_os:latest",
        );
        check("oci:/tmp/x:tag", "oci:/tmp/x:tag", "ostree-unverified-image:oci:/tmp/x:tag");
    }

    #[test]
    fn ports_tags_and_digests_stay_as_typed() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for name in [
            format!("registry.example:5000/os@{digest}"),
            format!("registry.example/os:Tag_1@{digest}"),
            "registry.example/a_b/os".to_owned(),
        ] {
            check(
                &name,
                &format!("docker://{name}"),
                &format!("ostree-unverified-registry:{name}"),
            );
        }
    }

    #[test]
    fn the_source_is_the_default() {
        for (typed, origin) in [
            ("docker://r.example/x:1", "ostree-unverified-registry:r.example/x:1"),
            ("oci:x:latest", "ostree-unverified-image:oci:x:latest"),
            ("oci-archive:/x.tar", "ostree-unverified-image:oci-archive:/x.tar"),
            ("docker-archive:/x.tar:@1", "ostree-unverified-image:docker-archive:/x.tar:@1"),
            ("dir:/x", "ostree-unverified-image:dir:/x"),
            (
                "containers-storage:localhost/os:1",
                "ostree-unverified-image:containers-storage:localhost/os:1",
            ),
        ] {
            assert_eq!(TargetRef::from(&Reference::parse(typed).unwrap()).origin(), origin);
        }
    }

    #[test]
    fn names_that_would_break_the_origin_file_are_refused() {
        for text in ["", "oci:", "oci:/a\nb=c", "r.example/x\ny", "short", "dir:a b"] {
            assert!(TargetRef::parse(text).is_err(), "{text:?}");
        }
    }
}
