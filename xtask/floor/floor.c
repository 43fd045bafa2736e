// floor: what cannot be avoided in making a disk of an image, and nothing else.
//
//	floor THREADS OUTPUT BLOB...
//
// | what | by |
// |---|---|
// | read the layers' blobs | pread of 256 KiB |
// | SHA-256 of the compressed bytes | OpenSSL, which knows the SHA extensions |
// | decompress | ISA-L, its CRC checked; libzstd |
// | walk the archive | sizes and types of entries |
// | SHA-256 of every regular file | as many at once as vectors have lanes; long ones beside a blob |
// | write every content once | from where it was decompressed to, many at a time, no fsync |
//
// A layer is decompressed into chunks that rotate. The small files of a chunk are one job, what it
// has of a long file another; a thread without work takes whatever is ready. So memory is bounded
// by the chunks, and two threads halve the time unless a layer's decompression alone takes longer.
//
// It prints one line of JSON: counts, and the SHA-256 of the digests of all files in archive order.

#define _GNU_SOURCE
#include "lanes.h"
#include "pair.h"
#include "source.h"
#include <pthread.h>
#include <sys/uio.h>

#ifndef CHUNK
#define CHUNK (4 << 20)
#endif
#ifndef SMALL
#define SMALL (512 << 10)
#endif
#define DIGEST_PIECE (1 << 20)
#define DIGESTS_PER_BLOCK 4096

struct file {
	const uint8_t *bytes;
	uint32_t len;
	uint8_t *digest;
};

struct chunk {
	uint8_t *bytes;
	int users;
	struct file *files;
	size_t count, room;
	struct chunk *next;
};

// A part of a long file that lies in one chunk.
struct part {
	struct chunk *chunk;
	const uint8_t *bytes;
	size_t len;
	struct part *next;
};

struct long_file {
	uint64_t len, left, hashed, place; // `left` to be decompressed
	uint8_t *digest;
	SHA256_CTX hash;
	struct part *first, **last;
	bool queued;
	struct long_file *next;
};

struct digests {
	uint8_t digest[DIGESTS_PER_BLOCK][32];
	size_t count;
	struct digests *next;
};

struct layer {
	struct source source;
	bool started, decompressing, decompressed, ended;
	uint8_t *carried; // the begin of an entry that its chunk has not whole
	size_t carried_len;
	uint64_t skip, pax_size;
	struct long_file *current;
	struct digests *digests, *digests_end;
	SHA256_CTX hash; // of the blob
	uint64_t read, hashed; // of its bytes, to decompress and to hash
	bool hashing, has_digest;
	uint8_t digest[32];
};

// All of it under `lock`, but what a running job has taken for itself.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct layer *layers;
static size_t layer_count;
static struct chunk *free_chunks, *ready, **ready_end = &ready;
static struct long_file *long_ready, **long_end = &long_ready;
static size_t ready_count, running;
static int threads, output;
static uint64_t place, bytes, files, unique_bytes, unique_files;

// ---- contents seen, by digest: open addressing

static uint8_t (*seen)[32];
static size_t seen_room;

static bool insert(uint8_t (*table)[32], size_t room, const uint8_t *digest)
{
	static const uint8_t none[32];
	uint64_t key;
	memcpy(&key, digest, 8);
	for (size_t i = key & (room - 1);; i = (i + 1) & (room - 1)) {
		if (!memcmp(table[i], none, 32)) {
			memcpy(table[i], digest, 32);
			return true;
		}
		if (!memcmp(table[i], digest, 32))
			return false;
	}
}

static bool is_new(const uint8_t *digest, uint64_t len)
{
	static const uint8_t none[32];
	if (2 * unique_files >= seen_room) {
		size_t room = seen_room ? 2 * seen_room : 1 << 14;
		uint8_t (*table)[32] = calloc(room, 32);
		for (size_t i = 0; i < seen_room; i++)
			if (memcmp(seen[i], none, 32))
				insert(table, room, seen[i]);
		free(seen);
		seen = table, seen_room = room;
	}
	if (!insert(seen, seen_room, digest))
		return false;
	unique_files++, unique_bytes += len;
	return true;
}

// ---- the output

static void write_at(struct iovec *pieces, int count, uint64_t at)
{
	while (count) {
		ssize_t n = pwritev(output, pieces, count < IOV_MAX ? count : IOV_MAX, at);
		if (n <= 0)
			DIE("cannot write");
		at += n;
		for (; count && (size_t)n >= pieces->iov_len; pieces++, count--)
			n -= pieces->iov_len;
		if (count)
			pieces->iov_base = (char *)pieces->iov_base + n, pieces->iov_len -= n;
	}
}

static void release(struct chunk *chunk)
{
	if (--chunk->users)
		return;
	chunk->next = free_chunks, free_chunks = chunk;
	pthread_cond_broadcast(&changed);
}

// ---- the archive

static uint64_t number(const uint8_t *field, int len)
{
	uint64_t n = 0;
	if (field[0] & 0x80) {
		for (int i = 1; i < len; i++)
			n = n << 8 | field[i];
		return n;
	}
	for (int i = 0; i < len && field[i]; i++)
		if (field[i] >= '0' && field[i] <= '7')
			n = n * 8 + (field[i] - '0');
	return n;
}

// The size in PAX records, else none.
static uint64_t pax_size(const uint8_t *record, const uint8_t *end)
{
	while (record < end) {
		char *key;
		uint64_t len = strtoull((const char *)record, &key, 10);
		if (!len || len > (uint64_t)(end - record))
			break;
		if (!strncmp(key, " size=", 6))
			return strtoull(key + 6, NULL, 10);
		record += len;
	}
	return UINT64_MAX;
}

static uint8_t *next_digest(struct layer *layer)
{
	struct digests *block = layer->digests_end;
	if (!block || block->count == DIGESTS_PER_BLOCK) {
		struct digests *more = malloc(sizeof *more);
		more->count = 0, more->next = NULL;
		*(block ? &block->next : &layer->digests) = more;
		layer->digests_end = block = more;
	}
	return block->digest[block->count++];
}

static void add_small(struct chunk *chunk, const uint8_t *content, uint64_t len, uint8_t *digest)
{
	if (chunk->count == chunk->room) {
		chunk->room = chunk->room ? 2 * chunk->room : 1024;
		chunk->files = realloc(chunk->files, chunk->room * sizeof *chunk->files);
	}
	chunk->files[chunk->count++] = (struct file){content, len, digest};
}

static struct long_file *new_long(uint64_t len, uint8_t *digest)
{
	struct long_file *file = calloc(1, sizeof *file);
	file->len = file->left = len, file->digest = digest, file->last = &file->first;
	SHA256_Init(&file->hash);
	pthread_mutex_lock(&lock);
	file->place = place, place += len;
	pthread_mutex_unlock(&lock);
	return file;
}

static void queue_long(struct long_file *file)
{
	file->queued = true, file->next = NULL;
	*long_end = file, long_end = &file->next;
}

static void add_part(struct chunk *chunk, struct long_file *file, const uint8_t *from, size_t len)
{
	struct part *part = malloc(sizeof *part);
	*part = (struct part){chunk, from, len, NULL};
	pthread_mutex_lock(&lock);
	chunk->users++;
	*file->last = part, file->last = &part->next;
	if (!file->queued)
		queue_long(file), pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

#define PADDED(n) (((n) + 511) & ~511ull)

// Goes through what a chunk has of the archive; returns where an entry begins that it has not whole.
static const uint8_t *walk(struct layer *layer, struct chunk *chunk, const uint8_t *p, const uint8_t *end)
{
	while (!layer->ended) {
		uint64_t left = end - p;
		if (layer->skip) {
			uint64_t n = layer->skip < left ? layer->skip : left;
			p += n, left -= n, layer->skip -= n;
		}
		if (layer->current && !layer->skip) {
			struct long_file *file = layer->current;
			uint64_t n = file->left < left ? file->left : left;
			if (n) {
				file->left -= n;
				bool last = !file->left;
				if (last)
					layer->current = NULL, layer->skip = PADDED(file->len) - file->len;
				add_part(chunk, file, p, n);
				p += n;
				if (last)
					continue;
			}
			return end;
		}
		if (layer->skip || left < 512)
			return p;
		if (!p[0]) {
			layer->ended = true;
			break;
		}
		uint8_t type = p[156];
		uint64_t size = type == '1' || type == '2' ? 0 : number(p + 124, 12);
		bool regular = type == '0' || type == 0 || type == '7';
		if (regular && layer->pax_size != UINT64_MAX)
			size = layer->pax_size;
		if ((type == 'x' || (regular && size <= SMALL)) && left < 512 + size) {
			if (size > SMALL)
				DIE("%s: a PAX header of %llu bytes", layer->source.path,
				    (unsigned long long)size);
			return p;
		}
		if (type == 'x')
			layer->pax_size = pax_size(p + 512, p + 512 + size);
		else if (type != 'L' && type != 'K')
			layer->pax_size = UINT64_MAX;
		p += 512;
		if (regular && size > SMALL) {
			layer->current = new_long(size, next_digest(layer));
			continue;
		}
		if (regular) {
			add_small(chunk, p, size, next_digest(layer));
			p += size, layer->skip = PADDED(size) - size;
		} else {
			layer->skip = PADDED(size);
		}
	}
	return end;
}

// ---- jobs: each is called with the lock held, and lets go of it while it works

static void decompress_some(struct layer *layer)
{
	struct chunk *chunk = free_chunks;
	free_chunks = chunk->next;
	chunk->users = 1, chunk->count = 0;
	layer->decompressing = true;
	pthread_mutex_unlock(&lock);

	if (!layer->started) {
		start_source(&layer->source);
		layer->started = true, layer->pax_size = UINT64_MAX;
		layer->carried = malloc(SMALL + 512);
	}
	memcpy(chunk->bytes, layer->carried, layer->carried_len);
	size_t room = CHUNK - layer->carried_len;
	size_t n = decompress(&layer->source, chunk->bytes + layer->carried_len, room);
	const uint8_t *end = chunk->bytes + layer->carried_len + n;
	const uint8_t *rest = walk(layer, chunk, chunk->bytes, end);
	layer->carried_len = end - rest;
	memcpy(layer->carried, rest, layer->carried_len);
	if (n < room) {
		if (layer->current || layer->carried_len || layer->skip)
			DIE("%s: the archive is cut short", layer->source.path);
		end_source(&layer->source);
		free(layer->carried);
	}

	pthread_mutex_lock(&lock);
	layer->decompressing = false, layer->decompressed = n < room;
	layer->read = layer->source.position;
	if (chunk->count) {
		chunk->next = NULL, *ready_end = chunk, ready_end = &chunk->next;
		ready_count++;
	} else {
		release(chunk);
	}
}

// Hashes the small files of a chunk, then writes those that are new, as they lie there.
static void do_small(struct chunk *chunk)
{
	enum { BUCKETS = SMALL / 64 + 1 };
	static __thread uint32_t heads[BUCKETS];
	static __thread struct message *sorted;
	static __thread uint32_t *next;
	static __thread struct iovec *pieces;
	static __thread size_t room;
	size_t count = chunk->count, n = 0;
	pthread_mutex_unlock(&lock);

	if (count > room) {
		room = count;
		sorted = realloc(sorted, room * sizeof *sorted);
		next = realloc(next, room * sizeof *next);
		pieces = realloc(pieces, room * sizeof *pieces);
	}
	memset(heads, 0, sizeof heads);
	for (size_t i = 0; i < count; i++) {
		uint32_t *head = &heads[chunk->files[i].len / 64];
		next[i] = *head, *head = i + 1;
	}
	for (int bucket = BUCKETS - 1; bucket >= 0; bucket--)
		for (uint32_t i = heads[bucket]; i; i = next[i - 1]) {
			struct file *file = &chunk->files[i - 1];
			sorted[n++] = (struct message){file->bytes, file->len, file->digest};
		}
	// those longer than a lane's share would keep the others waiting
	uint64_t share = CHUNK / LANES;
	size_t alone = 0;
	while (LANES > 1 && alone < n && sorted[alone].len > share) {
		bool two = PAIRS && alone + 1 < n;
		two ? hash_two(&sorted[alone], &sorted[alone + 1]) : hash_alone(&sorted[alone]);
		alone += 1 + two;
	}
	hash_all(sorted + alone, n - alone);

	uint64_t len = 0, all = 0;
	n = 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++) {
		struct file *file = &chunk->files[i];
		all += file->len;
		if (!is_new(file->digest, file->len) || !file->len)
			continue;
		pieces[n++] = (struct iovec){(void *)file->bytes, file->len};
		len += file->len;
	}
	files += count, bytes += all;
	uint64_t at = place;
	place += len;
	pthread_mutex_unlock(&lock);

	write_at(pieces, n, at);
	pthread_mutex_lock(&lock);
	release(chunk);
}

// A blob whose digest lags behind its decompression, or any.
static struct layer *to_hash(bool any)
{
	for (size_t i = 0; i < layer_count; i++) {
		struct layer *layer = &layers[i];
		if (layer->has_digest || layer->hashing)
			continue;
		if (any || layer->hashed + DIGEST_PIECE <= layer->read || layer->decompressed)
			return layer;
	}
	return NULL;
}

// Hashes the next piece of a blob, and beside it something else, or nothing.
static void hash_blob(struct layer *layer, SHA256_CTX *other, const uint8_t *beside, size_t len)
{
	static __thread uint8_t *piece;
	layer->hashing = true;
	pthread_mutex_unlock(&lock);
	if (!piece)
		piece = malloc(DIGEST_PIECE);
	if (!layer->hashed)
		SHA256_Init(&layer->hash);
	size_t wanted = other ? len : DIGEST_PIECE;
	ssize_t n = pread(layer->source.file, piece, wanted, layer->hashed);
	if (n < 0)
		DIE("cannot read %s", layer->source.path);
	if (other)
		update_both(&layer->hash, piece, n, other, beside, len);
	else
		SHA256_Update(&layer->hash, piece, n);
	bool done = layer->hashed + n == layer->source.size;
	if (done)
		SHA256_Final(layer->digest, &layer->hash);
	pthread_mutex_lock(&lock);
	layer->hashed += n, layer->hashing = false, layer->has_digest = done;
}

// Hashes a part of a long file, beside pieces of a blob where two at once are faster.
static void hash_part(struct long_file *file, const struct part *part)
{
	for (size_t at = 0, len; at < part->len; at += len) {
		len = part->len - at < DIGEST_PIECE ? part->len - at : DIGEST_PIECE;
		pthread_mutex_lock(&lock);
		struct layer *layer = PAIRS ? to_hash(true) : NULL;
		if (layer)
			hash_blob(layer, &file->hash, part->bytes + at, len);
		pthread_mutex_unlock(&lock);
		if (!layer)
			SHA256_Update(&file->hash, part->bytes + at, len);
	}
}

// Hashes and writes what there is of a long file; one that has been seen is given back at its end.
static void do_long(struct long_file *file)
{
	struct part *part = file->first;
	file->first = NULL, file->last = &file->first;
	pthread_mutex_unlock(&lock);
	while (part) {
		struct part *next = part->next;
		struct iovec piece = {(void *)part->bytes, part->len};
		hash_part(file, part);
		write_at(&piece, 1, file->place + file->hashed);
		file->hashed += part->len;
		pthread_mutex_lock(&lock);
		release(part->chunk);
		pthread_mutex_unlock(&lock);
		free(part);
		part = next;
	}
	bool done = file->hashed == file->len;
	if (done)
		SHA256_Final(file->digest, &file->hash);
	pthread_mutex_lock(&lock);
	if (!done) {
		file->queued = false;
		if (file->first)
			queue_long(file);
		return;
	}
	files++, bytes += file->len;
	if (!is_new(file->digest, file->len))
		fallocate(output, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, file->place, file->len);
	free(file);
}


// ---- who does what

static struct layer *to_decompress(void)
{
	int open = 0;
	for (size_t i = 0; i < layer_count && open < threads; i++) {
		if (layers[i].decompressed)
			continue;
		if (!layers[i].decompressing)
			return &layers[i];
		open++;
	}
	return NULL;
}

// Does one job; false when there is none now.
static bool work(void)
{
	struct layer *layer;
	if (free_chunks && ready_count + !!long_ready < (size_t)threads && (layer = to_decompress())) {
		decompress_some(layer);
	} else if ((layer = to_hash(false))) {
		hash_blob(layer, NULL, NULL, 0);
	} else if (long_ready) {
		struct long_file *file = long_ready;
		if (!(long_ready = file->next))
			long_end = &long_ready;
		do_long(file);
	} else if (ready) {
		struct chunk *chunk = ready;
		if (!(ready = chunk->next))
			ready_end = &ready;
		ready_count--;
		do_small(chunk);
	} else if ((layer = to_hash(true))) {
		hash_blob(layer, NULL, NULL, 0);
	} else {
		return false;
	}
	return true;
}

static void *worker(void *unused)
{
	pthread_mutex_lock(&lock);
	for (;;) {
		running++;
		bool worked = work();
		running--;
		if (worked)
			pthread_cond_broadcast(&changed);
		else if (running)
			pthread_cond_wait(&changed, &lock);
		else
			break;
	}
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	return unused;
}

static void print_hex(const uint8_t *digest)
{
	for (int i = 0; i < 32; i++)
		printf("%02x", digest[i]);
}

static void report(void)
{
	SHA256_CTX all;
	uint8_t digest[32];
	SHA256_Init(&all);
	for (size_t i = 0; i < layer_count; i++)
		for (struct digests *block = layers[i].digests; block; block = block->next)
			SHA256_Update(&all, block->digest, block->count * 32);
	SHA256_Final(digest, &all);
	printf("{\"lanes\": %d, \"files\": %llu, \"bytes\": %llu, \"unique_files\": %llu, "
	       "\"unique_bytes\": %llu, \"digest\": \"",
	       LANES, (unsigned long long)files, (unsigned long long)bytes,
	       (unsigned long long)unique_files, (unsigned long long)unique_bytes);
	print_hex(digest);
	printf("\", \"blobs\": [");
	for (size_t i = 0; i < layer_count; i++) {
		printf("%s\"sha256:", i ? ", " : "");
		print_hex(layers[i].digest);
		printf("\"");
	}
	puts("]}");
}

int main(int argc, char **argv)
{
	if (argc < 4)
		DIE("usage: floor THREADS OUTPUT BLOB...");
	threads = atoi(argv[1]);
	if (threads < 1 || threads > 64)
		DIE("%s threads", argv[1]);
	output = open(argv[2], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (output < 0)
		DIE("cannot create %s", argv[2]);
	layer_count = argc - 3;
	layers = calloc(layer_count, sizeof *layers);
	for (size_t i = 0; i < layer_count; i++)
		open_source(&layers[i].source, argv[i + 3]);
	for (int i = 0; i < 2 * threads + 1; i++) {
		struct chunk *chunk = calloc(1, sizeof *chunk);
		chunk->bytes = malloc(CHUNK);
		chunk->next = free_chunks, free_chunks = chunk;
	}
	pthread_t others[64];
	for (int i = 1; i < threads; i++)
		if (pthread_create(&others[i], NULL, worker, NULL))
			DIE("cannot start a thread");
	worker(NULL);
	for (int i = 1; i < threads; i++)
		pthread_join(others[i], NULL);
	report();
	return 0;
}
