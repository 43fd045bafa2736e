//! Pieces of a disk read and packed on several threads, handed over in disk order.
//!
//! ```text
//!              ┌► lane 0: read, pack ─┐
//!  ranges ─────┼► lane 1: read, pack ─┼───► each batch, in the order of the ranges
//!              └► …                  ─┘
//! ```
//!
//! Batch `n` goes to lane `n` modulo their number and is taken from there, so order needs no
//! sorting. At most [`BATCHES_PER_LANE`] batches per lane are under way, and their buffers go round.
//! What packing means is the format's business: each lane has a [`Packer`], and as that remembers
//! nothing, no byte depends on which lane a chunk went to.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{FormatError, clamp, len_of};

/// How much of the disk one batch holds, at most.
pub(super) const BATCH_BYTES: u64 = 1 << 20;
const BATCHES_PER_LANE: usize = 4;
/// However many threads are asked for: what bounds the memory.
const MAX_LANES: usize = 16;

/// Why a packer gave up.
pub(super) type PackError = Box<dyn std::error::Error + Send + Sync>;

/// Packs chunks: one in each lane, used again and again without memory of what it did before.
pub(super) trait Packer {
    /// What became of a chunk.
    type Chunk: Send;

    /// Packs `content`: appends to `packed` what is to be kept of it.
    fn pack(&mut self, content: &[u8], packed: &mut Vec<u8>) -> Result<Self::Chunk, PackError>;
}

/// What is to be read, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'f> {
    /// Where the disk is.
    pub file: &'f File,
    /// How long it is: what is read after that is zeros.
    pub disk_bytes: u64,
    /// How much is packed at a time.
    pub chunk_bytes: usize,
    /// How many lanes.
    pub threads: usize,
}

/// Neighbouring chunks.
#[derive(Debug)]
pub(super) struct Batch<C> {
    /// Where they are on the disk.
    pub range: Range<u64>,
    /// Their content, zeros after the end of the disk.
    pub content: Vec<u8>,
    /// What the packer kept, one chunk after the other.
    pub packed: Vec<u8>,
    /// What became of each; the last may be short.
    pub chunks: Vec<C>,
}

impl<C> Default for Batch<C> {
    fn default() -> Self {
        Self { range: 0..0, content: Vec::new(), packed: Vec::new(), chunks: Vec::new() }
    }
}

struct Lane<C> {
    to: SyncSender<Batch<C>>,
    from: Receiver<Result<Batch<C>, FormatError>>,
}

/// Calls `each` with the chunks of all `ranges`, which are no longer than a batch.
pub(super) fn for_each<P: Packer>(
    source: Source<'_>,
    packer: impl Fn() -> Result<P, PackError> + Sync,
    ranges: impl Iterator<Item = Range<u64>>,
    mut each: impl FnMut(&Batch<P::Chunk>) -> Result<(), FormatError>,
) -> Result<(), FormatError> {
    std::thread::scope(|scope| {
        let packer = &packer;
        let lanes: Vec<Lane<P::Chunk>> = (0..source.threads.clamp(1, MAX_LANES))
            .map(|_| {
                let (to, jobs) = sync_channel(BATCHES_PER_LANE);
                let (results, from) = sync_channel(BATCHES_PER_LANE);
                scope.spawn(move || work(source, packer(), &jobs, &results));
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
            if lanes[sent % lanes.len()].to.send(batch).is_err() {
                // The lane failed, and what it has to say is among what was not taken yet.
                break;
            }
            sent += 1;
        }
        (taken..sent).try_for_each(|number| take(number).map(drop))
    })
}

/// Whole chunks that cover `extents`, each once, in pieces no longer than a batch. The chunk size is
/// a power of two no larger than a batch.
pub(super) fn ranges(
    extents: impl Iterator<Item = Range<u64>>,
    chunk_bytes: u64,
) -> impl Iterator<Item = Range<u64>> {
    let mut done = 0;
    extents.flat_map(move |extent| {
        let start = (extent.start & !(chunk_bytes - 1)).max(done);
        let end = extent.end.next_multiple_of(chunk_bytes);
        done = end.max(done);
        pieces(start..end, BATCH_BYTES)
    })
}

/// `range` in pieces of `piece_bytes`, the last as short as need be.
pub(super) fn pieces(range: Range<u64>, piece_bytes: u64) -> impl Iterator<Item = Range<u64>> {
    let step = usize::try_from(piece_bytes).unwrap_or(usize::MAX);
    range.clone().step_by(step).map(move |at| at..range.end.min(at + piece_bytes))
}

/// A lane: ends when nobody sends or takes any more, or after the first error.
fn work<P: Packer>(
    source: Source<'_>,
    mut packer: Result<P, PackError>,
    jobs: &Receiver<Batch<P::Chunk>>,
    results: &SyncSender<Result<Batch<P::Chunk>, FormatError>>,
) {
    while let Ok(mut batch) = jobs.recv() {
        let result = match &mut packer {
            Ok(packer) => fill(source, packer, &mut batch).map(|()| batch),
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

fn fill<P: Packer>(
    source: Source<'_>,
    packer: &mut P,
    batch: &mut Batch<P::Chunk>,
) -> Result<(), FormatError> {
    let offset = batch.range.start;
    batch.content.resize(usize::try_from(batch.range.end - offset).unwrap_or(0), 0);
    let on_disk = clamp(&mut batch.content, source.disk_bytes.saturating_sub(offset));
    let filled = read(source.file, offset, on_disk)?;
    batch.content[filled..].fill(0);
    batch.packed.clear();
    batch.chunks.clear();
    for content in batch.content.chunks(source.chunk_bytes) {
        let chunk = packer
            .pack(content, &mut batch.packed)
            .map_err(|source| FormatError::Compress { offset, source })?;
        batch.chunks.push(chunk);
    }
    Ok(())
}

/// Reads until `buffer` is full or the file ends; says how much that was.
fn read(file: &File, offset: u64, buffer: &mut [u8]) -> Result<usize, FormatError> {
    let mut filled = 0;
    while filled < buffer.len() {
        let at = offset + len_of(&buffer[..filled]);
        match file.read_at(&mut buffer[filled..], at) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(source) => return Err(FormatError::Read { offset: at, source }),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_extents_share_no_chunk() {
        let extents = [5..10, 100..65_537, 70_000..70_001, 3 << 20..5 << 20];
        let found: Vec<_> = ranges(extents.into_iter(), 1 << 16).collect();
        let mib = 1 << 20;
        assert_eq!(found, [0..65_536, 65_536..131_072, 3 * mib..4 * mib, 4 * mib..5 * mib]);
    }

    struct Broken;

    impl Packer for Broken {
        type Chunk = ();

        fn pack(&mut self, content: &[u8], _: &mut Vec<u8>) -> Result<(), PackError> {
            if content[0] == 0 { Ok(()) } else { Err("no".into()) }
        }
    }

    #[test]
    fn a_packer_that_fails_ends_it() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"x", 5 << 20).unwrap();
        let source = Source { file: &file, disk_bytes: 40 << 20, chunk_bytes: 4096, threads: 3 };
        for _ in 0..20 {
            let all = pieces(0..40 << 20, BATCH_BYTES);
            let result = for_each(source, || Ok(Broken), all, |_| Ok(()));
            let expected = 5 << 20;
            assert!(
                matches!(result, Err(FormatError::Compress { offset, .. }) if offset == expected)
            );
        }
        let none = || Err::<Broken, _>("none".into());
        let result = for_each(source, none, pieces(0..40 << 20, BATCH_BYTES), |_| Ok(()));
        assert!(matches!(result, Err(FormatError::Compress { offset: 0, .. })));
    }
}
