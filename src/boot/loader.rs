//! Which boot loader a disk gets: the one place that decides.
//!
//! | | the image has | the disk gets |
//! |---|---|---|
//! | 1 | `usr/lib/bootupd/updates/EFI.json` | what bootupd would install ([`bootupd`]) |
//! | 2 | a shim with its GRUB | both, with a configuration of our own ([`grub::esp`]) |
//! | 3 | neither | no disk: [`BootError::NoBootLoader`] |

use std::collections::BTreeMap;
use std::fmt;

use super::grub::config::Reader;
use super::{BootError, bootupd, grub};
use crate::files::{Deployed, Files};
use crate::spec::Arch;

/// What an ESP file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EspContent {
    /// The bytes of the regular file at this path of the image.
    Image(String),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A file of `/boot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootConfig {
    /// Path below `/boot`; a directory on the way has mode 0700.
    pub path: &'static str,
    /// Permission bits.
    pub mode: u16,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Whose boot loader and configuration it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// bootupd's payload with the static configuration of the image. How it reads boot entries is the
    /// image's affair.
    Bootupd {
        /// The payload's version, for people.
        version: String,
        /// Whether the image could also boot from BIOS, which the disk does not.
        leaves_out_bios: bool,
    },
    /// Binaries of the image with a configuration of ours.
    Own {
        /// Path of GRUB in the image.
        grub: String,
        /// How GRUB will read the boot entries.
        reader: Reader,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootupd { version, leaves_out_bios } => {
                write!(f, "bootupd's {version}")?;
                f.write_str(if *leaves_out_bios { ", for UEFI only" } else { "" })
            }
            Self::Own { grub, reader } => write!(f, "`{grub}`, entries read by {reader:?}"),
        }
    }
}

/// The boot loader of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// Files of the ESP by path (`EFI/BOOT/BOOTX64.EFI`).
    pub esp: BTreeMap<String, EspContent>,
    /// Files below `/boot`.
    pub boot: Vec<BootConfig>,
    /// Whose it is.
    pub origin: Origin,
}

/// What the boot loader is to find.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The machine.
    pub arch: Arch,
    /// UUID of the file system that `/boot` is on.
    pub boot_uuid: &'a str,
    /// `bootupd.skip-boot-uuid`: bootupd's configuration is not told the UUID.
    pub skip_boot_uuid: bool,
}

/// Decides on the boot loader of the merged image.
pub fn plan(files: &dyn Files, target: Target<'_>) -> Result<Loader, BootError> {
    let files = &Deployed(files);
    match bootupd::plan(files, target)? {
        Some(loader) => Ok(loader),
        None => grub::esp::plan(files, target.arch, target.boot_uuid),
    }
}
