/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipam_core.h - pools and the addresses handed out of them: records, intents,
 * locks.  Which address comes next is pool.h's business, what a request looks
 * like is ipam_api's.
 *
 * Pools, gateways and reserved (aux) addresses are in state.db and survive a
 * reboot.  Endpoints' addresses (leases), where the next search begins and what
 * rests are in run.db: after a reboot nobody has them.
 *
 * A pool is known by its PoolID, "space/pool" or "space/pool/subpool".  PoolIDs
 * of the same pool share its addresses; each counts who asked for it.  Pools
 * that are not the same never overlap.
 *
 * Calls on one pool's addresses are one after the other, on different pools
 * side by side.  @ret_seq is the journal's number for ipam_core_delivered().
 */
#ifndef IPAM_IPAM_CORE_H
#define IPAM_IPAM_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "lib/base.h"
#include "lib/cluster_at.h"
#include "lib/ip.h"
#include "lib/plugd.h"

#define IPAM_SPACE_LOCAL  "berth-local"
#define IPAM_SPACE_GLOBAL "berth-global"
#define IPAM_SPACE_MAX    16  /* with the NUL */
#define IPAM_ID_MAX       128 /* of a PoolID, with the NUL */
#define IPAM_DEFAULTS_MAX 64

struct ipam_core;
struct dhcp_kept; /* dhcp_keep.h */

/* Where automatic pools are cut from: prefixes of .size bits out of .from. */
struct ipam_default {
	struct ip_prefix from;
	uint8_t size;
};

/* Whom pools are shared with, and how. */
struct ipam_cluster {
	struct cluster_at at;   /* without members: nobody */
	unsigned int relist_ms; /* between two looks at all in etcd; 0: 45 s */
	unsigned int rest_ms;   /* an unused block is kept for; 0: 60 s */
	unsigned int limit_ms;  /* etcd has for a request; 0: 8 s */
};

struct ipam_config {
	struct ipam_default defaults[IPAM_DEFAULTS_MAX];
	unsigned int count; /* of .defaults; 0: Docker's list for IPv4 */
	struct ipam_cluster cluster;
};

/* ipam_config_add() - one "10.0.0.0/8:24", or several with commas.  -EINVAL. */
int ipam_config_add(struct ipam_config *config, const char *text,
		    struct err *err);

extern const struct plugd_flag ipam_flags[]; /* into a struct ipam_config */

/*
 * ipam_core_open() - load the records and finish what an earlier life began.
 *
 * @d: borrowed until ipam_core_close(); its stores are open.
 */
int ipam_core_open(const struct plugd *d, const struct ipam_config *config,
		   struct ipam_core **ret, struct err *err);
void ipam_core_close(struct ipam_core *core); /* NULL is fine */
DEFINE_CLEANUP(struct ipam_core, ipam_core_close)

void ipam_core_sending(struct ipam_core *core, uint64_t seq);
void ipam_core_delivered(struct ipam_core *core, uint64_t seq);
/* Forget kept answers whose time is over; about once a second. */
void ipam_core_tick(struct ipam_core *core);

struct ipam_pool_req {
	const char *space;
	struct ip_prefix pool, sub; /* none: choose one; all of it */
	bool v6;                    /* which family to choose from */
	const char *dhcp; /* the interface where a DHCP server is asked for
			   * addresses; NULL: none is */
	bool cluster;     /* one pool on all hosts that ask for it */
};

/*
 * ipam_pool_request() - a pool to hand out addresses from.
 *
 * A pool that is there is counted once more.  An automatic one is never one
 * that is there, nor one that overlaps a route of this host.
 *
 * With .dhcp and no pool the LAN's is asked for as well.  With .cluster etcd is asked, and
 * another pool of the cluster may be in the way, too.
 *
 * @ret_id:   its PoolID.
 * @ret_pool: without host bits.
 * @ret_gateway: the LAN's router where its pool was asked for; or none.
 * Return: 0; -EEXIST when another pool overlaps, or one whose record is damaged, which
 *         @err names; -EINVAL;
 *         -ENOSPC when there is no automatic one left.
 */
int ipam_pool_request(struct ipam_core *core, const struct ipam_pool_req *q,
		      char ret_id[static IPAM_ID_MAX],
		      struct ip_prefix *ret_pool, struct ip_addr *ret_gateway,
		      uint64_t *ret_seq, struct err *err);
/* ipam_pool_release() - count one user less; with the last it goes, and what
 * was handed out of it.  Unknown: 0. */
int ipam_pool_release(struct ipam_core *core, const char *id, uint64_t *ret_seq,
		      struct err *err);

enum ipam_use {
	IPAM_ENDPOINT,
	IPAM_GATEWAY,
	IPAM_AUX,
	IPAM_USE_MAX,
};

const char *ipam_use_to_string(enum ipam_use use);

struct ipam_addr_req {
	const char *pool_id;
	struct ip_addr addr; /* none: any */
	struct mac_addr mac; /* of an endpoint, or none */
	enum ipam_use use;
};

/*
 * ipam_addr_request() - hand out an address.
 *
 * A certain one that is handed out already is given again to the endpoint with
 * the same MAC, and to whoever reserves it for the same use.  In a pool with .dhcp
 * an endpoint's is what the LAN's server leases to that MAC; that takes up to ten
 * seconds, in which nothing else waits.  In a pool with .cluster it is one of those that this
 * host may hand out; where it lacks them etcd is asked.
 *
 * @ret: the address with the pool's prefix length.
 * Return: 0; -EADDRINUSE, @err says by whom; -ENOSPC when the pool is full;
 *         -EINVAL for one outside; -ENOENT: no such pool.
 */
int ipam_addr_request(struct ipam_core *core, const struct ipam_addr_req *q,
		      struct ip_prefix *ret, uint64_t *ret_seq,
		      struct err *err);
/* ipam_addr_release() - not handed out, or no such pool: 0. */
int ipam_addr_release(struct ipam_core *core, const char *pool_id,
		      const struct ip_addr *addr, uint64_t *ret_seq,
		      struct err *err);

/*
 * ipam_addr_forget() - release an endpoint's address if it has @mac, and has it
 * @since then (as struct ipam_lease_info tells; "": whenever): somebody has seen that
 * there is no such endpoint.  -ESTALE when another has it by now.
 */
int ipam_addr_forget(struct ipam_core *core, const char *pool_id,
		     const struct ip_addr *addr, const struct mac_addr *mac,
		     const char *since, uint64_t *ret_seq, struct err *err);

/*
 * ipam_replay() - the answer for a request that came again without its body.
 * @alone: as journal_replay().
 * @ret: owned text.  Return: as journal_replay(); -EBADMSG for a method that
 * keeps none.
 */
int ipam_replay(struct ipam_core *core, const char *method, bool alone,
		char **ret, uint64_t *ret_seq, struct err *err);

/* ---- telling ------------------------------------------------------------ */

struct ipam_pool_info {
	const char *id, *space, *created; /* borrowed, as all text here */
	struct ip_prefix pool, sub;       /* sub none: all of it */
	const char *dhcp;                 /* "": no DHCP */
	bool automatic, cluster;
	bool damaged; /* only .id and .pool are known; .refs is 1, and .created when that
		       * was found */
	uint32_t refs;
	unsigned int leases, reserved; /* by way of this PoolID */
	uint64_t resting;              /* in the whole pool */
	double usable;                 /* addresses of the pool or subpool */
};

struct ipam_lease_info {
	const char *pool_id, *since;
	struct ip_prefix addr;
	struct mac_addr mac; /* or none */
	enum ipam_use use;
	bool fixed; /* somebody asked for this one */
	uint32_t refs;
	const struct dhcp_kept *dhcp; /* NULL: not a DHCP server's */
};

/* By pool, the damaged last; @fn must be quick.  A negative return ends the walk and is returned. */
int ipam_pools_each(struct ipam_core *core,
		    int (*fn)(void *ctx, const struct ipam_pool_info *p),
		    void *ctx, struct err *err);
/* @pool_id: NULL for all.  -ENOENT when there is no such pool. */
int ipam_leases_each(struct ipam_core *core, const char *pool_id,
		     int (*fn)(void *ctx, const struct ipam_lease_info *l),
		     void *ctx, struct err *err);

typedef void ipam_line_fn(void *ctx, const char *line);

/* What is wrong since the start: records restored, read-only, damaged. */
void ipam_problems(struct ipam_core *core, ipam_line_fn *fn, void *ctx);
/* ipam_check() - compare what is in memory with the records and with itself;
 * changes nothing. */
int ipam_check(struct ipam_core *core, ipam_line_fn *fn, void *ctx,
	       struct err *err);
/* ipam_forget_node() - as blocks_forget(). */
int ipam_forget_node(struct ipam_core *core, const char *node, bool dry,
		     ipam_line_fn *fn, void *ctx, struct err *err);
/* Each block that this host has of the pool of @pool_id. */
void ipam_blocks_each(struct ipam_core *core, const struct ip_prefix *pool,
		      void (*fn)(void *ctx, const struct ip_prefix *block),
		      void *ctx);
/* ipam_gc() - remove records of addresses whose pool is gone.  Return: how
 * many. */
int ipam_gc(struct ipam_core *core, bool dry, ipam_line_fn *fn, void *ctx,
	    struct err *err);

#endif
