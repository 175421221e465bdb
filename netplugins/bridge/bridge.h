/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bridge.h - networks on a bridge: what berth-bridge is, and berth-overlay on each
 * host.
 *
 * A network is a Linux bridge with the gateway's addresses; an endpoint is a
 * veth pair whose near end is a port of the bridge and whose far end dockerd
 * moves into the container.  What packets may do is the dataplane's matter.
 *
 * A driver says by its kind what its objects bear, and fills its table with
 * BRIDGE_OPS; its host, network and options may be greater than those here, which
 * come first in them.
 */
#ifndef NETPLUGINS_BRIDGE_BRIDGE_H
#define NETPLUGINS_BRIDGE_BRIDGE_H

#include <pthread.h>

#include "dataplane/dataplane.h"
#include "lib/nlk.h"
#include "netplugins/net_driver.h"

#define BRIDGE_DRIVER "berth-bridge"

extern const struct net_driver bridge_driver;

/* ---- options (bridge_opts.c) --------------------------------------------- */

/* berth.allow, berth.deny, berth.limit as they were given; "": not. */
struct bridge_policy {
	char allow[1024], deny[1024], limit[32];
};

/* com.docker.network.bridge.* and friends, decoded. */
struct bridge_options {
	char name[64]; /* longer than a link's: the message is ours */
	bool icc, masquerade, inhibit4, guard, names;
	struct ip_addr host_binding4, host_snat4, host_snat6;
	int mode4, mode6; /* enum dp_gateway_mode */
	int firewall;     /* enum dp_firewall */
	int dataplane;    /* enum dp_backend, or the default */
	uint32_t mtu;     /* 0: that of the uplink's route */
	char prefix[64], trusted[288];
	struct bridge_policy policy;
	char rate[96]; /* berth.rate; "": not given */
};

/* What ep->options is. */
struct bridge_ep_options {
	struct bridge_policy policy;
	char service[96]; /* berth.service; "": none */
	char rate[96];
};

#define BRIDGE_DATAPLANE_DEFAULT (-1) /* the daemon's, when it was made */

/* A driver's list of options: offsets are in struct bridge_network, with which its
 * own network begins. */
#define BRIDGE_OPTION(key_, type_, member_, doc_) \
	OPT_FIELD(key_, type_, struct bridge_network, opt.member_, doc_)
#define BRIDGE_OPTION_ENUM(key_, member_, names_, doc_)                 \
	{                                                               \
		.key = (key_), .type = OPT_ENUM,                        \
		.offset = offsetof(struct bridge_network, opt.member_), \
		.size = sizeof(int), .names = (names_), .doc = (doc_),  \
	}
/* "" would be no list at all where somebody meant one */
#define BRIDGE_OPTION_LIST(key_, st_, member_, doc_)                         \
	{                                                                    \
		.key = (key_), .type = OPT_STR,                              \
		.offset = offsetof(st_, member_),                            \
		.size = sizeof(((st_ *)0)->member_), .min = 1, .doc = (doc_) \
	}
#define BRIDGE_OPTION_RATE(st_, member_)                             \
	BRIDGE_OPTION_LIST(                                          \
		"berth.rate", st_, member_,                          \
		"RATE both ways, or in=RATE,out=RATE: bytes to and " \
		"from a container, as tc has them, 10mbit or "       \
		"10mbit:256kb (no limit)")
#define BRIDGE_REFUSED(key_, why_)                                 \
	{                                                          \
		.key = (key_), .type = OPT_REFUSED, .why = (why_), \
		.doc = (why_)                                      \
	}
/* What all of them have.  The MTU's doc differs, and not all have a dataplane to
 * choose. */
#define BRIDGE_OPTIONS                                                         \
	BRIDGE_OPTION(                                                         \
		"com.docker.network.bridge.enable_ip_masquerade", OPT_BOOL,    \
		masquerade,                                                    \
		"what leaves the network gets the host's address (true)"),     \
		BRIDGE_OPTION(                                                 \
			"com.docker.network.bridge.host_binding_ipv4", OPT_IP, \
			host_binding4,                                         \
			"host address of ports published without one (any)"),  \
		BRIDGE_OPTION("com.docker.network.bridge.inhibit_ipv4",        \
			      OPT_BOOL, inhibit4,                              \
			      "leave the bridge's IPv4 address to the "        \
			      "administrator (false)"),                        \
		BRIDGE_OPTION_ENUM(                                            \
			"com.docker.network.bridge.gateway_mode_ipv4", mode4,  \
			bridge_mode_names,                                     \
			"nat, nat-unprotected, routed or isolated (nat)"),     \
		BRIDGE_OPTION_ENUM(                                            \
			"com.docker.network.bridge.gateway_mode_ipv6", mode6,  \
			bridge_mode_names,                                     \
			"nat, nat-unprotected, routed or isolated (nat)"),     \
		BRIDGE_OPTION(                                                 \
			"com.docker.network.bridge.trusted_host_interfaces",   \
			OPT_STR, trusted,                                      \
			"interfaces, separated by colons, that reach "         \
			"published "                                           \
			"container ports directly"),                           \
		BRIDGE_OPTION("com.docker.network.container_iface_prefix",     \
			      OPT_STR, prefix,                                 \
			      "prefix of the interface's name in the "         \
			      "container (eth)"),                              \
		BRIDGE_OPTION("com.docker.network.host_ipv4", OPT_IP,          \
			      host_snat4,                                      \
			      "source address of what leaves the network"),    \
		BRIDGE_OPTION("com.docker.network.host_ipv6", OPT_IP,          \
			      host_snat6,                                      \
			      "source address of what leaves the network"),    \
		BRIDGE_OPTION_ENUM(                                            \
			"berth.firewall", firewall, bridge_firewall_names,     \
			"open: a published port is open, as with Docker; "     \
			"respect: "                                            \
			"only where the host's own rules accept it (open)"),   \
		BRIDGE_OPTION(                                                 \
			"berth.guard", OPT_BOOL, guard,                        \
			"drop packets with another's address or MAC (on)"),    \
		BRIDGE_OPTION_RATE(struct bridge_network, opt.rate)

extern const char *const bridge_mode_names[], *const bridge_firewall_names[];
extern const struct opt_field bridge_network_options[];
extern const struct opt_field bridge_endpoint_options[];

/* What a driver is besides its table. */
struct bridge_kind {
	const char *driver; /* "berth-bridge" */
	const char *prefix; /* of bridges' names: two characters */
	bool no_ct;         /* dp_network's */
};

struct bridge_network {
	struct net_network base;
	const struct bridge_kind *kind;
	struct bridge_options opt;
	char name[IFNAMSIZ];
	char alias[NLK_ALIAS_MAX];
	struct mac_addr mac; /* the bridge's own */
	uint32_t mtu;        /* in use; 0: not known yet */
	int index;           /* of the bridge; 0: not there */
	bool foreign;        /* the user's bridge: never deleted */
	bool claimed;        /* its subnets are in the host's list */
	bool lost;           /* under host->lock: the bridge vanished */
	char trusted[DP_TRUSTED_MAX][IFNAMSIZ];
	struct dp_policy policy;
	struct dp_rates rate;        /* of endpoints that do not say */
	struct bridge_network *next; /* in host->networks */
};

struct bridge_network *bridge_of(struct net_network *net);
const struct bridge_network *bridge_of_const(const struct net_network *net);

void bridge_defaults(struct net_network *net);
int bridge_init(struct net_network *net, const struct bridge_kind *kind,
		struct err *err);
void bridge_gateway_skip(const struct net_network *net, bool *skip4,
			 bool *skip6);
const char *bridge_dataplane_name(enum dp_backend backend);
int bridge_dataplane_parse(const char *name, enum dp_backend *ret,
			   struct err *err); /* -EINVAL */
/* Has the host an address of this family on the network? */
bool bridge_has_gateway4(const struct bridge_network *br);
bool bridge_has_gateway6(const struct bridge_network *br);

/* ---- balanced ports (bridge_service.c) ----------------------------------- */

/* berth.service.  -EINVAL, saying what would be right. */
int bridge_service_parse(const char *text, struct dp_join *ret,
			 struct err *err);
int bridge_service_add(void *ctx, struct dp_service *svc, struct err *err);
int bridge_service_del(void *ctx, const struct dp_service *svc,
		       struct err *err);
int bridge_service_each(void *ctx, dp_service_fn fn, void *arg,
			struct err *err);

/* ---- who may reach published ports (bridge_policy.c) --------------------- */

bool bridge_policy_is_none(const struct bridge_policy *p);
/* -EINVAL: what is wrong, and what would be right. */
int bridge_policy_parse(const struct bridge_policy *p, struct dp_policy *ret,
			struct err *err);
/* The network's own, from its options. */
int bridge_policy_init(struct bridge_network *br, struct err *err);

/* ---- how fast endpoints may be (bridge_rate.c) --------------------------- */

/* The network's own, from its options. */
int bridge_rate_init(struct bridge_network *br, struct err *err);
/* The endpoint's own, or its network's. */
int bridge_rate_of(const struct net_endpoint *ep, struct dp_rates *ret,
		   struct err *err);

/* ---- the host (bridge_host.c) -------------------------------------------- */

struct bridge_reaper;

/* What the daemon's own flags said. */
struct bridge_config {
	enum dp_backend dataplane;      /* of networks that do not say */
	uint16_t masq_first, masq_last; /* 0..0: not given */
	uint32_t flow_table;            /* flows; 0: not given */
	bool conntrack_auto;            /* else always */
};

struct bridge_host {
	const struct bridge_kind *kind;
	void *own; /* the driver's, who made the host; NULL: nothing */
	struct bridge_config cfg;
	struct nlk *nlk;              /* owned; fast requests */
	struct nlk *slow;             /* owned; deletions that wait for RCU */
	struct dp *dp;                /* owned */
	int announce_fd;              /* owned; bridge_announce.c */
	struct nlk_monitor *monitor;  /* owned; the event thread's */
	struct bridge_reaper *reaper; /* owned */
	const struct net_memo *memo;  /* borrowed */
	pthread_mutex_t lock;         /* of what follows */
	struct bridge_network *networks; /* that claim subnets, by .next */
	pthread_mutex_t forward_lock;    /* see bridge_forward.c; of these: */
	bool guard4, guard6; /* forwarding is ours alone, and guarded */
	bool owed; /* noted values are put back when another daemon is done */
	bool loading; /* between load_begin and load_end; one thread then */
};

/* @cfg: NULL: all defaults; copied. */
int bridge_host_open(const struct plugd *d, const struct bridge_kind *kind,
		     const struct bridge_config *cfg,
		     const struct net_memo *memo, void **ret, struct err *err);
void bridge_host_close(void *host);
void bridge_load_begin(void *host);
int bridge_load_end(void *host, struct err *err);
size_t bridge_fds(void *host, int fds[static 8]);
int bridge_event(void *host, struct err *err);
int bridge_check(void *host, void (*fn)(void *ctx, const char *line), void *ctx,
		 struct err *err);
int bridge_gc(void *host, bool dry, bool (*known)(void *ctx, const char *id),
	      void (*fn)(void *ctx, const char *line), void *ctx,
	      struct err *err);
int bridge_trace(void *host, unsigned int wait_ms, size_t max,
		 void (*fn)(void *ctx, const struct trace_drop *d), void *ctx,
		 uint64_t *ret_lost, struct err *err);
int bridge_counters(void *host,
		    void (*fn)(void *ctx, const char *name, uint64_t value),
		    void *ctx, struct err *err);
int bridge_port_stats(struct net_endpoint *ep, const struct port_range *range,
		      struct dp_stats *ret, struct err *err);
int bridge_endpoint_stats(struct net_endpoint *ep, struct dp_stats *ret,
			  struct err *err);
/* "berth:<driver>:<id>" */
void bridge_alias(const struct bridge_kind *kind, const char *id,
		  char buf[static NLK_ALIAS_MAX]);

/* ---- deleting links (bridge_reaper.c) ------------------------------------ */

/*
 * Deleting a link waits 20-50 ms for RCU, so a thread does it after the answer.
 * What is queued is noted in the memo: a killed daemon goes on with it.
 */
int bridge_reaper_open(struct bridge_host *host, struct bridge_reaper **ret,
		       struct err *err);
/* Finishes what is queued. */
void bridge_reaper_close(struct bridge_reaper *r);
/*
 * bridge_reaper_add() - delete link @name if it bears @alias, and then what
 * the source guard knows of @endpoint.  With a full queue it is done at once.
 */
int bridge_reaper_add(struct bridge_reaper *r, const char *name,
		      const char *alias, const char *endpoint, struct err *err);
/* Wait until all that was queued before is gone. */
void bridge_reaper_flush(struct bridge_reaper *r);
/* Wait until what is queued of @endpoint is gone: its names are taken again. */
void bridge_reaper_wait(struct bridge_reaper *r, const char *endpoint);

/* ---- new endpoints (bridge_announce.c) ------------------------------------ */

int bridge_announce_open(struct err *err); /* Return: fd; -errno */
/* Neighbours on bridge @ifindex that know @ep's addresses learn its MAC. */
void bridge_announce(int fd, int ifindex, const struct net_endpoint *ep);

/* ---- subnets (bridge_overlap.c) ------------------------------------------ */

/*
 * bridge_claim() - reserve the network's subnets among ours.
 * @fresh: also look at the host's routes.
 * Return: 0; -EEXIST naming the network, route or interface that has it.
 */
int bridge_claim(struct bridge_host *host, struct bridge_network *br,
		 bool fresh, struct err *err);
/* A line for each network whose subnets a route of the host takes from, perhaps
 * one that came later. */
int bridge_overlap_report(struct bridge_host *host,
			  void (*fn)(void *ctx, const char *line), void *ctx,
			  struct err *err);
void bridge_release(struct bridge_host *host, struct bridge_network *br);

/* ---- forwarding (bridge_forward.c) --------------------------------------- */

/* Make this host forward for @br; what was before is noted. */
int bridge_forward_on(struct bridge_host *host, const struct bridge_network *br,
		      struct err *err);
/* After a network went: if none is left, everything as it was before us. */
int bridge_forward_off(struct bridge_host *host, struct err *err);
/* After a restart, before the rules are made: guard what we had turned on. */
int bridge_forward_guard(struct bridge_host *host, struct err *err);
/* After a restart, when the rules are there: for all networks. */
int bridge_forward_load(struct bridge_host *host, struct err *err);
/* At each event, and once a second: does somebody else want it by now? */
int bridge_forward_follow(struct bridge_host *host, struct err *err);
void bridge_forward_check(struct bridge_host *host,
			  void (*fn)(void *ctx, const char *line), void *ctx);

/* ---- networks (bridge_net.c), endpoints (bridge_ep.c) --------------------- */

int bridge_network_add(struct net_network *net, bool fresh, struct err *err);
int bridge_network_del(struct net_network *net, struct err *err);
/* Nothing of the host points to it any more. */
void bridge_network_fini(struct net_network *net);
/* What the bridge's device may do by itself; again after each change of MTU. */
int bridge_set_sysctls(const struct bridge_network *br, struct err *err);
bool bridge_network_lost(struct net_network *net);
void bridge_network_info(const struct net_network *net, struct net_info *ret);

int bridge_endpoint_add(struct net_endpoint *ep, struct err *err);
int bridge_endpoint_del(struct net_endpoint *ep, struct err *err);
int bridge_endpoint_place(struct net_endpoint *ep, struct err *err);
int bridge_join(struct net_endpoint *ep, struct net_join_reply *ret,
		struct err *err);
int bridge_expose(struct net_endpoint *ep, struct err *err);
int bridge_unexpose(struct net_endpoint *ep, struct err *err);
void bridge_bind_ports(const struct net_endpoint *ep, struct portmap *ports);

/* What a driver on bridges does not do in its own way. */
#define BRIDGE_OPS                                                            \
	.endpoint_options_size = sizeof(struct bridge_ep_options),            \
	.counters = bridge_counters, .port_stats = bridge_port_stats,         \
	.endpoint_stats = bridge_endpoint_stats, .trace = bridge_trace,       \
	.service_add = bridge_service_add, .service_del = bridge_service_del, \
	.service_each = bridge_service_each,                                  \
	.network_defaults = bridge_defaults,                                  \
	.gateway_skip = bridge_gateway_skip,                                  \
	.endpoint_place = bridge_endpoint_place, .join = bridge_join,         \
	.expose = bridge_expose, .unexpose = bridge_unexpose,                 \
	.bind_ports = bridge_bind_ports

#endif
