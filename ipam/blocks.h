/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks.h - the addresses of a cluster's pools that this host may hand out.
 *
 * A pool that several hosts share is cut into blocks.  A host takes blocks by
 * transactions in etcd and hands out addresses of its own blocks alone, so no two hosts
 * can give the same one, and etcd need not answer while there is room in them.  An
 * address that somebody asks for by name, outside its blocks, a host claims by itself;
 * gateways and reserved (aux) addresses are claimed for all hosts.
 *
 * Nothing of it is leased: a host that is merely cut off goes on using its addresses.
 * What this host holds is in state.db, and what nobody here uses any more is given back
 * by a thread, which also compares both with each other.  docs/ipam.md has the keys and
 * what happens when.
 *
 * Locks: one for transactions is taken before all locks of the core's, one for what is
 * in memory after them; the former never while the core holds any.
 */
#ifndef IPAM_BLOCKS_H
#define IPAM_BLOCKS_H

#include "ipam/ipam_core.h"
#include "ipam/pool.h"
#include "lib/cluster_at.h"
#include "lib/store.h"

struct blocks;

/* What the core knows; called without any lock of ours but that for transactions. */
struct blocks_user {
	void *ctx;
	/* Is there a pool of the cluster here with that prefix? */
	bool (*has_pool)(void *ctx, const struct ip_prefix *pool);
	/* Call @fn where no endpoint here has an address of @part, while none can get
	 * one.  Return: was it called? */
	bool (*unused)(void *ctx, const struct ip_prefix *pool,
		       const struct ip_prefix *part, void (*fn)(void *arg),
		       void *arg);
};

/*
 * blocks_open() - what is on record.  Without members in .etcd no more than that is
 * ever handed out.
 *
 * @state, @cfg's strings: borrowed.
 */
int blocks_open(struct store *state, const struct ipam_cluster *cfg,
		const struct blocks_user *user, struct blocks **ret,
		struct err *err);
/* blocks_check() - at the start: compare it with etcd, where that answers; before
 * anything is handed out. */
int blocks_check(struct blocks *b, struct err *err);
/* From now on it is compared with etcd, and what is not used given back. */
int blocks_start(struct blocks *b, struct err *err);
/* All stays as it is.  NULL is fine. */
void blocks_close(struct blocks *b);
DEFINE_CLEANUP(struct blocks, blocks_close)

/*
 * blocks_join() - the pool is one of the cluster's, and this host's too, until the core
 * has no such pool; not before blocks_join_done(), which follows success.
 *
 * @sub: none: all of @pool.
 * Return: 0; -EEXIST: another pool of the cluster overlaps, or is the same with another
 *         range, or this host's name is another machine's; as etcd.h.
 */
int blocks_join(struct blocks *b, const struct ip_prefix *pool,
		const struct ip_prefix *sub, struct err *err);
void blocks_join_done(struct blocks *b, const struct ip_prefix *pool);

/*
 * blocks_take() - the next address of @pool that this host may hand out: a free one, else
 * the one that rests the longest.  With the pool's lock held.
 *
 * @range: as pool_take(); .prefix is not looked at.
 * Return: as pool_take(); -EXFULL: blocks_more() first.
 */
int blocks_take(struct blocks *b, const struct ip_prefix *prefix,
		struct pool *pool, struct pool_range *range,
		struct ip_addr *ret);
/* blocks_may() - may this one be handed out here?  With the pool's lock held. */
bool blocks_may(struct blocks *b, const struct ip_prefix *prefix,
		const struct ip_addr *a, enum ipam_use use);
/*
 * blocks_more() - get from etcd what is missing for the request: a block, or the right to
 * @addr.  Without locks of the core's.
 *
 * @addr: none: any; a gateway's is put in: the one that the other hosts have.
 * Return: 0: look again, and call blocks_more_done() when the request is over, whatever
 *         came of it; -EADDRINUSE: another host's, which @err names; -ENOSPC: no block is
 *         left; as etcd.h.
 */
int blocks_more(struct blocks *b, const struct ip_prefix *prefix,
		struct ip_addr *addr, enum ipam_use use, struct err *err);
void blocks_more_done(struct blocks *b, const struct ip_prefix *prefix,
		      const struct ip_addr *addr);

/* Something was released: see what is not used any more. */
void blocks_settle(struct blocks *b);

/* Each block of the pool, with the lock held. */
void blocks_each(struct blocks *b, const struct ip_prefix *prefix,
		 void (*fn)(void *ctx, const struct ip_prefix *block),
		 void *ctx);
void blocks_problems(struct blocks *b, ipam_line_fn *fn, void *ctx);

/*
 * blocks_forget() - give back all that host @node has, which is gone for ever.
 *
 * @fn: called for each.  Return: how many; -EINVAL: this host; as etcd.h.
 */
int blocks_forget(struct blocks *b, const char *node, bool dry,
		  ipam_line_fn *fn, void *ctx, struct err *err);

#endif
