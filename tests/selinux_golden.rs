//! The labels of the golden images: what their policy says of every path is what was recorded.

#![allow(clippy::print_stderr, clippy::unwrap_used, reason = "a test")]

use std::fs::{File, read_to_string};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bootc_image::files::MemoryFiles;
use bootc_image::labels::{FileType, Labels as _};
use bootc_image::selinux::Policy;

fn golden(image: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden").join(image)
}

fn blob(layout: &Path, descriptor: &serde_json::Value) -> PathBuf {
    let digest = descriptor["digest"].as_str().unwrap();
    layout.join("blobs").join(digest.replace(':', "/"))
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&read_to_string(path).unwrap()).unwrap()
}

/// The files of all layers, `etc` where the merged image has it. Hard links are files too.
fn files(layout: &Path) -> MemoryFiles {
    let manifest = json(&blob(layout, &json(&layout.join("index.json"))["manifests"][0]));
    let mut files = MemoryFiles::default();
    for layer in manifest["layers"].as_array().unwrap() {
        let gzip = flate2::read::MultiGzDecoder::new(File::open(blob(layout, layer)).unwrap());
        let mut archive = tar::Archive::new(gzip);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = merged(&entry.path().unwrap());
            let kind = entry.header().entry_type();
            if kind.is_file() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                files = files.with(&path, bytes);
            } else if kind.is_hard_link() {
                let target = merged(&entry.link_name().unwrap().unwrap());
                let bytes = files.regular.get(&target).cloned();
                files = bytes.iter().fold(files, |files, bytes| files.with(&path, bytes));
            }
        }
    }
    files
}

fn merged(path: &Path) -> String {
    let path = path.to_str().unwrap().trim_start_matches("./");
    if path.starts_with("etc/") { format!("usr/{path}") } else { path.to_owned() }
}

/// The type, path and label of a line of `ostree ls -R -C -X`.
fn recorded(line: &str) -> (FileType, &str, Option<&str>) {
    let (attributes, path) = line.rsplit_once(" } /").unwrap();
    let path = &line[line.len() - path.len() - 1..];
    let label = attributes.split_once("(b'security.selinux', b'");
    let label = label.map(|(_, rest)| rest.split_once('\'').unwrap().0);
    let (file_type, path) = match line.as_bytes()[0] {
        b'-' => (FileType::Regular, path),
        b'd' => (FileType::Directory, path),
        b'l' => (FileType::Symlink, path.split_once(" -> ").unwrap().0),
        other => panic!("{other}: {line}"),
    };
    (file_type, path, label)
}

fn check(image: &str, at_least: usize) {
    let golden = golden(image);
    let Ok(listing) = read_to_string(golden.join("oracle/merge.ls-RCX.txt")) else {
        return eprintln!("SKIP: there is no golden image {image}");
    };
    let policy = Policy::load(&files(&golden.join("oci"))).unwrap().unwrap();
    assert_eq!(policy.name(), "golden");
    for line in listing.lines() {
        let (file_type, path, label) = recorded(line);
        assert_eq!(policy.label(path, file_type).as_deref(), label, "{image}: {line}");
    }
    assert!(listing.lines().count() >= at_least, "{image}");
}

#[test]
fn labels_of_plain_layers() {
    check("selinux-plain", 100);
    check("selinux-nosubs", 90);
}

#[test]
fn labels_of_an_encapsulated_image() {
    check("encap-selinux", 100);
}
