/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlk.h - rtnetlink through libnl-3; the only place that sees libnl's codes.
 *
 * libnl returns -NLE_*, which folds several errnos into one.  This module
 * catches the kernel's own errno and its extended-ack line, so the rest of
 * the tree speaks negative errno only.
 *
 * A handle is bound to the netns it was opened in and may be used by several
 * threads (it has a mutex).  Deleting links waits for RCU (20-50 ms): do that
 * on a handle of its own.
 *
 * The mark: every link we make bears an alias "berth:<driver>:<id>"
 * (IFLA_IFALIAS).  Nothing without it is ever deleted.
 */
#ifndef LIB_NLK_H
#define LIB_NLK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base.h"
#include "lib/err.h"
#include "lib/ip.h"

struct nlk; /* one NETLINK_ROUTE socket, bound to the netns it was opened in */

#define NLK_ALIAS_MAX 160 /* bytes, with the NUL */

/*
 * nlk_open() - open a socket in the calling thread's network namespace.
 * @ret: owned; nlk_close().  Return: 0; -ENOMEM; -errno.
 */
int nlk_open(struct nlk **ret, struct err *err);
/* The same in the namespace of descriptor @netns (needs CAP_SYS_ADMIN). */
int nlk_open_in(int netns, struct nlk **ret, struct err *err);
void nlk_close(struct nlk *nlk); /* NULL is fine */
DEFINE_CLEANUP(struct nlk, nlk_close)

/* ---- links (nlk_link.c, nlk_counts.c) ------------------------------------------------ */

struct nlk_link {
	int index, master;             /* master 0: none */
	int peer_index;                /* IFLA_LINK; 0: none */
	char name[IFNAMSIZ], kind[16]; /* kind "": a device of its own */
	char alias[NLK_ALIAS_MAX];
	struct mac_addr mac;
	uint32_t mtu;
	uint16_t type;           /* ARPHRD_*; 1: Ethernet */
	bool up, peer_elsewhere; /* IFLA_LINK_NETNSID is set */
	/* Up and with a carrier, as the kernel has told all who hear of it: a
	 * bridge has its port forwarding by then. */
	bool running;
	uint16_t vlan; /* id of an 802.1q link; 0: it is none */
	int peer_nsid; /* where the peer is, for nlk_link_counts(); -1: here, or
			* in a namespace that this one has no number for */
};

struct nlk_bridge_conf {
	const char *name, *alias;
	struct mac_addr mac; /* none: the kernel's choice (then it changes with
			      * the ports; give one) */
	uint32_t mtu;        /* 0: the kernel's default */
};

/*
 * nlk_bridge_add() - a bridge, down, with alias, multicast snooping off, no
 * STP, not learning from link-local frames, in one message as far as the
 * kernel allows.
 * Return: 0; -EEXIST when the name is taken (by whom: see nlk_link_get).
 */
int nlk_bridge_add(struct nlk *nlk, const struct nlk_bridge_conf *conf,
		   struct err *err);

struct nlk_veth_conf {
	const char *name, *peer;  /* host side, container side */
	const char *alias;        /* both ends */
	int master;               /* ifindex of the bridge for @name; 0: none */
	struct mac_addr peer_mac; /* none: the kernel's choice */
	uint32_t mtu;             /* both ends; 0: default */
	bool hairpin;             /* bridge port flag */
};

/*
 * nlk_veth_add() - the pair, aliased, MTU and MAC set, @name enslaved and up,
 * @peer down.  Everything or nothing: what failed after creation is deleted.
 * Return: 0; -EEXIST if either name is taken.
 */
int nlk_veth_add(struct nlk *nlk, const struct nlk_veth_conf *conf,
		 struct err *err);

/* ---- links on top of others (nlk_stack.c) ------------------------------- */

enum nlk_stack_kind {
	NLK_MACVLAN,   /* .mode: MACVLAN_MODE_* */
	NLK_IPVLAN,    /* .mode: IPVLAN_MODE_*, .flags: IPVLAN_F_* */
	NLK_VLAN,      /* .mode: the 802.1q id */
	NLK_DUMMY,     /* no .lower */
	NLK_WIREGUARD, /* no .lower; see nlk_wg.h */
};

struct nlk_stack_conf {
	enum nlk_stack_kind kind;
	const char *name, *alias;
	int lower; /* ifindex */
	uint16_t mode, flags;
	struct mac_addr mac; /* none: the kernel's choice */
	uint32_t mtu;        /* 0: the kernel's default */
};

/*
 * nlk_stack_add() - the link, down, with its alias.  Everything or nothing.
 * Return: 0; -EEXIST if the name is taken, or on a VLAN's lower link the id;
 *         -EOPNOTSUPP: the kernel has no such kind; -EBUSY: something else
 *         takes what @lower receives (a bridge, a bond, another kind).
 */
int nlk_stack_add(struct nlk *nlk, const struct nlk_stack_conf *conf,
		  struct err *err);
/* Move a link into the namespace of descriptor @netns; it is down then, and may
 * have another index there. */
int nlk_link_netns(struct nlk *nlk, int index, int netns, struct err *err);

/* @name or @index chooses (@name NULL: index).  -ENODEV when absent. */
int nlk_link_get(struct nlk *nlk, const char *name, int index,
		 struct nlk_link *ret, struct err *err);
int nlk_link_up(struct nlk *nlk, int index, bool up, struct err *err);
int nlk_link_arp(struct nlk *nlk, int index, bool arp, struct err *err);
int nlk_link_mtu(struct nlk *nlk, int index, uint32_t mtu, struct err *err);
int nlk_link_mac(struct nlk *nlk, int index, const struct mac_addr *mac,
		 struct err *err);
int nlk_link_rename(struct nlk *nlk, int index, const char *name,
		    struct err *err);
int nlk_link_alias(struct nlk *nlk, int index, const char *alias,
		   struct err *err);
int nlk_link_master(struct nlk *nlk, int index, int master, struct err *err);
/* The bridge port flag: may a frame leave by the port it came in by? */
int nlk_port_hairpin(struct nlk *nlk, int index, bool on, struct err *err);
/*
 * nlk_link_del() - delete @name if its alias is @alias exactly.
 * Return: 0, also when there is no such link; -EPERM when it bears another
 * alias or none: it is not ours.
 */
int nlk_link_del(struct nlk *nlk, const char *name, const char *alias,
		 struct err *err);

struct nlk_link_ref {
	const char *name, *alias; /* borrowed */
	int result;               /* as nlk_link_del() would return */
};

/*
 * nlk_link_del_many() - delete several links in one go: the kernel waits for
 * RCU once, not once a link (100 veth pairs: 38 ms; one: 28 ms).
 *
 * The links that are ours are put into an interface group of its own, and the
 * group is deleted.  A crash between the two leaves links that the next call
 * takes along.
 *
 * Return: 0 when each @refs[i].result is set; -errno when the deletion itself
 * failed: nothing was deleted.
 */
int nlk_link_del_many(struct nlk *nlk, struct nlk_link_ref *refs, size_t count,
		      struct err *err);
/*
 * nlk_link_each() - every link of the namespace, one dump, retried when the
 * kernel says it was interrupted (NLM_F_DUMP_INTR).  A negative return of @fn
 * ends the walk and is returned.
 */
int nlk_link_each(struct nlk *nlk,
		  int (*fn)(void *ctx, const struct nlk_link *link), void *ctx,
		  struct err *err);

/* What passed by a link, as it counts itself: rx is what came to it. */
struct nlk_counts {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
	int peer_index; /* its IFLA_LINK: whose other end it is */
};

/*
 * nlk_link_counts() - of the link @index in the namespace that this one knows by the
 * number @nsid (nlk_link.peer_nsid); -1: in this one.  Nothing is entered.
 * Return: 0; -ENODEV; -EINVAL: no such namespace.
 */
int nlk_link_counts(struct nlk *nlk, int nsid, int index,
		    struct nlk_counts *ret, struct err *err);

/* ---- addresses, routes (nlk_addr.c, nlk_route.c) ----------------------- */

/*
 * nlk_addr_add() - give @index the address @p (prefix length included).  v6 is
 * added nodad.  The same address again: 0.
 */
int nlk_addr_add(struct nlk *nlk, int index, const struct ip_prefix *p,
		 struct err *err);
/* The same, IPv6, without the route to its prefix. */
int nlk_addr_add_bare(struct nlk *nlk, int index, const struct ip_prefix *p,
		      struct err *err);
int nlk_addr_del(struct nlk *nlk, int index, const struct ip_prefix *p,
		 struct err *err);            /* absent: 0 */
int nlk_addr_each(struct nlk *nlk, int index, /* 0: all links */
		  int (*fn)(void *ctx, int index, const struct ip_prefix *p),
		  void *ctx, struct err *err);

struct nlk_addr {
	int index;
	struct ip_prefix p;
	struct ip_addr
		other;  /* p.addr, or the other end's, which p.len is of */
	uint8_t scope;  /* RT_SCOPE_* */
	uint32_t flags; /* IFA_F_* */
};
/* The same with all of it, of all links, in the kernel's order. */
int nlk_addr_walk(struct nlk *nlk,
		  int (*fn)(void *ctx, const struct nlk_addr *a), void *ctx,
		  struct err *err);

struct nlk_route {
	struct ip_prefix dst; /* len 0: default; addr has the family */
	struct ip_addr gateway, source;
	int oif;
	uint32_t table, metric, mtu; /* mtu 0: the link's */
	uint8_t protocol, scope, type;
};

/* Is @dst that of a default route, or one of the parts that VPNs make of it so as to
 * win over it (OpenVPN's def1: halves; IPv6: 2000::/3, 2000::/4)?  It overlaps
 * everything, and takes nothing from anybody who has a longer one. */
static inline bool nlk_is_default(const struct ip_prefix *dst)
{
	return dst->len <= (dst->addr.family == AF_INET6 ? 4 : 1);
}

int nlk_route_each(struct nlk *nlk, int family,
		   int (*fn)(void *ctx, const struct nlk_route *r), void *ctx,
		   struct err *err);
/* The kernel's answer for one destination (RTM_GETROUTE). -ENETUNREACH. */
int nlk_route_lookup(struct nlk *nlk, const struct ip_addr *dst,
		     struct nlk_route *ret, struct err *err);
/* The same for what is to leave by link @oif; ret->source is what the kernel
 * would send with. */
int nlk_route_lookup_by(struct nlk *nlk, const struct ip_addr *dst, int oif,
			struct nlk_route *ret, struct err *err);
int nlk_route_add(struct nlk *nlk, const struct nlk_route *r, struct err *err);
int nlk_route_del(struct nlk *nlk, const struct nlk_route *r, struct err *err);
/* Permanent or deleted neighbour entries: used to drop a stale one. */
int nlk_neigh_del(struct nlk *nlk, int index, const struct ip_addr *ip,
		  struct err *err); /* absent: 0 */

/* ---- traffic control (nlk_tc.c) ----------------------------------------- */

/* Filters at both hooks of a link's clsact.  Return: their number, as the
 * kernel lists them (a priority is one more); 0: also without clsact. */
int nlk_filter_count(struct nlk *nlk, int index, struct err *err);

/* ---- events (nlk_monitor.c) -------------------------------------------- */

enum nlk_event_type {
	NLK_LINK_NEW,
	NLK_LINK_DEL,
	NLK_ADDR_NEW,
	NLK_ADDR_DEL,
	NLK_ROUTE_NEW,
	NLK_ROUTE_DEL,
	NLK_TC_DEL, /* a queueing discipline or filter; nlk_monitor_add_tc() */
	NLK_LOST,   /* the socket overran (ENOBUFS): take a full look */
};

struct nlk_event {
	enum nlk_event_type type;
	struct nlk_link link;  /* LINK_*: as far as the message says */
	int index;             /* ADDR_*, TC_* */
	struct ip_prefix addr; /* ADDR_* */
};

struct nlk_monitor;
int nlk_monitor_open(struct nlk_monitor **ret, struct err *err);
void nlk_monitor_close(struct nlk_monitor *m);
DEFINE_CLEANUP(struct nlk_monitor, nlk_monitor_close)
/* Tell of traffic control as well. */
int nlk_monitor_add_tc(struct nlk_monitor *m, struct err *err);
int nlk_monitor_fd(const struct nlk_monitor *m); /* borrowed, for poll() */
/* Read all that is there, without blocking; messages whose sender is not the
 * kernel are dropped.  Return: events handled; -errno. */
int nlk_monitor_read(struct nlk_monitor *m,
		     void (*fn)(void *ctx, const struct nlk_event *e),
		     void *ctx, struct err *err);

#endif
