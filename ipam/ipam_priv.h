/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipam_priv.h - what the parts of the IPAM core share: ipam_table.c (pools by
 * prefix and PoolID, locks), ipam_pools.c and ipam_core.c (requests),
 * ipam_intent.c (their rows in the journal), ipam_auto.c (automatic pools),
 * ipam_dhcp.c (a LAN's DHCP server), ipam_cluster.c (pools that hosts share), ipam_load.c (records), ipam_recover.c (start, replay, expiry) and ipam_info.c
 * (telling).
 *
 * Locks, in this order: pools_lock (which pools there are: held by every call
 * that changes or walks them), a net's lock (its addresses), the core's lock
 * (the trees; never held for long).  The tree of a net's addresses is
 * changed under both of the last two, so either is enough to look.
 */
#ifndef IPAM_IPAM_PRIV_H
#define IPAM_IPAM_PRIV_H

#include <pthread.h>

#include "ipam/blocks.h"
#include "ipam/dhcp_keep.h"
#include "ipam/ipam_core.h"
#include "ipam/ipam_record.h"
#include "ipam/pool.h"
#include "lib/jdec.h"
#include "lib/journal.h"
#include "lib/nlk.h"
#include "lib/problems.h"

struct ipam_net;

/* One PoolID.  Guarded by its net's lock. */
struct ipam_range {
	struct ipam_range *next;
	struct ipam_net *net;
	struct pool_range at; /* .prefix: the subpool, or the pool */
	struct ip_prefix sub; /* none: the pool */
	bool automatic;
	bool cluster;        /* shared with other hosts */
	char dhcp[IFNAMSIZ]; /* where a DHCP server is asked; "": none is */
	uint32_t refs;
	uint32_t unsure; /* of those: by requests that have no answer yet */
	uint64_t born;
	char created[32];
	char id[IPAM_ID_MAX];
};

/* An address that is handed out. */
struct ipam_lease {
	struct ipam_lease *next; /* for who collects some */
	struct ip_addr addr;
	struct mac_addr mac;
	enum ipam_use use;
	bool fixed;
	bool damaged;    /* its record can't be read: who has it is not known */
	uint32_t refs;   /* of a reserved one: by how many networks */
	uint32_t unsure; /* as a range's */
	struct ipam_range *range;
	const struct ipam_doubt *doubt; /* whose it is instead; or NULL */
	time_t since;
};

/* An intent that could not be taken back: nothing may change before it is, or
 * a restart would carry it out on what came later. */
struct ipam_stale {
	struct store *store;
	uint64_t seq;
};

/* A pool: one prefix, shared by its PoolIDs.  Outlives them while held. */
struct ipam_net {
	struct ipam_core *core;
	pthread_mutex_t lock; /* guards all below but refs */
	unsigned int refs;    /* by core->lock */
	bool gone;            /* out of the trees */
	struct ip_prefix prefix;
	char space[IPAM_SPACE_MAX];
	struct pool *pool;         /* owned */
	struct ipam_range *ranges; /* owned */
	void *leases;              /* tsearch(3) tree by address, owned */
	uint64_t rests;            /* the last .rest of a record */
	struct ipam_stale stale;
};

/* A PoolID whose record can't be used: what is handed out of it may be in use, so
 * nothing of its pool is before it is released. */
struct ipam_doubt {
	struct ipam_doubt *next;
	struct ip_prefix pool; /* as the PoolID says; or none */
	char found[32];
	char id[IPAM_ID_MAX];
};

struct ipam_core {
	const struct plugd *d;
	struct ipam_config config;
	pthread_mutex_t pools_lock, lock;
	pthread_mutex_t replay_lock; /* before all others */
	void *nets;                  /* tsearch(3) tree of ipam_net by prefix */
	void *ranges;            /* tsearch(3) tree of ipam_range by PoolID */
	struct ipam_stale stale; /* by pools_lock */
	struct nlk *nlk;         /* by pools_lock; NULL until needed */
	struct ip_prefix ula;    /* by pools_lock; none until needed */
	struct dhcp_keep *dhcp;
	struct blocks *blocks; /* owned */
	uint64_t
		dhcp_until; /* at the start: when no server is asked any more */
	struct problems problems;
	struct ipam_doubt *doubt; /* owned; changed under both locks */
	unsigned int ticks;
	struct timespec started; /* CLOCK_BOOTTIME */
};

int ipam_no_memory(struct err *err);
void ipam_unlockp(pthread_mutex_t **lock);

/* ---- ipam_table.c -------------------------------------------------------- */

/* A locked net, and the range of the PoolID asked for (NULL: gone). */
struct ipam_hold {
	struct ipam_net *net;
	struct ipam_range *range;
};

/* ipam_hold_take() - @ret empty when there is no such PoolID. */
void ipam_hold_take(struct ipam_core *core, const char *id,
		    struct ipam_hold *ret);
void ipam_hold_give(struct ipam_hold *h); /* empty is fine */

/* Under pools_lock, or at the start: by PoolID, not locked.  NULL: none. */
struct ipam_range *ipam_range_peek(struct ipam_core *core, const char *id);
/* Under pools_lock: does a lease's record speak of what there is?  Of one that
 * rests only the address counts: it may have outlived its PoolID. */
bool ipam_record_lives(struct ipam_core *core, const struct ipam_record *rec);

/* What the address was handed out for, without waiting for its net's lock; an
 * endpoint's where it is not.  It may be another by the time that lock is held. */
enum ipam_use ipam_use_peek(struct ipam_core *core, const char *id,
			    const struct ip_addr *a);

/* Under pools_lock: the net that overlaps @p, NULL for none.  Not locked. */
struct ipam_net *ipam_net_find(struct ipam_core *core,
			       const struct ip_prefix *p);
/* Lock it until ipam_net_give(), which frees one that is gone. */
void ipam_net_take(struct ipam_net *net);
void ipam_net_give(struct ipam_net *net);
/* Under pools_lock: a new net, in the tree; without a range it is not for long.
 * NULL: out of memory. */
struct ipam_net *ipam_net_add(struct ipam_core *core, const char *space,
			      const struct ip_prefix *prefix);
/* Each net, by prefix, under pools_lock; not locked. */
int ipam_nets_each(struct ipam_core *core,
		   int (*fn)(void *ctx, struct ipam_net *net), void *ctx);

/* A taken net's networks. */
uint32_t ipam_net_users(const struct ipam_net *net);

/* A taken net's range.  find: NULL for none.  add: NULL: out of memory.  drop:
 * with what was handed out by it; without a range left the net is gone. */
struct ipam_range *ipam_range_find(struct ipam_net *net, const char *id);
struct ipam_range *ipam_range_add(struct ipam_net *net,
				  const struct ipam_record *rec);
void ipam_range_drop(struct ipam_net *net, struct ipam_range *range);
/* A taken net: what @doubt has of it is free. */
void ipam_doubt_empty(struct ipam_net *net, const struct ipam_doubt *doubt);

struct ipam_lease *ipam_lease_find(struct ipam_net *net,
				   const struct ip_addr *a);
/* The pool has it taken already.  NULL: out of memory. */
struct ipam_lease *ipam_lease_add(struct ipam_net *net,
				  const struct ipam_record *rec,
				  enum ipam_use use, struct ipam_range *range);
/* Out of the tree and freed; the pool is left alone. */
void ipam_lease_drop(struct ipam_net *net, struct ipam_lease *l);
int ipam_lease_each(struct ipam_net *net,
		    int (*fn)(void *ctx, struct ipam_lease *l), void *ctx);

void ipam_table_free(struct ipam_core *core);

/* ---- ipam_intent.c ------------------------------------------------------- */

struct ipam_intent {
	struct store *store;
	const char *method;
	uint64_t seq; /* 0: could not be written, or ended */
	bool redo;    /* of an earlier life */
};

/* Before the request waits for anything. */
struct ipam_intent ipam_announce(struct store *s, const char *method,
				 const struct ipam_record *rec);
/* Before anything is changed: where the announcement failed it is made good, or
 * @err says why not. */
int ipam_begin(struct ipam_intent *i, const struct ipam_record *rec,
	       struct err *err);
/* In the transaction that records @rec: done.  NULL @answer: no memory. */
int ipam_intent_done(const struct ipam_intent *i, const struct ipam_record *rec,
		     json_object *answer, struct err *err);
/* There was nothing to change.  @answer: NULL for an empty one. */
int ipam_intent_idle(const struct ipam_intent *i, json_object *answer,
		     struct err *err);
/* The request came to nothing.  @stale: of what it speaks of, locked; or NULL. */
void ipam_abort(struct ipam_stale *stale, struct ipam_intent *i);
/* May this be changed now?  Ends @s where that is open.  -errno. */
int ipam_ready(struct ipam_stale *s, struct err *err);

/* ---- requests ------------------------------------------------------------- */

extern const char ipam_method_pool[], ipam_method_pool_release[],
	ipam_method_addr[], ipam_method_addr_release[];

/*
 * What a request that is announced does, in its own life or in the next: takes
 * the locks, looks, changes, and ends the intent.  @rec is what was asked for, and
 * then what came of it.
 */
int ipam_pool_run(struct ipam_core *core, struct ipam_intent *i,
		  struct ipam_record *rec, struct err *err);
int ipam_pool_release_run(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, struct err *err);
int ipam_addr_run(struct ipam_core *core, struct ipam_intent *i,
		  struct ipam_record *rec, struct err *err);
/* With a .use in @rec: only an endpoint's with that .mac.  -ESTALE. */
int ipam_addr_release_run(struct ipam_core *core, struct ipam_intent *i,
			  const struct ipam_record *rec, struct err *err);

/* Locked: count one user less, with the last it goes.  @seq: its intent, or 0. */
int ipam_pool_release_apply(struct ipam_hold *h, uint64_t seq, struct err *err);
int ipam_addr_release_apply(struct ipam_hold *h, struct ipam_lease *l,
			    uint64_t seq, struct err *err);

/* One who knows of what has @refs users is here: not all are unsure. */
static inline void ipam_known(uint32_t *unsure, uint32_t refs)
{
	if (*unsure && *unsure >= refs)
		--*unsure;
}

/* Store @rec. */
int ipam_put(struct store *s, const char *kind, const char *id,
	     const char *parent, const struct ipam_record *rec,
	     struct err *err);
/* Which store knows of an address handed out for @use. */
struct store *ipam_store_of(struct ipam_core *core, enum ipam_use use);

/* ---- ipam_auto.c --------------------------------------------------------- */

/* Under pools_lock.  -ENOSPC. */
int ipam_auto_choose(struct ipam_core *core, bool v6, struct ip_prefix *ret,
		     struct err *err);

/* Under pools_lock: does this host use any of @p for a route or an address?
 * @ret: what. */
int ipam_auto_in_use(struct ipam_core *core, const struct ip_prefix *p,
		     bool *ret, struct err *err);

/* ---- ipam_dhcp.c --------------------------------------------------------- */

/* Without locks: the pool of the LAN at @rec->dhcp, into @rec->pool, and its router,
 * into @rec->addr. */
int ipam_dhcp_find(struct ipam_core *core, struct ipam_record *rec,
		   struct err *err);
/* Under pools_lock: nothing is in the way of what ipam_dhcp_find() found.  dockerd
 * would ask for another for ever. */
int ipam_dhcp_check(struct ipam_core *core, const struct ipam_record *rec,
		    struct err *err);
/* What was asked of a DHCP server for one request. */
struct ipam_asked {
	struct dhcp_taking taking;
	bool asked;    /* and, when ipam_dhcp_take() returns 0, leased */
	uint64_t born; /* for that pool */
};

/*
 * ipam_dhcp_take() - without locks: where the pool of @rec has a DHCP server, lease
 * what @rec asks for, into @rec->addr.
 *
 * @ret: stays where it is until ipam_dhcp_done(), which is called when the address
 *       is handed out, or is not, also where this fails.
 */
int ipam_dhcp_take(struct ipam_core *core, struct ipam_record *rec,
		   struct ipam_asked *ret, struct err *err);
/* ipam_dhcp_leased() - locked: may @rec have an address that nobody has?  -EADDRINUSE
 * where a server leases them and has not leased this one for this pool: when it was to
 * be asked somebody had the address, or the pool was another. */
int ipam_dhcp_leased(const struct ipam_range *range,
		     const struct ipam_record *rec,
		     const struct ipam_asked *asked, struct err *err);
void ipam_dhcp_done(struct ipam_core *core, struct ipam_asked *asked);
/* Give back the leases of addresses that are not handed out. */
void ipam_dhcp_settle(struct ipam_core *core);
/* Takes pools_lock. */
void ipam_dhcp_problems(struct ipam_core *core, ipam_line_fn *fn, void *ctx);

/* ---- ipam_cluster.c ------------------------------------------------------ */

/* What a request got from the cluster. */
struct ipam_more {
	struct ip_prefix pool;
	struct ip_addr addr; /* it may have that; or none */
	unsigned int tries;
};

int ipam_cluster_open(struct ipam_core *core, struct err *err);
/* At the start, when the records are loaded and nothing is handed out yet. */
void ipam_cluster_check(struct ipam_core *core);
int ipam_cluster_judge(struct ipam_core *core, const struct ipam_pool_req *q,
		       struct err *err);
/* Without locks: where @rec is to be shared this host joins the pool; after that
 * ipam_cluster_joined(), whatever came of it. */
int ipam_cluster_join(struct ipam_core *core, const struct ipam_record *rec,
		      struct err *err);
void ipam_cluster_joined(struct ipam_core *core, const struct ipam_record *rec);
/* As pool_take() and pool_take_exact(), of a pool that is shared.  -EXFULL:
 * ipam_cluster_more() is needed first. */
int ipam_cluster_take(struct ipam_hold *h, struct ip_addr *addr,
		      enum ipam_use use);
/* Without locks: get what @rec lacks.  ipam_cluster_done() ends it. */
int ipam_cluster_more(struct ipam_core *core, struct ipam_record *rec,
		      struct ipam_more *more, struct err *err);
void ipam_cluster_done(struct ipam_core *core, const struct ipam_more *more);

/* ---- ipam_load.c --------------------------------------------------------- */

/* At the start: all records of both stores. */
int ipam_load(struct ipam_core *core, struct err *err);
/* ipam_in_doubt() - could the record of @id's pool not be used at the start, and was it
 * not released since?  Under pools_lock or the core's lock, or at the start. */
bool ipam_in_doubt(const struct ipam_core *core, const char *id);
/* As that, of a pool that overlaps @p; NULL: of none. */
const struct ipam_doubt *ipam_doubt_find(const struct ipam_core *core,
					 const struct ip_prefix *p);
/* ipam_doubt_end() - it is released: with its records, or what the disk says.  0 as well
 * where there is no doubt.  Under pools_lock. */
int ipam_doubt_end(struct ipam_core *core, const char *id, struct err *err);
void ipam_doubts_free(struct ipam_core *core);
/* The PoolID that @rec speaks of, if it is still that one; not locked. */
struct ipam_range *ipam_range_of(struct ipam_core *core,
				 const struct ipam_record *rec);
/*
 * ipam_sweep() - delete run.db's records of the PoolID @id of @pool, which is
 * gone; with @all, which says that the pool is, those of what rests, too.
 *
 * A failure is made good when the daemon starts.
 */
int ipam_sweep(struct ipam_core *core, const struct ip_prefix *pool,
	       const char *id, bool all, struct err *err);

#endif
