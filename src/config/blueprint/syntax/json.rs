//! JSON. The parser tells no positions, but lends each value's own text ([`RawValue`]): where that
//! starts within the file is where the value is. Keys have the position of their values.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::super::document::{Entry, Node, Position, Value};
use super::super::error::Problem;
use super::{DEPTH, Lines, too_deep, unreadable};

pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    let reader = Reader { lines: Lines::of(text), text };
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| reader.error(&error, 0))?;
    reader.node(raw, DEPTH)
}

struct Reader<'a> {
    lines: Lines,
    text: &'a str,
}

impl<'a> Reader<'a> {
    fn node(&self, raw: &'a RawValue, depth: usize) -> Result<Node, Problem> {
        let text = raw.get();
        let start = self.offset(text);
        let at = self.lines.position(start);
        let depth = depth.checked_sub(1).ok_or_else(|| too_deep(at))?;
        let mut source = serde_json::Deserializer::from_str(text);
        let failed = |error| self.error(&error, start);
        let value = match text.as_bytes().first() {
            Some(b'{') => {
                let Members(members) = source.deserialize_map(MembersOf).map_err(failed)?;
                Value::Table(self.entries(members, depth)?)
            }
            Some(b'[') => {
                let Items(items) = source.deserialize_seq(ItemsOf).map_err(failed)?;
                Value::List(
                    items
                        .into_iter()
                        .map(|item| self.node(item, depth))
                        .collect::<Result<_, _>>()?,
                )
            }
            Some(b'"') => Value::Text(serde_json::from_str(text).map_err(failed)?),
            Some(b't') => Value::Boolean(true),
            Some(b'f') => Value::Boolean(false),
            Some(b'n') => Value::Null,
            _ if text.contains(['.', 'e', 'E']) => Value::Other("a fraction"),
            _ => text.parse().map_or(Value::Other("a number that is too large"), Value::Integer),
        };
        Ok(Node { value, at })
    }

    fn entries(
        &self,
        members: Vec<(Cow<'a, str>, &'a RawValue)>,
        depth: usize,
    ) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::with_capacity(members.len());
        for (key, raw) in members {
            let node = self.node(raw, depth)?;
            entries.push(Entry { key: key.into_owned(), at: node.at, node });
        }
        Ok(entries)
    }

    /// Where a part of the text starts.
    fn offset(&self, part: &str) -> usize {
        part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr()).min(self.text.len())
    }

    /// An error of a part that starts at `start`.
    fn error(&self, error: &serde_json::Error, start: usize) -> Problem {
        let base = self.lines.position(start);
        let at = Position {
            line: base.line + error.line().saturating_sub(1),
            column: if error.line() <= 1 {
                base.column + error.column().saturating_sub(1)
            } else {
                error.column().max(1)
            },
        };
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        unreadable(at, text.strip_suffix(&place).unwrap_or(&text))
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);
struct MembersOf;

impl<'de> Visitor<'de> for MembersOf {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut seen = std::collections::BTreeSet::new();
        let mut members = Vec::new();
        while let Some((key, raw)) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom(format!("`{key}` is here a second time")));
            }
            members.push((key, raw));
        }
        Ok(Members(members))
    }
}

struct Items<'a>(Vec<&'a RawValue>);
struct ItemsOf;

impl<'de> Visitor<'de> for ItemsOf {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<&'de RawValue>()? {
            items.push(item);
        }
        Ok(Items(items))
    }
}
