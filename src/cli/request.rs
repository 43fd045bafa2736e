//! The command line as meant: options as typed, and what is around, become a [`Request`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::args::{
    Access, ArchName, BuildArgs, IdSource, InstallArgs, RootFs, Sectors, SystemArgs, TypeName,
    WorkArgs,
};
use super::config::{self, ConfigFileError};
use super::drop_in::Refused;
use super::installer::{self, InstallerError};
use super::surroundings::{Surroundings, random_bytes};
use super::trust;
use crate::config::blueprint::Blueprint;
use crate::output::Owner;
use crate::pipeline::request::{Ids, Installer};
use crate::pipeline::{Bios, Request};
use crate::plan::PlanError;
use crate::plan::types::DiskType;
use crate::registry::{ParseReferenceError, Reference, RegistryReference, TargetRef};
use crate::settings::install::WordError;
use crate::settings::{Settings, is_private_key};
use crate::spec::{Arch, VolumeId, VolumeIdError};

/// The most that is read of a file with SSH keys.
const KEYS_LIMIT_BYTES: u64 = 1 << 20;

/// Where bootc-image-builder looks for a blueprint.
const PLACES: [&str; 2] = ["/config.toml", "/config.json"];

/// Why the command line asks for nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// IMAGE names no image.
    #[error(transparent)]
    Image(ParseReferenceError),
    /// `--target-imgref` names no image.
    #[error("reading `--target-imgref`")]
    Target(#[source] ParseReferenceError),
    /// `--size` is no size.
    #[error("reading `--size`")]
    Size(#[source] PlanError),
    /// A root file system that is not written yet.
    #[error("not supported yet: `--rootfs {0}`")]
    RootFsNotYet(&'static str),
    /// The host is none that disks are made for, and no other was named.
    #[error("no disks are made for this host's architecture, {0}")]
    HostArch(&'static str),
    /// BIOS where there is none.
    #[error("`--bios on`: {0}")]
    Bios(&'static str),
    /// A kernel argument that no boot entry can hold.
    #[error("`{option} {}`: the argument {problem}", .value.escape_debug())]
    Karg {
        /// The option.
        option: &'static str,
        /// The argument as typed.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A name that cannot be a folder's.
    #[error("`--stateroot {}`: the name {problem}", .name.escape_debug())]
    Stateroot {
        /// The name as typed.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// `SOURCE_DATE_EPOCH` is no time.
    #[error("the environment variable SOURCE_DATE_EPOCH is `{}`", .0.display())]
    SourceDateEpoch(OsString),
    /// The file with SSH keys cannot be read.
    #[error("reading `{}`", .path.display())]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file with SSH keys holds something else.
    #[error("`{}` holds more than {KEYS_LIMIT_BYTES} bytes: it is no list of SSH keys", .0.display())]
    KeysTooLarge(PathBuf),
    /// The file with SSH keys holds what must stay with its owner.
    #[error("`{}` is a private key: give the public one (`….pub`)", .0.display())]
    PrivateKey(PathBuf),
    /// The file with SSH keys has none.
    #[error("`{}` has no public key of SSH", .0.display())]
    NoKeys(PathBuf),
    /// The blueprint cannot be used.
    #[error(transparent)]
    Blueprint(#[from] ConfigFileError),
    /// Two blueprints, none of them named.
    #[error("there are both `{}` and `{}`", PLACES[0], PLACES[1])]
    TwoConfigs,
    /// An option of bootc-image-builder that cannot be honoured.
    #[error(transparent)]
    DropIn(#[from] Refused),
    /// Only a containerDisk can be pushed.
    #[error("`--push` without `--type containerdisk`: there is nothing to push")]
    NothingToPush,
    /// `--push` names no image.
    #[error("reading `--push`")]
    Push(#[source] ParseReferenceError),
    /// `--push` names something that is not in a registry, or a digest.
    #[error("`--push {}` is no name of an image in a registry, with or without a tag", .0.escape_debug())]
    PushTo(String),
    /// `--chown` names no owner.
    #[error("`--chown {}` is no `UID` or `UID:GID`", .0.escape_debug())]
    Chown(String),
    /// Keys or a policy that cannot be used.
    #[error(transparent)]
    Trust(#[from] trust::TrustError),
    /// `--target` names no disk.
    #[error("reading `--target`")]
    Disk(#[source] WordError),
    /// `--save-partlabel` is no pattern.
    #[error("reading `--save-partlabel`")]
    Saved(#[source] WordError),
    /// What concerns installers only, without one.
    #[error("`{0}` without `--type iso`: there is no installer")]
    NoInstaller(&'static str),
    /// What concerns Anaconda's ISO only, without one.
    #[error("`--boot-iso` without `--type anaconda-iso`: nothing is put into it")]
    NoAnaconda,
    /// Anaconda's ISO of nothing.
    #[error("`--type anaconda-iso` without `--boot-iso`: it is made of a boot ISO of Anaconda's")]
    NoBootIso,
    /// Two ISOs of one name.
    #[error(
        "`--type iso` and `--type anaconda-iso` in one run: both would be `{}`",
        DiskType::Iso.path()
    )]
    TwoIsos,
    /// A kickstart that nobody reads.
    #[error(
        "`customizations.installer` without `--type anaconda-iso`: it is for Anaconda's \
         installers; ours reads `[install]` beside `[customizations]`"
    )]
    Kickstart,
    /// `--volume-id` is none.
    #[error("reading `--volume-id`")]
    VolumeId(#[source] VolumeIdError),
    /// The installer's configuration cannot be used.
    #[error(transparent)]
    Installer(#[from] InstallerError),
    /// The system has no random bytes.
    #[error("getting random bytes for `--ids random`")]
    Random(#[source] io::Error),
}

impl RequestError {
    /// Whether other words on the command line would have helped, and not another machine.
    pub fn is_usage(&self) -> bool {
        !matches!(
            self,
            Self::Keys { .. }
                | Self::Trust(_)
                | Self::Random(_)
                | Self::Blueprint(_)
                | Self::Installer(_)
        )
    }
}

/// What is wanted of a build.
pub fn request(args: &BuildArgs, around: &Surroundings) -> Result<Request, RequestError> {
    args.drop_in.check()?;
    let (installer, of_installer) = installer(args, around)?;
    let boot_iso = boot_iso(args)?;
    let made = system(&args.image, &args.system, (&args.access, &args.work), args.ids, around)?;
    let kickstart = made.installer.kickstart.clone();
    if kickstart.is_some() && boot_iso.is_none() {
        return Err(RequestError::Kickstart);
    }
    let of_anaconda = boot_iso.as_ref().and_then(|_| untold(args, &made));
    Ok(Request {
        types: types(&args.types),
        output: args.output.clone(),
        size: args.size.parse().map_err(RequestError::Size)?,
        sector_size: args.sector_size.into(),
        bios: bios(made.bios, made.arch, args.sector_size)?,
        notices: (args.drop_in.notices().into_iter())
            .chain(made.notices)
            .chain(of_installer)
            .chain(of_anaconda)
            .collect(),
        installer: Installer { boot_iso, kickstart, ..installer },
        qcow2_compression: args.qcow2_compression.into(),
        push: push(args)?,
        owner: args.chown.as_deref().map(owner).transpose()?,
        ..made
    })
}

/// What is wanted of an installation; what waits for its place does so in `around`'s folder for
/// temporary files.
pub fn installation(args: &InstallArgs, around: &Surroundings) -> Result<Request, RequestError> {
    let made = system(&args.image, &args.system, (&args.access, &args.work), args.ids, around)?;
    if made.installer.kickstart.is_some() {
        return Err(RequestError::Kickstart);
    }
    let bios = bios(made.bios, made.arch, Sectors::B512)?;
    Ok(Request { types: vec![DiskType::Raw], output: around.temporary.clone(), bios, ..made })
}

/// The system that is to be made, in a request that says nothing of a disk.
fn system(
    image: &str,
    args: &SystemArgs,
    (access, work): (&Access, &WorkArgs),
    ids: IdSource,
    around: &Surroundings,
) -> Result<Request, RequestError> {
    if let Some(name) = unsupported(args.rootfs) {
        return Err(RequestError::RootFsNotYet(name));
    }
    let check_kargs = |option, kargs: &[String]| {
        kargs.iter().try_for_each(|karg| check_karg(option, karg)).map(|()| kargs.to_vec())
    };
    let arch = arch(args.arch, around)?;
    let blueprint = blueprint(args.config.as_deref(), around)?;
    let source = Reference::parse(image).map_err(RequestError::Image)?;
    Ok(Request {
        target: (args.target_imgref.as_deref())
            .map(TargetRef::parse)
            .transpose()
            .map_err(RequestError::Target)?,
        platform: args.platform.map(|name| name.0),
        bios: args.bios.into(),
        explicit_rootfs: args.rootfs.is_some(),
        layout: blueprint.disk,
        kargs: check_kargs("--karg", &args.kargs)?,
        karg_deletes: check_kargs("--karg-delete", &args.karg_deletes)?,
        settings: blueprint.settings,
        installer: Installer { kickstart: blueprint.kickstart, ..Installer::default() },
        notices: blueprint.warnings,
        stateroot: args.stateroot.as_deref().map(stateroot).transpose()?,
        source_date_epoch: (around.source_date_epoch.as_deref())
            .map(source_date_epoch)
            .transpose()?,
        threads: work.threads.map_or(around.processors.max(1), usize::from),
        authfile: access.authfile.clone(),
        registries_conf: access.registries_conf.clone(),
        cert_dir: access.cert_dir.clone(),
        tls_verify: access.tls_verify,
        trust: trust::trust(access, around)?,
        environment: around.registry.clone(),
        root_ssh_authorized_keys: (args.root_ssh_authorized_keys.as_deref())
            .map(read_keys)
            .transpose()?,
        ids: match ids {
            IdSource::Derived => Ids::Derived,
            IdSource::Random => Ids::Random(random_bytes().map_err(RequestError::Random)?),
        },
        ..Request::new(source, image.to_owned(), arch)
    })
}

/// The blueprint that was named; else, in the place of bootc-image-builder, the one where it looks.
fn blueprint(path: Option<&Path>, around: &Surroundings) -> Result<Blueprint, RequestError> {
    let found;
    let path = match path {
        Some(path) => Some(path),
        None if around.is_drop_in => {
            found = PLACES.into_iter().map(Path::new).filter(|path| path.exists());
            match found.collect::<Vec<_>>().as_slice() {
                [] => None,
                [path] => Some(*path),
                _ => return Err(RequestError::TwoConfigs),
            }
        }
        None => None,
    };
    Ok(path.map(config::load).transpose()?.unwrap_or_default())
}

fn unsupported(rootfs: Option<RootFs>) -> Option<&'static str> {
    match rootfs? {
        RootFs::Ext4 => None,
        RootFs::Xfs => Some("xfs"),
        RootFs::Btrfs => Some("btrfs"),
    }
}

/// Whether the disk boots from BIOS, where that can be asked for.
fn bios(bios: Bios, arch: Arch, sectors: Sectors) -> Result<Bios, RequestError> {
    let problem = match (arch, sectors) {
        (Arch::Aarch64, _) => "machines of that architecture have none",
        (Arch::X86_64, Sectors::B4096) => "BIOS reads sectors of 512 bytes only",
        (Arch::X86_64, Sectors::B512) => return Ok(bios),
    };
    if bios == Bios::On { Err(RequestError::Bios(problem)) } else { Ok(bios) }
}

fn arch(name: Option<ArchName>, around: &Surroundings) -> Result<Arch, RequestError> {
    match name {
        Some(ArchName::Amd64) => Ok(Arch::X86_64),
        Some(ArchName::Arm64) => Ok(Arch::Aarch64),
        None => around.host_arch.ok_or(RequestError::HostArch(std::env::consts::ARCH)),
    }
}

/// The types in the order asked for, each once.
fn types(names: &[TypeName]) -> Vec<DiskType> {
    let mut types = Vec::new();
    for TypeName(kind) in names {
        if !types.contains(kind) {
            types.push(*kind);
        }
    }
    types
}

/// Kernel arguments end up on one line of a text file.
pub(super) fn check_karg(option: &'static str, karg: &str) -> Result<(), RequestError> {
    let problem = match karg {
        _ if karg.trim().is_empty() => "is empty",
        _ if karg.contains(['\n', '\r']) => "contains a line break",
        _ if karg.contains('\0') => "contains a NUL",
        _ if !karg.matches('"').count().is_multiple_of(2) => "has a quote that is not closed",
        _ => return Ok(()),
    };
    Err(RequestError::Karg { option, value: karg.to_owned(), problem })
}

/// A stateroot is a folder in `/ostree/deploy`, and a part of a kernel argument.
fn stateroot(name: &str) -> Result<String, RequestError> {
    let problem = match name {
        "" => "is empty",
        "." | ".." => "is none",
        _ if name.contains('/') => "contains a slash",
        _ if name.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            "contains a space or a control character"
        }
        _ if name.len() > 255 => "is longer than a file's name may be",
        _ => return Ok(name.to_owned()),
    };
    Err(RequestError::Stateroot { name: name.to_owned(), problem })
}

/// Where the containerDisk goes; there must be one.
fn push(args: &BuildArgs) -> Result<Option<RegistryReference>, RequestError> {
    let Some(text) = args.push.as_deref() else { return Ok(None) };
    if !args.types.contains(&TypeName(DiskType::ContainerDisk)) {
        return Err(RequestError::NothingToPush);
    }
    match Reference::parse(text).map_err(RequestError::Push)? {
        Reference::Registry(name) if name.digest.is_none() => Ok(Some(name)),
        _ => Err(RequestError::PushTo(text.to_owned())),
    }
}

/// What the installer is made with, if one is made; with what is to be said of it.
fn installer(
    args: &BuildArgs,
    around: &Surroundings,
) -> Result<(Installer, Vec<String>), RequestError> {
    let BuildArgs { volume_id, installer_config, installer_binary, .. } = args;
    if !args.types.contains(&TypeName(DiskType::Iso)) {
        let given = [
            (volume_id.is_some(), "--volume-id"),
            (installer_config.is_some(), "--installer-config"),
            (installer_binary.is_some(), "--installer-binary"),
        ];
        return match given.into_iter().find(|(is_given, _)| *is_given) {
            Some((_, option)) => Err(RequestError::NoInstaller(option)),
            None => Ok(Default::default()),
        };
    }
    let volume_id = volume_id.as_deref().map(VolumeId::parse).transpose();
    let config = installer_config.as_deref().map(installer::load).transpose()?;
    let (config, mut warnings) = config.unwrap_or_default();
    if args.size != "auto" && args.types.iter().all(|kind| *kind == TypeName(DiskType::Iso)) {
        warnings.push("`--size` says nothing of an installer: it fills the machine's disk".into());
    }
    let program = installer_binary.clone().or_else(|| around.program.clone());
    let volume_id = volume_id.map_err(RequestError::VolumeId)?;
    Ok((Installer { volume_id, config, program, ..Installer::default() }, warnings))
}

/// The boot ISO that gets the image, if one is to get it.
fn boot_iso(args: &BuildArgs) -> Result<Option<PathBuf>, RequestError> {
    let is_asked_for = |kind| args.types.contains(&TypeName(kind));
    match (is_asked_for(DiskType::AnacondaIso), &args.boot_iso) {
        (true, _) if is_asked_for(DiskType::Iso) => Err(RequestError::TwoIsos),
        (true, None) => Err(RequestError::NoBootIso),
        (false, Some(_)) => Err(RequestError::NoAnaconda),
        (_, boot_iso) => Ok(boot_iso.clone()),
    }
}

/// What is wished of the system, but not told to Anaconda.
fn untold(args: &BuildArgs, made: &Request) -> Option<String> {
    let SystemArgs { platform, rootfs, stateroot, .. } = &args.system;
    let given = [
        (made.settings != Settings::default(), "settings of the blueprint"),
        (made.layout.is_some(), "partitions of the blueprint"),
        (!made.kargs.is_empty(), "`--karg`"),
        (!made.karg_deletes.is_empty(), "`--karg-delete`"),
        (made.root_ssh_authorized_keys.is_some(), "`--root-ssh-authorized-keys`"),
        (platform.is_some(), "`--platform`"),
        (rootfs.is_some(), "`--rootfs`"),
        (stateroot.is_some(), "`--stateroot`"),
        (args.size != "auto", "`--size`"),
    ];
    let given = given.into_iter().filter(|(is_given, _)| *is_given).map(|(_, what)| what);
    let given: Vec<&str> = given.collect();
    let is_any = !given.is_empty();
    is_any.then(|| {
        let given = given.join(", ");
        format!("Anaconda is not told of {given}: it knows the kickstart of the blueprint only")
    })
}

/// Numbers only: names would be those of this host.
fn owner(text: &str) -> Result<Owner, RequestError> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // the highest number means "none" to the system
        let parsed = Some(text).filter(|_| is_number)?.parse().ok();
        parsed.filter(|number| *number != u32::MAX)
    };
    let (uid, gid) = text.split_once(':').map_or((text, None), |(uid, gid)| (uid, Some(gid)));
    let owner = match (number(uid), gid.map(number)) {
        (Some(uid), None) => Some(Owner { uid, gid: None }),
        (Some(uid), Some(Some(gid))) => Some(Owner { uid, gid: Some(gid) }),
        _ => None,
    };
    owner.ok_or_else(|| RequestError::Chown(text.to_owned()))
}

fn source_date_epoch(value: &OsStr) -> Result<i64, RequestError> {
    let digits = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    (digits.and_then(|text| text.parse().ok()))
        .ok_or_else(|| RequestError::SourceDateEpoch(value.to_owned()))
}

/// Public keys of SSH in a file, and no private one.
pub(super) fn read_keys(path: &Path) -> Result<Vec<u8>, RequestError> {
    let in_file = |source| RequestError::Keys { path: path.to_owned(), source };
    let mut keys = Vec::new();
    let file = File::open(path).map_err(in_file)?;
    let read = file.take(KEYS_LIMIT_BYTES + 1).read_to_end(&mut keys).map_err(in_file)?;
    match u64::try_from(read) {
        Ok(read) if read <= KEYS_LIMIT_BYTES => {}
        _ => return Err(RequestError::KeysTooLarge(path.to_owned())),
    }
    let text = String::from_utf8_lossy(&keys);
    if is_private_key(&text) {
        return Err(RequestError::PrivateKey(path.to_owned()));
    }
    let is_type = |word: &str| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| word.starts_with(kind));
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    match lines.flat_map(str::split_whitespace).any(is_type) {
        true => Ok(keys),
        false => Err(RequestError::NoKeys(path.to_owned())),
    }
}

#[cfg(test)]
mod tests;
