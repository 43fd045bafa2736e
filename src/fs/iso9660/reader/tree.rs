//! The files of an image by their names, loaded whole: no directory twice, none too deep.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::super::records::{CONTINUED, DIRECTORY, Extent, Found};
use super::rock_ridge::Facts;
use super::source::Source;
use super::{NameKind, ReadError};

const SECTOR: usize = 2048;
/// Far more than any image has, few enough to be kept.
const MOST_ENTRIES: usize = 1 << 18;
const MOST_DEEP: usize = 64;
/// Bits of a mode that tell what a file is.
const KIND: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// The root has number 0.
#[derive(Debug)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub name: String,
    pub parent: usize,
    pub mode: Option<u32>,
    pub kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Directory { extent: Extent, children: BTreeMap<String, usize> },
    File { extents: Vec<Extent>, has_gaps: bool },
    Link { target: String },
    Other,
}

impl Tree {
    /// Reads all directories, from the root's extent on. `skip` is what comes before the entries of
    /// Rock Ridge.
    pub fn load<R: Read + Seek>(
        source: &mut Source<R>,
        root: Extent,
        names: NameKind,
        skip: usize,
    ) -> Result<Self, ReadError> {
        let kind = Kind::Directory { extent: root, children: BTreeMap::new() };
        let node = Node { name: String::new(), parent: 0, mode: None, kind };
        let mut loader = Loader {
            source,
            names,
            skip,
            tree: Self { nodes: vec![node] },
            seen: BTreeSet::new(),
            todo: vec![(0, 0, root)],
        };
        while let Some((directory, depth, extent)) = loader.todo.pop() {
            loader.directory(directory, depth, extent)?;
        }
        Ok(loader.tree)
    }

    /// The number of what has this path.
    pub fn find(&self, path: &str) -> Option<usize> {
        let mut at = 0;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let Kind::Directory { children, .. } = &self.nodes[at].kind else { return None };
            at = *children.get(name)?;
        }
        Some(at)
    }

    pub fn path(&self, mut number: usize) -> String {
        let mut names = Vec::new();
        while number != 0 {
            names.push(self.nodes[number].name.as_str());
            number = self.nodes[number].parent;
        }
        names.reverse();
        names.join("/")
    }
}

struct Loader<'s, R> {
    source: &'s mut Source<R>,
    names: NameKind,
    skip: usize,
    tree: Tree,
    seen: BTreeSet<u32>,
    /// Directories to be read: number, depth, place.
    todo: Vec<(usize, usize, Extent)>,
}

impl<R: Read + Seek> Loader<'_, R> {
    fn directory(&mut self, number: usize, depth: usize, place: Extent) -> Result<(), ReadError> {
        let path = self.tree.path(number);
        if depth > MOST_DEEP {
            return Err(ReadError::TooMany { what: "levels of directories", limit: MOST_DEEP });
        }
        if !self.seen.insert(place.sector) {
            return Err(ReadError::Loop(path));
        }
        let what = format!("the directory `{path}`");
        let bytes = self.source.metadata(place, &what)?;
        let mut at = 0;
        let mut unfinished = None;
        while at < bytes.len() {
            let rest_of_sector = &bytes[at..bytes.len().min(at + SECTOR - at % SECTOR)];
            if rest_of_sector[0] == 0 {
                at += rest_of_sector.len();
                continue;
            }
            let damaged = || ReadError::Directory { path: path.clone(), at };
            let (found, len) = Found::parse(rest_of_sector).ok_or_else(damaged)?;
            at += len;
            if !matches!(found.id, [0 | 1]) {
                unfinished = self.record(number, depth, &found, unfinished, &path)?;
            }
        }
        Ok(())
    }

    /// Takes one record; the number of the file that goes on in the next.
    fn record(
        &mut self,
        parent: usize,
        depth: usize,
        found: &Found<'_>,
        unfinished: Option<usize>,
        path: &str,
    ) -> Result<Option<usize>, ReadError> {
        let goes_on = found.flags & CONTINUED != 0;
        if let Some(number) = unfinished {
            if let Kind::File { extents, has_gaps } = &mut self.tree.nodes[number].kind {
                extents.push(found.extent);
                *has_gaps |= found.has_gaps;
            }
            return Ok(unfinished.filter(|_| goes_on));
        }
        let facts = match self.names {
            NameKind::RockRidge => {
                let entries = found.entries.get(self.skip..).unwrap_or_default();
                Facts::load(self.source, entries, &format!("more of the directory `{path}`"))?
            }
            NameKind::Joliet | NameKind::Plain => Facts::default(),
        };
        if facts.is_moved {
            return Ok(None);
        }
        let name = name_of(self.names, found, &facts, path)?;
        let kind = self.kind(found, &facts)?;
        let directory = match &kind {
            Kind::Directory { extent, .. } => Some(*extent),
            _ => None,
        };
        let Some(number) = self.add(parent, name, facts.mode, kind)? else { return Ok(None) };
        self.todo.extend(directory.map(|extent| (number, depth + 1, extent)));
        Ok(Some(number).filter(|_| goes_on && directory.is_none()))
    }

    /// A new node; `None` where the name is taken, as it is the first that others find.
    fn add(
        &mut self,
        parent: usize,
        name: String,
        mode: Option<u32>,
        kind: Kind,
    ) -> Result<Option<usize>, ReadError> {
        let number = self.tree.nodes.len();
        if number > MOST_ENTRIES {
            return Err(ReadError::TooMany { what: "files", limit: MOST_ENTRIES });
        }
        let Kind::Directory { children, .. } = &mut self.tree.nodes[parent].kind else {
            return Ok(None);
        };
        if *children.entry(name.clone()).or_insert(number) != number {
            return Ok(None);
        }
        self.tree.nodes.push(Node { name, parent, mode, kind });
        Ok(Some(number))
    }

    fn kind(&mut self, found: &Found<'_>, facts: &Facts) -> Result<Kind, ReadError> {
        let directory = |extent| Kind::Directory { extent, children: BTreeMap::new() };
        if let Some(sector) = facts.moved_to {
            return Ok(directory(self.moved(sector)?));
        }
        if found.flags & DIRECTORY != 0 {
            return Ok(directory(found.extent));
        }
        if let Some(target) = &facts.target {
            return Ok(Kind::Link { target: String::from_utf8_lossy(target).into_owned() });
        }
        if facts.mode.is_some_and(|mode| !matches!(mode & KIND, 0 | REGULAR)) {
            return Ok(Kind::Other);
        }
        Ok(Kind::File { extents: vec![found.extent], has_gaps: found.has_gaps })
    }

    /// The extent of a directory of which only the first sector is known: it has itself as the
    /// first record.
    fn moved(&mut self, sector: u32) -> Result<Extent, ReadError> {
        let bytes = self.source.sector(sector, "a moved directory")?;
        let damaged = || ReadError::Directory { path: format!("sector {sector}"), at: 0 };
        let (found, _) = Found::parse(&bytes).ok_or_else(damaged)?;
        Ok(Extent { sector, len_bytes: found.extent.len_bytes })
    }
}

/// The name of a record in the directory of this path.
pub(in crate::fs::iso9660) fn name_of(
    names: NameKind,
    found: &Found<'_>,
    facts: &Facts,
    path: &str,
) -> Result<String, ReadError> {
    let name = match (names, &facts.name) {
        (NameKind::Joliet, _) => joliet(found.id),
        (_, Some(name)) => String::from_utf8_lossy(name).into_owned(),
        (_, None) => plain(found.id),
    };
    if matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(ReadError::Name { path: path.to_owned(), name });
    }
    Ok(name)
}

fn joliet(id: &[u8]) -> String {
    let units: Vec<u16> =
        id.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]])).collect();
    without_version(&String::from_utf16_lossy(&units)).to_owned()
}

/// A name without version, and without a dot that has nothing behind it.
fn plain(id: &[u8]) -> String {
    let name = String::from_utf8_lossy(id);
    let name = without_version(&name);
    name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(name).to_owned()
}

fn without_version(name: &str) -> &str {
    match name.rsplit_once(';') {
        Some((name, version)) if version.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => name,
    }
}
