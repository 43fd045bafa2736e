//! The image: planned whole, then written in one forward stream.

use super::directory::{self, Part};
use super::place::{self, Areas, place};
use super::records::{InodeRecord, Layout, Superblock};
use super::scan::{Scan, index};
use super::sharing::{Assigned, Candidates, Shared};
use super::xattr::{HEADER_BYTES, XattrSet};
use super::{
    BLOCK_BYTES, ContentError, Error, Inode, Kind, SLOT_BYTES, SUPERBLOCK_OFFSET, Source,
    WriteError,
};

const BLOCK_LEN: usize = 4096;
/// Pieces are given out once they are about this long.
const PIECE_BYTES: usize = 64 << 10;

/// A planned image: everything that can be wrong with the tree has been looked for, and every byte
/// has its place. Holds some 64 bytes for a node, no names and no attributes but shared ones.
#[derive(Debug)]
pub struct Image<N> {
    scan: Scan<N>,
    shared: Shared,
    areas: Areas,
    boot_area: Box<[u8]>,
}

impl<N: Copy> Image<N> {
    /// Plans an image of `source`. `boot_area` goes to the start, before the superblock; at most
    /// 1024 bytes.
    pub fn plan<S: Source<Node = N>>(source: &S, boot_area: &[u8]) -> Result<Self, Error> {
        if u64::try_from(boot_area.len()).is_ok_and(|len| len > SUPERBLOCK_OFFSET) {
            return Err(Error::BootAreaTooLong { len_bytes: boot_area.len() });
        }
        let mut scan = Scan::new(source)?;
        let shared = share(source, &scan)?;
        let areas = place(source, &mut scan, &shared)?;
        Ok(Self { scan, shared, areas, boot_area: boot_area.into() })
    }

    /// How long the image is: a multiple of 4096.
    pub fn len_bytes(&self) -> u64 {
        self.areas.end
    }

    /// How many inodes it has.
    pub fn inode_count(&self) -> usize {
        self.scan.entries.len()
    }

    /// The bytes from the start, to be asked for piece by piece.
    pub fn stream(&self) -> Stream<'_, N> {
        Stream {
            image: self,
            stage: Stage::Superblock,
            written: 0,
            xattrs: XattrSet::default(),
            assigned: Assigned::default(),
        }
    }

    /// Gives all bytes to `out`, in order. `source` must be what the image was planned from.
    pub fn write<S: Source<Node = N>, O>(
        &self,
        source: &S,
        mut out: impl FnMut(&[u8]) -> Result<(), O>,
    ) -> Result<(), WriteError<S::Error, O>> {
        let mut stream = self.stream();
        let mut piece = Vec::new();
        while stream.next(source, &mut piece)? {
            out(&piece).map_err(WriteError::Output)?;
            piece.clear();
        }
        Ok(())
    }
}

/// Looks all attributes over, and finds those that inodes share.
fn share<S: Source>(source: &S, scan: &Scan<S::Node>) -> Result<Shared, Error> {
    let mut xattrs = XattrSet::default();
    let mut candidates = Candidates::default();
    for (number, entry) in scan.entries.iter().enumerate() {
        xattrs.clear();
        source.xattrs(entry.node, &mut xattrs);
        xattrs.sort();
        xattrs.check(|| scan.path(source, number))?;
        candidates.see(&xattrs);
    }
    candidates.forget_single();
    if !candidates.is_empty() {
        for entry in &scan.entries {
            xattrs.clear();
            source.xattrs(entry.node, &mut xattrs);
            candidates.count(&xattrs);
        }
    }
    candidates.into_shared()
}

/// What comes next.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Superblock,
    Inode(usize),
    SharedXattrs,
    Blocks(usize),
    End,
}

/// The bytes of an image, from the start. It borrows no source between two pieces, so that the
/// receiver of the bytes may be what the source reads from.
#[derive(Debug)]
pub struct Stream<'i, N> {
    image: &'i Image<N>,
    stage: Stage,
    written: u64,
    xattrs: XattrSet,
    assigned: Assigned,
}

impl<N: Copy> Stream<'_, N> {
    /// Adds the next piece to `into`; false when there is none. A piece is about 64 KiB, or the
    /// whole of a longer directory or inline file.
    pub fn next<S: Source<Node = N>>(
        &mut self,
        source: &S,
        into: &mut Vec<u8>,
    ) -> Result<bool, ContentError<S::Error>> {
        let start = into.len();
        while into.len() - start < PIECE_BYTES && !matches!(self.stage, Stage::End) {
            let before = into.len();
            self.stage = self.step(source, into)?;
            self.written += count(into.len() - before);
        }
        Ok(into.len() > start)
    }

    fn step<S: Source<Node = N>>(
        &mut self,
        source: &S,
        into: &mut Vec<u8>,
    ) -> Result<Stage, ContentError<S::Error>> {
        let Image { scan, shared, areas, .. } = self.image;
        Ok(match self.stage {
            Stage::Superblock => {
                self.superblock(into);
                Stage::Inode(0)
            }
            Stage::Inode(number) if number < scan.entries.len() => {
                self.inode(source, number, into)?;
                Stage::Inode(number + 1)
            }
            Stage::Inode(_) => {
                self.pad(areas.inodes_end, into);
                Stage::SharedXattrs
            }
            Stage::SharedXattrs => {
                shared.store(into);
                Stage::Blocks(0)
            }
            Stage::Blocks(number) if number < scan.entries.len() => {
                self.pad(areas.blocks_start, into);
                self.blocks(source, number, into)?;
                Stage::Blocks(number + 1)
            }
            Stage::Blocks(_) | Stage::End => Stage::End,
        })
    }

    /// Zeros from the last step's end up to `place` of the image.
    fn pad(&self, place: u64, into: &mut Vec<u8>) {
        let zeros = usize::try_from(place.saturating_sub(self.written)).unwrap_or(0);
        into.resize(into.len() + zeros, 0);
    }

    fn superblock(&self, into: &mut Vec<u8>) {
        let Image { scan, areas, boot_area, .. } = self.image;
        let block = |offset: u64| u32::try_from(offset / BLOCK_BYTES).unwrap_or(u32::MAX);
        let superblock = Superblock {
            root_slot: u16::try_from(scan.entries[0].slot).unwrap_or(u16::MAX),
            inode_count: count(scan.entries.len()),
            time: scan.oldest,
            block_count: block(areas.end),
            shared_xattrs_block: block(areas.inodes_end),
        };
        into.extend_from_slice(boot_area);
        self.pad(SUPERBLOCK_OFFSET - count(boot_area.len()), into);
        into.extend_from_slice(&superblock.to_bytes());
    }

    /// An inode, its attributes and its tail.
    fn inode<S: Source<Node = N>>(
        &mut self,
        source: &S,
        number: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), ContentError<S::Error>> {
        let Image { scan, shared, .. } = self.image;
        let entry = &scan.entries[number];
        let inode = source.inode(entry.node);
        self.xattrs.clear();
        source.xattrs(entry.node, &mut self.xattrs);
        self.xattrs.sort();
        shared.assign(&self.xattrs, &mut self.assigned);
        self.pad(u64::from(entry.slot) * SLOT_BYTES, into);
        let xattr_words = match self.assigned.len_bytes {
            0 => 0,
            len => 1 + (len - HEADER_BYTES) / 4,
        };
        InodeRecord {
            inode,
            layout: self.layout(number, inode.kind),
            is_compact: entry.is_compact,
            xattr_words: u16::try_from(xattr_words).unwrap_or(u16::MAX),
            links: match inode.kind {
                Kind::Directory => directory::subdirectories(scan, entry).saturating_add(2),
                _ => 1,
            },
            len_bytes: self.len_bytes(number, inode.kind),
            first_block: entry.first_block,
            serial: u32::try_from(number).unwrap_or(u32::MAX),
        }
        .store(into);
        self.xattr_area(into);
        self.tail(source, number, &inode, into)
    }

    fn layout(&self, number: usize, kind: Kind) -> Layout {
        match kind {
            Kind::Hollow { len_bytes } if len_bytes > 0 => {
                let (bits, _) = place::chunks(len_bytes);
                Layout::Chunks { block_bits: u16::try_from(bits - 12).unwrap_or(u16::MAX) }
            }
            _ if self.image.scan.entries[number].tail_bytes > 0 => Layout::Tail,
            _ => Layout::Plain,
        }
    }

    fn len_bytes(&self, number: usize, kind: Kind) -> u64 {
        let entry = &self.image.scan.entries[number];
        match kind {
            Kind::Directory => {
                u64::from(entry.block_count) * BLOCK_BYTES + u64::from(entry.tail_bytes)
            }
            Kind::Inline { len_bytes }
            | Kind::Hollow { len_bytes }
            | Kind::Symlink { len_bytes } => len_bytes,
            Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Fifo | Kind::Socket => 0,
        }
    }

    fn xattr_area(&self, into: &mut Vec<u8>) {
        let Assigned { offsets, shared_count, .. } = &self.assigned;
        if self.xattrs.is_empty() {
            return;
        }
        into.extend_from_slice(&self.xattrs.name_filter().to_le_bytes());
        into.extend_from_slice(&[*shared_count, 0, 0, 0, 0, 0, 0, 0]);
        let area = self.image.areas.inodes_end % BLOCK_BYTES;
        for offset in offsets.iter().flatten() {
            let word = u32::try_from((area + u64::from(*offset)) / 4).unwrap_or(u32::MAX);
            into.extend_from_slice(&word.to_le_bytes());
        }
        for (pair, _) in self.xattrs.iter().zip(offsets).filter(|(_, offset)| offset.is_none()) {
            pair.store(into);
        }
    }

    fn tail<S: Source<Node = N>>(
        &self,
        source: &S,
        number: usize,
        inode: &Inode,
        into: &mut Vec<u8>,
    ) -> Result<(), ContentError<S::Error>> {
        let entry = &self.image.scan.entries[number];
        let tail_bytes = usize::from(entry.tail_bytes);
        if tail_bytes == 0 {
            return Ok(());
        }
        match inode.kind {
            Kind::Directory => {
                directory::store(source, &self.image.scan, number, Part::Tail, into);
            }
            // no chunk has an address: a reader takes them for zeros
            Kind::Hollow { .. } => into.resize(into.len() + tail_bytes, 0xff),
            _ => {
                let start = into.len();
                self.content(source, number, into)?;
                into.drain(start..into.len() - tail_bytes);
            }
        }
        Ok(())
    }

    /// The blocks of an inode's own.
    fn blocks<S: Source<Node = N>>(
        &self,
        source: &S,
        number: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), ContentError<S::Error>> {
        let entry = &self.image.scan.entries[number];
        if entry.block_count == 0 {
            return Ok(());
        }
        if entry.entry_type == super::DIRECTORY_TYPE {
            directory::store(source, &self.image.scan, number, Part::Blocks, into);
        } else {
            let start = into.len();
            self.content(source, number, into)?;
            let blocks_bytes = index(entry.block_count) * BLOCK_LEN;
            into.resize(start + blocks_bytes, 0);
        }
        Ok(())
    }

    fn content<S: Source<Node = N>>(
        &self,
        source: &S,
        number: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), ContentError<S::Error>> {
        let path = || self.image.scan.path(source, number);
        let node = self.image.scan.entries[number].node;
        let start = into.len();
        source
            .content(node, into)
            .map_err(|error| ContentError::Source { path: path(), source: error })?;
        let actual = into.len() - start;
        let expected = self.len_bytes(number, source.inode(node).kind);
        if count(actual) != expected {
            return Err(ContentError::Length { path: path(), expected, actual });
        }
        Ok(())
    }
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
