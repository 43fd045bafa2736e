//! What is wrong with a compressed stream.

use std::io;

/// Why a stream cannot be unpacked.
#[derive(Debug)]
pub(in super::super) enum Fault {
    /// Its bytes cannot be read.
    Io(io::Error),
    /// They end too early.
    Truncated,
    /// They contradict the format.
    Corrupt(Reason),
}

/// How a stream contradicts RFC 1951 or RFC 1952.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Reason {
    /// Not `1f 8b 08`, or a reserved flag.
    #[error("invalid gzip header")]
    Header,
    /// A name or a comment longer than anybody needs.
    #[error("a field of the gzip header is too long")]
    HeaderField,
    /// FHCRC.
    #[error("the gzip header does not match its checksum")]
    HeaderChecksum,
    /// CRC32.
    #[error("the content does not match its checksum")]
    Checksum,
    /// ISIZE.
    #[error("the content does not have the stated length")]
    Length,
    /// Block type 3.
    #[error("a block has an unknown type")]
    BlockType,
    /// NLEN is not the complement of LEN.
    #[error("the length of a stored block does not match its complement")]
    StoredLength,
    /// HLIT above 286 or HDIST above 30.
    #[error("a block has too many codes")]
    TooManyCodes,
    /// The code that code lengths are written in.
    #[error("the code of the code lengths is no complete prefix code")]
    LengthsCode,
    /// A repetition of nothing, or of more than there are codes.
    #[error("a block repeats code lengths that it does not have")]
    Repeat,
    /// No code for the end of the block.
    #[error("a block has no end")]
    NoEnd,
    /// The code of literals and lengths.
    #[error("the code of literals and lengths is no complete prefix code")]
    LitlenCode,
    /// The code of distances.
    #[error("the code of distances is no complete prefix code")]
    DistanceCode,
    /// Bits without a meaning where a literal or a length should be.
    #[error("a literal or length has an invalid code")]
    Litlen,
    /// Bits without a meaning where a distance should be.
    #[error("a distance has an invalid code")]
    Distance,
    /// A match from before the first byte.
    #[error("a distance reaches behind the start")]
    TooFar,
}

impl From<Reason> for Fault {
    fn from(reason: Reason) -> Self {
        Self::Corrupt(reason)
    }
}
