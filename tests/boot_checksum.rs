//! The boot checksum is the same, begun or not.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use bootc_image::canvas::{FileCanvas, MemoryCanvas};
use bootc_image::digest::Sha256Digest;
use bootc_image::fs::ext4::{Options, Writer};
use bootc_image::ostree::{BootChecksum, Error, LayerTree, Sysroot};
use bootc_image::tree::Directory;
use bootc_image::volume::memory::MemoryVolume;
use bootc_image::volume::{Meta, Timestamp, Volume};

/// A kernel, a link to it, and an initramfs; and something after them.
fn image<V: Volume>(volume: V) -> (Sysroot<V>, Directory) {
    let mut sysroot = Sysroot::create(volume, Timestamp::default()).unwrap();
    let mut tree = LayerTree::new(&mut sysroot.store).unwrap();
    let meta = Meta::root_owned(0o644);
    for (path, len) in [("usr/i", 3_000_001), ("usr/k", 5_000_000), ("usr/z", 1 << 20)] {
        let mut file =
            tree.begin_file(&mut sysroot.store, path.as_bytes(), &meta).unwrap().unwrap();
        file.feed(&mut sysroot.store, &path.as_bytes()[4..].repeat(len)).unwrap();
        tree.finish_file(&mut sysroot.store, file).unwrap();
    }
    tree.symlink(&mut sysroot.store, b"usr/link", &meta, b"k").unwrap();
    let tree = tree.finish(&mut sysroot.store).unwrap().0;
    (sysroot, tree)
}

fn check<V: Volume>(volume: V, is_begun: bool) {
    let (sysroot, tree) = image(volume);
    let store = &sysroot.store;
    let paths = ["usr/link".to_owned(), "usr/i".to_owned()];
    let begin = |paths: &[String]| BootChecksum::begin(store, &tree, paths);
    let finish = |begun: BootChecksum, paths| begun.finish(store, &tree, paths).unwrap();

    let expected = Sha256Digest::of(&[b"k".repeat(5_000_000), b"i".repeat(3_000_001)].concat());
    let begun = begin(&paths);
    assert_eq!(begun.is_begun(), is_begun);
    assert_eq!(finish(begun, &paths), expected);
    assert_eq!(finish(BootChecksum::default(), &paths), expected);
    let other = Sha256Digest::of(&b"i".repeat(3_000_001));
    assert_eq!(finish(begin(&paths), &paths[1..]), other, "another than what was begun");

    let missing = ["usr/none".to_owned()];
    let error = begin(&missing).finish(store, &tree, &missing);
    assert!(matches!(error, Err(Error::Missing(_))));
}

#[test]
fn begun_or_not_it_is_the_same() {
    let file = Arc::new(tempfile::tempfile().unwrap());
    check(Writer::create(FileCanvas::new(file), Options::default()).unwrap(), true);
    check(MemoryVolume::default(), true);
}

#[test]
fn what_only_one_can_read_is_not_begun() {
    check(Writer::create(MemoryCanvas::default(), Options::default()).unwrap(), false);
}
