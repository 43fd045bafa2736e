//! Reads keys out of a document and collects everything that is wrong on the way.
//!
//! A table is read in a closure; each key that is asked for there is known, and when the closure
//! ends all others are reported. Asking for a value of one type reports values of others. So a
//! section is a list of the keys it has, and none can be forgotten or passed over in silence.

use std::cell::RefCell;

use super::document::{Entry, Node, Position, Value};
use super::error::{BlueprintError, Problem, Wrong};
use super::sizes;
use crate::units::ByteLen;

/// The most problems that are kept; hostile files could have millions.
const KEPT: usize = 1000;

/// The most of a value that a message repeats.
const SHOWN: usize = 60;

/// Who wrote a document.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    /// Who builds the disk, and may be told to wish for something else.
    #[default]
    Owner,
    /// Who built the image, elsewhere.
    Image,
}

/// What was found on the way.
#[derive(Debug, Default)]
pub(super) struct Findings {
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<String>>,
    author: Author,
    /// The keys that were asked for, with their tables; lists as `[]`.
    #[cfg(test)]
    pub(super) asked: RefCell<std::collections::BTreeSet<String>>,
}

impl Findings {
    /// Nothing yet, of a document by this author.
    pub(super) fn of(author: Author) -> Self {
        Self { author, ..Self::default() }
    }

    fn add(&self, at: Position, key: &str, wrong: Wrong) {
        let mut problems = self.problems.borrow_mut();
        if problems.len() < KEPT {
            problems.push(Problem { at, key: key.to_owned(), wrong });
        }
    }

    /// The warnings, unless something is wrong.
    pub(super) fn finish(self, name: &str) -> Result<Vec<String>, BlueprintError> {
        let mut problems = self.problems.into_inner();
        if problems.is_empty() {
            return Ok(self.warnings.into_inner());
        }
        problems.sort_by_key(|problem| problem.at);
        Err(BlueprintError::Invalid { name: name.to_owned(), problems })
    }
}

/// A value and the full path of its key.
#[derive(Debug, Clone)]
pub(super) struct Field<'a> {
    pub(super) path: String,
    pub(super) at: Position,
    value: &'a Value,
    findings: &'a Findings,
}

/// A table that is being read.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pub(super) path: String,
    pub(super) at: Position,
    entries: &'a [Entry],
    findings: &'a Findings,
    known: Vec<&'static str>,
    refused: Vec<&'static str>,
    elsewhere: Vec<String>,
}

impl<'a> Field<'a> {
    /// The whole document.
    pub(super) fn root(node: &'a Node, findings: &'a Findings) -> Self {
        Self { path: String::new(), at: node.at, value: &node.value, findings }
    }

    /// The same value with another path.
    pub(super) fn named(node: &'a Node, path: &str, findings: &'a Findings) -> Self {
        Self { path: path.to_owned(), at: node.at, value: &node.value, findings }
    }

    /// Reports something wrong with this key.
    pub(super) fn wrong(&self, wrong: Wrong) {
        self.findings.add(self.at, &self.path, wrong);
    }

    /// Reports a value that cannot be.
    pub(super) fn bad(&self, value: &str, why: impl Into<String>) {
        self.wrong(Wrong::BadValue { value: shortened(value), why: why.into() });
    }

    /// Reports a value that another key has too.
    pub(super) fn duplicate(&self, value: &str, first: &str) {
        self.wrong(Wrong::Duplicate { value: shortened(value), first: first.to_owned() });
    }

    /// Reports a wish that cannot be fulfilled so far.
    pub(super) fn not_yet(&self, what: &'static str) {
        self.wrong(Wrong::NotSupportedYet { what });
    }

    /// Reports a wish for something that has a stand-in: whether the stand-in is made, which an image has to
    /// put up with.
    pub(super) fn stand_in(&self, wish: &str, stand_in: &str, what: &'static str) -> bool {
        match self.findings.author {
            Author::Owner => self.not_yet(what),
            Author::Image => {
                self.warn(&format!("is {wish}, which is not supported yet: {stand_in} is made"));
            }
        }
        self.findings.author == Author::Image
    }

    /// Tells something that is not wrong, but hardly meant.
    pub(super) fn warn(&self, text: &str) {
        self.findings.warnings.borrow_mut().push(format!("`{}` {text}", self.path));
    }

    fn expected(&self, expected: &'static str) {
        self.wrong(Wrong::WrongType { expected, found: self.value.name() });
    }

    /// A string.
    pub(super) fn text(&self) -> Option<&'a str> {
        if let Value::Text(text) = self.value {
            return Some(text);
        }
        self.expected("a string");
        None
    }

    /// A string that `check` turns into something; its error says what is wrong with it.
    pub(super) fn check<T>(&self, check: impl FnOnce(&'a str) -> Result<T, String>) -> Option<T> {
        let text = self.text()?;
        check(text).map_err(|why| self.bad(text, why)).ok()
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        if let Value::Boolean(value) = self.value {
            return Some(*value);
        }
        self.expected("true or false");
        None
    }

    /// A whole number from 0 to `most`.
    pub(super) fn number<T: TryFrom<i128>>(&self, most: i128) -> Option<T> {
        let Value::Integer(number) = self.value else {
            self.expected("a whole number");
            return None;
        };
        let fits = (0..=most).contains(number).then(|| T::try_from(*number).ok()).flatten();
        if fits.is_none() {
            self.bad(&number.to_string(), format!("is not between 0 and {most}"));
        }
        fits
    }

    /// A number, or a string.
    pub(super) fn number_or_text(&self) -> Option<Result<i128, &'a str>> {
        match self.value {
            Value::Integer(number) => Some(Ok(*number)),
            Value::Text(text) => Some(Err(text)),
            _ => {
                self.expected("a string or a whole number");
                None
            }
        }
    }

    /// A size in bytes, or with a unit.
    pub(super) fn size(&self) -> Option<ByteLen> {
        let (shown, size) = match self.value {
            Value::Integer(number) => (number.to_string(), sizes::of_number(*number)),
            Value::Text(text) => (text.clone(), sizes::parse(text)),
            _ => {
                self.expected("a number of bytes or a size like \"10 GiB\"");
                return None;
            }
        };
        size.map_err(|why| self.bad(&shown, why)).ok()
    }

    /// The items of a list; `what` says what belongs there.
    pub(super) fn items(&self, what: &'static str) -> Vec<Self> {
        let Value::List(items) = self.value else {
            self.expected(what);
            return Vec::new();
        };
        let item = |(index, node): (usize, &'a Node)| Self {
            path: format!("{}[{index}]", self.path),
            at: node.at,
            value: &node.value,
            findings: self.findings,
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    /// A table, read by `read`; keys it did not ask for are reported.
    pub(super) fn table<T>(&self, read: impl FnOnce(&mut Table<'a>) -> T) -> Option<T> {
        let Value::Table(entries) = self.value else {
            self.expected("a table");
            return None;
        };
        let mut table = Table {
            path: self.path.clone(),
            at: self.at,
            entries,
            findings: self.findings,
            known: Vec::new(),
            refused: Vec::new(),
            elsewhere: Vec::new(),
        };
        let result = read(&mut table);
        table.report_unknown();
        Some(result)
    }
}

impl<'a> Table<'a> {
    /// The value of a key, if it is given.
    pub(super) fn get(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        #[cfg(test)]
        self.findings.asked.borrow_mut().insert(without_indices(&join(&self.path, key)));
        self.find(key)
    }

    fn find(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        let given = !matches!(entry.node.value, Value::Null);
        given.then(|| self.field(entry))
    }

    fn field(&self, entry: &'a Entry) -> Field<'a> {
        Field {
            path: join(&self.path, &entry.key),
            at: entry.at,
            value: &entry.node.value,
            findings: self.findings,
        }
    }

    /// All keys with their values, for tables whose keys are names.
    pub(super) fn all(&self) -> Vec<(&'a str, Field<'a>)> {
        self.entries.iter().map(|entry| (entry.key.as_str(), self.field(entry))).collect()
    }

    /// The value of a key that must be given.
    pub(super) fn require(&mut self, key: &'static str) -> Option<Field<'a>> {
        let field = self.get(key);
        if field.is_none() {
            self.wrong(Wrong::Missing { key });
        }
        field
    }

    /// Reports something wrong with the table as a whole.
    pub(super) fn wrong(&self, wrong: Wrong) {
        self.findings.add(self.at, &self.path, wrong);
    }

    pub(super) fn text(&mut self, key: &'static str) -> Option<&'a str> {
        self.get(key)?.text()
    }

    pub(super) fn boolean(&mut self, key: &'static str) -> bool {
        self.get(key).and_then(|field| field.boolean()).unwrap_or(false)
    }

    /// The items of a list of strings, each through `check`.
    pub(super) fn texts(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), String>,
    ) -> Vec<String> {
        let Some(list) = self.get(key) else { return Vec::new() };
        let text = |item: Field<'a>| item.check(|text| check(text).map(|()| text.to_owned()));
        list.items("a list of strings").into_iter().filter_map(text).collect()
    }

    /// Keys that the field knows, that have no meaning here, and why. Empty ones are passed over.
    pub(super) fn refuse(&mut self, keys: &[(&'static str, &'static str)]) {
        for (key, why) in keys {
            self.refused.push(key);
            if let Some(field) = self.find(key).filter(|field| !field.value.is_empty()) {
                field.wrong(Wrong::NotForDisks { why });
            }
        }
    }

    /// Keys of other tables that may be meant when something unknown is here.
    pub(super) fn may_mean(&mut self, table: &str, keys: &[&'static str]) {
        self.elsewhere.extend(keys.iter().map(|key| join(table, key)));
    }

    /// Takes what it was not asked for.
    pub(super) fn ignore_rest(&mut self) {
        self.entries = &[];
    }

    fn report_unknown(&self) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if self.known.contains(&key) || self.refused.contains(&key) {
                continue;
            }
            if self.findings.problems.borrow().len() >= KEPT {
                break;
            }
            let path = join(&self.path, key);
            self.findings.add(entry.at, &path, Wrong::UnknownKey { nearest: self.nearest(key) });
        }
    }

    /// The known key that is spelt most nearly like `key`.
    fn nearest(&self, key: &str) -> Option<String> {
        if key.len() > SHOWN {
            return None;
        }
        let elsewhere = self.elsewhere.iter().map(|path| {
            let name = path.rsplit('.').next().unwrap_or(path);
            (distance(key, name), path.clone())
        });
        let here = self.known.iter().map(|known| (distance(key, known), (*known).to_owned()));
        let near = here.chain(elsewhere).min_by_key(|(distance, _)| *distance)?;
        (near.0 <= key.chars().count().div_ceil(3)).then_some(near.1)
    }
}

/// How differently two keys are spelt, capitals and hyphens aside.
fn distance(key: &str, known: &str) -> usize {
    let plain = |text: &str| text.to_lowercase().replace('-', "_");
    strsim::damerau_levenshtein(&plain(key), &plain(known))
}

/// The path of a key in a table; what is not a bare key is quoted as in TOML.
fn join(table: &str, key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let key = if !key.is_empty() && key.chars().all(bare) {
        shortened(key)
    } else {
        format!("{:?}", shortened(key))
    };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

fn shortened(text: &str) -> String {
    let mut start: String = text.chars().take(SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

#[cfg(test)]
fn without_indices(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|c| {
            inside = if *c == '[' { true } else { inside && *c != ']' };
            !inside || *c == '['
        })
        .collect()
}
