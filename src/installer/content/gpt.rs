//! The GPT (UEFI 2.10, chapter 5.3).
//!
//! | at | header, in the second sector and, as a backup, in the last |
//! |---|---|
//! | 0 | `EFI PART` |
//! | 12, 16 | length of the header; its CRC-32, for which this field counts as 0 |
//! | 24 | its own sector |
//! | 56 | the disk's GUID |
//! | 72, 80, 84, 88 | the entries' sector, their count, the length of one, their CRC-32 |
//!
//! | at | entry |
//! |---|---|
//! | 0, 16 | type, nil where there is none; GUID |
//! | 32, 40 | first and last sector |
//! | 48, 56 | attributes; name, 36 UTF-16 units |

use std::fmt;
use std::io::{Read, Seek};

use super::{ContentError, Reader, Signature, le16, le32, le64, take, text};
use crate::units::{ByteLen, ByteOffset, Lba, SectorSize};

const SIGNATURE: &[u8] = b"EFI PART";
const HEADER_BYTES: usize = 92;
const MOST_ENTRY_BYTES: usize = 4096;
const MOST_ENTRIES_BYTES: usize = 1 << 20;
const NAME_UNITS: usize = 36;

/// A GPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpt {
    /// The sectors it counts in, which need not be the disk's.
    pub sector: SectorSize,
    /// The disk's GUID, digits in the order of its text.
    pub guid: u128,
    /// How well its two copies are.
    pub health: Health,
    /// The partitions in order of their numbers; none when both copies are damaged.
    pub partitions: Vec<GptPartition>,
}

/// How well the two copies of a GPT are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// Both say the same.
    Good,
    /// One is missing or damaged.
    OneCopy,
    /// Each is well, but they differ.
    Different,
    /// None can be used.
    Damaged,
}

/// A partition of a GPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GptPartition {
    /// Its number, from 1.
    pub index: u32,
    /// Its label, as it is.
    pub name: String,
    /// What it is for; digits in the order of their text, as in all GUIDs here.
    pub type_guid: u128,
    /// Which one it is.
    pub guid: u128,
    /// Attribute bits.
    pub attributes: u64,
    /// Where it starts.
    pub start: ByteOffset,
    /// How long it is.
    pub len: ByteLen,
    /// What it begins with.
    pub holds: Option<Signature>,
}

impl GptPartition {
    /// Where it ends.
    pub fn end(&self) -> ByteOffset {
        ByteOffset(self.start.0.saturating_add(self.len.0))
    }

    /// What it is for, where that has a name.
    pub fn type_name(&self) -> Option<&'static str> {
        TYPES.iter().find(|(guid, _)| *guid == self.type_guid).map(|(_, name)| *name)
    }
}

impl fmt::Display for GptPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name.as_str(), self.type_name()) {
            ("", Some(name)) => f.write_str(name)?,
            ("", None) => write!(f, "number {}", self.index)?,
            (name, _) => write!(f, "`{}`", text::tame(name))?,
        }
        match &self.holds {
            Some(holds) => write!(f, " ({}, {})", self.len, holds.kind),
            None => write!(f, " ({})", self.len),
        }
    }
}

const TYPES: [(u128, &str); 12] = [
    (0x21686148_6449_6E6F_744E_656564454649, "BIOS boot"),
    (0xC12A7328_F81F_11D2_BA4B_00A0C93EC93B, "ESP"),
    (0xBC13C2FF_59E6_4262_A352_B275FD6F7172, "XBOOTLDR"),
    (0x4F68BCE3_E8CD_4DB1_96E7_FBCAF984B709, "root (x86_64)"),
    (0xB921B045_1DF0_41C3_AF44_4C6F280D3FAE, "root (aarch64)"),
    (0x0FC63DAF_8483_4772_8E79_3D69D8477DE4, "Linux"),
    (0x0657FD6D_A4AB_43C4_84E5_0933C84B4F4F, "swap"),
    (0x933AC7E1_2EB4_4F13_B844_0E14E2AEF915, "home"),
    (0xE6D6D379_F507_44C2_A23C_238F2A3DF928, "LVM"),
    (0xA19D880F_05FC_4D3B_A006_743F0F84911E, "RAID"),
    (0xEBD0A0A2_B9E5_4433_87C0_68B6B72699C7, "Windows data"),
    (0xE3C9E316_0B5C_4DB8_817D_F92DF00215AE, "Windows reserved"),
];

/// One copy.
struct Copy {
    guid: u128,
    entries: Vec<u8>,
    entry_bytes: usize,
}

impl Copy {
    fn is_same(&self, other: &Self) -> bool {
        self.guid == other.guid
            && self.entry_bytes == other.entry_bytes
            && self.entries == other.entries
    }
}

/// The table, looked for in sectors of the disk's size first.
pub(super) fn load<D: Read + Seek>(
    disk: &mut Reader<D>,
    sector: SectorSize,
) -> Result<Option<Gpt>, ContentError> {
    let other = match sector {
        SectorSize::B512 => SectorSize::B4096,
        SectorSize::B4096 => SectorSize::B512,
    };
    match load_with(disk, sector)? {
        None => load_with(disk, other),
        found => Ok(found),
    }
}

fn load_with<D: Read + Seek>(
    disk: &mut Reader<D>,
    sector: SectorSize,
) -> Result<Option<Gpt>, ContentError> {
    let Some(last) = (disk.len / sector.bytes()).checked_sub(1) else { return Ok(None) };
    let primary = copy(disk, sector, Lba(1))?;
    let backup = copy(disk, sector, Lba(last))?;
    let (copy, health) = match (primary, backup) {
        (None, None) => return Ok(None),
        (Some(Some(one)), Some(Some(other))) => {
            let is_good = one.is_same(&other);
            (one, if is_good { Health::Good } else { Health::Different })
        }
        (Some(Some(one)), _) | (_, Some(Some(one))) => (one, Health::OneCopy),
        _ => {
            let (health, partitions) = (Health::Damaged, Vec::new());
            return Ok(Some(Gpt { sector, guid: 0, health, partitions }));
        }
    };
    let entries = (1..).zip(copy.entries.chunks_exact(copy.entry_bytes));
    let partitions = entries.filter_map(|(index, entry)| partition(index, entry, sector)).collect();
    Ok(Some(Gpt { sector, guid: copy.guid, health, partitions }))
}

/// The copy at a sector: none without signature, nothing in it when it is damaged.
fn copy<D: Read + Seek>(
    disk: &mut Reader<D>,
    sector: SectorSize,
    lba: Lba,
) -> Result<Option<Option<Copy>>, ContentError> {
    let Some(at) = lba.to_offset(sector) else { return Ok(None) };
    let header = disk.read(at.0, 512)?;
    if !header.starts_with(SIGNATURE) {
        return Ok(None);
    }
    let Some((at, len, entry_bytes)) = checked(&header, sector, lba) else {
        return Ok(Some(None));
    };
    let entries = disk.read(at.0, len)?;
    let is_good = crc32fast::hash(&entries) == le32(&header, 88);
    let copy = Copy { guid: guid(&header, 56), entries, entry_bytes };
    Ok(Some(is_good.then_some(copy)))
}

/// Where the entries are, how long they are, and how long one is.
fn checked(header: &[u8], sector: SectorSize, lba: Lba) -> Option<(ByteOffset, usize, usize)> {
    let len = usize::try_from(le32(header, 12)).ok()?;
    let mut covered = header.get(..len).filter(|_| len >= HEADER_BYTES)?.to_vec();
    covered[16..20].fill(0);
    if crc32fast::hash(&covered) != le32(header, 16) || le64(header, 24) != lba.0 {
        return None;
    }
    let entry = usize::try_from(le32(header, 84)).ok()?;
    let is_entry = entry.is_power_of_two() && (128..=MOST_ENTRY_BYTES).contains(&entry);
    let count = usize::try_from(le32(header, 80)).ok().filter(|_| is_entry)?;
    let len = count.checked_mul(entry).filter(|len| *len <= MOST_ENTRIES_BYTES)?;
    Some((Lba(le64(header, 72)).to_offset(sector)?, len, entry))
}

/// A used entry; one whose numbers no disk can have is as good as unused.
fn partition(index: u32, entry: &[u8], sector: SectorSize) -> Option<GptPartition> {
    let type_guid = guid(entry, 0);
    let (first, last) = (le64(entry, 32), le64(entry, 40));
    let end = Lba(last.checked_add(1)?).to_offset(sector)?;
    let start = Lba(first).to_offset(sector)?;
    let len = ByteLen(end.0.checked_sub(start.0).filter(|len| type_guid != 0 && *len > 0)?);
    let name: Vec<u16> = (0..NAME_UNITS).map(|at| le16(entry, 56 + 2 * at)).collect();
    let name = name.split(|unit| *unit == 0).next().unwrap_or_default();
    Some(GptPartition {
        index,
        name: String::from_utf16_lossy(name),
        type_guid,
        guid: guid(entry, 16),
        attributes: le64(entry, 48),
        start,
        len,
        holds: None,
    })
}

/// A GUID as it is stored: the first three fields the other way round.
fn guid(bytes: &[u8], at: usize) -> u128 {
    let mut bytes: [u8; 16] = take(bytes, at);
    bytes[..4].reverse();
    bytes[4..6].reverse();
    bytes[6..8].reverse();
    u128::from_be_bytes(bytes)
}
