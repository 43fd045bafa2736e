//! The boot loader of the image goes to `/boot`, to the ESP, and before the partitions.

use super::disk::likely_layout;
use super::error::Error;
use super::further::RawFile;
use super::import::Context;
use super::install::{Decisions, EspFile, Inputs};
use super::request::{Bios, BootLoader, Request};
use crate::boot;
use crate::boot::grub::bridge;
use crate::boot::grub::pe::LIMIT_BYTES;
use crate::boot::loader::{self, BiosImage, BiosPlace, BootPlace, Content, Early, Loader};
use crate::customize::IGNITION_KARG;
use crate::files::{Deployed, Files};
use crate::ostree::{self, ImageFiles, Sysroot};
use crate::plan::layout::{Layout, Role};
use crate::plan::platform::{self, Profile};
use crate::progress::Event;
use crate::tree::Directory;
use crate::units::{ByteLen, ByteOffset, Lba, SectorSize};
use crate::volume::Volume;

/// What goes elsewhere: files of the ESP, and what BIOS starts.
type Written = (Vec<EspFile>, Option<BiosImage>);

/// Begins what takes longest, for the disk that is likely before the image has been asked about it.
pub(super) fn begin(files: &dyn Files, inputs: Inputs<'_>, early: &Early) {
    let request = inputs.request;
    if let (Ok(layout), true) = (likely_layout(inputs), request.boot_loader != BootLoader::None) {
        loader::begin(files, bios(request, &layout, &[]), early);
    }
}

/// Decides on the boot loader; `None` when there is to be none. Only reads.
pub(super) fn plan<V: Volume>(
    sysroot: &Sysroot<V>,
    tree: &Directory,
    inputs: Inputs<'_>,
    decisions: &Decisions,
    raw: &[RawFile],
    early: &Early,
) -> Result<Option<Loader>, Error> {
    let request = inputs.request;
    if request.boot_loader == BootLoader::None || decisions.install.forgoes_boot_loader() {
        if request.bios == Bios::On {
            return Err(Error::NoBootLoaderWanted);
        }
        return Ok(None);
    }
    let files = ImageFiles::new(&sysroot.store, tree);
    let layout = &decisions.layout;
    let boot_uuid = layout.boot().uuid.to_string();
    let vmlinuz = &decisions.kernel.vmlinuz;
    let target = loader::Target {
        skip_boot_uuid: decisions.install.skip_boot_uuid == Some(true),
        ..target(inputs, layout, raw, &boot_uuid, vmlinuz, Some(early))
    };
    Ok(Some(loader::plan(&files, target)?))
}

/// Puts the boot loader's files into `/boot`.
pub(super) fn write<V: Volume>(
    sysroot: &mut Sysroot<V>,
    tree: &Directory,
    loader: Option<Loader>,
    decisions: &Decisions,
    context: Context<'_>,
) -> Result<Written, Error> {
    let Some(loader) = loader else { return Ok((Vec::new(), None)) };
    let files = ImageFiles::new(&sysroot.store, tree);
    if loader.has_bridge() {
        check_bridge(decisions, context)?;
    }
    if decisions.wants_ignition && !loader.passes_on_ignition() {
        let message = "the boot loader of the image does not look for Ignition's stamp \
                       (`ignition.firstboot`): Ignition will not run";
        context.reporter.report(Event::Warning { message: message.into() });
    }
    context.reporter.report(Event::Detail { message: format!("boot loader: {}", loader.origin) });
    for notice in &loader.notices {
        context.reporter.report(Event::Warning { message: notice.to_string() });
    }
    let esp = (loader.esp.into_iter())
        .map(|(path, content)| Ok(EspFile { path, bytes: content_bytes(&files, content)? }))
        .collect::<Result<Vec<_>, Error>>()?;
    for made in loader.boot {
        // one after the other: GRUB has hundreds of modules
        let bytes = content_bytes(&ImageFiles::new(&sysroot.store, tree), made.content)?;
        file(sysroot, &made.path, made.mode, &bytes)?;
    }
    Ok((esp, loader.bios))
}

/// What the boot loader is to find on the disk of this layout; `boot_uuid` is that of its `/boot`.
pub(super) fn target<'a>(
    inputs: Inputs<'_>,
    layout: &Layout,
    raw: &[RawFile],
    boot_uuid: &'a str,
    vmlinuz: &'a str,
    early: Option<&'a Early>,
) -> loader::Target<'a> {
    let request = inputs.request;
    loader::Target {
        arch: request.arch,
        boot_uuid,
        boot: boot_place(layout),
        skip_boot_uuid: false,
        vmlinuz,
        bios: bios(request, layout, raw),
        menu: menu(inputs.profile),
        reads: loader::Reads {
            console: request.settings.grub.is_some(),
            ignition: request.settings.ignition.is_some(),
        },
        early,
    }
}

/// Makes a file of `/boot`, and directories on the way that nobody but root may read.
pub(super) fn file<V: Volume>(
    sysroot: &mut Sysroot<V>,
    path: &str,
    mode: u16,
    bytes: &[u8],
) -> Result<(), Error> {
    let path = format!("boot/{path}");
    for (at, _) in path.match_indices('/').skip(1) {
        sysroot.directory(&path[..at], loader::DIRECTORY_MODE)?;
    }
    Ok(sysroot.file(&path, mode, bytes)?)
}

/// How a boot menu of ours shows.
fn menu(profile: &Profile) -> loader::Menu {
    let port = |port: platform::Serial| loader::SerialPort { unit: port.unit, speed: port.speed };
    loader::Menu { timeout_secs: profile.timeout_secs, serial: profile.serial.map(port) }
}

fn boot_place(layout: &Layout) -> BootPlace {
    if layout.has_boot() { BootPlace::Own } else { BootPlace::OnRoot }
}

/// Where the BIOS boot partition is, unless content outgrows a partition before it, and its length.
fn bios_place(layout: &Layout, raw: &[RawFile]) -> Option<(ByteOffset, ByteLen)> {
    let mut needs = vec![ByteLen(0); layout.partitions.len()];
    raw.iter().for_each(|raw| needs[raw.index] = raw.len);
    let placed = layout.place(&needs, ByteLen(0))?;
    let place = placed.iter().find(|placed| placed.partition.role == Role::BiosBoot)?;
    Some((place.start, place.len))
}

/// Whether the disk is to boot from BIOS, and where GRUB's image then goes.
fn bios(request: &Request, layout: &Layout, raw: &[RawFile]) -> loader::Bios {
    let Some((start, len)) = bios_place(layout, raw) else { return loader::Bios::No };
    let start = match (request.bios, Lba::at(start, SectorSize::B512)) {
        (Bios::Off, _) | (_, None) => return loader::Bios::No,
        (_, Some(start)) => start,
    };
    let boot_partition = u32::try_from(layout.boot_number()).unwrap_or(u32::MAX);
    let place = BiosPlace { start, len, boot_partition, boot: boot_place(layout) };
    match (request.sector_size, request.bios) {
        (SectorSize::B4096, _) => loader::Bios::Never("BIOS cannot read sectors of 4096 bytes"),
        (SectorSize::B512, Bios::On) => loader::Bios::Demanded(place),
        (SectorSize::B512, _) => loader::Bios::IfPossible(place),
    }
}

pub(super) fn content_bytes(files: &dyn Files, content: Content) -> Result<Vec<u8>, Error> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Image(source) => Ok(Deployed(files)
            .read_following(&source, LIMIT_BYTES)
            .map_err(boot::BootError::from)?
            .ok_or(ostree::Error::Missing(source))?),
    }
}

/// What GRUB would not pass on is refused in kernel arguments and said of the title.
fn check_bridge(decisions: &Decisions, context: Context<'_>) -> Result<(), Error> {
    let kargs = decisions.kargs.as_slice().iter().filter(|karg| *karg != IGNITION_KARG);
    if let Some(problem) = bridge::uncarried("", &kargs.cloned().collect::<Vec<_>>()) {
        return Err(Error::Karg { problem: problem.to_string() });
    }
    if let Some(problem) = bridge::uncarried(&decisions.name, &[]) {
        let message = format!("the boot menu will not show the title as written: {problem}");
        context.reporter.report(Event::Warning { message });
    }
    Ok(())
}
