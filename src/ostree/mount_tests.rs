//! Deployments over several file systems.

use super::*;
use crate::additions::Addition;
use crate::digest::Sha256Digest;
use crate::labels::{FileType, Labels};
use crate::volume::memory::{Content, MemoryVolume, Node};
use crate::volume::several::Several;
use crate::volume::{Meta, Timestamp};

const VAR: &str = "ostree/deploy/os/var";

fn sysroot() -> Sysroot<Several<MemoryVolume>> {
    let time = Timestamp { secs: 7, nanos: 0 };
    Sysroot::create(Several::new(MemoryVolume::default()), time).unwrap()
}

/// Every path is labelled by itself.
#[derive(Debug)]
struct Itself;

impl Labels for Itself {
    fn label(&self, path: &str, _: FileType) -> Option<String> {
        Some(path.to_owned())
    }
}

/// Deploys a small system; those of the mount points whose number is given get a volume each, after
/// `/boot`.
fn deployed(points: &[&str]) -> (MemoryVolume, Vec<MemoryVolume>, String) {
    let mut sysroot = sysroot();
    let mut tree = LayerTree::new(&mut sysroot.store).unwrap();
    for (path, content) in [
        ("usr/k", "kernel"),
        ("etc/conf", "theirs"),
        ("srv/hidden", "h"),
        ("var/a", "1"),
        ("var/lib/data/b", "2"),
        ("var/lib/c", "3"),
    ] {
        let meta = Meta::root_owned(0o644);
        let mut file =
            tree.begin_file(&mut sysroot.store, path.as_bytes(), &meta).unwrap().unwrap();
        file.feed(&mut sysroot.store, content.as_bytes()).unwrap();
        tree.finish_file(&mut sysroot.store, file).unwrap();
    }
    let private = Meta { uid: 5, ..Meta::root_owned(0o750) };
    tree.directory(&mut sysroot.store, b"var/lib/data", &private).unwrap();
    let (tree, _) = tree.finish(&mut sysroot.store).unwrap();
    let mut merge = Merge::new();
    merge.add(&sysroot.store, tree).unwrap();
    let tree = merge.finish(&sysroot.store).0.unwrap();
    let used = sysroot.store.used(&[&tree]);
    sysroot.store.seal(used).unwrap();
    let commit = commit_layer(&mut sysroot.store, &tree, 1, 0).unwrap();

    let boot = sysroot.store.volume.add(MemoryVolume::default()).unwrap();
    sysroot.mount("boot", boot).unwrap();
    sysroot.directory("boot/efi", 0o755).unwrap();
    let mut mount_points = Vec::new();
    for path in points {
        let number = sysroot.store.volume.add(MemoryVolume::default()).unwrap();
        mount_points.push(MountPoint { path: (*path).to_owned(), file_system: Some(number) });
    }
    mount_points.push(MountPoint { path: "var/fat/x".to_owned(), file_system: None });
    let boot_files =
        [BootFile { source: "usr/k".into(), name: "vmlinuz-1".into(), is_copied: false }];
    let additions = [
        Addition::symlink("etc/wants/u", "/etc/u"),
        Addition::file("var/lib/data/added", 0o644, "added"),
    ];
    let deployment = Deployment {
        stateroot: "os",
        commit,
        tree: &tree,
        boot_files: &boot_files,
        boot_checksum: Sha256Digest::of(b"kernel"),
        bls_entry: "title x\n",
        origin: "ostree-unverified-registry:x",
        additions: &additions,
        mount_points: &mount_points,
        composefs: None,
        labels: Some(&Itself),
    };
    deploy(&mut sysroot, &deployment).unwrap();
    sysroot.file("boot/grub2/grub.cfg", 0o600, b"menu").unwrap();
    sysroot.label(&Itself).unwrap();
    let (root, others) = sysroot.into_volume().into_parts();
    (root, others, format!("ostree/deploy/os/deploy/{commit}.0"))
}

fn text(volume: &MemoryVolume, path: &str) -> String {
    match volume.find(path).map(|node| &node.content) {
        Some(Content::Regular(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{path}: {other:?}"),
    }
}

fn label(node: &Node) -> String {
    let value = &node.meta.xattrs.as_slice()[0].value;
    String::from_utf8_lossy(value).trim_end_matches('\0').to_owned()
}

fn is_empty(volume: &MemoryVolume, path: &str) -> bool {
    let content = volume.find(path).map(|node| &node.content);
    matches!(content, Some(Content::Directory(entries)) if entries.is_empty())
}

#[test]
fn boot_has_copies_on_a_file_system_of_its_own() {
    let (root, others, deployment) = deployed(&[]);
    let checksum = Sha256Digest::of(b"kernel");
    let kernel = format!("ostree/os-{checksum}/vmlinuz-1");
    assert_eq!(text(&others[0], &kernel), "kernel");
    assert_eq!(label(others[0].find(&kernel).unwrap()), format!("/boot/{kernel}"));
    assert_eq!(label(others[0].find("").unwrap()), "/boot");
    assert_eq!(text(&others[0], "loader.1/entries/ostree-1.conf"), "title x\n");
    assert_eq!(text(&others[0], "grub2/grub.cfg"), "menu");
    assert!(others[0].find("efi").is_some());
    for (link, target) in [("boot", "."), ("loader", "loader.1")] {
        let found = &others[0].find(link).unwrap().content;
        assert_eq!(*found, Content::Symlink(target.as_bytes().to_vec()));
    }
    // object and deployment
    assert_eq!(root.find(&format!("{deployment}/usr/k")).unwrap().links, 2);
    assert!(root.find("boot").is_some() && root.find("boot/ostree").is_none());
    let link = &root.find(&format!("{deployment}/etc/wants/u")).unwrap().content;
    assert_eq!(*link, Content::Symlink(b"/etc/u".to_vec()));
}

#[test]
fn what_the_image_has_in_var_moves_to_where_it_is_mounted() {
    let (root, others, _) = deployed(&["var/lib/data", "var/new/deep"]);
    let (data, deep) = (&others[1], &others[2]);
    assert_eq!((text(data, "b"), text(data, "added")), ("2".to_owned(), "added".to_owned()));
    let meta = &data.find("").unwrap().meta;
    assert_eq!((meta.mode, meta.uid), (0o750, 5));
    assert_eq!(label(data.find("").unwrap()), "/var/lib/data");
    assert!(is_empty(&root, &format!("{VAR}/lib/data")), "only the mount point is left");
    assert_eq!(text(&root, &format!("{VAR}/lib/c")), "3");
    for (volume, path) in [(&root, format!("{VAR}/new/deep")), (deep, String::new())] {
        assert!(is_empty(volume, &path), "{path}");
        assert_eq!(label(volume.find(&path).unwrap()), "/var/new/deep");
    }
    assert!(is_empty(&root, &format!("{VAR}/fat/x")));
}

#[test]
fn var_may_be_a_file_system_of_its_own() {
    let (root, others, _) = deployed(&["var", "var/lib/data"]);
    let (var, data) = (&others[1], &others[2]);
    assert_eq!((text(var, "a"), text(var, "lib/c")), ("1".to_owned(), "3".to_owned()));
    assert_eq!(text(data, "b"), "2");
    assert!(is_empty(var, "lib/data") && is_empty(var, "fat/x"));
    assert!(var.find("lock").is_some() && var.find(".ostree-selabeled").is_some());
    assert_eq!(label(var.find("").unwrap()), "/var");
    assert_eq!(label(var.find("tmp").unwrap()), "/var/tmp");
    let Content::Directory(left) = &root.find(VAR).unwrap().content else { panic!("no {VAR}") };
    assert_eq!(left.keys().collect::<Vec<_>>(), [b".ostree-selabeled"]);
}

#[test]
fn elsewhere_a_mounted_file_system_is_empty() {
    let (root, others, deployment) = deployed(&["srv"]);
    assert!(is_empty(&others[1], ""));
    assert_eq!(label(others[1].find("").unwrap()), "/srv");
    assert_eq!(text(&root, &format!("{deployment}/srv/hidden")), "h");
    let missing = std::panic::catch_unwind(|| deployed(&["data"]));
    assert!(missing.is_err(), "there is no such directory");
}
