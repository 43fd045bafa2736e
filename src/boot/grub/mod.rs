//! GRUB: binaries copied from the image or composed of its modules, and their configuration.
//!
//! | module | what it does |
//! |---|---|
//! | [`modules`] | finds GRUB's modules in the image and orders them by what they need |
//! | [`area`] | packs and reads modules, prefix and early configuration as every GRUB image carries them |
//! | [`bios`] | composes what BIOS starts: the code of sector 0 and the core |
//! | [`efi_image`] | composes what UEFI starts: one PE file |
//! | [`image_error`] | why nothing could be composed |
//! | [`composed`] | which modules go into composed images |
//! | `medium` | GRUB for an installer's medium, from the image or composed |
//! | [`own`] | decides what boots a disk without bootupd |
//! | [`pe`] | reads prefix and module list out of a GRUB binary, without running it |
//! | [`esp`] | finds shim and GRUB in the image, as they go to the ESP |
//! | `packages` | signed binaries where distributions' packages put them |
//! | [`config`] | `grub.cfg`, the stub on the ESP, `grubenv` |
//! | `script` | words of GRUB's scripts |
//! | [`bridge`] | which boot entries a GRUB without `blscfg` can read |

pub mod area;
pub mod bios;
pub mod bridge;
mod bytes;
pub mod composed;
pub mod config;
pub mod efi_image;
pub mod esp;
#[cfg(test)]
pub mod fake_modules;
pub mod image_error;
pub(in crate::boot) mod medium;
pub mod modules;
pub mod own;
mod packages;
pub mod pe;
pub(in crate::boot) mod script;
