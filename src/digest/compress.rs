//! SHA-256's compression function (FIPS 180-4, 6.2.2) on many states at once: every variable of the
//! text is a vector, which holds that variable of every lane.
//!
//! ```text
//!  a block of each lane, in rows      its words, in rows
//!  lane 0  w0 w1 w2 …                 w0  lane 0  lane 1  lane 2 …
//!  lane 1  w0 w1 w2 …   transposed    w1  lane 0  lane 1  lane 2 …
//!  …                       ───►       …
//! ```
//!
//! The functions are `inline(always)` because only what is compiled into [`Simd::vectorize`] uses
//! the instructions that the processor was found to have.

use fearless_simd::x86::{Avx2, Avx512};
use fearless_simd::{Simd, SimdInt, u32x8, u32x16};

use super::message::Block;

/// The eight words of a state, each for `N` lanes.
pub(super) type States<const N: usize> = [[u32; N]; 8];

/// The blocks of `N` lanes: as many for each.
pub(super) type Inputs<'b, const N: usize> = [&'b [Block]; N];

/// The constants of the 64 rounds (4.2.2).
#[rustfmt::skip]
const ROUNDS: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// Sixteen lanes with AVX-512.
pub(super) fn avx512(simd: Avx512, states: &mut States<16>, inputs: &Inputs<'_, 16>) {
    simd.vectorize(
        #[inline(always)]
        || compress::<_, u32x16<_>, 16>(simd, states, inputs),
    );
}

/// Eight lanes with AVX2.
pub(super) fn avx2(simd: Avx2, states: &mut States<8>, inputs: &Inputs<'_, 8>) {
    simd.vectorize(
        #[inline(always)]
        || compress::<_, u32x8<_>, 8>(simd, states, inputs),
    );
}

#[inline(always)]
fn compress<S: Simd, V: SimdInt<S, Element = u32>, const N: usize>(
    simd: S,
    states: &mut States<N>,
    inputs: &Inputs<'_, N>,
) {
    let mut state = [V::splat(simd, 0); 8];
    for (vector, words) in state.iter_mut().zip(states.iter()) {
        *vector = V::from_slice(simd, words);
    }
    for block in 0..inputs[0].len() {
        let mut words: [V; 16] = transposed(simd, inputs, block);
        let mut working = state;
        for (sixteen, constants) in ROUNDS.as_chunks::<16>().0.iter().enumerate() {
            if sixteen > 0 {
                schedule(&mut words);
            }
            eight_rounds(&constants[..8], &words[..8], &mut working);
            eight_rounds(&constants[8..], &words[8..], &mut working);
        }
        for (word, added) in state.iter_mut().zip(working) {
            *word += added;
        }
    }
    for (vector, words) in state.iter().zip(states) {
        vector.store_slice(words);
    }
}

/// The sixteen words of every lane's `block`.
#[inline(always)]
fn transposed<S: Simd, V: SimdInt<S, Element = u32>, const N: usize>(
    simd: S,
    inputs: &Inputs<'_, N>,
    block: usize,
) -> [V; 16] {
    let mut words = [V::splat(simd, 0); 16];
    // As many words as there are lanes make a square.
    for (part, words) in words.chunks_exact_mut(N).enumerate() {
        let mut rows = [V::splat(simd, 0); N];
        for (row, blocks) in rows.iter_mut().zip(inputs) {
            let (bytes, _) = blocks[block].as_chunks::<4>();
            let bytes = &bytes[part * N..];
            let row_words: [u32; N] = std::array::from_fn(
                #[inline(always)]
                |word| u32::from_be_bytes(bytes[word]),
            );
            *row = V::from_slice(simd, &row_words);
        }
        // Each pass interleaves the upper half with the lower: a bit of the row's number and one of
        // the column's change places.
        for _ in 0..N.ilog2() {
            let halves = rows;
            for (upper, pair) in rows.chunks_exact_mut(2).enumerate() {
                let (upper, lower) = (halves[upper], halves[upper + N / 2]);
                pair.copy_from_slice(&[upper.zip_low(lower), upper.zip_high(lower)]);
            }
        }
        words.copy_from_slice(&rows);
    }
    words
}

/// The next sixteen words of the message schedule, each in the place of the one sixteen before it.
#[inline(always)]
fn schedule<S: Simd, V: SimdInt<S, Element = u32>>(words: &mut [V; 16]) {
    for t in 0..16 {
        let (w15, w2) = (words[(t + 1) % 16], words[(t + 14) % 16]);
        let sigma0 = rotated(w15, 7) ^ rotated(w15, 18) ^ (w15 >> 3);
        let sigma1 = rotated(w2, 17) ^ rotated(w2, 19) ^ (w2 >> 10);
        words[t] = words[t] + sigma0 + words[(t + 9) % 16] + sigma1;
    }
}

/// Eight rounds, after which every variable is back in its own place.
#[inline(always)]
fn eight_rounds<S: Simd, V: SimdInt<S, Element = u32>>(k: &[u32], w: &[V], working: &mut [V; 8]) {
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *working;
    (d, h) = round(w[0] + k[0], [a, b, c, d, e, f, g, h]);
    (c, g) = round(w[1] + k[1], [h, a, b, c, d, e, f, g]);
    (b, f) = round(w[2] + k[2], [g, h, a, b, c, d, e, f]);
    (a, e) = round(w[3] + k[3], [f, g, h, a, b, c, d, e]);
    (h, d) = round(w[4] + k[4], [e, f, g, h, a, b, c, d]);
    (g, c) = round(w[5] + k[5], [d, e, f, g, h, a, b, c]);
    (f, b) = round(w[6] + k[6], [c, d, e, f, g, h, a, b]);
    (e, a) = round(w[7] + k[7], [b, c, d, e, f, g, h, a]);
    *working = [a, b, c, d, e, f, g, h];
}

/// What a round makes of `d` and `h`; the other variables only move on.
#[inline(always)]
fn round<S: Simd, V: SimdInt<S, Element = u32>>(
    word: V,
    [a, b, c, d, e, f, g, h]: [V; 8],
) -> (V, V) {
    let choice = g ^ (e & (f ^ g));
    let majority = (a & b) | (c & (a | b));
    let t1 = h + word + (rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25)) + choice;
    let t2 = (rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22)) + majority;
    (d + t1, t1 + t2)
}

/// ROTR; one instruction with AVX-512.
#[inline(always)]
fn rotated<S: Simd, V: SimdInt<S, Element = u32>>(word: V, bits: u32) -> V {
    (word >> bits) | (word << (32 - bits))
}
