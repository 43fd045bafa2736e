//! GUIDs: how partition tables name disks, partitions and what partitions are for.

use std::fmt;

/// A globally unique identifier, kept in the order it is written in text.
///
/// On the disk the first three groups are little-endian ([`Guid::to_disk_bytes`]); text and
/// UUIDs made by hashing are big-endian throughout ([`Guid::from_bytes`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid([u8; 16]);

/// A BIOS boot partition: where GRUB's core image lives on a GPT disk.
pub const BIOS_BOOT: Guid = Guid::from_u128(0x21686148_6449_6E6F_744E_656564454649);
/// An EFI system partition.
pub const ESP: Guid = Guid::from_u128(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B);
/// An extended boot loader partition: a separate `/boot`.
pub const XBOOTLDR: Guid = Guid::from_u128(0xBC13C2FF_59E6_4262_A352_B275FD6F7172);
/// The root file system of an x86_64 machine.
pub const ROOT_X86_64: Guid = Guid::from_u128(0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709);
/// The root file system of an aarch64 machine.
pub const ROOT_AARCH64: Guid = Guid::from_u128(0xB921B045_1DF0_41C3_AF44_4C6F280D3FAE);
/// Any other Linux file system.
pub const LINUX_DATA: Guid = Guid::from_u128(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4);

impl Guid {
    /// From the digits as they are written: `0x21686148_6449_6E6F_744E_656564454649`.
    pub const fn from_u128(digits: u128) -> Self {
        Self(digits.to_be_bytes())
    }

    /// From 16 bytes in the order of the text, as UUID libraries and hashes give them.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes in the order of the text.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The 16 bytes as partition tables store them: 4, 2 and 2 bytes little-endian, 8 as they are.
    pub const fn to_disk_bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [d, c, b, a, f, e, h, g, i, j, k, l, m, n, o, p]
    }

    /// Whether all bits are zero, which marks an unused entry.
    pub fn is_nil(self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02X}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_upper_case_in_five_groups() {
        assert_eq!(ESP.to_string(), "C12A7328-F81F-11D2-BA4B-00A0C93EC93B");
        assert_eq!(BIOS_BOOT.to_string(), "21686148-6449-6E6F-744E-656564454649");
    }

    #[test]
    fn the_bios_boot_type_spells_its_name_on_disk() {
        assert_eq!(&BIOS_BOOT.to_disk_bytes(), b"Hah!IdontNeedEFI");
        assert_eq!(Guid::from_bytes(ESP.to_bytes()), ESP);
    }
}
