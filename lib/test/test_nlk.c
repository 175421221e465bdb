/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nlk against the kernel, in network namespaces of its own. */
#include "lib/nlk.h"

#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/test/test.h"

#define ALIAS "berth:test:0123456789ab"

static bool in_netns; /* else every test is a SKIP */

struct env {
	struct nlk *nlk;
	struct nlk_monitor *mon;
	struct err err;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!in_netns)
		return 0;
	if (!e || unshare(CLONE_NEWNET) < 0)
		return -1;
	if (nlk_monitor_open(&e->mon, NULL) < 0)
		return -1;
	return nlk_open(&e->nlk, NULL);
}

static int teardown(void **state)
{
	struct env *e = *state;

	nlk_monitor_close(e->mon);
	nlk_close(e->nlk);
	free(e);
	return 0;
}

#define NEED_NETNS()             \
	do {                     \
		if (!in_netns) { \
			skip();  \
			return;  \
		}                \
	} while (0)

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

static struct nlk_link link_of(struct env *e, const char *name)
{
	struct nlk_link l = { 0 };
	int r = nlk_link_get(e->nlk, name, 0, &l, &e->err);

	if (r < 0)
		fail_msg("%s", e->err.msg);
	return l;
}

static int bridge(struct env *e)
{
	struct nlk_bridge_conf conf = { .name = "br-t",
					.alias = ALIAS,
					.mac = { { 2, 0x42, 1, 2, 3, 4 } },
					.mtu = 1400 };
	int r = nlk_bridge_add(e->nlk, &conf, &e->err);

	if (r < 0)
		fail_msg("%s", e->err.msg);
	return link_of(e, "br-t").index;
}

static void bridge_has_what_was_asked(void **state)
{
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	bridge(e);
	l = link_of(e, "br-t");
	assert_string_equal(l.kind, "bridge");
	assert_string_equal(l.alias, ALIAS);
	assert_int_equal(l.mtu, 1400);
	assert_memory_equal(l.mac.bytes, "\x02\x42\x01\x02\x03\x04", 6);
	assert_false(l.up);
	assert_int_equal(l.master, 0);
}

static void bridge_twice_names_the_holder(void **state)
{
	struct nlk_bridge_conf conf = { .name = "br-t", .alias = ALIAS };
	struct env *e = *state;

	NEED_NETNS();
	bridge(e);
	assert_int_equal(nlk_bridge_add(e->nlk, &conf, &e->err), -EEXIST);
	assert_non_null(strstr(e->err.msg, "br-t"));
	assert_non_null(strstr(e->err.msg, "bridge with alias \"" ALIAS));
	assert_int_equal(link_of(e, "br-t").mtu, 1400);
}

static void bridge_mtu_stays_when_a_port_comes(void **state)
{
	struct nlk_veth_conf v = { .name = "h0", .peer = "c0", .alias = ALIAS };
	struct env *e = *state;

	NEED_NETNS();
	v.master = bridge(e);
	v.mtu = 1300;
	assert_int_equal(nlk_veth_add(e->nlk, &v, &e->err), 0);
	assert_int_equal(link_of(e, "br-t").mtu, 1400);
}

static void bad_bridge_leaves_nothing(void **state)
{
	struct nlk_bridge_conf conf = { .name = "br-t",
					.alias = ALIAS,
					.mtu = 1u << 30 };
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(nlk_bridge_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_int_equal(nlk_link_get(e->nlk, "br-t", 0, &l, NULL), -ENODEV);
}

static int veth(struct env *e, int master, bool hairpin)
{
	struct nlk_veth_conf conf = { .name = "h0",
				      .peer = "c0",
				      .alias = ALIAS,
				      .master = master,
				      .peer_mac = { { 2, 0x42, 10, 0, 0, 2 } },
				      .mtu = 1400,
				      .hairpin = hairpin };

	return nlk_veth_add(e->nlk, &conf, &e->err);
}

static void veth_has_what_was_asked(void **state)
{
	struct env *e = *state;
	struct nlk_link h, c;
	int br;

	NEED_NETNS();
	br = bridge(e);
	if (veth(e, br, true) < 0)
		fail_msg("%s", e->err.msg);
	h = link_of(e, "h0");
	c = link_of(e, "c0");
	assert_string_equal(h.kind, "veth");
	assert_string_equal(h.alias, ALIAS);
	assert_string_equal(c.alias, ALIAS);
	assert_int_equal(h.master, br);
	assert_int_equal(c.master, 0);
	assert_true(h.up);
	assert_false(c.up);
	assert_int_equal(h.mtu, 1400);
	assert_int_equal(c.mtu, 1400);
	assert_int_equal(h.peer_index, c.index);
	assert_false(h.peer_elsewhere);
	assert_memory_equal(c.mac.bytes, "\x02\x42\x0a\x00\x00\x02", 6);
	assert_int_equal(system("bridge -d link show dev h0 | "
				"grep -q 'hairpin on'"),
			 0);
}

static void veth_names_taken(void **state)
{
	struct nlk_veth_conf conf = { .name = "h1",
				      .peer = "c0",
				      .alias = ALIAS };
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(veth(e, 0, false), 0);
	assert_int_equal(veth(e, 0, false), -EEXIST);
	assert_non_null(strstr(e->err.msg, "link h0:"));
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EEXIST);
	assert_non_null(strstr(e->err.msg, "link c0:"));
	assert_int_equal(nlk_link_get(e->nlk, "h1", 0, &l, NULL), -ENODEV);
	/* the one that was there is as it was */
	assert_string_equal(link_of(e, "h0").alias, ALIAS);
}

static void veth_of_a_bad_bridge_leaves_nothing(void **state)
{
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_not_equal(veth(e, 99999, false), 0);
	assert_int_equal(nlk_link_get(e->nlk, "h0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "c0", 0, &l, NULL), -ENODEV);
}

static void veth_bad_input(void **state)
{
	struct nlk_veth_conf conf = { .name = "a-name-that-is-too-long",
				      .peer = "c0",
				      .alias = ALIAS };
	struct env *e = *state;

	NEED_NETNS();
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_non_null(strstr(e->err.msg, "1 to 15 characters"));
	conf.name = "bad/name";
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	conf.name = "h0";
	conf.alias = NULL;
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	conf.alias = ALIAS;
	conf.hairpin = true;
	assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), -EINVAL);
	assert_non_null(strstr(e->err.msg, "without a bridge"));
}

static void del_only_with_the_alias(void **state)
{
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(veth(e, 0, false), 0);
	assert_int_equal(
		nlk_link_del(e->nlk, "h0", "berth:test:other", &e->err),
		-EPERM);
	assert_non_null(strstr(e->err.msg, ALIAS));
	assert_int_equal(nlk_link_del(e->nlk, "h0", "", &e->err), -EPERM);
	assert_int_equal(nlk_link_del(e->nlk, "lo", ALIAS, &e->err), -EPERM);
	assert_int_equal(nlk_link_del(e->nlk, "h0", ALIAS, &e->err), 0);
	assert_int_equal(nlk_link_get(e->nlk, "c0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_del(e->nlk, "h0", ALIAS, &e->err), 0);
}

static void del_of_foreign_without_alias_is_refused(void **state)
{
	struct env *e = *state;

	NEED_NETNS();
	assert_int_equal(system("ip link add f0 type veth peer name f1"), 0);
	assert_int_equal(nlk_link_del(e->nlk, "f0", ALIAS, &e->err), -EPERM);
	/* ours, caught between its creation and its alias */
	assert_int_equal(system("ip link add o0 group 0x62727468 type veth "
				"peer name o1"),
			 0);
	assert_int_equal(nlk_link_del(e->nlk, "o0", ALIAS, &e->err), 0);
}

static void many_are_deleted_at_once_and_only_ours(void **state)
{
	struct env *e = *state;
	struct nlk_link_ref refs[] = { { .name = "h0", .alias = ALIAS },
				       { .name = "none", .alias = ALIAS },
				       { .name = "f0", .alias = ALIAS },
				       { .name = "h1", .alias = ALIAS } };
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(veth(e, 0, false), 0);
	assert_int_equal(system("ip link add f0 type veth peer name f1; "
				"ip link add h1 type veth peer name c1; "
				"ip link set h1 alias " ALIAS),
			 0);
	assert_int_equal(
		nlk_link_del_many(e->nlk, refs, ARRAY_SIZE(refs), &e->err), 0);
	assert_int_equal(refs[0].result, 0);
	assert_int_equal(refs[1].result, 0);
	assert_int_equal(refs[2].result, -EPERM);
	assert_int_equal(refs[3].result, 0);
	assert_int_equal(nlk_link_get(e->nlk, "h0", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "c1", 0, &l, NULL), -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, "f0", 0, &l, NULL), 0);
	/* again: nothing to do */
	assert_int_equal(nlk_link_del_many(e->nlk, refs, 2, &e->err), 0);
}

static void link_setters(void **state)
{
	const struct mac_addr mac = { { 2, 9, 9, 9, 9, 9 } };
	struct env *e = *state;
	struct nlk_link c;
	int br;

	NEED_NETNS();
	br = bridge(e);
	assert_int_equal(veth(e, 0, false), 0);
	c = link_of(e, "c0");
	assert_int_equal(nlk_link_mtu(e->nlk, c.index, 1280, &e->err), 0);
	assert_int_equal(nlk_link_mac(e->nlk, c.index, &mac, &e->err), 0);
	assert_int_equal(nlk_link_rename(e->nlk, c.index, "eth0", &e->err), 0);
	assert_int_equal(nlk_link_alias(e->nlk, c.index, "x", &e->err), 0);
	assert_int_equal(nlk_link_master(e->nlk, c.index, br, &e->err), 0);
	assert_int_equal(nlk_port_hairpin(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(system("bridge -d link show dev eth0 | "
				"grep -q 'hairpin on'"),
			 0);
	assert_int_equal(nlk_link_up(e->nlk, c.index, true, &e->err), 0);
	c = link_of(e, "eth0");
	assert_int_equal(c.mtu, 1280);
	assert_memory_equal(&c.mac, &mac, sizeof(mac));
	assert_string_equal(c.alias, "x");
	assert_int_equal(c.master, br);
	assert_true(c.up);
	assert_int_equal(nlk_link_up(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(nlk_link_alias(e->nlk, c.index, "", &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, c.index, false, &e->err), 0);
	assert_int_equal(nlk_link_arp(e->nlk, c.index, false, &e->err), 0);
	assert_int_equal(system("ip link show eth0 | grep -q NOARP"), 0);
	assert_int_equal(nlk_link_arp(e->nlk, c.index, true, &e->err), 0);
	assert_int_equal(system("ip link show eth0 | grep -qv NOARP"), 0);
	assert_int_equal(nlk_link_master(e->nlk, c.index, 0, &e->err), 0);
	c = link_of(e, "eth0");
	assert_string_equal(c.alias, "");
	assert_int_equal(c.master, 0);
	assert_false(c.up);
}

static void absent_links_are_enodev(void **state)
{
	struct env *e = *state;
	struct nlk_link l;

	NEED_NETNS();
	assert_int_equal(nlk_link_get(e->nlk, "none", 0, &l, &e->err), -ENODEV);
	assert_non_null(strstr(e->err.msg, "link none: "));
	assert_int_equal(nlk_link_get(e->nlk, NULL, 4711, &l, &e->err),
			 -ENODEV);
	assert_int_equal(nlk_link_get(e->nlk, NULL, 0, &l, &e->err), -ENODEV);
	assert_int_equal(nlk_link_up(e->nlk, 4711, true, &e->err), -ENODEV);
	assert_int_equal(nlk_link_rename(e->nlk, 4711, "x", &e->err), -ENODEV);
	assert_int_equal(nlk_port_hairpin(e->nlk, 4711, true, &e->err),
			 -ENODEV);
}

static int count_link(void *ctx, const struct nlk_link *l)
{
	int *n = ctx;

	if (strcmp(l->name, "stop") == 0)
		return -ECANCELED;
	(*n)++;
	return 0;
}

static void each_shows_every_link(void **state)
{
	struct env *e = *state;
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	int n = 0;

	NEED_NETNS();
	for (int i = 0; i < 200; i++) {
		struct nlk_veth_conf conf = { .name = name,
					      .peer = peer,
					      .alias = ALIAS };

		snprintf(name, sizeof(name), "h%d", i);
		snprintf(peer, sizeof(peer), "c%d", i);
		assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), 0);
	}
	assert_int_equal(nlk_link_each(e->nlk, count_link, &n, &e->err), 0);
	assert_int_equal(n, 401); /* and lo */
	assert_int_equal(nlk_link_rename(e->nlk, link_of(e, "c7").index, "stop",
					 &e->err),
			 0);
	assert_int_equal(nlk_link_each(e->nlk, count_link, &n, &e->err),
			 -ECANCELED);
}

static int count_base(void *ctx, const struct nlk_link *l)
{
	*(int *)ctx += l->name[0] == 'b';
	return 0;
}

/* Others come and go while we look: what stays is seen, once. */
static void each_is_whole_while_links_come_and_go(void **state)
{
	struct env *e = *state;
	int status, looks = 0;
	pid_t pid;

	NEED_NETNS();
	assert_int_equal(system("for i in $(seq 100); do echo link add b$i "
				"type veth peer name bb$i; done | "
				"ip -batch -"),
			 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("sh", "sh", "-c",
		       "for i in $(seq 150); do echo link add x$i type veth "
		       "peer name y$i; echo link set x$i alias z; done | "
		       "ip -batch -",
		       NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, WNOHANG) == 0) {
		int n = 0, r = nlk_link_each(e->nlk, count_base, &n, &e->err);

		if (r == -EAGAIN) /* said so, not half an answer */
			continue;
		assert_int_equal(r, 0);
		assert_int_equal(n, 200);
		looks++;
	}
	assert_int_equal(status, 0);
	print_message("# whole looks: %d\n", looks);
}

static int count_addr(void *ctx, int index, const struct ip_prefix *p)
{
	(void)index;
	(void)p;
	(*(int *)ctx)++;
	return 0;
}

static void addresses(void **state)
{
	const struct ip_prefix v4 = prefix("10.9.0.1/24");
	const struct ip_prefix v6 = prefix("fd00:9::1/64");
	const struct ip_prefix other = prefix("fd00:9::1/80");
	struct env *e = *state;
	int br, n = 0;

	NEED_NETNS();
	br = bridge(e);
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

static int routed_bridge(struct env *e)
{
	const struct ip_prefix v4 = prefix("10.9.0.1/24");
	const struct ip_prefix v6 = prefix("fd00:9::1/64");
	int br = bridge(e);

	assert_int_equal(veth(e, br, false), 0);
	assert_int_equal(
		nlk_link_up(e->nlk, link_of(e, "c0").index, true, &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, br, true, &e->err), 0);
	assert_int_equal(nlk_addr_add(e->nlk, br, &v4, &e->err), 0);
	assert_int_equal(nlk_addr_add(e->nlk, br, &v6, &e->err), 0);
	return br;
}

static void routes(void **state)
{
	static const char *const dst[] = { "10.77.0.0/16", "fd77::/32" };
	static const char *const gw[] = { "10.9.0.2", "fd00:9::2" };
	struct env *e = *state;
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
	struct env *e = *state;
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
	struct env *e = *state;
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
	struct env *e = *state;
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
	struct env *e = *state;
	struct seen s = { 0 };
	int br;

	NEED_NETNS();
	assert_int_equal(nlk_monitor_read(e->mon, on_event, &s, &e->err), 0);
	br = bridge(e);
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
	struct env *e = *state;
	struct seen s = { 0 };

	NEED_NETNS();
	assert_int_equal(veth(e, bridge(e), false), 0);
	assert_int_equal(
		nlk_link_master(e->nlk, link_of(e, "h0").index, 0, &e->err), 0);
	assert_true(nlk_monitor_read(e->mon, on_event, &s, &e->err) > 0);
	assert_int_equal(s.n[NLK_LINK_DEL], 0);
}

static void overrun_is_lost(void **state)
{
	struct env *e = *state;
	struct seen s = { 0 };
	int small = 4096, br;

	NEED_NETNS();
	br = bridge(e);
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
	struct env *e = *state;
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

/* Not a benchmark: prints what one attach costs here. */
static void attach_cost(void **state)
{
	struct env *e = *state;
	struct timespec a, b;
	char name[IFNAMSIZ], peer[IFNAMSIZ];
	int br, n = 100;

	NEED_NETNS();
	br = bridge(e);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < n; i++) {
		struct nlk_veth_conf conf = { .name = name,
					      .peer = peer,
					      .alias = ALIAS,
					      .master = br,
					      .mtu = 1400,
					      .hairpin = true,
					      .peer_mac = { { 2, 0x42, 10, 0, 0,
							      (uint8_t)i } } };

		snprintf(name, sizeof(name), "h%d", i);
		snprintf(peer, sizeof(peer), "c%d", i);
		assert_int_equal(nlk_veth_add(e->nlk, &conf, &e->err), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	print_message("# veth_add: %.0f us each\n",
		      ((double)(b.tv_sec - a.tv_sec) * 1e9 +
		       (double)(b.tv_nsec - a.tv_nsec)) /
			      1e3 / n);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(bridge_has_what_was_asked),
		T(bridge_twice_names_the_holder),
		T(bridge_mtu_stays_when_a_port_comes),
		T(bad_bridge_leaves_nothing),
		T(veth_has_what_was_asked),
		T(veth_names_taken),
		T(veth_of_a_bad_bridge_leaves_nothing),
		T(veth_bad_input),
		T(del_only_with_the_alias),
		T(del_of_foreign_without_alias_is_refused),
		T(many_are_deleted_at_once_and_only_ours),
		T(link_setters),
		T(absent_links_are_enodev),
		T(each_shows_every_link),
		T(each_is_whole_while_links_come_and_go),
		T(addresses),
		T(routes),
		T(multipath_is_one_route_a_hop),
		T(route_lookup),
		T(neighbours),
		T(events_of_own_doing),
		T(leaving_a_bridge_is_no_deletion),
		T(overrun_is_lost),
		T(forged_events_are_dropped),
		T(attach_cost),
	};

	in_netns = unshare(CLONE_NEWNET) == 0;
	if (!in_netns)
		print_message("# SKIP: needs CAP_SYS_ADMIN\n");
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
