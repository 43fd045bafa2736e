//! What an owner wants of the installed system: plain values that rooms hand each other.
//!
//! `config` reads them from a blueprint and checks each by itself; `customize` turns [`Settings`] into
//! files of the deployment; `plan` lays out a disk as [`disk::DiskLayout`] says; the pipeline carries
//! them around. [`install`] is about the way onto a disk. Nothing here is about how files spell them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;

pub mod disk;
pub mod install;
pub mod users;

pub use users::{Group, Password, User, is_private_key};

/// Everything about the installed system that an owner may set.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Accounts to make or change.
    pub users: Vec<User>,
    /// Groups to make.
    pub groups: Vec<Group>,
    /// Kernel arguments to add, as written: one string may hold several.
    pub kargs: Vec<String>,
    /// Directories to make, in order.
    pub directories: Vec<DirectorySetting>,
    /// Files to write, in order.
    pub files: Vec<FileSetting>,
    /// `/etc/hostname`.
    pub hostname: Option<String>,
    /// `/etc/locale.conf`, `/etc/vconsole.conf`.
    pub locale: Locale,
    /// `/etc/localtime` and time servers.
    pub time: Time,
    /// Which units start.
    pub units: Units,
    /// Credentials of systemd's, by name: files of `/etc/credstore`.
    pub credentials: BTreeMap<String, Vec<u8>>,
    /// A seed for cloud-init's NoCloud.
    pub cloud_init: Option<CloudInit>,
    /// What Ignition does at the first boot.
    pub ignition: Option<Ignition>,
    /// Where GRUB reads and writes.
    pub grub: Option<GrubConsole>,
}

/// How often a digest of settings is hashed again.
const ROUNDS: u32 = 20_000;

impl Settings {
    /// What tells these settings from others; `None` when nothing is set.
    ///
    /// SHA-256 of their JSON, hashed 20,000 times more: the digest is published in the build record
    /// and the ids, and a password among the settings must not be easier to guess from it than from
    /// its hash on the disk.
    pub fn digest(&self) -> Option<Sha256Digest> {
        if *self == Self::default() {
            return None;
        }
        let json = serde_json::to_vec(self).expect("texts, numbers and maps of texts are JSON");
        Some((0..ROUNDS).fold(Sha256Digest::of(&json), |digest, _| Sha256Digest::of(&digest.0)))
    }
}

/// Permission bits and owners of what is made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Permission bits (0 to 0o7777); 0644 for files and 0755 for directories when not given.
    pub mode: Option<u16>,
    /// The owner; root when not given.
    pub user: Option<Owner>,
    /// The group; root when not given.
    pub group: Option<Owner>,
}

/// An owner or a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// By name, as the deployment's `passwd` or `group` will know it.
    Name(String),
    /// By number.
    Id(u32),
}

/// A directory to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySetting {
    /// Absolute path in the deployment.
    pub path: String,
    /// Mode and owners.
    pub access: Access,
    /// Whether missing parents are made too, root's with 0755; an error otherwise.
    pub ensure_parents: bool,
}

/// A file to write; one that the image has is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSetting {
    /// Absolute path in the deployment.
    pub path: String,
    /// Mode and owners.
    pub access: Access,
    /// Content.
    pub bytes: Vec<u8>,
}

/// Language and keyboard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locale {
    /// `LANG` first, further languages after it (`LANGUAGE`).
    pub languages: Vec<String>,
    /// `KEYMAP`.
    pub keyboard: Option<String>,
}

/// Time zone and servers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// A zone's name (`Europe/Berlin`).
    pub zone: Option<String>,
    /// Names or addresses of NTP servers.
    pub ntp_servers: Vec<String>,
}

/// Units of systemd's, with their suffix (`sshd.service`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Units {
    /// Started as their `[Install]` section says.
    pub enabled: Vec<String>,
    /// Not started by themselves.
    pub disabled: Vec<String>,
    /// Not started at all.
    pub masked: Vec<String>,
}

/// Files of a NoCloud seed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloudInit {
    /// `user-data`.
    pub user_data: Vec<u8>,
    /// `meta-data`; an instance id is made when not given.
    pub meta_data: Option<Vec<u8>>,
    /// `network-config`.
    pub network_config: Option<Vec<u8>>,
    /// `vendor-data`.
    pub vendor_data: Option<Vec<u8>>,
}

/// What Ignition does at the first boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ignition {
    /// It runs, with what the platform gives.
    FirstBoot,
    /// It runs and fetches its configuration from here.
    Url(String),
    /// It runs with this configuration, JSON.
    Embedded(Vec<u8>),
}

/// GRUB's terminals.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrubConsole {
    /// `terminal_input`.
    pub input: Vec<String>,
    /// `terminal_output`.
    pub output: Vec<String>,
    /// The whole command, `serial --unit=0 --speed=115200`.
    pub serial: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_counts() {
        assert_eq!(Settings::default().digest(), None);
        let user = |password: &str| {
            let password = Some(Password::Plain(password.to_owned()));
            let user = User { name: "ops".to_owned(), password, ..User::default() };
            Settings { users: vec![user], ..Settings::default() }
        };
        let all = [
            user("a"),
            user("b"),
            Settings { hostname: Some("a".to_owned()), ..Settings::default() },
            Settings { kargs: vec!["a".to_owned()], ..Settings::default() },
            Settings { credentials: [("a".to_owned(), vec![1])].into(), ..Settings::default() },
            Settings { ignition: Some(Ignition::FirstBoot), ..Settings::default() },
        ];
        let digests: std::collections::BTreeSet<_> = all.iter().map(Settings::digest).collect();
        assert_eq!(digests.len(), all.len());
        assert_eq!(user("a").digest(), user("a").digest());
    }
}
