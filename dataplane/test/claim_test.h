/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * claim_test.h - what the tests of claimed host ports share: one network on a host
 * of their own, sockets beside it, and a look at what each test left.
 */
#ifndef DATAPLANE_TEST_CLAIM_TEST_H
#define DATAPLANE_TEST_CLAIM_TEST_H

#include "dataplane/test/dp_test.h"
#include "lib/netns.h"

static struct dp *dp;
static struct err err;

static inline int setup(void **state)
{
	struct dp_network net = network("n1", "br1", 1);

	(void)state;
	dp = open_dp();
	err.msg[0] = '\0';
	return dp_network_add(dp, &net, &err);
}

static inline int open_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What each test must leave: no table, no reserved port, no socket. */
static inline int teardown(void **state)
{
	char buf[64] = "";

	(void)state;
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
	sh("nft list ruleset");
	assert_string_equal(out, "");
	ok(sysctl_get("net/ipv4/ip_local_reserved_ports", buf, sizeof(buf),
		      &err));
	assert_string_equal(buf, "");
	assert_true(open_descriptors() < 16);
	return 0;
}

static inline struct dp_publish one(const char *ep, const char *host,
				    uint8_t proto, int port_number)
{
	struct dp_publish p = publish("n1", ep, "10.0.1.2", "fd00:1::2");

	want(&p.ports, host, proto, port_number, port_number, 80);
	return p;
}

static inline int bound(const char *addr, int type, int number, uint32_t mark)
{
	struct ip_addr a = ip(addr);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)number) };
	int fd = socket(a.family, type, 0), opt = 1, r;

	memcpy(&in.sin_addr, a.bytes, 4);
	memcpy(&in6.sin6_addr, a.bytes, 16);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &opt, sizeof(opt));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &opt, sizeof(opt));
	if (mark)
		setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	r = a.family == AF_INET
		    ? bind(fd, (struct sockaddr *)&in, sizeof(in))
		    : bind(fd, (struct sockaddr *)&in6, sizeof(in6));
	assert_int_equal(r, 0);
	return fd;
}

static inline int serve(const char *addr, int type, int number)
{
	int fd = bound(addr, type, number, 0);

	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 1), 0);
	return fd;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
