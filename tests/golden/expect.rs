//! What is expected of each golden image. `docs/conformance.md` gives the reasons.

use std::error::Error;
use std::path::Path;

/// What must happen with an image.
#[derive(Clone, Copy)]
pub enum Expect {
    /// Everything recorded is equal.
    Equal,
    /// Everything but the labels of `/etc`, by which the recording host and others differ.
    EqualButEtcLabels,
    /// Everything is equal but what lies below these paths of the deployment: upstream stored it
    /// unsoundly or read it wrongly. So the commits differ too.
    EqualBut(&'static [&'static str]),
    /// The image is read; the record has nothing to compare, or chance in it.
    Read,
    /// It is refused, and the error says this.
    Refused(&'static str),
}

/// A directory spelt as a file, and a short name in two fields (rule 4).
const TAR_FORMS_SOUND: &[&str] = &["usr/share/tf/v7dir", "usr/share/tf/prefix"];
/// The same, and one xattr in two spellings (rule 2).
const TAR_FORMS: &[&str] = &["usr/share/tf/v7dir", "usr/share/tf/prefix", "usr/share/tf/xa-both"];

/// And a sparse file of GNU's own form (rule 4: upstream keeps its first segment only).
const SPARSE_SOUND: &[&str] = &[
    "usr/share/tf/v7dir",
    "usr/share/tf/prefix",
    "usr/share/tf/sparse-old",
    "usr/share/tf/sparse-oldext",
];
const SPARSE: &[&str] = &[
    "usr/share/tf/v7dir",
    "usr/share/tf/prefix",
    "usr/share/tf/sparse-old",
    "usr/share/tf/sparse-oldext",
    "usr/share/tf/xa-both",
];

/// Images that are not simply equal: rule 2 (sound where upstream is not), rule 3 (refused as
/// wrong), rule 4 (read where upstream stumbles), rule 5 (integrity values are checked).
const TABLE: &[(&str, Expect)] = &[
    ("comp-docker", Expect::Read),
    ("comp-gzipjunk", Expect::Refused("after the end")),
    ("comp-multimember", Expect::Read),
    ("comp-wrongmt", Expect::Refused("zstd")),
    ("composefs-signed", Expect::Refused("composefs.enabled")),
    ("composefs-verity", Expect::Refused("composefs.enabled")),
    ("err-arch", Expect::Refused("arm64")),
    ("err-bad-checksum", Expect::Refused("tar header")),
    ("err-badfinaldiffid", Expect::Refused("abababab")),
    ("err-blockdev", Expect::Refused("block device")),
    ("err-chardev", Expect::Refused("character device")),
    ("err-digest-mismatch", Expect::Refused("sha256:62b30e19982f")),
    ("err-dotdot", Expect::Refused("`..`")),
    ("err-dup-xattr", Expect::EqualBut(&["usr/share/x"])),
    ("err-dup-xattr-both", Expect::EqualBut(&["usr/share/x"])),
    ("err-encap-missing-chunk", Expect::Refused("34669590973a")),
    ("err-etc-symlink", Expect::Refused("must be a directory")),
    ("err-etc-toplevel-file", Expect::Refused("must be a directory")),
    ("err-fifo", Expect::Refused("named pipe")),
    ("err-filedir", Expect::Read),
    ("err-garbage-tar", Expect::Refused("tar")),
    ("err-gzip-badcrc", Expect::Refused("checksum")),
    ("err-hl-dir", Expect::Refused("hard link")),
    ("err-hl-dup", Expect::Read),
    ("err-hl-lower", Expect::Refused("hard link")),
    ("err-hl-missing", Expect::Refused("hard link")),
    ("err-hl-run", Expect::Refused("hard link")),
    ("err-install-unknown-key", Expect::Refused("unknown")),
    ("err-install-unknown-top", Expect::Refused("other")),
    ("err-kargs-unknown", Expect::Refused("unknown")),
    ("err-missing-blob", Expect::Refused("sha256:")),
    ("err-name-256", Expect::Refused("255 bytes")),
    ("err-no-created", Expect::EqualBut(&[])),
    ("err-no-initramfs", Expect::Refused("initramfs")),
    ("err-no-kernel", Expect::Refused("no kernel")),
    ("err-no-labels", Expect::Refused("containers.bootc")),
    ("err-no-layers", Expect::Refused("no layers")),
    ("err-no-prepare-root", Expect::Refused("prepare-root.conf")),
    ("err-nonutf8", Expect::Refused("UTF-8")),
    ("err-nonutf8-target", Expect::Refused("UTF-8")),
    ("err-parent-is-file", Expect::Refused("no directory")),
    ("err-parent-is-symlink", Expect::Refused("no directory")),
    ("err-pax-global", Expect::EqualBut(&["boot"])),
    ("err-pax-global-mid", Expect::Read),
    ("err-size-mismatch", Expect::Refused("9875")),
    ("err-symlink-4064", Expect::Read),
    ("err-symlink-4095", Expect::Read),
    ("err-truncated-gzip", Expect::Refused("gzip")),
    ("err-truncated-tar", Expect::Refused("tar")),
    ("err-two-kernels", Expect::Refused("several kernels")),
    ("err-user-xattr-symlink", Expect::Refused("user.a")),
    ("err-usr-symlink-below", Expect::Refused("no directory")),
    ("err-wh-dot", Expect::Refused("whiteout")),
    ("err-xattr-huge", Expect::Read),
    ("err-xattr-newline", Expect::Read),
    ("osrel-missing", Expect::Refused("os-release")),
    (
        "plain-basic",
        Expect::EqualBut(&[
            "usr/share/alpha/links/mode0000",
            "usr/share/alpha/links/mode0644",
            "usr/share/alpha/xattr/long",
            "usr/share/alpha/xattr/zero",
            "usr/share/alpha/xattr/zeroplus",
        ]),
    ),
    // upstream passes over an xattr name of 245 bytes (rule 4)
    ("plain-basic-sound", Expect::EqualBut(&["usr/share/alpha/xattr/long"])),
    ("plain-sparse-old", Expect::EqualBut(SPARSE)),
    ("plain-sparse-old-sound", Expect::EqualBut(SPARSE_SOUND)),
    ("plain-sparse-oldext", Expect::EqualBut(SPARSE)),
    ("plain-sparse-oldext-sound", Expect::EqualBut(SPARSE_SOUND)),
    ("plain-sparse-pax1", Expect::EqualBut(TAR_FORMS)),
    ("plain-sparse-pax1-sound", Expect::EqualBut(TAR_FORMS_SOUND)),
    ("plain-tarforms", Expect::EqualBut(TAR_FORMS)),
    ("plain-tarforms-sound", Expect::EqualBut(TAR_FORMS_SOUND)),
    ("plain-ustarprefix", Expect::EqualBut(&["usr/share"])),
    ("encap-selinux-derived1", Expect::EqualBut(&["usr/share/sl/optional"])),
    ("encap-selinux-derived2", Expect::EqualBut(&["usr/share/sl/optional"])),
    ("selinux-nosubs", Expect::EqualButEtcLabels),
    ("selinux-nopolicy", Expect::Refused("policy.NN")),
];

/// What is expected of the image `name`; what is not in the table is equal, and has a record.
pub fn of(name: &str, oracle: &Path) -> Expect {
    let listed = TABLE.iter().find(|(listed, _)| *listed == name).map(|(_, expect)| *expect);
    let expect = listed.unwrap_or(Expect::Equal);
    let has_record = oracle.join("merge-commit.txt").exists();
    assert!(has_record || !matches!(expect, Expect::Equal), "{name} has no record");
    expect
}

/// The error with all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
