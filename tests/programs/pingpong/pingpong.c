/*
 * pingpong sends a message to and fro over TCP and measures each round trip. For the benchmark.
 *
 *	pingpong listen ADDRESS PORT
 *	pingpong dial ADDRESS PORT BYTES SECONDS
 *
 * dial prints one line: how many rounds there were in a second, and of one round the median and the 99th
 * percentile in microseconds. listen serves one client after the other.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../measure.h"

enum { most = 64 << 10, samples = 4 << 20 };

static char message[most];

/* whole reads n bytes; it returns 0 at the end. */
static int whole(int s, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = read(s, message, n - at);

		if (k < 0)
			err(1, "read");
		if (k == 0)
			return 0;
		at += k;
	}
	return 1;
}

static void say(int s, size_t n)
{
	for (size_t at = 0; at < n;) {
		ssize_t k = write(s, message, n - at);

		if (k < 0)
			err(1, "write");
		at += k;
	}
}

static void serve(int s)
{
	for (;;) {
		ssize_t n = read(s, message, most);

		if (n < 0)
			warn("read");
		if (n <= 0)
			return;
		say(s, n);
	}
}

static void measure(int s, size_t bytes, double seconds)
{
	uint32_t *took = malloc(samples * sizeof *took);
	uint64_t began, last;
	size_t n = 0;

	if (took == NULL)
		err(1, "malloc");
	for (int i = 0; i < 200; i++) { /* to get warm */
		say(s, bytes);
		if (!whole(s, bytes))
			errx(1, "the other end has closed");
	}
	began = last = now();
	while (n < samples && last - began < seconds * 1e9) {
		uint64_t at;

		say(s, bytes);
		if (!whole(s, bytes))
			errx(1, "the other end has closed");
		at = now();
		took[n++] = at - last;
		last = at;
	}
	qsort(took, n, sizeof *took, later);
	printf("%.1f %.3f %.3f\n", n * 1e9 / (last - began), took[n / 2] / 1e3, took[n * 99 / 100] / 1e3);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int s, one = 1, listens = argc == 4 && strcmp(argv[1], "listen") == 0;

	if (!listens && (argc != 6 || strcmp(argv[1], "dial") != 0))
		errx(2, "see the beginning of pingpong.c");
	if (inet_pton(AF_INET, argv[2], &at.sin_addr) != 1)
		errx(2, "%s is no IPv4 address", argv[2]);
	at.sin_port = htons(atoi(argv[3]));
	signal(SIGPIPE, SIG_IGN);
	if ((s = socket(AF_INET, SOCK_STREAM, 0)) < 0)
		err(1, "socket");
	if (!listens) {
		size_t bytes = atoi(argv[4]);

		if (bytes < 1 || bytes > most)
			errx(2, "%s is no good number of bytes", argv[4]);
		if (connect(s, (struct sockaddr *)&at, sizeof at) < 0)
			err(1, "connect");
		setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		measure(s, bytes, atof(argv[5]));
		return 0;
	}
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, (struct sockaddr *)&at, sizeof at) < 0 || listen(s, 16) < 0)
		err(1, "listen");
	for (;;) {
		int c = accept(s, NULL, NULL);

		if (c < 0)
			err(1, "accept");
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		serve(c);
		close(c);
	}
}
