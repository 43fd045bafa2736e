//! The two sectors that know places on the disk.
//!
//! `boot.img` is the code of sector 0. Of its 512 bytes the last 72 belong to the partition table
//! and to whatever else lives in a master boot record (bootloader.md 2.1):
//!
//! | offset | field | value |
//! |---|---|---|
//! | 0x003–0x059 | parameters of a file system | kept: zero |
//! | 0x05A u16 | where the next sector is loaded | 0x8000, kept |
//! | 0x05C u64 | first sector of the core | set; comes as 1 |
//! | 0x064 | boot drive | 0xFF, kept: the one that the firmware says |
//! | 0x066 | a jump around a check of that drive | two no-operations: check, as fixed disks need |
//! | 0x1FE | signature | `55 AA` |
//!
//! `diskboot.img` is the first sector of the core. A list of what else to load grows down from its
//! end; a contiguous core needs one record, and the record before it is zero (bootloader.md 2.2):
//!
//! | offset | field | value |
//! |---|---|---|
//! | 0x1E8 | end of the list | zeros |
//! | 0x1F4 u64 | first sector | set; comes as 2 |
//! | 0x1FC u16 | count of sectors | set; comes as 0 |
//! | 0x1FE u16 | where to, divided by 16 | 0x0820, kept |

use super::{ImageError, Lba, verify};

/// The bytes of sector 0 that are code.
pub const BOOT_CODE_LEN: usize = 440;
const LEN: usize = 512;
const NO_OPERATION: u8 = 0x90;

/// The code of sector 0 for a core at this sector of 512 bytes, from `boot.img`.
pub fn boot_code(boot: &[u8], core_start: Lba) -> Result<[u8; BOOT_CODE_LEN], ImageError> {
    let checks = [
        (boot.len() == LEN, "it is no sector"),
        (boot.ends_with(&[0x55, 0xAA]), "no signature"),
        (boot.starts_with(&[0xEB]), "no jump at its start"),
        (boot.get(0x5A..0x5C) == Some(&[0x00, 0x80]), "it loads the core to an unknown place"),
        (boot.get(0x5C..0x65) == Some(&[1, 0, 0, 0, 0, 0, 0, 0, 0xFF]), "the core's place is set"),
        (boot.get(0x66) == Some(&0xEB), "no jump around the drive check"),
    ];
    verify("boot.img", &checks)?;
    let mut code = [0; BOOT_CODE_LEN];
    code.copy_from_slice(&boot[..BOOT_CODE_LEN]);
    code[0x03..0x5A].fill(0);
    code[0x5C..0x64].copy_from_slice(&core_start.0.to_le_bytes());
    code[0x66..0x68].fill(NO_OPERATION);
    Ok(code)
}

/// The first sector of a core whose other parts have `rest` bytes; its place is still to be set.
pub(super) fn diskboot(file: &[u8], rest: usize) -> Result<[u8; LEN], ImageError> {
    let checks = [
        (file.len() == LEN, "it is no sector"),
        (file.get(0x1E8..0x1F4) == Some(&[0; 12]), "its list has no end"),
        (file.get(0x1F4..0x1FE) == Some(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]), "its list is set"),
        (file.ends_with(&[0x20, 0x08]), "it loads the core to an unknown place"),
    ];
    verify("diskboot.img", &checks)?;
    let count = rest.div_ceil(LEN);
    let limit = usize::from(u16::MAX);
    let what = "the core's list of sectors";
    let count =
        u16::try_from(count).map_err(|_| ImageError::TooLarge { what, len: count, limit })?;
    let mut sector = [0; LEN];
    sector.copy_from_slice(file);
    sector[0x1FC..0x1FE].copy_from_slice(&count.to_le_bytes());
    Ok(sector)
}

/// Tells a core that it starts at this sector.
pub(super) fn place(core: &mut [u8], start: Lba) {
    // no disk ends at the last sector that 64 bits can number
    let next = start.0.saturating_add(1);
    core[0x1F4..0x1FC].copy_from_slice(&next.to_le_bytes());
}
