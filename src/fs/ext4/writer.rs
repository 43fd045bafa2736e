//! The writer: file data to the canvas, everything else to memory until [`Writer::finish`].

use std::io::Read;

use super::behind::{Behind, Gathered};
use super::bytes::{count, index, low32};
use super::checksum::Checksum;
use super::content::Content;
use super::detached::Detached;
use super::error::Error;
use super::extents;
use super::geometry::{self, Demand};
use super::hash::Hasher;
use super::image::{Image, LOST_FOUND, number_of};
use super::layout::{BLOCK, Cursor, EXTENT_CAP, Extent, Frame, Run};
use super::options::Options;
use super::records::{Body, Entry, NOBODY, Record, Records, narrow};
use super::summary::Summary;
use super::xattr::Sets;
use crate::canvas::Canvas;
use crate::units::{ByteLen, ByteOffset};
use crate::volume::{Inode, Meta, Volume, Xattrs};

/// The most names of an inode.
const MOST_LINKS: u32 = 65_000;
/// The longest target of a symbolic link.
const MOST_TARGET: usize = 4095;
/// The longest file: its last block has a 32-bit number, and one less can be counted.
const MOST_FILE: u64 = ((1 << 32) - 1) * BLOCK;

/// A block of nothing: what fills the last one of a file.
const ZEROS: [u8; 4096] = [0; 4096];

/// An ext4 being written on a canvas.
#[derive(Debug)]
pub struct Writer<C> {
    canvas: C,
    options: Options,
    records: Records,
    sets: Sets,
    behind: Behind,
    cursor: Cursor,
    /// The end of the last block ever given out.
    high_water: u64,
    /// Blocks before the cursor that are free again.
    freed: Vec<Run>,
    /// Number of the set of extended attributes of `lost+found`.
    lost_found_xattrs: u32,
    is_open: bool,
}

/// A file whose data is being written.
#[derive(Debug)]
pub struct Open {
    /// Where the cursor was before.
    begin: Cursor,
    first_extent: usize,
    /// Bytes given blocks so far, or skipped as holes.
    size: u64,
    /// Zeros at the end that have nothing yet.
    zeros: u64,
}

impl<C: Canvas> Writer<C> {
    /// An empty file system on `canvas`.
    pub fn create(canvas: C, options: Options) -> Result<Self, Error> {
        options.check()?;
        let cursor = Cursor::new(options.frame());
        let mut writer = Self {
            canvas,
            records: Records::default(),
            sets: Sets::default(),
            behind: Behind::default(),
            cursor,
            high_water: cursor.next,
            freed: Vec::new(),
            lost_found_xattrs: 0,
            is_open: false,
            options,
        };
        let time = writer.options.time;
        let root = writer.directory(&Meta { mtime: time, ..Meta::root_owned(0o755) })?;
        if writer.options.lost_found {
            writer.name(root, b"lost+found", LOST_FOUND)?;
            writer.count_subdirectory(root)?;
        }
        Ok(writer)
    }

    /// Replaces UUID and label, which nothing written so far depends on.
    pub fn identify(&mut self, uuid: [u8; 16], label: &str) -> Result<(), Error> {
        self.options.uuid = uuid;
        self.options.label = label.to_owned();
        self.options.check()
    }

    /// The smallest size at which everything written so far fits: [`Writer::finish`] works from this
    /// size on. Nothing is left free then, and root's reserve of 5 % is not counted as needed.
    ///
    /// Takes a while with many names, since every directory is put in order to know its blocks.
    pub fn required(&self) -> Result<ByteLen, Error> {
        self.required_for(self.demand(&self.content()?))
    }

    /// As [`Writer::required`], for another seed of the directories' hashes: how names spread over
    /// blocks depends on it.
    pub fn required_with(&self, hash_seed: &[u8; 16]) -> Result<ByteLen, Error> {
        let content = self.content_with(Hasher::new(hash_seed))?;
        self.required_for(self.demand(&content))
    }

    /// Writes all metadata of a file system of at most `size`; afterwards the canvas has it all.
    pub fn finish(mut self, size: ByteLen) -> Result<(Summary, C), Error> {
        if self.is_open {
            return Err(Error::FileOpen);
        }
        let content = self.content()?;
        let demand = self.demand(&content);
        let needed = self.required_for(demand)?;
        if size < needed {
            return Err(Error::TooSmall { needed, size });
        }
        let limit = self.limit();
        let too_large = Error::TooLarge { limit };
        if size > limit {
            return Err(too_large);
        }
        let mut geometry = geometry::plan(demand, size.0 / BLOCK).ok_or(too_large)?;
        geometry.free_too(&self.freed);
        self.behind.flush(&mut self.canvas)?;
        if self.high_water > self.cursor.next {
            self.canvas.discard_from(ByteOffset(self.cursor.next * BLOCK))?;
        }
        let image = Image {
            canvas: &mut self.canvas,
            options: &self.options,
            records: &self.records,
            sets: &self.sets,
            lost_found_xattrs: self.lost_found_xattrs,
            content: &content,
            demand,
            geometry: &geometry,
            seed: Checksum::of_file_system(&self.options.uuid),
            hasher: Hasher::new(&self.options.hash_seed),
            blocks: Behind::default(),
            inodes: Behind::default(),
            directories: vec![0; geometry.tables.len()],
        };
        let summary = image.write(self.cursor)?;
        Ok((summary, self.canvas))
    }

    fn frame(&self) -> Frame {
        self.options.frame()
    }

    fn limit(&self) -> ByteLen {
        ByteLen(self.frame().most_blocks() * BLOCK)
    }

    fn content(&self) -> Result<Content, Error> {
        self.content_with(Hasher::new(&self.options.hash_seed))
    }

    fn content_with(&self, hasher: Hasher) -> Result<Content, Error> {
        let lost_found = self.options.lost_found;
        Content::plan(&self.records, &self.sets, hasher, self.cursor, lost_found)
    }

    fn demand(&self, content: &Content) -> Demand {
        let last = low32(count(self.records.inodes.len())) - 1;
        let last_number = number_of(last, self.options.lost_found);
        let reserved = if self.options.lost_found { 11 } else { 10 };
        Demand {
            frame: self.frame(),
            content_end: content.end.next,
            inodes: u64::from(last_number.max(reserved)),
        }
    }

    fn required_for(&self, demand: Demand) -> Result<ByteLen, Error> {
        let blocks = geometry::required(demand);
        blocks.map(|blocks| ByteLen(blocks * BLOCK)).ok_or(Error::TooLarge { limit: self.limit() })
    }

    fn add(&mut self, meta: &Meta, size: u64, body: Body) -> Result<Inode, Error> {
        let record = Record {
            size,
            time: meta.mtime,
            body,
            uid: meta.uid,
            gid: meta.gid,
            xattrs: self.sets.number(&meta.xattrs)?,
            links: 0,
            mode: meta.mode & 0o7777,
            immutable: false,
        };
        self.records.add(record)
    }

    /// Writes `bytes` at the end of what has blocks.
    fn write(&mut self, open: &mut Open, bytes: &[u8]) -> Result<(), Error> {
        let size = open.size.saturating_add(count(bytes.len()));
        check_file_size(size)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let inside = open.size % BLOCK;
            let (offset, room) = if inside == 0 {
                let run = self.take(count(rest.len()).div_ceil(BLOCK))?;
                self.add_run(open, run)?;
                (run.start * BLOCK, run.len * BLOCK)
            } else {
                (self.end_of(open) - BLOCK + inside, BLOCK - inside)
            };
            let (now, later) = rest.split_at(rest.len().min(index(room)));
            self.behind.write(&mut self.canvas, offset, now)?;
            open.size += count(now.len());
            rest = later;
        }
        Ok(())
    }

    /// Makes a file of what has blocks.
    fn made(&mut self, open: &Open, meta: &Meta, size: u64) -> Result<Inode, Error> {
        let extents = self.records.extents.len() - open.first_extent;
        let body = Body::File {
            first: narrow(open.first_extent, "extents")?,
            extents: narrow(extents, "extents")?,
        };
        self.is_open = false;
        self.add(meta, size, body)
    }

    /// Up to `most` blocks at the cursor.
    fn take(&mut self, most: u64) -> Result<Run, Error> {
        let run = self.cursor.take(most);
        if run.end() > self.frame().most_blocks() {
            return Err(Error::TooLarge { limit: self.limit() });
        }
        self.high_water = self.high_water.max(run.end());
        Ok(run)
    }

    /// Appends blocks to the extents of the open file.
    fn add_run(&mut self, open: &Open, run: Run) -> Result<(), Error> {
        let (mut logical, mut run) = (low32(open.size / BLOCK), run);
        if let Some(last) = self.records.extents[open.first_extent..].last_mut() {
            let adjacent =
                last.start + last.len == low32(run.start) && last.logical + last.len == logical;
            let more = run.len.min(EXTENT_CAP - u64::from(last.len));
            if adjacent {
                last.len += low32(more);
                logical += low32(more);
                run = Run { start: run.start + more, len: run.len - more };
            }
        }
        while run.len > 0 {
            let len = run.len.min(EXTENT_CAP);
            let extent = Extent { logical, len: low32(len), start: low32(run.start) };
            self.records.extents.push(extent);
            logical += low32(len);
            run = Run { start: run.start + len, len: run.len - len };
        }
        narrow(self.records.extents.len(), "extents").map(|_| ())
    }

    /// The byte after the last block of the open file.
    fn end_of(&self, open: &Open) -> u64 {
        let last = self.records.extents[open.first_extent..].last();
        last.map_or(0, |extent| (u64::from(extent.start) + u64::from(extent.len)) * BLOCK)
    }

    /// Fills the last block with zeros, as far as `most` goes; returns how many.
    fn fill_block(&mut self, open: &mut Open, most: u64) -> Result<u64, Error> {
        let len = (BLOCK - open.size % BLOCK) % BLOCK;
        let len = len.min(most);
        self.write(open, &ZEROS[..index(len)])?;
        Ok(len)
    }

    /// Adds a name without looking at what it names.
    fn name(&mut self, directory: Inode, name: &[u8], child: u32) -> Result<(), Error> {
        let bad = name.is_empty() || name.len() > 255 || name == b"." || name == b"..";
        if bad || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
            return Err(Error::BadName { name: String::from_utf8_lossy(name).into_owned() });
        }
        let text = self.records.keep_name(name)?;
        self.records.entries.push(Entry { directory: directory.0, child, text });
        narrow(self.records.entries.len(), "names").map(|_| ())
    }

    fn count_subdirectory(&mut self, directory: Inode) -> Result<(), Error> {
        if let Body::Directory { subdirectories, .. } = &mut self.records.get_mut(directory)?.body {
            *subdirectories += 1;
        }
        Ok(())
    }
}

impl<C: Canvas> Volume for Writer<C> {
    type Error = Error;
    type Open = Open;

    fn begin(&mut self) -> Result<Open, Error> {
        if self.is_open {
            return Err(Error::FileOpen);
        }
        self.is_open = true;
        let first_extent = self.records.extents.len();
        Ok(Open { begin: self.cursor, first_extent, size: 0, zeros: 0 })
    }

    fn append(&mut self, open: &mut Open, bytes: &[u8]) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        if open.zeros > 0 {
            let filled = self.fill_block(open, open.zeros)?;
            let rest = std::mem::take(&mut open.zeros) - filled;
            open.size += rest - rest % BLOCK;
            self.write(open, &vec![0; index(rest % BLOCK)])?;
        }
        self.write(open, bytes)
    }

    fn append_hole(&mut self, open: &mut Open, len_bytes: u64) -> Result<(), Error> {
        check_file_size((open.size + open.zeros).saturating_add(len_bytes))?;
        open.zeros += len_bytes;
        Ok(())
    }

    fn commit(&mut self, mut open: Open, meta: &Meta) -> Result<Inode, Error> {
        let size = open.size + open.zeros;
        if let Err(error) = self.sets.number(&meta.xattrs) {
            self.abandon(open)?;
            return Err(error);
        }
        // To the end of the block, past the end of the file too.
        self.fill_block(&mut open, BLOCK)?;
        self.made(&open, meta, size)
    }

    fn reserve(&mut self, meta: &Meta, len_bytes: u64) -> Result<Inode, Error> {
        check_file_size(len_bytes)?;
        // first, as nothing was taken yet that would have to be given back
        self.sets.number(&meta.xattrs)?;
        let mut open = self.begin()?;
        while open.size < len_bytes {
            let run = self.take((len_bytes - open.size).div_ceil(BLOCK))?;
            self.add_run(&open, run)?;
            open.size = len_bytes.min(open.size + run.len * BLOCK);
        }
        self.made(&open, meta, len_bytes)
    }

    fn fill(&mut self, contents: &[(Inode, &[u8])]) -> Result<(), Error> {
        self.behind.flush(&mut self.canvas)?;
        let mut gathered = Gathered::default();
        for (inode, bytes) in contents {
            let record = self.records.get(*inode)?;
            if !matches!(record.body, Body::File { .. }) || record.size != count(bytes.len()) {
                return Err(Error::Misuse { inode: inode.0, what: "was not reserved for this" });
            }
            let mut rest = *bytes;
            for extent in self.records.extents_of(record) {
                let (start, len) = (u64::from(extent.start) * BLOCK, u64::from(extent.len) * BLOCK);
                let (now, later) = rest.split_at(rest.len().min(index(len)));
                gathered.write(&mut self.canvas, start, now)?;
                // To the end of the block, past the end of the file too.
                let padding = &ZEROS[..index(len) - now.len()];
                gathered.write(&mut self.canvas, start + count(now.len()), padding)?;
                rest = later;
            }
            if !rest.is_empty() {
                return Err(Error::Misuse { inode: inode.0, what: "has holes" });
            }
        }
        Ok(gathered.flush(&mut self.canvas)?)
    }

    fn abandon(&mut self, open: Open) -> Result<(), Error> {
        self.records.extents.truncate(open.first_extent);
        self.behind.forget_from(open.begin.next * BLOCK);
        self.cursor = open.begin;
        self.is_open = false;
        Ok(())
    }

    fn forget(&mut self, inode: Inode) -> Result<(), Error> {
        let record = *self.records.get(inode)?;
        if self.is_open {
            return Err(Error::FileOpen);
        }
        if record.links > 0 || matches!(record.body, Body::Directory { .. }) {
            return Err(Error::Misuse { inode: inode.0, what: "is in use" });
        }
        if matches!(record.body, Body::Spare) {
            return Err(Error::Misuse { inode: inode.0, what: "does not exist" });
        }
        self.behind.flush(&mut self.canvas)?;
        for extent in self.records.extents_of(&record) {
            let run = Run { start: extent.start.into(), len: extent.len.into() };
            let place = ByteOffset(run.start * BLOCK);
            self.canvas.discard(place, ByteLen(run.len * BLOCK))?;
            self.freed.push(run);
        }
        let nothing = Record { size: 0, xattrs: 0, body: Body::Spare, ..record };
        *self.records.get_mut(inode)? = nothing;
        self.records.spare.push(inode);
        Ok(())
    }

    fn symlink(&mut self, meta: &Meta, target: &[u8]) -> Result<Inode, Error> {
        if target.is_empty() || target.len() > MOST_TARGET || target.contains(&0) {
            return Err(Error::BadTarget { len_bytes: target.len() });
        }
        let text = self.records.keep_target(target)?;
        self.add(meta, count(target.len()), Body::Symlink { text })
    }

    fn directory(&mut self, meta: &Meta) -> Result<Inode, Error> {
        // The root is its own parent.
        let parent = if self.records.inodes.is_empty() { 0 } else { NOBODY };
        self.add(meta, 0, Body::Directory { parent, subdirectories: 0 })
    }

    fn char_device(&mut self, meta: &Meta, major: u32, minor: u32) -> Result<Inode, Error> {
        if major > 0xfff || minor > 0xf_ffff {
            return Err(Error::DeviceNumber { major, minor });
        }
        self.add(meta, 0, Body::Device { major, minor })
    }

    fn link(&mut self, directory: Inode, name: &[u8], child: Inode) -> Result<(), Error> {
        if !matches!(self.records.get(directory)?.body, Body::Directory { .. }) {
            return Err(Error::Misuse { inode: directory.0, what: "is no directory" });
        }
        let record = self.records.get(child)?;
        let is_directory = matches!(record.body, Body::Directory { .. });
        if child.0 == 0 || (is_directory && record.links > 0) {
            return Err(Error::Misuse { inode: child.0, what: "is a directory with a name" });
        }
        if record.links >= MOST_LINKS {
            return Err(Error::TooManyLinks { inode: child.0 });
        }
        self.name(directory, name, child.0)?;
        let record = self.records.get_mut(child)?;
        record.links += 1;
        if let Body::Directory { parent, .. } = &mut record.body {
            *parent = directory.0;
            self.count_subdirectory(directory)?;
        }
        Ok(())
    }

    fn set_meta(&mut self, inode: Inode, meta: &Meta) -> Result<(), Error> {
        let xattrs = self.sets.number(&meta.xattrs)?;
        let record = self.records.get_mut(inode)?;
        record.mode = meta.mode & 0o7777;
        (record.uid, record.gid) = (meta.uid, meta.gid);
        record.time = meta.mtime;
        record.xattrs = xattrs;
        Ok(())
    }

    fn set_lost_found_xattrs(&mut self, xattrs: &Xattrs) -> Result<(), Error> {
        let number = self.sets.number(xattrs)?;
        if self.sets.get(number).is_some_and(|set| set.has_block) {
            return Err(Error::Misuse { inode: LOST_FOUND, what: "has too many attributes" });
        }
        self.lost_found_xattrs = number;
        Ok(())
    }

    fn set_immutable(&mut self, inode: Inode) -> Result<(), Error> {
        // The kernel refuses a symbolic link with the flag, and chattr gives it to no device.
        let record = self.records.get_mut(inode)?;
        if !matches!(record.body, Body::File { .. } | Body::Directory { .. }) {
            return Err(Error::Misuse { inode: inode.0, what: "cannot be immutable" });
        }
        record.immutable = true;
        Ok(())
    }

    fn link_count(&self, inode: Inode) -> u32 {
        self.records.get(inode).map_or(0, |record| record.links)
    }

    fn len_bytes(&self, inode: Inode) -> u64 {
        self.records.get(inode).map_or(0, |record| record.size)
    }

    fn read_at(&self, inode: Inode, offset: u64, buffer: &mut [u8]) -> Result<usize, Error> {
        let record = self.records.get(inode)?;
        let left = record.size.saturating_sub(offset);
        let len = buffer.len().min(index(left));
        let buffer = &mut buffer[..len];
        match record.body {
            Body::File { .. } => {
                extents::read(self.records.extents_of(record), offset, buffer, |place, part| {
                    self.behind.read(&self.canvas, place, part)
                })?;
            }
            Body::Symlink { text } if len > 0 => {
                let target = &self.records.target(text, record.size)[index(offset)..];
                buffer.copy_from_slice(&target[..len]);
            }
            _ => {}
        }
        Ok(len)
    }

    fn detached(&self, inode: Inode) -> Option<Box<dyn Read + Send>> {
        let record = self.records.get(inode).ok()?;
        let extents = self.records.extents_of(record);
        let is_there = |extent: &Extent| {
            let start = u64::from(extent.start) * BLOCK;
            !self.behind.has_some_of(start..start + u64::from(extent.len) * BLOCK)
        };
        let is_file = matches!(record.body, Body::File { .. });
        if !is_file || !extents.iter().all(is_there) {
            return None;
        }
        Some(Box::new(Detached::new(self.canvas.reader()?, extents, record.size)))
    }
}

fn check_file_size(size: u64) -> Result<(), Error> {
    if size > MOST_FILE {
        return Err(Error::FileTooLarge { size: ByteLen(size), limit: ByteLen(MOST_FILE) });
    }
    Ok(())
}
