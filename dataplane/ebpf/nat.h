/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nat.h - published ports and masquerade by tc programs: what user space does
 * for bpf/publish.bpf.c.
 *
 * The programs work from maps (bpf/nat_map.h, and the published ports of
 * bpf/sock_map.h, which the socket hooks keep) and need nobody: everything is
 * pinned in the driver's directory and goes on without the daemon.  What they
 * let pass is nftables' matter, so a map that is late by a moment costs time,
 * not packets.
 *
 * Acts in the network namespace it was opened in.  Not locked: one thread at a
 * time.
 */
#ifndef DATAPLANE_EBPF_NAT_H
#define DATAPLANE_EBPF_NAT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/nat_map.h"
#include "dataplane/ebpf/pin.h"
#include "dataplane/portmap.h"
#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"
#include "lib/nlk.h"

struct nat;
struct tc;

/* Where programs at uplinks are pinned: tc.h's name. */
#define NAT_UPLINK_NAME "publish"

struct nat_config {
	struct pin_dir *pins; /* borrowed for the handle's life; locked if it is
			       * there */
	struct tc *tc;        /* borrowed likewise */
	struct nlk *nlk;      /* borrowed likewise */
	uint32_t new_max;     /* entries, two a flow, that may give way: up to
			   * the next power of two.  0: NAT_NEW_MAX */
	uint32_t est_max;     /* that do not; 0: NAT_EST_MAX */
	bool others; /* the maps that it shares are of another layout, and will
		      * be replaced: so are its own */
};

/*
 * nat_open() - look at what is there.  Maps of another layout are not read but
 * removed, with the programs at uplinks (*@dropped: tell it): their flows go on
 * by nftables or end.  Nothing else is changed in the kernel.
 */
int nat_open(const struct nat_config *cfg, struct nat **ret, bool *dropped,
	     struct err *err);
void nat_close(struct nat *nat); /* leaves the kernel; NULL is fine */
DEFINE_CLEANUP(struct nat, nat_close)

/*
 * nat_attach() - load the programs, take over or make the maps, pin them.  The
 * maps of published ports and of guarded ones must be pinned before
 * (sock_attach(), guard_start()).  Programs come to
 * uplinks with nat_host_sync(), to endpoints by whoever guards them.  The
 * second call does nothing.
 *
 * Return: 0; -EOPNOTSUPP when the kernel can't, @err says what it lacks.
 */
int nat_attach(struct nat *nat, struct err *err);
/* Were the flows in maps of other sizes when it attached, and so ended?  Tell it. */
bool nat_resized(const struct nat *nat);
bool nat_is_attached(const struct nat *nat);
/* Are maps of this namespace there, of us or an earlier daemon? */
bool nat_is_pinned(const struct nat *nat);
/* Where source ports come from, of flows that begin from then on. Default: NAT_MASQ_FIRST
 * to _LAST. Return: 0; -errno; before nat_attach() always 0. */
int nat_masquerade_ports(struct nat *nat, uint16_t first, uint16_t last,
			 struct err *err);
/* Remove programs, maps and pins: the last network is gone. Twice: 0. */
int nat_detach(struct nat *nat, struct err *err);

/*
 * nat_stand_aside() - after nat_attach(): let the stack have all packets, or
 * have them again.  Flows end, and as long as it is on none begins.  Kept with
 * the maps.
 * Return: 0; -errno: on failure to end flows it stands aside all the same, and
 * nat_flow_tick() goes on with them.
 */
int nat_stand_aside(struct nat *nat, bool on, struct err *err);

/* For the ingress of an endpoint's host side. Return: borrowed fd; -EBADF
 * before nat_attach(). */
int nat_endpoint_program(const struct nat *nat);

/* ---- endpoints (nat_ep.c) ------------------------------------------------ */

struct nat_endpoint {
	struct ip_addr ip4, ip6;           /* none: not there */
	struct ip_addr gateway4, gateway6; /* none: not there */
	struct ip_addr snat4, snat6;       /* none: by link */
	int ifindex, bridge;
	struct mac_addr mac, bridge_mac;
	bool masquerade4, masquerade6;
	bool internal4, internal6; /* nothing leaves, nothing comes in */
	bool rated;                /* it has a rate: guard.h */
	uint32_t policy;      /* number of its list (nat_policy.h); 0: none */
	uint32_t rate, burst; /* with it: dataplane/policy.h */
	uint32_t stat;        /* its counter (nat_stat.h); 0: none */
};

int nat_ep_add(struct nat *nat, const struct nat_endpoint *ep, struct err *err);
/* Entries of @ep's addresses that lead to its interface, and its flows. */
int nat_ep_del(struct nat *nat, const struct nat_endpoint *ep, struct err *err);
/* Of two with one address the one with the higher ifindex counts: the other one
 * is on its way out.  Return: entries changed; -errno. */
int nat_ep_sync(struct nat *nat, const struct nat_endpoint *list, size_t count,
		struct err *err);
/* Return: how many entries nat_ep_sync() would change. */
int nat_ep_differ(struct nat *nat, const struct nat_endpoint *list,
		  size_t count, struct err *err);

/* ---- the host's links and addresses (nat_host.c) ------------------------- */

enum nat_link_kind {
	NAT_KIND_UPLINK, /* as far as it has an Ethernet header and no master */
	NAT_KIND_CLOSED, /* somebody else's network: an uplink all the same */
	NAT_KIND_OURS,   /* a bridge of a Berth network */
	NAT_KIND_OTHER,  /* not to be seen at all */
};

/* What the host cannot be asked. */
struct nat_view {
	void *ctx;
	enum nat_link_kind (*kind)(void *ctx, const struct nlk_link *l);
	/* Is @ip, an address of bridge @l, a Berth network's gateway? */
	bool (*is_gateway)(void *ctx, const struct nlk_link *l,
			   const struct ip_addr *ip);
};

/*
 * nat_host_sync() - read links and addresses, and where they lead; make nat_link,
 * nat_source and nat_local equal to them, and have the program at each uplink.
 * @back: uplinks where it was taken away by somebody, put back.
 * Return: entries and uplinks changed; -errno: at the next call.
 */
int nat_host_sync(struct nat *nat, const struct nat_view *view, int *back,
		  struct err *err);
/* Have the program back at uplinks where somebody took it away.  One system call
 * or two an uplink. Return: their number; -errno. */
int nat_host_mend(struct nat *nat, struct err *err);
/* One line for each uplink without its program, and each entry that is wrong.
 * Return: their number; -errno. */
int nat_host_check(struct nat *nat, const struct nat_view *view,
		   void (*fn)(void *ctx, const char *line), void *ctx,
		   struct err *err);

/* ---- flows (nat_flow.c) -------------------------------------------------- */

/* Seconds without a packet, as conntrack has them where it knows the state (not
 * silent ones). */
#define NAT_IDLE_TCP_HALF     30
#define NAT_IDLE_TCP_REPLIED  60
#define NAT_IDLE_TCP_OPEN     432000
#define NAT_IDLE_TCP_SILENT   600 /* who was asked has said SYN ACK and no more */
#define NAT_IDLE_TCP_CLOSING  30
#define NAT_IDLE_UDP_HALF     30
#define NAT_IDLE_UDP_OPEN     120
#define NAT_IDLE_SCTP_REPLIED 60 /* the first heartbeat comes after some 31 */
#define NAT_IDLE_SCTP_OPEN    210
#define NAT_IDLE_OTHER        30

/* A flow matches when everything said here holds. */
struct nat_filter {
	struct ip_addr container; /* of one of its ends; none, with ports: of
				   * whomever */
	struct ip_addr host;      /* with ports: it came to this address; none:
				   * to any */
	uint8_t proto;            /* 0: whatever; the rest means nothing then */
	uint16_t first;           /* host ports of what is published */
	uint32_t count;
};

/*
 * nat_flow_forget() - end the flows that match any of @filters: their next
 * packet is a new one's.  What is made at this very moment goes at the next
 * tick, unless it is of an endpoint and a port that are there then.  One walk over all flows; none where there are none.
 * Return: number of entries removed; -errno.
 */
int nat_flow_forget(struct nat *nat, const struct nat_filter *filters,
		    size_t count, struct err *err);
/* The maps were taken over, and are told: let the next walk end flows of
 * endpoints and published ports that are no more. */
void nat_flow_recheck(struct nat *nat);
/*
 * nat_flow_tick() - once a second: walk on by about @bound entries and remove
 * those that are idle for too long.  A walk over all begins every ten seconds
 * at most, and where there are no flows none does.
 * Return: number of entries removed; -errno.
 */
int nat_flow_tick(struct nat *nat, uint32_t bound, struct err *err);

/* Per cent of the room for established flows: fuller than that it is crowded, until it has been emptier
 * than that. */
#define NAT_CROWDED 80
#define NAT_ROOMY   70

/* Is there little room for established flows, as far as nat_flow_tick() saw? */
bool nat_flow_crowded(const struct nat *nat);
/* Entries of established flows that there is room for, two a flow. 0: not
 * attached. */
uint32_t nat_flow_room(const struct nat *nat);
/* The rule, for tests. @all: @entries are all there are, not those seen yet. */
bool nat_is_crowded(bool was, uint64_t entries, uint32_t max, bool all);

/* ---- counters ------------------------------------------------------------ */

/* "in", "drop-full": of enum nat_count. NULL: no such. */
const char *nat_count_name(unsigned int which);
int nat_counts(struct nat *nat, uint64_t ret[static NAT_COUNT_MAX],
	       struct err *err);

#endif
