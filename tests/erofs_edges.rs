//! The edges of the format: long links, large directories, names, owners, files and attributes.
//!
//! The bytes are those of mkcomposefs (Debian: composefs), where it is installed; skips loudly
//! without.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stderr)]

mod erofs_support;
mod tools;

use bootc_image::fs::erofs::Error;
use erofs_support::dump::dump;
use erofs_support::large::{directory, large, link, object, written, xattrs};
use erofs_support::{MemoryTree, Node};
use tools::run;

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
    let long = format!("user.{}", "a".repeat(256));
    assert!(matches!(refused(b"x", with(&long, vec![1])), Error::XattrName { .. }));
    let mut node = object(1);
    let four = ["user.a", "user.b", "user.c", "user.d"].map(|name| (name, vec![1; 65_535]));
    node.xattrs = xattrs(&four);
    assert!(matches!(refused(b"x", node), Error::XattrsTooLarge { .. }));
    assert_eq!(MemoryTree::new(object(1)).composefs().unwrap_err(), Error::RootIsNoDirectory);
}
