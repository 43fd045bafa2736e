//! What follows a backslash outside of a character class.

use regex_syntax::hir::{Class, ClassBytes, ClassBytesRange, Hir, Look};

use super::{PatternError, end};

/// Reads the escape whose backslash was just taken off `rest`.
pub(super) fn parse(rest: &mut &[u8]) -> Result<Hir, PatternError> {
    let look = match rest.first() {
        Some(b'A') => Some(Hir::look(Look::Start)),
        Some(b'z') => Some(Hir::look(Look::End)),
        Some(b'Z') => Some(end()),
        Some(b'b') => Some(Hir::look(Look::WordAscii)),
        Some(b'B') => Some(Hir::look(Look::WordAsciiNegate)),
        _ => None,
    };
    if let Some(look) = look {
        *rest = &rest[1..];
        return Ok(look);
    }
    Ok(match bytes(rest)? {
        Bytes::One(byte) => Hir::literal([byte]),
        Bytes::Class(class) => Hir::class(Class::Bytes(class)),
    })
}

/// What an escape means inside and outside of character classes alike.
pub(super) enum Bytes {
    One(u8),
    Class(ClassBytes),
}

/// Reads an escape that stands for bytes.
pub(super) fn bytes(rest: &mut &[u8]) -> Result<Bytes, PatternError> {
    let (&letter, after) = rest.split_first().ok_or(PatternError::Escape)?;
    *rest = after;
    Ok(match letter {
        b'd' | b'D' => Bytes::Class(of(&[(b'0', b'9')], letter == b'D')),
        b's' | b'S' => Bytes::Class(of(&[(b'\t', b'\r'), (b' ', b' ')], letter == b'S')),
        b'w' | b'W' => {
            let word = [(b'0', b'9'), (b'A', b'Z'), (b'_', b'_'), (b'a', b'z')];
            Bytes::Class(of(&word, letter == b'W'))
        }
        b't' => Bytes::One(b'\t'),
        b'n' => Bytes::One(b'\n'),
        b'f' => Bytes::One(b'\x0c'),
        b'r' => Bytes::One(b'\r'),
        b'a' => Bytes::One(b'\x07'),
        b'e' => Bytes::One(b'\x1b'),
        b'x' => Bytes::One(hexadecimal(rest)?),
        letter if letter.is_ascii_alphanumeric() => {
            return Err(PatternError::Unsupported("references to groups and rare escapes"));
        }
        other => Bytes::One(other),
    })
}

/// `\xHH` with one digit or two; `\x{HH}`.
fn hexadecimal(rest: &mut &[u8]) -> Result<u8, PatternError> {
    if let Some(braced) = rest.strip_prefix(b"{") {
        let length = braced.iter().position(|&byte| byte == b'}').ok_or(PatternError::Escape)?;
        let digits = str::from_utf8(&braced[..length]).map_err(|_| PatternError::Escape)?;
        *rest = &braced[length + 1..];
        return u8::from_str_radix(digits, 16).map_err(|_| PatternError::Escape);
    }
    let length = rest.iter().take(2).take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, after) = rest.split_at(length);
    *rest = after;
    let digits = str::from_utf8(digits).map_err(|_| PatternError::Escape)?;
    u8::from_str_radix(digits, 16).map_err(|_| PatternError::Escape)
}

/// The class of these ranges, or of all other bytes.
pub(super) fn of(ranges: &[(u8, u8)], negated: bool) -> ClassBytes {
    let ranges = ranges.iter().map(|&(first, last)| ClassBytesRange::new(first, last));
    let mut class = ClassBytes::new(ranges);
    if negated {
        class.negate();
    }
    class
}
