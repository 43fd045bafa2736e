//! A deflate stream, block after block.

use std::fmt;
use std::io::BufRead;

use super::bits::{Bits, available, index, low_byte};
use super::codes::{Codes, END, EXCEPTION, LITERAL, LengthsCode, ROOT, decode, extra_bits, value};
use super::fast::{MARGIN, Run, Stop};
use super::fault::{Fault, Reason};
use super::window::{LIMIT, Window, copy_match};

/// In which order the lengths of the code of code lengths are written.
const LENGTHS_ORDER: [usize; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const LITLENS_MAX: usize = 286;
const DISTANCES_MAX: usize = 30;
const END_OF_BLOCK: usize = 256;

/// A deflate stream being unpacked. It takes no byte behind its last.
pub(super) struct Inflate {
    block: Block,
    is_last: bool,
    bits: Bits,
    codes: Box<Codes>,
    window: Window,
    /// What was wrong behind the bytes that wait in the window.
    fault: Option<Fault>,
}

/// Where in a block the stream is.
#[derive(Debug, Clone, Copy)]
enum Block {
    Header,
    /// In a stored one, with these bytes to come.
    Stored(usize),
    Coded,
    /// Behind the last.
    Done,
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self {
            block: Block::Header,
            is_last: false,
            bits: Bits::default(),
            codes: Box::new(Codes::new()),
            window: Window::new(),
            fault: None,
        }
    }

    /// Expects another stream.
    pub(super) fn restart(&mut self) {
        self.block = Block::Header;
        self.bits = Bits::default();
        self.window.clear();
        self.fault = None;
    }

    /// What waits to be handed out, unpacked now if nothing does; empty at the end of the stream.
    pub(super) fn unpack(&mut self, source: &mut impl BufRead) -> Result<&[u8], Fault> {
        if self.window.waiting().is_empty() {
            if let Some(fault) = self.fault.take() {
                return Err(fault);
            }
            self.window.slide();
            if let Err(fault) = self.fill(source) {
                if self.window.waiting().is_empty() {
                    return Err(fault);
                }
                self.fault = Some(fault);
            }
        }
        Ok(self.window.waiting())
    }

    /// These many bytes of them were taken.
    pub(super) fn hand_out(&mut self, count: usize) {
        self.window.hand_out(count);
    }

    fn fill(&mut self, source: &mut impl BufRead) -> Result<(), Fault> {
        while self.window.end < LIMIT {
            match self.block {
                Block::Header => self.block = self.read_header(source)?,
                Block::Stored(0) => self.end_block(),
                Block::Stored(left) => {
                    let bytes = available(source)?;
                    if bytes.is_empty() {
                        return Err(Fault::Truncated);
                    }
                    let count = self.window.push(&bytes[..bytes.len().min(left)]);
                    source.consume(count);
                    self.block = Block::Stored(left - count);
                }
                Block::Coded => {
                    if self.unpack_symbols(source)? {
                        self.end_block();
                    }
                }
                Block::Done => return Ok(()),
            }
        }
        Ok(())
    }

    fn end_block(&mut self) {
        self.block = if self.is_last { Block::Done } else { Block::Header };
    }

    fn read_header(&mut self, source: &mut impl BufRead) -> Result<Block, Fault> {
        self.is_last = self.bits.take(source, 1)? == 1;
        match self.bits.take(source, 2)? {
            0 => self.read_stored_header(source),
            1 => {
                self.codes.set_fixed()?;
                Ok(Block::Coded)
            }
            2 => {
                self.read_codes(source)?;
                Ok(Block::Coded)
            }
            _ => Err(Reason::BlockType.into()),
        }
    }

    fn read_stored_header(&mut self, source: &mut impl BufRead) -> Result<Block, Fault> {
        // The rest of the byte means nothing.
        self.bits = Bits::default();
        let len = self.bits.take(source, 16)?;
        let complement = self.bits.take(source, 16)?;
        if len ^ complement == 0xffff {
            Ok(Block::Stored(len))
        } else {
            Err(Reason::StoredLength.into())
        }
    }

    /// Reads the codes of a dynamic block: their lengths, packed with a code of their own.
    fn read_codes(&mut self, source: &mut impl BufRead) -> Result<(), Fault> {
        let bits = &mut self.bits;
        let litlens = 257 + bits.take(source, 5)?;
        let distances = 1 + bits.take(source, 5)?;
        let lengths = 4 + bits.take(source, 4)?;
        if litlens > LITLENS_MAX || distances > DISTANCES_MAX {
            return Err(Reason::TooManyCodes.into());
        }
        let mut lens = [0; 19];
        for place in LENGTHS_ORDER.into_iter().take(lengths) {
            lens[place] = byte(bits.take(source, 3)?);
        }
        let code = LengthsCode::new(&lens)?;
        let mut lens = [0; LITLENS_MAX + DISTANCES_MAX];
        let lens = &mut lens[..litlens + distances];
        let mut done = 0;
        while done < lens.len() {
            let symbol = code.next(bits, source)?;
            let (len, count) = match symbol {
                16 if done == 0 => return Err(Reason::Repeat.into()),
                16 => (lens[done - 1], 3 + bits.take(source, 2)?),
                17 => (0, 3 + bits.take(source, 3)?),
                18 => (0, 11 + bits.take(source, 7)?),
                _ => (low_byte(u64::from(symbol)), 1),
            };
            let run = lens.get_mut(done..done + count).ok_or(Reason::Repeat)?;
            run.fill(len);
            done += count;
        }
        if lens[END_OF_BLOCK] == 0 {
            return Err(Reason::NoEnd.into());
        }
        let (litlens, distances) = lens.split_at(litlens);
        Ok(self.codes.set(litlens, distances)?)
    }

    /// Unpacks until there is no room, or the block has ended: then it says so.
    fn unpack_symbols(&mut self, source: &mut impl BufRead) -> Result<bool, Fault> {
        while self.window.end < LIMIT {
            // At the end of the input, there may still be symbols among the bits.
            let input = available(source)?;
            if input.len() < MARGIN {
                if self.unpack_symbol(source)? {
                    return Ok(true);
                }
                continue;
            }
            let run = Run {
                codes: &self.codes,
                input,
                bytes: &mut self.window.bytes,
                end: &mut self.window.end,
                bits: &mut self.bits,
            };
            let (used, stop) = run.unpack();
            source.consume(used);
            match stop {
                Stop::Scarce => {}
                Stop::End => return Ok(true),
                Stop::Corrupt(reason) => return Err(reason.into()),
            }
        }
        Ok(false)
    }

    /// Unpacks a literal or a match, with no more input than it takes; or says that the block has
    /// ended.
    fn unpack_symbol(&mut self, source: &mut impl BufRead) -> Result<bool, Fault> {
        let window = &mut self.window;
        let entry = decode(&self.codes.litlen, ROOT, &mut self.bits, source)?;
        if entry & LITERAL != 0 {
            window.push(&[low_byte(u64::from(value(entry)))]);
            return Ok(false);
        }
        if entry & EXCEPTION != 0 {
            return if entry & END != 0 { Ok(true) } else { Err(Reason::Litlen.into()) };
        }
        let len = index(value(entry).into()) + self.bits.take(source, extra_bits(entry))?;
        let entry = decode(&self.codes.distance, ROOT, &mut self.bits, source)?;
        if entry & EXCEPTION != 0 {
            return Err(Reason::Distance.into());
        }
        let distance = index(value(entry).into()) + self.bits.take(source, extra_bits(entry))?;
        if distance > window.end {
            return Err(Reason::TooFar.into());
        }
        copy_match(&mut window.bytes, window.end, distance, len);
        window.end += len;
        Ok(false)
    }
}

impl fmt::Debug for Inflate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflate").field("block", &self.block).finish_non_exhaustive()
    }
}

fn byte(bits: usize) -> u8 {
    u8::try_from(bits).unwrap_or_default()
}
