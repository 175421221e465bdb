/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Links on top of others, and other namespaces, against the kernel.  What this kernel
 * lacks is a SKIP; the guest has all of it. */
#include "lib/test/nlk_test.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <unistd.h>

#include "lib/netns.h"

static int make(struct nlk_env *e, enum nlk_stack_kind kind, uint16_t mode)
{
	const struct nlk_stack_conf conf = {
		.kind = kind,
		.name = "s0",
		.alias = ALIAS,
		.lower = kind == NLK_DUMMY ? 0 : env_link(e, "h0").index,
		.mode = mode,
		.mtu = 1400,
	};

	return nlk_stack_add(e->nlk, &conf, &e->err);
}

/* Ends the test where the kernel lacks the kind. */
#define MAKE(e, kind, mode)                                      \
	do {                                                     \
		int r_ = make(e, kind, mode);                    \
		if (r_ == -EOPNOTSUPP) {                         \
			print_message("SKIP: %s\n", e->err.msg); \
			skip();                                  \
		}                                                \
		assert_int_equal(r_, 0);                         \
	} while (0)

static void check_made(struct nlk_env *e, const char *kind)
{
	struct nlk_link l = env_link(e, "s0");

	assert_string_equal(l.kind, kind);
	assert_string_equal(l.alias, ALIAS);
	assert_int_equal(l.mtu, 1400);
	assert_false(l.up);
	assert_int_equal(make(e, NLK_MACVLAN, MACVLAN_MODE_BRIDGE), -EEXIST);
	assert_non_null(strstr(e->err.msg, "the name is taken"));
	assert_int_equal(nlk_link_del(e->nlk, "s0", ALIAS, &e->err), 0);
}

static void macvlan(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	env_veth(e, 0, false);
	MAKE(e, NLK_MACVLAN, MACVLAN_MODE_VEPA);
	assert_int_equal(env_link(e, "s0").peer_index, env_link(e, "h0").index);
	assert_int_equal(system("ip -d link show s0 | grep -q 'mode vepa'"), 0);
	check_made(e, "macvlan");
	/* a number that is no mode: nothing is left */
	assert_int_equal(make(e, NLK_MACVLAN, 999), -EINVAL);
	assert_int_equal(
		nlk_link_get(e->nlk, "s0", 0, &(struct nlk_link){ 0 }, NULL),
		-ENODEV);
}

static void ipvlan(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	env_veth(e, 0, false);
	MAKE(e, NLK_IPVLAN, IPVLAN_MODE_L3);
	assert_int_equal(system("ip -d link show s0 | grep -q 'mode l3'"), 0);
	check_made(e, "ipvlan");
}

static void vlan(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	env_veth(e, 0, false);
	MAKE(e, NLK_VLAN, 10);
	assert_int_equal(env_link(e, "s0").vlan, 10);
	assert_int_equal(env_link(e, "h0").vlan, 0);
	check_made(e, "vlan");
}

static void dummy(void **state)
{
	struct nlk_env *e = *state;

	NEED_NETNS();
	env_veth(e, 0, false);
	MAKE(e, NLK_DUMMY, 0);
	check_made(e, "dummy");
}

struct visit {
	uint64_t cookie;
	int result;
};

static int visit(void *ctx, struct err *err)
{
	struct visit *v = ctx;
	int r = netns_cookie(&v->cookie, err);

	return r < 0 ? r : v->result;
}

static void another_namespace(void **state)
{
	struct nlk_env *e = *state;
	_cleanup_(nlk_closep) struct nlk *there = NULL;
	struct visit v = { .result = -ESTALE };
	uint64_t here, after;
	int fd, own;

	NEED_NETNS();
	env_veth(e, 0, false);
	own = netns_open("/proc/thread-self/ns/net", &e->err);
	assert_int_equal(netns_cookie(&here, NULL), 0);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = netns_open("/proc/thread-self/ns/net", &e->err);
	assert_int_equal(setns(own, CLONE_NEWNET), 0);
	close(own);

	assert_int_equal(netns_run(fd, visit, &v, &e->err), -ESTALE);
	assert_true(v.cookie != here);
	assert_int_equal(netns_cookie(&after, NULL), 0);
	assert_true(after == here);

	MAKE(e, NLK_MACVLAN, MACVLAN_MODE_BRIDGE);
	assert_int_equal(
		nlk_link_netns(e->nlk, env_link(e, "s0").index, fd, &e->err),
		0);
	assert_int_equal(
		nlk_link_get(e->nlk, "s0", 0, &(struct nlk_link){ 0 }, NULL),
		-ENODEV);
	assert_int_equal(nlk_open_in(fd, &there, &e->err), 0);
	/* the mark went along */
	assert_int_equal(nlk_link_del(there, "s0", ALIAS, &e->err), 0);
	close(fd);
	assert_int_equal(netns_run(-1, visit, &v, &e->err), -EBADF);
	assert_non_null(strstr(e->err.msg, "entering"));
}

static void bare_address(void **state)
{
	struct nlk_env *e = *state;
	struct ip_prefix p;
	int br;

	NEED_NETNS();
	br = env_bridge(e);
	assert_int_equal(ip_prefix_parse("fd00:9::1/64", &p, NULL), 0);
	assert_int_equal(nlk_addr_add_bare(e->nlk, br, &p, &e->err), 0);
	assert_int_equal(nlk_link_up(e->nlk, br, true, &e->err), 0);
	assert_int_equal(system("ip -6 route | grep -q fd00:9::/64"), 256);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NLK_TEST(macvlan),
		NLK_TEST(ipvlan),
		NLK_TEST(vlan),
		NLK_TEST(dummy),
		NLK_TEST(another_namespace),
		NLK_TEST(bare_address),
	};

	return nlk_test_run(tests, ARRAY_SIZE(tests));
}
