//! Plain values that rooms hand each other.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;

/// How a layer's tar is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// Gzip, one or more members.
    Gzip,
    /// Zstandard, one or more frames, skippable ones among them (zstd:chunked).
    Zstd,
}

/// A layer as the manifest names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the compressed blob.
    pub digest: Sha256Digest,
    /// Length of the compressed blob.
    pub size_bytes: u64,
    /// From the media type, which alone decides.
    pub compression: Compression,
}

/// An image whose manifest and config were fetched and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Digest of the manifest's bytes as served.
    pub manifest_digest: Sha256Digest,
    /// The manifest as the importer stores it: OCI model, canonical JSON (ostree-contract 2.3).
    pub canonical_manifest: String,
    /// The config as the importer stores it.
    pub canonical_config: String,
    /// Digest of the config's bytes.
    pub config_digest: Sha256Digest,
    /// The architecture in Go's words (`amd64`, `arm64`).
    pub architecture: String,
    /// Seconds since 1970 of the manifest's `created` annotation, else of the config's `created`;
    /// `None` when there is neither or it does not parse (ostree-contract 3.7).
    pub created_secs: Option<i64>,
    /// Labels of the config.
    pub labels: BTreeMap<String, String>,
    /// Layers from the lowest up.
    pub layers: Vec<Layer>,
    /// Digests of the uncompressed layers, as the config claims.
    pub diff_ids: Vec<String>,
    /// What the user should know of this image, a sentence each.
    pub warnings: Vec<String>,
}

/// A processor architecture that disks are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Arch {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Arch {
    /// From Go's word (`amd64`, `arm64`) or the kernel's (`x86_64`, `aarch64`).
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "amd64" | "x86_64" => Some(Self::X86_64),
            "arm64" | "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// What OCI calls it (`amd64`).
    pub fn oci_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// What Rust and `match-architectures` call it (`x86_64`).
    pub fn rust_name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// The name of a file system that machines find their installer by: 1 to 32 letters, digits, `_`, `-`
/// and `.`, no `-` first.
///
/// That is what ISO 9660 has room for, what readers of it show as it is, and what GRUB's `search` takes
/// for a name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeId(String);

/// Why a text is no [`VolumeId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("volume id `{}`: {problem}", .text.escape_debug())]
pub struct VolumeIdError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl VolumeId {
    /// The most characters that it has.
    pub const LIMIT: usize = 32;

    /// Reads one as typed.
    ///
    /// # Errors
    ///
    /// A text that is none.
    pub fn parse(text: &str) -> Result<Self, VolumeIdError> {
        let problem = match text {
            "" => "it is empty",
            _ if !text.chars().all(Self::may_have) => {
                "it has other characters than letters, digits, `_`, `-` and `.`"
            }
            _ if text.len() > Self::LIMIT => "it has more than 32 characters",
            _ if text.starts_with('-') => "it begins as an option does",
            _ => return Ok(Self(text.to_owned())),
        };
        Err(VolumeIdError { text: text.to_owned(), problem })
    }

    /// Of words, which lose what cannot be in it: `Debian GNU/Linux`, `13` and `INSTALL` make
    /// `DEBIAN-GNU-LINUX-13-INSTALL`. The last word stays whole when there is too much.
    pub fn of_words(words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| Self::word(word)).collect();
        let (last, first) = words.split_last().map_or(("", &[][..]), |(last, first)| (last, first));
        let first: Vec<&str> =
            first.iter().map(String::as_str).filter(|word| !word.is_empty()).collect();
        let mut first = first.join("-");
        let last = if last.is_empty() { "VOLUME" } else { last };
        let last = &last[..last.len().min(Self::LIMIT)];
        first.truncate(Self::LIMIT.saturating_sub(last.len() + 1));
        let first = first.trim_end_matches(['-', '.', '_']);
        Self(if first.is_empty() { last.to_owned() } else { format!("{first}-{last}") })
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn may_have(c: char) -> bool {
        c.is_ascii_alphanumeric() || "_-.".contains(c)
    }

    fn word(text: &str) -> String {
        let upper = text.to_ascii_uppercase();
        let kept = upper.split(|c| !Self::may_have(c)).filter(|part| !part.is_empty());
        kept.collect::<Vec<_>>().join("-").trim_matches(['-', '.', '_']).to_owned()
    }
}

impl TryFrom<String> for VolumeId {
    type Error = VolumeIdError;

    fn try_from(text: String) -> Result<Self, VolumeIdError> {
        Self::parse(&text)
    }
}

impl From<VolumeId> for String {
    fn from(id: VolumeId) -> Self {
        id.0
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_ids_are_what_every_reader_takes() {
        let most = "x".repeat(VolumeId::LIMIT);
        for text in ["a", "Fedora-41", "DEBIAN_13.1-INSTALL", "_x", &most] {
            assert_eq!(VolumeId::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a b", "-x", "é", "a/b", "a\nb", "a$b", &format!("{most}x")] {
            let error = VolumeId::parse(text).unwrap_err();
            assert_eq!(error.text, text);
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }

    #[test]
    fn words_become_a_volume_id() {
        for (words, id) in [
            (&["debian", "13", "INSTALL"][..], "DEBIAN-13-INSTALL"),
            (&["Debian GNU/Linux", "13", "INSTALL"], "DEBIAN-GNU-LINUX-13-INSTALL"),
            (&["fedora", "", "INSTALL"], "FEDORA-INSTALL"),
            (&["--", "", "INSTALL"], "INSTALL"),
            (&["ü", "x"], "X"),
            (
                &["a-very-long-name-of-a-system-that.goes", "9", "END"],
                "A-VERY-LONG-NAME-OF-A-SYSTEM-END",
            ),
            (&[], "VOLUME"),
            (&["-"], "VOLUME"),
        ] {
            let made = VolumeId::of_words(words);
            assert_eq!(made.as_str(), id, "{words:?}");
            assert_eq!(VolumeId::parse(id), Ok(made));
        }
    }
}
