//! Which disks there are, and what uses them: `/sys/block`, `/proc/self/mountinfo`, `/proc/swaps`.
//!
//! | file in `/sys/block/NAME` | fact |
//! |---|---|
//! | `dev` | major and minor number; without it, no disk |
//! | `size`, `NAMEn/start`, `NAMEn/size` | in units of 512 bytes, whatever the sectors are |
//! | `queue/logical_block_size` | bytes of a sector |
//! | `device/vendor`, `device/model` | what the maker calls it |
//! | `serial`, `device/serial`, `device/vpd_pg80` | serial number: virtio; NVMe, MMC; SCSI, ATA |
//! | `wwid`, `device/wwid` | the name that no other device has |
//! | `device/type` | SCSI's type, 5 for a CD-ROM |
//! | `ro`, `removable`, `hidden` | 0 or 1 |
//! | `NAMEn/partition` | the partition's number; without it, no partition |
//! | `holders/`, `NAMEn/holders/` | devices that are made of it: device mapper, RAID |
//!
//! Not listed: RAM disks, floppies, raw flash, boot areas of MMC, loop devices without a file,
//! hidden paths of NVMe. A missing file is a missing fact, but for the two that tell what is
//! mounted and what there is. Everything is bounded; more than a bound is an error, since what is
//! beyond it may be in use.
//!
//! Source: the kernel's `Documentation/ABI/stable/sysfs-block`,
//! `Documentation/filesystems/proc.rst`.

use std::cmp::Ordering;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::text;
use crate::units::{ByteLen, ByteOffset};
use busy::Busy;

mod busy;
#[cfg(test)]
pub(super) mod fake;
#[cfg(test)]
mod tests;

/// Files of sysfs are a page at most.
const ATTRIBUTE_LIMIT: u64 = 4096;
/// The most entries that a folder may have.
const MOST_ENTRIES: usize = 4096;
/// The most devices that may be made of one disk.
const MOST_BELOW: usize = 4096;
/// What `size` and `start` count, whatever the sectors are.
const UNIT_BYTES: u64 = 512;
/// What the kernel takes where a driver says nothing.
const USUAL_SECTOR_BYTES: u32 = 512;
const SCSI_CD_ROM: u64 = 5;

/// Why it cannot be told which disks there are, or whether they are in use.
#[derive(Debug, thiserror::Error)]
pub enum DisksError {
    /// A file or folder could not be read.
    #[error("reading `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is longer than any such.
    #[error("`{}` is longer than {limit_bytes} bytes", .path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
        /// What it may have.
        limit_bytes: u64,
    },
    /// More than any machine has.
    #[error("`{}` has more than {limit} entries", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// How many it may have.
        limit: usize,
    },
    /// A line that is none of this file's.
    #[error("`{}` line {line} is not understood: `{text}`", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What it says.
        text: String,
    },
}

/// The numbers by which the kernel knows a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceNumber {
    /// The driver's.
    pub major: u32,
    /// The device's.
    pub minor: u32,
}

/// A kind of block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A disk, real or virtual.
    Disk,
    /// A CD-ROM or its like.
    CdRom,
    /// A file as a device.
    Loop,
    /// Made of other devices: device mapper, RAID.
    Made,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The kernel's name: `sda`, `nvme0n1`.
    pub name: String,
    /// Its numbers.
    pub number: DeviceNumber,
    /// What it is.
    pub kind: Kind,
    /// How large; 0 where no medium is in it.
    pub size: ByteLen,
    /// Bytes of a logical sector.
    pub sector_bytes: u32,
    /// The maker.
    pub vendor: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The serial number.
    pub serial: Option<String>,
    /// The name that no other device has (`naa.5000…`, `eui.…`).
    pub wwid: Option<String>,
    /// Whether it cannot be written.
    pub is_read_only: bool,
    /// Whether its medium can be taken out; not true of all USB sticks.
    pub is_removable: bool,
    /// Its partitions, as the kernel sees them, in order of their numbers.
    pub partitions: Vec<Partition>,
    /// What uses it, its partitions, or what is made of them.
    pub uses: Vec<Use>,
    /// The numbers of its partitions and of all that is made of it.
    below: Vec<DeviceNumber>,
}

/// A partition, as the kernel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// The kernel's name: `sda1`, `nvme0n1p1`.
    pub name: String,
    /// Which one of the table.
    pub index: u32,
    /// Where it starts.
    pub start: ByteOffset,
    /// How long it is.
    pub len: ByteLen,
}

/// Something that uses a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The device: `/dev/sda1`.
    pub device: String,
    /// How it is used.
    pub by: User,
}

/// How a device is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum User {
    /// A mount.
    Mount {
        /// Where.
        at: String,
    },
    /// Swap space.
    Swap,
    /// A Btrfs, perhaps one of several devices.
    Btrfs {
        /// The file system's UUID.
        uuid: String,
    },
    /// Another device is made of it.
    Holder {
        /// The other device: `/dev/dm-0`.
        device: String,
        /// What the device mapper calls it.
        name: Option<String>,
    },
}

impl DeviceNumber {
    /// From `8:1`.
    pub fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        Some(Self { major: number(major)?, minor: number(minor)? })
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.major, self.minor)
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is ", self.device)?;
        match &self.by {
            User::Mount { at } => write!(f, "mounted at `{at}`"),
            User::Swap => f.write_str("swap space in use"),
            User::Btrfs { uuid } => write!(f, "part of the mounted Btrfs {uuid}"),
            User::Holder { device, name: None } => write!(f, "part of `{device}`"),
            User::Holder { device, name: Some(name) } => {
                write!(f, "part of `{device}` (`{name}`)")
            }
        }
    }
}

impl Disk {
    /// Where its device file is.
    pub fn path(&self) -> String {
        device_path(&self.name)
    }

    /// Whether a device is this disk, one of its partitions, or made of them.
    pub fn carries(&self, device: DeviceNumber) -> bool {
        self.number == device || self.below.contains(&device)
    }

    /// The partition whose device file that is.
    pub fn partition_at(&self, path: &str) -> Option<&Partition> {
        self.partitions.iter().find(|partition| partition.path() == path)
    }

    /// Vendor and model as one, with the serial number: for people.
    pub fn title(&self) -> String {
        let words = [&self.vendor, &self.model, &self.serial].into_iter().flatten();
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

impl Partition {
    /// Where its device file is.
    pub fn path(&self) -> String {
        device_path(&self.name)
    }
}

/// The disks of the machine whose root folder that is, in natural order.
pub fn load(root: &Path) -> Result<Vec<Disk>, DisksError> {
    let busy = Busy::load(root)?;
    let block = root.join("sys/block");
    let names = names(&block)?;
    let disks = names.iter().filter(|name| is_listed(&block, name));
    disks.filter_map(|name| disk(&block, name, &busy).transpose()).collect()
}

/// The order of people: `sda`, `sdb`, `vda`, `nvme0n2`, `nvme0n10`; `sdaa` after `sdz`.
///
/// Names are compared run by run, of digits or of others; of two runs the shorter comes first.
pub fn natural(one: &str, other: &str) -> Ordering {
    runs(one).cmp(&runs(other))
}

fn runs(name: &str) -> Vec<(usize, &[u8])> {
    let same = |one: &u8, other: &u8| one.is_ascii_digit() == other.is_ascii_digit();
    name.as_bytes().chunk_by(same).map(|run| (run.len(), run)).collect()
}

fn is_listed(block: &Path, name: &str) -> bool {
    let folder = block.join(name);
    let numbered = |prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let is_memory = numbered("ram") || numbered("zram") || numbered("fd");
    let is_flash = name.starts_with("mtdblock")
        || name.starts_with("ubiblock")
        || name.starts_with("mmcblk") && name.contains("boot");
    let is_idle = numbered("loop") && text_of(&folder, "loop/backing_file").is_none();
    !is_memory && !is_flash && !is_idle && number_of(&folder, "hidden") != Some(1)
}

/// A disk; `None` when it went away meanwhile.
fn disk(block: &Path, name: &str, busy: &Busy) -> Result<Option<Disk>, DisksError> {
    let folder = block.join(name);
    let Some(number) = device_number(&folder) else { return Ok(None) };
    let tree = below(block, name)?;
    let mut uses = Vec::new();
    for device in &tree {
        uses.extend(busy.uses_of(device));
    }
    let mmc_name = || text_of(&folder, "device/name").filter(|_| name.starts_with("mmcblk"));
    let serial = || scsi_serial(&attribute(&folder, "device/vpd_pg80")?);
    Ok(Some(Disk {
        name: name.to_owned(),
        number,
        kind: kind(&folder, name),
        size: ByteLen(units(&folder, "size")),
        sector_bytes: number_of(&folder, "queue/logical_block_size")
            .map_or(USUAL_SECTOR_BYTES, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
        // virtio has the number of its vendor there
        vendor: text_of(&folder, "device/vendor").filter(|vendor| !vendor.starts_with("0x")),
        model: text_of(&folder, "device/model").or_else(mmc_name),
        serial: first_of(&folder, ["serial", "device/serial"]).or_else(serial),
        wwid: first_of(&folder, ["wwid", "device/wwid"]),
        is_read_only: number_of(&folder, "ro") == Some(1),
        is_removable: number_of(&folder, "removable") == Some(1),
        partitions: partitions(&folder)?,
        uses,
        below: tree.iter().skip(1).filter_map(|device| device.number).collect(),
    }))
}

fn kind(folder: &Path, name: &str) -> Kind {
    if name.starts_with("sr") || number_of(folder, "device/type") == Some(SCSI_CD_ROM) {
        Kind::CdRom
    } else if name.starts_with("loop") {
        Kind::Loop
    } else if name.starts_with("dm-") || name.starts_with("md") {
        Kind::Made
    } else {
        Kind::Disk
    }
}

fn partitions(folder: &Path) -> Result<Vec<Partition>, DisksError> {
    let mut found = Vec::new();
    for name in names_if_there(folder)? {
        let folder = folder.join(&name);
        let index = number_of(&folder, "partition").and_then(|index| u32::try_from(index).ok());
        let Some(index) = index else { continue };
        let start = ByteOffset(units(&folder, "start"));
        found.push(Partition { name, index, start, len: ByteLen(units(&folder, "size")) });
    }
    found.sort_by_key(|partition| partition.index);
    Ok(found)
}

/// A device of those that a disk carries.
struct Device {
    name: String,
    number: Option<DeviceNumber>,
    holders: Vec<(String, Option<String>)>,
}

/// The disk, its partitions, what is made of them, and so on; each once.
fn below(block: &Path, disk: &str) -> Result<Vec<Device>, DisksError> {
    let mut wholes = vec![disk.to_owned()];
    let mut devices = Vec::new();
    let mut at = 0;
    while let Some(whole) = wholes.get(at).cloned() {
        at += 1;
        let folder = block.join(&whole);
        let parts = partitions(&folder)?.into_iter().map(|part| part.name);
        let parts = parts.map(|part| (folder.join(&part), part));
        let all: Vec<_> = [(folder.clone(), whole)].into_iter().chain(parts).collect();
        for (folder, name) in all {
            let holders = names_if_there(&folder.join("holders"))?;
            for holder in &holders {
                if !wholes.contains(holder) {
                    wholes.push(holder.clone());
                }
            }
            let named = |holder: String| {
                let name = text_of(&block.join(&holder), "dm/name");
                (holder, name)
            };
            let holders = holders.into_iter().map(named).collect();
            devices.push(Device { name, number: device_number(&folder), holders });
        }
        if devices.len().max(wholes.len()) > MOST_BELOW {
            return Err(DisksError::TooMany { path: block.join(disk), limit: MOST_BELOW });
        }
    }
    Ok(devices)
}

/// The names in a folder, in natural order; the kernel's are all ASCII.
fn names(folder: &Path) -> Result<Vec<String>, DisksError> {
    let failed = |source| DisksError::Read { path: folder.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        if names.len() == MOST_ENTRIES {
            return Err(DisksError::TooMany { path: folder.to_owned(), limit: MOST_ENTRIES });
        }
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort_by(|one, other| natural(one, other));
    Ok(names)
}

fn names_if_there(folder: &Path) -> Result<Vec<String>, DisksError> {
    match names(folder) {
        Err(DisksError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(Vec::new())
        }
        other => other,
    }
}

/// A small file; `None` when the device does not tell, in whichever way.
fn attribute(folder: &Path, name: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(folder.join(name)).ok()?.take(ATTRIBUTE_LIMIT).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn text_of(folder: &Path, name: &str) -> Option<String> {
    text::field(&attribute(folder, name)?)
}

fn first_of(folder: &Path, names: [&str; 2]) -> Option<String> {
    names.into_iter().find_map(|name| text_of(folder, name))
}

fn number_of(folder: &Path, name: &str) -> Option<u64> {
    number(str::from_utf8(&attribute(folder, name)?).ok()?.trim())
}

fn device_number(folder: &Path) -> Option<DeviceNumber> {
    DeviceNumber::parse(str::from_utf8(&attribute(folder, "dev")?).ok()?)
}

/// A length in units of the kernel's as bytes; 0 when there is none.
fn units(folder: &Path, name: &str) -> u64 {
    number_of(folder, name).unwrap_or(0).saturating_mul(UNIT_BYTES)
}

/// A number of digits only: `parse` would take a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// Page 80h of a device's vital product data: its number at 1, a length at 2, the serial number at
/// 4.
fn scsi_serial(page: &[u8]) -> Option<String> {
    let len = u16::from_be_bytes([*page.get(2)?, *page.get(3)?]);
    let is_page = page.get(1) == Some(&0x80);
    text::field(page.get(4..4 + usize::from(len)).filter(|_| is_page)?)
}

/// Sysfs has `!` where the path has a slash.
fn device_path(name: &str) -> String {
    format!("/dev/{}", name.replace('!', "/"))
}
