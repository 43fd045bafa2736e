//! A configuration file as a tree of values that know where they stand, whatever its syntax is.

/// A place in a file, both numbers from 1; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value and where it starts.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: Position,
}

/// A value of TOML, JSON or YAML.
#[derive(Debug)]
pub(super) enum Value {
    /// `null`: as if the key were not there.
    Null,
    Boolean(bool),
    Integer(i128),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// What no key of ours takes, by its name.
    Other(&'static str),
}

/// A key of a table with its value; a table has each key once.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Position,
    pub(super) node: Node,
}

impl Value {
    /// What it is, for a message.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean(_) => "a boolean",
            Self::Integer(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(name) => name,
        }
    }

    /// Whether it says nothing: generated files are full of such.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Null | Self::Boolean(false) => true,
            Self::Text(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Table(entries) => entries.is_empty(),
            Self::Boolean(true) | Self::Integer(_) | Self::Other(_) => false,
        }
    }
}

impl Node {
    /// The value of `key`, where this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Value::Table(entries) = &self.value else { return None };
        entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}
