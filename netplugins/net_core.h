/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_core.h - the life cycle of networks and endpoints, the same for every
 * driver: requests in, records kept, intents journalled, driver called.
 *
 * A request that changes something goes: announce it in the journal, decode, lock
 * its network, see what is there (done already? then the same answer again), begin
 * the intent, call the driver, put the record and the answer in one transaction,
 * answer.  A failure on the way undoes what was done and takes the intent back.
 */
#ifndef NETPLUGINS_NET_CORE_H
#define NETPLUGINS_NET_CORE_H

#include <json-c/json.h>

#include "lib/journal.h"
#include "lib/plugd.h"
#include "lib/plugd_events.h"
#include "lib/plugd_metrics.h"
#include "lib/store.h"
#include "netplugins/net_api.h"
#include "netplugins/net_table.h"

struct net_core {
	const struct net_driver *driver;
	struct events *news; /* the skeleton's; NULL in tests */
	struct store *state; /* networks; survives a reboot */
	struct store *run;   /* endpoints and what else dies with the kernel */
	struct net_memo memo;
	void *host; /* the driver's */
	struct net_table table;
	uint32_t gc_grace_s;
	time_t next_gc; /* CLOCK_BOOTTIME, the ticking thread's own, as the next */
	time_t tick_end; /* the rest is for the next tick */
	unsigned int
		retry_turn; /* grows; which networks had theirs they know */
	bool retrying;      /* not all had it */
	time_t started;     /* CLOCK_BOOTTIME */
	pthread_t events;   /* the event thread */
	int events_stop;    /* eventfd: readable ends it */
	bool events_run;
	/* Requests finished for a peer that has not asked for the answer yet;
	 * see net_rolled_add(). */
	pthread_mutex_t rolled_lock;
	struct net_rolled *rolled;    /* owned list */
	struct net_refused *refused;  /* owned list; under rolled_lock */
	pthread_mutex_t service_lock; /* balanced ports: one change at a time */
	pthread_mutex_t trouble_lock; /* of the three below */
	char load_trouble[ERR_MSG_MAX];   /* records we could not use */
	char repair_trouble[ERR_MSG_MAX]; /* what the driver cannot put back */
	uint64_t repairs;
};

/* Which store a request writes. */
enum net_store { NET_IN_STATE, NET_IN_RUN };

/* A request under way. */
struct net_call {
	struct net_core *core;
	const char *method;
	json_object *body; /* borrowed; never NULL */
	enum net_store where;
	uint64_t intent;     /* the journal's number; 0: none open */
	bool waiting;        /* .intent is announced, and not begun */
	bool redo;           /* finishing what a crash cut off */
	bool done;           /* committed with its answer */
	json_object *answer; /* owned; NULL: {} */
};

/* ---- net_core.c: opening, closing, requests ------------------------------ */

struct net_core_config {
	const struct net_driver *driver;
	const struct plugd *plugd;
	const void *driver_config; /* borrowed until it is open; may be NULL */
	uint32_t gc_grace_s;
};

/* Open the driver, load the records, finish or undo what was cut off. */
int net_core_open(const struct net_core_config *cfg, struct net_core **ret,
		  struct err *err);
void net_core_close(struct net_core *core); /* NULL is fine */
DEFINE_CLEANUP(struct net_core, net_core_close)

struct store *net_core_store(struct net_core *core, enum net_store where);
/* The answer of @seq (rpc_call.seq) is about to go; it reached its peer. */
void net_core_sending(struct net_core *core, uint64_t seq);
void net_core_delivered(struct net_core *core, uint64_t seq);
/* Run a method's handler in @c; the journal included.  Used for requests and
 * for finishing them after a crash.  -EOPNOTSUPP for an unknown method. */
int net_core_run(struct net_call *c, struct err *err);

extern const struct rpc_method net_core_methods[]; /* Docker's */
int net_on_trace(void *ctx, struct rpc_call *call, json_object **ret,
		 struct err *err);                  /* net_trace.c */
extern const struct rpc_method net_berth_methods[]; /* ours: net_berth.c */
extern const struct plugd_metric net_metrics[];     /* net_metrics.c */
extern const struct plugd_event net_events[];       /* likewise */
/* net_stats.c: "Stats" into @o.  Return: 0; -ENOMEM. */
int net_put_port_stats(json_object *o, struct net_endpoint *ep,
		       const struct port_range *r);
int net_put_endpoint_stats(json_object *o, struct net_endpoint *ep);

/* One published port, or range, as /Berth.Ports has it.  Owned; NULL: no memory. */
json_object *net_port_object(struct net_endpoint *ep,
			     const struct port_range *r, bool stats);

/* ---- net_live.c: ports of a container that runs ---------------------------- */

int net_on_port_publish(void *ctx, struct rpc_call *call, json_object **ret,
			struct err *err);
int net_on_port_unpublish(void *ctx, struct rpc_call *call, json_object **ret,
			  struct err *err);
/* Those of @from that are live, to @to, which is normalized again. */
int net_live_keep(const struct portmap *from, struct portmap *to,
		  struct err *err);

/* ---- net_service.c: ports balanced over several containers ----------------- */

int net_on_port_add(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err);
int net_on_port_del(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err);
int net_on_port_backends(void *ctx, struct rpc_call *call, json_object **ret,
			 struct err *err);
int net_on_services(void *ctx, struct rpc_call *call, json_object **ret,
		    struct err *err);
/* One record, after networks and endpoints. */
int net_service_load(struct net_core *core, const char *json, struct err *err);

/* ---- net_journal.c: intents ---------------------------------------------- */

/* The request is here and its body is in order; before it waits for a lock.  What
 * comes to nothing is taken back by net_core_run().  Fails in tests only. */
int net_intent_announce(struct net_call *c, struct err *err);
/* @endpoint: NULL for a network's own. */
int net_intent_begin(struct net_call *c, const char *network,
		     const char *endpoint, struct err *err);
/* For what removes: goes on without an intent where the disk is full. */
int net_intent_begin_removal(struct net_call *c, const char *network,
			     const char *endpoint, struct err *err);
/* Between net_txn_begin() and its commit come the records. */
int net_txn_begin(struct net_call *c, struct err *err);
int net_txn_commit(struct net_call *c, struct err *err);
/* The request failed and was undone. */
void net_intent_abort(struct net_call *c);
/* Answer an empty retry.  @alone: as journal_replay(). */
int net_journal_retry(struct net_call *c, bool alone, struct err *err);
void net_journal_tick(struct net_core *core);
/*
 * net_rolled_add() - a request was finished after a crash.  If nobody fetches
 * its answer it is undone: dockerd gave up and does not know the object.  But a
 * peer that names the object (net_rolled_known()) does know it, for instance by
 * asking again with the whole body: then it stays.
 */
void net_rolled_add(struct net_core *core, const struct journal_intent *i);
void net_rolled_known(struct net_core *core, json_object *body);
void net_rolled_clear(struct net_core *core);
/*
 * net_refused_add() - a request that a crash cut off could not be finished: its retry,
 * which has no body, is told why (net_journal_retry()), once, if it is the only one of
 * @method.  Forgotten as kept answers are.
 */
void net_refused_add(struct net_core *core, const char *method, int r,
		     const struct err *why);

/* ---- net_ports.c: what endpoints' requests share --------------------------- */

/* The network, locked, and its endpoint, for a request that names both. */
struct net_target {
	struct net_hold hold;
	struct net_slot *slot; /* NULL: not there */
};

void net_target_fini(struct net_target *t);
/* Decode what a removal names into @req and find it.  Return: 0 with t->slot
 * NULL where network or endpoint are not known. */
int net_target_read(struct net_call *c, struct net_req_endpoint_id *req,
		    struct net_target *t, struct err *err);
/* The endpoint that @network and @endpoint name: both have to be there and usable. */
int net_target_get(struct net_core *core, const char *network,
		   const char *endpoint, struct net_target *t, struct err *err);
/* The endpoint's record and the request's answer, in one transaction. */
int net_endpoint_save(struct net_call *c, struct net_slot *s, struct err *err);
/* Unpublish, on record from the first step on; an event where there were ports. */
int net_ports_close(struct net_call *c, struct net_slot *s, struct err *err);

/* ---- net_network.c, net_endpoint.c: the handlers ------------------------- */

int net_do_gw_check(struct net_call *c, struct err *err);
int net_do_network_add(struct net_call *c, struct err *err);
int net_do_network_del(struct net_call *c, struct err *err);
int net_do_endpoint_add(struct net_call *c, struct err *err);
int net_do_endpoint_del(struct net_call *c, struct err *err);
int net_do_endpoint_info(struct net_call *c, struct err *err);
int net_do_join(struct net_call *c, struct err *err);
int net_do_leave(struct net_call *c, struct err *err);
int net_do_expose(struct net_call *c, struct err *err);
int net_do_unexpose(struct net_call *c, struct err *err);

/* Make the driver's object of a CreateNetwork body, no kernel touched. */
int net_network_build(struct net_core *core, json_object *request,
		      struct net_network **ret, struct err *err);
/* Find it, locked; -ENOENT with a text. */
int net_network_get(struct net_core *core, const char *id, struct net_hold *ret,
		    struct err *err);
/* A network's endpoint taken out of kernel, records and list: the entry is
 * locked.  For what is stale. */
/* Make a network's kernel objects again, and hang all its endpoints in that can
 * be; what fails first is e->problem and is tried again at each tick. */
int net_network_raise(struct net_entry *e, struct err *err);
/* The same for an endpoint; one whose link is gone is marked absent. */
int net_endpoint_raise(struct net_slot *s, struct err *err);
/* net_network_raise() where there is a problem; an error only when the network
 * itself is not there: new endpoints don't need the others. */
int net_network_usable(struct net_entry *e, struct err *err);
int net_endpoint_drop(struct net_core *core, struct net_entry *e,
		      struct net_slot *s, struct err *err);
/* "fd00::1 of network 0123456789ab" is too long for most messages: 12. */
#define NET_SHORT "%.12s"

/* ---- net_records.c: records on disk -------------------------------------- */

int net_record_network(struct store *s, const struct net_entry *e,
		       struct err *err);
int net_record_endpoint(struct store *s, const struct net_slot *slot,
			struct err *err);
int net_record_endpoint_del(struct store *s, const struct net_endpoint *ep,
			    struct err *err);
/* @ret_request: owned. */
int net_record_network_load(const char *json, struct net_entry *e,
			    json_object **ret_request, struct err *err);
/* @net: whose endpoint it is. @ret: owned, not linked. */
int net_record_endpoint_load(const char *json, struct net_network *net,
			     struct net_slot **ret, struct err *err);
/* Decode the user's endpoint options into slot->ep.options. */
int net_slot_options(struct net_slot *s, json_object *options, struct err *err);

#define NET_KEY_MAX       132 /* "network/endpoint" */
#define NET_KIND_NETWORK  "network"
#define NET_KIND_ENDPOINT "endpoint"
#define NET_KIND_MEMO     "memo"
#define NET_KIND_SERVICE  "service"

/* ---- net_recover.c: after a start ----------------------------------------- */

int net_recover(struct net_core *core, struct err *err);
/* Undo a request that was finished but whose peer has given up. */
int net_undo(void *ctx, const struct journal_intent *i);

/* ---- net_stale.c: endpoints nobody uses any more -------------------------- */

bool net_sandbox_alive(const char *sandbox);
/* Why the endpoint is stale, NULL when it is in use. */
const char *net_stale_reason(struct net_slot *s);
/* The same for one whose address or MAC is asked for again: also when its sandbox is
 * there, but no process in it.  Reads /proc. */
const char *net_dead_reason(struct net_slot *s);
/* Remove those stale for longer than @grace_s.  With @dry only report, and
 * links that are gone whatever the grace.  Return: their number. */
int net_stale_sweep(struct net_core *core, uint32_t grace_s, bool dry,
		    void (*fn)(void *ctx, const char *line), void *ctx);
void net_core_tick(struct net_core *core);
int net_events_start(struct net_core *core, struct err *err);
void net_events_stop(struct net_core *core);

time_t net_now(void); /* CLOCK_BOOTTIME, seconds */

#endif
