//! What has to be written besides file data, whatever the size of the file system: directories,
//! extent trees, long targets, blocks of extended attributes.
//!
//! [`Content`] puts names in order and counts; [`Placer`] gives blocks to one inode after the other.
//! It is run twice, by the counting and by the writing, and gives the same blocks both times.

use super::bytes::{count, index, low32};
use super::directory::{LOST_FOUND_BLOCKS, fits_one_block, leaf_starts};
use super::error::Error;
use super::extents::tree_blocks;
use super::hash::Hasher;
use super::htree::index_blocks;
use super::layout::{Cursor, Extent, extents_of};
use super::records::{Body, Entry, NOBODY, Record, Records};
use super::xattr::{SHARERS, Sets};

/// The longest target that fits into an inode.
pub(super) const FAST_TARGET: u64 = 59;

/// Directories in the order of the disk, and how many blocks they take.
#[derive(Debug)]
pub(super) struct Content {
    /// All names, by directory, each directory in its order.
    entries: Vec<Entry>,
    /// Where the names of each handle begin in `entries`; one more than there are handles.
    starts: Vec<u32>,
    /// Blocks of content that each handle still needs: directories and long targets.
    blocks: Vec<u32>,
    /// How many inodes have each set of attributes.
    users: Vec<u32>,
    /// After the last block.
    pub(super) end: Cursor,
}

impl Content {
    /// Orders and counts what was created so far.
    pub(super) fn plan(
        records: &Records,
        sets: &Sets,
        hasher: Hasher,
        start: Cursor,
        lost_found: bool,
    ) -> Result<Self, Error> {
        check_names(records)?;
        let (mut entries, starts) = by_directory(records);
        let mut blocks = vec![0; records.inodes.len()];
        let mut users = vec![0u32; sets.len() + 1];
        for (handle, record) in records.inodes.iter().enumerate() {
            users[index(record.xattrs)] += 1;
            blocks[handle] = match record.body {
                Body::Directory { .. } => {
                    let range = index(starts[handle])..index(starts[handle + 1]);
                    order(records, &mut entries[range], hasher)?
                }
                Body::Symlink { .. } => u32::from(record.size > FAST_TARGET),
                _ => 0,
            };
        }
        let mut content = Self { entries, starts, blocks, users, end: start };
        let mut placer = Placer::new(&content, start);
        if lost_found {
            placer.place_lost_found();
        }
        for handle in 0..records.inodes.len() {
            placer.place(records, sets, handle);
        }
        content.end = placer.cursor;
        Ok(content)
    }

    /// The names in a directory.
    pub(super) fn entries(&self, handle: usize) -> &[Entry] {
        &self.entries[index(self.starts[handle])..index(self.starts[handle + 1])]
    }

    /// Blocks of a directory or of a long target.
    pub(super) fn blocks(&self, handle: usize) -> u64 {
        u64::from(self.blocks[handle])
    }
}

/// Where what belongs to an inode goes.
#[derive(Debug)]
pub(super) struct Place {
    /// Of directories and long targets.
    pub(super) extents: Vec<Extent>,
    /// Nodes of the extent tree.
    pub(super) tree: Vec<u64>,
    /// The block of extended attributes.
    pub(super) xattrs: Option<XattrPlace>,
}

impl Place {
    fn of(blocks: u64, cursor: &mut Cursor) -> Self {
        let extents = extents_of(&cursor.take_all(blocks));
        let tree = (0..tree_blocks(extents.len())).map(|_| cursor.take(1).start).collect();
        Self { extents, tree, xattrs: None }
    }
}

/// A block of extended attributes.
#[derive(Debug, Clone, Copy)]
pub(super) struct XattrPlace {
    pub(super) block: u64,
    /// When this is the first inode to have the block: how many will.
    pub(super) sharers: Option<u32>,
}

/// Gives blocks to inodes, in the order of their handles.
#[derive(Debug)]
pub(super) struct Placer<'a> {
    content: &'a Content,
    cursor: Cursor,
    /// For each set how many inodes have come, and the block they share.
    shared: Vec<(u32, u64)>,
}

impl<'a> Placer<'a> {
    /// A placer that begins where the data ends.
    pub(super) fn new(content: &'a Content, cursor: Cursor) -> Self {
        Self { content, cursor, shared: vec![(0, 0); content.users.len()] }
    }

    /// Blocks of `lost+found`, which comes before all handles.
    pub(super) fn place_lost_found(&mut self) -> Place {
        Place::of(LOST_FOUND_BLOCKS, &mut self.cursor)
    }

    /// Blocks of a handle.
    pub(super) fn place(&mut self, records: &Records, sets: &Sets, handle: usize) -> Place {
        let record = &records.inodes[handle];
        let mut place = Place::of(self.content.blocks(handle), &mut self.cursor);
        if let Body::File { extents, .. } = record.body {
            let nodes = tree_blocks(index(extents));
            place.tree = (0..nodes).map(|_| self.cursor.take(1).start).collect();
        }
        if sets.get(record.xattrs).is_some_and(|set| set.has_block) {
            place.xattrs = Some(self.place_xattrs(record));
        }
        place
    }

    fn place_xattrs(&mut self, record: &Record) -> XattrPlace {
        let set = index(record.xattrs);
        let (before, block) = &mut self.shared[set];
        let first = before.is_multiple_of(SHARERS);
        if first {
            *block = self.cursor.take(1).start;
        }
        let left = self.content.users[set] - *before;
        *before += 1;
        XattrPlace { block: *block, sharers: first.then(|| left.min(SHARERS)) }
    }
}

/// Every inode has a name, and every directory is below the root.
fn check_names(records: &Records) -> Result<(), Error> {
    const UNSEEN: u32 = NOBODY;
    let mut seen_from = vec![UNSEEN; records.inodes.len()];
    for (handle, record) in records.inodes.iter().enumerate().skip(1) {
        let number = low32(count(handle));
        if record.links == 0 && !matches!(record.body, Body::Spare) {
            return Err(Error::Misuse { inode: number, what: "has no name" });
        }
        let mut above = handle;
        while let Body::Directory { parent, .. } = records.inodes[above].body {
            if above == 0 || (seen_from[above] != UNSEEN && seen_from[above] != number) {
                break;
            }
            if seen_from[above] == number {
                return Err(Error::Misuse { inode: number, what: "is not below the root" });
            }
            seen_from[above] = number;
            above = index(parent);
        }
    }
    Ok(())
}

/// Names sorted by directory, in each as they came, and where those of each handle begin.
fn by_directory(records: &Records) -> (Vec<Entry>, Vec<u32>) {
    let mut starts = vec![0u32; records.inodes.len() + 1];
    for entry in &records.entries {
        starts[index(entry.directory) + 1] += 1;
    }
    for at in 1..starts.len() {
        starts[at] += starts[at - 1];
    }
    let mut sorted = records.entries.clone();
    sorted.sort_by_key(|entry| entry.directory);
    (sorted, starts)
}

/// Puts the names of one directory in order; returns how many blocks they take.
fn order(records: &Records, entries: &mut [Entry], hasher: Hasher) -> Result<u32, Error> {
    let lengths = |entries: &[Entry]| -> Vec<usize> {
        entries.iter().map(|entry| records.name(entry).len()).collect()
    };
    entries.sort_by(|a, b| records.name(a).cmp(records.name(b)));
    if let Some(pair) = entries.windows(2).find(|p| records.name(&p[0]) == records.name(&p[1])) {
        let name = String::from_utf8_lossy(records.name(&pair[0])).into_owned();
        return Err(Error::DuplicateName { name });
    }
    if fits_one_block(lengths(entries).into_iter()) {
        return Ok(1);
    }
    entries.sort_by_cached_key(|entry| hasher.hash(records.name(entry)));
    let leaves = leaf_starts(lengths(entries).into_iter()).len();
    let blocks = index_blocks(leaves).map(|index| index + leaves);
    blocks
        .and_then(|blocks| u32::try_from(blocks).ok())
        .ok_or(Error::DirectoryTooLarge { entries: entries.len() })
}
