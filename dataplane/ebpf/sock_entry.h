/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock_entry.h - published ports and held ranges as entries of sock's maps.
 *
 * Pure data: a range becomes one key a port, or the few prefixes of a trie
 * that cover exactly its ports.
 */
#ifndef DATAPLANE_EBPF_SOCK_ENTRY_H
#define DATAPLANE_EBPF_SOCK_ENTRY_H

#include <linux/types.h>
#include <stddef.h>

#include "bpf/sock_map.h"
#include "dataplane/portmap.h"
#include "lib/err.h"
#include "lib/ip.h"

enum sock_table {
	SOCK_ANY,   /* sock_entry_index() is the key */
	SOCK_PUB,   /* key.key alone is the key */
	SOCK_RANGE, /* key is the key */
	SOCK_HELD,
	SOCK_TABLE_MAX,
};

struct sock_entry {
	struct sock_prefix key; /* bits is full in SOCK_ANY, SOCK_PUB */
	struct sock_dst dst;    /* not in SOCK_HELD */
	struct sock_ip6 ip6;    /* with SOCK_TO_IP6, where dst.at is 0: what
				 * number it has the maps know (sock_addr.c) */
	struct sock_hold hold;  /* refs is 1 in the other tables */
	enum sock_table table;
};

struct sock_entries {
	struct sock_entry *e; /* owned */
	size_t count, room;
};

void sock_entries_fini(struct sock_entries *l);

/* Append what @ports need so that the host's addresses lead to the container.
 * @singles_max: longer ranges go into the trie. Return: 0; -ENOMEM. */
int sock_entries_publish(struct sock_entries *l, const struct portmap *ports,
			 const struct ip_addr *ip4, const struct ip_addr *ip6,
			 uint32_t singles_max, struct err *err);
/* Where a port of SOCK_ANY is in sock_any. */
uint32_t sock_entry_index(const struct sock_entry *e);
/* The other way round: its key. */
struct sock_prefix sock_entry_key(uint32_t index);

/* Append what a port of several containers needs: pool4 and pool6 are its
 * numbers in sock_pool, for clients of each family.  Of @r only the host side
 * counts. */
int sock_entries_balance(struct sock_entries *l, const struct port_range *r,
			 uint32_t pool4, uint32_t pool6, struct err *err);
/* Append what keeps others from binding to @r's host ports on its address, which
 * it has.  (On any address: sock_port, which has no entries.) */
int sock_entries_hold(struct sock_entries *l, const struct port_range *r,
		      struct err *err);

int sock_entries_append(struct sock_entries *l, const struct sock_entry *e,
			struct err *err);
/* Sort by table and key; equal keys become one, with their refs added up. */
void sock_entries_sort(struct sock_entries *l);
/* In a sorted list. Return: borrowed; NULL: not there. */
const struct sock_entry *sock_entries_find(const struct sock_entries *l,
					   enum sock_table table,
					   const struct sock_prefix *key);
/* Take one reference to each of @gone's keys out of @l, sorted or not. */
void sock_entries_remove(struct sock_entries *l,
			 const struct sock_entries *gone);

#endif
