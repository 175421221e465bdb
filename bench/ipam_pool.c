// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ipam-pool: what an address costs, without the disk: of an empty pool, of an
 * almost full one, of one in many pieces, of a small and of an IPv6 one.
 *
 * Limits: almost full the same as empty within 20 %, and each under 20 us; exit
 * status 1 beyond.  Processor time, for nothing here waits; each figure is the best of three.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ipam/pool.h"

#define TAKES     1000000u
#define TURNS     50000u
#define ROUNDS    3
#define SIZE_OF_8 16777214u
#define RATIO_MAX 1.2
#define NS_MAX    20000.0

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void must(int r)
{
	if (r < 0) {
		fprintf(stderr, "ipam-pool: a call failed with %d\n", r);
		exit(2);
	}
}

struct subject {
	struct pool *pool;
	struct pool_range range;
};

static struct subject subject_new(const char *prefix)
{
	struct subject s = { .pool = NULL };

	must(ip_prefix_parse(prefix, &s.range.prefix, NULL));
	s.pool = pool_new(&s.range.prefix);
	if (!s.pool)
		must(-1);
	return s;
}

static void take(struct subject *s, unsigned int count)
{
	struct ip_addr a;

	for (unsigned int i = 0; i < count; i++)
		must(pool_take(s->pool, &s->range, &a));
}

/* ns for each of @count. */
static double timed(struct subject *s, unsigned int count)
{
	double begin = now_ns();

	take(s, count);
	return (now_ns() - begin) / count;
}

static double empty(const char *prefix, unsigned int count)
{
	struct subject s = subject_new(prefix);
	double ns = timed(&s, count);

	pool_free(s.pool);
	return ns;
}

static double almost_full(void)
{
	struct subject s = subject_new("10.0.0.0/8");
	double ns;

	take(&s, SIZE_OF_8 - TAKES);
	ns = timed(&s, TAKES);
	pool_free(s.pool);
	return ns;
}

/* A full /8 with one free address in 256: 65,000 pieces. */
static double in_pieces(size_t *runs)
{
	struct subject s = subject_new("10.0.0.0/8");
	double ns;

	take(&s, SIZE_OF_8);
	for (unsigned int i = 256; i < SIZE_OF_8; i += 256) {
		struct ip_addr a = { .family = AF_INET,
				     .bytes = { 10, (uint8_t)(i >> 16),
						(uint8_t)(i >> 8),
						(uint8_t)i } },
			       freed;

		must(pool_room(s.pool, &freed));
		must(pool_drop(s.pool, &a));
	}
	*runs = pool_count(s.pool).runs;
	ns = timed(&s, 60000);
	pool_free(s.pool);
	return ns;
}

/* Taken and released in turn, with as many resting as may. */
static double turns(void)
{
	struct subject s = subject_new("10.0.0.0/8");
	struct ip_addr a, freed;
	double begin = 0;

	for (unsigned int i = 0; i < TURNS; i++) {
		if (i == POOL_REST_MAX)
			begin = now_ns();
		must(pool_take(s.pool, &s.range, &a));
		must(pool_room(s.pool, &freed));
		must(pool_give(s.pool, &a));
	}
	pool_free(s.pool);
	return (now_ns() - begin) / (TURNS - POOL_REST_MAX);
}

static double better(double a, double b)
{
	return a < b ? a : b;
}

int main(void)
{
	double v4 = 1e9, full = 1e9, pieces = 1e9, small = 1e9, v6 = 1e9,
	       turn = 1e9, worst = 0;
	size_t runs = 0;

	for (int i = 0; i < ROUNDS; i++) {
		v4 = better(v4, empty("10.0.0.0/8", TAKES));
		full = better(full, almost_full());
		small = better(small, empty("10.0.0.0/24", 254));
		v6 = better(v6, empty("fd00::/64", TAKES));
		turn = better(turn, turns());
	}
	pieces = in_pieces(&runs);
	printf("an address of an empty /8          %8.1f ns\n", v4);
	printf("of a /8 with the last %u free %8.1f ns, %.2f x\n", TAKES, full,
	       full / v4);
	printf("of a /8 in %zu pieces           %8.1f ns\n", runs, pieces);
	printf("of an empty /24                    %8.1f ns\n", small);
	printf("of an empty IPv6 /64               %8.1f ns\n", v6);
	printf("taken and released, %d resting   %8.1f ns\n", POOL_REST_MAX,
	       turn);
	worst = -better(-pieces, better(-v4, better(-full, -v6)));
	if (full / v4 > RATIO_MAX || v4 / full > RATIO_MAX || worst > NS_MAX) {
		printf("beyond the limit: %.1f x and %.0f ns each\n", RATIO_MAX,
		       NS_MAX);
		return 1;
	}
	return 0;
}
