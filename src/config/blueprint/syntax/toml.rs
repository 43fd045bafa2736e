//! TOML. Keys of a table come sorted.
//!
//! The parser limits how deep brackets nest and how many parts a key has, but not the product of
//! both, and what it makes takes stack to drop. So nesting is measured first.

use ::toml::Spanned;
use ::toml::de::{DeString, DeTable, DeValue};

use super::super::document::{Entry, Node, Position, Value};
use super::super::error::Problem;
use super::{DEPTH, Lines, too_deep, unreadable};

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let lines = Lines::of(text);
    if let Some(at) = too_deep_at(text) {
        return Err(too_deep(lines.position(at)));
    }
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let what = match error.message() {
            zero if zero.contains("leading zero") => {
                "a number cannot begin with 0: an octal mode is a string, `\"0644\"`"
            }
            other => other,
        };
        unreadable(lines.position(at), what)
    })?;
    let value = Value::Table(entries(table.get_ref(), &lines, DEPTH)?);
    Ok(Node { value, at: Position { line: 1, column: 1 } })
}

fn entries(table: &DeTable<'_>, lines: &Lines, depth: usize) -> Result<Vec<Entry>, Problem> {
    let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
        let at = lines.position(key.span().start);
        Ok(Entry { key: key.get_ref().to_string(), at, node: node(value, lines, depth)? })
    };
    table.iter().map(entry).collect()
}

fn node(value: &Spanned<DeValue<'_>>, lines: &Lines, depth: usize) -> Result<Node, Problem> {
    let at = lines.position(value.span().start);
    let depth = depth.checked_sub(1).ok_or_else(|| too_deep(at))?;
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Datetime(_) => Value::Other("a date or time"),
        DeValue::Array(items) => Value::List(
            items.iter().map(|item| node(item, lines, depth)).collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Table(entries(table, lines, depth)?),
    };
    Ok(Node { value, at })
}

/// Where brackets and dots of keys nest deeper than [`DEPTH`], strings and comments aside. A dot of a
/// number counts as well: nothing that we read comes near.
fn too_deep_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut open, mut sum, mut dots, mut at) = (Vec::new(), 0, 0, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'#' => {
                at = after(text, at, "\n");
                dots = 0;
                continue;
            }
            b'"' | b'\'' => {
                at = after_string(text, at);
                continue;
            }
            b'.' => dots += 1,
            b',' | b'\n' => dots = 0,
            b'[' | b'{' => {
                open.push(dots + 1);
                sum += dots + 1;
                dots = 0;
            }
            b']' | b'}' => {
                sum -= open.pop().unwrap_or(0);
                dots = 0;
            }
            _ => {}
        }
        if sum > DEPTH {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Where the string ends that starts at `at`.
fn after_string(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let long = [quote; 3];
    let quotes = if bytes[at..].starts_with(&long) { &long[..] } else { &long[..1] };
    let mut at = at + quotes.len();
    while at < bytes.len() && !bytes[at..].starts_with(quotes) {
        at += if bytes[at] == b'\\' && quote == b'"' { 2 } else { 1 };
    }
    let end = (at + quotes.len()).min(bytes.len());
    // up to two quotes before those that end a long string belong to it
    let more = bytes[end..].iter().take(quotes.len() - 1).take_while(|byte| **byte == quote);
    end + more.count()
}

/// Where the next `end` ends.
fn after(text: &str, at: usize, end: &str) -> usize {
    text[at..].find(end).map_or(text.len(), |found| at + found + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hide_no_nesting() {
        let deep = format!("\nb = {}1{}\n", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
        for string in [r#""x""#, r#""""x"""""#, r#""""\""""""#, "'''x''''", r#""\\""#, "'\\'"] {
            let text = format!("a = {string}{deep}");
            assert!(too_deep_at(&text).is_some(), "{string}");
            assert!(parse(&text).is_err(), "{string}");
            assert!(parse(&format!("a = {string}\n")).is_ok(), "{string}");
        }
        for open in ["\"", "\"\"\"", "'", "'''", "\"\\", "\"\"\"x\""] {
            assert!(parse(&format!("a = {open}")).is_err(), "{open}");
        }
    }
}
