//! The relocations in kernels for 64-bit ARM.
//!
//! Most change the immediate value of an instruction, 32 bits little-endian:
//!
//! | type | written | bits of the instruction |
//! |---|---|---|
//! | 257 `ABS64` | u64 target | |
//! | 275 `ADR_PREL_PG_HI21` | pages of 4096 bytes from that of the place to that of the target | 2 low ones: 29–30, 19 others: 5–23 |
//! | 277 `ADD_ABS_LO12_NC` | target within its page | 10–21 |
//! | 286 `LDST64_ABS_LO12_NC` | the same in units of 8 bytes | 10–21 |
//! | 282 `JUMP26`, 283 `CALL26` | (target − place) in units of 4 bytes | 0–25 |
//!
//! Jumps reach 128 MiB, further than an image may be large: none needs a stop on the way.

use object::elf::{self, RelocationType};

use super::relocate::{Problem, Written, put};

const IN_PAGE: u64 = 0xFFF;

/// See [`super::relocate`].
pub fn write(
    kind: RelocationType,
    field: &mut [u8],
    target: u64,
    place: u64,
) -> Result<Written, Problem> {
    match kind {
        elf::R_AARCH64_ABS64 => {
            put(field, target.to_le_bytes())?;
            return Ok(Written::Address);
        }
        elf::R_AARCH64_ADR_PREL_PG_HI21 => {
            let pages = distance(target & !IN_PAGE, place & !IN_PAGE, 12, 21)?;
            insert(field, 29, 2, pages & 3)?;
            insert(field, 5, 19, pages >> 2)?;
        }
        elf::R_AARCH64_ADD_ABS_LO12_NC => insert(field, 10, 12, in_page(target, 0)?)?,
        elf::R_AARCH64_LDST64_ABS_LO12_NC => insert(field, 10, 12, in_page(target, 3)?)?,
        elf::R_AARCH64_JUMP26 | elf::R_AARCH64_CALL26 => {
            insert(field, 0, 26, distance(target, place, 2, 26)?)?;
        }
        _ => return Err(Problem::Type),
    }
    Ok(Written::Distance)
}

/// A signed distance in units of 2^`shift` bytes, as a number of `bits` bits.
fn distance(to: u64, from: u64, shift: u32, bits: u32) -> Result<u32, Problem> {
    let bytes = to.wrapping_sub(from).cast_signed();
    let units = i32::try_from(bytes >> shift).map_err(|_| Problem::Fit)?;
    let half = 1 << (bits - 1);
    if i64::from(units) << shift != bytes || !(-half..half).contains(&units) {
        return Err(Problem::Fit);
    }
    Ok(units.cast_unsigned() & low_bits(bits))
}

/// Where an address is in its page, in units of 2^`shift` bytes.
fn in_page(target: u64, shift: u32) -> Result<u32, Problem> {
    let bytes = u32::try_from(target & IN_PAGE).map_err(|_| Problem::Fit)?;
    if bytes & low_bits(shift) == 0 { Ok(bytes >> shift) } else { Err(Problem::Fit) }
}

/// Replaces `bits` bits from bit `at` of an instruction by the low ones of `value`.
fn insert(field: &mut [u8], at: u32, bits: u32, value: u32) -> Result<(), Problem> {
    let instruction = field.first_chunk().copied().map(u32::from_le_bytes).ok_or(Problem::Fit)?;
    let mask = low_bits(bits);
    put(field, ((instruction & !(mask << at)) | ((value & mask) << at)).to_le_bytes())
}

fn low_bits(count: u32) -> u32 {
    (1 << count) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: RelocationType, instruction: u32, target: u64, place: u64) -> Option<u32> {
        let mut field = instruction.to_le_bytes();
        write(kind, &mut field, target, place).ok().map(|_| u32::from_le_bytes(field))
    }

    // the instructions and their encodings are those of the architecture's manual
    #[test]
    fn instructions_get_their_values() {
        let adrp =
            |target, place| written(elf::R_AARCH64_ADR_PREL_PG_HI21, 0x9000_0000, target, place);
        assert_eq!(adrp(0x1FFF, 0x1000), Some(0x9000_0000));
        assert_eq!(adrp(0x2000, 0x1FFC), Some(0xB000_0000));
        assert_eq!(adrp(0x5008, 0x1000), Some(0x9000_0020));
        assert_eq!(adrp(0x1000, 0x2000), Some(0xF0FF_FFE0));

        let bl = |target, place| written(elf::R_AARCH64_CALL26, 0x9400_0000, target, place);
        assert_eq!(bl(0x1008, 0x1000), Some(0x9400_0002));
        assert_eq!(bl(0x1000, 0x1004), Some(0x97FF_FFFF));
        assert_eq!(bl(0x1002, 0x1000), None);
        assert_eq!(bl((128 << 20) - 4, 0), Some(0x95FF_FFFF));
        assert_eq!(bl(128 << 20, 0), None);

        let add = |target| written(elf::R_AARCH64_ADD_ABS_LO12_NC, 0x9100_0000, target, 0);
        assert_eq!(add(0x1234_5678), Some(0x9119_E000));
        let ldr = |target| written(elf::R_AARCH64_LDST64_ABS_LO12_NC, 0xF940_0000, target, 0);
        assert_eq!(ldr(0x1234_5678), Some(0xF943_3C00));
        assert_eq!(ldr(0x1234_567C), None);
    }

    #[test]
    fn old_values_are_replaced_and_fields_kept() {
        assert_eq!(written(elf::R_AARCH64_JUMP26, 0x17FF_FFFF, 4, 0), Some(0x1400_0001));
        let mut field = [0xFF; 9];
        let address = write(elf::R_AARCH64_ABS64, &mut field, 1, 0);
        assert_eq!((address, field), (Ok(Written::Address), [1, 0, 0, 0, 0, 0, 0, 0, 0xFF]));
        assert_eq!(write(elf::R_AARCH64_ABS64, &mut field[..7], 0, 0), Err(Problem::Fit));
        assert_eq!(write(elf::R_AARCH64_CALL26, &mut field[..3], 0, 0), Err(Problem::Fit));
        assert_eq!(write(elf::R_AARCH64_ABS32, &mut field, 0, 0), Err(Problem::Type));
    }
}
