//! os-release: what the system calls itself in the boot menu.
//!
//! `usr/lib/os-release`, else `etc/os-release`. Lines are split at line feeds; a `#` in the first
//! column makes a comment; the key is everything before the first `=`, blanks included; the value is
//! shell-unquoted, and an assignment whose quotes are not closed is dropped. The last assignment of a
//! key wins, also over an earlier one that is longer: `PRETTY_NAME=""` is an empty name.

use super::{BootError, CONFIG_LIMIT_BYTES, shell};
use crate::files::{Deployed, Files};

const PATHS: [&str; 2] = ["usr/lib/os-release", "etc/os-release"];

/// The system's name: `PRETTY_NAME`, else `ID`.
pub fn pretty_name(files: &dyn Files) -> Result<String, BootError> {
    let (path, text) = text(files)?;
    name_in(&text).ok_or_else(|| BootError::NamelessOsRelease { path: path.to_owned() })
}

/// `ID` and `VERSION_ID`, for programs; empty where they are missing.
pub fn id_and_version(files: &dyn Files) -> Result<[String; 2], BootError> {
    let (_, text) = text(files)?;
    Ok(["ID", "VERSION_ID"].map(|key| assigned(&text, key).unwrap_or_default()))
}

/// Which file it is, and what it says.
fn text(files: &dyn Files) -> Result<(&'static str, String), BootError> {
    let files = Deployed(files);
    for path in PATHS {
        if let Some(bytes) = files.read_following(path, CONFIG_LIMIT_BYTES)? {
            return Ok((path, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Err(BootError::NoOsRelease)
}

fn name_in(text: &str) -> Option<String> {
    assigned(text, "PRETTY_NAME").or_else(|| assigned(text, "ID"))
}

fn assigned(text: &str, wanted: &str) -> Option<String> {
    text.split('\n')
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .filter(|(key, _)| *key == wanted)
        .filter_map(|(_, value)| shell::unquote(value))
        .next_back()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn names_are_read_as_the_golden_images_show() {
        let cases = [
            ("PRETTY_NAME=\"unterminated\nID=badquote\n", Some("badquote")),
            ("NAME=Nothing\n\n=odd\nGARBAGE\nPRETTY_NAME=Unquoted\n", Some("Unquoted")),
            ("# comment\nID=justid\nVERSION_ID=7\n", Some("justid")),
            (
                "PRETTY_NAME='Single \"quoted\" Linux'\nNAME=x\nPRETTY_NAME=Second\\ one\n",
                Some("Second one"),
            ),
            ("PRETTY_NAME=one\nPRETTY_NAME=\"open\n", Some("one")),
            ("ID=x\nPRETTY_NAME=\"\"\n", Some("")),
            (" PRETTY_NAME=indented\nID=x", Some("x")),
            ("#PRETTY_NAME=comment\nID=x", Some("x")),
            ("NAME=nothing\n", None),
            ("", None),
        ];
        for (text, name) in cases {
            assert_eq!(name_in(text).as_deref(), name, "{text:?}");
        }
    }

    #[test]
    fn usr_lib_comes_before_etc() {
        let etc_only =
            MemoryFiles::default().with("usr/etc/os-release", "PRETTY_NAME=\"From etc\"");
        assert_eq!(pretty_name(&etc_only).unwrap(), "From etc");
        let both = etc_only.with("usr/lib/os-release", "ID=vendor");
        assert_eq!(pretty_name(&both).unwrap(), "vendor");
        assert_eq!(id_and_version(&both).unwrap(), ["vendor", ""]);
        let link = MemoryFiles::default()
            .with_link("usr/lib/os-release", "/etc/os-release")
            .with("usr/etc/os-release", "ID=linked");
        assert_eq!(pretty_name(&link).unwrap(), "linked");
    }

    #[test]
    fn images_without_a_name_are_refused() {
        let none = MemoryFiles::default();
        assert!(matches!(pretty_name(&none), Err(BootError::NoOsRelease)));
        let nameless = none.with("usr/lib/os-release", "NAME=x");
        assert!(matches!(pretty_name(&nameless), Err(BootError::NamelessOsRelease { .. })));
    }
}
