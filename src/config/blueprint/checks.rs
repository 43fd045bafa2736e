//! What single values may look like. Each check says what is wrong, to follow the value itself.

use std::fmt::Write as _;

/// Fits a check into `Ok` or the reason why not.
fn ensure(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// One line of text that is not empty.
pub(super) fn line(text: &str) -> Result<(), String> {
    ensure(!text.trim().is_empty(), "is empty")?;
    ensure(!text.chars().any(char::is_control), "has a line break or another control character")
}

/// Kernel arguments on one line.
pub(super) fn kargs(text: &str) -> Result<(), String> {
    ensure(!text.chars().any(char::is_control), "has a line break or another control character")?;
    ensure(text.matches('"').count().is_multiple_of(2), "has a quote that is not closed")
}

/// A text for a field of `/etc/passwd`.
pub(super) fn passwd_field(text: &str) -> Result<(), String> {
    ensure(
        !text.contains(':') && !text.chars().any(char::is_control),
        "has a colon or a control character",
    )
}

/// The name of a user or a group, as `useradd` takes it.
pub(super) fn account(name: &str) -> Result<(), String> {
    let body = name.strip_suffix('$').unwrap_or(name);
    let first = body.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let rest = body.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c));
    let digits = body.chars().all(|c| c.is_ascii_digit());
    ensure(
        first && rest && !digits && name.len() <= 32,
        "is no name for an account: letters, digits, `_`, `-` and `.`, not only digits, at most 32",
    )
}

/// An absolute path without anything that could be left out.
pub(super) fn path(path: &str) -> Result<(), String> {
    ensure(path.starts_with('/'), "is no absolute path")?;
    ensure(!path.chars().any(char::is_control), "has a control character")?;
    ensure(path.len() < 4096, "is longer than a path may be")?;
    let clean = clean(path);
    ensure(path == clean, &format!("should be written `{clean}`"))
}

/// A path without empty parts, `.` and `..`.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let mut clean = String::new();
    for part in &parts {
        let _ = write!(clean, "/{part}");
    }
    if clean.is_empty() { "/".to_owned() } else { clean }
}

/// Whether `path` is `parent` or below it.
pub(super) fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Permission bits in octal.
pub(super) fn mode(text: &str) -> Result<u16, String> {
    let digits = (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
    let mode = digits.then(|| u16::from_str_radix(text, 8).ok()).flatten();
    mode.ok_or_else(|| "is no mode: three or four octal digits, like `0644`".to_owned())
}

/// A GUID or UUID, its bytes in the order in which it is written.
pub(super) fn guid(text: &str) -> Result<u128, String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let hex = groups.concat();
    let good = lengths == [8, 4, 4, 4, 12] && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = good.then(|| u128::from_str_radix(&hex, 16).ok()).flatten();
    number.ok_or_else(|| "is no GUID like `0fc63daf-8483-4772-8e79-3d69d8477de4`".to_owned())
}

/// The serial number of a FAT, `7B77-95E7`.
pub(super) fn fat_serial(text: &str) -> Result<u128, String> {
    let number = match text.split_once('-') {
        Some((high, low)) if high.len() == 4 && low.len() == 4 => {
            let hex = format!("{high}{low}");
            let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
            digits.then(|| u128::from_str_radix(&hex, 16).ok()).flatten()
        }
        _ => None,
    };
    number.ok_or_else(|| "is no serial number like `7B77-95E7`".to_owned())
}

/// A name of a machine.
pub(super) fn hostname(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    ensure(
        name.len() <= 64 && name.split('.').all(label),
        "is no hostname: letters, digits and `-`, dots between parts, at most 64",
    )
}

/// `de_DE.UTF-8`, `C.UTF-8`, `de-latin1`.
pub(super) fn locale(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.@-".contains(c);
    ensure(!name.is_empty() && name.chars().all(good), "is no name of a locale or a keyboard")
}

/// `Europe/Berlin`.
pub(super) fn time_zone(name: &str) -> Result<(), String> {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    ensure(name.split('/').all(part), "is no time zone like `Europe/Berlin`")
}

/// A name or an address of a machine.
pub(super) fn host(name: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    ensure(!name.is_empty() && name.chars().all(good), "is no name or address of a server")
}

/// A unit of systemd's, whose suffix may be left out where it is `.service`.
pub(super) fn unit(name: &str) -> Result<String, String> {
    const SUFFIXES: [&str; 9] =
        ["service", "socket", "target", "timer", "path", "mount", "automount", "swap", "slice"];
    let good = |c: char| c.is_ascii_alphanumeric() || ":_.@\\-".contains(c);
    ensure(
        name.starts_with(|c: char| good(c) && !".@".contains(c))
            && name.len() <= 240
            && name.chars().all(good),
        "is no name of a unit",
    )?;
    let has_suffix = name.rsplit_once('.').is_some_and(|(_, last)| SUFFIXES.contains(&last));
    Ok(if has_suffix { name.to_owned() } else { format!("{name}.service") })
}

/// A file name.
pub(super) fn file_name(name: &str) -> Result<(), String> {
    ensure(
        !matches!(name, "" | "." | "..")
            && name.len() <= 255
            && !name.contains('/')
            && !name.chars().any(char::is_control),
        "is no file name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_must_be_clean() {
        for good in ["/", "/a", "/a/b.c", "/..a"] {
            assert_eq!(path(good), Ok(()), "{good}");
        }
        let cases = [
            ("a", "is no absolute path"),
            ("/a/", "should be written `/a`"),
            ("//a", "should be written `/a`"),
            ("/a/../b", "should be written `/b`"),
            ("/../..", "should be written `/`"),
            ("/a\n", "has a control character"),
        ];
        for (bad, why) in cases {
            assert_eq!(path(bad), Err(why.to_owned()), "{bad}");
        }
        assert!(is_below("/var/a", "/var") && is_below("/var", "/var"));
        assert!(!is_below("/variable", "/var"));
    }

    #[test]
    fn names_follow_their_rules() {
        for good in ["a", "_a-b.c", "host$", "9lives"] {
            assert_eq!(account(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "123", "a b", "a:b", "ä", "$", "a$b", &"a".repeat(33)] {
            assert!(account(bad).is_err(), "{bad}");
        }
        assert_eq!(unit("sshd"), Ok("sshd.service".to_owned()));
        assert_eq!(unit("a@b.timer"), Ok("a@b.timer".to_owned()));
        assert_eq!(unit("foo.bar"), Ok("foo.bar.service".to_owned()));
        for bad in ["", "a/b", "../x", "a b", "@", "x\n"] {
            assert!(unit(bad).is_err(), "{bad}");
        }
        for good in ["a", "a-1.example.com", "9"] {
            assert_eq!(hostname(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", "a-", "a..b", "a_b", &"a".repeat(65)] {
            assert!(hostname(bad).is_err(), "{bad}");
        }
        assert!(time_zone("Etc/GMT+1").is_ok() && time_zone("../etc/passwd").is_err());
    }

    #[test]
    fn numbers_are_read_as_written() {
        assert_eq!(mode("0644"), Ok(0o644));
        assert_eq!(mode("1777"), Ok(0o1777));
        assert!(mode("64").is_err() && mode("0888").is_err() && mode("+644").is_err());
        let esp = guid("C12A7328-F81F-11D2-BA4B-00A0C93EC93B").unwrap();
        assert_eq!(esp, 0xC12A_7328_F81F_11D2_BA4B_00A0_C93E_C93B);
        assert!(guid("C12A7328F81F11D2BA4B00A0C93EC93B").is_err());
        assert!(guid("+12A7328-F81F-11D2-BA4B-00A0C93EC93B").is_err());
        assert_eq!(fat_serial("7B77-95E7"), Ok(0x7B77_95E7));
        assert!(fat_serial("7B7795E7").is_err());
    }
}
