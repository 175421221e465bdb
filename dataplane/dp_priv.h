/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dp_priv.h - the facade's own structure, shared by its files. */
#ifndef DATAPLANE_DP_PRIV_H
#define DATAPLANE_DP_PRIV_H

#include <pthread.h>

#include "dataplane/dataplane.h"
#include "dataplane/ebpf/guard.h"
#include "dataplane/ebpf/sock.h"
#include "dataplane/nft/foreign.h"
#include "dataplane/nft/ruleset.h"
#include "dataplane/state.h"
#include "lib/fw.h"
#include "lib/nlk.h"

struct dp {
	pthread_mutex_t lock; /* of everything below */
	char driver[64];
	struct state st;
	struct claim_host host;
	struct ruleset *rs;       /* owned, and so are the next five */
	struct fw_monitor *rules; /* changes made by others */
	struct sock *sock;        /* loopback hooks */
	struct guard *guard;      /* pins are .sock's */
	struct nlk *nlk;
	struct nlk_monitor *links;
	int again; /* device for firewall=respect; 0: none; -1: not known yet */
	bool loading;
	bool dirty;     /* our tables were touched: make them anew */
	bool look;      /* events were lost: compare */
	bool relink;    /* links came or went */
	bool unguarded; /* what an earlier daemon's guard was told stands: try
			 * again */
	bool unhooked;  /* the socket hooks could not be loaded: try again */
	bool routes;    /* routes came or went */
	bool foreign;   /* others' FORWARD chains were touched */
	uint64_t fixed_ms, looked_ms; /* when last, monotonic */
	int uplinks[2]; /* where the default routes lead at the last scan */
	uint32_t seen;  /* the ruleset's generation at the last look; 0: none */
};

static inline void dp_unlockp(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *dp_lock(struct dp *dp)
{
	pthread_mutex_lock(&dp->lock);
	return &dp->lock;
}

/* Hold the lock to the end of the scope. */
#define DP_LOCKED(dp)                                  \
	_cleanup_(dp_unlockp) pthread_mutex_t *locked_ \
		__attribute__((unused)) = dp_lock(dp)

/* Read which links are others' bridges or another driver's.  Return: 1 when
 * that changed; 0; -errno. */
int dp_scan_links(struct dp *dp, struct err *err);
/* Scan where that is due, and tell the rules.  Return: 1 when something
 * changed; 0; -errno: at the next event. */
int dp_follow_links(struct dp *dp, struct err *err);
/* For nlk_monitor_read(): note what makes another scan necessary. */
void dp_on_link(void *ctx, const struct nlk_event *e);
/* After routes changed: is another scan necessary? */
void dp_follow_routes(struct dp *dp);
/* Bring our rules in others' FORWARD chains up to the networks there are.
 * Return: changes made; -errno: tried again at the next event. */
int dp_sync_foreign(struct dp *dp, struct err *err);
/* Does @pub hold host ports: is a family of its container open, not routed? */
bool dp_publish_holds(const struct dp_network *net,
		      const struct dp_publish *pub);
/* Have the device that brings packets in again, or not, as the networks want.
 * Return: 1: it is another one than before, the rules must be made anew; 0;
 * -errno. */
int dp_follow_again(struct dp *dp, struct err *err);
int dp_check_again(struct dp *dp, void (*fn)(void *ctx, const char *line),
		   void *ctx);
/* End the load of the socket hooks, or try it again. */
int dp_load_hooks(struct dp *dp, struct err *err);
/* Tell the guard of all ports, in place of what an earlier daemon told it. */
int dp_load_guard(struct dp *dp, struct err *err);
/* The network's ports are guarded in another way from now on. */
int dp_guard_network(struct dp *dp, const struct dp_network *net,
		     struct err *err);
/* Take the publish out of the socket hooks, as far as it goes. */
void dp_unhook(struct dp *dp, const struct dp_network *net,
	       const struct state_pub *p);
/* End UDP sockets of this host that the hooks led to @p's container. */
void dp_abort_clients(const struct dp_network *net, const struct state_pub *p);

#endif
