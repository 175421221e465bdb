/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dhcp_keep.h - the DHCP leases of this host's containers: on record, renewed while
 * they are used, given back when they are not.
 *
 * A lease is on record (run.db) before anybody hears of its address, and until its
 * server was told that it is free.  Whether an address is used is not ours to
 * say: dhcp_keep_settle() asks, and gives back what is not.  So a death anywhere in
 * between leaves nothing but leases that the next start settles.
 *
 * One thread renews.  Calls are safe from any thread; the lock is taken after a
 * pool's and before the core's.
 */
#ifndef IPAM_DHCP_KEEP_H
#define IPAM_DHCP_KEEP_H

#include <net/if.h>

#include "ipam/dhcp_lease.h"
#include "ipam/ipam_core.h"
#include "lib/problems.h"
#include "lib/store.h"

#define DHCP_KIND "dhcp" /* run.db, id = address */

struct dhcp_keep;

/* A MAC that is asking for a lease, in its asker's memory. */
struct dhcp_taking {
	struct dhcp_taking *next;
	char ifname[IFNAMSIZ];
	struct mac_addr mac;
};

/* A lease and whose it is. */
struct dhcp_kept {
	char ifname[IFNAMSIZ]; /* where its server is asked */
	char pool_id[IPAM_ID_MAX];
	uint64_t born; /* of that pool */
	struct dhcp_lease lease;
	bool releasing; /* to be given back, which failed */
	char why[160];  /* what the last failure was, or "" */
};

/* dhcp_keep_open() - what is on record.  @run, @problems: borrowed; the latter gets a
 * line for each record that can't be used. */
int dhcp_keep_open(struct store *run, struct problems *problems,
		   struct dhcp_keep **ret, struct err *err);
/* From now on leases are renewed.  -EAGAIN: no thread. */
int dhcp_keep_start(struct dhcp_keep *k, struct err *err);
/* Leases stay with their servers.  NULL is fine. */
void dhcp_keep_close(struct dhcp_keep *k);
DEFINE_CLEANUP(struct dhcp_keep, dhcp_keep_close)

/*
 * dhcp_keep_begin() - before a server is asked: until dhcp_keep_end() nothing is given
 * back for that MAC there, for a RELEASE on its way would undo what the server
 * grants meanwhile.  @t: the caller's, once for each question.
 */
void dhcp_keep_begin(struct dhcp_keep *k, struct dhcp_taking *t,
		     const char *ifname, const struct mac_addr *mac);
void dhcp_keep_end(struct dhcp_keep *k, struct dhcp_taking *t);
/* dhcp_keep_alone() - may @addr be given back by who has begun @t?  Not where it is
 * kept, or another asks for the same MAC. */
bool dhcp_keep_alone(struct dhcp_keep *k, const struct dhcp_taking *t,
		     const struct ip_addr *addr);
/*
 * dhcp_keep_add() - record what was just leased; in place of one with the same
 * address.
 *
 * Return: 0; what the disk said: then it is not kept, but what was before is.
 */
int dhcp_keep_add(struct dhcp_keep *k, const struct dhcp_kept *what,
		  struct err *err);
/* dhcp_keep_settle() - give back all leases but those @used says are, and those of a
 * MAC that asks.  @used is called
 * with the lock held. */
void dhcp_keep_settle(struct dhcp_keep *k,
		      bool (*used)(void *ctx, const struct dhcp_kept *e),
		      void *ctx);
/*
 * dhcp_keep_hint() - the address to ask for: the one that @mac gave back last, else
 * one that somebody with a MAC of dockerd's making did a moment ago, if @mac is such
 * a one: a container that is started again.  None where there is none.
 */
struct ip_addr dhcp_keep_hint(struct dhcp_keep *k, const char *ifname,
			      const struct ip_prefix *pool,
			      const struct mac_addr *mac);

/* false: there is none of that address. */
bool dhcp_keep_find(struct dhcp_keep *k, const struct ip_addr *addr,
		    struct dhcp_kept *ret);
/* Each, with the lock held. */
void dhcp_keep_each(struct dhcp_keep *k,
		    void (*fn)(void *ctx, const struct dhcp_kept *e),
		    void *ctx);

#endif
