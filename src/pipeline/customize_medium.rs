//! Changes a medium that was made, without making it again: what an installer is told, who may log
//! in as root, what the kernel is told. And tells what a medium holds.
//!
//! | what | where on the medium | as it was made |
//! |---|---|---|
//! | `install.toml` | [`area::INSTALL_TOML`] | beside it |
//! | keys | [`area::AUTHORIZED_KEYS`] | beside it |
//! | kernel arguments | the end of each line that starts the kernel ([`menu`]) | none |
//!
//! Each is of fixed length, so a change is a few writes of bytes that are there already, a reset
//! the same with what was there first. Everything is read and checked before the first byte is
//! written.
//!
//! # When it is interrupted
//!
//! A copy gets its name when it is complete. In place, the last byte of `install.toml` says that a
//! change is under way ([`area::UNFINISHED`]) from before the first until after the last of all
//! other writes; each step is on the disk before the next begins. So a medium is as it was, as it
//! should be, or one that the installer refuses; a reset makes it as it was made.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::carried::Carried;
use crate::boot::BootError;
use crate::boot::iso::menu;
use crate::config::blueprint::{BlueprintError, InstallFile};
use crate::fs::iso9660::reader::{Image, ReadError};
use crate::installer::area::{self, AreaError};
use crate::output::{OutputError, Pending};

use crate::units::{ByteLen, ByteOffset, MIB};

mod checksum;

pub use checksum::Checksum;

/// What a medium of ours has, and no other: the build that it carries.
const MEDIUM: &str = Carried::PATH;
const MEDIUM_LIMIT: ByteLen = ByteLen(64 * MIB);
/// Scripts whose lines may have room for kernel arguments.
const SCRIPTS: [&str; 4] = [
    "boot/grub2/grub.cfg",
    "boot/grub/grub.cfg",
    "boot/grub2/loopback.cfg",
    "boot/grub/loopback.cfg",
];
const SCRIPT_LIMIT: ByteLen = ByteLen(MIB);

/// What is to be different; what is `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The new `install.toml`.
    pub installer_config: Option<InstallerConfig>,
    /// The new public keys of root.
    pub keys: Option<Vec<u8>>,
    /// The new kernel arguments, instead of those that were added before.
    pub kargs: Option<Vec<String>>,
}

/// An `install.toml` that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallerConfig(Vec<u8>);

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The medium that is as it should be.
    pub path: PathBuf,
    /// Whether it was otherwise before.
    pub is_changed: bool,
    /// The file of its checksum.
    pub checksum: Checksum,
}

/// What a medium holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// What the medium is found by.
    pub volume_id: String,
    /// What the system calls itself.
    pub name: Option<String>,
    /// Digest of the image's manifest.
    pub image_digest: Option<String>,
    /// What the installed system updates from.
    pub target: Option<String>,
    /// Kernel arguments that were added.
    pub kargs: Vec<String>,
    /// `install.toml`.
    pub installer_config: String,
    /// Keys that may log in as root.
    pub root_ssh_authorized_keys: String,
    /// Which of those three are not as they were made.
    pub changed: Vec<&'static str>,
}

/// Why a medium cannot be changed or shown.
#[derive(Debug, thiserror::Error)]
pub enum MediumError {
    /// The file cannot be opened, read or written.
    #[error("{doing} `{}`", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Somebody else changes it.
    #[error("`{}` is being changed by another process", .0.display())]
    Busy(PathBuf),
    /// It is no ISO 9660, or a damaged one.
    #[error("reading `{}`", .path.display())]
    Read {
        /// The medium.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// Somebody else's medium.
    #[error("`{}` is no installer's medium of bootc-image: it has no `{MEDIUM}`", .0.display())]
    NotOurs(PathBuf),
    /// A document of the medium is damaged.
    #[error("`{}` has a `{MEDIUM}` that is no JSON", .path.display())]
    Document {
        /// The medium.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// A file that is no area.
    #[error("`{}` has no area `{area}`: {problem}", .path.display())]
    NoArea {
        /// The medium.
        path: PathBuf,
        /// The file on it.
        area: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// What an area holds cannot be used, or what it is to hold does not fit.
    #[error("`{area}` of `{}`", .path.display())]
    Area {
        /// The medium.
        path: PathBuf,
        /// The file on it.
        area: &'static str,
        /// What is wrong.
        source: AreaError,
    },
    /// Kernel arguments that a menu cannot have.
    #[error(transparent)]
    Kargs(#[from] BootError),
    /// An area of kernel arguments that holds something else.
    #[error("`{}` has `{script}` with kernel arguments that are not from here", .path.display())]
    StrangeKargs {
        /// The medium.
        path: PathBuf,
        /// The file on it.
        script: &'static str,
    },
    /// The blueprint in the new `install.toml` is wrong.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// The copy cannot be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Bytes to be written.
#[derive(Debug)]
struct Edit {
    at: ByteOffset,
    bytes: Vec<u8>,
}

/// All writes of a change, but those that would change nothing.
#[derive(Debug)]
struct Edits {
    /// The area of `install.toml`, which is always written: it says what is finished.
    config: Edit,
    /// Keys and kernel arguments.
    others: Vec<Edit>,
    is_needed: bool,
}

/// Where the menu has room for kernel arguments.
struct KargsArea {
    at: ByteOffset,
    script: &'static str,
    bytes: Vec<u8>,
}

/// A medium of ours.
struct Medium<'p> {
    path: &'p Path,
    image: Image<File>,
}

impl InstallerConfig {
    /// Reads an `install.toml` as the installer will; with it, what is hardly meant.
    ///
    /// # Errors
    ///
    /// What the installer would refuse.
    pub fn check(name: &str, bytes: &[u8]) -> Result<(Self, Vec<String>), MediumError> {
        let parsed = InstallFile::parse(name, bytes)?;
        Ok((Self(bytes.to_vec()), parsed.blueprint.warnings))
    }
}

/// Changes a medium: in place, or in a copy.
///
/// # Errors
///
/// Nothing was written, unless it says that writing failed.
pub fn customize(path: &Path, out: Option<&Path>, change: &Change) -> Result<Outcome, MediumError> {
    edit(path, out, |medium| {
        let Change { installer_config, keys, kargs } = change;
        let config = installer_config.as_ref().map(|InstallerConfig(bytes)| bytes.as_slice());
        medium.edits(config, keys.as_deref(), kargs.as_deref())
    })
}

/// Makes a medium what it was when it was made: in place, or in a copy.
///
/// # Errors
///
/// Nothing was written, unless it says that writing failed.
pub fn reset(path: &Path, out: Option<&Path>) -> Result<Outcome, MediumError> {
    edit(path, out, |medium| {
        let config = medium.as_made(area::INSTALL_TOML_AS_MADE, area::INSTALL_TOML_LEN)?;
        let keys = medium.as_made(area::AUTHORIZED_KEYS_AS_MADE, area::AUTHORIZED_KEYS_LEN)?;
        medium.edits(Some(&config), Some(&keys), Some(&[]))
    })
}

/// Tells what a medium holds.
///
/// # Errors
///
/// A medium that is not ours, or whose change was interrupted.
pub fn show(path: &Path) -> Result<Shown, MediumError> {
    let file = File::open(path).map_err(in_file("opening", path))?;
    let mut medium = Medium::open(path, file)?;
    let document = medium.read(MEDIUM, MEDIUM_LIMIT)?;
    let document: serde_json::Value = serde_json::from_slice(&document)
        .map_err(|source| MediumError::Document { path: path.to_owned(), source })?;
    let member = |name: &str| document.get(name)?.as_str().map(str::to_owned);
    let config = medium.content(area::INSTALL_TOML, area::INSTALL_TOML_LEN)?;
    let keys = medium.content(area::AUTHORIZED_KEYS, area::AUTHORIZED_KEYS_LEN)?;
    let kargs = medium.kargs()?;
    let config_as_made = medium.as_made(area::INSTALL_TOML_AS_MADE, area::INSTALL_TOML_LEN)?;
    let keys_as_made = medium.as_made(area::AUTHORIZED_KEYS_AS_MADE, area::AUTHORIZED_KEYS_LEN)?;
    let changes = [
        ("kargs", !kargs.is_empty()),
        ("installer_config", config != config_as_made),
        ("root_ssh_authorized_keys", keys != keys_as_made),
    ];
    Ok(Shown {
        volume_id: medium.image.volume().id.clone(),
        name: member("name"),
        image_digest: member("image_digest"),
        target: member("target"),
        kargs,
        installer_config: String::from_utf8_lossy(&config).into_owned(),
        root_ssh_authorized_keys: String::from_utf8_lossy(&keys).into_owned(),
        changed: changes.into_iter().filter_map(|(name, is)| is.then_some(name)).collect(),
    })
}

/// Plans the writes, then does them.
fn edit(
    path: &Path,
    out: Option<&Path>,
    plan: impl FnOnce(&mut Medium<'_>) -> Result<Edits, MediumError>,
) -> Result<Outcome, MediumError> {
    let file = File::options().read(true).write(out.is_none()).open(path);
    let file = file.map_err(in_file("opening", path))?;
    if out.is_none() && matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)) {
        return Err(MediumError::Busy(path.to_owned()));
    }
    let reading = file.try_clone().map_err(in_file("opening", path))?;
    let edits = plan(&mut Medium::open(path, reading)?)?;
    let written = match out {
        Some(out) => copy(&file, path, out, &edits)?,
        None => {
            if edits.is_needed {
                write_in_place(&file, &edits).map_err(in_file("writing", path))?;
            }
            path.to_owned()
        }
    };
    let is_changed = edits.is_needed;
    let checksum = checksum::renew(&written, is_changed || out.is_some())?;
    Ok(Outcome { path: written, is_changed, checksum })
}

/// A changed copy, which gets its name when it is complete.
fn copy(file: &File, path: &Path, out: &Path, edits: &Edits) -> Result<PathBuf, MediumError> {
    let pending = Pending::create(out)?;
    let mut copy = pending.file().as_ref();
    io::Seek::rewind(&mut &*file).map_err(in_file("reading", path))?;
    let written = io::copy(&mut &*file, &mut copy).and_then(|_| {
        let all = edits.others.iter().chain([&edits.config]);
        all.into_iter().try_for_each(|edit| copy.write_all_at(&edit.bytes, edit.at.0))
    });
    written.map_err(|source| pending.error(source))?;
    Ok(pending.commit()?)
}

/// The steps that the module's start tells of.
fn write_in_place(file: &File, edits: &Edits) -> io::Result<()> {
    let Edit { at, bytes } = &edits.config;
    let Some((last, rest)) = bytes.split_last() else { return Ok(()) };
    let last_at = at.0 + u64::try_from(rest.len()).unwrap_or(0);
    file.write_all_at(&[area::UNFINISHED], last_at)?;
    file.sync_data()?;
    for edit in &edits.others {
        file.write_all_at(&edit.bytes, edit.at.0)?;
    }
    file.write_all_at(rest, at.0)?;
    file.sync_data()?;
    file.write_all_at(&[*last], last_at)?;
    file.sync_data()
}

impl<'p> Medium<'p> {
    fn open(path: &'p Path, file: File) -> Result<Self, MediumError> {
        let in_image = |source| MediumError::Read { path: path.to_owned(), source };
        let image = Image::open(file).map_err(in_image)?;
        if image.entry(MEDIUM).is_none() {
            return Err(MediumError::NotOurs(path.to_owned()));
        }
        Ok(Self { path, image })
    }

    fn read(&mut self, file: &str, limit: ByteLen) -> Result<Vec<u8>, MediumError> {
        let read = self.image.read(file, limit);
        read.map_err(|source| MediumError::Read { path: self.path.to_owned(), source })
    }

    /// What an area held when the medium was made.
    fn as_made(&mut self, file: &str, limit: usize) -> Result<Vec<u8>, MediumError> {
        self.read(file, ByteLen(u64::try_from(limit).unwrap_or(u64::MAX)))
    }

    /// Where a file is, and what it holds; it must be in one piece.
    fn place(
        &mut self,
        file: &'static str,
        limit: ByteLen,
    ) -> Result<(ByteOffset, Vec<u8>), MediumError> {
        let path = self.path.to_owned();
        let bytes = self.read(file, limit)?;
        match self.image.pieces(file) {
            Ok(pieces) => match pieces.as_slice() {
                [piece] => Ok((piece.at, bytes)),
                _ => {
                    Err(MediumError::NoArea { path, area: file, problem: "it is not in one piece" })
                }
            },
            Err(source) => Err(MediumError::Read { path, source }),
        }
    }

    /// An area's place and bytes.
    fn area(
        &mut self,
        area: &'static str,
        len: usize,
    ) -> Result<(ByteOffset, Vec<u8>), MediumError> {
        let (at, bytes) = self.place(area, ByteLen(u64::try_from(len).unwrap_or(u64::MAX)))?;
        if bytes.len() != len {
            let problem = "it is shorter than an area is";
            return Err(MediumError::NoArea { path: self.path.to_owned(), area, problem });
        }
        Ok((at, bytes))
    }

    fn in_area(&self, area: &'static str) -> impl Fn(AreaError) -> MediumError {
        let path = self.path.to_owned();
        move |source| MediumError::Area { path: path.clone(), area, source }
    }

    fn content(&mut self, area: &'static str, len: usize) -> Result<Vec<u8>, MediumError> {
        let (_, bytes) = self.area(area, len)?;
        area::content(&bytes).map(<[u8]>::to_vec).map_err(self.in_area(area))
    }

    /// The writes that give areas a new content; what is `None` stays.
    fn edits(
        &mut self,
        config: Option<&[u8]>,
        keys: Option<&[u8]>,
        kargs: Option<&[String]>,
    ) -> Result<Edits, MediumError> {
        let (config_at, old) = self.area(area::INSTALL_TOML, area::INSTALL_TOML_LEN)?;
        let is_all = config.is_some() && keys.is_some() && kargs.is_some();
        if !is_all {
            // what stays must be known to be good
            area::content(&old).map_err(self.in_area(area::INSTALL_TOML))?;
        }
        let config = match config {
            Some(new) => {
                area::fill(new, area::INSTALL_TOML_LEN).map_err(self.in_area(area::INSTALL_TOML))?
            }
            None => old.clone(),
        };
        let mut others = Vec::new();
        if let Some(new) = keys {
            let (at, old) = self.area(area::AUTHORIZED_KEYS, area::AUTHORIZED_KEYS_LEN)?;
            let bytes = area::fill(new, area::AUTHORIZED_KEYS_LEN)
                .map_err(self.in_area(area::AUTHORIZED_KEYS))?;
            others.extend((old != bytes).then_some(Edit { at, bytes }));
        }
        if let Some(kargs) = kargs {
            let bytes = menu::kargs_area(kargs)?;
            for KargsArea { at, bytes: old, .. } in self.kargs_areas()? {
                others.extend((old != bytes).then(|| Edit { at, bytes: bytes.clone() }));
            }
        }
        let is_needed = config != old || !others.is_empty();
        Ok(Edits { config: Edit { at: config_at, bytes: config }, others, is_needed })
    }

    /// Every area for kernel arguments.
    fn kargs_areas(&mut self) -> Result<Vec<KargsArea>, MediumError> {
        let mut areas = Vec::new();
        for script in SCRIPTS {
            if self.image.entry(script).is_none() {
                continue;
            }
            let (start, text) = self.place(script, SCRIPT_LIMIT)?;
            for at in menu::kargs_areas(&text) {
                let bytes = text[at..at + menu::KARGS_AREA_LEN].to_vec();
                let at = ByteOffset(start.0 + u64::try_from(at).unwrap_or(0));
                areas.push(KargsArea { at, script, bytes });
            }
        }
        if areas.is_empty() {
            let problem = "no line has room for kernel arguments";
            let path = self.path.to_owned();
            return Err(MediumError::NoArea { path, area: SCRIPTS[0], problem });
        }
        Ok(areas)
    }

    /// The kernel arguments that were added, the same in all areas.
    fn kargs(&mut self) -> Result<Vec<String>, MediumError> {
        let areas = self.kargs_areas()?;
        let strange = |script| MediumError::StrangeKargs { path: self.path.to_owned(), script };
        let first = areas.first().map(|area| &area.bytes);
        if let Some(area) = areas.iter().find(|area| Some(&area.bytes) != first) {
            return Err(strange(area.script));
        }
        let kargs = first.and_then(|bytes| menu::kargs_in(bytes));
        kargs.ok_or_else(|| strange(SCRIPTS[0]))
    }
}

fn in_file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> MediumError {
    let path = path.to_owned();
    move |source| MediumError::Io { doing, path, source }
}
