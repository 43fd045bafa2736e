//! What other rooms know: who calls [`super::disk()`] hands it in, since rooms do not import each other.

use crate::files::Files;

/// What a commit says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitFacts {
    /// The commit that it was derived from.
    pub parent: Option<String>,
    /// `ostree.manifest-digest`.
    pub image_digest: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `ostree.container.image-config`.
    pub image_config: Option<String>,
}

/// How to read what a deployment has in it.
#[derive(Clone, Copy)]
pub struct Knowledge<'a> {
    /// Reads a commit object.
    pub commit: &'a dyn Fn(&[u8]) -> Result<CommitFacts, String>,
    /// The name of a system.
    pub os_name: &'a dyn Fn(&dyn Files) -> Option<String>,
    /// What `prepare-root.conf` says of composefs.
    pub composefs: &'a dyn Fn(&dyn Files) -> Option<String>,
}

impl std::fmt::Debug for Knowledge<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Knowledge")
    }
}
