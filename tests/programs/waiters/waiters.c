/* A thread for each way to wait for a socket.
 *
 *     waiters HOST PORT SILENT LISTEN
 *     waiters -serve PORT
 *
 * The threads wait for bytes from HOST:PORT, in recv, poll and epoll_wait; for a connection to the port LISTEN,
 * in accept; and for SILENT:PORT, which does not answer for now, in connect and, with a non-blocking socket, in
 * poll. Each says "NAME TID" before it waits, and "NAME done" or what went wrong after. With -serve it accepts
 * connections, and sends a byte to those that there are when a line comes from standard input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **args; /* HOST PORT SILENT LISTEN */

static int fail(const char *what)
{
	printf("%s failed: %s\n", what, strerror(errno));
	fflush(stdout);
	return -1;
}

static struct addrinfo *find(const char *host, const char *port)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *a;
	if (getaddrinfo(host, port, &hints, &a))
		exit(2);
	return a;
}

static int connected(void)
{
	struct addrinfo *a = find(args[0], args[1]);
	int s = socket(a->ai_family, SOCK_STREAM, 0);
	return connect(s, a->ai_addr, a->ai_addrlen) ? fail("first connect") : s;
}

static int listening(const char *port)
{
	struct addrinfo *a = find("0.0.0.0", port);
	int s = socket(a->ai_family, SOCK_STREAM, 0), one = 1;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	return bind(s, a->ai_addr, a->ai_addrlen) || listen(s, 10) ? fail("listen") : s;
}

static void waits(const char *name)
{
	printf("%s %ld\n", name, syscall(SYS_gettid));
	fflush(stdout);
}

static int receive(int s)
{
	char byte;
	return recv(s, &byte, 1, 0) == 1 && byte == '!' ? 0 : fail("recv");
}

static int wait_recv(const char *name)
{
	int s = connected();
	waits(name);
	return receive(s);
}

static int wait_poll(const char *name)
{
	struct pollfd p = {.fd = connected(), .events = POLLIN};
	waits(name);
	if (poll(&p, 1, -1) != 1 || p.revents != POLLIN)
		return fail(name);
	return receive(p.fd);
}

static int wait_epoll(const char *name)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLET};
	int s = connected(), set = epoll_create1(0);
	epoll_ctl(set, EPOLL_CTL_ADD, s, &e);
	waits(name);
	if (epoll_wait(set, &e, 1, -1) != 1 || e.events != EPOLLIN)
		return fail(name);
	return receive(s);
}

static int wait_accept(const char *name)
{
	int s = listening(args[3]);
	waits(name);
	int c = accept(s, NULL, NULL);
	return c < 0 || send(c, "!", 1, 0) != 1 || close(c) ? fail(name) : 0;
}

static int wait_connect(const char *name)
{
	struct addrinfo *a = find(args[2], args[1]);
	int s = socket(a->ai_family, SOCK_STREAM, 0);
	waits(name);
	return connect(s, a->ai_addr, a->ai_addrlen) ? fail(name) : 0;
}

static int wait_nonblocking(const char *name)
{
	struct addrinfo *a = find(args[2], args[1]);
	struct pollfd p = {.fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK, 0), .events = POLLOUT};
	socklen_t size = sizeof errno;
	if (connect(p.fd, a->ai_addr, a->ai_addrlen) == 0 || errno != EINPROGRESS)
		return fail(name);
	waits(name);
	if (poll(&p, 1, -1) != 1)
		return fail(name);
	getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &errno, &size);
	return errno ? fail(name) : 0;
}

static const struct waiter {
	const char *name;
	int (*wait)(const char *name);
} waiters[] = {
	{"recv", wait_recv}, {"poll", wait_poll}, {"epoll", wait_epoll},
	{"accept", wait_accept}, {"connect", wait_connect}, {"nonblocking", wait_nonblocking},
};

enum { N = sizeof waiters / sizeof *waiters };

static void *run(void *arg)
{
	const struct waiter *w = arg;
	if (w->wait(w->name))
		return "failed";
	printf("%s done\n", w->name);
	fflush(stdout);
	return NULL;
}

static int serve(const char *port)
{
	struct pollfd p[] = {{.fd = listening(port), .events = POLLIN}, {.fd = 0, .events = POLLIN}};
	int conns[20], n = 0;
	char line[80];
	for (;;) {
		if (poll(p, 2, -1) < 0)
			return 1;
		if (p[0].revents && n < 20) {
			conns[n++] = accept(p[0].fd, NULL, NULL);
			printf("%d connected\n", n);
			fflush(stdout);
		}
		if (p[1].revents) {
			if (read(0, line, sizeof line) <= 0)
				return 0;
			for (int i = 0; i < n; i++)
				send(conns[i], "!", 1, MSG_NOSIGNAL);
		}
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "-serve"))
		return serve(argv[2]);
	if (argc != 5)
		return 2;
	args = argv + 1;
	pthread_t threads[N];
	void *result, *worst = NULL;
	for (int i = 0; i < N; i++)
		pthread_create(&threads[i], NULL, run, (void *)&waiters[i]);
	for (int i = 0; i < N; i++) {
		pthread_join(threads[i], &result);
		worst = result ? result : worst;
	}
	return worst != NULL;
}
