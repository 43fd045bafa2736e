//! What BIOS starts of a CD: an image in the file system that the boot catalogue of El Torito
//! names.
//!
//! ```text
//!     0        cdboot.img, one sector of the CD      knows where the image is and how long
//!  2048        a core as on a disk, from its diskboot.img on
//! ```
//!
//! The firmware loads the first sector, which loads the rest of the image in one piece. The core's
//! first sector is for those who start the same image from a USB stick ([`super::hybrid`]): sectors
//! have 512 bytes there, and the list of what to load counts in them (bootloader.md 9.1).
//!
//! | offset | field | value |
//! |---|---|---|
//! | 0x000 | a jump over the next fields | kept |
//! | 0x008 u32 | sector of the primary volume descriptor | set: 16 |
//! | 0x00C u32 | sector of the image | set |
//! | 0x010 u32 | length of the image in bytes | set |
//! | 0x014 u32 | sum of all 32-bit words from 0x40 to the end, once the last field is set | set |
//! | 0x018–0x03F | reserved | zeros |
//! | 0x9F4 u64 | sector of 512 bytes behind diskboot.img | set; comes as 2 |

use super::{CoreImage, ImageError, Lba, Parts, core_image, le32, sectors, verify};
use crate::units::CdSector;

/// Bytes in a sector of a CD.
const LEN: usize = 2048;
/// Sectors of 512 bytes in one of a CD.
const SECTORS: u64 = 4;
/// What the descriptor's place is in every ISO 9660 file system.
const VOLUME_DESCRIPTOR: u32 = 16;
/// Where the boot information ends and the code begins.
const CODE: usize = 0x40;
/// Where the core is started: `ljmp 0x820:0`.
const JUMP_TO_CORE: [u8; 5] = [0xEA, 0x00, 0x00, 0x20, 0x08];

/// Where the core starts of an image that starts here, in sectors of 512 bytes.
pub(super) fn core_of(image: CdSector) -> Lba {
    Lba((u64::from(image.0) + 1) * SECTORS)
}

/// An image for a CD that does not know yet where on it it will lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CdImage {
    bytes: Vec<u8>,
    len: [u8; 4],
}

/// Composes the image that has this module area, of 32-bit words.
pub fn cd_image(cdboot: &[u8], parts: Parts<'_>, area: &[u8]) -> Result<CdImage, ImageError> {
    let checks = [
        (cdboot.len() == LEN, "it is no sector of a CD"),
        (cdboot.starts_with(&[0xE8, 0, 0, 0xEB, 0x3B]), "no jump over the boot information"),
        (cdboot.get(0x08..CODE) == Some(&[0; CODE - 8]), "its boot information is set"),
        (
            cdboot.windows(JUMP_TO_CORE.len()).any(|code| code == JUMP_TO_CORE),
            "it starts the core at an unknown place",
        ),
    ];
    verify("cdboot.img", &checks)?;
    let CoreImage(core) = core_image(parts, area)?;
    let bytes = [cdboot, &core].concat();
    let len = le32("GRUB for a CD", bytes.len())?;
    Ok(CdImage { bytes, len })
}

impl CdImage {
    /// Its length in bytes; the rest of its last sector must be zeros.
    #[allow(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The image as a file that starts at this sector.
    pub fn at(&self, start: CdSector) -> Vec<u8> {
        let mut image = self.bytes.clone();
        sectors::place(&mut image[LEN..], core_of(start));
        image[0x08..0x0C].copy_from_slice(&VOLUME_DESCRIPTOR.to_le_bytes());
        image[0x0C..0x10].copy_from_slice(&start.0.to_le_bytes());
        image[0x10..0x14].copy_from_slice(&self.len);
        let sum = sum(&image[CODE..]);
        image[0x14..0x18].copy_from_slice(&sum.to_le_bytes());
        image
    }
}

/// The sum of all words; the last is filled up with zeros.
fn sum(bytes: &[u8]) -> u32 {
    let word = |part: &[u8]| {
        let mut word = [0; 4];
        word[..part.len()].copy_from_slice(part);
        u32::from_le_bytes(word)
    };
    bytes.chunks(4).map(word).fold(0, u32::wrapping_add)
}
