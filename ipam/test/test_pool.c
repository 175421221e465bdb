/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pool against a plain model: one byte an address, a queue of what rests,
 * a cursor a range.  Every answer and every count must be the same.
 */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/pool.h"
#include "ipam/runs.h"

/* ---- the model ---------------------------------------------------------- */

#define MODEL_MAX 65536u
#define RANGES    3

/* A window of a pool, in which everything happens. */
struct model {
	struct ip_addr base; /* address of index 0 */
	unsigned int count;
	unsigned int first, last; /* what may be handed out */
	unsigned char *use;       /* enum pool_use, by index */
	unsigned int *rest, rest_count;
	struct {
		unsigned int lo, hi, next;
	} ranges[RANGES];
};

static struct ip_addr plus(const struct ip_addr *base, unsigned int n)
{
	struct ip_addr a = *base;

	for (unsigned int i = ip_bytes(&a); i-- > 0;) {
		n += a.bytes[i];
		a.bytes[i] = (uint8_t)n;
		n >>= 8;
	}
	return a;
}

static void model_unrest(struct model *m, unsigned int at)
{
	m->rest_count--;
	memmove(m->rest + at, m->rest + at + 1,
		(m->rest_count - at) * sizeof(*m->rest));
}

static unsigned int model_resting(const struct model *m, unsigned int n)
{
	unsigned int at = 0;

	while (m->rest[at] != n)
		at++;
	return at;
}

static int model_take(struct model *m, unsigned int range, unsigned int *ret)
{
	unsigned int lo = m->ranges[range].lo, hi = m->ranges[range].hi;
	unsigned int from = m->ranges[range].next, n = from;
	bool found = false;

	if (lo < m->first)
		lo = m->first;
	if (hi > m->last)
		hi = m->last;
	if (from < lo || from > hi)
		n = from = lo;
	do {
		found = m->use[n] == POOL_FREE;
		if (!found)
			n = n == hi ? lo : n + 1;
	} while (!found && n != from);
	for (unsigned int i = 0; !found && i < m->rest_count; i++)
		if (m->rest[i] >= lo && m->rest[i] <= hi) {
			n = m->rest[i];
			model_unrest(m, i);
			found = true;
		}
	if (!found)
		return -ENOSPC;
	m->use[n] = POOL_TAKEN;
	m->ranges[range].next =
		n == m->ranges[range].hi ? m->ranges[range].lo : n + 1;
	*ret = n;
	return 0;
}

static int model_take_exact(struct model *m, unsigned int n)
{
	if (n < m->first || n > m->last)
		return -ERANGE;
	if (m->use[n] == POOL_TAKEN)
		return -EADDRINUSE;
	if (m->use[n] == POOL_RESTING)
		model_unrest(m, model_resting(m, n));
	m->use[n] = POOL_TAKEN;
	return 0;
}

static int model_give(struct model *m, unsigned int n)
{
	if (m->use[n] != POOL_TAKEN)
		return -ENOENT;
	if (m->rest_count == POOL_REST_MAX) {
		m->use[m->rest[0]] = POOL_FREE;
		model_unrest(m, 0);
	}
	m->rest[m->rest_count++] = n;
	m->use[n] = POOL_RESTING;
	return 0;
}

/* ---- the comparison ----------------------------------------------------- */

static uint32_t dice(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int give(struct pool *p, const struct ip_addr *a)
{
	struct ip_addr freed;
	int r;

	if (pool_look(p, a) != POOL_TAKEN)
		return pool_give(p, a);
	r = pool_room(p, &freed);
	return r < 0 ? r : pool_give(p, a);
}

struct seen {
	const struct model *m;
	unsigned int next; /* the first index not yet told */
};

static int run_matches(void *ctx, const struct ip_addr *first,
		       const struct ip_addr *last)
{
	struct seen *s = ctx;
	struct ip_addr a;

	for (; a = plus(&s->m->base, s->next), !ip_equal(&a, first); s->next++)
		assert_int_equal(s->m->use[s->next], POOL_FREE);
	for (;; s->next++) {
		a = plus(&s->m->base, s->next);
		assert_int_not_equal(s->m->use[s->next], POOL_FREE);
		if (ip_equal(&a, last))
			break;
	}
	s->next++;
	return 0;
}

static int rest_matches(void *ctx, const struct ip_addr *a)
{
	struct seen *s = ctx;
	struct ip_addr want = plus(&s->m->base, s->m->rest[s->next++]);

	assert_true(ip_equal(a, &want));
	return 0;
}

static void compare(const struct pool *p, const struct model *m)
{
	struct seen runs = { .m = m }, rest = { .m = m };
	struct pool_stats stats = pool_count(p);
	unsigned int taken = 0;

	assert_int_equal(pool_each(p, run_matches, &runs), 0);
	for (; runs.next < m->count; runs.next++)
		assert_int_equal(m->use[runs.next], POOL_FREE);
	assert_int_equal(pool_each_resting(p, rest_matches, &rest), 0);
	assert_int_equal(rest.next, m->rest_count);
	for (unsigned int i = 0; i < m->count; i++)
		taken += m->use[i] == POOL_TAKEN;
	assert_int_equal(stats.taken, taken);
	assert_int_equal(stats.resting, m->rest_count);
}

struct world {
	const char *name, *prefix, *window; /* of at most MODEL_MAX */
	const char *ranges[RANGES];
	unsigned int ops, give_of_8; /* how often something is given back */
};

static const struct world worlds[] = {
	{ "a small v4 pool, mostly full",
	  "10.1.2.0/26",
	  "10.1.2.0/26",
	  { "10.1.2.0/26", "10.1.2.16/28", "10.1.2.32/31" },
	  200000,
	  3 },
	{ "a v4 pool, mostly empty",
	  "10.1.0.0/18",
	  "10.1.0.0/18",
	  { "10.1.0.0/18", "10.1.8.0/24", "10.1.63.192/26" },
	  200000,
	  4 },
	{ "a v4 pool where more rest than may",
	  "10.1.0.0/19",
	  "10.1.0.0/19",
	  { "10.1.0.0/19", "10.1.0.0/20", "10.1.16.0/20" },
	  100000,
	  4 },
	{ "a part of a /8",
	  "10.0.0.0/8",
	  "10.200.0.0/22",
	  { "10.200.0.0/22", "10.200.3.0/24", "10.200.0.0/25" },
	  150000,
	  3 },
	{ "a v6 /64",
	  "fd00:1:2:3::/64",
	  "fd00:1:2:3::/118",
	  { "fd00:1:2:3::/118", "fd00:1:2:3::100/120", "fd00:1:2:3::3f0/124" },
	  150000,
	  3 },
	{ "the end of a v6 /16",
	  "fd00::/16",
	  "fd00:ffff:ffff:ffff:ffff:ffff:ffff:fc00/118",
	  { "fd00:ffff:ffff:ffff:ffff:ffff:ffff:fc00/118",
	    "fd00:ffff:ffff:ffff:ffff:ffff:ffff:fe00/120",
	    "fd00:ffff:ffff:ffff:ffff:ffff:ffff:fff0/125" },
	  150000,
	  4 },
	{ "a v6 /120, all of it",
	  "fd00::7:0/120",
	  "fd00::7:0/120",
	  { "fd00::7:0/120", "fd00::7:0/124", "fd00::7:80/121" },
	  100000,
	  3 },
};

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p = { 0 };

	assert_int_equal(ip_prefix_parse(text, &p, NULL), 0);
	return p;
}

/* How far @a lies behind @base. */
static unsigned int index_of(const struct ip_addr *base,
			     const struct ip_addr *a)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ip_bytes(a); i++)
		n = (n << 8) + a->bytes[i] - base->bytes[i];
	return n;
}

static void model_init(struct model *m, const struct world *w,
		       struct pool_range ranges[static RANGES])
{
	struct ip_prefix window = prefix(w->window), whole = prefix(w->prefix);
	struct ip_addr last = ip_prefix_last(&window);
	bool v4 = window.addr.family == AF_INET;

	*m = (struct model){ .base = ip_prefix_first(&window) };
	m->count = index_of(&m->base, &last) + 1;
	m->last = m->count - 1;
	if (whole.len == window.len) /* the edges of the pool are in it */
		m->last -= v4;
	m->first = ip_equal(&m->base, &whole.addr);
	m->use = calloc(m->count, 1);
	m->rest = calloc(POOL_REST_MAX, sizeof(*m->rest));
	assert_true(m->use && m->rest);
	for (int i = 0; i < RANGES; i++) {
		ranges[i] =
			(struct pool_range){ .prefix = prefix(w->ranges[i]) };
		last = ip_prefix_last(&ranges[i].prefix);
		m->ranges[i].lo = m->ranges[i].next =
			index_of(&m->base, &ranges[i].prefix.addr);
		m->ranges[i].hi = index_of(&m->base, &last);
	}
}

static void take_both(struct pool *p, struct pool_range *range, struct model *m,
		      unsigned int i)
{
	unsigned int n = 0;
	struct ip_addr a = { 0 }, want;
	int r = model_take(m, i, &n);

	assert_int_equal(pool_take(p, range, &a), r);
	want = plus(&m->base, n);
	assert_true(r < 0 ? ip_is_none(&a) : ip_equal(&a, &want));
}

static void one_op(struct pool *p, struct pool_range *ranges, struct model *m,
		   const struct world *w, uint32_t *seed)
{
	unsigned int what = dice(seed) % 8, n = dice(seed) % m->count;
	struct ip_addr a = plus(&m->base, n);

	if (what < w->give_of_8)
		assert_int_equal(give(p, &a), model_give(m, n));
	else if (what < 7)
		take_both(p, ranges + n % RANGES, m, n % RANGES);
	else
		assert_int_equal(pool_take_exact(p, &a),
				 model_take_exact(m, n));
	if (n < m->first || n > m->last)
		assert_int_equal(pool_look(p, &a), POOL_OUTSIDE);
	else
		assert_int_equal(pool_look(p, &a), m->use[n]);
}

static void as_the_model(void **state)
{
	const struct world *w = *state;
	struct ip_prefix whole = prefix(w->prefix);
	struct pool_range ranges[RANGES];
	struct pool *p = pool_new(&whole);
	uint32_t seed = 7;
	struct model m;

	assert_non_null(p);
	model_init(&m, w, ranges);
	for (unsigned int i = 0; i < w->ops; i++) {
		one_op(p, ranges, &m, w, &seed);
		if (i % 5000 == 0)
			compare(p, &m);
	}
	compare(p, &m);
	pool_free(p);
	free(m.use);
	free(m.rest);
}

/* ---- single claims ------------------------------------------------------ */

static struct ip_addr address(const char *text)
{
	struct ip_addr a = { 0 };

	assert_int_equal(ip_parse(text, &a, NULL), 0);
	return a;
}

static const struct edge {
	const char *prefix;
	unsigned int usable;
	const char *first, *last;
} edges[] = {
	{ "10.0.0.0/30", 2, "10.0.0.1", "10.0.0.2" },
	{ "10.0.0.8/31", 2, "10.0.0.8", "10.0.0.9" },
	{ "10.0.0.9/32", 1, "10.0.0.9", "10.0.0.9" },
	{ "255.255.255.252/30", 2, "255.255.255.253", "255.255.255.254" },
	{ "fd00::/126", 3, "fd00::1", "fd00::3" },
	{ "fd00::2/127", 2, "fd00::2", "fd00::3" },
	{ "fd00::9/128", 1, "fd00::9", "fd00::9" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffc/126", 3,
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd",
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
};

static void edges_are_kept(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		struct pool_range range = { .prefix = prefix(edges[i].prefix) };
		struct pool *p = pool_new(&range.prefix);
		struct ip_addr a, want = address(edges[i].first);

		for (unsigned int n = 0; n < edges[i].usable; n++) {
			assert_int_equal(pool_take(p, &range, &a), 0);
			if (n == 0)
				assert_true(ip_equal(&a, &want));
		}
		want = address(edges[i].last);
		assert_true(ip_equal(&a, &want));
		assert_int_equal(pool_take(p, &range, &a), -ENOSPC);
		assert_int_equal((int)pool_size(p, &range), edges[i].usable);
		pool_free(p);
	}
}

static void a_released_address_rests(void **state)
{
	struct pool_range range = { .prefix = prefix("10.0.0.0/29") };
	struct pool *p = pool_new(&range.prefix);
	struct ip_addr a = address("10.0.0.1"), b = address("10.0.0.2"), got;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pool_take(p, &range, &got), 0);
	assert_int_equal(give(p, &b), 0);
	assert_int_equal(give(p, &a), 0);
	assert_int_equal(pool_look(p, &a), POOL_RESTING);
	/* .5 and .6 first, then what rests the longest */
	for (int i = 5; i <= 6; i++) {
		assert_int_equal(pool_take(p, &range, &got), 0);
		assert_int_equal(got.bytes[3], i);
	}
	assert_int_equal(pool_take(p, &range, &got), 0);
	assert_true(ip_equal(&got, &b));
	assert_int_equal(pool_take(p, &range, &got), 0);
	assert_true(ip_equal(&got, &a));
	assert_int_equal(pool_take(p, &range, &got), -ENOSPC);
	assert_int_equal(give(p, &a), 0);
	assert_int_equal(give(p, &a), -ENOENT);
	pool_free(p);
}

static void untake_leaves_nothing(void **state)
{
	struct pool_range range = { .prefix = prefix("fd00::/64") }, before;
	struct pool *p = pool_new(&range.prefix);
	struct ip_addr a, b;

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(pool_take(p, &range, &a), 0);
	a = address("fd00::7");
	assert_int_equal(pool_take_exact(p, &a), 0);
	before = range;
	assert_int_equal(pool_take(p, &range, &a), 0); /* joins two runs */
	assert_int_equal(pool_count(p).runs, 1);
	pool_untake(p, &a);
	range = before;
	assert_int_equal(pool_count(p).runs, 2);
	assert_int_equal(pool_count(p).taken, 6);
	assert_int_equal(pool_take(p, &range, &b), 0);
	assert_true(ip_equal(&a, &b));
	pool_free(p);
}

static void a_dropped_address_is_free(void **state)
{
	struct pool_range range = { .prefix = prefix("10.0.0.0/28") };
	struct pool *p = pool_new(&range.prefix);
	struct ip_addr a = address("10.0.0.3");

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(pool_take(p, &range, &(struct ip_addr){ 0 }),
				 0);
	assert_int_equal(pool_drop(p, &a), 0);
	assert_int_equal(pool_look(p, &a), POOL_FREE);
	assert_int_equal(pool_drop(p, &a), -ENOENT);
	assert_int_equal(pool_count(p).taken, 5);
	pool_free(p);
}

static int no_such(void *ctx, const struct ip_addr *a)
{
	return ip_equal(a, ctx) ? -EEXIST : 0;
}

static void untake_puts_back_to_rest(void **state)
{
	struct pool_range range = { .prefix = prefix("10.0.0.0/29") };
	struct pool *p = pool_new(&range.prefix);
	struct ip_addr a, first = address("10.0.0.3");

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(pool_take(p, &range, &a), 0);
	for (int i = 3; i < 6; i++) {
		a.bytes[3] = (uint8_t)i;
		assert_int_equal(give(p, &a), 0);
	}
	a = address("10.0.0.4"); /* the one in the middle */
	assert_int_equal(pool_take_exact(p, &a), 0);
	pool_untake(p, &a);
	assert_int_equal(pool_each_resting(p, no_such, &a), -EEXIST);
	for (int i = 3; i < 6; i++) { /* still in this order */
		assert_int_equal(pool_take(p, &range, &a), 0);
		pool_untake(p, &a);
		assert_int_equal(pool_take(p, &range, &a), 0);
		assert_int_equal(a.bytes[3], i);
	}
	assert_int_equal(pool_each_resting(p, no_such, &first), 0);
	pool_free(p);
}

static void cost_is_of_what_is_handed_out(void **state)
{
	struct pool_range range = { .prefix = prefix("10.0.0.0/8") };
	struct pool *p = pool_new(&range.prefix);
	struct ip_addr a;

	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_int_equal(pool_take(p, &range, &a), 0);
	assert_int_equal(pool_count(p).runs, 1);
	pool_free(p);
}

static void a_range_outside_gives_nothing(void **state)
{
	struct pool_range range = { .prefix = prefix("10.1.0.0/24") };
	struct ip_prefix whole = prefix("10.0.0.0/24");
	struct pool *p = pool_new(&whole);
	struct ip_addr a = address("10.1.0.5");

	(void)state;
	assert_int_equal(pool_take(p, &range, &a), -ENOSPC);
	assert_int_equal(pool_take_exact(p, &a), -ERANGE);
	a = address("fd00::1");
	assert_int_equal(pool_take_exact(p, &a), -ERANGE);
	a = address("10.0.0.255");
	assert_int_equal(pool_take_exact(p, &a), -ERANGE);
	pool_free(p);
}

/* Runs by themselves: nothing is lost at the ends of the numbers. */
static void runs_at_the_ends(void **state)
{
	const runs_num top = ~(runs_num)0;
	struct runs s = { 0 };
	runs_num n;

	(void)state;
	assert_int_equal(runs_add(&s, 0), 0);
	assert_int_equal(runs_add(&s, top), 0);
	assert_int_equal(runs_add(&s, top - 1), 0);
	assert_int_equal(s.count, 2);
	assert_false(runs_gap(&s, top - 1, top, &n));
	assert_true(runs_gap(&s, 0, top, &n));
	assert_true(n == 1);
	assert_int_equal(runs_del(&s, top), 0);
	assert_true(runs_gap(&s, top - 1, top, &n) && n == top);
	runs_fini(&s);
}

int main(void)
{
	static const struct CMUnitTest single[] = {
		cmocka_unit_test(edges_are_kept),
		cmocka_unit_test(a_released_address_rests),
		cmocka_unit_test(untake_leaves_nothing),
		cmocka_unit_test(a_dropped_address_is_free),
		cmocka_unit_test(untake_puts_back_to_rest),
		cmocka_unit_test(cost_is_of_what_is_handed_out),
		cmocka_unit_test(a_range_outside_gives_nothing),
		cmocka_unit_test(runs_at_the_ends),
	};
	struct CMUnitTest tests[ARRAY_SIZE(worlds) + ARRAY_SIZE(single)];
	size_t n = 0;

	for (; n < ARRAY_SIZE(worlds); n++)
		tests[n] = (struct CMUnitTest){
			.name = worlds[n].name,
			.test_func = as_the_model,
			.initial_state = (void *)(uintptr_t)&worlds[n],
		};
	memcpy(tests + n, single, sizeof(single));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
