// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * overlay-join: endpoints of a network driver, as dockerd makes them, and how soon
 * another host reaches them.
 *
 * overlay-join keep SOCKET NETWORK PREFIX FIRST COUNT   made and joined; they stay
 * overlay-join drop SOCKET NETWORK PREFIX FIRST COUNT   left and deleted
 * overlay-join ping SOCKET NETWORK PREFIX FIRST COUNT HOST CONTAINER FROM
 *     one at a time: made, joined, its link moved from namespace HOST into CONTAINER
 *     and set up; pinged from namespace FROM all the time since, until it answers;
 *     left and deleted.  One line of KEY=VALUE, in microseconds:
 *     create, join  the calls alone
 *     link          the link's way into CONTAINER
 *     first         from Join's request to the first answer
 *     whole         from CreateEndpoint's request to it
 *
 * SOCKET is the daemon's; PREFIX the first two numbers of the network's /16; endpoint
 * N has address PREFIX.0.0 + N.  HOST, CONTAINER and FROM are files of namespaces.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/client.h"
#include "lib/netns.h"
#include "lib/nlk.h"

#define CALL_MS 20000
#define PING_MS 10000 /* who does not answer by then does not */

struct bench {
	const char *socket, *network, *prefix;
	unsigned int first, count;
	int container, ping;         /* descriptors: its namespace; ICMP */
	struct nlk *on_host, *in_ct; /* owned */
	uint32_t *create, *join, *link, *answer, *whole; /* owned */
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static struct in_addr addr_of(const struct bench *b, unsigned int n)
{
	struct in_addr a;
	char text[32];

	snprintf(text, sizeof(text), "%s.%u.%u", b->prefix, n >> 8 & 0xff,
		 n & 0xff);
	if (inet_pton(AF_INET, text, &a) != 1)
		errx(1, "%s: no address", text);
	return a;
}

/* ---- what dockerd asks ---- */

/* Owned.  @more: further members, with the comma before. */
static json_object *call(const struct bench *b, const char *method,
			 unsigned int n, const char *more)
{
	char text[1024], path[64];
	json_object *body, *got;
	struct err err = { 0 };
	int r;

	snprintf(text, sizeof(text),
		 "{\"NetworkID\":\"%s\",\"EndpointID\":\"%08x%056x\"%s}",
		 b->network, n * 2654435761U, n, more);
	snprintf(path, sizeof(path), "NetworkDriver.%s", method);
	body = json_tokener_parse(text);
	r = client_call(b->socket, path, body, CALL_MS, &got, &err);
	json_object_put(body);
	if (r < 0)
		errx(1, "%s of endpoint %u: %s", method, n, err.msg);
	return got;
}

static void inner(json_object *o, const char *outer, const char *name,
		  char *buf, size_t size)
{
	json_object *in, *v;

	if (!json_object_object_get_ex(o, outer, &in) ||
	    !json_object_object_get_ex(in, name, &v))
		errx(1, "no %s.%s in %s", outer, name,
		     json_object_get_string(o));
	snprintf(buf, size, "%s", json_object_get_string(v));
}

static void endpoint_create(const struct bench *b, unsigned int n,
			    struct mac_addr *mac)
{
	char text[160], ip[INET_ADDRSTRLEN];
	struct in_addr a = addr_of(b, n);
	json_object *got;

	snprintf(text, sizeof(text),
		 ",\"Options\":{},\"Interface\":{\"Address\":\"%s/16\"}",
		 inet_ntop(AF_INET, &a, ip, sizeof(ip)));
	got = call(b, "CreateEndpoint", n, text);
	inner(got, "Interface", "MacAddress", text, sizeof(text));
	if (mac_parse(text, mac, NULL) < 0)
		errx(1, "no MAC: %s", text);
	json_object_put(got);
}

static void endpoint_join(const struct bench *b, unsigned int n, char *link,
			  size_t size)
{
	json_object *got =
		call(b, "Join", n, ",\"Options\":{},\"SandboxKey\":\"/x\"");

	inner(got, "InterfaceName", "SrcName", link, size);
	json_object_put(got);
}

static void endpoint_drop(const struct bench *b, unsigned int n)
{
	json_object_put(call(b, "Leave", n, ""));
	json_object_put(call(b, "DeleteEndpoint", n, ""));
}

/* ---- one that is reached ---- */

/* What dockerd does with the link. */
static void link_move(const struct bench *b, const char *name, unsigned int n,
		      const struct mac_addr *mac)
{
	struct in_addr a = addr_of(b, n);
	struct ip_prefix p = { .len = 16 };
	char ip[INET_ADDRSTRLEN];
	struct nlk_link l;
	struct err err = { 0 };
	int r;

	inet_ntop(AF_INET, &a, ip, sizeof(ip));
	r = ip_parse(ip, &p.addr, &err);
	if (r == 0)
		r = nlk_link_get(b->on_host, name, 0, &l, &err);
	if (r == 0)
		r = nlk_link_netns(b->on_host, l.index, b->container, &err);
	if (r == 0)
		r = nlk_link_get(b->in_ct, name, 0, &l, &err);
	if (r == 0)
		r = nlk_link_mac(b->in_ct, l.index, mac, &err);
	if (r == 0)
		r = nlk_addr_add(b->in_ct, l.index, &p, &err);
	if (r == 0)
		r = nlk_link_up(b->in_ct, l.index, true, &err);
	if (r < 0)
		errx(1, "link %s: %s", name, err.msg);
}

static uint16_t checksum(const void *data, size_t size)
{
	const uint16_t *w = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += w[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* One request each millisecond until one is answered. */
static void answers(const struct bench *b, unsigned int n)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr = addr_of(b, n) };
	struct icmphdr q = { .type = ICMP_ECHO };
	struct pollfd fd = { .fd = b->ping, .events = POLLIN };
	uint64_t end = now_us() + PING_MS * 1000;
	struct sockaddr_in who;
	socklen_t len;
	struct {
		struct iphdr ip;
		struct icmphdr icmp;
	} got;

	q.checksum = checksum(&q, sizeof(q));
	while (now_us() < end) {
		/* EHOSTUNREACH is of the request before. */
		(void)!sendto(b->ping, &q, sizeof(q), 0, (struct sockaddr *)&to,
			      sizeof(to));
		if (poll(&fd, 1, 1) <= 0)
			continue;
		len = sizeof(who);
		if (recvfrom(b->ping, &got, sizeof(got), MSG_DONTWAIT,
			     (struct sockaddr *)&who,
			     &len) == (ssize_t)sizeof(got) &&
		    got.icmp.type == ICMP_ECHOREPLY &&
		    who.sin_addr.s_addr == to.sin_addr.s_addr)
			return;
	}
	errx(1, "endpoint %u was not reached in %d ms", n, PING_MS);
}

static void measure(struct bench *b, unsigned int i)
{
	unsigned int n = b->first + i;
	uint64_t begin = now_us(), join, end;
	struct mac_addr mac;
	char link[IFNAMSIZ];

	endpoint_create(b, n, &mac);
	join = now_us();
	endpoint_join(b, n, link, sizeof(link));
	end = now_us();
	b->create[i] = (uint32_t)(join - begin);
	b->join[i] = (uint32_t)(end - join);
	link_move(b, link, n, &mac);
	b->link[i] = (uint32_t)(now_us() - end);
	answers(b, n);
	end = now_us();
	b->answer[i] = (uint32_t)(end - join);
	b->whole[i] = (uint32_t)(end - begin);
	endpoint_drop(b, n);
}

/* ---- words ---- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void tell(const char *name, uint32_t *us, size_t n)
{
	qsort(us, n, sizeof(*us), by_value);
	printf(" %s_p50=%u %s_p99=%u %s_max=%u", name, us[n / 2], name,
	       us[n * 99 / 100], name, us[n - 1]);
}

static int ping_open(void *ctx, struct err *err)
{
	struct bench *b = ctx;

	b->ping = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	return b->ping < 0 ? err_set(err, -errno, "ICMP") : 0;
}

static void ping_run(struct bench *b, char **ns)
{
	struct err err = { 0 };
	int host = netns_open(ns[0], &err), from = netns_open(ns[2], &err);

	b->container = netns_open(ns[1], &err);
	if (host < 0 || from < 0 || b->container < 0 ||
	    nlk_open_in(host, &b->on_host, &err) < 0 ||
	    nlk_open_in(b->container, &b->in_ct, &err) < 0 ||
	    netns_run(from, ping_open, b, &err) < 0)
		errx(1, "%s", err.msg);
	b->create = calloc(b->count, sizeof(*b->create));
	b->join = calloc(b->count, sizeof(*b->join));
	b->link = calloc(b->count, sizeof(*b->link));
	b->answer = calloc(b->count, sizeof(*b->answer));
	b->whole = calloc(b->count, sizeof(*b->whole));
	if (!b->create || !b->join || !b->link || !b->answer || !b->whole)
		errx(1, "out of memory");
	for (unsigned int i = 0; i < b->count; i++)
		measure(b, i);
	printf("ping endpoints=%u", b->count);
	tell("create", b->create, b->count);
	tell("join", b->join, b->count);
	tell("link", b->link, b->count);
	tell("first", b->answer, b->count);
	tell("whole", b->whole, b->count);
	printf("\n");
	free(b->create);
	free(b->join);
	free(b->link);
	free(b->answer);
	free(b->whole);
	nlk_close(b->on_host);
	nlk_close(b->in_ct);
	closep(&b->container);
	closep(&b->ping);
	close(host);
	close(from);
}

static void keep_run(const struct bench *b)
{
	struct mac_addr mac;
	char link[IFNAMSIZ];

	for (unsigned int i = 0; i < b->count; i++) {
		endpoint_create(b, b->first + i, &mac);
		endpoint_join(b, b->first + i, link, sizeof(link));
	}
}

int main(int argc, char **argv)
{
	struct bench b = { .container = -1, .ping = -1 };
	const char *verb = argc > 1 ? argv[1] : "";

	if (argc != (strcmp(verb, "ping") ? 7 : 10)) {
		fprintf(stderr, "usage: overlay-join keep|drop|ping SOCKET "
				"NETWORK PREFIX FIRST COUNT "
				"[HOST CONTAINER FROM]\n");
		return 2;
	}
	b.socket = argv[2];
	b.network = argv[3];
	b.prefix = argv[4];
	b.first = (unsigned int)strtoul(argv[5], NULL, 10);
	b.count = (unsigned int)strtoul(argv[6], NULL, 10);
	if (!b.count || b.first + b.count > 65000)
		errx(1, "%s, %s: at most 65000 endpoints", argv[5], argv[6]);
	if (!strcmp(verb, "ping"))
		ping_run(&b, argv + 7);
	else if (!strcmp(verb, "keep"))
		keep_run(&b);
	else if (!strcmp(verb, "drop"))
		for (unsigned int i = 0; i < b.count; i++)
			endpoint_drop(&b, b.first + i);
	else
		errx(1, "%s: keep, drop or ping", verb);
	return 0;
}
