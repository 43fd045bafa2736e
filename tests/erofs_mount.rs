//! The kernel mounts what was written, alone and as composefs does, and shows what it should.
//!
//! Needs root, loop devices and EROFS in the kernel; skips loudly without.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod erofs_support;

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;

use bootc_image::digest::Sha256Digest;
use bootc_image::fs::erofs::composefs::Kind;
use erofs_support::large::{directory, large, written, xattrs};
use erofs_support::{MemoryTree, Node};

/// Something mounted; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(image: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-t", "erofs", "-o", "ro,loop"];
        let output =
            Command::new("mount").args(arguments).args([image, folder.path()]).output().unwrap();
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_corrupt = text.contains("wrong fs type") || text.contains("Structure needs");
            let is_known = std::fs::read_to_string("/proc/filesystems").unwrap().contains("erofs");
            assert!(!(is_corrupt && is_known), "mounting: {text}");
            eprintln!("SKIP: the kernel does not mount EROFS here: {text}");
            return None;
        }
        Some(Self(folder))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg(self.0.path()).status().unwrap();
    }
}

#[test]
fn the_kernel_reads_what_was_written() {
    let mut tree = large();
    // more than mkcomposefs takes
    let mut attributes = directory();
    attributes.xattrs =
        xattrs(&[("user.a", vec![1; 65_535]), ("user.b", vec![2; 65_535]), ("user.c", vec![3])]);
    tree.add(0, b"more-attributes", attributes);
    let (_, folder) = written(&tree);
    let Some(mount) = Mount::new(&folder.path().join("image")) else { return };
    let root = mount.0.path();
    assert_eq!(root.join("many").read_dir().unwrap().count(), 100_000);
    assert_eq!(std::fs::metadata(root.join("folders")).unwrap().nlink(), 66_002);
    for (name, number) in &tree.nodes[0].children {
        let node = &tree.nodes[*number];
        let name = std::str::from_utf8(name).unwrap();
        let meta = std::fs::symlink_metadata(root.join(name)).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (node.uid, node.gid), "{name}");
        assert_eq!((meta.mtime(), meta.mode() & 0o7777), (node.mtime.secs, node.mode.into()));
        match node.kind {
            Kind::Symlink { .. } => {
                let target = std::fs::read_link(root.join(name)).unwrap();
                assert_eq!(target.as_os_str().as_encoded_bytes(), node.content, "{name}");
            }
            Kind::Object { len_bytes, .. } => {
                assert!(meta.is_file());
                assert_eq!(meta.len(), len_bytes, "{name}");
            }
            _ => {}
        }
        // an escaped name has its own only through an overlay
        let xattrs = node.xattrs.as_slice().iter().filter(|_| name != "escaped");
        for xattr in xattrs {
            let attribute = String::from_utf8(xattr.name.to_vec()).unwrap();
            let path = root.join(name);
            let mut value = vec![0; 70_000];
            let len = rustix::fs::lgetxattr(&path, &attribute, &mut value).unwrap();
            assert_eq!(value[..len], *xattr.value, "{attribute} of {name}");
        }
    }
    for number in [0, 1, 7, 54_321, 99_999] {
        let path = root.join(format!("many/entry-{number:07}"));
        let meta = std::fs::symlink_metadata(path).unwrap();
        let len_bytes = if number % 10 == 0 { 0 } else { number };
        assert!(meta.is_dir() || meta.len() == len_bytes);
    }
    let hider = std::fs::symlink_metadata(root.join("c3")).unwrap();
    assert!(hider.file_type().is_char_device());
    let mut value = [0; 100];
    let path = root.join("file-4097");
    let len = rustix::fs::lgetxattr(path, "trusted.overlay.redirect", &mut value).unwrap();
    assert_eq!(&value[..1], b"/");
    assert_eq!(len, 66);
}

/// Mounts image and objects as composefs does.
fn mount_overlay(image: &Path, objects: &Path) -> Option<Mount> {
    let folder = tempfile::tempdir().unwrap();
    let (image, objects) = (image.to_str().unwrap(), objects.to_str().unwrap());
    let options = format!("ro,metacopy=on,redirect_dir=on,lowerdir={image}::{objects}");
    let output = Command::new("mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(folder.path())
        .output()
        .unwrap();
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        eprintln!("SKIP: the kernel does not mount this overlay: {text}");
        return None;
    }
    Some(Mount(folder))
}

#[test]
fn an_overlay_shows_the_tree_with_its_content() {
    let content = b"what the object holds\n";
    let name = Sha256Digest::of(b"name");
    let len_bytes = u64::try_from(content.len()).unwrap();
    let mut tree = MemoryTree::new(directory());
    let etc = tree.add(0, b"etc", directory());
    tree.nodes[etc].xattrs = xattrs(&[("trusted.overlay.opaque", b"y".to_vec())]);
    tree.add(etc, b"file", Node::new(Kind::Object { len_bytes, name, verity: None }, 0o640));
    tree.add(etc, b"empty", Node::new(Kind::Empty, 0o600));
    tree.add(etc, b"whiteout", Node::new(Kind::CharDevice(0, 0), 0o600));
    tree.add(0, b"00", directory());

    let folder = tempfile::tempdir().unwrap();
    let (objects, image) = (folder.path().join("objects"), folder.path().join("image"));
    let hex = name.to_hex();
    let object = objects.join(format!("{}/{}.file", &hex[..2], &hex[2..]));
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(object, content).unwrap();
    std::fs::write(&image, tree.ostree().unwrap()).unwrap();
    let Some(lower) = Mount::new(&image) else { return };
    let Some(mount) = mount_overlay(lower.0.path(), &objects) else { return };

    let root = mount.0.path();
    let mut names: Vec<_> =
        root.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["00", "boot", "etc", "sysroot", "usr", "var"]);
    assert_eq!(std::fs::read(root.join("etc/file")).unwrap(), content);
    assert_eq!(std::fs::metadata(root.join("etc/file")).unwrap().mode(), 0o100_640);
    assert_eq!(std::fs::read(root.join("etc/empty")).unwrap(), b"");
    // an overlay upon this one takes it for a whiteout
    assert!(std::fs::symlink_metadata(root.join("etc/whiteout")).unwrap().is_file());
    let mut value = [0; 10];
    let whiteout = root.join("etc/whiteout");
    assert_eq!(rustix::fs::lgetxattr(whiteout, "trusted.overlay.whiteout", &mut value), Ok(0));
    let len = rustix::fs::lgetxattr(root.join("etc"), "trusted.overlay.opaque", &mut value);
    // the tree's own `y` gives way to the mark of a directory with whiteouts
    assert_eq!(&value[..len.unwrap()], b"x");
}
