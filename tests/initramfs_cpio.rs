//! Initramfs archives that we write, read by ourselves and by GNU cpio.
#![allow(missing_docs, clippy::disallowed_methods, clippy::print_stderr, clippy::unwrap_used)]

mod tools;

use std::collections::BTreeMap;
use std::path::Path;

use bootc_image::boot::initramfs::cpio::Writer;
use bootc_image::boot::initramfs::dracut_modules;
use proptest::prelude::{ProptestConfig, Strategy, prop, prop_oneof, proptest};

use tools::run;

/// What is at a path.
#[derive(Debug, Clone)]
enum Node {
    Folder(BTreeMap<String, Node>),
    File(Vec<u8>),
    Symlink(String),
    Device(u32, u32),
}

type Folder = BTreeMap<String, Node>;

fn folder() -> impl Strategy<Value = Folder> {
    let name = || "[a-zA-Z0-9._ -]{1,40}".prop_filter("no path", |name| !name.starts_with('.'));
    let leaf = prop_oneof![
        4 => prop::collection::vec(0_u8.., 0..70).prop_map(Node::File),
        1 => (0_usize..200_000).prop_map(|len| Node::File(vec![b'x'; len])),
        1 => "[a-z./]{1,60}".prop_map(Node::Symlink),
        1 => (0_u32..4096, 0_u32..256).prop_map(|(major, minor)| Node::Device(major, minor)),
    ];
    let node = leaf.prop_recursive(4, 40, 8, move |node| {
        prop::collection::btree_map(name(), node, 0..8).prop_map(Node::Folder)
    });
    prop::collection::btree_map(name(), node, 0..8)
}

/// Adds a folder's entries, and to `lines` what a listing should say of them.
fn add(
    mut archive: Writer<Vec<u8>>,
    prefix: &str,
    folder: &Folder,
    lines: &mut Vec<String>,
) -> Writer<Vec<u8>> {
    for (name, node) in folder {
        let path = format!("{prefix}{name}");
        archive = match node {
            Node::Folder(below) => {
                lines.push(format!("drwxr-x--- 2 0 0 0 {path}"));
                let archive = archive.folder(&path, 0o750).unwrap();
                add(archive, &format!("{path}/"), below, lines)
            }
            Node::File(content) => {
                lines.push(format!("-rw-r--r-- 1 0 0 {} {path}", content.len()));
                let len = u64::try_from(content.len()).unwrap();
                archive.file(&path, 0o644, len, &mut content.as_slice()).unwrap()
            }
            Node::Symlink(target) => {
                lines.push(format!("lrwxrwxrwx 1 0 0 {} {path} -> {target}", target.len()));
                archive.symlink(&path, target).unwrap()
            }
            Node::Device(major, minor) => {
                lines.push(format!("crw------- 1 0 0 {major}, {minor} {path}"));
                archive.character_device(&path, 0o600, *major, *minor).unwrap()
            }
        };
    }
    archive
}

fn encode(folder: &Folder, lines: &mut Vec<String>) -> Vec<u8> {
    let mut archive = add(Writer::new(Vec::new()), "", folder, lines);
    let mut path = String::new();
    for name in ["usr", "lib", "dracut"] {
        path = format!("{path}/{name}").trim_start_matches('/').to_owned();
        archive = archive.folder(&path, 0o755).unwrap();
        lines.push(format!("drwxr-xr-x 2 0 0 0 {path}"));
    }
    let list = format!("{path}/modules.txt");
    lines.push(format!("-r--r--r-- 1 0 0 13 {list}"));
    archive.file(&list, 0o444, 13, &mut &b"bash\nlivenet\n"[..]).unwrap().finish().unwrap()
}

/// A line of GNU cpio's listing, without the date, blanks made one.
fn listed(line: &str) -> String {
    let (attributes, path) = line.split_once(" Jan  1  1970 ").unwrap();
    let attributes: Vec<_> = attributes.split_whitespace().collect();
    format!("{} {path}", attributes.join(" "))
}

/// What was unpacked is what was put in.
fn same(at: &Path, folder: &Folder) {
    for (name, node) in folder {
        let at = at.join(name);
        match node {
            Node::Folder(below) => same(&at, below),
            Node::File(content) => assert_eq!(&std::fs::read(&at).unwrap(), content),
            Node::Symlink(target) => {
                assert_eq!(std::fs::read_link(&at).unwrap(), Path::new(target));
            }
            Node::Device(..) => {}
        }
    }
}

fn without_devices(folder: &Folder) -> Folder {
    let kept = folder.iter().filter_map(|(name, node)| match node {
        Node::Device(..) => None,
        Node::Folder(below) => Some((name.clone(), Node::Folder(without_devices(below)))),
        other => Some((name.clone(), other.clone())),
    });
    kept.collect()
}

fn check(mut folder: Folder) {
    folder.remove("usr");
    let mut lines = Vec::new();
    let bytes = encode(&folder, &mut lines);
    assert_eq!(bytes, encode(&folder, &mut Vec::new()));
    let found = dracut_modules(bytes.as_slice()).unwrap().unwrap();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["bash", "livenet"]);
    let work = tempfile::tempdir().unwrap();
    let at = work.path().join("cpio");
    std::fs::write(&at, &bytes).unwrap();
    let archive = at.to_str().unwrap();
    if run("cpio", &["--version"]).is_none() {
        return;
    }
    let list = ["-itv", "--quiet", "--numeric-uid-gid", "-F", archive];
    let listing = run("env", &[&["TZ=UTC", "LC_ALL=C", "cpio"], &list[..]].concat()).unwrap();
    assert_eq!(listing.lines().map(listed).collect::<Vec<_>>(), lines);
    // devices take root: they are listed above, and left out here
    let kept = without_devices(&folder);
    std::fs::write(&at, encode(&kept, &mut Vec::new())).unwrap();
    let into = work.path().join("out");
    std::fs::create_dir(&into).unwrap();
    run("cpio", &["-id", "--quiet", "-F", archive, "-D", into.to_str().unwrap()]);
    same(&into, &kept);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_read_back(folder in folder()) {
        check(folder);
    }
}
