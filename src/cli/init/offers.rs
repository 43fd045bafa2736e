//! Disks as they are shown to who chooses one.
//!
//! ```text
//!   1  /dev/vda  20.0 GiB  QEMU HARDDISK QM00001
//!      holds nothing
//!   2  /dev/vdb  1.0 TiB
//!      holds GPT partitions: 1 (`EFI-SYSTEM`, FAT), 2 (`data`, ext4)
//!   -  /dev/sr0  900.0 MiB  QEMU DVD-ROM
//!      `/dev/sr0` is the medium that the installer runs from
//! ```
//!
//! Who may be chosen has a number, anything else the gravest reason against it.

use std::fs::File;
use std::path::Path;

use crate::cli::report::Report;
use crate::installer::content::Content;
use crate::installer::disks::{Disk, Kind};
use crate::installer::saved::{Glob, Saved};
use crate::installer::target::{Needs, Refusal, refusals};
use crate::units::{ByteLen, SectorSize};

/// A disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// Its device file.
    pub(super) path: String,
    /// How large it is.
    pub(super) size: ByteLen,
    /// What its maker calls it, with its serial number.
    pub(super) title: String,
    /// What is on it, if that could be seen.
    pub(super) holds: Option<String>,
    /// Whether nothing is on it.
    pub(super) is_blank: bool,
    /// Partitions on it that stay.
    pub(super) stay: Vec<String>,
    /// What speaks against it.
    pub(super) against: Vec<String>,
}

impl Offer {
    /// Looks at a disk; that it holds data speaks not against it here. `None` for what nobody
    /// installs to.
    pub(super) fn of(root: &Path, disk: &Disk, needs: &Needs<'_>, saved: &[Glob]) -> Option<Self> {
        if disk.kind == Kind::Loop {
            return None;
        }
        let against = refusals(disk, None, &Needs { may_wipe: true, ..*needs });
        let mut offer = Self {
            path: disk.path(),
            size: disk.size,
            title: disk.title(),
            holds: None,
            is_blank: false,
            stay: Vec::new(),
            against: against.iter().map(Refusal::to_string).collect(),
        };
        if offer.against.is_empty() {
            offer.look(root, disk, saved);
        }
        Some(offer)
    }

    fn look(&mut self, root: &Path, disk: &Disk, saved: &[Glob]) {
        let known = [SectorSize::B512, SectorSize::B4096];
        let sector = known.into_iter().find(|size| size.bytes() == u64::from(disk.sector_bytes));
        let (Some(sector), Some(name)) = (sector, self.path.strip_prefix('/')) else { return };
        let content = match File::open(root.join(name)) {
            Ok(device) => Content::probe(device, sector).map_err(|error| Report::of(&error)),
            Err(error) => Err(Report::of(&error)),
        };
        match content {
            Ok(content) => {
                self.is_blank = content.is_blank();
                self.holds = Some(content.to_string());
                match Saved::find(&content, saved, disk.size, sector) {
                    Ok(saved) => {
                        self.stay = saved.partitions.iter().map(ToString::to_string).collect();
                    }
                    Err(error) => self.against.push(error.to_string()),
                }
            }
            Err(report) => {
                let text = report.to_text(false).replace('\n', " ");
                self.against.push(format!("it cannot be read: {}", text.trim()));
            }
        }
    }

    /// Whether it may be chosen.
    pub(super) fn is_possible(&self) -> bool {
        self.against.is_empty()
    }

    /// Path, size and name on one line.
    pub(super) fn name(&self) -> String {
        let title = if self.title.is_empty() { "" } else { "  " };
        format!("{}  {}{title}{}", self.path, self.size, self.title)
    }
}

/// The disks in the order of their numbers: those that may be chosen, then the others.
pub(super) fn numbered(mut offers: Vec<Offer>) -> Vec<Offer> {
    offers.sort_by_key(|offer| !offer.is_possible());
    offers
}

/// The table.
pub(super) fn table(offers: &[Offer]) -> String {
    let mut text = String::new();
    for (number, offer) in (1..).zip(offers) {
        let number = if offer.is_possible() { format!("{number}") } else { "-".to_owned() };
        text += &format!("{number:>3}  {}\n", offer.name());
        let holds = offer.holds.iter().map(|holds| format!("holds {holds}"));
        for line in holds.chain(offer.against.first().cloned()) {
            text += &format!("     {line}\n");
        }
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::units::GIB;

    /// A disk that may be chosen.
    pub(in super::super) fn offer(path: &str, holds: &str) -> Offer {
        Offer {
            path: path.to_owned(),
            size: ByteLen(20 * GIB),
            title: "QEMU HARDDISK QM1".to_owned(),
            holds: Some(holds.to_owned()),
            is_blank: holds == "nothing",
            stay: Vec::new(),
            against: Vec::new(),
        }
    }

    /// The medium itself.
    pub(in super::super) fn medium() -> Offer {
        Offer {
            path: "/dev/sr0".to_owned(),
            title: String::new(),
            holds: None,
            against: vec!["`/dev/sr0` is the medium that the installer runs from".to_owned()],
            ..offer("", "nothing")
        }
    }

    #[test]
    fn what_may_be_chosen_has_a_number() {
        let offers = vec![medium(), offer("/dev/vda", "nothing"), offer("/dev/vdb", "ext4")];
        let expected = "  1  /dev/vda  20.0 GiB  QEMU HARDDISK QM1
     holds nothing
  2  /dev/vdb  20.0 GiB  QEMU HARDDISK QM1
     holds ext4
  -  /dev/sr0  20.0 GiB
     `/dev/sr0` is the medium that the installer runs from
";
        assert_eq!(table(&numbered(offers)), expected);
    }
}
