//! YAML, the part of it that configuration needs: one document, no aliases (so a small file cannot
//! become a large tree), plain scalars by the core schema.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

use super::super::document::{Entry, Node, Position, Value};
use super::super::error::Problem;
use super::{DEPTH, too_deep, unreadable};

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let mut reader = Reader { parser: Parser::new_from_str(text) };
    let (event, span) = reader.next_content()?;
    let root = match event {
        Event::StreamEnd => Node { value: Value::Null, at: position(span.start) },
        event => reader.node(event, span, DEPTH)?,
    };
    match reader.next_content()? {
        (Event::StreamEnd, _) => Ok(root),
        (_, span) => Err(unreadable(position(span.start), "a second document")),
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), Problem> {
        match self.parser.next_event() {
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(unreadable(position(*error.marker()), error.info())),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    /// The next event that is not about where streams and documents begin and end.
    fn next_content(&mut self) -> Result<(Event<'a>, Span), Problem> {
        loop {
            match self.next()? {
                (Event::Nothing | Event::StreamStart | Event::DocumentEnd, _)
                | (Event::DocumentStart(_), _) => {}
                other => return Ok(other),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Problem> {
        let at = position(span.start);
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(at))?;
        let value = match event {
            Event::Scalar(text, style, _, _) => scalar(&text, style),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, span) => items.push(self.node(event, span, depth)?),
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
                (Event::Scalar(key, ..), span) => (key.into_owned(), position(span.start)),
                (_, span) => return Err(unreadable(position(span.start), "a key is no string")),
            };
            if !seen.insert(key.clone()) {
                return Err(unreadable(at, &format!("`{key}` is here a second time")));
            }
            let (event, span) = self.next()?;
            entries.push(Entry { key, at, node: self.node(event, span, depth)? });
        }
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    if style != ScalarStyle::Plain {
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
