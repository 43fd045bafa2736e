//! One of the two trees of an image, its records as they are found, to which files are added.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use super::super::IsoError;
use super::super::descriptors::{self, Volume};
use super::super::layout::{ORDERS, Sectors};
use super::super::listing::{self, PARENT, Row, SELF, View, extents, packed, path_table};
use super::super::names::{Names, Short};
use super::super::reader::rock_ridge::Facts;
use super::super::reader::source::Source;
use super::super::reader::tree::name_of;
use super::super::reader::{NameKind, ReadError};
use super::super::records::{self, CONTINUED, DIRECTORY, Extent, Found};
use super::super::tree::{Kind, Node};
use super::{Added, AppendError};
use crate::volume::Civil;

const SECTOR: usize = 2048;
/// As many as path tables can number.
const MOST_DIRECTORIES: usize = 65_535;

/// A tree.
#[derive(Debug)]
pub(super) struct Tree {
    view: View,
    names: NameKind,
    /// Whether records have entries of Rock Ridge.
    has_entries: bool,
    /// Where the descriptor is, and what it says.
    descriptor: (u32, Vec<u8>),
    /// The root has number 0.
    directories: Vec<Directory>,
    table_bytes: usize,
    tables: [u32; 2],
}

#[derive(Debug)]
struct Directory {
    parent: usize,
    path: String,
    id: Vec<u8>,
    /// The records for itself and for the one above.
    own: Vec<u8>,
    above: Vec<u8>,
    items: Vec<Item>,
    place: Extent,
}

/// A record of a directory.
#[derive(Debug)]
struct Item {
    record: Vec<u8>,
    id: Vec<u8>,
    name: String,
    leads_to: LeadsTo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeadsTo {
    /// What was there, where it was.
    Old,
    /// The directory of this number.
    Directory(usize),
    /// The added file of this number.
    Added(usize),
}

impl Tree {
    /// Reads all directories of the tree that this descriptor leads to.
    pub fn load<R: Read + Seek>(
        source: &mut Source<R>,
        view: View,
        has_entries: bool,
        descriptor: (u32, Vec<u8>),
    ) -> Result<Self, AppendError> {
        let names = match view {
            View::Joliet => NameKind::Joliet,
            View::Primary if has_entries => NameKind::RockRidge,
            View::Primary => NameKind::Plain,
        };
        let root = descriptors::root(&descriptor.1).ok_or_else(|| damaged("", 0))?;
        let mut tree = Self {
            view,
            names,
            has_entries,
            descriptor,
            directories: vec![Directory::new(0, String::new(), SELF.to_vec(), root)],
            table_bytes: 0,
            tables: [0; 2],
        };
        let mut seen = BTreeSet::new();
        let mut next = 0;
        while next < tree.directories.len() {
            if !seen.insert(tree.directories[next].place.sector) {
                return Err(ReadError::Loop(tree.directories[next].path.clone()).into());
            }
            tree.load_directory(source, next)?;
            next += 1;
        }
        Ok(tree)
    }

    fn load_directory<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        number: usize,
    ) -> Result<(), AppendError> {
        let Directory { path, place, .. } = &self.directories[number];
        let (path, place) = (path.clone(), *place);
        let what = format!("the directory `{path}`");
        let bytes = source.metadata(place, &what)?;
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..bytes.len().min(at + SECTOR - at % SECTOR)];
            if rest[0] == 0 {
                at += rest.len();
                continue;
            }
            let (found, len) = Found::parse(rest).ok_or_else(|| damaged(&path, at))?;
            let record = rest[..len].to_vec();
            at += len;
            match found.id {
                id if *id == SELF => self.directories[number].own = record,
                id if *id == PARENT => self.directories[number].above = record,
                id => {
                    let facts = self.facts(source, &found, &what)?;
                    let name = name_of(self.names, &found, &facts, &path)?;
                    let leads_to = match found.flags & DIRECTORY {
                        0 => LeadsTo::Old,
                        _ => LeadsTo::Directory(self.add(
                            number,
                            &name,
                            id.to_vec(),
                            found.extent,
                        )?),
                    };
                    let item = Item { record, id: id.to_vec(), name, leads_to };
                    self.directories[number].items.push(item);
                }
            }
        }
        let Directory { own, above, .. } = &self.directories[number];
        if own.is_empty() || above.is_empty() {
            return Err(damaged(&path, 0));
        }
        Ok(())
    }

    fn facts<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        found: &Found<'_>,
        what: &str,
    ) -> Result<Facts, AppendError> {
        if !self.has_entries {
            return Ok(Facts::default());
        }
        let facts = Facts::load(source, found.entries, what)?;
        if facts.moved_to.is_some() || facts.is_moved {
            return Err(AppendError::NotSupported("relocated directories"));
        }
        Ok(facts)
    }

    /// A new directory's number.
    fn add(
        &mut self,
        parent: usize,
        name: &str,
        id: Vec<u8>,
        place: Extent,
    ) -> Result<usize, AppendError> {
        let number = self.directories.len();
        if number >= MOST_DIRECTORIES {
            return Err(IsoError::TooManyDirectories(number + 1).into());
        }
        let above = &self.directories[parent].path;
        let path = if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") };
        if path.len() > super::MOST_PATH_BYTES {
            return Err(AppendError::PathTooLong(path));
        }
        self.directories.push(Directory::new(parent, path, id, place));
        Ok(number)
    }

    /// Adds a file, instead of what has its path.
    pub fn add_file(
        &mut self,
        path: &str,
        number: usize,
        len: u64,
        time: Civil,
    ) -> Result<(), AppendError> {
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = 0;
        for parent in parents.split('/').filter(|name| !name.is_empty()) {
            at = self.enter(at, parent, path, time)?;
        }
        let items = &mut self.directories[at].items;
        let is_directory = |item: &Item| matches!(item.leads_to, LeadsTo::Directory(_));
        if items.iter().any(|item| item.name == name && is_directory(item)) {
            return Err(IsoError::Taken(path.to_owned()).into());
        }
        items.retain(|item| item.name != name);
        let pieces = extents(0, len);
        let last = pieces.len() - 1;
        let (id, index) = self.new_id(at, name, true);
        let entries = self.entries(name, Kind::File(super::FILE), time);
        for (piece, extent) in pieces.into_iter().enumerate() {
            let flags = if piece == last { 0 } else { CONTINUED };
            let record = records::record(&id, extent, flags, time, &entries);
            let (id, name) = (id.clone(), name.to_owned());
            let item = Item { record, id, name, leads_to: LeadsTo::Added(number) };
            self.directories[at].items.insert(index + piece, item);
        }
        Ok(())
    }

    /// The number of a directory in another, made when there is none.
    fn enter(
        &mut self,
        parent: usize,
        name: &str,
        path: &str,
        time: Civil,
    ) -> Result<usize, AppendError> {
        if let Some(item) = self.directories[parent].items.iter().find(|item| item.name == name) {
            return match item.leads_to {
                LeadsTo::Directory(number) => Ok(number),
                _ => Err(IsoError::Taken(path.to_owned()).into()),
            };
        }
        let (id, index) = self.new_id(parent, name, false);
        let number = self.add(parent, name, id.clone(), Extent::default())?;
        let node = directory_node(name);
        let entries = self.has_entries.then(|| records::of_directory(&node, 2, time));
        let entries = entries.unwrap_or_default();
        let own = |id: &[u8]| records::record(id, Extent::default(), DIRECTORY, time, &entries);
        self.directories[number].own = own(&SELF);
        self.directories[number].above = own(&PARENT);
        let entries = self.entries(name, node.kind, time);
        let record = records::record(&id, Extent::default(), DIRECTORY, time, &entries);
        let item = Item { record, id, name: name.to_owned(), leads_to: LeadsTo::Directory(number) };
        self.directories[parent].items.insert(index, item);
        Ok(number)
    }

    /// Entries of Rock Ridge, where the tree has them.
    fn entries(&self, name: &str, kind: Kind, time: Civil) -> Vec<u8> {
        if !self.has_entries {
            return Vec::new();
        }
        let links = if matches!(kind, Kind::Directory(_)) { 2 } else { 1 };
        let node = Node { name: name.to_owned(), parent: 0, kind };
        records::of_child(&node, links, time)
    }

    /// An identifier that nothing has, and where its record belongs.
    fn new_id(&self, directory: usize, name: &str, is_file: bool) -> (Vec<u8>, usize) {
        let items = &self.directories[directory].items;
        let short = |id: &[u8]| match self.view {
            View::Joliet => Short::of_joliet_id(id),
            View::Primary => Short::of_id(id),
        };
        let mut names = Names::default();
        items.iter().for_each(|item| names.take(short(&item.id)));
        let new = match self.view {
            View::Joliet => names.joliet(name),
            View::Primary if is_file => names.file(name),
            View::Primary => names.directory(name),
        };
        let index = items.iter().position(|item| short(&item.id) > new).unwrap_or(items.len());
        (listing::id(self.view, &new, is_file), index)
    }

    /// Gives all directories, and the path tables, places.
    pub fn place(&mut self, sectors: &mut Sectors) -> Result<(), AppendError> {
        self.table_bytes = self.path_table(&self.order(), 0).len();
        for table in &mut self.tables {
            *table = sectors.take_bytes(self.table_bytes)?;
        }
        for directory in &mut self.directories {
            let len = packed(&directory.records()).len();
            let sector = sectors.take_bytes(len)?;
            let len_bytes = u32::try_from(len).map_err(|_| IsoError::TooLarge(sectors.0))?;
            directory.place = Extent { sector, len_bytes };
        }
        Ok(())
    }

    /// All structures and their first sectors; the descriptor is the last.
    pub fn structures(&self, added: &[Added], sectors: u32) -> Vec<(u32, Vec<u8>)> {
        let order = self.order();
        let mut all: Vec<(u32, Vec<u8>)> = Vec::new();
        for (number, table) in self.tables.into_iter().enumerate() {
            all.push((table, self.path_table(&order, number)));
        }
        for directory in &self.directories {
            all.push((directory.place.sector, packed(&self.led(directory, added))));
        }
        let table_bytes = u32::try_from(self.table_bytes).unwrap_or(u32::MAX);
        let root = self.directories[0].place;
        let (sector, mut descriptor) = self.descriptor.clone();
        let volume = Volume { sectors, table_bytes, tables: self.tables, root };
        descriptors::change(&mut descriptor, volume);
        all.push((sector, descriptor));
        all
    }

    /// A directory's records, leading to where things are.
    fn led(&self, directory: &Directory, added: &[Added]) -> Vec<Vec<u8>> {
        let mut records = directory.records();
        let places = [directory.place, self.directories[directory.parent].place];
        for (record, place) in records.iter_mut().zip(places) {
            records::lead_to(record, place);
        }
        let mut pieces = 0;
        for (item, record) in directory.items.iter().zip(&mut records[2..]) {
            let place = match item.leads_to {
                LeadsTo::Old => continue,
                LeadsTo::Directory(number) => Some(self.directories[number].place),
                LeadsTo::Added(number) => {
                    // the pieces of a file follow each other
                    let Added { sector, len, .. } = added[number];
                    let all = extents(sector, len.0);
                    let piece = all.get(pieces).copied();
                    pieces = (pieces + 1) % all.len();
                    piece
                }
            };
            if let Some(place) = place {
                records::lead_to(record, place);
            }
        }
        records
    }

    /// The directories breadth-first: that is how path tables number them.
    fn order(&self) -> Vec<usize> {
        let mut order = vec![0];
        let mut next = 0;
        while let Some(number) = order.get(next).copied() {
            order.extend(self.directories[number].items.iter().filter_map(
                |item| match item.leads_to {
                    LeadsTo::Directory(number) => Some(number),
                    _ => None,
                },
            ));
            next += 1;
        }
        order
    }

    fn path_table(&self, order: &[usize], byte_order: usize) -> Vec<u8> {
        let mut numbers = vec![1; self.directories.len()];
        for (place, number) in (1..=u16::MAX).zip(order) {
            numbers[*number] = place;
        }
        let row = |number: &usize| {
            let Directory { parent, id, place, .. } = &self.directories[*number];
            Row { id, sector: place.sector, parent: numbers[*parent] }
        };
        path_table(order.iter().map(row), ORDERS[byte_order])
    }
}

impl Directory {
    fn new(parent: usize, path: String, id: Vec<u8>, place: Extent) -> Self {
        let (own, above, items) = (Vec::new(), Vec::new(), Vec::new());
        Self { parent, path, id, own, above, items, place }
    }

    fn records(&self) -> Vec<Vec<u8>> {
        let items = self.items.iter().map(|item| item.record.clone());
        [self.own.clone(), self.above.clone()].into_iter().chain(items).collect()
    }
}

fn directory_node(name: &str) -> Node {
    Node { name: name.to_owned(), parent: 0, kind: Kind::Directory(Default::default()) }
}

fn damaged(path: &str, at: usize) -> AppendError {
    ReadError::Directory { path: path.to_owned(), at }.into()
}
