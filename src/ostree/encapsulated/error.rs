//! What is wrong with an image that carries an ostree commit.

use super::super::gvariant_reader::FormError;
use crate::digest::Sha256Digest;

/// Why the commit of an image cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The label names none of the layers.
    #[error("the label `ostree.final-diffid` is `{diff_id}`, which is none of the {count} layers")]
    FinalDiffId {
        /// The label's value.
        diff_id: String,
        /// How many layers there are.
        count: usize,
    },
    /// The layer that ends the ostree layers is there again.
    #[error("the last ostree layer, {}, comes more than once", .digest.to_oci())]
    FinalLayerTwice {
        /// The layer's blob.
        digest: Sha256Digest,
    },
    /// An entry among the objects is none.
    #[error("`{path}` is no name of an ostree object")]
    EntryName {
        /// The entry.
        path: String,
    },
    /// An object is a kind of entry that it cannot be.
    #[error("the object {object} is a {found}")]
    EntryKind {
        /// The object.
        object: String,
        /// What the entry is.
        found: &'static str,
    },
    /// The commit layer ends without a commit.
    #[error("the layer holds no commit object")]
    NoCommit,
    /// The commit layer begins with something else.
    #[error("the object {object} comes before the commit")]
    BeforeCommit {
        /// The object.
        object: String,
    },
    /// Two commits, or their metadata in the wrong place or with the wrong name.
    #[error("the object {object} is not where it belongs: one commit, then perhaps its metadata")]
    Misplaced {
        /// The object.
        object: String,
    },
    /// A layer of files holds something else.
    #[error("the object {object} is in a layer that may hold files only")]
    NotAFile {
        /// The object.
        object: String,
    },
    /// The same file object twice in one layer.
    #[error("the object {object} comes twice in one layer")]
    Duplicate {
        /// The object.
        object: String,
    },
    /// An object that has to be held in memory is too large for that.
    #[error("the object {object} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The object.
        object: String,
        /// The most bytes it may have.
        limit_bytes: usize,
    },
    /// All objects that have to be held in memory together are too large.
    #[error("the image's {what} are larger than {limit_bytes} bytes")]
    TooLargeTogether {
        /// Which objects.
        what: &'static str,
        /// The most bytes they may have.
        limit_bytes: usize,
    },
    /// An object is not what its name says.
    #[error("the object {object} is damaged: its checksum is {actual}")]
    Checksum {
        /// The object.
        object: String,
        /// The checksum of what is there.
        actual: Sha256Digest,
    },
    /// One checksum names a dirtree and a dirmeta.
    #[error("{checksum} names a dirtree and a dirmeta")]
    TwoKinds {
        /// The checksum.
        checksum: Sha256Digest,
    },
    /// A hard link to xattrs leads to something else.
    #[error("the xattrs of the object {object}.file are a link to `{target}`")]
    XattrsTarget {
        /// The object.
        object: Sha256Digest,
        /// The link's target.
        target: String,
    },
    /// A hard link to xattrs leads to none that came before.
    #[error("the object {object}.file has the xattrs {xattrs}, which do not come before it")]
    XattrsUnknown {
        /// The object.
        object: Sha256Digest,
        /// The checksum of the xattrs.
        xattrs: Sha256Digest,
    },
    /// Xattrs must stand directly before their object.
    #[error("the object {object}.file does not follow its xattrs")]
    XattrsApart {
        /// The object.
        object: Sha256Digest,
    },
    /// An empty xattr value is in the object's name, but no file system keeps it.
    #[error(
        "the object {object}.file has an empty value of the attribute `{name}`, which no file \
         system keeps: the object could not be verified once it is written"
    )]
    EmptyXattr {
        /// The object.
        object: Sha256Digest,
        /// The attribute.
        name: String,
    },
    /// An object cannot be read.
    #[error("the object {object} cannot be read")]
    Object {
        /// The object.
        object: String,
        /// What is wrong with it.
        source: Problem,
    },
    /// An object that the commit needs is in no layer.
    #[error("the commit needs the object {object} for `/{path}`, but no layer holds it")]
    Missing {
        /// The object.
        object: String,
        /// What it is for.
        path: String,
    },
    /// The tree is deeper than any path may be.
    #[error("the tree of the commit is deeper than {limit} directories at `/{path}`")]
    TooDeep {
        /// The directory.
        path: String,
        /// The most directories.
        limit: usize,
    },
    /// The tree has more entries than we are ready to keep.
    #[error("the tree of the commit has more than {limit} entries")]
    TooManyEntries {
        /// The most entries.
        limit: usize,
    },
}

/// What is wrong inside of an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is not serialised as it should be.
    #[error(transparent)]
    Form(#[from] FormError),
    /// An xattr without a name.
    #[error("an xattr has no name")]
    XattrName,
    /// Xattrs out of order, or one twice.
    #[error("the xattr `{0}` is not in order, or there twice")]
    XattrOrder(String),
    /// The mode of a directory says that it is something else.
    #[error("the mode {0:o} is not that of a directory")]
    Mode(u32),
    /// A name that no directory can have an entry of.
    #[error("the entry `{name}` has a name that {problem}")]
    EntryName {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Names out of order, or one twice.
    #[error("the entry `{0}` is not in order, or there twice")]
    EntryOrder(String),
}
