/* The producer and the checker, a process each. */
#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static void put(unsigned char *p, uint64_t v, int n)
{
	while (n-- > 0)
		p[n] = v, v >>= 8;
}

static uint64_t get(const unsigned char *p, int n)
{
	uint64_t v = 0;
	while (n-- > 0)
		v = v << 8 | *p++;
	return v;
}

/* produce writes numbered, checksummed blocks to a pipe. */
int produce(struct shared *s, int out, uint64_t bytes, uint64_t rate)
{
	static unsigned char block[BLOCK];
	struct sha256 sum;
	struct timespec due;
	clock_gettime(CLOCK_MONOTONIC, &due);
	sha256_init(&sum);
	for (uint64_t number = 0, sent = 0; sent < bytes; number++) {
		uint64_t n = bytes - sent < BLOCK ? bytes - sent : BLOCK;
		if (n < HEADER)
			n = HEADER;
		if (getrandom(block + HEADER, n - HEADER, 0) < 0)
			die("getrandom");
		put(block, number, 8);
		put(block + 8, n - HEADER, 4);
		put(block + 12, crc32(block + HEADER, n - HEADER), 4);
		for (size_t done = 0; done < n;) {
			ssize_t k = write(out, block + done, n - done);
			if (k < 0)
				die("write to the carrier");
			done += k;
		}
		sha256_add(&sum, block, n);
		s->sent = sent += n;
		if (rate) {
			uint64_t ns = due.tv_nsec + n * 1000000000 / rate;
			due.tv_sec += ns / 1000000000, due.tv_nsec = ns % 1000000000;
			while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR)
				;
		}
	}
	sha256_end(&sum, s->sent_sha);
	return 0;
}

struct source {
	struct shared *s;
	int in;
};

/* fill is the thread that reads into the ring. */
static void *fill(void *arg)
{
	struct source *src = arg;
	struct shared *s = src->s;
	for (;;) {
		static unsigned char buf[BLOCK];
		ssize_t n = read(src->in, buf, sizeof buf);
		if (n < 0)
			die("read from the carrier");
		pthread_mutex_lock(&s->mutex);
		for (ssize_t done = 0; done < n;) {
			while (s->filled - s->emptied == RING)
				pthread_cond_wait(&s->changed, &s->mutex);
			for (; done < n && s->filled - s->emptied < RING; s->filled++)
				s->ring[s->filled % RING] = buf[done++];
			pthread_cond_broadcast(&s->changed);
		}
		s->ended = n == 0;
		pthread_cond_broadcast(&s->changed);
		pthread_mutex_unlock(&s->mutex);
		if (n == 0)
			return NULL;
	}
}

/* take returns how many of the n bytes that it wants there were before the end. */
static size_t take(struct shared *s, unsigned char *p, size_t n)
{
	size_t done = 0;
	pthread_mutex_lock(&s->mutex);
	while (done < n) {
		while (s->filled == s->emptied && !s->ended)
			pthread_cond_wait(&s->changed, &s->mutex);
		if (s->filled == s->emptied)
			break;
		for (; done < n && s->filled > s->emptied; s->emptied++)
			p[done++] = s->ring[s->emptied % RING];
		pthread_cond_broadcast(&s->changed);
	}
	pthread_mutex_unlock(&s->mutex);
	return done;
}

static int bad(uint64_t number, const char *what)
{
	fprintf(stderr, "job: block %llu: %s\n", (unsigned long long)number, what);
	return 1;
}

/* check reads blocks, and notes their checksums in a file that has no name any more, to read them again. */
int check(struct shared *s, int in)
{
	static unsigned char block[BLOCK];
	struct source src = {s, in};
	struct sha256 sum;
	pthread_t filler;
	FILE *notes = tmpfile();
	uint64_t number = 0;
	size_t n;
	if (!notes || pthread_create(&filler, NULL, fill, &src))
		die("start the checker");
	sha256_init(&sum);
	for (; (n = take(s, block, HEADER)) == HEADER; number++) {
		uint32_t size = get(block + 8, 4), crc = get(block + 12, 4);
		if (get(block, 8) != number || size > BLOCK - HEADER)
			return bad(number, "another block is in its place");
		if (take(s, block + HEADER, size) != size)
			return bad(number, "not whole");
		if (crc32(block + HEADER, size) != crc)
			return bad(number, "wrong checksum");
		if (fwrite(&crc, sizeof crc, 1, notes) != 1)
			die("take notes");
		sha256_add(&sum, block, HEADER + size);
		s->received += HEADER + size;
	}
	if (n != 0)
		return bad(number, "no whole header");
	pthread_join(filler, NULL);
	if (fseek(notes, 0, SEEK_END) || ftell(notes) != (long)(number * sizeof(uint32_t)))
		return bad(number, "the notes are not whole");
	sha256_end(&sum, s->received_sha);
	return 0;
}
