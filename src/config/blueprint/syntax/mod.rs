//! TOML, JSON and YAML as one kind of tree.
//!
//! All readers refuse what nests deeper than [`DEPTH`] and keys that a table has twice; memory is
//! bounded by the file's size.

use super::document::{Node, Position};
use super::error::{Problem, Wrong};

mod json;
mod toml;
mod yaml;

/// How deep values may nest: four times what any key of ours does.
const DEPTH: usize = 40;

/// How a configuration file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Toml,
    Json,
    Yaml,
}

/// Reads a whole file.
pub(super) fn parse(syntax: Syntax, text: &str) -> Result<Node, Problem> {
    match syntax {
        Syntax::Toml => toml::parse(text),
        Syntax::Json => json::parse(text),
        Syntax::Yaml => yaml::parse(text),
    }
}

/// Knows where lines start.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self([0].into_iter().chain(newlines.map(|(at, _)| at + 1)).collect())
    }

    /// Line and column of an offset.
    fn position(&self, offset: usize) -> Position {
        let line = self.0.partition_point(|start| *start <= offset).max(1);
        Position { line, column: offset - self.0[line - 1] + 1 }
    }
}

/// A file that is not what its name says.
fn unreadable(at: Position, message: &str) -> Problem {
    let one_line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Problem { at, key: String::new(), wrong: Wrong::Syntax(one_line) }
}

fn too_deep(at: Position) -> Problem {
    unreadable(at, &format!("nested more than {DEPTH} levels deep"))
}

#[cfg(test)]
mod tests {
    use super::super::document::Value;
    use super::*;

    /// The tree as text without positions.
    fn shown(node: &Node) -> String {
        match &node.value {
            Value::List(items) => {
                format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
            }
            Value::Table(entries) => {
                let entries = entries.iter().map(|e| format!("{}={}", e.key, shown(&e.node)));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn all_syntaxes_give_the_same_tree() {
        let toml =
            "a = 1\nb = [\"x\", true]\n[c]\nd = -2\ne = \"\\u00e4\"\n[[c.f]]\n[[c.f]]\ng = 1.5\n";
        let json = "{\"a\": 1, \"b\": [\"x\", true], \"c\": {\"d\": -2, \"e\": \"\\u00e4\",\n\"f\": [{}, {\"g\": 1.5}]}}";
        let yaml =
            "a: 1\nb: [x, true]\nc:\n  d: -2\n  e: \"\\u00e4\"\n  f:\n    - {}\n    - g: 1.5\n";
        let expected = "{a=Integer(1) b=[Text(\"x\") Boolean(true)] c={d=Integer(-2) e=Text(\"ä\") \
                        f=[{} {g=Other(\"a fraction\")}]}}";
        for (syntax, text) in [(Syntax::Toml, toml), (Syntax::Json, json), (Syntax::Yaml, yaml)] {
            assert_eq!(shown(&parse(syntax, text).unwrap()), expected, "{syntax:?}");
        }
    }

    #[test]
    fn values_know_where_they_are() {
        let cases = [
            (Syntax::Toml, "x = 1\n\n[a]\nb = true\n", (4, 1), (4, 5)),
            (Syntax::Json, "{\n \"a\":\n {\"b\": true}}", (3, 8), (3, 8)),
            (Syntax::Yaml, "# x\na:\n  b: true\n", (3, 3), (3, 6)),
        ];
        for (syntax, text, key, value) in cases {
            let root = parse(syntax, text).unwrap();
            let Value::Table(entries) = &root.get("a").unwrap().value else { panic!() };
            let seen = |at: Position| (at.line, at.column);
            assert_eq!((seen(entries[0].at), seen(entries[0].node.at)), (key, value), "{syntax:?}");
        }
    }

    #[test]
    fn what_is_no_document_is_refused_where_it_breaks() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let cases = [
            (Syntax::Toml, "a = 1\na = 2\n", 2, "duplicate"),
            (Syntax::Toml, "a = \n", 1, "value"),
            (Syntax::Toml, "a = 1 b = 2", 1, ""),
            (Syntax::Toml, &format!("a = {deep}"), 1, ""),
            (Syntax::Toml, &format!("{}a = 1", "a.".repeat(100_000)), 1, "recursion"),
            (Syntax::Json, "{\"a\": 1}\n{}", 2, "trailing"),
            (Syntax::Json, "{\"a\": 1,\n \"a\": 2}", 2, "a second time"),
            (Syntax::Json, "{\"a\": \n", 2, "EOF"),
            (Syntax::Json, "", 1, "EOF"),
            (Syntax::Json, &deep, 1, ""),
            (Syntax::Yaml, "a: 1\na: 2\n", 2, "a second time"),
            (Syntax::Yaml, "a: &x [1]\nb: *x\n", 2, "alias"),
            (Syntax::Yaml, "a: 1\n---\nb: 2\n", 3, "second document"),
            (Syntax::Yaml, "a: [1\n", 2, ""),
            (Syntax::Yaml, "[a]: 1\n", 1, "key"),
            (Syntax::Yaml, &deep, 1, ""),
        ];
        for (syntax, text, line, says) in cases {
            let problem = parse(syntax, text).unwrap_err();
            let shown = &text[..text.len().min(40)];
            assert!(problem.to_string().contains(says), "{shown}: {problem}");
            assert_eq!(problem.at.line, line, "{shown}: {problem}");
        }
    }
}
