//! Writes the addresses of symbols into the placed sections.
//!
//! A relocation is a place in a section, a symbol, an addend and a type; what is written comes of the
//! target (symbol + addend) and the place. Where a whole address is written, firmware must change it
//! when it loads the image elsewhere than at 0, so these places are collected for `.reloc`.

use object::LittleEndian as LE;
use object::elf::RelocationType;

use super::kernel::{Kernel, Layout};
use super::{ImageError, aarch64, to_usize, x86_64};
use crate::spec::Arch;

/// What a relocation wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// An address of 64 bits.
    Address,
    /// Something that does not change when all moves.
    Distance,
}

/// Why a relocation cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// Its type is not known.
    Type,
    /// Its value is too large, or the section ends within it.
    Fit,
}

/// What a machine's relocation writes into the first bytes of `field`, which is at `place`.
type Write =
    fn(RelocationType, field: &mut [u8], target: u64, place: u64) -> Result<Written, Problem>;

/// Writes all relocations; the places of addresses, in the order of the file.
pub fn apply(
    arch: Arch,
    kernel: &Kernel<'_>,
    layout: &Layout,
    image: &mut [u8],
) -> Result<Vec<u64>, ImageError> {
    let write: Write = match arch {
        Arch::X86_64 => x86_64::write,
        Arch::Aarch64 => aarch64::write,
    };
    let mut addresses = Vec::new();
    for section in kernel.relocations(layout)? {
        let end = section.start + section.len;
        for entry in section.entries {
            let place = section.start.saturating_add(entry.r_offset.get(LE));
            let symbol = kernel.address(layout, kernel.symbol(entry.r_sym(LE, false))?)?;
            let target = symbol.wrapping_add_signed(entry.r_addend.get(LE));
            let kind = entry.r_type(LE, false);
            let field = image
                .get_mut(to_usize(place)?..to_usize(end)?)
                .ok_or(ImageError::Relocation(place))?;
            match write(kind, field, target, place) {
                Ok(Written::Address) => addresses.push(place),
                Ok(Written::Distance) => {}
                Err(Problem::Type) => return Err(ImageError::RelocationType(kind.0)),
                Err(Problem::Fit) => return Err(ImageError::Relocation(place)),
            }
        }
    }
    Ok(addresses)
}

/// Writes the first bytes of a field.
pub fn put<const N: usize>(field: &mut [u8], bytes: [u8; N]) -> Result<(), Problem> {
    *field.first_chunk_mut().ok_or(Problem::Fit)? = bytes;
    Ok(())
}
