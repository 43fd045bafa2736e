//! How an initramfs or a module of the kernel may be compressed.
//!
//! | compression | first bytes | a module's name ends in |
//! |---|---|---|
//! | gzip | `1F 8B` | `.gz` |
//! | xz | `FD 37 7A 58 5A 00` | `.xz` |
//! | Zstandard | `28 B5 2F FD` | `.zst` |
//!
//! What takes more memory to unpack than the kernel would give is an error.

use std::io::{self, BufRead, BufReader};

/// A larger window than any initramfs has, which the kernel could not unpack either.
const ZSTD_WINDOW_LOG: u32 = 27;
const XZ_LIMIT_KIB: u32 = 128 << 10;

/// One of the compressions that kernels know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// gzip, perhaps in several members.
    Gzip,
    /// xz
    Xz,
    /// Zstandard
    Zstd,
}

impl Compression {
    /// The one that starts with these bytes.
    pub(super) fn of_magic(magic: &[u8]) -> Option<Self> {
        match magic {
            [0x1F, 0x8B, ..] => Some(Self::Gzip),
            [0xFD, b'7', b'z', b'X', b'Z', 0] => Some(Self::Xz),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The one of the files whose names end in a dot and this.
    pub(super) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "gz" => Some(Self::Gzip),
            "xz" => Some(Self::Xz),
            "zst" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Unpacks what it reads.
    pub(super) fn decoder<'r>(self, input: impl BufRead + 'r) -> io::Result<Box<dyn BufRead + 'r>> {
        Ok(match self {
            Self::Gzip => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(input))),
            Self::Xz => {
                let reader = lzma_rust2::XzReader::new_mem_limit(input, true, XZ_LIMIT_KIB);
                Box::new(BufReader::new(reader))
            }
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(BufReader::new(decoder))
            }
        })
    }
}
