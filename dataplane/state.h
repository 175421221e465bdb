/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what the dataplane was told, in memory: networks, guarded ports,
 * publishes, and links of others that the rules speak of.
 *
 * Pure data, no I/O, no locks: the facade's.
 */
#ifndef DATAPLANE_STATE_H
#define DATAPLANE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/claim.h"
#include "dataplane/dataplane.h"
#include "lib/base.h"

/* Objects by id, sorted; each begins with char id[]. */
struct tab {
	void **items;
	size_t count, cap;
};

void *tab_find(const struct tab *t, const char *id);
/* tab_put() - @item is taken; what bore its id is freed.  -ENOMEM: nothing
 * happened and @item is still the caller's. */
int tab_put(struct tab *t, void *item);
void *tab_take(struct tab *t, const char *id); /* owned; NULL: not there */

struct state_port {
	char id[65]; /* of the endpoint */
	struct dp_port port;
	int index; /* of the link that has the eBPF dataplane's program; 0: none */
	bool leaving;  /* dp_service_leave() */
	uint32_t stat; /* its counter: index of nat_stat; 0: none */
};

struct state_pub {
	char id[65]; /* of the endpoint */
	struct dp_publish pub;
	struct claim *claim; /* owned; NULL: nothing claimed */
	bool holds; /* host ports: some family is open and not routed */
};

/* A link that is not of this driver. */
struct state_link {
	char id[IFNAMSIZ]; /* its name */
	int index;
	bool bridge, docker; /* docker: with a name that dockerd gives */
	bool closed; /* a bridge of somebody else's network: closed to our
		      * containers */
	bool friend; /* another Berth driver's: may forward where only we
		      * turned forwarding on */
};

#define STATE_PROTOS 3 /* tcp, udp, sctp */

struct state {
	struct tab networks; /* struct dp_network */
	struct tab ports;    /* struct state_port */
	struct tab pubs;     /* struct state_pub */
	struct tab links;    /* struct state_link */
	bool stop4, stop6;   /* drop what is forwarded between others */
	uint64_t used[STATE_PROTOS][65536 / 64]; /* a host port of some
			* publish, on whatever address */
};

void state_fini(struct state *st);
void state_pub_free(struct state_pub *p); /* NULL is fine */
DEFINE_CLEANUP(struct state_pub, state_pub_free)

struct dp_network *state_network(const struct state *st, const char *id);

/*
 * state_clash() - which publish already holds a host port of @r.  One that holds
 * none (routed, internal) is not looked at.
 * @except: endpoint not to be looked at, or NULL.
 * @ret_port: the first such port.  Return: NULL when all are free.
 */
const struct state_pub *state_clash(const struct state *st,
				    const struct port_range *r,
				    const char *except, uint16_t *ret_port);
/* Bring .used up to date after a publish came or went. */
void state_mark(struct state *st, const struct portmap *m);
void state_remark(struct state *st);

/* Do two host addresses of one port exclude each other?  none: both families. */
bool state_addr_meets(const struct ip_addr *a, const struct ip_addr *b);

/* Does this publish open anything?  Not on internal and isolated networks. */
bool state_pub_opens(const struct dp_network *net, int family);

bool network_equal(const struct dp_network *a, const struct dp_network *b);
bool port_equal(const struct dp_port *a, const struct dp_port *b);
bool publish_equal(const struct dp_publish *a, const struct dp_publish *b);

#endif
