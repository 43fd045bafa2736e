//! What `inspect` tells of an image is what a build makes of it.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use bootc_image_fixtures::policy;
use bootc_image_fixtures::synthetic::{self, ImageBuilder, KVER};
use bootc_image_fixtures::tar::Entry;
use serde_json::{Value, json};

fn program(words: &[&str], temporary: &Path) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootc-image"));
    command.env_clear().env("TMPDIR", temporary).args(words).output().unwrap()
}

fn inspect(image: &str, folder: &Path) -> Value {
    let temporary = folder.join("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let words = ["inspect", "--format", "json", "--arch=amd64", "--progress=none", image];
    let output = program(&words, &temporary);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "a temporary file stayed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The build record of a disk without options, but for its size.
fn build(image: &str, folder: &Path, size: &str) -> Value {
    let output = folder.join(size);
    let to = format!("--output={}", output.display());
    let size = format!("--size={size}");
    let words = ["build", "-q", "--arch=amd64", "--type=raw", &to, &size, image];
    let built = program(&words, folder);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    serde_json::from_slice(&fs::read(output.join("manifest-raw.json")).unwrap()).unwrap()
}

/// Compares a report with two builds.
fn check(image: &ImageBuilder) -> Value {
    let folder = tempfile::tempdir().unwrap();
    image.write(&folder.path().join("oci"), "latest").unwrap();
    let image = format!("oci:{}:latest", folder.path().join("oci").display());
    let report = inspect(&image, folder.path());
    let [auto, min] = ["auto", "min"].map(|size| build(&image, folder.path(), size));
    assert_eq!(report["buildable"], true, "{}", report["problems"]);
    assert_eq!(report["size"]["min_disk_bytes"], min["disk"]["size_bytes"]);
    assert_eq!(report["size"]["auto_disk_bytes"], auto["disk"]["size_bytes"]);
    assert_eq!(report["kernel_arguments"], auto["disk"]["kernel_arguments"]);
    assert_eq!(report["stateroot"], auto["plan"]["stateroot"]);
    assert_eq!(report["digest"], auto["image"]["digest"]);
    assert_eq!(report["ostree"]["merge_commit"], auto["image"]["commit"]);
    assert_eq!(report["kernels"][0]["version"], auto["image"]["kernel"]);
    let local = "the installed system cannot update from";
    let warned: Vec<_> = auto["warnings"].as_array().unwrap().iter().collect();
    let warned: Vec<_> =
        warned.into_iter().filter(|text| !text.as_str().unwrap().contains(local)).collect();
    assert_eq!(report["warnings"].as_array().unwrap().iter().collect::<Vec<_>>(), warned);
    report
}

#[test]
fn a_plain_image() {
    let report = check(&synthetic::bootable());
    for (key, expected) in [
        ("kind", json!("image")),
        ("architecture", json!("amd64")),
        ("created", json!("2025-01-01T00:00:00Z")),
        ("os", json!("Fixture Linux 1")),
        ("selinux", Value::Null),
        ("selinux_policy", Value::Null),
        ("composefs", json!("off")),
        ("stateroot", json!("default")),
        ("bound_images", json!([])),
    ] {
        assert_eq!(report[key], expected, "{key}");
    }
    assert_eq!(report["labels"]["ostree.linux"], KVER);
    assert_eq!(report["layers"].as_array().unwrap().len(), 1);
    let initramfs = format!("usr/lib/modules/{KVER}/initramfs.img");
    assert_eq!(report["kernels"][0]["initramfs"], initramfs);
    assert_eq!(report["ostree"]["encapsulated"], false);
    let loaders = &report["boot_loaders"];
    assert_eq!((&loaders["source"], &loaders["uefi"]), (&json!("own"), &json!(true)));
    assert_eq!((&loaders["bios"], &loaders["signed"]), (&json!(false), &json!(false)));
    let notices = loaders["notices"].to_string();
    assert!(notices.contains("boots from UEFI only") && notices.contains("no signature"));
}

#[test]
fn an_image_with_opinions() {
    let install = "[install]\nkargs = [\"quiet splash\"]\nstateroot = \"mine\"\n\
                   [install.filesystem.root]\ntype = \"xfs\"\n";
    let bound = "[Image]\nImage=host.example/app:1\n";
    let report = check(&synthetic::bootable().layer(|tar| {
        tar.entries(policy::entries(policy::CONTEXTS))
            .dir("usr/lib/bootc")
            .dir("usr/lib/bootc/install")
            .file("usr/lib/bootc/install/00-a.toml", install)
            .dir("usr/lib/bootc/kargs.d")
            .file("usr/lib/bootc/kargs.d/a.toml", "kargs = [\"console=ttyS0\"]\n")
            .dir("usr/lib/bootc/bound-images.d")
            .file("usr/lib/app.image", bound)
            .symlink("usr/lib/bootc/bound-images.d/app.image", "../../app.image")
            .file("usr/lib/ostree/prepare-root.conf", "[composefs]\nenabled = yes\n")
    }));
    assert_eq!(report["install"]["root-fs-type"], "xfs");
    assert_eq!(report["install"]["kargs"], json!(["quiet splash"]));
    assert_eq!(report["stateroot"], "mine");
    assert_eq!(report["selinux"]["mode"], "enforcing");
    assert_eq!(report["selinux_policy"], report["selinux"]["policy"]);
    assert_eq!(report["composefs"], "on");
    assert_eq!(report["bound_images"], json!(["host.example/app:1"]));
    assert!(report["kernel_arguments"].as_str().unwrap().contains("quiet splash console=ttyS0"));
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("xfs") && warnings.contains("host.example/app:1"), "{warnings}");
}

#[test]
fn large_directories_are_sized_by_the_seed_of_their_disk() {
    let files = (0..6000)
        .map(|n| Entry::file(format!("usr/share/many/{n:05}-{}", "x".repeat(n % 90)), "x"));
    check(
        &synthetic::bootable()
            .layer(|tar| tar.dir("usr/share").dir("usr/share/many").entries(files)),
    );
}

#[test]
fn what_cannot_become_a_disk_is_told_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let second = "usr/lib/modules/6.2.0-second";
    synthetic::bootable()
        .no_labels()
        .layer(|tar| tar.dir(second).file(format!("{second}/vmlinuz"), "x"))
        .write(&folder.path().join("oci"), "latest")
        .unwrap();
    let report = inspect(&format!("oci:{}", folder.path().join("oci").display()), folder.path());
    assert_eq!(report["buildable"], false);
    assert_eq!(report["size"], Value::Null);
    assert_eq!(report["os"], "Fixture Linux 1");
    let kernels = json!([
        {"version": KVER, "initramfs": format!("usr/lib/modules/{KVER}/initramfs.img")},
        {"version": "6.2.0-second", "initramfs": null},
    ]);
    assert_eq!(report["kernels"], kernels);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[1].as_str().unwrap().contains("several kernels"), "{problems:?}");
}

#[test]
fn an_image_of_another_architecture_is_told_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let image = synthetic::bootable().architecture("arm64");
    image.write(&folder.path().join("oci"), "latest").unwrap();
    let report = inspect(&format!("oci:{}", folder.path().join("oci").display()), folder.path());
    assert_eq!(report["architecture"], "arm64");
    // shim and GRUB are those of another machine
    assert_eq!(report["buildable"], false);
    assert_eq!(report["kernels"][0]["version"], KVER);
}

#[test]
fn text_is_for_people() {
    let folder = tempfile::tempdir().unwrap();
    synthetic::bootable().write(&folder.path().join("oci"), "latest").unwrap();
    let image = format!("oci:{}", folder.path().join("oci").display());
    let output = program(&["inspect", "--arch=amd64", "--progress=none", &image], folder.path());
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "architecture      amd64\n",
        "system            Fixture Linux 1\n",
        "stateroot         default\n",
        "can be built      yes\n",
        "labels\n  containers.bootc=1\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn no_image_is_an_error_as_in_a_build() {
    let folder = tempfile::tempdir().unwrap();
    let output = program(&["inspect", "oci:/nowhere"], folder.path());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    let local = program(&["inspect", "localhost/my-os"], folder.path());
    assert_eq!(local.status.code(), Some(2));
    assert!(
        String::from_utf8(local.stderr).unwrap().contains("containers-storage:localhost/my-os")
    );
    let usage = program(&["inspect", "--no-such-option", "x"], folder.path());
    assert_eq!(usage.status.code(), Some(2));
}
