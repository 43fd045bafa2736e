//! What to do about an error, where something can be done.
//!
//! Rooms say what is wrong; which words on the command line help is known here. An error's chain is
//! walked from the outside in, and the first that has a hint gives it.

mod content;
mod device;
mod image;

use std::error::Error;
use std::io;
use std::iter;

use super::config::ConfigFileError;
use super::init::InitError;
use super::request::RequestError;
use super::trust::TrustError;
use crate::config::blueprint::{BlueprintError, Problem, Wrong};
use crate::inspect;
use crate::output::OutputError;
use crate::pipeline::customize_medium::MediumError;
use crate::pipeline::{self, LayerError};
use content::{of_boot, of_content, of_plan, of_selinux, of_settings};
use device::{of_boot_iso, of_medium, of_program, of_refusal, of_refusals, of_saved};
use image::{of_key, of_reference, of_registry, of_trust};

const NO_SPACE: &str = "free some space, or choose another folder with `--output`";
const KARG: &str = "leave it out of `--karg` and the blueprint's `kernel.append`; if it comes with the \
                    image, out of its `kargs.d` and install configuration, or take it away with \
                    `--karg-delete`";
const NOT_BOOTABLE: &str =
    "only bootable images can become disks; was a base container image meant?";
const LIVE: &str = "when the image is built, install dracut's live and network modules (`dracut-live` on \
                    Fedora and CentOS; with `dracut-network` and `curl` on Debian), and make the \
                    initramfs with `dracut --add \"livenet dmsquash-live\"`";
const GENERAL_KERNEL: &str = "give the image a kernel for all machines, with its modules \
                              (`linux-image-amd64` on Debian, not its cloud variant)";
const BOOT_ISO: &str = "give a `boot.iso` as Fedora and CentOS publish it: `--boot-iso FILE`";
const POLICY: &str = "containers-policy.json(5) says what may be in it; what is not understood there \
                      must let no image in; another can be given with `--signature-policy`, none with \
                      `--insecure-policy`";

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
