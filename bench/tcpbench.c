// SPDX-License-Identifier: GPL-2.0-or-later
/* tcpbench: connections a second through a path: connect, one byte there, one
 * byte back, the server closes first.
 *
 * tcpbench server PORT...              (IPv4, any address)
 * tcpbench client HOST PORT SECONDS [THREADS]  prints "N conn/s, p50 US us"
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 4096 /* histogram of microseconds */

struct client {
	struct sockaddr_in to;
	uint64_t end_us, done, failed;
	uint32_t hist[SLOTS];
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void *serve(void *arg)
{
	int fd = *(int *)arg;
	char c;

	for (;;) {
		int s = accept(fd, NULL, NULL);

		if (s < 0)
			continue;
		if (recv(s, &c, 1, 0) == 1)
			(void)!send(s, &c, 1, MSG_NOSIGNAL);
		close(s);
	}
	return NULL;
}

static int listen_on(uint16_t port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    listen(fd, 4096) < 0) {
		perror("listen");
		exit(2);
	}
	return fd;
}

static int server(int argc, char **argv)
{
	static int fds[64];
	pthread_t t;

	for (int i = 0; i < argc && i < 64; i++) {
		fds[i] = listen_on((uint16_t)strtoul(argv[i], NULL, 10));
		for (int n = 0; n < 4; n++)
			if (pthread_create(&t, NULL, serve, &fds[i]))
				return 2;
	}
	puts("ready");
	fflush(stdout);
	pause();
	return 0;
}

static bool once(const struct client *c)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char b = 'x';
	bool ok = connect(fd, (const struct sockaddr *)&c->to, sizeof(c->to)) ==
			  0 &&
		  send(fd, &b, 1, MSG_NOSIGNAL) == 1 &&
		  recv(fd, &b, 1, 0) == 1 && recv(fd, &b, 1, 0) == 0;

	close(fd);
	return ok;
}

static void *run(void *arg)
{
	struct client *c = arg;
	uint64_t t = now_us();

	while (t < c->end_us) {
		bool ok = once(c);
		uint64_t t2 = now_us();

		if (ok) {
			c->done++;
			c->hist[t2 - t < SLOTS ? t2 - t : SLOTS - 1]++;
		} else {
			c->failed++;
		}
		t = t2;
	}
	return NULL;
}

static int client(const char *host, const char *port, double seconds,
		  unsigned int threads)
{
	struct client *c = calloc(threads, sizeof(*c));
	pthread_t *t = calloc(threads, sizeof(*t));
	uint64_t done = 0, failed = 0, seen = 0, start = now_us();
	unsigned int p50 = 0;

	if (!c || !t)
		return 2;
	for (unsigned int i = 0; i < threads; i++) {
		c[i].to.sin_family = AF_INET;
		c[i].to.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
		if (inet_pton(AF_INET, host, &c[i].to.sin_addr) != 1)
			return 2;
		c[i].end_us = start + (uint64_t)(seconds * 1e6);
		if (pthread_create(&t[i], NULL, run, &c[i]))
			return 2;
	}
	for (unsigned int i = 0; i < threads; i++) {
		pthread_join(t[i], NULL);
		done += c[i].done;
		failed += c[i].failed;
	}
	for (; p50 < SLOTS && seen * 2 < done; p50++)
		for (unsigned int i = 0; i < threads; i++)
			seen += c[i].hist[p50];
	printf("%.0f conn/s, p50 %u us, %llu failed\n", (double)done / seconds,
	       p50, (unsigned long long)failed);
	return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "server") == 0)
		return server(argc - 2, argv + 2);
	if (argc > 4 && strcmp(argv[1], "client") == 0)
		return client(argv[2], argv[3], strtod(argv[4], NULL),
			      argc > 5
				      ? (unsigned int)strtoul(argv[5], NULL, 10)
				      : 8);
	fprintf(stderr, "usage: tcpbench server PORT... | "
			"client HOST PORT SECONDS [THREADS]\n");
	return 2;
}
