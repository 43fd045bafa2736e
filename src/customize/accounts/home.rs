//! Homes: `/etc/skel` copied, and the keys that may log in.
//!
//! | path | mode | owner |
//! |---|---|---|
//! | the home | `HOME_MODE`, else what `UMASK` leaves, else 0700; root's 0700 | the user |
//! | what `/etc/skel` has | 0755 for directories, 0644 for files | the user |
//! | `.ssh` | 0700 | the user |
//! | `.ssh/authorized_keys` | 0600 | the user |
//!
//! A home is where `passwd` says and links of the image lead (`/home` to `var/home`, `/root` to
//! `var/roothome`), which must be in `/var`. One that the image has is not filled again.

use super::super::error::Error;
use super::super::overlay::Overlay;
use super::login_defs::Defaults;
use super::table::Table;
use crate::additions::Addition;
use crate::files::{FileKind, Files as _};
use crate::settings::User;

/// Deeper skeletons are no skeletons.
const MAX_DEPTH: usize = 16;

/// Where a new user's home is, as `passwd` says it: below `HOME` of `/etc/default/useradd` if that leads
/// to `/var`, else below `/var/home`.
pub(super) fn of_new(overlay: &Overlay<'_>, user: &User, defaults: &Defaults) -> String {
    if let Some(home) = &user.home {
        return home.clone();
    }
    let usual = format!("{}/{}", defaults.homes.trim_end_matches('/'), user.name);
    match overlay.place(&usual) {
        Ok(real) if real.starts_with("var/") => usual,
        _ => format!("/var/home/{}", user.name),
    }
}

/// Whose home, and what for.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// The user.
    pub(super) user: &'a User,
    /// Whether the image does not have it.
    pub(super) is_new: bool,
    /// Keys besides the user's, one a line.
    pub(super) more_keys: Option<&'a [u8]>,
}

/// Makes the home of a user that `passwd` has, if there is something to make.
pub(super) fn make(
    overlay: &mut Overlay<'_>,
    Wanted { user, is_new, more_keys }: Wanted<'_>,
    passwd: &Table,
    defaults: &Defaults,
) -> Result<(), Error> {
    let Some(row) = passwd.get(&user.name) else { return Ok(()) };
    let field = |at: usize| row.get(at).copied().unwrap_or_default();
    let owner = (field(2).parse().unwrap_or(0), field(3).parse().unwrap_or(0));
    let has_keys = !user.keys.is_empty() || more_keys.is_some();
    if !is_new && !has_keys && user.home.is_none() {
        return Ok(());
    }
    let path = if field(5).is_empty() { "/" } else { field(5) };
    let home = overlay.place_following(path)?;
    match overlay.kind(&home) {
        Some(FileKind::Directory) => {}
        Some(_) => {
            return Err(Error::Occupied { path: path.to_owned(), found: "no directory" });
        }
        None => {
            overlay.ensure_parent(path, &home, true)?;
            let mode = if user.name == "root" { 0o700 } else { defaults.home_mode };
            overlay.put(Addition::directory(home.clone(), mode).owned_by(owner.0, owner.1));
            if user.name != "root"
                && let Some(skeleton) = overlay.resolve(defaults.skeleton.trim_matches('/'))
            {
                // all files of a skeleton together are no larger than one may be
                let mut left_bytes = super::super::LIMIT_BYTES;
                copy(overlay, &skeleton, &home, owner, MAX_DEPTH, &mut left_bytes)?;
            }
        }
    }
    if has_keys {
        keys(overlay, user, more_keys.unwrap_or_default(), &home, owner)?;
    }
    Ok(())
}

/// Copies what is in one directory into another, as deep and as much as is left.
fn copy(
    overlay: &mut Overlay<'_>,
    from: &str,
    to: &str,
    owner: (u32, u32),
    depth: usize,
    left_bytes: &mut u64,
) -> Result<(), Error> {
    for name in overlay.names(from) {
        let (source, target) = (format!("{from}/{name}"), format!("{to}/{name}"));
        let addition = match overlay.kind(&source) {
            Some(FileKind::Regular { .. }) => {
                let bytes = overlay.read(&source, *left_bytes)?.unwrap_or_default();
                *left_bytes -= u64::try_from(bytes.len()).unwrap_or(0);
                Addition::file(target, 0o644, bytes)
            }
            Some(FileKind::Symlink { target: leads_to }) => Addition::symlink(target, leads_to),
            Some(FileKind::Directory) if depth > 0 => {
                overlay.put(Addition::directory(target.clone(), 0o755).owned_by(owner.0, owner.1));
                copy(overlay, &source, &target, owner, depth - 1, left_bytes)?;
                continue;
            }
            _ => continue,
        };
        overlay.put(addition.owned_by(owner.0, owner.1));
    }
    Ok(())
}

/// Adds keys to those that the image has there.
fn keys(
    overlay: &mut Overlay<'_>,
    user: &User,
    more: &[u8],
    home: &str,
    owner: (u32, u32),
) -> Result<(), Error> {
    let directory = format!("{home}/.ssh");
    let path = format!("{directory}/authorized_keys");
    let is_free = |kind: Option<FileKind>| matches!(kind, None | Some(FileKind::Directory));
    if !is_free(overlay.kind(&directory)) || overlay.kind(&path) == Some(FileKind::Directory) {
        return Err(Error::Occupied { path: format!("/{path}"), found: "something else" });
    }
    let mut text = overlay.read(&path, super::super::LIMIT_BYTES)?.unwrap_or_default();
    for key in [more].into_iter().chain(user.keys.iter().map(|key| key.trim().as_bytes())) {
        if !text.is_empty() && !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.extend_from_slice(key);
    }
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    overlay.put(Addition::directory(directory, 0o700).owned_by(owner.0, owner.1));
    overlay.put(Addition::file(path, 0o600, text).owned_by(owner.0, owner.1));
    Ok(())
}
