//! FAT 12, 16 and 32: enough to list the files of an EFI system partition.
//!
//! ```text
//! boot sector: jump 3, OEM 8, bytes per sector 2, sectors per cluster 1, reserved sectors 2, FATs 1,
//!   root entries 2, sectors 2, media 1, sectors of a FAT 2, …, at 32 sectors 4
//!   FAT32: at 36 sectors of a FAT 4, at 44 root cluster 4, at 67 serial 4, label 11
//!   else:  at 39 serial 4, label 11
//! entry: name 8+3, attributes 1, …, at 20 high half of the cluster 2, at 26 low half 2, size 4
//!   attribute 0x0F: 13 characters of the long name of the entry that follows, last piece first
//! ```
//!
//! A chain of clusters ends after as many as its directory may have, so a loop ends too.

use super::text;
use crate::inspect::bytes::{count, index, le16, le32};
use crate::inspect::model::FileSystem;
use crate::inspect::reader::Shared;

/// 32 MiB of FAT are eight million clusters.
const FAT_LIMIT: u64 = 32 << 20;
const DIRECTORY_LIMIT: usize = 2 << 20;
const MOST_ENTRIES: usize = 10_000;
const MOST_DEPTH: usize = 16;

const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_LONG: u8 = 0x0F;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Width {
    Twelve,
    Sixteen,
    ThirtyTwo,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::inspect) struct FatFile {
    pub(in crate::inspect) path: String,
    pub(in crate::inspect) len: u64,
}

/// A FAT file system.
#[derive(Debug)]
pub(in crate::inspect) struct Fat {
    partition: Shared,
    width: Width,
    table: Vec<u8>,
    /// Where the root directory of FAT 12 and 16 is, and its length.
    root: (u64, usize),
    root_cluster: u32,
    data: u64,
    cluster_len: u64,
    clusters: u64,
    size: u64,
    serial: u32,
    label: Option<String>,
}

impl Fat {
    /// Reads boot sector and table; `None` when this is no FAT, or none that fits its partition.
    pub(super) fn open(partition: &Shared) -> Option<Self> {
        let mut boot = vec![0; 512];
        partition.read_at(0, &mut boot).ok()?;
        let sector = u64::from(le16(&boot, 11));
        let per_cluster = u64::from(boot[13]);
        let is_plain = |number: u64| number.is_power_of_two();
        if !matches!(boot[0], 0xEB | 0xE9)
            || !is_plain(sector)
            || !(512..=4096).contains(&sector)
            || !is_plain(per_cluster)
            || !(1..=4).contains(&boot[16])
        {
            return None;
        }
        let (reserved, root_entries) = (u64::from(le16(&boot, 14)), u64::from(le16(&boot, 17)));
        let either =
            |short: u16, long: u32| if short == 0 { u64::from(long) } else { short.into() };
        let sectors = either(le16(&boot, 19), le32(&boot, 32));
        let is_32 = le16(&boot, 22) == 0;
        let table_sectors = either(le16(&boot, 22), le32(&boot, 36));
        let root_sectors = (root_entries * 32).div_ceil(sector);
        let root_start = reserved + u64::from(boot[16]) * table_sectors;
        let clusters = sectors.checked_sub(root_start + root_sectors)? / per_cluster;
        let width = match clusters {
            _ if is_32 => Width::ThirtyTwo,
            0..4085 => Width::Twelve,
            _ => Width::Sixteen,
        };
        let table_len = table_sectors * sector;
        if reserved == 0 || table_len > FAT_LIMIT || sectors * sector > partition.len_bytes() {
            return None;
        }
        let mut table = vec![0; index(table_len)];
        partition.read_at(reserved * sector, &mut table).ok()?;
        let names = if is_32 { 67 } else { 39 };
        Some(Self {
            partition: Shared::clone(partition),
            width,
            table,
            root: (root_start * sector, index(root_entries * 32)),
            root_cluster: le32(&boot, 44),
            data: (root_start + root_sectors) * sector,
            cluster_len: per_cluster * sector,
            clusters,
            size: sectors * sector,
            serial: le32(&boot, names),
            label: text(&boot[names + 4..names + 15]).filter(|label| label != "NO NAME"),
        })
    }

    /// What there is to say of it.
    pub(super) fn facts(&self) -> FileSystem {
        let last = self.clusters.saturating_add(1).min(u64::from(u32::MAX));
        let last = u32::try_from(last).unwrap_or(u32::MAX);
        let used = (2..=last).map_while(|cluster| self.next(cluster)).filter(|next| *next != 0);
        FileSystem {
            r#type: "vfat".to_owned(),
            label: self.label.clone(),
            uuid: Some(format!("{:04X}-{:04X}", self.serial >> 16, self.serial & 0xFFFF)),
            size_bytes: Some(self.size),
            used_bytes: Some(count(used.count()) * self.cluster_len),
        }
    }

    /// What the table says of a cluster: 0 that it is free, else the next one or an end.
    fn next(&self, cluster: u32) -> Option<u32> {
        let at = index(cluster.into());
        match self.width {
            Width::ThirtyTwo => {
                (at * 4 + 4 <= self.table.len()).then(|| le32(&self.table, at * 4) & 0x0FFF_FFFF)
            }
            Width::Sixteen => {
                (at * 2 + 2 <= self.table.len()).then(|| le16(&self.table, at * 2).into())
            }
            Width::Twelve => {
                let place = at + at / 2;
                let pair = (place + 2 <= self.table.len()).then(|| le16(&self.table, place))?;
                Some(u32::from(if at.is_multiple_of(2) { pair & 0xFFF } else { pair >> 4 }))
            }
        }
    }

    /// The bytes of a directory.
    fn directory(&self, first: u32) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut cluster = first;
        let cluster_len = index(self.cluster_len);
        while cluster >= 2 && u64::from(cluster - 2) < self.clusters {
            if bytes.len() + cluster_len > DIRECTORY_LIMIT {
                return None;
            }
            let start = bytes.len();
            bytes.resize(start + cluster_len, 0);
            let at = self.data + u64::from(cluster - 2) * self.cluster_len;
            self.partition.read_at(at, &mut bytes[start..]).ok()?;
            cluster = self.next(cluster)?;
        }
        Some(bytes)
    }

    /// All files, in the order of their paths; `None` when a directory cannot be read.
    pub(in crate::inspect) fn files(&self) -> Option<Vec<FatFile>> {
        let mut found = Found { files: Vec::new(), left: MOST_ENTRIES };
        let root = if self.width == Width::ThirtyTwo {
            self.directory(self.root_cluster)?
        } else {
            let mut root = vec![0; self.root.1];
            self.partition.read_at(self.root.0, &mut root).ok()?;
            root
        };
        self.walk("", &root, MOST_DEPTH, &mut found)?;
        found.files.sort_by(|one, two| one.path.cmp(&two.path));
        Some(found.files)
    }

    fn walk(&self, path: &str, entries: &[u8], depth: usize, found: &mut Found) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        for entry in (Entries { rest: entries, long: Vec::new() }) {
            let path = format!("{path}{}", entry.name);
            found.left = found.left.checked_sub(1)?;
            if entry.is_directory {
                let below = self.directory(entry.cluster)?;
                self.walk(&format!("{path}/"), &below, depth, found)?;
            } else {
                found.files.push(FatFile { path, len: entry.len.into() });
            }
        }
        Some(())
    }
}

/// What a walk has found.
struct Found {
    files: Vec<FatFile>,
    /// How many entries may still be seen: directories that contain each other end too.
    left: usize,
}

/// An entry of a directory.
struct Entry {
    name: String,
    is_directory: bool,
    cluster: u32,
    len: u32,
}

/// Goes through a directory.
struct Entries<'b> {
    rest: &'b [u8],
    /// The long name so far, its pieces in front of each other.
    long: Vec<u16>,
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        loop {
            let (entry, rest) = self.rest.split_at_checked(32)?;
            self.rest = rest;
            let attributes = entry[11];
            match entry[0] {
                0 => return None,
                0xE5 => self.long.clear(),
                _ if attributes & 0x3F == ATTRIBUTE_LONG => self.add_piece(entry),
                _ if attributes & ATTRIBUTE_LABEL != 0 => self.long.clear(),
                b'.' => self.long.clear(),
                _ => return Some(self.entry(entry)),
            }
        }
    }
}

impl Entries<'_> {
    fn add_piece(&mut self, entry: &[u8]) {
        if entry[0] & 0x40 != 0 {
            self.long.clear();
        }
        let places = (1..11).step_by(2).chain((14..26).step_by(2)).chain([28, 30]);
        let mut piece: Vec<u16> = places.map(|at| le16(entry, at)).collect();
        piece.append(&mut self.long);
        piece.truncate(260);
        self.long = piece;
    }

    fn entry(&mut self, entry: &[u8]) -> Entry {
        let long = std::mem::take(&mut self.long);
        let long = long.split(|unit| *unit == 0).next().unwrap_or_default();
        let name = if long.is_empty() { short_name(entry) } else { String::from_utf16_lossy(long) };
        Entry {
            name,
            is_directory: entry[11] & ATTRIBUTE_DIRECTORY != 0,
            cluster: u32::from(le16(entry, 20)) << 16 | u32::from(le16(entry, 26)),
            len: le32(entry, 28),
        }
    }
}

fn short_name(entry: &[u8]) -> String {
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    let (name, extension) = (part(&entry[..8]), part(&entry[8..11]));
    if extension.is_empty() { name } else { format!("{name}.{extension}") }
}

/// For fuzzing: reads a FAT.
pub fn fuzz_fat(bytes: &[u8]) {
    let partition: Shared = std::rc::Rc::new(crate::inspect::reader::Memory(bytes.to_vec()));
    if let Some(fat) = Fat::open(&partition) {
        let _ = (fat.facts(), fat.files());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::reader::{Memory, shared};
    use std::io::{Cursor, Write as _};

    /// A FAT by another writer, with names of all kinds; how many clusters that writer counts as used.
    fn volume(len: usize, kind: fatfs::FatType) -> (Fat, u64) {
        let mut image = Cursor::new(vec![0; len]);
        let options = fatfs::FormatVolumeOptions::new()
            .fat_type(kind)
            .volume_id(0x1234_ABCD)
            .volume_label(*b"EFI-SYSTEM ");
        fatfs::format_volume(&mut image, options).unwrap();
        let used = {
            let volume = fatfs::FileSystem::new(&mut image, fatfs::FsOptions::new()).unwrap();
            let root = volume.root_dir();
            let boot = root.create_dir("EFI").unwrap().create_dir("BOOT").unwrap();
            boot.create_file("BOOTX64.EFI").unwrap().write_all(&[1; 50_000]).unwrap();
            for number in 0..200 {
                let name = format!("a name of more than thirteen characters {number}");
                boot.create_file(&name).unwrap().write_all(b"x").unwrap();
            }
            root.create_file("gone").unwrap();
            root.remove("gone").unwrap();
            let stats = volume.stats().unwrap();
            u64::from(stats.total_clusters() - stats.free_clusters())
                * u64::from(stats.cluster_size())
        };
        let partition = shared(Memory(image.into_inner()));
        (Fat::open(&partition).unwrap(), used)
    }

    #[test]
    fn all_widths_are_read() {
        use fatfs::FatType::{Fat12, Fat16, Fat32};
        for (len, kind) in [(2 << 20, Fat12), (32 << 20, Fat16), (64 << 20, Fat32)] {
            let (fat, used) = volume(len, kind);
            let facts = fat.facts();
            assert_eq!(facts.label.as_deref(), Some("EFI-SYSTEM"), "{kind:?}");
            assert_eq!(facts.uuid.as_deref(), Some("1234-ABCD"));
            assert_eq!(facts.used_bytes, Some(used), "{kind:?}");
            let files = fat.files().unwrap();
            assert_eq!(files.len(), 201, "{kind:?}");
            assert_eq!(files[0].path, "EFI/BOOT/BOOTX64.EFI");
            assert_eq!(files[0].len, 50_000);
            let long = "EFI/BOOT/a name of more than thirteen characters 199";
            assert!(files.iter().any(|file| file.path == long && file.len == 1), "{kind:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_fat() {
        let mut image = Cursor::new(vec![0; 2 << 20]);
        fatfs::format_volume(&mut image, fatfs::FormatVolumeOptions::new()).unwrap();
        let bytes = image.into_inner();
        let open = |bytes: Vec<u8>| Fat::open(&shared(Memory(bytes)));
        assert!(open(bytes.clone()).is_some());
        assert!(open(bytes[..1 << 20].to_vec()).is_none());
        for (at, value) in [(0, 0), (11, 3), (13, 0), (13, 3), (14, 0), (16, 0), (22, 255)] {
            let mut wrong = bytes.clone();
            wrong[at] = value;
            assert!(at == 22 || open(wrong).is_none(), "{at}");
        }
    }
}
