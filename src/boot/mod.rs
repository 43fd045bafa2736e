//! What makes the disk boot: which files go to `/boot` and to the ESP, and what they say.
//!
//! Everything here is pure: functions look at the merged image through [`crate::files::Files`] and
//! return values; nothing is written, except what is streamed (an initramfs, a module) into what the
//! caller holds ready. The pipeline puts the values where they say.
//!
//! | module | what it decides |
//! |---|---|
//! | [`kernel`] | which kernel boots, and which files beside it go to `/boot` |
//! | [`drivers`] | which drivers the kernel has |
//! | [`kernel_modules`] | which modules of the kernel an installer needs, and in which order |
//! | [`compression`] | how modules and an initramfs may be compressed |
//! | [`initramfs`] | what the initramfs was made of, and how one is written |
//! | [`iso`] | what boots an installer's medium, and its menu |
//! | [`anaconda`] | what Anaconda is told by a medium with an image on it |
//! | [`netboot`] | scripts that boot from a network |
//! | [`ignition`] | whether the image brings Ignition |
//! | [`prepare_root`] | whether the image asks for composefs |
//! | [`os_release`] | the name of the system, for the menu |
//! | [`bls`] | the text of the boot entry |
//! | [`loader`] | which boot loader the disk gets: the one place that decides |
//! | [`bootupd`] | bootupd: its payload, its static configuration, its state |
//! | [`grub`] | GRUB without bootupd: binaries for the ESP, `grub.cfg`, `grubenv` |
//!
//! Paths name the merged image: without leading `/`, the image's `/etc` below `usr/etc`
//! ([`crate::files::Deployed`] hides that).

use crate::files::FilesError;

pub mod anaconda;
pub mod bls;
pub mod bootupd;
pub mod compression;
pub mod drivers;
pub mod grub;
pub mod ignition;
pub mod initramfs;
pub mod iso;
pub mod kernel;
pub mod kernel_modules;
pub mod loader;
pub mod netboot;
pub mod os_release;
mod pour;
pub mod prepare_root;
mod shell;

/// The most that is read of a small configuration file.
const CONFIG_LIMIT_BYTES: u64 = 1 << 20;

/// Why an image cannot be made to boot.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// A file of the image could not be read.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// No kernel at all.
    #[error(
        "the image has no kernel: no `usr/lib/modules/VERSION/vmlinuz`; \
         only a bootable container image can become a disk"
    )]
    NoKernel,
    /// More than one kernel.
    #[error("the image has several kernels, only one may be there: {}", .0.join(", "))]
    SeveralKernels(Vec<String>),
    /// The kernel has no initramfs beside it.
    #[error(
        "kernel {version} has no initramfs: add `usr/lib/modules/{version}/initramfs.img` \
         to the image, made with ostree support"
    )]
    NoInitramfs {
        /// The kernel's version: the name of its directory.
        version: String,
    },
    /// A kernel argument that scripts of iPXE and GRUB cannot both have.
    #[error("the kernel argument `{karg}` cannot be in scripts of iPXE and GRUB: it has {what}")]
    NotForScripts {
        /// What stands in the way.
        what: &'static str,
        /// The argument.
        karg: String,
    },
    /// A kernel argument that a menu of GRUB cannot have.
    #[error("the kernel argument `{karg}` cannot be in a menu of GRUB: it has {what}")]
    NotForGrub {
        /// What stands in the way.
        what: &'static str,
        /// The argument.
        karg: String,
    },
    /// More kernel arguments than an installer's medium has room for.
    #[error("the kernel arguments have {len} bytes, and the medium's menu has room for {limit}")]
    TooManyKargs {
        /// The bytes they have in a script.
        len: usize,
        /// The most that they may have.
        limit: usize,
    },
    /// Something that later versions will do.
    #[error("not supported yet: {what} (`{path}`)")]
    NotSupportedYet {
        /// What the image has or asks for.
        what: &'static str,
        /// Where it says so.
        path: String,
    },
    /// `prepare-root.conf` is missing.
    #[error(
        "the image has no `usr/lib/ostree/prepare-root.conf`: without it the root file system \
         cannot be prepared at boot"
    )]
    NoPrepareRoot,
    /// `prepare-root.conf` cannot be understood.
    #[error("`{path}` line {line}: {problem}")]
    PrepareRoot {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// `prepare-root.conf` has a value of `composefs.enabled` that nobody knows.
    #[error("`{path}`: composefs.enabled has the unknown value {value:?}")]
    ComposefsValue {
        /// The file.
        path: String,
        /// The value.
        value: String,
    },
    /// There is no os-release.
    #[error("the image has neither `usr/lib/os-release` nor `etc/os-release`")]
    NoOsRelease,
    /// os-release does not name the system.
    #[error("`{path}` sets neither PRETTY_NAME nor ID")]
    NamelessOsRelease {
        /// The file.
        path: String,
    },
    /// A value of the boot entry would break its line.
    #[error("control character in the boot entry: {line:?}")]
    ControlCharacter {
        /// The line as it would be.
        line: String,
    },
    /// A kernel directory whose name cannot be part of a boot entry's paths.
    #[error("kernel version {version:?} has characters that a boot entry cannot have")]
    KernelVersion {
        /// The directory's name.
        version: String,
    },
    /// The SELinux configuration names a policy that is not there.
    #[error("SELinux policy `{policy}` has no `{missing}`")]
    SelinuxPolicy {
        /// The policy type of `SELINUXTYPE=`.
        policy: String,
        /// The path that is missing.
        missing: String,
    },
    /// No boot loader that we can install.
    #[error("the image has no boot loader that can be installed; looked for {}", .searched.join(", "))]
    NoBootLoader {
        /// Paths looked at, in order.
        searched: Vec<String>,
    },
    /// Several directories could be the vendor's.
    #[error("several shims in the boot loader's files: {}", .0.join(", "))]
    SeveralShims(Vec<String>),
    /// bootupd's part of the image cannot be used.
    #[error(transparent)]
    Bootupd(#[from] bootupd::BootupdError),
    /// A GRUB binary is not what it should be.
    #[error("`{path}` is no GRUB for UEFI: {problem}")]
    GrubImage {
        /// The binary.
        path: String,
        /// What is wrong with it.
        problem: grub::pe::PeError,
    },
    /// GRUB lacks what reading the boot entries needs.
    #[error("the GRUB of the image (`{path}`) lacks the modules {}", .missing.join(", "))]
    GrubModules {
        /// The binary, or the directory of modules.
        path: String,
        /// Names of modules.
        missing: Vec<String>,
    },
    /// A directory of GRUB's modules lacks a file.
    #[error("the GRUB of the image is not complete: no `{path}`")]
    GrubFile {
        /// The file.
        path: String,
    },
    /// GRUB's list of modules cannot be understood.
    #[error("`{path}` line {line}: not a module and what it needs")]
    GrubModuleList {
        /// The list.
        path: String,
        /// The line, from 1.
        line: usize,
    },
    /// The parts of GRUB do not make an image.
    #[error("the GRUB in `{path}` cannot be composed: {problem}")]
    GrubParts {
        /// The directory.
        path: String,
        /// What is wrong.
        problem: grub::image_error::ImageError,
    },
    /// Nothing to boot from BIOS with.
    #[error("the image has no GRUB modules for BIOS; looked for {}", .searched.join(", "))]
    NoBiosModules {
        /// Paths looked at, in order.
        searched: Vec<String>,
    },
    /// Only systemd-boot, which cannot read what ostree writes.
    #[error(
        "the image brings systemd-boot only (`{path}`), which reads boot entries from FAT alone, \
         and ostree cannot keep them there"
    )]
    SystemdBoot {
        /// The program.
        path: String,
    },
    /// The modules for a GRUB image are too large together.
    #[error("the GRUB modules in `{path}` are too large for one image")]
    GrubModulesTooLarge {
        /// The directory.
        path: String,
    },
}
