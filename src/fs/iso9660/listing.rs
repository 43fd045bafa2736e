//! A tree as one of the two kinds of readers sees it: its identifiers, its order, its directories.

use std::collections::BTreeMap;

use super::SECTOR_BYTES;
use super::names::{Names, Short};
use super::records::{self, CONTINUED, DIRECTORY, Extent};
use super::tree::{Kind, Tree};
use crate::volume::Civil;

const SECTOR: usize = 2048;
/// The longest extent of whole sectors.
const EXTENT_BYTES: u64 = (1 << 32) - SECTOR_BYTES;
/// How a directory calls itself, and the one above it.
pub(super) const SELF: [u8; 1] = [0];
pub(super) const PARENT: [u8; 1] = [1];

/// Which names are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Short ones, with those of Rock Ridge beside them.
    Primary,
    /// Those of Joliet.
    Joliet,
}

/// How numbers of four and of two bytes are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteOrder {
    pub four: fn(u32) -> [u8; 4],
    pub two: fn(u16) -> [u8; 2],
}

/// A tree in one view.
#[derive(Debug)]
pub(super) struct Listing {
    view: View,
    /// Identifiers by number of the node.
    ids: Vec<Vec<u8>>,
    /// The children of directories in the order of their identifiers, by number of the directory.
    children: BTreeMap<usize, Vec<usize>>,
    /// Directories breadth-first: that is how path tables number them.
    order: Vec<usize>,
}

/// Where directories of one view are, and the first sectors of files, both by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub directories: &'a [Extent],
    pub files: &'a [u32],
}

impl Listing {
    pub fn new(view: View, tree: &Tree) -> Self {
        let mut ids = vec![SELF.to_vec(); tree.nodes.len()];
        let mut children = BTreeMap::new();
        let mut order = vec![0];
        let mut next = 0;
        while let Some(directory) = order.get(next).copied() {
            let sorted = sorted(view, tree, directory);
            order.extend(
                sorted.iter().map(|(_, child)| child).filter(|child| tree.is_directory(**child)),
            );
            for (short, child) in &sorted {
                ids[*child] = id(view, short, !tree.is_directory(*child));
            }
            children.insert(directory, sorted.into_iter().map(|(_, child)| child).collect());
            next += 1;
        }
        Self { view, ids, children, order }
    }

    /// The directories in the order of path tables.
    pub fn directories(&self) -> &[usize] {
        &self.order
    }

    /// What a directory's extent holds.
    pub fn directory(
        &self,
        tree: &Tree,
        number: usize,
        places: Places<'_>,
        time: Civil,
    ) -> Vec<u8> {
        packed(&self.records(tree, number, places, time))
    }

    fn records(&self, tree: &Tree, number: usize, places: Places<'_>, time: Civil) -> Vec<Vec<u8>> {
        let parent = tree.nodes[number].parent;
        let extent = |directory: usize| places.directories[directory];
        let of = |directory: usize, is_first: bool| {
            let (node, links) = (&tree.nodes[directory], self.links(tree, directory));
            match (self.view, is_first && number == 0) {
                (View::Joliet, _) => Vec::new(),
                (View::Primary, true) => records::of_root(node, links, time),
                (View::Primary, false) => records::of_directory(node, links, time),
            }
        };
        let mut all = vec![
            records::record(&SELF, extent(number), DIRECTORY, time, &of(number, true)),
            records::record(&PARENT, extent(parent), DIRECTORY, time, &of(parent, false)),
        ];
        for child in self.children.get(&number).into_iter().flatten() {
            let (node, links) = (&tree.nodes[*child], self.links(tree, *child));
            let rock_ridge = match self.view {
                View::Primary => records::of_child(node, links, time),
                View::Joliet => Vec::new(),
            };
            let one = |extent, flags| {
                records::record(&self.ids[*child], extent, flags, time, &rock_ridge)
            };
            match node.kind {
                Kind::Directory(_) => all.push(one(extent(*child), DIRECTORY)),
                Kind::File(file) => {
                    let extents = extents(places.files[*child], file.len.0);
                    let last = extents.len() - 1;
                    let flags = |index| if index == last { 0 } else { CONTINUED };
                    all.extend(
                        extents.into_iter().enumerate().map(|(at, extent)| one(extent, flags(at))),
                    );
                }
            }
        }
        all
    }

    /// How many names lead to a node: for a directory its own, its `.`, and the `..` below it.
    fn links(&self, tree: &Tree, number: usize) -> u32 {
        let below = tree.children(number).filter(|(_, child)| tree.is_directory(*child)).count();
        let own = if tree.is_directory(number) { 2 } else { 1 };
        u32::try_from(below).unwrap_or(u32::MAX).saturating_add(own)
    }

    /// A path table of directories that are there, by number.
    pub fn path_table(&self, tree: &Tree, places: &[Extent], order: ByteOrder) -> Vec<u8> {
        let numbers: BTreeMap<usize, u16> = self.order.iter().copied().zip(1..).collect();
        let row = |directory: &usize| Row {
            id: &self.ids[*directory],
            sector: places[*directory].sector,
            parent: numbers.get(&tree.nodes[*directory].parent).copied().unwrap_or(1),
        };
        path_table(self.order.iter().map(row), order)
    }
}

/// A directory in a path table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub id: &'a [u8],
    pub sector: u32,
    /// The number of the directory above, from 1.
    pub parent: u16,
}

/// The path table of these directories, breadth-first.
pub(super) fn path_table<'a>(rows: impl Iterator<Item = Row<'a>>, order: ByteOrder) -> Vec<u8> {
    let mut table = Vec::new();
    for Row { id, sector, parent } in rows {
        table.extend([u8::try_from(id.len()).unwrap_or(u8::MAX), 0]);
        table.extend((order.four)(sector));
        table.extend((order.two)(parent));
        table.extend(id);
        table.resize(table.len().next_multiple_of(2), 0);
    }
    table
}

/// Records one after the other, none in two sectors; whole sectors.
pub(super) fn packed(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend(record);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

/// A directory's children in the order of their identifiers.
fn sorted(view: View, tree: &Tree, directory: usize) -> Vec<(Short, usize)> {
    let mut names = Names::default();
    let mut short = |name: &str, child: usize| match view {
        View::Joliet => names.joliet(name),
        View::Primary if tree.is_directory(child) => names.directory(name),
        View::Primary => names.file(name),
    };
    let children = tree.children(directory).map(|(name, child)| (short(name, child), child));
    let mut sorted: Vec<(Short, usize)> = children.collect();
    sorted.sort();
    sorted
}

pub(super) fn id(view: View, short: &Short, is_file: bool) -> Vec<u8> {
    match view {
        View::Joliet => short.joliet_id(is_file),
        View::Primary if is_file => short.file_id(),
        View::Primary => short.directory_id(),
    }
}

/// A file's extents: one, unless it has 4 GiB or more.
pub(super) fn extents(first_sector: u32, len_bytes: u64) -> Vec<Extent> {
    let count = len_bytes.div_ceil(EXTENT_BYTES).max(1);
    let sectors = EXTENT_BYTES / SECTOR_BYTES;
    let extent = |number: u64| Extent {
        sector: first_sector + u32::try_from(number * sectors).unwrap_or(0),
        len_bytes: u32::try_from((len_bytes - number * EXTENT_BYTES).min(EXTENT_BYTES))
            .unwrap_or(0),
    };
    (0..count).map(extent).collect()
}
