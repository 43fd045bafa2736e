//! Whether a path matches a pattern, as cheaply as the pattern allows.
//!
//! Most patterns are a literal prefix with `(/.*)?` behind it: they need no automaton. For the others the
//! literal ends of the pattern are compared first, and the automaton is built when a path first passes
//! that: of the thousands of patterns of a policy, the paths of an image come near some hundreds.

use std::sync::OnceLock;

use regex_automata::meta::Regex;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Dot, Hir, HirKind, Look, Repetition};

use super::pattern::{self, Pattern};

/// What an automaton may take in bytes: many times what the largest pattern takes.
const NFA_LIMIT_BYTES: usize = 16 << 20;
/// What each automaton may remember of its determinization.
const CACHE_LIMIT_BYTES: usize = 128 << 10;

/// A pattern, ready to be matched against paths.
#[derive(Debug)]
pub(super) struct Matcher {
    prefix: Box<[u8]>,
    tail: Tail,
}

/// What may follow the prefix.
#[derive(Debug)]
enum Tail {
    /// Nothing, as `$` takes it.
    Nothing,
    /// `(/.*)?`
    Subtree,
    /// `.*`
    Anything,
    /// Something that ends with these bytes, if no line feed is behind them, and that the whole pattern
    /// matches.
    Pattern { suffix: Box<[u8]>, regex: OnceLock<Option<Regex>> },
}

impl Matcher {
    /// Looks at what a pattern begins and ends with.
    pub fn new(pattern: &Pattern) -> Self {
        let (prefix, middle, suffix) = ends(&pattern.hir);
        let tail = match middle {
            Some([]) if suffix.is_empty() => Tail::Nothing,
            Some([only]) if suffix.is_empty() && is_subtree(only) => Tail::Subtree,
            Some([only]) if suffix.is_empty() && is_anything(only) => Tail::Anything,
            _ => Tail::Pattern { suffix: suffix.into(), regex: OnceLock::new() },
        };
        Self { prefix: prefix.into(), tail }
    }

    /// Whether `path` matches. `text` is the pattern this was made of.
    pub fn matches(&self, path: &[u8], text: &str) -> bool {
        let Some(rest) = path.strip_prefix(&*self.prefix) else { return false };
        match &self.tail {
            Tail::Nothing => matches!(rest, b"" | b"\n"),
            Tail::Subtree => matches!(rest, b"" | b"\n" | [b'/', ..]),
            Tail::Anything => true,
            Tail::Pattern { suffix, regex } => {
                if !rest.ends_with(suffix) && !path.ends_with(b"\n") {
                    return false;
                }
                let regex = regex.get_or_init(|| compile(text));
                regex.as_ref().is_some_and(|regex| regex.is_match(path))
            }
        }
    }
}

/// `(/.*)?`
fn is_subtree(hir: &Hir) -> bool {
    let HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. }) = hir.kind() else {
        return false;
    };
    let HirKind::Concat(parts) = sub.kind() else { return false };
    matches!(&parts[..], [slash, rest] if literal(slash) == Some(b"/") && is_anything(rest))
}

/// `.*`
fn is_anything(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Repetition(Repetition { min: 0, max: None, sub, .. })
        if **sub == Hir::dot(Dot::AnyByte))
}

/// The literal that every match begins with, what lies between, and the literal that every match ends
/// with. What lies between is known only when the pattern is anchored at both ends.
fn ends(hir: &Hir) -> (&[u8], Option<&[Hir]>, &[u8]) {
    let HirKind::Concat(parts) = hir.kind() else { return (&[], None, &[]) };
    let Some((start, parts)) = parts.split_first() else { return (&[], None, &[]) };
    if *start != Hir::look(Look::Start) {
        return (&[], None, &[]);
    }
    let (prefix, parts) = match parts.split_first().map(|(first, rest)| (literal(first), rest)) {
        Some((Some(bytes), rest)) => (bytes, rest),
        _ => (&[][..], parts),
    };
    let Some((parts, [newline, end])) = parts.split_last_chunk::<2>() else {
        return (prefix, None, &[]);
    };
    if !is_newline(newline) || *end != Hir::look(Look::End) {
        return (prefix, None, &[]);
    }
    match parts.split_last().map(|(last, middle)| (middle, literal(last))) {
        Some((middle, Some(bytes))) => (prefix, Some(middle), bytes),
        _ => (prefix, Some(parts), &[]),
    }
}

/// `\n?`, the first half of `$`.
fn is_newline(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Repetition(Repetition { min: 0, max: Some(1), sub, .. })
        if literal(sub) == Some(b"\n"))
}

fn literal(hir: &Hir) -> Option<&[u8]> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(&literal.0),
        _ => None,
    }
}

/// The automaton of a pattern that was read before. Its size is known to be small enough.
fn compile(text: &str) -> Option<Regex> {
    let config = Regex::config()
        .utf8_empty(false)
        .which_captures(WhichCaptures::None)
        .nfa_size_limit(Some(NFA_LIMIT_BYTES))
        .hybrid_cache_capacity(CACHE_LIMIT_BYTES);
    let pattern = pattern::parse(text).ok()?;
    Regex::builder().configure(config).build_from_hir(&pattern.hir).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, matching: &[&str], others: &[&str]) {
        let matcher = Matcher::new(&pattern::parse(text).unwrap());
        let plain = compile(text).unwrap();
        for (paths, expected) in [(matching, true), (others, false)] {
            for path in paths {
                assert_eq!(matcher.matches(path.as_bytes(), text), expected, "{text} {path:?}");
                assert_eq!(plain.is_match(path.as_bytes()), expected, "{text} {path:?}, plainly");
            }
        }
    }

    #[test]
    fn short_cuts_agree_with_the_automaton() {
        check("/a\\/b", &["/a/b", "/a/b\n"], &["/a/b\n\n", "/a/bc", "/x/a/b", ""]);
        check("/a(/.*)?", &["/a", "/a\n", "/a/", "/a/\n/b"], &["/ab", "/", "/a\n/"]);
        check("/a.*", &["/a", "/a\n", "/ab", "/a/b\n\n"], &["/b", "/"]);
        check("/(u|v)/x\\.so", &["/u/x.so", "/v/x.so\n"], &["/u/xyso", "/v/x.so\n\n", "/w/x.so"]);
        check("/a.+", &["/ab", "/a\n"], &["/a"]);
        check(".*", &["", "/", "x"], &[]);
    }

    #[test]
    fn short_cuts_are_taken() {
        let tail = |text: &str| Matcher::new(&pattern::parse(text).unwrap()).tail;
        assert!(matches!(tail("/a\\/b"), Tail::Nothing));
        assert!(matches!(tail("/a\\.b(/.*)?"), Tail::Subtree));
        assert!(matches!(tail("/a.*"), Tail::Anything));
        let Tail::Pattern { suffix, .. } = tail("/usr/(s)?bin/sh") else { panic!() };
        assert_eq!(&*suffix, b"bin/sh");
    }
}
