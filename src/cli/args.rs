//! The command line as typed. What it means is decided in [`super::request`].
//!
//! An option exists only once it works.

use std::path::PathBuf;

use clap::builder::{BoolishValueParser, PossibleValue};
use clap::{ArgAction, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::config::ConfigCommand;
use super::drop_in::DropIn;
use super::iso::IsoCommand;
use crate::pipeline::{Bios, Qcow2Compression};
use crate::plan::platform::Platform;
use crate::plan::types::DiskType;
use crate::units::SectorSize;

/// How qcow2 clusters are stored unless told: so that every reader of qcow2 can read them.
pub const DEFAULT_QCOW2_COMPRESSION: Compression = Compression::Deflate;

/// Turn a bootable container image into a bootable disk, without root.
#[derive(Debug, Clone, PartialEq, Eq, Parser)]
#[command(name = "bootc-image", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Build disks from an image and print their paths.
    Build(Box<BuildArgs>),
    /// Check blueprints, the files that describe disks and the systems on them.
    Config {
        /// What to do.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Install an image onto a disk of this machine.
    Install(Box<InstallArgs>),
    /// Tell what an image or a disk is, without changing anything.
    Inspect(Box<InspectArgs>),
    /// Change installer's media that were made, without making them again.
    Iso {
        /// What to do.
        #[command(subcommand)]
        command: IsoCommand,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Complete for this shell.
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
    /// Write the manual pages, one for each command.
    Man {
        /// Write into this folder, made when missing.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

/// Options of `build`, as typed.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct BuildArgs {
    /// Read this image: `ghcr.io/org/os:tag` (also with `@sha256:…`, or `docker://` in front),
    /// `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `docker-archive:FILE[:NAME|:@INDEX]`, `dir:DIR`, or
    /// `containers-storage:NAME` (which takes skopeo).
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Make this type of disk; repeat it, or separate types by commas, for several.
    #[arg(
        long = "type",
        value_name = "TYPE",
        value_enum,
        value_delimiter = ',',
        default_value = "qcow2"
    )]
    pub types: Vec<TypeName>,

    /// Put the disks below this folder, as `qcow2/disk.qcow2` and `image/disk.raw`.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,

    /// Make the disk this large: `10G` (units K, M, G and T count in 1024s, none means bytes),
    /// `min` for what fits exactly, `auto` to leave room for the next upgrade, at least 10G.
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    pub size: String,

    /// Make a disk with sectors of this many bytes. Disks with 4096 boot from UEFI only.
    #[arg(long, value_name = "BYTES", value_enum, default_value_t = Sectors::B512)]
    pub sector_size: Sectors,

    /// Take identifiers of disk, partitions and file systems from here.
    #[arg(long, value_name = "SOURCE", value_enum, default_value_t = IdSource::Derived)]
    pub ids: IdSource,

    /// What the system is like.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Compress the clusters of a qcow2 this way.
    #[arg(long, value_name = "METHOD", value_enum, default_value_t = DEFAULT_QCOW2_COMPRESSION)]
    pub qcow2_compression: Compression,

    /// How the image is reached, and whether it is trusted.
    #[command(flatten)]
    pub access: Access,

    /// How it is done.
    #[command(flatten)]
    pub work: WorkArgs,

    /// Push the containerdisk to a registry under this name, when everything is complete.
    #[arg(long, value_name = "REF")]
    pub push: Option<String>,

    /// Give what is made to this user, and group.
    #[arg(long, value_name = "UID[:GID]")]
    pub chown: Option<String>,

    /// Let the installer of `--type iso` be found by this volume id: at most 32 letters, digits, `_`,
    /// `-` and `.` [default: the system's name and version, such as `FEDORA-44-INSTALL`].
    #[arg(long, value_name = "ID")]
    pub volume_id: Option<String>,

    /// Let the installer of `--type iso` do what this file says: `install.toml`.
    #[arg(long, value_name = "FILE")]
    pub installer_config: Option<PathBuf>,

    /// Let the installer of `--type iso` be this bootc-image, of the image's architecture and linked
    /// statically [default: the one that runs].
    #[arg(long, value_name = "FILE")]
    pub installer_binary: Option<PathBuf>,

    /// Put the image and a kickstart into this boot ISO of Anaconda's, for `--type anaconda-iso`.
    #[arg(long, value_name = "FILE")]
    pub boot_iso: Option<PathBuf>,

    /// Options of bootc-image-builder.
    #[command(flatten)]
    pub drop_in: DropIn,
}

/// Options of `install`, as typed.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct InstallArgs {
    /// Read this image, named as for `build`.
    #[arg(value_name = "IMAGE")]
    pub image: String,

    /// Install onto this disk: `/dev/sda`, `serial:S`, or `only`, `smallest`, `largest` of those
    /// that could be meant.
    #[arg(long, value_name = "DEVICE")]
    pub target: String,

    /// Install though there is data on the disk, which is lost.
    #[arg(long)]
    pub wipe: bool,

    /// Keep the partitions at the end of the disk whose labels match this pattern (`data*`); repeat
    /// it for several.
    #[arg(long = "save-partlabel", value_name = "GLOB", requires = "wipe")]
    pub saved: Vec<String>,

    /// Stop before anything is written.
    #[arg(long)]
    pub dry_run: bool,

    /// Take identifiers of disk, partitions and file systems from here.
    #[arg(long, value_name = "SOURCE", value_enum, default_value_t = IdSource::Random)]
    pub ids: IdSource,

    /// What the system is like.
    #[command(flatten)]
    pub system: SystemArgs,

    /// How the image is reached, and whether it is trusted.
    #[command(flatten)]
    pub access: Access,

    /// How it is done.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// What the system is like that is to be made, as typed.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct SystemArgs {
    /// Prepare the disk for where it will run: consoles, boot menu, Ignition [default: what the types
    /// imply, else `generic`, which adds nothing].
    #[arg(long, value_name = "NAME", value_enum)]
    pub platform: Option<PlatformName>,

    /// Format the root file system as this type; the image's own choice otherwise, where supported.
    #[arg(long, value_name = "FS", value_enum)]
    pub rootfs: Option<RootFs>,

    /// Set up the system as this blueprint says: `….toml` or `….json`, or `-` for JSON on stdin.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Boot from BIOS too (x86_64 only): `auto` does so where the image brings GRUB's modules for it.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = BiosSupport::Auto)]
    pub bios: BiosSupport,

    /// Choose the image for this architecture [default: the host's].
    #[arg(long, visible_alias = "target-arch", value_name = "ARCH", value_enum)]
    pub arch: Option<ArchName>,

    /// Let the installed system update from this image [default: IMAGE].
    #[arg(long, value_name = "REF")]
    pub target_imgref: Option<String>,

    /// Add a kernel argument; repeat it for several.
    #[arg(long = "karg", value_name = "ARG")]
    pub kargs: Vec<String>,

    /// Remove a kernel argument that the image brings; repeat it for several.
    #[arg(long = "karg-delete", value_name = "ARG")]
    pub karg_deletes: Vec<String>,

    /// Let root log in with the public SSH keys in this file.
    #[arg(long, value_name = "FILE")]
    pub root_ssh_authorized_keys: Option<PathBuf>,

    /// Name the stateroot [default: the image's choice, else `default`].
    #[arg(long, value_name = "NAME")]
    pub stateroot: Option<String>,
}

/// How work is done and shown, as typed.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct WorkArgs {
    /// Show progress on stderr this way.
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = ProgressStyle::Auto)]
    pub progress: ProgressStyle,

    /// Tell details too.
    #[arg(long, short)]
    pub verbose: bool,

    /// Show warnings and errors only.
    #[arg(long, short, conflicts_with_all = ["verbose", "progress"])]
    pub quiet: bool,

    /// Work with this many threads, 1 to 1024 [default: as many as the host has processors]. The
    /// disk does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// How an image is reached, and whether it is trusted, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Default, clap::Args)]
pub struct Access {
    /// Read registry credentials from this file alone [default: where podman and docker keep them].
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,

    /// Begin with this file of mirrors, short names and blocked registries [default: the user's or
    /// the machine's registries.conf].
    #[arg(long, value_name = "FILE")]
    pub registries_conf: Option<PathBuf>,

    /// Take certificates (`*.crt`) and who we are (`*.cert`, `*.key`) from this folder for every
    /// registry [default: the registry's own below certs.d].
    #[arg(long, value_name = "DIR")]
    pub cert_dir: Option<PathBuf>,

    /// Demand that registries use TLS and prove who they are.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        value_parser = BoolishValueParser::new(),
        num_args = 0..=1,
        require_equals = true,
        default_value = "true",
        default_missing_value = "true"
    )]
    pub tls_verify: bool,

    /// Demand that the image is signed with the private half of this key (`cosign.pub`); repeat it for
    /// several keys, of which any suffices.
    #[arg(long = "verify-key", value_name = "FILE")]
    pub verify_keys: Vec<PathBuf>,

    /// Demand what this containers policy says [default: `~/.config/containers/policy.json`, else
    /// `/etc/containers/policy.json`, else nothing].
    #[arg(long, value_name = "FILE", conflicts_with = "insecure_policy")]
    pub signature_policy: Option<PathBuf>,

    /// Heed no containers policy, not even the host's.
    #[arg(long)]
    pub insecure_policy: bool,
}

/// Options of `inspect`, as typed.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub struct InspectArgs {
    /// Look at this disk, a file or folder in any format that `build` writes, or at this image, named
    /// as for `build`. The layers of an image are read, and unpacked into a temporary file.
    #[arg(value_name = "IMAGE|DISK")]
    pub what: String,

    /// Write text for people, or JSON for programs.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,

    /// Choose the image for this architecture [default: the host's].
    #[arg(long, value_name = "ARCH", value_enum)]
    pub arch: Option<ArchName>,

    /// How the image is reached, and whether it is trusted.
    #[command(flatten)]
    pub access: Access,

    /// Show progress on stderr this way.
    #[arg(long, value_name = "STYLE", value_enum, default_value_t = ProgressStyle::Auto)]
    pub progress: ProgressStyle,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// Aligned lines.
    Text,
    /// One JSON object.
    Json,
}

/// A type of disk, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeName(pub DiskType);

impl ValueEnum for TypeName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [TypeName; DiskType::ALL.len()] = {
            let mut all = [TypeName(DiskType::Qcow2); DiskType::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = TypeName(DiskType::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()).help(self.0.description()))
    }
}

/// A platform, as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlatformName(pub Platform);

impl ValueEnum for PlatformName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [PlatformName; Platform::ALL.len()] = {
            let mut all = [PlatformName(Platform::Generic); Platform::ALL.len()];
            let mut index = 0;
            while index < all.len() {
                all[index] = PlatformName(Platform::ALL[index]);
                index += 1;
            }
            all
        };
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.name()))
    }
}

/// A type of root file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RootFs {
    /// The only one so far.
    Ext4,
    /// Known, but not written yet.
    #[value(hide = true)]
    Xfs,
    /// Known, but not written yet.
    #[value(hide = true)]
    Btrfs,
}

/// Whether disks boot from BIOS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BiosSupport {
    /// Where it is possible.
    Auto,
    /// Or there is no disk.
    On,
    /// From UEFI only.
    Off,
}

/// A sector size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sectors {
    /// What nearly every virtual disk has.
    #[value(name = "512")]
    B512,
    /// Native 4K disks.
    #[value(name = "4096")]
    B4096,
}

/// An architecture's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ArchName {
    /// 64-bit x86, also spelt x86_64.
    #[value(alias = "x86_64")]
    Amd64,
    /// 64-bit ARM, also spelt aarch64.
    #[value(alias = "aarch64")]
    Arm64,
}

/// Where identifiers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdSource {
    /// From image and options: the same bytes every time.
    Derived,
    /// From chance: for disks that will be attached to one machine.
    Random,
}

/// How clusters are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// Not at all.
    None,
    /// Small, slow to write, and every reader knows it.
    Deflate,
    /// Small and fast; QEMU reads it from 5.1 on.
    Zstd,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressStyle {
    /// Bars on a terminal, plain lines elsewhere.
    #[value(alias = "term")]
    Auto,
    /// One line for each step.
    Plain,
    /// One line for each step, and details.
    #[value(alias = "debug")]
    Verbose,
    /// One JSON object a line for each event, warnings and errors among them.
    Json,
    /// Warnings and errors only.
    None,
}

impl From<BiosSupport> for Bios {
    fn from(bios: BiosSupport) -> Self {
        match bios {
            BiosSupport::Auto => Self::Auto,
            BiosSupport::On => Self::On,
            BiosSupport::Off => Self::Off,
        }
    }
}

impl From<Sectors> for SectorSize {
    fn from(size: Sectors) -> Self {
        match size {
            Sectors::B512 => Self::B512,
            Sectors::B4096 => Self::B4096,
        }
    }
}

impl From<Compression> for Qcow2Compression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => Self::None,
            Compression::Deflate => Self::Deflate,
            Compression::Zstd => Self::Zstd,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn tls_verify_is_true_unless_told() {
        let parse = |option: &str| {
            let words = ["bootc-image", "build", "x", option];
            let args = Args::try_parse_from(words.into_iter().filter(|word| !word.is_empty()));
            args.map(|args| match args.command {
                Command::Build(build) => build.access.tls_verify,
                other => panic!("{other:?}"),
            })
        };
        assert!(parse("").unwrap());
        assert!(parse("--tls-verify").unwrap());
        assert!(parse("--tls-verify=true").unwrap());
        assert!(!parse("--tls-verify=false").unwrap());
        assert!(parse("--tls-verify=maybe").is_err());
        let swallowed =
            Args::try_parse_from(["bootc-image", "build", "--tls-verify", "x"]).unwrap();
        assert!(matches!(swallowed.command, Command::Build(build) if build.image == "x"));
    }
}
