//! The bits of a byte stream, least significant first, and never a byte more than needed.

use std::io::{BufRead, ErrorKind};

use super::fault::Fault;

/// Bits that were read but not used: `count` of them in `word`, with zeros above. They are fewer
/// than eight whenever nobody is in the middle of a code: a byte behind the stream is never taken.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Bits {
    pub(super) word: u64,
    pub(super) count: u32,
}

impl Bits {
    /// Takes another byte.
    pub(super) fn pull(&mut self, source: &mut impl BufRead) -> Result<(), Fault> {
        self.word |= u64::from(next_byte(source)?) << (self.count & 63);
        self.count += 8;
        Ok(())
    }

    /// The next `count` bits, at most 16.
    pub(super) fn take(&mut self, source: &mut impl BufRead, count: u32) -> Result<usize, Fault> {
        while self.count < count {
            self.pull(source)?;
        }
        let bits = self.word & ((1 << (count & 31)) - 1);
        self.skip(count);
        Ok(index(bits))
    }

    /// Drops bits that were looked at.
    pub(super) fn skip(&mut self, count: u32) {
        self.word >>= count & 63;
        self.count = self.count.saturating_sub(count);
    }
}

/// A number of few bits as an index. Compiles to nothing.
#[inline(always)]
pub(super) fn index(bits: u64) -> usize {
    usize::try_from(bits).unwrap_or(usize::MAX)
}

/// The lowest byte. Compiles to nothing.
#[inline(always)]
pub(super) fn low_byte(bits: u64) -> u8 {
    let [byte, ..] = bits.to_le_bytes();
    byte
}

/// What is there to read, nothing at the end.
pub(super) fn available(source: &mut impl BufRead) -> Result<&[u8], Fault> {
    loop {
        match source.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Fault::Io(error)),
        }
    }
    // Once more for the borrow checker: what is buffered is only handed out again.
    source.fill_buf().map_err(Fault::Io)
}

pub(super) fn next_byte(source: &mut impl BufRead) -> Result<u8, Fault> {
    let byte = *available(source)?.first().ok_or(Fault::Truncated)?;
    source.consume(1);
    Ok(byte)
}
