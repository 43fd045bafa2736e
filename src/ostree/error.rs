//! Why the repository or the deployment cannot be written.

use super::encapsulated;
use super::path::PathError;

/// What is wrong with an image's content, or with the volume that takes it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user asked to stop.
    #[error("interrupted")]
    Cancelled,
    /// A name cannot be in a commit.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The image carries a commit, and not in the form it must have.
    #[error(transparent)]
    Encapsulated(#[from] encapsulated::Error),
    /// Devices, FIFOs and sockets are never objects.
    #[error("`{path}` is a {kind}; ostree commits hold only files, directories and symbolic links")]
    UnsupportedType {
        /// The name in the layer.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic link's target cannot be stored.
    #[error("the symbolic link `{path}` has a target that {problem}")]
    SymlinkTarget {
        /// The name in the layer.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `user.*` attributes exist on files and directories only.
    #[error("the symbolic link `{path}` has the attribute `{name}`, which no kernel accepts there")]
    SymlinkXattr {
        /// The name in the layer.
        path: String,
        /// The attribute.
        name: String,
    },
    /// A hard link leads to nothing in its layer.
    #[error("the hard link `{path}` leads to `{target}`, which is no file of the same layer")]
    HardlinkTarget {
        /// The name in the layer.
        path: String,
        /// What it names.
        target: String,
    },
    /// An entry lies below something that is no directory.
    #[error("`{path}` lies below `{parent}`, which is no directory in the same layer")]
    ParentNotDirectory {
        /// The name in the layer.
        path: String,
        /// The file or link in the way.
        parent: String,
    },
    /// The root or `/etc` is something else than a directory.
    #[error("`{path}` must be a directory")]
    MustBeDirectory {
        /// The name in the layer.
        path: String,
    },
    /// A whiteout file `.wh.` that names nothing.
    #[error("`{directory}/.wh.` is a whiteout without a name")]
    EmptyWhiteout {
        /// The directory it is in.
        directory: String,
    },
    /// More objects than a 32-bit table holds.
    #[error("the image has more than {} files", u32::MAX)]
    TooManyObjects,
    /// A metadata object is larger than ostree reads.
    #[error("the directory object of `{path}` has {len_bytes} bytes, more than ostree reads")]
    MetadataTooLarge {
        /// The directory.
        path: String,
        /// Length of the object.
        len_bytes: usize,
    },
    /// An image reference that has no ref name.
    #[error("`{0}` cannot be the name of a ref")]
    RefName(String),
    /// The deployment lacks what it must have.
    #[error("the image has no `{0}`")]
    Missing(String),
    /// The file system refused.
    #[error("writing `{path}`")]
    Volume {
        /// What was being written.
        path: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// An error of the volume while writing `path`.
    pub fn volume<E>(path: &str) -> impl FnOnce(E) -> Self + '_
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        move |source| Self::Volume { path: path.to_owned(), source: Box::new(source) }
    }
}
