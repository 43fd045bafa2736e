//! Every identifier of the disk, derived: the same image and plan give the same ids.
//!
//! An id is the first 16 bytes of a SHA-256, made a UUID of version 8 (RFC 9562: "custom"), over
//!
//! ```text
//! "bootc-image ids v1" NUL  image digest (32 bytes)  plan digest (32 bytes)  role, a word
//! ```

use std::fmt;

use crate::digest::{Sha256, Sha256Digest};

/// A UUID: 16 bytes in the order in which they are printed (GPT stores the first three fields the
/// other way round; that is the partition table's business).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// From 16 bytes of a hash or of a random source.
    pub fn from_noise(mut bytes: [u8; 16]) -> Self {
        bytes[6] = bytes[6] & 0x0F | 0x80;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self(bytes)
    }

    /// From its printed form; for constants.
    pub const fn from_u128(number: u128) -> Self {
        Self(number.to_be_bytes())
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The ids of one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The GPT's disk GUID.
    pub disk: Uuid,
    /// GUID of the BIOS boot partition.
    pub bios_boot: Uuid,
    /// GUID of the EFI system partition.
    pub esp: Uuid,
    /// GUID of the root partition.
    pub root: Uuid,
    /// UUID of the root file system: what `root=UUID=` names.
    pub root_fs: Uuid,
    /// Seed of the root file system's directory hashes.
    pub root_hash_seed: Uuid,
    /// Serial number of the ESP's file system.
    pub esp_serial: u32,
    /// What the ids of further partitions derive from.
    pub further: Further,
}

/// Ids of partitions that most disks have not, by their place in the table: derived again, of the 32
/// bytes for the role `further`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Further([u8; 32]);

impl Further {
    /// GUID of a partition.
    pub fn partition(self, index: usize) -> Uuid {
        self.uuid("partition", index)
    }

    /// UUID of the file system or swap space in a partition.
    pub fn file_system(self, index: usize) -> Uuid {
        self.uuid("filesystem", index)
    }

    /// Seed of a file system's directory hashes.
    pub fn hash_seed(self, index: usize) -> Uuid {
        self.uuid("hash-seed", index)
    }

    /// Serial number of a FAT.
    pub fn serial(self, index: usize) -> u32 {
        let bytes = self.bytes("serial", index);
        u32::from_le_bytes(*bytes.first_chunk().expect("4 of 32 bytes"))
    }

    fn uuid(self, role: &str, index: usize) -> Uuid {
        let bytes = self.bytes(role, index);
        Uuid::from_noise(*bytes.first_chunk().expect("16 of 32 bytes"))
    }

    fn bytes(self, role: &str, index: usize) -> [u8; 32] {
        let mut hasher = Sha256::default();
        hasher.update(&self.0);
        hasher.update(format!("{role} {index}").as_bytes());
        hasher.finish().0
    }
}

impl Ids {
    /// Ids that follow from image and plan.
    pub fn derive(image: Sha256Digest, plan: Sha256Digest) -> Self {
        Self::from_source(|role| {
            let mut hasher = Sha256::default();
            hasher.update(b"bootc-image ids v1\0");
            hasher.update(&image.0);
            hasher.update(&plan.0);
            hasher.update(role.as_bytes());
            hasher.finish().0
        })
    }

    /// Ids from 32 bytes for every role: of a random source, for `--ids random`.
    pub fn from_source(mut bytes_for: impl FnMut(&str) -> [u8; 32]) -> Self {
        let mut uuid = |role: &str| {
            let bytes = bytes_for(role);
            Uuid::from_noise(*bytes.first_chunk().expect("16 of 32 bytes"))
        };
        Self {
            disk: uuid("disk"),
            bios_boot: uuid("partition bios-boot"),
            esp: uuid("partition esp"),
            root: uuid("partition root"),
            root_fs: uuid("filesystem root"),
            root_hash_seed: uuid("hash-seed root"),
            esp_serial: u32::from_le_bytes(
                *bytes_for("serial esp").first_chunk().expect("4 of 32 bytes"),
            ),
            further: Further(bytes_for("further")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn ids(image: &str, plan: &str) -> Ids {
        Ids::derive(Sha256Digest::of(image.as_bytes()), Sha256Digest::of(plan.as_bytes()))
    }

    #[test]
    fn ids_follow_from_image_and_plan() {
        let one = ids("image", "plan");
        assert_eq!(one, ids("image", "plan"));
        assert_ne!(one.root_fs, ids("other", "plan").root_fs);
        assert_ne!(one.root_fs, ids("image", "other").root_fs);
        let all = [one.disk, one.bios_boot, one.esp, one.root, one.root_fs, one.root_hash_seed];
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert_eq!(one.root_fs.to_string(), "97f34532-760c-889e-a0e6-3224a4a0c6cb");
    }

    #[test]
    fn further_ids_follow_from_their_place() {
        let (one, other) = (ids("image", "plan").further, ids("image", "other").further);
        assert_eq!(one.partition(4), ids("image", "plan").further.partition(4));
        assert_ne!(one.partition(4), other.partition(4));
        let all = [one.partition(4), one.partition(5), one.file_system(4), one.hash_seed(4)];
        assert_eq!(BTreeSet::from(all).len(), all.len());
        assert_ne!(one.serial(4), one.serial(5));
    }

    #[test]
    fn uuids_have_version_and_variant() {
        let text = Uuid::from_noise([0xFF; 16]).to_string();
        assert_eq!(text, "ffffffff-ffff-8fff-bfff-ffffffffffff");
        let constant = Uuid::from_u128(0x11111111_2222_4333_8444_555555555555);
        assert_eq!(constant.to_string(), "11111111-2222-4333-8444-555555555555");
    }
}
