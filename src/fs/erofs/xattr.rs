//! Extended attributes of one inode, and how they are stored.
//!
//! | bytes | inline area of an inode, if it has any attribute |
//! |---|---|
//! | 4 | name filter: bit *n* is 0 when a name hashes to *n* |
//! | 1 | how many shared attributes follow |
//! | 7 | zeros |
//! | 4 each | places of shared attributes: offset in the shared area's first block / 4 |
//! | … | own attributes |
//!
//! An attribute, own or shared: length of the name's rest (1), number of its prefix (1), length of
//! the value (2), the rest, the value, zeros up to a multiple of four.

use super::Error;
use twox_hash::XxHash32;

/// How long the rest of a name may be: the longest name of overlayfs's, escaped, needs all of it.
const MAX_REST_BYTES: usize = 255;
const FILTER_SEED: u32 = 0x25BB_E08F;
/// Fixed part of the inline area.
pub(super) const HEADER_BYTES: u64 = 12;
const PREFIXES: [(&[u8], u8); 5] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
];

/// Extended attributes of one node, being collected. Reused from node to node.
#[derive(Debug, Clone, Default)]
pub struct XattrSet {
    /// For every attribute its name, a NUL, its value.
    bytes: Vec<u8>,
    places: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    name_len: usize,
    end: usize,
}

impl XattrSet {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.places.clear();
    }

    /// Adds the attribute `name`.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        self.push_joined(name, b"", value);
    }

    /// Adds the attribute whose name is `prefix` and then `rest`.
    pub fn push_joined(&mut self, prefix: &[u8], rest: &[u8], value: &[u8]) {
        let start = self.bytes.len();
        for part in [prefix, rest, b"\0", value] {
            self.bytes.extend_from_slice(part);
        }
        let name_len = prefix.len() + rest.len();
        self.places.push(Place { start, name_len, end: self.bytes.len() });
    }

    /// Adds the attribute `name`, in place of any of that name.
    pub fn replace(&mut self, name: &[u8], value: &[u8]) {
        let Self { bytes, places } = self;
        places.retain(|place| &bytes[place.start..place.start + place.name_len] != name);
        self.push(name, value);
    }

    /// The attributes as they lie: in order of their names after [`XattrSet::sort`].
    pub(super) fn iter(&self) -> impl Iterator<Item = Pair<'_>> {
        self.places.iter().map(|place| Pair {
            bytes: &self.bytes[place.start..place.end],
            name_len: place.name_len,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub(super) fn sort(&mut self) {
        let bytes = &self.bytes;
        let name = |place: &Place| &bytes[place.start..place.start + place.name_len];
        self.places.sort_by(|a, b| name(a).cmp(name(b)));
    }

    /// Refuses what cannot be stored; the set is sorted.
    pub(super) fn check(&self, path: impl Fn() -> String) -> Result<(), Error> {
        let mut previous: &[u8] = b"";
        for pair in self.iter() {
            let name = || String::from_utf8_lossy(pair.name()).into_owned();
            let (_, rest) = pair.split_name();
            if pair.name_len == 0 || rest.len() > MAX_REST_BYTES || pair.name().contains(&0) {
                return Err(Error::XattrName { path: path(), name: name() });
            }
            if pair.name() == previous {
                return Err(Error::XattrTwice { path: path(), name: name() });
            }
            let len_bytes = pair.value().len();
            if u16::try_from(len_bytes).is_err() {
                return Err(Error::XattrTooLong { path: path(), name: name(), len_bytes });
            }
            previous = pair.name();
        }
        Ok(())
    }

    /// The word that lets a reader skip a search for a name that is not there.
    pub(super) fn name_filter(&self) -> u32 {
        self.iter().fold(u32::MAX, |filter, pair| {
            let (prefix, rest) = pair.split_name();
            filter
                & !(1
                    << (XxHash32::oneshot(FILTER_SEED.wrapping_add(u32::from(prefix)), rest) % 32))
        })
    }
}

/// A name and a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    bytes: &'a [u8],
    name_len: usize,
}

impl<'a> Pair<'a> {
    /// A pair out of its [`Pair::as_bytes`]; a name has no NUL.
    pub(super) fn from_bytes(bytes: &'a [u8]) -> Self {
        let name_len = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        Self { bytes, name_len }
    }

    /// Name, NUL, value.
    pub(super) fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn name(self) -> &'a [u8] {
        &self.bytes[..self.name_len]
    }

    pub(super) fn value(self) -> &'a [u8] {
        self.bytes.get(self.name_len + 1..).unwrap_or_default()
    }

    fn split_name(self) -> (u8, &'a [u8]) {
        let name = self.name();
        let known = PREFIXES
            .iter()
            .find_map(|(prefix, number)| name.strip_prefix(*prefix).map(|rest| (*number, rest)));
        known.unwrap_or((0, name))
    }

    /// Bytes it takes.
    pub(super) fn stored_bytes(self) -> u64 {
        let (_, rest) = self.split_name();
        let len = 4 + rest.len() + self.value().len();
        u64::try_from(len.next_multiple_of(4)).unwrap_or(u64::MAX)
    }

    /// Appends it as it is stored. Lengths were checked before.
    pub(super) fn store(self, into: &mut Vec<u8>) {
        let (prefix, rest) = self.split_name();
        let start = into.len();
        into.push(u8::try_from(rest.len()).unwrap_or(u8::MAX));
        into.push(prefix);
        let value_len = u16::try_from(self.value().len()).unwrap_or(u16::MAX);
        into.extend_from_slice(&value_len.to_le_bytes());
        into.extend_from_slice(rest);
        into.extend_from_slice(self.value());
        into.resize(start + (into.len() - start).next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_prefix() {
        let mut set = XattrSet::default();
        set.push(b"security.selinux", b"a\0");
        set.push(b"trusted.overlay.opaque", b"y");
        set.push(b"system.posix_acl_access", b"xy");
        set.push(b"other", b"");
        set.sort();
        let stored: Vec<Vec<u8>> = set
            .iter()
            .map(|pair| {
                let mut bytes = Vec::new();
                pair.store(&mut bytes);
                assert_eq!(pair.stored_bytes(), u64::try_from(bytes.len()).unwrap());
                bytes
            })
            .collect();
        assert_eq!(stored[0], b"\x05\0\0\0other\0\0\0");
        assert_eq!(stored[1], b"\x07\x06\x02\0selinuxa\0\0\0\0");
        assert_eq!(stored[2], b"\0\x02\x02\0xy\0\0");
        assert_eq!(stored[3], b"\x0e\x04\x01\0overlay.opaquey\0");
    }

    #[test]
    fn replacing_leaves_one() {
        let mut set = XattrSet::default();
        set.push(b"user.a", b"1");
        set.push(b"user.ab", b"2");
        set.replace(b"user.a", b"3");
        let pairs: Vec<_> = set.iter().map(|pair| (pair.name(), pair.value())).collect();
        assert_eq!(pairs, [(&b"user.ab"[..], &b"2"[..]), (b"user.a", b"3")]);
    }
}
