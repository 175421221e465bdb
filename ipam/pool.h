/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - the addresses of one prefix: which are taken, which comes next.
 *
 * Pure arithmetic: no I/O and no lock; the caller holds one.  Memory and time
 * grow with what was handed out, not with the prefix: a /8 and a /64 cost the
 * same as a /24.
 *
 * An address is free, taken, or resting: given back a short while ago.  Resting
 * ones are not handed out while others are free, so that a neighbour's stale
 * ARP entry or a client's open connection does not meet a stranger.  At most
 * POOL_REST_MAX rest at a time; then the oldest is free again.
 *
 * Never handed out: the network and broadcast address of an IPv4 prefix below
 * /31, the subnet-router anycast address (the first) of an IPv6 prefix below
 * /127 (RFC 6164).
 */
#ifndef IPAM_POOL_H
#define IPAM_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/ip.h"

#define POOL_REST_MAX 4096

struct pool;

/* Where to look: a part of the pool and where the last search ended.  Owned by
 * the caller, who may copy it and put it back. */
struct pool_range {
	struct ip_prefix prefix; /* inside the pool's */
	struct ip_addr next;     /* the next candidate; none: the first */
};

enum pool_use {
	POOL_FREE,
	POOL_TAKEN,
	POOL_RESTING,
	POOL_OUTSIDE, /* of the prefix, or never handed out */
};

struct pool_stats {
	uint64_t taken, resting;
	size_t runs; /* pieces the pool is in: what it costs */
};

/* pool_new() - an empty pool.  Host bits of @prefix are ignored.  NULL: out of
 * memory. */
struct pool *pool_new(const struct ip_prefix *prefix);
void pool_free(struct pool *p); /* NULL is fine */
DEFINE_CLEANUP(struct pool, pool_free)

/*
 * pool_take() - the next free address of @range, from where the last search
 * ended and round; when there is none, the one that rests the longest.
 *
 * @range: its .next moves on, on success.
 * Return: 0; -ENOSPC when all are taken; -ENOMEM.
 */
int pool_take(struct pool *p, struct pool_range *range, struct ip_addr *ret);
/* pool_take_exact() - this one, free or resting.  -EADDRINUSE; -ERANGE for one
 * that is outside; -ENOMEM. */
int pool_take_exact(struct pool *p, const struct ip_addr *a);
/* pool_untake() - undo the last pool_take() or pool_take_exact(), which nobody
 * has heard of: the address is free, or rests where it did.  Nothing else was
 * taken or given in between.  Cannot fail. */
void pool_untake(struct pool *p, const struct ip_addr *a);
/*
 * pool_room() - see to it that the next pool_give() cannot fail.
 *
 * @ret_freed: the address that ended its rest for it; none if none had to.
 * Return: 0; -ENOMEM.
 */
int pool_room(struct pool *p, struct ip_addr *ret_freed);
/* pool_give() - a taken address rests from now on.  -ENOENT: it was not taken;
 * -ENOBUFS: there was no pool_room(). */
int pool_give(struct pool *p, const struct ip_addr *a);
/* pool_drop() - a taken address is free at once; without memory for that it rests.
 * As pool_give(). */
int pool_drop(struct pool *p, const struct ip_addr *a);

/* pool_range_after() - let the next search begin behind @a. */
void pool_range_after(struct pool_range *range, const struct ip_addr *a);

/* pool_size() - how many addresses @range can hand out; more than a u64 has. */
double pool_size(const struct pool *p, const struct pool_range *range);
/* pool_is_free() - may be handed out, is not taken and does not rest; quicker than
 * pool_look(). */
bool pool_is_free(const struct pool *p, const struct ip_addr *a);
enum pool_use pool_look(const struct pool *p, const struct ip_addr *a);
struct pool_stats pool_count(const struct pool *p);
/* Each run of addresses that are taken or rest, ascending; then each resting
 * one, the oldest first.  A negative return ends the walk and is returned. */
int pool_each(const struct pool *p,
	      int (*fn)(void *ctx, const struct ip_addr *first,
			const struct ip_addr *last),
	      void *ctx);
int pool_each_resting(const struct pool *p,
		      int (*fn)(void *ctx, const struct ip_addr *a), void *ctx);

#endif
