//! Hashes blocks while others are still being written, so that little is left to do at the end.
//!
//! ```text
//!  canvas ─► touched ─► segments complete ─► follower: read, hash ─► known ─► blocks_digest
//!                └─────────────────────────────────────────────────► forget ─┘
//! ```
//!
//! File systems are written mostly upwards. A segment that the writer has passed is read and hashed;
//! what is known of a block is forgotten when the block is written again. So what is known at the end is
//! right whatever was written when, and what is not known is read then: a follower that is slow, or that
//! there is none, changes nothing but the time it takes. So it leaves processors to all others, whom
//! somebody waits for.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::{BLOCK, SEGMENT, SEGMENT_BYTES, block_digests};
use crate::canvas::Watcher;
use crate::digest::Sha256Digest;
use crate::job::give_way;

/// What is known of at most so many blocks (8 GiB of them) is kept: a few MiB of memory.
const MAX_KNOWN: usize = 1 << 17;

/// The nice value of what runs only where nothing else does.
const LEAST_URGENT: i32 = 19;

/// Digests of blocks by their offsets; `None` for one that is all zeros.
pub type Known = BTreeMap<u64, Option<Sha256Digest>>;

/// A thread that reads behind those who write a file.
#[derive(Debug)]
pub struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow the writers of `file`, who tell [`Follower::watcher`].
    pub fn start(file: &Arc<File>) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (file, theirs) = (Arc::clone(file), Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("hash-behind".to_owned())
            .spawn(move || theirs.follow(&file))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Who is to be told what is written.
    pub fn watcher(&self) -> Arc<dyn Watcher> {
        self.shared.clone()
    }

    /// Stops, and says what is known. Nothing may be written afterwards.
    pub fn finish(mut self) -> Known {
        self.stop();
        std::mem::take(&mut self.shared.state().known)
    }

    fn stop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.news.notify_all();
        if let Some(thread) = self.thread.take() {
            // Whatever became of it: what it did not store will be read again.
            drop(thread.join());
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop();
    }
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Condvar,
}

/// Offsets are in bytes from the start of the file.
#[derive(Debug, Default)]
struct State {
    known: Known,
    /// How far the writer has come without leaving out a segment.
    end: u64,
    /// Where the next segment begins that it will complete.
    next: u64,
    /// Complete segments.
    waiting: VecDeque<u64>,
    /// The segment that is being read; `None` when it was written meanwhile.
    reading: Option<u64>,
    is_over: bool,
}

impl Watcher for Shared {
    fn touched(&self, range: Range<u64>) {
        if self.state().touched(range) {
            self.news.notify_one();
        }
    }
}

impl State {
    /// Something was written, or given back; whether a segment is complete now.
    fn touched(&mut self, range: Range<u64>) -> bool {
        let blocks = range.start / BLOCK * BLOCK..range.end;
        let stale: Vec<u64> = self.known.range(blocks).map(|(offset, _)| *offset).collect();
        for offset in stale {
            self.known.remove(&offset);
        }
        if self.reading.is_some_and(|at| range.start < at + SEGMENT && at < range.end) {
            self.reading = None;
        }
        if range.start > self.end.saturating_add(SEGMENT) {
            self.next = range.start.next_multiple_of(SEGMENT);
        }
        if range.end == u64::MAX {
            self.end = self.end.min(range.start);
            self.next = self.next.min(range.start.next_multiple_of(SEGMENT));
            self.waiting.retain(|at| at + SEGMENT <= range.start);
            return false;
        }
        self.end = self.end.max(range.end);
        let before = self.waiting.len();
        while self.next.saturating_add(SEGMENT) <= self.end {
            self.waiting.push_back(self.next);
            self.next += SEGMENT;
        }
        self.waiting.len() > before
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's whole life.
    fn follow(&self, file: &File) {
        give_way(LEAST_URGENT);
        let mut buffer = vec![0; SEGMENT_BYTES];
        while let Some(segment) = self.next() {
            // A segment that cannot be read is read at the end, and the error is told then.
            if file.read_exact_at(&mut buffer, segment).is_ok() {
                self.store(segment, &buffer);
            }
        }
    }

    /// The next segment to read; `None` when it is over.
    fn next(&self) -> Option<u64> {
        let mut state = self.state();
        loop {
            if state.is_over || state.known.len() >= MAX_KNOWN {
                return None;
            }
            if let Some(segment) = state.waiting.pop_front() {
                state.reading = Some(segment);
                return Some(segment);
            }
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn store(&self, segment: u64, bytes: &[u8]) {
        let digests = block_digests(bytes, |_| true);
        let mut state = self.state();
        if state.reading.take() == Some(segment) {
            state.known.extend((segment..).step_by(super::BLOCK_BYTES).zip(digests));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{blocks_digest, blocks_digest_knowing};
    use super::*;
    use crate::canvas::{Canvas, FileCanvas};
    use crate::progress::Cancel;
    use crate::units::{ByteLen, ByteOffset};

    /// A writer's step: how far it jumps, how much it writes, and whether it gives things back.
    #[derive(Debug, Clone)]
    enum Step {
        Write { jump: i64, len: usize },
        Cut { back: u64 },
        Punch { at: u64, len: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        let jump = prop_oneof![4 => Just(0), 1 => -3_000_000..3_000_000i64];
        prop_oneof![
            8 => (jump, 1..1_500_000usize).prop_map(|(jump, len)| Step::Write { jump, len }),
            1 => (0..2_000_000u64).prop_map(|back| Step::Cut { back }),
            1 => (0..8_000_000u64, 1..500_000u64).prop_map(|(at, len)| Step::Punch { at, len }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]
        #[test]
        fn whatever_is_written_when_the_digest_is_that_of_the_file(
            steps in prop::collection::vec(step(), 1..24),
        ) {
            let file = Arc::new(tempfile::tempfile().unwrap());
            let follower = Follower::start(&file).unwrap();
            let mut canvas = FileCanvas::watched(Arc::clone(&file), follower.watcher());
            let (mut at, mut end) = (0u64, 0u64);
            for (number, step) in (1..).zip(steps) {
                match step {
                    Step::Write { jump, len } => {
                        at = at.saturating_add_signed(jump);
                        canvas.write_at(ByteOffset(at), &vec![number; len]).unwrap();
                        at += u64::try_from(len).unwrap();
                        end = end.max(at);
                    }
                    Step::Cut { back } => {
                        (at, end) = (end.saturating_sub(back), end.saturating_sub(back));
                        canvas.discard_from(ByteOffset(at)).unwrap();
                    }
                    Step::Punch { at, len } => {
                        canvas.discard(ByteOffset(at), ByteLen(len)).unwrap();
                    }
                }
            }
            let size = ByteLen(end.next_multiple_of(BLOCK) + BLOCK);
            canvas.set_len(size).unwrap();
            let cancel = Cancel::default();
            let known = follower.finish();
            let with = blocks_digest_knowing(&known, &file, size, 2, &cancel).unwrap();
            prop_assert_eq!(with, blocks_digest(&file, size, 2, &cancel).unwrap());
        }
    }

    #[test]
    fn what_was_passed_is_known() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let follower = Follower::start(&file).unwrap();
        let mut canvas = FileCanvas::watched(Arc::clone(&file), follower.watcher());
        for segment in 0..5 {
            canvas.write_at(ByteOffset(segment * SEGMENT), &vec![7; SEGMENT_BYTES]).unwrap();
        }
        while follower.shared.state().known.len() < 5 * 16 {
            std::thread::yield_now();
        }
        canvas.write_at(ByteOffset(SEGMENT + 5), b"again").unwrap();
        let known = follower.finish();
        assert_eq!(known.len(), 5 * 16 - 1);
        assert!(!known.contains_key(&SEGMENT));
        assert_eq!(known[&0], Some(Sha256Digest::of(&[7; super::super::BLOCK_BYTES])));
    }
}
