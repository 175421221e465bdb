/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lan.h - what the drivers share whose containers are hosts of the LAN: macvlan
 * and ipvlan.
 *
 * A network is a parent interface; an endpoint is a link on top of it, made in the
 * host's namespace and moved into the container by dockerd.  The parent is the
 * user's, a VLAN link that we made below a name such as eth0.10, or a link of the
 * network's own that leads nowhere.
 *
 * When a parent goes the kernel deletes all links on it, in containers too.  When
 * one of that name is there again they are made again in the containers.
 */
#ifndef NETPLUGINS_LAN_LAN_H
#define NETPLUGINS_LAN_LAN_H

#include <pthread.h>

#include "lib/fw.h"
#include "lib/nlk.h"
#include "netplugins/net_driver.h"

struct lan_options {
	char parent[64]; /* longer than a link's: the message is ours */
	int mode, flag;  /* of the kind's tables; an ipvlan only has flags */
	uint32_t mtu;    /* 0: the parent's */
	char prefix[64];
	bool host_access; /* macvlan only */
};

#define LAN_OPTION(key_, type_, member_, doc_) \
	OPT_FIELD(key_, type_, struct lan_options, member_, doc_)
#define LAN_OPTION_ENUM(key_, member_, names_, doc_)                   \
	{                                                              \
		.key = (key_), .type = OPT_ENUM,                       \
		.offset = offsetof(struct lan_options, member_),       \
		.size = sizeof(int), .names = (names_), .doc = (doc_), \
	}
#define LAN_REFUSED(key_, why_)                                    \
	{                                                          \
		.key = (key_), .type = OPT_REFUSED, .why = (why_), \
		.doc = (why_)                                      \
	}
/* What both have; the MTU's range is checked with the network. */
#define LAN_OPTIONS                                                           \
	LAN_OPTION("parent", OPT_STR, parent,                                 \
		   "interface of this host; NAME.ID that is not there is "    \
		   "made as VLAN ID of NAME; none: a link of the "            \
		   "network's own that leads nowhere"),                       \
		{ .key = "com.docker.network.driver.mtu",                     \
		  .type = OPT_U32,                                            \
		  .offset = offsetof(struct lan_options, mtu),                \
		  .size = sizeof(uint32_t),                                   \
		  .min = 68,                                                  \
		  .max = 65535,                                               \
		  .doc = "MTU of the containers (the parent's)" },            \
		LAN_OPTION("com.docker.network.container_iface_prefix",       \
			   OPT_STR, prefix,                                   \
			   "prefix of the interface's name in the "           \
			   "container (eth)"),                                \
		LAN_REFUSED("com.docker.network.driver.overlay.vxlanid_list", \
			    "it is for overlay networks: use "                \
			    "berth-overlay")

extern const struct opt_field lan_endpoint_options[];
/* The options are of no endpoint: an empty struct has no size. */
struct lan_ep_options {
	char none;
};

/* What a driver is besides its table. */
struct lan_kind {
	const char *driver; /* "berth-macvlan" */
	const char *what;   /* "macvlan" */
	enum nlk_stack_kind stack;
	const char *prefix; /* two characters: its links' names begin so */
	bool own_mac;       /* else all have the parent's */
	/* The kernel's numbers for a mode and flag. */
	const uint16_t *modes, *flags;
	/* Why two networks can't be on one parent; NULL: they can. */
	const char *(*clash)(const struct lan_options *a,
			     const struct lan_options *b);
	/* One endpoint only, which has the parent's MAC?  Optional. */
	bool (*is_alone)(const struct lan_options *o);
	/* No gateway: all is on the link?  Optional. */
	bool (*is_routed)(const struct lan_options *o);
};

struct lan_network {
	struct net_network base;
	struct lan_options opt;
	const struct lan_kind *kind;
	char parent[IFNAMSIZ];
	char root[IFNAMSIZ]; /* of parent NAME.ID: NAME; "": no such name */
	uint16_t vlan;       /* of parent NAME.ID: ID */
	bool own;            /* the parent is the network's own */
	char alias[NLK_ALIAS_MAX];
	struct ip_addr host4, host6; /* --aux-address host=: on the shim */
	int index;                   /* of the parent; 0: it was never there */
	uint32_t mtu; /* of the parent when the network was last looked at */
	/* under host->lock, and the two above are written under it */
	char seen[IFNAMSIZ]; /* what the parent is called now */
	bool gone;           /* there is no link @index any more */
	bool lost, grown;    /* look at the network again */
	bool claimed;
	struct lan_network *next;
};

struct lan_network *lan_of(struct net_network *net);
const struct lan_network *lan_of_const(const struct net_network *net);

void lan_defaults(struct net_network *net);
int lan_init(struct net_network *net, const struct lan_kind *kind,
	     struct err *err);
/* As net_driver.gateway_skip; options only are set. */
void lan_gateway_skip(const struct net_network *net,
		      const struct lan_kind *kind, bool *skip4, bool *skip6);

/* ---- the host (lan_host.c) ------------------------------------------------ */

/* An endpoint, as others see it. */
struct lan_seat {
	char id[65], network[65], parent[IFNAMSIZ];
	struct mac_addr mac;
	struct ip_addr ip4, ip6;
	bool access; /* it and the host reach each other */
	bool refit;  /* the parent's MTU grew, its own not yet */
	struct ip_addr host4, host6; /* the network's */
	struct lan_seat *next;
};

struct lan_host {
	const struct lan_kind *kind;
	uint32_t generation;         /* of the ruleset when last looked at */
	struct nlk *nlk;             /* owned; fast requests */
	struct nlk *slow;            /* owned; deletions that wait for RCU */
	struct nlk_monitor *monitor; /* owned; the event thread's */
	struct fw *fw;               /* owned; NULL: the kind has no shims */
	pthread_mutex_t parent_lock; /* parents are made and unmade */
	pthread_mutex_t shim_lock;
	pthread_mutex_t lock; /* of what follows, and innermost */
	struct lan_network *networks;
	struct lan_seat *seats; /* owned */
	bool loading, stirred;  /* stirred: look at the shims */
	uint64_t looked_ms; /* when that was last done; the event thread's */
};

int lan_host_open(const struct lan_kind *kind, void **ret, struct err *err);
void lan_host_close(void *host);
void lan_load_begin(void *host);
int lan_load_end(void *host, struct err *err);
size_t lan_fds(void *host, int fds[static 8]);
int lan_event(void *host, struct err *err);
int lan_check(void *ctx, void (*fn)(void *ctx, const char *line), void *arg,
	      struct err *err);
int lan_gc(void *ctx, bool dry, bool (*known)(void *ctx, const char *id),
	   void (*fn)(void *ctx, const char *line), void *arg, struct err *err);
/* "berth:<driver>:<id>" */
void lan_alias(const struct lan_kind *kind, const char *id,
	       char buf[static NLK_ALIAS_MAX]);

/* ---- seats (lan_seat.c) --------------------------------------------------- */

/*
 * lan_seat_take() - enter @ep, choosing its MAC where it has none.
 * Return: 0, also when it is there already; -EADDRINUSE: another endpoint on that
 * parent has the MAC; -EBUSY: the parent takes one endpoint only.
 */
int lan_seat_take(struct net_endpoint *ep, struct err *err);
void lan_seat_give(struct lan_host *host, const char *id);
/* Under host->lock: the parent of @network has a greater MTU. */
void lan_seat_grown(struct lan_host *host, const char *network);
/* Set what its seat has for ->refit.  Return: what it had. */
bool lan_seat_refit(struct lan_host *host, const char *id, bool refit);
unsigned int lan_seat_count(struct lan_host *host, const char *network);

/* ---- parents (lan_parent.c) ----------------------------------------------- */

/* From the options: what the parent is. */
int lan_parent_init(struct lan_network *ln, struct err *err);
/* Reserve the parent.  -EBUSY, naming the network that it clashes with. */
int lan_claim(struct lan_host *host, struct lan_network *ln, struct err *err);
void lan_release(struct lan_host *host, struct lan_network *ln);
/* Find it or make it.  @fresh: an MTU above its own is refused. */
int lan_parent_add(struct lan_host *host, struct lan_network *ln, bool fresh,
		   struct err *err);
/* @ln is not claimed any more: remove what we made, when nobody else has it. */
int lan_parent_del(struct lan_host *host, struct lan_network *ln,
		   struct err *err);
/* What a driver's link cannot be made for, in words, in place of the kernel's. */
int lan_parent_explain(struct lan_host *host, const struct lan_network *ln,
		       int r, struct err *err);
/* Does a network of ours have parent @name? */
bool lan_parent_used(struct lan_host *host, const char *name);
/* Of what the networks call @name, even if it has another name now; 0: gone. */
int lan_parent_index(struct lan_host *host, const char *name);

/* ---- into a container again (lan_attach.c) -------------------------------- */

/* The endpoint's link in namespace @netns.  -ENODEV. */
int lan_find_in(int netns, const struct net_endpoint *ep, struct nlk_link *ret,
		struct err *err);
/* Make it there, with its addresses and, of the gateway's endpoint, routes. */
int lan_attach(struct net_endpoint *ep, int netns, struct err *err);
/* Its MTU there is the parent's, or the network's, again. */
int lan_refit(struct net_endpoint *ep, int netns, struct err *err);
/* Delete it there.  Absent: 0. */
int lan_detach(struct net_endpoint *ep, int netns, struct err *err);
/* Delete what a cut-off lan_attach() left here. */
int lan_attach_clear(struct net_endpoint *ep, struct err *err);
/* What the link is to be made as, under @name and @alias. */
struct nlk_stack_conf lan_link_conf(const struct net_endpoint *ep,
				    const char *name, const char *alias);

/* ---- host and containers reach each other (lan_shim.c) -------------------- */

/* Make shim, addresses and routes of parent @name what the seats ask for. */
int lan_shim_sync(struct lan_host *host, const char *parent, struct err *err);
/* Does any endpoint want a shim on @parent? */
bool lan_shim_any(struct lan_host *host); /* on any? */
bool lan_shim_wanted(struct lan_host *host, const char *parent);
/* Of all parents whose seats ask for one. */
int lan_shim_sync_all(struct lan_host *host, struct err *err);
/* Remove what is left when no endpoint asks for a shim and none is there. */
int lan_shim_gc(struct lan_host *host, struct err *err);

/* ---- networks (lan_net.c), endpoints (lan_ep.c) ---------------------------- */

int lan_network_add(struct net_network *net, bool fresh, struct err *err);
int lan_network_del(struct net_network *net, struct err *err);
void lan_network_fini(struct net_network *net);
bool lan_network_lost(struct net_network *net);
void lan_network_info(const struct net_network *net, struct net_info *ret);

int lan_endpoint_add(struct net_endpoint *ep, struct err *err);
int lan_endpoint_del(struct net_endpoint *ep, struct err *err);
int lan_endpoint_place(struct net_endpoint *ep, struct err *err);
int lan_join(struct net_endpoint *ep, struct net_join_reply *ret,
	     struct err *err);

#define LAN_OPS                                                             \
	.network_size = sizeof(struct lan_network),                         \
	.options_offset = offsetof(struct lan_network, opt),                \
	.endpoint_options_size = sizeof(struct lan_ep_options),             \
	.endpoint_options = lan_endpoint_options,                           \
	.host_close = lan_host_close, .load_begin = lan_load_begin,         \
	.load_end = lan_load_end, .fds = lan_fds, .event = lan_event,       \
	.check = lan_check, .network_lost = lan_network_lost,               \
	.network_defaults = lan_defaults, .network_fini = lan_network_fini, \
	.network_info = lan_network_info, .network_add = lan_network_add,   \
	.network_del = lan_network_del, .endpoint_add = lan_endpoint_add,   \
	.endpoint_del = lan_endpoint_del,                                   \
	.endpoint_place = lan_endpoint_place, .join = lan_join,             \
	.ignores_ports = true, .gc = lan_gc

#endif
