//! Small images with a commit, sound and not.

use super::super::gvariant::Frame;
use super::super::object::{self, Header};
use super::super::{Error as RoomError, Sysroot};
use super::*;
use crate::digest::Sha256Digest;
use crate::tree::Node;
use crate::volume::memory::{Content, MemoryVolume};
use crate::volume::{Meta, Timestamp, Xattrs};

/// An entry of a layer; all are owned by root with mode 0644.
#[derive(Clone)]
enum Item {
    Regular(String, Vec<u8>),
    Hole(String, u64),
    Symlink(String, &'static str),
    Hardlink(String, String),
    Device(String),
}

struct Reader {
    sysroot: Sysroot<MemoryVolume>,
    import: Import,
}

impl Reader {
    fn new() -> Self {
        let sysroot = Sysroot::create(MemoryVolume::default(), Timestamp::default()).unwrap();
        Self { sysroot, import: Import::new() }
    }

    fn layer(&mut self, part: Part, items: &[Item]) -> Result<Sha256Digest, RoomError> {
        let store = &mut self.sysroot.store;
        let mut layer = self.import.layer(part);
        let meta = Meta::root_owned(0o644);
        for item in items {
            match item {
                Item::Regular(path, bytes) => {
                    let begun = layer.begin_file(store, path.as_bytes(), &meta)?;
                    let Some(mut file) = begun else { continue };
                    for chunk in bytes.chunks(1000) {
                        file.feed(store, chunk)?;
                    }
                    layer.finish_file(store, file)?;
                }
                Item::Hole(path, len_bytes) => {
                    let mut file = layer.begin_file(store, path.as_bytes(), &meta)?.unwrap();
                    file.feed_hole(store, *len_bytes)?;
                    layer.finish_file(store, file)?;
                }
                Item::Symlink(path, target) => {
                    layer.symlink(store, path.as_bytes(), &meta, target.as_bytes())?;
                }
                Item::Hardlink(path, target) => {
                    layer.hardlink(path.as_bytes(), target.as_bytes())?;
                }
                Item::Device(path) => layer.unsupported(path.as_bytes(), "block device")?,
            }
        }
        layer.finish(store).map(|(commit, _)| commit)
    }

    fn base(mut self, max_entries: usize) -> Result<Base, RoomError> {
        self.import.base_within(&mut self.sysroot.store, max_entries)
    }
}

fn path(extension: &str, checksum: Sha256Digest) -> String {
    let hex = checksum.to_hex();
    format!("sysroot/ostree/repo/objects/{}/{}.{extension}", &hex[..2], &hex[2..])
}

/// A metadata object under its name.
fn named(extension: &str, bytes: Vec<u8>) -> Item {
    Item::Regular(path(extension, Sha256Digest::of(&bytes)), bytes)
}

/// A file object and the entry with its xattrs.
fn file(content: &str) -> (Sha256Digest, Vec<Item>) {
    let mut hasher = object::file_hasher(&Meta::root_owned(0o644), Header::Regular);
    hasher.update(content.as_bytes());
    let checksum = hasher.finish();
    let xattrs = Item::Regular(path("file-xattrs-link", checksum), Vec::new());
    let bytes = content.as_bytes().to_vec();
    (checksum, vec![xattrs, Item::Regular(path("file", checksum), bytes)])
}

fn root_meta() -> Vec<u8> {
    object::dirmeta(&Meta::root_owned(0o755))
}

fn commit(tree: Sha256Digest) -> Vec<u8> {
    let meta = Sha256Digest::of(&root_meta());
    object::Commit { metadata: &[], parent: None, timestamp_secs: 7, tree, meta }.encode()
}

/// A commit layer with these dirtrees, the root's last.
fn commit_layer(trees: Vec<Vec<u8>>) -> Vec<Item> {
    let commit = commit(Sha256Digest::of(trees.last().unwrap()));
    let mut items = vec![named("commit", commit), named("dirmeta", root_meta())];
    items.extend(trees.into_iter().map(|tree| named("dirtree", tree)));
    items
}

/// One layer: `/greeting`, in the tree and among the objects.
fn small() -> Vec<Item> {
    let (checksum, items) = file("hello");
    let mut tree = object::Dirtree::default();
    tree.file("greeting", checksum);
    let mut layer = commit_layer(vec![tree.finish()]);
    layer.extend(items);
    layer
}

fn xattrs(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut array = Frame::default();
    for (name, value) in pairs {
        let mut pair = Frame::default();
        pair.variable(1, name);
        pair.variable(1, value);
        array.variable(1, &pair.finish_tuple(true));
    }
    array.finish_array()
}

fn error(items: &[Item]) -> Error {
    match Reader::new().layer(Part::Commit, items) {
        Err(RoomError::Encapsulated(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn component_error(items: &[Item]) -> Error {
    match Reader::new().layer(Part::Component, items) {
        Err(RoomError::Encapsulated(error)) => error,
        other => panic!("{other:?}"),
    }
}

fn base_error(items: &[Item]) -> Error {
    let mut reader = Reader::new();
    reader.layer(Part::Commit, items).unwrap();
    match reader.base(1000) {
        Err(RoomError::Encapsulated(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_commit_in_one_layer_becomes_a_tree() {
    let mut reader = Reader::new();
    let mut items = small();
    let farm = [("usr/hello", b"x".to_vec()), ("sysroot/ostree/repo/config", b"[core]".to_vec())];
    items.splice(0..0, farm.map(|(path, bytes)| Item::Regular(path.to_owned(), bytes)));
    items.push(Item::Hardlink("usr/other".to_owned(), "usr/hello".to_owned()));
    items.push(Item::Device("dev/sda".to_owned()));
    let layer = reader.layer(Part::Commit, &items).unwrap();
    let store = &mut reader.sysroot.store;
    let base = reader.import.base(store).unwrap();
    assert_eq!(base.commit, layer);
    let Some(Node::File(greeting)) = base.tree.get("greeting") else { panic!("no file") };
    assert_eq!(store.object(*greeting).checksum, file("hello").0);
    assert_eq!(store.meta(base.tree.meta).mode, 0o755);
    let hex = layer.to_hex();
    let written = format!("ostree/repo/objects/{}/{}.commit", &hex[..2], &hex[2..]);
    let expected = commit(Sha256Digest::of(&{
        let mut tree = object::Dirtree::default();
        tree.file("greeting", file("hello").0);
        tree.finish()
    }));
    let found = &store.volume.find(&written).unwrap().content;
    assert_eq!(found, &Content::Regular(expected));
}

#[test]
fn detached_metadata_follows_the_commit() {
    let items = small();
    let Item::Regular(commit, _) = &items[0] else { panic!("no commit") };
    let metadata = || Item::Regular(format!("{commit}meta"), Vec::new());
    let with = |at: usize, item: Item| {
        let mut items = items.clone();
        items.insert(at, item);
        items
    };
    let mut reader = Reader::new();
    reader.layer(Part::Commit, &with(1, metadata())).unwrap();
    assert_eq!(reader.base(1000).unwrap().detached_metadata.as_deref(), Some(&b""[..]));
    assert!(matches!(error(&with(2, metadata())), Error::Misplaced { .. }));
    assert!(matches!(error(&with(0, metadata())), Error::BeforeCommit { .. }));
    let other = Item::Regular(path("commitmeta", Sha256Digest([1; 32])), Vec::new());
    assert!(matches!(error(&with(1, other)), Error::Misplaced { .. }));
    let junk = Item::Regular(format!("{commit}meta"), b"junk".to_vec());
    assert!(matches!(error(&with(1, junk)), Error::Object { .. }));
}

#[test]
fn the_commit_comes_first_and_once() {
    let items = small();
    assert!(matches!(error(&items[1..]), Error::BeforeCommit { .. }));
    assert!(matches!(error(&[]), Error::NoCommit));
    let twice = [&items[..1], &items].concat();
    assert!(matches!(error(&twice), Error::Misplaced { .. }));
    for metadata in &items[..3] {
        assert!(matches!(component_error(std::slice::from_ref(metadata)), Error::NotAFile { .. }));
    }
}

#[test]
fn objects_are_what_their_names_say() {
    for at in [0, 1, 2, 4] {
        let mut items = small();
        let Item::Regular(_, bytes) = &mut items[at] else { panic!("not regular") };
        bytes[0] ^= 1;
        assert!(matches!(error(&items), Error::Checksum { .. }), "{at}");
    }
    let (_, twice) = file("a");
    let twice = [twice.clone(), twice].concat();
    assert!(matches!(component_error(&twice), Error::Duplicate { .. }));
    let mut both = small();
    both.extend(twice);
    assert!(Reader::new().layer(Part::Commit, &both).is_ok());
}

#[test]
fn objects_are_entries_of_their_kind() {
    let name = |extension| path(extension, Sha256Digest([7; 32]));
    let commit = &small()[..1];
    for wrong in [
        Item::Symlink(name("dirtree"), "x"),
        Item::Symlink(name("file-xattrs-link"), "x"),
        Item::Hardlink(name("file"), "x".to_owned()),
        Item::Hardlink(name("file-xattrs"), "x".to_owned()),
        Item::Regular(name("file.xattrs"), Vec::new()),
        Item::Device(name("file")),
    ] {
        let items = [commit, &[wrong]].concat();
        assert!(matches!(error(&items), Error::EntryKind { .. }));
    }
}

#[test]
fn what_is_held_in_memory_is_bounded() {
    let name = |extension| path(extension, Sha256Digest([7; 32]));
    let commit = &small()[..1];
    for (extension, limit) in
        [("dirtree", 10 << 20), ("dirmeta", 10 << 20), ("file-xattrs", 1 << 20)]
    {
        for large in [
            Item::Regular(name(extension), vec![0; limit + 1]),
            Item::Hole(name(extension), u64::MAX),
        ] {
            let items = [commit, &[large]].concat();
            assert!(
                matches!(error(&items), Error::TooLarge { limit_bytes, .. } if limit_bytes == limit)
            );
        }
        let items = [commit, &[Item::Regular(name(extension), vec![0; limit])]].concat();
        assert!(matches!(error(&items), Error::Checksum { .. }));
    }
    let many = (0..66_u8).map(|number| {
        let value = vec![number; (1 << 20) - 100];
        named("file-xattrs", xattrs(&[(b"user.a\0", &value)]))
    });
    let error = component_error(&many.collect::<Vec<_>>());
    assert!(matches!(error, Error::TooLargeTogether { .. }));
}

#[test]
fn xattrs_stand_before_their_object() {
    let (_, a) = file("a");
    let (_, b) = file("b");
    assert!(matches!(component_error(&a[1..]), Error::XattrsApart { .. }));
    let crossed = [a[0].clone(), b[1].clone()];
    assert!(matches!(component_error(&crossed), Error::XattrsApart { .. }));
    let dangling = [a[0].clone(), b[0].clone()];
    assert!(matches!(component_error(&dangling), Error::XattrsApart { .. }));
    let name = path("file-xattrs-link", Sha256Digest([7; 32]));
    let unknown = Item::Hardlink(name.clone(), path("file-xattrs", Sha256Digest([8; 32])));
    assert!(matches!(component_error(&[unknown]), Error::XattrsUnknown { .. }));
    let elsewhere = Item::Hardlink(name.clone(), "etc/passwd".to_owned());
    assert!(matches!(component_error(&[elsewhere]), Error::XattrsTarget { .. }));
    let junk = Item::Regular(name.clone(), b"junk".to_vec());
    assert!(matches!(component_error(&[junk]), Error::Object { .. }));
    let unsorted = xattrs(&[(b"user.b\0", b"1"), (b"user.a\0", b"1")]);
    let unsorted = Item::Regular(name, unsorted);
    assert!(matches!(
        component_error(&[unsorted]),
        Error::Object { source: Problem::XattrOrder(_), .. }
    ));
}

#[test]
fn empty_xattrs_are_for_directories_only() {
    let (checksum, mut items) = file("a");
    let empty = xattrs(&[(b"user.a\0", b"")]);
    items[0] = Item::Regular(path("file-xattrs-link", checksum), empty.clone());
    let found = component_error(&items);
    assert!(matches!(&found, Error::EmptyXattr { name, .. } if name == "user.a"), "{found}");
    // a dirmeta is kept as it is, and what is read of it has no empty value
    let mut frame = Frame::default();
    for number in [0_u32, 0, 0o040_700] {
        frame.fixed(4, &number.to_be_bytes());
    }
    frame.variable(1, &empty);
    let meta = frame.finish_tuple(true);
    let mut tree = object::Dirtree::default();
    tree.directory("d", Sha256Digest::of(b"\0"), Sha256Digest::of(&meta));
    let mut items = commit_layer(vec![b"\0".to_vec(), tree.finish()]);
    items.push(named("dirmeta", meta.clone()));
    let mut reader = Reader::new();
    reader.layer(Part::Commit, &items).unwrap();
    let store = &mut reader.sysroot.store;
    let base = reader.import.base(store).unwrap();
    let below = base.tree.subdirectory("d").unwrap();
    assert_eq!(
        store.meta(below.meta),
        &Meta { xattrs: Xattrs::default(), ..Meta::root_owned(0o700) }
    );
    let written = path("dirmeta", Sha256Digest::of(&meta));
    let written = written.strip_prefix("sysroot/").unwrap();
    assert_eq!(store.volume.find(written).unwrap().content, Content::Regular(meta));
}

#[test]
fn every_object_of_the_tree_must_be_there() {
    let found = base_error(&small()[..3]);
    assert!(matches!(&found, Error::Missing { path, .. } if path == "greeting"), "{found}");
    let without = |at: usize| {
        let mut items = small();
        items.remove(at);
        base_error(&items)
    };
    assert!(matches!(without(1), Error::Missing { object, .. } if object.ends_with(".dirmeta")));
    assert!(matches!(without(2), Error::Missing { object, .. } if object.ends_with(".dirtree")));
    // a file where a dirtree is asked for
    let mut tree = object::Dirtree::default();
    tree.directory("d", file("hello").0, Sha256Digest::of(&root_meta()));
    let mut items = commit_layer(vec![tree.finish()]);
    items.extend(file("hello").1);
    assert!(matches!(base_error(&items), Error::Missing { path, .. } if path == "d"));
}

#[test]
fn unreadable_objects_are_refused_though_their_checksum_is_right() {
    let mut tree = object::Dirtree::default();
    tree.file("b", file("hello").0);
    tree.file("a", file("hello").0);
    let mut items = commit_layer(vec![tree.finish()]);
    items.extend(file("hello").1);
    let found = base_error(&items);
    assert!(matches!(found, Error::Object { source: Problem::EntryOrder(_), .. }), "{found}");
    assert!(matches!(base_error(&[named("commit", b"junk".to_vec())]), Error::Object { .. }));
    let cut = commit_layer(vec![vec![0, 0, 7]]);
    assert!(matches!(base_error(&cut), Error::Object { source: Problem::Form(_), .. }));
}

#[test]
fn trees_are_neither_too_deep_nor_too_wide() {
    let meta = Sha256Digest::of(&root_meta());
    let chain = |depth: usize, names: &[&str]| {
        let mut trees = vec![b"\0".to_vec()];
        for _ in 0..depth {
            let below = Sha256Digest::of(trees.last().unwrap());
            let mut tree = object::Dirtree::default();
            names.iter().for_each(|name| tree.directory(name, below, meta));
            trees.push(tree.finish());
        }
        commit_layer(trees)
    };
    let mut reader = Reader::new();
    reader.layer(Part::Commit, &chain(1024, &["d"])).unwrap();
    assert!(reader.base(2000).is_ok());
    let mut reader = Reader::new();
    reader.layer(Part::Commit, &chain(1025, &["d"])).unwrap();
    let found = reader.base(2000).unwrap_err();
    assert!(matches!(found, RoomError::Encapsulated(Error::TooDeep { .. })));
    // 40 dirtrees that stand for 2^40 directories
    assert!(matches!(base_error(&chain(40, &["a", "b"])), Error::TooManyEntries { .. }));
}
