//! Prefix codes as look-up tables.
//!
//! A table is indexed by the next [`ROOT`] bits. An entry has 32 bits:
//!
//! ```text
//!  31       a literal
//!  16..=30  the literal, the base of the length or distance, or where the sub-table starts
//!  15       an exception: 14 a sub-table, 13 the end of the block, none of both an invalid code
//!   8..=11  bits of the code (of the index into the sub-table)
//!   0..=7   bits of the code and the extra bits behind it (the bits looked up, for a sub-table)
//! ```
//!
//! So one shift by an entry, of which the machine takes the lowest six bits, goes to the next
//! symbol. Codes longer than the root go on in a sub-table behind it, whose entries count only the
//! rest.
//!
//! `both` puts the entries of the two codes for the same bits side by side, literals and lengths in
//! the lower half: what follows a symbol is looked up before it is known which code it is of.

use super::bits::{Bits, index};
use super::fault::{Fault, Reason};
use std::io::BufRead;

/// Bits that the first look-up takes.
pub(super) const ROOT: u32 = 11;
/// Entries of a root.
pub(super) const ROOTS: usize = 1 << ROOT;
/// Room for the root and every sub-table: a complete code of 288 symbols needs 2342 at the most.
pub(super) const ENTRIES: usize = 2 * ROOTS;

pub(super) const LITERAL: u32 = 1 << 31;
pub(super) const EXCEPTION: u32 = 1 << 15;
pub(super) const SUBTABLE: u32 = 1 << 14;
pub(super) const END: u32 = 1 << 13;

/// One bit of the code, and of what is dropped for it.
const CODE_BIT: u32 = 0x101;
const MAX_BITS: usize = 15;
const INVALID: u32 = EXCEPTION;

/// One table.
pub(super) type Table = [u32; ENTRIES];

/// The tables of a block.
pub(super) struct Codes {
    pub(super) litlen: Table,
    pub(super) distance: Table,
    pub(super) both: [u64; ROOTS],
    /// They are those of fixed blocks, which need not be built twice.
    is_fixed: bool,
}

impl Codes {
    pub(super) fn new() -> Self {
        let (litlen, distance) = ([INVALID; ENTRIES], [INVALID; ENTRIES]);
        Self { litlen, distance, both: [0; ROOTS], is_fixed: false }
    }

    /// Those of RFC 1951, 3.2.6.
    pub(super) fn set_fixed(&mut self) -> Result<(), Reason> {
        if !self.is_fixed {
            let mut litlens = [8; 288];
            litlens[144..256].fill(9);
            litlens[256..280].fill(7);
            self.set(&litlens, &[5; 32])?;
            self.is_fixed = true;
        }
        Ok(())
    }

    /// Those of codes with these lengths.
    pub(super) fn set(&mut self, litlens: &[u8], distances: &[u8]) -> Result<(), Reason> {
        self.is_fixed = false;
        build(&mut self.litlen, ROOT, litlens, &LITLENS, Leniency::OneCode)
            .ok_or(Reason::LitlenCode)?;
        build(&mut self.distance, ROOT, distances, &DISTANCES, Leniency::OneCode)
            .ok_or(Reason::DistanceCode)?;
        for ((both, litlen), distance) in self.both.iter_mut().zip(&self.litlen).zip(&self.distance)
        {
            *both = u64::from(*litlen) | (u64::from(*distance) << 32);
        }
        Ok(())
    }
}

/// The code lengths of a dynamic block are in a code themselves, of up to seven bits.
pub(super) struct LengthsCode([u32; 128]);

impl LengthsCode {
    pub(super) fn new(lens: &[u8; 19]) -> Result<Self, Reason> {
        let mut table = [INVALID; 128];
        build(&mut table, 7, lens, &PLAIN, Leniency::None).ok_or(Reason::LengthsCode)?;
        Ok(Self(table))
    }

    /// The next symbol.
    pub(super) fn next(&self, bits: &mut Bits, source: &mut impl BufRead) -> Result<u32, Fault> {
        Ok(value(decode(&self.0, 7, bits, source)?))
    }
}

/// The entry of the next code in `table`; its extra bits are not taken yet.
pub(super) fn decode<const SIZE: usize>(
    table: &[u32; SIZE],
    root: u32,
    bits: &mut Bits,
    source: &mut impl BufRead,
) -> Result<u32, Fault> {
    loop {
        let mut entry = table[index(bits.word & ((1 << root) - 1)) & (SIZE - 1)];
        let mut len = code_bits(entry);
        if entry & SUBTABLE != 0 {
            entry = table[subtable_index(entry, bits.word >> root) & (SIZE - 1)];
            len = root + code_bits(entry);
        }
        // Bits that are not there yet are zeros: an entry is right when it does not need them.
        if len <= bits.count {
            bits.skip(len);
            return Ok(entry);
        }
        bits.pull(source)?;
    }
}

/// Where a sub-table's `entry` leads with `bits`, which follow the root.
#[inline(always)]
pub(super) fn subtable_index(entry: u32, bits: u64) -> usize {
    index(u64::from(value(entry)) + (bits & ((1 << code_bits(entry)) - 1)))
}

/// Bits of the code, at most 15.
#[inline(always)]
pub(super) fn code_bits(entry: u32) -> u32 {
    (entry >> 8) & 15
}

/// Bits behind the code.
pub(super) fn extra_bits(entry: u32) -> u32 {
    (entry & 31).saturating_sub(code_bits(entry))
}

/// The literal or the base.
#[inline(always)]
pub(super) fn value(entry: u32) -> u32 {
    (entry >> 16) & 0x7fff
}

/// Which incomplete codes are good enough: as zlib has it.
#[derive(Clone, Copy, PartialEq)]
enum Leniency {
    None,
    /// None at all, or one of a single bit.
    OneCode,
}

/// Fills a table for canonical codes of these lengths; `None` when there is no such code.
fn build<const SIZE: usize>(
    table: &mut [u32; SIZE],
    root: u32,
    lens: &[u8],
    symbols: &[u32],
    leniency: Leniency,
) -> Option<()> {
    let mut counts = [0_u16; MAX_BITS + 1];
    for len in lens {
        counts[usize::from(len & 15)] += 1;
    }
    counts[0] = 0;
    let mut left = 1_i32;
    for &count in &counts[1..] {
        left = (left << 1) - i32::from(count);
        if left < 0 {
            return None;
        }
    }
    let (sorted, used) = sort(lens, symbols, &counts);
    if left > 0 {
        let is_good = used == 0 || (used == 1 && counts[1] == 1);
        if leniency == Leniency::None || !is_good {
            return None;
        }
        let only = if used == 0 { INVALID } else { sorted[0] };
        for pair in table[..1 << root].chunks_exact_mut(2) {
            pair.copy_from_slice(&[only + CODE_BIT, INVALID + CODE_BIT]);
        }
        return Some(());
    }
    fill(table, root, &counts, &sorted[..used])
}

/// The entries of symbols that have a code, shorter codes first, without the code's bits; and how
/// many.
fn sort(lens: &[u8], symbols: &[u32], counts: &[u16; MAX_BITS + 1]) -> ([u32; 512], usize) {
    let mut places = [0_u16; MAX_BITS + 2];
    for len in 1..=MAX_BITS {
        places[len + 1] = places[len] + counts[len];
    }
    let mut sorted = [0; 512];
    for (len, symbol) in lens.iter().zip(symbols).filter(|(len, _)| **len != 0) {
        let place = &mut places[usize::from(len & 15)];
        sorted[usize::from(*place) & 511] = *symbol;
        *place += 1;
    }
    (sorted, usize::from(places[MAX_BITS]))
}

/// Fills a table for a complete code.
///
/// While codes grow by a bit, the part of the root that is right doubles: it is copied behind
/// itself, then the codes of the new length are put in.
fn fill<const SIZE: usize>(
    table: &mut [u32; SIZE],
    root: u32,
    counts: &[u16; MAX_BITS + 1],
    sorted: &[u32],
) -> Option<()> {
    let roots = 1 << root;
    let mut sorted = sorted.iter();
    let mut code = 0;
    let mut size = 1;
    let mut dropped = 0;
    let mut counts = counts[1..].iter();
    while size < roots {
        table.copy_within(..size, size);
        size *= 2;
        dropped += CODE_BIT;
        for _ in 0..*counts.next()? {
            *table.get_mut(code)? = sorted.next()? + dropped;
            code = following(code, size);
        }
    }
    let mut prefix = usize::MAX;
    let (mut start, mut end) = (0, roots);
    dropped = 0;
    while let Some(&count) = counts.next() {
        size *= 2;
        dropped += CODE_BIT;
        for left in (1..=count).rev() {
            if code & (roots - 1) != prefix {
                prefix = code & (roots - 1);
                let bits = subtable_bits(code_bits(dropped), left, counts.as_slice());
                (start, end) = (end, end + (1 << bits));
                let place = u32::try_from(start).ok()? << 16;
                *table.get_mut(prefix)? = EXCEPTION | SUBTABLE | place | (bits << 8) | root;
            }
            let entry = sorted.next()? + dropped;
            let stride = size >> root;
            let places = table.get_mut(start + (code >> root)..end)?;
            places.iter_mut().step_by(stride).for_each(|place| *place = entry);
            code = following(code, size);
        }
    }
    Some(())
}

/// How many bits a sub-table needs that begins with codes of `bits` more bits than the root, of
/// which there are still `left`, and goes on with the longer ones.
fn subtable_bits(mut bits: u32, left: u16, longer: &[u16]) -> u32 {
    let mut used = u32::from(left);
    for count in longer {
        if used >= 1 << bits {
            break;
        }
        bits += 1;
        used = 2 * used + u32::from(*count);
    }
    bits
}

/// The code after `code`, both with their first bit lowest, of as many bits as `size` has; 0 after
/// the last.
fn following(code: usize, size: usize) -> usize {
    let zeros = !code & (size - 1);
    let Some(top) = zeros.checked_ilog2() else { return 0 };
    (code & ((1 << top) - 1)) | (1 << top)
}

/// The symbols themselves.
const PLAIN: [u32; 19] = {
    let mut symbols = [0; 19];
    let (mut place, mut symbol) = (0, 0);
    while place < 19 {
        symbols[place] = symbol << 16;
        place += 1;
        symbol += 1;
    }
    symbols
};

/// 256 literals, the end of the block, 29 lengths, and two that mean nothing.
static LITLENS: [u32; 288] = {
    let mut symbols = [INVALID; 288];
    let (mut place, mut literal) = (0, 0);
    while place < 256 {
        symbols[place] = LITERAL | (literal << 16);
        place += 1;
        literal += 1;
    }
    symbols[256] = EXCEPTION | END;
    let (mut place, mut length, mut step) = (257, 3, 0);
    while place < 285 {
        // Four lengths of each number of extra bits, but eight with none.
        let extra = if step < 8 { 0 } else { step / 4 - 1 };
        symbols[place] = (length << 16) | extra;
        length += 1 << extra;
        place += 1;
        step += 1;
    }
    symbols[285] = 258 << 16;
    symbols
};

/// 30 distances, and two that mean nothing.
static DISTANCES: [u32; 32] = {
    let mut symbols = [INVALID; 32];
    let (mut place, mut distance, mut step) = (0, 1, 0);
    while place < 30 {
        // Two distances of each number of extra bits, but four with none.
        let extra = if step < 4 { 0 } else { step / 2 - 1 };
        symbols[place] = (distance << 16) | extra;
        distance += 1 << extra;
        place += 1;
        step += 1;
    }
    symbols
};
