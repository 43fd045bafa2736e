//! Areas: files of a medium that may be replaced in place, long after it was made.
//!
//! | file on the medium | length | holds |
//! |---|---|---|
//! | `bootc-image/install.toml` | 65536 | what the owner wants: an area |
//! | `bootc-image/authorized_keys` | 16384 | keys that may log in as root: an area |
//! | `bootc-image/as-made/install.toml`, `…/authorized_keys` | any | the content as it was made |
//!
//! An area keeps its length. What its content leaves of it is one last line of `#`, a comment in
//! both formats, so that other readers can take the file as it is:
//!
//! ```text
//!   [install]\n target = "smallest"\n ###########…     content that ends with a line
//!   ssh-ed25519 AAAA… me \n #-#########…               content that does not: `-` tells
//!   ##########…                                        nothing
//! ```
//!
//! So any content comes back as it was, one of `#` included.
//!
//! The last byte is `#` as well. Who changes several areas makes that of `install.toml` a `!`
//! ([`UNFINISHED`]) until all of them are written: what is found after an interruption is refused.

/// What the owner wants.
pub const INSTALL_TOML: &str = "bootc-image/install.toml";
/// Bytes of that area.
pub const INSTALL_TOML_LEN: usize = 65_536;
/// What it held when the medium was made.
pub const INSTALL_TOML_AS_MADE: &str = "bootc-image/as-made/install.toml";

/// Public SSH keys that may log in as root.
pub const AUTHORIZED_KEYS: &str = "bootc-image/authorized_keys";
/// Bytes of that area.
pub const AUTHORIZED_KEYS_LEN: usize = 16_384;
/// What it held when the medium was made.
pub const AUTHORIZED_KEYS_AS_MADE: &str = "bootc-image/as-made/authorized_keys";

/// The last byte of `install.toml` while areas are being changed.
pub const UNFINISHED: u8 = b'!';
const COMMENT: u8 = b'#';
/// What the last line begins with where the line break before it is not the content's.
const NO_BREAK: &[u8] = b"#-";

/// Why something is no area, or none can be made of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AreaError {
    /// There is no room for so much.
    #[error("{len} bytes are more than the {limit} for which there is room")]
    TooLong {
        /// What there is.
        len: usize,
        /// What fits.
        limit: usize,
    },
    /// A change was interrupted: nobody knows which areas are old and which are new.
    #[error("a change of this medium was interrupted")]
    Unfinished,
    /// What follows the content is something else than padding.
    #[error("its last line is not one of `#`")]
    NoPadding,
}

/// An area of `len` bytes with this content.
///
/// # Errors
///
/// The content is too long.
pub fn fill(content: &[u8], len: usize) -> Result<Vec<u8>, AreaError> {
    let is_whole = content.is_empty() || content.ends_with(b"\n");
    let more: &[u8] = if is_whole { b"" } else { b"\n#-" };
    // one byte more, to be the last
    let limit = len.saturating_sub(more.len() + 1);
    if content.len() > limit || len == 0 {
        return Err(AreaError::TooLong { len: content.len(), limit });
    }
    let mut area = [content, more].concat();
    area.resize(len, COMMENT);
    Ok(area)
}

/// What an area holds, without the padding.
///
/// # Errors
///
/// A change was interrupted; there is no padding where it must be.
pub fn content(area: &[u8]) -> Result<&[u8], AreaError> {
    let end = area.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let (content, padding) = area.split_at(end);
    let (content, padding) = match (content.strip_suffix(b"\n"), padding.strip_prefix(NO_BREAK)) {
        (Some(content), Some(padding)) => (content, padding),
        _ => (content, padding),
    };
    match padding.split_last() {
        Some((&UNFINISHED, _)) => Err(AreaError::Unfinished),
        Some(_) if padding.iter().all(|byte| *byte == COMMENT) => Ok(content),
        _ => Err(AreaError::NoPadding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_rest_is_a_comment() {
        assert_eq!(fill(b"", 4).unwrap(), b"####");
        assert_eq!(fill(b"a = 1\n", 9).unwrap(), b"a = 1\n###");
        assert_eq!(fill(b"a", 6).unwrap(), b"a\n#-##");
        let toml = fill(b"a = 1", 100).unwrap();
        let table: toml::Table = toml::from_str(str::from_utf8(&toml).unwrap()).unwrap();
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(fill(b"abc\n", 5).unwrap(), b"abc\n#");
        assert_eq!(fill(b"abc\n", 4), Err(AreaError::TooLong { len: 4, limit: 3 }));
        assert_eq!(fill(b"a", 5).unwrap(), b"a\n#-#");
        assert_eq!(fill(b"a", 4), Err(AreaError::TooLong { len: 1, limit: 0 }));
        assert_eq!(fill(b"", 0), Err(AreaError::TooLong { len: 0, limit: 0 }));
    }

    #[test]
    fn what_is_no_area_is_refused() {
        for bytes in ["", "a", "a\n", "a\n#-", "a\n#-a", "a\n##\0", "#-", "a\n# b", "a\n##-"] {
            assert_eq!(content(bytes.as_bytes()), Err(AreaError::NoPadding), "{bytes:?}");
        }
        for bytes in ["!", "##!", "a\n#-##!", "a\n##!", "a\nb!"] {
            assert_eq!(content(bytes.as_bytes()), Err(AreaError::Unfinished), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn content_comes_back(bytes in "[a#\\-\n]{0,12}", more in 0_usize..6) {
            if let Ok(area) = fill(bytes.as_bytes(), bytes.len() + more) {
                prop_assert_eq!(area.len(), bytes.len() + more);
                prop_assert_eq!(content(&area), Ok(bytes.as_bytes()));
            } else {
                prop_assert!(more < 4);
            }
        }
    }
}
