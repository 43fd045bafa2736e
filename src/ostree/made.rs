//! Inodes that are neither objects nor part of the image: what the installer makes around them, and
//! the labels they get (ostree-contract 4.10).

use super::error::Error;
use super::relabel::{with_bare_label, with_label};
use crate::labels::{FileType, Labels};
use crate::volume::{Inode, Meta, Volume};

/// An inode, and what its label depends on.
#[derive(Debug, Clone)]
pub(super) struct Made {
    /// Path from the physical root, without leading `/`.
    pub(super) path: String,
    pub(super) inode: Inode,
    pub(super) meta: Meta,
    pub(super) file_type: FileType,
}

impl Made {
    pub(super) fn directory(path: &str, inode: Inode, meta: Meta) -> Self {
        Self { path: path.to_owned(), inode, meta, file_type: FileType::Directory }
    }

    /// Labels the inode when the policy has a label for it.
    pub(super) fn label<V: Volume>(
        &self,
        volume: &mut V,
        labels: &dyn Labels,
    ) -> Result<(), Error> {
        let (path, by) = labelled_as(&self.path);
        // upstream asks for `/usr` of any type, whatever gets the label
        let file_type = if path == "/usr" { FileType::Directory } else { self.file_type };
        let Some(context) = labels.label(&path, file_type) else { return Ok(()) };
        let meta = match by {
            By::Libostree => with_label(&self.meta, &context),
            By::Installer => with_bare_label(&self.meta, &context),
        };
        volume.set_meta(self.inode, &meta).map_err(Error::volume(&self.path))
    }
}

/// Who labels an inode, which decides whether the value ends in a NUL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// With a NUL.
    Libostree,
    /// Without.
    Installer,
}

/// The path whose label an inode of the physical root gets, and from whom.
///
/// | inode | labelled as | by |
/// |---|---|---|
/// | `/ostree` itself, `.ostree.cfs` | `/usr` | installer |
/// | the upper directory of a transient root | `/` | libostree |
/// | the origin file | `/etc/ostree/remotes.d/dummy.conf` | libostree |
/// | in the stateroot's `var`, but for the stamp | its path on the running system | libostree |
/// | all others | their physical paths | installer |
fn labelled_as(path: &str) -> (String, By) {
    if path == "ostree" || path.ends_with("/.ostree.cfs") {
        return ("/usr".to_owned(), By::Installer);
    }
    if path.ends_with("/root-transient/upper") {
        return ("/".to_owned(), By::Libostree);
    }
    if path.starts_with("ostree/deploy/") && !path.ends_with("/.ostree-selabeled") {
        if path.ends_with(".origin") {
            return ("/etc/ostree/remotes.d/dummy.conf".to_owned(), By::Libostree);
        }
        let mut parts = path.splitn(4, '/').skip(3);
        if let Some(below) = parts.next()
            && (below == "var" || below.starts_with("var/"))
        {
            return (format!("/{below}"), By::Libostree);
        }
    }
    (format!("/{path}"), By::Installer)
}

/// The path as the running system knows it, by which a directory is labelled; empty for the root.
pub(super) fn labelled_path(path: &str) -> String {
    let (path, _) = labelled_as(path);
    path.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_inodes_are_labelled_as_others() {
        for (path, expected) in [
            ("ostree/deploy/os/var/.ostree-selabeled", "/ostree/deploy/os/var/.ostree-selabeled"),
            ("", "/"),
            ("boot/loader", "/boot/loader"),
            ("ostree", "/usr"),
            ("ostree/repo", "/ostree/repo"),
            ("ostree/deploy/os/var", "/var"),
            ("ostree/deploy/os/var/lib", "/var/lib"),
            ("ostree/deploy/os/deploy/abc.0.origin", "/etc/ostree/remotes.d/dummy.conf"),
            ("ostree/deploy/os/deploy/abc.0/.ostree.cfs", "/usr"),
            ("ostree/deploy/os/backing/abc.0/root-transient/upper", "/"),
            ("ostree/deploy/os/backing/abc.0", "/ostree/deploy/os/backing/abc.0"),
        ] {
            assert_eq!(labelled_as(path).0, expected, "{path}");
        }
    }
}
