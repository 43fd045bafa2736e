// SHA-256 of two messages at once with the SHA extensions: an instruction's result is ready after
// four cycles, but every second cycle another may begin. So two cost little more than one.
//
// Elsewhere they go through OpenSSL one after the other.

#include "lanes.h"

#if defined(__SHA__) && defined(__SSE4_1__)

#include <immintrin.h>
#define PAIRS 1

// The instructions know nothing of AVX: while upper halves of registers are in use, they are many times
// slower. So the halves are cleared, and states are no structures, which would be copied through them.

// The eight words of a state as the instructions want them: a b e f and c d g h.
#define LOAD_STATE(h, abef, cdgh)                                                                  \
	do {                                                                                       \
		__m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const void *)(h)), 0xb1);        \
		__m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const void *)((h) + 4)), 0x1b);  \
		abef = _mm_alignr_epi8(abcd, efgh, 8), cdgh = _mm_blend_epi16(efgh, abcd, 0xf0);   \
	} while (0)

#define STORE_STATE(h, abef, cdgh)                                                                 \
	do {                                                                                       \
		__m128i feba = _mm_shuffle_epi32(abef, 0x1b), dchg = _mm_shuffle_epi32(cdgh, 0xb1); \
		_mm_storeu_si128((void *)(h), _mm_blend_epi16(feba, dchg, 0xf0));                  \
		_mm_storeu_si128((void *)((h) + 4), _mm_alignr_epi8(dchg, feba, 8));               \
	} while (0)

// Four rounds of one message, and the words that are due sixteen rounds later.
#define FOUR(abef, cdgh, w, i)                                                                     \
	do {                                                                                       \
		__m128i k = _mm_add_epi32(w[(i) & 3],                                              \
					  _mm_load_si128((const void *)(round_constants + 4 * (i)))); \
		cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);                                       \
		abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));              \
		if ((i) < 12) {                                                                    \
			__m128i sum = _mm_sha256msg1_epu32(w[(i) & 3], w[((i) + 1) & 3]);          \
			__m128i mid = _mm_alignr_epi8(w[((i) + 3) & 3], w[((i) + 2) & 3], 4);      \
			w[(i) & 3] = _mm_sha256msg2_epu32(_mm_add_epi32(sum, mid), w[((i) + 3) & 3]); \
		}                                                                                  \
	} while (0)

__attribute__((noinline)) static void pair_blocks(uint32_t *a, const uint8_t *from_a, uint32_t *b,
						  const uint8_t *from_b, size_t blocks)
{
	const __m128i swap = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
	__m128i s, t, x, y;
#ifdef __AVX__
	_mm256_zeroupper();
#endif
	LOAD_STATE(a, s, t);
	LOAD_STATE(b, x, y);
	for (; blocks; blocks--, from_a += 64, from_b += 64) {
		__m128i s0 = s, t0 = t, x0 = x, y0 = y, v[4], w[4];
#pragma GCC unroll 4
		for (int i = 0; i < 4; i++) {
			v[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(from_a + 16 * i)), swap);
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const void *)(from_b + 16 * i)), swap);
		}
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			FOUR(s, t, v, i);
			FOUR(x, y, w, i);
		}
		s = _mm_add_epi32(s, s0), t = _mm_add_epi32(t, t0);
		x = _mm_add_epi32(x, x0), y = _mm_add_epi32(y, y0);
	}
	STORE_STATE(a, s, t);
	STORE_STATE(b, x, y);
}

#else

#define PAIRS 0

static void pair_blocks(uint32_t *a, const uint8_t *from_a, uint32_t *b, const uint8_t *from_b,
			size_t blocks)
{
	(void)a, (void)from_a, (void)b, (void)from_b, (void)blocks;
}

#endif

static void count_bits(SHA256_CTX *context, uint64_t bits)
{
	bits += (uint64_t)context->Nh << 32 | context->Nl;
	context->Nl = (SHA_LONG)bits, context->Nh = (SHA_LONG)(bits >> 32);
}

// Continues two digests. What both have in whole blocks goes side by side, the rest alone.
static void update_both(SHA256_CTX *a, const uint8_t *from_a, size_t len_a, SHA256_CTX *b,
			const uint8_t *from_b, size_t len_b)
{
	if (PAIRS && len_a && len_b) {
		// up to a block's border first
		size_t fill_a = (64 - a->num) % 64, fill_b = (64 - b->num) % 64;
		fill_a = fill_a < len_a ? fill_a : len_a, fill_b = fill_b < len_b ? fill_b : len_b;
		SHA256_Update(a, from_a, fill_a), SHA256_Update(b, from_b, fill_b);
		from_a += fill_a, len_a -= fill_a, from_b += fill_b, len_b -= fill_b;
		size_t blocks = (len_a < len_b ? len_a : len_b) / 64;
		if (!a->num && !b->num && blocks) {
			uint64_t bits = (uint64_t)blocks * 512;
			pair_blocks(a->h, from_a, b->h, from_b, blocks);
			count_bits(a, bits), count_bits(b, bits);
			from_a += blocks * 64, len_a -= blocks * 64;
			from_b += blocks * 64, len_b -= blocks * 64;
		}
	}
	SHA256_Update(a, from_a, len_a);
	SHA256_Update(b, from_b, len_b);
}

static void hash_two(const struct message *a, const struct message *b)
{
	SHA256_CTX of_a, of_b;
	SHA256_Init(&of_a), SHA256_Init(&of_b);
	update_both(&of_a, a->bytes, a->len, &of_b, b->bytes, b->len);
	SHA256_Final(a->digest, &of_a), SHA256_Final(b->digest, &of_b);
}
