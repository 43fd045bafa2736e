// SHA-256 of many independent messages at once: one message in each 32-bit lane of a vector.
//
// | where | lanes |
// |---|---|
// | AVX-512 | 16 |
// | AVX2 | 8 |
// | elsewhere | none: each message goes through OpenSSL |
//
// A message that is left nearly alone ends in OpenSSL, which knows the SHA extensions: there one
// message runs as fast as several lanes.

#pragma once

#include <openssl/sha.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct message {
	const uint8_t *bytes;
	uint64_t len;
	uint8_t *digest; // 32 bytes
};

static const uint32_t round_constants[64] __attribute__((aligned(16), unused)) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

#if defined(__AVX512F__) && defined(__AVX512BW__)

#include <immintrin.h>
#define LANES 16
typedef __m512i vector;
#define ADD(a, b) _mm512_add_epi32(a, b)
#define ROR(x, n) _mm512_ror_epi32(x, n)
#define SHR(x, n) _mm512_srli_epi32(x, n)
#define XOR3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define CHOOSE(e, f, g) _mm512_ternarylogic_epi32(e, f, g, 0xca)
#define MAJORITY(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xe8)
#define SPLAT(x) _mm512_set1_epi32((int)(x))

// Word i of each lane's block into w[i], in host order.
static inline __attribute__((always_inline)) void words(vector *w, const uint8_t *const *block)
{
	const __m512i swap = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
	__m512i r[16], t[16];
	for (int i = 0; i < 16; i++)
		r[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(block[i]), swap);
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
		t[i + 4] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
		t[i + 8] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
		t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
	}
	for (int i = 0; i < 4; i++) {
		w[i] = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88);
		w[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
		w[i + 4] = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
		w[i + 12] = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
	}
}

#elif defined(__AVX2__)

#include <immintrin.h>
#define LANES 8
typedef __m256i vector;
#define ADD(a, b) _mm256_add_epi32(a, b)
#define ROR(x, n) _mm256_or_si256(_mm256_srli_epi32(x, n), _mm256_slli_epi32(x, 32 - (n)))
#define SHR(x, n) _mm256_srli_epi32(x, n)
#define XOR(a, b) _mm256_xor_si256(a, b)
#define XOR3(a, b, c) XOR(XOR(a, b), c)
#define CHOOSE(e, f, g) XOR(g, _mm256_and_si256(e, XOR(f, g)))
#define MAJORITY(a, b, c) \
	_mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
#define SPLAT(x) _mm256_set1_epi32((int)(x))

// Eight words of eight blocks, from byte `at` on.
static inline __attribute__((always_inline)) void half(vector *w, const uint8_t *const *block, int at)
{
	const __m256i swap = _mm256_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203,
					      0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
	__m256i r[8], t[8];
	for (int i = 0; i < 8; i++)
		r[i] = _mm256_shuffle_epi8(_mm256_loadu_si256((const void *)(block[i] + at)), swap);
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (int i = 0; i < 8; i += 4) {
		r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 4; i++) {
		w[i] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
		w[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
	}
}

static inline __attribute__((always_inline)) void words(vector *w, const uint8_t *const *block)
{
	half(w, block, 0);
	half(w + 8, block, 32);
}

#endif

static void hash_alone(const struct message *m)
{
	SHA256(m->bytes, m->len, m->digest);
}

#ifdef LANES

// So many lanes at work are not faster than one message after another.
#ifdef __SHA__
#define FEW (LANES * 3 / 8)
#else
#define FEW (LANES / 5)
#endif

static const uint32_t start[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

// One block of each lane.
static inline __attribute__((always_inline)) void compress(vector *s, const uint8_t *const *block)
{
	vector w[16];
	words(w, block);
	vector a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#pragma GCC unroll 64
	for (int i = 0; i < 64; i++) {
		if (i >= 16) {
			vector x = w[(i + 1) & 15], y = w[(i + 14) & 15];
			vector s0 = XOR3(ROR(x, 7), ROR(x, 18), SHR(x, 3));
			vector s1 = XOR3(ROR(y, 17), ROR(y, 19), SHR(y, 10));
			w[i & 15] = ADD(ADD(w[i & 15], s0), ADD(w[(i + 9) & 15], s1));
		}
		vector t = ADD(ADD(h, ADD(w[i & 15], SPLAT(round_constants[i]))), CHOOSE(e, f, g));
		t = ADD(t, XOR3(ROR(e, 6), ROR(e, 11), ROR(e, 25)));
		vector u = ADD(XOR3(ROR(a, 2), ROR(a, 13), ROR(a, 22)), MAJORITY(a, b, c));
		h = g, g = f, f = e, e = ADD(d, t), d = c, c = b, b = a, a = ADD(t, u);
	}
	s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
	s[4] = ADD(s[4], e), s[5] = ADD(s[5], f), s[6] = ADD(s[6], g), s[7] = ADD(s[7], h);
}

// What one lane works on: first the whole blocks of the message, then its end with the padding.
struct lane {
	const struct message *message; // none: idle
	const uint8_t *next;
	uint64_t blocks;
	uint64_t end_blocks; // none left: `next` is in `end` already
	uint8_t end[128];
};

union state {
	vector v[8];
	uint32_t w[8][LANES];
};

static void take(struct lane *lane, const struct message *m, union state *s, int l)
{
	size_t rest = m->len % 64, blocks = rest < 56 ? 1 : 2;
	uint64_t bits = __builtin_bswap64(m->len * 8);
	memset(lane->end, 0, sizeof lane->end);
	memcpy(lane->end, m->bytes + (m->len - rest), rest);
	lane->end[rest] = 0x80;
	memcpy(lane->end + blocks * 64 - 8, &bits, 8);
	lane->message = m, lane->next = m->bytes, lane->blocks = m->len / 64, lane->end_blocks = blocks;
	for (int k = 0; k < 8; k++)
		s->w[k][l] = start[k];
}

static void put_digest(const struct lane *lane, const union state *s, int l)
{
	for (int k = 0; k < 8; k++) {
		uint32_t word = __builtin_bswap32(s->w[k][l]);
		memcpy(lane->message->digest + 4 * k, &word, 4);
	}
}

// The rest of a message with the code for one.
static void finish_alone(struct lane *lane, union state *s, int l)
{
	SHA256_CTX alone;
	SHA256_Init(&alone);
	for (int k = 0; k < 8; k++)
		alone.h[k] = s->w[k][l];
	// whole blocks only: nothing stays in the context's buffer
	SHA256_Update(&alone, lane->next, lane->blocks * 64);
	SHA256_Update(&alone, lane->end, lane->end_blocks * 64);
	for (int k = 0; k < 8; k++)
		s->w[k][l] = alone.h[k];
	put_digest(lane, s, l);
	lane->message = NULL;
}

// Hashes messages, which are best sorted by length, the longest first.
static void hash_all(const struct message *m, size_t count)
{
	static const uint8_t nothing[64];
	struct lane lanes[LANES];
	union state s;
	const uint8_t *block[LANES];
	size_t taken = 0;
	int busy = 0;
	memset(&s, 0, sizeof s);
	for (int l = 0; l < LANES; l++) {
		lanes[l].message = NULL;
		if (taken < count)
			take(&lanes[l], &m[taken++], &s, l), busy++;
	}
	while (busy > FEW) {
		uint64_t step = UINT64_MAX;
		size_t move[LANES];
		for (int l = 0; l < LANES; l++) {
			struct lane *lane = &lanes[l];
			block[l] = nothing, move[l] = 0;
			if (!lane->message)
				continue;
			if (!lane->blocks)
				lane->next = lane->end, lane->blocks = lane->end_blocks, lane->end_blocks = 0;
			block[l] = lane->next, move[l] = 64;
			step = lane->blocks < step ? lane->blocks : step;
		}
		for (uint64_t i = 0; i < step; i++) {
			compress(s.v, block);
			for (int l = 0; l < LANES; l++)
				block[l] += move[l];
		}
		for (int l = 0; l < LANES; l++) {
			struct lane *lane = &lanes[l];
			if (!lane->message)
				continue;
			lane->next = block[l], lane->blocks -= step;
			if (lane->blocks || lane->end_blocks)
				continue;
			put_digest(lane, &s, l);
			lane->message = NULL, busy--;
			if (taken < count)
				take(lane, &m[taken++], &s, l), busy++;
		}
	}
	for (int l = 0; l < LANES; l++)
		if (lanes[l].message)
			finish_alone(&lanes[l], &s, l);
}

#else

#define LANES 1

static void hash_all(const struct message *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		hash_alone(&m[i]);
}

#endif
