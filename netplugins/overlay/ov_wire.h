/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ov_wire.h - what the wires' two nftables tables are made of: sets, chains and rules
 * (ov_wire_rules.c).  What is in the sets is ov_wire.c's.
 */
#ifndef NETPLUGINS_OVERLAY_OV_WIRE_H
#define NETPLUGINS_OVERLAY_OV_WIRE_H

#include "netplugins/overlay/overlay.h"

#include "lib/fw_expr.h"

/* Of two tables, in this order. */
enum ov_wire_set {
	/* inet; a VNI is shown with the byte behind it: 0x100100 is 4097 */
	SET_VNIS,
	SET_SECRET,
	SET_HOSTS4,
	SET_HOSTS6,
	SET_FAR4,
	SET_FAR6,
	/* bridge */
	SET_WIRES,
	SET_WAYS, /* the same, as they come in */
	SET_KNOWN,
	SET_OWN4,
	SET_OWN6,
	SET_SAYS6, /* the same, as a neighbour message says it */
	SET_GATE_MAC,
	SET_GATE4,
	SET_GATE6,
	SET_TARGET6, /* the same, as a neighbour message says it */
	SET_GROUPS,
	SET_MAX,
	SET_BRIDGE_FIRST = SET_WIRES,
};

/* One that was told; in order of set and key. */
struct ov_wire_elem {
	uint8_t set;
	uint8_t key[40];   /* the rest 0 */
	const char *chain; /* static; NULL: no verdict */
};

extern const struct fw_set ov_wire_sets[SET_MAX];

struct ov_wire_rule {
	const char *chain, *comment;
	struct fw_expr exprs[14];
};

/* A table; rules are in order within a chain. */
struct ov_wire_half {
	struct fw_table table;
	const struct fw_chain *chains;
	size_t chain_count;
	const struct ov_wire_rule *rules;
	size_t rule_count;
	int first, end; /* of sets */
};

extern const struct ov_wire_half ov_wire_halves[2]; /* inet, bridge */

#endif
