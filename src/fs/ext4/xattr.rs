//! Extended attributes: first in the inode, what does not fit there in one block of its own.
//!
//! ```text
//! inode:  magic 4 │ entry │ entry │ 0:4 …free… │ value │ value      offsets count from after magic
//! block:  header 32 │ entry │ … │ 0:4 …free… │ … │ value            offsets count from the block
//! header: magic 4, references 4, blocks 4 (1), hash 4, checksum 4, 0:12
//! entry:  name_len 1, name_index 1, value_offset 2, 0:4, value_size 4, hash 4, name, to 4 bytes
//! ```
//!
//! Entries are sorted by (index, name length, name), as the kernel searches blocks. In inodes their
//! hash is 0. Inodes with equal sets share blocks, up to [`SHARERS`] each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::acl;
use super::bytes::{count, low8, low16, low32, put16, put32};
use super::checksum::Checksum;
use super::error::Error;
use super::layout::BLOCK_LEN;
use crate::volume::Xattrs;

/// Bytes for attributes in an inode.
pub(super) const INLINE: usize = 96;
/// The most inodes that may share a block.
pub(super) const SHARERS: u32 = 1024;

const MAGIC: u32 = 0xea02_0000;
const INLINE_ROOM: usize = INLINE - 4;
const HEADER: usize = 32;
const BLOCK_ROOM: usize = BLOCK_LEN - HEADER;
const ENTRY: usize = 16;
/// The zeros after the last entry.
const END: usize = 4;

/// Namespaces with their index; full names before the prefixes they start with.
const NAMESPACES: [(&[u8], u8); 6] = [
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
    (b"system.", 7),
];

/// An attribute in ext4's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item<'a> {
    index: u8,
    name: &'a [u8],
    value: Cow<'a, [u8]>,
}

impl Item<'_> {
    fn len(&self) -> usize {
        ENTRY + self.name.len().next_multiple_of(4) + self.value.len().next_multiple_of(4)
    }
}

/// A set of attributes, checked to fit.
#[derive(Debug)]
pub(super) struct Set {
    xattrs: Xattrs,
    /// What goes into each inode.
    pub(super) inline: [u8; INLINE],
    /// Whether there is more, in a block.
    pub(super) has_block: bool,
}

impl Set {
    fn new(xattrs: &Xattrs) -> Result<Self, Error> {
        let items = items(xattrs)?;
        let (inline, block) = split(&items);
        let needed = block.iter().map(|item| item.len()).sum::<usize>() + END;
        if needed > BLOCK_ROOM {
            return Err(Error::XattrsTooLarge { needed, available: BLOCK_ROOM });
        }
        let mut raw = [0; INLINE];
        if !inline.is_empty() {
            put32(&mut raw, 0, MAGIC);
            fill(&mut raw[4..], 0, &inline, false);
        }
        Ok(Self { xattrs: xattrs.clone(), inline: raw, has_block: !block.is_empty() })
    }

    /// The block at `place`, shared by `sharers` inodes.
    pub(super) fn encode_block(
        &self,
        place: u64,
        sharers: u32,
        seed: Checksum,
    ) -> Result<Vec<u8>, Error> {
        let items = items(&self.xattrs)?;
        let (_, block) = split(&items);
        let mut raw = vec![0; BLOCK_LEN];
        put32(&mut raw, 0, MAGIC);
        put32(&mut raw, 4, sharers);
        put32(&mut raw, 8, 1);
        let hash = fill(&mut raw, HEADER, &block, true);
        put32(&mut raw, 12, hash);
        let sum = seed.then(&place.to_le_bytes()).then(&raw);
        put32(&mut raw, 16, sum.0);
        Ok(raw)
    }
}

/// All sets in use, each once. Number 0 is the empty set.
#[derive(Debug, Default)]
pub(super) struct Sets {
    numbers: BTreeMap<Xattrs, u32>,
    sets: Vec<Set>,
}

impl Sets {
    /// The number of a set.
    pub(super) fn number(&mut self, xattrs: &Xattrs) -> Result<u32, Error> {
        if xattrs.is_empty() {
            return Ok(0);
        }
        if let Some(number) = self.numbers.get(xattrs) {
            return Ok(*number);
        }
        self.sets.push(Set::new(xattrs)?);
        let number = low32(count(self.sets.len()));
        self.numbers.insert(xattrs.clone(), number);
        Ok(number)
    }

    /// The set of that number, `None` for the empty one.
    pub(super) fn get(&self, number: u32) -> Option<&Set> {
        self.sets.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }

    /// How many sets there are besides the empty one.
    pub(super) fn len(&self) -> usize {
        self.sets.len()
    }
}

/// The attributes in the order of the disk.
fn items(xattrs: &Xattrs) -> Result<Vec<Item<'_>>, Error> {
    let mut items = Vec::with_capacity(xattrs.as_slice().len());
    for xattr in xattrs.as_slice() {
        let bad_name = || Error::XattrName { name: lossy(&xattr.name) };
        let (prefix, index) =
            NAMESPACES.iter().find(|(p, _)| xattr.name.starts_with(p)).ok_or_else(bad_name)?;
        let name = &xattr.name[prefix.len()..];
        let is_acl = matches!(index, 2 | 3);
        if name.is_empty() != is_acl || name.len() > 255 || name.contains(&0) {
            return Err(bad_name());
        }
        let value = if is_acl {
            let disk = acl::to_disk(&xattr.value);
            Cow::Owned(disk.ok_or_else(|| Error::BadAcl { name: lossy(&xattr.name) })?)
        } else {
            Cow::Borrowed(&*xattr.value)
        };
        items.push(Item { index: *index, name, value });
    }
    items.sort_by(|a, b| (a.index, a.name.len(), a.name).cmp(&(b.index, b.name.len(), b.name)));
    Ok(items)
}

/// What fits into the inode, the smallest first, and what goes to the block; both stay sorted.
fn split<'a, 'b>(items: &'b [Item<'a>]) -> (Vec<&'b Item<'a>>, Vec<&'b Item<'a>>) {
    let mut by_len: Vec<usize> = (0..items.len()).collect();
    by_len.sort_by_key(|at| items[*at].len());
    let mut inline = vec![false; items.len()];
    let mut left = INLINE_ROOM - END;
    for at in by_len {
        if items[at].len() <= left {
            left -= items[at].len();
            inline[at] = true;
        }
    }
    let pick = |wanted| {
        items.iter().zip(&inline).filter(|(_, is)| **is == wanted).map(|(item, _)| item).collect()
    };
    (pick(true), pick(false))
}

/// Writes entries from `at` on and values from the end back; returns the hash over all.
fn fill(area: &mut [u8], mut at: usize, items: &[&Item<'_>], hashed: bool) -> u32 {
    let mut values = area.len();
    let mut all = 0u32;
    for item in items {
        values -= item.value.len().next_multiple_of(4);
        let hash = if hashed { entry_hash(item) } else { 0 };
        all = all.rotate_left(16) ^ hash;
        area[at] = low8(count(item.name.len()));
        area[at + 1] = item.index;
        put16(area, at + 2, low16(count(values)));
        put32(area, at + 8, low32(count(item.value.len())));
        put32(area, at + 12, hash);
        area[at + ENTRY..at + ENTRY + item.name.len()].copy_from_slice(item.name);
        area[values..values + item.value.len()].copy_from_slice(&item.value);
        at += ENTRY + item.name.len().next_multiple_of(4);
    }
    all
}

fn entry_hash(item: &Item<'_>) -> u32 {
    let of_name = item.name.iter().fold(0u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
    item.value.chunks(4).fold(of_name, |hash, chunk| {
        let mut word = [0; 4];
        word[..chunk.len()].copy_from_slice(chunk);
        hash.rotate_left(16) ^ u32::from_le_bytes(word)
    })
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, usize)]) -> Xattrs {
        Xattrs::from_pairs(pairs.iter().map(|(n, len)| (n.as_bytes().to_vec(), vec![b'x'; *len])))
    }

    #[test]
    fn small_attributes_stay_in_the_inode() {
        let small = Set::new(&set(&[("security.selinux", 30)])).unwrap();
        assert!(!small.has_block);
        let both = Set::new(&set(&[("security.selinux", 30), ("user.large", 60)])).unwrap();
        assert!(both.has_block);
        assert_eq!(both.inline, small.inline);
    }

    #[test]
    fn a_set_beyond_inode_and_block_is_refused_with_sizes() {
        let most = BLOCK_ROOM - END - ENTRY - 4;
        assert!(Set::new(&set(&[("user.x", most)])).is_ok());
        let error = Set::new(&set(&[("user.x", most + 1)])).unwrap_err();
        assert!(matches!(error, Error::XattrsTooLarge { needed: 4068, available: 4064 }));
    }

    #[test]
    fn unknown_namespaces_and_bad_names_are_refused() {
        for name in ["os2.x", "user.", "system.posix_acl_accessory", "user.a\0b"] {
            let error = Set::new(&set(&[(name, 4)])).unwrap_err();
            assert!(matches!(error, Error::XattrName { .. }), "{name}");
        }
    }
}
