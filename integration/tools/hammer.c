// SPDX-License-Identifier: GPL-2.0-or-later
/* hammer: many clients that make, join, publish, leave and delete endpoints of
 * one network through a network plugin's socket, as dockerd would.
 *
 * Each client keeps one connection, and one address block of the network:
 * PREFIX.<client + 1>.1...  It prints what each method took as the client saw
 * it, and exits 1 if any call failed.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"

#define REPLY_MAX 65536

enum step {
	STEP_CREATE,
	STEP_JOIN,
	STEP_PUBLISH,
	STEP_REVOKE,
	STEP_LEAVE,
	STEP_DELETE,
	STEP_MAX,
};

static const char *const step_name[STEP_MAX] = {
	"CreateEndpoint",
	"Join",
	"ProgramExternalConnectivity",
	"RevokeExternalConnectivity",
	"Leave",
	"DeleteEndpoint",
};

struct conf {
	const char *socket, *network, *prefix;
	unsigned int clients, rounds, keep, port, batch;
};

struct client {
	const struct conf *conf;
	unsigned int index, rounds;
	int fd;
	unsigned int errors;
	uint32_t *us[STEP_MAX]; /* one a round */
	uint32_t *start_us;     /* create + join + publish */
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int dial(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static bool send_all(int fd, const char *buf, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		buf += n;
		len -= (size_t)n;
	}
	return true;
}

/* One whole answer into @buf.  Return: its body, NULL when it broke off. */
static const char *receive(int fd, char *buf, size_t size)
{
	size_t got = 0;

	for (;;) {
		ssize_t n = recv(fd, buf + got, size - 1 - got, 0);
		const char *body, *len;

		if (n <= 0)
			return NULL;
		got += (size_t)n;
		buf[got] = '\0';
		body = strstr(buf, "\r\n\r\n");
		len = strcasestr(buf, "content-length:");
		if (!body || !len)
			continue;
		body += 4;
		if (got >= (size_t)(body - buf) + strtoul(len + 15, NULL, 10))
			return body;
	}
}

static bool call(struct client *c, const char *method, const char *body)
{
	char head[256], reply[REPLY_MAX];
	const char *answer;

	snprintf(head, sizeof(head),
		 "POST /NetworkDriver.%s HTTP/1.1\r\nHost: \r\n"
		 "User-Agent: Go-http-client/1.1\r\nContent-Length: %zu\r\n"
		 "Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n",
		 method, strlen(body));
	if (!send_all(c->fd, head, strlen(head)) ||
	    !send_all(c->fd, body, strlen(body)))
		answer = NULL;
	else
		answer = receive(c->fd, reply, sizeof(reply));
	if (!answer) {
		fprintf(stderr, "%s: connection closed\n", method);
		close(c->fd);
		c->fd = dial(c->conf->socket);
	} else if (strstr(answer, "\"Err\"") || !strstr(reply, " 200 ")) {
		fprintf(stderr, "%s: %s\n", method, answer);
	} else {
		return true;
	}
	c->errors++;
	return false;
}

static void step(struct client *c, enum step s, const char *body,
		 unsigned int round)
{
	uint64_t t = now_us();

	call(c, step_name[s], body);
	if (c->us[s])
		c->us[s][round] = (uint32_t)(now_us() - t);
}

/* Ids look random from their first digit on, as Docker's do: names of links
 * are made from it. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static void ids(const struct client *c, unsigned int round, char *buf,
		size_t size)
{
	uint64_t n = mix(((uint64_t)(c->index + 1) << 32) | (round + 1));

	snprintf(buf, size,
		 "\"NetworkID\":\"%s\",\"EndpointID\":\"%016llx%048x\"",
		 c->conf->network, (unsigned long long)n, round + 1);
}

static void portmap(const struct client *c, unsigned int round, char *buf,
		    size_t size)
{
	/* Each client has sixteen in turn; in batches a thousand. */
	unsigned int each = c->conf->batch > 1 ? 1000 : 16;
	unsigned int n = c->index < c->conf->clients ? round % each : round;
	unsigned int port = c->conf->port + c->index * each + n;

	buf[0] = '\0';
	if (c->conf->port)
		snprintf(buf, size,
			 "{\"Proto\":6,\"IP\":\"\",\"Port\":80,\"HostIP\":\"\","
			 "\"HostPort\":%u,\"HostPortEnd\":%u}",
			 port, port);
}

static void start_endpoint(struct client *c, unsigned int round)
{
	char id[256], map[160], body[1024];
	uint64_t t = now_us();

	ids(c, round, id, sizeof(id));
	portmap(c, round, map, sizeof(map));
	snprintf(body, sizeof(body),
		 "{%s,\"Interface\":{\"Address\":\"%s.%u.%u/16\","
		 "\"AddressIPv6\":\"\",\"MacAddress\":\"\"},\"Options\":{"
		 "\"com.docker.network.portmap\":[%s]}}\n",
		 id, c->conf->prefix, c->index + 1, round % 250 + 1, map);
	step(c, STEP_CREATE, body, round);
	snprintf(body, sizeof(body),
		 "{%s,\"SandboxKey\":\"/var/run/docker/netns/%08x%04x\","
		 "\"Options\":{\"com.docker.network.portmap\":[%s]}}\n",
		 id, c->index, round, map);
	step(c, STEP_JOIN, body, round);
	snprintf(body, sizeof(body),
		 "{%s,\"Options\":{\"com.docker.network.portmap\":[%s]}}\n", id,
		 map);
	step(c, STEP_PUBLISH, body, round);
	if (c->start_us)
		c->start_us[round] = (uint32_t)(now_us() - t);
}

static void stop_endpoint(struct client *c, unsigned int round)
{
	char id[256], body[512];

	ids(c, round, id, sizeof(id));
	snprintf(body, sizeof(body), "{%s}\n", id);
	step(c, STEP_REVOKE, body, round);
	step(c, STEP_LEAVE, body, round);
	step(c, STEP_DELETE, body, round);
}

static void *run(void *arg)
{
	struct client *c = arg;

	for (unsigned int i = 0, j = 0; i < c->rounds; i++) {
		start_endpoint(c, i);
		if (i + 1 - j < c->conf->batch && i + 1 < c->rounds)
			continue;
		for (; j <= i; j++)
			stop_endpoint(c, j);
	}
	close(c->fd);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_times(const char *name, uint32_t *all, size_t n)
{
	if (n == 0)
		return;
	qsort(all, n, sizeof(*all), by_value);
	printf("%-28s p50 %6u  p99 %6u  max %7u us\n", name, all[n / 2],
	       all[n * 99 / 100], all[n - 1]);
}

static void report(const struct client *clients, unsigned int count,
		   size_t total)
{
	_cleanup_free_ uint32_t *all = calloc(total + 1, sizeof(*all));

	if (!all)
		return;
	for (int s = 0; s <= STEP_MAX; s++) {
		size_t n = 0;

		for (unsigned int i = 0; i < count; i++) {
			const struct client *c = &clients[i];

			memcpy(all + n, s < STEP_MAX ? c->us[s] : c->start_us,
			       c->rounds * sizeof(*all));
			n += c->rounds;
		}
		print_times(s < STEP_MAX ? step_name[s]
					 : "create + join + publish",
			    all, n);
	}
}

static void usage(FILE *out)
{
	fprintf(out,
		"usage: hammer [OPTION...] SOCKET NETWORK-ID PREFIX\n"
		"  -c N  clients at a time (64)\n"
		"  -n N  endpoints in all (10000)\n"
		"  -b N  make N before the first of them goes (1)\n"
		"  -k N  endpoints that stay while the others come and go (0)\n"
		"  -p N  publish host ports from N on (0: none)\n"
		"PREFIX: the first two numbers of the network's /16: 10.80\n");
}

static void parse(struct conf *conf, int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "b:c:n:k:p:h")) != -1) {
		unsigned int n =
			optarg ? (unsigned int)strtoul(optarg, NULL, 10) : 0;

		if (opt == 'c')
			conf->clients = n;
		else if (opt == 'n')
			conf->rounds = n;
		else if (opt == 'b')
			conf->batch = n;
		else if (opt == 'k')
			conf->keep = n;
		else if (opt == 'p')
			conf->port = n;
		else {
			usage(opt == 'h' ? stdout : stderr);
			exit(opt == 'h' ? 0 : 2);
		}
	}
	if (argc - optind != 3 || !conf->clients || conf->clients > 250) {
		usage(stderr);
		exit(2);
	}
	conf->socket = argv[optind];
	conf->network = argv[optind + 1];
	conf->prefix = argv[optind + 2];
}

static void client_init(struct client *c, const struct conf *conf,
			unsigned int index, unsigned int rounds)
{
	*c = (struct client){ .conf = conf,
			      .index = index,
			      .rounds = rounds,
			      .fd = dial(conf->socket) };
	for (int s = 0; s < STEP_MAX; s++)
		c->us[s] = calloc(rounds + 1, sizeof(uint32_t));
	c->start_us = calloc(rounds + 1, sizeof(uint32_t));
}

static void client_fini(struct client *c)
{
	for (int s = 0; s < STEP_MAX; s++)
		free(c->us[s]);
	free(c->start_us);
}

int main(int argc, char **argv)
{
	struct conf conf = { .clients = 64, .rounds = 10000, .batch = 1 };
	struct client kept = { .conf = &conf };
	struct client *clients;
	pthread_t *threads;
	unsigned int errors;
	uint64_t t;

	parse(&conf, argc, argv);
	clients = calloc(conf.clients, sizeof(*clients));
	threads = calloc(conf.clients, sizeof(*threads));
	if (!clients || !threads)
		return 2;
	/* Those that stay have an address block of their own. */
	kept.index = conf.clients;
	kept.fd = dial(conf.socket);
	for (unsigned int i = 0; i < conf.keep; i++)
		start_endpoint(&kept, i);
	for (unsigned int i = 0; i < conf.clients; i++)
		client_init(&clients[i], &conf, i,
			    conf.rounds / conf.clients +
				    (i < conf.rounds % conf.clients));
	t = now_us();
	for (unsigned int i = 0; i < conf.clients; i++)
		if (pthread_create(&threads[i], NULL, run, &clients[i]))
			return 2;
	for (unsigned int i = 0; i < conf.clients; i++)
		pthread_join(threads[i], NULL);
	t = now_us() - t;
	for (unsigned int i = 0; i < conf.keep; i++)
		stop_endpoint(&kept, i);
	errors = kept.errors;
	for (unsigned int i = 0; i < conf.clients; i++)
		errors += clients[i].errors;
	report(clients, conf.clients, conf.rounds);
	printf("%u clients, %u endpoints, %.1f s, %.0f endpoints/s, %u "
	       "errors\n",
	       conf.clients, conf.rounds, (double)t / 1e6,
	       conf.rounds * 1e6 / (double)(t ? t : 1), errors);
	for (unsigned int i = 0; i < conf.clients; i++)
		client_fini(&clients[i]);
	free(clients);
	free(threads);
	return errors ? 1 : 0;
}
