//! GRUB for BIOS: what the first sectors of a disk hold, composed of the image's modules.
//!
//! The firmware runs the code in sector 0, which loads the first sector of the *core*, which loads
//! the rest of it. The core lies in a partition of its own, anywhere on the disk, in one piece:
//!
//! ```text
//! sector 0     boot.img, its first 440 bytes         knows where the core starts   (sectors)
//! core
//!     0        diskboot.img, one sector              knows where its rest is       (sectors)
//!   512        lzma_decompress.img                   knows two lengths             (here)
//!     …        an LZMA stream                                                      (compress)
//!              of: the kernel as it lies in memory                                 (kernel)
//!                  the module area                                                 (area)
//! ```
//!
//! `lzma_decompress.img` starts with a header, numbers little-endian (bootloader.md 2.3):
//!
//! | offset | field | value |
//! |---|---|---|
//! | 0x00 | far jump | `EA xx 82 00 00` |
//! | 0x08 u32 | length of the stream | set |
//! | 0x0C u32 | length of what is in it | set |
//! | 0x10 u32 | bytes of redundancy after the stream | 0: none |
//! | 0x14 u16 | how much of this file redundancy does not cover | kept |
//! | 0x18 | boot device and drive | kept, GRUB sets them |
//!
//! It is loaded at 0x8200 and the kernel runs at 0x9000, and what diskboot loads must end below
//! 0x78000. The uncompressed part is, byte for byte, that of the usual tool; the stream is not, as
//! its encoder chooses other matches.
//!
//! A CD has a core too, behind a sector of its own, and the sector 0 of a medium that is a CD and a
//! disk leads there (`cd`, `hybrid`).

use super::image_error::ImageError;
use crate::units::Lba;

mod cd;
mod compress;
mod early;
mod hybrid;
mod kernel;
mod planned;
mod sectors;

pub use cd::{CdImage, cd_image};
pub use early::Early;
pub use hybrid::HybridCode;
pub use kernel::payload;
pub use planned::PlannedCore;
pub use sectors::{BOOT_CODE_LEN, boot_code};

/// The most that the decompressor may have: it ends where the kernel will start.
const DECOMPRESSOR_LIMIT: usize = 0x9000 - 0x8200;
/// The most that decompressor and stream may have.
const LOADED_LIMIT: usize = 0x7_8000 - 0x9000;
/// More than this is not even compressed: it would not fit, whatever it is.
const PAYLOAD_LIMIT: usize = 4 << 20;

/// The files that a core is made of, all of one build.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `diskboot.img`
    pub diskboot: &'a [u8],
    /// `lzma_decompress.img`
    pub decompressor: &'a [u8],
    /// `kernel.img`
    pub kernel: &'a [u8],
}

/// A core that does not know yet where on the disk it will lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoreImage(Vec<u8>);

/// Composes the core that has this module area, of 32-bit words.
pub fn core_image(parts: Parts<'_>, area: &[u8]) -> Result<CoreImage, ImageError> {
    PlannedCore::new(parts, area)?.compose(&Early::default())
}

impl CoreImage {
    /// Its length in bytes; the rest of its last sector may hold anything.
    #[allow(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The core for a partition that starts at this sector of 512 bytes.
    pub fn at(mut self, start: Lba) -> Vec<u8> {
        sectors::place(&mut self.0, start);
        self.0
    }
}

/// The decompressor, told the lengths of the stream and of what is in it.
fn decompressor(file: &[u8], stream: usize, payload: usize) -> Result<Vec<u8>, ImageError> {
    let checks = [
        (file.len() <= DECOMPRESSOR_LIMIT, "it is too long"),
        (file.len() >= 0x1C, "it is too short"),
        (
            file.starts_with(&[0xEA]) && file.get(2..5) == Some(&[0x82, 0, 0]),
            "no jump at its start",
        ),
        (file.get(0x05..0x14) == Some(&[0; 15]), "its lengths are set"),
    ];
    verify("lzma_decompress.img", &checks)?;
    let mut file = file.to_vec();
    file[0x08..0x0C].copy_from_slice(&le32("the stream", stream)?);
    file[0x0C..0x10].copy_from_slice(&le32("GRUB with its modules", payload)?);
    Ok(file)
}

fn le32(what: &'static str, len: usize) -> Result<[u8; 4], ImageError> {
    let limit = usize::try_from(u32::MAX).unwrap_or(usize::MAX);
    let number = u32::try_from(len).map_err(|_| ImageError::TooLarge { what, len, limit })?;
    Ok(number.to_le_bytes())
}

fn within(what: &'static str, len: usize, limit: usize) -> Result<(), ImageError> {
    if len > limit { Err(ImageError::TooLarge { what, len, limit }) } else { Ok(()) }
}

/// Fails with the first check that did.
fn verify(file: &'static str, checks: &[(bool, &'static str)]) -> Result<(), ImageError> {
    match checks.iter().find(|(holds, _)| !holds) {
        Some((_, problem)) => Err(ImageError::NotGrub { file, problem }),
        None => Ok(()),
    }
}

#[cfg(test)]
pub mod fake;
#[cfg(test)]
mod tests;
