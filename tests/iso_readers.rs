//! What other people's readers say of our ISO 9660, and what ours says of it and of other people's;
//! the kernel's say is in `vm-tests/tests/iso9660.rs`.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use bootc_image::canvas::{Canvas as _, FileCanvas};
use bootc_image::fs::iso9660::reader::{BootPlatform, EntryKind, Image, NameKind};
use bootc_image::fs::iso9660::{Builder, Options};
use bootc_image::spec::VolumeId;
use bootc_image::units::ByteLen;
use bootc_image::volume::Timestamp;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

use tools::run;

type Files = BTreeMap<String, Vec<u8>>;

const TIME: i64 = 1_709_210_096;
/// What xorriso calls the boot catalog.
const CATALOG: &str = "boot.catalog";

fn builder() -> Builder {
    let volume_id = VolumeId::parse("Tests-1.0").unwrap();
    let application = "bootc-image".to_owned();
    Builder::new(Options { volume_id, application, time: Timestamp::of_secs(TIME) }).unwrap()
}

fn canvas(path: &Path) -> FileCanvas {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path);
    FileCanvas::new(Arc::new(file.unwrap()))
}

fn write(path: &Path, files: &Files) {
    let mut builder = builder();
    let add = |(path, bytes): (&String, &Vec<u8>)| {
        let len = ByteLen(u64::try_from(bytes.len()).unwrap());
        (builder.add_file(path, len).unwrap(), bytes.clone())
    };
    let contents: Vec<_> = files.iter().map(add).collect();
    let layout = builder.layout().unwrap();
    let mut canvas = canvas(path);
    for (file, bytes) in contents {
        canvas.write_at(layout.place(file), &bytes).unwrap();
    }
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    canvas.into_file().set_len(layout.end().0).unwrap();
}

/// All files below a folder.
fn read(folder: &Path) -> Files {
    let mut files = Files::new();
    let mut todo = vec![(String::new(), folder.to_owned())];
    while let Some((prefix, folder)) = todo.pop() {
        for entry in folder.read_dir().unwrap().map(Result::unwrap) {
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            match entry.file_type().unwrap().is_dir() {
                true => todo.push((format!("{name}/"), entry.path())),
                false => drop(files.insert(name, fs::read(entry.path()).unwrap())),
            }
        }
    }
    files
}

fn sample() -> Files {
    let hex = "0123456789abcdef".repeat(4);
    let mut files: Files = (0..200)
        .map(|number| format!("container/blobs/sha256/{}{number:03}", &hex[..61]))
        .chain(
            ["images/pxeboot/vmlinuz", "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grub.cfg", ".disk/info"]
                .map(String::from),
        )
        .chain([format!("container/{}", "n".repeat(120)), "ünïcode/Ä b.txt".to_owned()])
        .map(|path| (path.clone(), path.repeat(100).into_bytes()))
        .collect();
    files.insert("empty".into(), Vec::new());
    files.insert("one-sector".into(), vec![7; 2048]);
    files
}

/// What `xorriso` takes out of it.
fn extracted(iso: &Path, options: &[&str]) -> Option<Files> {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let [iso, out_text] = [iso, &out].map(|path| path.to_str().unwrap());
    let tail = ["-osirrox", "on", "-indev", iso, "-extract", "/", out_text];
    run("xorriso", &[&["-abort_on", "WARNING"], options, &tail].concat())?;
    run("chmod", &["-R", "u+rwX", out_text])?;
    Some(read(&out))
}

#[test]
fn xorriso_finds_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("iso");
    let files = sample();
    write(&iso, &files);
    let Some(found) = extracted(&iso, &[]) else { return };
    assert!(found == files, "{:?}", found.keys());
    let joliet = extracted(&iso, &["-read_fs", "norock"]).unwrap();
    let whole = files.iter().filter(|(path, _)| path.split('/').all(|name| name.len() < 64));
    for (path, bytes) in whole {
        assert!(joliet.get(path) == Some(bytes), "{path}: {:?}", joliet.keys());
    }
    assert_eq!(joliet.len(), files.len());
}

#[test]
fn isoinfo_has_no_complaint() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("iso");
    write(&iso, &sample());
    let iso = iso.to_str().unwrap();
    for view in [&["-R"][..], &["-J"], &[]] {
        let Some(text) = run("isoinfo", &[&["-f", "-i", iso], view].concat()) else { return };
        assert_eq!(text.lines().filter(|line| line.starts_with('/')).count(), 208 + 9, "{text}");
    }
    let about = run("isoinfo", &["-d", "-i", iso]).unwrap();
    for line in [
        "Volume id: Tests-1.0",
        "Rock Ridge signatures version 1 found",
        "Joliet with UCS level 3 found",
    ] {
        assert!(about.contains(line), "{about}");
    }
}

#[test]
fn util_linux_sees_label_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("iso");
    write(&iso, &sample());
    let Some(text) = run("blkid", &["-p", "-o", "export", iso.to_str().unwrap()]) else { return };
    assert!(text.contains("LABEL=Tests-1.0") && text.contains("TYPE=iso9660"), "{text}");
    assert!(text.contains("UUID=2024-02-29-12-34-56-00"), "{text}");
}

#[test]
fn files_of_more_than_4_gib_have_their_length() {
    const LEN: u64 = (9 << 30) + 12_345;
    let folder = tempfile::tempdir().unwrap();
    let iso = folder.path().join("iso");
    let mut builder = builder();
    builder.add_file("large", ByteLen(LEN)).unwrap();
    let layout = builder.layout().unwrap();
    let mut canvas = canvas(&iso);
    layout.write(&mut canvas, ByteLen(layout.end().0)).unwrap();
    canvas.into_file().set_len(layout.end().0).unwrap();
    let listing = ["-abort_on", "WARNING", "-indev", iso.to_str().unwrap(), "-lsl", "/large"];
    let Some(text) = run("xorriso", &listing) else { return };
    assert!(text.split_whitespace().any(|word| word == LEN.to_string()), "{text}");
}

/// What our own reader finds.
fn own(iso: &Path) -> (Image<File>, Files) {
    let mut image = Image::open(File::open(iso).unwrap()).unwrap();
    let limit = image.len();
    let paths: Vec<String> = image.paths().collect();
    let is_file = |path: &String| matches!(image.entry(path).unwrap().kind, EntryKind::File { .. });
    let paths: Vec<String> = paths.into_iter().filter(is_file).collect();
    let files = paths.into_iter().map(|path| (path.clone(), image.read(&path, limit).unwrap()));
    let files = files.collect();
    (image, files)
}

/// Files that try other people's writers, in a folder, and as they are to be found.
fn tree(folder: &Path) -> Files {
    let name = "a name of many characters, more than fit into one record; ".repeat(4);
    let mut files: Files =
        ["EFI/BOOT/grub.cfg", "images/eltorito.img", "1/2/3/4/5/6/7/8/9/10/x", &name]
            .map(|path| (path.to_owned(), path.repeat(700).into_bytes()))
            .into();
    files.extend((0..150).map(|number| (format!("many/{number:03}-ü"), vec![b'm'; number])));
    for (path, bytes) in &files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let target = format!("/usr/../{}/x", "t".repeat(200));
    std::os::unix::fs::symlink(target, folder.join("link")).unwrap();
    files
}

fn check_tree(iso: &Path, files: &Files) -> Image<File> {
    let (image, found) = own(iso);
    assert!(found == *files, "{:?}", found.keys());
    let Some(EntryKind::Link { target }) = image.entry("link").map(|entry| entry.kind) else {
        panic!("{:?}", image.list(""))
    };
    assert_eq!(target, format!("/usr/../{}/x", "t".repeat(200)));
    assert_eq!(image.volume().names, NameKind::RockRidge);
    assert_eq!(image.volume().id, "Theirs");
    image
}

#[test]
fn we_read_what_xorriso_writes() {
    let folder = tempfile::tempdir().unwrap();
    let [tree_folder, iso] = ["tree", "iso"].map(|name| folder.path().join(name));
    let files = tree(&tree_folder);
    let [tree_text, iso_text] = [&tree_folder, &iso].map(|path| path.to_str().unwrap());
    let mut options = "-as mkisofs -quiet -R -J -V Theirs -b images/eltorito.img -no-emul-boot \
        -boot-load-size 4 -boot-info-table -eltorito-alt-boot -e EFI/BOOT/grub.cfg -no-emul-boot -o"
        .split_whitespace()
        .collect::<Vec<_>>();
    options.extend([iso_text, tree_text]);
    let Some(_) = run("xorriso", &options) else { return };
    let mut image = Image::open(File::open(&iso).unwrap()).unwrap();
    // the boot info table is in the file
    let mut files = files;
    let eltorito = image.read("images/eltorito.img", image.len()).unwrap();
    files.insert("images/eltorito.img".to_owned(), eltorito);
    // which some versions show and others hide
    if let Ok(catalog) = image.read(CATALOG, image.len()) {
        files.insert(CATALOG.to_owned(), catalog);
    }
    let image = check_tree(&iso, &files);
    let [bios, uefi] = image.boot_entries() else { panic!("{:?}", image.boot_entries()) };
    assert_eq!((bios.platform, bios.load_sectors), (BootPlatform::Bios, 4));
    assert_eq!(bios.boot_info_len, Some(ByteLen(19 * 700)));
    assert_eq!(bios.start(), image.pieces("images/eltorito.img").unwrap()[0].at);
    assert_eq!((uefi.platform, uefi.boot_info_len), (BootPlatform::Uefi, None));
    assert_eq!(uefi.start(), image.pieces("EFI/BOOT/grub.cfg").unwrap()[0].at);
}

#[test]
fn we_read_what_genisoimage_writes() {
    let folder = tempfile::tempdir().unwrap();
    let [tree_folder, iso] = ["tree", "iso"].map(|name| folder.path().join(name));
    let files = tree(&tree_folder);
    let [tree_text, iso_text] = [&tree_folder, &iso].map(|path| path.to_str().unwrap());
    let write = |options: &[&str]| {
        let common = ["-quiet", "-V", "Theirs", "-input-charset", "utf-8", "-o", iso_text];
        run("genisoimage", &[&common, options, &[tree_text]].concat())
    };
    // without `-D` it moves directories that are too deep
    let Some(_) = write(&["-R"]) else { return };
    let image = check_tree(&iso, &files);
    assert!(image.list("rr_moved").is_some_and(|moved| moved.is_empty()));

    fs::remove_file(tree_folder.join("link")).unwrap();
    write(&["-J", "-joliet-long", "-D"]).unwrap();
    let (image, found) = own(&iso);
    assert_eq!(image.volume().names, NameKind::Joliet);
    let is_short = |path: &str| path.split('/').all(|name| name.len() < 64);
    let short = files.iter().filter(|(path, _)| is_short(path));
    assert!(
        short.clone().all(|(path, bytes)| found.get(path) == Some(bytes)),
        "{:?}",
        found.keys()
    );
    assert_eq!(found.len(), files.len());

    write(&["-D"]).unwrap();
    let (image, found) = own(&iso);
    assert_eq!(image.volume().names, NameKind::Plain);
    assert_eq!(found["EFI/BOOT/GRUB.CFG"], files["EFI/BOOT/grub.cfg"]);
    assert_eq!(found.len(), files.len());
}

fn names() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9._ -]{1,40}",
        "[a-b.]{1,3}",
        "[a-z]{100,120}",
        "[äöü*:;?\\\\]{1,20}",
        Just("same-long-name-".repeat(3)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back(paths in proptest::collection::btree_map(
        proptest::collection::vec(names(), 1..6).prop_map(|names| names.join("/")),
        0_usize..5000,
        1..60,
    )) {
        let folder = tempfile::tempdir().unwrap();
        let iso = folder.path().join("iso");
        let mut files = Files::new();
        for (path, len) in paths {
            let is_name = |name: &str| !matches!(name, "." | "..") && name.len() <= 120;
            let parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            let clashes = parents.into_iter().any(|parent| files.contains_key(parent))
                || files.keys().any(|other| other.starts_with(&format!("{path}/")));
            if path.split('/').all(is_name) && !clashes {
                files.insert(path, vec![b'x'; len]);
            }
        }
        write(&iso, &files);
        let (image, found) = own(&iso);
        assert!(found == files, "{:?}\n{:?}", found.keys(), files.keys());
        assert_eq!(image.volume().names, NameKind::RockRidge);
        if let Some(found) = extracted(&iso, &[]) {
            assert!(found == files, "{:?}\n{:?}", found.keys(), files.keys());
            let joliet = extracted(&iso, &["-read_fs", "norock"]).unwrap();
            assert_eq!(joliet.len(), files.len());
        }
    }
}
