//! Bytes of small images, and trees that break the rules of [`Source`].

use std::convert::Infallible;

use super::{ContentError, Error, Image, Inode, Kind, Source, WriteError, XattrSet};
use crate::volume::Timestamp;

/// A root directory with entries.
struct Flat {
    entries: Vec<(&'static [u8], Kind)>,
    target: &'static [u8],
    fails: bool,
}

impl Flat {
    fn new(entries: &[(&'static [u8], Kind)]) -> Self {
        Self { entries: entries.to_vec(), target: b"target", fails: false }
    }
}

impl Source for Flat {
    type Node = Option<usize>;
    type Error = &'static str;

    fn root(&self) -> Self::Node {
        None
    }

    fn children(&self, directory: Self::Node) -> impl Iterator<Item = (&[u8], Self::Node)> {
        let entries = if directory.is_none() { &self.entries[..] } else { &[] };
        entries.iter().enumerate().map(|(number, (name, _))| (*name, Some(number)))
    }

    fn inode(&self, node: Self::Node) -> Inode {
        let kind = node.map_or(Kind::Directory, |number| self.entries[number].1);
        Inode { kind, mode: 0o644, uid: 1, gid: 2, mtime: Timestamp::default() }
    }

    fn xattrs(&self, _: Self::Node, into: &mut XattrSet) {
        into.push(b"user.same", b"value");
    }

    fn content(&self, _: Self::Node, into: &mut Vec<u8>) -> Result<(), Self::Error> {
        into.extend_from_slice(self.target);
        if self.fails { Err("no content") } else { Ok(()) }
    }
}

fn image(source: &Flat) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok::<(), Infallible>(())
    };
    Image::plan(source, b"boot").unwrap().write(source, &mut out).unwrap();
    bytes
}

#[test]
fn a_small_image_has_these_bytes() {
    let link = Kind::Symlink { len_bytes: 6 };
    let bytes = image(&Flat::new(&[(b"-", Kind::Hollow { len_bytes: 5000 }), (b"link", link)]));
    assert_eq!(bytes.len(), 4096);
    assert_eq!(&bytes[..5], b"boot\0");
    assert_eq!(bytes[1024..1028], [0xe2, 0xe1, 0xf5, 0xe0]);
    // the root: compact with a tail, 2 words of attributes, 0o040644, 2 links
    let names: usize = [".", "..", "-", "link"].iter().map(|name| 12 + name.len()).sum();
    assert_eq!(bytes[1152..1160], [4, 0, 2, 0, 0xa4, 0x41, 2, 0]);
    assert_eq!(usize::from(bytes[1160]), names);
    // `-` comes before `.`; it is inode 39, after 32 + 16 + 56 bytes
    assert_eq!(bytes[1152 + 48..][..12], [40, 0, 0, 0, 0, 0, 0, 0, 48, 0, 1, 0]);
    assert_eq!(&bytes[1152 + 48 + 48..][..8], b"-...link");
    // chunks of 8192 bytes, no address
    let hollow = 40 * 32;
    assert_eq!(bytes[hollow..hollow + 2], [8, 0]);
    assert_eq!(bytes[hollow + 8..hollow + 20], [0x88, 0x13, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(bytes[hollow + 48..hollow + 52], [0xff; 4]);
    let linked = 42 * 32;
    assert_eq!(&bytes[linked + 48..linked + 54], b"target");
    // one shared attribute, after the last inode
    let shared = 44 * 32;
    assert_eq!(&bytes[shared..shared + 16], b"\x04\x01\x05\0samevalue\0\0\0");
    assert_eq!(bytes[hollow + 36], 1);
    assert_eq!(bytes[hollow + 44..hollow + 48], u32::try_from(shared / 4).unwrap().to_le_bytes());
}

#[test]
fn pieces_are_the_image() {
    let names: Vec<&'static [u8]> =
        (0..3000).map(|n| &*format!("{n:040}").into_bytes().leak()).collect();
    let entries: Vec<_> = names.iter().map(|name| (*name, Kind::Fifo)).collect();
    let source = Flat::new(&entries);
    let image = Image::plan(&source, b"boot").unwrap();
    let mut stream = image.stream();
    let (mut whole, mut pieces) = (Vec::new(), 0);
    while stream.next(&source, &mut whole).unwrap() {
        pieces += 1;
    }
    assert!(pieces > 2);
    assert_eq!(image.len_bytes(), u64::try_from(whole.len()).unwrap());
    assert_eq!(image.inode_count(), 3001);
    assert_eq!(whole, self::image(&source));
    // 52 bytes an entry, 78 entries a block, but 77 in the first beside the dots
    let blocks = u64::try_from(1 + (3000 - 77usize).div_ceil(78)).unwrap();
    let size = u64::from_le_bytes([&whole[1160..1164], &[0; 4]].concat().try_into().unwrap());
    assert_eq!(size.div_ceil(4096), blocks);
}

#[test]
fn content_must_come_as_announced() {
    let nothing = |_: &[u8]| Ok::<(), &str>(());
    let mut source = Flat::new(&[(b"link", Kind::Symlink { len_bytes: 7 })]);
    let image = Image::plan(&source, b"").unwrap();
    let error = image.write(&source, nothing).unwrap_err();
    assert!(matches!(
        error,
        WriteError::Content(ContentError::Length { expected: 7, actual: 6, .. })
    ));
    assert_eq!(error.to_string(), "the content of `/link` has 6 bytes instead of 7");
    source.fails = true;
    let error = image.write(&source, nothing).unwrap_err();
    assert!(matches!(error, WriteError::Content(ContentError::Source { .. })));
    let error = image.write(&source, |_: &[u8]| Err("full")).unwrap_err();
    assert!(matches!(error, WriteError::Content(_)), "the first piece was never complete");
}

#[test]
fn broken_trees_are_refused() {
    let plan = |entries: &[(&'static [u8], Kind)]| {
        Image::plan(&Flat::new(entries), b"").map(|_| ()).unwrap_err()
    };
    let twice = plan(&[(b"a", Kind::Fifo), (b"a", Kind::Fifo)]);
    assert_eq!(twice, Error::Order { path: "/a".to_owned() });
    let backwards = plan(&[(b"b", Kind::Fifo), (b"a", Kind::Fifo)]);
    assert_eq!(backwards, Error::Order { path: "/a".to_owned() });
    let long = plan(&[(b"a", Kind::Inline { len_bytes: 65_537 })]);
    assert_eq!(long.to_string(), "`/a` has 65537 bytes, more than 65536");
    let error = Image::plan(&Flat::new(&[]), &[0; 1025]).map(|_| ()).unwrap_err();
    assert_eq!(error, Error::BootAreaTooLong { len_bytes: 1025 });
}
