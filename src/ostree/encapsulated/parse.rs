//! Metadata objects and xattrs, read (ostree-contract 2.2).
//!
//! | what | type |
//! |---|---|
//! | xattrs | `a(ayay)`: name with NUL, value; sorted by name |
//! | dirmeta | `(uuua(ayay))`: owner, group, mode, xattrs |
//! | dirtree | `(a(say)a(sayay))`: files by checksum; directories by dirtree and dirmeta; sorted |
//! | commit | `(a{sv}aya(say)sstayay)`: …, root dirtree, root dirmeta |
//!
//! Integers are big-endian.

use std::cmp::Ordering;

use super::super::gvariant_reader::{BYTES, Member, array, fixed, nul_terminated, string, tuple};
use super::super::path::MAX_NAME_BYTES;
use super::error::Problem;
use crate::digest::Sha256Digest;
use crate::volume::{Meta, Xattrs};

const S_IFDIR: u32 = 0o040_000;
const PERMISSIONS: u32 = 0o7777;

/// Xattrs as they were serialised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Those with a value.
    pub set: Xattrs,
    /// The first one without.
    pub empty: Option<Box<[u8]>>,
}

/// A directory's entries as they were serialised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dirtree<'b> {
    /// Files: name, object.
    pub files: Vec<(&'b str, Sha256Digest)>,
    /// Directories: name, dirtree, dirmeta.
    pub directories: Vec<(&'b str, Sha256Digest, Sha256Digest)>,
}

/// The root directory of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// Its dirtree.
    pub tree: Sha256Digest,
    /// Its dirmeta.
    pub meta: Sha256Digest,
}

/// Reads xattrs.
pub fn attributes(bytes: &[u8]) -> Result<Attributes, Problem> {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut empty = None;
    for pair in array(bytes, 1)? {
        let [name, value] = tuple(pair, &[BYTES, BYTES])?;
        let name = nul_terminated(name)?;
        if name.is_empty() {
            return Err(Problem::XattrName);
        }
        if pairs.last().is_some_and(|(before, _)| before.as_slice() >= name) {
            return Err(Problem::XattrOrder(String::from_utf8_lossy(name).into_owned()));
        }
        if value.is_empty() {
            empty.get_or_insert_with(|| name.into());
        }
        pairs.push((name.to_vec(), value.to_vec()));
    }
    Ok(Attributes { set: Xattrs::from_pairs(pairs), empty })
}

/// Reads a dirmeta; empty xattr values are left out, as no file system keeps them.
pub fn dirmeta(bytes: &[u8]) -> Result<Meta, Problem> {
    const NUMBER: Member = Member::Fixed(4);
    let [uid, gid, mode, xattrs] = tuple(bytes, &[NUMBER, NUMBER, NUMBER, BYTES])?;
    let mode = u32::from_be_bytes(fixed(mode)?);
    let permissions = u16::try_from(mode & PERMISSIONS).map_err(|_| Problem::Mode(mode))?;
    if mode & !PERMISSIONS != S_IFDIR {
        return Err(Problem::Mode(mode));
    }
    Ok(Meta {
        mode: permissions,
        uid: u32::from_be_bytes(fixed(uid)?),
        gid: u32::from_be_bytes(fixed(gid)?),
        xattrs: attributes(xattrs)?.set,
        ..Meta::default()
    })
}

/// Reads a dirtree.
pub fn dirtree(bytes: &[u8]) -> Result<Dirtree<'_>, Problem> {
    let [files, directories] = tuple(bytes, &[BYTES, BYTES])?;
    let mut tree = Dirtree::default();
    let mut before = "";
    for entry in array(files, 1)? {
        let [name, object] = tuple(entry, &[BYTES, BYTES])?;
        before = entry_name(before, name)?;
        tree.files.push((before, checksum(object)?));
    }
    before = "";
    for entry in array(directories, 1)? {
        let [name, below, meta] = tuple(entry, &[BYTES, BYTES, BYTES])?;
        before = entry_name(before, name)?;
        tree.directories.push((before, checksum(below)?, checksum(meta)?));
    }
    match twice(&tree) {
        Some(name) => Err(Problem::EntryOrder(name.to_owned())),
        None => Ok(tree),
    }
}

/// Reads a commit.
pub fn commit(bytes: &[u8]) -> Result<Root, Problem> {
    const METADATA: Member = Member::Variable { alignment: 8 };
    const TIME: Member = Member::Fixed(8);
    let members = [METADATA, BYTES, BYTES, BYTES, BYTES, TIME, BYTES, BYTES];
    let [metadata, parent, _related, subject, body, _time, tree, meta] = tuple(bytes, &members)?;
    vardict(metadata)?;
    if !parent.is_empty() {
        checksum(parent)?;
    }
    string(subject)?;
    string(body)?;
    Ok(Root { tree: checksum(tree)?, meta: checksum(meta)? })
}

/// Reads an `a{sv}` as far as its keys.
pub fn vardict(bytes: &[u8]) -> Result<(), Problem> {
    const VARIANT: Member = Member::Variable { alignment: 8 };
    for entry in array(bytes, 8)? {
        let [key, _variant] = tuple(entry, &[BYTES, VARIANT])?;
        string(key)?;
    }
    Ok(())
}

fn checksum(bytes: &[u8]) -> Result<Sha256Digest, Problem> {
    Ok(Sha256Digest(fixed(bytes)?))
}

/// The name of an entry that comes after `before`.
fn entry_name<'b>(before: &str, bytes: &'b [u8]) -> Result<&'b str, Problem> {
    let name = string(bytes)?;
    let wrong = |problem| Err(Problem::EntryName { name: name.to_owned(), problem });
    match name {
        "" => wrong("is empty"),
        "." | ".." => wrong("stands for a directory"),
        _ if name.contains('/') => wrong("has a slash"),
        _ if name.len() > MAX_NAME_BYTES => wrong("is longer than 255 bytes"),
        _ if name <= before => Err(Problem::EntryOrder(name.to_owned())),
        _ => Ok(name),
    }
}

/// A name that is a file's and a directory's; both lists are sorted.
fn twice<'b>(tree: &Dirtree<'b>) -> Option<&'b str> {
    let (mut files, mut directories) = (tree.files.iter(), tree.directories.iter());
    let (mut file, mut directory) = (files.next(), directories.next());
    while let (Some((name, _)), Some((other, ..))) = (file, directory) {
        match name.cmp(other) {
            Ordering::Less => file = files.next(),
            Ordering::Greater => directory = directories.next(),
            Ordering::Equal => return Some(name),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::super::gvariant::Frame;
    use super::super::super::gvariant_reader::FormError;
    use super::super::super::object;
    use super::*;
    use proptest::prelude::*;

    fn tree(files: &[&str], directories: &[&str]) -> Vec<u8> {
        let mut tree = object::Dirtree::default();
        for name in files {
            tree.file(name, Sha256Digest::of(name.as_bytes()));
        }
        for name in directories {
            tree.directory(name, Sha256Digest([1; 32]), Sha256Digest([2; 32]));
        }
        tree.finish()
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

    #[test]
    fn what_we_write_is_read() {
        let meta = Meta { mode: 0o1777, uid: 7, gid: 4_000_000_000, ..Meta::default() };
        let pairs = [(b"user.a".to_vec(), b"1".to_vec()), (b"user.b".to_vec(), b"2".to_vec())];
        let meta = Meta { xattrs: Xattrs::from_pairs(pairs), ..meta };
        assert_eq!(dirmeta(&object::dirmeta(&meta)), Ok(meta));
        let bytes = tree(&["a", "z"], &["b", "é"]);
        let read = dirtree(&bytes).unwrap();
        assert_eq!(read.files[1], ("z", Sha256Digest::of(b"z")));
        assert_eq!(read.directories[1], ("é", Sha256Digest([1; 32]), Sha256Digest([2; 32])));
        let written = object::Commit {
            metadata: &[("version", super::super::super::gvariant::variant(b"1\0", "s"))],
            parent: Some(Sha256Digest([9; 32])),
            timestamp_secs: -1,
            tree: Sha256Digest([3; 32]),
            meta: Sha256Digest([4; 32]),
        };
        let root = Root { tree: written.tree, meta: written.meta };
        assert_eq!(commit(&written.encode()), Ok(root));
    }

    #[test]
    fn names_are_names_in_order() {
        for wrong in ["", ".", "..", "a/b", &"x".repeat(256)] {
            let error = dirtree(&tree(&[wrong], &[])).unwrap_err();
            assert!(matches!(error, Problem::EntryName { .. }), "{wrong}");
            let error = dirtree(&tree(&[], &[wrong])).unwrap_err();
            assert!(matches!(error, Problem::EntryName { .. }), "{wrong}");
        }
        let order = |name: &str| Err(Problem::EntryOrder(name.to_owned()));
        assert_eq!(dirtree(&tree(&["b", "a"], &[])), order("a"));
        assert_eq!(dirtree(&tree(&["a", "a"], &[])), order("a"));
        assert_eq!(dirtree(&tree(&[], &["b", "a"])), order("a"));
        assert_eq!(dirtree(&tree(&["a", "c"], &["b", "c"])), order("c"));
        assert!(dirtree(&tree(&["a", "c"], &["b", "d"])).is_ok());
    }

    #[test]
    fn xattrs_have_sorted_names_with_nul() {
        assert_eq!(attributes(b""), Ok(Attributes::default()));
        let read = attributes(&xattrs(&[(b"user.a\0", b""), (b"user.b\0", b"\0")])).unwrap();
        assert_eq!(read.empty.as_deref(), Some(&b"user.a"[..]));
        assert_eq!(read.set.as_slice().len(), 1);
        let of = |pairs: &[(&[u8], &[u8])]| attributes(&xattrs(pairs)).unwrap_err();
        assert_eq!(of(&[(b"\0", b"1")]), Problem::XattrName);
        assert_eq!(of(&[(b"user.a", b"1")]), Problem::Form(FormError::Nul));
        assert_eq!(of(&[(b"a\0b\0", b"1")]), Problem::Form(FormError::Nul));
        assert_eq!(of(&[(b"b\0", b"1"), (b"a\0", b"1")]), Problem::XattrOrder("a".to_owned()));
        assert_eq!(of(&[(b"a\0", b"1"), (b"a\0", b"2")]), Problem::XattrOrder("a".to_owned()));
    }

    #[test]
    fn the_mode_is_a_directorys() {
        let mut bytes = object::dirmeta(&Meta::root_owned(0o755));
        bytes[10] = 0x81;
        assert_eq!(dirmeta(&bytes), Err(Problem::Mode(0o100_755)));
        assert!(matches!(dirmeta(&bytes[..11]), Err(Problem::Form(_))));
    }

    #[test]
    fn checksums_have_32_bytes() {
        let mut entry = Frame::default();
        entry.string("a");
        entry.variable(1, &[0; 31]);
        let mut files = Frame::default();
        files.variable(1, &entry.finish_tuple(true));
        let mut tree = Frame::default();
        tree.variable(1, &files.finish_array());
        tree.variable(1, &[]);
        let length = FormError::Length { expected: 32, found: 31 };
        assert_eq!(dirtree(&tree.finish_tuple(true)), Err(Problem::Form(length)));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = (attributes(&bytes), dirmeta(&bytes), dirtree(&bytes), commit(&bytes));
        }

        /// Whatever a changed object is read as, it would be written so.
        #[test]
        fn changed_objects_are_read_as_written_or_refused(at in 0_usize..400, value: u8) {
            let mut bytes = tree(&["a", "b", "name"], &["c", "d"]);
            let at = at % bytes.len();
            bytes[at] = value;
            if let Ok(read) = dirtree(&bytes) {
                let mut written = object::Dirtree::default();
                read.files.iter().for_each(|(name, sum)| written.file(name, *sum));
                for (name, below, meta) in &read.directories {
                    written.directory(name, *below, *meta);
                }
                prop_assert_eq!(written.finish(), bytes);
            }
        }
    }
}
