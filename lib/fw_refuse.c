/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_refuse.c - which chains refuse packets at some hooks?
 *
 * A graph: chains are its nodes, jumps its edges, base chains of the hooks where a
 * walk begins.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

struct node {
	uint8_t family;
	char table[64], name[64];
	bool base, reached;
	bool by_map; /* a rule of it jumps to where a map says */
	size_t refuses;
};

struct edge {
	size_t from;
	char to[64];
};

struct graph {
	uint32_t hooks;
	struct node *nodes;
	struct edge *edges;
	size_t node_count, edge_count;
};

static void graph_fini(struct graph *g)
{
	free(g->nodes);
	free(g->edges);
	*g = (struct graph){ .hooks = g->hooks };
}

static void copy_name(char to[64], const struct nlattr *a)
{
	snprintf(to, 64, "%s", a ? mnl_attr_get_str(a) : "");
}

static struct node *find(struct graph *g, uint8_t family, const char *table,
			 const char *name)
{
	for (size_t i = 0; i < g->node_count; i++) {
		struct node *n = &g->nodes[i];

		if (n->family == family && strcmp(n->name, name) == 0 &&
		    strcmp(n->table, table) == 0)
			return n;
	}
	return NULL;
}

/* ---- reading -------------------------------------------------------------- */

static int read_chain(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *hook = fw_attr_find(h, NFTA_CHAIN_HOOK);
	struct graph *g = ctx;
	struct node *n;
	uint32_t num = fw_nested_u32(hook, NFTA_HOOK_HOOKNUM);

	if (m->nfgen_family == NFPROTO_NETDEV)
		num = num == NF_NETDEV_INGRESS ? NF_INET_INGRESS : UINT32_MAX;
	else if (m->nfgen_family != NFPROTO_INET &&
		 m->nfgen_family != NFPROTO_IPV4 &&
		 m->nfgen_family != NFPROTO_IPV6)
		return 0;
	n = reallocarray(g->nodes, g->node_count + 1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	g->nodes = n;
	n += g->node_count++;
	*n = (struct node){ .family = m->nfgen_family, .base = hook != NULL };
	n->reached = hook && num < 32 && (g->hooks & (UINT32_C(1) << num));
	copy_name(n->table, fw_attr_find(h, NFTA_CHAIN_TABLE));
	copy_name(n->name, fw_attr_find(h, NFTA_CHAIN_NAME));
	return 0;
}

static int add_edge(struct graph *g, struct node *from, const struct nlattr *to)
{
	struct edge *e = reallocarray(g->edges, g->edge_count + 1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	g->edges = e;
	e += g->edge_count++;
	e->from = (size_t)(from - g->nodes);
	copy_name(e->to, to);
	return 0;
}

static int read_verdict(struct graph *g, struct node *n,
			const struct nlattr *data, bool *refuses)
{
	const struct nlattr *value = fw_nested_find(data, NFTA_IMMEDIATE_DATA);
	const struct nlattr *verdict = fw_nested_find(value, NFTA_DATA_VERDICT);
	const struct nlattr *to = fw_nested_find(verdict, NFTA_VERDICT_CHAIN);
	uint32_t code = fw_nested_u32(verdict, NFTA_VERDICT_CODE);

	if (!verdict)
		return 0;
	if (to)
		return add_edge(g, n, to);
	*refuses = *refuses || code == NF_DROP ||
		   (code & NF_VERDICT_MASK) == NF_QUEUE;
	return 0;
}

static bool target_refuses(const struct nlattr *data)
{
	const struct nlattr *name = fw_nested_find(data, NFTA_TARGET_NAME);
	const char *s = name ? mnl_attr_get_str(name) : "";

	return strcmp(s, "REJECT") == 0 || strcmp(s, "NFQUEUE") == 0 ||
	       strcmp(s, "TARPIT") == 0;
}

static int read_expr(struct graph *g, struct node *n, const struct nlattr *expr,
		     bool *refuses)
{
	const struct nlattr *name = fw_nested_find(expr, NFTA_EXPR_NAME);
	const struct nlattr *data = fw_nested_find(expr, NFTA_EXPR_DATA);
	const char *s = name ? mnl_attr_get_str(name) : "";

	if (strcmp(s, "immediate") == 0)
		return read_verdict(g, n, data, refuses);
	if (strcmp(s, "reject") == 0 || strcmp(s, "queue") == 0 ||
	    (strcmp(s, "target") == 0 && target_refuses(data)))
		*refuses = true;
	else if (strcmp(s, "lookup") == 0 &&
		 fw_nested_u32(data, NFTA_LOOKUP_DREG) == NFT_REG_VERDICT)
		n->by_map = true;
	return 0;
}

static int read_rule(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *list = fw_attr_find(h, NFTA_RULE_EXPRESSIONS);
	struct graph *g = ctx;
	char table[64], name[64];
	bool refuses = false;
	struct node *n;

	copy_name(table, fw_attr_find(h, NFTA_RULE_TABLE));
	copy_name(name, fw_attr_find(h, NFTA_RULE_CHAIN));
	n = list ? find(g, m->nfgen_family, table, name) : NULL;
	if (!n)
		return 0;
	for (const struct nlattr *a = fw_nested(list); a;
	     a = fw_nested_next(list, a)) {
		int r = read_expr(g, n, a, &refuses);

		if (r < 0)
			return r;
	}
	n->refuses += refuses;
	return 0;
}

/* ---- walking -------------------------------------------------------------- */

static bool reach(struct node *n)
{
	bool is_new = n && !n->reached && !n->base;

	if (is_new)
		n->reached = true;
	return is_new;
}

/* Whatever a map of verdicts names: taken to be any chain of its table. */
static bool reach_by_map(struct graph *g, const struct node *from)
{
	bool more = false;

	for (size_t i = 0; i < g->node_count; i++) {
		struct node *n = &g->nodes[i];

		if (n->family == from->family &&
		    strcmp(n->table, from->table) == 0 && reach(n))
			more = true;
	}
	return more;
}

static void walk(struct graph *g)
{
	bool more;

	/* each turn but the last reaches a chain */
	do {
		more = false;
		for (size_t i = 0; i < g->edge_count; i++) {
			const struct edge *e = &g->edges[i];
			const struct node *from = &g->nodes[e->from];

			if (from->reached &&
			    reach(find(g, from->family, from->table, e->to)))
				more = true;
		}
		for (size_t i = 0; i < g->node_count; i++)
			if (g->nodes[i].reached && g->nodes[i].by_map &&
			    reach_by_map(g, &g->nodes[i]))
				more = true;
	} while (more);
}

int fw_refuse_each(struct fw *fw, uint32_t hooks,
		   int (*fn)(void *ctx, const struct fw_refusal *f), void *ctx,
		   struct err *err)
{
	_cleanup_(graph_fini) struct graph g = { .hooks = hooks };
	int r = -EINTR;

	for (int i = 0; i < FW_DUMP_TRIES && r == -EINTR; i++) {
		graph_fini(&g);
		r = fw_dump(fw, NFT_MSG_GETCHAIN, read_chain, &g);
		if (r == 0)
			r = fw_dump(fw, NFT_MSG_GETRULE, read_rule, &g);
	}
	if (r < 0)
		return err_set(err, r, "rules of this host: %s", strerror(-r));
	walk(&g);
	for (size_t i = 0; i < g.node_count && r == 0; i++) {
		const struct node *n = &g.nodes[i];
		const struct fw_refusal f = {
			.table = { n->family, n->table },
			.chain = n->name,
			.rules = n->refuses,
		};

		if (n->reached && n->refuses)
			r = fn(ctx, &f);
	}
	return r;
}
