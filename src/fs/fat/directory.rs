//! Directories: their names, where they and the files come to lie, their entries.
//!
//! | entry | 0 | 8 | 11 | 13 | 14 | 18 | 20 | 22 | 26 | 28 |
//! |---|---|---|---|---|---|---|---|---|---|---|
//! | short | name | extension | attributes | 10 ms | created | read | cluster, high | written | low | size |
//! | long | number | (1: five units) | 0x0F | checksum | six units | | | | 0 | two units |
//!
//! The entries of a long name precede the short one, the name's end first. The number counts from
//! 1; 0x40 marks the first entry, the one with the name's end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::name::{self, Short};
use super::time::DosTime;
use super::{FatError, clash};

const ENTRY_BYTES: usize = 32;
const MAX_ENTRIES: usize = 65_536;
const UNITS_PER_ENTRY: usize = 13;
const ATTRIBUTE_LABEL: u8 = 0x08;
const ATTRIBUTE_DIRECTORY: u8 = 0x10;
const ATTRIBUTE_ARCHIVE: u8 = 0x20;
const ATTRIBUTE_LONG_NAME: u8 = 0x0F;

/// What a name stands for: an index into the builder's directories or files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Directory(usize),
    File(usize),
}

/// The names in one directory, by their folded spelling.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    parent: usize,
    children: BTreeMap<String, (String, Target)>,
}

/// Clusters in a row; `first` is 0 when there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chain {
    pub first: u32,
    pub count: u32,
}

/// Where everything comes to lie.
pub(super) struct Layout<'a> {
    directories: &'a [Directory],
    lengths: Vec<u32>,
    cluster_bytes: u32,
    /// Indices of directories, breadth first.
    order: Vec<usize>,
    /// By index of the directory.
    directory_chains: Vec<Chain>,
    /// By index of the file.
    pub files: Vec<Chain>,
    next: u64,
}

impl Directory {
    pub fn root() -> Self {
        Self::below(0)
    }

    pub fn below(parent: usize) -> Self {
        Self { parent, children: BTreeMap::new() }
    }

    /// Names `target`, unless the name is there in the same spelling: then gives what it names.
    pub fn insert(&mut self, path: &str, name: &str, target: Target) -> Result<Target, FatError> {
        if !name::is_valid(name) {
            let (path, component) = (path.to_owned(), name.to_owned());
            return Err(FatError::Name { path, component });
        }
        let child = self.children.entry(name::fold(name));
        let (existing, target) = child.or_insert_with(|| (name.to_owned(), target));
        if existing != name { Err(clash(path, existing)) } else { Ok(*target) }
    }

    fn entry_count(&self) -> usize {
        // The root has the label where others have `.` and `..`: two is enough for both.
        let slots = |(name, _): &(String, Target)| 1 + long_units(name).div_ceil(UNITS_PER_ENTRY);
        2 + self.children.values().map(slots).sum::<usize>()
    }
}

fn long_units(name: &str) -> usize {
    if name::is_plain(name) { 0 } else { name.encode_utf16().count() }
}

impl<'a> Layout<'a> {
    /// Gives directories, then files, clusters from number 2 on.
    pub fn new(
        directories: &'a [Directory],
        files: &[Arc<[u8]>],
        cluster_bytes: u32,
    ) -> Result<Self, FatError> {
        let none = Chain { first: 0, count: 0 };
        let mut layout = Self {
            directories,
            lengths: files.iter().map(|file| u32::try_from(file.len()).unwrap_or(0)).collect(),
            cluster_bytes,
            order: vec![0],
            directory_chains: vec![none; directories.len()],
            files: vec![none; files.len()],
            next: 2,
        };
        let mut file_order = Vec::new();
        let mut done = 0;
        while let Some(&index) = layout.order.get(done) {
            for (_, target) in directories[index].children.values() {
                match *target {
                    Target::Directory(child) => layout.order.push(child),
                    Target::File(file) => file_order.push(file),
                }
            }
            done += 1;
        }
        for index in layout.order.clone() {
            let entries = directories[index].entry_count();
            if entries > MAX_ENTRIES {
                return Err(FatError::DirectoryTooLarge { entries });
            }
            let len_bytes = u32::try_from(entries * ENTRY_BYTES).unwrap_or(u32::MAX);
            layout.directory_chains[index] = layout.take(len_bytes);
        }
        for file in file_order {
            layout.files[file] = layout.take(layout.lengths[file]);
        }
        Ok(layout)
    }

    /// The next clusters for `len_bytes`. Numbers beyond 32 bits are never used: `used_clusters`
    /// exceeds any geometry then.
    fn take(&mut self, len_bytes: u32) -> Chain {
        let count = len_bytes.div_ceil(self.cluster_bytes);
        let first = if count == 0 { 0 } else { u32::try_from(self.next).unwrap_or(u32::MAX) };
        self.next += u64::from(count);
        Chain { first, count }
    }

    pub fn used_clusters(&self) -> u64 {
        self.next - 2
    }

    /// All chains in the order of their clusters.
    pub fn chains(&self) -> Vec<Chain> {
        let mut chains: Vec<_> = self.directory_chains.iter().chain(&self.files).copied().collect();
        chains.retain(|chain| chain.count > 0);
        chains.sort_unstable_by_key(|chain| chain.first);
        chains
    }

    /// The clusters of every directory, whole.
    pub fn directory_bytes(
        &self,
        label: &Short,
        time: DosTime,
    ) -> impl Iterator<Item = (Chain, Vec<u8>)> {
        self.order.iter().map(move |&index| {
            let chain = self.directory_chains[index];
            let mut bytes = self.entries(index, label, time);
            let used = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let padding = used.next_multiple_of(self.cluster_bytes) - used;
            bytes.resize(bytes.len() + usize::try_from(padding).unwrap_or(0), 0);
            (chain, bytes)
        })
    }

    fn entries(&self, index: usize, label: &Short, time: DosTime) -> Vec<u8> {
        let directory = &self.directories[index];
        let mut bytes = Vec::new();
        let mut put = |name: &Short, attributes, first, len_bytes| {
            bytes.extend(Entry { attributes, first, len_bytes, time }.encode(name));
        };
        if index == 0 {
            put(label, ATTRIBUTE_LABEL, 0, 0);
        } else {
            let own = self.directory_chains[index].first;
            // To the root, `..` leads by number 0.
            let above = match directory.parent {
                0 => 0,
                parent => self.directory_chains[parent].first,
            };
            put(b".          ", ATTRIBUTE_DIRECTORY, own, 0);
            put(b"..         ", ATTRIBUTE_DIRECTORY, above, 0);
        }
        let names = directory.children.values().map(|(name, _)| name.as_str());
        for ((name, target), short) in directory.children.values().zip(name::shorten(names)) {
            if !name::is_plain(name) {
                bytes.extend(long_entries(name, &short));
            }
            let (attributes, first, len_bytes) = match *target {
                Target::Directory(child) => {
                    (ATTRIBUTE_DIRECTORY, self.directory_chains[child].first, 0)
                }
                Target::File(file) => {
                    (ATTRIBUTE_ARCHIVE, self.files[file].first, self.lengths[file])
                }
            };
            bytes.extend(Entry { attributes, first, len_bytes, time }.encode(&short));
        }
        bytes
    }
}

struct Entry {
    attributes: u8,
    first: u32,
    len_bytes: u32,
    time: DosTime,
}

impl Entry {
    fn encode(&self, name: &Short) -> [u8; ENTRY_BYTES] {
        let [low0, low1, high0, high1] = self.first.to_le_bytes();
        let (date, time) = (self.time.date.to_le_bytes(), self.time.time.to_le_bytes());
        let mut bytes = [0; ENTRY_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, name);
        put(11, &[self.attributes]);
        if self.attributes != ATTRIBUTE_LABEL {
            put(13, &[self.time.hundredths]);
            put(14, &time);
            put(16, &date);
            put(18, &date);
        }
        put(20, &[high0, high1]);
        put(22, &time);
        put(24, &date);
        put(26, &[low0, low1]);
        put(28, &self.len_bytes.to_le_bytes());
        bytes
    }
}

/// The entries of a long name, in the order of the disk. A name that does not fill the last one
/// ends with NUL there, the rest is 0xFFFF.
fn long_entries(name: &str, short: &Short) -> Vec<u8> {
    let checksum = short.iter().fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut units: Vec<u16> = name.encode_utf16().collect();
    let count = units.len().div_ceil(UNITS_PER_ENTRY);
    if units.len() < count * UNITS_PER_ENTRY {
        units.push(0);
        units.resize(count * UNITS_PER_ENTRY, 0xFFFF);
    }
    let mut bytes = Vec::with_capacity(count * ENTRY_BYTES);
    for (part, number) in units.chunks_exact(UNITS_PER_ENTRY).zip(1..=20_u8).rev() {
        let last = if bytes.is_empty() { 0x40 } else { 0 };
        let little = |units: &[u16]| units.iter().flat_map(|u| u.to_le_bytes()).collect::<Vec<_>>();
        bytes.push(number | last);
        bytes.extend(little(&part[..5]));
        bytes.extend([ATTRIBUTE_LONG_NAME, 0, checksum]);
        bytes.extend(little(&part[5..11]));
        bytes.extend([0, 0]);
        bytes.extend(little(&part[11..]));
    }
    bytes
}
