/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VXLAN links and their tables against the kernel; ip and bridge judge. */
#include "lib/test/nlk_test.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/nlk_vxlan.h"

#define SAYS(cmd, text) assert_int_equal(system(cmd " | grep -q '" text "'"), 0)
#define LACKS(cmd, text) \
	assert_int_not_equal(system(cmd " | grep -q '" text "'"), 0)

static struct ip_addr addr(const char *text)
{
	struct ip_addr ip;

	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static struct mac_addr mac(const char *text)
{
	struct mac_addr m;

	assert_int_equal(mac_parse(text, &m, NULL), 0);
	return m;
}

static int make(struct nlk_env *e, const char *name, uint32_t vni,
		const char *local)
{
	const struct nlk_vxlan_conf conf = {
		.name = name,
		.alias = ALIAS,
		.vni = vni,
		.port = 4789,
		.local = addr(local),
		.learning = false,
		.mac = mac("02:00:00:00:00:01"),
		.mtu = 1450,
	};

	return nlk_vxlan_add(e->nlk, &conf, &e->err);
}

static void has_what_was_asked(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_vxlan v;
	struct ip_addr other = addr("10.0.0.2");

	NEED_NETNS();
	assert_int_equal(make(e, "v0", 4097, "10.0.0.1"), 0);
	assert_int_equal(env_link(e, "v0").mtu, 1450);
	assert_string_equal(env_link(e, "v0").alias, ALIAS);
	SAYS("ip -d link show v0",
	     "vxlan id 4097 local 10.0.0.1 .*dstport 4789 nolearning ttl "
	     "auto .*df set .*udpcsum");
	assert_int_equal(nlk_vxlan_get(e->nlk, "v0", &v, &e->err), 0);
	assert_int_equal(v.vni, 4097);
	assert_int_equal(v.port, 4789);
	assert_false(v.learning);
	assert_int_equal(nlk_vxlan_set_local(e->nlk, v.index, &other, &e->err),
			 0);
	SAYS("ip -d link show v0", "id 4097 local 10.0.0.2 .*nolearning");
	env_veth(e, 0, false);
	assert_int_equal(nlk_vxlan_get(e->nlk, "h0", &v, NULL), -ENODEV);
}

static void by_ip6(void **state)
{
	struct nlk_env *e = *state;
	struct nlk_vxlan v;
	struct ip_addr other = addr("2001:db8::2");

	NEED_NETNS();
	assert_int_equal(make(e, "v0", 5, "2001:db8::1"), 0);
	assert_int_equal(nlk_vxlan_get(e->nlk, "v0", &v, &e->err), 0);
	assert_int_equal(nlk_vxlan_set_local(e->nlk, v.index, &other, &e->err),
			 0);
	SAYS("ip -d link show v0", "local 2001:db8::2");
}

static void who_has_the_vni(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	assert_int_equal(make(e, "v0", 7, "10.0.0.1"), 0);
	assert_int_equal(make(e, "v0", 8, "10.0.0.1"), -EEXIST);
	assert_non_null(strstr(e->err.msg, "the name is taken"));
	assert_int_equal(make(e, "v1", 7, "10.0.0.1"), -EEXIST);
	assert_non_null(strstr(e->err.msg, "VNI 7 on UDP port 4789 is that of "
					   "link v0 (alias \"" ALIAS));
}

static void port_in_use(void **state)
{
	const struct sockaddr_in any = { .sin_family = AF_INET,
					 .sin_port = htons(4789) };
	struct nlk_env *e = *state;
	int fd, index;

	NEED_NETNS();
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)),
			 0);
	assert_int_equal(make(e, "v0", 7, "10.0.0.1"), 0);
	index = env_link(e, "v0").index;
	assert_int_equal(nlk_vxlan_up(e->nlk, index, 4789, &e->err),
			 -EADDRINUSE);
	assert_non_null(strstr(e->err.msg, "UDP port 4789 is in use"));
	close(fd);
	assert_int_equal(nlk_vxlan_up(e->nlk, index, 4789, &e->err), 0);
}

struct count {
	unsigned int all, learnt, broadcast;
};

static int on_fdb(void *ctx, const struct nlk_fdb *f)
{
	struct count *c = ctx;

	c->all++;
	c->learnt += f->learnt;
	c->broadcast += mac_is_none(&f->mac);
	return 0;
}

static int on_mac(void *ctx, const struct mac_addr *m)
{
	(void)m;
	++*(unsigned int *)ctx;
	return 0;
}

static int on_neigh(void *ctx, const struct nlk_neigh *n)
{
	(void)n;
	++*(unsigned int *)ctx;
	return 0;
}

static struct count count_fdb(struct nlk_env *e, int index)
{
	struct count c = { 0 };

	assert_int_equal(nlk_fdb_each(e->nlk, index, on_fdb, &c, &e->err), 0);
	return c;
}

static void tables(void **state)
{
	struct nlk_fdb f = { .mac = mac("02:42:0a:00:00:05"),
			     .dst = addr("10.0.0.9") };
	struct nlk_fdb all = { .dst = addr("10.0.0.8") };
	struct nlk_env *e = *state;
	int i;

	NEED_NETNS();
	assert_int_equal(make(e, "v0", 7, "10.0.0.1"), 0);
	i = env_link(e, "v0").index;
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(nlk_fdb_add(e->nlk, i, &f, &e->err), 0);
		assert_int_equal(nlk_fdb_add(e->nlk, i, &all, &e->err), 0);
	}
	all.dst = addr("10.0.0.9");
	assert_int_equal(nlk_fdb_add(e->nlk, i, &all, &e->err), 0);
	assert_int_equal(count_fdb(e, i).all, 3);
	assert_int_equal(count_fdb(e, i).broadcast, 2);
	assert_int_equal(count_fdb(e, i).learnt, 0);
	f.dst = addr("10.0.0.8"); /* it moved */
	assert_int_equal(nlk_fdb_add(e->nlk, i, &f, &e->err), 0);
	assert_int_equal(count_fdb(e, i).all, 3);
	SAYS("bridge fdb show dev v0",
	     "02:42:0a:00:00:05 dst 10.0.0.8 self permanent");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(nlk_fdb_del(e->nlk, i, &f, &e->err), 0);
		assert_int_equal(nlk_fdb_del(e->nlk, i, &all, &e->err), 0);
	}
	assert_int_equal(count_fdb(e, i).all, 1);
}

struct heard {
	int index, count;
};

static void on_event(void *ctx, const struct nlk_event *ev)
{
	struct heard *h = ctx;

	h->count += ev->type == NLK_LINK_NEW && ev->link.index == h->index;
}

/* The kernel tells of each setting, and the overlay sets what it hears of. */
static void port_set_again_is_silent(void **state)
{
	struct nlk_port_flags flags = { .suppress = true };
	struct nlk_env *e = *state;
	struct heard h = { 0 };
	int br;

	NEED_NETNS();
	br = env_bridge(e);
	assert_int_equal(make(e, "v0", 7, "10.0.0.1"), 0);
	h.index = env_link(e, "v0").index;
	assert_int_equal(nlk_link_master(e->nlk, h.index, br, &e->err), 0);
	/* of one that is down nothing is told */
	assert_int_equal(nlk_vxlan_up(e->nlk, h.index, 4789, &e->err), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(nlk_port_set(e->nlk, h.index, &flags, &e->err),
				 0);
		assert_true(nlk_monitor_read(e->mon, on_event, &h, &e->err) >=
			    0);
		assert_true(h.count > 0);
		h.count = 0;
		assert_int_equal(nlk_port_set(e->nlk, h.index, &flags, &e->err),
				 0);
		assert_true(nlk_monitor_read(e->mon, on_event, &h, &e->err) >=
			    0);
		assert_int_equal(h.count, 0);
		/* each of the three, once */
		flags = (struct nlk_port_flags){ .learning = i != 1,
						 .flood = i == 1,
						 .suppress = i != 0 };
	}
}

static void port_and_neighbours(void **state)
{
	const struct nlk_port_flags flags = { .suppress = true };
	struct mac_addr m = mac("02:42:0a:00:00:05");
	struct nlk_neigh n4 = { addr("10.9.0.5"), m },
			 n6 = { addr("fd00:9::5"), m };
	struct nlk_env *e = *state;
	unsigned int n = 0;
	int i, br;

	NEED_NETNS();
	br = env_bridge(e);
	assert_int_equal(make(e, "v0", 7, "10.0.0.1"), 0);
	i = env_link(e, "v0").index;
	assert_int_equal(nlk_link_master(e->nlk, i, br, &e->err), 0);
	assert_int_equal(nlk_port_set(e->nlk, i, &flags, &e->err), 0);
	SAYS("bridge -d link show dev v0", "learning off flood off .*neigh_"
					   "suppress on");
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(nlk_port_mac_add(e->nlk, i, &m, &e->err), 0);
		assert_int_equal(nlk_neigh_add(e->nlk, br, &n4, &e->err), 0);
		assert_int_equal(nlk_neigh_add(e->nlk, br, &n6, &e->err), 0);
	}
	SAYS("bridge fdb show dev v0", "02:42:0a:00:00:05 master br-t static");
	assert_int_equal(nlk_port_mac_each(e->nlk, i, on_mac, &n, &e->err), 0);
	assert_int_equal(n, 1);
	assert_int_equal(nlk_neigh_each(e->nlk, br, on_neigh, &n, &e->err), 0);
	assert_int_equal(n, 3);
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(nlk_port_mac_del(e->nlk, i, &m, &e->err), 0);
		assert_int_equal(nlk_neigh_del(e->nlk, br, &n4.ip, &e->err), 0);
	}
	LACKS("bridge fdb show dev v0", "02:42:0a:00:00:05");
	n = 0;
	assert_int_equal(nlk_neigh_each(e->nlk, br, on_neigh, &n, &e->err), 0);
	assert_int_equal(n, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		NLK_TEST(has_what_was_asked),
		NLK_TEST(by_ip6),
		NLK_TEST(who_has_the_vni),
		NLK_TEST(port_in_use),
		NLK_TEST(tables),
		NLK_TEST(port_set_again_is_silent),
		NLK_TEST(port_and_neighbours),
	};

	return nlk_test_run(tests, ARRAY_SIZE(tests));
}
