//! The same disk in every format: `inspect` tells the same of each, and what the build record says.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use bootc_image_fixtures::oci::{Compression, ImageInfo, Layout};
use bootc_image_fixtures::policy;
use bootc_image_fixtures::synthetic::{self, KVER};
use bootc_image_fixtures::tar::{Content, Layer};
use serde_json::{Value, json};

use tools::{attempt, run};

const TARGET: &str = "registry.example/os:latest";

fn program(words: &[&str]) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bootc-image"));
    command.env_remove("TMPDIR").args(words).output().unwrap()
}

fn inspect(path: &Path) -> Value {
    let output = program(&["inspect", "--format=json", path.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Why it cannot be looked at.
fn refusal(path: &Path) -> String {
    let output = program(&["inspect", path.to_str().unwrap()]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{}", path.display());
    String::from_utf8(output.stderr).unwrap()
}

/// Several frames, and one to be skipped, as the seekable format has it.
const FRAMES: &str = "(head -c 1048576 \"$1\" | zstd -q; tail -c +1048577 \"$1\" | zstd -q -1; \
                      printf '\\136\\052\\115\\030\\004\\000\\000\\000abcd') > \"$2\"";

struct Built {
    folder: tempfile::TempDir,
    manifest: Value,
}

impl Built {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = folder.path().join("oci");
        let image = synthetic::bootable()
            .label("org.opencontainers.image.version", "7.1")
            .layer(|tar| tar.entries(policy::entries(policy::CONTEXTS)));
        image.write(&layout, "latest").unwrap();
        let image = format!("oci:{}", layout.display());
        let output = format!("--output={}", folder.path().display());
        let target = format!("--target-imgref={TARGET}");
        let build = ["build", "-q", "--type=raw,qcow2", "--size=min", &output, &target, &image];
        let built = program(&build);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let manifest = fs::read(folder.path().join("manifest-raw-qcow2.json")).unwrap();
        Self { manifest: serde_json::from_slice(&manifest).unwrap(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn raw(&self) -> PathBuf {
        self.path("image/disk.raw")
    }

    /// The disk converted by `qemu-img`; none when it is not installed.
    fn converted(&self, name: &str, format: &str, options: &[&str]) -> Option<PathBuf> {
        let (raw, path) = (self.raw(), self.path(name));
        let arguments = [
            &["convert", "-f", "raw", "-O", format],
            options,
            &[raw.to_str().unwrap(), path.to_str().unwrap()],
        ]
        .concat();
        run("qemu-img", &arguments).map(|_| path)
    }

    /// What a shell makes of the raw disk (`$1`); none when the tool is not installed.
    fn made(&self, name: &str, tool: &str, script: &str) -> Option<PathBuf> {
        run(tool, &["--version"])?;
        let (raw, path) = (self.raw(), self.path(name));
        let words = ["-ec", script, "sh", raw.to_str().unwrap(), path.to_str().unwrap()];
        run("sh", &words).map(|_| path)
    }
}

/// What must be the same in every format.
fn essence(report: &Value) -> Value {
    let mut report = report.clone();
    for key in ["format", "inner_format", "file_size_bytes"] {
        report.as_object_mut().unwrap().remove(key).unwrap();
    }
    report
}

#[test]
fn every_format_tells_the_same() {
    let built = Built::new();
    let raw = inspect(&built.raw());
    assert_eq!((&raw["format"], &raw["inner_format"]), (&json!("raw"), &Value::Null));
    facts(&raw, &built.manifest);

    let sparse = "tar --format=oldgnu -S -cf - -C \"${1%/*}\" disk.raw | gzip -1 > \"$2\"";
    let dense = "tar --format=ustar -cf - -C \"${1%/*}\" disk.raw | gzip -1 > \"$2\"";
    let mut files = vec![
        ("qcow2", None, Some(built.path("qcow2/disk.qcow2"))),
        ("qcow2", None, built.converted("none.qcow2", "qcow2", &[])),
        ("qcow2", None, built.converted("v2.qcow2", "qcow2", &["-o", "compat=0.10"])),
        ("qcow2", None, built.converted("deflate.qcow2", "qcow2", &["-c"])),
        ("qcow2", None, {
            built.converted("zstd.qcow2", "qcow2", &["-c", "-o", "compression_type=zstd"])
        }),
        ("qcow2", None, {
            built.converted("large.qcow2", "qcow2", &["-c", "-o", "cluster_size=2M"])
        }),
        ("vmdk", None, {
            built.converted("disk.vmdk", "vmdk", &["-o", "subformat=streamOptimized"])
        }),
        ("vhd", None, {
            built.converted("disk.vhd", "vpc", &["-o", "subformat=fixed,force_size=on"])
        }),
        ("vhdx", None, built.converted("disk.vhdx", "vhdx", &["-o", "subformat=dynamic"])),
        ("gce", None, built.made("sparse.tar.gz", "tar", sparse)),
        ("gce", None, built.made("dense.tar.gz", "tar", dense)),
        ("raw.zst", None, built.made("frames.raw.zst", "zstd", FRAMES)),
        ("raw.zst", None, built.made("disk.raw.zst", "zstd", "zstd -q -1 \"$1\" -o \"$2\"")),
    ];
    if files.iter().any(|(format, _, path)| *format == "vmdk" && path.is_some()) {
        let script = "cd \"${2%/*}\"; echo '<Envelope/>' > disk.ovf; \
                      tar --format=ustar -cf \"$2\" disk.ovf disk.vmdk";
        files.push(("ova", Some("vmdk"), built.made("image.ova", "tar", script)));
    }
    for (name, compression) in [("plain", Compression::None), ("gzip", Compression::Gzip)] {
        let layout = containerdisk(&built, name, compression);
        files.push(("containerdisk", Some("qcow2"), Some(layout)));
    }
    let mut seen = 0;
    for (format, inner, path) in files {
        let Some(path) = path else { continue };
        let report = inspect(&path);
        assert_eq!(essence(&report), essence(&raw), "{}", path.display());
        assert_eq!(report["format"], json!(format), "{}", path.display());
        assert_eq!(report["inner_format"], json!(inner), "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 3, "hardly a format was seen");
}

fn containerdisk(built: &Built, name: &str, compression: Compression) -> PathBuf {
    let mut layout = Layout::create(&built.path(name)).unwrap();
    let disk = Content::HostFile(built.path("qcow2/disk.qcow2"));
    let tar = Layer::new().dir("disk").file("disk/disk.qcow2", disk);
    let layer = layout.layer(compression, |out| tar.write(out)).unwrap();
    layout.image("latest", &ImageInfo::default(), &[layer]).unwrap();
    layout.finish().unwrap()
}

/// The facts of the build record, of the image and of the options are told.
fn facts(report: &Value, manifest: &Value) {
    let disk = &manifest["disk"];
    assert_eq!(report["virtual_size_bytes"], disk["size_bytes"]);
    assert_eq!(report["problems"], json!([]));
    let table = &report["partition_table"];
    assert_eq!(table["guid"], disk["ids"]["disk"]);
    assert_eq!((&table["primary"], &table["backup"]), (&json!("good"), &json!("good")));
    let partitions = report["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3);
    for (found, made) in partitions.iter().zip(disk["partitions"].as_array().unwrap()) {
        assert_eq!(found["name"], made["name"]);
        assert_eq!(found["type_guid"], made["type_guid"]);
        assert_eq!(found["start_bytes"], made["start_bytes"]);
        assert_eq!(found["length_bytes"], made["len_bytes"]);
    }
    let types: Vec<_> = partitions.iter().map(|partition| &partition["type"]).collect();
    assert_eq!(types, ["bios-boot", "esp", "root-x86-64"]);
    let (esp, root) = (&partitions[1]["file_system"], &partitions[2]["file_system"]);
    assert_eq!((&esp["type"], &esp["label"]), (&json!("vfat"), &json!("EFI-SYSTEM")));
    let serial = disk["ids"]["esp-serial"].as_str().unwrap().to_uppercase();
    assert_eq!(esp["uuid"], json!(format!("{}-{}", &serial[..4], &serial[4..])));
    assert_eq!((&root["type"], &root["label"]), (&json!("ext4"), &json!("root")));
    assert_eq!(root["uuid"], disk["ids"]["root-fs"]);
    assert_eq!(root["size_bytes"], partitions[2]["length_bytes"]);
    let used = root["used_bytes"].as_u64().unwrap();
    assert!((8 << 20..100 << 20).contains(&used), "{used}");

    let files = report["boot_loader"]["esp_files"].as_array().unwrap();
    let is_there = |path: &str| files.iter().any(|file| file["path"] == path);
    assert!(is_there("EFI/BOOT/BOOTX64.EFI") && is_there("EFI/debian/grub.cfg"), "{files:?}");

    let [entry] = report["boot_entries"].as_array().unwrap().as_slice() else { panic!() };
    assert_eq!(entry["title"], "Fixture Linux 1 (ostree:0)");
    assert_eq!(entry["options"], disk["kernel_arguments"]);
    assert_eq!(entry["kernel"]["present"], true);
    assert_eq!(entry["initrds"][0]["present"], true);
    assert!(entry["kernel"]["path"].as_str().unwrap().ends_with(&format!("vmlinuz-{KVER}")));

    let [deployment] = report["deployments"].as_array().unwrap().as_slice() else { panic!() };
    let image = &manifest["image"];
    for (key, expected) in [
        ("stateroot", json!("default")),
        ("checksum", image["commit"].clone()),
        ("serial", json!(0)),
        ("os", json!("Fixture Linux 1")),
        ("kernels", json!([KVER])),
        ("image", json!(format!("ostree-unverified-registry:{TARGET}"))),
        ("image_digest", image["digest"].clone()),
        ("version", json!("7.1")),
        ("commit_present", json!(true)),
        ("parent", Value::Null),
        ("composefs", json!("off")),
        ("composefs_image", json!(true)),
    ] {
        assert_eq!(deployment[key], expected, "{key}");
    }
    assert_eq!(deployment["selinux"]["mode"], "enforcing");
    assert_eq!(report["aleph"]["digest"], image["digest"]);
    assert_eq!(report["aleph"]["image"], TARGET);
}

#[test]
fn text_is_for_people() {
    let built = Built::new();
    let output = program(&["inspect", built.raw().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    for line in [
        "format            raw\n",
        "  no  name        type         start      length     file system  label",
        "title             Fixture Linux 1 (ostree:0)\n",
        "system            Fixture Linux 1\n",
        &format!("image             ostree-unverified-registry:{TARGET}\n"),
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

#[test]
fn what_is_no_whole_disk_is_refused_by_name() {
    let built = Built::new();
    let text = |name: &str, content: &[u8]| {
        let path = built.path(name);
        fs::write(&path, content).unwrap();
        path
    };
    let raw = built.raw();
    let raw = raw.to_str().unwrap();
    let convert = |name, format, options: &[&str]| built.converted(name, format, options);
    let backed = built.path("backed.qcow2");
    let backed = run(
        "qemu-img",
        &["create", "-f", "qcow2", "-F", "raw", "-b", raw, backed.to_str().unwrap()],
    )
    .map(|_| backed.clone());
    let external = built.path("external.qcow2");
    let data = format!("data_file={}", built.path("data").display());
    let external =
        run("qemu-img", &["create", "-f", "qcow2", "-o", &data, external.to_str().unwrap(), "1M"])
            .map(|_| external.clone());
    let secret = ["--object", "secret,id=s,data=x", "-o"];
    let luks = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10";
    let encrypted = built.path("encrypted.qcow2");
    let create = ["create", "-f", "qcow2", secret[0], secret[1], "-o", luks];
    let create = [&create[..], &[encrypted.to_str().unwrap(), "1M"]].concat();
    // it measures how fast keys are derived, and now and then cannot
    let made =
        (0..5).map(|_| attempt("qemu-img", &create)).find(|made| !matches!(made, Some(Err(_))));
    let encrypted = made.expect("qemu-img encrypts").map(|_| encrypted.clone());
    let cases = [
        (backed, "it holds only what differs from another file, `"),
        (external, "its data is in another file"),
        (encrypted, "the content is encrypted"),
        (convert("v1.qcow", "qcow", &[]), "version 1 of the format is not read"),
        (convert("dynamic.vhd", "vpc", &["-o", "subformat=dynamic"]), "it is dynamic"),
        (
            convert("sparse.vmdk", "vmdk", &["-o", "subformat=monolithicSparse"]),
            "it is monolithicSparse",
        ),
        (convert("flat.vmdk", "vmdk", &["-o", "subformat=monolithicFlat"]), "data in other files"),
        (convert("disk.vdi", "vdi", &[]), "in the format vdi, which is not read"),
        (convert("disk.qed", "qed", &[]), "in the format qed"),
        (Some(text("empty", b"")), "is no disk in a known format"),
        (Some(text("words", b"no disk at all")), "is no disk in a known format"),
        (Some(text("magic", b"QFI\xfb")), "version 0 of the format"),
        (Some(built.folder.path().to_owned()), "is no disk in a known format"),
        (Some(built.path("oci")), "holds no disk: it is a container image"),
        (Some(built.path("nowhere")), "is no image"),
        (
            built.made("other.tar.gz", "tar", "tar -czf \"$2\" -C \"${2%/*}\" words"),
            "it is an archive",
        ),
    ];
    for (path, says) in cases {
        let Some(path) = path else { continue };
        if says == "is no image" {
            assert!(refusal(&path).contains("No such file"), "{}", path.display());
            continue;
        }
        let error = refusal(&path);
        assert!(error.contains(says), "{}: {error}", path.display());
    }
}

#[test]
fn a_stream_larger_than_the_space_left_ends_in_an_error() {
    // a folder that is not there is the nearest thing to a full one that a test can have
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("disk.raw.zst");
    if run("zstd", &["--version"]).is_none() {
        return;
    }
    run(
        "sh",
        &["-ec", "head -c 1000000 /dev/zero | zstd -q > \"$1\"", "sh", path.to_str().unwrap()],
    );
    let output = Command::new(env!("CARGO_BIN_EXE_bootc-image"))
        .env("TMPDIR", folder.path().join("gone"))
        .args(["inspect", path.to_str().unwrap()])
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("writing a temporary file in `"), "{error}");
    assert!(error.contains("TMPDIR"), "{error}");
}

#[test]
fn damage_in_a_part_leaves_the_rest() {
    let built = Built::new();
    let disk = fs::File::options().read(true).write(true).open(built.raw()).unwrap();
    use std::os::unix::fs::FileExt as _;
    // the first copy of the table, and the superblock of the root file system
    disk.write_all_at(&[0xFF; 4], 1024 + 16).unwrap();
    let root = built.manifest["disk"]["partitions"][2]["start_bytes"].as_u64().unwrap();
    disk.write_all_at(&[0xFF; 8], root + 1024 + 4).unwrap();
    let report = inspect(&built.raw());
    assert_eq!(report["partition_table"]["primary"], "damaged");
    assert_eq!(report["partitions"].as_array().unwrap().len(), 3);
    assert!(!report["boot_loader"]["esp_files"].as_array().unwrap().is_empty());
    assert_eq!(report["deployments"], json!([]));
    let problems = report["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
}
