//! Random trees from a seed.

use bootc_image::digest::Sha256Digest;
use bootc_image::fs::erofs::composefs::Kind;
use bootc_image::volume::{Timestamp, Xattrs};

use super::{MemoryTree, Node};

/// What a tree has of overlayfs's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavour {
    /// Nothing.
    Plain,
    /// Attributes that must be escaped.
    Attributes,
    /// Whiteouts. mkcomposefs 1.0.8 miscounts, and may refuse, when a directory with whiteouts has
    /// attributes that it gives such directories.
    Whiteouts,
}

/// SplitMix64.
pub struct Random {
    state: u64,
    pub flavour: Flavour,
}

const XATTR_NAMES: &[&str] = &[
    "security.selinux",
    "security.capability",
    "security.ima",
    "system.posix_acl_access",
    "system.posix_acl_default",
    "system.nfs4_acl",
    "trusted.overlai.opaque",
    "trusted.t",
    "trusted.zz",
    "user.a",
    "user.overlay",
    "odd",
];
const OVERLAY_NAMES: &[&str] = &[
    "lustre.x",
    "system.posix_acl_accessory",
    "trusted.overlay.metacopy",
    "trusted.overlay.opaque",
    "trusted.overlay.redirect",
    "trusted.overlay.overlay.opaque",
    "trusted.overlay.overlay.whiteouts",
    "trusted.overlay.",
    "user.overlay.opaque",
    "user.overlay.whiteouts",
];
const NAME_BYTES: &[u8] = b"!-+,.0aAbfz_~ \xc3\xbc\xff\n=\\";
const LENGTHS: &[u64] = &[
    1,
    2,
    4095,
    4096,
    4097,
    (1 << 32) - 1,
    1 << 32,
    (1 << 32) + 1,
    5 << 30,
    1 << 43,
    (1 << 43) + 1,
    9 << 43,
    100 << 43,
    1 << 52,
];

impl Random {
    pub fn new(seed: u64) -> Self {
        let flavours = [Flavour::Plain, Flavour::Attributes, Flavour::Whiteouts];
        let mut random = Self { state: seed, flavour: Flavour::Plain };
        random.flavour = random.pick(&flavours);
        random
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    fn text(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| u8::try_from(97 + self.below(26)).unwrap()).collect()
    }

    /// One of a few digests, or a fresh one.
    fn digest(&mut self) -> Sha256Digest {
        let number = if self.one_in(3) { self.next() % 5 } else { self.next() };
        Sha256Digest::of(&number.to_le_bytes())
    }

    /// A tree that tries every kind of node and every boundary of the layout.
    pub fn tree(&mut self) -> MemoryTree {
        let root = self.node(Kind::Directory);
        let mut tree = MemoryTree::new(root);
        tree.object_suffix = self.pick(&["", ".file"]);
        let mut folders = vec![0];
        let count = self.pick(&[0, 1, 5, 30, 200, 700]);
        for _ in 0..count {
            let folder = if self.one_in(2) { folders[0] } else { self.pick(&folders) };
            let name = self.name();
            if tree.nodes[folder].children.contains_key(&name) {
                continue;
            }
            let kind = self.kind();
            let mut node = self.node(kind);
            node.content = match kind {
                Kind::Inline { len_bytes } | Kind::Symlink { len_bytes } => {
                    self.text(usize::try_from(len_bytes).unwrap())
                }
                _ => Vec::new(),
            };
            let number = tree.add(folder, &name, node);
            if kind == Kind::Directory {
                folders.push(number);
                if self.one_in(3) {
                    folders[0] = number;
                }
            }
        }
        tree
    }

    fn name(&mut self) -> Vec<u8> {
        if self.one_in(8) {
            return format!("{:02x}", self.below(256)).into_bytes();
        }
        let len = self.pick(&[1, 2, 3, 5, 12, 40, 120, 254, 255]);
        let name: Vec<u8> = (0..len).map(|_| self.pick(NAME_BYTES)).collect();
        if name == b"." || name == b".." { b"...".to_vec() } else { name }
    }

    fn kind(&mut self) -> Kind {
        match self.below(16) {
            0..=3 => Kind::Directory,
            4 => Kind::Empty,
            5 => Kind::Object { len_bytes: 0, name: self.digest(), verity: None },
            6..=9 => Kind::Object {
                len_bytes: if self.one_in(2) {
                    self.pick(LENGTHS)
                } else {
                    1 + self.next() % 99_999
                },
                name: self.digest(),
                verity: if self.one_in(2) { Some(self.digest()) } else { None },
            },
            10 => {
                let len = self.pick(&[1, 7, 64, 2047, 2048, 2049, 4095, 4096, 4097, 5000]);
                Kind::Inline { len_bytes: len }
            }
            11 | 12 => {
                let at_random = 1 + self.next() % 300;
                Kind::Symlink { len_bytes: self.pick(&[at_random, at_random, 1, 2000, 4000, 4063]) }
            }
            13 => Kind::Symlink { len_bytes: self.pick(&[4020, 4032, 4052, 4064, 4065, 4095]) },
            14 if self.one_in(2) && self.flavour == Flavour::Whiteouts => Kind::CharDevice(0, 0),
            14 => self.pick(&[Kind::CharDevice(5, 1), Kind::CharDevice(4095, 1_048_575)]),
            _ => self.pick(&[Kind::BlockDevice(259, 65_537), Kind::Fifo, Kind::Socket]),
        }
    }

    fn node(&mut self, kind: Kind) -> Node {
        let mut node = Node::new(kind, u16::try_from(self.below(0o10000)).unwrap());
        if self.one_in(3) {
            (node.uid, node.gid) = (self.pick(&[0, 1, 65_535, 65_536, u32::MAX - 1]), 0);
            node.gid = self.pick(&[0, 99, 65_535, 65_536, u32::MAX - 2]);
        }
        if self.one_in(10) {
            let nanos = u32::try_from(self.next() % 1_000_000_000).unwrap();
            node.mtime = Timestamp { secs: self.pick(&[0, 1, 1_735_689_600, 1 << 40]), nanos };
        }
        let count = self.pick(&[0, 0, 0, 1, 1, 2, 5, 12]);
        let mut pairs: Vec<_> = (0..count).map(|_| self.xattr()).collect();
        if self.one_in(60) {
            // more shared ones than an inode can count
            pairs.extend((0..150).map(|n| (format!("user.many{n}").into_bytes(), b"v".to_vec())));
        }
        node.xattrs = Xattrs::from_pairs(pairs);
        node
    }

    fn xattr(&mut self) -> (Vec<u8>, Vec<u8>) {
        let name = if self.one_in(10) {
            let len = self.pick(&[1, 100, 245]);
            [b"user.".to_vec(), self.text(len)].concat()
        } else {
            let is_odd = self.flavour == Flavour::Attributes && self.one_in(3);
            self.pick(if is_odd { OVERLAY_NAMES } else { XATTR_NAMES }).as_bytes().to_vec()
        };
        let value = match self.below(6) {
            0 => self.text(1),
            1 => b"system_u:object_r:usr_t:s0\0".to_vec(),
            2 => b"system_u:object_r:etc_t:s0\0".to_vec(),
            3 => vec![0; 20],
            _ => {
                let len = self.pick(&[1, 2, 3, 4, 5, 40, 300, 1200]);
                self.text(len)
            }
        };
        (name, value)
    }
}
