//! The files by their paths.

use std::collections::BTreeMap;

use super::IsoError;
use crate::units::ByteLen;

/// What one directory record can carry with everything else of it (255 bytes in all).
const NAME_BYTES: usize = 120;
/// How deep directories may be, the root counted (ECMA-119 6.8.2.1).
const DEPTH: usize = 8;

/// The root has number 0; children refer to others by number.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    pub nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub name: String,
    pub parent: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    Directory(BTreeMap<String, usize>),
    File(File),
}

/// What is known of a file before its content comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct File {
    pub len: ByteLen,
    pub align_sectors: u64,
}

impl Default for Tree {
    fn default() -> Self {
        let kind = Kind::Directory(BTreeMap::new());
        Self { nodes: vec![Node { name: String::new(), parent: 0, kind }] }
    }
}

impl Tree {
    /// Adds a file and the directories above it; its number.
    pub fn add_file(&mut self, path: &str, file: File) -> Result<usize, IsoError> {
        check(path)?;
        let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut at = 0;
        for parent in parents.split('/').filter(|name| !name.is_empty()) {
            at = self.child(at, parent, Kind::Directory(BTreeMap::new()));
            if !self.is_directory(at) {
                return Err(IsoError::Taken(path.to_owned()));
            }
        }
        let new = self.nodes.len();
        match self.child(at, name, Kind::File(file)) {
            number if number == new => Ok(number),
            _ => Err(IsoError::Taken(path.to_owned())),
        }
    }

    /// The number of a directory's child, made if there is none.
    fn child(&mut self, parent: usize, name: &str, kind: Kind) -> usize {
        let new = self.nodes.len();
        let Kind::Directory(children) = &mut self.nodes[parent].kind else { return parent };
        let number = *children.entry(name.to_owned()).or_insert(new);
        if number == new {
            self.nodes.push(Node { name: name.to_owned(), parent, kind });
        }
        number
    }

    pub fn is_directory(&self, number: usize) -> bool {
        matches!(self.nodes[number].kind, Kind::Directory(_))
    }

    /// A directory's children by name; a file has none.
    pub fn children(&self, number: usize) -> impl Iterator<Item = (&str, usize)> {
        let children = match &self.nodes[number].kind {
            Kind::Directory(children) => Some(children),
            Kind::File(_) => None,
        };
        children.into_iter().flatten().map(|(name, number)| (name.as_str(), *number))
    }

    /// All files, in the order of their paths.
    pub fn files(&self) -> Vec<(usize, File)> {
        let (mut files, mut todo) = (Vec::new(), vec![0]);
        while let Some(number) = todo.pop() {
            match &self.nodes[number].kind {
                Kind::File(file) => files.push((number, *file)),
                Kind::Directory(children) => todo.extend(children.values().rev()),
            }
        }
        files
    }
}

pub(super) fn check(path: &str) -> Result<(), IsoError> {
    let depth = path.split('/').count();
    let problem = match path {
        _ if path.split('/').any(|name| matches!(name, "" | "." | "..")) => {
            "each part must be a name"
        }
        _ if path.chars().any(char::is_control) => "it has a control character",
        _ if path.split('/').any(|name| name.len() > NAME_BYTES) => {
            "a name has more than 120 bytes"
        }
        _ if depth > DEPTH => "it is more than 8 levels deep",
        _ => return Ok(()),
    };
    Err(IsoError::Path { path: path.to_owned(), problem })
}
