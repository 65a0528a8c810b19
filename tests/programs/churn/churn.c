/*
 * churn makes one connection after the other, over each of which a byte goes to and fro. For the benchmark.
 *
 *	churn listen ADDRESS PORT
 *	churn dial ADDRESS PORT COUNT [STEP]
 *
 * dial prints one line: how many connections there were in a second, and of connect() the median and the 99th
 * percentile in microseconds. With a STEP each connection goes to another address, so many further, as to a server that
 * was not met before.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../measure.h"

static int new_socket(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		err(1, "socket");
	return s;
}

static void *echo(void *arg)
{
	int c = (int)(intptr_t)arg;
	char b;

	while (read(c, &b, 1) == 1)
		if (write(c, &b, 1) != 1)
			warn("write");
	close(c);
	return NULL;
}

/* serve has a thread for each connection. A server that has only one would let a second connection wait for the first. */
static void serve(const struct sockaddr_in *at)
{
	int s = new_socket(), one = 1;
	pthread_attr_t detached;
	pthread_t thread;

	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, (const struct sockaddr *)at, sizeof *at) < 0 || listen(s, 128) < 0)
		err(1, "listen");
	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	for (;;) {
		int c = accept(s, NULL, NULL);

		if (c < 0)
			err(1, "accept");
		if ((errno = pthread_create(&thread, &detached, echo, (void *)(intptr_t)c)) != 0)
			err(1, "thread");
	}
}

static void measure(struct sockaddr_in at, size_t count, uint32_t step)
{
	uint32_t *took = malloc(count * sizeof *took);
	uint64_t began = now();
	char b = 'x';

	if (took == NULL)
		err(1, "malloc");
	for (size_t i = 0; i < count; i++) {
		int s = new_socket();
		uint64_t before = now();

		if (connect(s, (struct sockaddr *)&at, sizeof at) < 0)
			err(1, "connection %zu: connect", i);
		took[i] = now() - before;
		if (write(s, &b, 1) != 1 || read(s, &b, 1) != 1)
			err(1, "connection %zu: to and fro", i);
		close(s);
		at.sin_addr.s_addr = htonl(ntohl(at.sin_addr.s_addr) + step);
	}
	began = now() - began;
	qsort(took, count, sizeof *took, later);
	printf("%.1f %.3f %.3f\n", count * 1e9 / began, took[count / 2] / 1e3, took[count * 99 / 100] / 1e3);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	int dials = (argc == 5 || argc == 6) && strcmp(argv[1], "dial") == 0;

	if (!dials && (argc != 4 || strcmp(argv[1], "listen") != 0))
		errx(2, "see the beginning of churn.c");
	if (inet_pton(AF_INET, argv[2], &at.sin_addr) != 1)
		errx(2, "%s is no IPv4 address", argv[2]);
	at.sin_port = htons(atoi(argv[3]));
	if (!dials)
		serve(&at);
	if (atoi(argv[4]) < 1)
		errx(2, "%s is no good number of connections", argv[4]);
	measure(at, atoi(argv[4]), argc == 6 ? atoi(argv[5]) : 0);
	return 0;
}
