//! Where file systems can be mounted.

use super::error::LayoutError;

/// Trees that are mounted, or made, by the system itself; a file system there would be hidden, hide
/// what the system needs, or part `/etc` from its deployment.
const TAKEN: [&str; 9] =
    ["/boot", "/dev", "/etc", "/ostree", "/proc", "/run", "/sys", "/sysroot", "/tmp"];
/// Directories of the image that it cannot do without.
const NEEDED: [&str; 7] = ["/bin", "/lib", "/lib64", "/sbin", "/usr", "/usr/bin", "/usr/lib"];

/// Refuses what is no absolute path in its shortest form, and places that are taken.
pub fn check(mountpoint: &str) -> Result<(), LayoutError> {
    let problem = match mountpoint {
        "/" | "/boot" | "/boot/efi" => return Ok(()),
        _ if !mountpoint.starts_with('/') => "it must begin with a slash",
        _ if mountpoint.chars().any(|c| c.is_control()) => "it has a control character",
        _ if mountpoint.len() > 1024 => "it is longer than 1024 bytes",
        _ if mountpoint[1..].split('/').any(|part| matches!(part, "" | "." | "..")) => {
            "it has an empty part, `.` or `..`"
        }
        _ if mountpoint[1..].split('/').any(|part| part.len() > 255) => {
            "it has a part of more than 255 bytes"
        }
        _ if is_taken(mountpoint) => "the system has its own there",
        _ => return Ok(()),
    };
    Err(LayoutError::Mountpoint { mountpoint: mountpoint.to_owned(), problem })
}

fn is_taken(mountpoint: &str) -> bool {
    let is_within = |tree: &str| {
        let rest = mountpoint.strip_prefix(tree);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    TAKEN.iter().any(|tree| is_within(tree)) || NEEDED.contains(&mountpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_clean_and_free() {
        for good in ["/", "/boot", "/boot/efi", "/var", "/var/lib/data", "/srv", "/home", "/runner"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "var",
            "/var/",
            "//var",
            "/var//x",
            "/var/../etc",
            "/.",
            "/a\nb",
            "/etc",
            "/etc/x",
            "/boot/x",
            "/usr",
            "/proc",
            "/run/x",
            "/sysroot",
            "/ostree/repo",
            "/tmp",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&format!("/var/{}", "n".repeat(256))).is_err());
    }
}
