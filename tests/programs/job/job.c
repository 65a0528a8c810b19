/* The program of tests/programs/stream as a job of several processes:
 *
 *     job -listen ADDR | -dial ADDR -bytes N [-rate BYTES/S]
 *
 *     producer --pipe--> carrier <==TCP==> peer
 *                           '----Unix socket pair--> checker: thread --ring--> thread
 *
 * The carrier waits in epoll_wait for its non-blocking socket, a pipe, a socket pair, a timerfd and a
 * signalfd. The processes share memory, and have a deleted file open.
 */
#define _GNU_SOURCE
#include "job.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void die(const char *what)
{
	fprintf(stderr, "job: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* find resolves HOST:PORT, [HOST]:PORT or :PORT. */
static struct addrinfo *find(char *at, int flags)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags, .ai_family = AF_UNSPEC}, *found;
	char *port = strrchr(at, ':'), *host = at;
	if (!port)
		die("no port in the address");
	*port++ = 0;
	if (*host == '[')
		host++, host[strlen(host) - 1] = 0;
	if (!*host)
		host = "::";
	if (getaddrinfo(host, port, &hints, &found))
		die("getaddrinfo");
	return found;
}

static int connection(char *listens, char *dials)
{
	struct addrinfo *a = find(listens ? listens : dials, listens ? AI_PASSIVE : 0);
	int s = socket(a->ai_family, SOCK_STREAM, 0), one = 1;
	if (!listens) {
		if (connect(s, a->ai_addr, a->ai_addrlen))
			die("connect");
		return s;
	}
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, a->ai_addr, a->ai_addrlen) || listen(s, 1))
		die("listen");
	printf("{\"event\":\"listening\"}\n");
	fflush(stdout);
	int c = accept(s, NULL, NULL);
	if (c < 0)
		die("accept");
	close(s);
	return c;
}

static struct shared *share(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	if (s == MAP_FAILED)
		die("mmap");
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->mutex, &mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&s->changed, &cond);
	return s;
}

int main(int argc, char **argv)
{
	char *listens = NULL, *dials = NULL;
	uint64_t bytes = 0, rate = 0;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "-listen"))
			listens = argv[i + 1];
		else if (!strcmp(argv[i], "-dial"))
			dials = argv[i + 1];
		else if (!strcmp(argv[i], "-bytes"))
			bytes = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "-rate"))
			rate = strtoull(argv[i + 1], NULL, 10);
	}
	if (!listens == !dials) {
		fprintf(stderr, "job: -listen or -dial is needed\n");
		return 2;
	}
	sigset_t chld;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);

	int s = connection(listens, dials), feed[2], drain[2];
	struct shared *shared = share();
	if (pipe(feed) || socketpair(AF_UNIX, SOCK_STREAM, 0, drain))
		die("pipe");
	if (fork() == 0) {
		close(s), close(feed[0]), close(drain[0]), close(drain[1]);
		exit(produce(shared, feed[1], bytes, rate));
	}
	if (fork() == 0) {
		close(s), close(feed[0]), close(feed[1]), close(drain[0]);
		exit(check(shared, drain[1]));
	}
	close(feed[1]), close(drain[1]);
	return carry(shared, s, feed[0], drain[0]);
}
