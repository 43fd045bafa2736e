//! SHA-256: the one hash of OCI digests and ostree checksums.
//!
//! [`Sha256Digest`] is the bare 32 bytes. OCI writes it `sha256:<64 hex>` ([`Sha256Digest::to_oci`]),
//! ostree as 64 hex digits ([`Sha256Digest::to_hex`], also `Display`).
//!
//! A stream is hashed as it comes, by a [`Sha256`]; what is in memory all at once is hashed faster
//! together with others, by [`digests`].

#[cfg(target_arch = "x86_64")]
mod compress;
mod lanes;
mod message;

use sha2::Digest as _;
use std::fmt;
use std::io::{self, Read};

pub use lanes::digests;
pub use message::Message;

/// The 32 bytes of a SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sha256Digest(pub [u8; 32]);

/// What is read at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// Hashes a stream of bytes.
#[derive(Debug, Clone, Default)]
pub struct Sha256(sha2::Sha256);

/// Why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ParseDigestError {
    /// Another algorithm than SHA-256.
    #[error("digest `{0}` does not begin with `sha256:`")]
    Algorithm(String),
    /// Not 64 lower-case hex digits.
    #[error("digest `{0}` is not 64 lower-case hex digits")]
    Hex(String),
}

impl Sha256Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// Reads the OCI spelling, `sha256:<64 lower-case hex>`.
    pub fn parse_oci(text: &str) -> Result<Self, ParseDigestError> {
        let hex = text
            .strip_prefix("sha256:")
            .ok_or_else(|| ParseDigestError::Algorithm(text.to_owned()))?;
        Self::parse_hex(hex)
    }

    /// Reads 64 lower-case hex digits.
    pub fn parse_hex(hex: &str) -> Result<Self, ParseDigestError> {
        let error = || ParseDigestError::Hex(hex.to_owned());
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(error());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0]).ok_or_else(error)? << 4 | nibble(pair[1]).ok_or_else(error)?;
        }
        Ok(Self(bytes))
    }

    /// `sha256:<64 hex>`.
    pub fn to_oci(&self) -> String {
        format!("sha256:{self}")
    }

    /// 64 hex digits.
    pub fn to_hex(&self) -> String {
        self.to_string()
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Sha256 {
    /// Hashes `bytes` too.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Hashes what `source` has from here to its end.
    pub fn read(&mut self, source: &mut impl Read) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match source.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.update(&buffer[..count]),
            }
        }
    }

    /// The digest of everything hashed.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_read_back_as_written() {
        let digest = Sha256Digest::of(b"");
        assert_eq!(
            digest.to_hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(Sha256Digest::parse_oci(&digest.to_oci()), Ok(digest));
    }

    #[test]
    fn other_spellings_are_refused() {
        let upper = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
        assert!(matches!(Sha256Digest::parse_hex(upper), Err(ParseDigestError::Hex(_))));
        assert!(matches!(
            Sha256Digest::parse_oci("sha512:00"),
            Err(ParseDigestError::Algorithm(_))
        ));
        assert!(matches!(Sha256Digest::parse_hex("é"), Err(ParseDigestError::Hex(_))));
    }
}
