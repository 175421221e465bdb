/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_table.h - the networks a daemon knows, each with a lock of its own.
 *
 * Two locks.  The table's is held for look-ups only, never across a driver's
 * call.  An entry's is held for the whole of a request on that network, so
 * requests of one network are one after the other and those of different
 * networks run in parallel.  Order: entry, then table.
 */
#ifndef NETPLUGINS_NET_TABLE_H
#define NETPLUGINS_NET_TABLE_H

#include <json-c/json.h>
#include <pthread.h>
#include <stdbool.h>
#include <time.h>

#include "lib/base.h"
#include "netplugins/net_driver.h"

/* An endpoint with what the core alone needs to know. */
struct net_slot {
	struct net_endpoint ep;
	struct portmap asked; /* as ProgramExternalConnectivity said; .ep.ports
			       * has them, and those that are live */
	json_object *options; /* owned: the user's, as sent; NULL: none */
	bool absent;          /* its link was gone when we started: not in the
			  * driver, only waiting for its end */
	struct net_table *table; /* which has the id; NULL: none */
	time_t gone_for; /* CLOCK_BOOTTIME, since when stale; 0: it is not */
};

struct net_entry {
	char id[65];
	pthread_mutex_t lock;
	/* under .lock */
	struct net_network *net; /* owned; NULL: not made, or deleted */
	char *request;           /* owned: CreateNetwork's body */
	bool borrowed;           /* net->borrowed, as recorded */
	uint32_t kept_mtu;       /* the same of net->kept_mtu */
	char kept_dataplane[8];  /* and of net->kept_dataplane */
	char created[32];        /* RFC 3339 */
	/* why it, or an endpoint of it, is not there, or with .undeleted still
	 * is; "": all is well */
	char problem[ERR_MSG_MAX];
	/* its removal failed: what is left of it is made whole for a request
	 * that uses it, and for nobody else */
	bool undeleted;
	unsigned int retried; /* net_core.retry_turn, the last time */
	bool unlinked;        /* out of the table: look it up again */
	/* under the table's lock */
	unsigned int refs;
	struct net_entry *next, **prev;
};

struct net_table {
	pthread_mutex_t lock;
	struct net_entry *first, **last;
	size_t count;
	/* tsearch(3) trees of the ids inside entries, and slots of all networks:
	 * a look-up costs the same with one and with 10,000 */
	void *by_id, *slots;
};

int net_table_init(struct net_table *t);
void net_table_fini(struct net_table *t);

/* What a holder of an entry gives back: set by net_table_get(). */
struct net_hold {
	struct net_table *table;
	struct net_entry *entry; /* locked; NULL: nothing held */
};

/*
 * net_table_get() - the entry of @id, locked.
 *
 * @make: when there is none, make one with .net NULL, which goes away again
 *        unless .net is set when it is given back.
 * Return: 0 with @ret filled; -ENOENT when there is none and @make is false;
 *         -ENOMEM.
 */
int net_table_get(struct net_table *t, const char *id, bool make,
		  struct net_hold *ret);
/* Unlock and give back; an entry without a network leaves the table. */
void net_hold_fini(struct net_hold *h);

/*
 * net_table_each() - @fn with each entry that has a network, locked, one at a
 * time.  A negative return ends the walk and is returned.
 */
int net_table_each(struct net_table *t,
		   int (*fn)(void *ctx, struct net_entry *e), void *ctx);

struct net_slot *net_slot_of(struct net_endpoint *ep);
/* NULL: not there. */
struct net_slot *net_slot_find(struct net_network *net, const char *id);
/*
 * net_slot_claim() - take the endpoint's id, which is unique on a host: its
 * links and rules are found by it.  net_slot_free() gives it back.
 * Return: 0; -EEXIST, naming the network that has such an endpoint; -ENOMEM.
 */
int net_slot_claim(struct net_table *t, struct net_slot *s, struct err *err);
/* Put at the head of / take out of the network's list; does not free. */
void net_slot_link(struct net_network *net, struct net_slot *s);
void net_slot_unlink(struct net_network *net, struct net_slot *s);
void net_slot_free(struct net_slot *s); /* NULL is fine */
DEFINE_CLEANUP(struct net_slot, net_slot_free)
/* The network object with all its endpoints; NULL is fine. */
void net_network_free(struct net_network *net);
DEFINE_CLEANUP(struct net_network, net_network_free)

#endif
