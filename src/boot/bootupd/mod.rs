//! bootupd: what `bootupctl backend install --write-uuid` would write, for a disk that may go to any
//! machine.
//!
//! | module | what it decides |
//! |---|---|
//! | `payload` | which files go to the ESP |
//! | `grub_static` | the static configuration of GRUB, pieced together from the image's |
//! | `state` | `bootupd-state.json`, by which bootupd in the guest knows what is installed |
//!
//! | written | content | unless |
//! |---|---|---|
//! | ESP `EFI/…` | the payload | |
//! | ESP `EFI/<vendor>/grub.cfg` | `grub-static-efi.cfg` | |
//! | ESP `EFI/<vendor>/bootuuid.cfg` | as below | `skip-boot-uuid` |
//! | `/boot/grub2/grub.cfg` | `grub-static-pre.cfg`, `configs.d/*.cfg` | |
//! | `/boot/grub2/grubenv` | an empty environment block | |
//! | `/boot/grub2/bootuuid.cfg` | UUID of the file system that `/boot` is on | `skip-boot-uuid` |
//! | `/boot/bootupd-state.json` | component `EFI` with every file of the payload, and `BIOS` | |
//! | boot code, BIOS boot partition, `/boot/grub2/i386-pc` | GRUB, composed | no `BIOS.json`, not demanded |
//!
//! The component `BIOS` is in the state only if the image has its metadata and the disk boots from BIOS:
//! bootupd would believe in an MBR that is not there, and fail to update it.
//!
//! Everything is copied as upstream would: a payload without `EFI/BOOT` boots from no removable path,
//! and nothing is put there instead, because bootupd would not keep it up to date.

use std::collections::BTreeMap;

use super::grub;
use super::grub::config::Reader;
use super::grub::esp::Names;
use super::grub::own::ForBios;
use super::loader::{Bios, BootFile, Content, Loader, Notice, Origin, Target};
use super::{BootError, CONFIG_LIMIT_BYTES};
use crate::files::Files;

mod grub_static;
mod payload;
mod state;

use payload::Payload;

/// Why bootupd's part of the image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootupdError {
    /// A file that bootupd needs is missing.
    #[error("the image has bootupd, but no `{0}`")]
    Missing(String),
    /// A text is not UTF-8.
    #[error("`{0}` is not UTF-8")]
    NotUtf8(String),
    /// The metadata of a component cannot be understood.
    #[error("`{path}`: {problem}")]
    Metadata {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The payload has something that bootupd does not install.
    #[error("`{path}` in bootupd's payload is {what}")]
    Payload {
        /// Where it is.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// No directory is the vendor's.
    #[error("bootupd's payload in `{root}` has no `EFI/<vendor>/{shim}`")]
    NoShim {
        /// Where the payload is.
        root: String,
        /// The file's name.
        shim: &'static str,
    },
}

/// The boot loader, if the image has bootupd and bootupd has something for UEFI.
pub(super) fn plan(files: &dyn Files, target: Target<'_>) -> Result<Option<Loader>, BootError> {
    let Some(meta) = state::metadata(files, "EFI")? else { return Ok(None) };
    let payload = Payload::find(files)?;
    let vendor = payload.vendor(Names::of(target.arch).shim)?.to_owned();
    let uuid = (!target.skip_boot_uuid).then(|| grub_static::boot_uuid(target.boot_uuid));
    let tree = state::file_tree(files, &payload)?;
    let origin = Origin::Bootupd { version: meta.version.clone() };
    let bios_meta = state::metadata(files, "BIOS")?;
    let config = grub_static::config(files)?;
    let mut notices = Vec::new();
    let bios = match target.bios {
        Bios::IfPossible(_) if bios_meta.is_none() => {
            notices.push(Notice::NoBiosComponent);
            None
        }
        wish => can_read(grub::own::for_bios(files, wish, target.early)?, &config, wish)?
            .or_notice(wish, &mut notices),
    };
    let components =
        state::Components { uefi: (meta, tree), bios: bios_meta.filter(|_| bios.is_some()) };

    let mut esp: BTreeMap<String, Content> = payload
        .merged()
        .map(|(path, file)| (format!("EFI/{path}"), Content::Image(file.image.clone())))
        .collect();
    let efi = Content::Bytes(grub_static::efi_config(files)?);
    esp.insert(format!("EFI/{vendor}/grub.cfg"), efi);
    if let Some(text) = &uuid {
        esp.insert(format!("EFI/{vendor}/bootuuid.cfg"), Content::Bytes(text.clone()));
    }
    let file = |path: &str, mode, bytes| BootFile {
        path: path.to_owned(),
        mode,
        content: Content::Bytes(bytes),
    };
    let mut boot = vec![
        file("grub2/grub.cfg", 0o600, config),
        file("grub2/grubenv", 0o600, grub::config::environment()),
        file("bootupd-state.json", 0o644, state::to_json(components)),
    ];
    boot.extend(uuid.map(|text| file("grub2/bootuuid.cfg", 0o600, text)));
    let bios = bios.map(|bios| {
        boot.extend(bios.files);
        bios.image
    });
    Ok(Some(Loader { esp, boot, bios, origin, notices }))
}

/// GRUB for BIOS, if it knows the command with which the image's configuration makes the menu.
fn can_read(bios: ForBios, config: &[u8], wish: Bios) -> Result<ForBios, BootError> {
    let ForBios::Composed(composed) = &bios else { return Ok(bios) };
    let commands = config.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut names = commands.filter_map(|line| line.split(u8::is_ascii_whitespace).next());
    if composed.grub.reader != Reader::Bridge || !names.any(|name| name == b"blscfg") {
        return Ok(bios);
    }
    let (path, missing) = (composed.directory.clone(), vec!["blscfg".to_owned()]);
    let why = BootError::GrubModules { path, missing };
    if matches!(wish, Bios::Demanded(_)) { Err(why) } else { Ok(ForBios::Impossible(why)) }
}

/// A configuration file that has to be there, links followed.
fn required(files: &dyn Files, path: &str) -> Result<Vec<u8>, BootError> {
    let bytes = files.read_following(path, CONFIG_LIMIT_BYTES)?;
    bytes.ok_or_else(|| BootupdError::Missing(path.to_owned()).into())
}

#[cfg(test)]
mod tests;
