// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dnsbench: what a name server answers in a second, and how soon.
 *
 * dnsbench serve PORT                 the least a server can do: every question has one
 *                                     answer, 10.0.0.1, and no name is looked at
 * dnsbench load HOST PORT SECONDS     two sockets, 32 questions each under way
 * dnsbench ask HOST PORT SECONDS      one question, its answer, the next
 *
 * Asked for is the IPv4 address of n00000 to n09999, at random.  One line of KEY=VALUE:
 * rate (answers a second), p50 and p99 in microseconds, lost (none within a second), bad
 * (not one address and no error).  Exit status 1 where something was lost or bad, or
 * nothing was answered.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"

#define NAMES    10000u
#define NAME_LEN 6u /* n00000 */
#define BATCH    32u
#define SERVERS  2u
#define CLIENTS  2u
#define SLOT_NS  100u /* of the histogram */
#define SLOTS    (1u << 16)
#define BYTES    512u
#define HEADER   12u

struct client {
	struct sockaddr_in to;
	unsigned int window; /* questions under way */
	uint64_t end_ns, seed;
	uint64_t ok, lost, bad;
	uint64_t *sent_ns; /* by id; 0: not asked */
	uint32_t *slot;    /* histogram */
};

static void die(const char *what)
{
	fprintf(stderr, "dnsbench: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct sockaddr_in address(const char *host, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)atoi(port)) };

	if (inet_pton(AF_INET, host, &a.sin_addr) != 1) {
		fprintf(stderr, "dnsbench: %s: not an IPv4 address\n", host);
		exit(2);
	}
	return a;
}

/* --- messages -------------------------------------------------------------- */

/* After the name at @at, spelled out or a pointer, with room for @more; 0: it is not
 * whole. */
static size_t name_end(const uint8_t *m, size_t len, size_t at, size_t more)
{
	while (at < len && m[at] != 0 && m[at] < 64)
		at += m[at] + 1u;
	if (at < len)
		at += m[at] < 64 ? 1 : 2;
	return at + more <= len ? at : 0;
}

/* After the only question's type and class; 0: there is none whole. */
static size_t question_end(const uint8_t *m, size_t len)
{
	size_t at = name_end(m, len, HEADER, 4);

	return at ? at + 4 : 0;
}

static size_t make_question(uint8_t m[static BYTES], uint16_t id, uint32_t n)
{
	static const uint8_t rest[] = { 0, 0, 1, 0, 1 }; /* root; A; IN */
	char name[NAME_LEN + 2];
	size_t at = HEADER;

	memset(m, 0, HEADER);
	m[0] = (uint8_t)(id >> 8);
	m[1] = (uint8_t)id;
	m[2] = 1; /* recursion is wanted */
	m[5] = 1; /* question */
	snprintf(name, sizeof(name), "n%05u", n % NAMES);
	m[at++] = NAME_LEN;
	memcpy(m + at, name, NAME_LEN);
	at += NAME_LEN;
	memcpy(m + at, rest, sizeof(rest));
	return at + sizeof(rest);
}

/* One address and no error. */
static bool is_answer(const uint8_t *m, size_t len)
{
	size_t at = question_end(m, len);

	if (!at || !(m[2] & 0x80) || (m[3] & 15) || m[6] != 0 || m[7] != 1)
		return false;
	at = name_end(m, len, at, 14);
	return at && m[at] == 0 && m[at + 1] == 1;
}

/* --- the server -------------------------------------------------------------- */

static size_t make_answer(uint8_t *m, size_t len)
{
	static const uint8_t record[] = { 0xc0, 0x0c, 0, 1, 0,  1, 0, 0,
					  0,    5,    0, 4, 10, 0, 0, 1 };
	size_t at = question_end(m, len);

	if (!at || at + sizeof(record) > BYTES)
		return 0;
	m[2] = 0x81;
	m[3] = 0x80;
	m[7] = 1;
	memset(m + 8, 0, 4); /* no EDNS */
	memcpy(m + at, record, sizeof(record));
	return at + sizeof(record);
}

static void *server(void *ctx)
{
	static _Thread_local uint8_t bytes[BATCH][BYTES];
	struct sockaddr_in from[BATCH];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	const int fd = *(const int *)ctx;

	for (;;) {
		unsigned int n = 0;
		int got;

		for (unsigned int i = 0; i < BATCH; i++) {
			v[i] = (struct iovec){ bytes[i], BYTES };
			m[i] = (struct mmsghdr){
				.msg_hdr = { .msg_name = &from[i],
					     .msg_namelen = sizeof(from[i]),
					     .msg_iov = &v[i],
					     .msg_iovlen = 1 },
			};
		}
		got = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, NULL);
		if (got < 0 && errno != EINTR)
			die("recvmmsg");
		for (int i = 0; i < got; i++) {
			v[i].iov_len = make_answer(bytes[i], m[i].msg_len);
			if (v[i].iov_len)
				m[n++] = m[i];
		}
		if (n)
			(void)sendmmsg(fd, m, n, 0);
	}
	return NULL;
}

static int serve(const char *port)
{
	const struct sockaddr_in a = address("0.0.0.0", port);
	pthread_t thread[SERVERS];
	int fd[SERVERS], one = 1;

	for (unsigned int i = 0; i < SERVERS; i++) {
		fd[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (fd[i] < 0 ||
		    setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &one,
			       sizeof(one)) < 0 ||
		    bind(fd[i], (const struct sockaddr *)&a, sizeof(a)) < 0)
			die("listen");
	}
	for (unsigned int i = 0; i < SERVERS; i++)
		if (pthread_create(&thread[i], NULL, server, &fd[i]) != 0)
			die("pthread_create");
	puts("ready");
	fflush(stdout);
	for (unsigned int i = 0; i < SERVERS; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

/* --- the client --------------------------------------------------------------- */

static uint32_t any(struct client *c)
{
	c->seed = c->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(c->seed >> 33);
}

static void ask(struct client *c, int fd, unsigned int count)
{
	uint8_t bytes[BATCH][BYTES];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	uint64_t now = now_ns();

	for (unsigned int i = 0; i < count; i++) {
		uint16_t id;

		do
			id = (uint16_t)any(c);
		while (c->sent_ns[id]);
		v[i] = (struct iovec){ bytes[i],
				       make_question(bytes[i], id, any(c)) };
		m[i] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 },
		};
		c->sent_ns[id] = now;
	}
	for (unsigned int done = 0; done < count;) {
		int n = sendmmsg(fd, m + done, count - done, 0);

		if (n < 0 && errno != EINTR)
			die("sendmmsg");
		done += n > 0 ? (unsigned int)n : 0;
	}
}

static void take(struct client *c, const uint8_t *m, size_t len, uint64_t now)
{
	uint16_t id = (uint16_t)(m[0] << 8 | m[1]);
	uint64_t slot;

	if (len < HEADER || !c->sent_ns[id])
		return; /* one that was given up */
	slot = (now - c->sent_ns[id]) / SLOT_NS;
	c->slot[slot < SLOTS ? slot : SLOTS - 1]++;
	c->sent_ns[id] = 0;
	if (is_answer(m, len))
		c->ok++;
	else
		c->bad++;
}

/* Return: how many came; 0: none within a second. */
static unsigned int receive(struct client *c, int fd)
{
	uint8_t bytes[BATCH][BYTES];
	struct mmsghdr m[BATCH];
	struct iovec v[BATCH];
	uint64_t now;
	int n;

	for (unsigned int i = 0; i < BATCH; i++) {
		v[i] = (struct iovec){ bytes[i], BYTES };
		m[i] = (struct mmsghdr){
			.msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 },
		};
	}
	do
		n = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, NULL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN)
		die("recvmmsg");
	now = now_ns();
	for (int i = 0; i < n; i++)
		take(c, bytes[i], m[i].msg_len, now);
	return n > 0 ? (unsigned int)n : 0;
}

static void *client(void *ctx)
{
	struct client *c = ctx;
	const struct timeval second = { .tv_sec = 1 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned int under_way = 0;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) <
		    0 ||
	    connect(fd, (const struct sockaddr *)&c->to, sizeof(c->to)) < 0)
		die("connect");
	while (now_ns() < c->end_ns) {
		unsigned int n;

		ask(c, fd, c->window - under_way);
		n = receive(c, fd);
		under_way = c->window - n;
		if (n)
			continue;
		c->lost += c->window;
		under_way = 0;
		memset(c->sent_ns, 0, sizeof(*c->sent_ns) << 16);
	}
	return NULL;
}

static double quantile(const struct client *c, unsigned int count, double q)
{
	uint64_t all = 0, sum = 0;

	for (unsigned int i = 0; i < count; i++)
		all += c[i].ok + c[i].bad;
	for (size_t s = 0; s < SLOTS; s++) {
		for (unsigned int i = 0; i < count; i++)
			sum += c[i].slot[s];
		if ((double)sum >= q * (double)all)
			return ((double)s + 0.5) * SLOT_NS / 1000;
	}
	return 0;
}

static int run(const char *host, const char *port, const char *seconds,
	       unsigned int count, unsigned int window)
{
	struct client c[CLIENTS];
	pthread_t thread[CLIENTS];
	uint64_t ok = 0, lost = 0, bad = 0, begin = now_ns();
	double took;

	for (unsigned int i = 0; i < count; i++) {
		c[i] = (struct client){
			.to = address(host, port),
			.window = window,
			.end_ns = begin + (uint64_t)(atof(seconds) * 1e9),
			.seed = begin + i,
			.sent_ns = calloc(1u << 16, sizeof(uint64_t)),
			.slot = calloc(SLOTS, sizeof(uint32_t)),
		};
		if (!c[i].sent_ns || !c[i].slot)
			die("memory");
		if (pthread_create(&thread[i], NULL, client, &c[i]) != 0)
			die("pthread_create");
	}
	for (unsigned int i = 0; i < count; i++) {
		pthread_join(thread[i], NULL);
		ok += c[i].ok;
		lost += c[i].lost;
		bad += c[i].bad;
	}
	took = (double)(now_ns() - begin) / 1e9;
	printf("rate=%.1f p50=%.1f p99=%.1f lost=%llu bad=%llu\n",
	       (double)ok / took, quantile(c, count, 0.5),
	       quantile(c, count, 0.99), (unsigned long long)lost,
	       (unsigned long long)bad);
	for (unsigned int i = 0; i < count; i++) {
		free(c[i].sent_ns);
		free(c[i].slot);
	}
	return !ok || lost || bad;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 5 && strcmp(argv[1], "load") == 0)
		return run(argv[2], argv[3], argv[4], CLIENTS, BATCH);
	if (argc == 5 && strcmp(argv[1], "ask") == 0)
		return run(argv[2], argv[3], argv[4], 1, 1);
	fputs("usage: dnsbench serve PORT | load|ask HOST PORT SECONDS\n",
	      stderr);
	return 2;
}
