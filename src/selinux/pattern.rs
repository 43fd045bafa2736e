//! The patterns of `file_contexts`: Perl's spelling, read into the regular expressions of this crate's
//! matcher.
//!
//! libselinux hands `^PATTERN$` to PCRE2 with one option, that a dot is any byte, and searches. The
//! anchors belong to the text: in `/a|/b` the first holds for `/a` alone and the second for `/b` alone.
//! Bytes, not characters, are matched, and letters are those of ASCII.
//!
//! ```text
//! alternation  sequence | sequence …
//! sequence     atom quantifier …
//! quantifier   * + ? {n} {n,} {n,m} {,m}, lazy with a further ?
//! atom         ( ) (?: ) (?<name> )   . ^ $ [ ]   \ escape   any other byte, also { that counts nothing
//! ```
//!
//! Whether a path matches does not depend on what is greedy or captured, so neither is kept. What no
//! finite automaton decides, or no policy is known to say (look-around, references to groups, possessive
//! quantifiers, options), is refused rather than misread. So is a pattern that is too large: sizes
//! are counted in steps of the automaton before one is built.

mod class;
mod escape;
#[cfg(test)]
mod tests;

use regex_syntax::hir::{Dot, Hir, HirKind, Look, Repetition};

/// The longest pattern that libselinux compiles, and one less than it refuses.
const LEN_LIMIT: usize = 4095;
/// The most steps that one pattern may have.
const SIZE_LIMIT: u64 = 10_000;
/// How deep groups may lie in each other, as in PCRE2.
const DEPTH_LIMIT: usize = 250;
/// The largest count of a quantifier, as in PCRE2.
const COUNT_LIMIT: u32 = 65_535;

/// Why a pattern cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Longer than libselinux takes.
    #[error("it is longer than {LEN_LIMIT} bytes")]
    TooLong,
    /// Its automaton would be too large.
    #[error("its repetitions are too large")]
    TooLarge,
    /// Groups within groups within groups.
    #[error("its groups are nested deeper than {DEPTH_LIMIT}")]
    TooDeep,
    /// A quantifier that follows nothing it could repeat.
    #[error("a quantifier has nothing to repeat")]
    NothingToRepeat,
    /// `{3,2}`, or a number that is too large.
    #[error("the count of a quantifier is out of order or out of range")]
    Count,
    /// A group that is not closed, or closed without being opened.
    #[error("a parenthesis has no partner")]
    Parenthesis,
    /// A character class that is not closed.
    #[error("a character class is not closed")]
    UnclosedClass,
    /// `[z-a]`, or a range whose end is no character.
    #[error("a range of a character class is out of order")]
    ClassRange,
    /// `[[:what:]]`
    #[error("a POSIX class is unknown")]
    PosixClass,
    /// A backslash at the end, or an escape whose digits are missing.
    #[error("an escape is incomplete")]
    Escape,
    /// Correct, but not supported.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
}

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct Pattern {
    /// What matches, to be searched for: the anchors are part of it.
    pub hir: Hir,
    /// The number of its steps.
    pub size: u64,
}

/// Reads `^pattern$`.
pub(super) fn parse(pattern: &str) -> Result<Pattern, PatternError> {
    if pattern.len() > LEN_LIMIT {
        return Err(PatternError::TooLong);
    }
    let anchored = format!("^{pattern}$");
    let mut parser = Parser { rest: anchored.as_bytes(), depth: 0 };
    let parsed = parser.alternation()?;
    match parser.rest {
        [] => Ok(parsed),
        _ => Err(PatternError::Parenthesis),
    }
}

/// `$` holds at the end and before a line feed which is the last byte. As nothing but further anchors can
/// follow it and match, it may as well take that line feed.
fn end() -> Hir {
    Hir::concat(vec![repeated(Hir::literal(*b"\n"), 0, Some(1)), Hir::look(Look::End)])
}

fn repeated(inner: Hir, min: u32, max: Option<u32>) -> Hir {
    Hir::repetition(Repetition { min, max, greedy: true, sub: Box::new(inner) })
}

struct Parser<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, wanted: &[u8]) -> bool {
        let Some(rest) = self.rest.strip_prefix(wanted) else { return false };
        self.rest = rest;
        true
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn alternation(&mut self) -> Result<Pattern, PatternError> {
        let mut branches = Vec::new();
        let mut size = 0;
        loop {
            let branch = self.sequence()?;
            size += branch.size;
            branches.push(branch.hir);
            if size > SIZE_LIMIT {
                return Err(PatternError::TooLarge);
            }
            if !self.take(b"|") {
                return Ok(Pattern { hir: Hir::alternation(branches), size });
            }
        }
    }

    fn sequence(&mut self) -> Result<Pattern, PatternError> {
        let mut parts = Vec::new();
        let mut size = 1;
        while let Some(&byte) = self.rest.first() {
            if matches!(byte, b'|' | b')') {
                break;
            }
            let plain = self.plain();
            if !plain.is_empty() {
                size += u64::try_from(plain.len()).unwrap_or(u64::MAX);
                parts.push(Hir::literal(plain));
                continue;
            }
            let atom = self.atom()?;
            let part = self.quantified(atom, byte == b'(')?;
            size += part.size;
            parts.push(part.hir);
            if size > SIZE_LIMIT {
                return Err(PatternError::TooLarge);
            }
        }
        Ok(Pattern { hir: Hir::concat(parts), size })
    }

    /// The bytes up to the next that is special or has a quantifier: most of any pattern.
    fn plain(&mut self) -> &'a [u8] {
        let special = |byte: &u8| b"\\^$.[|()?*+{".contains(byte);
        let mut length = self.rest.iter().position(special).unwrap_or(self.rest.len());
        if matches!(self.rest.get(length), Some(b'?' | b'*' | b'+' | b'{')) {
            length = length.saturating_sub(1);
        }
        let (plain, rest) = self.rest.split_at(length);
        self.rest = rest;
        plain
    }

    fn atom(&mut self) -> Result<Pattern, PatternError> {
        let quantifies = self.counts().is_some();
        let hir = match self.next().ok_or(PatternError::NothingToRepeat)? {
            b'(' => return self.group(),
            b'[' => return class::parse(&mut self.rest),
            b'*' | b'+' | b'?' => return Err(PatternError::NothingToRepeat),
            b'{' if quantifies => return Err(PatternError::NothingToRepeat),
            b'\\' => escape::parse(&mut self.rest)?,
            b'.' => Hir::dot(Dot::AnyByte),
            b'^' => Hir::look(Look::Start),
            b'$' => end(),
            literal => Hir::literal([literal]),
        };
        Ok(Pattern { hir, size: 1 })
    }

    /// What follows an opening parenthesis.
    fn group(&mut self) -> Result<Pattern, PatternError> {
        if self.rest.starts_with(b"*") {
            return Err(PatternError::Unsupported("verbs"));
        }
        if self.take(b"?") && !self.take(b":") {
            self.name()?;
        }
        self.depth += 1;
        if self.depth > DEPTH_LIMIT {
            return Err(PatternError::TooDeep);
        }
        let inner = self.alternation()?;
        self.depth -= 1;
        if self.take(b")") { Ok(inner) } else { Err(PatternError::Parenthesis) }
    }

    /// The name of a group, which matters to nobody.
    fn name(&mut self) -> Result<(), PatternError> {
        let named = self.take(b"P<") || self.take(b"<");
        let length =
            self.rest.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if !named || length == 0 {
            return Err(PatternError::Unsupported("look-around and options"));
        }
        self.rest = &self.rest[length..];
        if self.take(b">") { Ok(()) } else { Err(PatternError::Parenthesis) }
    }

    fn quantified(&mut self, atom: Pattern, grouped: bool) -> Result<Pattern, PatternError> {
        let (min, max) = match self.rest.first() {
            Some(b'*') => (0, None),
            Some(b'+') => (1, None),
            Some(b'?') => (0, Some(1)),
            Some(b'{') => match self.counts() {
                Some((min, max, _)) => (min, max),
                None => return Ok(atom),
            },
            _ => return Ok(atom),
        };
        let asserts = matches!(atom.hir.kind(), HirKind::Look(_)) || atom.hir == end();
        if asserts && !grouped {
            return Err(PatternError::NothingToRepeat);
        }
        let length = self.counts().map_or(1, |(_, _, length)| length);
        self.rest = &self.rest[length..];
        if min > COUNT_LIMIT || max.is_some_and(|max| max < min || max > COUNT_LIMIT) {
            return Err(PatternError::Count);
        }
        if self.take(b"+") {
            return Err(PatternError::Unsupported("possessive quantifiers"));
        }
        self.take(b"?");
        let times = max.unwrap_or(min).max(1);
        let size = 1 + atom.size * u64::from(times);
        if size > SIZE_LIMIT {
            return Err(PatternError::TooLarge);
        }
        Ok(Pattern { hir: repeated(atom.hir, min, max), size })
    }

    /// The counts in braces that begin here, and the length of their text; `None` when the brace is
    /// an ordinary byte.
    fn counts(&self) -> Option<(u32, Option<u32>, usize)> {
        let inner = self.rest.strip_prefix(b"{")?;
        let inner = &inner[..inner.iter().position(|&byte| byte == b'}')?];
        let number = |digits: &[u8]| {
            let decimal = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            let text = str::from_utf8(digits).ok().filter(|_| decimal)?;
            Some(text.parse().unwrap_or(u32::MAX))
        };
        let (min, max) = match inner.iter().position(|&byte| byte == b',') {
            None => (number(inner)?, Some(number(inner)?)),
            Some(0) => (0, Some(number(&inner[1..])?)),
            Some(comma) if comma + 1 == inner.len() => (number(&inner[..comma])?, None),
            Some(comma) => (number(&inner[..comma])?, Some(number(&inner[comma + 1..])?)),
        };
        Some((min, max, inner.len() + 2))
    }
}
