//! A tree in memory: written by our writer, told as lines, and compared with what others read.

use std::collections::{BTreeMap, BTreeSet};

use bootc_image::canvas::Canvas;
use bootc_image::fs::ext4::Writer;
use bootc_image::volume::{Inode, Meta, Volume};

use super::random::Random;

pub enum Piece {
    Data(u64, usize),
    Hole(u64),
}

pub enum Kind {
    Directory,
    File(Vec<Piece>),
    Symlink(Vec<u8>),
    Device(u32, u32),
}

pub struct Node {
    pub kind: Kind,
    pub meta: Meta,
    pub immutable: bool,
    /// Parent (an index of nodes) and name.
    pub names: Vec<(usize, Vec<u8>)>,
}

/// Nodes; the first is the root.
pub struct Tree {
    pub nodes: Vec<Node>,
}

/// What is told of a path; times and attributes only where the reader knows them.
pub type Lines = BTreeMap<Vec<u8>, String>;

impl Tree {
    pub fn new() -> Self {
        let root = Node {
            kind: Kind::Directory,
            meta: Meta::root_owned(0o755),
            immutable: false,
            names: vec![],
        };
        Self { nodes: vec![root] }
    }

    /// Adds a node with one name.
    pub fn add(&mut self, parent: usize, name: &[u8], kind: Kind, meta: Meta) -> usize {
        let names = vec![(parent, name.to_vec())];
        self.nodes.push(Node { kind, meta, immutable: false, names });
        self.nodes.len() - 1
    }

    /// Writes all nodes, and names in an order of its own. Now and then something is begun and
    /// abandoned, or an inode gets its metadata later, or is made and forgotten.
    pub fn write<C: Canvas>(&self, writer: &mut Writer<C>, random: &mut Random) {
        let mut inodes = vec![writer.root()];
        let mut doomed = Vec::new();
        let mut chance = Random::new(self.nodes.len() as u64);
        writer.set_meta(writer.root(), &self.nodes[0].meta).unwrap();
        for node in &self.nodes[1..] {
            if random.one_in(20) {
                let mut open = writer.begin().unwrap();
                let dead = vec![0xdd; random.below(3 << 20)];
                writer.append(&mut open, &dead).unwrap();
                writer.append_hole(&mut open, random.next() % 9999).unwrap();
                writer.abandon(open).unwrap();
            }
            if chance.one_in(15) {
                doomed.push(write_doomed(writer, &node.meta, &mut chance));
            }
            if chance.one_in(40) && !doomed.is_empty() {
                writer.forget(doomed.swap_remove(chance.below(doomed.len()))).unwrap();
            }
            let later = random.one_in(10);
            let first = if later { Meta::root_owned(0o111) } else { node.meta.clone() };
            let inode = write_node(writer, node, &first, random);
            if later {
                writer.set_meta(inode, &node.meta).unwrap();
            }
            if node.immutable {
                writer.set_immutable(inode).unwrap();
            }
            inodes.push(inode);
        }
        doomed.into_iter().for_each(|inode| writer.forget(inode).unwrap());
        let mut links: Vec<(usize, &[u8], usize)> = Vec::new();
        for (at, node) in self.nodes.iter().enumerate() {
            links.extend(node.names.iter().map(|(parent, name)| (*parent, &name[..], at)));
        }
        random.shuffle(&mut links);
        for (parent, name, child) in links {
            writer.link(inodes[parent], name, inodes[child]).unwrap();
        }
    }

    /// What every path is like, except for its attributes.
    pub fn lines(&self) -> Lines {
        self.paths().into_iter().map(|(path, at)| (path, self.line(at))).collect()
    }

    /// The nodes of all paths.
    pub fn paths(&self) -> BTreeMap<Vec<u8>, usize> {
        let mut children: BTreeMap<usize, Vec<(&[u8], usize)>> = BTreeMap::new();
        for (at, node) in self.nodes.iter().enumerate() {
            for (parent, name) in &node.names {
                children.entry(*parent).or_default().push((name, at));
            }
        }
        let mut paths = BTreeMap::from([(b"/".to_vec(), 0)]);
        let mut waiting = vec![(Vec::new(), 0)];
        while let Some((path, at)) = waiting.pop() {
            for (name, child) in children.get(&at).into_iter().flatten() {
                let path = [&path[..], b"/", name].concat();
                waiting.push((path.clone(), *child));
                paths.insert(path, *child);
            }
        }
        paths
    }

    fn line(&self, at: usize) -> String {
        let node = &self.nodes[at];
        let meta = &node.meta;
        let what = match &node.kind {
            Kind::Directory => "directory".to_owned(),
            Kind::File(pieces) => content_line(&content(pieces)),
            Kind::Symlink(target) => format!("link {}", target.escape_ascii()),
            Kind::Device(..) => "device".to_owned(),
        };
        let mode = if matches!(node.kind, Kind::Symlink(_)) { 0o777 } else { meta.mode };
        owner_line(mode, meta.uid, meta.gid, meta.mtime.secs, meta.mtime.nanos) + &what
    }
}

/// An inode that will be forgotten.
fn write_doomed<C: Canvas>(writer: &mut Writer<C>, meta: &Meta, chance: &mut Random) -> Inode {
    if chance.one_in(4) {
        return writer.symlink(meta, &vec![b'x'; 1 + chance.below(200)]).unwrap();
    }
    let mut open = writer.begin().unwrap();
    for _ in 0..chance.below(4) {
        writer.append(&mut open, &vec![0xdd; chance.below(1 << 20)]).unwrap();
        writer.append_hole(&mut open, chance.next() % 99_999).unwrap();
    }
    writer.commit(open, meta).unwrap()
}

pub fn owner_line(mode: u16, uid: u32, gid: u32, secs: i64, nanos: u32) -> String {
    format!("{:04o} {uid}:{gid} {secs}.{nanos:09} ", mode & 0o7777)
}

pub fn content_line(bytes: &[u8]) -> String {
    format!("file of {} bytes, crc {:08x}", bytes.len(), crc32c::crc32c(bytes))
}

pub fn content(pieces: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Data(seed, len) => bytes.extend(Random::new(*seed).bytes(*len)),
            Piece::Hole(len) => bytes.resize(bytes.len() + *len as usize, 0),
        }
    }
    bytes
}

fn write_node<C: Canvas>(
    writer: &mut Writer<C>,
    node: &Node,
    meta: &Meta,
    random: &mut Random,
) -> Inode {
    match &node.kind {
        Kind::Directory => writer.directory(meta).unwrap(),
        Kind::Symlink(target) => writer.symlink(meta, target).unwrap(),
        Kind::Device(major, minor) => writer.char_device(meta, *major, *minor).unwrap(),
        Kind::File(pieces) => {
            let mut open = writer.begin().unwrap();
            for piece in pieces {
                match piece {
                    Piece::Hole(len) => writer.append_hole(&mut open, *len).unwrap(),
                    Piece::Data(seed, len) => {
                        let bytes = Random::new(*seed).bytes(*len);
                        let step = 1 + random.below(bytes.len() + 1);
                        bytes.chunks(step).for_each(|c| writer.append(&mut open, c).unwrap());
                    }
                }
            }
            let inode = writer.commit(open, meta).unwrap();
            let bytes = content(pieces);
            let from = random.below(bytes.len() + 1);
            let mut read = vec![7; random.below(bytes.len() + 2)];
            let count = writer.read_at(inode, from as u64, &mut read).unwrap();
            assert_eq!(count, read.len().min(bytes.len() - from));
            assert!(read[..count] == bytes[from..from + count], "reading back");
            inode
        }
    }
}

/// The tree as ext4-view sees it, without `lost+found`.
pub fn view_lines(path: &std::path::Path) -> Lines {
    let fs = ext4_view::Ext4::load_from_path(path).unwrap();
    let mut lines = Lines::new();
    let mut waiting = vec![b"/".to_vec()];
    let mut seen = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        assert!(seen.insert(path.clone()), "{} twice", path.escape_ascii());
        let view_path = ext4_view::Path::try_from(&path[..]).unwrap();
        let meta = fs.symlink_metadata(view_path).unwrap();
        let kind = meta.file_type();
        let what = if kind.is_dir() {
            for entry in fs.read_dir(view_path).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name();
                let child = if path == b"/" { vec![] } else { path.clone() };
                let child = [&child[..], b"/", name.as_ref()].concat();
                if name != "." && name != ".." && child != b"/lost+found" {
                    waiting.push(child);
                }
            }
            "directory".to_owned()
        } else if kind.is_regular_file() {
            content_line(&fs.read(view_path).unwrap())
        } else if kind.is_symlink() {
            let target = fs.read_link(view_path).unwrap();
            format!("link {}", target.as_ref().escape_ascii())
        } else {
            assert!(kind.is_char_dev());
            "device".to_owned()
        };
        let time = meta.modified();
        let (secs, nanos) = (time.seconds(), time.nanoseconds());
        let line = owner_line(meta.mode(), meta.uid(), meta.gid(), secs, nanos);
        lines.insert(path, line + &what);
    }
    lines
}

/// Panics with the first lines that differ.
pub fn compare(expected: &Lines, found: &Lines, what: &str) {
    for (path, line) in expected {
        assert_eq!(found.get(path), Some(line), "{what}: {}", path.escape_ascii());
    }
    for path in found.keys() {
        assert!(expected.contains_key(path), "{what}: unexpected {}", path.escape_ascii());
    }
}
