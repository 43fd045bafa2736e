//! Where an entry of a layer lands in the commit (ostree-contract 3.4).
//!
//! | first component | result |
//! |---|---|
//! | `etc` | becomes `usr/etc` |
//! | `run tmp proc sys dev` | the directory itself is kept, what is below it is dropped |
//! | anything else | kept |

/// Deeper trees are refused: every walk over them would need a stack of that depth.
pub const MAX_DEPTH: usize = 1024;
/// The longest name that file systems keep.
pub const MAX_NAME_BYTES: usize = 255;

const DROPPED_BELOW: [&str; 5] = ["run", "tmp", "proc", "sys", "dev"];

/// Where an entry lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placement {
    /// At this path below the root, `a/b/c`; empty for the root itself.
    At(String),
    /// Nowhere: it is below a directory that is empty in every commit.
    Dropped,
}

/// Why a path cannot be in a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// ostree keeps names as UTF-8.
    #[error("the name `{0}` is not valid UTF-8, which ostree requires")]
    NotUtf8(String),
    /// A component `..` could lead out of the tree.
    #[error("the name `{0}` has a `..` component")]
    DotDot(String),
    /// A component is longer than file systems allow.
    #[error("the name `{0}` has a component of more than {MAX_NAME_BYTES} bytes")]
    TooLong(String),
    /// Too many components.
    #[error("the name `{0}…` is deeper than {MAX_DEPTH} directories")]
    TooDeep(String),
    /// A NUL byte, which no file system keeps.
    #[error("the name `{0}` has a NUL byte")]
    Nul(String),
}

/// Where the entry named `raw` lands.
pub fn place(raw: &[u8]) -> Result<Placement, PathError> {
    let text = std::str::from_utf8(raw)
        .map_err(|_| PathError::NotUtf8(String::from_utf8_lossy(raw).into_owned()))?;
    if text.contains('\0') {
        return Err(PathError::Nul(text.replace('\0', "\u{fffd}")));
    }
    let mut components = Vec::new();
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." => return Err(PathError::DotDot(text.to_owned())),
            _ if component.len() > MAX_NAME_BYTES => {
                return Err(PathError::TooLong(text.to_owned()));
            }
            _ => components.push(component),
        }
    }
    if components.len() > MAX_DEPTH {
        return Err(PathError::TooDeep(text.chars().take(80).collect()));
    }
    match components.split_first() {
        Some((first, rest)) if !rest.is_empty() && DROPPED_BELOW.contains(first) => {
            Ok(Placement::Dropped)
        }
        Some((&"etc", rest)) => {
            let mut mapped = vec!["usr", "etc"];
            mapped.extend(rest);
            Ok(Placement::At(mapped.join("/")))
        }
        _ => Ok(Placement::At(components.join("/"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Result<Placement, PathError> {
        Ok(Placement::At(path.to_owned()))
    }

    #[test]
    fn spellings_are_normalised_and_etc_moves() {
        for (raw, expected) in [
            ("./", ""),
            ("/", ""),
            ("./usr//bin/./sh", "usr/bin/sh"),
            ("/etc", "usr/etc"),
            ("etc/passwd", "usr/etc/passwd"),
            ("usr/etc/x", "usr/etc/x"),
            ("var/lib/", "var/lib"),
            ("run", "run"),
            ("runner/x", "runner/x"),
        ] {
            assert_eq!(place(raw.as_bytes()), at(expected), "{raw}");
        }
    }

    #[test]
    fn children_of_api_directories_are_dropped() {
        for raw in ["run/x", "./tmp/a/b", "/proc/1", "sys/fs", "dev/null"] {
            assert_eq!(place(raw.as_bytes()), Ok(Placement::Dropped), "{raw}");
        }
    }

    #[test]
    fn unsafe_names_are_refused() {
        assert!(matches!(place(b"a/../b"), Err(PathError::DotDot(_))));
        assert!(matches!(place(b"a/\xff"), Err(PathError::NotUtf8(_))));
        assert!(matches!(place(b"a\0b"), Err(PathError::Nul(_))));
        assert!(matches!(place(&[b'n'; 256]), Err(PathError::TooLong(_))));
        assert!(matches!(place(&b"d/".repeat(1025)), Err(PathError::TooDeep(_))));
        assert!(place(&b"d/".repeat(1024)).is_ok());
    }
}
