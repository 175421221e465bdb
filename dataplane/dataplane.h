/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dataplane.h - what a network driver asks of the host's packet path:
 * masquerade, isolate, guard, publish.
 *
 * One handle a daemon (struct dp), bound to the network namespace it was
 * opened in; calls may come from several threads.  Everything is keyed by the
 * network's and the endpoint's id.  Adding what is there in the same form is
 * success; removing what is not there is success.  Each call is one kernel
 * transaction per family: on failure nothing of it remains.
 *
 * The dataplane keeps what it was told in memory, so that it can put it back
 * when somebody flushes the firewall (dp_repair); it keeps nothing on disk.
 * After a restart the core tells it everything again between dp_load_begin()
 * and dp_load_end(): kernel state that nobody claims is removed then, and live
 * traffic is never interrupted (the tables are replaced in one transaction).
 */
#ifndef DATAPLANE_DATAPLANE_H
#define DATAPLANE_DATAPLANE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/policy.h"
#include "dataplane/portmap.h"
#include "dataplane/rate.h"
#include "dataplane/service.h"
#include "dataplane/shortcut.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

struct dp;

enum dp_gateway_mode {
	DP_GW_NAT,             /* only what is published, through host ports */
	DP_GW_NAT_UNPROTECTED, /* as NAT, and any port directly */
	DP_GW_ROUTED,          /* no NAT; published container ports directly */
	DP_GW_ISOLATED,        /* the host has no address on the network */
	DP_GW_MAX,
};

enum dp_firewall {
	DP_FW_OPEN,    /* a published port is open, as with Docker */
	DP_FW_RESPECT, /* only where the host's own INPUT rules accept it */
	DP_FW_MAX,
};

enum dp_backend {
	DP_NFT,  /* published ports and masquerade by nftables */
	DP_EBPF, /* by tc programs, before netfilter; what those cannot do is
		  * left to nftables (docs/dataplane.md) */
	DP_BACKEND_MAX,
};

#define DP_TRUSTED_MAX 16

/* Those that turn forwarding on: their tables bear their names. */
#define DP_DRIVERS                              \
	{                                       \
		"berth-bridge", "berth-overlay" \
	}

/* The dataplane's own device (for DP_FW_RESPECT) bears "berth:<driver>:" and
 * this: no endpoint, no network, and no garbage. */
#define DP_LINK_ID "reinject"

struct dp_network {
	char id[65];
	char bridge[IFNAMSIZ];
	struct ip_prefix gateway4, gateway6; /* the host's address with the
			* subnet's length; none: the family is off or isolated */
	struct ip_prefix subnet4, subnet6;   /* none: family off */
	enum dp_gateway_mode mode4, mode6;
	enum dp_firewall firewall;
	enum dp_backend backend;
	bool fall_back; /* DP_EBPF where this kernel can't: nftables alone, and
			 * the log says so; else -EOPNOTSUPP */
	bool masquerade4, masquerade6; /* what leaves gets the host's address */
	struct ip_addr snat4, snat6;   /* ... this one; none: by route */
	bool internal;                 /* nothing leaves, nothing comes in */
	bool icc;                      /* containers may talk to each other */
	bool guard;                    /* source guard on each port */
	bool no_ct; /* conntrack is spared what passes from port to port:
			 * with icc alone, on a bridge of our own */
	char trusted[DP_TRUSTED_MAX][IFNAMSIZ]; /* interfaces that may reach
			* published container ports directly; "" ends the list */
	struct dp_policy policy; /* who may reach published ports; not none:
				  * DP_EBPF and DP_FW_OPEN alone, no fall back,
				  * DP_GW_NAT, nobody trusted */
};

/*
 * An endpoint's host side: what the source guard lets in.  The bridge port
 * itself wants the hairpin flag on: with bridge netfilter on, a container that
 * asks for its own published port gets its frame back through the same port.
 * (Its broadcasts do not come back: the dataplane drops those.)  And the
 * bridge wants no_linklocal_learn, or a frame to 01:80:c2:00:00:0e teaches it
 * a forged address without passing any filter.
 */
struct dp_port {
	char network[65], endpoint[65];
	char ifname[IFNAMSIZ]; /* host side of the veth */
	struct mac_addr mac;
	struct ip_addr ip4, ip6; /* none: the family is dropped on this port */
	struct dp_policy policy; /* not none: in place of its network's */
	struct dp_join join;     /* with DP_EBPF alone */
	struct dp_rates rate;    /* of all it sends and gets */
};

/* What is published to one endpoint: replaces what was published before. */
struct dp_publish {
	char network[65], endpoint[65];
	struct ip_addr ip4, ip6; /* container addresses; none: not there */
	struct portmap ports;    /* host side resolved, coalesced: portmap.h */
	bool judged; /* its dp_port has a policy: only the tc programs open the
		      * ports, as with one of the network's */
};

/* Flows: two entries each, of about 190 bytes. */
#define DP_FLOWS       131072
#define DP_FLOWS_LEAST 1024
#define DP_FLOWS_MOST  4194304

struct dp_config {
	const char *driver;  /* "berth-bridge": table names, marks, pins */
	const char *bpf_dir; /* pins under <bpf-dir>/berth/v1/<driver>/ */
	const char *cgroup;  /* where the socket hooks attach */
	bool no_tcx;         /* clsact even where the kernel has tcx */
	bool conntrack_auto; /* rules that do without connection tracking, while
			      * DP_EBPF does all there is to do (conntrack.h) */
	uint32_t flow_table; /* established flows that DP_EBPF has room for:
			      * DP_FLOWS_LEAST to _MOST; 0: DP_FLOWS */
	uint16_t masq_first, masq_last; /* source ports of what DP_EBPF
			* masquerades; 0..0: nat_map.h's */
};

/*
 * dp_open() - take hold of the packet path; changes nothing in the kernel.
 * Return: 0; -EOPNOTSUPP when nftables or cgroup BPF is missing (@err says
 * which feature and what to do).
 */
int dp_open(const struct dp_config *cfg, struct dp **ret, struct err *err);
/* leaves the kernel as it is, but for claims: ports stay published and are no
 * longer held; NULL is fine */
void dp_close(struct dp *dp);
DEFINE_CLEANUP(struct dp, dp_close)

/* Tell everything again after a restart; see above.  Between the two the other
 * calls only collect. */
void dp_load_begin(struct dp *dp);
int dp_load_end(struct dp *dp, struct err *err);

/* -EINVAL for a policy on a network that can't have one. */
int dp_network_add(struct dp *dp, const struct dp_network *net,
		   struct err *err);
int dp_network_del(struct dp *dp, const char *network, struct err *err);
/* Do tc programs do this network's ports and masquerade?  false also for
 * DP_EBPF, with DP_FW_RESPECT and where the kernel can't. */
bool dp_network_is_fast(struct dp *dp, const char *network);
/* What the tc programs counted, by name: the guard's drops while a port is
 * guarded, more while DP_EBPF runs. */
int dp_counts(struct dp *dp,
	      void (*fn)(void *ctx, const char *name, uint64_t value),
	      void *ctx, struct err *err);
/* What the tc programs counted of one port or endpoint: "in" is to the
 * container, bytes are of frames. */
struct dp_stats {
	bool counted; /* false: the rest is 0 and says nothing */
	uint64_t packets_in, bytes_in, packets_out, bytes_out;
	uint64_t flows;   /* begun; of a port, this host's connections as well,
			   * whose packets are not counted */
	uint64_t refused; /* by policy, by limit, for want of room */
};
/* @range: one of what is published to @endpoint.  What is not known is not
 * counted. */
int dp_port_stats(struct dp *dp, const char *endpoint,
		  const struct port_range *range, struct dp_stats *ret,
		  struct err *err);
int dp_endpoint_stats(struct dp *dp, const char *endpoint, struct dp_stats *ret,
		      struct err *err);
/*
 * dp_forward_guard() - forwarding of a family was switched on by the driver
 * and by nobody else: drop what is forwarded between interfaces that are not
 * Berth's.  What is bridged within somebody's bridge, and passes here because
 * bridge netfilter is on, is not forwarded.  Say it again after a restart.
 */
int dp_forward_guard(struct dp *dp, bool v4, bool v6, struct err *err);
/* Does another of DP_DRIVERS guard forwarding of that family on this host: would it
 * miss it?  Return: 1; 0; -errno. */
int dp_forward_shared(struct dp *dp, bool v6, struct err *err);
/*
 * dp_shortcut() - frames between endpoints of the network go the short way, past the
 * bridge and everybody's rules for what is bridged (docs/dataplane.md); @s: NULL: by
 * the bridge.  In place of what was said before; the same again: 0.  For a network
 * with guard and icc, DP_NFT and DP_FW_OPEN, nobody trusted; any other has none,
 * which is no error.  Ports whose link has no carrier are not led to.
 * After a failure it has none: -ENOENT: no such network; -ENODEV: bridge or wire is
 * not there; -ENOSPC: too many endpoints on other hosts.
 */
int dp_shortcut(struct dp *dp, const char *network, const struct dp_shortcut *s,
		struct err *err);
/* -ENOENT when the port's network was not added; -EINVAL as above. */
int dp_port_add(struct dp *dp, const struct dp_port *port, struct err *err);
/* Its link is about to go: nothing is led to it past the bridge from now on.
 * dp_port_add() takes it back. */
void dp_port_leave(struct dp *dp, const char *endpoint);
int dp_port_del(struct dp *dp, const char *endpoint, struct err *err);

/*
 * dp_publish_add() - open the ports: claim each on the host (claim.h), teach
 * the socket hooks, add the map entries.  @pub->ports is replaced by its sorted
 * and joined form, in which host ports of 0 are chosen, so that the caller can
 * record it.  On an internal or isolated network nothing is opened and nothing
 * held; in routed mode the container's ports are opened and no host port is
 * held.  conntrack entries of the ports are cleared (a UDP client that kept its
 * source port is not black-holed).
 *
 * Said again with other ports it takes the place of what was said before.  Where only
 * live ones differ (port_range.live) those alone come and go: the others are served
 * throughout, and none of their flows ends.  Else all are closed for a moment, and
 * what is known of their flows is forgotten.
 *
 * While loading, a port that is held by somebody else now is no failure: it is
 * published all the same, and dp_check() tells.
 *
 * Return: 0; -ENOENT: no such network; -EEXIST: one host port twice;
 * -EADDRINUSE, naming the port and who holds it (endpoint or process); -EADDRNOTAVAIL when the host address is not on this host.
 */
int dp_publish_add(struct dp *dp, struct dp_publish *pub, struct err *err);
int dp_publish_del(struct dp *dp, const char *endpoint, struct err *err);

/*
 * dp_fds() - descriptors to poll for changes made by others (nft monitor, link
 * events, IPsec policies).  dp_event() - one is readable, or @timeout: look, and put back what
 * is missing.  Return: number of repairs made; -errno.
 */
size_t dp_fds(struct dp *dp, int fds[static 4]);
int dp_event(struct dp *dp, struct err *err);

/*
 * dp_trace() - packets that the tc programs drop, as they drop them: at most
 * @max, and wait for the first up to @wait_ms.  One caller at a time; the other
 * calls are not kept waiting.
 * @ret_lost: drops that found no room since the last call.
 * Return: their number; -EBUSY: somebody else listens; -ENOENT: no port is
 * guarded.
 */
struct trace_drop; /* dataplane/ebpf/trace.h */
int dp_trace(struct dp *dp, unsigned int wait_ms, size_t max,
	     void (*fn)(void *ctx, const struct trace_drop *d), void *ctx,
	     uint64_t *ret_lost, struct err *err);

/* dp_check() - compare the kernel with what was told, without changing it.
 * Calls @fn (may be NULL) for each difference with one line of text.
 * Return: their number. */
int dp_check(struct dp *dp, void (*fn)(void *ctx, const char *line), void *ctx,
	     struct err *err);

#endif
