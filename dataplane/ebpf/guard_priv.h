/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_priv.h - the guard's own structure, shared by its files. */
#ifndef DATAPLANE_EBPF_GUARD_PRIV_H
#define DATAPLANE_EBPF_GUARD_PRIV_H

#include "dataplane/ebpf/guard.h"
#include "dataplane/ebpf/tc.h"

#define GUARD_NAME "guard" /* of its pins */

struct port {
	struct guard_conf conf;
	int ifindex;  /* 0: the interface is gone */
	int bridge;   /* interface index, as in its entry */
	bool suspect; /* somebody may have taken its programs away */
};

/* A bridge with the short way. */
struct short_net {
	char bridge[IFNAMSIZ], wire[IFNAMSIZ];
	int bridge_index, wire_index; /* 0: not there */
	struct dp_far *far;           /* owned; sorted by MAC, each once */
	size_t far_count;
	bool suspect; /* somebody may have taken the wire's program away */
};

struct guard {
	struct pin_dir *pins;
	struct tc *tc;   /* owned; NULL: not started */
	uint64_t cookie; /* of our network namespace */
	bool foreign;    /* the pins are of another namespace */
	bool other;      /* or of another layout */
	bool loading;
	int in, out, wire; /* programs; owned, and the next three; -EBADF */
	int ports_map, rates_map, ways_map;
	struct port *ports; /* owned */
	size_t count, room;
	size_t next; /* the port that the next tick begins with */
	struct guard_other *others; /* owned */
	size_t other_count;
	struct short_net *nets; /* owned */
	size_t net_count;
	size_t next_net; /* as .next */
	bool short_due;  /* map or wires may not be as they should be */
};

/* ---- the short way (guard_short.c) ---------------------------------------- */

/* Does @p send and get by it? */
bool guard_short_has(const struct guard *g, const struct port *p);
/* Have map and wires as ports and networks are now.  Return: 1: something was
 * changed; 0; -errno: what is missing goes by the bridge. */
int guard_short_sync(struct guard *g, struct err *err);
bool guard_short_is_wire(const struct guard *g, int ifindex);
/* As guard_lost(), of wires. */
bool guard_short_lost(struct guard *g, int ifindex);
/* As guard_follow(), of wires and map. */
int guard_short_follow(struct guard *g, bool tick);
int guard_short_check(struct guard *g, void (*fn)(void *ctx, const char *line),
		      void *ctx);
void guard_short_fini(struct guard *g);

/* ---- guard.c --------------------------------------------------------------- */

/* @p's entry is as it should be from now on.  Return: 1: it was another; 0;
 * -errno. */
int guard_put_entry(struct guard *g, const struct port *p, struct err *err);

#endif
