//! Types of partitions.

use crate::plan::ids::Uuid;
use crate::spec::Arch;

/// A BIOS boot partition.
pub(super) const BIOS_BOOT: Uuid = Uuid::from_u128(0x21686148_6449_6E6F_744E_656564454649);
/// An EFI system partition.
pub(super) const ESP: Uuid = Uuid::from_u128(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B);
/// An extended boot loader partition: `/boot` of its own.
pub(super) const XBOOTLDR: Uuid = Uuid::from_u128(0xBC13C2FF_59E6_4262_A352_B275FD6F7172);
/// Swap space.
pub(super) const SWAP: Uuid = Uuid::from_u128(0x0657FD6D_A4AB_43C4_84E5_0933C84B4F4F);
/// Any other Linux file system. Also for `/var`: its own type asks for a GUID that derives from the
/// machine's id.
pub(super) const LINUX_DATA: Uuid = Uuid::from_u128(0x0FC63DAF_8483_4772_8E79_3D69D8477DE4);

/// The discoverable-partitions type of the root partition.
pub(super) fn root(arch: Arch) -> Uuid {
    Uuid::from_u128(match arch {
        Arch::X86_64 => 0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709,
        Arch::Aarch64 => 0xB921B045_1DF0_41C3_AF44_4C6F280D3FAE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_print_as_in_the_specification() {
        assert_eq!(root(Arch::X86_64).to_string(), "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
        assert_eq!(root(Arch::Aarch64).to_string(), "b921b045-1df0-41c3-af44-4c6f280d3fae");
        assert_eq!(XBOOTLDR.to_string(), "bc13c2ff-59e6-4262-a352-b275fd6f7172");
        assert_eq!(SWAP.to_string(), "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f");
    }
}
