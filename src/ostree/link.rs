//! What every symbolic link must be like, wherever it comes from.

use super::error::Error;
use crate::volume::Meta;

/// The longest target a symbolic link may have.
const MAX_TARGET_BYTES: usize = 4095;
/// From this length on the field's composefs writer fails on a link.
const COMPOSEFS_TARGET_BYTES: usize = 4064;

/// A target that may be stored.
#[derive(Debug)]
pub(super) struct Target<'t> {
    pub(super) text: &'t str,
    /// Why the installed system's own updater would stumble over it.
    pub(super) warning: Option<String>,
}

/// Checks a link's target and attributes; `shown` is what a warning calls the link.
pub(super) fn check<'t>(
    path: &str,
    shown: &str,
    meta: &Meta,
    target: &'t [u8],
) -> Result<Target<'t>, Error> {
    let wrong = |problem| Error::SymlinkTarget { path: path.to_owned(), problem };
    let text = std::str::from_utf8(target).map_err(|_| wrong("is not valid UTF-8"))?;
    let mut warning = None;
    match text.len() {
        0 => return Err(wrong("is empty")),
        len if len > MAX_TARGET_BYTES => return Err(wrong("is longer than 4095 bytes")),
        len if len >= COMPOSEFS_TARGET_BYTES => {
            warning = Some(format!(
                "the target of {shown} has {len} bytes: the installed system's own updater fails \
                 on links of {COMPOSEFS_TARGET_BYTES} bytes and more"
            ));
        }
        _ if text.contains('\0') => return Err(wrong("has a NUL byte")),
        _ => {}
    }
    let xattrs = meta.xattrs.as_slice();
    if let Some(user) = xattrs.iter().find(|xattr| xattr.name.starts_with(b"user.")) {
        let name = String::from_utf8_lossy(&user.name).into_owned();
        return Err(Error::SymlinkXattr { path: path.to_owned(), name });
    }
    Ok(Target { text, warning })
}
