//! Composes GRUB for UEFI: a PE32+ file of the image's own kernel and modules.
//!
//! `kernel.img` is an ELF file that was linked but not placed. A PE file wants it placed, with a list
//! of what changes when firmware moves it. Every place in the file is also its address from where
//! the file is loaded; every part starts at a page of 4096 bytes and is padded to pages:
//!
//! | section | content |
//! |---|---|
//! | | headers: one page |
//! | `.text` | the kernel's executable sections |
//! | `.data` | its other sections, and zeros where it has none in the file |
//! | `mods` | the module area ([`super::area`]) |
//! | `.sbat` | generations for Secure Boot's revocations: a text |
//! | `.reloc` | where addresses are to be changed |
//!
//! The kernel finds its modules in the section `mods` of the file it was started from, so it needs no
//! patching. The result is what `grub-mkimage` makes of the same files, but for the program that DOS
//! would run (there is none here) and the time stamp (0 here).
//!
//! | module | what it does |
//! |---|---|
//! | `kernel` | reads the ELF file and gives its sections places |
//! | `relocate` | writes the addresses of symbols into the placed sections |
//! | `x86_64`, `aarch64` | what a relocation writes |
//! | `base_relocations` | `.reloc` |
//! | `headers` | what makes the file a PE file |
//!
//! All of the input comes from the image and may be anything: no offset is trusted, and the result has
//! at most [`super::pe::LIMIT_BYTES`] bytes.

mod aarch64;
mod base_relocations;
#[cfg(test)]
pub(in crate::boot) mod fake;
mod headers;
mod kernel;
mod relocate;
#[cfg(test)]
mod tests;
mod x86_64;

use std::ops::Range;

use super::image_error::ImageError;
use super::pe::LIMIT_BYTES;
use crate::spec::Arch;
use headers::{Headers, Section};
use kernel::Kernel;

/// The unit of sections and of base relocations.
const PAGE: u64 = 0x1000;

/// Composes an image of `kernel.img`, a module area of [`super::area::Word::Bits64`] and the text for
/// the section `.sbat`.
pub fn compose(arch: Arch, kernel: &[u8], area: &[u8], sbat: &[u8]) -> Result<Vec<u8>, ImageError> {
    let kernel = Kernel::parse(arch, kernel)?;
    let layout = kernel.layout()?;
    let entry = kernel.entry(&layout)?;
    let mut image = kernel.load(&layout)?;
    let fixups = relocate::apply(arch, &kernel, &layout, &mut image)?;
    let sections = [
        Section::text(PAGE..layout.text_end),
        Section::data(layout.text_end..layout.end),
        Section::modules(append(&mut image, area)?),
        Section::sbat(append(&mut image, sbat)?),
        Section::relocations(append(&mut image, &base_relocations::encode(&fixups)?)?),
    ];
    let headers = Headers { arch, entry, no_execute: kernel.sets_memory_attributes(), sections };
    headers.write(&mut image)?;
    Ok(image)
}

/// Adds `content` at the end and pads it to pages; says where it is.
fn append(image: &mut Vec<u8>, content: &[u8]) -> Result<Range<u64>, ImageError> {
    let start = to_u64(image.len());
    let end = page_end(start.saturating_add(to_u64(content.len())))?;
    image.extend(content);
    image.resize(to_usize(end)?, 0);
    Ok(start..end)
}

/// The end of the page that holds the byte before `address`, unless no image reaches there.
fn page_end(address: u64) -> Result<u64, ImageError> {
    match address.checked_next_multiple_of(PAGE) {
        Some(end) if end <= LIMIT_BYTES => Ok(end),
        _ => Err(too_large(address)),
    }
}

fn too_large(len: u64) -> ImageError {
    let limit = usize::try_from(LIMIT_BYTES).unwrap_or(usize::MAX);
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    ImageError::TooLarge { what: "GRUB for UEFI", len, limit }
}

fn not_a_kernel(problem: &'static str) -> ImageError {
    ImageError::NotGrub { file: "kernel.img", problem }
}

fn to_u64(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn to_usize(address: u64) -> Result<usize, ImageError> {
    usize::try_from(address).map_err(|_| too_large(address))
}

fn to_u32(address: u64) -> Result<u32, ImageError> {
    u32::try_from(address).map_err(|_| too_large(address))
}
