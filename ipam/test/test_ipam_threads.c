/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many callers at once, against a bitmap that each of them sets and clears: no
 * address is ever handed out twice, and none is lost.  BERTH_IPAM_OPS: how many
 * operations in all.
 */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "ipam/test/lives.h"

#define THREADS 16
#define MINE    80 /* addresses a thread holds at most */
#define BITS    1024u

static const char *const pools[] = { "10.1.0.0/22", "10.2.0.0/24",
				     "fd00:1::/64", "fd00:2::/120" };
static const char *const ids[] = {
	"berth-local/10.1.0.0/22",
	"berth-local/10.2.0.0/24",
	"berth-local/fd00:1::/64/fd00:1::/118",
	"berth-local/fd00:2::/120",
};

#define POOLS ARRAY_SIZE(pools)

static struct world {
	_Atomic bool taken[POOLS][BITS];
	_Atomic unsigned int refused, full;
	struct ipam_life *life;
	unsigned int ops;
} * world;

struct held {
	unsigned int pool, n;
	struct ip_addr addr;
};

struct caller {
	unsigned int number, count;
	uint32_t seed;
	struct held held[MINE];
};

static unsigned int dice(struct caller *c, unsigned int sides)
{
	c->seed = c->seed * 1664525 + 1013904223;
	return (c->seed >> 8) % sides;
}

/* The last ten bits of an address. */
static unsigned int bit_of(const struct ip_addr *a)
{
	unsigned int n = ip_bytes(a);

	return (a->bytes[n - 2] * 256u + a->bytes[n - 1]) % BITS;
}

static struct ip_addr some_address(struct caller *c, unsigned int pool)
{
	struct ip_prefix p;
	unsigned int n = dice(c, pool == 1 || pool == 3 ? 256 : BITS), last;

	CHECK(ip_prefix_parse(pools[pool], &p, NULL) == 0);
	last = ip_bytes(&p.addr) - 1;
	p.addr.bytes[last] = (uint8_t)n;
	p.addr.bytes[last - 1] += (uint8_t)(n >> 8);
	return p.addr;
}

static void take(struct caller *c, bool fixed)
{
	unsigned int pool = dice(c, POOLS);
	struct ipam_addr_req q = { .pool_id = ids[pool] };
	struct ip_prefix got;
	uint64_t seq = 0;
	int r;

	if (c->count == MINE)
		return;
	if (fixed)
		q.addr = some_address(c, pool);
	q.mac.bytes[0] = 2;
	q.mac.bytes[4] = (uint8_t)c->number;
	r = ipam_addr_request(world->life->core, &q, &got, &seq, NULL);
	if (seq)
		ipam_core_delivered(world->life->core, seq);
	if (r == 0) {
		struct held *h = &c->held[c->count++];

		*h = (struct held){ pool, bit_of(&got.addr), got.addr };
		CHECK(!fixed || ip_equal(&got.addr, &q.addr));
		CHECK(!atomic_exchange(&world->taken[pool][h->n], true));
		return;
	}
	CHECK(fixed ? r == -EADDRINUSE || r == -EINVAL : r == -ENOSPC);
	atomic_fetch_add(fixed ? &world->refused : &world->full, 1);
}

static void give(struct caller *c)
{
	struct held *h;
	uint64_t seq = 0;

	if (!c->count)
		return;
	h = &c->held[dice(c, c->count)];
	CHECK(atomic_exchange(&world->taken[h->pool][h->n], false));
	CHECK(ipam_addr_release(world->life->core, ids[h->pool], &h->addr, &seq,
				NULL) == 0);
	CHECK(seq);
	ipam_core_delivered(world->life->core, seq);
	*h = c->held[--c->count];
}

static void *caller_run(void *arg)
{
	struct caller *c = arg;

	for (unsigned int i = 0; i < world->ops / THREADS; i++) {
		unsigned int what = dice(c, 10);

		if (what < 5)
			take(c, false);
		else if (what < 6)
			take(c, true);
		else
			give(c);
	}
	return NULL;
}

static int count_lease(void *ctx, const struct ipam_lease_info *l)
{
	unsigned int pool = 0, *n = ctx;

	while (strcmp(ids[pool], l->pool_id) != 0)
		pool++;
	CHECK(atomic_load(&world->taken[pool][bit_of(&l->addr.addr)]));
	++*n;
	return 0;
}

static void as_the_bitmap(struct ipam_life *l, void *arg)
{
	unsigned int told = 0, want = 0;

	(void)arg;
	CHECK(ipam_leases_each(l->core, NULL, count_lease, &told, NULL) == 0);
	for (unsigned int p = 0; p < POOLS; p++)
		for (unsigned int n = 0; n < BITS; n++)
			want += atomic_load(&world->taken[p][n]);
	CHECK(told == want);
	CHECK(lives_problems(l) == 0);
}

static void many_callers(struct ipam_life *l, void *arg)
{
	static struct caller callers[THREADS];
	pthread_t threads[THREADS];

	world->life = l;
	for (unsigned int i = 0; i < POOLS; i++)
		CHECK(pool_get(l, pools[i], i == 2 ? "fd00:1::/118" : NULL,
			       NULL) == 0);
	for (unsigned int i = 0; i < THREADS; i++) {
		callers[i].number = i;
		callers[i].seed = i * 7919 + 1;
		CHECK(pthread_create(&threads[i], NULL, caller_run,
				     &callers[i]) == 0);
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("# %u operations, %u addresses refused, %u times full\n",
	       world->ops, world->refused, world->full);
	fflush(stdout);
	as_the_bitmap(l, arg);
}

static void no_address_twice_and_none_lost(void **state)
{
	const char *ops = getenv("BERTH_IPAM_OPS");

	(void)state;
	world->ops = ops ? (unsigned int)strtoul(ops, NULL, 10) : 40000;
	assert_int_equal(lives_run(many_callers, NULL, NULL), 0);
	assert_int_equal(lives_run(as_the_bitmap, NULL, NULL), 0);
}

/* ---- the last address ----------------------------------------------------------- */

#define WANT 100

static struct ipam_life *narrow;
static pthread_barrier_t start_line;

static void *wants_one(void *arg)
{
	struct ipam_addr_req q = { .pool_id = "berth-local/10.9.0.0/30" };
	struct ip_prefix got;
	uint64_t seq = 0;

	q.mac.bytes[0] = 2;
	q.mac.bytes[5] = (uint8_t)(uintptr_t)arg;
	pthread_barrier_wait(&start_line);
	return (void *)(intptr_t)ipam_addr_request(narrow->core, &q, &got, &seq,
						   NULL);
}

static void one_of_a_hundred(struct ipam_life *l, void *arg)
{
	pthread_t threads[WANT];
	int winners = 0;

	(void)arg;
	narrow = l;
	CHECK(pool_get(l, "10.9.0.0/30", NULL, NULL) == 0);
	CHECK(addr_get(l, "berth-local/10.9.0.0/30", NULL, IPAM_GATEWAY, 0,
		       NULL) == 0);
	CHECK(pthread_barrier_init(&start_line, NULL, WANT) == 0);
	for (uintptr_t i = 0; i < WANT; i++)
		CHECK(pthread_create(&threads[i], NULL, wants_one, (void *)i) ==
		      0);
	for (int i = 0; i < WANT; i++) {
		void *r;

		pthread_join(threads[i], &r);
		CHECK(!r || (intptr_t)r == -ENOSPC);
		winners += !r;
	}
	CHECK(winners == 1);
	CHECK(lives_problems(l) == 0);
}

static void the_last_address_has_one_winner(void **state)
{
	(void)state;
	assert_int_equal(lives_run(one_of_a_hundred, NULL, NULL), 0);
}

/* ---- pools that come and go ------------------------------------------------------- */

static void *comes_and_goes(void *arg)
{
	struct ipam_life *l = arg;

	for (int i = 0; i < 60; i++) {
		struct ipam_pool_req q = { .space = IPAM_SPACE_LOCAL };
		struct ipam_addr_req a = { .use = IPAM_ENDPOINT };
		struct ip_addr gw;
		char id[IPAM_ID_MAX];
		struct ip_prefix p;
		uint64_t seq;

		CHECK(ip_prefix_parse("10.7.0.0/24", &q.pool, NULL) == 0);
		CHECK(ipam_pool_request(l->core, &q, id, &p, &gw, &seq, NULL) ==
		      0);
		a.pool_id = id;
		CHECK(ipam_addr_request(l->core, &a, &p, &seq, NULL) == 0);
		CHECK(ipam_addr_release(l->core, id, &p.addr, &seq, NULL) == 0);
		CHECK(ipam_pool_release(l->core, id, &seq, NULL) == 0);
	}
	return NULL;
}

static void one_pool_many_networks(struct ipam_life *l, void *arg)
{
	pthread_t threads[THREADS];

	(void)arg;
	for (int i = 0; i < THREADS; i++)
		CHECK(pthread_create(&threads[i], NULL, comes_and_goes, l) ==
		      0);
	for (int i = 0; i < 50; i++) {
		free(all_of(l));
		CHECK(lives_problems(l) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	{
		_cleanup_free_ char *all = all_of(l);

		CHECK(!*all);
	}
	CHECK(lives_problems(l) == 0);
}

static void pools_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(lives_run(one_pool_many_networks, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_address_twice_and_none_lost,
						lives_setup, lives_teardown),
		cmocka_unit_test_setup_teardown(the_last_address_has_one_winner,
						lives_setup, lives_teardown),
		cmocka_unit_test_setup_teardown(pools_come_and_go, lives_setup,
						lives_teardown),
	};

	lives_init();
	world = lives_shared(sizeof(*world));
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
