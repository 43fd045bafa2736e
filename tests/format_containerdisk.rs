//! What other people's tools make of our containerDisk.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod format_disks;
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bootc_image::digest::Sha256Digest;
use bootc_image::format::containerdisk::{NAMES, Options, write};
use bootc_image::format::{Summary, qcow2};
use bootc_image::output::PendingDirectory;
use bootc_image::progress::{Cancel, Silent};
use bootc_image::spec::Arch;
use bootc_image::units::{ByteLen, MIB};
use proptest::prelude::{ProptestConfig, proptest};
use serde_json::Value;

use format_disks::{Piece, create, disk, pieces};
use tools::run;

fn options() -> Options {
    Options { arch: Arch::X86_64, tag: "latest".to_owned(), created_secs: 1_700_000_000 }
}

/// Encodes a disk of 30 MiB and puts it into `folder/containerdisk`.
fn make(folder: &Path, pieces: &[Piece]) -> Summary {
    let raw = disk(&folder.join("raw"), 30 * MIB, pieces);
    let out = create(&folder.join("qcow2"));
    let encoding = qcow2::Options { compression: qcow2::Compression::default(), threads: 1 };
    let (silent, cancel) = (&Silent, Cancel::default());
    qcow2::encode(&raw, ByteLen(30 * MIB), &out, &encoding, silent, &cancel).unwrap();
    let pending = PendingDirectory::create(&folder.join("containerdisk"), NAMES).unwrap();
    let summary = write(&out, &pending, &options(), silent, &cancel).unwrap();
    pending.commit().unwrap();
    summary
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let below = files(&path).into_iter();
            found.extend(below.map(|(rest, bytes)| (format!("{name}/{rest}"), bytes)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

fn json(layout: &Path, digest: &Value) -> Value {
    let name = digest.as_str().unwrap().replace(':', "/");
    serde_json::from_slice(&fs::read(layout.join("blobs").join(name)).unwrap()).unwrap()
}

#[test]
fn documents_agree_with_their_blobs() {
    let folder = tempfile::tempdir().unwrap();
    let summary = make(folder.path(), &[(5, 100_000, true)]);
    let layout = folder.path().join("containerdisk");
    let files = files(&layout);
    let total: usize = files.values().map(Vec::len).sum();
    assert_eq!(u64::try_from(total).unwrap(), summary.size_bytes);
    assert_eq!(files.len(), 5);
    for (name, bytes) in files.iter().filter(|(name, _)| name.starts_with("blobs/")) {
        assert_eq!(name.strip_prefix("blobs/sha256/"), Some(&*Sha256Digest::of(bytes).to_hex()));
    }
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let image = &index["manifests"][0];
    assert_eq!(image["digest"], summary.sha256.to_oci());
    assert_eq!(image["annotations"]["org.opencontainers.image.ref.name"], "latest");
    let manifest = json(&layout, &image["digest"]);
    let config = json(&layout, &manifest["config"]["digest"]);
    assert_eq!(config["architecture"], "amd64");
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
    let config = config.to_string();
    assert!(!config.contains("abels") && !config.contains("bootc\"") && !config.contains("ostree"));
}

#[test]
fn tar_lists_the_disk_as_kubevirt_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    make(folder.path(), &[(5, 100_000, true)]);
    let layout = folder.path().join("containerdisk");
    let index: Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = json(&layout, &index["manifests"][0]["digest"]);
    let layer = manifest["layers"][0]["digest"].as_str().unwrap().replace(':', "/");
    let layer = layout.join("blobs").join(layer);
    let layer = layer.to_str().unwrap();
    let Some(list) = run("tar", &["--numeric-owner", "--utc", "-tvzf", layer]) else { return };
    let lines: Vec<String> =
        list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let size = folder.path().join("qcow2").metadata().unwrap().len();
    assert_eq!(
        lines,
        [
            "dr-xr-xr-x 0/0 0 2023-11-14 22:13 disk/".to_owned(),
            format!("-r--r----- 107/107 {size} 2023-11-14 22:13 disk/disk.qcow2"),
        ]
    );
}

#[test]
fn skopeo_copies_it_and_tar_unpacks_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let summary = make(folder.path(), &[(5, 100_000, true), (20 * MIB, 9, false)]);
    let (root, copy) = (folder.path().display(), folder.path().join("copy"));
    let (from, to) =
        (format!("oci:{root}/containerdisk:latest"), format!("dir:{}", copy.display()));
    if run("skopeo", &["--insecure-policy", "copy", "--quiet", &from, &to]).is_none() {
        return;
    }
    assert_eq!(Sha256Digest::of(&fs::read(copy.join("manifest.json")).unwrap()), summary.sha256);
    let inspected = run("skopeo", &["inspect", "--config", &from]).unwrap();
    assert!(inspected.contains("\"os\": \"linux\""), "{inspected}");
    let manifest: Value =
        serde_json::from_slice(&fs::read(copy.join("manifest.json")).unwrap()).unwrap();
    let layer = manifest["layers"][0]["digest"].as_str().unwrap();
    let layer = copy.join(layer.strip_prefix("sha256:").unwrap());
    let target = folder.path().to_str().unwrap();
    run(
        "tar",
        &["-C", target, "--no-same-owner", "-xzf", layer.to_str().unwrap(), "disk/disk.qcow2"],
    );
    assert_eq!(
        fs::read(folder.path().join("disk/disk.qcow2")).unwrap(),
        fs::read(folder.path().join("qcow2")).unwrap()
    );
    let (raw, disk) = (format!("{root}/raw"), format!("{root}/disk/disk.qcow2"));
    run("qemu-img", &["compare", "-f", "raw", "-F", "qcow2", &raw, &disk]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_same_disk_gives_the_same_files(pieces in pieces(30)) {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        // An older folder is replaced.
        make(one.path(), &[(0, 1000, true)]);
        let summary = make(one.path(), &pieces);
        assert_eq!(summary, make(two.path(), &pieces));
        let [one, two] = [one, two].map(|folder| files(&folder.path().join("containerdisk")));
        assert!(one == two);
    }
}
