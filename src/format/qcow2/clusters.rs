//! What becomes of the clusters of a qcow2.

use super::{CLUSTER_BYTES, Compression};
use crate::format::batches::{PackError, Packer};
use crate::format::deflate::Deflate;
use crate::format::is_zero;

/// What became of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cluster {
    /// All zeros.
    Zero,
    /// To be stored as it is.
    Raw,
    /// The next that many bytes of the batch's `packed`.
    Packed(usize),
}

/// Compresses clusters.
pub(super) enum ClusterPacker {
    None,
    Deflate(Box<Deflate>),
    Zstd(Box<zstd::bulk::Compressor<'static>>, Vec<u8>),
}

/// A cluster is stored compressed when that saves a sixteenth.
const MAX_PACKED_BYTES: usize = CLUSTER_BYTES / 16 * 15;
/// What QEMU can look back.
const WINDOW_BITS: u8 = 12;

impl ClusterPacker {
    pub fn new(compression: Compression) -> Result<Self, PackError> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Deflate { level } => {
                Self::Deflate(Box::new(Deflate::bare(level, WINDOW_BITS, CLUSTER_BYTES)))
            }
            Compression::Zstd { level } => {
                let zstd = zstd::bulk::Compressor::new(i32::from(level))?;
                Self::Zstd(Box::new(zstd), vec![0; zstd::zstd_safe::compress_bound(CLUSTER_BYTES)])
            }
        })
    }
}

impl Packer for ClusterPacker {
    type Chunk = Cluster;

    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Cluster, PackError> {
        if is_zero(content) {
            return Ok(Cluster::Zero);
        }
        let bytes = match self {
            Self::None => return Ok(Cluster::Raw),
            Self::Deflate(deflate) => deflate.stream(content)?,
            Self::Zstd(zstd, buffer) => {
                let len = zstd.compress_to_buffer(content, buffer)?;
                &buffer[..len]
            }
        };
        if bytes.len() > MAX_PACKED_BYTES {
            return Ok(Cluster::Raw);
        }
        packed.extend_from_slice(bytes);
        Ok(Cluster::Packed(bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Decompress, FlushDecompress};

    /// Unpacks with a window of `bits`, in steps so small that the window is what counts.
    fn unpack(packed: &[u8], bits: u8) -> Option<Vec<u8>> {
        let mut inflate = Decompress::new_with_window_bits(false, bits);
        let (mut out, mut piece) = (Vec::new(), [0; 500]);
        while out.len() < CLUSTER_BYTES {
            let read = usize::try_from(inflate.total_in()).unwrap();
            let before = inflate.total_out();
            inflate.decompress(&packed[read..], &mut piece, FlushDecompress::None).ok()?;
            let count = usize::try_from(inflate.total_out() - before).unwrap();
            out.extend_from_slice(&piece[..count]);
        }
        Some(out)
    }

    #[test]
    fn deflate_looks_back_4_kib_at_most() {
        let mut state = 1_u32;
        let mut word = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3] % 16
        };
        // Each 5000 bytes repeat those before, which a window of 12 bits cannot see.
        let period: Vec<u8> = (0..625).flat_map(|_| [word(); 8]).collect();
        let content: Vec<u8> = period.iter().copied().cycle().take(CLUSTER_BYTES).collect();
        for level in 1..=9 {
            let mut packed = Vec::new();
            let mut packer = ClusterPacker::new(Compression::Deflate { level }).unwrap();
            let cluster = packer.pack(&content, &mut packed).unwrap();
            assert_eq!(cluster, Cluster::Packed(packed.len()));
            assert_eq!(unpack(&packed, 12).as_ref(), Some(&content), "level {level}");
        }
    }

    #[test]
    fn a_cluster_that_does_not_compress_spoils_no_other() {
        let mut state = 1_u64;
        let mut noise = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        let hard: Vec<u8> = (0..CLUSTER_BYTES).map(|_| noise()).collect();
        let easy: Vec<u8> = (0..=255).cycle().take(CLUSTER_BYTES).collect();
        for level in 1..=9 {
            let mut packer = ClusterPacker::new(Compression::Deflate { level }).unwrap();
            let (mut first, mut again) = (Vec::new(), Vec::new());
            packer.pack(&easy, &mut first).unwrap();
            assert_eq!(packer.pack(&hard, &mut Vec::new()).unwrap(), Cluster::Raw);
            packer.pack(&easy, &mut again).unwrap();
            assert_eq!(first, again);
        }
    }
}
