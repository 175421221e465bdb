/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ct against the kernel; the entries are made by conntrack(8). */
#include "lib/ct.h"

#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "lib/test/test.h"

static bool in_netns; /* else every test is a SKIP */

#define NEED_NETNS()             \
	do {                     \
		if (!in_netns) { \
			skip();  \
			return;  \
		}                \
	} while (0)

static void sh(const char *cmd)
{
	if (system(cmd) != 0)
		fail_msg("%s", cmd);
}

/* An entry src:4000 -> dst:dport, answered by @reply. */
static void entry(const char *proto, const char *dst, int dport,
		  const char *reply)
{
	const char *state = proto[0] == 't' ? "--state ESTABLISHED" : "";
	const char *src = strchr(dst, ':') ? "fd00::99" : "198.51.100.9";
	char cmd[256];

	snprintf(cmd, sizeof(cmd),
		 "conntrack -I -p %s %s -s %s -d %s -r %s -q %s --sport 4000 "
		 "--dport %d --reply-port-src %d --reply-port-dst 4000 "
		 "--timeout 60 >/dev/null 2>&1",
		 proto, state, src, dst, reply, src, dport, dport);
	sh(cmd);
}

static int entries(void)
{
	FILE *p = popen("cat /proc/sys/net/netfilter/nf_conntrack_count", "r");
	int n = -1;

	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

static int setup(void **state)
{
	(void)state;
	if (!in_netns)
		return 0;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	sh("ip link set lo up && ip addr add 10.9.0.1/24 dev lo && "
	   "ip addr add fd00:9::1/64 dev lo nodad");
	assert_true(test_local6("fd00:9::1"));
	entry("udp", "10.9.0.1", 53, "172.31.0.2");
	entry("tcp", "10.9.0.1", 8080, "172.31.0.2");
	entry("tcp", "10.9.0.1", 8085, "172.31.0.3");
	entry("tcp", "203.0.113.5", 8080, "203.0.113.5"); /* leaves the host */
	entry("udp", "fd00:9::1", 53, "fd00:31::2");
	assert_int_equal(entries(), 5);
	return 0;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static void port_of_any_address_spares_what_passes(void **state)
{
	struct err err = { 0 };

	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_port(IPPROTO_TCP, NULL, 8080, 8080, &err), 1);
	assert_int_equal(entries(), 4);
	assert_int_equal(ct_flush_port(IPPROTO_TCP, NULL, 8080, 8080, &err), 0);
}

static void port_of_both_families(void **state)
{
	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_port(IPPROTO_UDP, NULL, 53, 53, NULL), 2);
	assert_int_equal(entries(), 3);
}

static void port_of_one_family(void **state)
{
	const struct ip_addr all4 = addr("0.0.0.0"), all6 = addr("::");

	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_port(IPPROTO_UDP, &all4, 53, 53, NULL), 1);
	assert_int_equal(ct_flush_port(IPPROTO_UDP, &all4, 53, 53, NULL), 0);
	assert_int_equal(ct_flush_port(IPPROTO_UDP, &all6, 53, 53, NULL), 1);
	/* of any address of this host still: not what passes */
	assert_int_equal(ct_flush_port(IPPROTO_TCP, &all4, 8080, 8080, NULL),
			 1);
	assert_int_equal(entries(), 2);
}

static void port_of_one_address(void **state)
{
	const struct ip_addr v6 = addr("fd00:9::1"), no = addr("10.9.0.7");

	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_port(IPPROTO_UDP, &no, 53, 53, NULL), 0);
	assert_int_equal(ct_flush_port(IPPROTO_UDP, &v6, 53, 53, NULL), 1);
	assert_int_equal(entries(), 4);
}

static void range_and_protocol(void **state)
{
	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_port(IPPROTO_UDP, NULL, 8000, 9000, NULL), 0);
	assert_int_equal(ct_flush_port(IPPROTO_TCP, NULL, 8081, 65535, NULL),
			 1);
	assert_int_equal(ct_flush_port(IPPROTO_TCP, NULL, 1, 65535, NULL), 1);
	assert_int_equal(entries(), 3);
}

static void container_address(void **state)
{
	const struct ip_addr v4 = addr("172.31.0.2"), v6 = addr("fd00:31::2");

	(void)state;
	NEED_NETNS();
	assert_int_equal(ct_flush_addr(&v4, NULL), 2);
	assert_int_equal(ct_flush_addr(&v6, NULL), 1);
	assert_int_equal(ct_flush_addr(&v6, NULL), 0);
	assert_int_equal(entries(), 2);
}

static void list_in_one_walk(void **state)
{
	static struct ct_filter list[10000];

	(void)state;
	NEED_NETNS();
	for (uint16_t i = 0; i < ARRAY_SIZE(list); i++)
		list[i] = (struct ct_filter){ .proto = IPPROTO_TCP,
					      .first = (uint16_t)(8000 + i),
					      .last = (uint16_t)(8000 + i) };
	list[0] = (struct ct_filter){ .proto = IPPROTO_UDP,
				      .first = 53,
				      .last = 53 };
	assert_int_equal(ct_flush(list, ARRAY_SIZE(list), NULL), 4);
	assert_int_equal(entries(), 1);
	assert_int_equal(ct_flush(NULL, 0, NULL), 0);
}

static double us_of_ten(const struct ip_addr *ip)
{
	struct timespec a, b;

	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 10; i++)
		assert_int_equal(ct_flush_addr(ip, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		(double)(b.tv_nsec - a.tv_nsec)) /
	       1e4;
}

/* Above TEXT_MAX of ct.c the entries come by netlink. */
static void long_tables_too(void **state)
{
	const struct ip_addr v4 = addr("172.31.0.2"), no = addr("172.31.0.9");

	(void)state;
	NEED_NETNS();
	print_message("# short: %.0f us each\n", us_of_ten(&no));
	sh("i=10000; while [ $i -lt 11100 ]; do echo -I -p udp -s 10.9.9.9 -d "
	   "10.9.9.8 -r 10.9.9.8 -q 10.9.9.9 --sport $i --dport 53 "
	   "--reply-port-src 53 --reply-port-dst $i --timeout 60; "
	   "i=$((i+1)); done >/tmp/berth-test-ct.$$; "
	   "conntrack -R /tmp/berth-test-ct.$$ >/dev/null 2>&1; r=$?; "
	   "rm /tmp/berth-test-ct.$$; exit $r");
	assert_int_equal(entries(), 1105);
	print_message("# long: %.0f us each\n", us_of_ten(&no));
	assert_int_equal(ct_flush_addr(&v4, NULL), 2);
	assert_int_equal(ct_flush_port(IPPROTO_UDP, NULL, 53, 53, NULL), 1);
	assert_int_equal(entries(), 1102);
}

static void ping_of_a_container(void **state)
{
	const struct ip_addr v4 = addr("10.9.0.1");
	int before;

	(void)state;
	NEED_NETNS();
	sh("nft 'table ip t { chain c { type filter hook output priority 0; "
	   "ct state new accept; }; }'; ping -c1 10.9.0.1 >/dev/null");
	before = entries();
	assert_int_equal(ct_flush_addr(&v4, NULL), 1);
	assert_int_equal(entries(), before - 1);
}

static void entry_in_a_zone(void **state)
{
	const struct ip_addr ip = addr("172.31.0.7");

	(void)state;
	NEED_NETNS();
	sh("conntrack -I -w 5 -p udp -s 198.51.100.9 -d 10.9.0.1 -r 172.31.0.7 "
	   "-q 198.51.100.9 --sport 4000 --dport 7 --reply-port-src 7 "
	   "--reply-port-dst 4000 --timeout 60 >/dev/null 2>&1");
	assert_int_equal(ct_flush_addr(&ip, NULL), 1);
	assert_int_equal(entries(), 5);
}

static void empty_table_costs_microseconds(void **state)
{
	const struct ip_addr v4 = addr("172.31.0.2");
	struct timespec a, b;
	double us;

	(void)state;
	NEED_NETNS();
	sh("conntrack -F 2>/dev/null");
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 100; i++)
		assert_int_equal(ct_flush_addr(&v4, NULL), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	us = ((double)(b.tv_sec - a.tv_sec) * 1e9 +
	      (double)(b.tv_nsec - a.tv_nsec)) /
	     1e5;
	print_message("# empty: %.1f us each\n", us);
	assert_true(us < 5000);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(port_of_any_address_spares_what_passes),
		T(port_of_both_families),
		T(port_of_one_family),
		T(port_of_one_address),
		T(range_and_protocol),
		T(container_address),
		T(list_in_one_walk),
		T(long_tables_too),
		T(ping_of_a_container),
		T(entry_in_a_zone),
		T(empty_table_costs_microseconds),
	};

	in_netns = unshare(CLONE_NEWNET) == 0 &&
		   system("command -v conntrack >/dev/null") == 0;
	if (!in_netns)
		print_message("# SKIP: needs CAP_SYS_ADMIN and conntrack(8)\n");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
