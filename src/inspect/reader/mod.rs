//! Disks in any format as one thing: bytes at places.
//!
//! | begins with (or as said) | format | file |
//! |---|---|---|
//! | `QFI\xfb` | qcow2 | `qcow2` |
//! | `KDMV` | vmdk, `streamOptimized` | `vmdk` |
//! | `conectix` in the last sector | vhd, fixed | `vhd` |
//! | `vhdxfile` | vhdx, dynamic | `vhdx` |
//! | gzip, inside a tar with `disk.raw` | gce | `tar`, `unpack` |
//! | a tar with `*.ovf` and `*.vmdk` | ova | `tar`, `vmdk` |
//! | Zstandard | raw.zst | `unpack` |
//! | a folder with `oci-layout` | containerdisk | `layout` |
//! | a boot record or a GPT | raw | `file` |
//!
//! The content decides, never the name. Nothing is trusted: every offset is checked against the file,
//! tables and caches are bounded, a disk of more than 64 TiB is refused. Streams that cannot be read
//! from the middle are unpacked into a temporary file without a name, with holes for zeros.

mod cache;
mod detect;
mod file;
mod layout;
mod qcow2;
mod scratch;
mod tar;
mod unpack;
mod vhd;
mod vhdx;
mod vmdk;

use std::fmt;
use std::rc::Rc;

pub use detect::{Opened, fuzz_disk, open};
pub use file::{FileImage, Memory, Part};
pub use scratch::Scratch;
pub use tar::fuzz_tar;

use super::error::Problem;

/// The largest disk that is read.
pub const LIMIT_BYTES: u64 = 64 << 40;

/// Bytes at places, read-only.
pub trait DiskImage: fmt::Debug {
    /// How many there are.
    fn len_bytes(&self) -> u64;

    /// Fills `buffer` from `offset`; all of it must be there.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Problem>;

    /// Looks for what no read has met yet: content that should be in the file and is not.
    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }
}

/// A disk or a part of it, shared.
pub type Shared = Rc<dyn DiskImage>;

/// A disk that can be shared.
pub fn shared(disk: impl DiskImage + 'static) -> Shared {
    Rc::new(disk)
}

/// A disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The bytes of the disk.
    Raw,
    /// QEMU's.
    Qcow2,
    /// VMware's.
    Vmdk,
    /// Virtual PC's and Azure's.
    Vhd,
    /// Hyper-V's.
    Vhdx,
    /// Google's: a compressed tar with `disk.raw`.
    Gce,
    /// A tar with a description and a vmdk.
    Ova,
    /// A raw disk, compressed with Zstandard.
    RawZst,
    /// KubeVirt's: an OCI layout with a disk in its layer.
    Containerdisk,
}

impl Format {
    /// What the command line and reports call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::Vmdk => "vmdk",
            Self::Vhd => "vhd",
            Self::Vhdx => "vhdx",
            Self::Gce => "gce",
            Self::Ova => "ova",
            Self::RawZst => "raw.zst",
            Self::Containerdisk => "containerdisk",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Checks that a read stays inside, for all readers.
fn check_inside(offset: u64, buffer: &[u8], len: u64) -> Result<(), Problem> {
    let end = offset.checked_add(super::bytes::count(buffer.len()));
    match end {
        Some(end) if end <= len => Ok(()),
        _ => Err(Problem::PastEnd { offset, len }),
    }
}

/// Refuses disks that are too large.
fn check_size(len: u64) -> Result<u64, Problem> {
    if len > LIMIT_BYTES { Err(Problem::TooLarge(len)) } else { Ok(len) }
}

/// Reads a part of a file into a buffer of its own; `len` is bounded by the caller.
fn read_part(
    file: &dyn DiskImage,
    what: &'static str,
    offset: u64,
    len: usize,
) -> Result<Vec<u8>, Problem> {
    let outside = Problem::Outside { what, offset };
    let end = offset.checked_add(super::bytes::count(len));
    if end.is_none_or(|end| end > file.len_bytes()) {
        return Err(outside);
    }
    let mut bytes = vec![0; len];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

/// Splits a read at the borders of units of `unit` bytes: `read` gets a unit's number, the place in it
/// and the bytes to fill.
fn by_units(
    offset: u64,
    buffer: &mut [u8],
    unit: u64,
    mut read: impl FnMut(u64, usize, &mut [u8]) -> Result<(), Problem>,
) -> Result<(), Problem> {
    let (mut at, mut rest) = (offset, buffer);
    while !rest.is_empty() {
        let inside = at % unit;
        let step = rest.len().min(super::bytes::index(unit - inside));
        let (now, later) = rest.split_at_mut(step);
        read(at / unit, super::bytes::index(inside), now)?;
        at = at.saturating_add(super::bytes::count(step));
        rest = later;
    }
    Ok(())
}
