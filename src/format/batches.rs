//! Clusters read, tested for zeros and compressed on several threads, handed over in disk order.
//!
//! ```text
//!              ┌► lane 0: read, compress ─┐
//!  ranges ─────┼► lane 1: read, compress ─┼───► each batch, in the order of the ranges
//!              └► …                      ─┘
//! ```
//!
//! Batch `n` goes to lane `n` modulo their number and is taken from there, so order needs no
//! sorting. At most [`BATCHES_PER_LANE`] batches per lane are under way, and their buffers go round.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::qcow2::{CLUSTER_BYTES, Compression};
use super::{FormatError, ZEROS, clamp};

/// How much of the disk one batch holds, at most.
pub(super) const BATCH_BYTES: u64 = 1 << 20;
const BATCHES_PER_LANE: usize = 4;
/// However many threads are asked for: what bounds the memory.
const MAX_LANES: usize = 16;

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

/// Neighbouring clusters.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Where they are on the disk.
    pub range: Range<u64>,
    /// Their content, zeros after the end of the disk.
    pub content: Vec<u8>,
    /// The compressed clusters, one after the other.
    pub packed: Vec<u8>,
    /// What became of each.
    pub clusters: Vec<Cluster>,
}

struct Lane {
    to: SyncSender<Batch>,
    from: Receiver<Result<Batch, FormatError>>,
}

/// Calls `each` with the clusters of all `ranges`, whose starts are multiples of the cluster size
/// and which are no longer than a batch.
pub(super) fn for_each(
    disk: (&File, u64),
    compression: Compression,
    threads: usize,
    ranges: impl Iterator<Item = Range<u64>>,
    mut each: impl FnMut(&Batch) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    std::thread::scope(|scope| {
        let lanes: Vec<Lane> = (0..threads.clamp(1, MAX_LANES))
            .map(|_| {
                let (to, jobs) = sync_channel(BATCHES_PER_LANE);
                let (results, from) = sync_channel(BATCHES_PER_LANE);
                scope.spawn(move || work(disk, compression, &jobs, &results));
                Lane { to, from }
            })
            .collect();
        let (mut sent, mut taken) = (0, 0);
        let mut take = |number: usize| {
            let result = lanes[number % lanes.len()].from.recv();
            let batch = result.map_err(|_| FormatError::Cancelled)??;
            each(&batch).map(|()| batch)
        };
        for range in ranges {
            let mut batch = Batch::default();
            if sent - taken == lanes.len() * BATCHES_PER_LANE {
                batch = take(taken)?;
                taken += 1;
            }
            batch.range = range;
            lanes[sent % lanes.len()].to.send(batch).map_err(|_| FormatError::Cancelled)?;
            sent += 1;
        }
        (taken..sent).try_for_each(|number| take(number).map(drop))
    })
}

/// A lane: ends when nobody sends or takes any more, or after the first error.
fn work(
    disk: (&File, u64),
    compression: Compression,
    jobs: &Receiver<Batch>,
    results: &SyncSender<Result<Batch, FormatError>>,
) {
    let mut packer = Packer::new(compression);
    while let Ok(mut batch) = jobs.recv() {
        let result = match &mut packer {
            Ok(packer) => fill(disk, packer, &mut batch).map(|()| batch),
            Err(error) => Err(FormatError::Compress {
                offset: batch.range.start,
                source: error.to_string().into(),
            }),
        };
        let failed = result.is_err();
        if results.send(result).is_err() || failed {
            return;
        }
    }
}

fn fill(
    (file, disk_bytes): (&File, u64),
    packer: &mut Packer,
    batch: &mut Batch,
) -> Result<(), FormatError> {
    let offset = batch.range.start;
    let len = usize::try_from(batch.range.end - offset).unwrap_or(0);
    batch.content.resize(len.next_multiple_of(CLUSTER_BYTES), 0);
    let on_disk = clamp(&mut batch.content, disk_bytes - offset).len();
    let mut filled = 0;
    while filled < on_disk {
        let at = offset + super::len_of(&batch.content[..filled]);
        match file.read_at(&mut batch.content[filled..on_disk], at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(FormatError::Read { offset: at, source }),
        }
    }
    batch.content[filled..].fill(0);
    batch.packed.clear();
    batch.clusters.clear();
    for content in batch.content.chunks_exact(CLUSTER_BYTES) {
        let cluster = packer
            .pack(content, &mut batch.packed)
            .map_err(|source| FormatError::Compress { offset, source })?;
        batch.clusters.push(cluster);
    }
    Ok(())
}

/// A compressor, used again and again without memory of what it did before.
enum Packer {
    None,
    Deflate(Box<flate2::Compress>, Vec<u8>),
    Zstd(Box<zstd::bulk::Compressor<'static>>, Vec<u8>),
}

/// A cluster is stored compressed when that saves a sixteenth.
const MAX_PACKED_BYTES: usize = CLUSTER_BYTES / 16 * 15;

impl Packer {
    fn new(compression: Compression) -> std::io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None,
            Compression::Deflate { level } => {
                let level = flate2::Compression::new(u32::from(level.clamp(1, 9)));
                let deflate = flate2::Compress::new_with_window_bits(level, false, 12);
                // Room for the worst case: zlib-rs 0.6.8 does not forget, on reset, a stream that was
                // cut short, and spoils the next one.
                Self::Deflate(Box::new(deflate), vec![0; 2 * CLUSTER_BYTES])
            }
            Compression::Zstd { level } => {
                let zstd = zstd::bulk::Compressor::new(i32::from(level))?;
                Self::Zstd(Box::new(zstd), vec![0; zstd::zstd_safe::compress_bound(CLUSTER_BYTES)])
            }
        })
    }

    fn pack(
        &mut self,
        content: &[u8],
        packed: &mut Vec<u8>,
    ) -> Result<Cluster, Box<dyn std::error::Error + Send + Sync>> {
        if content == &ZEROS[..CLUSTER_BYTES] {
            return Ok(Cluster::Zero);
        }
        let (len, buffer) = match self {
            Self::None => return Ok(Cluster::Raw),
            Self::Deflate(deflate, buffer) => {
                deflate.reset();
                match deflate.compress(content, buffer, flate2::FlushCompress::Finish)? {
                    flate2::Status::StreamEnd => (usize::try_from(deflate.total_out())?, buffer),
                    flate2::Status::Ok | flate2::Status::BufError => {
                        return Err("a cluster grew to twice its size".into());
                    }
                }
            }
            Self::Zstd(zstd, buffer) => (zstd.compress_to_buffer(content, buffer)?, buffer),
        };
        if len > MAX_PACKED_BYTES {
            return Ok(Cluster::Raw);
        }
        packed.extend_from_slice(&buffer[..len]);
        Ok(Cluster::Packed(len))
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
            let mut packer = Packer::new(Compression::Deflate { level }).unwrap();
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
            let mut packer = Packer::new(Compression::Deflate { level }).unwrap();
            let (mut first, mut again) = (Vec::new(), Vec::new());
            packer.pack(&easy, &mut first).unwrap();
            assert_eq!(packer.pack(&hard, &mut Vec::new()).unwrap(), Cluster::Raw);
            packer.pack(&easy, &mut again).unwrap();
            assert_eq!(first, again);
        }
    }
}
