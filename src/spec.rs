//! Plain values that rooms hand each other.

use std::collections::BTreeMap;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit ARM.
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
