//! The build record, `manifest-<types>.json`: from what the disk was made, how, and what came out.
//!
//! It has nothing of time or host in it: the same image and plan give the same record. The plan's
//! digest, from which the ids derive, covers every choice that changes the disk; the type of the
//! artifacts is none of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::platform::Platform;
use crate::digest::Sha256Digest;

/// Every effective choice, before ids and sizes follow from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Type of the root file system.
    pub rootfs: String,
    /// `--size` as it was meant: `auto`, `min`, or bytes.
    pub size: String,
    /// Logical sector size of the disk.
    pub sector_size_bytes: u64,
    /// `--bios`: `auto`, `on` or `off`.
    pub bios: String,
    /// `--platform`, or what the types imply: `generic`, `aws`.
    #[serde(default = "generic", skip_serializing_if = "is_generic")]
    pub platform: String,
    /// What the disk's size is a multiple of, when that is more than 1 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_granule_bytes: Option<u64>,
    /// The stateroot.
    pub stateroot: String,
    /// What the installed system updates from.
    pub target_imgref: String,
    /// `derived` or `random`.
    pub ids: String,
    /// `--karg`.
    pub kargs: Vec<String>,
    /// `--karg-delete`.
    pub karg_deletes: Vec<String>,
    /// SHA-256 of the wish for partitions, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout_sha256: Option<String>,
    /// SHA-256 of the file of `--root-ssh-authorized-keys`.
    pub root_ssh_authorized_keys_sha256: Option<String>,
    /// What identifies the settings of the installed system, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_sha256: Option<String>,
    /// The time stamped where no contract fixes it, in seconds since 1970.
    pub source_date_epoch: i64,
}

fn generic() -> String {
    Platform::Generic.name().to_owned()
}

fn is_generic(platform: &str) -> bool {
    platform == Platform::Generic.name()
}

impl Plan {
    /// The digest that ids derive from: SHA-256 over the plan's JSON.
    pub fn digest(&self) -> Sha256Digest {
        let json = serde_json::to_vec(self).expect("strings and numbers are always JSON");
        Sha256Digest::of(&json)
    }
}

/// The image that was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Digest of its manifest.
    pub digest: String,
    /// The merge commit that it became, on a disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The kernel's version, where a disk was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
}

/// The signature that was demanded of the image, and found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRecord {
    /// SHA-256 of the key's SubjectPublicKeyInfo in DER, 64 hex digits.
    pub key_sha256: String,
    /// What is signed: the image's manifest, or the index it was chosen from.
    pub digest: String,
    /// The name that was signed with it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// What followed from image and plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskRecord {
    /// Length of the disk.
    pub size_bytes: u64,
    /// What identifies the disk's content, whatever its format: SHA-256 over every block of 64 KiB
    /// that is not all zeros, each as its offset in bytes (64 bits, little-endian) and the SHA-256
    /// of its bytes.
    pub blocks_sha256: String,
    /// Kernel arguments of the boot entry.
    pub kernel_arguments: String,
    /// What the disk's platform is told of it when it is registered there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guest_features: Vec<String>,
    /// Ids by what they identify.
    pub ids: BTreeMap<String, String>,
    /// Partitions in order.
    pub partitions: Vec<PartitionRecord>,
}

/// One partition of the disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRecord {
    /// Its name.
    pub name: String,
    /// Its type GUID.
    pub type_guid: String,
    /// Where it starts.
    pub start_bytes: u64,
    /// Its length.
    pub len_bytes: u64,
    /// Type of its file system; only on disks whose partitions were wished for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<String>,
    /// Where that is mounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mountpoint: Option<String>,
    /// Its UUID, or a FAT's serial number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// One file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// What it is: `qcow2`, `raw`.
    pub r#type: String,
    /// Path relative to the output folder.
    pub path: String,
    /// Its length.
    pub size_bytes: u64,
    /// SHA-256 of its bytes, 64 hex digits; of the manifest for an OCI layout. Not for what has the
    /// disk's zeros in it (raw, ami, vhd): hashing gigabytes of them takes longer than the build;
    /// [`DiskRecord::blocks_sha256`] says what it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this document's form.
    pub version: u32,
    /// The image.
    pub image: ImageRecord,
    /// Who vouches for it; only where that was demanded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRecord>,
    /// The choices.
    pub plan: Plan,
    /// What followed, where a disk was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskRecord>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
    /// The files, in the order in which their types were asked for.
    pub artifacts: Vec<Artifact>,
}

impl Manifest {
    /// The form that this code writes.
    pub const VERSION: u32 = 1;

    /// The file's name: the types, without repetition, joined by `-`.
    pub fn file_name(types: &[&str]) -> String {
        let mut seen: Vec<&str> = Vec::new();
        for &name in types {
            if !seen.contains(&name) {
                seen.push(name);
            }
        }
        format!("manifest-{}.json", seen.join("-"))
    }

    /// The file's text.
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        json.expect("strings and numbers are always JSON") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            arch: "x86_64".to_owned(),
            rootfs: "ext4".to_owned(),
            size: "auto".to_owned(),
            sector_size_bytes: 512,
            bios: "auto".to_owned(),
            platform: generic(),
            size_granule_bytes: None,
            stateroot: "default".to_owned(),
            target_imgref: "example.invalid/os:latest".to_owned(),
            ids: "derived".to_owned(),
            kargs: vec!["quiet".to_owned()],
            karg_deletes: vec![],
            layout_sha256: None,
            root_ssh_authorized_keys_sha256: None,
            settings_sha256: None,
            source_date_epoch: 0,
        }
    }

    #[test]
    fn every_choice_changes_the_digest() {
        let one = plan().digest();
        assert_eq!(one, plan().digest());
        assert_ne!(one, Plan { size: "min".to_owned(), ..plan() }.digest());
        assert_ne!(
            one,
            Plan { kargs: vec![], karg_deletes: vec!["quiet".to_owned()], ..plan() }.digest()
        );
    }

    #[test]
    fn a_plan_without_settings_is_what_it_always_was() {
        let json = serde_json::to_string(&plan()).unwrap();
        assert!(!json.contains("settings"), "{json}");
        let set = Plan { settings_sha256: Some("00".to_owned()), ..plan() };
        assert_ne!(set.digest(), plan().digest());
    }

    #[test]
    fn the_name_lists_types_once() {
        assert_eq!(Manifest::file_name(&["qcow2"]), "manifest-qcow2.json");
        assert_eq!(Manifest::file_name(&["raw", "qcow2", "raw"]), "manifest-raw-qcow2.json");
    }

    #[test]
    fn records_read_back_as_written() {
        let manifest = Manifest {
            version: Manifest::VERSION,
            image: ImageRecord {
                digest: Sha256Digest::of(b"").to_oci(),
                commit: Some(Sha256Digest::of(b"c").to_hex()),
                kernel: Some("6.1".to_owned()),
            },
            signature: None,
            plan: plan(),
            disk: Some(DiskRecord {
                blocks_sha256: Sha256Digest::of(b"blocks").to_hex(),
                size_bytes: 1,
                kernel_arguments: "rw".to_owned(),
                guest_features: Vec::new(),
                ids: [("disk".to_owned(), "x".to_owned())].into(),
                partitions: vec![],
            }),
            warnings: vec![],
            artifacts: vec![Artifact {
                r#type: "qcow2".to_owned(),
                path: "qcow2/disk.qcow2".to_owned(),
                size_bytes: 3,
                sha256: Some(Sha256Digest::of(b"abc").to_hex()),
            }],
        };
        let text = manifest.to_json();
        assert_eq!(serde_json::from_str::<Manifest>(&text).unwrap(), manifest);
        assert!(text.ends_with("}\n") && !text.contains("signature"));
        let signature = SignatureRecord {
            key_sha256: Sha256Digest::of(b"key").to_hex(),
            digest: manifest.image.digest.clone(),
            identity: None,
        };
        let signed = Manifest { signature: Some(signature), ..manifest };
        assert_eq!(serde_json::from_str::<Manifest>(&signed.to_json()).unwrap(), signed);
    }
}
