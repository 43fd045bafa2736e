//! A medium is changed by the real command, and made what it was.

#![allow(clippy::unwrap_used, reason = "a test may fail this way")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use assert_cmd::Command;
use bootc_image::boot::iso::menu::{Script, Shape};
use bootc_image::boot::iso::{INITRAMFS, Iso, KERNEL};
use bootc_image::boot::loader::Content;
use bootc_image::digest::Sha256Digest;
use bootc_image::files::MemoryFiles;
use bootc_image::fs::iso9660::reader::Image;
use bootc_image::fs::iso9660::{Builder, Options};
use bootc_image::installer::area;
use bootc_image::pipeline::medium::{Boot, Medium, Part};
use bootc_image::plan::ids::Ids;
use bootc_image::progress::Cancel;
use bootc_image::spec::VolumeId;
use bootc_image::units::ByteLen;
use bootc_image::volume::Timestamp;

const MADE_CONFIG: &str = "[install]\nids = \"derived\"\n";
const MADE_KEYS: &str = "ssh-ed25519 AAAA made\n";
const CONFIG: &str = "[install]\ntarget = \"smallest\"\nunattended = true\n\n[customizations]\n\
                      hostname = \"new\"";
const KEYS: &str = "# mine\nssh-ed25519 BBBB new\n";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const SCRIPTS: [&str; 3] =
    ["boot/grub2/grub.cfg", "boot/grub2/loopback.cfg", "boot/grub/loopback.cfg"];

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

/// A folder with a medium in it.
struct Bench {
    folder: tempfile::TempDir,
    iso: PathBuf,
}

fn volume_id() -> VolumeId {
    VolumeId::parse("Some-OS").unwrap()
}

fn options() -> Options {
    let (volume_id, application) = (volume_id(), "bootc-image".to_owned());
    Options { volume_id, application, time: Timestamp::of_secs(1_700_000_000) }
}

fn part(bytes: impl Into<Vec<u8>>) -> Part {
    Part::from(bytes.into())
}

/// What a build puts on a medium, as far as it matters here.
fn make(path: &Path) {
    let script = Script::new(&volume_id(), "Some OS", &["quiet".to_owned()]).unwrap();
    let menu = script.menu(Shape { timeout_secs: 5, serial: None, removable: None });
    let text = |text: String| Content::Bytes(text.into_bytes());
    let boot = Iso {
        bios: None,
        esp: [("EFI/BOOT/BOOTX64.EFI".to_owned(), text("program".into()))].into(),
        files: [
            (SCRIPTS[0].to_owned(), text(menu)),
            (SCRIPTS[1].to_owned(), text(script.loopback())),
            (SCRIPTS[2].to_owned(), text(script.loopback())),
            ("boot/grub/grub.cfg".to_owned(), text(script.stub())),
        ]
        .into(),
        uefi: None,
        notices: Vec::new(),
    };
    let document = format!(
        "{{\"version\": 1, \"name\": \"Some OS 1\", \"image_digest\": \"{DIGEST}\", \
         \"target\": \"host.example/os:1\"}}"
    );
    let config = area::fill(MADE_CONFIG.as_bytes(), area::INSTALL_TOML_LEN).unwrap();
    let keys = area::fill(MADE_KEYS.as_bytes(), area::AUTHORIZED_KEYS_LEN).unwrap();
    let files = [
        (KERNEL, part("kernel")),
        (INITRAMFS, part("initramfs")),
        ("bootc-image/medium.json", part(document)),
        (area::INSTALL_TOML, part(config)),
        (area::AUTHORIZED_KEYS, part(keys)),
        (area::INSTALL_TOML_AS_MADE, part(MADE_CONFIG)),
        (area::AUTHORIZED_KEYS_AS_MADE, part(MADE_KEYS)),
    ];
    let files = files.map(|(path, part)| (path.to_owned(), part));
    let ids = Ids::derive(Sha256Digest::of(b"image"), Sha256Digest::of(b"plan"));
    let boot = Boot::read(&MemoryFiles::default(), boot).unwrap();
    let medium = Medium { volume: options(), ids: &ids, boot: &boot, files: BTreeMap::from(files) };
    let out = File::options().read(true).write(true).create_new(true).open(path).unwrap();
    medium.write(&Arc::new(out), path, &Cancel::default()).unwrap();
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let iso = folder.path().join("install.iso");
        make(&iso);
        fs::write(folder.path().join("new.toml"), CONFIG).unwrap();
        fs::write(folder.path().join("keys"), KEYS).unwrap();
        Self { folder, iso }
    }

    fn run(&self, words: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_bootc-image"))
            .env_clear()
            .current_dir(self.folder.path())
            .arg("iso")
            .args(words)
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn good(&self, words: &[&str]) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        ran
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn bytes(&self) -> Vec<u8> {
        fs::read(&self.iso).unwrap()
    }

    fn shown(&self) -> serde_json::Value {
        serde_json::from_str(&self.good(&["show", "install.iso", "--format=json"]).stdout).unwrap()
    }
}

fn file(iso: &Path, path: &str) -> Vec<u8> {
    let mut image = Image::open(File::open(iso).unwrap()).unwrap();
    image.read(path, ByteLen(1 << 20)).unwrap()
}

/// What follows `quiet` in the lines that start the kernel, up to the comment.
fn kargs(iso: &Path) -> Vec<String> {
    let lines = SCRIPTS.map(|script| String::from_utf8(file(iso, script)).unwrap());
    let lines = lines.iter().flat_map(|text| text.lines()).filter(|line| line.contains("vmlinuz "));
    lines
        .map(|line| line[..line.find(" ##").unwrap()].split("vmlinuz ").last().unwrap().to_owned())
        .collect()
}

#[test]
fn everything_is_changed_and_made_what_it_was() {
    let bench = Bench::new();
    let made = bench.bytes();
    let all = [
        "customize",
        "install.iso",
        "--installer-config=new.toml",
        "--karg=console=ttyS0",
        "--karg=a=b c",
        "--root-ssh-authorized-keys=keys",
    ];
    assert_eq!(bench.good(&all).stdout, "install.iso\n");
    let changed = bench.bytes();
    assert_eq!(changed.len(), made.len());
    let config = file(&bench.iso, area::INSTALL_TOML);
    assert_eq!(config.len(), area::INSTALL_TOML_LEN);
    assert_eq!(area::content(&config).unwrap(), CONFIG.as_bytes());
    let keys = file(&bench.iso, area::AUTHORIZED_KEYS);
    assert_eq!(area::content(&keys).unwrap(), KEYS.as_bytes());
    let found = kargs(&bench.iso);
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|kargs| kargs.starts_with("quiet ")), "{found:?}");
    assert!(found.iter().all(|kargs| kargs.ends_with(" console=ttyS0 'a=b c'")), "{found:?}");
    let shown = bench.shown();
    assert_eq!(shown["kargs"], serde_json::json!(["console=ttyS0", "a=b c"]));
    assert_eq!(
        (&shown["installer_config"], &shown["volume_id"]),
        (&CONFIG.into(), &"Some-OS".into())
    );
    let names = serde_json::json!(["kargs", "installer_config", "root_ssh_authorized_keys"]);
    assert_eq!(shown["changed"], names);

    bench.good(&all);
    assert!(bench.bytes() == changed, "the same again");
    bench.good(&["reset", "install.iso"]);
    assert!(bench.bytes() == made);
    assert_eq!(bench.shown()["changed"], serde_json::json!([]));
}

#[test]
fn what_is_not_named_stays() {
    let bench = Bench::new();
    bench.good(&["customize", "install.iso", "--karg=a"]);
    bench.good(&["customize", "install.iso", "--root-ssh-authorized-keys=keys"]);
    bench.good(&["customize", "install.iso", "--karg=b"]);
    let shown = bench.shown();
    assert_eq!(shown["kargs"], serde_json::json!(["b"]));
    assert_eq!(shown["installer_config"], MADE_CONFIG);
    assert_eq!(shown["root_ssh_authorized_keys"], KEYS);
    assert_eq!(shown["changed"], serde_json::json!(["kargs", "root_ssh_authorized_keys"]));
    assert_eq!(shown["image_digest"], DIGEST);
    let text = bench.good(&["show", "install.iso"]).stdout;
    for line in [
        "volume            Some-OS\n",
        "system            Some OS 1\n",
        "updates from      host.example/os:1\n",
        "changed           kargs, root_ssh_authorized_keys\n",
        "kernel arguments  b\n",
        "\ninstall.toml\n    [install]\n    ids = \"derived\"\n",
    ] {
        assert!(text.contains(line), "{line:?} in:\n{text}");
    }
}

#[test]
fn a_copy_leaves_the_medium_alone() {
    let bench = Bench::new();
    let made = bench.bytes();
    let words = ["customize", "install.iso", "--installer-config=new.toml", "--karg=x"];
    let ran = bench.good(&[&words[..], &["-o", "new.iso"]].concat());
    assert_eq!(ran.stdout, "new.iso\n");
    assert!(bench.bytes() == made);
    bench.good(&words);
    assert!(fs::read(bench.path("new.iso")).unwrap() == bench.bytes());
    bench.good(&["reset", "new.iso", "--output", "old.iso"]);
    assert!(fs::read(bench.path("old.iso")).unwrap() == made);
}

#[test]
fn a_checksum_beside_it_is_renewed() {
    let bench = Bench::new();
    let beside = bench.path("install.iso.sha256");
    fs::write(&beside, format!("{}  install.iso\n", "0".repeat(64))).unwrap();
    let ran = bench.good(&["customize", "install.iso", "--karg=x"]);
    assert!(ran.stderr.contains("`install.iso.sha256` has the new checksum"), "{}", ran.stderr);
    let sum = Sha256Digest::of(&bench.bytes());
    assert_eq!(fs::read_to_string(&beside).unwrap(), format!("{sum}  install.iso\n"));
    assert_eq!(bench.good(&["customize", "install.iso", "--karg=x"]).stderr, "");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let bench = Bench::new();
    let made = bench.bytes();
    for (name, content) in [
        ("syntax.toml", "[install"),
        ("key.toml", "[install]\ntragets = 1\n"),
        ("blueprint.toml", "[customizations]\nhostnam = \"x\"\n"),
        ("private", "-----BEGIN OPENSSH PRIVATE KEY-----\n"),
        ("nokey", "hello\n"),
    ] {
        fs::write(bench.path(name), content).unwrap();
    }
    fs::write(bench.path("long.toml"), "#".repeat(area::INSTALL_TOML_LEN + 1)).unwrap();
    fs::write(bench.path("full.toml"), "#".repeat(area::INSTALL_TOML_LEN)).unwrap();
    let many = format!("--karg={}", "x".repeat(1025));
    for (word, code, message) in [
        ("--installer-config=syntax.toml", 1, "`syntax.toml` line 1"),
        ("--installer-config=key.toml", 1, "did you mean `target`?"),
        ("--installer-config=blueprint.toml", 1, "hostnam"),
        ("--installer-config=long.toml", 1, "longer than the 65536 bytes"),
        ("--installer-config=full.toml", 1, "`bootc-image/install.toml` of `install.iso`"),
        ("--installer-config=none.toml", 1, "reading `none.toml`"),
        ("--root-ssh-authorized-keys=private", 2, "is a private key"),
        ("--root-ssh-authorized-keys=nokey", 2, "has no public key"),
        (many.as_str(), 1, "1030 bytes"),
        ("--karg=a'b", 1, "a character that GRUB escapes"),
        ("--karg=", 2, "is empty"),
    ] {
        let ran = bench.run(&["customize", "install.iso", "--karg=good", word]);
        assert_eq!(ran.code, code, "{word}: {}", ran.stderr);
        assert!(ran.stderr.contains(message), "{word}: {}", ran.stderr);
        assert!(bench.bytes() == made, "{word}");
    }
    assert_eq!(bench.run(&["customize", "install.iso"]).code, 2);
}

#[test]
fn media_of_others_are_refused() {
    let bench = Bench::new();
    let other = bench.path("other.iso");
    let mut builder = Builder::new(options()).unwrap();
    builder.add_file("boot/grub2/grub.cfg", ByteLen(0)).unwrap();
    let layout = builder.layout().unwrap();
    let file = File::options().read(true).write(true).create_new(true).open(&other).unwrap();
    let mut canvas = bootc_image::canvas::FileCanvas::new(Arc::new(file));
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    fs::write(bench.path("no.iso"), [0; 100_000]).unwrap();
    for (name, message) in [
        ("other.iso", "is no installer's medium of bootc-image"),
        ("no.iso", "it is no ISO 9660"),
        ("none.iso", "opening `none.iso`"),
    ] {
        for words in [&["show", name][..], &["reset", name], &["customize", name, "--karg=a"]] {
            let ran = bench.run(words);
            assert_eq!(ran.code, 1);
            assert!(ran.stderr.contains(message), "{words:?}: {}", ran.stderr);
        }
    }
}

#[test]
fn an_interrupted_change_is_seen() {
    let bench = Bench::new();
    let made = bench.bytes();
    let mut image = Image::open(File::open(&bench.iso).unwrap()).unwrap();
    let area = image.pieces(area::INSTALL_TOML).unwrap()[0];
    drop(image.read(area::INSTALL_TOML, area.len).unwrap());
    let mut interrupted = made.clone();
    let start = usize::try_from(area.at.0).unwrap();
    interrupted[start..start + 3].copy_from_slice(b"new");
    interrupted[start + area::INSTALL_TOML_LEN - 1] = area::UNFINISHED;
    fs::write(&bench.iso, &interrupted).unwrap();
    for words in [&["show", "install.iso"][..], &["customize", "install.iso", "--karg=a"]] {
        let ran = bench.run(words);
        assert_eq!(ran.code, 1);
        assert!(ran.stderr.contains("a change of this medium was interrupted"), "{}", ran.stderr);
        assert!(ran.stderr.contains("bootc-image iso reset"), "{}", ran.stderr);
    }
    assert!(bench.bytes() == interrupted);
    bench.good(&["reset", "install.iso"]);
    assert!(bench.bytes() == made);
}
