// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcpbench: what TCP does over a path: short connections, round trips, a
 * stream, and connections that are held while something else happens.
 *
 * tcpbench serve PORTS                          on any IPv4 address
 * tcpbench connect HOST PORTS SECONDS [THREADS] connect, a byte there, a byte
 *                                               back, the server closes first
 * tcpbench echo HOST PORT SECONDS               a byte there and back, again
 * tcpbench stream HOST PORT SECONDS             one way, one connection
 * tcpbench hold HOST PORTS COUNT                until SIGTERM; then tries each
 *
 * PORTS is FIRST[-LAST[/STEP]]; a client takes one of them at random each
 * time.  Clients print one line of KEY=VALUE: rate (connections or round trips
 * a second, or Gbit/s), p50 and p99 in microseconds, and what failed: refused,
 * timeout (by the kernel's limits, or not ended 5 s after the run), other.
 * Exit status 1 if nothing succeeded.
 *
 * The first byte of a connection says what it is for.  Listeners are waited
 * for with one epoll set a thread, so that one port and five thousand cost the
 * server the same; a long connection has a thread of its own that blocks.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"

#define ONCE      'c'
#define ECHO_BACK 'e'
#define STREAM    's'

#define SERVERS   4
#define SLOT_NS   100 /* of the histogram */
#define SLOTS     (1u << 17)
#define BLOCK     (128u << 10)
#define GRACE_S   5

struct ports {
	unsigned int first, count, step;
};

enum outcome {
	OUT_OK,
	OUT_REFUSED,
	OUT_TIMEOUT,
	OUT_OTHER,
	OUT_MAX,
};

struct client {
	struct sockaddr_in to;
	struct ports ports;
	uint64_t end_ns, seed;
	uint64_t count[OUT_MAX];
	atomic_int fd;        /* of the connection under way; -1 */
	atomic_bool too_late; /* the run ended long ago */
	uint32_t *slot;       /* histogram */
};

static void die(const char *what)
{
	fprintf(stderr, "tcpbench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct ports ports_parse(const char *s)
{
	unsigned int first = 0, last, step = 1;
	int n = sscanf(s, "%u-%u/%u", &first, &last, &step);

	if (n == 1)
		last = first;
	if (n < 1 || first == 0 || last < first || last > 65535 || step == 0) {
		fprintf(stderr, "tcpbench: %s: not FIRST[-LAST[/STEP]]\n", s);
		exit(2);
	}
	return (struct ports){ .first = first,
			       .count = (last - first) / step + 1,
			       .step = step };
}

static uint16_t ports_at(const struct ports *p, uint64_t n)
{
	return htons((uint16_t)(p->first + n % p->count * p->step));
}

/* Round trips between two processors, or on the only one. */
static void stay_on(long cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* bbr paces, which is not what is asked about. */
static void plain(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* --- the server ---------------------------------------------------------- */

static void serve_stream(int fd)
{
	uint64_t sum = 0;
	_cleanup_free_ char *buf = malloc(BLOCK);
	ssize_t n;

	while (buf && (n = recv(fd, buf, BLOCK, 0)) > 0)
		sum += (uint64_t)n;
	(void)!send(fd, &sum, sizeof(sum), MSG_NOSIGNAL);
}

static void serve_echo(int fd)
{
	char c = ECHO_BACK;

	stay_on(sysconf(_SC_NPROCESSORS_ONLN) - 1);
	while (send(fd, &c, 1, MSG_NOSIGNAL) == 1 && recv(fd, &c, 1, 0) == 1)
		;
}

struct long_one {
	int fd;
	char kind;
};

static void *serve_long(void *arg)
{
	struct long_one *l = arg;
	const struct timeval never = { 0 };

	setsockopt(l->fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof(never));
	plain(l->fd);
	if (l->kind == STREAM)
		serve_stream(l->fd);
	else
		serve_echo(l->fd);
	close(l->fd);
	free(l);
	return NULL;
}

static void hand_over(int fd, char kind)
{
	struct long_one *l = malloc(sizeof(*l));
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64u << 10);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (l)
		*l = (struct long_one){ .fd = fd, .kind = kind };
	if (!l || pthread_create(&t, &attr, serve_long, l)) {
		free(l);
		close(fd);
	}
	pthread_attr_destroy(&attr);
}

static void serve_one(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char c;

	if (fd < 0)
		return;
	/* Waits 2 s at most, as the listener says: a peer may be cut off. */
	if (recv(fd, &c, 1, 0) != 1) {
		close(fd);
	} else if (c != ONCE) {
		hand_over(fd, c);
	} else {
		(void)!send(fd, &c, 1, MSG_NOSIGNAL);
		close(fd);
	}
}

struct listeners {
	unsigned int count;
	int *fd;
};

static void *serve(void *arg)
{
	const struct listeners *l = arg;
	struct epoll_event ev[64];
	int ep = epoll_create1(EPOLL_CLOEXEC);

	for (unsigned int i = 0; i < l->count; i++) {
		ev[0].events = EPOLLIN | EPOLLEXCLUSIVE;
		ev[0].data.fd = l->fd[i];
		if (epoll_ctl(ep, EPOLL_CTL_ADD, l->fd[i], ev) < 0)
			die("epoll");
	}
	for (;;) {
		int n = epoll_wait(ep, ev, 64, -1);

		for (int i = 0; i < n; i++)
			serve_one(ev[i].data.fd);
	}
	return NULL;
}

static int listen_on(uint16_t port)
{
	const struct timeval limit = { .tv_sec = 2 };
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = port };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 4096) < 0)
		die("listen");
	return fd;
}

static int server(struct ports ports)
{
	struct listeners l = { .count = ports.count };
	pthread_t t;

	l.fd = calloc(l.count, sizeof(*l.fd));
	if (!l.fd)
		die("serve");
	for (unsigned int i = 0; i < l.count; i++)
		l.fd[i] = listen_on(ports_at(&ports, i));
	for (int i = 0; i < SERVERS; i++)
		if (pthread_create(&t, NULL, serve, &l))
			die("thread");
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

/* --- clients ------------------------------------------------------------- */

static enum outcome outcome_of(int error)
{
	if (error == ECONNREFUSED)
		return OUT_REFUSED;
	return error == ETIMEDOUT ? OUT_TIMEOUT : OUT_OTHER;
}

static enum outcome once(struct client *c)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	enum outcome out;
	char b = ONCE;

	c->seed ^= c->seed << 13;
	c->seed ^= c->seed >> 7;
	c->seed ^= c->seed << 17;
	c->to.sin_port = ports_at(&c->ports, c->seed);
	atomic_store_explicit(&c->fd, fd, memory_order_relaxed);
	errno = 0;
	if (connect(fd, (const struct sockaddr *)&c->to, sizeof(c->to)) == 0 &&
	    send(fd, &b, 1, MSG_NOSIGNAL) == 1 && recv(fd, &b, 1, 0) == 1 &&
	    recv(fd, &b, 1, 0) == 0)
		out = OUT_OK;
	else
		out = outcome_of(errno);
	atomic_store_explicit(&c->fd, -1, memory_order_relaxed);
	close(fd);
	return atomic_load(&c->too_late) ? OUT_TIMEOUT : out;
}

static void *run(void *arg)
{
	struct client *c = arg;
	uint64_t t = now_ns();

	while (t < c->end_ns) {
		enum outcome out = once(c);
		uint64_t t2 = now_ns(), slot = (t2 - t) / SLOT_NS;

		c->count[out]++;
		if (out == OUT_OK)
			c->slot[slot < SLOTS ? slot : SLOTS - 1]++;
		t = t2;
	}
	return NULL;
}

/* A connection whose packets are lost would hold its thread for minutes. */
static void join(pthread_t t, struct client *c)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	if (now_ns() < c->end_ns)
		until.tv_sec += (time_t)((c->end_ns - now_ns()) / 1000000000u);
	until.tv_sec += GRACE_S;
	while (pthread_timedjoin_np(t, NULL, &until) == ETIMEDOUT) {
		atomic_store(&c->too_late, true);
		shutdown(atomic_load(&c->fd), SHUT_RDWR);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec++;
	}
}

static double quantile(const uint32_t *slot, uint64_t n, double q)
{
	uint64_t seen = 0;
	unsigned int i = 0;

	if (n == 0)
		return 0;
	for (; i < SLOTS - 1 && (double)(seen + slot[i]) < q * (double)n; i++)
		seen += slot[i];
	return (i + 1) * SLOT_NS / 1e3;
}

/* The line of a client that has ended; its histogram is freed. */
static int tell(double rate, struct client *c)
{
	printf("rate=%.1f p50=%.1f p99=%.1f refused=%llu timeout=%llu "
	       "other=%llu\n",
	       rate, quantile(c->slot, c->count[OUT_OK], 0.5),
	       quantile(c->slot, c->count[OUT_OK], 0.99),
	       (unsigned long long)c->count[OUT_REFUSED],
	       (unsigned long long)c->count[OUT_TIMEOUT],
	       (unsigned long long)c->count[OUT_OTHER]);
	free(c->slot);
	return rate > 0 ? 0 : 1;
}

static struct client client_to(const char *host, const char *ports, double s)
{
	struct client c = { .ports = ports_parse(ports),
			    .to.sin_family = AF_INET,
			    .end_ns = now_ns() + (uint64_t)(s * 1e9),
			    .slot = calloc(SLOTS, sizeof(uint32_t)) };

	if (!c.slot)
		die("client");
	if (inet_pton(AF_INET, host, &c.to.sin_addr) != 1) {
		fprintf(stderr, "tcpbench: %s: no IPv4 address\n", host);
		exit(2);
	}
	c.to.sin_port = ports_at(&c.ports, 0);
	return c;
}

static int client_connect(const char *host, const char *ports, double seconds,
			  unsigned int threads)
{
	_cleanup_free_ struct client *c = calloc(threads, sizeof(*c));
	_cleanup_free_ pthread_t *t = calloc(threads, sizeof(*t));

	if (!c || !t)
		die("client");
	for (unsigned int i = 0; i < threads; i++) {
		c[i] = client_to(host, ports, seconds);
		c[i].seed = now_ns() | 1;
		if (pthread_create(&t[i], NULL, run, &c[i]))
			die("thread");
	}
	for (unsigned int i = 0; i < threads; i++) {
		join(t[i], &c[i]);
		for (unsigned int j = 0; i && j < SLOTS; j++)
			c[0].slot[j] += c[i].slot[j];
		for (int j = 0; i && j < OUT_MAX; j++)
			c[0].count[j] += c[i].count[j];
		if (i)
			free(c[i].slot);
	}
	return tell((double)c[0].count[OUT_OK] / seconds, &c[0]);
}

static int dial(const struct client *c, char kind)
{
	const struct timeval limit = { .tv_sec = 5 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	plain(fd);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&c->to, sizeof(c->to)) < 0 ||
	    send(fd, &kind, 1, MSG_NOSIGNAL) != 1) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool there_and_back(int fd, bool send_first)
{
	char b = ECHO_BACK;

	return (!send_first || send(fd, &b, 1, MSG_NOSIGNAL) == 1) &&
	       recv(fd, &b, 1, 0) == 1;
}

static int client_echo(const char *host, const char *port, double seconds)
{
	struct client c = client_to(host, port, seconds);
	uint64_t t, start;
	int fd;

	stay_on(0);
	fd = dial(&c, ECHO_BACK);
	if (fd < 0 || !there_and_back(fd, false))
		die("echo");
	start = t = now_ns();
	while (t < c.end_ns) {
		uint64_t t2, slot;

		if (!there_and_back(fd, true))
			die("echo");
		t2 = now_ns();
		slot = (t2 - t) / SLOT_NS;
		c.slot[slot < SLOTS ? slot : SLOTS - 1]++;
		c.count[OUT_OK]++;
		t = t2;
	}
	close(fd);
	return tell((double)c.count[OUT_OK] * 1e9 / (double)(t - start), &c);
}

static int client_stream(const char *host, const char *port, double seconds)
{
	struct client c = client_to(host, port, seconds);
	_cleanup_free_ char *buf = calloc(1, BLOCK);
	uint64_t start, sum = 0;
	int fd = dial(&c, STREAM);

	if (fd < 0 || !buf)
		die("stream");
	start = now_ns();
	while (now_ns() < c.end_ns)
		if (send(fd, buf, BLOCK, MSG_NOSIGNAL) <= 0)
			die("stream");
	shutdown(fd, SHUT_WR);
	/* what the server got, when it had got it */
	if (recv(fd, &sum, sizeof(sum), MSG_WAITALL) != sizeof(sum))
		die("stream");
	close(fd);
	return tell((double)sum * 8 / (double)(now_ns() - start), &c);
}

/* All are asked, then all have GRACE_S together: a thousand dead ones would take
 * more than an hour one by one. */
static unsigned int dead_of(const int *fd, unsigned int count)
{
	uint64_t end = now_ns() + GRACE_S * 1000000000ull;
	unsigned int dead = 0;
	char b = ECHO_BACK;

	for (unsigned int i = 0; i < count; i++)
		(void)!send(fd[i], &b, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (unsigned int i = 0; i < count; i++) {
		struct pollfd p = { .fd = fd[i], .events = POLLIN };
		uint64_t t = now_ns();

		poll(&p, 1, t < end ? (int)((end - t) / 1000000) + 1 : 0);
		dead += recv(fd[i], &b, 1, MSG_DONTWAIT) != 1;
	}
	return dead;
}

static int client_hold(const char *host, const char *ports, unsigned int count)
{
	struct client c = client_to(host, ports, 0);
	_cleanup_free_ int *fd = calloc(count, sizeof(*fd));
	int sig;
	unsigned int dead;
	sigset_t set;

	if (!fd)
		die("hold");
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (unsigned int i = 0; i < count; i++) {
		c.to.sin_port = ports_at(&c.ports, i);
		fd[i] = dial(&c, ECHO_BACK);
		if (fd[i] < 0 || !there_and_back(fd[i], false))
			die("hold");
	}
	printf("held=%u\n", count);
	fflush(stdout);
	sigwait(&set, &sig);
	dead = dead_of(fd, count);
	for (unsigned int i = 0; i < count; i++)
		close(fd[i]);
	free(c.slot);
	printf("held=%u dead=%u\n", count, dead);
	return dead ? 1 : 0;
}

static unsigned int number(const char *s)
{
	unsigned int n = (unsigned int)strtoul(s, NULL, 10);

	return n ? n : 1;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (argc == 3 && strcmp(verb, "serve") == 0)
		return server(ports_parse(argv[2]));
	if (argc >= 5 && strcmp(verb, "connect") == 0)
		return client_connect(argv[2], argv[3], strtod(argv[4], NULL),
				      argc > 5 ? number(argv[5]) : 8);
	if (argc == 5 && strcmp(verb, "echo") == 0)
		return client_echo(argv[2], argv[3], strtod(argv[4], NULL));
	if (argc == 5 && strcmp(verb, "stream") == 0)
		return client_stream(argv[2], argv[3], strtod(argv[4], NULL));
	if (argc == 5 && strcmp(verb, "hold") == 0)
		return client_hold(argv[2], argv[3], number(argv[4]));
	fprintf(stderr, "usage: tcpbench serve PORTS | "
			"connect HOST PORTS SECONDS [THREADS] | "
			"echo HOST PORT SECONDS | stream HOST PORT SECONDS | "
			"hold HOST PORTS COUNT\n");
	return 2;
}
