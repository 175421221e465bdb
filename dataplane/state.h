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

/* The same as it is kept, in one block (state_row.c). */
struct state_row {
	char id[65];                /* of the endpoint */
	uint8_t flags;              /* state_row.c's */
	uint32_t count;             /* of ranges */
	struct state_name *network; /* counted */
	uint8_t data[];
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
	struct tab pubs;     /* struct state_row */
	struct tab names;    /* of networks that they are on: state_row.c */
	struct tab links;    /* struct state_link */
	bool stop4, stop6;   /* drop what is forwarded between others */
	uint64_t used[STATE_PROTOS][65536 / 64]; /* a host port of some
			* publish, on whatever address */
	bool stale; /* .used has ports of publishes that went: only slower */
};

void state_fini(struct state *st);
void state_pub_free(struct state_pub *p); /* NULL is fine */
DEFINE_CLEANUP(struct state_pub, state_pub_free)

/*
 * state_row_new() - @p packed, to be put into .pubs, with its claim, which is @p's
 * still: state_row_keep() takes it out of @p.
 * Return: owned; NULL: no memory.
 */
struct state_row *state_row_new(struct state *st, const struct state_pub *p);
void state_row_keep(const struct state_row *row, struct state_pub *p);
/* The row alone, with no port let go; NULL is fine. */
void state_row_free(struct state *st, struct state_row *row);
/* state_row_open() - unpacked, with the claim: free the row then, or take the
 * claim out again by state_row_keep().  Return: 0; -ENOMEM. */
int state_row_open(const struct state_row *row, struct claim_host *host,
		   struct state_pub **ret, struct err *err);
/* state_row_view() - the same to look at, without the claim: @ret->pub.ports are
 * to be freed. */
int state_row_view(const struct state_row *row, struct state_pub *ret,
		   struct err *err);
const char *state_row_network(const struct state_row *row);
void state_row_ips(const struct state_row *row, struct ip_addr *ip4,
		   struct ip_addr *ip6);
bool state_row_holds(const struct state_row *row); /* state_pub.holds */
bool state_row_is_claimed(const struct state_row *row);
/* state_row_claim() - the claim, where it had to be kept.  Borrowed. */
struct claim *state_row_claim(const struct state_row *row);

/* Its ranges, one after the other. */
struct state_ranges {
	const uint8_t *at;
	uint32_t left;
};

struct state_ranges state_row_ranges(const struct state_row *row);
bool state_ranges_next(struct state_ranges *it, struct port_range *ret);

struct dp_network *state_network(const struct state *st, const char *id);

/*
 * state_clash() - which publish already holds a host port of @r.  One that holds
 * none (routed, internal) is not looked at.
 * @except: endpoint not to be looked at, or NULL.
 * @ret_port: the first such port.  Return: NULL when all are free.
 */
const struct state_row *state_clash(const struct state *st,
				    const struct port_range *r,
				    const char *except, uint16_t *ret_port);
/* Bring .used up to date after a publish came; after some went. */
void state_mark(struct state *st, const struct portmap *m);
void state_remark(struct state *st);

/* Do two host addresses of one port exclude each other?  none: both families. */
bool state_addr_meets(const struct ip_addr *a, const struct ip_addr *b);

/* Is a host port of the one the other's, too? */
bool port_range_meets(const struct port_range *a, const struct port_range *b);

/* Does this publish open anything?  Not on internal and isolated networks. */
bool state_pub_opens(const struct dp_network *net, int family);

bool network_equal(const struct dp_network *a, const struct dp_network *b);
bool port_equal(const struct dp_port *a, const struct dp_port *b);
bool publish_equal(const struct dp_publish *a, const struct dp_publish *b);

#endif
