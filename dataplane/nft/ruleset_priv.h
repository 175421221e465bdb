/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ruleset_priv.h - shared by the ruleset's files: sets, rules, elements. */
#ifndef DATAPLANE_NFT_RULESET_PRIV_H
#define DATAPLANE_NFT_RULESET_PRIV_H

#include "dataplane/nft/ruleset.h"
#include "lib/fw_expr.h"

enum set_id {
	/* inet: networks, by bridge name */
	SET_NETS,
	SET_SAME,
	SET_ICC,
	SET_TRUSTED,
	SET_INTERNAL4,
	SET_INTERNAL6,
	SET_ISOLATED4,
	SET_ISOLATED6,
	SET_ROUTED4,
	SET_ROUTED6,
	SET_DIRECT4,
	SET_DIRECT6,
	SET_MASQ4,
	SET_MASQ6,
	SET_SNAT4,
	SET_SNAT6,
	SET_GATES4,
	SET_GATES6,
	SET_GATE4,
	SET_GATE6,
	SET_SUBNETS4,
	SET_SUBNETS6,
	SET_LOCAL4,
	SET_LOCAL6,
	/* inet: published ports */
	SET_ADDR4,
	SET_ADDR6,
	SET_ANY4,
	SET_ANY6,
	SET_ADDR4R,
	SET_ADDR6R,
	SET_ANY4R,
	SET_ANY6R,
	SET_OPEN4,
	SET_OPEN6,
	SET_OPEN4R,
	SET_OPEN6R,
	/* inet: of them, those that the host's INPUT judges first */
	SET_JUDGE_ADDR4,
	SET_JUDGE_ADDR6,
	SET_JUDGE_ANY4,
	SET_JUDGE_ANY6,
	SET_JUDGE_ADDR4R,
	SET_JUDGE_ADDR6R,
	SET_JUDGE_ANY4R,
	SET_JUDGE_ANY6R,
	/* inet: bridge ports, links of others */
	SET_PORTS,
	SET_FOREIGN,
	SET_FRIENDS,
	SET_WITHIN,
	SET_STOP,
	/* bridge */
	SET_NO_CT,
	SET_GUARDED,
	SET_PORTS4,
	SET_PORTS6,
	SET_SELF,
	SET_APART,
	SET_MAC,
	SET_SENDER4,
	SET_FROM4,
	SET_FROM6,
	SET_TARGET6,
	SET_MAX,
	SET_BRIDGE_FIRST = SET_NO_CT,
};

extern const struct fw_set ruleset_sets[SET_MAX];

/* A chain and its rules; both lists end with an empty entry. */
struct chain_rule {
	const struct fw_expr *exprs;
	const char *comment;
};

struct chain_def {
	struct fw_chain chain;
	const struct chain_rule *rules;
};

/* In both forms of the tables (ruleset.h); rules that ask or translate are left
 * out of the untracked one. */
extern const struct chain_def ruleset_wire_chains[];
extern const struct chain_def ruleset_filter_chains[];
extern const struct chain_def ruleset_bridge_chains[];
/* In one: its further chains, and what it has after the rules of the above. */
extern const struct chain_def ruleset_nat_chains[];
extern const struct chain_def ruleset_untracked_chains[];

/* berth.firewall=respect, only where a network asks for it: chains of the inet
 * table, and one chain in an ip and an ip6 table each (dup is not for inet). */
#define JUDGE_MARK 0x02000000u /* first time in: up to the host's INPUT */
extern const struct chain_def ruleset_again_chains[];
#define LATE_RULES 2u
/* @index: of the device that brings packets in again. */
void ruleset_late(struct fw_batch *b, const struct fw_table *t, int index);

/* Called for each element an object stands for. */
typedef void (*elem_fn)(void *ctx, enum set_id set, const struct fw_elem *e);

void elems_network(const struct dp_network *net, elem_fn fn, void *ctx);
void elems_port(const struct dp_network *net, const struct dp_port *port,
		elem_fn fn, void *ctx);
/* Return: 0; -ENOMEM. */
int elems_publish(const struct dp_network *net, const struct dp_publish *pub,
		  elem_fn fn, void *ctx);
void elems_links(const struct state *st, elem_fn fn, void *ctx);

#endif
