//! YAML, the part of it that configuration needs: one document, no aliases (so a small file cannot
//! become a large tree), plain scalars by the core schema.

use std::str::Chars;

use yaml_rust2::parser::{Event, Parser};
use yaml_rust2::scanner::{Marker, TScalarStyle};

use super::super::document::{Entry, Node, Position, Value};
use super::super::error::Problem;
use super::{DEPTH, too_deep, unreadable};

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let (event, at) = reader.next_content()?;
    let root = match event {
        Event::StreamEnd => Node { value: Value::Null, at },
        event => reader.node(event, at, DEPTH)?,
    };
    match reader.next_content()? {
        (Event::StreamEnd, _) => Ok(root),
        (_, at) => Err(unreadable(at, "a second document")),
    }
}

struct Reader<'a> {
    parser: Parser<Chars<'a>>,
}

impl Reader<'_> {
    fn next(&mut self) -> Result<(Event, Position), Problem> {
        match self.parser.next_token() {
            Ok((event, marker)) => Ok((event, position(marker))),
            Err(error) => Err(unreadable(position(*error.marker()), error.info())),
        }
    }

    /// The next event that is not about where streams and documents begin and end.
    fn next_content(&mut self) -> Result<(Event, Position), Problem> {
        loop {
            match self.next()? {
                (Event::Nothing | Event::StreamStart, _)
                | (Event::DocumentStart | Event::DocumentEnd, _) => {}
                other => return Ok(other),
            }
        }
    }

    fn node(&mut self, event: Event, at: Position, depth: usize) -> Result<Node, Problem> {
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(at))?;
        let value = match event {
            Event::Scalar(text, style, _, _) => scalar(&text, style),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, at) => items.push(self.node(event, at, depth)?),
                    }
                }
            }
            Event::MappingStart(..) => Value::Table(self.entries(depth)?),
            Event::Alias(_) => return Err(unreadable(at, "an alias: write the value out")),
            _ => return Err(unreadable(at, "a value is missing")),
        };
        Ok(Node { value, at })
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let (key, at) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), at) => (key, at),
                (_, at) => return Err(unreadable(at, "a key is no string")),
            };
            if !seen.insert(key.clone()) {
                return Err(unreadable(at, &format!("`{key}` is here a second time")));
            }
            let (event, value_at) = self.next()?;
            entries.push(Entry { key, at, node: self.node(event, value_at, depth)? });
        }
    }
}

fn scalar(text: &str, style: TScalarStyle) -> Value {
    if style != TScalarStyle::Plain {
        return Value::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Boolean(true),
        "false" | "False" | "FALSE" => Value::Boolean(false),
        _ => number(text).unwrap_or_else(|| Value::Text(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(hex) = text.strip_prefix("0x") {
        return i128::from_str_radix(hex, 16).ok().map(Value::Integer);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i128::from_str_radix(octal, 8).ok().map(Value::Integer);
    }
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let large = Value::Other("a number that is too large");
        return Some(text.parse().map_or(large, Value::Integer));
    }
    text.parse::<f64>().ok().map(|_| Value::Other("a fraction"))
}

/// The parser's lines count from 1, its columns from 0.
fn position(marker: Marker) -> Position {
    Position { line: marker.line().max(1), column: marker.col() + 1 }
}
