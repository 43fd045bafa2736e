//! Which extended attributes several inodes share.
//!
//! A pair of name and value that more than one inode has lies once in the shared area. To find such
//! pairs, only a hash of every pair is kept until it comes again; counting is exact, in a second
//! walk over those that came again. The maps have random keys against made-up collisions; nothing
//! depends on their order.

use std::cmp::Ordering;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;

use super::Error;
use super::xattr::{HEADER_BYTES, Pair, XattrSet};

/// No more of an inode's attributes are stored as shared ones.
const MAX_SHARED: u8 = 128;

/// Pairs that came at least twice, by chance also others.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    hasher: RandomState,
    seen: HashSet<u64>,
    again: HashMap<Box<[u8]>, u32>,
}

impl Candidates {
    /// First walk.
    pub(super) fn see(&mut self, xattrs: &XattrSet) {
        for pair in xattrs.iter() {
            let bytes = pair.as_bytes();
            if !self.again.contains_key(bytes) && !self.seen.insert(self.hasher.hash_one(bytes)) {
                self.again.insert(bytes.into(), 0);
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
        let mut offsets = HashMap::new();
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
    offsets: HashMap<Box<[u8]>, u32>,
    /// Its length.
    pub(super) len_bytes: u64,
}

impl Shared {
    /// Appends the area's bytes.
    pub(super) fn store(&self, into: &mut Vec<u8>) {
        let mut pairs: Vec<(u32, &[u8])> =
            self.offsets.iter().map(|(pair, offset)| (*offset, &**pair)).collect();
        pairs.sort_unstable();
        for (_, pair) in pairs {
            Pair::from_bytes(pair).store(into);
        }
    }

    /// Finds which attributes of an inode lie here.
    pub(super) fn assign(&self, xattrs: &XattrSet, assigned: &mut Assigned) {
        assigned.offsets.clear();
        assigned.shared_count = 0;
        assigned.len_bytes = if xattrs.is_empty() { 0 } else { HEADER_BYTES };
        for pair in xattrs.iter() {
            let offset = self.offsets.get(pair.as_bytes()).copied();
            let offset = offset.filter(|_| assigned.shared_count < MAX_SHARED);
            assigned.shared_count += u8::from(offset.is_some());
            assigned.len_bytes += if offset.is_some() { 4 } else { pair.stored_bytes() };
            assigned.offsets.push(offset);
        }
    }
}

/// Which attributes of an inode are shared. Reused from inode to inode.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// For every attribute its offset in the shared area, if it lies there.
    pub(super) offsets: Vec<Option<u32>>,
    pub(super) shared_count: u8,
    /// What the inode's own area takes.
    pub(super) len_bytes: u64,
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
        let mut assigned = Assigned::default();
        shared.assign(&sets[0], &mut assigned);
        assert_eq!(assigned.offsets, [Some(16), Some(0), None]);
        assert_eq!((assigned.shared_count, assigned.len_bytes), (2, 12 + 2 * 4 + 8));
    }
}
