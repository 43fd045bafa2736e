// A layer's blob, decompressed piece by piece: gzip by ISA-L, zstd by libzstd, or neither.

#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#define INPUT (256 << 10)

#define DIE(...) (fprintf(stderr, "floor: " __VA_ARGS__), fputc('\n', stderr), exit(1))

enum codec { PLAIN, GZIP, ZSTD };

struct source {
	const char *path;
	int file;
	uint64_t size, position; // of the blob; what was read of it
	enum codec codec;
	struct inflate_state *gzip;
	ZSTD_DCtx *zstd;
	bool within; // a member or frame has begun and not ended
	uint8_t *input;
	size_t filled, used;
};

static void open_source(struct source *s, const char *path)
{
	struct stat stat;
	memset(s, 0, sizeof *s);
	s->path = path, s->file = open(path, O_RDONLY | O_CLOEXEC);
	if (s->file < 0 || fstat(s->file, &stat))
		DIE("cannot open %s", path);
	s->size = stat.st_size;
}

static void refill(struct source *s)
{
	ssize_t n = pread(s->file, s->input, INPUT, s->position);
	if (n < 0)
		DIE("cannot read %s", s->path);
	s->filled = n, s->used = 0, s->position += n;
}

static void start_source(struct source *s)
{
	s->input = malloc(INPUT);
	refill(s);
	s->codec = s->filled > 2 && !memcmp(s->input, "\x1f\x8b", 2)           ? GZIP
		   : s->filled > 4 && !memcmp(s->input, "\x28\xb5\x2f\xfd", 4) ? ZSTD
									       : PLAIN;
	if (s->codec == GZIP)
		s->gzip = malloc(sizeof *s->gzip);
	if (s->codec == ZSTD) {
		s->zstd = ZSTD_createDCtx();
		ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, 27);
	}
}

static void end_source(struct source *s)
{
	free(s->gzip), free(s->input), ZSTD_freeDCtx(s->zstd);
	s->gzip = NULL, s->input = NULL, s->zstd = NULL;
}

static size_t gunzip(struct source *s, uint8_t *out, size_t len)
{
	struct inflate_state *gzip = s->gzip;
	if (!s->within) {
		isal_inflate_init(gzip);
		gzip->crc_flag = ISAL_GZIP;
		s->within = true;
	}
	gzip->next_in = s->input + s->used, gzip->avail_in = s->filled - s->used;
	gzip->next_out = out, gzip->avail_out = len;
	int code = isal_inflate(gzip);
	if (code)
		DIE("%s: isal_inflate: %d", s->path, code);
	s->used = s->filled - gzip->avail_in;
	s->within = gzip->block_state != ISAL_BLOCK_FINISH;
	return len - gzip->avail_out;
}

static size_t unzstd(struct source *s, uint8_t *out, size_t len)
{
	ZSTD_inBuffer from = {s->input, s->filled, s->used};
	ZSTD_outBuffer to = {out, len, 0};
	size_t code = ZSTD_decompressStream(s->zstd, &to, &from);
	if (ZSTD_isError(code))
		DIE("%s: %s", s->path, ZSTD_getErrorName(code));
	s->used = from.pos, s->within = code != 0;
	return to.pos;
}

static size_t copy(struct source *s, uint8_t *out, size_t len)
{
	size_t n = s->filled - s->used < len ? s->filled - s->used : len;
	memcpy(out, s->input + s->used, n);
	s->used += n;
	return n;
}

// Fills `out`; less than `len` only at the end.
static size_t decompress(struct source *s, uint8_t *out, size_t len)
{
	size_t done = 0;
	while (done < len) {
		if (s->used == s->filled)
			refill(s);
		bool ended = !s->filled;
		if (ended && !s->within)
			break;
		size_t n = s->codec == GZIP   ? gunzip(s, out + done, len - done)
			   : s->codec == ZSTD ? unzstd(s, out + done, len - done)
					      : copy(s, out + done, len - done);
		if (ended && !n && s->within)
			DIE("%s is cut short", s->path);
		done += n;
	}
	return done;
}
