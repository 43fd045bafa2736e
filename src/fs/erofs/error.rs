//! What can be wrong with a tree that is to become an image.

/// Why a tree cannot be an EROFS image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The root is something else than a directory.
    #[error("the root is no directory")]
    RootIsNoDirectory,
    /// What stands before the superblock is longer than its place.
    #[error("the {len_bytes} bytes before the superblock do not fit into 1024")]
    BootAreaTooLong {
        /// Its length.
        len_bytes: usize,
    },
    /// A name is empty, too long, `.`, `..` or has a byte no name may have.
    #[error("`{path}`: its last name is none that EROFS can store")]
    Name {
        /// The path with that name.
        path: String,
    },
    /// A directory's names are not in order, or one comes twice.
    #[error("`{path}` comes out of order in its directory, or twice")]
    Order {
        /// The path with that name.
        path: String,
    },
    /// A link's target is empty or longer than Linux follows.
    #[error("`{path}` is a symbolic link to {len_bytes} bytes, beyond 1 to {limit}")]
    SymlinkLength {
        /// The link.
        path: String,
        /// Length of its target.
        len_bytes: u64,
        /// The longest target.
        limit: u64,
    },
    /// A file is longer than its chunk addresses can say.
    #[error("`{path}` has {len_bytes} bytes, more than {limit}")]
    FileTooLong {
        /// The file.
        path: String,
        /// Its length.
        len_bytes: u64,
        /// The longest file.
        limit: u64,
    },
    /// A name of an extended attribute is empty, has a NUL, or more than 255 bytes after its prefix.
    #[error("`{path}` has an extended attribute `{name}` that EROFS cannot name")]
    XattrName {
        /// The node.
        path: String,
        /// The attribute.
        name: String,
    },
    /// A node has an extended attribute twice.
    #[error("`{path}` has the extended attribute `{name}` twice")]
    XattrTwice {
        /// The node.
        path: String,
        /// The attribute.
        name: String,
    },
    /// A value is longer than 65,535 bytes.
    #[error("`{path}` has an extended attribute `{name}` of {len_bytes} bytes, more than 65535")]
    XattrTooLong {
        /// The node.
        path: String,
        /// The attribute.
        name: String,
        /// Length of its value.
        len_bytes: usize,
    },
    /// All attributes of a node together are longer than its inode can count.
    #[error("the extended attributes of `{path}` are too large for one inode ({len_bytes} bytes)")]
    XattrsTooLarge {
        /// The node.
        path: String,
        /// What they take.
        len_bytes: u64,
    },
    /// More nodes, blocks or attributes than 32 bits count.
    #[error("the tree is too large for one image")]
    TooLarge,
}

/// Why the source's content could not become part of the image.
#[derive(Debug, thiserror::Error)]
pub enum ContentError<S> {
    /// The source failed to give it.
    #[error("reading the content of `{path}`")]
    Source {
        /// The node.
        path: String,
        /// Why.
        source: S,
    },
    /// It is not as long as it was said to be.
    #[error("the content of `{path}` has {actual} bytes instead of {expected}")]
    Length {
        /// The node.
        path: String,
        /// What the source's inode said.
        expected: u64,
        /// What came.
        actual: usize,
    },
}

/// Why writing stopped.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<S, O> {
    /// Content could not be had.
    #[error(transparent)]
    Content(#[from] ContentError<S>),
    /// The receiver of the bytes failed.
    #[error("writing the image")]
    Output(#[source] O),
}
