//! The code of sector 0 of a medium that is a CD and a disk: `boot_hybrid.img`.
//!
//! It does what `boot.img` does ([`super::sectors`]), but has code where that has room for
//! parameters of a file system, and knows the core's place elsewhere (bootloader.md 9.1):
//!
//! | offset | field | value |
//! |---|---|---|
//! | 0x05A u16 | where the core is loaded | 0x8000, kept |
//! | 0x064 | boot drive | 0xFF, kept: the one that the firmware says |
//! | 0x1B0 u64 | first sector of the core, of 512 bytes | set; comes as 1 |
//! | 0x1B8–0x1FD | identifier and partitions | whoever writes the partition table |
//! | 0x1FE | signature | `55 AA` |
//!
//! The core is the one in the image for a CD ([`super::cd`]), behind that image's first sector.

use super::cd::core_of;
use super::sectors::BOOT_CODE_LEN;
use super::{ImageError, verify};
use crate::units::CdSector;

const LEN: usize = 512;
/// Where the core's place is: the last eight bytes of the code.
const PLACE: usize = 0x1B0;

/// The code of sector 0 that does not know yet where the image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HybridCode([u8; BOOT_CODE_LEN]);

impl HybridCode {
    /// Takes it from `boot_hybrid.img`.
    pub fn parse(file: &[u8]) -> Result<Self, ImageError> {
        let checks = [
            (file.len() == LEN, "it is no sector"),
            (file.ends_with(&[0x55, 0xAA]), "no signature"),
            (file.starts_with(&[0xEB]), "no jump at its start"),
            (file.get(0x5A..0x5C) == Some(&[0x00, 0x80]), "it loads the core to an unknown place"),
            (file.get(0x64) == Some(&0xFF), "its boot drive is set"),
            (
                file.get(PLACE..BOOT_CODE_LEN) == Some(&[1, 0, 0, 0, 0, 0, 0, 0]),
                "the core's place is set",
            ),
            (
                file.get(BOOT_CODE_LEN..0x1FE) == Some(&[0; 0x1FE - BOOT_CODE_LEN]),
                "it has partitions",
            ),
        ];
        verify("boot_hybrid.img", &checks)?;
        let mut code = [0; BOOT_CODE_LEN];
        code.copy_from_slice(&file[..BOOT_CODE_LEN]);
        Ok(Self(code))
    }

    /// The code for an image that starts at this sector.
    pub fn at(&self, image: CdSector) -> [u8; BOOT_CODE_LEN] {
        let mut code = self.0;
        code[PLACE..].copy_from_slice(&core_of(image).0.to_le_bytes());
        code
    }
}
