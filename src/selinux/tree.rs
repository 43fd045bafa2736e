//! The lines of all files, and which of them counts for a path.
//!
//! A line without anything special in its pattern is *literal*: escapes of punctuation are all that is
//! undone. Of the literal lines for exactly the path, and its type, those of the last file count, and
//! of these the first. Only when there is none are the others looked at.
//!
//! Those lie in a tree by the first three components of their pattern, as far as these are literal too:
//! `/usr/lib/.*` at `usr/lib`, `/usr/(s)?bin/sh` at `usr`. From the deepest node on the path up to the
//! root, the last line of each node that matches counts, if no deeper node had a later one. One that says
//! *no label* ends the search at once, even where a node further up has a later line.

use std::collections::{BTreeMap, HashMap};

use super::contexts::{Kind, Line};
use super::matcher::Matcher;
use super::pattern::{self, PatternError};
use crate::labels::FileType;

/// How many components are nodes.
const DEPTH: usize = 3;
/// The characters that make a pattern more than a literal.
const SPECIAL: &[u8] = b".^$?*+|[({])}";
/// Punctuation that may be escaped in a literal besides the special.
const ESCAPABLE: &[u8] = b"-_,";

/// All lines of a policy, in the order they were read.
#[derive(Debug)]
pub(super) struct Tree {
    lines: Vec<Stored>,
    /// Those that can count: of each file and type only the first.
    literals: HashMap<Box<[u8]>, Vec<usize>>,
    /// The root comes first.
    nodes: Vec<Node>,
    size: u64,
}

#[derive(Debug)]
struct Stored {
    file: usize,
    kind: Kind,
    context: Option<Box<str>>,
    /// Of lines which are not literal.
    pattern: Option<(Box<str>, Matcher)>,
}

#[derive(Debug, Default)]
struct Node {
    children: BTreeMap<Box<[u8]>, usize>,
    lines: Vec<usize>,
}

impl Tree {
    /// No lines.
    pub fn new() -> Self {
        Self { lines: Vec::new(), literals: HashMap::new(), nodes: vec![Node::default()], size: 0 }
    }

    /// Adds a line of the file with that number. Files come in the order of their numbers.
    pub fn add(&mut self, file: usize, line: &Line<'_>) -> Result<(), PatternError> {
        let index = self.lines.len();
        let pattern = if let Some(path) = literal(line.pattern.as_bytes()) {
            let same = self.literals.entry(path.into()).or_default();
            let hides = |&other: &usize| {
                self.lines[other].file == file && self.lines[other].kind == line.kind
            };
            if !same.iter().any(hides) {
                let later = same.iter().position(|&other| self.lines[other].file < file);
                same.insert(later.unwrap_or(same.len()), index);
            }
            None
        } else {
            let parsed = pattern::parse(line.pattern)?;
            self.size += parsed.size;
            let node = self.node(line.pattern.as_bytes());
            self.nodes[node].lines.push(index);
            Some((line.pattern.into(), Matcher::new(&parsed)))
        };
        let context = line.context.map(Into::into);
        self.lines.push(Stored { file, kind: line.kind, context, pattern });
        Ok(())
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// How many literal lines are kept for a path.
    #[cfg(test)]
    pub fn literals_of(&self, path: &[u8]) -> usize {
        self.literals.get(path).map_or(0, Vec::len)
    }

    /// The steps of all patterns together.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The context of a path of that type, or of any type.
    pub fn lookup(&self, path: &[u8], file_type: Option<FileType>) -> Option<&str> {
        let literals = self.literals.get(path).map_or(&[][..], Vec::as_slice);
        let found = literals.iter().find(|&&index| self.lines[index].kind.covers(file_type));
        let found = match found {
            Some(&index) => Some(index),
            None => self.search(path, file_type),
        };
        self.lines[found?].context.as_deref()
    }

    fn search(&self, path: &[u8], file_type: Option<FileType>) -> Option<usize> {
        let mut best = None;
        for node in self.way(path).into_iter().rev() {
            let later = self.nodes[node].lines.iter().rev();
            let mut later =
                later.copied().take_while(|&index| best.is_none_or(|best| best < index));
            let Some(found) = later.find(|&index| self.matches(index, path, file_type)) else {
                continue;
            };
            self.lines[found].context.as_ref()?;
            best = Some(found);
        }
        best
    }

    fn matches(&self, index: usize, path: &[u8], file_type: Option<FileType>) -> bool {
        let line = &self.lines[index];
        let Some((text, matcher)) = &line.pattern else { return false };
        line.kind.covers(file_type) && matcher.matches(path, text)
    }

    /// The nodes that a path leads through, from the root.
    fn way(&self, path: &[u8]) -> Vec<usize> {
        let mut node = 0;
        let mut way = vec![node];
        let Some(below) = path.strip_prefix(b"/") else { return way };
        for component in directories(below) {
            let Some(&child) = self.nodes[node].children.get(component) else { break };
            node = child;
            way.push(node);
        }
        way
    }

    /// The node for a pattern, made when there is none. What the pattern begins with counts for nothing,
    /// whether it is a slash or not.
    fn node(&mut self, pattern: &[u8]) -> usize {
        let below = pattern.get(1..).unwrap_or_default();
        let mut node = 0;
        for stem in directories(below).map_while(literal).take(DEPTH) {
            let next = self.nodes.len();
            node = *self.nodes[node].children.entry(stem.into()).or_insert(next);
            if node == next {
                self.nodes.push(Node::default());
            }
        }
        node
    }
}

/// The components that have a slash behind them.
fn directories(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let last = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    path[..last].split(|&byte| byte == b'/').filter(|component| !component.is_empty())
}

/// What a pattern spells when nothing in it is special.
fn literal(pattern: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = pattern.iter().copied();
    let mut literal = Vec::with_capacity(pattern.len());
    while let Some(byte) = bytes.next() {
        let escaped = |byte: &u8| SPECIAL.contains(byte) || ESCAPABLE.contains(byte);
        literal.push(match byte {
            b'\\' => bytes.next().filter(escaped)?,
            byte if SPECIAL.contains(&byte) => return None,
            byte => byte,
        });
    }
    Some(literal)
}
