//! Serialised ostree objects and their checksums (ostree-contract 2.2).
//!
//! | object | type | checksum over |
//! |---|---|---|
//! | file | `(uuuusa(ayay))` header | length of the header, 4 zero bytes, header, content |
//! | dirmeta | `(uuua(ayay))` | the bytes |
//! | dirtree | `(a(say)a(sayay))` | the bytes |
//! | commit | `(a{sv}aya(say)sstayay)` | the bytes |
//!
//! Integers are big-endian. Xattr names carry their NUL, values do not.

use super::gvariant::{Frame, vardict};
use crate::digest::{Sha256, Sha256Digest};
use crate::volume::{Meta, Xattrs};

const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;
const S_IFDIR: u32 = 0o040_000;

/// What kind of file an object is, as far as its header knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    /// A regular file with these permission bits.
    Regular,
    /// A symbolic link; its mode is always 0777.
    Symlink {
        /// The target as stored.
        target: &'a str,
    },
}

fn xattrs(set: &Xattrs) -> Vec<u8> {
    let mut array = Frame::default();
    for xattr in set.as_slice() {
        let mut name = xattr.name.to_vec();
        name.push(0);
        let mut pair = Frame::default();
        pair.variable(1, &name);
        pair.variable(1, &xattr.value);
        array.variable(1, &pair.finish_tuple(true));
    }
    array.finish_array()
}

/// What is hashed of a file object before its content.
pub fn file_header(meta: &Meta, header: Header<'_>) -> Vec<u8> {
    let (mode, target) = match header {
        Header::Regular => (S_IFREG | u32::from(meta.mode), ""),
        Header::Symlink { target } => (S_IFLNK | 0o777, target),
    };
    let mut tuple = Frame::default();
    for number in [meta.uid, meta.gid, mode, 0] {
        tuple.fixed(4, &number.to_be_bytes());
    }
    tuple.string(target);
    tuple.variable(1, &xattrs(&meta.xattrs));
    let header = tuple.finish_tuple(true);
    let len = u32::try_from(header.len()).expect("xattrs are bounded far below 4 GiB");
    [&len.to_be_bytes(), &[0; 4][..], &header].concat()
}

/// A hasher that has taken the header of a file object; its content is to follow.
pub fn file_hasher(meta: &Meta, header: Header<'_>) -> Sha256 {
    let mut hasher = Sha256::default();
    hasher.update(&file_header(meta, header));
    hasher
}

/// The serialised dirmeta of a directory.
pub fn dirmeta(meta: &Meta) -> Vec<u8> {
    let mut tuple = Frame::default();
    for number in [meta.uid, meta.gid, S_IFDIR | u32::from(meta.mode)] {
        tuple.fixed(4, &number.to_be_bytes());
    }
    tuple.variable(1, &xattrs(&meta.xattrs));
    tuple.finish_tuple(true)
}

/// A dirtree being serialised; names must come in byte order.
#[derive(Debug, Default)]
pub struct Dirtree {
    files: Frame,
    directories: Frame,
}

impl Dirtree {
    /// Adds a file.
    pub fn file(&mut self, name: &str, checksum: Sha256Digest) {
        let mut entry = Frame::default();
        entry.string(name);
        entry.variable(1, &checksum.0);
        self.files.variable(1, &entry.finish_tuple(true));
    }

    /// Adds a directory by the checksums of its dirtree and dirmeta.
    pub fn directory(&mut self, name: &str, tree: Sha256Digest, meta: Sha256Digest) {
        let mut entry = Frame::default();
        entry.string(name);
        entry.variable(1, &tree.0);
        entry.variable(1, &meta.0);
        self.directories.variable(1, &entry.finish_tuple(true));
    }

    /// The serialised dirtree.
    pub fn finish(self) -> Vec<u8> {
        let mut tuple = Frame::default();
        tuple.variable(1, &self.files.finish_array());
        tuple.variable(1, &self.directories.finish_array());
        tuple.finish_tuple(true)
    }
}

/// The parts of a commit that are not always empty.
#[derive(Debug)]
pub struct Commit<'a> {
    /// Metadata in order: key and serialised variant.
    pub metadata: &'a [(&'a str, Vec<u8>)],
    /// The commit before.
    pub parent: Option<Sha256Digest>,
    /// Seconds since 1970; before it, the two's complement.
    pub timestamp_secs: i64,
    /// Root dirtree.
    pub tree: Sha256Digest,
    /// Root dirmeta.
    pub meta: Sha256Digest,
}

impl Commit<'_> {
    /// The serialised commit, without subject and body.
    pub fn encode(&self) -> Vec<u8> {
        let mut tuple = Frame::default();
        tuple.variable(8, &vardict(self.metadata));
        tuple.variable(1, self.parent.as_ref().map_or(&[][..], |parent| &parent.0));
        tuple.variable(1, &[]); // related objects
        tuple.string("");
        tuple.string("");
        tuple.fixed(8, &self.timestamp_secs.to_be_bytes());
        tuple.variable(1, &self.tree.0);
        tuple.variable(1, &self.meta.0);
        tuple.finish_tuple(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(meta: &Meta, header: Header<'_>, content: &[u8]) -> String {
        let mut hasher = file_hasher(meta, header);
        hasher.update(content);
        hasher.finish().to_hex()
    }

    fn with_xattrs(mut meta: Meta, pairs: &[(&str, &[u8])]) -> Meta {
        meta.xattrs = Xattrs::from_pairs(
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.to_vec())),
        );
        meta
    }

    // ostree-contract, appendix A
    #[test]
    fn checksums_equal_the_recorded_vectors() {
        let plain = Meta::root_owned(0o644);
        let label = |text: &'static [u8]| [("security.selinux", text)];
        let usr_t = with_xattrs(plain.clone(), &label(b"system_u:object_r:usr_t:s0\0"));
        let bin_t = with_xattrs(Meta::default(), &label(b"system_u:object_r:bin_t:s0\0"));
        let two = with_xattrs(
            Meta { mode: 0o600, uid: 1000, gid: 1000, ..Meta::default() },
            &[("user.b", b"\0\xff"), ("user.a", b"1")],
        );
        let suid = Meta::root_owned(0o4755);
        let regular = Header::Regular;
        let hello = file(&plain, regular, b"hello\n");
        assert_eq!(hello, "44f778e59f0a4748d6b0c90a47347212a231c4ad1e8f7ea5c5dffc7749153a6b");
        let labelled = file(&usr_t, regular, b"hello\n");
        assert_eq!(labelled, "8428bf5e7cc4ff7f258dad715c4da28d103dd5d1aa5dfc2e3d7c92f5ca28deee");
        let empty = file(&suid, regular, b"");
        assert_eq!(empty, "2ed2a8cdda46c87a3d257743a7d08c46c6202c399a8008665a4f25176974004b");
        let owned = file(&two, regular, b"");
        assert_eq!(owned, "8cc72da6f5f7443da7ef87197dc5fa71b34bb0f0eedfb66ff68dfa7269f82fa7");
        let link = file(&plain, Header::Symlink { target: "../usr/lib" }, b"");
        assert_eq!(link, "afdd23d71db8b068914e7d773d4a1ad1c5bc0deba9f94d75d8fa1197264e09fd");
        let labelled_link = file(&bin_t, Header::Symlink { target: "usr/bin" }, b"");
        assert_eq!(
            labelled_link,
            "936f751855ebe4210d3fb59d3ffca58c2270dc4d6d89c4507abe40eb530ddd69"
        );
    }

    // fixtures/golden/plain-basic-sound, usr/share/alpha/xattr/long
    #[test]
    fn offsets_of_long_xattrs_take_two_bytes() {
        let value: String = (0..10).map(|number| format!("{number:030}")).collect();
        let meta = with_xattrs(Meta::root_owned(0o644), &[("user.long", value.as_bytes())]);
        let array = xattrs(&meta.xattrs);
        // name with NUL, value, its offset, the array's offset
        assert_eq!(array.len(), 10 + 300 + 2 + 2);
        assert_eq!(array[310..], [10, 0, 56, 1]);
    }

    #[test]
    fn metadata_objects_equal_the_recorded_vectors() {
        let hex = |bytes: &[u8]| Sha256Digest::of(bytes).to_hex();
        let meta = dirmeta(&Meta::root_owned(0o755));
        assert_eq!(hex(&meta), "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488");
        let empty = Dirtree::default().finish();
        assert_eq!(hex(&empty), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        let commit = Commit {
            metadata: &[],
            parent: None,
            timestamp_secs: 0,
            tree: Sha256Digest::parse_hex(
                "60ec7ef6dd430cabb30c950a41e19f7f4ae8922a17ed1e5b5ed22ea13201c465",
            )
            .unwrap(),
            meta: Sha256Digest::of(&meta),
        };
        assert_eq!(
            hex(&commit.encode()),
            "cfab11a2f1e80733a4e6751d2c8832c826bb2f62e48b97f29401a4e94f713073"
        );
    }

    #[test]
    fn a_dirtree_equals_the_recorded_vector() {
        let checksum = |hex: &str| Sha256Digest::parse_hex(hex).unwrap();
        let files = [
            ("a-hello", "44f778e59f0a4748d6b0c90a47347212a231c4ad1e8f7ea5c5dffc7749153a6b"),
            ("b-label", "8428bf5e7cc4ff7f258dad715c4da28d103dd5d1aa5dfc2e3d7c92f5ca28deee"),
            ("c-suid", "2ed2a8cdda46c87a3d257743a7d08c46c6202c399a8008665a4f25176974004b"),
            ("d-xattr", "8cc72da6f5f7443da7ef87197dc5fa71b34bb0f0eedfb66ff68dfa7269f82fa7"),
            ("e-link", "afdd23d71db8b068914e7d773d4a1ad1c5bc0deba9f94d75d8fa1197264e09fd"),
            ("f-linklabel", "936f751855ebe4210d3fb59d3ffca58c2270dc4d6d89c4507abe40eb530ddd69"),
            ("é", "e3d0ddb40d398abbd1282078244b11de1717ad9b175e18cd0fe93465bebc4c37"),
        ];
        let mut tree = Dirtree::default();
        for (name, hex) in files {
            tree.file(name, checksum(hex));
        }
        let empty = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        let tmp = "83c40605b346cf5b0e16975b1e27be5f605162d49d9be0be1bc3ac2d9b762570";
        tree.directory("z-tmp", checksum(empty), checksum(tmp));
        let bytes = tree.finish();
        assert_eq!(bytes.len(), 373);
        assert_eq!(
            Sha256Digest::of(&bytes).to_hex(),
            "60ec7ef6dd430cabb30c950a41e19f7f4ae8922a17ed1e5b5ed22ea13201c465"
        );
    }
}
