//! What was unpacked last: room for the window and for what comes.

use super::bits::index;

/// How far back a match may reach.
const WINDOW: usize = 32 * 1024;
/// A power of two, so that masked places need no further check.
const SIZE: usize = 256 * 1024;
/// The most that a chunk beginning at the last place takes.
const SLACK: usize = 32;
/// Where unpacking pauses: three literals and the longest match, rounded up to chunks, fit behind.
pub(super) const LIMIT: usize = SIZE - 512;

/// The bytes.
pub(super) type Bytes = [u8; SIZE + SLACK];

/// Unpacked bytes: up to `handed_out`, kept for matches; from there to `end`, for the reader.
pub(super) struct Window {
    pub(super) bytes: Box<Bytes>,
    pub(super) end: usize,
    handed_out: usize,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { bytes: Box::new([0; SIZE + SLACK]), end: 0, handed_out: 0 }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        (self.end, self.handed_out) = (0, 0);
    }

    /// What is for the reader.
    pub(super) fn waiting(&self) -> &[u8] {
        self.bytes.get(self.handed_out..self.end).unwrap_or_default()
    }

    /// The reader has these many bytes of them.
    pub(super) fn hand_out(&mut self, count: usize) {
        self.handed_out = (self.handed_out + count).min(self.end);
    }

    /// Makes room, once the reader has everything: only what matches may reach is kept.
    pub(super) fn slide(&mut self) {
        if self.end > WINDOW {
            self.bytes.copy_within(self.end - WINDOW..self.end, 0);
            (self.end, self.handed_out) = (WINDOW, WINDOW);
        }
    }

    /// Adds bytes, as many as fit, and says how many.
    pub(super) fn push(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(LIMIT.saturating_sub(self.end));
        self.bytes[self.end..self.end + count].copy_from_slice(&bytes[..count]);
        self.end += count;
        count
    }
}

/// Copies `len` bytes, at most 258, to `end` from `distance` before it, which is not behind the
/// start; and a few more, which the next ones will overwrite.
#[inline(always)]
pub(super) fn copy_match(bytes: &mut Bytes, end: usize, distance: usize, len: usize) {
    if distance < CHUNK {
        return repeat(bytes, end, distance, len);
    }
    let from = end.wrapping_sub(distance);
    // Most matches are short: a fixed number of chunks costs less than to be wrong about it.
    copy_chunk::<CHUNK>(bytes, from, end);
    copy_chunk::<CHUNK>(bytes, from + CHUNK, end + CHUNK);
    let mut done = 2 * CHUNK;
    while done < len {
        copy_chunk::<CHUNK>(bytes, from + done, end + done);
        copy_chunk::<CHUNK>(bytes, from + done + CHUNK, end + done + CHUNK);
        done += 2 * CHUNK;
    }
}

const CHUNK: usize = 16;

#[inline(always)]
fn copy_chunk<const N: usize>(bytes: &mut Bytes, from: usize, to: usize) {
    let (from, to) = (from & (SIZE - 1), to & (SIZE - 1));
    let mut chunk = [0; N];
    chunk.copy_from_slice(&bytes[from..from + N]);
    bytes[to..to + N].copy_from_slice(&chunk);
}

/// Matches that overlap themselves within a chunk.
#[inline(never)]
fn repeat(bytes: &mut Bytes, end: usize, distance: usize, len: usize) {
    let from = end.wrapping_sub(distance);
    if distance > 8 {
        for done in (0..len).step_by(8) {
            copy_chunk::<8>(bytes, from + done, end + done);
        }
        return;
    }
    let from = from & (SIZE - 1);
    let mut pattern = [0; 8];
    for (place, byte) in pattern.iter_mut().zip(bytes[from..from + distance].iter().cycle()) {
        *place = *byte;
    }
    // Only whole repetitions, so that each chunk begins like the first.
    let step = 8 - index(u64::from([0_u8, 0, 0, 2, 0, 3, 2, 1, 0][distance]));
    for done in (0..len).step_by(step) {
        let to = (end + done) & (SIZE - 1);
        bytes[to..to + 8].copy_from_slice(&pattern);
    }
}
