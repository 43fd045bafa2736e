//! Accounts and groups.

use serde::{Deserialize, Serialize};

/// An account to make, or to change where the image has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its name.
    pub name: String,
    /// The comment field.
    pub description: Option<String>,
    /// The password.
    pub password: Option<Password>,
    /// Public SSH keys, one a string, that may log in.
    pub keys: Vec<String>,
    /// The home directory, absolute; `/var/home/NAME` and `/var/roothome` when not given.
    pub home: Option<String>,
    /// The shell, absolute.
    pub shell: Option<String>,
    /// Further groups, by name.
    pub groups: Vec<String>,
    /// The user's number.
    pub uid: Option<u32>,
    /// The number of its own group.
    pub gid: Option<u32>,
    /// When the account expires, in days since 1970.
    pub expire_days: Option<u32>,
    /// Whether the password must be changed at the first login.
    pub force_password_reset: bool,
    /// Whether the image must have the account: nothing but keys was said of it.
    pub must_exist: bool,
}

/// Whether text that should be public keys of SSH holds what must stay with its owner.
pub fn is_private_key(text: &str) -> bool {
    text.contains("PRIVATE KEY")
}

/// A password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Password {
    /// As it is typed; stored as a hash.
    Plain(String),
    /// In the form of crypt(5) (`$6$…`), stored as it is.
    Hashed(String),
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(…)",
            Self::Hashed(_) => "Hashed(…)",
        })
    }
}

/// A group to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its number.
    pub gid: Option<u32>,
}
