//! Random trees from a seed.

use std::collections::BTreeSet;

use bootc_image::volume::{Meta, Timestamp, Xattrs};

use super::tree::{Kind, Piece, Tree};

/// SplitMix64.
pub struct Random {
    state: u64,
    /// Whether files may have times that ext4-view 1.0.0 refuses: those with bit 31 set, before 1970
    /// and from 2038 to 2106 among them.
    pub all_times: bool,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed, all_times: false }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    pub fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = len.div_ceil(8);
        let mut bytes: Vec<u8> = (0..words).flat_map(|_| self.next().to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// A length that is often near a block or a small number.
    fn len(&mut self) -> usize {
        match self.below(6) {
            0 => self.below(4),
            1 => 4094 + self.below(5),
            2 => 4096 * self.below(6),
            3 => self.below(100_000),
            _ => self.below(3000),
        }
    }

    fn name(&mut self) -> Vec<u8> {
        let len = if self.one_in(30) { 255 } else { 1 + self.below(30) };
        let wild = self.one_in(4);
        let mut name = self.bytes(len);
        for byte in &mut name {
            if !wild {
                *byte = b'a' + *byte % 26;
            } else if matches!(*byte, 0 | b'/') {
                *byte = 0xff;
            }
        }
        if name == b"." || name == b".." { b"dots".to_vec() } else { name }
    }

    fn meta(&mut self, kind: &Kind) -> Meta {
        let id = |random: &mut Self| match random.below(4) {
            0 => 0,
            1 => 4_294_967_294,
            2 => 65_534 + random.below(4) as u32,
            _ => random.below(2000) as u32,
        };
        let secs = match self.below(5) {
            0 => -(self.below(1 << 31) as i64),
            1 => 13_569_465_600,
            2 => (1 << 31) + self.below(1 << 33) as i64,
            _ => 1_700_000_000 + self.below(1000) as i64,
        };
        let secs = if self.all_times { secs } else { secs & !(1 << 31) };
        let secs = if self.all_times { secs } else { secs.max(0) };
        let nanos = if self.one_in(2) { 0 } else { self.below(1_000_000_000) as u32 };
        Meta {
            mode: self.below(0o10000) as u16,
            uid: id(self),
            gid: id(self),
            mtime: Timestamp { secs, nanos },
            xattrs: self.xattrs(kind),
        }
    }

    fn xattrs(&mut self, kind: &Kind) -> Xattrs {
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let label = b"system_u:object_r:usr_t:s0\0".to_vec();
        if self.one_in(2) {
            pairs.push((b"security.selinux".to_vec(), label));
        }
        if self.one_in(6) {
            for _ in 0..=self.below(12) {
                let space = match kind {
                    Kind::File(_) | Kind::Directory => self.pick(&["user.", "trusted."]),
                    _ => "trusted.",
                };
                let name = self.name();
                let name = &name[..name.len().min(40)];
                let len = 1 + self.below(100);
                pairs.push(([space.as_bytes(), name].concat(), self.bytes(len)));
            }
        }
        if self.one_in(20) {
            let len = 1 + self.below(2000);
            pairs.push((b"trusted.large".to_vec(), self.bytes(len)));
        }
        if !matches!(kind, Kind::Symlink(_)) && self.one_in(8) {
            pairs.push((b"system.posix_acl_access".to_vec(), self.acl()));
        }
        if matches!(kind, Kind::Directory) && self.one_in(8) {
            pairs.push((b"system.posix_acl_default".to_vec(), self.acl()));
        }
        if matches!(kind, Kind::File(_)) && self.one_in(10) {
            let mut value = vec![0; 20];
            (value[0], value[3], value[5]) = (1, 2, 4);
            pairs.push((b"security.capability".to_vec(), value));
        }
        Xattrs::from_pairs(pairs)
    }

    /// A valid list in the form of the system call.
    fn acl(&mut self) -> Vec<u8> {
        let mut acl = vec![2, 0, 0, 0];
        let mut push = |tag: u16, perm: u16, id: u32| {
            acl.extend_from_slice(&tag.to_le_bytes());
            acl.extend_from_slice(&perm.to_le_bytes());
            acl.extend_from_slice(&id.to_le_bytes());
        };
        push(1, self.below(8) as u16, u32::MAX);
        let named = self.below(3) as u32;
        for user in 0..named {
            push(2, self.below(8) as u16, 1000 + user);
        }
        push(4, self.below(8) as u16, u32::MAX);
        for group in 0..named {
            push(8, self.below(8) as u16, 70_000 + group);
        }
        push(16, self.below(8) as u16, u32::MAX);
        push(32, self.below(8) as u16, u32::MAX);
        acl
    }

    fn kind(&mut self) -> Kind {
        match self.below(10) {
            0..3 => Kind::Directory,
            3 => {
                let len = self.pick(&[1, 58, 59, 60, 61, 300, 4094, 4095]);
                let mut target: Vec<u8> = self.bytes(len).iter().map(|byte| byte | 1).collect();
                // ext4-view refuses targets with components of more than 255 bytes.
                target.iter_mut().skip(200).step_by(200).for_each(|byte| *byte = b'/');
                Kind::Symlink(target)
            }
            4 if self.one_in(2) => Kind::Device(1, 3),
            4 => Kind::Device(self.below(4096) as u32, self.below(1 << 20) as u32),
            _ => {
                let few = self.below(3);
                let pieces = if self.one_in(15) { 5 + self.below(900) } else { few };
                Kind::File((0..pieces).map(|_| self.piece()).collect())
            }
        }
    }

    fn piece(&mut self) -> Piece {
        if self.one_in(3) { Piece::Hole(self.len() as u64) } else { self.data() }
    }

    fn data(&mut self) -> Piece {
        let len = self.len();
        let len = if self.one_in(8) { len } else { len % 5000 };
        Piece::Data(self.next(), len)
    }

    /// A tree of up to a few hundred nodes, now and then with a directory of thousands of names.
    pub fn tree(&mut self) -> Tree {
        let mut tree = Tree::new();
        let mut taken = BTreeSet::from([(0, b"lost+found".to_vec())]);
        let mut directories = vec![0];
        let mut files = Vec::new();
        tree.nodes[0].meta = self.meta(&Kind::Directory);
        let deep = self.one_in(4);
        for _ in 0..self.below(200) {
            let parent =
                if deep { directories[directories.len() - 1] } else { self.pick(&directories) };
            let name = self.name();
            if !taken.insert((parent, name.clone())) {
                continue;
            }
            if !files.is_empty() && self.one_in(6) {
                let file: usize = self.pick(&files);
                tree.nodes[file].names.push((parent, name));
                continue;
            }
            let kind = self.kind();
            let meta = self.meta(&kind);
            let is_directory = matches!(kind, Kind::Directory);
            let at = tree.add(parent, &name, kind, meta);
            let may = matches!(tree.nodes[at].kind, Kind::File(_) | Kind::Directory);
            tree.nodes[at].immutable = may && self.one_in(25);
            if is_directory { directories.push(at) } else { files.push(at) }
        }
        if self.one_in(5) {
            let wide = self.pick(&directories);
            let few: Vec<usize> = (0..3)
                .map(|n| {
                    tree.add(0, format!("w{n}").as_bytes(), Kind::Device(1, n), Meta::default())
                })
                .collect();
            for n in 0..self.below(4000) {
                let mut name = format!("{n}-").into_bytes();
                name.extend(self.name());
                name.truncate(255);
                let one = self.pick(&few);
                tree.nodes[one].names.push((wide, name));
            }
        }
        tree
    }
}
