/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which flows many filters mean together, against asking each by itself, and how
 * many looks that takes.
 */
#include "dataplane/ebpf/nat_filter.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/test/test.h"

static struct ip_addr ip(const char *s)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static void v4(__u32 to[4], unsigned int a)
{
	to[0] = to[1] = 0;
	to[2] = htonl(0xffff);
	to[3] = htonl(a);
}

#define NET      0x0a580000u /* 10.88.0.0 */
#define HOST     0xc0000200u /* 192.0.2.0 */
#define CLIENT   0xc6336407u
#define NPORTS   5000
#define ASKED    20000
#define LOOKS_OF 14 /* 2^13 > NPORTS */

/* Of what is published at 192.0.2.@host, to 10.88.0.@container. */
static void make_flow(unsigned int container, unsigned int host,
		      unsigned int port, uint8_t proto, struct nat_tuple *key,
		      struct nat_flow *flow)
{
	*key = (struct nat_tuple){ .proto = proto,
				   .sport = htons(40000),
				   .dport = htons((uint16_t)port) };
	*flow = (struct nat_flow){ .flags = NAT_FORWARD };
	v4(key->saddr, CLIENT);
	v4(key->daddr, HOST + host);
	v4(flow->to.saddr, CLIENT);
	v4(flow->to.daddr, NET + container);
	flow->to.sport = htons(40000);
	flow->to.dport = htons(80);
}

/* One filter, as nat.h says what it means: the plain way. */
static bool means(const struct nat_filter *f, unsigned int container,
		  unsigned int host, unsigned int port, uint8_t proto)
{
	char text[32];
	struct ip_addr at;

	snprintf(text, sizeof(text), "10.88.0.%u", container);
	at = ip(text);
	if (!ip_is_none(&f->container) && !ip_equal(&f->container, &at))
		return false;
	if (!f->proto)
		return true;
	snprintf(text, sizeof(text), "192.0.2.%u", host);
	at = ip(text);
	return f->proto == proto && port >= f->first &&
	       port - f->first < f->count &&
	       (ip_is_none(&f->host) || ip_is_any(&f->host) ||
		ip_equal(&f->host, &at));
}

static unsigned int rnd(unsigned int below)
{
	return (unsigned int)random() % below;
}

static struct nat_filter any_filter(void)
{
	struct nat_filter f = { .first = (uint16_t)(1 + rnd(30)),
				.count = rnd(8) };
	char text[32];

	snprintf(text, sizeof(text), "10.88.0.%u", 2 + rnd(3));
	f.container = ip(text);
	if (rnd(12) == 0)
		return (struct nat_filter){ .container = f.container };
	f.proto = rnd(2) ? IPPROTO_TCP : IPPROTO_UDP;
	if (rnd(8) == 0)
		f.container = (struct ip_addr){ 0 }; /* whose it is */
	snprintf(text, sizeof(text), "192.0.2.%u", 1 + rnd(2));
	if (rnd(3))
		f.host = ip(rnd(4) ? text : "0.0.0.0");
	return f;
}

/* Lists made by chance, small enough to overlap in every way. */
static void as_each_by_itself(void **state)
{
	unsigned int hits = 0;

	(void)state;
	srandom(7);
	for (int round = 0; round < 300; round++) {
		_cleanup_(nat_filters_fini) struct nat_filters all = { 0 };
		struct nat_filter list[12];
		size_t n = rnd(ARRAY_SIZE(list) + 1);

		for (size_t i = 0; i < n; i++)
			list[i] = any_filter();
		assert_int_equal(nat_filters_make(list, n, &all, NULL), 0);
		for (int asked = 0; asked < 100; asked++) {
			unsigned int container = 2 + rnd(4), port = rnd(42);
			unsigned int at = 1 + rnd(3);
			uint8_t proto = rnd(2) ? IPPROTO_TCP : IPPROTO_UDP;
			struct nat_tuple key;
			struct nat_flow flow;
			bool want = false;

			for (size_t i = 0; i < n; i++)
				want = want || means(&list[i], container, at,
						     port, proto);
			make_flow(container, at, port, proto, &key, &flow);
			assert_int_equal(nat_filters_match(&all, &key, &flow),
					 want);
			hits += want;
		}
	}
	assert_true(hits > 1000 && hits < 29000);
}

/* Thousands of ports, on two addresses, and one range over all of them. */
static void looks_grow_with_the_logarithm(void **state)
{
	struct nat_filter *list = calloc(NPORTS + 1, sizeof(*list));
	_cleanup_(nat_filters_fini) struct nat_filters all = { 0 };
	struct nat_tuple key;
	struct nat_flow flow;
	unsigned int hits = 0;

	(void)state;
	assert_non_null(list);
	for (unsigned int i = 0; i < NPORTS; i++)
		list[i] = (struct nat_filter){ .container = ip("10.88.0.2"),
					       .proto = IPPROTO_TCP,
					       .first = (uint16_t)(1 + 7 * i),
					       .count = 1 };
	list[NPORTS] = (struct nat_filter){ .container = ip("10.88.0.2"),
					    .host = ip("192.0.2.9"),
					    .proto = IPPROTO_TCP,
					    .first = 1,
					    .count = 65535 };
	assert_int_equal(nat_filters_make(list, NPORTS + 1, &all, NULL), 0);
	for (unsigned int i = 0; i < ASKED; i++) {
		make_flow(2, 1, 1 + i, IPPROTO_TCP, &key, &flow);
		hits += nat_filters_match(&all, &key, &flow);
	}
	assert_int_equal(hits, (ASKED + 6) / 7);
	/* two searches for a port, four for a container */
	assert_true(all.compared <= (uint64_t)ASKED * 8 * LOOKS_OF);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_each_by_itself),
		cmocka_unit_test(looks_grow_with_the_logarithm),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
