//! Layers, merges and deployments in a volume in memory.

use super::*;
use crate::additions::Addition;
use crate::digest::Sha256Digest;
use crate::tree::{Directory, Node};
use crate::volume::memory::{Content, MemoryVolume};
use crate::volume::{Meta, Timestamp, Xattrs};

pub(super) type Sys = Sysroot<MemoryVolume>;

pub(super) fn sysroot() -> Sys {
    Sysroot::create(MemoryVolume::default(), Timestamp { secs: 5, nanos: 0 }).unwrap()
}

pub(super) fn owned(mode: u16, uid: u32) -> Meta {
    Meta { mode, uid, gid: uid, ..Meta::default() }
}

/// One entry of a layer: `d PATH`, `f PATH CONTENT`, `l PATH TARGET`, `h PATH TARGET`; the owner
/// stands before, `7:f PATH …`.
pub(super) fn layer(sysroot: &mut Sys, lines: &[&str]) -> Result<Directory, Error> {
    let store = &mut sysroot.store;
    let mut tree = LayerTree::new(store)?;
    for line in lines {
        let (uid, line) =
            line.split_once(':').map_or((0, *line), |(uid, rest)| (uid.parse().unwrap(), rest));
        let mut words = line.splitn(3, ' ');
        let (kind, path) = (words.next().unwrap(), words.next().unwrap().as_bytes());
        let rest = words.next().unwrap_or("");
        match kind {
            "d" => tree.directory(store, path, &owned(0o700, uid))?,
            "l" => tree.symlink(store, path, &owned(0o777, uid), rest.as_bytes())?,
            "h" => tree.hardlink(store, path, &owned(0o600, uid), rest.as_bytes())?,
            "f" => {
                if let Some(mut file) = tree.begin_file(store, path, &owned(0o644, uid))? {
                    file.feed(store, rest.as_bytes())?;
                    tree.finish_file(store, file)?;
                }
            }
            other => panic!("unknown kind {other}"),
        }
    }
    Ok(tree.finish(store)?.0)
}

/// The tree as sorted lines: path, then `mode owner/` for a directory or the content of a file.
pub(super) fn dump(sysroot: &Sys, tree: &Directory) -> Vec<String> {
    fn walk(sysroot: &Sys, path: &str, tree: &Directory, lines: &mut Vec<String>) {
        let meta = sysroot.store.meta(tree.meta);
        lines.push(format!("{path}/ {:o} {}", meta.mode, meta.uid));
        for (name, node) in &tree.entries {
            let below = format!("{path}/{name}");
            match node {
                Node::Directory(directory) => walk(sysroot, &below, directory, lines),
                Node::File(id) => {
                    let bytes = sysroot.store.content(*id).unwrap();
                    lines.push(format!("{below} {}", String::from_utf8(bytes).unwrap()));
                }
            }
        }
    }
    let mut lines = Vec::new();
    walk(sysroot, "", tree, &mut lines);
    lines
}

fn check_layer(lines: &[&str], expected: &[&str]) {
    let mut sysroot = sysroot();
    let tree = layer(&mut sysroot, lines).unwrap();
    assert_eq!(dump(&sysroot, &tree), expected, "layer {lines:?}");
}

fn check_merge(layers: &[&[&str]], expected: &[&str]) {
    let mut sysroot = sysroot();
    let mut merge = Merge::new();
    for lines in layers {
        let tree = layer(&mut sysroot, lines).unwrap();
        merge.add(&sysroot.store, tree).unwrap();
    }
    let (tree, _) = merge.finish(&sysroot.store);
    assert_eq!(dump(&sysroot, &tree.unwrap()), expected, "layers {layers:?}");
}

#[test]
fn a_missing_parent_rewrites_the_whole_chain() {
    check_layer(&["d usr"], &["/ 755 0", "/usr/ 700 0"]);
    check_layer(
        &["3:d usr", "7:f usr/a/b x", "d usr/a"],
        &["/ 755 7", "/usr/ 755 7", "/usr/a/ 700 0", "/usr/a/b x"],
    );
}

#[test]
fn etc_moves_and_api_directories_stay_empty() {
    check_layer(
        &["d .", "d etc", "f ./etc/x 1", "d run", "f run/y 2", "d usr", "d tmp/z"],
        &["/ 755 0", "/run/ 700 0", "/usr/ 700 0", "/usr/etc/ 700 0", "/usr/etc/x 1"],
    );
}

#[test]
fn hard_links_take_the_last_content_and_beat_files() {
    check_layer(
        &["h b a", "f a 1", "h etc/d ./c", "h c /b", "f c 9", "f a 2"],
        &["/ 755 0", "/a 2", "/b 2", "/c 2", "/usr/ 755 0", "/usr/etc/ 755 0", "/usr/etc/d 2"],
    );
    check_layer(&["f a 1", "h a a"], &["/ 755 0", "/a 1"]);
}

#[test]
fn targets_are_spelt_as_the_importer_does() {
    let long = format!("a//{}", "b/".repeat(60));
    check_layer(
        &[
            "l a a//b",
            "l b ../../.././x",
            "l c /a/./b/",
            "l d ./",
            "l e ./x",
            &format!("l f {long}"),
        ],
        &["/ 755 0", "/a a/b", "/b ../../../x", "/c /a/b/", "/d .", "/e x", &format!("/f {long}")],
    );
}

#[test]
fn bad_hard_links_are_refused() {
    for lines in
        [&["h b a"][..], &["d a", "h b a"], &["h a b", "h b a"], &["f run/a 1", "h b run/a"]]
    {
        let error = layer(&mut sysroot(), lines).unwrap_err();
        assert!(matches!(error, Error::HardlinkTarget { .. }), "{lines:?}: {error}");
    }
}

#[test]
fn nothing_lies_below_files_and_etc_is_a_directory() {
    for lines in [&["f a 1", "f a/b 2"][..], &["l bin usr/bin", "f bin/x 2"]] {
        let error = layer(&mut sysroot(), lines).unwrap_err();
        assert!(matches!(error, Error::ParentNotDirectory { .. }), "{lines:?}: {error}");
    }
    for lines in [["f etc 1"], ["l etc usr/etc"]] {
        let error = layer(&mut sysroot(), &lines).unwrap_err();
        assert!(matches!(error, Error::MustBeDirectory { .. }), "{lines:?}: {error}");
    }
}

#[test]
fn the_last_entry_of_a_name_wins() {
    check_layer(
        &["f a 1", "d a", "f a/x 2", "d b", "f b/y 3", "f b 4", "f c 5", "l c d"],
        &["/ 755 0", "/a/ 700 0", "/a/x 2", "/b 4", "/c d"],
    );
}

#[test]
fn whiteouts_hide_lower_layers_only() {
    check_merge(
        &[&["d d", "f d/x 1", "f d/y 1", "f z 1"], &["f d/.wh.x ", "f d/x 2", "f .wh.z "]],
        &["/ 755 0", "/d/ 700 0", "/d/x 2", "/d/y 1"],
    );
    // the directory's metadata: the first layer's, unless the second layer's marker is opaque
    check_merge(
        &[&["5:d d", "f d/x 1"], &["6:d d", "f d/n 2"]],
        &["/ 755 0", "/d/ 700 5", "/d/n 2", "/d/x 1"],
    );
    check_merge(
        &[&["5:d d", "f d/x 1"], &["6:d d", "f d/.wh..wh..opq ", "f d/n 2"]],
        &["/ 755 0", "/d/ 700 6", "/d/n 2"],
    );
}

#[test]
fn types_change_across_layers() {
    check_merge(
        &[&["d a", "f a/x 1", "f b 1", "l c a"], &["f a 2", "d b", "f b/y 2", "d c", "f c/z 2"]],
        &["/ 755 0", "/a 2", "/b/ 700 0", "/b/y 2", "/c/ 700 0", "/c/z 2"],
    );
}

#[test]
fn a_name_before_the_dot_is_lost_with_its_own_whiteout() {
    check_merge(&[&["f +x 1", "f .wh.+x ", "f y 1"]], &["/ 755 0", "/y 1"]);
}

#[test]
fn a_whiteout_must_name_something() {
    let mut sysroot = sysroot();
    let tree = layer(&mut sysroot, &["d d", "f d/.wh. "]).unwrap();
    let error = Merge::new().add(&sysroot.store, tree).unwrap_err();
    assert!(matches!(error, Error::EmptyWhiteout { directory } if directory == "/d"));
}

#[test]
fn builders_leftovers_are_removed_when_empty() {
    check_merge(
        &[&["d etc", "f etc/hostname ", "f etc/resolv.conf x", "f etc/empty "]],
        &["/ 755 0", "/usr/ 755 0", "/usr/etc/ 700 0", "/usr/etc/empty ", "/usr/etc/resolv.conf x"],
    );
}

#[test]
fn links_with_user_attributes_or_bad_targets_are_refused() {
    let mut sysroot = sysroot();
    let mut tree = LayerTree::new(&mut sysroot.store).unwrap();
    let mut meta = owned(0o777, 0);
    let long = vec![b'x'; 4096];
    for target in [&b""[..], b"\xff", b"a\0b", &long] {
        let error = tree.symlink(&mut sysroot.store, b"l", &meta, target).unwrap_err();
        assert!(matches!(error, Error::SymlinkTarget { .. }), "{error}");
    }
    meta.xattrs = Xattrs::from_pairs([(b"user.a".to_vec(), b"1".to_vec())]);
    let error = tree.symlink(&mut sysroot.store, b"l", &meta, b"t").unwrap_err();
    assert!(matches!(error, Error::SymlinkXattr { .. }), "{error}");
}

fn deployed(lines: &[&str]) -> (MemoryVolume, String) {
    let mut sysroot = sysroot();
    let mut merge = Merge::new();
    let tree = layer(&mut sysroot, lines).unwrap();
    merge.add(&sysroot.store, tree).unwrap();
    let tree = merge.finish(&sysroot.store).0.unwrap();
    let used = sysroot.store.used(&[&tree]);
    sysroot.store.seal(used).unwrap();
    let commit = commit_layer(&mut sysroot.store, &tree, 1, 0).unwrap();
    let boot_files =
        [BootFile { source: "usr/k".into(), name: "vmlinuz-1".into(), is_copied: false }];
    let additions = [
        Addition::file("etc/conf", 0o600, "ours"),
        Addition::file("etc/new/file", 0o644, "new"),
        Addition::content("etc/kept", "changed"),
        Addition { mode: None, gid: None, ..Addition::directory("etc/d", 0).owned_by(7, 7) },
        Addition::removed("etc/gone"),
        Addition::symlink("etc/d/link", "../conf"),
        Addition::directory("var/home/ops", 0o700).owned_by(1000, 1001),
        Addition::file("var/home/ops/.ssh/keys", 0o600, "k").owned_by(1000, 1001),
        Addition::file("var/lib/x", 0o600, "x"),
    ];
    let paths = ["usr/k".to_owned()];
    let boot_checksum = BootChecksum::default().finish(&sysroot.store, &tree, &paths).unwrap();
    assert_eq!(boot_checksum, Sha256Digest::of(b"kernel"));
    let deployment = Deployment {
        stateroot: "os",
        commit,
        tree: &tree,
        boot_files: &boot_files,
        boot_checksum,
        bls_entry: "title x\n",
        origin: "ostree-unverified-registry:x",
        additions: &additions,
        mount_points: &[],
        composefs: None,
        labels: None,
    };
    deploy(&mut sysroot, &deployment).unwrap();
    (sysroot.into_volume(), format!("ostree/deploy/os/deploy/{commit}.0"))
}

#[test]
fn a_deployment_links_objects_and_copies_etc_and_var() {
    let (volume, root) = deployed(&[
        "d usr",
        "f usr/k kernel",
        "f usr/empty ",
        "l usr/link k",
        "d etc",
        "f etc/conf theirs",
        "f etc/.updated x",
        "d var",
        "f var/data 1",
        "f usr/.ostree-wh.gone ",
    ]);
    let find = |path: &str| volume.find(&format!("{root}/{path}"));
    // object, deployment, /boot
    assert_eq!(find("usr/k").unwrap().links, 3);
    assert_eq!(find("usr/link").unwrap().links, 2);
    assert_eq!(find("usr/empty").unwrap().links, 1);
    assert_eq!(find("usr/gone").unwrap().content, Content::CharDevice(0, 0));
    assert_eq!(find("etc/conf").unwrap().content, Content::Regular(b"ours".to_vec()));
    assert_eq!(find("etc/new/file").unwrap().content, Content::Regular(b"new".to_vec()));
    assert!(find("etc/.updated").is_none());
    assert_eq!(find("usr/etc/conf").unwrap().content, Content::Regular(b"theirs".to_vec()));
    assert!(find("").unwrap().immutable);
    let var = volume.find("ostree/deploy/os/var/data").unwrap();
    assert_eq!((var.links, &var.content), (1, &Content::Regular(b"1".to_vec())));
    assert!(volume.find("ostree/deploy/os/var/.ostree-selabeled").is_some());
    assert!(volume.find("ostree/deploy/os/var/lock").is_some());
}

#[test]
fn additions_replace_remove_and_keep() {
    let (volume, root) = deployed(&[
        "d usr",
        "f usr/k kernel",
        "d etc",
        "f etc/kept theirs",
        "d etc/d",
        "f etc/d/stays 1",
        "d etc/gone",
        "f etc/gone/below 1",
    ]);
    let find = |path: &str| volume.find(&format!("{root}/etc/{path}"));
    let regular = |text: &str| Content::Regular(text.as_bytes().to_vec());
    assert_eq!(find("kept").unwrap().content, regular("changed"));
    let before = volume.find(&format!("{root}/usr/etc/kept")).unwrap().meta.clone();
    assert_eq!(find("kept").unwrap().meta.mode, before.mode);
    let directory = find("d").unwrap().meta.clone();
    let before = volume.find(&format!("{root}/usr/etc/d")).unwrap().meta.clone();
    assert_eq!((directory.uid, directory.gid, directory.mode), (7, before.gid, before.mode));
    assert_eq!(find("d/stays").unwrap().content, regular("1"));
    assert_eq!(find("d/link").unwrap().content, Content::Symlink(b"../conf".to_vec()));
    assert!(find("gone").is_none());
    let var = |path: &str| volume.find(&format!("ostree/deploy/os/var/{path}")).unwrap();
    let of = |path: &str| (var(path).meta.mode, var(path).meta.uid, var(path).meta.gid);
    assert_eq!(of("home"), (0o755, 0, 0));
    assert_eq!(of("home/ops"), (0o700, 1000, 1001));
    assert_eq!(of("home/ops/.ssh/keys"), (0o600, 1000, 1001));
    assert_eq!((var("lib/x").content.clone(), of("log")), (regular("x"), (0o755, 0, 0)));
}

#[test]
fn objects_with_too_many_names_are_copied() {
    let lines: Vec<String> = std::iter::once("f usr/k kernel".to_owned())
        .chain((0..32_100).map(|number| format!("f usr/{number} same")))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let (volume, root) = deployed(&lines);
    let Content::Directory(entries) = &volume.find(&format!("{root}/usr")).unwrap().content else {
        panic!("usr is a directory")
    };
    let inodes: std::collections::BTreeSet<_> =
        entries.iter().filter(|(name, _)| *name != b"k").map(|(_, inode)| inode).collect();
    assert_eq!(inodes.len(), 2);
    assert!(volume.nodes.iter().all(|node| node.links <= 32_000));
}
