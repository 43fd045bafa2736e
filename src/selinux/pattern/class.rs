//! Character classes: `[…]`.
//!
//! A `]` that comes first is an ordinary byte, a `-` is one at either end. Within the brackets only `\`
//! and `[:name:]` are special. `[.x.]` and `[=x=]` are refused, as PCRE2 does.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir};

use super::escape::{self, Bytes};
use super::{Pattern, PatternError};

/// Reads the class whose opening bracket was just taken off `rest`.
pub(super) fn parse(rest: &mut &[u8]) -> Result<Pattern, PatternError> {
    let mut class = ClassBytes::empty();
    let negated = take(rest, b"^");
    let mut first = true;
    while first || !rest.starts_with(b"]") {
        first = false;
        match item(rest)? {
            Bytes::Class(inner) => {
                class.union(&inner);
                if rest.starts_with(b"-") && !rest.starts_with(b"-]") {
                    return Err(PatternError::ClassRange);
                }
            }
            Bytes::One(low) if rest.starts_with(b"-") && !rest.starts_with(b"-]") => {
                *rest = &rest[1..];
                match item(rest)? {
                    Bytes::One(high) if low <= high => class.push(ClassBytesRange::new(low, high)),
                    _ => return Err(PatternError::ClassRange),
                }
            }
            Bytes::One(byte) => class.push(ClassBytesRange::new(byte, byte)),
        }
    }
    *rest = &rest[1..];
    if negated {
        class.negate();
    }
    let size = u64::try_from(class.ranges().len()).unwrap_or(u64::MAX).max(1);
    Ok(Pattern { hir: Hir::class(Class::Bytes(class)), size })
}

fn take(rest: &mut &[u8], wanted: &[u8]) -> bool {
    let Some(after) = rest.strip_prefix(wanted) else { return false };
    *rest = after;
    true
}

fn item(rest: &mut &[u8]) -> Result<Bytes, PatternError> {
    if let Some(class) = posix(rest)? {
        return Ok(Bytes::Class(class));
    }
    if take(rest, b"\\b") {
        return Ok(Bytes::One(b'\x08'));
    }
    if take(rest, b"\\") {
        return escape::bytes(rest);
    }
    let (&byte, after) = rest.split_first().ok_or(PatternError::UnclosedClass)?;
    *rest = after;
    Ok(Bytes::One(byte))
}

/// `[:name:]` or `[:^name:]`; an opening bracket without `:]` after it is an ordinary byte.
fn posix(rest: &mut &[u8]) -> Result<Option<ClassBytes>, PatternError> {
    let collates = |open: &[u8], close: &[u8]| {
        rest.starts_with(open) && rest[2..].windows(2).any(|pair| pair == close)
    };
    if collates(b"[.", b".]") || collates(b"[=", b"=]") {
        return Err(PatternError::PosixClass);
    }
    let Some(inner) = rest.strip_prefix(b"[:") else { return Ok(None) };
    let negated = inner.starts_with(b"^");
    let inner = inner.strip_prefix(b"^").unwrap_or(inner);
    let length = inner.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let Some(after) = inner[length..].strip_prefix(b":]") else { return Ok(None) };
    let ranges: &[(u8, u8)] = match &inner[..length] {
        b"alpha" => &[(b'A', b'Z'), (b'a', b'z')],
        b"lower" => &[(b'a', b'z')],
        b"upper" => &[(b'A', b'Z')],
        b"alnum" => &[(b'0', b'9'), (b'A', b'Z'), (b'a', b'z')],
        b"digit" => &[(b'0', b'9')],
        b"xdigit" => &[(b'0', b'9'), (b'A', b'F'), (b'a', b'f')],
        b"word" => &[(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')],
        b"blank" => &[(b'\t', b'\t'), (b' ', b' ')],
        b"space" => &[(b'\t', b'\r'), (b' ', b' ')],
        b"cntrl" => &[(0, 0x1f), (0x7f, 0x7f)],
        b"ascii" => &[(0, 0x7f)],
        b"graph" => &[(0x21, 0x7e)],
        b"print" => &[(0x20, 0x7e)],
        b"punct" => &[(0x21, 0x2f), (0x3a, 0x40), (0x5b, 0x60), (0x7b, 0x7e)],
        _ => return Err(PatternError::PosixClass),
    };
    *rest = after;
    Ok(Some(escape::of(ranges, negated)))
}
