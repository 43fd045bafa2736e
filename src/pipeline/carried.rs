//! The build that an installer's medium carries: what its disk depends on, to be done again on the
//! machine that it is for.
//!
//! The document is JSON, `bootc-image/medium.json` on the medium:
//!
//! | member | what it is |
//! |---|---|
//! | `version` | [`Carried::VERSION`]; another is refused |
//! | `volume_id` | what the medium is found by |
//! | `name` | what the system calls itself |
//! | `image_digest` | the manifest of the image beside it |
//! | `least_bytes` | the smallest disk that will do |
//! | `target` | what the installed system updates from; where the image was from is nobody's concern |
//! | the others | members of [`Request`] of the same name |
//!
//! Where a disk is, how large it is and what its sectors are is the machine's to say; who vouches for
//! the image was asked when the medium was made. Members that are not known are refused: to leave out
//! what the owner wanted would be another system.
//!
//! The initramfs has a [`Mark`] of the medium that it belongs to, `medium.json`: volume id, and SHA-256 of
//! this document. So what the document says is as good as the program that reads it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::request::{Bios, BootLoader, Request};
use crate::digest::Sha256Digest;
use crate::plan::platform::Platform;
use crate::plan::types::DiskType;
use crate::registry::{LayoutReference, Reference, TargetRef};
use crate::settings::disk::DiskLayout;
use crate::settings::{Password, Settings};
use crate::spec::{Arch, VolumeId};
use crate::units::ByteLen;

/// A build to be done on another machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    version: u32,
    /// What the medium is found by.
    pub volume_id: VolumeId,
    /// What the system calls itself.
    pub name: String,
    /// Digest of the image's manifest.
    #[serde(with = "digest")]
    pub image_digest: Sha256Digest,
    /// The smallest disk that will do.
    pub least_bytes: ByteLen,
    /// What the installed system updates from.
    #[serde(with = "target")]
    pub target: TargetRef,
    arch: Arch,
    bios: Bios,
    platform: Option<Platform>,
    boot_loader: BootLoader,
    explicit_rootfs: bool,
    stateroot: Option<String>,
    kargs: Vec<String>,
    karg_deletes: Vec<String>,
    root_ssh_authorized_keys: Option<Vec<u8>>,
    layout: Option<DiskLayout>,
    settings: Settings,
    source_date_epoch: Option<i64>,
}

/// What is carried besides a request: what followed from it, and the medium's name.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// What the medium is found by.
    pub volume_id: VolumeId,
    /// What the system calls itself.
    pub name: &'a str,
    /// Digest of the image's manifest.
    pub image_digest: Sha256Digest,
    /// The smallest disk that will do.
    pub least: ByteLen,
    /// What the installed system updates from.
    pub target: &'a TargetRef,
}

/// Why a document carries no build.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    /// Larger than what is read of one.
    #[error(
        "`{}` has {len_bytes} bytes, more than the {} that an installer reads",
        Carried::PATH,
        Carried::LIMIT_BYTES
    )]
    TooLarge {
        /// Its length.
        len_bytes: u64,
    },
    /// Of another version than ours.
    #[error(
        "`{}` has version {found}, this program reads version {}",
        Carried::PATH,
        Carried::VERSION
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// Not such a document.
    #[error("reading `{}`", Carried::PATH)]
    Json(#[from] serde_json::Error),
}

/// All that is read of a document before its version is known to be ours.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Carried {
    /// The version that is written and read.
    pub const VERSION: u32 = 1;
    /// Where the medium has the document.
    pub const PATH: &'static str = "bootc-image/medium.json";
    /// The most that it may have: a blueprint's files are written out in it.
    pub const LIMIT_BYTES: u64 = 64 << 20;

    /// What of this request decides the disk.
    pub fn of(request: &Request, facts: Facts<'_>) -> Self {
        let Request {
            arch, bios, platform, boot_loader, explicit_rootfs, source_date_epoch, ..
        } = *request;
        Self {
            version: Self::VERSION,
            volume_id: facts.volume_id,
            name: facts.name.to_owned(),
            image_digest: facts.image_digest,
            least_bytes: facts.least,
            target: facts.target.clone(),
            arch,
            bios,
            platform,
            boot_loader,
            explicit_rootfs,
            stateroot: request.stateroot.clone(),
            kargs: request.kargs.clone(),
            karg_deletes: request.karg_deletes.clone(),
            root_ssh_authorized_keys: request.root_ssh_authorized_keys.clone(),
            layout: request.layout.clone(),
            settings: request.settings.clone(),
            source_date_epoch,
        }
    }

    /// Reads a document.
    ///
    /// # Errors
    ///
    /// What is too large, of another version, or not such a document.
    pub fn parse(json: &[u8]) -> Result<Self, CarriedError> {
        check_len(json)?;
        let Versioned { version: found } = serde_json::from_slice(json)?;
        if found != Self::VERSION {
            return Err(CarriedError::Version { found });
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// The document.
    ///
    /// # Errors
    ///
    /// What would be too large to be read.
    pub fn to_json(&self) -> Result<Vec<u8>, CarriedError> {
        let mut json = serde_json::to_vec(self)?;
        json.push(b'\n');
        check_len(&json)?;
        Ok(json)
    }

    /// The build, of the image in this OCI layout, which must be the same one. Where the disk is, its
    /// size, its sectors and the source of ids are at their defaults.
    pub fn request(&self, layout: &Path) -> Request {
        let source = Reference::OciDir(LayoutReference { path: layout.to_owned(), tag: None });
        Request {
            digest: Some(self.image_digest),
            target: Some(self.target.clone()),
            types: vec![DiskType::Raw],
            platform: self.platform,
            bios: self.bios,
            explicit_rootfs: self.explicit_rootfs,
            layout: self.layout.clone(),
            kargs: self.kargs.clone(),
            karg_deletes: self.karg_deletes.clone(),
            root_ssh_authorized_keys: self.root_ssh_authorized_keys.clone(),
            settings: self.settings.clone(),
            stateroot: self.stateroot.clone(),
            boot_loader: self.boot_loader,
            source_date_epoch: self.source_date_epoch,
            ..Request::new(source, self.target.name().to_owned(), self.arch)
        }
    }

    /// The architecture that it is for.
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Users whose passwords whoever has the medium can read.
    pub fn plain_passwords(&self) -> impl Iterator<Item = &str> {
        let is_plain = |password: &Option<Password>| matches!(password, Some(Password::Plain(_)));
        let users = self.settings.users.iter().filter(move |user| is_plain(&user.password));
        users.map(|user| user.name.as_str())
    }
}

/// By what an installer knows its medium: volume id, and SHA-256 of the document on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// What the medium is found by.
    pub volume_id: VolumeId,
    /// SHA-256 of what is at [`Carried::PATH`], 64 hex digits.
    sha256: String,
}

impl Mark {
    /// Where the initramfs has it.
    pub const PATH: &'static str = "medium.json";

    /// The mark of a medium with this document.
    pub fn of(volume_id: &VolumeId, document: &[u8]) -> Self {
        let sha256 = Sha256Digest::of(document).to_hex();
        Self { volume_id: volume_id.clone(), sha256 }
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// What is none.
    pub fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }

    /// As it is in the initramfs.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec(self).expect("two texts are JSON");
        json.push(b'\n');
        json
    }

    /// Whether this is the document of the medium.
    pub fn is_of(&self, document: &[u8]) -> bool {
        Sha256Digest::of(document).to_hex() == self.sha256
    }
}

fn check_len(json: &[u8]) -> Result<(), CarriedError> {
    let len_bytes = u64::try_from(json.len()).unwrap_or(u64::MAX);
    if len_bytes > Carried::LIMIT_BYTES {
        Err(CarriedError::TooLarge { len_bytes })
    } else {
        Ok(())
    }
}

/// `sha256:…`.
mod digest {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::digest::Sha256Digest;

    pub(super) fn serialize<S: Serializer>(
        digest: &Sha256Digest,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&digest.to_oci())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Sha256Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        Sha256Digest::parse_oci(&text).map_err(D::Error::custom)
    }
}

/// As ostree's refs name it, which is also how people may.
mod target {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::registry::TargetRef;

    pub(super) fn serialize<S: Serializer>(
        target: &TargetRef,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&target.image_reference())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<TargetRef, D::Error> {
        let text = String::deserialize(deserializer)?;
        TargetRef::parse(&text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
