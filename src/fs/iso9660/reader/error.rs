//! Why an image cannot be read.

use std::io;

use crate::units::{ByteLen, ByteOffset};

/// Why an image, or a file in it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The image could not be read.
    #[error("reading {} at byte {}", .len, .at.0)]
    Io {
        /// Where.
        at: ByteOffset,
        /// How much.
        len: ByteLen,
        /// Why.
        source: io::Error,
    },
    /// There is no volume descriptor.
    #[error("it is no ISO 9660: there is no volume descriptor in sector {0}")]
    NotIso(u32),
    /// Sectors of another size.
    #[error("its sectors have {0} bytes; only 2048 are read")]
    SectorSize(u16),
    /// Something is not inside the image.
    #[error("{what} is at byte {}, {len}, but the image ends at byte {}", .at.0, .end.0)]
    Outside {
        /// What.
        what: String,
        /// Where it should be.
        at: ByteOffset,
        /// How long it should be.
        len: ByteLen,
        /// Where the image ends.
        end: ByteOffset,
    },
    /// A directory holds what is no record.
    #[error("the directory `{}` is damaged at byte {at}", .path.escape_debug())]
    Directory {
        /// Which.
        path: String,
        /// Where, from its start.
        at: usize,
    },
    /// A directory is in two places.
    #[error("the directory `{}` is another one, too", .0.escape_debug())]
    Loop(String),
    /// A name that no file can have.
    #[error(
        "the directory `{}` has a file called `{}`", .path.escape_debug(), .name.escape_debug()
    )]
    Name {
        /// The directory.
        path: String,
        /// The name.
        name: String,
    },
    /// More than we would read.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// What is read.
        limit: usize,
    },
    /// The boot catalog is damaged.
    #[error("its boot catalog in sector {sector} {problem}")]
    Catalog {
        /// Where.
        sector: u32,
        /// What is wrong.
        problem: &'static str,
    },
    /// There is no such file.
    #[error("it has no file `{}`", .0.escape_debug())]
    NotFound(String),
    /// Something else than a file.
    #[error("`{}` on it is no file", .0.escape_debug())]
    NotAFile(String),
    /// A file whose content has gaps.
    #[error("`{}` on it is interleaved, which is not read", .0.escape_debug())]
    Interleaved(String),
    /// A file that is longer than anything that would be right.
    #[error("`{}` on it has {len}, more than {limit}", .path.escape_debug())]
    TooLarge {
        /// Which.
        path: String,
        /// How long it is.
        len: ByteLen,
        /// What is read.
        limit: ByteLen,
    },
}
