//! A message as SHA-256 sees it: blocks of 64 bytes, the last ones padded (FIPS 180-4, 5.1.1).
//!
//! ```text
//!  header ─┬─ content ──────────────────────────────┬─ 0x80, zeros, length in bits
//!  staged blocks │ blocks where they are … │ staged blocks
//! ```
//!
//! Content is hashed where it lies. Only what no slice has as whole blocks is staged in a buffer:
//! the header with the content that completes its last block, and the end with its padding.

use std::ops::Range;

/// What the compression function takes.
pub(super) type Block = [u8; BLOCK_BYTES];

const BLOCK_BYTES: usize = 64;
/// A header this long is staged at once; then there is room for the padding, too.
const HEADER_BLOCKS: usize = 3;
const STAGED_BLOCKS: usize = HEADER_BLOCKS + 1;
/// What padding needs: a byte that marks the end, and the length.
const PADDING_BYTES: usize = 1 + LEN_BYTES;
const LEN_BYTES: usize = 8;

/// Bytes to hash: a header, then content. Either may be empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Message<'a> {
    /// What comes first, if the content is not all: as an ostree object has its header.
    pub header: &'a [u8],
    /// What comes then.
    pub content: &'a [u8],
}

impl<'a> Message<'a> {
    /// A message without a header.
    pub fn of(content: &'a [u8]) -> Self {
        Self { header: &[], content }
    }

    pub(super) fn len(&self) -> usize {
        self.header.len() + self.content.len()
    }
}

/// The blocks of a message, some at a time.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    /// What is in no run yet.
    rest: Message<'a>,
    /// Of the whole message.
    len_bits: u64,
    staged: [Block; STAGED_BLOCKS],
    run: Run<'a>,
    is_padded: bool,
}

/// Blocks that follow each other in memory.
#[derive(Debug)]
enum Run<'a> {
    /// Of those staged.
    Staged(Range<usize>),
    Content(&'a [Block]),
}

impl<'a> Blocks<'a> {
    pub(super) fn new(message: Message<'a>) -> Self {
        let mut blocks = Self {
            rest: message,
            len_bits: u64::try_from(message.len()).unwrap_or(u64::MAX).wrapping_mul(8),
            staged: [[0; BLOCK_BYTES]; STAGED_BLOCKS],
            run: Run::Staged(0..0),
            is_padded: false,
        };
        blocks.turn();
        blocks
    }

    /// The next blocks; none at the end only.
    pub(super) fn pending(&self) -> &[Block] {
        match &self.run {
            Run::Staged(range) => &self.staged[range.clone()],
            Run::Content(blocks) => blocks,
        }
    }

    /// How much is pending or comes after that, but for padding.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn left_bytes(&self) -> usize {
        self.pending().as_flattened().len() + self.rest.len()
    }

    /// Passes over the first `count` of the pending blocks.
    pub(super) fn advance(&mut self, count: usize) {
        match &mut self.run {
            Run::Staged(range) => range.start += count,
            Run::Content(blocks) => *blocks = &blocks[count..],
        }
        if self.pending().is_empty() && !self.is_padded {
            self.turn();
        }
    }

    /// Finds the next run.
    fn turn(&mut self) {
        if self.rest.header.is_empty() && self.rest.content.len() >= BLOCK_BYTES {
            let (blocks, rest) = self.rest.content.as_chunks();
            self.rest.content = rest;
            self.run = Run::Content(blocks);
        } else {
            self.run = Run::Staged(0..self.stage());
        }
    }

    /// Stages the header and what completes its last block, or the end; says how many blocks.
    fn stage(&mut self) -> usize {
        let header = start_of(&mut self.rest.header, HEADER_BLOCKS * BLOCK_BYTES);
        // Without a header it is the end, which is shorter than a block.
        let room = match header.len() {
            0 => BLOCK_BYTES,
            len => len.next_multiple_of(BLOCK_BYTES) - len,
        };
        let content = start_of(&mut self.rest.content, room);
        let filled = header.len() + content.len();
        let staged = self.staged.as_flattened_mut();
        staged[..header.len()].copy_from_slice(header);
        staged[header.len()..filled].copy_from_slice(content);
        if self.rest.len() > 0 {
            return filled / BLOCK_BYTES;
        }
        let end = (filled + PADDING_BYTES).next_multiple_of(BLOCK_BYTES);
        staged[filled] = 0x80;
        staged[filled + 1..end - LEN_BYTES].fill(0);
        staged[end - LEN_BYTES..end].copy_from_slice(&self.len_bits.to_be_bytes());
        self.is_padded = true;
        end / BLOCK_BYTES
    }
}

/// Splits off at most `max` bytes.
fn start_of<'a>(bytes: &mut &'a [u8], max: usize) -> &'a [u8] {
    let count = bytes.len().min(max);
    bytes.split_off(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Padded as the standard says, in the simplest way.
    fn padded(message: Message<'_>) -> Vec<u8> {
        let mut bytes = [message.header, message.content].concat();
        let len_bits = 8 * u64::try_from(bytes.len()).unwrap();
        bytes.push(0x80);
        while bytes.len() % BLOCK_BYTES != BLOCK_BYTES - LEN_BYTES {
            bytes.push(0);
        }
        bytes.extend(len_bits.to_be_bytes());
        bytes
    }

    #[test]
    fn all_blocks_come_in_order() {
        let bytes: Vec<u8> = (0..=250).cycle().take(1000).collect();
        for header in (0..270).chain([319, 320, 321, 500]) {
            for content in (0..70).chain([119, 120, 127, 128, 129, 300]) {
                let message =
                    Message { header: &bytes[..header], content: &bytes[500..][..content] };
                for step in [1, 2, usize::MAX] {
                    let mut blocks = Blocks::new(message);
                    let mut seen = Vec::new();
                    while !blocks.pending().is_empty() {
                        let count = blocks.pending().len().min(step);
                        seen.extend_from_slice(blocks.pending()[..count].as_flattened());
                        blocks.advance(count);
                    }
                    assert_eq!(seen, padded(message), "{header} + {content} bytes, {step} blocks");
                }
            }
        }
    }

    #[test]
    fn content_is_not_copied() {
        let content = [7; 10 * BLOCK_BYTES];
        let mut blocks = Blocks::new(Message { header: &[1; 100], content: &content });
        assert_eq!(blocks.pending().len(), 2);
        blocks.advance(2);
        assert_eq!(blocks.pending().as_ptr_range().start.cast(), content[28..].as_ptr());
        assert_eq!(blocks.pending().len(), 9);
    }
}
