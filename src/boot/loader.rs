//! Which boot loader a disk gets: the one place that decides.
//!
//! | | the image has | the disk gets |
//! |---|---|---|
//! | 1 | `usr/lib/bootupd/updates/EFI.json` | what bootupd would install ([`bootupd`]) |
//! | 2 | a shim with its GRUB, or GRUB's modules | GRUB with a configuration of our own ([`grub::own`]) |
//! | 3 | neither | no disk: [`BootError::NoBootLoader`] |
//!
//! Both may boot from UEFI and from BIOS. BIOS takes GRUB's modules for it, of which the image that BIOS
//! reads is composed ([`grub::composed`]).

use std::collections::BTreeMap;
use std::fmt;

pub use super::grub::bios::Early;
use super::grub::bios::PlannedCore;
use super::grub::config::Reader;
use super::grub::esp::Names;
use super::grub::modules::{Modules, Platform};
use super::grub::pe;
use super::{BootError, bootupd, grub};
use crate::files::{Deployed, Files};
use crate::spec::Arch;
use crate::units::{ByteLen, Lba};

/// What a file of the boot loader holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The bytes of the regular file that this path of the image leads to.
    Image(String),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A file of `/boot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootFile {
    /// Path below `/boot`.
    pub path: String,
    /// Permission bits.
    pub mode: u16,
    /// Content.
    pub content: Content,
}

/// Mode of the directories of `/boot` that hold a boot loader's files.
pub const DIRECTORY_MODE: u16 = 0o700;

/// What BIOS starts, outside of all file systems.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BiosImage {
    /// The first bytes of the disk, before its MBR's partition table.
    pub boot_code: Vec<u8>,
    /// The content of the BIOS boot partition, planned.
    pub(in crate::boot) core: PlannedCore,
    /// Where the partition must start that it was made for, in sectors of 512 bytes.
    pub start: Lba,
    /// The modules that it is made of.
    pub(in crate::boot) directory: String,
}

impl BiosImage {
    /// The content of the BIOS boot partition. Its stream is waited for, or made, here.
    ///
    /// # Errors
    ///
    /// A core that is too long after all.
    pub fn core(&self, early: &Early) -> Result<Vec<u8>, BootError> {
        let in_image = |problem| BootError::GrubParts { path: self.directory.clone(), problem };
        Ok(self.core.compose(early).map_err(in_image)?.at(self.start))
    }
}

/// Whose boot loader and configuration it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// bootupd's payload with the static configuration of the image. How it reads boot entries is the
    /// image's affair.
    Bootupd {
        /// The payload's version, for people.
        version: String,
    },
    /// GRUB of the image with a configuration of ours.
    Own {
        /// GRUB on UEFI.
        uefi: Option<Uefi>,
        /// How GRUB on BIOS will read the boot entries.
        bios: Option<Reader>,
    },
}

/// GRUB on UEFI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uefi {
    /// Where it is from: a binary of the image, or the directory of modules that it is composed of.
    pub source: String,
    /// How it will read the boot entries.
    pub reader: Reader,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bootupd { version } => write!(f, "bootupd's {version}"),
            Self::Own { uefi, bios } => {
                let uefi = uefi.as_ref();
                let uefi = uefi
                    .map(|uefi| format!("`{}`, entries read by {:?}", uefi.source, uefi.reader));
                let bios = bios.map(|reader| format!("GRUB for BIOS, entries read by {reader:?}"));
                let all: Vec<String> = uefi.into_iter().chain(bios).collect();
                f.write_str(&all.join("; "))
            }
        }
    }
}

/// Where the disk will not boot, said once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Not from BIOS, because there is nothing for it in the image.
    NoBios,
    /// Not from BIOS, because what the image has for it cannot be used.
    UnusableBios(String),
    /// Not from BIOS, because bootupd would not install it.
    NoBiosComponent,
    /// Not from BIOS, because of the disk.
    NeverBios(&'static str),
    /// Not from UEFI, because there is nothing for it in the image.
    NoUefi,
    /// Not with Secure Boot: a program that firmware or shim will refuse.
    Unsigned(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBios => f.write_str(
                "the disk boots from UEFI only: the image has no GRUB modules for BIOS \
                 (`usr/lib/grub/i386-pc`)",
            ),
            Self::UnusableBios(why) => write!(f, "the disk boots from UEFI only: {why}"),
            Self::NoBiosComponent => f.write_str(
                "the disk boots from UEFI only: bootupd of the image has no component BIOS \
                 (`usr/lib/bootupd/updates/BIOS.json`); with `--bios on` it would boot from both",
            ),
            Self::NeverBios(why) => write!(f, "the disk boots from UEFI only: {why}"),
            Self::NoUefi => {
                f.write_str("the disk boots from BIOS only: the image has no boot loader for UEFI")
            }
            Self::Unsigned(what) => write!(
                f,
                "the disk does not boot where Secure Boot is on: {what} carries no signature"
            ),
        }
    }
}

/// The boot loader of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loader {
    /// Files of the ESP by path (`EFI/BOOT/BOOTX64.EFI`).
    pub esp: BTreeMap<String, Content>,
    /// Files below `/boot`.
    pub boot: Vec<BootFile>,
    /// What BIOS starts.
    pub bios: Option<BiosImage>,
    /// Whose it is.
    pub origin: Origin,
    /// What the user should know.
    pub notices: Vec<Notice>,
}

impl Loader {
    /// Whether a configuration in `/boot` sets what replaces `$ignition_firstboot`.
    pub fn passes_on_ignition(&self) -> bool {
        let sets =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).contains("set ignition_firstboot=");
        self.boot.iter().any(|file| match &file.content {
            Content::Bytes(bytes) => file.path.ends_with(".cfg") && sets(bytes),
            Content::Image(_) => false,
        })
    }

    /// Whether boot entries are read by a script that cannot carry everything.
    pub fn has_bridge(&self) -> bool {
        match &self.origin {
            Origin::Bootupd { .. } => false,
            Origin::Own { uefi, bios } => {
                let uefi = uefi.as_ref().map(|uefi| uefi.reader);
                uefi.into_iter().chain(*bios).any(|reader| reader == Reader::Bridge)
            }
        }
    }
}

/// Where `/boot` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootPlace {
    /// On the root file system.
    OnRoot,
    /// On a file system of its own.
    Own,
}

impl BootPlace {
    /// GRUB's directory on the file system that `/boot` is on.
    pub fn grub_directory(self) -> &'static str {
        match self {
            Self::OnRoot => "/boot/grub2",
            Self::Own => "/grub2",
        }
    }
}

/// What the boot loader is to find.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The machine.
    pub arch: Arch,
    /// UUID of the file system that `/boot` is on.
    pub boot_uuid: &'a str,
    /// Which that is.
    pub boot: BootPlace,
    /// `bootupd.skip-boot-uuid`: bootupd's configuration is not told the UUID.
    pub skip_boot_uuid: bool,
    /// Path of the kernel in the image.
    pub vmlinuz: &'a str,
    /// Whether it boots from BIOS.
    pub bios: Bios,
    /// How a menu of ours shows; bootupd's has its own ways.
    pub menu: Menu,
    /// What a configuration of ours reads besides.
    pub reads: Reads,
    /// What was begun before.
    pub early: Option<&'a Early>,
}

/// Files of `/boot` that GRUB reads where an owner has set something. bootupd's configuration reads
/// them when they are there, or knows nothing of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// `grub2/console.cfg`, in place of what the menu says of terminals.
    pub console: bool,
    /// `ignition.firstboot`, for the kernel argument `$ignition_firstboot`.
    pub ignition: bool,
}

/// How a boot menu shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Menu {
    /// How long it waits.
    pub timeout_secs: u32,
    /// Where it shows besides the screen.
    pub serial: Option<SerialPort>,
}

/// A serial port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialPort {
    /// Its number, from 0.
    pub unit: u32,
    /// Bits a second.
    pub speed: u32,
}

/// Whether the disk is to boot from BIOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bios {
    /// Not, and nobody expects it.
    No,
    /// It would, but for this property of the disk.
    Never(&'static str),
    /// If the image brings what it takes.
    IfPossible(BiosPlace),
    /// Certainly.
    Demanded(BiosPlace),
}

/// Where GRUB's image for BIOS goes, and what it is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BiosPlace {
    /// First sector of the BIOS boot partition, in sectors of 512 bytes.
    pub start: Lba,
    /// Its length.
    pub len: ByteLen,
    /// Number of the partition that `/boot` is on, from 1.
    pub boot_partition: u32,
    /// Which file system that is.
    pub boot: BootPlace,
}

/// The directories that [`begin`] needs one of.
pub fn bios_directories() -> Vec<String> {
    Modules::places(Platform::I386Pc)
}

/// Begins what takes longest, for a disk that will probably boot so; [`plan`] decides.
pub fn begin(files: &dyn Files, bios: Bios, early: &Early) {
    grub::own::begin(&Deployed(files), bios, early);
}

/// Decides on the boot loader of the merged image.
pub fn plan(files: &dyn Files, target: Target<'_>) -> Result<Loader, BootError> {
    let files = &Deployed(files);
    let mut loader = match bootupd::plan(files, target)? {
        Some(loader) => loader,
        None => grub::own::plan(files, target)?,
    };
    if let Bios::Never(why) = target.bios {
        loader.notices.push(Notice::NeverBios(why));
    }
    let unsigned = unsigned(files, &loader.esp, target.arch, target.vmlinuz)?;
    loader.notices.extend(unsigned.map(Notice::Unsigned));
    Ok(loader)
}

/// The first of shim, GRUB and kernel that carries no signature, if UEFI is to start them.
pub(super) fn unsigned(
    files: &dyn Files,
    esp: &BTreeMap<String, Content>,
    arch: Arch,
    vmlinuz: &str,
) -> Result<Option<String>, BootError> {
    let names = Names::of(arch);
    let started = [names.removable, names.shim, names.grub];
    for (path, content) in esp {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !started.iter().any(|started| name.eq_ignore_ascii_case(started)) {
            continue;
        }
        let is_signed = match content {
            Content::Bytes(bytes) => pe::is_signed(bytes).unwrap_or(false),
            Content::Image(source) => is_signed(files, source)?,
        };
        if !is_signed {
            return Ok(Some(format!("`{path}`")));
        }
    }
    let is_told = esp.is_empty() || is_signed(files, vmlinuz)?;
    Ok((!is_told).then(|| format!("the kernel `{vmlinuz}`")))
}

/// Whether a program of the image carries a signature. One that is no PE file cannot.
fn is_signed(files: &dyn Files, program: &str) -> Result<bool, BootError> {
    let Some(real) = files.resolve(program) else { return Ok(false) };
    let start = files.read_start(&real, pe::HEADERS_BYTES)?.unwrap_or_default();
    Ok(pe::is_signed(&start).unwrap_or(false))
}
