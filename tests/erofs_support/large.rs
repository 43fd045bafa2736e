//! Trees of what is large.

use bootc_image::digest::Sha256Digest;
use bootc_image::fs::erofs::composefs::Kind;
use bootc_image::volume::{Timestamp, Xattrs};

use super::{MemoryTree, Node};

pub fn directory() -> Node {
    Node::new(Kind::Directory, 0o755)
}

pub fn object(len_bytes: u64) -> Node {
    let name = Sha256Digest::of(&len_bytes.to_le_bytes());
    Node::new(Kind::Object { len_bytes, name, verity: None }, 0o644)
}

pub fn link(len: usize) -> Node {
    let mut node = Node::new(Kind::Symlink { len_bytes: u64::try_from(len).unwrap() }, 0o777);
    node.content = vec![b't'; len];
    node
}

pub fn xattrs(pairs: &[(&str, Vec<u8>)]) -> Xattrs {
    Xattrs::from_pairs(pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.clone())))
}

/// A tree with everything that is large.
pub fn large() -> MemoryTree {
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
    let mut escaped = directory();
    let longest = format!("trusted.overlay.{}", "x".repeat(255 - 16));
    escaped.xattrs = xattrs(&[(&longest, b"value".to_vec())]);
    tree.add(0, b"escaped", escaped);
    let mut attributed_link = link(3000);
    attributed_link.xattrs = xattrs(&[("trusted.a", vec![b'c'; 1100])]);
    tree.add(0, b"attributed-link", attributed_link);
    tree
}

/// Writes the image of `tree` to a file.
pub fn written(tree: &MemoryTree) -> (Vec<u8>, tempfile::TempDir) {
    let bytes = tree.composefs().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("image"), &bytes).unwrap();
    (bytes, folder)
}
