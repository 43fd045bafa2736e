//! The one layer of a containerDisk: a tar of the disk in stored gzip.
//!
//! ```text
//!  gzip header 10 │ stored block: 5 + 65,535 │ … │ last block │ CRC-32 4 │ length 4
//! ```
//!
//! A stored block begins with a byte that is 1 for the last one and 0 otherwise, then its length
//! and the complement of that, in 16 bits each.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::sync::mpsc::sync_channel;

use crate::digest::{Sha256, Sha256Digest};
use crate::progress::Cancel;
use crate::stream::At;

use super::super::{FormatError, len_of};

const BLOCK_BYTES: usize = 65_535;
const BLOCKS_AHEAD: usize = 32;
/// The user and group `qemu` in KubeVirt's pods.
const QEMU_ID: u64 = 107;
/// No flags, no time, no name; level and system unsaid.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A layer as manifest and config name it.
pub(super) struct Layer {
    /// Of the gzip.
    pub digest: Sha256Digest,
    /// Of the gzip.
    pub size_bytes: u64,
    /// Of the tar.
    pub diff_id: Sha256Digest,
}

/// Writes the layer; `report` gets bytes done and bytes in all.
pub(super) fn write(
    disk: &File,
    out: &File,
    created_secs: i64,
    report: &dyn Fn(u64, u64),
    cancel: &Cancel,
) -> Result<Layer, FormatError> {
    let unreadable = |source| FormatError::Read { offset: 0, source };
    let disk_bytes = disk.metadata().map_err(unreadable)?.len();
    let mtime = u64::try_from(created_secs).unwrap_or(0);
    let folder = header("disk/", tar::EntryType::Directory, (0, 0o555), 0, mtime);
    let file =
        header("disk/disk.qcow2", tar::EntryType::Regular, (QEMU_ID, 0o440), disk_bytes, mtime);
    let head = [folder.map_err(unreadable)?, file.map_err(unreadable)?].concat();
    let total_bytes = (len_of(&head) + disk_bytes).next_multiple_of(512) + 1024;
    let padding = total_bytes - len_of(&head) - disk_bytes;
    let tar =
        head.as_slice().chain(At::start(disk).take(disk_bytes)).chain(io::repeat(0).take(padding));
    pack(tar, total_bytes, out, report, cancel)
}

fn header(
    path: &str,
    kind: tar::EntryType,
    (owner, mode): (u64, u32),
    size: u64,
    mtime: u64,
) -> io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    header.set_size(size);
    header.set_mtime(mtime);
    header.set_cksum();
    Ok(header.as_bytes().to_vec())
}

/// Packs `tar` of exactly `total_bytes`. Another thread hashes the tar meanwhile.
fn pack(
    mut tar: impl Read,
    total_bytes: u64,
    out: &File,
    report: &dyn Fn(u64, u64),
    cancel: &Cancel,
) -> Result<Layer, FormatError> {
    let mut gzip = Hashed { out: BufWriter::new(out), hasher: Sha256::default(), len_bytes: 0 };
    let mut crc = crc32fast::Hasher::new();
    gzip.put(&GZIP_HEADER)?;
    let diff_id = std::thread::scope(|scope| {
        let (send, blocks) = sync_channel::<Vec<u8>>(BLOCKS_AHEAD);
        let (give_back, spare) = sync_channel(BLOCKS_AHEAD + 2);
        let hashing = scope.spawn(move || {
            let mut hasher = Sha256::default();
            for block in blocks {
                hasher.update(&block);
                // Full or gone: then the block is just dropped.
                let _ = give_back.try_send(block);
            }
            hasher.finish()
        });
        let mut done = 0;
        while done < total_bytes {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            let len = usize::try_from(total_bytes - done).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            let mut block = spare.try_recv().unwrap_or_default();
            block.resize(len, 0);
            tar.read_exact(&mut block)
                .map_err(|source| FormatError::Read { offset: done, source })?;
            done += len_of(&block);
            gzip.put(&block_header(done == total_bytes, len))?;
            gzip.put(&block)?;
            crc.update(&block);
            // The other end lives as long as this loop.
            let _ = send.send(block);
            report(done, total_bytes);
        }
        drop(send);
        Ok(hashing.join().expect("hashing does not panic"))
    })?;
    gzip.put(&crc.finalize().to_le_bytes())?;
    let low = u32::try_from(total_bytes & u64::from(u32::MAX)).unwrap_or(0);
    gzip.put(&low.to_le_bytes())?;
    gzip.out.flush().map_err(|source| FormatError::Write { offset: gzip.len_bytes, source })?;
    Ok(Layer { digest: gzip.hasher.finish(), size_bytes: gzip.len_bytes, diff_id })
}

fn block_header(is_last: bool, len: usize) -> [u8; 5] {
    let len = u16::try_from(len).unwrap_or(0);
    let ([low, high], [not_low, not_high]) = (len.to_le_bytes(), (!len).to_le_bytes());
    [u8::from(is_last), low, high, not_low, not_high]
}

/// A file whose bytes are hashed as they are written.
struct Hashed<W> {
    out: W,
    hasher: Sha256,
    len_bytes: u64,
}

impl<W: Write> Hashed<W> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), FormatError> {
        let failed = |source| FormatError::Write { offset: self.len_bytes, source };
        self.out.write_all(bytes).map_err(failed)?;
        self.hasher.update(bytes);
        self.len_bytes += len_of(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_unpacks() {
        for len in [0, 1, 511, 65_535 - 1024, 65_535, 65_536, 300_000] {
            let disk = tempfile::tempfile().unwrap();
            let content: Vec<u8> = (0..=255).cycle().take(len).collect();
            (&disk).write_all(&content).unwrap();
            let path = tempfile::NamedTempFile::new().unwrap();
            let layer = write(&disk, path.as_file(), 5, &|_, _| {}, &Cancel::default()).unwrap();
            let packed = std::fs::read(path.path()).unwrap();
            assert_eq!(Sha256Digest::of(&packed), layer.digest);
            assert_eq!(len_of(&packed), layer.size_bytes);
            let mut tar = Vec::new();
            flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut tar).unwrap();
            assert_eq!(Sha256Digest::of(&tar), layer.diff_id);
            let mut archive = tar::Archive::new(tar.as_slice());
            let mut entries = archive.entries().unwrap();
            assert_eq!(entries.next().unwrap().unwrap().header().mode().unwrap(), 0o555);
            let mut entry = entries.next().unwrap().unwrap();
            let mut found = Vec::new();
            entry.read_to_end(&mut found).unwrap();
            assert_eq!(found, content);
            assert_eq!(entry.header().uid().unwrap(), 107);
            assert!(entries.next().is_none());
        }
    }

    #[test]
    fn cancelling_ends_both_threads() {
        let (disk, out) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        disk.set_len(1 << 40).unwrap();
        let cancel = Cancel::default();
        cancel.cancel();
        let result = write(&disk, &out, 0, &|_, _| {}, &cancel);
        assert!(matches!(result, Err(FormatError::Cancelled)));
    }
}
