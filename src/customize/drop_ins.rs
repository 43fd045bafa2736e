//! Directories and files as the owner gives them.

use super::accounts::Owners;
use super::error::Error;
use super::overlay::Overlay;
use crate::additions::{Addition, AdditionKind};
use crate::files::{FileKind, Files as _};
use crate::settings::{Access, DirectorySetting, FileSetting, Settings};

/// Makes directories, then files, in the order given.
pub(super) fn customize(overlay: &mut Overlay<'_>, settings: &Settings) -> Result<(), Error> {
    let mut owners = Owners::default();
    for directory in &settings.directories {
        make_directory(overlay, directory, &mut owners)?;
    }
    settings.files.iter().try_for_each(|file| make_file(overlay, file, &mut owners))
}

/// A directory that the image has keeps mode and owners where none are given.
fn make_directory(
    overlay: &mut Overlay<'_>,
    wanted: &DirectorySetting,
    owners: &mut Owners,
) -> Result<(), Error> {
    let real = overlay.place_following(&wanted.path)?;
    let is_new = match overlay.kind(&real) {
        None => true,
        Some(FileKind::Directory) => false,
        Some(_) => {
            return Err(Error::Occupied { path: wanted.path.clone(), found: "no directory" });
        }
    };
    overlay.ensure_parent(&wanted.path, &real, wanted.ensure_parents)?;
    let Access { mode, user, group } = &wanted.access;
    let before = overlay.added(&real).cloned();
    let before = before.filter(|before| before.kind == AdditionKind::Directory);
    let or_before = |id: Option<u32>, of: fn(&Addition) -> Option<u32>| {
        id.or_else(|| before.as_ref().and_then(of)).or(is_new.then_some(0))
    };
    let uid = user.as_ref().map(|user| owners.uid(overlay, Some(user))).transpose()?;
    let gid = group.as_ref().map(|group| owners.gid(overlay, Some(group))).transpose()?;
    let addition = Addition {
        path: real,
        mode: mode.or(before.as_ref().and_then(|before| before.mode)).or(is_new.then_some(0o755)),
        uid: or_before(uid, |before| before.uid),
        gid: or_before(gid, |before| before.gid),
        kind: AdditionKind::Directory,
    };
    overlay.put(addition);
    Ok(())
}

/// A file replaces what the image has, its mode and owners too.
fn make_file(
    overlay: &mut Overlay<'_>,
    wanted: &FileSetting,
    owners: &mut Owners,
) -> Result<(), Error> {
    let real = overlay.place(&wanted.path)?;
    if overlay.kind(&real) == Some(FileKind::Directory) {
        return Err(Error::Occupied { path: wanted.path.clone(), found: "a directory" });
    }
    overlay.ensure_parent(&wanted.path, &real, false)?;
    let Access { mode, user, group } = &wanted.access;
    let uid = owners.uid(overlay, user.as_ref())?;
    let gid = owners.gid(overlay, group.as_ref())?;
    let file = Addition::file(real, mode.unwrap_or(0o644), wanted.bytes.clone());
    overlay.put(file.owned_by(uid, gid));
    Ok(())
}
