//! Which modules go into the images that are composed here, and where they look for their files.
//!
//! | platform | prefix | image |
//! |---|---|---|
//! | BIOS | `(,gptN)/boot/grub2`, on a `/boot` of its own `(,gptN)/grub2`: partition N of the disk that was booted | boot code, core |
//! | UEFI | `/EFI/BOOT` on the partition that it was loaded from, where the stub is | a PE file |
//!
//! Everything that reading the menu and starting Linux takes is built in, so that neither a damaged
//! directory of modules nor a missing one keeps the disk from booting. For what a configuration may load
//! beside that, the whole directory is in `/boot/grub2/<platform>`, as `grub-install` leaves it.

use std::collections::BTreeSet;

use super::area::{self, Object, Word};
use super::bios::{self, Early, Parts, PlannedCore};
use super::config::{self, Grub};
use super::efi_image;
use super::image_error::ImageError;
use super::modules::{Modules, Platform};
use crate::boot::loader::{BiosImage, BiosPlace, BootFile, Content};
use crate::boot::{BootError, CONFIG_LIMIT_BYTES};
use crate::files::Files;
use crate::spec::Arch;

/// What no image can do without, besides what its platform and its configuration need: messages.
const NEEDED: [&str; 1] = ["echo"];

/// What is built in where the image has it. `blscfg` and `blsuki` read boot entries, `regexp` is for
/// those without.
const WELCOME: [&str; 18] = [
    "blscfg",
    "blsuki",
    "regexp",
    "increment",
    "search_label",
    "search_fs_file",
    "fat",
    "gzio",
    "serial",
    "terminal",
    "sleep",
    "reboot",
    "halt",
    "minicmd",
    "ls",
    "cat",
    "password_pbkdf2",
    "mdraid1x",
];

/// Where Arch Linux, for one, has the text for the section `.sbat`.
const SBAT: &str = "usr/share/grub/sbat.csv";
const SBAT_HEADER: &str =
    "sbat,1,SBAT Version,sbat,1,https://github.com/rhboot/shim/blob/main/SBAT.md\n";

/// GRUB for one platform, composed.
#[derive(Debug)]
pub(in crate::boot) struct Composed<I> {
    /// Where its modules are in the image.
    pub directory: String,
    /// What it can do.
    pub grub: Grub,
    /// What starts it.
    pub image: I,
    /// Its directory in `/boot`.
    pub files: Vec<BootFile>,
}

/// GRUB for BIOS, its modules, and what it finds of its own when it runs; `None` when the image has no
/// modules for it.
fn bios_area(
    files: &dyn Files,
    place: BiosPlace,
) -> Result<Option<(Modules<'_>, Grub, Vec<u8>)>, BootError> {
    let Some(modules) = Modules::find(files, Platform::I386Pc)? else { return Ok(None) };
    let (grub, names) = choose(&modules, &["biosdisk"])?;
    let prefix = format!("(,gpt{}){}", place.boot_partition, place.boot.grub_directory());
    let area = pack(&modules, Word::Bits32, &names, &prefix)?;
    Ok(Some((modules, grub, area)))
}

/// Begins to compress what [`bios`] will need, if it can be composed.
pub(super) fn begin_bios(
    files: &dyn Files,
    place: BiosPlace,
    early: &Early,
) -> Result<(), BootError> {
    let Some((modules, _, area)) = bios_area(files, place)? else { return Ok(()) };
    let payload = bios::payload(&modules.file("kernel.img")?, &area);
    early.start(payload.map_err(|problem| image_error(&modules, problem))?);
    Ok(())
}

/// GRUB for BIOS; `None` when the image has no modules for it.
pub(super) fn bios(
    files: &dyn Files,
    place: BiosPlace,
    early: &Early,
) -> Result<Option<Composed<BiosImage>>, BootError> {
    let Some((modules, grub, area)) = bios_area(files, place)? else { return Ok(None) };
    let [kernel, diskboot, decompressor, boot] =
        ["kernel.img", "diskboot.img", "lzma_decompress.img", "boot.img"]
            .map(|name| modules.file(name));
    let (kernel, diskboot, decompressor) = (kernel?, diskboot?, decompressor?);
    let parts = Parts { diskboot: &diskboot, decompressor: &decompressor, kernel: &kernel };
    let in_image = |problem| image_error(&modules, problem);
    let what = "the core image for the BIOS boot partition";
    let limit_bytes = usize::try_from(place.len.0).unwrap_or(usize::MAX);
    let core = PlannedCore::new(parts, &area).map_err(in_image)?;
    let core = core.within(what, limit_bytes, early).map_err(in_image)?;
    let boot_code = bios::boot_code(&boot?, place.start).map_err(in_image)?.to_vec();
    let directory = modules.directory().to_owned();
    let image = BiosImage { boot_code, core, start: place.start, directory: directory.clone() };
    let files = directory_files(&modules, Platform::I386Pc)?;
    Ok(Some(Composed { directory, grub, image, files }))
}

/// That nothing in the image boots from BIOS.
pub(in crate::boot) fn no_bios() -> BootError {
    BootError::NoBiosModules { searched: Modules::places(Platform::I386Pc) }
}

/// GRUB for UEFI; `None` when the image has no modules for it.
pub(super) fn uefi(files: &dyn Files, arch: Arch) -> Result<Option<Composed<Vec<u8>>>, BootError> {
    let platform = Platform::uefi(arch);
    let Some(modules) = Modules::find(files, platform)? else { return Ok(None) };
    let (grub, names) = choose(&modules, &["fat", "efi_gop"])?;
    let area = pack(&modules, Word::Bits64, &names, "/EFI/BOOT")?;
    let image = efi_image::compose(arch, &modules.file("kernel.img")?, &area, &sbat(files)?)
        .map_err(|problem| image_error(&modules, problem))?;
    let files = directory_files(&modules, platform)?;
    Ok(Some(Composed { directory: modules.directory().to_owned(), grub, image, files }))
}

/// The generations that shim compares, should the image be signed one day: the distribution's list, else
/// one without entries.
pub(super) fn sbat(files: &dyn Files) -> Result<Vec<u8>, BootError> {
    let own = files.read_following(SBAT, CONFIG_LIMIT_BYTES)?;
    Ok(own.unwrap_or_else(|| SBAT_HEADER.as_bytes().to_vec()))
}

/// What of the wanted modules is there, and what GRUB with them can do.
fn choose<'n>(
    modules: &Modules<'_>,
    platform: &[&'n str],
) -> Result<(Grub, Vec<&'n str>), BootError> {
    let welcome = WELCOME.into_iter().filter(|name| modules.has(name));
    let names: Vec<&str> =
        platform.iter().copied().chain(config::NEEDED).chain(NEEDED).chain(welcome).collect();
    let all: BTreeSet<String> = modules.closure(&names)?.into_iter().collect();
    let grub = Grub::of(all).map_err(|missing| BootError::GrubModules {
        path: modules.directory().to_owned(),
        missing,
    })?;
    Ok((grub, names))
}

pub(super) fn pack(
    modules: &Modules<'_>,
    word: Word,
    names: &[&str],
    prefix: &str,
) -> Result<Vec<u8>, BootError> {
    let loaded = modules.load(names)?;
    let mut objects: Vec<Object<'_>> = loaded.iter().map(|file| Object::Module(file)).collect();
    objects.push(Object::Prefix(prefix));
    let too_large = || BootError::GrubModulesTooLarge { path: modules.directory().to_owned() };
    area::pack(word, &objects).ok_or_else(too_large)
}

fn directory_files(modules: &Modules<'_>, platform: Platform) -> Result<Vec<BootFile>, BootError> {
    let file = |name: String| BootFile {
        path: format!("grub2/{}/{name}", platform.name()),
        mode: 0o644,
        content: Content::Image(format!("{}/{name}", modules.directory())),
    };
    Ok(modules.installable()?.into_iter().map(file).collect())
}

pub(super) fn image_error(modules: &Modules<'_>, problem: ImageError) -> BootError {
    BootError::GrubParts { path: modules.directory().to_owned(), problem }
}
