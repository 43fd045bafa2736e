//! The relocations in kernels for 64-bit x86.
//!
//! | type | written |
//! |---|---|
//! | 1 `R_X86_64_64` | u64 target |
//! | 2 `R_X86_64_PC32`, 4 `R_X86_64_PLT32` | i32 target − place |

use object::elf::{self, RelocationType};

use super::relocate::{Problem, Written, put};

/// See [`super::relocate`].
pub fn write(
    kind: RelocationType,
    field: &mut [u8],
    target: u64,
    place: u64,
) -> Result<Written, Problem> {
    match kind {
        elf::R_X86_64_64 => {
            put(field, target.to_le_bytes())?;
            Ok(Written::Address)
        }
        elf::R_X86_64_PC32 | elf::R_X86_64_PLT32 => {
            let distance = target.wrapping_sub(place).cast_signed();
            put(field, i32::try_from(distance).map_err(|_| Problem::Fit)?.to_le_bytes())?;
            Ok(Written::Distance)
        }
        _ => Err(Problem::Type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_distances_are_written() {
        let mut field = [0xFF; 9];
        let written = write(elf::R_X86_64_64, &mut field, 0x1234_5678_9ABC_DEF0, 0x1000);
        assert_eq!(written, Ok(Written::Address));
        assert_eq!(field, [0xF0, 0xDE, 0xBC, 0x9A, 0x78, 0x56, 0x34, 0x12, 0xFF]);
        let written = write(elf::R_X86_64_PC32, &mut field, 0x1000, 0x1004);
        assert_eq!(written, Ok(Written::Distance));
        assert_eq!(field[..5], [0xFC, 0xFF, 0xFF, 0xFF, 0x78]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut field = [0; 7];
        assert_eq!(write(elf::R_X86_64_64, &mut field, 0, 0), Err(Problem::Fit));
        assert_eq!(write(elf::R_X86_64_PLT32, &mut field, 1 << 31, 0), Err(Problem::Fit));
        assert_eq!(write(elf::R_X86_64_32, &mut field, 0, 0), Err(Problem::Type));
    }
}
