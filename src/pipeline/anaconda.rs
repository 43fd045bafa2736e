//! Anaconda's boot ISO, as Fedora and CentOS publish it: what of it must change so that Anaconda
//! installs an image that is on it.
//!
//! ```text
//! boot/grub2/grub.cfg, …     menus: the kickstart is named beside `inst.stage2=`
//! images/efiboot.img, …      menus in the FAT that UEFI boots from, changed in place
//! bootc-image.ks             added: the kickstart
//! container/…                added: the image, an OCI layout
//! ```
//!
//! Boot records, catalog, boot images and partitions stay where they are. The ISO may have its FAT
//! twice: as a file, and as a partition behind the file system.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::ground::Ground;
use super::import::{Context, layer_error};
use super::install::Inputs;
use super::medium::{self, Part};
use super::parts;
use super::request::Request;
use crate::boot::anaconda::{ESP_MENUS, KICKSTART, Kickstart, MENUS, Menu};
use crate::canvas::{Canvas as _, Window};
use crate::fs::fat::edit::{EditError, Volume};
use crate::fs::iso9660::append::{Addition, AppendError};
use crate::fs::iso9660::reader::{BootPlatform, EntryKind, Image, ReadError};
use crate::partition::grow::{GrowError, Grown};
use crate::plan::PlanError;
use crate::plan::types::DiskType;
use crate::progress::Event;
use crate::registry::{self, Blob, Source};
use crate::spec::Arch;
use crate::units::{ByteLen, ByteOffset, MIB};

/// Menus are a few kilobytes.
const MENU_LIMIT: ByteLen = ByteLen(MIB);
/// Where such ISOs say what they are: a time, a release, an architecture, a line each.
const ABOUT: &str = ".discinfo";
const ABOUT_LIMIT: ByteLen = ByteLen(4096);
/// Where such ISOs have the FAT as a file.
const ESP: &str = "images/efiboot.img";
/// What a file system at a partition's start has in its first descriptor.
const ISO_MAGIC: &[u8; 5] = b"CD001";
const ISO_MAGIC_AT: u64 = 16 * 2048 + 1;

/// Why an ISO cannot get an image.
#[derive(Debug, thiserror::Error)]
pub enum BootIsoError {
    /// It cannot be opened or read.
    #[error("reading `{}`", .path.display())]
    Io {
        /// The ISO.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no ISO 9660, or a damaged one.
    #[error("reading `{}`", .path.display())]
    Read {
        /// The ISO.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// It is for other machines than the image.
    #[error("`{}` is for {found}, the image for {}", .path.display(), .wanted.rust_name())]
    OtherArch {
        /// The ISO.
        path: PathBuf,
        /// What it says that it is for.
        found: String,
        /// What the image is for.
        wanted: Arch,
    },
    /// No menu starts Anaconda.
    #[error(
        "`{}` is no boot ISO of Anaconda's: no menu on it has `inst.stage2=`", .0.display()
    )]
    NotAnaconda(PathBuf),
    /// Its menus start Anaconda with a kickstart.
    #[error("`{}` has a kickstart already: its menu `{menu}` has `inst.ks=`", .path.display())]
    HasKickstart {
        /// The ISO.
        path: PathBuf,
        /// The menu's path on it.
        menu: String,
    },
    /// A menu that UEFI shows cannot be changed.
    #[error("changing the menu `{menu}` of UEFI on `{}`", .path.display())]
    Esp {
        /// The ISO.
        path: PathBuf,
        /// The menu's path in the FAT.
        menu: &'static str,
        /// Why not.
        source: EditError,
    },
    /// Nothing can be added to it.
    #[error("adding files to `{}`", .path.display())]
    Append {
        /// The ISO.
        path: PathBuf,
        /// Why not.
        source: AppendError,
    },
    /// Its partition table cannot be kept.
    #[error("`{}`", .path.display())]
    Table {
        /// The ISO.
        path: PathBuf,
        /// What is wrong with it.
        source: GrowError,
    },
}

/// A boot ISO that was looked at.
#[derive(Debug)]
pub(super) struct BootIso {
    path: PathBuf,
    file: Arc<File>,
    table: Grown,
    /// New content of menus, by their paths.
    menus: Vec<(&'static str, Vec<u8>)>,
    /// Menus in FATs: where the FAT begins, the path in it, the new content.
    in_fats: Vec<(ByteOffset, &'static str, Vec<u8>)>,
}

/// Whether one is to be made.
pub(super) fn is_wanted(request: &Request) -> bool {
    request.types.contains(&DiskType::AnacondaIso)
}

/// Refuses an ISO that will not do, before anything is fetched.
pub(super) fn check(request: &Request) -> Result<(), Error> {
    if is_wanted(request) { BootIso::open(request).map(drop) } else { Ok(()) }
}

/// Reads all layers, which are kept while they are.
pub(super) fn fetch(source: &Source, context: Context<'_>) -> Result<(), Error> {
    let image = source.image();
    if image.layers.is_empty() {
        return Err(Error::NoLayers);
    }
    let sizes_bytes = image.layers.iter().map(|layer| layer.size_bytes).collect();
    context.reporter.report(Event::Layers { sizes_bytes });
    let mut seen = BTreeSet::new();
    for (index, layer) in image.layers.iter().enumerate() {
        if context.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if seen.insert(layer.digest) {
            source.layer(index).and_then(Blob::finish).map_err(|error| match error {
                registry::Error::Cancelled => Error::Cancelled,
                error => layer_error(image, index, error.into()),
            })?;
        }
        context.reporter.report(Event::LayerDone { layer: index });
    }
    Ok(())
}

impl BootIso {
    /// Opens the ISO that is asked for, and decides what changes.
    pub(super) fn open(request: &Request) -> Result<Self, Error> {
        let path = request.installer.boot_iso.as_deref().ok_or(Error::NoBootIso)?;
        Ok(Self::load(path, request.arch)?)
    }

    fn load(path: &Path, wanted: Arch) -> Result<Self, BootIsoError> {
        let in_iso = |source| BootIsoError::Io { path: path.to_owned(), source };
        let file = Arc::new(File::open(path).map_err(in_iso)?);
        let in_image = |source| BootIsoError::Read { path: path.to_owned(), source };
        let mut image = Image::open(&*file).map_err(in_image)?;
        let canvas = Ground::file(&file);
        let table = Grown::load(&canvas)
            .map_err(|source| BootIsoError::Table { path: path.to_owned(), source })?;

        if let Some(found) = other_arch(&mut image, wanted) {
            return Err(BootIsoError::OtherArch { path: path.to_owned(), found, wanted });
        }
        let label = image.volume().id.clone();
        let mut found = Found::default();
        let mut menus = Vec::new();
        for name in MENUS {
            let entry = image.entry(name);
            if entry.is_some_and(|entry| matches!(entry.kind, EntryKind::File { .. })) {
                let menu = image.read(name, MENU_LIMIT).map_err(in_image)?;
                menus.extend(found.change(name, &menu, &label).map(|menu| (name, menu)));
            }
        }
        let mut in_fats = Vec::new();
        for start in fats(&image, &table) {
            let len = ByteLen(image.len().0.saturating_sub(start.0));
            let fat = Volume::open(Window::new(canvas.clone(), start), len).map_err(in_iso)?;
            let Some(fat) = fat else { continue };
            for menu in ESP_MENUS {
                let path = path.to_owned();
                let in_esp = |source| BootIsoError::Esp { path, menu, source };
                let Some(old) = fat.read(menu, MENU_LIMIT).map_err(in_esp)? else { continue };
                let new = found.change(menu, &old, &label);
                in_fats.extend(new.map(|new| (start, menu, new)));
            }
        }
        match found {
            Found { changed: 0, named: None } => Err(BootIsoError::NotAnaconda(path.to_owned())),
            Found { changed: 0, named: Some(menu) } => {
                Err(BootIsoError::HasKickstart { path: path.to_owned(), menu })
            }
            _ => Ok(Self { path: path.to_owned(), file, table, menus, in_fats }),
        }
    }

    /// Writes the ISO with the image into `out`, an empty file; how long it is.
    pub(super) fn write(
        self,
        out: &Arc<File>,
        inputs: Inputs<'_>,
        context: Context<'_>,
    ) -> Result<ByteLen, Error> {
        let Self { path, file, mut table, menus, in_fats } = self;
        let in_out = |source| Error::Canvas { path: out_path(inputs), source };
        let in_append = |source| BootIsoError::Append { path: path.clone(), source };
        let mut image = Image::open(&*file)
            .map_err(|source| BootIsoError::Read { path: path.clone(), source })?;
        let mut addition = Addition::new(&mut image, inputs.time).map_err(in_append)?;
        let container = inputs.container.expect("kept for this type");
        let mut files = container.parts(inputs.source, inputs.request.arch);
        let kickstart = kickstart(inputs, context);
        files.insert(KICKSTART.to_owned(), Part::from(kickstart.into_bytes()));
        files.extend(menus.into_iter().map(|(path, menu)| (path.to_owned(), Part::from(menu))));
        let mut placed = Vec::new();
        for (path, part) in files {
            let len = part.len().map_err(in_out)?;
            placed.push((addition.add_file(&path, len).map_err(in_append)?, part));
        }
        let layout = addition.layout().map_err(in_append)?;
        let mut canvas = Ground::file(out);
        parts::put(&file, &mut canvas, ByteOffset(0)).map_err(in_out)?;
        // a partition that is a file system of its own would go on showing the old files
        table.retain(|start| !is_iso(&canvas, start));
        let len = table.len_for(layout.end()).ok_or(PlanError::TooLarge)?;
        out.set_len(len.0).map_err(in_out)?;
        for (file, part) in placed {
            if context.cancel.is_cancelled() {
                return Err(Error::Cancelled);
            }
            medium::put(&mut canvas, &part, layout.place(file)).map_err(in_out)?;
        }
        for (start, menu, bytes) in in_fats {
            let in_esp = |source| BootIsoError::Esp { path: path.clone(), menu, source };
            let window = Window::new(canvas.clone(), start);
            let fat = Volume::open(window, ByteLen(len.0.saturating_sub(start.0)));
            let fat = fat.map_err(|error| in_esp(error.into()))?;
            let mut fat = fat.ok_or_else(|| in_esp(EditError::NotFound))?;
            fat.replace(menu, &bytes).map_err(in_esp)?;
        }
        layout.write(&mut canvas, len).map_err(in_append)?;
        table
            .write(&mut canvas, len)
            .map_err(|source| BootIsoError::Table { path: path.clone(), source })?;
        Ok(len)
    }
}

fn out_path(inputs: Inputs<'_>) -> PathBuf {
    inputs.request.output.join(DiskType::AnacondaIso.path())
}

/// What menus had.
#[derive(Debug, Default)]
struct Found {
    changed: usize,
    /// A menu that names a kickstart.
    named: Option<String>,
}

impl Found {
    /// The new content of a menu that starts Anaconda.
    fn change(&mut self, path: &str, menu: &[u8], label: &str) -> Option<Vec<u8>> {
        let menu = Menu::with_kickstart(menu, label);
        self.changed += menu.changed;
        if menu.named > 0 && self.named.is_none() {
            self.named = Some(path.to_owned());
        }
        (menu.changed > 0).then_some(menu.bytes)
    }
}

/// What the ISO is for, where it says so and that is another of our architectures.
fn other_arch(image: &mut Image<&File>, wanted: Arch) -> Option<String> {
    let about = image.read(ABOUT, ABOUT_LIMIT).ok()?;
    let about = String::from_utf8(about).ok()?;
    let arch = about.lines().nth(2)?.trim();
    let mut others = [Arch::X86_64, Arch::Aarch64].into_iter().filter(|arch| *arch != wanted);
    others.any(|other| other.rust_name() == arch).then(|| arch.to_owned())
}

/// Where there may be a FAT that UEFI boots from, each once.
fn fats(image: &Image<&File>, table: &Grown) -> BTreeSet<ByteOffset> {
    let entries = image.boot_entries().iter();
    let of_uefi = entries.filter(|entry| entry.platform == BootPlatform::Uefi);
    let mut starts: BTreeSet<ByteOffset> = of_uefi.map(|entry| entry.start()).collect();
    let pieces = image.pieces(ESP).unwrap_or_default();
    if let [piece] = pieces.as_slice() {
        starts.insert(piece.at);
    }
    table.clone().retain(|start| {
        starts.insert(start);
        true
    });
    starts
}

fn is_iso(canvas: &Ground, start: ByteOffset) -> bool {
    let mut magic = [0; 5];
    let at = start.checked_add(ByteLen(ISO_MAGIC_AT));
    at.is_some_and(|at| canvas.read_at(at, &mut magic).is_ok()) && magic == *ISO_MAGIC
}

/// What Anaconda is told, and what the user is told of it.
fn kickstart(inputs: Inputs<'_>, context: Context<'_>) -> String {
    let owners = inputs.request.installer.kickstart.as_deref();
    let registry = inputs.target.is_registry().then(|| inputs.target.name());
    let Kickstart { text, payload } = Kickstart::new(owners, registry);
    if let Some(command) = payload {
        let message = format!(
            "the kickstart says itself what is installed (`{command}`): nothing installs the image \
             of the medium"
        );
        context.reporter.report(Event::Warning { message });
    }
    text
}
