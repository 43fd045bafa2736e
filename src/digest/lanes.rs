//! Many messages at once: a processor hashes sixteen in little more time than one.
//!
//! ```text
//!  messages, longest first ─┬► lane 0:  blocks … │ padding, the next message …
//!                           ├► lane 1:  blocks …       │ …
//!                           └► …                 ▲ a step ends where a lane's run of blocks does
//! ```
//!
//! All lanes go as far as the first of them has blocks in a row, then those that are done take the
//! next message. When no message waits, lanes fall idle but cost as much; so the last messages, too
//! few to pay, are finished from where they are, in pairs where there are instructions for SHA-256, and
//! then one by one.

#[cfg(target_arch = "x86_64")]
use fearless_simd::{
    Level,
    x86::{Avx2, Avx512},
};
use sha2::block_api::compress256;

use super::Sha256Digest;
#[cfg(target_arch = "x86_64")]
use super::compress::{self, Inputs, States};
use super::message::{Blocks, Message};

/// The first state of a message (FIPS 180-4, 5.3.3).
const INITIAL: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// From how many busy lanes, of sixteen, they are faster than pairs. Measured: all sixteen make
/// 3.7 GB/s; the instructions for SHA-256, which processors with this AVX-512 have too, 2.0 for two
/// messages and 1.7 for one.
#[cfg(target_arch = "x86_64")]
const AVX512_PAYS: usize = 9;
/// The same for eight lanes: 1.1 GB/s, and 0.3 without instructions for SHA-256.
#[cfg(target_arch = "x86_64")]
const AVX2_PAYS: usize = 3;

/// The digests of `messages`, in their order: as if each were hashed alone, but faster where the
/// processor has wide vectors. More messages are faster, and those of a length best.
pub fn digests(messages: &[Message<'_>]) -> Vec<Sha256Digest> {
    Kind::best().digests(messages)
}

/// Ways to hash many messages.
#[derive(Debug, Clone, Copy)]
enum Kind {
    OneByOne,
    /// Two at a time, by instructions for SHA-256.
    #[cfg(target_arch = "x86_64")]
    Pairs,
    /// Eight lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// Sixteen lanes, then pairs.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
}

impl Kind {
    /// The fastest that the processor has. Instructions for SHA-256 are faster than eight lanes.
    #[cfg(target_arch = "x86_64")]
    fn best() -> Self {
        let level = Level::new();
        let has_sha = std::arch::is_x86_feature_detected!("sha");
        match (level.as_avx512(), level.as_avx2()) {
            (Some(simd), _) => Self::Avx512(simd),
            (None, _) if has_sha => Self::Pairs,
            (None, Some(simd)) => Self::Avx2(simd),
            (None, None) => Self::OneByOne,
        }
    }

    /// Elsewhere either the processor has instructions for SHA-256, or its vectors are narrow.
    #[cfg(not(target_arch = "x86_64"))]
    fn best() -> Self {
        Self::OneByOne
    }

    fn digests(self, messages: &[Message<'_>]) -> Vec<Sha256Digest> {
        let queue = Queue::new(messages);
        let queue = match self {
            Self::OneByOne => queue,
            #[cfg(target_arch = "x86_64")]
            Self::Pairs => queue.fill_lanes(2, alternate),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(simd) => queue.fill_lanes(AVX2_PAYS, |states, inputs| {
                compress::avx2(simd, states, inputs);
            }),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(simd) => queue
                .fill_lanes(AVX512_PAYS, |states, inputs| compress::avx512(simd, states, inputs))
                .fill_lanes(2, alternate),
        };
        queue.finish()
    }
}

/// Messages that wait, and the digests of the others.
struct Queue<'m, 'a> {
    messages: &'m [Message<'a>],
    /// Indexes of those that wait, the longest last.
    waiting: Vec<usize>,
    /// Those that were left when there were too few, the longest last.
    begun: Vec<Job<'a>>,
    digests: Vec<Sha256Digest>,
}

/// A message under way.
struct Job<'a> {
    index: usize,
    blocks: Blocks<'a>,
    /// That after the blocks which are no longer pending; of one in a lane, that when it came there.
    state: [u32; 8],
}

impl<'m, 'a> Queue<'m, 'a> {
    fn new(messages: &'m [Message<'a>]) -> Self {
        let mut waiting: Vec<usize> = (0..messages.len()).collect();
        waiting.sort_unstable_by_key(|index| messages[*index].len());
        let digests = vec![Sha256Digest([0; 32]); messages.len()];
        Self { messages, waiting, begun: Vec::new(), digests }
    }

    fn next(&mut self) -> Option<Job<'a>> {
        self.begun.pop().or_else(|| {
            let index = self.waiting.pop()?;
            Some(Job { index, blocks: Blocks::new(self.messages[index]), state: INITIAL })
        })
    }

    /// Hashes in `N` lanes as long as `pays` of them are busy.
    #[cfg(target_arch = "x86_64")]
    fn fill_lanes<const N: usize>(
        mut self,
        pays: usize,
        compress: impl Fn(&mut States<N>, &Inputs<'_, N>),
    ) -> Self {
        let mut lanes: [Option<Job<'a>>; N] = std::array::from_fn(|_| self.next());
        let mut states = [[0; N]; 8];
        for (index, lane) in lanes.iter().enumerate() {
            enter(&mut states, index, lane.as_ref());
        }
        while lanes.iter().flatten().count() >= pays {
            let inputs = inputs(&lanes);
            compress(&mut states, &inputs);
            let count = inputs[0].len();
            for (index, lane) in lanes.iter_mut().enumerate() {
                let Some(job) = lane else { continue };
                job.blocks.advance(count);
                if job.blocks.pending().is_empty() {
                    self.digests[job.index] = digest(states.map(|words| words[index]));
                    *lane = self.next();
                    enter(&mut states, index, lane.as_ref());
                }
            }
        }
        let left = lanes.into_iter().enumerate();
        self.begun.extend(left.filter_map(|(index, job)| {
            Some(Job { state: states.map(|words| words[index]), ..job? })
        }));
        self.begun.sort_unstable_by_key(|job| (job.blocks.left_bytes(), job.index));
        self
    }

    /// Hashes what is left one by one.
    fn finish(mut self) -> Vec<Sha256Digest> {
        while let Some(Job { index, mut blocks, mut state }) = self.next() {
            while let pending = blocks.pending()
                && !pending.is_empty()
            {
                compress256(&mut state, pending);
                let count = pending.len();
                blocks.advance(count);
            }
            self.digests[index] = digest(state);
        }
        self.digests
    }
}

/// Gives a lane the state of the job that comes there.
#[cfg(target_arch = "x86_64")]
fn enter<const N: usize>(states: &mut States<N>, index: usize, job: Option<&Job<'_>>) {
    for (words, word) in states.iter_mut().zip(job.map_or(INITIAL, |job| job.state)) {
        words[index] = word;
    }
}

/// A block of one message, then one of the other: the processor, which waits for each instruction's
/// result within a message, begins the other's block meanwhile.
#[cfg(target_arch = "x86_64")]
fn alternate(states: &mut States<2>, inputs: &Inputs<'_, 2>) {
    let mut pair = [0, 1].map(|lane: usize| states.map(|words| words[lane]));
    for (first, second) in inputs[0].iter().zip(inputs[1]) {
        compress256(&mut pair[0], std::slice::from_ref(first));
        compress256(&mut pair[1], std::slice::from_ref(second));
    }
    *states = std::array::from_fn(|word| pair.map(|state| state[word]));
}

/// The blocks that all busy lanes can take at once. An idle lane repeats another's.
#[cfg(target_arch = "x86_64")]
fn inputs<'b, const N: usize>(lanes: &'b [Option<Job<'_>>; N]) -> Inputs<'b, N> {
    let pending = || lanes.iter().flatten().map(|job| job.blocks.pending());
    let shortest = pending().min_by_key(|blocks| blocks.len()).unwrap_or_default();
    std::array::from_fn(|lane| match &lanes[lane] {
        Some(job) => &job.blocks.pending()[..shortest.len()],
        None => shortest,
    })
}

fn digest(state: [u32; 8]) -> Sha256Digest {
    let mut bytes = [0; 32];
    for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    Sha256Digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::Sha256;
    use super::*;
    use proptest::prelude::*;

    impl Kind {
        /// Those that this processor has.
        #[cfg(target_arch = "x86_64")]
        fn all() -> Vec<Self> {
            let level = Level::new();
            let avx2 = level.as_avx2().map(Self::Avx2);
            let avx512 = level.as_avx512().map(Self::Avx512);
            [Some(Self::OneByOne), Some(Self::Pairs), avx2, avx512].into_iter().flatten().collect()
        }

        #[cfg(not(target_arch = "x86_64"))]
        fn all() -> Vec<Self> {
            vec![Self::OneByOne]
        }
    }

    /// Holds every kind to what a hasher says.
    fn check(messages: &[Message<'_>]) {
        let alone = messages.iter().map(|message| {
            let mut hasher = Sha256::default();
            hasher.update(message.header);
            hasher.update(message.content);
            hasher.finish()
        });
        let expected: Vec<_> = alone.collect();
        for kind in Kind::all() {
            assert_eq!(kind.digests(messages), expected, "{kind:?}");
        }
        assert_eq!(digests(messages), expected);
    }

    /// The examples of FIPS 180-2, appendix B, and some of those that NIST added later.
    #[test]
    fn published_digests_come_out() {
        let million = vec![b'a'; 1_000_000];
        let published: [(&[u8], &str); 6] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
            (&[0xbd], "68325720aabd7c82f30f554b313d0570c95accbb7dc4b5aae11204c08ffe732b"),
            (
                &[0xc9, 0x8c, 0x8e, 0x55],
                "7abc22c0ae5af26ce93dbb94433a0e0b2e119d014f8e7f65bd56c61ccccd9504",
            ),
        ];
        // As often as to have every lane see every length.
        let many = published.iter().cycle().take(published.len() * 17);
        let messages: Vec<_> = many.clone().map(|(content, _)| Message::of(content)).collect();
        for kind in Kind::all() {
            for (digest, (_, hex)) in kind.digests(&messages).iter().zip(many.clone()) {
                assert_eq!(digest.to_hex(), *hex, "{kind:?}");
            }
        }
    }

    #[test]
    fn any_number_of_messages_will_do() {
        let bytes = [0x5a; 3000];
        for count in 0..40 {
            let equal = vec![Message::of(&bytes); count];
            check(&equal);
            let growing: Vec<_> = (0..count).map(|n| Message::of(&bytes[..n * n])).collect();
            check(&growing);
        }
    }

    fn len() -> impl Strategy<Value = usize> {
        let border =
            prop::sample::select(vec![0, 55, 56, 63, 64, 65, 119, 120, 127, 128, 191, 192]);
        prop_oneof![border.clone(), border.prop_map(|len| len + 64), 0..300_usize, 0..20_000_usize]
    }

    proptest! {
        #[test]
        fn lanes_give_what_a_hasher_gives(
            lens in prop::collection::vec((prop_oneof![Just(0), len()], len()), 0..60),
            seed: u8,
        ) {
            let bytes: Vec<u8> = (0..=250).cycle().skip(usize::from(seed)).take(20_500).collect();
            let messages: Vec<_> = lens
                .iter()
                .enumerate()
                .map(|(at, (header, content))| Message {
                    header: &bytes[at..][..*header],
                    content: &bytes[at * 3..][..*content],
                })
                .collect();
            check(&messages);
        }
    }
}
