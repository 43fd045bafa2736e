//! Disk formats: what becomes of the canvas when the disk on it is complete.
//!
//! *Raw* is the canvas itself, renamed. Others are encoded from what it holds:
//!
//! | module | artifact | for |
//! |---|---|---|
//! | [`qcow2`] | qcow2, version 3 | QEMU, OpenStack and whatever else runs KVM |
//! | [`vmdk`] | streamOptimized VMDK | vSphere, AWS' import, VirtualBox |
//! | [`ova`] | OVF descriptor, manifest and VMDK in a tar | vSphere, Workstation, VirtualBox |
//! | [`vhd`] | fixed VHD | Azure |
//! | [`vhdx`] | dynamic VHDX | Hyper-V |
//! | [`containerdisk`] | an OCI image that holds a qcow2 | KubeVirt |
//! | [`gce`] | sparse `disk.raw` in a gzipped tar | Google Compute Engine |
//! | [`zst`] | the raw disk as Zstandard | downloads |
//! | [`netboot`], [`squashfs`] | kernel, initramfs, root file system | iPXE and GRUB |
//!
//! What an artifact is depends on the disk's content and the options only, never on which zeros of
//! the canvas are holes, nor on the number of threads.

mod batches;
mod blocks;
pub mod containerdisk;
mod copy;
mod deflate;
mod extents;
pub mod gce;
pub mod netboot;
pub mod ova;
pub mod qcow2;
mod sink;
pub mod squashfs;
mod tarball;
pub mod vhd;
pub mod vhdx;
pub mod vmdk;
pub mod zst;

pub use blocks::{Follower, Known, blocks_digest, blocks_digest_knowing};
pub use extents::Extents;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use crate::digest::{Sha256, Sha256Digest};
use crate::output::OutputError;
use crate::progress::Cancel;

static ZEROS: [u8; 256 * 1024] = [0; 256 * 1024];

/// An artifact as the manifest records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Its length.
    pub size_bytes: u64,
    /// The digest of its bytes.
    pub sha256: Sha256Digest,
}

/// Why an artifact was not written.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The canvas could not be read.
    #[error("reading the disk at byte {offset}")]
    Read {
        /// Where.
        offset: u64,
        /// What failed.
        source: io::Error,
    },
    /// The artifact could not be written or read back.
    #[error("writing the artifact at byte {offset}")]
    Write {
        /// Where.
        offset: u64,
        /// What failed.
        source: io::Error,
    },
    /// The format has no such disks.
    #[error("a {format} disk cannot have {disk_bytes} bytes")]
    Size {
        /// The format's name.
        format: &'static str,
        /// The size of the disk.
        disk_bytes: u64,
    },
    /// The compressor refused its settings or input.
    #[error("compressing the disk at byte {offset}")]
    Compress {
        /// Where.
        offset: u64,
        /// What failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Why an artifact that is a folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The disk could not be packed.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The folder could not be written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// The length and digest of `file`, which may be sparse: holes are hashed but not read.
///
/// Zeros cost as much as other bytes: SHA-256 knows no shortcut for them.
pub fn checksum(file: &File, cancel: &Cancel) -> Result<Summary, FormatError> {
    let read = |offset| move |source| FormatError::Read { offset, source };
    let size_bytes = file.metadata().map_err(read(0))?.len();
    let mut hasher = Sha256::default();
    let mut buffer = vec![0; ZEROS.len()];
    let mut at = 0;
    for extent in Extents::new(file, size_bytes) {
        hash_zeros(&mut hasher, extent.start - at, cancel)?;
        at = extent.start;
        while at < extent.end {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            let bytes = clamp(&mut buffer, extent.end - at);
            file.read_exact_at(bytes, at).map_err(read(at))?;
            hasher.update(bytes);
            at += len_of(bytes);
        }
    }
    hash_zeros(&mut hasher, size_bytes - at, cancel)?;
    Ok(Summary { size_bytes, sha256: hasher.finish() })
}

fn hash_zeros(hasher: &mut Sha256, mut len_bytes: u64, cancel: &Cancel) -> Result<(), FormatError> {
    while len_bytes > 0 {
        if cancel.is_cancelled() {
            return Err(FormatError::Cancelled);
        }
        let count = len_bytes.min(len_of(&ZEROS));
        hasher.update(&ZEROS[..usize::try_from(count).unwrap_or(ZEROS.len())]);
        len_bytes -= count;
    }
    Ok(())
}

/// The first `limit` bytes of `buffer`, or all of it.
fn clamp(buffer: &mut [u8], limit: u64) -> &mut [u8] {
    let len = usize::try_from(limit).unwrap_or(usize::MAX).min(buffer.len());
    &mut buffer[..len]
}

/// Whether all of `bytes` are zeros.
fn is_zero(bytes: &[u8]) -> bool {
    bytes.chunks(ZEROS.len()).all(|chunk| chunk == &ZEROS[..chunk.len()])
}

pub(crate) fn len_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_hashed_as_zeros() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"middle", 700_001).unwrap();
        file.set_len(1_500_003).unwrap();
        let mut whole = vec![0; 1_500_003];
        whole[..5].copy_from_slice(b"begin");
        whole[700_001..700_007].copy_from_slice(b"middle");
        let summary = checksum(&file, &Cancel::default()).unwrap();
        assert_eq!(summary.size_bytes, 1_500_003);
        assert_eq!(summary.sha256, Sha256Digest::of(&whole));
    }

    #[test]
    fn a_cancelled_checksum_stops() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 40).unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        assert!(matches!(checksum(&file, &cancel), Err(FormatError::Cancelled)));
    }
}
