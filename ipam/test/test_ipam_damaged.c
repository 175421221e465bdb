/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records that can't be read: what was in use stays taken till it is given back. */
#include "lib/test/test.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "ipam/ipam_record.h"
#include "ipam/test/lives.h"

#define P   "berth-local/10.1.0.0/16"
#define SUB "berth-local/10.1.0.0/16/10.1.4.0/24"

/* ---- addresses ------------------------------------------------------------------ */

static void two_in_use(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/29", NULL, NULL) == 0);
#define D "berth-local/10.1.0.0/29"
	CHECK(addr_get(l, D, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_get(l, D, "10.1.0.2", IPAM_ENDPOINT, 2, NULL) == 0);
	CHECK(addr_get(l, D, "10.1.0.3", IPAM_ENDPOINT, 3, NULL) == 0);
	CHECK(store_put(l->d.state, RESERVED_KIND, "10.1.0.1", "", "?", NULL) ==
	      0);
	CHECK(store_put(l->d.run, LEASE_KIND, "10.1.0.2", "", "?", NULL) == 0);
}

/* Whose they are nobody knows, but somebody's. */
static void are_given_to_nobody_else(struct ipam_life *l, void *arg)
{
	char a[TEXT_MAX];

	(void)arg;
	CHECK(lives_damaged(l) == 2);
	for (unsigned int i = 4; i <= 6; i++)
		CHECK(addr_get(l, D, NULL, IPAM_ENDPOINT, i, a) == 0);
	text_is(a, "10.1.0.6/29");
	refused(addr_get(l, D, NULL, IPAM_ENDPOINT, 7, NULL), -ENOSPC, "full");
	refused(addr_get(l, D, "10.1.0.2", IPAM_ENDPOINT, 2, NULL), -EADDRINUSE,
		"the record of 10.1.0.2 of pool " D " is damaged");
	refused(addr_get(l, D, "10.1.0.1", IPAM_ENDPOINT, 2, NULL), -EADDRINUSE,
		"the record of 10.1.0.1 of pool " D " is damaged");
	/* its network, which is started again, or its container's end */
	CHECK(addr_get(l, D, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_put(l, D, "10.1.0.2") == 0);
	CHECK(addr_get(l, D, NULL, IPAM_ENDPOINT, 7, a) == 0);
	text_is(a, "10.1.0.2/29");
}

static void are_whole_again(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);

	(void)arg;
	CHECK(lives_problems(l) == 0);
	CHECK(strstr(all, "10.1.0.1") && strstr(all, "gateway"));
}

static void damaged_addresses_stay_taken(void **state)
{
	(void)state;
	assert_int_equal(lives_run(two_in_use, NULL, NULL), 0);
	assert_int_equal(lives_run(are_given_to_nobody_else, NULL, NULL), 0);
	assert_int_equal(lives_run(are_whole_again, NULL, NULL), 0);
}

/* The range was made last.  One of the addresses is outside of it, and the other is in
 * it but was asked for by name through the whole pool. */
static void two_outside_the_range(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", NULL) == 0);
	CHECK(addr_get(l, P, "10.1.9.9", IPAM_ENDPOINT, 2, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.4.9", IPAM_ENDPOINT, 3, NULL) == 0);
	CHECK(store_put(l->d.run, LEASE_KIND, "10.1.9.9", "", "?", NULL) == 0);
	CHECK(store_put(l->d.run, LEASE_KIND, "10.1.4.9", "", "?", NULL) == 0);
}

static void outlive_the_range(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_damaged(l) == 2);
	refused(addr_get(l, SUB, "10.1.9.9", IPAM_ENDPOINT, 2, NULL),
		-EADDRINUSE, "the record of 10.1.9.9 of pool " P " is damaged");
	refused(addr_get(l, SUB, "10.1.4.9", IPAM_ENDPOINT, 2, NULL),
		-EADDRINUSE,
		"the record of 10.1.4.9 of pool " SUB " is damaged");
	CHECK(pool_put(l, SUB) == 0);
	refused(addr_get(l, P, "10.1.9.9", IPAM_ENDPOINT, 7, NULL), -EADDRINUSE,
		"the record of 10.1.9.9 of pool " P " is damaged");
	refused(addr_get(l, P, "10.1.4.9", IPAM_ENDPOINT, 7, NULL), -EADDRINUSE,
		"the record of 10.1.4.9 of pool " P " is damaged");
	CHECK(addr_put(l, P, "10.1.9.9") == 0);
	CHECK(addr_put(l, P, "10.1.4.9") == 0);
	CHECK(addr_get(l, P, "10.1.9.9", IPAM_ENDPOINT, 7, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.4.9", IPAM_ENDPOINT, 7, NULL) == 0);
}

static void is_empty_of_damage(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_problems(l) == 0);
	CHECK(pool_put(l, SUB) == 0);
}

static void damaged_addresses_outlive_a_range(void **state)
{
	(void)state;
	assert_int_equal(lives_run(two_outside_the_range, NULL, NULL), 0);
	assert_int_equal(lives_run(outlive_the_range, NULL, NULL), 0);
}

/* Two networks have the router; how many do the record doesn't say any more. */
static void one_router(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(addr_get(l, P, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", NULL) == 0);
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(store_put(l->d.state, RESERVED_KIND, "10.1.0.1", "", "?", NULL) ==
	      0);
}

static void is_not_the_others(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_damaged(l) == 1);
	if (arg)
		CHECK(addr_put(l, P, "10.1.0.1") == 0);
	CHECK(pool_put(l, P) == 0);
	refused(addr_get(l, SUB, "10.1.0.1", IPAM_ENDPOINT, 7, NULL),
		-EADDRINUSE,
		"the record of 10.1.0.1 of pool " SUB " is damaged");
}

/* What it was is still not known, so it is whatever it is asked for as. */
static void is_a_gateway_again(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_damaged(l) == 1);
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	refused(addr_get(l, SUB, "10.1.0.1", IPAM_ENDPOINT, 7, NULL),
		-EADDRINUSE, "10.1.0.1 is the gateway of pool " SUB);
	CHECK(addr_put(l, SUB, "10.1.0.1") == 0);
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_ENDPOINT, 7, NULL) == 0);
}

static void shared_is_shared(const char *given)
{
	assert_int_equal(lives_run(one_router, NULL, NULL), 0);
	assert_int_equal(
		lives_run(is_not_the_others, (void *)(uintptr_t)given, NULL),
		0);
	assert_int_equal(lives_run(is_a_gateway_again, NULL, NULL), 0);
	assert_int_equal(lives_run(is_empty_of_damage, NULL, NULL), 0);
}

static void a_damaged_gateway_is_every_networks(void **state)
{
	(void)state;
	shared_is_shared(NULL);
}

static void a_damaged_gateway_is_given_back_once(void **state)
{
	(void)state;
	shared_is_shared("by its network");
}

static void resting(struct ipam_life *l, void *arg)
{
	two_in_use(l, arg);
	CHECK(addr_put(l, D, "10.1.0.3") == 0);
	CHECK(store_put(l->d.run, LEASE_KIND, "10.1.0.3", "", "?", NULL) == 0);
}

static int count_since(void *ctx, const struct ipam_lease_info *i)
{
	if (i->use == IPAM_ENDPOINT && *i->since)
		++*(int *)ctx;
	return 0;
}

/* What nobody has can be told from what somebody has by its time and by who is there: as
 * netctl ipam gc does. */
static void have_a_time(struct ipam_life *l, void *arg)
{
	struct mac_addr none = { 0 };
	struct ip_addr a;
	uint64_t seq = 0;
	int n = 0;

	(void)arg;
	CHECK(lives_damaged(l) == 3);
	CHECK(ipam_leases_each(l->core, D, count_since, &n, NULL) == 0);
	CHECK(n == 2);
	CHECK(ip_parse("10.1.0.3", &a, NULL) == 0);
	CHECK(ipam_addr_forget(l->core, D, &a, &none, "", &seq, NULL) == 0);
	CHECK(addr_get(l, D, "10.1.0.3", IPAM_ENDPOINT, 7, NULL) == 0);
}

static void a_damaged_lease_can_be_forgotten(void **state)
{
	(void)state;
	assert_int_equal(lives_run(resting, NULL, NULL), 0);
	assert_int_equal(lives_run(have_a_time, NULL, NULL), 0);
}

/* ---- pools ------------------------------------------------------------------- */

/* The first of the default pools. */
#define A "berth-local/172.17.0.0/16"

static void pool_in_use(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX];

	(void)arg;
	CHECK(pool_get(l, NULL, NULL, id) == 0);
	text_is(id, A);
	CHECK(addr_get(l, A, "172.17.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_get(l, A, "172.17.0.2", IPAM_ENDPOINT, 2, NULL) == 0);
	CHECK(store_put(l->d.state, POOL_KIND, A, "", "?", NULL) == 0);
}

static void pool_is_nobody_elses(struct ipam_life *l, void *arg)
{
	char id[TEXT_MAX];

	(void)arg;
	CHECK(lives_damaged(l) == 1);
	refused(pool_get(l, "172.17.0.0/16", NULL, NULL), -EEXIST,
		"the record of pool " A " is damaged");
	refused(pool_get(l, "172.17.0.0/16", "172.17.4.0/24", NULL), -EEXIST,
		"is damaged");
	refused(pool_get(l, "172.16.0.0/12", NULL, NULL), -EEXIST,
		"is damaged");
	refused(pool_get(l, "172.17.9.0/24", NULL, NULL), -EEXIST,
		"is damaged");
	CHECK(pool_get(l, NULL, NULL, id) == 0);
	text_is(id, "berth-local/172.18.0.0/16");
	CHECK(pool_put(l, id) == 0);
	refused(addr_get(l, A, NULL, IPAM_ENDPOINT, 7, NULL), -ENOENT,
		"the record of pool " A " is damaged");
	CHECK(addr_put(l, A, "172.17.0.9") == 0);
}

static void pool_can_be_released(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);

	(void)arg;
	text_is(all, A " networks=1 leases=0 reserved=0 resting=0\n");
	CHECK(pool_put(l, A) == 0);
	CHECK(pool_get(l, "172.17.0.0/16", NULL, NULL) == 0);
	CHECK(addr_get(l, A, "172.17.0.2", IPAM_ENDPOINT, 7, NULL) == 0);
}

static void pool_is_new(struct ipam_life *l, void *arg)
{
	_cleanup_free_ char *all = all_of(l);

	(void)arg;
	CHECK(lives_problems(l) == 0);
	text_is(all, A " networks=1 leases=1 reserved=0 resting=0\n"
		       "172.17.0.2/16 endpoint 02:00:00:00:00:07 " A
		       " networks=1 fixed\n");
}

static void a_damaged_pool_is_nobody_elses(void **state)
{
	(void)state;
	assert_int_equal(lives_run(pool_in_use, NULL, NULL), 0);
	assert_int_equal(lives_run(pool_is_nobody_elses, NULL, NULL), 0);
	assert_int_equal(lives_run(pool_can_be_released, NULL, NULL), 0);
	assert_int_equal(lives_run(pool_is_new, NULL, NULL), 0);
}

/* Only the range's record is damaged; its pool goes on. */
static void range_in_use(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(pool_get(l, "10.1.0.0/16", NULL, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", NULL) == 0);
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
	CHECK(addr_get(l, SUB, "10.1.4.2", IPAM_ENDPOINT, 2, NULL) == 0);
	CHECK(addr_get(l, SUB, "10.1.4.3", IPAM_ENDPOINT, 3, NULL) == 0);
	CHECK(addr_put(l, SUB, "10.1.4.3") == 0);
	CHECK(store_put(l->d.state, POOL_KIND, SUB, "", "?", NULL) == 0);
}

static void range_stays_taken(struct ipam_life *l, void *arg)
{
	(void)arg;
	CHECK(lives_damaged(l) == 1);
	refused(addr_get(l, P, "10.1.4.2", IPAM_ENDPOINT, 7, NULL), -EADDRINUSE,
		"the record of 10.1.4.2 of pool " P " is damaged");
	refused(addr_get(l, P, "10.1.0.1", IPAM_ENDPOINT, 7, NULL), -EADDRINUSE,
		"the record of 10.1.0.1 of pool " P " is damaged");
	CHECK(addr_get(l, P, "10.1.4.3", IPAM_ENDPOINT, 3, NULL) == 0);
	CHECK(addr_put(l, P, "10.1.4.3") == 0);
}

static void range_ends(struct ipam_life *l, void *arg)
{
	range_stays_taken(l, arg);
	CHECK(pool_put(l, SUB) == 0);
	CHECK(addr_get(l, P, "10.1.4.2", IPAM_ENDPOINT, 7, NULL) == 0);
	CHECK(pool_get(l, "10.1.0.0/16", "10.1.4.0/24", NULL) == 0);
	CHECK(addr_get(l, SUB, "10.1.0.1", IPAM_GATEWAY, 0, NULL) == 0);
}

static void a_damaged_range_is_nobody_elses(void **state)
{
	(void)state;
	assert_int_equal(lives_run(range_in_use, NULL, NULL), 0);
	assert_int_equal(lives_run(range_stays_taken, NULL, NULL), 0);
	assert_int_equal(lives_run(range_ends, NULL, NULL), 0);
	assert_int_equal(lives_run(are_whole_again, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIVES_TEST(damaged_addresses_stay_taken),
		LIVES_TEST(damaged_addresses_outlive_a_range),
		LIVES_TEST(a_damaged_gateway_is_every_networks),
		LIVES_TEST(a_damaged_gateway_is_given_back_once),
		LIVES_TEST(a_damaged_lease_can_be_forgotten),
		LIVES_TEST(a_damaged_pool_is_nobody_elses),
		LIVES_TEST(a_damaged_range_is_nobody_elses),
	};

	if (unshare(CLONE_NEWNET) < 0) {
		puts("1..0 # SKIP needs a network namespace of its own");
		return 0;
	}
	lives_init();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
