//! `/etc/login.defs` and `/etc/default/useradd`: how this image numbers and furnishes accounts.

use super::super::error::Error;
use super::super::overlay::Overlay;

/// What the image says about new accounts; where it says nothing, what shadow-utils take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defaults {
    pub(super) uid: (u32, u32),
    pub(super) gid: (u32, u32),
    pub(super) sub_uid: SubIds,
    pub(super) sub_gid: SubIds,
    /// Whether a user gets a group of the same name.
    pub(super) has_own_group: bool,
    /// Mode of a new home.
    pub(super) home_mode: u16,
    /// `PASS_MIN_DAYS`, `PASS_MAX_DAYS`, `PASS_WARN_AGE`, as `shadow` has them.
    pub(super) ageing: [String; 3],
    /// `INACTIVE`, as `shadow` has it.
    pub(super) inactive: String,
    /// `SHELL`.
    pub(super) shell: String,
    /// `HOME`, where homes are.
    pub(super) homes: String,
    /// `SKEL`.
    pub(super) skeleton: String,
    /// `GROUP`, of those without a group of their own: a name or a number.
    pub(super) group: String,
}

/// Numbers that a user may give away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SubIds {
    pub(super) min: u32,
    pub(super) max: u32,
    pub(super) count: u32,
}

impl Defaults {
    /// Reads both files.
    pub(super) fn load(overlay: &Overlay<'_>) -> Result<Self, Error> {
        let login = overlay.text("etc/login.defs")?.unwrap_or_default();
        let login = |key: &str| login_value(&login, key);
        let number = |key: &str, or: u32| login(key).and_then(parse_number).unwrap_or(or);
        let useradd = overlay.text("etc/default/useradd")?.unwrap_or_default();
        let useradd = |key: &str| {
            let value = useradd
                .lines()
                .rev()
                .find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='));
            value.map(|value| value.trim().to_owned())
        };
        let sub_ids = |prefix: &str| SubIds {
            min: number(&format!("{prefix}_MIN"), 100_000),
            max: number(&format!("{prefix}_MAX"), 600_100_000),
            count: number(&format!("{prefix}_COUNT"), 65_536),
        };
        let days =
            |key: &str| login(key).filter(|days| *days != "-1").unwrap_or_default().to_owned();
        Ok(Self {
            uid: (number("UID_MIN", 1000), number("UID_MAX", 60_000)),
            gid: (number("GID_MIN", 1000), number("GID_MAX", 60_000)),
            sub_uid: sub_ids("SUB_UID"),
            sub_gid: sub_ids("SUB_GID"),
            has_own_group: login("USERGROUPS_ENAB")
                .is_some_and(|value| value.eq_ignore_ascii_case("yes")),
            home_mode: home_mode(login("HOME_MODE"), login("UMASK")),
            ageing: [days("PASS_MIN_DAYS"), days("PASS_MAX_DAYS"), days("PASS_WARN_AGE")],
            inactive: useradd("INACTIVE").filter(|days| days != "-1").unwrap_or_default(),
            shell: useradd("SHELL").unwrap_or_default(),
            homes: useradd("HOME")
                .filter(|home| home.starts_with('/'))
                .unwrap_or_else(|| "/home".into()),
            skeleton: useradd("SKEL")
                .filter(|path| path.starts_with('/'))
                .unwrap_or_else(|| "/etc/skel".into()),
            group: useradd("GROUP")
                .filter(|group| !group.is_empty())
                .unwrap_or_else(|| "1000".into()),
        })
    }
}

/// The value of a key in `login.defs`: the last line that sets it, without a comment behind it.
fn login_value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once([' ', '\t'])?;
        (name == key).then(|| value.trim().trim_matches('"'))
    });
    values.next_back().and_then(|value| value.split_whitespace().next())
}

/// Numbers as C writes them: `0x…` and `0…` too.
fn parse_number(text: &str) -> Option<u32> {
    if let Some(hex) = text.strip_prefix("0x") {
        return u32::from_str_radix(hex, 16).ok();
    }
    match text.strip_prefix('0') {
        Some(octal) if !octal.is_empty() => u32::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    }
}

fn home_mode(mode: Option<&str>, umask: Option<&str>) -> u16 {
    let octal = |text: &str| u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    match mode.and_then(octal) {
        Some(mode) => mode & 0o777,
        None => 0o777 & !umask.and_then(octal).unwrap_or(0o077),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemoryFiles;

    #[test]
    fn both_files_are_read() {
        let image = MemoryFiles::default()
            .with("usr/etc/login.defs", "# UID_MIN 7\nUID_MIN\t\t 2000\nUMASK 022\nPASS_MAX_DAYS 99999 # days\nUSERGROUPS_ENAB yes\nSUB_UID_COUNT 0\n")
            .with("usr/etc/default/useradd", "SHELL=/bin/bash\nHOME=/home\nINACTIVE=-1\n");
        let defaults = Defaults::load(&Overlay::new(&image)).unwrap();
        assert_eq!((defaults.uid, defaults.gid), ((2000, 60_000), (1000, 60_000)));
        assert_eq!((defaults.home_mode, defaults.shell.as_str()), (0o755, "/bin/bash"));
        assert_eq!(defaults.ageing, ["", "99999", ""]);
        assert_eq!((defaults.sub_uid.count, defaults.inactive.as_str()), (0, ""));
        assert!(defaults.has_own_group);
    }

    #[test]
    fn an_image_that_says_nothing_gets_private_homes() {
        let image = MemoryFiles::default();
        let defaults = Defaults::load(&Overlay::new(&image)).unwrap();
        assert_eq!((defaults.home_mode, defaults.uid), (0o700, (1000, 60_000)));
        assert_eq!(
            (home_mode(Some("0700"), Some("022")), home_mode(Some("x"), None)),
            (0o700, 0o700)
        );
        assert_eq!(
            (parse_number("0x10"), parse_number("010"), parse_number("0")),
            (Some(16), Some(8), Some(0))
        );
    }
}
