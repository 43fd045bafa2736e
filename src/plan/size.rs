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

use std::str::FromStr;

use super::{PlanError, layout};
use crate::spec::Arch;
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

/// The sizes decided on, multiples of 1 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// The whole disk.
    pub disk: ByteLen,
    /// The root partition.
    pub root: ByteLen,
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

impl SizeRequest {
    /// The sizes for a root file system that uses so many bytes, its own metadata with them. The disk
    /// is a multiple of `granule_bytes`, a power of two and a multiple of 1 MiB.
    pub fn decide(self, arch: Arch, used: ByteLen, granule_bytes: u64) -> Result<Sizes, PlanError> {
        let around = layout::overhead(arch).0;
        let disk_of = |root: u64| root.checked_add(around).ok_or(PlanError::TooLarge);
        let disk = match self {
            Self::Auto => {
                let room = used.0.max(2 * GIB);
                let root = round_up(used.0.checked_add(room).ok_or(PlanError::TooLarge)?)?;
                disk_of(root.max(min_root(used)?))?.max(10 * GIB)
            }
            Self::Min => disk_of(min_root(used)?)?,
            Self::Exact(asked) => {
                let disk = round_up(asked.0)?;
                let needed = disk_of(min_root(used)?)?;
                if disk < needed {
                    return Err(PlanError::TooSmall { asked, needed_mib: needed / MIB });
                }
                disk
            }
        };
        let disk = ByteLen(disk).checked_round_up(granule_bytes).ok_or(PlanError::TooLarge)?;
        Ok(Sizes { disk, root: ByteLen(disk.0 - around) })
    }
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

    fn mib(request: SizeRequest, used_mib: u64) -> Result<(u64, u64), PlanError> {
        let sizes = request.decide(Arch::X86_64, ByteLen(used_mib * MIB), MIB)?;
        assert!(sizes.disk.0.is_multiple_of(MIB) && sizes.root.0.is_multiple_of(MIB));
        Ok((sizes.disk.0 / MIB, sizes.root.0 / MIB))
    }

    #[test]
    fn disks_fit_their_root() {
        let exact = |mib: u64| SizeRequest::Exact(ByteLen(mib * MIB));
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
        for (request, used, expected) in cases {
            assert_eq!(mib(request, used), expected, "{request:?} for {used} MiB");
        }
    }

    #[test]
    fn types_that_want_whole_gibibytes_get_them() {
        for request in [SizeRequest::Min, SizeRequest::Exact(ByteLen(3 * GIB + MIB))] {
            let sizes = request.decide(Arch::X86_64, ByteLen(2 * GIB), GIB).unwrap();
            assert!(sizes.disk.0.is_multiple_of(GIB), "{request:?}");
            assert_eq!(sizes.root.0, sizes.disk.0 - 515 * MIB);
        }
    }

    #[test]
    fn odd_lengths_are_rounded_up_and_huge_ones_refused() {
        let odd = SizeRequest::Exact(ByteLen(GIB + 1));
        let sizes = odd.decide(Arch::Aarch64, ByteLen(1), MIB).unwrap();
        assert_eq!(sizes.disk, ByteLen(GIB + MIB));
        assert_eq!(sizes.root, ByteLen(GIB + MIB - 514 * MIB));
        for request in [SizeRequest::Auto, SizeRequest::Min] {
            let refused = request.decide(Arch::X86_64, ByteLen(u64::MAX), MIB);
            assert_eq!(refused, Err(PlanError::TooLarge));
        }
    }
}
