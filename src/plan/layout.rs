//! Which partitions a disk has, and where.
//!
//! ```text
//! x86_64    0        1 MiB      2 MiB           514 MiB                 end - 1 MiB
//!           MBR GPT | BIOS-BOOT | EFI-SYSTEM    | root ................ | backup GPT
//! aarch64   0        1 MiB                       513 MiB
//!           MBR GPT | EFI-SYSTEM                | root ................ | backup GPT
//! ```
//!
//! Everything is a multiple of 1 MiB, so the root's place is known before its size is. The last MiB
//! belongs to the backup GPT, whatever the sector size.

use super::ids::{Ids, Uuid};
use crate::spec::Arch;
use crate::units::{ByteLen, ByteOffset, MIB};

/// Attribute bit 2: legacy BIOS bootable.
const LEGACY_BIOS_BOOTABLE: u64 = 1 << 2;
/// What the backup GPT gets.
const TAIL_BYTES: u64 = MIB;
const BIOS_BOOT_BYTES: u64 = MIB;
const ESP_BYTES: u64 = 512 * MIB;

/// What a partition is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// GRUB's core image for BIOS.
    BiosBoot,
    /// The EFI system partition.
    Esp,
    /// The root file system, `/boot` with it.
    Root,
}

/// One partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub role: Role,
    /// Its name in the GPT.
    pub name: &'static str,
    /// Its type.
    pub type_guid: Uuid,
    /// Its own GUID.
    pub guid: Uuid,
    /// GPT attributes.
    pub attributes: u64,
    /// Where it starts.
    pub start: ByteOffset,
    /// Its length.
    pub len: ByteLen,
}

/// Where the root partition will start.
pub fn root_start(arch: Arch) -> ByteOffset {
    let before = match arch {
        Arch::X86_64 => BIOS_BOOT_BYTES + ESP_BYTES,
        Arch::Aarch64 => ESP_BYTES,
    };
    ByteOffset(MIB + before)
}

/// Where the BIOS boot partition is, and its length; `None` where there is none.
pub fn bios_boot(arch: Arch) -> Option<(ByteOffset, ByteLen)> {
    match arch {
        Arch::X86_64 => Some((ByteOffset(MIB), ByteLen(BIOS_BOOT_BYTES))),
        Arch::Aarch64 => None,
    }
}

/// Number of the root partition, from 1.
pub fn root_number(arch: Arch) -> u32 {
    match arch {
        Arch::X86_64 => 3,
        Arch::Aarch64 => 2,
    }
}

/// What a disk has beside its root partition.
pub fn overhead(arch: Arch) -> ByteLen {
    ByteLen(root_start(arch).0 + TAIL_BYTES)
}

/// The partitions in order of their places, for a root partition of this length.
pub fn partitions(arch: Arch, ids: &Ids, root_len: ByteLen) -> Vec<Partition> {
    let bios_boot = Partition {
        role: Role::BiosBoot,
        name: "BIOS-BOOT",
        type_guid: Uuid::from_u128(0x21686148_6449_6E6F_744E_656564454649),
        guid: ids.bios_boot,
        attributes: LEGACY_BIOS_BOOTABLE,
        start: ByteOffset(0),
        len: ByteLen(BIOS_BOOT_BYTES),
    };
    let esp = Partition {
        role: Role::Esp,
        name: "EFI-SYSTEM",
        type_guid: Uuid::from_u128(0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B),
        guid: ids.esp,
        attributes: 0,
        start: ByteOffset(0),
        len: ByteLen(ESP_BYTES),
    };
    let root = Partition {
        role: Role::Root,
        name: "root",
        type_guid: root_type(arch),
        guid: ids.root,
        attributes: 0,
        start: ByteOffset(0),
        len: root_len,
    };
    let mut all = match arch {
        Arch::X86_64 => vec![bios_boot, esp, root],
        Arch::Aarch64 => vec![esp, root],
    };
    let mut next = MIB;
    for partition in &mut all {
        partition.start = ByteOffset(next);
        next = next.saturating_add(partition.len.0);
    }
    all
}

/// The discoverable-partitions type of the root partition.
fn root_type(arch: Arch) -> Uuid {
    Uuid::from_u128(match arch {
        Arch::X86_64 => 0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709,
        Arch::Aarch64 => 0xB921B045_1DF0_41C3_AF44_4C6F280D3FAE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;

    fn table(arch: Arch) -> Vec<(&'static str, u64, u64)> {
        let ids = Ids::derive(Sha256Digest::of(b""), Sha256Digest::of(b""));
        let partitions = partitions(arch, &ids, ByteLen(100 * MIB));
        let mib =
            |partition: Partition| (partition.name, partition.start.0 / MIB, partition.len.0 / MIB);
        partitions.into_iter().map(mib).collect()
    }

    #[test]
    fn partitions_follow_each_other() {
        let x86 = [("BIOS-BOOT", 1, 1), ("EFI-SYSTEM", 2, 512), ("root", 514, 100)];
        assert_eq!(table(Arch::X86_64), x86);
        assert_eq!(table(Arch::Aarch64), [("EFI-SYSTEM", 1, 512), ("root", 513, 100)]);
    }

    #[test]
    fn the_root_is_where_it_was_said_to_be() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let start = table(arch).last().unwrap().1;
            assert_eq!(root_start(arch), ByteOffset(start * MIB));
            assert_eq!(overhead(arch), ByteLen((start + 1) * MIB));
        }
    }

    #[test]
    fn bios_boot_and_root_are_where_they_were_said_to_be() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let ids = Ids::derive(Sha256Digest::of(b""), Sha256Digest::of(b""));
            let partitions = partitions(arch, &ids, ByteLen(MIB));
            let place = |role| partitions.iter().position(|partition| partition.role == role);
            let bios = place(Role::BiosBoot).map(|at| (partitions[at].start, partitions[at].len));
            assert_eq!(bios_boot(arch), bios);
            assert_eq!(usize::try_from(root_number(arch)).unwrap(), place(Role::Root).unwrap() + 1);
        }
    }

    #[test]
    fn types_print_as_in_the_specification() {
        let x86 = root_type(Arch::X86_64).to_string();
        assert_eq!(x86, "4f68bce3-e8cd-4db1-96e7-fbcaf984b709");
        let arm = root_type(Arch::Aarch64).to_string();
        assert_eq!(arm, "b921b045-1df0-41c3-af44-4c6f280d3fae");
    }
}
