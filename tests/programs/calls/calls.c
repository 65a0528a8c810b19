/*
 * calls measures what single system calls cost. For the benchmark.
 *
 *	calls COUNT
 *
 * It prints one line for each kind of call: its name and what one took in microseconds, on the average of COUNT.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../measure.h"

static struct sockaddr_in at = {.sin_family = AF_INET};
static int fd;

static int new_socket(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (s < 0)
		err(1, "socket");
	return s;
}

static void call_getppid(void) { syscall(SYS_getppid); }

static void call_getpeername(void)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;

	if (getpeername(fd, (struct sockaddr *)&a, &n) < 0)
		err(1, "getpeername");
}

static void call_getsockname(void)
{
	struct sockaddr_in a;
	socklen_t n = sizeof a;

	if (getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		err(1, "getsockname");
}

static void call_setsockopt(void)
{
	int one = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one) < 0)
		err(1, "setsockopt");
}

/* Nobody listens at port 1 of loopback, so that this is the call alone. */
static void call_connect(void)
{
	struct sockaddr_in a = at;
	int s = new_socket();

	a.sin_port = htons(1);
	if (connect(s, (struct sockaddr *)&a, sizeof a) == 0)
		errx(1, "somebody listens at port 1");
	close(s);
}

static void measure(const char *name, void (*call)(void), int count)
{
	uint64_t began;

	for (int i = 0; i < 50; i++) /* to get warm */
		call();
	began = now();
	for (int i = 0; i < count; i++)
		call();
	printf("%s %.3f\n", name, (now() - began) / 1e3 / count);
}

int main(int argc, char **argv)
{
	int count = argc == 2 ? atoi(argv[1]) : 0, listener = new_socket();
	socklen_t n = sizeof at;

	if (count < 1)
		errx(2, "see the beginning of calls.c");
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = new_socket();
	if (bind(listener, (struct sockaddr *)&at, sizeof at) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&at, &n) < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0)
		err(1, "connect to myself");
	measure("getppid", call_getppid, count);
	measure("setsockopt", call_setsockopt, count);
	measure("getsockname", call_getsockname, count);
	measure("getpeername", call_getpeername, count);
	measure("connect", call_connect, count);
	return 0;
}
