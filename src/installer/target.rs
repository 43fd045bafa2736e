//! Which disk is meant, and whether it may be overwritten. Pure: facts in, a decision out.
//!
//! How an owner names a disk is told where [`Target`] is. For a path, links are resolved by the
//! caller.
//!
//! A *candidate* is a disk that could be written: no CD-ROM, no loop device, not made of other
//! devices, not read-only, not empty, and not the medium that the installer runs from. Who is
//! chosen is judged afterwards, so that `smallest` means the same disk however large the image is,
//! and never moves on to another disk because the first one holds data.
//!
//! Everything that speaks against a disk is told at once. `wipe` overrules that it holds data, and
//! nothing else. An [`Approved`] disk comes from [`approve`] only: who writes asks for one.

use super::content::Content;
use super::disks::{DeviceNumber, Disk, Kind, Use};
use super::text;
pub use crate::settings::install::Target;
use crate::units::{ByteLen, SectorSize};

/// What a disk must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs<'a> {
    /// How large it must be.
    pub size: ByteLen,
    /// The sectors that the new layout counts in; any that we know when not given.
    pub sector: Option<SectorSize>,
    /// What the installer runs from: disks, partitions or what is made of them.
    pub medium: &'a [DeviceNumber],
    /// Whether what is on it may go.
    pub may_wipe: bool,
}

/// A disk that may be overwritten.
#[derive(Debug, Clone, Copy)]
pub struct Approved<'d>(&'d Disk);

/// Why no disk is chosen, or the chosen one is not overwritten.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such path.
    #[error("there is no disk `{path}`{}", there_are(.present))]
    NoSuchDisk {
        /// What was named.
        path: String,
        /// The disks that there are.
        present: Vec<String>,
    },
    /// No such serial number.
    #[error("no disk has the serial number `{serial}`{}", there_are(.present))]
    NoSuchSerial {
        /// What was named.
        serial: String,
        /// The disks that there are.
        present: Vec<String>,
    },
    /// A partition was named.
    #[error("`{path}` is a partition of `{disk}`: only whole disks are installed to")]
    NotADisk {
        /// What was named.
        path: String,
        /// The disk that it is on.
        disk: String,
    },
    /// No disk is left.
    #[error("no disk can be installed to{}", passed(.passed_over))]
    NoCandidate {
        /// Those that there are, with the reason against each.
        passed_over: Vec<PassedOver>,
    },
    /// Several could be meant.
    #[error("`{target}` could be each of {}", text::several(.disks, String::clone))]
    Ambiguous {
        /// What was asked for.
        target: Target,
        /// The disks.
        disks: Vec<String>,
    },
    /// The installer runs from it.
    #[error("`{disk}` is the medium that the installer runs from")]
    IsTheMedium {
        /// The disk.
        disk: String,
    },
    /// A CD-ROM.
    #[error("`{disk}` is a CD-ROM")]
    IsCdRom {
        /// The disk.
        disk: String,
    },
    /// It cannot be written.
    #[error("`{disk}` is read-only")]
    ReadOnly {
        /// The disk.
        disk: String,
    },
    /// It has no size.
    #[error("`{disk}` is empty: no medium is in it")]
    NoMedium {
        /// The disk.
        disk: String,
    },
    /// Sectors that we do not write.
    #[error("`{disk}` has sectors of {found} bytes, {} are needed", sectors(*.expected))]
    SectorSize {
        /// The disk.
        disk: String,
        /// What it has.
        found: u32,
        /// What is needed; any that we know when not given.
        expected: Option<SectorSize>,
    },
    /// Somebody uses it.
    #[error("`{disk}` is in use: {}", text::several(.uses, Use::to_string))]
    InUse {
        /// The disk.
        disk: String,
        /// By what.
        uses: Vec<Use>,
    },
    /// It is too small.
    #[error("`{disk}` has {} ({} bytes), {} ({} bytes) are needed", .has, .has.0, .needs, .needs.0)]
    TooSmall {
        /// The disk.
        disk: String,
        /// Its size.
        has: ByteLen,
        /// What is needed.
        needs: ByteLen,
    },
    /// Something is on it.
    #[error("`{disk}` holds data: {holds}")]
    HoldsData {
        /// The disk.
        disk: String,
        /// What.
        holds: String,
    },
}

/// A disk that is no candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassedOver {
    /// The disk.
    pub disk: String,
    /// What it is.
    pub because: &'static str,
}

impl<'d> Approved<'d> {
    /// The disk.
    pub fn disk(self) -> &'d Disk {
        self.0
    }
}

/// The disk that is meant, whatever speaks against it.
pub fn choose<'d>(
    target: &Target,
    disks: &'d [Disk],
    medium: &[DeviceNumber],
) -> Result<&'d Disk, Refusal> {
    match target {
        Target::Path(path) => at_path(path, disks),
        Target::Serial(serial) => with_serial(target, serial, disks),
        Target::Only => one_of(target, candidates(disks, medium)?),
        Target::Smallest => extreme(target, candidates(disks, medium)?, Iterator::min),
        Target::Largest => extreme(target, candidates(disks, medium)?, Iterator::max),
    }
}

/// The disk, if nothing speaks against it; `content` is what was found on it.
pub fn approve<'d>(
    disk: &'d Disk,
    content: &Content,
    needs: &Needs<'_>,
) -> Result<Approved<'d>, Vec<Refusal>> {
    let against = refusals(disk, Some(content), needs);
    if against.is_empty() { Ok(Approved(disk)) } else { Err(against) }
}

/// Everything that speaks against a disk, the gravest first; without `content`, what is known
/// before the disk is read.
pub fn refusals(disk: &Disk, content: Option<&Content>, needs: &Needs<'_>) -> Vec<Refusal> {
    let mut against = Vec::new();
    let name = || disk.path();
    if is_medium(disk, needs.medium) {
        against.push(Refusal::IsTheMedium { disk: name() });
    }
    if disk.kind == Kind::CdRom {
        against.push(Refusal::IsCdRom { disk: name() });
    }
    if disk.is_read_only {
        against.push(Refusal::ReadOnly { disk: name() });
    }
    if !disk.uses.is_empty() {
        against.push(Refusal::InUse { disk: name(), uses: disk.uses.clone() });
    }
    if disk.size.0 == 0 {
        against.push(Refusal::NoMedium { disk: name() });
    } else if disk.size < needs.size {
        against.push(Refusal::TooSmall { disk: name(), has: disk.size, needs: needs.size });
    }
    let (found, expected) = (disk.sector_bytes, needs.sector);
    if !known_sectors(expected).iter().any(|size| size.bytes() == u64::from(found)) {
        against.push(Refusal::SectorSize { disk: name(), found, expected });
    }
    if let Some(content) = content.filter(|content| !needs.may_wipe && !content.is_blank()) {
        against.push(Refusal::HoldsData { disk: name(), holds: content.to_string() });
    }
    against
}

fn known_sectors(wanted: Option<SectorSize>) -> Vec<SectorSize> {
    wanted.map_or_else(|| vec![SectorSize::B512, SectorSize::B4096], |sector| vec![sector])
}

fn sectors(wanted: Option<SectorSize>) -> String {
    let sizes = known_sectors(wanted).into_iter().map(|size| size.bytes().to_string());
    sizes.collect::<Vec<_>>().join(" or ")
}

fn is_medium(disk: &Disk, medium: &[DeviceNumber]) -> bool {
    medium.iter().any(|device| disk.carries(*device))
}

fn at_path<'d>(path: &str, disks: &'d [Disk]) -> Result<&'d Disk, Refusal> {
    if let Some(disk) = disks.iter().find(|disk| disk.path() == path) {
        return Ok(disk);
    }
    let path = path.to_owned();
    Err(match disks.iter().find(|disk| disk.partition_at(&path).is_some()) {
        Some(disk) => Refusal::NotADisk { path, disk: disk.path() },
        None => Refusal::NoSuchDisk { path: text::tame(&path), present: paths(disks) },
    })
}

fn with_serial<'d>(target: &Target, serial: &str, disks: &'d [Disk]) -> Result<&'d Disk, Refusal> {
    let is_named = |disk: &&Disk| {
        let names = [&disk.serial, &disk.wwid].into_iter().flatten();
        names.into_iter().any(|name| name.eq_ignore_ascii_case(serial))
    };
    let found: Vec<&Disk> = disks.iter().filter(is_named).collect();
    if found.is_empty() {
        return Err(Refusal::NoSuchSerial {
            serial: text::tame(serial),
            present: disks.iter().map(described).collect(),
        });
    }
    one_of(target, found)
}

/// A disk with its serial number.
fn described(disk: &Disk) -> String {
    match &disk.serial {
        Some(serial) => format!("{} ({serial})", disk.path()),
        None => disk.path(),
    }
}

/// The disks that could be written, at least one.
fn candidates<'d>(disks: &'d [Disk], medium: &[DeviceNumber]) -> Result<Vec<&'d Disk>, Refusal> {
    let (mut found, mut passed_over) = (Vec::new(), Vec::new());
    for disk in disks {
        match no_candidate(disk, medium) {
            Some(because) => passed_over.push(PassedOver { disk: disk.path(), because }),
            None => found.push(disk),
        }
    }
    if found.is_empty() { Err(Refusal::NoCandidate { passed_over }) } else { Ok(found) }
}

fn no_candidate(disk: &Disk, medium: &[DeviceNumber]) -> Option<&'static str> {
    let reasons = [
        (is_medium(disk, medium), "the medium of the installer"),
        (disk.kind == Kind::CdRom, "a CD-ROM"),
        (disk.kind == Kind::Loop, "a loop device"),
        (disk.kind == Kind::Made, "made of other devices"),
        (disk.is_read_only, "read-only"),
        (disk.size.0 == 0, "empty"),
    ];
    reasons.into_iter().find(|(holds, _)| *holds).map(|(_, because)| because)
}

fn one_of<'d>(target: &Target, disks: Vec<&'d Disk>) -> Result<&'d Disk, Refusal> {
    if let [disk] = disks[..] {
        return Ok(disk);
    }
    let disks = disks.into_iter().map(described).collect();
    Err(Refusal::Ambiguous { target: target.clone(), disks })
}

fn extreme<'d>(
    target: &Target,
    mut disks: Vec<&'d Disk>,
    pick: impl Fn(std::vec::IntoIter<ByteLen>) -> Option<ByteLen>,
) -> Result<&'d Disk, Refusal> {
    let sizes: Vec<ByteLen> = disks.iter().map(|disk| disk.size).collect();
    let size = pick(sizes.into_iter());
    disks.retain(|disk| Some(disk.size) == size);
    one_of(target, disks)
}

fn paths(disks: &[Disk]) -> Vec<String> {
    disks.iter().map(Disk::path).collect()
}

fn there_are(present: &[String]) -> String {
    if present.is_empty() {
        return "; there is no disk at all".to_owned();
    }
    format!("; there are {}", text::several(present, String::clone))
}

fn passed(over: &[PassedOver]) -> String {
    if over.is_empty() {
        return ": there is none".to_owned();
    }
    let show = |one: &PassedOver| format!("`{}` is {}", one.disk, one.because);
    format!(": {}", text::several(over, show))
}

#[cfg(test)]
mod tests;
