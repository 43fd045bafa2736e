//! What to do about an error, where something can be done.
//!
//! Rooms say what is wrong; which words on the command line help is known here. An error's chain is
//! walked from the outside in, and the first that has a hint gives it.

use std::error::Error;
use std::io;
use std::iter;
use std::path::Path;

use super::config::ConfigFileError;
use super::init::InitError;
use super::request::RequestError;
use super::trust::TrustError;
use crate::boot::BootError;
use crate::config::blueprint::{BlueprintError, Problem, Wrong};
use crate::customize;
use crate::inspect;
use crate::installer::area::AreaError;
use crate::installer::program::ProgramError;
use crate::installer::saved::SavedError;
use crate::installer::target::Refusal;
use crate::ostree;
use crate::output::OutputError;
use crate::pipeline::customize_medium::MediumError;
use crate::pipeline::{self, BootIsoError, LayerError};
use crate::plan::PlanError;
use crate::plan::layout::LayoutError;
use crate::registry::{self, ParseReferenceError};
use crate::selinux;
use crate::trust::{self, KeyError};

const NO_SPACE: &str = "free some space, or choose another folder with `--output`";
const DAMAGED: &str = "the copy of the image is damaged: copy the image again";
const DAMAGED_COMMIT: &str =
    "the image was damaged before it was pushed: make it again from its ostree commit";
const KARG: &str = "leave it out of `--karg` and the blueprint's `kernel.append`; if it comes with the \
                    image, out of its `kargs.d` and install configuration, or take it away with \
                    `--karg-delete`";
const NOT_BOOTABLE: &str =
    "only bootable images can become disks; was a base container image meant?";
const LIVE: &str = "when the image is built, install dracut's live and network modules (`dracut-live` on \
                    Fedora and CentOS; with `dracut-network` and `curl` on Debian), and make the \
                    initramfs with `dracut --add \"livenet dmsquash-live\"`";
const GENERAL_KERNEL: &str = "give the image a kernel for all machines, with its modules
                              (`linux-image-amd64` on Debian, not its cloud variant)";
const BOOT_ISO: &str = "give a `boot.iso` as Fedora and CentOS publish it: `--boot-iso FILE`";
const POLICY: &str = "containers-policy.json(5) says what may be in it; what is not understood there \
                      must let no image in; another can be given with `--signature-policy`, none with \
                      `--insecure-policy`";
const OTHER_PROOF: &str = "give the key of a cosign signature with `--verify-key`, another policy with \
                           `--signature-policy`, or heed none with `--insecure-policy`";

/// The hint for an error or one of its causes.
pub(super) fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    iter::successors(Some(error), |&error| error.source()).find_map(of_one)
}

/// The hint for one link of the chain. An error shown as its cause (`transparent`) is not in the
/// chain with that cause, but in its place: those are unwrapped.
fn of_one(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<pipeline::Error>() {
        return match error {
            pipeline::Error::Registry(error) => of_registry(error),
            pipeline::Error::Boot(error) => of_boot(error),
            pipeline::Error::Plan(error) => of_plan(error),
            pipeline::Error::Selinux(error) => of_selinux(error),
            pipeline::Error::Customize(error) => of_settings(error),
            pipeline::Error::Karg { .. } => Some(KARG.to_owned()),
            pipeline::Error::NoLiveInitramfs { .. } => Some(LIVE.to_owned()),
            pipeline::Error::Program { source, .. } => of_program(source),
            pipeline::Error::BootIso(error) => of_boot_iso(error),
            pipeline::Error::NoBootIso => Some(BOOT_ISO.to_owned()),
            pipeline::Error::NoMediumDriver { .. } => Some(GENERAL_KERNEL.to_owned()),
            pipeline::Error::LayersUnpacked { name, .. } => Some(format!(
                "copy the image with `skopeo copy {name} oci:DIR` and build from `oci:DIR`"
            )),
            pipeline::Error::Output(error) => of_output(error),
            pipeline::Error::Inspect(error) => of_inspect(error),
            pipeline::Error::Refused(against) => of_refusals(against),
            pipeline::Error::Saved(error) => of_saved(error),
            pipeline::Error::Verify { .. } => Some("the disk is failing: use another".into()),
            _ => None,
        };
    }
    if let Some(error) = error.downcast_ref::<InitError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<LayerError>() {
        return match error {
            LayerError::Blob(error) => of_registry(error),
            LayerError::Content(error) => of_content(error),
            _ => None,
        };
    }
    match error.downcast_ref() {
        Some(RequestError::Image(error)) => return of_reference(error),
        Some(RequestError::Trust(TrustError::Policy { .. })) => return Some(POLICY.to_owned()),
        _ => {}
    }
    if let Some(error) = error.downcast_ref::<MediumError>() {
        return of_medium(error);
    }
    if let Some(ConfigFileError::Blueprint(error)) = error.downcast_ref() {
        return of_blueprint(error);
    }
    None.or_else(|| error.downcast_ref().and_then(of_registry))
        .or_else(|| error.downcast_ref().and_then(of_reference))
        .or_else(|| error.downcast_ref().and_then(of_boot))
        .or_else(|| error.downcast_ref().and_then(of_plan))
        .or_else(|| error.downcast_ref().and_then(of_selinux))
        .or_else(|| error.downcast_ref().and_then(of_settings))
        .or_else(|| error.downcast_ref().and_then(of_content))
        .or_else(|| error.downcast_ref().and_then(of_output))
        .or_else(|| error.downcast_ref().and_then(of_request))
        .or_else(|| error.downcast_ref().and_then(of_trust))
        .or_else(|| error.downcast_ref().and_then(of_key))
        .or_else(|| error.downcast_ref().and_then(of_refusal))
        .or_else(|| error.downcast_ref().and_then(of_blueprint))
        .or_else(|| error.downcast_ref().and_then(of_io))
}

/// Only when one thing speaks against a disk is it enough to change that.
fn of_refusals(against: &[Refusal]) -> Option<String> {
    let [refusal] = against else { return None };
    of_refusal(refusal)
}

fn of_refusal(refusal: &Refusal) -> Option<String> {
    Some(match refusal {
        Refusal::HoldsData { .. } => {
            "if that may be lost, say so with `--wipe`, or `wipe = true` in `install.toml`".into()
        }
        Refusal::NotADisk { disk, .. } => format!("did you mean `{disk}`?"),
        Refusal::InUse { .. } => "unmount what is on it, and stop what is made of it".into(),
        Refusal::SectorSize { found: 4096, .. } => {
            "BIOS starts from sectors of 512 bytes only: start the medium from UEFI".into()
        }
        Refusal::Ambiguous { .. } => "name one by its path, or by `serial:…`".into(),
        _ => return None,
    })
}

fn of_saved(error: &SavedError) -> Option<String> {
    use SavedError as E;
    let hint = match error {
        E::Mbr => "if nothing on it must stay, leave the labels out",
        E::Damaged | E::Different | E::Overlap { .. } | E::BeyondDisk { .. } => {
            "`gdisk` shows such a table, and repairs what it can"
        }
        E::SectorSize { .. } => {
            "the disk was written behind another controller, a USB adapter for instance: use that"
        }
        E::NotTheTail { .. } => {
            "those that stay must be the last ones on the disk: name that one too, or save none"
        }
        E::NoSpace { .. } => {
            "let the new partitions be smaller with `[customizations.disk]`, or save fewer"
        }
    };
    Some(hint.to_owned())
}

fn of_blueprint(error: &BlueprintError) -> Option<String> {
    let problems = match error {
        BlueprintError::UnknownSuffix { .. } => {
            return Some("name it `….toml` or `….json`; `-` reads JSON from stdin".into());
        }
        BlueprintError::NotUtf8 { .. } => return None,
        BlueprintError::Invalid { problems, .. } => problems,
    };
    let is_unknown = |problem: &&Problem| matches!(problem.wrong, Wrong::UnknownKey { .. });
    let unknown = problems.iter().find(is_unknown)?;
    let page = if unknown.key.starts_with("install.") { "installer" } else { "config" };
    Some(format!("`docs/{page}.md` lists all keys"))
}

fn of_program(error: &ProgramError) -> Option<String> {
    let hint = match error {
        ProgramError::Dynamic => {
            "use the static build of bootc-image, or name one with `--installer-binary FILE`"
        }
        ProgramError::OtherMachine(_) => {
            "name a static bootc-image of the image's architecture with `--installer-binary FILE`"
        }
        _ => return None,
    };
    Some(hint.into())
}

fn of_boot_iso(error: &BootIsoError) -> Option<String> {
    match error {
        BootIsoError::NotAnaconda(_) => Some(BOOT_ISO.to_owned()),
        BootIsoError::HasKickstart { .. } => {
            Some("give the boot ISO as it was published, without a kickstart".into())
        }
        _ => None,
    }
}

fn of_medium(error: &MediumError) -> Option<String> {
    let hint = match error {
        MediumError::Blueprint(error) => return of_blueprint(error),
        MediumError::Output(error) => return of_output(error),
        MediumError::Kargs(BootError::TooManyKargs { .. }) => {
            "tell the installer in `install.toml` what it can be told there"
        }
        MediumError::NotOurs(_) => "`bootc-image build --type iso` makes such media",
        MediumError::Area { source: AreaError::Unfinished, .. } => {
            "make it what it was with `bootc-image iso reset`, then change it again"
        }
        MediumError::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
            "write a changed copy with `-o`"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_request(error: &RequestError) -> Option<String> {
    match error {
        RequestError::NoInstaller(_) => Some("add `--type iso`, or leave the option out".into()),
        RequestError::NoAnaconda | RequestError::Kickstart => {
            Some("add `--type anaconda-iso`, or leave it out".into())
        }
        RequestError::NoBootIso => Some(BOOT_ISO.into()),
        RequestError::TwoIsos => Some("make one after the other, with another `--output`".into()),
        RequestError::VolumeId(_) => Some("such as `FEDORA-44-INSTALL`".into()),
        RequestError::DropIn(refused) => Some(refused.hint().into()),
        RequestError::RootFsNotYet(_) => {
            Some("leave `--rootfs` out, or use `--rootfs ext4`".into())
        }
        RequestError::HostArch(_) => {
            Some("choose one with `--arch amd64` or `--arch arm64`".into())
        }
        RequestError::SourceDateEpoch(_) => {
            Some("set it to whole seconds since 1970, such as `1700000000`, or unset it".into())
        }
        _ => None,
    }
}

fn of_settings(error: &customize::Error) -> Option<String> {
    use customize::Error as E;
    match error {
        E::ReadOnly { .. } => Some(
            "add it to the image itself, in a layer of its own; a disk's settings reach `/etc` and \
             `/var`"
                .into(),
        ),
        E::NoDirectory { .. } => {
            Some("make it with `[[customizations.directories]]` and `ensure_parents = true`".into())
        }
        E::NoSuchName { what: "group", .. } => {
            Some("make the group with `[[customizations.group]]`, or correct its name".into())
        }
        E::NoSuchName { .. } => {
            Some("make the user with `[[customizations.user]]`, or correct its name".into())
        }
        E::IdTaken { .. } | E::OtherId { .. } => {
            Some("leave the number out, or choose one that is free".into())
        }
        E::NoTimeService => Some("add chrony or systemd-timesyncd to the image".into()),
        E::NoSuchUnit { .. } => {
            Some("correct its name, or add what brings it to the image".into())
        }
        _ => None,
    }
}

fn of_trust(error: &trust::Error) -> Option<String> {
    use trust::Error as E;
    match error {
        E::Rejected { .. } => Some(
            "if you trust the image nevertheless, name another policy with `--signature-policy`, or \
             heed none with `--insecure-policy`"
                .into(),
        ),
        E::NotSupported { .. } | E::Scopes { .. } => Some(OTHER_PROOF.to_owned()),
        E::Unsigned => Some(
            "sign it with `cosign sign --key cosign.key IMAGE@DIGEST`; signatures of a local layout \
             must be in that layout"
                .into(),
        ),
        _ => None,
    }
}

fn of_key(error: &KeyError) -> Option<String> {
    match error {
        KeyError::Label(label) if label.ends_with("PRIVATE KEY") => {
            Some("give the public half: `cosign.pub`, not `cosign.key`".into())
        }
        KeyError::Label(_) | KeyError::NotPem | KeyError::NotAKey => Some(
            "`cosign generate-key-pair` writes one as `cosign.pub`, `openssl pkey -pubout` takes it \
             from a private key"
                .into(),
        ),
        _ => None,
    }
}

fn of_reference(error: &ParseReferenceError) -> Option<String> {
    match error {
        ParseReferenceError::LocalStorage(name) => Some(format!(
            "for an image that podman built, say `containers-storage:{name}`; for an OCI layout, \
             `oci:DIR`; for a registry on this machine, give its port (`localhost:5000/…`)"
        )),
        ParseReferenceError::NoHost(text) | ParseReferenceError::Malformed { text, .. }
            if Path::new(text).exists() =>
        {
            let transport = if Path::new(text).is_dir() { "oci" } else { "oci-archive" };
            Some(format!("for a folder or file on this machine, say what it is: `{transport}:{text}`"))
        }
        ParseReferenceError::NoHost(text) if text.starts_with("docker:") => {
            Some("an image in a registry is `docker://` and its full name, or the name alone".into())
        }
        ParseReferenceError::Malformed { text, .. }
            if let Some((_, name)) = text.split_once("://") =>
        {
            Some(format!("images have names, not addresses: say `{name}`"))
        }
        ParseReferenceError::NoHost(_) => Some(
            "a short name needs an alias, or one registry to search, in registries.conf; for an image \
             in the local storage, say `containers-storage:` and its full name"
                .into(),
        ),
        ParseReferenceError::Transport(word) => Some(format!(
            "copy the image with `skopeo copy {word}:… oci:DIR` and build from `oci:DIR`"
        )),
        _ => None,
    }
}

fn of_registry(error: &registry::Error) -> Option<String> {
    use registry::Error as E;
    match error {
        E::Reference(error) => of_reference(error),
        E::Denied { name, credentials: None, .. } => {
            let host = name.split('/').next().unwrap_or(name);
            Some(format!("log in with `podman login {host}`, or name a file with `--authfile`"))
        }
        E::Denied { .. } => Some(
            "check that this account may read the image (or write it, with `--push`), log in again \
             with `podman login`, or name another file with `--authfile`"
                .into(),
        ),
        E::NoAuthFile(_) => {
            Some("`--authfile` or the environment variable REGISTRY_AUTH_FILE names it".into())
        }
        E::NotFound { .. } => Some("check the image's name and tag".into()),
        E::Connection { tls: true, tls_verify: true, .. } => Some(
            "if this registry speaks plain HTTP, or has a certificate of its own, and you trust the \
             network, use `--tls-verify=false`"
                .into(),
        ),
        E::NoSuchArchitecture { available, .. } if !available.is_empty() => {
            Some("choose another architecture with `--arch`".into())
        }
        E::Architecture { found, .. } if crate::spec::Arch::parse(found).is_some() => {
            Some(format!("build a disk for that architecture with `--arch {found}`"))
        }
        E::NotBootable => Some(NOT_BOOTABLE.to_owned()),
        E::Mirrors { source, .. } => of_registry(source),
        E::AmbiguousName { .. } => Some("give the full name".into()),
        E::Blocked { .. } => Some(
            "ask whoever blocked it; a mirror of it in the same file may be used".into(),
        ),
        E::NoSkopeo => Some(
            "install skopeo; or copy the image with `podman save --format oci-archive -o FILE` and \
             build from `oci-archive:FILE`"
                .into(),
        ),
        E::Skopeo { .. } => Some(
            "`podman images` lists what is there, with full names; root's storage is not the user's"
                .into(),
        ),
        E::NotADockerArchive { .. } => Some(
            "what `podman save` writes with `--format oci-archive` is read as `oci-archive:`".into(),
        ),
        E::Scratch { source, .. } => of_io(source),
        E::NotALayout { .. } | E::NoFolder(_) => Some(
            "`oci:` wants a folder with an OCI layout, `oci-archive:` a tar of one, `dir:` a folder that \
             skopeo wrote; in the first two the path ends at the first colon"
                .into(),
        ),
        E::CompressedArchive { .. } | E::NoSuchTag { .. } | E::SeveralImages { .. } => None,
        E::BlobDigest { .. } | E::BlobSize { .. } | E::MissingBlob { .. } => {
            Some(DAMAGED.to_owned())
        }
        E::PushToDigest(_) => Some("name a tag, such as `registry.example/org/disk:1`".into()),
        E::Blob { source, .. } => of_io(source),
        _ => None,
    }
}

fn of_boot(error: &BootError) -> Option<String> {
    let hint = match error {
        BootError::NoKernel => NOT_BOOTABLE,
        BootError::SeveralKernels(_) => "remove all kernels but one when the image is built",
        BootError::NoInitramfs { .. } => {
            "make it when the image is built, with `dracut` and its module `ostree`, for instance"
        }
        BootError::NoPrepareRoot => {
            "add it when the image is built, before the initramfs is made: an empty one will do; or \
             was a base container image meant?"
        }
        BootError::NotSupportedYet { what, .. } if what.starts_with("composefs.enabled") => {
            "use `enabled = yes` in the image and in its initramfs: the same without fs-verity"
        }
        BootError::ComposefsValue { .. } => {
            "it may be `no`, `maybe` or `yes`; the initramfs has a copy of the file"
        }
        BootError::NoBootLoader { .. } => {
            "install signed shim and GRUB, bootupd's payload, or GRUB's modules, when the image is built"
        }
        BootError::NoBiosModules { .. } => {
            "add them when the image is built (`grub-pc-bin` on Debian and Ubuntu, `grub2-pc-modules` \
             on Fedora, `grub2-i386-pc` on openSUSE, `grub` on Arch), or leave `--bios on` out"
        }
        BootError::SystemdBoot { .. } => {
            "add GRUB when the image is built: signed shim and GRUB, or GRUB's modules for UEFI"
        }
        BootError::NotForGrub { .. } => KARG,
        BootError::TooManyKargs { .. } => "leave some of them out of `--karg`",
        BootError::GrubModules { .. }
        | BootError::GrubFile { .. }
        | BootError::GrubParts { .. } => {
            "install the whole package of GRUB, of one version, when the image is built"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_selinux(error: &selinux::Error) -> Option<String> {
    use selinux::{Error as E, PatternError};
    let hint = match error {
        E::Missing { .. } => {
            "install the whole policy when the image is built, or set `SELINUX=disabled` in its \
             `/etc/selinux/config`"
        }
        E::Pattern { source: PatternError::Unsupported(_), .. } => return None,
        E::Line { .. } | E::Pattern { .. } => {
            "libselinux refuses such a file too: correct it when the image is built"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_content(error: &ostree::Error) -> Option<String> {
    use ostree::encapsulated::Error as Carried;
    use ostree::{Error as E, PathError};
    let hint = match error {
        E::UnsupportedType { .. } => {
            "remove it when the image is built; what must be there is made when the system starts, \
             by systemd-tmpfiles for instance"
        }
        E::Path(PathError::DotDot(_)) => {
            "the layer was not made by an image builder: do not trust it"
        }
        E::Path(PathError::NotUtf8(_)) => "rename the file when the image is built",
        E::HardlinkTarget { .. } => {
            "the layer is not whole: build the image again, with another builder if that does not help"
        }
        E::Encapsulated(Carried::Checksum { .. } | Carried::Missing { .. }) => DAMAGED_COMMIT,
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_plan(error: &PlanError) -> Option<String> {
    match error {
        PlanError::TooSmall { needed_mib, .. } => {
            Some(format!("use `--size {needed_mib}M` or more, or `--size auto`"))
        }
        PlanError::Layout(LayoutError::Mountpoint { problem, .. })
            if problem.contains("no such directory") =>
        {
            Some("mount it below `/var`, or make the directory when the image is built".to_owned())
        }
        PlanError::Layout(LayoutError::NoSource { .. }) => {
            Some("add the file when the image is built, or correct its path".to_owned())
        }
        PlanError::Layout(LayoutError::BiosBootMoved) => Some(
            "put the BIOS boot partition first, or leave it out: it is added where it is needed"
                .to_owned(),
        ),
        _ => None,
    }
}

fn of_output(error: &OutputError) -> Option<String> {
    use io::ErrorKind as Kind;
    match error {
        OutputError::DiskFull { .. } => Some(NO_SPACE.to_owned()),
        OutputError::Io { source, .. } => match source.kind() {
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem | Kind::NotADirectory => {
                Some("choose a folder that you can write to with `--output`".into())
            }
            _ => None,
        },
        OutputError::InTheWay { .. } => {
            Some("move it away, or choose another folder with `--output`".into())
        }
        OutputError::Name { .. } => None,
    }
}

fn of_inspect(error: &inspect::Error) -> Option<String> {
    use inspect::{Error as E, Problem};
    let hint = match error {
        E::ScratchFull(_) | E::Scratch { .. } => {
            "name another folder for temporary files in the environment variable TMPDIR"
        }
        E::UnknownFormat(_) | E::NoDiskInside { .. } => {
            "an image in a folder is named `oci:DIR`, one in an archive `oci-archive:FILE`"
        }
        E::Format { source: Problem::BackingFile(_) | Problem::Variety { .. }, .. } => {
            "make one whole disk of it first, with `qemu-img convert -O qcow2` for instance"
        }
        E::OtherFormat { .. } => "convert it first, with `qemu-img convert -O qcow2` for instance",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn of_io(error: &io::Error) -> Option<String> {
    use io::ErrorKind as Kind;
    if let Some(inner) = error.get_ref() {
        return hint(inner);
    }
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => Some(NO_SPACE.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
