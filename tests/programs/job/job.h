#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { HEADER = 16, BLOCK = 64 << 10, RING = 256 << 10 };

/* What the processes share: memory that none of them has a name for. */
struct shared {
	_Atomic uint64_t sent, received;
	unsigned char sent_sha[32], received_sha[32];

	/* A ring between two threads of the checker. */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	size_t filled, emptied; /* how many bytes ever */
	int ended;
	unsigned char ring[RING];
};

struct sha256 {
	uint32_t state[8];
	uint64_t length;
	unsigned char block[64];
};

void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, const void *, size_t);
void sha256_end(struct sha256 *, unsigned char sum[32]);

uint32_t crc32(const void *, size_t);

/* The processes. Each returns its exit status. */
int produce(struct shared *, int out, uint64_t bytes, uint64_t rate);
int check(struct shared *, int in);
int carry(struct shared *, int socket, int from_producer, int to_checker);

void die(const char *what) __attribute__((noreturn));
