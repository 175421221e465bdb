/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses, routes, neighbours and events against the kernel. */
#include "lib/test/nlk_test.h"

#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

static struct ip_prefix prefix(const char *s)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(s, &p, NULL), 0);
	return p;
}

static struct ip_addr addr(const char *s)
{
	struct ip_addr a;

	assert_int_equal(ip_parse(s, &a, NULL), 0);
	return a;
}

static int count_addr(void *ctx, int index, const struct ip_prefix *p)
{
	(void)index;
	(void)p;
	(*(int *)ctx)++;
	return 0;
}

/* The last global IPv6 address. */
static int see_addr(void *ctx, const struct nlk_addr *a)
{
	if (a->p.addr.family == AF_INET6 && a->scope == RT_SCOPE_UNIVERSE)
		*(struct nlk_addr *)ctx = *a;
	return 0;
}

/* The one with a peer. */
static int see_peer(void *ctx, const struct nlk_addr *a)
{
	if (!ip_equal(&a->p.addr, &a->other))
		*(struct nlk_addr *)ctx = *a;
	return 0;
}

static void addresses(void **state)
{
	const struct ip_prefix v4 = prefix("10.9.0.1/24");
	const struct ip_prefix v6 = prefix("fd00:9::1/64");
	const struct ip_prefix other = prefix("fd00:9::1/80");
	const struct ip_prefix peer = prefix("fd00:9::7/128");
	const struct ip_prefix theirs = prefix("fd00:10::8/128");
	struct nlk_addr seen = { 0 };
	struct nlk_env *e = *state;
	int br, n = 0;

	NEED_NETNS();
	br = env_bridge(e);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nlk_addr_add(e->nlk, br, &v4, &e->err), 0);
		assert_int_equal(nlk_addr_add(e->nlk, br, &v6, &e->err), 0);
	}
	assert_int_equal(nlk_addr_add(e->nlk, br, &other, &e->err), -EEXIST);
	assert_non_null(strstr(e->err.msg, "fd00:9::1/80"));
	assert_int_equal(nlk_link_up(e->nlk, br, true, &e->err), 0);
	assert_int_equal(system("ip -4 addr show dev br-t | "
				"grep -q 'brd 10.9.0.255'"),
			 0);
	assert_int_equal(system("ip -6 addr show dev br-t | "
				"grep 'fd00:9::1/64' | grep -q nodad"),
			 0);
	assert_int_equal(nlk_addr_each(e->nlk, br, count_addr, &n, &e->err), 0);
	assert_in_range(n, 2, 3); /* and fe80:: */
	assert_int_equal(nlk_addr_walk(e->nlk, see_addr, &seen, &e->err), 0);
	assert_int_equal(seen.scope, RT_SCOPE_UNIVERSE);
	assert_true(seen.flags & IFA_F_NODAD);
	assert_true(ip_equal(&seen.other, &v6.addr));
	assert_int_equal(system("ip addr add fd00:9::7 peer fd00:10::8/128 "
				"dev br-t nodad"),
			 0);
	assert_int_equal(nlk_addr_walk(e->nlk, see_peer, &seen, &e->err), 0);
	assert_true(ip_equal(&seen.p.addr, &peer.addr));
	assert_true(ip_equal(&seen.other, &theirs.addr));
	assert_int_equal(seen.p.len, 128);
	assert_int_equal(system("ip addr del fd00:9::7 peer fd00:10::8/128 "
				"dev br-t"),
			 0);
	assert_int_equal(seen.index, br);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nlk_addr_del(e->nlk, br, &v4, &e->err), 0);
		assert_int_equal(nlk_addr_del(e->nlk, br, &v6, &e->err), 0);
	}
	assert_int_equal(nlk_addr_add(e->nlk, 4711, &v4, &e->err), -ENODEV);
	assert_int_equal(nlk_addr_del(e->nlk, 4711, &v4, &e->err), 0);
	n = 0;
	assert_int_equal(nlk_addr_each(e->nlk, 0, count_addr, &n, &e->err), 0);
	assert_in_range(n, 0, 1);
}

struct sought {
	struct nlk_route want;
	int found;
};

static int find_route(void *ctx, const struct nlk_route *r)
{
	struct sought *s = ctx;

	if (r->dst.len == s->want.dst.len &&
	    ip_equal(&r->dst.addr, &s->want.dst.addr) &&
	    r->oif == s->want.oif && r->table == 254) {
		s->want = *r;
		s->found++;
	}
	return 0;
}

static int routed_bridge(struct nlk_env *e)
{
	const struct ip_prefix v4 = prefix("10.9.0.1/24");
	const struct ip_prefix v6 = prefix("fd00:9::1/64");
	int br = env_bridge(e);

	assert_int_equal(env_veth(e, br, false), 0);
	assert_int_equal(
		nlk_link_up(e->nlk, env_link(e, "c0").index, true, &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, br, true, &e->err), 0);
	assert_int_equal(nlk_addr_add(e->nlk, br, &v4, &e->err), 0);
	assert_int_equal(nlk_addr_add(e->nlk, br, &v6, &e->err), 0);
	return br;
}

static void routes(void **state)
{
	static const char *const dst[] = { "10.77.0.0/16", "fd77::/32" };
	static const char *const gw[] = { "10.9.0.2", "fd00:9::2" };
	struct nlk_env *e = *state;
	int br;

	NEED_NETNS();
	br = routed_bridge(e);
	for (int i = 0; i < 2; i++) {
		struct nlk_route r = { .dst = prefix(dst[i]),
				       .gateway = addr(gw[i]),
				       .oif = br,
				       .metric = 77,
				       .mtu = 1350 };
		struct sought s = { .want = r };

		if (nlk_route_add(e->nlk, &r, &e->err) < 0)
			fail_msg("%s", e->err.msg);
		assert_int_equal(nlk_route_add(e->nlk, &r, &e->err), -EEXIST);
		assert_int_equal(nlk_route_each(e->nlk, r.dst.addr.family,
						find_route, &s, &e->err),
				 0);
		assert_int_equal(s.found, 1);
		assert_int_equal(s.want.metric, 77);
		assert_int_equal(s.want.mtu, 1350);
		assert_true(ip_equal(&s.want.gateway, &r.gateway));
		assert_int_equal(s.want.type, RTN_UNICAST);
		assert_int_equal(s.want.protocol, RTPROT_STATIC);
		assert_int_equal(nlk_route_del(e->nlk, &r, &e->err), 0);
		assert_int_equal(nlk_route_del(e->nlk, &r, &e->err), 0);
	}
}

static void multipath_is_one_route_a_hop(void **state)
{
	struct nlk_env *e = *state;
	struct sought s = { 0 };

	NEED_NETNS();
	s.want.oif = routed_bridge(e);
	s.want.dst = prefix("10.88.0.0/16");
	assert_int_equal(system("ip route add 10.88.0.0/16 "
				"nexthop via 10.9.0.2 dev br-t "
				"nexthop via 10.9.0.3 dev br-t"),
			 0);
	assert_int_equal(
		nlk_route_each(e->nlk, AF_INET, find_route, &s, &e->err), 0);
	assert_int_equal(s.found, 2);
}

static void route_lookup(void **state)
{
	const struct ip_addr near4 = addr("10.9.0.7"), far = addr("10.99.0.1");
	const struct ip_addr near6 = addr("fd00:9::7"), far6 = addr("fd99::1");
	const struct ip_addr own = addr("10.9.0.1");
	struct nlk_env *e = *state;
	struct nlk_route r;
	int br;

	NEED_NETNS();
	br = routed_bridge(e);
	assert_int_equal(nlk_route_lookup(e->nlk, &near4, &r, &e->err), 0);
	assert_int_equal(r.oif, br);
	assert_true(ip_equal(&r.source, &own));
	assert_int_equal(nlk_route_lookup(e->nlk, &near6, &r, &e->err), 0);
	assert_int_equal(r.oif, br);
	assert_int_equal(nlk_route_lookup(e->nlk, &far, &r, &e->err),
			 -ENETUNREACH);
	assert_non_null(strstr(e->err.msg, "10.99.0.1"));
	assert_int_equal(nlk_route_lookup(e->nlk, &far6, &r, &e->err),
			 -ENETUNREACH);
}

static void neighbours(void **state)
{
	const struct ip_addr ip = addr("10.9.0.2");
	struct nlk_env *e = *state;
	int br;

	NEED_NETNS();
	br = routed_bridge(e);
	assert_int_equal(system("ip neigh add 10.9.0.2 dev br-t "
				"lladdr 02:00:00:00:00:01"),
			 0);
	assert_int_equal(nlk_neigh_del(e->nlk, br, &ip, &e->err), 0);
	assert_int_equal(nlk_neigh_del(e->nlk, br, &ip, &e->err), 0);
	assert_int_equal(nlk_neigh_del(e->nlk, 4711, &ip, &e->err), 0);
}

/* ---- events ------------------------------------------------------------- */

struct seen {
	int n[NLK_LOST + 1];
	struct nlk_link last;
};

static void on_event(void *ctx, const struct nlk_event *ev)
{
	struct seen *s = ctx;

	s->n[ev->type]++;
	if (ev->type == NLK_LINK_NEW)
		s->last = ev->link;
}

static void events_of_own_doing(void **state)
{
	const struct ip_prefix p = prefix("10.9.0.1/24");
	struct nlk_env *e = *state;
	struct seen s = { 0 };
	int br;

	NEED_NETNS();
	assert_int_equal(nlk_monitor_read(e->mon, on_event, &s, &e->err), 0);
	br = env_bridge(e);
	assert_int_equal(nlk_link_up(e->nlk, br, true, &e->err), 0);
	assert_int_equal(nlk_addr_add(e->nlk, br, &p, &e->err), 0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_true(s.n[NLK_LINK_NEW] > 0);
	assert_string_equal(s.last.name, "br-t");
	assert_string_equal(s.last.alias, ALIAS);
	assert_int_equal(s.n[NLK_ADDR_NEW], 1);
	assert_true(s.n[NLK_ROUTE_NEW] > 0);
	assert_int_equal(nlk_addr_del(e->nlk, br, &p, &e->err), 0);
	assert_int_equal(nlk_link_del(e->nlk, "br-t", ALIAS, &e->err), 0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_int_equal(s.n[NLK_ADDR_DEL], 1);
	assert_int_equal(s.n[NLK_LINK_DEL], 1);
	assert_int_equal(s.n[NLK_LOST], 0);
}

/* The kernel says RTM_DELLINK (AF_BRIDGE) of a port that leaves its bridge. */
static void leaving_a_bridge_is_no_deletion(void **state)
{
	struct nlk_env *e = *state;
	struct seen s = { 0 };

	NEED_NETNS();
	assert_int_equal(env_veth(e, env_bridge(e), false), 0);
	assert_int_equal(
		nlk_link_master(e->nlk, env_link(e, "h0").index, 0, &e->err),
		0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_int_equal(s.n[NLK_LINK_DEL], 0);
}

static void overrun_is_lost(void **state)
{
	struct nlk_env *e = *state;
	struct seen s = { 0 };
	int small = 4096, br;

	NEED_NETNS();
	br = env_bridge(e);
	assert_int_equal(setsockopt(nlk_monitor_fd(e->mon), SOL_SOCKET,
				    SO_RCVBUF, &small, sizeof(small)),
			 0);
	for (uint32_t i = 0; i < 200; i++)
		assert_int_equal(
			nlk_link_mtu(e->nlk, br, 1300 + i % 2, &e->err), 0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_true(s.n[NLK_LOST] > 0);
	/* and it goes on */
	s = (struct seen){ 0 };
	assert_int_equal(nlk_link_mtu(e->nlk, br, 1299, &e->err), 0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_int_equal(s.last.mtu, 1299);
}

static void forged_events_are_dropped(void **state)
{
	struct nlk_env *e = *state;
	struct seen s = { 0 };
	struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct {
		struct nlmsghdr h;
		struct ifinfomsg ifi;
	} msg = { .h = { .nlmsg_len = sizeof(msg), .nlmsg_type = RTM_DELLINK },
		  .ifi = { .ifi_index = 1 } };
	socklen_t len = sizeof(to);
	int fd;

	NEED_NETNS();
	assert_int_equal(getsockname(nlk_monitor_fd(e->mon),
				     (struct sockaddr *)&to, &len),
			 0);
	to.nl_groups = 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, &msg, sizeof(msg), 0,
				(struct sockaddr *)&to, sizeof(to)),
			 sizeof(msg));
	close(fd);
	assert_int_equal(nlk_monitor_read(e->mon, on_event, &s, &e->err), 0);
	assert_int_equal(s.n[NLK_LINK_DEL], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NLK_TEST(addresses),
		NLK_TEST(routes),
		NLK_TEST(multipath_is_one_route_a_hop),
		NLK_TEST(route_lookup),
		NLK_TEST(neighbours),
		NLK_TEST(events_of_own_doing),
		NLK_TEST(leaving_a_bridge_is_no_deletion),
		NLK_TEST(overrun_is_lost),
		NLK_TEST(forged_events_are_dropped),
	};

	return nlk_test_run(tests, ARRAY_SIZE(tests));
}
