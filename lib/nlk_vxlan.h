/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nlk_vxlan.h - VXLAN links, and the tables that say what is behind them: where a
 * MAC is (FDB), who has an address (neighbours).
 */
#ifndef LIB_NLK_VXLAN_H
#define LIB_NLK_VXLAN_H

#include "lib/nlk.h"

struct nlk_vxlan_conf {
	const char *name, *alias;
	uint32_t vni;
	uint16_t port;        /* UDP, host order */
	struct ip_addr local; /* its family is that of all it sends */
	bool learning;        /* from what comes in */
	struct mac_addr mac;  /* none: the kernel's choice */
	uint32_t mtu;         /* 0: the kernel's default */
};

/*
 * nlk_vxlan_add() - the link, down, with its alias, bound to no other link; what it
 * sends is never fragmented (DF).  Everything or nothing.
 * Return: 0; -EEXIST: the name is taken, or this VNI and port by another link,
 *         which @err names; -EOPNOTSUPP: the kernel has no VXLAN.
 */
int nlk_vxlan_add(struct nlk *nlk, const struct nlk_vxlan_conf *conf,
		  struct err *err);
/*
 * nlk_vxlan_up() - nlk_link_up(); the port is taken only now.
 * Return: -EADDRINUSE: by something else than a VXLAN link that can share it; @err
 *         names such a link.
 */
int nlk_vxlan_up(struct nlk *nlk, int index, uint16_t port, struct err *err);
/* Send from @local, of the same family, from now on. */
int nlk_vxlan_set_local(struct nlk *nlk, int index, const struct ip_addr *local,
			struct err *err);

struct nlk_vxlan {
	int index; /* 0: none */
	char name[IFNAMSIZ];
	uint32_t vni;
	uint16_t port;
	struct ip_addr local; /* none: the kernel chooses */
	bool learning;
	bool alone; /* it shares its port with none that nlk_vxlan_add() makes */
};
/* -ENODEV: there is no such link, or it is no VXLAN. */
int nlk_vxlan_get(struct nlk *nlk, const char *name, struct nlk_vxlan *ret,
		  struct err *err);

/* Flags of a bridge's port.  The kernel's own: true, true, false. */
struct nlk_port_flags {
	bool learning, flood; /* flood: unicast to nobody knows whom */
	bool suppress; /* answer ARP and ND from the bridge's neighbours */
};
/* The same again: 0, and nothing is sent, for the kernel tells everybody of a port
 * that is set, changed or not: who sets what it hears of would never end. */
int nlk_port_set(struct nlk *nlk, int index, const struct nlk_port_flags *flags,
		 struct err *err);

/* ---- where a MAC is ------------------------------------------------------- */

struct nlk_fdb {
	struct mac_addr mac; /* none: all that is not known, and groups */
	struct ip_addr dst;
	bool learnt; /* not made by anybody; goes by itself */
};
/* The same again: 0.  Of a MAC with another place: both are asked, for none; else
 * it is there now. */
int nlk_fdb_add(struct nlk *nlk, int index, const struct nlk_fdb *e,
		struct err *err);
int nlk_fdb_del(struct nlk *nlk, int index, const struct nlk_fdb *e,
		struct err *err); /* absent: 0 */
int nlk_fdb_each(struct nlk *nlk, int index,
		 int (*fn)(void *ctx, const struct nlk_fdb *e), void *ctx,
		 struct err *err);

/* That a bridge has @mac behind port @index, for ever.  The same again: 0. */
int nlk_port_mac_add(struct nlk *nlk, int index, const struct mac_addr *mac,
		     struct err *err);
int nlk_port_mac_del(struct nlk *nlk, int index, const struct mac_addr *mac,
		     struct err *err); /* absent: 0 */
/* Those that do not go by themselves, without the port's own. */
int nlk_port_mac_each(struct nlk *nlk, int index,
		      int (*fn)(void *ctx, const struct mac_addr *mac),
		      void *ctx, struct err *err);

/* ---- who has an address --------------------------------------------------- */

struct nlk_neigh {
	struct ip_addr ip;
	struct mac_addr mac;
};
/* For ever.  The same again: 0; with another MAC: it is that now.
 * nlk_neigh_del() of nlk.h takes it away. */
int nlk_neigh_add(struct nlk *nlk, int index, const struct nlk_neigh *n,
		  struct err *err);
/* Those that are for ever, of both families. */
int nlk_neigh_each(struct nlk *nlk, int index,
		   int (*fn)(void *ctx, const struct nlk_neigh *n), void *ctx,
		   struct err *err);

#endif
