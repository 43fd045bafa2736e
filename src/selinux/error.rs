//! What can be wrong with the policy of an image.

use super::pattern::PatternError;
use crate::files::FilesError;

/// Why the policy of an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the policy cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// The configuration is no text.
    #[error("`{path}` is not UTF-8")]
    ConfigEncoding {
        /// The path in the image.
        path: String,
    },
    /// SELinux is switched on without saying which policy.
    #[error("`{path}` enables SELinux but has no `SELINUXTYPE=`")]
    NoType {
        /// The path in the image.
        path: String,
    },
    /// The enabled policy lacks one of its files.
    #[error("the image enables the SELinux policy `{policy}`, but `{missing}` is missing")]
    Missing {
        /// The value of `SELINUXTYPE=`.
        policy: String,
        /// What there should be.
        missing: String,
    },
    /// A line cannot be understood.
    #[error("line {line} of `{path}` cannot be read")]
    Line {
        /// The path in the image.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        source: LineError,
    },
    /// A pattern cannot be used.
    #[error("the pattern `{pattern}` in line {line} of `{path}` cannot be used")]
    Pattern {
        /// The path in the image.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// The pattern as written.
        pattern: String,
        /// What is wrong with it.
        source: PatternError,
    },
    /// More than any policy has.
    #[error("the SELinux policy `{policy}` is too large: {what}")]
    TooLarge {
        /// The value of `SELINUXTYPE=`.
        policy: String,
        /// Which limit it exceeds.
        what: &'static str,
    },
    /// The policy gives no label to `/`, without which ostree takes it for broken.
    #[error("the SELinux policy `{policy}` has no label for `/`")]
    NoRootLabel {
        /// The value of `SELINUXTYPE=`.
        policy: String,
    },
}

/// What is wrong with a line of `file_contexts`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A pattern without a context.
    #[error("the context is missing")]
    MissingFields,
    /// The second of three fields is no type of file.
    #[error("`{0}` is no type of file")]
    FileType(String),
    /// A field has bytes above 127.
    #[error("it is not ASCII")]
    NotAscii,
    /// A field is longer than libselinux takes.
    #[error("a field is too long")]
    TooLong,
}
