// SPDX-License-Identifier: GPL-2.0-or-later
/* pps: numbered datagrams at a steady rate to an echo server, and which of them
 * came back.
 *
 * pps echo PORT                 (IPv4 and IPv6, any address)
 * pps send HOST PORT RATE       until SIGTERM, then prints
 *                               "sent=N lost=M twice=T longest=MS"; status 0
 *                               only if something was sent and nothing lost
 *
 * "longest" is the longest time without an answer.  Both ends have room for some
 * 100,000 datagrams: what a busy processor fetches late is not lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROOM      (64 << 20) /* bytes of socket buffer */
#define LINGER_MS 3000       /* for the last answers */

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int die(const char *what)
{
	fprintf(stderr, "pps: %s: %s\n", what, strerror(errno));
	return 2;
}

static int open_socket(int family)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = ROOM;

	if (fd >= 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room,
				 sizeof(room));
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room,
				 sizeof(room));
	}
	return fd;
}

static int echo(uint16_t port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6,
				    .sin6_port = htons(port) };
	int fd = open_socket(AF_INET6);
	char buf[2048];

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		return die("bind");
	while (!stopped) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0,
				     (struct sockaddr *)&from, &len);

		if (n >= 0)
			(void)sendto(fd, buf, (size_t)n, 0,
				     (struct sockaddr *)&from, len);
	}
	return 0;
}

struct flow {
	int fd;
	uint8_t *seen; /* one a datagram */
	uint32_t sent, back, twice, room;
	uint64_t last_us, longest_us;
};

static void take_answers(struct flow *f)
{
	uint32_t n;

	while (recv(f->fd, &n, sizeof(n), MSG_DONTWAIT) == sizeof(n)) {
		uint64_t now = now_us();

		if (now - f->last_us > f->longest_us)
			f->longest_us = now - f->last_us;
		f->last_us = now;
		if (n >= f->sent)
			continue;
		if (f->seen[n])
			f->twice++;
		else
			f->back++;
		f->seen[n] = 1;
	}
}

static int send_due(struct flow *f, uint32_t due)
{
	if (due > f->room) {
		uint8_t *p = realloc(f->seen, (size_t)due * 2);

		if (!p)
			return die("memory");
		memset(p + f->room, 0, (size_t)due * 2 - f->room);
		f->seen = p;
		f->room = due * 2;
	}
	while (f->sent < due) {
		/* an error is a datagram that is lost: it is counted so */
		(void)send(f->fd, &f->sent, sizeof(f->sent), 0);
		f->sent++;
	}
	return 0;
}

static int run(struct flow *f, unsigned int rate)
{
	uint64_t start = now_us(), end;
	struct pollfd p = { .fd = f->fd, .events = POLLIN };

	f->last_us = start;
	while (!stopped) {
		int r = send_due(
			f, (uint32_t)((now_us() - start) * rate / 1000000));

		if (r)
			return r;
		take_answers(f);
		(void)poll(&p, 1, 1);
		take_answers(f);
	}
	end = now_us() + LINGER_MS * 1000;
	while (f->back < f->sent && now_us() < end) {
		(void)poll(&p, 1, 50);
		take_answers(f);
	}
	printf("sent=%u lost=%u twice=%u longest=%llu\n", f->sent,
	       f->sent - f->back, f->twice,
	       (unsigned long long)(f->longest_us / 1000));
	return f->sent && f->back == f->sent ? 0 : 1;
}

static int send_to(const char *host, const char *port, const char *rate)
{
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)atoi(port)) };
	struct sockaddr_in to4 = { .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)atoi(port)) };
	bool v6 = strchr(host, ':') != NULL;
	struct flow f = { .fd = open_socket(v6 ? AF_INET6 : AF_INET) };
	int r;

	if (inet_pton(v6 ? AF_INET6 : AF_INET, host,
		      v6 ? (void *)&to6.sin6_addr : (void *)&to4.sin_addr) != 1)
		return die(host);
	if (f.fd < 0 ||
	    connect(f.fd,
		    v6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4,
		    v6 ? sizeof(to6) : sizeof(to4)) < 0)
		return die("connect");
	r = run(&f, (unsigned int)atoi(rate));
	free(f.seen);
	close(f.fd);
	return r;
}

int main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	if (argc == 3 && strcmp(argv[1], "echo") == 0)
		return echo((uint16_t)atoi(argv[2]));
	if (argc == 5 && strcmp(argv[1], "send") == 0)
		return send_to(argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: pps echo PORT | send HOST PORT RATE\n");
	return 2;
}
