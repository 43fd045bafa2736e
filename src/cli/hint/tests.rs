use std::path::PathBuf;

use super::*;
use crate::boot::BootError;

use crate::config::blueprint::{Blueprint, InstallFile};
use crate::digest::Sha256Digest;
use crate::installer::program::ProgramError;
use crate::installer::saved::SavedError;
use crate::installer::target::Refusal;
use crate::installer::target::Target;
use crate::ostree;
use crate::pipeline::BootIsoError;
use crate::plan::PlanError;
use crate::registry::Reference;
use crate::registry::{self, ParseReferenceError};
use crate::selinux;
use crate::trust::{self, KeyError};
use crate::units::{ByteLen, MIB};

fn check(error: &(dyn Error + 'static), expected: &str) {
    let hint = hint(error);
    assert!(hint.as_ref().is_some_and(|hint| hint.contains(expected)), "{error:?}: {hint:?}");
}

fn denied(credentials: Option<PathBuf>) -> registry::Error {
    registry::Error::Denied { name: "r.example/org/os".to_owned(), status: 401, credentials }
}

fn refused(tls: bool, tls_verify: bool) -> registry::Error {
    let reason = "wrong version number".to_owned();
    registry::Error::Connection { host: "r.example".to_owned(), reason, tls, tls_verify }
}

#[test]
fn registries_that_refuse() {
    check(&denied(None), "`podman login r.example`");
    check(&denied(None), "`--authfile`");
    check(&denied(Some(PathBuf::from("/auth.json"))), "may read the image");
    check(&refused(true, true), "`--tls-verify=false`");
    assert_eq!(hint(&refused(false, true)), None);
    assert_eq!(hint(&refused(true, false)), None);
    let (name, what) = ("r.example/os".to_owned(), "7".to_owned());
    check(&registry::Error::NotFound { name, what }, "name and tag");
}

#[test]
fn images_that_are_none_of_ours() {
    let (wanted, found) = ("amd64".to_owned(), "arm64".to_owned());
    check(&registry::Error::Architecture { wanted, found }, "`--arch arm64`");
    let (wanted, found) = ("amd64".to_owned(), "s390x".to_owned());
    assert_eq!(hint(&registry::Error::Architecture { wanted, found }), None);
    check(&registry::Error::NotBootable, "base container image");
    check(&BootError::NoKernel, "base container image");
    check(&BootError::NoPrepareRoot, "base container image");
    check(&BootError::NoInitramfs { version: "6.1".to_owned() }, "dracut");
    check(&BootError::NoBootLoader { searched: vec![] }, "shim and GRUB");
    let (path, missing) = ("usr/lib/modules/1/initramfs.img".to_owned(), vec!["livenet"]);
    check(&pipeline::Error::NoLiveInitramfs { path, missing }, "dracut --add");
    let name = "docker-archive:/x".to_owned();
    check(
        &pipeline::Error::LayersUnpacked { kind: "iso", name },
        "`skopeo copy docker-archive:/x oci:DIR`",
    );
    let kernel = "usr/lib/modules/1/vmlinuz".to_owned();
    check(&pipeline::Error::NoMediumDriver { kernel }, "for all machines");
    check(&pipeline::Error::Karg { problem: "`a$`".to_owned() }, "`--karg-delete`");
    check(&BootError::SeveralKernels(vec![]), "all kernels but one");
}

#[test]
fn programs_that_cannot_be_installers() {
    let program = |source| pipeline::Error::Program { path: "/x".into(), source };
    check(&program(ProgramError::Dynamic), "the static build");
    check(&program(ProgramError::OtherMachine(crate::spec::Arch::Aarch64)), "architecture");
    check(&RequestError::NoInstaller("--volume-id"), "add `--type iso`");
    check(&RequestError::NoAnaconda, "add `--type anaconda-iso`");
    check(&RequestError::NoBootIso, "`--boot-iso FILE`");
    let no_boot_iso = BootIsoError::NotAnaconda("/x".into());
    check(&pipeline::Error::BootIso(no_boot_iso), "`--boot-iso FILE`");
}

#[test]
fn disks_that_are_refused() {
    let disk = || "/dev/vda".to_owned();
    let holds = || Refusal::HoldsData { disk: disk(), holds: "XFS".to_owned() };
    check(&pipeline::Error::Refused(vec![holds()]), "`--wipe`");
    check(&holds(), "`wipe = true`");
    let small = Refusal::TooSmall { disk: disk(), has: ByteLen(1), needs: ByteLen(2) };
    assert_eq!(hint(&pipeline::Error::Refused(vec![small, holds()])), None);
    check(&Refusal::NotADisk { path: "/dev/vda1".to_owned(), disk: disk() }, "`/dev/vda`");
    let target = Target::Largest;
    check(&Refusal::Ambiguous { target, disks: vec![disk(), disk()] }, "`serial:…`");
    check(&pipeline::Error::Saved(SavedError::Mbr), "leave the labels out");
    check(&pipeline::Error::Saved(SavedError::Different), "`gdisk`");
}

#[test]
fn files_with_unknown_keys() {
    let of = |text: &str| InstallFile::parse("a.toml", text.as_bytes()).unwrap_err();
    check(&of("[install]\nx = 1\n"), "`docs/installer.md`");
    check(&of("[customizations]\nx = 1\n"), "`docs/config.md`");
    assert_eq!(hint(&of("[install]\nwipe = 1\n")), None);
    let error = Blueprint::parse("a.toml", b"\xff").unwrap_err();
    assert_eq!(hint(&error), None);
    check(&Blueprint::parse("a", b"").unwrap_err(), "`….toml`");
}

#[test]
fn kernel_arguments_that_a_menu_cannot_have() {
    check(&BootError::NotForGrub { what: "a quote", karg: "a'".to_owned() }, "`kernel.append`");
    check(&BootError::TooManyKargs { len: 2000, limit: 1024 }, "`--karg`");
}

#[test]
fn composefs_that_is_not_made() {
    let path = "usr/lib/ostree/prepare-root.conf".to_owned();
    let not_yet = |what, path: &String| BootError::NotSupportedYet { what, path: path.clone() };
    check(&not_yet("composefs.enabled = verity", &path), "`enabled = yes`");
    assert_eq!(hint(&not_yet("unified kernel images", &path)), None);
    check(&BootError::ComposefsValue { path, value: "perhaps".to_owned() }, "`maybe`");
}

#[test]
fn images_that_nobody_vouches_for() {
    let scope = || "`docker`".to_owned();
    let policy = |source| pipeline::Error::Policy { path: "policy.json".into(), source };
    check(&policy(trust::Error::Rejected { scope: scope() }), "`--signature-policy`");
    let not_yet = policy(trust::Error::NotSupported { what: "`signedBy`", scope: scope() });
    for way in ["`--verify-key`", "`--signature-policy`", "`--insecure-policy`"] {
        check(&not_yet, way);
    }
    check(&pipeline::Error::Signature(trust::Error::Unsigned), "`cosign sign --key");
    check(&KeyError::Label("PRIVATE KEY".to_owned()), "`cosign.pub`, not `cosign.key`");
    check(&KeyError::NotPem, "`openssl pkey -pubout`");
    assert_eq!(hint(&KeyError::Curve), None);
}

#[test]
fn policies_that_are_none() {
    use selinux::{LineError, PatternError};
    let missing = selinux::Error::Missing { policy: "t".to_owned(), missing: "x".to_owned() };
    check(&pipeline::Error::Selinux(missing), "`SELINUX=disabled`");
    let path = "file_contexts".to_owned();
    let source = LineError::NotAscii;
    check(&selinux::Error::Line { path: path.clone(), line: 1, source }, "libselinux");
    let pattern = |source| {
        let (path, pattern) = (path.clone(), "/a(".to_owned());
        selinux::Error::Pattern { path, line: 1, pattern, source }
    };
    check(&pattern(PatternError::Parenthesis), "libselinux");
    assert_eq!(hint(&pattern(PatternError::Unsupported("references"))), None);
}

#[test]
fn entries_that_no_commit_can_hold() {
    use ostree::encapsulated::Error as Carried;
    let path = || "usr/x".to_owned();
    let device = ostree::Error::UnsupportedType { path: path(), kind: "character device" };
    check(&LayerError::Content(device), "systemd-tmpfiles");
    check(&ostree::Error::Path(ostree::PathError::DotDot(path())), "do not trust it");
    check(&ostree::Error::Path(ostree::PathError::NotUtf8(path())), "rename");
    let hardlink = ostree::Error::HardlinkTarget { path: path(), target: path() };
    check(&hardlink, "build the image again");
    let damaged = Carried::Checksum { object: path(), actual: Sha256Digest::of(b"") };
    check(&LayerError::Content(damaged.into()), "ostree commit");
    let missing = Carried::Missing { object: path(), path: path() };
    check(&pipeline::Error::Ostree(ostree::Error::from(missing)), "ostree commit");
    assert_eq!(hint(&ostree::Error::TooManyObjects), None);
}

#[test]
fn names_that_podman_knows_and_we_do_not() {
    let error = Reference::parse("localhost/my-os:1").unwrap_err();
    check(&error, "say `containers-storage:localhost/my-os:1`");
    check(&error, "`localhost:5000/…`");
    check(&RequestError::Image(error), "containers-storage");
    let error = Reference::parse("docker-daemon:x").unwrap_err();
    check(&registry::Error::Reference(error), "skopeo copy docker-daemon:");
    check(&registry::Error::NoSkopeo, "install skopeo");
    for (text, expected) in [
        ("./src", "`oci:./src`"),
        ("./Cargo.toml", "`oci-archive:./Cargo.toml`"),
        ("https://r.example/os", "say `r.example/os`"),
    ] {
        let error = Reference::parse(text).unwrap_err();
        check(&RequestError::Image(error), expected);
    }
    for (text, expected) in [("src", "`oci:src`"), ("docker:os", "`docker://`")] {
        let error = ParseReferenceError::NoHost(text.to_owned());
        check(&registry::Error::Reference(error), expected);
    }
    let error = registry::Error::NoAuthFile(PathBuf::from("auth.json"));
    check(&error, "`--authfile`");
    let error = registry::Error::Reference(ParseReferenceError::NoHost("os".to_owned()));
    check(&error, "registries.conf");
    let source = Box::new(error);
    check(&registry::Error::Mirrors { mirrors: Vec::new(), source }, "registries.conf");
}

#[test]
fn disks_and_folders_that_are_too_small() {
    let too_small = || PlanError::TooSmall { asked: ByteLen(MIB), needed_mib: 682 };
    check(&too_small(), "`--size 682M`");
    check(&pipeline::Error::Plan(too_small()), "`--size 682M`");
    let path = PathBuf::from("/x/disk");
    check(
        &pipeline::Error::Output(OutputError::DiskFull { path: path.clone() }),
        "free some space",
    );
    let source = io::ErrorKind::PermissionDenied.into();
    check(&pipeline::Error::Output(OutputError::Io { path: path.clone(), source }), "`--output`");
    let source = io::ErrorKind::StorageFull.into();
    check(&pipeline::Error::Canvas { path, source }, "free some space");
}

#[test]
fn hints_reach_through_layers_and_readers() {
    let digest = Sha256Digest::of(b"");
    let layer = |source| pipeline::Error::Layer { number: 1, count: 2, digest, source };
    check(&layer(LayerError::Blob(denied(None))), "podman login");
    let packed = crate::layers::Error::Io(denied(None).into());
    check(&layer(LayerError::Tar(packed)), "podman login");
    let wrong = registry::Error::BlobDigest { expected: digest, seen: Sha256Digest::of(b"x") };
    let packed = crate::layers::Error::Io(wrong.into());
    check(&layer(LayerError::Tar(packed)), "copy the image again");
    assert_eq!(hint(&pipeline::Error::NoLayers), None);
}

#[test]
fn settings_that_the_image_cannot_carry_out() {
    use crate::customize::{Error, Nearest};
    let path = "/usr/bin/x".to_owned();
    let read_only = Error::ReadOnly { path: path.clone(), real: path.clone() };
    check(&pipeline::Error::Customize(read_only), "in a layer");
    check(&Error::NoDirectory { path, parent: "etc/a".into() }, "ensure_parents");
    let group = |what| Error::NoSuchName { what, name: "weel".into(), nearest: Nearest(None) };
    check(&group("group"), "[[customizations.group]]");
    check(&group("user"), "[[customizations.user]]");
}

#[test]
fn disks_that_cannot_be_looked_at() {
    use inspect::reader::Format;
    use inspect::{Error as E, Problem};
    let path = || PathBuf::from("disk");
    check(&pipeline::Error::Inspect(E::ScratchFull(path())), "TMPDIR");
    check(&pipeline::Error::Inspect(E::UnknownFormat(path())), "`oci:DIR`");
    let what = "a container image";
    check(&pipeline::Error::Inspect(E::NoDiskInside { path: path(), what }), "`oci-archive:FILE`");
    let source = Problem::BackingFile("base".to_owned());
    let backed = E::Format { path: path(), format: Format::Qcow2, source };
    check(&pipeline::Error::Inspect(backed), "qemu-img convert");
    let encrypted = E::Format { path: path(), format: Format::Qcow2, source: Problem::Encrypted };
    assert_eq!(hint(&pipeline::Error::Inspect(encrypted)), None);
}
