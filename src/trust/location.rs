//! Where an image comes from, as policies see it: a transport, and the scopes in which the image lies,
//! the narrowest first.
//!
//! | transport | scopes |
//! |---|---|
//! | `docker` | `host/ns/repo:tag` or `…@digest`, `host/ns/repo`, `host/ns`, `host`, `*.domain` … |
//! | `oci`, `oci-archive`, `dir` | `/path/to/it:tag`, `/path/to/it`, `/path/to`, `/path` |
//! | others | none but the transport itself |

use std::path::Path;

use super::identity::ImageName;

/// An image's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub(super) transport: String,
    /// `None` when it is not known how the transport tells images apart.
    pub(super) scopes: Option<Vec<String>>,
    /// The name that claims are compared with.
    pub(super) name: Option<ImageName>,
}

impl Location {
    /// In a registry, by the name that was asked for; `None` if it is none.
    pub fn registry(name: &str) -> Option<Self> {
        let name = ImageName::parse(name)?.asked_for();
        let mut scopes = vec![name.to_string()];
        let mut rest = name.repository();
        scopes.push(rest.to_owned());
        while let Some((parent, _)) = rest.rsplit_once('/') {
            scopes.push(parent.to_owned());
            rest = parent;
        }
        // The domains above the host, whatever its port.
        let mut domain = rest.split(':').next().unwrap_or_default();
        while let Some((_, parent)) = domain.split_once('.') {
            scopes.push(format!("*.{parent}"));
            domain = parent;
        }
        Some(Self { transport: "docker".to_owned(), scopes: Some(scopes), name: Some(name) })
    }

    /// In a folder or file, whose absolute path has no symbolic links.
    pub fn path(transport: &str, path: &Path, tag: Option<&str>) -> Self {
        let mut scopes = vec![format!("{}:{}", path.display(), tag.unwrap_or_default())];
        let above = path.ancestors().filter(|path| path.parent().is_some());
        scopes.extend(above.map(|path| path.display().to_string()));
        Self { transport: transport.to_owned(), scopes: Some(scopes), name: None }
    }

    /// In a transport that tells no images apart.
    pub fn whole(transport: &str) -> Self {
        Self { transport: transport.to_owned(), scopes: Some(Vec::new()), name: None }
    }

    /// In a transport whose ways are not known here: a policy with scopes for it is refused.
    pub fn unknown(transport: &str) -> Self {
        Self { transport: transport.to_owned(), scopes: None, name: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_have_repositories_namespaces_hosts_and_domains() {
        let location = Location::registry("eu.registry.example:5000/ns/sub/os:1").unwrap();
        assert_eq!(
            location.scopes.unwrap(),
            [
                "eu.registry.example:5000/ns/sub/os:1",
                "eu.registry.example:5000/ns/sub/os",
                "eu.registry.example:5000/ns/sub",
                "eu.registry.example:5000/ns",
                "eu.registry.example:5000",
                "*.registry.example",
                "*.example",
            ]
        );
        let latest = Location::registry("docker.io/busybox").unwrap().scopes.unwrap();
        assert_eq!(latest[..2], ["docker.io/library/busybox:latest", "docker.io/library/busybox"]);
        let digest = format!("sha256:{}", "0a".repeat(32));
        let pinned = Location::registry(&format!("r.example/os:1@{digest}")).unwrap();
        assert_eq!(pinned.scopes.unwrap()[0], format!("r.example/os@{digest}"));
        assert_eq!(Location::registry("r.example/Os"), None);
    }

    #[test]
    fn paths_have_parents_but_not_the_root() {
        let location = Location::path("oci", Path::new("/srv/images/os"), Some("a"));
        assert_eq!(
            location.scopes.unwrap(),
            ["/srv/images/os:a", "/srv/images/os", "/srv/images", "/srv"]
        );
        let untagged = Location::path("oci", Path::new("/os"), None);
        assert_eq!(untagged.scopes.unwrap(), ["/os:", "/os"]);
    }
}
