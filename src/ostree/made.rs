//! Inodes that are neither objects nor part of the image: what the installer makes around them, and
//! the labels they get (ostree-contract 4.10).

use super::error::Error;
use super::relabel::with_bare_label;
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
        let path = labelled_as(&self.path);
        let Some(context) = labels.label(&path, self.file_type) else { return Ok(()) };
        let meta = with_bare_label(&self.meta, &context);
        volume.set_meta(self.inode, &meta).map_err(Error::volume(&self.path))
    }
}

/// The path whose label an inode of the physical root gets.
///
/// | inode | labelled as |
/// |---|---|
/// | `/ostree` itself, `.ostree.cfs` | `/usr` |
/// | the upper directory of a transient root | `/` |
/// | the origin file | `/etc/ostree/remotes.d/dummy.conf` |
/// | in the stateroot's `var` | its path on the running system |
/// | all others | their physical paths |
fn labelled_as(path: &str) -> String {
    if path == "ostree" || path.ends_with("/.ostree.cfs") {
        return "/usr".to_owned();
    }
    if path.ends_with("/root-transient/upper") {
        return "/".to_owned();
    }
    if path.starts_with("ostree/deploy/") {
        if path.ends_with(".origin") {
            return "/etc/ostree/remotes.d/dummy.conf".to_owned();
        }
        let mut parts = path.splitn(4, '/').skip(3);
        if let Some(below) = parts.next()
            && (below == "var" || below.starts_with("var/"))
        {
            return format!("/{below}");
        }
    }
    format!("/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_inodes_are_labelled_as_others() {
        for (path, expected) in [
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
            assert_eq!(labelled_as(path), expected, "{path}");
        }
    }
}
