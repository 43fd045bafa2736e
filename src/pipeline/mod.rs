//! The conductor: from an image to disks. The only room that knows all others.
//!
//! ```text
//!  open_source (trust) ─► install (import, deploy) ─► disk (parts, GPT) ─► artifacts (rename)
//!                                                     onto (a device of this machine)
//!              └► anaconda (layers as they are, into a boot ISO)
//! ```
//!
//! Each step is a file. Nothing appears under its name before everything is complete: the canvas and
//! every artifact are temporary files until the last step renames them.

mod ahead;
mod anaconda;
mod artifacts;
mod boot_loader;
mod bootiso;
pub mod carried;
mod composefs;
pub mod container;
pub mod customize_medium;
mod disk;
mod entries;
mod error;
pub mod further;
pub mod fuzz;
mod ground;
pub mod import;
pub mod inspect;
pub mod install;
mod likely;
pub mod medium;
mod mounts;
mod netboot;
pub mod onto;
mod parts;
pub mod request;
pub mod soon;
pub mod trust;

use std::sync::Arc;

use crate::digest::Sha256Digest;
use crate::plan::ids::Ids;
use crate::plan::manifest::{Plan, SignatureRecord};
use crate::plan::platform::{self, Platform, Profile};
use crate::plan::size::SizeRequest;
use crate::plan::types::DiskType;
use crate::progress::{Cancel, Event, Reporter};
use crate::registry::{self, Reference, RegistryReference, Source, TargetRef};
use crate::spec::Image;
use crate::trust::Verified;
use crate::units::MIB;
use crate::volume::Timestamp;

pub use anaconda::BootIsoError;
pub use error::{Error, LayerError};
pub use request::{Bios, BootLoader, Outcome, Qcow2Compression, Request};
pub use trust::Trust;

use container::Container;
use import::Context;

/// Builds every disk that is asked for.
pub fn build(
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Outcome, Error> {
    artifacts::check(request)?;
    bootiso::check(request)?;
    anaconda::check(request)?;
    let warnings = Recorder::new(reporter);
    let prepared = Prepared::new(request, &warnings, cancel)?;
    let context = Context { reporter: &warnings, cancel, threads: request.threads };
    let inputs = prepared.inputs(request);
    let signature = prepared.signature.as_ref().map(|signature| tell(signature, reporter.as_ref()));
    let plan = prepared.plan.clone();
    let outcome = if request.types.iter().all(|kind| kind.is_without_disk()) {
        artifacts::write_alone(plan, signature, inputs, &warnings, context)?
    } else {
        let disk = disk::make(inputs, context)?;
        artifacts::write(disk, plan, signature, inputs, &warnings, context)?
    };
    if let Some(name) = &request.push {
        push(name, request, reporter, cancel)?;
    }
    Ok(outcome)
}

/// What is known before layers are read: the image, and every choice that does not need its content.
struct Prepared {
    source: Source,
    signature: Option<Verified>,
    target: TargetRef,
    time: Timestamp,
    profile: Profile,
    plan: Plan,
    seed: Sha256Digest,
    ids: Ids,
    container: Option<Container>,
}

impl Prepared {
    fn new(request: &Request, warnings: &Recorder<'_>, cancel: &Cancel) -> Result<Self, Error> {
        let reporter = warnings.inner;
        reporter.report(Event::Stage { name: format!("resolving {}", request.source_text) });
        let (mut source, signature) = open_verified(request, reporter, cancel)?;
        let mut types = request.types.iter();
        let medium = types.find(|kind| matches!(kind, DiskType::Iso | DiskType::AnacondaIso));
        let container = medium.map(|kind| Container::keep(&mut source, &request.output, *kind));
        let container = container.transpose()?;
        let image = source.image();
        for message in request.notices.iter().chain(&image.warnings) {
            warnings.report(Event::Warning { message: message.clone() });
        }
        let target = target(request, source.reference(), warnings)?;
        let time = stamp(request, image);
        let (platform, notice) = platform::choose(request.platform, &request.types);
        if let Some(message) = notice {
            warnings.report(Event::Warning { message });
        }
        let plan = plan(request, platform, &target, time);
        let seed = plan.digest();
        let ids = ids(request, image.manifest_digest, seed);
        let profile = platform.profile();
        Ok(Self { source, signature, target, time, profile, plan, seed, ids, container })
    }

    fn inputs<'a>(&'a self, request: &'a Request) -> install::Inputs<'a> {
        let Self { source, target, ids, profile, time, seed, .. } = self;
        let (time, seed, container) = (*time, *seed, self.container.as_ref());
        install::Inputs { request, source, target, ids, time, profile, seed, log: None, container }
    }
}

/// Pushes the containerDisk, which stays if the registry does not take it.
fn push(
    name: &RegistryReference,
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<(), Error> {
    reporter.report(Event::Stage { name: format!("pushing {}", name.text) });
    let folder = request.output.join(DiskType::ContainerDisk.path());
    let pushed = registry::push(&folder, name, &options(request, reporter, cancel))?;
    let digest = pushed.digest.to_oci();
    let message = format!("pushed {}@{digest}: {} bytes sent", name.text, pushed.sent_bytes);
    reporter.report(Event::Detail { message });
    Ok(())
}

/// Opens the image and checks what its manifest and config promise, and who vouches for them.
pub fn open_source(
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<Source, Error> {
    Ok(open_verified(request, reporter, cancel)?.0)
}

/// The image, and the signature that let it in, if one was demanded.
fn open_verified(
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<(Source, Option<Verified>), Error> {
    let (source, signature) = open_any(request, reporter, cancel)?;
    registry::check_bootable(source.image(), request.arch)?;
    Ok((source, signature))
}

/// The same of an image that need not be bootable.
fn open_any(
    request: &Request,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancel,
) -> Result<(Source, Option<Verified>), Error> {
    if !matches!(request.source, Reference::Short(_)) {
        trust::Gate::new(&request.trust, &request.source)?;
    }
    let options = options(request, reporter, cancel);
    let source = Source::open(&request.source, &options)?;
    let found = source.image().manifest_digest;
    if let Some(expected) = request.digest.filter(|expected| *expected != found) {
        return Err(Error::OtherImage {
            source_text: request.source_text.clone(),
            expected,
            found,
        });
    }
    // By now a short name is completed.
    let signature = trust::Gate::new(&request.trust, source.reference())?.admit(&source)?;
    Ok((source, signature))
}

/// How registries and other places are talked to.
fn options(request: &Request, reporter: &Arc<dyn Reporter>, cancel: &Cancel) -> registry::Options {
    registry::Options {
        arch: request.arch,
        cancel: cancel.clone(),
        reporter: Arc::clone(reporter),
        authfile: request.authfile.clone(),
        registries_conf: request.registries_conf.clone(),
        cert_dir: request.cert_dir.clone(),
        tls_verify: request.tls_verify,
        environment: request.environment.clone(),
        scratch: request.output.clone(),
        ..registry::Options::new(request.arch)
    }
}

/// Says which signature let the image in, and puts it on record.
fn tell(signature: &Verified, reporter: &dyn Reporter) -> SignatureRecord {
    let Verified { key_sha256, digest, identity } = signature;
    let name = identity.as_deref().map_or(String::new(), |name| format!(" as `{name}`"));
    let digest = digest.to_oci();
    let message = format!("the image is signed: {digest}{name}, by the key {key_sha256}");
    reporter.report(Event::Detail { message });
    SignatureRecord { key_sha256: key_sha256.to_hex(), digest, identity: identity.clone() }
}

/// What the installed system updates from: as asked for, else the source.
fn target(
    request: &Request,
    source: &Reference,
    reporter: &dyn Reporter,
) -> Result<TargetRef, Error> {
    if let Some(target) = &request.target {
        return Ok(target.clone());
    }
    let target = default_target(source)?;
    if !target.is_registry() {
        let message = format!(
            "the installed system cannot update from `{}`; name a registry with `--target-imgref`",
            request.source_text
        );
        reporter.report(Event::Warning { message });
    }
    Ok(target)
}

/// The source as typed, a short name completed, whichever mirror it is read from; but without a
/// digest: that would pin the machine to this image for ever (ostree-contract 4.6).
fn default_target(source: &Reference) -> Result<TargetRef, Error> {
    let text = source.to_string();
    let name = match source {
        Reference::Registry(_) | Reference::Short(_) => text.split('@').next().unwrap_or_default(),
        _ => &text,
    };
    Ok(TargetRef::parse(name).map_err(registry::Error::from)?)
}

/// `SOURCE_DATE_EPOCH`, else when the image was created, but not before 1970, else 1970.
fn stamp(request: &Request, image: &Image) -> Timestamp {
    let secs = request.source_date_epoch.or(image.created_secs).unwrap_or(0).max(0);
    Timestamp { secs, nanos: 0 }
}

/// Every choice that is made before the image's content is seen; what the image itself decides is
/// bound by its digest.
fn plan(request: &Request, platform: Platform, target: &TargetRef, time: Timestamp) -> Plan {
    let keys = request.root_ssh_authorized_keys.as_deref();
    Plan {
        arch: request.arch.rust_name().to_owned(),
        rootfs: "ext4".to_owned(),
        size: match request.size {
            SizeRequest::Auto => "auto".to_owned(),
            SizeRequest::Min => "min".to_owned(),
            SizeRequest::Exact(len) => len.0.to_string(),
        },
        sector_size_bytes: request.sector_size.bytes(),
        bios: request.bios.name().to_owned(),
        platform: platform.name().to_owned(),
        size_granule_bytes: Some(granule_bytes(request)).filter(|granule| *granule > MIB),
        stateroot: request.stateroot.clone().unwrap_or_default(),
        target_imgref: target.image_reference(),
        ids: match request.ids {
            request::Ids::Derived => "derived",
            request::Ids::Random(_) => "random",
        }
        .to_owned(),
        kargs: request.kargs.clone(),
        karg_deletes: request.karg_deletes.clone(),
        layout_sha256: request.layout.as_ref().map(|layout| {
            let json = serde_json::to_vec(layout).expect("strings and numbers are always JSON");
            Sha256Digest::of(&json).to_hex()
        }),
        root_ssh_authorized_keys_sha256: keys.map(|keys| Sha256Digest::of(keys).to_hex()),
        settings_sha256: request.settings.digest().map(|digest| digest.to_hex()),
        source_date_epoch: time.secs,
    }
}

/// What the disk's size is a multiple of, so that every type asked for accepts it.
fn granule_bytes(request: &Request) -> u64 {
    request.types.iter().map(|kind| kind.granule_bytes()).fold(MIB, u64::max)
}

fn ids(request: &Request, image: Sha256Digest, plan: Sha256Digest) -> Ids {
    match &request.ids {
        request::Ids::Derived => Ids::derive(image, plan),
        request::Ids::Random(seed) => Ids::derive(Sha256Digest(*seed), plan),
    }
}

/// Passes events on and remembers warnings, for the build record.
struct Recorder<'a> {
    inner: &'a Arc<dyn Reporter>,
    warnings: std::sync::Mutex<Vec<String>>,
}

impl<'a> Recorder<'a> {
    fn new(inner: &'a Arc<dyn Reporter>) -> Self {
        Self { inner, warnings: std::sync::Mutex::default() }
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl Reporter for Recorder<'_> {
    fn report(&self, event: Event) {
        if let Event::Warning { message } = &event {
            let mut warnings =
                self.warnings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            warnings.push(message.clone());
        }
        self.inner.report(event);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_pin_the_installed_system() {
        let digest = Sha256Digest::of(b"").to_oci();
        for (source, origin) in [
            (format!("host.example/os:1@{digest}"), "ostree-unverified-registry:host.example/os:1"),
            (format!("host.example/os@{digest}"), "ostree-unverified-registry:host.example/os"),
            ("oci:/a@b:tag".to_owned(), "ostree-unverified-image:oci:/a@b:tag"),
            (
                "containers-storage:x@0123".to_owned(),
                "ostree-unverified-image:containers-storage:x@0123",
            ),
        ] {
            let reference = Reference::parse(&source).unwrap();
            assert_eq!(default_target(&reference).unwrap().origin(), origin);
        }
    }
}
