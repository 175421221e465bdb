/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * With which address something leaves: what a link's addresses and routes, made with
 * ip(8), become in the maps.
 */
#include "dataplane/ebpf/nat.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/ebpf/test/nat_env.h"
#include "lib/test/test.h"

static struct host host;

static void ok_(int r, const struct err *err, int line)
{
	if (r < 0)
		fail_msg("line %d: %d %s", line, r, err->msg);
}
#define ok(r) ok_(r, &e->err, __LINE__)

/* One daemon for all: loading the programs is what costs. */
static int setup(void **state)
{
	return nat_env_up(state, &host, 4096);
}

static int teardown(void **state)
{
	return nat_env_down(state, &host);
}

/* As the maps have it; NULL: none. */
static void addr16(const char *text, __u32 ret[4])
{
	memset(ret, 0, 16);
	if (!text || inet_pton(AF_INET6, text, ret) == 1)
		return;
	ret[2] = htonl(0xffff);
	assert_int_equal(inet_pton(AF_INET, text, &ret[3]), 1);
}

static enum nat_link_kind kind(void *ctx, const struct nlk_link *l)
{
	(void)ctx;
	return strcmp(l->name, "x0") == 0 ? NAT_KIND_UPLINK : NAT_KIND_OTHER;
}

static const struct nat_view view = { NULL, kind, NULL };

/* ---- of the link ----------------------------------------------------------- */

struct addr_row {
	const char *name, *ip4, *ip6; /* wanted; NULL: none */
	const char *made;             /* after "x0" was made and is up */
};

static const struct addr_row addr_rows[] = {
	{ .name = "no address", .made = "true" },
	{ .name = "one of each",
	  .ip4 = "192.0.2.1",
	  .ip6 = "2001:db8::1",
	  .made = "ip addr add 192.0.2.1/24 dev x0; "
		  "ip addr add 2001:db8::1/64 dev x0 nodad" },
	{ .name = "the first of two, not the second of a subnet",
	  .ip4 = "192.0.2.1",
	  .made = "ip addr add 192.0.2.1/24 dev x0; "
		  "ip addr add 192.0.2.9/24 dev x0" },
	{ .name = "the one in the gateway's subnet",
	  .ip4 = "198.51.100.1",
	  .made = "ip addr add 192.0.2.1/24 dev x0; "
		  "ip addr add 198.51.100.1/24 dev x0; "
		  "ip route add default via 198.51.100.2" },
	{ .name = "the default route's own",
	  .ip4 = "192.0.2.9",
	  .made = "ip addr add 192.0.2.1/24 dev x0; "
		  "ip addr add 192.0.2.9/24 dev x0; "
		  "ip route add default via 192.0.2.2 src 192.0.2.9" },
	{ .name = "of two default routes the better one's",
	  .ip4 = "192.0.2.9",
	  .made = "ip addr add 192.0.2.1/24 dev x0; "
		  "ip addr add 192.0.2.9/24 dev x0; "
		  "ip route add default via 192.0.2.2 metric 50; "
		  "ip route add default via 192.0.2.2 src 192.0.2.9 metric "
		  "10" },
	{ .name = "none of link scope",
	  .made = "ip addr add 192.0.2.1/24 dev x0 scope link" },
	{ .name = "global before unique local",
	  .ip6 = "2001:db8::1",
	  .made = "ip addr add 2001:db8::1/64 dev x0 nodad; "
		  "ip addr add fd00:9::1/64 dev x0 nodad" },
	{ .name = "unique local before a deprecated one",
	  .ip6 = "fd00:9::1",
	  .made = "ip addr add fd00:9::1/64 dev x0 nodad; "
		  "ip addr add 2001:db8::1/64 dev x0 nodad preferred_lft 0" },
	{ .name = "a deprecated one before none",
	  .ip6 = "2001:db8::1",
	  .made = "ip addr add 2001:db8::1/64 dev x0 nodad preferred_lft 0" },
};

static struct nat_link link_of(const char *name, int *ret)
{
	int fd = nat_env_map(&host, "nat_link");
	__u32 key = if_nametoindex(name);
	struct nat_link l = { 0 };

	*ret = bpf_map_lookup_elem(fd, &key, &l);
	close(fd);
	return l;
}

static void addr_row(struct nat_env *e, const struct addr_row *row)
{
	__u32 want4[4], want6[4];
	struct nat_link got;
	int back = 0, r;

	print_message("# %s\n", row->name);
	host_sh("ip link add x0 type bridge && ip link set x0 up && (%s)",
		row->made);
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	got = link_of("x0", &r);
	assert_int_equal(r, 0);
	addr16(row->ip4, want4);
	addr16(row->ip6, want6);
	assert_memory_equal(got.ip6, want6, 16);
	assert_int_equal(got.ip4, want4[3]);
	assert_int_equal(got.flags & ~(__u32)NAT_LINK_MANY, 0);
	host_sh("ip link del x0");
	assert_true(nat_host_sync(e->nat, &view, &back, &e->err) > 0);
	assert_int_equal(back, 0);
}

static void a_link_has_its_source(void **state)
{
	struct nat_env *e = *state;

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(addr_rows); i++)
		addr_row(e, &addr_rows[i]);
}

/* ---- of its subnets -------------------------------------------------------- */

static void count_line(void *ctx, const char *line)
{
	(void)line;
	(*(int *)ctx)++;
}

struct subnet_row {
	const char *name;
	const char *made; /* after "x0" has 192.0.2.1/24 and 2001:db8::1/64 */
	struct {
		const char *hop, *source; /* IPv6: the destination */
	} want[5];
};

static const struct subnet_row subnet_rows[] = {
	{ .name = "one subnet: the link's",
	  .made = "ip addr add 192.0.2.9/24 dev x0",
	  .want = { { "192.0.2.2", "192.0.2.1" },
		    { "2001:db8::2", "2001:db8::1" } } },
	{ .name = "the next hop's subnet",
	  .made = "ip addr add 198.51.100.10/24 dev x0; "
		  "ip addr add 198.51.100.11/24 dev x0; "
		  "ip route add default via 192.0.2.254",
	  .want = { { "192.0.2.254", "192.0.2.1" },
		    { "198.51.100.254", "198.51.100.10" },
		    { "203.0.113.1", "192.0.2.1" } } },
	{ .name = "the default route is by the second",
	  .made = "ip addr add 198.51.100.10/24 dev x0; "
		  "ip route add default via 198.51.100.254",
	  .want = { { "192.0.2.254", "192.0.2.1" },
		    { "198.51.100.254", "198.51.100.10" },
		    { "203.0.113.1", "198.51.100.10" } } },
	{ .name = "the user's choice in its own subnet",
	  .made = "ip addr add 192.0.2.9/24 dev x0; "
		  "ip addr add 198.51.100.10/24 dev x0; "
		  "ip route add default via 192.0.2.254 src 192.0.2.9",
	  .want = { { "192.0.2.254", "192.0.2.9" },
		    { "198.51.100.254", "198.51.100.10" } } },
	{ .name = "of nested subnets the first",
	  .made = "ip addr add 198.51.100.1/24 dev x0; "
		  "ip addr add 198.51.100.129/25 dev x0; "
		  "ip route add default via 192.0.2.254",
	  .want = { { "198.51.100.2", "198.51.100.1" },
		    { "198.51.100.200", "198.51.100.1" } } },
	{ .name = "of nested subnets the first, and that is the smaller",
	  .made = "ip addr add 198.51.100.129/25 dev x0; "
		  "ip addr add 198.51.100.1/24 dev x0; "
		  "ip route add default via 192.0.2.254",
	  .want = { { "198.51.100.2", "198.51.100.1" },
		    { "198.51.100.200", "198.51.100.129" } } },
	{ .name = "a peer is a subnet",
	  .made = "ip addr add 198.51.100.10 peer 203.0.113.7/32 dev x0; "
		  "ip route add default via 192.0.2.254",
	  .want = { { "203.0.113.7", "198.51.100.10" },
		    { "203.0.113.8", "192.0.2.1" } } },
	{ .name = "none of link scope",
	  .made = "ip addr add 198.51.100.10/24 dev x0 scope link",
	  .want = { { "198.51.100.254", "192.0.2.1" } } },
	{ .name = "IPv6: the destination's subnet",
	  .made = "ip addr add 2001:db8:9::1/64 dev x0 nodad; "
		  "ip -6 route add default via 2001:db8::fe dev x0",
	  .want = { { "2001:db8::7", "2001:db8::1" },
		    { "2001:db8:9::7", "2001:db8:9::1" } } },
	{ .name = "IPv6: unique local to unique local",
	  .made = "ip addr add fd00:9::1/64 dev x0 nodad; "
		  "ip -6 route add default via 2001:db8::fe dev x0",
	  .want = { { "fd00:9::7", "fd00:9::1" },
		    { "fd77::1", "fd00:9::1" },
		    { "2001:db8::7", "2001:db8::1" },
		    { "2001:db8:9::7", "2001:db8::1" } } },
	{ .name = "IPv6: no way there, unique local all the same",
	  .made = "ip addr add fd00:9::1/64 dev x0 nodad",
	  .want = { { "fd77::1", "fd00:9::1" },
		    { "2001:db8:9::7", "2001:db8::1" } } },
	{ .name = "IPv6: a deprecated one not even in its subnet",
	  .made = "ip addr add 2001:db8:9::1/64 dev x0 nodad preferred_lft 0",
	  .want = { { "2001:db8:9::7", "2001:db8::1" } } },
};

/* As the program finds it. */
static void source_for(const char *hop, __u32 ret[4])
{
	int links = nat_env_map(&host, "nat_link");
	int sources = nat_env_map(&host, "nat_source");
	struct nat_source_key k = { .bits = NAT_SOURCE_BITS + 128,
				    .ifindex = if_nametoindex("x0") };
	struct nat_source s;
	struct nat_link l;

	assert_int_equal(bpf_map_lookup_elem(links, &k.ifindex, &l), 0);
	addr16(hop, k.addr);
	memcpy(ret, l.ip6, 16);
	if (!strchr(hop, ':')) {
		memset(ret, 0, 16);
		ret[2] = htonl(0xffff);
		ret[3] = l.ip4;
	}
	if (l.flags & NAT_LINK_MANY &&
	    bpf_map_lookup_elem(sources, &k, &s) == 0)
		memcpy(ret, s.addr, 16);
	close(links);
	close(sources);
}

static void check_row(struct nat_env *e, const struct subnet_row *row)
{
	__u32 want[4], got[4];
	int back = 0;

	host_sh("ip link add x0 type bridge && ip link set x0 up && "
		"ip addr add 192.0.2.1/24 dev x0 && "
		"ip addr add 2001:db8::1/64 dev x0 nodad && (%s)",
		row->made);
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	for (size_t i = 0; row->want[i].hop; i++) {
		char text[INET6_ADDRSTRLEN];

		source_for(row->want[i].hop, got);
		addr16(row->want[i].source, want);
		if (memcmp(got, want, 16) != 0)
			fail_msg("%s: %s: %s", row->name, row->want[i].hop,
				 inet_ntop(AF_INET6, got, text, sizeof(text)));
	}
	assert_int_equal(nat_host_sync(e->nat, &view, &back, &e->err), 0);
	host_sh("ip link del x0");
}

static void a_subnet_has_its_source(void **state)
{
	struct nat_env *e = *state;
	int back;

	NEED_HOST();
	for (size_t i = 0; i < ARRAY_SIZE(subnet_rows); i++)
		check_row(e, &subnet_rows[i]);
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	host_sh("test \"$(bpftool map dump pinned %s/berth/v1/test/nat_source "
		"| "
		"grep -c key)\" = 0",
		host.bpffs);
}

/* Addresses that come and go, and what somebody else took out. */
static void subnets_are_followed(void **state)
{
	struct nat_source_key k = { .bits = NAT_SOURCE_BITS + 96 + 24 };
	struct nat_env *e = *state;
	__u32 want[4], got[4];
	int back, n = 0, fd, r;

	NEED_HOST();
	host_sh("ip link add x0 type bridge && ip link set x0 up && "
		"ip addr add 192.0.2.1/24 dev x0");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	assert_int_equal(link_of("x0", &r).flags, 0);
	host_sh("ip addr add 198.51.100.10/24 dev x0");
	assert_true(nat_host_sync(e->nat, &view, &back, &e->err) > 0);
	assert_int_equal(link_of("x0", &r).flags, NAT_LINK_MANY);
	source_for("198.51.100.7", got);
	addr16("198.51.100.10", want);
	assert_memory_equal(got, want, 16);
	fd = nat_env_map(&host, "nat_source");
	k.ifindex = if_nametoindex("x0");
	addr16("198.51.100.0", k.addr);
	assert_int_equal(bpf_map_delete_elem(fd, &k), 0);
	close(fd);
	ok(nat_host_check(e->nat, &view, count_line, &n, &e->err));
	assert_int_equal(n, 1);
	assert_int_equal(nat_host_sync(e->nat, &view, &back, &e->err), 1);
	host_sh("ip addr add 198.51.100.11/24 dev x0; "
		"sysctl -qw net.ipv4.conf.x0.promote_secondaries=1; "
		"ip addr del 198.51.100.10/24 dev x0");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
	source_for("198.51.100.7", got);
	addr16("198.51.100.11", want);
	assert_memory_equal(got, want, 16);
	host_sh("ip link del x0");
	ok(nat_host_sync(e->nat, &view, &back, &e->err));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_has_its_source),
		cmocka_unit_test(a_subnet_has_its_source),
		cmocka_unit_test(subnets_are_followed),
	};
	int failed;

	host_make(&host);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, setup, teardown);
	host_remove(&host);
	return failed;
}
