//! `prepare-root.conf`: how the initramfs makes the root file system out of the deployment.
//!
//! A key file: `[group]` lines, `key = value` lines, `#` comments. A file in `etc/ostree` replaces the
//! one in `usr/lib/ostree` as a whole. Without either a deployment does not boot.
//!
//! | key | values | without it |
//! |---|---|---|
//! | `composefs.enabled` | `no`/`false`/`0`, `yes`/`true`/`1`, `maybe`, `verity`, `signed` | `no` |
//! | `sysroot.readonly`, `root.transient`, `etc.transient` | boolean | `false` |

use std::collections::BTreeMap;

use super::{BootError, CONFIG_LIMIT_BYTES};
use crate::files::{Deployed, Files};

const PATHS: [&str; 2] = ["etc/ostree/prepare-root.conf", "usr/lib/ostree/prepare-root.conf"];

/// What `composefs.enabled` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Composefs {
    /// No composefs.
    Off,
    /// Mount the composefs image; `maybe` says so too.
    On,
    /// As `On`, with fs-verity on every object.
    Verity,
    /// As `Verity`, with a signed image.
    Signed,
}

/// A parsed `prepare-root.conf`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrepareRoot {
    /// Which file it is.
    pub path: String,
    /// Values by group and key.
    pub values: BTreeMap<(String, String), String>,
}

impl PrepareRoot {
    /// The file of the merged image that the boot uses.
    pub fn load(files: &dyn Files) -> Result<Self, BootError> {
        let files = Deployed(files);
        for path in PATHS {
            if let Some(bytes) = files.read_following(path, CONFIG_LIMIT_BYTES)? {
                return Self::parse(path, &String::from_utf8_lossy(&bytes));
            }
        }
        Err(BootError::NoPrepareRoot)
    }

    fn parse(path: &str, text: &str) -> Result<Self, BootError> {
        let mut values = BTreeMap::new();
        let mut group: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let error = |problem: &str| BootError::PrepareRoot {
                path: path.to_owned(),
                line: index + 1,
                problem: problem.to_owned(),
            };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.strip_suffix(']').ok_or_else(|| error("a group without `]`"))?;
                group = Some(name.to_owned());
                continue;
            }
            let (key, value) = line.split_once('=').ok_or_else(|| error("no `key = value`"))?;
            let group = group.clone().ok_or_else(|| error("a key before the first group"))?;
            values.insert((group, key.trim_end().to_owned()), value.trim_start().to_owned());
        }
        Ok(Self { path: path.to_owned(), values })
    }

    /// The value of a key.
    pub fn get(&self, group: &str, key: &str) -> Option<&str> {
        self.values.get(&(group.to_owned(), key.to_owned())).map(String::as_str)
    }

    /// What the file says of composefs.
    pub fn composefs(&self) -> Result<Composefs, BootError> {
        match self.get("composefs", "enabled") {
            None | Some("no" | "false" | "0") => Ok(Composefs::Off),
            Some("yes" | "true" | "1" | "maybe") => Ok(Composefs::On),
            Some("verity") => Ok(Composefs::Verity),
            Some("signed") => Ok(Composefs::Signed),
            Some(value) => {
                Err(BootError::ComposefsValue { path: self.path.clone(), value: value.to_owned() })
            }
        }
    }

    /// Refuses what the pipeline cannot make yet: composefs that insists on fs-verity.
    pub fn require_supported(&self) -> Result<(), BootError> {
        match self.composefs()? {
            Composefs::Off | Composefs::On => Ok(()),
            Composefs::Verity => Err(self.unsupported("composefs.enabled = verity")),
            Composefs::Signed => Err(self.unsupported("composefs.enabled = signed")),
        }
    }

    /// Whether layers over an encapsulated base may bring paths outside of `/usr` and `/etc`: they show
    /// where an overlay is the root, not where `/` of the deployment is.
    ///
    /// As the official importer, this takes an unknown value of `composefs.enabled` for `no`.
    pub fn allows_nonusr(&self) -> bool {
        let is_transient = matches!(self.get("root", "transient"), Some("true" | "1"));
        is_transient || self.composefs().is_ok_and(|composefs| composefs != Composefs::Off)
    }

    fn unsupported(&self, what: &'static str) -> BootError {
        BootError::NotSupportedYet { what, path: self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    fn load(text: &str) -> Result<PrepareRoot, BootError> {
        PrepareRoot::load(&MemoryFiles::default().with("usr/lib/ostree/prepare-root.conf", text))
    }

    #[test]
    fn composefs_is_supported_without_verity() {
        let cases = [
            ("", Composefs::Off),
            ("[sysroot]\nreadonly = true\n", Composefs::Off),
            ("# c\n[composefs]\nenabled = no \n[sysroot]\nreadonly = true\n", Composefs::Off),
            ("[other]\nenabled=yes", Composefs::Off),
            ("[composefs]\nenabled=false", Composefs::Off),
            ("[composefs]\nenabled=1", Composefs::On),
            ("[composefs]\n enabled =yes", Composefs::On),
            ("[composefs]\nenabled=true", Composefs::On),
            ("[composefs]\nenabled=no\nenabled=maybe", Composefs::On),
            ("[composefs]\nenabled=verity", Composefs::Verity),
            ("[composefs]\nenabled=signed", Composefs::Signed),
        ];
        for (text, expected) in cases {
            let file = load(text).unwrap();
            assert_eq!(file.composefs().unwrap(), expected, "{text:?}");
            let supported = matches!(expected, Composefs::Off | Composefs::On);
            assert_eq!(file.require_supported().is_ok(), supported, "{text:?}");
            assert_eq!(file.allows_nonusr(), expected != Composefs::Off, "{text:?}");
        }
        let refusal = load("[composefs]\nenabled=signed").unwrap().require_supported().unwrap_err();
        let says =
            "not supported yet: composefs.enabled = signed (`usr/lib/ostree/prepare-root.conf`)";
        assert_eq!(refusal.to_string(), says);
        assert!(load("[composefs]\nenabled=perhaps").unwrap().require_supported().is_err());
    }

    #[test]
    fn a_transient_root_allows_paths_outside_of_usr() {
        let cases = [
            ("[root]\ntransient = true", true),
            ("[root]\ntransient=1\n[composefs]\nenabled=no", true),
            ("[root]\ntransient=false", false),
            ("[etc]\ntransient=true", false),
            ("[composefs]\nenabled=perhaps", false),
            ("[root]\ntransient=true\n[composefs]\nenabled=perhaps", true),
        ];
        for (text, allowed) in cases {
            assert_eq!(load(text).unwrap().allows_nonusr(), allowed, "{text:?}");
        }
    }

    #[test]
    fn etc_replaces_usr_lib_as_a_whole() {
        let files = MemoryFiles::default()
            .with("usr/etc/ostree/prepare-root.conf", "[sysroot]\nreadonly=true")
            .with("usr/lib/ostree/prepare-root.conf", "[composefs]\nenabled=yes");
        let file = PrepareRoot::load(&files).unwrap();
        assert_eq!(file.get("sysroot", "readonly"), Some("true"));
        assert_eq!(file.composefs().unwrap(), Composefs::Off);
    }

    #[test]
    fn a_missing_or_broken_file_is_refused() {
        let missing = PrepareRoot::load(&MemoryFiles::default());
        assert!(matches!(missing, Err(BootError::NoPrepareRoot)));
        for (text, at) in [("a=1", 1), ("[x\n", 1), ("[x]\n\njunk", 3)] {
            let error = load(text).unwrap_err();
            assert!(matches!(error, BootError::PrepareRoot { line, .. } if line == at), "{text:?}");
        }
    }
}
