//! How large the root file system and the disk become.
//!
//! | `--size` | root | disk |
//! |---|---|---|
//! | `auto` | what is used, and as much again, at least 2 GiB, for the next upgrade | at least 10 GiB |
//! | `min` | what is used, 3 % and 64 MiB | as it comes |
//! | a number | the rest of the disk; an error when `min` would not fit | that |
//!
//! The disk is rounded up to what every type asked for accepts, at least 1 MiB; root gets the rest.
//! The disk is virtual: every format is sparse. 3 % is what ostree wants free before it writes.
//!
//! Least sizes that were wished for root or disk hold whatever is asked for. With a whole table of
//! partitions `auto` knows no 10 GiB.

use std::str::FromStr;

use super::PlanError;
use super::layout::{Layout, Placed, Role};
use crate::units::{ByteLen, GIB, MIB};

/// What `--size` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeRequest {
    /// Room for the next upgrade.
    Auto,
    /// As small as possible.
    Min,
    /// A disk of this length.
    Exact(ByteLen),
}

/// The sizes decided on, multiples of 1 MiB: the whole disk, the root partition.
struct Sizes {
    disk: ByteLen,
    root: ByteLen,
}

impl FromStr for SizeRequest {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<Self, PlanError> {
        let error = || PlanError::Size(text.to_owned());
        match text {
            "auto" => return Ok(Self::Auto),
            "min" => return Ok(Self::Min),
            _ => {}
        }
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
            "" => 1,
            "K" | "KIB" => 1024,
            "M" | "MIB" => MIB,
            "G" | "GIB" => GIB,
            "T" | "TIB" => 1024 * GIB,
            _ => return Err(error()),
        };
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(error());
        }
        let number: u64 = digits.parse().map_err(|_| error())?;
        number
            .checked_mul(unit)
            .filter(|len| *len > 0)
            .map(|len| Self::Exact(ByteLen(len)))
            .ok_or_else(error)
    }
}

/// What the content of a disk takes.
#[derive(Debug, Clone, Copy)]
pub struct Needs<'a> {
    /// What the root file system uses, its own metadata with it.
    pub root: ByteLen,
    /// What the content of the other partitions takes at least, by index.
    pub others: &'a [ByteLen],
}

/// A disk, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its length.
    pub size: ByteLen,
    /// Its partitions, in the order of their numbers.
    pub partitions: Vec<Placed>,
}

impl SizeRequest {
    /// The disk of a layout whose content takes this. It is a multiple of `granule_bytes`, a power of
    /// two and a multiple of 1 MiB.
    pub fn decide(
        self,
        layout: &Layout,
        needs: Needs<'_>,
        granule_bytes: u64,
    ) -> Result<Disk, PlanError> {
        let sizes = self.sizes(layout, needs, granule_bytes)?;
        let partitions = layout.place(needs.others, sizes.root).ok_or(PlanError::TooLarge)?;
        Ok(Disk { size: sizes.disk, partitions })
    }

    fn sizes(
        self,
        layout: &Layout,
        needs: Needs<'_>,
        granule_bytes: u64,
    ) -> Result<Sizes, PlanError> {
        let around = layout.overhead(needs.others).ok_or(PlanError::TooLarge)?.0;
        let disk_of = |root: u64| root.checked_add(around).ok_or(PlanError::TooLarge);
        let wished = layout.find(Role::Root).map_or(0, |(_, root)| root.least.0);
        let least = min_root(needs.root)?.max(wished);
        let (root, disk) = match self {
            Self::Auto => {
                let room = needs.root.0.max(2 * GIB);
                let root = round_up(needs.root.0.checked_add(room).ok_or(PlanError::TooLarge)?)?;
                let root = root.max(least);
                (root, disk_of(root)?.max(layout.usual_disk.0).max(layout.least_disk.0))
            }
            Self::Min => (least, disk_of(least)?.max(layout.least_disk.0)),
            Self::Exact(asked) => {
                let disk = round_up(asked.0)?;
                let needed = disk_of(least)?.max(layout.least_disk.0);
                if disk < needed {
                    return Err(PlanError::TooSmall { asked, needed_mib: needed / MIB });
                }
                (least, disk)
            }
        };
        let disk = ByteLen(disk).checked_round_up(granule_bytes).ok_or(PlanError::TooLarge)?;
        let root = if layout.keeps_root_size { root } else { disk.0 - around };
        Ok(Sizes { disk, root: ByteLen(root) })
    }
}

/// What a further ext4 gets for so many used bytes, when that is more than was wished.
pub fn further_ext4(used: ByteLen) -> ByteLen {
    let spare = used.0.div_ceil(100).saturating_mul(3).saturating_add(16 * MIB);
    ByteLen(used.0.saturating_add(spare))
}

/// The smallest root partition for so many used bytes.
fn min_root(used: ByteLen) -> Result<u64, PlanError> {
    let spare = used.0.div_ceil(100).checked_mul(3).ok_or(PlanError::TooLarge)?;
    let root = used.0.checked_add(spare).and_then(|root| root.checked_add(64 * MIB));
    round_up(root.ok_or(PlanError::TooLarge)?)
}

fn round_up(len: u64) -> Result<u64, PlanError> {
    ByteLen(len).checked_round_up(MIB).map(|len| len.0).ok_or(PlanError::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256Digest;
    use crate::plan::ids::Ids;
    use crate::plan::layout::Machine;
    use crate::settings::disk::{
        DiskLayout, FileSystemKind, FileSystemWish, PartitionTable, PartitionWish, Payload,
    };
    use crate::spec::Arch;
    use crate::units::SectorSize;

    #[test]
    fn sizes_are_read() {
        let cases = [
            ("auto", Some(SizeRequest::Auto)),
            ("min", Some(SizeRequest::Min)),
            ("10G", Some(SizeRequest::Exact(ByteLen(10 * GIB)))),
            ("10g", Some(SizeRequest::Exact(ByteLen(10 * GIB)))),
            ("1GiB", Some(SizeRequest::Exact(ByteLen(GIB)))),
            ("512M", Some(SizeRequest::Exact(ByteLen(512 * MIB)))),
            ("3T", Some(SizeRequest::Exact(ByteLen(3072 * GIB)))),
            ("1048577", Some(SizeRequest::Exact(ByteLen(1_048_577)))),
            ("10GB", None),
            ("10 G", None),
            ("1.5G", None),
            ("+1G", None),
            ("-1G", None),
            ("0", None),
            ("G", None),
            ("", None),
            ("Auto", None),
            ("99999999999T", None),
            ("1é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<SizeRequest>().ok(), expected, "{text}");
        }
    }

    fn layout(arch: Arch, wish: Option<&DiskLayout>) -> Layout {
        let machine = Machine { arch, sector_size: SectorSize::B512, may_have_bios: true };
        let ids = Ids::derive(Sha256Digest::of(b""), Sha256Digest::of(b""));
        Layout::plan(wish, machine, &ids).unwrap()
    }

    fn decide(request: SizeRequest, layout: &Layout, used: u64) -> Result<(u64, u64), PlanError> {
        let disk = request.decide(layout, Needs { root: ByteLen(used), others: &[] }, MIB)?;
        let is_root = |placed: &&Placed| placed.partition.role == Role::Root;
        let root = disk.partitions.iter().find(is_root).unwrap();
        assert!(disk.size.0.is_multiple_of(MIB) && root.len.0.is_multiple_of(MIB));
        assert!(root.start.0 + root.len.0 + MIB <= disk.size.0);
        Ok((disk.size.0 / MIB, root.len.0 / MIB))
    }

    fn exact(mib: u64) -> SizeRequest {
        SizeRequest::Exact(ByteLen(mib * MIB))
    }

    #[test]
    fn disks_fit_their_root() {
        let too_small = Err(PlanError::TooSmall { asked: ByteLen(681 * MIB), needed_mib: 682 });
        let cases = [
            (SizeRequest::Auto, 200, Ok((10240, 10240 - 515))),
            (SizeRequest::Auto, 6000, Ok((12515, 12000))),
            (SizeRequest::Min, 100, Ok((515 + 167, 167))),
            (SizeRequest::Min, 0, Ok((515 + 64, 64))),
            (exact(4096), 100, Ok((4096, 4096 - 515))),
            (exact(682), 100, Ok((682, 167))),
            (exact(681), 100, too_small),
        ];
        let layout = layout(Arch::X86_64, None);
        for (request, used_mib, expected) in cases {
            let found = decide(request, &layout, used_mib * MIB);
            assert_eq!(found, expected, "{request:?} for {used_mib} MiB");
        }
    }

    #[test]
    fn types_that_want_whole_gibibytes_get_them() {
        let layout = layout(Arch::X86_64, None);
        for request in [SizeRequest::Min, exact(3073)] {
            let needs = Needs { root: ByteLen(2 * GIB), others: &[] };
            let disk = request.decide(&layout, needs, GIB).unwrap();
            assert!(disk.size.0.is_multiple_of(GIB), "{request:?}");
            let root = disk.partitions.last().unwrap();
            assert_eq!(root.len.0, disk.size.0 - 515 * MIB);
        }
    }

    #[test]
    fn wished_sizes_hold() {
        let root = |min_size: u64| PartitionWish {
            min_size: Some(ByteLen(min_size * MIB)),
            payload: Payload::FileSystem(FileSystemWish {
                kind: FileSystemKind::Ext4,
                mountpoint: Some("/".to_owned()),
                label: None,
                uuid: None,
                options: None,
            }),
            ..PartitionWish::default()
        };
        let table = |min_disk: u64, keep_root_size| {
            DiskLayout::Partitions(PartitionTable {
                min_size: Some(ByteLen(min_disk * MIB)),
                partitions: vec![root(3000)],
                keep_root_size,
                ..PartitionTable::default()
            })
        };
        let (small, kept) = (table(1000, false), table(9000, true));
        let (small, kept) = (layout(Arch::X86_64, Some(&small)), layout(Arch::X86_64, Some(&kept)));
        assert_eq!(decide(SizeRequest::Auto, &small, MIB), Ok((3515, 3000)));
        assert_eq!(decide(SizeRequest::Min, &small, MIB), Ok((3515, 3000)));
        assert_eq!(decide(exact(4000), &small, MIB), Ok((4000, 3485)));
        assert!(decide(exact(3514), &small, MIB).is_err());
        assert_eq!(decide(SizeRequest::Auto, &kept, MIB), Ok((9000, 3000)));
        assert_eq!(decide(exact(9500), &kept, MIB), Ok((9500, 3000)));
        assert!(decide(exact(8999), &kept, MIB).is_err());
    }

    #[test]
    fn odd_lengths_are_rounded_up_and_huge_ones_refused() {
        let odd = SizeRequest::Exact(ByteLen(GIB + 1));
        let arm = layout(Arch::Aarch64, None);
        assert_eq!(decide(odd, &arm, 1), Ok((1025, 1025 - 514)));
        for request in [SizeRequest::Auto, SizeRequest::Min] {
            assert_eq!(decide(request, &arm, u64::MAX), Err(PlanError::TooLarge));
        }
    }
}
