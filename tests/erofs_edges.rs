//! The edges of the format: long links, large directories, names, owners, files and attributes.
//!
//! Where mkcomposefs (Debian: composefs) is installed, the bytes are its bytes; where the kernel may
//! mount (root, loop devices), it reads what was written. Skips loudly without.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod erofs_support;
mod tools;

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::time::Instant;

use bootc_image::digest::Sha256Digest;
use bootc_image::fs::erofs::Error;
use bootc_image::fs::erofs::composefs::Kind;
use bootc_image::volume::{Timestamp, Xattrs};
use erofs_support::dump::dump;
use erofs_support::{MemoryTree, Node};
use tools::run;

fn directory() -> Node {
    Node::new(Kind::Directory, 0o755)
}

fn object(len_bytes: u64) -> Node {
    let name = Sha256Digest::of(&len_bytes.to_le_bytes());
    Node::new(Kind::Object { len_bytes, name, verity: None }, 0o644)
}

fn link(len: usize) -> Node {
    let mut node = Node::new(Kind::Symlink { len_bytes: u64::try_from(len).unwrap() }, 0o777);
    node.content = vec![b't'; len];
    node
}

fn xattrs(pairs: &[(&str, Vec<u8>)]) -> Xattrs {
    Xattrs::from_pairs(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())))
}

/// A tree with everything that is large.
fn large() -> MemoryTree {
    let mut tree = MemoryTree::new(directory());
    let many = tree.add(0, b"many", directory());
    for number in 0..100_000 {
        let mut node =
            if number % 10 == 0 { Node::new(Kind::Empty, 0o600) } else { object(number) };
        if number % 1000 == 1 {
            node = directory();
        }
        tree.add(many, format!("entry-{number:07}").as_bytes(), node);
    }
    let folders = tree.add(0, b"folders", directory());
    for number in 0..66_000 {
        tree.add(folders, format!("{number}").as_bytes(), directory());
    }
    tree.add(0, &[b'n'; 255], object(7));
    for len in [1, 2000, 4063, 4064, 4080, 4095] {
        tree.add(0, format!("link-{len}").as_bytes(), link(len));
    }
    for len_bytes in [1, 4096, 4097, u64::from(u32::MAX), 1 << 32, 5 << 30, 1 << 43] {
        tree.add(0, format!("file-{len_bytes}").as_bytes(), object(len_bytes));
    }
    let mut owned = object(9);
    (owned.uid, owned.gid) = (70_000, u32::MAX - 1);
    tree.add(0, b"owned", owned);
    let mut late = object(9);
    late.mtime = Timestamp { secs: 1 << 33, nanos: 999_999_999 };
    tree.add(0, b"late", late);
    let mut attributes = directory();
    attributes.xattrs = xattrs(&[("user.a", vec![b'a'; 20_000]), ("user.b", vec![b'b'; 4096])]);
    tree.add(0, b"attributes", attributes);
    let mut attributed_link = link(3000);
    attributed_link.xattrs = xattrs(&[("trusted.a", vec![b'c'; 1100])]);
    tree.add(0, b"attributed-link", attributed_link);
    tree
}

/// Writes the image of `tree` to a file.
fn written(tree: &MemoryTree) -> (Vec<u8>, tempfile::TempDir) {
    let start = Instant::now();
    let bytes = tree.composefs().unwrap();
    eprintln!("{} inodes, {} bytes: {:?}", tree.nodes.len(), bytes.len(), start.elapsed());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("image"), &bytes).unwrap();
    (bytes, folder)
}

#[test]
fn large_things_are_as_mkcomposefs_makes_them() {
    let tree = large();
    let (ours, folder) = written(&tree);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("dump"), dump(&tree)).unwrap();
    run("fsck.erofs", &[&path("image")]);
    if run("mkcomposefs", &["--from-file", &path("dump"), &path("theirs")]).is_some() {
        assert!(ours == std::fs::read(path("theirs")).unwrap(), "the bytes differ");
    }
}

/// An image mounted by the kernel; unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(image: &Path) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let arguments = ["-t", "erofs", "-o", "ro,loop"];
        let output = std::process::Command::new("mount")
            .args(arguments)
            .args([image, folder.path()])
            .output()
            .unwrap();
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
        std::process::Command::new("umount").arg(self.0.path()).status().unwrap();
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
        for xattr in node.xattrs.as_slice() {
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

#[test]
fn what_the_format_cannot_store_is_refused() {
    let refused = |name: &[u8], node: Node| {
        let mut tree = MemoryTree::new(directory());
        let folder = tree.add(0, b"folder", directory());
        tree.add(folder, name, node);
        tree.composefs().unwrap_err()
    };
    let path = "/folder/x".to_owned();
    let with = |name: &str, value: Vec<u8>| {
        let mut node = object(1);
        node.xattrs = xattrs(&[(name, value)]);
        node
    };
    assert_eq!(
        refused(b"x", link(4096)),
        Error::SymlinkLength { path: path.clone(), len_bytes: 4096, limit: 4095 }
    );
    assert_eq!(
        refused(b"x", link(0)),
        Error::SymlinkLength { path: path.clone(), len_bytes: 0, limit: 4095 }
    );
    assert!(matches!(refused(b"x", object((1 << 52) + 1)), Error::FileTooLong { .. }));
    for name in [&[b'x'; 256][..], b"a/b", b"a\0", b"..", b"."] {
        assert!(matches!(refused(name, object(1)), Error::Name { .. }), "{name:?}");
    }
    assert_eq!(
        refused(b"x", with("user.a", vec![1; 65_536])),
        Error::XattrTooLong { path: path.clone(), name: "user.a".into(), len_bytes: 65_536 }
    );
    let long = format!("user.{}", "a".repeat(251));
    assert!(matches!(refused(b"x", with(&long, vec![1])), Error::XattrName { .. }));
    let mut node = object(1);
    let four = ["user.a", "user.b", "user.c", "user.d"].map(|name| (name, vec![1; 65_535]));
    node.xattrs = xattrs(&four);
    assert!(matches!(refused(b"x", node), Error::XattrsTooLarge { .. }));
    assert_eq!(MemoryTree::new(object(1)).composefs().unwrap_err(), Error::RootIsNoDirectory);
}
