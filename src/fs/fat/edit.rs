//! Replaces a file of a FAT that others made: FAT12, FAT16 or FAT32, as boot images are.
//!
//! ```text
//! boot sector: at 11 bytes per sector 2, sectors per cluster 1, reserved sectors 2, tables 1,
//!   root entries 2, sectors 2, at 22 sectors of a table 2, at 32 sectors 4
//!   FAT32: at 36 sectors of a table 4, at 44 root cluster 4, at 48 sector of FSInfo 2
//! entry: name 8+3, attributes 1, …, at 20 high half of the cluster 2, at 26 low half 2, size 4
//! ```
//!
//! The new content goes where the old one is, and into free clusters when it is longer; all tables
//! are kept alike. Nothing else moves. Files are found by their short names.
//!
//! A FAT may be hostile: every cluster is checked against their number, chains end after as many as
//! their file may have. Left out on purpose: making files, long names, times.

use std::io;

use crate::canvas::{Canvas, MemoryCanvas};
use crate::units::{ByteLen, ByteOffset};

const ENTRY_BYTES: usize = 32;
/// 32 MiB of a table are eight million clusters.
const TABLE_LIMIT: u64 = 32 << 20;
const DIRECTORY_LIMIT: u64 = 2 << 20;
const DIRECTORY: u8 = 0x10;
/// Attributes of labels, and of pieces of long names among them.
const LABEL: u8 = 0x08;
/// Where FSInfo counts free clusters, and what says that nobody counted.
const FREE_COUNT_AT: u64 = 488;
const UNKNOWN: [u8; 4] = [0xFF; 4];

/// Why a file cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The canvas failed.
    #[error("reading or writing it")]
    Io(#[from] io::Error),
    /// The table or a directory contradicts itself.
    #[error("its FAT is damaged: {0}")]
    Damaged(&'static str),
    /// There is no such file.
    #[error("it has no such file")]
    NotFound,
    /// The file is longer than what is read.
    #[error("the file has {len}, more than {limit}")]
    TooLarge {
        /// How long it is.
        len: ByteLen,
        /// What is read.
        limit: ByteLen,
    },
    /// The new content does not fit.
    #[error("it has no room: {needed} more clusters are needed")]
    Full {
        /// How many.
        needed: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// A FAT on a canvas that begins with it.
#[derive(Debug)]
pub struct Volume<C> {
    canvas: C,
    width: Width,
    /// One of the tables, and where all are.
    table: Vec<u8>,
    tables: Vec<u64>,
    root: Root,
    data: u64,
    cluster_len: u64,
    /// The number after the last cluster.
    end: u32,
    info: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Root {
    /// Of FAT12 and FAT16: where, and how long.
    Fixed(u64, u64),
    Cluster(u32),
}

/// An entry of a directory.
#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Where the entry is.
    at: u64,
    is_directory: bool,
    cluster: u32,
    len: u32,
}

impl<C: Canvas> Volume<C> {
    /// Reads boot sector and table; `None` when this is no FAT of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// The canvas failed.
    pub fn open(canvas: C, limit: ByteLen) -> io::Result<Option<Self>> {
        let mut boot = vec![0; 512];
        canvas.read_at(ByteOffset(0), &mut boot)?;
        let Some((mut volume, table_len)) = Self::parse(canvas, &boot, limit) else {
            return Ok(None);
        };
        volume.table = vec![0; index(table_len)];
        volume.canvas.read_at(ByteOffset(volume.tables[0]), &mut volume.table)?;
        Ok(Some(volume))
    }

    fn parse(canvas: C, boot: &[u8], limit: ByteLen) -> Option<(Self, u64)> {
        let (sector, per_cluster) = (u64::from(le16(boot, 11)), u64::from(boot[13]));
        if !matches!(boot[0], 0xEB | 0xE9)
            || !sector.is_power_of_two()
            || !(512..=4096).contains(&sector)
            || !per_cluster.is_power_of_two()
            || !(1..=4).contains(&boot[16])
        {
            return None;
        }
        let either = |short: u16, long: u32| match short {
            0 => u64::from(long),
            short => u64::from(short),
        };
        let (reserved, root_entries) = (u64::from(le16(boot, 14)), u64::from(le16(boot, 17)));
        let sectors = either(le16(boot, 19), le32(boot, 32));
        let is_32 = le16(boot, 22) == 0;
        let table_sectors = either(le16(boot, 22), le32(boot, 36));
        let table_len = table_sectors * sector;
        let root_start = reserved + u64::from(boot[16]) * table_sectors;
        let root_sectors = (root_entries * 32).div_ceil(sector);
        let clusters = sectors.checked_sub(root_start + root_sectors)? / per_cluster;
        let is_whole = reserved > 0 && table_len > 0 && sectors * sector <= limit.0;
        if !is_whole || table_len > TABLE_LIMIT {
            return None;
        }
        let (width, numbered) = match clusters {
            _ if is_32 => (Width::ThirtyTwo, table_len / 4),
            0..4085 => (Width::Twelve, table_len * 2 / 3),
            _ => (Width::Sixteen, table_len / 2),
        };
        let root = match width {
            Width::ThirtyTwo => Root::Cluster(le32(boot, 44)),
            _ => Root::Fixed(root_start * sector, root_entries * 32),
        };
        let info = u64::from(le16(boot, 48)) * sector;
        let volume = Self {
            canvas,
            width,
            table: Vec::new(),
            tables: (0..u64::from(boot[16]))
                .map(|number| reserved * sector + number * table_len)
                .collect(),
            root,
            data: (root_start + root_sectors) * sector,
            cluster_len: per_cluster * sector,
            end: u32::try_from((clusters + 2).min(numbered)).ok()?,
            info: (is_32 && (1..reserved * sector).contains(&info)).then_some(info),
        };
        Some((volume, table_len))
    }

    /// The content of a file of at most `limit` bytes; `None` when there is no such file.
    ///
    /// # Errors
    ///
    /// A damaged FAT, a longer file; the canvas failed.
    pub fn read(&self, path: &str, limit: ByteLen) -> Result<Option<Vec<u8>>, EditError> {
        let Some(entry) = self.find(path)? else { return Ok(None) };
        let len = ByteLen(entry.len.into());
        if len > limit {
            return Err(EditError::TooLarge { len, limit });
        }
        let mut bytes = vec![0; index(len.0)];
        let chain = self.chain(entry.cluster, len.0)?;
        if chain.len() < index(len.0.div_ceil(self.cluster_len)) {
            return Err(EditError::Damaged("a file is longer than its clusters"));
        }
        for (cluster, part) in chain.into_iter().zip(bytes.chunks_mut(index(self.cluster_len))) {
            self.canvas.read_at(ByteOffset(self.place(cluster)), part)?;
        }
        Ok(Some(bytes))
    }

    /// Gives a file that holds something other content.
    ///
    /// # Errors
    ///
    /// No such file, a damaged FAT, too few free clusters, and then nothing is changed; the canvas
    /// failed.
    pub fn replace(&mut self, path: &str, bytes: &[u8]) -> Result<(), EditError> {
        let entry = self.find(path)?.ok_or(EditError::NotFound)?;
        let mut chain = self.chain(entry.cluster, entry.len.into())?;
        if chain.is_empty() || bytes.is_empty() {
            return Err(EditError::Damaged("a file has no clusters"));
        }
        let cluster_len = index(self.cluster_len);
        let needed = bytes.len().div_ceil(cluster_len);
        let len = u32::try_from(bytes.len());
        let len = len.map_err(|_| EditError::Full { needed: u64::MAX })?;
        let more = needed.saturating_sub(chain.len());
        let free = (2..self.end).filter(|cluster| self.next(*cluster) == 0).take(more);
        let free: Vec<u32> = free.collect();
        if free.len() < more {
            return Err(EditError::Full { needed: count(more) });
        }
        chain.extend(free);
        for surplus in chain.split_off(needed.min(chain.len())) {
            self.set(surplus, 0);
        }
        for pair in chain.windows(2) {
            self.set(pair[0], pair[1]);
        }
        self.set(chain[chain.len() - 1], u32::MAX);
        for (cluster, part) in chain.iter().zip(bytes.chunks(cluster_len)) {
            let mut content = part.to_vec();
            content.resize(cluster_len, 0);
            self.canvas.write_at(ByteOffset(self.place(*cluster)), &content)?;
        }
        for table in &self.tables {
            self.canvas.write_at(ByteOffset(*table), &self.table)?;
        }
        if let Some(info) = self.info {
            self.canvas.write_at(ByteOffset(info + FREE_COUNT_AT), &UNKNOWN)?;
        }
        Ok(self.canvas.write_at(ByteOffset(entry.at + 28), &len.to_le_bytes())?)
    }

    /// What has this path of short names.
    fn find(&self, path: &str) -> Result<Option<Entry>, EditError> {
        let mut pieces = match self.root {
            Root::Fixed(at, len) => vec![(at, len)],
            Root::Cluster(first) => self.pieces(first)?,
        };
        let mut found = None;
        for name in path.split('/') {
            let Some(entry) = self.find_in(&pieces, &short(name))? else { return Ok(None) };
            pieces = if entry.is_directory { self.pieces(entry.cluster)? } else { Vec::new() };
            found = Some(entry);
        }
        Ok(found.filter(|entry| !entry.is_directory))
    }

    fn find_in(&self, pieces: &[(u64, u64)], name: &[u8; 11]) -> io::Result<Option<Entry>> {
        for (start, len) in pieces {
            let mut bytes = vec![0; index(*len)];
            self.canvas.read_at(ByteOffset(*start), &mut bytes)?;
            for (number, entry) in bytes.chunks_exact(ENTRY_BYTES).enumerate() {
                if entry[0] == 0 {
                    return Ok(None);
                }
                if entry.starts_with(name) && entry[11] & LABEL == 0 {
                    let high = match self.width {
                        Width::ThirtyTwo => u32::from(le16(entry, 20)) << 16,
                        _ => 0,
                    };
                    return Ok(Some(Entry {
                        at: start + count(number * ENTRY_BYTES),
                        is_directory: entry[11] & DIRECTORY != 0,
                        cluster: high | u32::from(le16(entry, 26)),
                        len: le32(entry, 28),
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Where the clusters of a directory are.
    fn pieces(&self, first: u32) -> Result<Vec<(u64, u64)>, EditError> {
        let chain = self.chain(first, DIRECTORY_LIMIT)?;
        Ok(chain.into_iter().map(|cluster| (self.place(cluster), self.cluster_len)).collect())
    }

    /// The clusters of what is at most `len` bytes long.
    fn chain(&self, first: u32, len: u64) -> Result<Vec<u32>, EditError> {
        let most = index(len.div_ceil(self.cluster_len));
        let mut chain = Vec::new();
        let mut cluster = first;
        while (2..self.end).contains(&cluster) {
            if chain.len() >= most {
                return Err(EditError::Damaged("a chain of clusters is too long"));
            }
            chain.push(cluster);
            cluster = self.next(cluster);
        }
        Ok(chain)
    }

    fn place(&self, cluster: u32) -> u64 {
        self.data + u64::from(cluster.saturating_sub(2)) * self.cluster_len
    }

    /// What the table says of a cluster: 0 that it is free, else the next one or an end.
    fn next(&self, cluster: u32) -> u32 {
        let at = index(cluster.into());
        match self.width {
            Width::ThirtyTwo => le32(&self.table, at * 4) & 0x0FFF_FFFF,
            Width::Sixteen => le16(&self.table, at * 2).into(),
            Width::Twelve => {
                let pair = le16(&self.table, at + at / 2);
                u32::from(if at.is_multiple_of(2) { pair & 0xFFF } else { pair >> 4 })
            }
        }
    }

    /// Says it; `u32::MAX` is the end of a chain.
    fn set(&mut self, cluster: u32, next: u32) {
        let at = index(cluster.into());
        let [low, high, ..] = next.to_le_bytes();
        let pair = u16::from_le_bytes([low, high]);
        match self.width {
            Width::ThirtyTwo => {
                let kept = le32(&self.table, at * 4) & 0xF000_0000;
                let value = kept | next & 0x0FFF_FFFF;
                self.table[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
            }
            Width::Sixteen => {
                self.table[at * 2..at * 2 + 2].copy_from_slice(&pair.to_le_bytes());
            }
            Width::Twelve => {
                let place = at + at / 2;
                let old = le16(&self.table, place);
                let new = match at.is_multiple_of(2) {
                    true => old & 0xF000 | pair & 0xFFF,
                    false => old & 0xF | pair << 4,
                };
                self.table[place..place + 2].copy_from_slice(&new.to_le_bytes());
            }
        }
    }
}

/// A short name as entries have it.
fn short(name: &str) -> [u8; 11] {
    let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
    let mut short = [b' '; 11];
    let parts = stem.bytes().take(8).enumerate();
    let parts = parts.chain((8..).zip(extension.bytes().take(3)));
    for (at, byte) in parts {
        short[at] = byte.to_ascii_uppercase();
    }
    short
}

fn le16(bytes: &[u8], at: usize) -> u16 {
    let two = bytes.get(at..at + 2).and_then(|two| two.try_into().ok());
    two.map_or(0, u16::from_le_bytes)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    let four = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
    four.map_or(0, u32::from_le_bytes)
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// For fuzzing: replaces a file by a longer one, and nothing outside.
pub fn fuzz_edit(bytes: &[u8]) {
    const PATH: &str = "EFI/BOOT/GRUB.CFG";
    let limit = ByteLen(count(bytes.len()));
    let canvas = MemoryCanvas { bytes: bytes.to_vec() };
    let Ok(Some(mut volume)) = Volume::open(canvas, limit) else { return };
    let _ = volume.read(PATH, ByteLen(1 << 20));
    let _ = volume.replace(PATH, &[b'#'; 5000]);
    let _ = volume.read(PATH, ByteLen(1 << 20));
    assert!(volume.canvas.bytes.len() <= bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read as _, Write as _};

    const PATH: &str = "EFI/BOOT/grub.cfg";
    const OTHER: &[u8] = &[7; 30_000];

    /// A FAT by another writer, with a file among others.
    fn made(len: usize, kind: fatfs::FatType, content: &[u8]) -> MemoryCanvas {
        let mut image = Cursor::new(vec![0; len]);
        let options = fatfs::FormatVolumeOptions::new().fat_type(kind);
        fatfs::format_volume(&mut image, options).unwrap();
        {
            let volume = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new()).unwrap();
            let boot = volume.root_dir().create_dir("EFI").unwrap().create_dir("BOOT").unwrap();
            boot.create_file("BOOTX64.EFI").unwrap().write_all(OTHER).unwrap();
            boot.create_file("grub.cfg").unwrap().write_all(content).unwrap();
            boot.create_file("mmx64.efi").unwrap().write_all(OTHER).unwrap();
        }
        MemoryCanvas { bytes: image.into_inner() }
    }

    fn open(canvas: MemoryCanvas) -> Volume<MemoryCanvas> {
        let len = ByteLen(count(canvas.bytes.len()));
        Volume::open(canvas, len).unwrap().unwrap()
    }

    /// Two files, as another reader reads them, and how many clusters are free.
    fn read_back(canvas: &MemoryCanvas) -> (Vec<u8>, Vec<u8>, u32) {
        let image = Cursor::new(canvas.bytes.clone());
        let volume = fatfs::FileSystem::new(image, fatfs::FsOptions::new()).unwrap();
        let read = |path: &str| {
            let mut bytes = Vec::new();
            volume.root_dir().open_file(path).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        let free = volume.stats().unwrap().free_clusters();
        (read(PATH), read("EFI/BOOT/mmx64.efi"), free)
    }

    #[test]
    fn files_of_all_widths_are_replaced() {
        use fatfs::FatType::{Fat12, Fat16, Fat32};
        for (len, kind) in [(2 << 20, Fat12), (32 << 20, Fat16), (64 << 20, Fat32)] {
            let old = vec![b'o'; 1000];
            let mut volume = open(made(len, kind, &old));
            let limit = ByteLen(1 << 20);
            assert_eq!(volume.read("EFI/BOOT/GRUB.CFG", limit).unwrap().unwrap(), old, "{kind:?}");
            assert!(volume.read("EFI/BOOT/GRUB.CF", limit).unwrap().is_none());
            assert!(volume.read("EFI/BOOT", limit).unwrap().is_none());
            let free = read_back(&volume.canvas).2;
            for new in [vec![b'n'; 1001], vec![b'm'; 50_000], vec![b's'; 10]] {
                volume.replace("EFI/BOOT/GRUB.CFG", &new).unwrap();
                let (read, other, _) = read_back(&volume.canvas);
                assert!(read == new && other == OTHER, "{kind:?}");
                assert_eq!(volume.read(PATH, limit).unwrap().unwrap(), new, "{kind:?}");
            }
            assert!(read_back(&volume.canvas).2 >= free, "{kind:?}");
            let mut volume = open(volume.canvas);
            let too_long = vec![0; len];
            assert!(matches!(volume.replace(PATH, &too_long), Err(EditError::Full { .. })));
        }
    }

    #[test]
    fn loops_end() {
        let mut canvas = made(2 << 20, fatfs::FatType::Fat12, b"x");
        let mut volume = open(canvas.clone());
        let entry = volume.find(PATH).unwrap().unwrap();
        volume.set(entry.cluster, entry.cluster);
        let (at, table) = (index(volume.tables[0]), volume.table);
        canvas.bytes[at..at + table.len()].copy_from_slice(&table);
        let mut volume = open(canvas);
        let limit = ByteLen(1 << 20);
        assert!(matches!(volume.read(PATH, limit), Err(EditError::Damaged(_))));
        assert!(matches!(volume.replace(PATH, b"y"), Err(EditError::Damaged(_))));
    }

    #[test]
    fn what_is_no_fat_is_left_alone() {
        let canvas = made(2 << 20, fatfs::FatType::Fat12, b"x");
        assert!(Volume::open(canvas.clone(), ByteLen(1 << 20)).unwrap().is_none());
        for (at, value) in [(0, 0), (11, 3), (13, 0), (13, 3), (14, 0), (16, 0)] {
            let mut wrong = canvas.clone();
            wrong.bytes[at] = value;
            assert!(Volume::open(wrong, ByteLen(2 << 20)).unwrap().is_none(), "{at}");
        }
    }
}
