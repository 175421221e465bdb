/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_driver.h - what a network driver gives to the core: one table.
 *
 * Life of a network object: the core allocates .network_size bytes, fills the
 * base, calls .network_init (parse options, no kernel), then .network_add (make
 * the kernel objects); later .network_del and .network_fini.  The same for an
 * endpoint without init.  After a daemon's restart or a reboot the core builds
 * the objects from its records with .network_init and calls .network_add
 * again: every op finds what is there and makes only what is missing.
 *
 * Locks: a network's ops run under that network's lock; ops of different
 * networks run in parallel.  Drivers never see JSON, sockets or the store, and
 * never log; what fails leaves nothing behind and one line in @err.
 */
#ifndef NETPLUGINS_NET_DRIVER_H
#define NETPLUGINS_NET_DRIVER_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/portmap.h"
#include "dataplane/service.h"
#include "lib/err.h"
#include "lib/fail.h"
#include "lib/ip.h"
#include "lib/opts.h"
#include "lib/plugd.h"

#define NET_AUX_MAX 64

/* A fail point as a step that can fail: 0, or -errno with a text. */
#define NET_STEP(name, err)                                                  \
	({                                                                   \
		int step_ = FAILPOINT(name);                                 \
		step_ < 0 ? err_set(err, step_, "%s: test fault", name) : 0; \
	})

/* An address that IPAM keeps free, for the driver's own use. */
struct net_aux {
	char name[64];
	struct ip_addr addr;
};

struct net_pool {
	struct ip_prefix pool;    /* none: the family is off, or null IPAM */
	struct ip_prefix gateway; /* none: no gateway given */
	struct net_aux *aux;      /* the core's; NULL: none */
	unsigned int aux_count;
};

/* CreateNetwork, decoded. */
struct net_network {
	const struct net_driver *driver;
	void *host; /* what .host_open gave */
	char id[65];
	bool internal, ipv6;
	bool redo; /* a request cut off by a crash is being finished: what it
		    * half made is ours even where the mark is missing yet */
	bool borrowed; /* set by .network_add: its link is the user's own and
			* not ours to make.  Kept on record. */
	uint32_t kept_mtu; /* set by .network_add: the MTU it chose, where the
			    * user gave none.  Kept on record: at boot we may
			    * start before there is a route to take it from.
			    * 0: none was chosen yet */
	char kept_dataplane[8]; /* the same of its dataplane: another default
				 * later is for new networks */
	struct net_pool v4, v6;
	struct net_endpoint *endpoints; /* by .next; drivers only read */
};

/* CreateEndpoint and what followed, as recorded. */
struct net_endpoint {
	char id[65];
	struct net_network *network; /* borrowed */
	struct net_endpoint *next;
	bool redo; /* as in struct net_network */
	struct ip_prefix addr4, addr6;
	struct mac_addr mac;
	bool mac_given;        /* by the user: must not be changed */
	char ifname[IFNAMSIZ]; /* host side, chosen by .endpoint_add */
	char peer[IFNAMSIZ];   /* what dockerd moves, likewise */
	char sandbox[256];     /* SandboxKey of Join; "": not joined */
	bool exposed; /* ports programmed: this is the gateway endpoint */
	struct portmap ports; /* as resolved; owned by the core */
	void *options;        /* struct of .endpoint_options, or NULL */
};

struct net_join_reply {
	char src_name[IFNAMSIZ], dst_prefix[IFNAMSIZ];
	struct ip_addr gateway4, gateway6; /* none: not sent */
	bool disable_gateway_service;
	struct {
		struct ip_prefix dst;
		bool on_link;
		struct ip_addr next_hop;
	} routes[16];
	unsigned int route_count;
};

/* Where an endpoint's link is. */
enum net_link_place {
	NET_LINK_GONE, /* in no namespace */
	NET_LINK_HERE, /* both ends are in ours: no container has it */
	NET_LINK_AWAY, /* in another namespace */
};

/* What to show of a network beside its request. */
struct net_info {
	char link[IFNAMSIZ]; /* its bridge or parent */
	uint32_t mtu;
	char dataplane[8]; /* what carries its ports now: "nft", "ebpf"; "": it
			    * has no choice */
	bool names;        /* berth-dns is to answer there */
	struct ip_addr
		host[2]; /* this host's own, IPv4 and IPv6; none: it has none */
	char shared[144]; /* what the cluster's hosts agree to call it; "": it
			   * is not shared */
};

/*
 * A driver's notes about the host, e.g. the sysctls it changed and their old
 * values: short texts by key that live as long as the kernel does.  Each call
 * is durable on return.
 */
struct net_memo {
	void *ctx;
	int (*put)(void *ctx, const char *key, const char *text,
		   struct err *err);
	/* -ENOENT when there is none; -ENAMETOOLONG. */
	int (*get)(void *ctx, const char *key, char *buf, size_t size,
		   struct err *err);
	int (*del)(void *ctx, const char *key, struct err *err);
	/* @fn must not call into the memo. */
	int (*each)(void *ctx,
		    int (*fn)(void *arg, const char *key, const char *text),
		    void *arg, struct err *err);
};

struct trace_drop; /* dataplane/ebpf/trace.h */
struct dp_stats;   /* dataplane/dataplane.h */

struct net_driver {
	const char *name;    /* "berth-bridge" */
	const char *summary; /* one line for --help */

	/* Sizes of the objects that embed struct net_network / the struct that
	 * options are decoded into (inside the network object, at
	 * .options_offset). */
	size_t network_size, options_offset;
	const struct opt_field *network_options;
	size_t endpoint_options_size;
	const struct opt_field *endpoint_options;

	/* Flags of this driver, ended by { 0 }, and the size of the struct that
	 * they fill: zeroed before, net_flag_config() in .set.  Optional. */
	const struct plugd_flag *flags;
	size_t config_size;

	/* Open what the driver needs of the host, once.  @config: what the flags
	 * filled, borrowed; @memo: borrowed until .host_close.  @ret goes to
	 * net_network.host. */
	int (*host_open)(const struct plugd *d, const void *config,
			 const struct net_memo *memo, void **ret,
			 struct err *err);
	void (*host_close)(void *host);
	/* The records were loaded: networks are going to be added again, and
	 * then .load_end ends it; what it could not do .event does.  Optional, both. */
	void (*load_begin)(void *host);
	int (*load_end)(void *host, struct err *err);
	/* Descriptors for the core's event thread, and what to do when one is
	 * readable or a second has passed.  Optional.  Return: repairs made. */
	size_t (*fds)(void *host, int fds[static 8]);
	int (*event)(void *host, struct err *err);
	/* Text lines on what is wrong with the host or has drifted. Optional. */
	int (*check)(void *host, void (*fn)(void *ctx, const char *line),
		     void *ctx, struct err *err);

	/* The public key that other hosts know this one by.  Optional. */
	int (*key)(void *host, char *buf, size_t size, struct err *err);

	/* What the hosts share went back (a backup, another store): take it for
	 * true as it is now.  Optional.  Return: 1; 0: it did not; -EOPNOTSUPP:
	 * this host shares nothing. */
	int (*adopt)(void *host, struct err *err);

	/* Networks that the hosts share and none is in any more: take them away, with
	 * @dry only tell.  Optional.  Return: 0; -EOPNOTSUPP: this host shares
	 * nothing. */
	int (*reap)(void *host, bool dry,
		    void (*fn)(void *ctx, const char *line), void *ctx,
		    struct err *err);

	/* What was counted of packets, by name.  Optional. */
	int (*counters)(void *host,
			void (*fn)(void *ctx, const char *name, uint64_t value),
			void *ctx, struct err *err);

	/* What was counted of one of ep->ports, and of the endpoint:
	 * dp_port_stats(), dp_endpoint_stats().  Optional, both or none. */
	int (*port_stats)(struct net_endpoint *ep,
			  const struct port_range *range, struct dp_stats *ret,
			  struct err *err);
	int (*endpoint_stats)(struct net_endpoint *ep, struct dp_stats *ret,
			      struct err *err);

	/* Packets that are dropped, as they are: dp_trace().  Optional. */
	int (*trace)(void *host, unsigned int wait_ms, size_t max,
		     void (*fn)(void *ctx, const struct trace_drop *d),
		     void *ctx, uint64_t *ret_lost, struct err *err);

	/* Host ports balanced over containers: dataplane/service.h.  Optional,
	 * all three or none. */
	int (*service_add)(void *host, struct dp_service *svc, struct err *err);
	int (*service_del)(void *host, const struct dp_service *svc,
			   struct err *err);
	int (*service_each)(void *host, dp_service_fn fn, void *ctx,
			    struct err *err);

	/* A network's kernel object vanished since the last call (cheap: what
	 * .event saw).  The core adds the network and its endpoints again. */
	bool (*network_lost)(struct net_network *net); /* optional */
	/* Set option defaults in a zeroed object, before decoding. Optional. */
	void (*network_defaults)(struct net_network *net);
	/* Options are decoded: check them and the pools, reach no kernel. */
	int (*network_init)(struct net_network *net, struct err *err);
	void (*network_fini)(struct net_network *net); /* optional */
	/* Options only are set: which family needs no gateway address of this
	 * network (GwAllocCheck).  Optional. */
	void (*gateway_skip)(const struct net_network *net, bool *skip4,
			     bool *skip6);
	void (*network_info)(const struct net_network *net,
			     struct net_info *ret);
	/* @fresh: a CreateNetwork (overlaps are refused), else a reload. */
	int (*network_add)(struct net_network *net, bool fresh,
			   struct err *err);
	int (*network_del)(struct net_network *net, struct err *err);

	/* Fills ifname, peer, and mac where none was given.  -EADDRINUSE etc.
	 * With ifname set it was added in an earlier life: its link is there. */
	int (*endpoint_add)(struct net_endpoint *ep, struct err *err);
	/* Undoes everything of the endpoint, from any stage. */
	int (*endpoint_del)(struct net_endpoint *ep, struct err *err);
	int (*join)(struct net_endpoint *ep, struct net_join_reply *ret,
		    struct err *err);
	int (*leave)(struct net_endpoint *ep, struct err *err); /* optional */
	/* Ports asked for are not this driver's matter: containers are reached by
	 * their own addresses.  Else without .expose they are refused. */
	bool ignores_ports;
	/* Publish ep->ports (resolved in place).  Optional: no ports then. */
	int (*expose)(struct net_endpoint *ep, struct err *err);
	int (*unexpose)(struct net_endpoint *ep, struct err *err);
	/* Give ports without a host address the one that .expose publishes them
	 * at.  NULL: they stay without. */
	void (*bind_ports)(const struct net_endpoint *ep,
			   struct portmap *ports);
	/* enum net_link_place, or -errno. */
	int (*endpoint_place)(struct net_endpoint *ep, struct err *err);
	/* Remove every object that bears this driver's mark and belongs to no
	 * network or endpoint that @known answers true for.  With @dry only
	 * report.  @fn gets one line for each.  Return: their number. */
	int (*gc)(void *host, bool dry,
		  bool (*known)(void *ctx, const char *id),
		  void (*fn)(void *ctx, const char *line), void *ctx,
		  struct err *err);
};

/* net_main() - the whole daemon for a driver: main.c calls it and returns. */
int net_main(const struct net_driver *driver, int argc, char **argv);
/* For plugd_flag.set of a driver's flag: its struct.  @config: as .set got it. */
void *net_flag_config(void *config);

#endif
