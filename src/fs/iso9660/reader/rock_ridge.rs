//! The entries behind a directory record, of SUSP and Rock Ridge.
//!
//! | entry | content, from byte 4 on |
//! |---|---|
//! | `SP` | `BE EF`, how many bytes come before the entries of each record |
//! | `CE` | sector, offset and length of more entries, each in both byte orders |
//! | `ST` | nothing: the entries end |
//! | `PX` | mode in both byte orders, … |
//! | `NM` | flags (0 goes on in the next), a part of the name |
//! | `SL` | flags (0 goes on in the next), components: flags, length, bytes |
//! | `CL` | sector of the directory that belongs here: it was too deep |
//! | `RE` | nothing: the directory belongs elsewhere |
//!
//! Flags of a component: 0 goes on in the next, 1 `.`, 2 `..`, 3 `/`.

use std::io::{Read, Seek};

use super::super::le32;
use super::super::records::Extent;
use super::ReadError;
use super::source::Source;

/// Names and targets are not longer on any Linux.
const LONGEST_NAME: usize = 255;
const LONGEST_TARGET: usize = 4096;
/// The most continuations of one record.
const MOST_AREAS: usize = 32;
const SECTOR: u32 = 2048;

const CONTINUES: u8 = 1;
const CURRENT: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;

/// What the entries of a record say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::fs::iso9660) struct Facts {
    /// Bytes to skip in each record; of the root's own record only.
    pub skip: Option<usize>,
    pub mode: Option<u32>,
    pub name: Option<Vec<u8>>,
    pub target: Option<Vec<u8>>,
    /// Where the directory is that belongs here.
    pub moved_to: Option<u32>,
    /// Whether the directory belongs elsewhere.
    pub is_moved: bool,
    /// Whether the target's last component goes on in the next entry.
    is_open: bool,
}

/// Where entries go on.
type Continuation = (u32, u32, u32);

impl Facts {
    /// Reads the entries of a record, and those that continue them.
    pub fn load<R: Read + Seek>(
        source: &mut Source<R>,
        entries: &[u8],
        what: &str,
    ) -> Result<Self, ReadError> {
        let mut facts = Self::default();
        let mut next = facts.parse(entries);
        for _ in 0..MOST_AREAS {
            let Some((sector, offset, len)) = next else { return Ok(facts) };
            // no area is in two sectors, but for those of careless writers
            let len_bytes = offset.saturating_add(len);
            if offset >= SECTOR || len > 2 * SECTOR {
                return Ok(facts);
            }
            let area = source.metadata(Extent { sector, len_bytes }, what)?;
            let offset = usize::try_from(offset).unwrap_or(area.len());
            next = facts.parse(area.get(offset..).unwrap_or_default());
        }
        Err(ReadError::TooMany { what: "continuations of one record", limit: MOST_AREAS })
    }

    /// Reads one area; where it goes on. What is no entry ends it: other things may follow.
    fn parse(&mut self, mut area: &[u8]) -> Option<Continuation> {
        let mut next = None;
        while let [a, b, len, _version, ..] = *area {
            let Some((entry, rest)) = area.split_at_checked(usize::from(len).max(4)) else { break };
            let content = &entry[4..];
            match &[a, b] {
                b"CE" => next = continuation(content),
                b"ST" => break,
                b"SP" if content.starts_with(&[0xBE, 0xEF]) => {
                    self.skip = content.get(2).copied().map(usize::from);
                }
                b"PX" => self.mode = le32(content, 0),
                b"NM" => self.add_name(content),
                b"SL" => self.add_target(content),
                b"CL" => self.moved_to = le32(content, 0),
                b"RE" => self.is_moved = true,
                [0, _] => break,
                _ => {}
            }
            area = rest;
        }
        next
    }

    fn add_name(&mut self, content: &[u8]) {
        let Some((flags, part)) = content.split_first() else { return };
        if flags & (CURRENT | PARENT) == 0 {
            extend(self.name.get_or_insert_default(), part, LONGEST_NAME);
        }
    }

    fn add_target(&mut self, content: &[u8]) {
        let mut components = content.get(1..).unwrap_or_default();
        let target = self.target.get_or_insert_default();
        while let [flags, len, rest @ ..] = components {
            let Some((part, rest)) = rest.split_at_checked(usize::from(*len)) else { return };
            components = rest;
            if !self.is_open && !target.is_empty() && !target.ends_with(b"/") {
                extend(target, b"/", LONGEST_TARGET);
            }
            let part: &[u8] = match flags {
                flags if flags & CURRENT != 0 => b".",
                flags if flags & PARENT != 0 => b"..",
                flags if flags & ROOT != 0 => b"/",
                _ => part,
            };
            extend(target, part, LONGEST_TARGET);
            self.is_open = flags & CONTINUES != 0;
        }
    }
}

fn extend(text: &mut Vec<u8>, part: &[u8], limit: usize) {
    let left = limit.saturating_sub(text.len());
    text.extend(part.iter().take(left));
}

fn continuation(content: &[u8]) -> Option<Continuation> {
    Some((le32(content, 0)?, le32(content, 8)?, le32(content, 16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn entry(signature: &[u8; 2], content: &[u8]) -> Vec<u8> {
        let len = u8::try_from(content.len() + 4).unwrap();
        [signature, &[len, 1][..], content].concat()
    }

    fn load(image: Vec<u8>, entries: &[u8]) -> Result<Facts, ReadError> {
        Facts::load(&mut Source::new(Cursor::new(image)).unwrap(), entries, "x")
    }

    fn continued(sector: u32, offset: u32, len: u32) -> Vec<u8> {
        let both = |n: u32| [n.to_le_bytes(), n.to_be_bytes()].concat();
        entry(b"CE", &[both(sector), both(offset), both(len)].concat())
    }

    #[test]
    fn names_and_targets_go_on() {
        let entries = [
            entry(b"NM", b"\x01long-"),
            entry(b"SL", &[&[1, 8, 0, 0, 3][..], b"usr", &[1, 2], b"li"].concat()),
            continued(1, 4, 100),
        ];
        let more = [entry(b"NM", b"\0name"), entry(b"SL", b"\0\0\x01b\x04\0\0\x01x")].concat();
        let mut image = vec![0; 4096];
        image[2052..2052 + more.len()].copy_from_slice(&more);
        let facts = load(image, &entries.concat()).unwrap();
        assert_eq!(facts.name.unwrap(), b"long-name");
        assert_eq!(facts.target.unwrap(), b"/usr/lib/../x");
    }

    #[test]
    fn what_never_ends_is_refused() {
        let mut image = vec![0; 2048];
        image[..28].copy_from_slice(&continued(0, 0, 28));
        let error = load(image, &continued(0, 0, 28)).unwrap_err();
        assert!(matches!(error, ReadError::TooMany { .. }), "{error}");
        let error = load(vec![0; 2048], &continued(1, 0, 28)).unwrap_err();
        assert!(matches!(error, ReadError::Outside { .. }), "{error}");
    }

    #[test]
    fn what_is_no_entry_ends_them() {
        let facts = load(vec![], &[&entry(b"NM", b"\0a")[..], b"XY\xff\x01a"].concat()).unwrap();
        assert_eq!(facts.name.unwrap(), b"a");
        let facts = load(vec![], &[&b"XX\0\x01"[..], &entry(b"NM", b"\0a")].concat()).unwrap();
        assert_eq!(facts.name.unwrap(), b"a");
        assert_eq!(load(vec![], b"N").unwrap(), Facts::default());
    }
}
