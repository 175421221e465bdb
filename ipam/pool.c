/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of one prefix, as offsets from its first. */
#include "ipam/pool.h"

#include <errno.h>
#include <string.h>

#include "ipam/num.h"
#include "ipam/runs.h"

struct pool {
	struct ip_prefix prefix; /* without host bits */
	runs_num base;           /* the prefix's first address */
	runs_num first, last;    /* offsets that may be handed out */
	struct runs busy;        /* taken or resting */
	uint64_t taken;
	runs_num *rest; /* owned; the oldest first */
	size_t rest_count, rest_room;
	size_t woken; /* where the last one taken rested; NOWHERE: it did not */
};

#define NOWHERE SIZE_MAX

/* ---- addresses and offsets --------------------------------------------- */

static struct ip_addr at(const struct pool *p, runs_num offset)
{
	return num_to_ip(p->prefix.addr.family, p->base + offset);
}

/* The offset of @a; false when it is outside. */
static bool offset_of(const struct pool *p, const struct ip_addr *a,
		      runs_num *ret)
{
	if (!ip_prefix_contains(&p->prefix, a))
		return false;
	*ret = num_of(a) - p->base;
	return *ret >= p->first && *ret <= p->last;
}

/* ---- what rests --------------------------------------------------------- */

/* Its place; rest_count when it does not rest.  The newest are asked for most:
 * a container that starts again. */
static size_t rest_find(const struct pool *p, runs_num offset)
{
	for (size_t i = p->rest_count; i-- > 0;)
		if (p->rest[i] == offset)
			return i;
	return p->rest_count;
}

static void rest_remove(struct pool *p, size_t i)
{
	p->rest_count--;
	memmove(p->rest + i, p->rest + i + 1,
		(p->rest_count - i) * sizeof(*p->rest));
}

/* Back to where it was removed from, so there is room. */
static void rest_insert(struct pool *p, size_t i, runs_num offset)
{
	memmove(p->rest + i + 1, p->rest + i,
		(p->rest_count - i) * sizeof(*p->rest));
	p->rest[i] = offset;
	p->rest_count++;
}

static int rest_grow(struct pool *p)
{
	size_t room = p->rest_room ? p->rest_room * 2 : 16;
	runs_num *grew;

	if (p->rest_count < p->rest_room)
		return 0;
	grew = reallocarray(p->rest, room, sizeof(*grew));
	if (!grew)
		return -ENOMEM;
	p->rest = grew;
	p->rest_room = room;
	return 0;
}

/* ---- life --------------------------------------------------------------- */

struct pool *pool_new(const struct ip_prefix *prefix)
{
	struct pool *p = calloc(1, sizeof(*p));
	unsigned int bits = ip_bytes(&prefix->addr) * 8 - prefix->len;
	struct ip_addr last = ip_prefix_last(prefix);

	if (!p)
		return NULL;
	p->prefix = *prefix;
	p->prefix.addr = ip_prefix_first(prefix);
	p->base = num_of(&p->prefix.addr);
	p->last = num_of(&last) - p->base;
	if (bits > 1)
		p->first = 1;
	if (bits > 1 && prefix->addr.family == AF_INET)
		p->last--;
	return p;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	runs_fini(&p->busy);
	free(p->rest);
	free(p);
}

/* ---- taking ------------------------------------------------------------- */

void pool_range_after(struct pool_range *range, const struct ip_addr *a)
{
	struct ip_addr next = num_to_ip(a->family, num_of(a) + 1);

	if (ip_prefix_contains(&range->prefix, &next))
		range->next = next;
	else
		range->next = (struct ip_addr){ 0 };
}

/* The offsets of @range that may be handed out, and where to begin. */
static bool bounds(const struct pool *p, const struct pool_range *range,
		   runs_num *lo, runs_num *hi, runs_num *from)
{
	struct ip_addr a = ip_prefix_first(&range->prefix);
	struct ip_addr b = ip_prefix_last(&range->prefix);

	if (!ip_prefix_contains(&p->prefix, &a) ||
	    !ip_prefix_contains(&p->prefix, &b))
		return false;
	*lo = num_of(&a) - p->base;
	*hi = num_of(&b) - p->base;
	if (*lo < p->first)
		*lo = p->first;
	if (*hi > p->last)
		*hi = p->last;
	if (!offset_of(p, &range->next, from) || *from < *lo || *from > *hi)
		*from = *lo;
	return *lo <= *hi;
}

/* The one of @lo..@hi that rests the longest. */
static int wake(struct pool *p, runs_num lo, runs_num hi, runs_num *ret)
{
	for (size_t i = 0; i < p->rest_count; i++) {
		if (p->rest[i] < lo || p->rest[i] > hi)
			continue;
		*ret = p->rest[i];
		rest_remove(p, i);
		p->woken = i;
		return 0;
	}
	return -ENOSPC;
}

int pool_take(struct pool *p, struct pool_range *range, struct ip_addr *ret)
{
	runs_num lo, hi, from, n;
	int r;

	if (!bounds(p, range, &lo, &hi, &from))
		return -ENOSPC;
	p->woken = NOWHERE;
	if (runs_gap(&p->busy, from, hi, &n) ||
	    (from > lo && runs_gap(&p->busy, lo, from - 1, &n)))
		r = runs_add(&p->busy, n);
	else
		r = wake(p, lo, hi, &n);
	if (r < 0)
		return r;
	p->taken++;
	*ret = at(p, n);
	pool_range_after(range, ret);
	return 0;
}

int pool_take_exact(struct pool *p, const struct ip_addr *a)
{
	runs_num n;
	size_t i;
	int r;

	if (!offset_of(p, a, &n))
		return -ERANGE;
	p->woken = NOWHERE;
	if (runs_has(&p->busy, n)) {
		i = rest_find(p, n);
		if (i == p->rest_count)
			return -EADDRINUSE;
		rest_remove(p, i);
		p->woken = i;
	} else {
		r = runs_add(&p->busy, n);
		if (r < 0)
			return r;
	}
	p->taken++;
	return 0;
}

void pool_untake(struct pool *p, const struct ip_addr *a)
{
	runs_num n;

	if (!offset_of(p, a, &n) || !runs_has(&p->busy, n))
		return;
	p->taken--;
	if (p->woken == NOWHERE)
		(void)runs_del(&p->busy, n); /* the last one put in */
	else
		rest_insert(p, p->woken, n);
}

/* ---- giving back -------------------------------------------------------- */

int pool_room(struct pool *p, struct ip_addr *ret_freed)
{
	int r = 0;

	*ret_freed = (struct ip_addr){ 0 };
	if (p->rest_count < POOL_REST_MAX)
		return rest_grow(p);
	r = runs_del(&p->busy, p->rest[0]);
	if (r < 0)
		return r;
	*ret_freed = at(p, p->rest[0]);
	rest_remove(p, 0);
	return 0;
}

int pool_give(struct pool *p, const struct ip_addr *a)
{
	runs_num n;

	if (pool_look(p, a) != POOL_TAKEN || !offset_of(p, a, &n))
		return -ENOENT;
	if (p->rest_count == p->rest_room || p->rest_count == POOL_REST_MAX)
		return -ENOBUFS;
	p->rest[p->rest_count++] = n;
	p->taken--;
	return 0;
}

int pool_drop(struct pool *p, const struct ip_addr *a)
{
	runs_num n;

	if (pool_look(p, a) != POOL_TAKEN || !offset_of(p, a, &n))
		return -ENOENT;
	if (runs_del(&p->busy, n) < 0)
		return pool_give(p, a);
	p->taken--;
	return 0;
}

/* ---- looking ------------------------------------------------------------ */

bool pool_is_free(const struct pool *p, const struct ip_addr *a)
{
	runs_num n;

	return offset_of(p, a, &n) && !runs_has(&p->busy, n);
}

enum pool_use pool_look(const struct pool *p, const struct ip_addr *a)
{
	runs_num n;

	if (!offset_of(p, a, &n))
		return POOL_OUTSIDE;
	if (!runs_has(&p->busy, n))
		return POOL_FREE;
	return rest_find(p, n) < p->rest_count ? POOL_RESTING : POOL_TAKEN;
}

double pool_size(const struct pool *p, const struct pool_range *range)
{
	runs_num lo, hi, from;

	return bounds(p, range, &lo, &hi, &from) ? (double)(hi - lo) + 1 : 0;
}

struct pool_stats pool_count(const struct pool *p)
{
	return (struct pool_stats){
		.taken = p->taken,
		.resting = p->rest_count,
		.runs = p->busy.count,
	};
}

struct telling {
	const struct pool *p;
	int (*fn)(void *ctx, const struct ip_addr *first,
		  const struct ip_addr *last);
	void *ctx;
};

static int tell_run(void *ctx, runs_num first, runs_num last)
{
	const struct telling *t = ctx;
	struct ip_addr a = at(t->p, first), b = at(t->p, last);

	return t->fn(t->ctx, &a, &b);
}

int pool_each(const struct pool *p,
	      int (*fn)(void *ctx, const struct ip_addr *first,
			const struct ip_addr *last),
	      void *ctx)
{
	struct telling t = { .p = p, .fn = fn, .ctx = ctx };

	return runs_each(&p->busy, tell_run, &t);
}

int pool_each_resting(const struct pool *p,
		      int (*fn)(void *ctx, const struct ip_addr *a), void *ctx)
{
	int r = 0;

	for (size_t i = 0; i < p->rest_count && r >= 0; i++) {
		struct ip_addr a = at(p, p->rest[i]);

		r = fn(ctx, &a);
	}
	return r < 0 ? r : 0;
}
