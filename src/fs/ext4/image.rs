//! The writing of all metadata, once everything is decided: content, inodes, bitmaps, journal,
//! resize inode, copies of descriptors and superblock, and the superblock itself last of all.

use std::io;

use super::behind::Behind;
use super::bytes::{count, index, low16, low32};
use super::checksum::Checksum;
use super::content::{Content, FAST_TARGET, Place, Placer};
use super::directory::{
    self, Name, Owner, TYPE_CHAR_DEVICE, TYPE_DIRECTORY, TYPE_REGULAR, TYPE_SYMLINK,
};
use super::error::Error;
use super::extents::{self};
use super::geometry::{Demand, Geometry, free_between, inode_count, inode_offset};
use super::group::{Group, Inodes};
use super::hash::Hasher;
use super::inode::{self, Fields};
use super::journal;
use super::layout::{BLOCK, Cursor, Extent, Frame, GROUP, extents_of, has_head};
use super::options::Options;
use super::records::{Body, Record, Records};
use super::resize;
use super::summary::{Summary, parts};
use super::superblock::{self, FIRST_INODE, JOURNAL_INODE, State};
use super::xattr::Sets;
use crate::canvas::Canvas;
use crate::units::ByteOffset;
use crate::volume::Timestamp;

/// The child of an entry that is `lost+found`.
pub(super) const LOST_FOUND: u32 = u32::MAX - 1;
/// The number of the root directory.
const ROOT: u32 = 2;
/// From so many links on a directory says 1: not counted.
const MOST_LINKS: u32 = 65_000;

/// The number of the inode that has a handle.
pub(super) fn number_of(handle: u32, lost_found: bool) -> u32 {
    match handle {
        0 => ROOT,
        LOST_FOUND => FIRST_INODE,
        _ => FIRST_INODE + u32::from(lost_found) + handle - 1,
    }
}

/// Everything that is written, and where to.
#[derive(Debug)]
pub(super) struct Image<'a, C> {
    pub(super) canvas: &'a mut C,
    pub(super) options: &'a Options,
    pub(super) records: &'a Records,
    pub(super) sets: &'a Sets,
    pub(super) lost_found_xattrs: u32,
    pub(super) content: &'a Content,
    pub(super) demand: Demand,
    pub(super) geometry: &'a Geometry,
    pub(super) seed: Checksum,
    pub(super) hasher: Hasher,
    /// Directories, trees and the like.
    pub(super) blocks: Behind,
    /// Inodes.
    pub(super) inodes: Behind,
    /// For each group.
    pub(super) directories: Vec<u32>,
}

impl<C: Canvas> Image<'_, C> {
    /// Writes all that is missing after the data, which ends before `data_end`.
    pub(super) fn write(mut self, data_end: Cursor) -> Result<Summary, Error> {
        let journal = self.write_reserved_inodes()?;
        self.write_content(data_end)?;
        self.blocks.flush(self.canvas)?;
        self.inodes.flush(self.canvas)?;
        let spare = self.spare_inodes();
        let groups: Vec<Group> = self
            .directories
            .iter()
            .zip(0..)
            .map(|(directories, number)| {
                let inodes = Inodes { last: self.demand.inodes, spare: &spare };
                Group::new(self.geometry, self.frame(), number, inodes, *directories)
            })
            .collect();
        self.write_bitmaps(&groups)?;
        self.write_resize_maps()?;
        let used_inodes = low32(self.demand.inodes - count(spare.len()));
        let free_blocks = free_between(&self.geometry.free, 0, self.geometry.blocks);
        let parts = parts(self.geometry, self.frame(), self.content.end.next, &groups);
        let written = parts.iter().filter(|p| p.kind == super::summary::Kind::Data);
        let state = State {
            free_blocks,
            free_inodes: inode_count(self.geometry) - used_inodes,
            overhead: self.overhead(),
            written_kib: written.map(|part| part.len.0 / 1024).sum(),
            journal,
        };
        self.write_heads(&groups, &state)?;
        Ok(Summary {
            block_count: self.geometry.blocks,
            free_blocks,
            inode_count: inode_count(self.geometry),
            used_inodes,
            parts,
        })
    }

    fn frame(&self) -> Frame {
        self.demand.frame
    }

    fn number(&self, handle: u32) -> u32 {
        number_of(handle, self.options.lost_found)
    }

    /// Inodes up to the last that nothing uses, counted from 0, in order.
    fn spare_inodes(&self) -> Vec<u64> {
        let spare = self.records.spare.iter();
        let mut places: Vec<u64> = spare.map(|inode| u64::from(self.number(inode.0)) - 1).collect();
        places.sort_unstable();
        places
    }

    fn put_block(&mut self, block: u64, bytes: &[u8]) -> io::Result<()> {
        self.blocks.write(self.canvas, block * BLOCK, bytes)
    }

    fn put_inode(&mut self, number: u32, raw: &[u8]) -> io::Result<()> {
        let offset = inode_offset(self.geometry, number);
        self.inodes.write(self.canvas, offset, raw)
    }

    /// Inodes 1 to 10 without the root; returns what the superblock repeats of the journal.
    fn write_reserved_inodes(&mut self) -> Result<Option<([u8; 60], u64)>, Error> {
        for number in (1..FIRST_INODE).filter(|number| *number != ROOT) {
            let raw = inode::encode_unused(number, self.seed);
            self.put_inode(number, &raw)?;
        }
        let resize = Fields {
            body: resize::body(self.geometry),
            size: resize::SIZE,
            blocks: resize::blocks(self.geometry, self.frame()),
            ..self.own_fields(inode::REGULAR | 0o600)
        };
        self.put_inode(resize::RESIZE_INODE, &resize.encode(resize::RESIZE_INODE, self.seed))?;
        if self.geometry.journal.is_empty() {
            return Ok(None);
        }
        let extents = extents_of(&self.geometry.journal);
        let tree = self.geometry.journal_tree.clone();
        let body = self.put_tree(JOURNAL_INODE, &extents, &tree)?;
        let blocks = self.geometry.journal_blocks();
        let fields = Fields {
            body,
            size: blocks * BLOCK,
            blocks: blocks + count(tree.len()),
            flags: inode::EXTENTS,
            ..self.own_fields(inode::REGULAR | 0o600)
        };
        self.put_inode(JOURNAL_INODE, &fields.encode(JOURNAL_INODE, self.seed))?;
        self.put_block(self.geometry.journal[0].start, &journal::superblock(blocks))?;
        Ok(Some((body, blocks * BLOCK)))
    }

    /// An inode of the file system's own, without content.
    fn own_fields(&self, mode: u16) -> Fields<'static> {
        Fields {
            mode,
            uid: 0,
            gid: 0,
            size: 0,
            links: 1,
            time: Timestamp { nanos: 0, ..self.options.time },
            flags: 0,
            blocks: 0,
            body: [0; 60],
            xattr_block: 0,
            xattrs: None,
        }
    }

    fn put_tree(
        &mut self,
        number: u32,
        extents: &[Extent],
        blocks: &[u64],
    ) -> io::Result<[u8; 60]> {
        let (root, nodes) = extents::tree(extents, blocks, self.seed.of_inode(number));
        for (block, node) in nodes {
            self.put_block(block, &node)?;
        }
        Ok(root)
    }

    /// Every inode with a handle, and what belongs to it.
    fn write_content(&mut self, data_end: Cursor) -> Result<(), Error> {
        let mut placer = Placer::new(self.content, data_end);
        if self.options.lost_found {
            let place = placer.place_lost_found();
            self.write_lost_found(&place)?;
        }
        for handle in 0..self.records.inodes.len() {
            let place = placer.place(self.records, self.sets, handle);
            self.write_inode(handle, &place)?;
        }
        Ok(())
    }

    fn write_lost_found(&mut self, place: &Place) -> Result<(), Error> {
        let owner = Owner { number: FIRST_INODE, parent: ROOT };
        let mut blocks = blocks_of(&place.extents);
        directory::write_lost_found(owner, self.seed, |bytes| {
            self.blocks.write(self.canvas, blocks.next().unwrap_or(0) * BLOCK, bytes)
        })?;
        let body = self.put_tree(FIRST_INODE, &place.extents, &place.tree)?;
        let fields = Fields {
            body,
            size: directory::LOST_FOUND_BLOCKS * BLOCK,
            blocks: directory::LOST_FOUND_BLOCKS + count(place.tree.len()),
            links: 2,
            flags: inode::EXTENTS,
            xattrs: self.sets.get(self.lost_found_xattrs).map(|set| &set.inline),
            ..self.own_fields(inode::DIRECTORY | 0o700)
        };
        self.put_inode(FIRST_INODE, &fields.encode(FIRST_INODE, self.seed))?;
        self.directories[0] += 1;
        Ok(())
    }

    fn write_inode(&mut self, handle: usize, place: &Place) -> Result<(), Error> {
        let record = &self.records.inodes[handle];
        let number = self.number(low32(count(handle)));
        let own = u64::from(place.xattrs.is_some()) + count(place.tree.len());
        let mut fields = Fields {
            uid: record.uid,
            gid: record.gid,
            size: record.size,
            links: low16(u64::from(record.links)),
            time: record.time,
            flags: if record.immutable { inode::IMMUTABLE } else { 0 },
            blocks: own,
            ..self.own_fields(record.full_mode())
        };
        match record.body {
            Body::File { .. } => {
                let extents = self.records.extents_of(record);
                fields.body = self.put_tree(number, extents, &place.tree)?;
                fields.blocks += extents.iter().map(|extent| u64::from(extent.len)).sum::<u64>();
                fields.flags |= inode::EXTENTS;
            }
            Body::Symlink { text } => {
                let target = self.records.target(text, record.size);
                self.write_target(target, number, place, &mut fields)?;
            }
            Body::Directory { parent, subdirectories } => {
                let owner = Owner { number, parent: self.number(parent) };
                self.write_directory(handle, owner, subdirectories, place, &mut fields)?;
            }
            Body::Device { major, minor } => fields.body = inode::encode_device(major, minor),
            Body::Spare => {
                self.put_inode(number, &inode::encode_unused(number, self.seed))?;
                return Ok(());
            }
        }
        if let Some(set) = self.sets.get(record.xattrs) {
            fields.xattrs = Some(&set.inline);
            if let Some(xattrs) = place.xattrs {
                fields.xattr_block = xattrs.block;
                if let Some(sharers) = xattrs.sharers {
                    let block = set.encode_block(xattrs.block, sharers, self.seed)?;
                    self.put_block(xattrs.block, &block)?;
                }
            }
        }
        self.put_inode(number, &fields.encode(number, self.seed))?;
        Ok(())
    }

    fn write_target(
        &mut self,
        target: &[u8],
        number: u32,
        place: &Place,
        fields: &mut Fields<'_>,
    ) -> io::Result<()> {
        if count(target.len()) <= FAST_TARGET {
            fields.body[..target.len()].copy_from_slice(target);
            return Ok(());
        }
        let mut block = target.to_vec();
        block.resize(index(BLOCK), 0);
        fields.body = self.put_tree(number, &place.extents, &place.tree)?;
        fields.blocks += 1;
        fields.flags |= inode::EXTENTS;
        self.put_block(u64::from(place.extents[0].start), &block)
    }

    fn write_directory(
        &mut self,
        handle: usize,
        owner: Owner,
        subdirectories: u32,
        place: &Place,
        fields: &mut Fields<'_>,
    ) -> io::Result<()> {
        let records = self.records;
        let names: Vec<Name<'_>> = self
            .content
            .entries(handle)
            .iter()
            .map(|entry| Name {
                bytes: records.name(entry),
                number: self.number(entry.child),
                file_type: file_type(records, entry.child),
            })
            .collect();
        let mut blocks = blocks_of(&place.extents);
        directory::write(owner, &names, self.hasher, self.seed, |bytes| {
            self.blocks.write(self.canvas, blocks.next().unwrap_or(0) * BLOCK, bytes)
        })?;
        fields.body = self.put_tree(owner.number, &place.extents, &place.tree)?;
        let own = self.content.blocks(handle);
        fields.blocks += own;
        fields.size = own * BLOCK;
        fields.flags |= inode::EXTENTS | if own > 1 { inode::INDEXED } else { 0 };
        let links = 2 + u64::from(subdirectories);
        fields.links = if links > u64::from(MOST_LINKS) { 1 } else { low16(links) };
        let group = (u64::from(owner.number) - 1) / self.geometry.inodes_per_group;
        self.directories[index(group)] += 1;
        Ok(())
    }

    fn write_bitmaps(&mut self, groups: &[Group]) -> io::Result<()> {
        let geometry = self.geometry;
        for (group, place) in groups.iter().zip(&geometry.block_bitmaps) {
            if let Some(bitmap) = &group.block_bitmap {
                self.put_block(*place, bitmap)?;
            }
        }
        for (group, place) in groups.iter().zip(&geometry.inode_bitmaps) {
            if let Some(bitmap) = &group.inode_bitmap {
                self.put_block(*place, bitmap)?;
            }
        }
        self.blocks.flush(self.canvas)
    }

    fn write_resize_maps(&mut self) -> io::Result<()> {
        self.put_block(self.geometry.resize_map, &resize::map(self.geometry, self.frame()))?;
        for (place, block) in resize::indirect(self.geometry, self.frame()) {
            self.put_block(place, &block)?;
        }
        self.blocks.flush(self.canvas)
    }

    /// Descriptors and superblocks, those of group 0 last.
    fn write_heads(&mut self, groups: &[Group], state: &State) -> io::Result<()> {
        let mut descriptors = Vec::new();
        for group in groups {
            descriptors.extend_from_slice(&group.encode(self.geometry, self.seed));
        }
        let whole = index(self.geometry.descriptor_blocks() * BLOCK);
        descriptors.resize(whole, 0);
        for group in (0..self.geometry.groups).rev().filter(|group| has_head(*group)) {
            let start = group * GROUP * BLOCK;
            self.canvas.write_at(ByteOffset(start + BLOCK), &descriptors)?;
            let raw = superblock::encode(self.options, self.geometry, self.frame(), state, group);
            let inside = if group == 0 { 1024 } else { 0 };
            self.canvas.write_at(ByteOffset(start + inside), &raw)?;
        }
        Ok(())
    }

    /// Blocks that are the file system's own: heads, bitmaps, tables, journal.
    fn overhead(&self) -> u64 {
        let geometry = self.geometry;
        let heads: u64 = (0..geometry.groups).map(|group| self.frame().head(group)).sum();
        heads + geometry.groups * (2 + geometry.table_blocks()) + geometry.journal_blocks()
    }
}

fn file_type(records: &Records, child: u32) -> u8 {
    let body = |record: &Record| record.body;
    match records.inodes.get(index(child)).map(body) {
        Some(Body::File { .. }) => TYPE_REGULAR,
        Some(Body::Symlink { .. }) => TYPE_SYMLINK,
        Some(Body::Device { .. }) => TYPE_CHAR_DEVICE,
        Some(Body::Directory { .. } | Body::Spare) | None => TYPE_DIRECTORY,
    }
}

/// The blocks of extents, one after the other.
fn blocks_of(extents: &[Extent]) -> impl Iterator<Item = u64> {
    extents.iter().flat_map(|extent| {
        let start = u64::from(extent.start);
        start..start + u64::from(extent.len)
    })
}
