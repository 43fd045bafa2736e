//! The hash that orders a large directory: half MD4 over the name, seeded by the superblock.
//!
//! Name bytes are taken as *signed* characters, as on x86; the superblock's flags say so, and every
//! kernel follows the flag. The major hash has its lowest bit clear: in the index that bit says that
//! entries of one hash go on from the leaf before.

/// What a name hashes to: major, then minor.
pub(super) type Hash = (u32, u32);

/// The state before the first byte when the seed is all zeros.
const UNSEEDED: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// A hash that means "end of directory" and is never given to a name.
const END: u32 = 0xffff_fffe;

/// Hashes names with one seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hasher {
    start: [u32; 4],
}

impl Hasher {
    /// A hasher with the superblock's seed.
    pub(super) fn new(seed: &[u8; 16]) -> Self {
        let mut start = [0; 4];
        for (word, bytes) in start.iter_mut().zip(seed.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        Self { start: if start == [0; 4] { UNSEEDED } else { start } }
    }

    /// The hash of `name`.
    pub(super) fn hash(self, name: &[u8]) -> Hash {
        let mut state = self.start;
        let mut rest = name;
        while !rest.is_empty() {
            state = transform(state, words(rest));
            rest = &rest[rest.len().min(32)..];
        }
        let major = state[1] & !1;
        (if major == END { END - 2 } else { major }, state[2])
    }
}

/// The next 32 bytes as eight words, padded with the remaining length.
fn words(rest: &[u8]) -> [u32; 8] {
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX);
    let pair = length | (length << 8);
    let pad = pair | (pair << 16);
    let mut out = [pad; 8];
    for (word, bytes) in out.iter_mut().zip(rest.chunks(4)) {
        for byte in bytes {
            let signed = i32::from(i8::from_le_bytes([*byte]));
            *word = (*word << 8).wrapping_add_signed(signed);
        }
    }
    out
}

fn transform(state: [u32; 4], input: [u32; 8]) -> [u32; 4] {
    const ORDER: [[usize; 8]; 3] =
        [[0, 1, 2, 3, 4, 5, 6, 7], [1, 3, 5, 7, 0, 2, 4, 6], [3, 7, 2, 6, 1, 5, 0, 4]];
    const SHIFT: [[u32; 4]; 3] = [[3, 7, 11, 19], [3, 5, 9, 13], [3, 9, 11, 15]];
    const CONSTANT: [u32; 3] = [0, 0x5a82_7999, 0x6ed9_eba1];
    let [mut a, mut b, mut c, mut d] = state;
    for round in 0..3 {
        for step in 0..8 {
            let mixed = match round {
                0 => d ^ (b & (c ^ d)),
                1 => (b & c).wrapping_add((b ^ c) & d),
                _ => b ^ c ^ d,
            };
            let sum = a
                .wrapping_add(mixed)
                .wrapping_add(input[ORDER[round][step]])
                .wrapping_add(CONSTANT[round])
                .rotate_left(SHIFT[round][step % 4]);
            (a, b, c, d) = (d, sum, b, c);
        }
    }
    [
        state[0].wrapping_add(a),
        state[1].wrapping_add(b),
        state[2].wrapping_add(c),
        state[3].wrapping_add(d),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_equal_those_of_debugfs() {
        let seed = [
            0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
            0xee, 0xff,
        ];
        let cases: [(&[u8], Hash, Hash); 6] = [
            (b"a", (0xd5fa_7d7a, 0xacb4_8187), (0x9375_2ee6, 0x578c_30ba)),
            (b"lost+found", (0x591d_e422, 0x6ffc_56e0), (0x1efb_822c, 0x2a3b_b222)),
            (&DIGITS[..31], (0xf304_da2c, 0xe983_51fe), (0xd6e6_d656, 0x254a_696e)),
            (&DIGITS[..32], (0x6538_762a, 0x2370_aa1f), (0xcd52_496a, 0x5755_13b3)),
            (DIGITS, (0xb2c3_09ae, 0x30bd_9930), (0x1581_1496, 0xc99d_c6fe)),
            (b"\xe9t\xe9", (0x5428_9c74, 0xabf3_4552), (0x5643_20fe, 0xa2a3_88eb)),
        ];
        for (name, unseeded, seeded) in cases {
            assert_eq!(Hasher::new(&[0; 16]).hash(name), unseeded, "{name:?}");
            assert_eq!(Hasher::new(&seed).hash(name), seeded, "{name:?}");
        }
    }

    const DIGITS: &[u8] = b"012345678901234567890123456789012";
}
