//! What identifies a disk whatever its format: the digest of its blocks that are not all zeros.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use super::{FormatError, extents::Extents};
use crate::digest::{Sha256, Sha256Digest};
use crate::progress::Cancel;
use crate::units::ByteLen;

const BLOCK_BYTES: usize = 64 * 1024;
const BLOCK: u64 = 64 * 1024;

/// SHA-256 over every block of 64 KiB of the disk that is not all zeros, in order: its offset in
/// bytes (64 bits, little-endian), then its bytes. A last block may be short.
pub fn blocks_digest(
    file: &File,
    size: ByteLen,
    cancel: &Cancel,
) -> Result<Sha256Digest, FormatError> {
    let mut hasher = Sha256::default();
    let mut buffer = vec![0; BLOCK_BYTES];
    let mut next = 0;
    for extent in Extents::new(file, size.0) {
        let first = (extent.start / BLOCK * BLOCK).max(next);
        let mut offset = first;
        while offset < extent.end {
            if cancel.is_cancelled() {
                return Err(FormatError::Cancelled);
            }
            let len = usize::try_from(BLOCK.min(size.0 - offset)).unwrap_or(BLOCK_BYTES);
            let block = &mut buffer[..len];
            file.read_exact_at(block, offset)
                .map_err(|source| FormatError::Read { offset, source })?;
            if block.iter().any(|byte| *byte != 0) {
                hasher.update(&offset.to_le_bytes());
                hasher.update(block);
            }
            offset += BLOCK;
        }
        next = offset;
    }
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_content_counts() {
        let size = ByteLen(BLOCK * 5 + 7);
        let sparse = tempfile::tempfile().unwrap();
        sparse.set_len(size.0).unwrap();
        sparse.write_all_at(b"x", BLOCK + 9).unwrap();
        sparse.write_all_at(b"y", BLOCK * 5 + 6).unwrap();
        let dense = tempfile::tempfile().unwrap();
        let mut bytes = vec![0; usize::try_from(size.0).unwrap()];
        bytes[BLOCK_BYTES + 9] = b'x';
        *bytes.last_mut().unwrap() = b'y';
        dense.write_all_at(&bytes, 0).unwrap();
        let cancel = Cancel::default();
        let digest = blocks_digest(&sparse, size, &cancel).unwrap();
        assert_eq!(digest, blocks_digest(&dense, size, &cancel).unwrap());
        let mut expected = Sha256::default();
        for block in [1, 5] {
            expected.update(&(BLOCK * block).to_le_bytes());
            let start = BLOCK_BYTES * usize::try_from(block).unwrap();
            expected.update(&bytes[start..bytes.len().min(start + BLOCK_BYTES)]);
        }
        assert_eq!(digest, expected.finish());
    }
}
