/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dp_priv.h - the facade's own structure, shared by its files. */
#ifndef DATAPLANE_DP_PRIV_H
#define DATAPLANE_DP_PRIV_H

#include <pthread.h>

#include "dataplane/dataplane.h"
#include "dataplane/ebpf/guard.h"
#include "dataplane/ebpf/nat.h"
#include "dataplane/ebpf/sock.h"
#include "dataplane/ebpf/tc.h"
#include "dataplane/nft/foreign.h"
#include "dataplane/nft/ruleset.h"
#include "dataplane/state.h"
#include "lib/fw.h"
#include "lib/nlk.h"
#include "lib/nlk_xfrm.h"

/* The eBPF side of networks that have it (fast.c). */
struct dp_fast {
	struct tc *tc;           /* owned */
	struct nat *nat;         /* owned */
	struct nat_stats *stats; /* owned: who counts where; NULL: nobody */
	struct claim *masq; /* owned: ports kept from the ephemeral allocator,
			     * where that is needed; or NULL */
	uint16_t masq_first, masq_last;   /* as configured; 0..0: default */
	unsigned int eph_first, eph_last; /* ip_local_port_range, as .masq and
					   * the programs heed it */
	bool reroute;                     /* routes changed */
	bool rehost;  /* links or addresses changed, or it is time for routes */
	bool reports; /* a bridge of ours changed: look at all ports */
	bool again;   /* starting failed: try again every second */
	bool dropped; /* maps of another version were removed: say it */
	bool crowded; /* told that the table of flows is nearly full */
	bool blind; /* the host could not be looked at, or an uplink not served */
	bool unmended; /* nor a program put back */
	bool listed;   /* the map of policies is not empty, as far as known */
	struct nlk_xfrm *xfrm; /* owned; NULL: this kernel has no IPsec */
	bool ipsec;           /* there are policies: the programs stand aside */
	bool reipsec;         /* they may have changed */
	uint64_t rehosted_ms; /* when last */
	char trouble[ERR_MSG_MAX]; /* why it could not start; or "" */
};

/* Which form the rules have (conntrack.c). */
struct dp_conntrack {
	bool automatic;           /* else always tracked */
	bool relook;              /* links or addresses changed */
	bool reread;              /* others' rules changed */
	bool unseen, links, bare; /* as conntrack.h; unseen: could not look */
	bool others, legacy;      /* others' rules, by nftables and before it */
	bool told;                /* .why is in the log */
	const char *why;          /* constant; NULL: not needed */
	uint64_t looked_ms, read_ms; /* when last */
};

struct dp {
	pthread_mutex_t tracing; /* held by the one who listens */
	pthread_mutex_t lock;    /* of everything below */
	char driver[64];
	struct state st;
	struct claim_host host;
	struct ruleset *rs;       /* owned, and so are the next five */
	struct fw_monitor *rules; /* changes made by others */
	struct sock *sock;        /* loopback hooks */
	struct guard *guard;      /* pins are .sock's */
	struct nlk *nlk;
	struct nlk_monitor *links;
	struct dp_fast fast;
	struct dp_conntrack ct;
	struct tab services; /* struct service */
	int again; /* device for firewall=respect; 0: none; -1: not known yet */
	bool loading;
	bool dirty;  /* our tables were touched: make them anew */
	bool look;   /* events were lost: compare */
	bool relink; /* links came or went */
	bool lent;   /* some bridge of ours has a port that is no endpoint's */
	bool unguarded; /* what an earlier daemon's guard was told stands: try
			 * again */
	bool unhooked;  /* the socket hooks could not be loaded: try again */
	bool leftover;  /* of what no network needs something could not be
			 * removed: try again */
	bool services_late; /* a link went: look at once who is alive */
	bool services_told; /* that their maps are not up to date */
	bool routes;        /* routes came or went */
	bool foreign;       /* others' FORWARD chains were touched */
	bool reopen; /* which ports are up and in their bridges is not known */
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
/* Remove what no network needs, or none any more: each part whatever became of the
 * others.  Return: 0; the first failure: it is tried again every second. */
int dp_take_down(struct dp *dp, struct err *err);
/* Detach the socket hooks when nothing needs them: no network, and no balanced
 * port, whose claim is theirs. */
int dp_hooks_stop(struct dp *dp, struct err *err);
/* Tell the guard of all ports, in place of what an earlier daemon told it. */
int dp_load_guard(struct dp *dp, struct err *err);
/* The network's ports are guarded in another way from now on. */
int dp_guard_network(struct dp *dp, const struct dp_network *net,
		     struct err *err);
/* ---- parts of publishing (publish.c, publish_hold.c, publish_live.c) ------ */

/* Claim the ports, or, while loading, leave a lost claim to dp_check(). */
int dp_hold_ports(struct dp *dp, struct state_pub *p, struct err *err);
/* Claim those that are live and not in @had (may be NULL), each as a part of
 * @p->claim.  After a failure some are claimed. */
int dp_hold_live(struct dp *dp, struct state_pub *p, const struct portmap *had,
		 struct err *err);
/*
 * dp_publish_alter() - @row becomes @p without a touch to what both have.
 * @ret:  as @p is then; owned.
 * @done: false, and nothing happened: more than live ports differ.
 * After a failure it is as it was.
 */
int dp_publish_alter(struct dp *dp, const struct dp_network *net,
		     struct state_row *row, struct state_pub *p,
		     struct portmap *ret, bool *done, struct err *err);
/* Forget tracked connections to the host ports; straight to the container's. */
void dp_forget_flows(const struct portmap *m);
void dp_forget_direct(const struct dp_network *net,
		      const struct dp_publish *pub);
/* Let the socket hooks lead to it. */
int dp_hook(struct dp *dp, const struct dp_network *net,
	    const struct state_pub *p, struct err *err);
/* Take the publish out of the socket hooks, as far as it goes. */
void dp_unhook(struct dp *dp, const struct dp_network *net,
	       const struct state_pub *p);
/* ---- the short way (shortcut.c) ------------------------------------------- */

/* May a network like @net have it? */
bool dp_shortcut_allowed(const struct dp_network *net);
/* Is @port's link up and in its bridge?  false: @net has no short way anyway. */
bool dp_port_is_open(struct dp *dp, const struct dp_network *net,
		     const struct dp_port *port);
/* A link came, went, or is another: led to or not. */
void dp_shortcut_on_link(struct dp *dp, const struct nlk_event *e);
/* Events were lost: look at all ports' links. */
void dp_shortcut_look(struct dp *dp);

/* ---- with conntrack or without (conntrack.c) ------------------------------ */

void dp_conntrack_open(struct dp *dp, bool automatic);
/* What makes another look necessary. */
void dp_conntrack_on_link(struct dp *dp, const struct nlk_event *e, bool ours);
/* Before the ruleset is changed: in which form. */
void dp_conntrack_choose(struct dp *dp);
/* The same by events.  Return: 1: the rules are to be made anew; 0. */
int dp_conntrack_follow(struct dp *dp, bool tick);
/* The same after a change that is in the rules already.  What fails is tried again
 * by dp_event(). */
void dp_conntrack_now(struct dp *dp);

/* ---- networks on the eBPF dataplane (fast.c, fast_ports.c) --------------- */

int dp_fast_open(struct dp *dp, const struct dp_config *cfg, struct err *err);
void dp_fast_close(struct dp *dp);
/* Is @net to have it? */
bool dp_fast_wants(const struct dp_network *net);
bool dp_fast_runs(const struct dp *dp);
/* What guards the ports of @net in the guard's place. Return: borrowed fd; -1:
 * nothing. */
int dp_fast_program(const struct dp *dp, const struct dp_network *net);
/* Have it running if @net wants it.  Where it can't, and @net may fall back: 0. */
int dp_fast_start(struct dp *dp, const struct dp_network *net, struct err *err);
/* Remove it when no network wants it any more. */
int dp_fast_stop(struct dp *dp, struct err *err);
/* At the end of a load: the programs, before ports are guarded; then, when the
 * published ports are in the maps, the rest.  What fails is tried again. */
void dp_fast_take_over(struct dp *dp);
void dp_fast_load(struct dp *dp);
/* All endpoints' entries anew. Return: changes; -errno. */
int dp_fast_ports(struct dp *dp, struct err *err);
/* @p is in the table and guarded.  Again: as it is now. */
int dp_fast_port_add(struct dp *dp, const struct dp_network *net,
		     struct state_port *p, struct err *err);
void dp_fast_port_del(struct dp *dp, const struct state_port *p);
/* The network is another than before: guard its ports as it wants them now. */
int dp_fast_renew(struct dp *dp, const struct dp_network *net, struct err *err);
int dp_fast_check_ports(struct dp *dp, void (*fn)(void *ctx, const char *line),
			void *ctx, struct err *err);
/* ---- who may reach published ports (fast_policy.c) ----------------------- */

/* Its own, its network's, or NULL: none. */
const struct dp_policy *dp_policy_of(const struct dp_network *net,
				     const struct dp_port *port);
/* May a network like @net, or an endpoint of it, have it?  -EINVAL. */
int dp_policy_check(const struct dp_network *net,
		    const struct dp_policy *policy, struct err *err);
/* The map as networks and ports want it, before the endpoints that have a policy.
 * Return: changes; -errno. */
int dp_fast_policies(struct dp *dp, struct err *err);
/* After one went.  What stays behind lets nobody in, and goes at the next. */
void dp_fast_drop_policies(struct dp *dp);
int dp_fast_check_policies(struct dp *dp,
			   void (*fn)(void *ctx, const char *line), void *ctx,
			   struct err *err);

/* ---- balanced ports (service.c) ------------------------------------------ */

/* Is a host port of @r another's than @except's (may be NULL)?  -EADDRINUSE,
 * naming the holder. */
int dp_service_clash(const struct dp *dp, const struct port_range *r,
		     const char *except, struct err *err);
/* The same of published ones (publish.c); @except: an endpoint. */
int dp_publish_clash(const struct dp *dp, const struct port_range *r,
		     const char *except, struct err *err);
/* Networks or endpoints came or went: bring the maps up to who is alive.  What
 * fails is tried again every second.  Return: services changed. */
int dp_services_follow(struct dp *dp);
/* A link went: if it was a container's it gets no new connection, though nobody
 * said so yet.  dp_services_follow() does it. */
void dp_services_on_link(struct dp *dp, const struct nlk_event *e);
/* At the end of a load: their tables, before the maps lead to them; then, when
 * they do, what nobody wants any more goes. */
int dp_services_load(struct dp *dp, struct err *err);
void dp_services_loaded(struct dp *dp);
void dp_services_fini(struct dp *dp);
int dp_services_check(struct dp *dp, void (*fn)(void *ctx, const char *line),
		      void *ctx, struct err *err);

/* ---- IPsec policies (fast_ipsec.c) --------------------------------------- */

int dp_fast_ipsec_open(struct dp *dp, struct err *err);
void dp_fast_ipsec_close(struct dp *dp);
/* Read what the kernel told, whether the programs run or not. */
int dp_fast_ipsec_read(struct dp *dp, struct err *err);
/* Have the programs stand aside, or not, as it is now.  @anew: they were just
 * loaded.  Return: 0; -errno: as before, try again. */
int dp_fast_ipsec_look(struct dp *dp, bool anew, struct err *err);
/* What closes ports of @net while nftables alone carries it: is any of them
 * judged by a list? */
bool dp_fast_is_judged(const struct dp *dp, const struct dp_network *net);
/* Said where nftables carries a network for that. */
#define DP_IPSEC_TEXT                                                        \
	"this host has IPsec policies (ip xfrm policy), which the programs " \
	"cannot ask"

/* End the flows to what @p had published. */
void dp_fast_forget(struct dp *dp, const struct state_pub *p);
/* Note what makes a look at the host necessary; then look, mend and sweep.
 * Return: repairs made; -errno: at the next event. */
void dp_fast_on_link(struct dp *dp, const struct nlk_event *e, bool ours);
int dp_fast_follow(struct dp *dp, bool tick, struct err *err);
int dp_fast_check(struct dp *dp, void (*fn)(void *ctx, const char *line),
		  void *ctx, struct err *err);
/* Which kind of link is it, for nat.h? */
enum nat_link_kind dp_link_kind(void *dp, const struct nlk_link *l);

/* Where masqueraded ports come from: @first..@last as wished, less what the
 * kernel's ephemeral ports @lo..@hi take of it.
 * Return: true: they have to be kept from the ephemeral allocator. */
bool dp_masq_choose(uint32_t lo, uint32_t hi, uint16_t *first, uint16_t *last);

/* ---- counters (stats.c) -------------------------------------------------- */

/* A counter for each of @p's ports, which are chosen: that in .stat if it can be
 * had, that of an earlier daemon, or a new one. */
void dp_stats_ports(struct dp *dp, const struct dp_network *net,
		    struct state_pub *p);
void dp_stats_drop_ports(struct dp *dp, const struct state_pub *p);
/* @to replaces @from: what both have goes on counting. */
void dp_stats_inherit(const struct state_pub *from, struct state_pub *to);
/* One for the endpoint, whose link has @ifindex, if it has none. */
void dp_stats_port(struct dp *dp, struct state_port *p, int ifindex);
void dp_stats_drop_port(struct dp *dp, struct state_port *p);

/* The container addresses that @p's ports lead to; none where that family is not
 * open. */
void dp_publish_hooked(const struct dp_network *net, const struct state_pub *p,
		       struct ip_addr *ip4, struct ip_addr *ip6);

/* End UDP sockets of this host that the hooks led to @p's container. */
void dp_abort_clients(const struct dp_network *net, const struct state_pub *p);

#endif
