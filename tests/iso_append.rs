//! Files added to an image of the structure that Anaconda's have, as other people's readers see it.

#![allow(clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used, reason = "a test")]

mod tools;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use bootc_image::canvas::{Canvas as _, FileCanvas};
use bootc_image::fs::iso9660::append::{Addition, AppendError};
use bootc_image::fs::iso9660::reader::{EntryKind, Image};
use bootc_image::fs::iso9660::{Builder, IsoError, Options};
use bootc_image::partition::grow::Grown;
use bootc_image::spec::VolumeId;
use bootc_image::units::{ByteLen, ByteOffset};
use bootc_image::volume::Timestamp;

use tools::run;

type Files = BTreeMap<String, Vec<u8>>;

const TIME: i64 = 1_700_000_000;
const ESP: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";

/// Makes an image as Anaconda's are made; `None` where there is no xorriso.
fn anaconda(folder: &Path, more: &[&str]) -> Option<std::path::PathBuf> {
    let tree = folder.join("tree");
    for (path, len) in [
        ("images/eltorito.img", 30_000),
        ("images/efiboot.img", 1 << 20),
        ("images/install.img", 123_456),
        ("images/pxeboot/vmlinuz", 5000),
        ("boot/grub2/grub.cfg", 200),
        ("EFI/BOOT/grub.cfg", 200),
        ("EFI/BOOT/a name that is longer than what plain ISO 9660 can have.efi", 9),
    ] {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![b'x'; len]).unwrap();
    }
    std::os::unix::fs::symlink("images/install.img", tree.join("link")).unwrap();
    fs::write(folder.join("mbr"), vec![0x90; 432]).unwrap();
    let iso = folder.join("boot.iso");
    let [iso_text, tree_text, mbr, esp] =
        [&iso, &tree, &folder.join("mbr"), &tree.join("images/efiboot.img")]
            .map(|path| path.to_str().unwrap().to_owned());
    let mut words: Vec<&str> = "-as mkisofs -quiet -R -J -joliet-long -V Anaconda-1 \
        -eltorito-boot images/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table \
        --grub2-boot-info --grub2-mbr"
        .split_whitespace()
        .collect();
    words.push(&mbr);
    words.extend("-eltorito-alt-boot -e images/efiboot.img -no-emul-boot".split_whitespace());
    words.extend(["-append_partition", "2", ESP, &esp, "-appended_part_as_gpt"]);
    words.extend(more.iter().chain(&["-o", &iso_text, &tree_text]));
    run("xorriso", &words)?;
    Some(iso)
}

fn files(iso: &Path) -> Files {
    let mut image = Image::open(File::open(iso).unwrap()).unwrap();
    let limit = image.len();
    let paths: Vec<String> = image.paths().collect();
    let is_file = |path: &String| matches!(image.entry(path).unwrap().kind, EntryKind::File { .. });
    let paths: Vec<String> = paths.into_iter().filter(is_file).collect();
    paths.into_iter().map(|path| (path.clone(), image.read(&path, limit).unwrap())).collect()
}

/// Adds files to an image, in place.
fn append(iso: &Path, new: &Files) {
    let file = Arc::new(File::options().read(true).write(true).open(iso).unwrap());
    let mut image = Image::open(&*file).unwrap();
    let mut addition = Addition::new(&mut image, Timestamp::of_secs(TIME)).unwrap();
    let add = |(path, bytes): (&String, &Vec<u8>)| {
        let len = ByteLen(u64::try_from(bytes.len()).unwrap());
        (addition.add_file(path, len).unwrap(), bytes.clone())
    };
    let contents: Vec<_> = new.iter().map(add).collect();
    let layout = addition.layout().unwrap();
    let mut canvas = FileCanvas::new(Arc::clone(&file));
    let mut table = Grown::load(&canvas).unwrap();
    // a partition that is a file system of its own goes on showing the old one
    table.retain(|start| {
        let mut magic = [0; 5];
        canvas.read_at(ByteOffset(start.0 + 16 * 2048 + 1), &mut magic).unwrap();
        magic != *b"CD001"
    });
    let len = table.len_for(layout.end()).unwrap();
    file.set_len(len.0).unwrap();
    for (id, bytes) in contents {
        canvas.write_at(layout.place(id), &bytes).unwrap();
    }
    layout.write(&mut canvas, len).unwrap();
    table.write(&mut canvas, len).unwrap();
}

fn new_files() -> Files {
    let blobs = (0..120_u8).map(|number| {
        let name = format!("container/blobs/sha256/{number:03}{}", "0123456789".repeat(6));
        (name, vec![number; usize::from(number) * 50])
    });
    let named = ["container/index.json", "boot/grub2/grub.cfg", "osbuild.ks", "EFI/BOOT/ünï.cfg"];
    blobs.chain(named.map(|path| (path.to_owned(), path.repeat(99).into_bytes()))).collect()
}

/// What `xorriso` takes out of it, links aside.
fn extracted(iso: &Path, options: &[&str]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let [iso, out_text] = [iso, &out].map(|path| path.to_str().unwrap());
    let tail = ["-osirrox", "on", "-indev", iso, "-extract", "/", out_text];
    run("xorriso", &[&["-abort_on", "WARNING"], options, &tail].concat()).unwrap();
    run("chmod", &["-R", "u+rwX", out_text]).unwrap();
    let mut files = Files::new();
    let mut todo = vec![(String::new(), out.clone())];
    while let Some((prefix, folder)) = todo.pop() {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                todo.push((format!("{name}/"), entry.path()));
            } else if kind.is_file() {
                files.insert(name, fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

fn report(iso: &Path) -> Option<String> {
    let words = ["-report_el_torito", "plain", "-indev", iso.to_str().unwrap()];
    let words = [&["-abort_on", "WARNING"][..], &words[2..], &words[..2]].concat();
    run("xorriso", &words)
}

fn check(more: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let Some(iso) = anaconda(folder.path(), more) else { return };
    let (before, boot) = (files(&iso), report(&iso).unwrap());
    let old_bytes = fs::read(&iso).unwrap();
    let entries = Image::open(File::open(&iso).unwrap()).unwrap().boot_entries().to_vec();
    let mut expected = before.clone();
    expected.extend(new_files());

    append(&iso, &new_files());
    assert!(files(&iso) == expected);
    let image = Image::open(File::open(&iso).unwrap()).unwrap();
    assert_eq!(image.boot_entries(), entries);
    assert_eq!(image.volume().len, image.len());
    let link = EntryKind::Link { target: "images/install.img".into() };
    assert_eq!(image.entry("link").unwrap().kind, link);
    // all that was there is where it was, but for tables and descriptors
    let new_bytes = fs::read(&iso).unwrap();
    let same = |range: std::ops::Range<usize>| old_bytes[range.clone()] == new_bytes[range];
    assert!(same(0..446) && same(40 * 2048..old_bytes.len()));

    assert_eq!(report(&iso).unwrap(), boot, "El Torito is what it was");
    assert!(extracted(&iso, &[]) == expected);
    let joliet = extracted(&iso, &["-read_fs", "norock"]);
    assert_eq!(joliet.len(), expected.len());
    assert_eq!(joliet["boot/grub2/grub.cfg"], expected["boot/grub2/grub.cfg"]);
    let text = iso.to_str().unwrap();
    for view in [&["-R"][..], &["-J"], &[]] {
        let Some(listing) = run("isoinfo", &[&["-f", "-i", text], view].concat()) else { break };
        let grub = listing.to_lowercase().matches("/boot/grub2/grub.cfg").count();
        assert_eq!(grub, 1, "{listing}");
        assert!(listing.lines().count() > expected.len(), "{listing}");
    }
    if let Some(checked) = run("sgdisk", &["-v", text]) {
        assert!(checked.contains("No problems found"), "{checked}");
    }

    let more = Files::from([("more/x".to_owned(), b"again".to_vec())]);
    append(&iso, &more);
    expected.extend(more);
    assert!(files(&iso) == expected && extracted(&iso, &[]) == expected);
}

#[test]
fn an_image_with_an_appended_esp_is_extended() {
    check(&[]);
}

#[test]
fn an_image_that_is_a_partition_too_is_extended() {
    check(&[
        "-partition_offset",
        "16",
        "-iso_mbr_part_type",
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
    ]);
}

#[test]
fn our_own_images_are_extended_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("iso");
    let options = Options {
        volume_id: VolumeId::parse("a").unwrap(),
        application: String::new(),
        time: Timestamp::of_secs(TIME),
    };
    let mut builder = Builder::new(options).unwrap();
    builder.add_file("a/b", ByteLen(0)).unwrap();
    let layout = builder.layout().unwrap();
    let file = File::options().read(true).write(true).create_new(true).open(&iso).unwrap();
    let mut canvas = FileCanvas::new(Arc::new(file));
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    canvas.into_file().set_len(layout.end().0).unwrap();
    let mut expected = Files::from([("a/b".to_owned(), Vec::new())]);
    for round in 0..5_u8 {
        let new = Files::from([
            (format!("a/{round}"), vec![round; 3000]),
            ("a/same".to_owned(), vec![round; 10]),
            (format!("d{round}/e/f"), vec![round]),
        ]);
        append(&iso, &new);
        expected.extend(new);
        assert!(files(&iso) == expected, "{round}");
    }
    let mut image = Image::open(File::open(&iso).unwrap()).unwrap();
    let mut addition = Addition::new(&mut image, Timestamp::of_secs(TIME)).unwrap();
    for path in ["a", "a/b/c", "d1/e"] {
        let error = addition.add_file(path, ByteLen(1)).unwrap_err();
        assert!(matches!(error, AppendError::Iso(IsoError::Taken(_))), "{path}: {error}");
    }
}
