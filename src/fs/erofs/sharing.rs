//! Which extended attributes several inodes share.
//!
//! A pair of name and value that more than one inode has lies once in the shared area. To find such
//! pairs, only a hash of every pair is kept until it comes again; counting is exact, in a second
//! walk over those that came again.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, BuildHasherDefault};

use super::Error;
use super::xattr::{Pair, XattrSet};

/// An inode counts its shared attributes in a byte, and no more than this are used.
pub(super) const MAX_SHARED: u8 = 128;

/// A hasher without a random key; nothing in the image depends on the order of the maps.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// Pairs that came at least twice, by chance also others.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    seen: HashSet<u64, Fixed>,
    again: HashMap<Box<[u8]>, u32, Fixed>,
}

impl Candidates {
    /// First walk.
    pub(super) fn see(&mut self, xattrs: &XattrSet) {
        for pair in xattrs.iter() {
            if !self.seen.insert(Fixed::default().hash_one(pair.as_bytes()))
                && !self.again.contains_key(pair.as_bytes())
            {
                self.again.insert(pair.as_bytes().into(), 0);
            }
        }
    }

    /// Between the walks.
    pub(super) fn forget_single(&mut self) {
        self.seen = HashSet::default();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.again.is_empty()
    }

    /// Second walk.
    pub(super) fn count(&mut self, xattrs: &XattrSet) {
        for pair in xattrs.iter() {
            if let Some(count) = self.again.get_mut(pair.as_bytes()) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// The shared area.
    pub(super) fn into_shared(self) -> Result<Shared, Error> {
        let mut pairs: Vec<Box<[u8]>> =
            self.again.into_iter().filter(|(_, count)| *count > 1).map(|(pair, _)| pair).collect();
        pairs.sort_by(|a, b| stored_order(Pair::from_bytes(a), Pair::from_bytes(b)));
        let mut len_bytes = 0;
        let mut offsets = HashMap::default();
        for pair in pairs {
            let stored = Pair::from_bytes(&pair).stored_bytes();
            offsets.insert(pair, u32::try_from(len_bytes).map_err(|_| Error::TooLarge)?);
            len_bytes += stored;
        }
        Ok(Shared { offsets, len_bytes })
    }
}

/// Downwards by name, then by length of the value, then by value.
fn stored_order(a: Pair<'_>, b: Pair<'_>) -> Ordering {
    let key = |pair: Pair<'_>| (pair.value().len(), pair.value().to_vec());
    b.name().cmp(a.name()).then_with(|| key(b).cmp(&key(a)))
}

/// The shared area.
#[derive(Debug)]
pub(super) struct Shared {
    offsets: HashMap<Box<[u8]>, u32, Fixed>,
    /// Its length.
    pub(super) len_bytes: u64,
}

impl Shared {
    /// Where the pair lies in the area, if it does.
    pub(super) fn offset(&self, pair: Pair<'_>) -> Option<u32> {
        self.offsets.get(pair.as_bytes()).copied()
    }

    /// Appends the area's bytes.
    pub(super) fn store(&self, into: &mut Vec<u8>) {
        let mut pairs: Vec<(u32, &[u8])> =
            self.offsets.iter().map(|(pair, offset)| (*offset, &**pair)).collect();
        pairs.sort_unstable();
        for (_, pair) in pairs {
            Pair::from_bytes(pair).store(into);
        }
    }

    /// How many attributes of an inode lie here, and how many bytes the others take.
    pub(super) fn split(&self, xattrs: &XattrSet) -> (u8, u64) {
        let (mut shared, mut own_bytes) = (0, 0);
        for pair in xattrs.iter() {
            if shared < MAX_SHARED && self.offset(pair).is_some() {
                shared += 1;
            } else {
                own_bytes += pair.stored_bytes();
            }
        }
        (shared, own_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> XattrSet {
        let mut set = XattrSet::default();
        for (name, value) in pairs {
            set.push(name.as_bytes(), value.as_bytes());
        }
        set
    }

    #[test]
    fn what_comes_twice_is_shared_downwards() {
        let sets = [
            set(&[("user.a", "1"), ("user.b", "22"), ("user.c", "x")]),
            set(&[("user.a", "1"), ("user.b", "3"), ("user.c", "y")]),
            set(&[("user.b", "22"), ("user.b", "3")]),
        ];
        let mut candidates = Candidates::default();
        sets.iter().for_each(|set| candidates.see(set));
        candidates.forget_single();
        sets.iter().for_each(|set| candidates.count(set));
        let shared = candidates.into_shared().unwrap();
        let mut bytes = Vec::new();
        shared.store(&mut bytes);
        assert_eq!(bytes, b"\x01\x01\x02\0b22\0\x01\x01\x01\0b3\0\0\x01\x01\x01\0a1\0\0");
        assert_eq!(shared.len_bytes, 24);
        assert_eq!(shared.split(&sets[0]), (2, 8));
    }
}
