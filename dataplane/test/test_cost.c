/* SPDX-License-Identifier: GPL-2.0-or-later */
/* test_cost.c - many of everything: it works, and what it cost is printed. */
#include "dataplane/test/dp_test.h"

#include "lib/base.h"

static struct dp *dp;
static struct err err;

static int setup(void **state)
{
	struct dp_network net = network("n1", "br1", 1);

	(void)state;
	dp = open_dp();
	err.msg[0] = '\0';
	return dp_network_add(dp, &net, &err);
}

static int teardown(void **state)
{
	(void)state;
	ok(dp_network_del(dp, "n1", &err));
	dp_close(dp);
	return 0;
}

/* Figures to read; the limits are kept by an integration test of its own. */
static void cost(const char *what, struct dp_publish *p)
{
	double start = now_ms(), added;

	ok(dp_publish_add(dp, p, &err));
	added = now_ms() - start;
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	start = now_ms();
	ok(dp_publish_del(dp, p->endpoint, &err));
	printf("# %s: add %.1f ms, remove %.1f ms\n", what, added,
	       now_ms() - start);
}

static void five_hundred_ports(void **state)
{
	struct dp_publish p = publish("n1", "e1", "10.0.1.2", "fd00:1::2");

	(void)state;
	want(&p.ports, "", IPPROTO_TCP, 80, 80, 80);
	cost("1 port, and loading the hooks", &p);
	cost("1 port", &p);
	for (int i = 0; i < 500; i++)
		want(&p.ports, "", IPPROTO_TCP, 20000 + i, 20000 + i,
		     20000 + i);
	cost("500 ports in a row", &p);
	portmap_free(&p.ports);
	for (int i = 0; i < 500; i++)
		want(&p.ports, "", IPPROTO_TCP, 20000 + 2 * i, 20000 + 2 * i,
		     100 + i);
	cost("500 single ports", &p);
	portmap_free(&p.ports);
}

static void ten_thousand_shifted_ports(void **state)
{
	struct dp_publish p = publish("n1", "e1", "10.0.1.2", "fd00:1::2");

	(void)state;
	for (int i = 0; i < 10000; i++)
		want(&p.ports, "", IPPROTO_TCP, 20000 + i, 20000 + i,
		     30000 + i);
	cost("10,000 shifted ports", &p);
	portmap_free(&p.ports);
}

static void sixty_thousand_ports(void **state)
{
	struct dp_publish p[60];
	double start = now_ms();
	char id[8];

	(void)state;
	for (int e = 0; e < 60; e++) {
		snprintf(id, sizeof(id), "e%d", e);
		p[e] = publish("n1", id, "10.0.1.2", "fd00:1::2");
		for (int i = 0; i < 1000; i++) {
			int number = 2000 + 1000 * e + i;

			want(&p[e].ports, "", IPPROTO_TCP, number, number,
			     number);
		}
		ok(dp_publish_add(dp, &p[e], &err));
	}
	printf("# 60,000 ports in 60 publishes: add %.1f ms\n",
	       now_ms() - start);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	start = now_ms();
	for (int e = 0; e < 60; e++) {
		ok(dp_publish_del(dp, p[e].endpoint, &err));
		portmap_free(&p[e].ports);
	}
	printf("# ... remove %.1f ms\n", now_ms() - start);
}

static int cmp_ms(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void tell(const char *what, double *ms, size_t n)
{
	qsort(ms, n, sizeof(*ms), cmp_ms);
	printf("# %s: median %.2f ms, p99 %.2f ms, worst %.2f ms\n", what,
	       ms[n / 2], ms[n * 99 / 100], ms[n - 1]);
}

static void make_links(int n)
{
	FILE *f = popen("ip -batch -", "w");

	assert_non_null(f);
	for (int i = 0; i < n; i++)
		fprintf(f,
			"link add br%d type bridge\n"
			"link add e%d type veth peer name c%d\n",
			i + 10, i, i);
	assert_int_equal(pclose(f), 0);
}

/* What one call costs on a host that has many of everything. */
static void a_thousand_networks(void **state)
{
	static double ms[1000];
	char id[16], br[16], ip4[32], ip6[32];
	double start;

	(void)state;
	make_links(1000);
	for (int i = 0; i < 1000; i++) {
		struct dp_network net;

		snprintf(id, sizeof(id), "n%d", i + 10);
		snprintf(br, sizeof(br), "br%d", i + 10);
		net = network(id, br, i + 10);
		start = now_ms();
		ok(dp_network_add(dp, &net, &err));
		ms[i] = now_ms() - start;
	}
	tell("network, up to 1000", ms, 1000);
	for (int i = 0; i < 1000; i++) {
		struct dp_port p;

		snprintf(id, sizeof(id), "n%d", i + 10);
		snprintf(br, sizeof(br), "e%d", i);
		snprintf(ip4, sizeof(ip4), "10.%d.%d.2", (i + 10) / 256,
			 (i + 10) % 256);
		snprintf(ip6, sizeof(ip6), "fd00:%x::2", i + 10);
		p = port(id, br, br, ip4, ip6);
		start = now_ms();
		ok(dp_port_add(dp, &p, &err));
		ms[i] = now_ms() - start;
	}
	tell("port, up to 1000", ms, 1000);
	for (int i = 0; i < 1000; i++) {
		struct dp_publish p;

		snprintf(id, sizeof(id), "n%d", i + 10);
		snprintf(br, sizeof(br), "e%d", i);
		snprintf(ip4, sizeof(ip4), "10.%d.%d.2", (i + 10) / 256,
			 (i + 10) % 256);
		p = publish(id, br, ip4, "");
		want(&p.ports, "", IPPROTO_TCP, 10000 + i, 10000 + i, 80);
		start = now_ms();
		ok(dp_publish_add(dp, &p, &err));
		ms[i] = now_ms() - start;
		portmap_free(&p.ports);
	}
	tell("publish, up to 1000", ms, 1000);
	start = now_ms();
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	printf("# check: %.1f ms\n", now_ms() - start);
	sh("nft flush ruleset");
	start = now_ms();
	ok(dp_event(dp, &err));
	printf("# all made anew: %.1f ms\n", now_ms() - start);
	assert_int_equal(dp_check(dp, NULL, NULL, &err), 0);
	start = now_ms();
	ok(dp_event(dp, &err));
	printf("# a look at nothing: %.2f ms\n", now_ms() - start);
	for (int i = 0; i < 1000; i++) {
		snprintf(br, sizeof(br), "e%d", i);
		start = now_ms();
		ok(dp_publish_del(dp, br, &err));
		ok(dp_port_del(dp, br, &err));
		ms[i] = now_ms() - start;
	}
	tell("publish and port removed", ms, 1000);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "n%d", i + 10);
		start = now_ms();
		ok(dp_network_del(dp, id, &err));
		ms[i] = now_ms() - start;
	}
	tell("network removed", ms, 1000);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(five_hundred_ports),
		TEST(ten_thousand_shifted_ports),
		TEST(sixty_thousand_ports),
		TEST(a_thousand_networks),
	};
	int failed;

	if (!dp_test_host())
		return 0;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	dp_test_done();
	return failed;
}
