//! `install.toml`: its section, and the text of all others.
//!
//! How deep brackets nest and how many parts a key has is measured before parsing, since the parser
//! limits each, but not their product, and what it makes takes stack to drop.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::super::saved::Glob;
use super::super::target::Target;
use super::super::text;
use super::{Ids, InstallError, Problem, Then, Wishes, Wrong};

const SECTION: &str = "install";
const LIMIT_BYTES: usize = 4 << 20;
/// Keys in keys, and brackets in brackets: twice what a blueprint needs.
const MOST_NESTED: usize = 16;
/// Hostile files could have millions.
const MOST_PROBLEMS: usize = 50;
/// The most patterns of labels: a GPT has 128 partitions.
const MOST_SAVED: usize = 128;

const KEYS: [&str; 7] = ["debug", "ids", "saved", "target", "then", "unattended", "wipe"];
const TARGET_KEYS: [&str; 2] = ["path", "serial"];

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What `[install]` says.
    pub wishes: Wishes,
    /// The file without `[install]`, for who reads blueprints; TOML, with the same numbers of
    /// lines.
    pub blueprint: String,
}

type Key<'a> = Spanned<DeString<'a>>;
type Value<'a> = Spanned<DeValue<'a>>;

/// Reads a file; everything that is wrong with its section is told at once.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Parsed, InstallError> {
    let name = || name.to_owned();
    if bytes.len() > LIMIT_BYTES {
        return Err(InstallError::TooLong { name: name(), limit_bytes: LIMIT_BYTES });
    }
    let text = str::from_utf8(bytes).map_err(|error| InstallError::NotUtf8 {
        name: name(),
        line: line_at(bytes, error.valid_up_to()),
    })?;
    let syntax = |at: usize, what: &str| {
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line_at(bytes, at);
        let problem = Problem { line, key: String::new(), wrong: Wrong::Syntax(what) };
        InstallError::Invalid { name: name(), problems: vec![problem] }
    };
    if let Some(at) = too_deep_at(text) {
        return Err(syntax(at, &format!("nested more than {MOST_NESTED} levels deep")));
    }
    let document = DeTable::parse(text)
        .map_err(|error| syntax(error.span().map_or(0, |span| span.start), error.message()))?;
    let mut reader = Reader { bytes, problems: Vec::new() };
    let wishes = reader.document(document.get_ref());
    if !reader.problems.is_empty() {
        reader.problems.sort_by_key(|problem| problem.line);
        return Err(InstallError::Invalid { name: name(), problems: reader.problems });
    }
    let blueprint = without_section(text, document.get_ref());
    let rest = DeTable::parse(&blueprint).map_err(|error| syntax(0, error.message()))?;
    if section(rest.get_ref()).is_some() {
        return Err(syntax(0, "`[install]` is here more than once: write it as one table"));
    }
    Ok(Parsed { wishes, blueprint })
}

fn line_at(bytes: &[u8], at: usize) -> usize {
    let before = &bytes[..at.min(bytes.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

fn section<'t, 'a>(document: &'t DeTable<'a>) -> Option<(&'t Key<'a>, &'t Value<'a>)> {
    document.iter().find(|(key, _)| key.get_ref().as_ref() == SECTION)
}

struct Reader<'b> {
    bytes: &'b [u8],
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, span: Range<usize>, key: &str, wrong: Wrong) {
        if self.problems.len() < MOST_PROBLEMS {
            let line = line_at(self.bytes, span.start);
            self.problems.push(Problem { line, key: key.to_owned(), wrong });
        }
    }

    fn document(&mut self, document: &DeTable<'_>) -> Wishes {
        for key in document.keys() {
            let word = key.get_ref().as_ref();
            // what is like none of ours is for who reads blueprints
            let nearest = text::nearest(word, &[SECTION]).filter(|known| *known != word);
            if nearest.is_some() {
                self.wrong(key.span(), &text::tame(word), Wrong::UnknownKey { nearest });
            }
        }
        let mut wishes = Wishes::default();
        let Some((_, value)) = section(document) else { return wishes };
        let Some(table) = self.table(SECTION, value) else { return wishes };
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            let path = format!("{SECTION}.{}", text::tame(word));
            match word {
                "debug" => wishes.debug = self.boolean(&path, value),
                "ids" => wishes.ids = self.checked(&path, value, Ids::parse),
                "saved" => wishes.saved = self.saved(&path, value),
                "target" => wishes.target = self.target(&path, value),
                "then" => wishes.then = self.checked(&path, value, Then::parse),
                "unattended" => wishes.unattended = self.boolean(&path, value),
                "wipe" => wishes.wipe = self.boolean(&path, value),
                _ => {
                    let nearest = text::nearest(word, &KEYS);
                    self.wrong(key.span(), &path, Wrong::UnknownKey { nearest });
                }
            }
        }
        wishes
    }

    fn expected(&mut self, path: &str, value: &Value<'_>, expected: &'static str) {
        let found = found(value.get_ref());
        self.wrong(value.span(), path, Wrong::WrongType { expected, found });
    }

    fn table<'t, 'a>(&mut self, path: &str, value: &'t Value<'a>) -> Option<&'t DeTable<'a>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(table);
        }
        self.expected(path, value, "a table");
        None
    }

    fn boolean(&mut self, path: &str, value: &Value<'_>) -> Option<bool> {
        if let DeValue::Boolean(boolean) = value.get_ref() {
            return Some(*boolean);
        }
        self.expected(path, value, "true or false");
        None
    }

    /// A string that `check` turns into something.
    fn checked<T>(
        &mut self,
        path: &str,
        value: &Value<'_>,
        check: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let DeValue::String(text) = value.get_ref() else {
            self.expected(path, value, "a string");
            return None;
        };
        check(text).map_err(|why| self.wrong(value.span(), path, Wrong::BadValue(why))).ok()
    }

    fn target(&mut self, path: &str, value: &Value<'_>) -> Option<Target> {
        let DeValue::Table(table) = value.get_ref() else {
            return self.checked(path, value, |text| parsed(Target::parse(text)));
        };
        let mut targets = Vec::new();
        for (key, value) in table {
            let word = key.get_ref().as_ref();
            let path = format!("{path}.{}", text::tame(word));
            targets.extend(match word {
                "path" => self.checked(&path, value, |text| match Target::parse(text) {
                    Ok(target @ Target::Path(_)) => Ok(target),
                    _ => Err(format!("`{}` is no path like `/dev/vda`", text::tame(text))),
                }),
                "serial" => {
                    let with_word = |text: &str| parsed(Target::parse(&format!("serial:{text}")));
                    self.checked(&path, value, with_word)
                }
                _ => {
                    let nearest = text::nearest(word, &TARGET_KEYS);
                    self.wrong(key.span(), &path, Wrong::UnknownKey { nearest });
                    None
                }
            });
        }
        if table.len() != 1 {
            let why = "takes either `path` or `serial`".to_owned();
            self.wrong(value.span(), path, Wrong::BadValue(why));
        }
        targets.pop()
    }

    fn saved(&mut self, path: &str, value: &Value<'_>) -> Option<Vec<Glob>> {
        let DeValue::Array(items) = value.get_ref() else {
            self.expected(path, value, "a list of strings");
            return None;
        };
        if items.len() > MOST_SAVED {
            let why = format!("has more than {MOST_SAVED} items");
            self.wrong(value.span(), path, Wrong::BadValue(why));
            return None;
        }
        let mut globs = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            globs.extend(self.checked(&path, item, |text| parsed(Glob::parse(text))));
        }
        Some(globs)
    }
}

fn parsed<T>(result: Result<T, impl ToString>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn found(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The text with all lines emptied that a key or value of the section touches: TOML has one key a
/// line, or is within an inline table, which is then part of the section itself.
fn without_section(text: &str, document: &DeTable<'_>) -> String {
    let mut spans = Vec::new();
    if let Some((key, value)) = section(document) {
        spans.push(key.span());
        collect(value, &mut spans);
    }
    let starts: Vec<usize> =
        [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let line_of = |at: usize| starts.partition_point(|start| *start <= at).saturating_sub(1);
    let mut is_ours = vec![false; starts.len()];
    for span in spans {
        let last = span.end.saturating_sub(1).max(span.start);
        is_ours[line_of(span.start)..=line_of(last)].fill(true);
    }
    let lines = text.split('\n').zip(is_ours);
    lines.map(|(line, is_ours)| if is_ours { "" } else { line }).collect::<Vec<_>>().join("\n")
}

fn collect(value: &Value<'_>, spans: &mut Vec<Range<usize>>) {
    spans.push(value.span());
    if let DeValue::Table(table) = value.get_ref() {
        for (key, value) in table {
            spans.push(key.span());
            collect(value, spans);
        }
    }
}

/// Where brackets or parts of a key are more than [`MOST_NESTED`], strings and comments aside.
fn too_deep_at(text: &str) -> Option<usize> {
    let (mut open, mut dots, mut at) = (0_usize, 0_usize, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'"' | b'\'' => {
                at = after_string(text.as_bytes(), at);
                continue;
            }
            b'#' => {
                at += text[at..].find('\n').unwrap_or(text.len() - at);
                continue;
            }
            b'.' => dots += 1,
            b'[' | b'{' => {
                open += 1;
                dots = 0;
            }
            b']' | b'}' => {
                open = open.saturating_sub(1);
                dots = 0;
            }
            b'\n' | b',' | b'=' => dots = 0,
            _ => {}
        }
        if open.max(dots) > MOST_NESTED {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Where the string ends that starts at `at`.
fn after_string(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let long = [quote; 3];
    let end = if bytes[at..].starts_with(&long) { &long[..] } else { &long[..1] };
    let mut at = at + end.len();
    while let Some(byte) = bytes.get(at) {
        if bytes[at..].starts_with(end) {
            let after = at + end.len();
            // up to two quotes before the end belong to a long string
            let more = bytes[after..].iter().take(end.len() - 1).take_while(|b| **b == quote);
            return after + more.count();
        }
        if end.len() == 1 && *byte == b'\n' {
            return at;
        }
        at += if *byte == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    bytes.len()
}

/// For fuzzing: a file is read or refused; what is left of one that is read has no section of ours.
pub fn fuzz_install(bytes: &[u8]) {
    let _ = super::from_kargs(bytes);
    if let Ok(parsed) = parse("install.toml", bytes) {
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(lines(parsed.blueprint.as_bytes()), lines(bytes));
    }
}
