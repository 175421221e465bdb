/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The IPAM core: what is given, what is refused and why, what is remembered. */
#include "lib/test/test.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "ipam/test/lives.h"

#define P   "berth-local/10.1.0.0/16"
#define SUB "berth-local/10.1.0.0/16/10.1.4.0/24"

/* ---- pools ------------------------------------------------------------------- */

static void pools_are_counted(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.2.3/16", NULL, id) == 0);
	text_is(id, P); /* without host bits */
	CHECK(pool_get(l, "10.1.0.0/16", NULL, id) == 0);
	CHECK(pool_put(l, P) == 0);
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(pool_put(l, P) == 0);
	refused(addr_get(l, P, NULL, IPAM_ENDPOINT, 1, NULL), -ENOENT,
		"there is no pool " P);
	CHECK(pool_put(l, P) == 0); /* unknown: fine */
	CHECK(addr_put(l, P, "10.1.0.1") == 0);
	CHECK(lives_problems(l) == 0);
}

static void overlap_is_refused(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	refused(pool_get(l, "10.0.0.0/8", NULL, NULL), -EEXIST,
		"pool 10.0.0.0/8 overlaps pool 10.1.0.0/16");
	refused(pool_get(l, "10.1.255.0/24", NULL, NULL), -EEXIST, "overlaps");
	CHECK(pool_get(l, "10.2.0.0/16", NULL, NULL) == 0);
	CHECK(pool_get(l, "fd00:1::/64", NULL, NULL) == 0);
	refused(pool_get(l, "fd00::/16", NULL, NULL), -EEXIST, "overlaps");
	refused(pool_get(l, "0.0.0.0/0", NULL, NULL), -EINVAL, "--subnet");
	refused(pool_get(l, "10.3.0.0/16", "10.4.0.0/24", NULL), -EINVAL,
		"range 10.4.0.0/24 is not inside pool 10.3.0.0/16");
	refused(pool_get(l, "10.3.0.0/16", "10.0.0.0/8", NULL), -EINVAL,
		"not inside");
	refused(pool_get(l, NULL, "10.4.0.0/24", NULL), -EINVAL, "--subnet");
}

static void ranges_share_a_pool(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX], a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", id) == 0);
	text_is(id, SUB);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.0.0/16", id) == 0);
	text_is(id, P);
	/* the gateway is outside of the range */
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, a) == 0);
	text_is(a, "10.1.0.1/16");
	CHECK(addr_get(l, SUB, "10.1.4.1", IPAM_AUX, 0, a) == 0);
	for (int i = 0; i < 3; i++)
		CHECK(addr_get(l, SUB, NULL, IPAM_ENDPOINT, 1, a) == 0);
	text_is(a, "10.1.4.3/16"); /* .0, .2, .3 */
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 1, a) == 0);
	text_is(a, "10.1.0.2/16");
	refused(addr_get(l, P, "10.1.4.2", IPAM_ENDPOINT, 7, NULL), -EADDRINUSE,
		"Address already in use: 10.1.4.2");
	/* the range goes, and what it handed out; the pool stays */
	CHECK(pool_put(l, SUB) == 0);
	CHECK(addr_get(l, P, "10.1.4.2", IPAM_ENDPOINT, 7, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.1", IPAM_ENDPOINT, 8, NULL) == 0);
	CHECK(lives_problems(l) == 0);
}

/* ---- automatic pools ----------------------------------------------------------- */

/* In a network namespace of its own: no routes. */
static void automatic_pools_differ(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX], other[TEXT_MAX], third[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "172.18.0.0/24", NULL, NULL) == 0);
	CHECK(pool_get(l, NULL, NULL, id) == 0);
	text_is(id, "berth-local/172.17.0.0/16");
	CHECK(pool_get(l, NULL, NULL, id) == 0);
	text_is(id, "berth-local/172.19.0.0/16");
	CHECK(pool_put(l, "berth-local/172.17.0.0/16") == 0);
	CHECK(pool_get(l, NULL, NULL, id) == 0);
	text_is(id, "berth-local/172.17.0.0/16");
	/* a /48 of this host */
	CHECK(pool_get(l, "v6", NULL, id) == 0);
	CHECK(pool_get(l, "v6", NULL, other) == 0);
	CHECK(strncmp(id, "berth-local/fd", 14) == 0);
	CHECK(strcmp(id + strlen(id) - 5, "::/64") == 0);
	CHECK(strcmp(id, other) != 0);
	CHECK(strncmp(id, other, strlen(id) - 6) == 0);
	CHECK(pool_put(l, id) == 0);
	CHECK(pool_get(l, "v6", NULL, third) == 0);
	text_is(third, id);
}

static void automatic_pools_end(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX];
	int n = 0;

	(void)arg;
	while (pool_get(l, NULL, NULL, id) == 0)
		n++;
	CHECK(n == 15 + 16);
	refused(pool_get(l, NULL, NULL, NULL), -ENOSPC, "--default-pool");
}

static const struct {
	const char *text;
	int want;
	const char *part;
} lists[] = {
	{ "10.0.0.0/8:24", 0, "" },
	{ "10.0.0.5/30:30,fd00::/48:64", 0, "" },
	{ "10.0.0.0/8", -EINVAL, "write 10.0.0.0/8:24" },
	{ "fd00::/48", -EINVAL, "write 10.0.0.0/8:24" },
	{ "10.0.0.0/8:7", -EINVAL, "can't be cut into pools of /7" },
	{ "10.0.0.0/8:31", -EINVAL, "between /8 and /30" },
	{ "10.0.0.0/8:", -EINVAL, "can't be cut" },
	{ "10.0.0.0/8:-9", -EINVAL, "can't be cut" },
	{ "10.0.0.0/8:24x", -EINVAL, "can't be cut" },
	{ "0.0.0.0/0:24", -EINVAL, "can't be cut" },
	{ "10.0.0/8:24", -EINVAL, "is not a prefix" },
	{ "", -EINVAL, "write" },
	{ "10.0.0.0/8:24,", -EINVAL, "write" },
};

static void default_lists_are_checked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		struct ipam_config c = { .count = 0 };
		struct err err = { 0 };

		assert_int_equal(ipam_config_add(&c, lists[i].text, &err),
				 lists[i].want);
		if (!strstr(err.msg, lists[i].part))
			print_message("# %s: %s\n", lists[i].text, err.msg);
		assert_non_null(strstr(err.msg, lists[i].part));
	}
}

/* ---- addresses ------------------------------------------------------------------ */

static void addresses_are_given_and_refused(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/30", NULL, NULL) == 0);
#define T "berth-local/10.1.0.0/30"
	refused(addr_get(l, T, "10.1.0.0", IPAM_ENDPOINT, 1, NULL), -EINVAL,
		"is the network address of pool 10.1.0.0/30");
	refused(addr_get(l, T, "10.1.0.3", IPAM_ENDPOINT, 1, NULL), -EINVAL,
		"is the broadcast address");
	refused(addr_get(l, T, "10.2.0.3", IPAM_ENDPOINT, 1, NULL), -EINVAL,
		"10.2.0.3 is not in pool 10.1.0.0/30");
	refused(addr_get(l, T, "fd00::3", IPAM_ENDPOINT, 1, NULL), -EINVAL,
		"is not in pool");
	CHECK(addr_get(l, T, NULL, IPAM_GATEWAY, 0, a) == 0);
	text_is(a, "10.1.0.1/30");
	CHECK(addr_get(l, T, "10.1.0.2", IPAM_ENDPOINT, 1, a) == 0);
	/* another with its MAC, then with its own: the release of the one that is
	 * refused would free it */
	refused(addr_get(l, T, "10.1.0.2", IPAM_ENDPOINT, 1, NULL), -EADDRINUSE,
		"by 02:00:00:00:00:01 since");
	refused(addr_get(l, T, "10.1.0.2", IPAM_ENDPOINT, 2, NULL), -EADDRINUSE,
		"by 02:00:00:00:00:01 since");
	refused(addr_get(l, T, "10.1.0.2", IPAM_AUX, 0, NULL), -EADDRINUSE,
		"by 02:00:00:00:00:01");
	refused(addr_get(l, T, "10.1.0.1", IPAM_ENDPOINT, 2, NULL), -EADDRINUSE,
		"10.1.0.1 is the gateway of pool " T);
	refused(addr_get(l, T, "10.1.0.1", IPAM_AUX, 0, NULL), -EADDRINUSE,
		"is the gateway");
	refused(addr_get(l, T, NULL, IPAM_ENDPOINT, 2, NULL), -ENOSPC,
		"pool 10.1.0.0/30 is full");
	CHECK(addr_put(l, T, "10.1.0.2") == 0);
	CHECK(addr_put(l, T, "10.1.0.2") == 0);
	CHECK(addr_put(l, T, "192.0.2.1") == 0);
	CHECK(addr_get(l, T, NULL, IPAM_ENDPOINT, 2, a) == 0);
	text_is(a, "10.1.0.2/30");
	CHECK(lives_problems(l) == 0);
}

static void v6_has_no_anycast_address(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "fd00:1::/64", NULL, NULL) == 0);
#define V "berth-local/fd00:1::/64"
	refused(addr_get(l, V, "fd00:1::", IPAM_GATEWAY, 0, NULL), -EINVAL,
		"subnet-router anycast");
	CHECK(addr_get(l, V, NULL, IPAM_GATEWAY, 0, a) == 0);
	text_is(a, "fd00:1::1/64");
	CHECK(addr_get(l, V, "fd00:1::ffff:ffff:ffff:ffff", IPAM_ENDPOINT, 3,
		       a) == 0);
	CHECK(addr_get(l, V, NULL, IPAM_ENDPOINT, 4, a) == 0);
	text_is(a, "fd00:1::2/64");
}

/* A repeated request reserves once; each network of a pool may. */
static void reserved_is_counted_by_network(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(addr_get(l, P, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", NULL) == 0);
	for (int i = 0; i < 2; i++)
		CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_put(l, P, "10.1.0.1") == 0);
	refused(addr_get(l, P, "10.1.0.1", IPAM_ENDPOINT, 1, NULL), -EADDRINUSE,
		"is the gateway of pool " SUB);
	CHECK(addr_put(l, SUB, "10.1.0.1") == 0);
	CHECK(addr_get(l, P, "10.1.0.1", IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(lives_problems(l) == 0);
}

static int note_since(void *ctx, const struct ipam_lease_info *i)
{
	if (i->use == IPAM_ENDPOINT)
		snprintf(ctx, 32, "%s", i->since);
	return 0;
}

static void forget(struct ipam_life *l, void *arg)
{
	char since[32] = "";
	struct mac_addr mac = { .bytes = { 2, 0, 0, 0, 0, 2 } };
	struct ip_addr a;
	uint64_t seq;

	(void)arg;
	CHECK(ip_parse("10.1.0.5", &a, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.5", IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(ipam_addr_forget(l->core, P, &a, &mac, "", &seq, NULL) ==
	      -ESTALE);
	mac.bytes[5] = 1;
	CHECK(ipam_addr_forget(l->core, P, &a, &mac, "2001-01-01T00:00:00Z",
			       &seq, NULL) == -ESTALE);
	CHECK(ipam_leases_each(l->core, P, note_since, since, NULL) == 0);
	CHECK(ipam_addr_forget(l->core, P, &a, &mac, since, &seq, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.5", IPAM_ENDPOINT, 1, NULL) == 0);
	CHECK(ipam_addr_forget(l->core, P, &a, &mac, "", &seq, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.5", IPAM_AUX, 0, NULL) == 0);
	CHECK(ipam_addr_forget(l->core, P, &a, &mac, "", &seq, NULL) ==
	      -ESTALE);
}

/* ---- what is remembered ------------------------------------------------------------ */

static void some_of_each(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.9", IPAM_AUX, 0, NULL) == 0);
	for (unsigned int i = 0; i < 4; i++)
		CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, i + 1, a) == 0);
	text_is(a, "10.1.0.5/16");
	CHECK(addr_put(l, P, "10.1.0.3") == 0);
}

static void all_is_as_it_was(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);
	char a[TEXT_MAX];

	(void)arg;
	text_is(all,
		P " networks=1 leases=3 reserved=2 resting=1\n"
		  "10.1.0.1/16 gateway  " P " networks=1 fixed\n"
		  "10.1.0.2/16 endpoint 02:00:00:00:00:01 " P " networks=1\n"
		  "10.1.0.4/16 endpoint 02:00:00:00:00:03 " P " networks=1\n"
		  "10.1.0.5/16 endpoint 02:00:00:00:00:04 " P " networks=1\n"
		  "10.1.0.9/16 aux  " P " networks=1 fixed\n");
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 9, a) == 0);
	text_is(a, "10.1.0.6/16"); /* not .3, which was released just now */
}

static void leases_are_gone(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);
	char a[TEXT_MAX];

	(void)arg;
	text_is(all, P " networks=1 leases=0 reserved=2 resting=0\n"
		       "10.1.0.1/16 gateway  " P " networks=1 fixed\n"
		       "10.1.0.9/16 aux  " P " networks=1 fixed\n");
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 9, a) == 0);
	text_is(a, "10.1.0.2/16");
}

static void a_restart_forgets_nothing(void **state)
{
	(void)state;
	assert_int_equal(lives_run(some_of_each, NULL, NULL), 0);
	assert_int_equal(lives_run(all_is_as_it_was, NULL, NULL), 0);
}

static void a_reboot_ends_leases(void **state)
{
	(void)state;
	assert_int_equal(lives_run(some_of_each, NULL, NULL), 0);
	lives_reboot();
	assert_int_equal(lives_run(leases_are_gone, NULL, NULL), 0);
}

/* The search goes on where it was, past what is free behind it. */
static void leave_a_gap(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.2", IPAM_AUX, 0, NULL) == 0);
	for (unsigned int i = 0; i < 2; i++)
		CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, i + 1, a) == 0);
	text_is(a, "10.1.0.3/16");
	CHECK(addr_put(l, P, "10.1.0.2") == 0);
}

static void go_on_behind(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(addr_get(l, P, NULL, IPAM_ENDPOINT, 9, a) == 0);
	text_is(a, "10.1.0.4/16");
}

static void a_restart_goes_on_where_it_was(void **state)
{
	(void)state;
	assert_int_equal(lives_run(leave_a_gap, NULL, NULL), 0);
	assert_int_equal(lives_run(go_on_behind, NULL, NULL), 0);
}

/* The queue of what rests is as long and in the same order after a restart. */
static void fill_and_release(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/27", NULL, NULL) == 0);
#define R "berth-local/10.1.0.0/27"
	for (unsigned int i = 1; i <= 30; i++)
		CHECK(addr_get(l, R, NULL, IPAM_ENDPOINT, i, a) == 0);
	CHECK(addr_put(l, R, "10.1.0.20") == 0);
	CHECK(addr_put(l, R, "10.1.0.10") == 0);
	CHECK(addr_put(l, R, "10.1.0.30") == 0);
	CHECK(addr_get(l, R, "10.1.0.10", IPAM_ENDPOINT, 40, a) == 0);
	CHECK(addr_put(l, R, "10.1.0.10") == 0);
}

static void oldest_first(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(addr_get(l, R, NULL, IPAM_ENDPOINT, 50, a) == 0);
	text_is(a, "10.1.0.20/27");
	CHECK(addr_get(l, R, NULL, IPAM_ENDPOINT, 51, a) == 0);
	text_is(a, "10.1.0.30/27");
	CHECK(addr_get(l, R, NULL, IPAM_ENDPOINT, 52, a) == 0);
	text_is(a, "10.1.0.10/27");
	CHECK(lives_problems(l) == 0);
}

static void what_rests_keeps_its_order(void **state)
{
	(void)state;
	assert_int_equal(lives_run(fill_and_release, NULL, NULL), 0);
	assert_int_equal(lives_run(oldest_first, NULL, NULL), 0);
}

/* A pool that is made again has nothing of the one before. */
static void made_again(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_put(l, P) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
}

static void is_empty(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);

	(void)arg;
	text_is(all, P " networks=1 leases=0 reserved=0 resting=0\n");
	CHECK(lives_problems(l) == 0);
}

static void a_new_pool_is_empty(void **state)
{
	(void)state;
	assert_int_equal(lives_run(some_of_each, NULL, NULL), 0);
	assert_int_equal(lives_run(made_again, NULL, NULL), 0);
	assert_int_equal(lives_run(is_empty, NULL, NULL), 0);
}

/* ---- the list ---------------------------------------------------------------------- */

struct claim {
	const char *name;
	void (*fn)(struct ipam_life *l, void *arg);
};

static const struct claim claims[] = {
	{ "pools are counted", pools_are_counted },
	{ "overlap is refused", overlap_is_refused },
	{ "ranges share a pool", ranges_share_a_pool },
	{ "automatic pools differ", automatic_pools_differ },
	{ "automatic pools end", automatic_pools_end },
	{ "addresses are given and refused", addresses_are_given_and_refused },
	{ "v6 has no anycast address", v6_has_no_anycast_address },
	{ "reserved is counted by network", reserved_is_counted_by_network },
	{ "forget", forget },
};

static void claim_row(void **state)
{
	const struct claim *c = *state;

	assert_int_equal(lives_setup(NULL), 0);
	assert_int_equal(lives_run(c->fn, NULL, NULL), 0);
	assert_int_equal(lives_teardown(NULL), 0);
}

int main(void)
{
	struct CMUnitTest tests[6 + ARRAY_SIZE(claims)] = {
		LIVES_TEST(a_restart_goes_on_where_it_was),
		LIVES_TEST(a_restart_forgets_nothing),
		LIVES_TEST(a_reboot_ends_leases),
		LIVES_TEST(what_rests_keeps_its_order),
		LIVES_TEST(a_new_pool_is_empty),
		cmocka_unit_test(default_lists_are_checked),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("1..0 # SKIP needs a network namespace of its own");
		return 0;
	}
	lives_init();
	for (size_t i = 0; i < ARRAY_SIZE(claims); i++)
		tests[6 + i] = (struct CMUnitTest){
			.name = claims[i].name,
			.test_func = claim_row,
			.initial_state = (void *)(uintptr_t)&claims[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
