//! The lines of `file_contexts` and its companions.
//!
//! ```text
//! PATTERN [-- | -d | -l | -c | -b | -s | -p] CONTEXT
//! ```
//!
//! Fields are separated by blanks; what follows the third is ignored, as are empty lines and those whose
//! first visible byte is `#`. Fields are ASCII. A line that says anything else makes libselinux refuse
//! the whole policy.

use super::error::LineError;
use crate::labels::FileType;

/// The context that stands for having none.
const NONE: &str = "<<none>>";
/// libselinux takes shorter fields only.
const FIELD_LIMIT: usize = 65_535;

/// What one line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The pattern as written.
    pub pattern: &'a str,
    /// Which files it is for.
    pub kind: Kind,
    /// The label; `None` when there shall be none.
    pub context: Option<&'a str>,
}

/// Which files a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All.
    Any,
    /// Those of a type.
    Only(FileType),
    /// Block devices, sockets, pipes: no image has them.
    Absent,
}

impl Kind {
    /// Whether a file of that type is among them. A file without type is any.
    pub fn covers(self, file_type: Option<FileType>) -> bool {
        match (self, file_type) {
            (Self::Any, _) | (_, None) => true,
            (Self::Only(own), Some(file_type)) => own == file_type,
            (Self::Absent, Some(_)) => false,
        }
    }

    fn parse(field: &str) -> Option<Self> {
        Some(match field {
            "--" => Self::Only(FileType::Regular),
            "-d" => Self::Only(FileType::Directory),
            "-l" => Self::Only(FileType::Symlink),
            "-c" => Self::Only(FileType::CharDevice),
            "-b" | "-s" | "-p" => Self::Absent,
            _ => return None,
        })
    }
}

/// Reads one line; `None` when it says nothing.
pub(super) fn parse(line: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    let mut fields = fields(line);
    let first = fields.next();
    let Some(first) = first.filter(|first| !first.starts_with(b"#")) else { return Ok(None) };
    let pattern = text(first)?;
    let second = text(fields.next().ok_or(LineError::MissingFields)?)?;
    let third = fields.next().map(text).transpose()?;
    let (kind, context) = match third {
        None => (Kind::Any, second),
        Some(context) => {
            let kind = Kind::parse(second).ok_or_else(|| LineError::FileType(second.to_owned()))?;
            (kind, context)
        }
    };
    Ok(Some(Line { pattern, kind, context: Some(context).filter(|&context| context != NONE) }))
}

/// The words of a line as C sees it: a NUL ends it.
pub(super) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.split(|&byte| byte == 0).next().unwrap_or_default();
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    line.split(blank).filter(|field| !field.is_empty())
}

fn text(field: &[u8]) -> Result<&str, LineError> {
    if field.len() >= FIELD_LIMIT {
        return Err(LineError::TooLong);
    }
    let ascii = field.is_ascii();
    str::from_utf8(field).ok().filter(|_| ascii).ok_or(LineError::NotAscii)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> (&str, Kind, Option<&str>) {
        let line = parse(text.as_bytes()).unwrap().unwrap();
        (line.pattern, line.kind, line.context)
    }

    #[test]
    fn lines_have_two_or_three_fields() {
        assert_eq!(line("/a\tx:y:z:s0"), ("/a", Kind::Any, Some("x:y:z:s0")));
        assert_eq!(line(" /a  <<none>>  "), ("/a", Kind::Any, None));
        assert_eq!(line("/a -- x ignored é"), ("/a", Kind::Only(FileType::Regular), Some("x")));
        assert_eq!(line("/a -d x\r"), ("/a", Kind::Only(FileType::Directory), Some("x")));
        assert_eq!(line("/a -p x"), ("/a", Kind::Absent, Some("x")));
        assert_eq!(line("/a x\0 y z"), ("/a", Kind::Any, Some("x")));
    }

    #[test]
    fn comments_and_empty_lines_say_nothing() {
        for text in ["", "  ", "#x", "  # /a é", "\0/a x"] {
            assert_eq!(parse(text.as_bytes()).unwrap(), None, "{text:?}");
        }
    }

    #[test]
    fn wrong_lines_are_refused() {
        assert_eq!(parse(b"/a"), Err(LineError::MissingFields));
        assert_eq!(parse(b"/a -x y"), Err(LineError::FileType("-x".into())));
        assert_eq!(parse("/\u{e9} x".as_bytes()), Err(LineError::NotAscii));
        assert_eq!(parse(&[b'a'; FIELD_LIMIT]), Err(LineError::TooLong));
    }

    #[test]
    fn the_type_of_a_file_decides() {
        assert!(Kind::Any.covers(Some(FileType::Symlink)));
        assert!(Kind::Only(FileType::Symlink).covers(Some(FileType::Symlink)));
        assert!(!Kind::Only(FileType::Symlink).covers(Some(FileType::Regular)));
        assert!(!Kind::Absent.covers(Some(FileType::Regular)));
        assert!(Kind::Absent.covers(None));
    }
}
