//! Why a layer could not be read.

use std::io;

/// What is wrong with a layer. Offsets count the bytes of the stream the text names: of the
/// compressed blob for compression, of the tar for the rest. Paths are escaped for display.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The blob itself could not be read, or did not verify.
    #[error("the layer's bytes cannot be read")]
    Io(#[source] io::Error),
    /// The media type names another compression than the bytes have.
    #[error("the media type says {declared}, but the layer begins with {found}")]
    WrongCompression {
        /// What the media type says.
        declared: &'static str,
        /// What the first bytes look like.
        found: &'static str,
    },
    /// The compressed stream contradicts itself.
    #[error("corrupt {format} stream before byte {offset}: {reason}")]
    CorruptStream {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes consumed.
        offset: u64,
        /// The decompressor's words.
        reason: String,
    },
    /// The compressed stream ends too early.
    #[error("the {format} stream is cut off after {offset} bytes")]
    TruncatedStream {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Compressed bytes consumed.
        offset: u64,
    },
    /// Bytes after the last gzip member or zstd frame that are neither another one nor padding.
    #[error("junk after the end of the {format} stream, at byte {offset}")]
    TrailingJunk {
        /// `gzip` or `zstd`.
        format: &'static str,
        /// Where in the compressed blob.
        offset: u64,
    },
    /// A zstd frame asks for more memory than a layer may.
    #[error("a zstd frame before byte {offset} needs a window of more than 128 MiB")]
    WindowTooLarge {
        /// Compressed bytes consumed.
        offset: u64,
    },
    /// A block that should be a tar header has a wrong checksum.
    #[error("no tar header at byte {offset}: its checksum is wrong")]
    BadHeader {
        /// Where in the tar.
        offset: u64,
    },
    /// The tar ends inside a header or an extension record.
    #[error("the tar is cut off inside a header, at byte {offset}")]
    TruncatedHeader {
        /// Where in the tar.
        offset: u64,
    },
    /// The tar ends inside a member's data.
    #[error("the tar is cut off inside `{path}`, at byte {offset}")]
    Truncated {
        /// The member.
        path: String,
        /// Where in the tar.
        offset: u64,
    },
    /// A numeric header field is no number, or out of range.
    #[error("the {field} of `{path}` in its tar header is no valid number")]
    BadField {
        /// The member.
        path: String,
        /// The field's name.
        field: &'static str,
    },
    /// An owner or group that no file system can store.
    #[error("the {field} {value} of `{path}` does not fit 32 bits")]
    IdTooLarge {
        /// The member.
        path: String,
        /// `uid` or `gid`.
        field: &'static str,
        /// The value.
        value: u64,
    },
    /// A PAX extended header does not consist of records.
    #[error("malformed pax header at byte {offset}")]
    BadPaxHeader {
        /// Where in the tar.
        offset: u64,
    },
    /// A PAX record with a value that its key does not allow.
    #[error("the pax record `{key}` of `{path}` has the malformed value `{value}`")]
    BadPaxValue {
        /// The member.
        path: String,
        /// The record's key.
        key: String,
        /// The record's value.
        value: String,
    },
    /// A PAX header or GNU long name beyond every sensible length.
    #[error("the extension header at byte {offset} has {len_bytes} bytes, more than {limit_bytes}")]
    ExtensionTooLarge {
        /// Where in the tar.
        offset: u64,
        /// Its length, with those before it for the same member.
        len_bytes: u64,
        /// The most that is accepted.
        limit_bytes: u64,
    },
    /// An extension header that no member follows.
    #[error("the tar ends at byte {offset} after an extension header without its member")]
    DanglingExtension {
        /// Where in the tar.
        offset: u64,
    },
    /// A kind of member that has no place in a layer.
    #[error("`{path}` has the unsupported tar type `{}`", .flag.escape_ascii())]
    UnsupportedType {
        /// The member.
        path: String,
        /// The header's type flag.
        flag: u8,
    },
    /// A sparse file's map is not a map of that file.
    #[error("the sparse map of `{path}` is invalid: {reason}")]
    BadSparseMap {
        /// The member.
        path: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A symbolic or hard link to nowhere.
    #[error("the link `{path}` has an empty target")]
    EmptyTarget {
        /// The member.
        path: String,
    },
    /// A NUL byte in a name, a target or the name of an extended attribute.
    #[error("`{path}` has a NUL byte in its {what}")]
    NulByte {
        /// The member.
        path: String,
        /// Where the byte is.
        what: &'static str,
    },
}

impl Error {
    /// The error that an adapter below packed into an [`io::Error`], or that error itself.
    pub(super) fn from_io(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// Bytes of an untrusted name, made safe and short enough to print.
pub(super) fn shown(bytes: &[u8]) -> String {
    const LIMIT_BYTES: usize = 512;
    let (head, more) = match bytes.get(..LIMIT_BYTES) {
        Some(head) if bytes.len() > LIMIT_BYTES => (head, "…"),
        _ => (bytes, ""),
    };
    let text = String::from_utf8_lossy(head);
    let escaped = text.chars().flat_map(|c| {
        let control = c.is_control();
        control.then(|| c.escape_default()).into_iter().flatten().chain((!control).then_some(c))
    });
    escaped.chain(more.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_escaped_and_short() {
        assert_eq!(shown("usr/é\x1b[1m".as_bytes()), "usr/é\\u{1b}[1m");
        assert_eq!(shown(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(shown(&[b'a'; 600]).chars().count(), 513);
    }

    #[test]
    fn an_error_survives_its_trip_through_io() {
        let packed = io::Error::from(Error::BadHeader { offset: 7 });
        assert!(matches!(Error::from_io(packed), Error::BadHeader { offset: 7 }));
        assert!(matches!(Error::from_io(io::ErrorKind::TimedOut.into()), Error::Io(_)));
    }
}
