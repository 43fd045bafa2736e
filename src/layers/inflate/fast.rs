//! The loop that most of the time goes to, away from the ends of input and output.
//!
//! What takes time is the chain from one symbol to the next (look up, shift, look up) and the
//! branches that nobody can predict: literal or match? So each turn looks up, before it knows which
//! it is, both what comes if this is a literal and what comes after the distance if it is a match.
//!
//! The register of bits is refilled without a branch: eight bytes are put above those that are
//! there, and the input moves on by as many whole bytes as fit. `count` has the number of bits in
//! its lowest six bits and rubbish above, since whole entries are subtracted from it.

use std::hint::black_box;

#[cfg(target_arch = "x86_64")]
use fearless_simd::{Level, Simd};

use super::bits::{Bits, index, low_byte};
use super::codes::{
    Codes, END, EXCEPTION, LITERAL, ROOT, ROOTS, SUBTABLE, code_bits, subtable_index, value,
};
use super::fault::Reason;
use super::window::{Bytes, LIMIT, copy_match};

/// Input that the loop needs to get anywhere.
pub(super) const MARGIN: usize = 32;
/// Input that one turn needs: two refills of at most seven bytes, which look at eight.
const TURN: usize = 16;
/// Bits of the longest distance, extra bits included.
const DISTANCE_BITS: u64 = 28;
/// The part of an element of [`Codes::both`] that is for literals and lengths.
const LOWER: u64 = 0xffff_ffff;
const IS_LITERAL: u64 = 1 << 31;
const ROOT_MASK: u64 = (1 << ROOT) - 1;

/// Where the loop works: in the middle of a block.
pub(super) struct Run<'a> {
    pub(super) codes: &'a Codes,
    pub(super) input: &'a [u8],
    pub(super) bytes: &'a mut Bytes,
    pub(super) end: &'a mut usize,
    pub(super) bits: &'a mut Bits,
}

/// Why the loop stopped.
pub(super) enum Stop {
    /// Little input or little room is left.
    Scarce,
    /// The block is complete.
    End,
    /// The block is wrong.
    Corrupt(Reason),
}

impl Run<'_> {
    /// Unpacks many symbols: bytes of the input that were used, and why no more.
    pub(super) fn unpack(self) -> (usize, Stop) {
        // What is inlined into `vectorize` is compiled for a processor with BMI2, whose shifts by a
        // register cost less: the loop is full of them. The level of AVX2 has both.
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = Level::new().as_avx2() {
            return simd.vectorize(
                #[inline(always)]
                || run(self),
            );
        }
        run(self)
    }
}

#[inline(always)]
fn run(run: Run<'_>) -> (usize, Stop) {
    let Run { codes, input, bytes, end: run_end, bits } = run;
    let mut register = Register { rest: input, word: bits.word, count: u64::from(bits.count) };
    let mut end = *run_end;
    register.refill();
    let mut entries = register.look_up(codes);
    // The compiler would move a look-up to where it is needed, behind the branch: to have it early,
    // it has to be needed on both sides.
    let mut unneeded = 0;
    let stop = 'stop: loop {
        if register.rest.len() < TURN || end >= LIMIT {
            break Stop::Scarce;
        }
        register.refill();
        // Of 56 bits or more: three literals, or two and a length, leave enough for the next
        // look-up.
        let mut before = register.word;
        register.skip(entries);
        let mut next = register.look_up(codes);
        let mut after_match = register.look_up_behind(next, codes);
        if entries & IS_LITERAL != 0 {
            unneeded ^= after_match;
            bytes[end] = low_byte(entries >> 16);
            end += 1;
            entries = next;
            before = register.word;
            register.skip(entries);
            next = register.look_up(codes);
            after_match = register.look_up_behind(next, codes);
            if entries & IS_LITERAL != 0 {
                unneeded ^= after_match;
                bytes[end] = low_byte(entries >> 16);
                end += 1;
                entries = next;
                before = register.word;
                register.skip(entries);
                next = register.look_up(codes);
                after_match = register.look_up_behind(next, codes);
                if entries & IS_LITERAL != 0 {
                    unneeded ^= after_match;
                    bytes[end] = low_byte(entries >> 16);
                    end += 1;
                    entries = next;
                    continue;
                }
            }
        }
        let mut entry = lower(entries);
        if entry & EXCEPTION != 0 {
            if entry & SUBTABLE != 0 {
                entry =
                    codes.litlen[subtable_index(entry, register.word) & (codes.litlen.len() - 1)];
                before = register.word;
                register.skip(u64::from(entry));
                next = register.look_up(codes);
                after_match = register.look_up_behind(next, codes);
                if entry & LITERAL != 0 {
                    bytes[end] = low_byte(u64::from(entry >> 16));
                    end += 1;
                    entries = next;
                    continue;
                }
            }
            if entry & EXCEPTION != 0 {
                break if entry & END != 0 { Stop::End } else { Stop::Corrupt(Reason::Litlen) };
            }
        }
        let len = with_extra_bits(entry, before);
        entry = lower(next >> 32);
        let is_enough = register.count & 63 >= DISTANCE_BITS + u64::from(ROOT);
        let distance = if is_enough && entry & EXCEPTION == 0 {
            entries = after_match;
            let distance = with_extra_bits(entry, register.word);
            register.skip(u64::from(entry));
            distance
        } else {
            register.refill();
            if entry & EXCEPTION != 0 {
                if entry & SUBTABLE == 0 {
                    break 'stop Stop::Corrupt(Reason::Distance);
                }
                register.skip(u64::from(entry));
                let place = subtable_index(entry, register.word);
                entry = codes.distance[place & (codes.distance.len() - 1)];
                if entry & EXCEPTION != 0 {
                    break 'stop Stop::Corrupt(Reason::Distance);
                }
            }
            let distance = with_extra_bits(entry, register.word);
            register.skip(u64::from(entry));
            entries = register.look_up(codes);
            distance
        };
        if distance > end {
            break Stop::Corrupt(Reason::TooFar);
        }
        copy_match(bytes, end, distance, len);
        end += len;
    };
    black_box(unneeded);
    *run_end = end;
    let (left, rest_bits) = register.give_back();
    *bits = rest_bits;
    (input.len().saturating_sub(left), stop)
}

/// Bits at hand and the bytes that follow them.
struct Register<'a> {
    rest: &'a [u8],
    word: u64,
    count: u64,
}

impl Register<'_> {
    #[inline(always)]
    fn refill(&mut self) {
        // Never missing: a turn begins with enough for two refills.
        let bytes = self.rest.first_chunk::<8>().unwrap_or(&[0; 8]);
        self.word |= u64::from_le_bytes(*bytes) << (self.count & 63);
        let fit = ((self.count ^ 63) >> 3) & 7;
        self.rest = self.rest.get(index(fit)..).unwrap_or_default();
        self.count |= 56;
    }

    #[inline(always)]
    fn look_up(&self, codes: &Codes) -> u64 {
        codes.both[index(self.word & ROOT_MASK) & (ROOTS - 1)]
    }

    /// What is there behind the distance that `entries` begin with.
    #[inline(always)]
    fn look_up_behind(&self, entries: u64, codes: &Codes) -> u64 {
        codes.both[index((self.word >> ((entries >> 32) & 63)) & ROOT_MASK) & (ROOTS - 1)]
    }

    #[inline(always)]
    fn skip(&mut self, entry: u64) {
        self.word >>= entry & 63;
        self.count = self.count.wrapping_sub(entry);
    }

    /// The bytes not used, those in whole bytes of bits among them, and the bits below.
    #[inline(always)]
    fn give_back(self) -> (usize, Bits) {
        let count = self.count & 7;
        let whole = index((self.count & 63) >> 3);
        let bits = Bits { word: self.word & ((1 << count) - 1), count: u32::from(low_byte(count)) };
        (self.rest.len() + whole, bits)
    }
}

#[inline(always)]
fn lower(entries: u64) -> u32 {
    u32::try_from(entries & LOWER).unwrap_or_default()
}

/// A length or distance: its base, and the extra bits behind its code.
#[inline(always)]
fn with_extra_bits(entry: u32, bits: u64) -> usize {
    index(u64::from(value(entry)) + ((bits & ((1 << (entry & 31)) - 1)) >> code_bits(entry)))
}
