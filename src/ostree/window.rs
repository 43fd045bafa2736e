//! Files that wait in memory to be hashed together.
//!
//! SHA-256 is fastest over many independent messages at once. So small files and links are gathered in
//! the order in which they come; when there are enough, all get their checksums, and then, one after
//! the other and in that order, become objects or turn out to be known. What is in the volume at the
//! end does not depend on how many are gathered.

use std::ops::Range;

use super::encapsulated;
use super::error::Error;
use crate::digest::{Message, Sha256Digest, digests};
use crate::tree::{MetaId, ObjectId};

/// Files up to this length wait; larger ones are hashed while they arrive, and nothing waits for them.
pub const WINDOW_BYTES: usize = 4 << 20;
/// How much is gathered, unless there are too many files. Twice as much would be hashed a tenth
/// faster, half as much a tenth slower.
const ENOUGH_BYTES: usize = 8 << 20;
const ENOUGH_FILES: usize = 8192;

/// What waits, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Window {
    items: Vec<Item>,
    /// Contents, one after the other, of what waits and of the file that is arriving.
    content: Vec<u8>,
    /// What the items take besides: attributes and paths may be long.
    besides_bytes: usize,
}

/// A file or link that is complete.
#[derive(Debug)]
pub(super) struct Item {
    /// The number that it was promised.
    pub(super) id: ObjectId,
    /// For messages.
    pub(super) path: String,
    pub(super) meta: MetaId,
    /// What is hashed before the content.
    pub(super) header: Vec<u8>,
    /// The checksum that it must have, where that is known.
    pub(super) expected: Option<Sha256Digest>,
    /// Whether it is a regular file; else it is a symbolic link, whose target is its content.
    pub(super) is_regular: bool,
    content: Range<usize>,
}

impl Window {
    /// Where the content of a file that begins to arrive will be.
    pub(super) fn start(&self) -> usize {
        self.content.len()
    }

    /// Takes the next bytes of the file that began at `start`; `false` when it has outgrown the window.
    pub(super) fn feed(&mut self, start: usize, bytes: &[u8]) -> bool {
        let fits = self.content.len() - start + bytes.len() <= WINDOW_BYTES;
        if fits {
            self.put(bytes);
        }
        fits
    }

    /// Takes bytes that are known to be few.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.content.extend_from_slice(bytes);
    }

    /// What the file that began at `start` brought so far.
    pub(super) fn arrived(&self, start: usize) -> &[u8] {
        &self.content[start..]
    }

    /// The content from `start` on is that of `item`.
    pub(super) fn push(&mut self, start: usize, item: Item) {
        self.besides_bytes += item.header.len() + item.path.len();
        self.items.push(Item { content: start..self.content.len(), ..item });
    }

    pub(super) fn is_full(&self) -> bool {
        self.content.len() + self.besides_bytes >= ENOUGH_BYTES || self.items.len() >= ENOUGH_FILES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// What waits, with its checksum.
    pub(super) fn checked(&self) -> Result<impl Iterator<Item = Checked<'_>>, Error> {
        let messages: Vec<Message<'_>> = self.items.iter().map(|item| self.message(item)).collect();
        let checksums = digests(&messages);
        for (item, actual) in self.items.iter().zip(&checksums) {
            if item.expected.is_some_and(|expected| expected != *actual) {
                let (object, actual) = (item.path.clone(), *actual);
                return Err(encapsulated::Error::Checksum { object, actual }.into());
            }
        }
        let checked = |(item, checksum)| Checked { item, checksum, content: self.content(item) };
        Ok(self.items.iter().zip(checksums).map(checked))
    }

    /// Forgets what waits; its memory is used again.
    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.content.clear();
        self.besides_bytes = 0;
    }

    fn content(&self, item: &Item) -> &[u8] {
        &self.content[item.content.clone()]
    }

    fn message<'w>(&'w self, item: &'w Item) -> Message<'w> {
        let content = if item.is_regular { self.content(item) } else { &[] };
        Message { header: &item.header, content }
    }
}

/// A file or link with its checksum.
#[derive(Debug)]
pub(super) struct Checked<'w> {
    pub(super) item: &'w Item,
    pub(super) checksum: Sha256Digest,
    /// Content, or the target of a link.
    pub(super) content: &'w [u8],
}

impl Item {
    /// Without content yet; [`Window::push`] gives it some.
    pub(super) fn new(
        id: ObjectId,
        path: String,
        meta: MetaId,
        header: Vec<u8>,
        expected: Option<Sha256Digest>,
        is_regular: bool,
    ) -> Self {
        Self { id, path, meta, header, expected, is_regular, content: 0..0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_and_paths_count() {
        let item = || {
            let header = vec![0; 1 << 20];
            Item::new(ObjectId(0), "p".repeat(1 << 10), MetaId(0), header, None, true)
        };
        let mut window = Window::default();
        for _ in 0..7 {
            window.push(0, item());
        }
        assert!(!window.is_full());
        window.push(0, item());
        assert!(window.is_full());
        window.clear();
        assert!(!window.is_full() && window.is_empty());
    }
}
