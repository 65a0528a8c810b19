/* The carrier: an epoll loop between the socket and the other processes. */
#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

/* A way is one direction: bytes are read here and written there. */
struct way {
	int from, to;
	size_t begin, end; /* of what is in buf */
	int over;          /* nothing more comes */
	unsigned char buf[BLOCK];
};

/* step moves what can be moved without waiting. */
static void step(struct way *w)
{
	if (w->begin == w->end && !w->over) {
		ssize_t n = read(w->from, w->buf, sizeof w->buf);
		if (n < 0 && errno != EAGAIN)
			die("read");
		if (n >= 0)
			w->begin = 0, w->end = n;
		if (n == 0) {
			w->over = 1;
			shutdown(w->to, SHUT_WR);
		}
	}
	if (w->begin < w->end) {
		ssize_t n = send(w->to, w->buf + w->begin, w->end - w->begin, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			die("send");
		if (n > 0)
			w->begin += n;
	}
}

static int reads(const struct way *w) { return !w->over && w->begin == w->end; }
static int writes(const struct way *w) { return w->begin < w->end; }

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void hex(char *to, const unsigned char sum[32])
{
	for (int i = 0; i < 32; i++)
		sprintf(to + 2 * i, "%02x", sum[i]);
}

static void report(struct shared *s, const char *event, int failed)
{
	char sent[65] = "", received[65] = "";
	if (!strcmp(event, "end"))
		hex(sent, s->sent_sha), hex(received, s->received_sha);
	printf("{\"event\":\"%s\",\"time\":%.6f,\"sent\":%llu,\"received\":%llu,\"sent_sha\":\"%s\",\"received_sha\":\"%s\",\"error\":\"%s\"}\n",
	       event, now(), (unsigned long long)s->sent, (unsigned long long)s->received, sent, received,
	       failed ? "a process of the job has failed" : "");
	fflush(stdout);
}

static void watch(int set, int op, int fd, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};
	if (epoll_ctl(set, op, fd, &e))
		die("epoll_ctl");
}

/* arm waits for events once, if any are wanted: EPOLLHUP comes even if it is not. */
static void arm(int set, int fd, uint32_t events)
{
	if (events)
		watch(set, EPOLL_CTL_MOD, fd, EPOLLONESHOT | events);
}

int carry(struct shared *s, int socket, int from_producer, int to_checker)
{
	static struct way out, in;
	out.from = from_producer, out.to = socket;
	in.from = socket, in.to = to_checker;
	for (int *p = (int[]){socket, from_producer, to_checker, -1}; *p >= 0; p++)
		fcntl(*p, F_SETFL, fcntl(*p, F_GETFL) | O_NONBLOCK);

	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	struct itimerspec every = {{0, 50000000}, {0, 50000000}};
	int ended = signalfd(-1, &chld, SFD_NONBLOCK), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	timerfd_settime(timer, 0, &every, NULL);

	int set = epoll_create1(0), children = 2, failed = 0;
	watch(set, EPOLL_CTL_ADD, ended, EPOLLIN);
	watch(set, EPOLL_CTL_ADD, timer, EPOLLIN);
	for (int *p = (int[]){socket, from_producer, to_checker, -1}; *p >= 0; p++)
		watch(set, EPOLL_CTL_ADD, *p, EPOLLONESHOT);
	report(s, "connected", 0);
	while (children > 0) {
		arm(set, socket, (reads(&in) ? EPOLLIN : 0) | (writes(&out) ? EPOLLOUT : 0));
		arm(set, from_producer, reads(&out) ? EPOLLIN : 0);
		arm(set, to_checker, writes(&in) ? EPOLLOUT : 0);
		struct epoll_event e[5];
		int n = epoll_wait(set, e, 5, -1), status;
		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++) {
			char skip[512];
			if (e[i].data.fd == timer && read(timer, skip, 8) == 8)
				report(s, "progress", 0);
			if (e[i].data.fd == ended && read(ended, skip, sizeof skip) > 0)
				while (waitpid(-1, &status, WNOHANG) > 0)
					children--, failed |= status != 0;
		}
		if (failed)
			break;
		step(&out);
		step(&in);
	}
	report(s, "end", failed);
	return failed;
}
