//! Why a disk cannot be looked at.

use std::io;
use std::path::PathBuf;

use super::reader::Format;

/// Why there is nothing to tell of a disk.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("reading `{}`", .path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The content is no disk in a format that is known.
    #[error("`{}` is no disk in a known format", .0.display())]
    UnknownFormat(PathBuf),
    /// A disk in a format that is known and not read.
    #[error("`{}` is in the format {format}, which is not read", .path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// What it is.
        format: &'static str,
    },
    /// An archive or a layout that holds something else than a disk.
    #[error("`{}` holds no disk: it is {what}", .path.display())]
    NoDiskInside {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
    /// The file is not what its format demands, or asks for what is not read.
    #[error("reading the {format} of `{}`", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: Format,
        /// What is wrong.
        source: Problem,
    },
    /// Unpacking needs more space than there is.
    #[error("no space left in `{}` for the unpacked disk", .0.display())]
    ScratchFull(PathBuf),
    /// The folder for temporary files cannot be used.
    #[error("writing a temporary file in `{}`", .folder.display())]
    Scratch {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// What is wrong with a disk's file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
    /// Another version of the format.
    #[error("version {0} of the format is not read")]
    Version(u64),
    /// Its content is encrypted.
    #[error("the content is encrypted")]
    Encrypted,
    /// It holds only what differs from another file.
    #[error("it holds only what differs from another file, `{0}`")]
    BackingFile(String),
    /// Its data is in another file.
    #[error("its data is in another file")]
    ExternalData,
    /// It says itself that it is damaged.
    #[error("it is marked as corrupt")]
    MarkedCorrupt,
    /// Changes in its log are not in the content yet.
    #[error("it was not closed: its log has changes that are not in the content yet")]
    OpenLog,
    /// It uses what is not read.
    #[error("it uses features that are not read: {0:#x}")]
    Features(u64),
    /// Another variety of the format than the one that is read.
    #[error("it is {found}; only {read} is read")]
    Variety {
        /// What it is.
        found: String,
        /// What would be read.
        read: &'static str,
    },
    /// A part is not inside the file.
    #[error("{what} at byte {offset} is not inside the file")]
    Outside {
        /// Which part.
        what: &'static str,
        /// Where it should be.
        offset: u64,
    },
    /// A part has the wrong checksum.
    #[error("{0} has the wrong checksum")]
    Checksum(&'static str),
    /// A part does not begin as it must.
    #[error("{0} does not begin as it must")]
    Signature(&'static str),
    /// A field has a value that it cannot have.
    #[error("{what} is {value}")]
    Value {
        /// The field.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// A part that must be there is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The disk claims to be larger than any we would read.
    #[error("it claims to hold {0} bytes, more than 64 TiB")]
    TooLarge(u64),
    /// Compressed data cannot be unpacked.
    #[error("the compressed data at byte {0} is damaged")]
    Compressed(u64),
    /// A stream cannot be unpacked.
    #[error("the stream cannot be unpacked")]
    Stream(#[source] io::Error),
    /// A document inside cannot be understood.
    #[error("{what} cannot be understood")]
    Document {
        /// Which.
        what: &'static str,
        /// Why not.
        source: serde_json::Error,
    },
    /// A read past the end of the disk.
    #[error("a read at byte {offset} goes past the end, {len}")]
    PastEnd {
        /// Where it began.
        offset: u64,
        /// The length of the disk.
        len: u64,
    },
}
