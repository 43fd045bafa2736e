//! `--type anaconda-iso`, the real command: an image goes into an ISO of the structure that
//! Anaconda's boot ISOs have, which stays what it was for firmware and for other people's programs.

#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use bootc_image::digest::Sha256Digest;
use bootc_image::fs::iso9660::reader::{EntryKind, Image};
use bootc_image_fixtures::synthetic;
use serde_json::Value;
use tempfile::TempDir;

use tools::run;

const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const DATA: &str = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
const LABEL: &str = "Test-E-dvd-1";
const KS: &str = " inst.ks=hd:LABEL=Test-E-dvd-1:/bootc-image.ks";
const LOADER: &[u8] = &[3; 40_000];
const ISOLINUX: &str = "label linux\n  append initrd=i inst.stage2=hd:LABEL=Test-E-dvd-1\n";
const OURS: &str = "# The image of this medium.\n\
    ostreecontainer --url=/run/install/repo/container --transport=oci \
    --no-signature-verification\n\
    \n# Where it is updated from.\n%post --erroronfail\n\
    bootc switch --mutate-in-place --transport registry registry.example/os:1\n%end\n\n";

/// A menu with two lines that start Anaconda, and one that does not. Longer lines do not fit into a
/// cluster any more.
fn menu(more: &str) -> String {
    let comment = "#".repeat(1700);
    let linux = format!("linux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL={LABEL}{more}");
    format!(
        "{comment}\nset timeout=60\nsearch --no-floppy --set=root -l '{LABEL}'\n\
         menuentry 'Install' {{\n\t{linux} quiet\n\
         \tinitrd /images/pxeboot/initrd.img\n}}\n\
         menuentry 'Rescue' {{\n\t{linux} inst.rescue\n}}\n\
         menuentry 'Memory' {{\n\tlinux /memtest\n}}\n"
    )
}

/// Makes a FAT with a menu and a loader; `None` where there are no programs for that.
fn make_esp(folder: &Path, menu: &str) -> Option<Vec<u8>> {
    let image = folder.join("efiboot.img");
    fs::write(&image, vec![0; 4 << 20]).unwrap();
    let file = |name: &str, content: &[u8]| {
        fs::write(folder.join(name), content).unwrap();
        folder.join(name).to_str().unwrap().to_owned()
    };
    let (menu, loader) = (file("grub.cfg", menu.as_bytes()), file("BOOTX64.EFI", LOADER));
    let image_text = image.to_str().unwrap();
    run("mkfs.vfat", &["-i", "12345678", "-n", "ANACONDA", image_text])?;
    run("mmd", &["-i", image_text, "::/EFI", "::/EFI/BOOT"])?;
    run("mcopy", &["-i", image_text, &menu, &loader, "::/EFI/BOOT/"])?;
    Some(fs::read(image).unwrap())
}

fn menu_of(fat: &[u8]) -> String {
    let volume = fatfs::FileSystem::new(Cursor::new(fat.to_vec()), fatfs::FsOptions::new());
    let mut text = String::new();
    let volume = volume.unwrap();
    let root = volume.root_dir();
    root.open_file("EFI/BOOT/grub.cfg").unwrap().read_to_string(&mut text).unwrap();
    let mut loader = Vec::new();
    root.open_file("EFI/BOOT/BOOTX64.EFI").unwrap().read_to_end(&mut loader).unwrap();
    assert_eq!(loader, LOADER);
    text
}

struct Bench {
    folder: TempDir,
    iso: PathBuf,
}

struct Menus<'a> {
    tree: &'a str,
    esp: &'a str,
    isolinux: &'a str,
}

impl Bench {
    /// A boot ISO and an image; `None` where there is no xorriso.
    fn new(menus: &Menus<'_>, is_partition: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (tree, iso) = (folder.path().join("tree"), folder.path().join("boot.iso"));
        for (path, content) in [
            ("images/eltorito.img", vec![b'e'; 30_000]),
            ("images/efiboot.img", make_esp(folder.path(), menus.esp)?),
            ("images/install.img", vec![b'i'; 500_000]),
            ("images/pxeboot/vmlinuz", vec![b'v'; 5000]),
            ("boot/grub2/grub.cfg", menus.tree.as_bytes().to_vec()),
            ("EFI/BOOT/grub.cfg", menus.tree.as_bytes().to_vec()),
            (".discinfo", b"1700000000.0\n1\nx86_64\n".to_vec()),
            ("isolinux/isolinux.cfg", menus.isolinux.as_bytes().to_vec()),
        ] {
            if !content.is_empty() {
                let path = tree.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
        }
        fs::write(folder.path().join("mbr"), vec![0x90; 432]).unwrap();
        let esp = tree.join("images/efiboot.img");
        let mbr = folder.path().join("mbr");
        let [iso_text, tree, mbr, esp] =
            [&iso, &tree, &mbr, &esp].map(|path| path.to_str().unwrap());
        let words = "-as mkisofs -quiet -R -J -joliet-long -eltorito-boot images/eltorito.img \
            -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info";
        let mut words: Vec<&str> = words.split_whitespace().collect();
        words.extend(["-V", LABEL, "--grub2-mbr", mbr]);
        // newer ones have the FAT twice, and start the partition
        let efi = match is_partition {
            true => "--interval:appended_partition_2:all::",
            false => "images/efiboot.img",
        };
        words.extend(["-eltorito-alt-boot", "-e", efi, "-no-emul-boot"]);
        words.extend(["-append_partition", "2", ESP, esp, "-appended_part_as_gpt"]);
        if is_partition {
            words.extend(["-partition_offset", "16", "-iso_mbr_part_type", DATA]);
        }
        words.extend(["-o", iso_text, tree]);
        run("xorriso", &words)?;
        synthetic::bootable().write(&folder.path().join("oci"), "latest").unwrap();
        Some(Self { folder, iso })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn try_build(&self, output: &str, words: &[&str]) -> Output {
        let image = format!("oci:{}", self.path("oci").display());
        let output = format!("--output={}", self.path(output).display());
        let mut command = Command::new(env!("CARGO_BIN_EXE_bootc-image"));
        command.env_clear().args(["build", "-q", "--arch=amd64", &output, &image]);
        command.arg("--target-imgref=registry.example/os:1").args(words).output().unwrap()
    }

    fn build(&self, output: &str, words: &[&str]) -> PathBuf {
        let boot = format!("--boot-iso={}", self.iso.display());
        let words = [&["--type=anaconda-iso", &boot], words].concat();
        let built = self.try_build(output, &words);
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        self.path(output).join("bootiso/install.iso")
    }

    /// Why nothing is made, and the exit code.
    fn refusal(&self, words: &[&str]) -> (i32, String) {
        let output = self.try_build("refused", words);
        assert!(output.stdout.is_empty() && !self.path("refused").exists(), "{words:?}");
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }
}

fn files(iso: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut image = Image::open(File::open(iso).unwrap()).unwrap();
    let limit = image.len();
    let paths: Vec<String> = image.paths().collect();
    let is_file = |path: &String| matches!(image.entry(path).unwrap().kind, EntryKind::File { .. });
    let paths: Vec<String> = paths.into_iter().filter(is_file).collect();
    paths.into_iter().map(|path| (path.clone(), image.read(&path, limit).unwrap())).collect()
}

fn report(iso: &Path) -> String {
    let iso = iso.to_str().unwrap();
    let words = ["-abort_on", "WARNING", "-indev", iso, "-report_el_torito", "plain"];
    run("xorriso", &words).unwrap()
}

/// Where the GPT has the ESP, in bytes.
fn esp_of(iso: &Path) -> Vec<u8> {
    let bytes = fs::read(iso).unwrap();
    let kind: [u8; 16] = [
        0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B,
    ];
    let table = &bytes[1024..1024 + 128 * 128];
    let entry = table.chunks(128).find(|entry| entry.starts_with(&kind)).unwrap();
    let number = |at: usize| {
        let number = u64::from_le_bytes(entry[at..at + 8].try_into().unwrap());
        usize::try_from(number).unwrap() * 512
    };
    bytes[number(32)..number(40) + 512].to_vec()
}

fn check(is_partition: bool) {
    let menus = Menus { tree: &menu(""), esp: &menu(""), isolinux: ISOLINUX };
    let Some(bench) = Bench::new(&menus, is_partition) else { return };
    let (before, boot) = (files(&bench.iso), report(&bench.iso));
    let iso = bench.build("out", &[]);
    assert_eq!(report(&iso), boot, "El Torito is what it was");
    let text = iso.to_str().unwrap();
    if let Some(checked) = run("sgdisk", &["-v", text]) {
        assert!(checked.contains("No problems found"), "{checked}");
    }
    for view in ["-R", "-J"] {
        let Some(listing) = run("isoinfo", &["-f", "-i", text, view]) else { break };
        for path in ["/container/index.json", "/bootc-image.ks", "/images/install.img"] {
            let mut lines = listing.lines().map(|line| line.trim_end_matches(";1"));
            assert!(lines.any(|line| line == path), "{view}: {listing}");
        }
    }

    let after = files(&iso);
    assert_eq!(after["bootc-image.ks"], OURS.as_bytes());
    let changed = menu(KS);
    for path in ["boot/grub2/grub.cfg", "EFI/BOOT/grub.cfg"] {
        assert_eq!(String::from_utf8_lossy(&after[path]), changed, "{path}");
    }
    let isolinux = String::from_utf8_lossy(&after["isolinux/isolinux.cfg"]).into_owned();
    assert!(isolinux.ends_with(&format!("inst.stage2=hd:LABEL={LABEL}{KS}\n")), "{isolinux}");
    let esp = esp_of(&iso);
    assert_eq!(menu_of(&after["images/efiboot.img"]), changed);
    assert_eq!(menu_of(&esp[..4 << 20]), changed);
    let fat = bench.path("esp");
    fs::write(&fat, &after["images/efiboot.img"]).unwrap();
    if let Some(checked) = run("fsck.fat", &["-n", fat.to_str().unwrap()]) {
        assert!(checked.contains("5 files"), "{checked}");
    }
    for (path, content) in &before {
        let is_changed = path.ends_with(".cfg") || path == "images/efiboot.img";
        assert!(is_changed || after[path] == *content, "{path}");
    }

    // the layout is the image, byte for byte
    let index: Value = serde_json::from_slice(&after["container/index.json"]).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    let blob = |digest: &str| &after[&format!("container/blobs/{}", digest.replace(':', "/"))];
    let manifest: Value = serde_json::from_slice(blob(digest)).unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    let mut digests = vec![digest, manifest["config"]["digest"].as_str().unwrap()];
    digests.extend(layers.map(|layer| layer["digest"].as_str().unwrap()));
    for digest in &digests {
        let original = bench.path("oci/blobs").join(digest.replace(':', "/"));
        assert_eq!(*blob(digest), fs::read(original).unwrap(), "{digest}");
    }
    assert_eq!(after.keys().filter(|path| path.contains("/blobs/")).count(), digests.len());

    let sum = Sha256Digest::of(&fs::read(&iso).unwrap());
    let checksum = fs::read_to_string(iso.with_file_name("install.iso.sha256")).unwrap();
    assert_eq!(checksum, format!("{sum}  install.iso\n"));
    let record = fs::read(bench.path("out/manifest-anaconda-iso.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(record["image"]["digest"], *digest);
    assert!(record["disk"].is_null() && record["image"]["commit"].is_null());
    assert_eq!(record["artifacts"][0]["sha256"], sum.to_hex());
    assert_eq!(record["artifacts"][0]["type"], "anaconda-iso");

    let again = bench.build("again", &["--threads=1"]);
    assert!(fs::read(again).unwrap() == fs::read(&iso).unwrap(), "the same bytes");
    let names = fs::read_dir(bench.path("out/bootiso")).unwrap().count();
    assert_eq!(names, 2, "nothing else is left");
}

#[test]
fn an_image_goes_into_a_boot_iso() {
    check(false);
}

#[test]
fn an_image_goes_into_a_boot_iso_that_is_a_partition() {
    check(true);
}

#[test]
fn a_kickstart_of_the_owner_comes_after_ours_or_instead() {
    let menus = Menus { tree: &menu(""), esp: "configfile /EFI/BOOT/grub.cfg\n", isolinux: "" };
    let Some(bench) = Bench::new(&menus, true) else { return };
    let config = bench.path("config.toml");
    let option = format!("--config={}", config.display());
    let with = |contents: &str, more: &[&str], output: &str| {
        let text = format!("[customizations.installer.kickstart]\ncontents = {contents:?}\n");
        fs::write(&config, text).unwrap();
        let iso = bench.build(output, &[&[option.as_str()], more].concat());
        let kickstart = files(&iso).remove("bootc-image.ks").unwrap();
        (String::from_utf8(kickstart).unwrap(), iso)
    };
    let (text, iso) = with("text\nreboot\n", &[], "one");
    assert_eq!(text, format!("{OURS}text\nreboot\n"));
    // a menu that leads to another is as it was
    let esp_before = files(&bench.iso).remove("images/efiboot.img").unwrap();
    assert!(files(&iso)["images/efiboot.img"] == esp_before);
    let kickstart = bench.path("ks");
    fs::write(&kickstart, &text).unwrap();
    run("ksvalidator", &[kickstart.to_str().unwrap()]);

    // with a disk in the same run, the layers are kept while they are imported
    let theirs = "ostreecontainer --url=registry.example/other\n";
    let (text, iso) = with(theirs, &["--type=raw", "--size=min", "--karg=a"], "two");
    assert_eq!(text, theirs);
    let record = fs::read(bench.path("two/manifest-anaconda-iso-raw.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let warnings = record["warnings"].to_string();
    assert!(warnings.contains("says itself what is installed (`ostreecontainer`)"), "{warnings}");
    assert!(warnings.contains("Anaconda is not told of `--karg`, `--size`"), "{warnings}");
    assert!(record["disk"]["size_bytes"].as_u64().unwrap() > 0);
    assert!(bench.path("two/image/disk.raw").exists());
    let blobs = |iso| files(iso).into_iter().filter(|(path, _)| path.starts_with("container/"));
    let one = bench.path("one/bootiso/install.iso");
    assert!(blobs(&iso).eq(blobs(&one)));
}

#[test]
fn what_cannot_be_is_refused() {
    let menus = Menus { tree: &menu(""), esp: &menu(""), isolinux: ISOLINUX };
    let Some(bench) = Bench::new(&menus, false) else { return };
    let boot = format!("--boot-iso={}", bench.iso.display());
    let config = bench.path("config.toml");
    fs::write(&config, "[customizations.installer.kickstart]\ncontents = \"text\"\n").unwrap();
    let config = format!("--config={}", config.display());
    let no_iso = bench.path("no.iso");
    fs::write(&no_iso, vec![0; 100_000]).unwrap();
    let no_iso = format!("--boot-iso={}", no_iso.display());
    let anaconda = "--type=anaconda-iso";
    for (words, code, expected) in [
        (&[anaconda][..], 2, "`--type anaconda-iso` without `--boot-iso`"),
        (&[&boot], 2, "`--boot-iso` without `--type anaconda-iso`"),
        (&[anaconda, "--type=iso", &boot], 2, "both would be `bootiso/install.iso`"),
        (&[anaconda, &boot, "--volume-id=X"], 2, "`--volume-id` without `--type iso`"),
        (&[&config], 2, "`customizations.installer` without `--type anaconda-iso`"),
        (&[anaconda, "--boot-iso=/nowhere.iso"], 1, "reading `/nowhere.iso`"),
        (&[anaconda, &no_iso], 1, "it is no ISO 9660"),
    ] {
        let (found, text) = bench.refusal(words);
        assert!(found == code && text.contains(expected), "{words:?}: {found} {text}");
    }
    let (tree, arm) = (bench.path("tree"), bench.path("arm.iso"));
    fs::write(tree.join(".discinfo"), "1700000000.0\n1\naarch64\n").unwrap();
    let [tree, arm] = [&tree, &arm].map(|path| path.to_str().unwrap());
    run("xorriso", &["-as", "mkisofs", "-quiet", "-R", "-V", LABEL, "-o", arm, tree]).unwrap();
    let (code, text) = bench.refusal(&[anaconda, &format!("--boot-iso={arm}")]);
    assert!(code == 1 && text.contains("is for aarch64, the image for x86_64"), "{text}");
    for (menu, expected) in [
        ("linux /vmlinuz\n", "no boot ISO of Anaconda's"),
        (&menu(" inst.ks=cdrom"), "has a kickstart already: its menu `EFI/BOOT/grub.cfg`"),
    ] {
        let other = Bench::new(&Menus { tree: menu, esp: menu, isolinux: "" }, false).unwrap();
        let (code, text) =
            other.refusal(&[anaconda, &format!("--boot-iso={}", other.iso.display())]);
        assert!(code == 1 && text.contains(expected), "{text}");
    }
}
