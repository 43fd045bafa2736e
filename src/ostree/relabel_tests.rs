//! Labels that are known when the layers are read.

use super::tests::{Sys, dump, layer, owned, sysroot};
use super::*;
use crate::labels::{FileType, Labels};
use crate::progress::Cancel;
use crate::tree::{Directory, Node};
use crate::volume::Xattrs;
use crate::volume::memory::{Content, MemoryVolume};

/// Labels by path prefix; the longest wins.
#[derive(Debug)]
struct Prefixes(&'static [(&'static str, &'static str)]);

impl Labels for Prefixes {
    fn label(&self, path: &str, _: FileType) -> Option<String> {
        let fitting = self.0.iter().filter(|(prefix, _)| path.starts_with(prefix));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, label)| (*label).to_owned())
    }
}

/// Paths with the labels of what is there, `-` for none.
fn labels(sysroot: &Sys, tree: &Directory) -> Vec<String> {
    fn of(sysroot: &Sys, meta: crate::tree::MetaId) -> String {
        let xattrs = &sysroot.store.meta(meta).xattrs;
        let label = xattrs.as_slice().iter().find(|xattr| &*xattr.name == b"security.selinux");
        label.map_or("-".to_owned(), |xattr| String::from_utf8_lossy(&xattr.value).into_owned())
    }
    fn walk(sysroot: &Sys, path: &str, tree: &Directory, lines: &mut Vec<String>) {
        lines.push(format!("{path}/ {}", of(sysroot, tree.meta)));
        for (name, node) in &tree.entries {
            match node {
                Node::Directory(below) => walk(sysroot, &format!("{path}/{name}"), below, lines),
                Node::File(id) => {
                    let meta = sysroot.store.object(*id).meta;
                    lines.push(format!("{path}/{name} {}", of(sysroot, meta)));
                }
            }
        }
    }
    let mut lines = Vec::new();
    walk(sysroot, "", tree, &mut lines);
    lines
}

/// Every object that has a name is what its name says.
fn check_objects(volume: &MemoryVolume, expected_files: usize) {
    let Content::Directory(objects) = &volume.find("ostree/repo/objects").unwrap().content else {
        panic!("a directory")
    };
    let mut files = 0;
    for prefix in objects.keys() {
        let prefix = String::from_utf8(prefix.clone()).unwrap();
        let folder = volume.find(&format!("ostree/repo/objects/{prefix}")).unwrap();
        let Content::Directory(entries) = &folder.content else { panic!("a directory") };
        for name in entries.keys() {
            let name = String::from_utf8(name.clone()).unwrap();
            let node = volume.find(&format!("ostree/repo/objects/{prefix}/{name}")).unwrap();
            let checksum = match &node.content {
                Content::Regular(bytes) if name.ends_with(".file") => {
                    let mut hasher = object::file_hasher(&node.meta, object::Header::Regular);
                    hasher.update(bytes);
                    hasher.finish()
                }
                Content::Symlink(target) => {
                    let target = std::str::from_utf8(target).unwrap();
                    object::file_hasher(&node.meta, object::Header::Symlink { target }).finish()
                }
                _ => continue,
            };
            files += 1;
            assert_eq!(format!("{prefix}{}", name.split('.').next().unwrap()), checksum.to_hex());
        }
    }
    assert_eq!(files, expected_files);
    assert!(volume.nodes.iter().all(|node| node.links > 0 || node.content == Content::Forgotten));
}

const POLICY: Prefixes =
    Prefixes(&[("/", "root_t"), ("/usr", "usr_t"), ("/usr/b", "b_t"), ("/usr/c", "c_t")]);

#[test]
fn one_object_at_paths_with_different_labels_becomes_several() {
    let mut sysroot = sysroot();
    let lines = ["d usr", "f usr/a x", "f usr/b x", "f usr/c x", "f d x", "l usr/l a", "l m a"];
    let mut tree = layer(&mut sysroot, &lines).unwrap();
    let changed =
        relabel(&mut sysroot.store, &mut [&mut tree], Some(&POLICY), &Cancel::default()).unwrap();
    assert_eq!(changed, 6);
    let used = sysroot.store.used(&[&tree]);
    sysroot.store.seal(used).unwrap();
    let expected = [
        "/ root_t\0",
        "/d root_t\0",
        "/m root_t\0",
        "/usr/ usr_t\0",
        "/usr/a usr_t\0",
        "/usr/b b_t\0",
        "/usr/c c_t\0",
        "/usr/l usr_t\0",
    ];
    assert_eq!(labels(&sysroot, &tree), expected);
    assert_eq!(dump(&sysroot, &tree).len(), 8);
    check_objects(&sysroot.store.volume, 6);
}

#[test]
fn objects_that_turn_out_equal_are_one() {
    let mut sysroot = sysroot();
    let mut first = layer(&mut sysroot, &["f usr/a x", "f usr/z y"]).unwrap();
    let mut tree = LayerTree::new(&mut sysroot.store).unwrap();
    tree.guess_labels(Some(std::sync::Arc::new(POLICY)));
    for path in [&b"usr/d"[..], b"usr/e"] {
        let meta = owned(0o644, 0);
        let mut file = tree.begin_file(&mut sysroot.store, path, &meta).unwrap().unwrap();
        file.feed(&mut sysroot.store, b"x").unwrap();
        tree.finish_file(&mut sysroot.store, file).unwrap();
    }
    let mut second = tree.finish(&mut sysroot.store).unwrap().0;
    assert_eq!(labels(&sysroot, &second)[2], "/usr/d usr_t\0");
    let mut trees = [&mut first, &mut second];
    let changed =
        relabel(&mut sysroot.store, &mut trees, Some(&POLICY), &Cancel::default()).unwrap();
    assert_eq!(changed, 2);
    assert_eq!(first.get("usr/a"), second.get("usr/d"));
    let used = sysroot.store.used(&[&first, &second]);
    sysroot.store.seal(used).unwrap();
    check_objects(&sysroot.store.volume, 2);
}

#[test]
fn labels_that_were_only_likely_are_taken_back() {
    let mut sysroot = sysroot();
    let mut tree = LayerTree::new(&mut sysroot.store).unwrap();
    tree.guess_labels(Some(std::sync::Arc::new(POLICY)));
    let mut own = owned(0o644, 0);
    own.xattrs = Xattrs::from_pairs([(b"security.selinux".to_vec(), b"own".to_vec())]);
    for (path, meta) in [(&b"usr/a"[..], owned(0o644, 0)), (b"usr/b", own)] {
        let mut file = tree.begin_file(&mut sysroot.store, path, &meta).unwrap().unwrap();
        file.feed(&mut sysroot.store, b"x").unwrap();
        tree.finish_file(&mut sysroot.store, file).unwrap();
    }
    tree.symlink(&mut sysroot.store, b"l", &owned(0o777, 0), b"usr").unwrap();
    let mut tree = tree.finish(&mut sysroot.store).unwrap().0;
    relabel(&mut sysroot.store, &mut [&mut tree], None, &Cancel::default()).unwrap();
    let used = sysroot.store.used(&[&tree]);
    sysroot.store.seal(used).unwrap();
    assert_eq!(labels(&sysroot, &tree), ["/ -", "/l -", "/usr/ -", "/usr/a -", "/usr/b own"]);
    check_objects(&sysroot.store.volume, 3);
}

#[test]
fn objects_that_came_with_their_checksums_keep_them() {
    let mut sysroot = sysroot();
    let base = layer(&mut sysroot, &["d usr", "f usr/a x"]).unwrap();
    sysroot.store.pin();
    let mut merged = base.clone();
    relabel(&mut sysroot.store, &mut [&mut merged], Some(&POLICY), &Cancel::default()).unwrap();
    let used = sysroot.store.used(&[&base, &merged]);
    sysroot.store.seal(used).unwrap();
    assert_eq!(labels(&sysroot, &base)[2], "/usr/a -");
    assert_eq!(labels(&sysroot, &merged)[2], "/usr/a usr_t\0");
    check_objects(&sysroot.store.volume, 2);
}

#[test]
fn what_is_around_the_deployment_is_labelled_by_its_path() {
    let mut sysroot = sysroot();
    sysroot.file("boot/x", 0o644, b"").unwrap();
    sysroot.label(&POLICY).unwrap();
    for (path, label) in [("", "root_t"), ("boot/x", "root_t"), ("ostree", "usr_t")] {
        let meta = &sysroot.store.volume.find(path).unwrap().meta;
        assert_eq!(&*meta.xattrs.as_slice()[0].value, label.as_bytes(), "{path}");
    }
}
