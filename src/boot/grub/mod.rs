//! GRUB on UEFI: binaries copied from the image, configuration composed here.
//!
//! | module | what it does |
//! |---|---|
//! | [`pe`] | reads prefix and module list out of a GRUB binary, without running it |
//! | [`config`] | `grub.cfg`, the stub on the ESP, `grubenv` |
//! | [`bridge`] | which boot entries a GRUB without `blscfg` can read |

pub mod bridge;
pub mod config;
pub mod pe;
