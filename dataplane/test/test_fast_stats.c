/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fast_stats.c - counters at the facade: who has one, what a changed publish,
 * an unpublish, a restart and more ports than counters make of them.  What counts
 * here is connect() by the socket hooks, which needs no container.
 */
#include "dataplane/test/dp_test.h"

#include <netinet/in.h>
#include <unistd.h>

#include "dataplane/dp_priv.h"
#include "lib/base.h"

static struct err err;
static struct dp *dp;

static void add_network(const char *id, const char *bridge, int n,
			enum dp_backend backend)
{
	struct dp_network net = network(id, bridge, n);

	net.backend = backend;
	ok(dp_network_add(dp, &net, &err));
}

static void add_all(void)
{
	struct dp_port p1 = port("n1", "e1", "v1", "10.0.1.2", "fd00:1::2");
	struct dp_port p2 = port("n2", "e2", "v2", "10.0.2.2", "fd00:2::2");

	add_network("n1", "br1", 1, DP_EBPF);
	add_network("n2", "br2", 2, DP_NFT);
	ok(dp_port_add(dp, &p1, &err));
	ok(dp_port_add(dp, &p2, &err));
}

/* @ports: host ports, 0 ends them; 9000 stands for 9000-9009. */
static void publish_ports(const char *net, const char *ep, const char *ip4,
			  const int *ports)
{
	struct dp_publish pub = publish(net, ep, ip4, "");

	for (; *ports; ports++)
		for (int i = 0; i < (*ports == 9000 ? 10 : 1); i++)
			want(&pub.ports, "", IPPROTO_TCP, *ports + i,
			     *ports + i, *ports + i);
	ok(dp_publish_add(dp, &pub, &err));
	portmap_free(&pub.ports);
}
#define PUBLISH(...) \
	publish_ports("n1", "e1", "10.0.1.2", (const int[]){ __VA_ARGS__, 0 })

/* A connection by the hooks, that nobody answers. */
static void ask(int number)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)number),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	(void)connect(fd, (struct sockaddr *)&in, sizeof(in));
	close(fd);
}

/* Its flows; -1: not counted. */
static int flows(const char *ep, int number, uint32_t count)
{
	const struct port_range r = { .proto = IPPROTO_TCP,
				      .host_first = (uint16_t)number,
				      .port_first = (uint16_t)number,
				      .count = count };
	struct dp_stats st;

	ok(dp_port_stats(dp, ep, &r, &st, &err));
	return st.counted ? (int)st.flows : -1;
}

static bool endpoint_counts(const char *ep)
{
	struct dp_stats st;

	ok(dp_endpoint_stats(dp, ep, &st, &err));
	return st.counted;
}

static int setup(void **state)
{
	(void)state;
	dp_test_links("br1 br2", "v1 v2");
	dp = open_dp();
	add_all();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	ok(dp_network_del(dp, "n1", &err));
	ok(dp_network_del(dp, "n2", &err));
	dp_close(take_ptr(dp));
	assert_int_equal(sh("ip link del v1; ip link del v2; ip link del br1; "
			    "ip link del br2"),
			 0);
	return 0;
}

static void a_port_a_range_an_endpoint(void **state)
{
	(void)state;
	PUBLISH(8080, 9000);
	publish_ports("n2", "e2", "10.0.2.2", (const int[]){ 8081, 0 });
	ask(8080);
	ask(9000);
	ask(9009);
	ask(9010);
	ask(8081);
	assert_int_equal(flows("e1", 8080, 1), 1);
	assert_int_equal(flows("e1", 9000, 10), 2);
	assert_int_equal(flows("e1", 9000, 9), -1);
	assert_int_equal(flows("e1", 8081, 1), -1);
	assert_int_equal(flows("e2", 8081, 1), -1); /* nftables' */
	assert_int_equal(flows("e3", 8080, 1), -1);
	assert_true(endpoint_counts("e1"));
	assert_false(endpoint_counts("e2"));
	assert_false(endpoint_counts("e3"));
}

static void what_stays_published_goes_on(void **state)
{
	(void)state;
	PUBLISH(8080, 9000);
	ask(8080);
	ask(9000);
	PUBLISH(8080, 9500);
	assert_int_equal(flows("e1", 8080, 1), 1);
	assert_int_equal(flows("e1", 9000, 10), -1);
	assert_int_equal(flows("e1", 9500, 1), 0);
	ask(8080);
	assert_int_equal(flows("e1", 8080, 1), 2);
	/* and without 9500 its entry is gone */
	PUBLISH(8080);
	ask(9500);
	assert_int_equal(flows("e1", 8080, 1), 2);
}

static void published_anew_it_begins_at_zero(void **state)
{
	(void)state;
	PUBLISH(8080);
	ask(8080);
	assert_int_equal(flows("e1", 8080, 1), 1);
	ok(dp_publish_del(dp, "e1", &err));
	assert_int_equal(flows("e1", 8080, 1), -1);
	PUBLISH(8080);
	assert_int_equal(flows("e1", 8080, 1), 0);
}

/* The replacing publish fails: the old one is back, with what it counted. */
static void a_failed_change_keeps_the_figures(void **state)
{
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	int taken = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(9700) };

	(void)state;
	PUBLISH(8080);
	ask(8080);
	assert_int_equal(bind(taken, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(taken, 1), 0);
	want(&pub.ports, "", IPPROTO_TCP, 8080, 8080, 8080);
	want(&pub.ports, "", IPPROTO_TCP, 9700, 9700, 9700);
	assert_int_equal(dp_publish_add(dp, &pub, &err), -EADDRINUSE);
	portmap_free(&pub.ports);
	close(taken);
	assert_int_equal(flows("e1", 8080, 1), 1);
	ask(8080);
	assert_int_equal(flows("e1", 8080, 1), 2);
}

static void restart(void)
{
	dp_close(take_ptr(dp));
	dp = open_dp();
	dp_load_begin(dp);
	add_all();
}

static void a_restart_keeps_them(void **state)
{
	uint32_t endpoint, other;
	const struct state_port *p;

	(void)state;
	PUBLISH(8080, 9000, 9500);
	p = tab_find(&dp->st.ports, "e1");
	endpoint = p->stat;
	assert_int_not_equal(endpoint, 0);
	ask(8080);
	ask(9005);
	ask(9500);
	restart();
	PUBLISH(7000, 8080, 9000); /* one of them new */
	ok(dp_load_end(dp, &err));
	assert_int_equal(flows("e1", 8080, 1), 1);
	assert_int_equal(flows("e1", 9000, 10), 1);
	assert_int_equal(flows("e1", 7000, 1), 0);
	assert_int_equal(flows("e1", 9500, 1), -1);
	ask(8080);
	ask(7000);
	assert_int_equal(flows("e1", 8080, 1), 2);
	assert_int_equal(flows("e1", 7000, 1), 1);
	p = tab_find(&dp->st.ports, "e1");
	other = p->stat;
	assert_int_equal(other, endpoint);
	/* twice */
	restart();
	PUBLISH(7000, 8080, 9000);
	ok(dp_load_end(dp, &err));
	assert_int_equal(flows("e1", 8080, 1), 2);
}

/* They work as those do that are counted. */
static void more_ports_than_counters(void **state)
{
	struct dp_publish pub = publish("n1", "e1", "10.0.1.2", "");
	int counted = 0, last = 1001 + 2 * 9999;
	double t;

	(void)state;
	for (int i = 0; i < 10000; i++) /* no two of them neighbours */
		want(&pub.ports, "", IPPROTO_TCP, 1001 + 2 * i, 1001 + 2 * i,
		     1001 + 2 * i);
	t = now_ms();
	ok(dp_publish_add(dp, &pub, &err));
	print_message("# 10,000 single ports, counted as far as it goes: %.1f "
		      "ms\n",
		      now_ms() - t);
	for (size_t i = 0; i < pub.ports.count; i++)
		counted += flows("e1", pub.ports.ranges[i].host_first, 1) >= 0;
	portmap_free(&pub.ports);
	assert_in_range(counted, 200, 8190); /* one is the endpoint's */
	ask(1001);
	ask(last);
	assert_int_equal(flows("e1", 1001, 1), 1);
	assert_int_equal(flows("e1", last, 1), -1);
	ok(dp_publish_del(dp, "e1", &err));
	PUBLISH(8080);
	/* all rest, but for those that never were taken */
	assert_true(flows("e1", 8080, 1) <= 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_port_a_range_an_endpoint),
		TEST(what_stays_published_goes_on),
		TEST(published_anew_it_begins_at_zero),
		TEST(a_failed_change_keeps_the_figures),
		TEST(a_restart_keeps_them),
		TEST(more_ports_than_counters),
	};
	int failed;

	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
