/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking up networks and endpoints by id, with many of them. */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "netplugins/net_table.h"

#define MANY 40000

static struct net_slot *slot(struct net_network *net, unsigned int n)
{
	struct net_slot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	/* neither in order nor alike at the beginning, as Docker's */
	snprintf(s->ep.id, sizeof(s->ep.id), "%08x%08x", n * 2654435761u, n);
	s->ep.network = net;
	return s;
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* Claim @slots [from, to). */
static int64_t claim(struct net_table *t, struct net_slot **slots, int from,
		     int to)
{
	int64_t start = now_us();

	for (int i = from; i < to; i++)
		assert_int_equal(net_slot_claim(t, slots[i], NULL), 0);
	return now_us() - start;
}

static void claim_costs_the_same_with_many(void **state)
{
	struct net_network net = { .id = "n" };
	struct net_slot **slots = calloc(MANY, sizeof(struct net_slot *));
	struct net_table t;
	int64_t first, last;

	(void)state;
	assert_non_null(slots);
	assert_int_equal(net_table_init(&t), 0);
	for (unsigned int i = 0; i < MANY; i++)
		slots[i] = slot(&net, i);
	first = claim(&t, slots, 0, 2000);
	claim(&t, slots, 2000, MANY - 2000);
	last = claim(&t, slots, MANY - 2000, MANY);
	print_message("claims 0..2000: %lld us, the last 2000 of %d: %lld us\n",
		      (long long)first, MANY, (long long)last);
	/* a walk: 39 times as much; a tree: 1.5 times, and cold caches */
	assert_true(last < first * 8 + 2000);
	for (int i = 0; i < MANY; i++)
		net_slot_free(slots[i]);
	assert_null(t.slots);
	net_table_fini(&t);
	free(slots);
}

static void claimed_id_is_refused_until_given_back(void **state)
{
	struct net_network net = { .id = "first" }, other = { .id = "other" };
	struct net_slot *a = slot(&net, 1), *b = slot(&other, 1);
	struct net_table t;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(net_table_init(&t), 0);
	assert_int_equal(net_slot_claim(&t, a, &err), 0);
	assert_int_equal(net_slot_claim(&t, b, &err), -EEXIST);
	assert_non_null(strstr(err.msg, "on network first"));
	net_slot_free(b); /* had no claim: a's stays */
	b = slot(&other, 1);
	assert_int_equal(net_slot_claim(&t, b, NULL), -EEXIST);
	net_slot_free(a);
	assert_int_equal(net_slot_claim(&t, b, NULL), 0);
	net_slot_free(b);
	net_table_fini(&t);
}

static void entry_without_network_leaves(void **state)
{
	struct net_hold h = { 0 };
	struct net_table t;

	(void)state;
	assert_int_equal(net_table_init(&t), 0);
	assert_int_equal(net_table_get(&t, "a", false, &h), -ENOENT);
	assert_int_equal(net_table_get(&t, "a", true, &h), 0);
	net_hold_fini(&h);
	assert_int_equal(net_table_get(&t, "a", false, &h), -ENOENT);
	assert_null(t.by_id);
	net_table_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claim_costs_the_same_with_many),
		cmocka_unit_test(claimed_id_is_refused_until_given_back),
		cmocka_unit_test(entry_without_network_leaves),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
