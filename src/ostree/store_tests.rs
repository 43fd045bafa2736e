//! Objects that arrive, wait and turn out to be known.

use super::tests::{owned, sysroot};
use super::*;
use crate::digest::Sha256Digest;
use crate::tree::ObjectId;

#[test]
fn large_duplicates_give_their_space_back() {
    let mut sysroot = sysroot();
    let large = vec![7; WINDOW_BYTES + 1];
    let meta = owned(0o644, 0);
    let mut ids = Vec::new();
    let before = sysroot.store.volume.nodes.len();
    for _ in 0..2 {
        let mut file = sysroot.store.begin("x", &meta, None).unwrap();
        sysroot.store.feed(&mut file, &large).unwrap();
        ids.push(sysroot.store.finish(file).unwrap());
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(sysroot.store.volume.nodes.len(), before + 1);
}

#[test]
fn a_hole_hashes_as_zeros() {
    let mut sysroot = sysroot();
    let meta = owned(0o644, 0);
    let mut sparse = sysroot.store.begin("sparse", &meta, None).unwrap();
    sysroot.store.feed(&mut sparse, b"a").unwrap();
    sysroot.store.feed_hole(&mut sparse, 10_000).unwrap();
    let sparse = sysroot.store.finish(sparse).unwrap();
    let mut dense = sysroot.store.begin("dense", &meta, None).unwrap();
    sysroot.store.feed(&mut dense, &[&b"a"[..], &[0; 10_000]].concat()).unwrap();
    let dense = sysroot.store.finish(dense).unwrap();
    sysroot.store.settle().unwrap();
    assert_eq!(sysroot.store.canonical(dense), sparse);
}

#[test]
fn what_waits_comes_out_as_if_it_had_not_waited() {
    let contents: Vec<String> = (0..60).map(|n| format!("content {}", n * n % 17)).collect();
    let fill = |settles_at_once: bool| {
        let mut sysroot = sysroot();
        let store = &mut sysroot.store;
        let mut ids = Vec::new();
        for (number, content) in contents.iter().enumerate() {
            let meta = owned(if number % 3 == 0 { 0o755 } else { 0o644 }, 0);
            ids.push(if number % 5 == 0 {
                store.symlink("link", &meta, content, None).unwrap()
            } else {
                let mut file = store.begin("file", &meta, None).unwrap();
                let (first, rest) = content.as_bytes().split_at(4);
                store.feed(&mut file, first).unwrap();
                store.feed(&mut file, rest).unwrap();
                store.finish(file).unwrap()
            });
            if settles_at_once {
                store.settle().unwrap();
            }
        }
        store.settle().unwrap();
        let ids: Vec<ObjectId> = ids.into_iter().map(|id| store.canonical(id)).collect();
        let objects: Vec<_> = ids.iter().map(|id| store.object(*id)).collect();
        let objects: Vec<_> = objects.iter().map(|it| (it.checksum, it.inode)).collect();
        (ids, objects)
    };
    assert_eq!(fill(false), fill(true));
}

#[test]
fn many_files_do_not_wait_for_each_other_for_ever() {
    let mut sysroot = sysroot();
    let before = sysroot.store.volume.nodes.len();
    for number in 0..8192 {
        let mut file = sysroot.store.begin("x", &owned(0o644, 0), None).unwrap();
        sysroot.store.feed(&mut file, format!("{number}").as_bytes()).unwrap();
        sysroot.store.finish(file).unwrap();
    }
    assert_eq!(sysroot.store.volume.nodes.len(), before + 8192);
}

#[test]
fn a_file_that_is_not_what_was_expected_is_refused() {
    for len in [3, WINDOW_BYTES + 1] {
        let mut sysroot = sysroot();
        let expected = Some(Sha256Digest::of(b"another"));
        let mut file = sysroot.store.begin("x", &owned(0o644, 0), expected).unwrap();
        sysroot.store.feed(&mut file, &vec![1; len]).unwrap();
        let refused = sysroot.store.finish(file).and_then(|_| sysroot.store.settle());
        let Err(Error::Encapsulated(encapsulated::Error::Checksum { object, .. })) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(object, "x");
    }
}
