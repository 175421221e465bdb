/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_tracks.c - who keeps connection tracking in use?
 *
 * The kernel counts, for each rule that asks it and each NAT chain, but tells
 * nobody.  So what is loaded is looked through for what it counts.
 */
#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/fw_priv.h"

struct look {
	const char *except; /* a table's name */
	bool found;
};

static bool is_one_of(const char *s, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(s, list[i]) == 0)
			return true;
	return false;
}

/* nftables' own expressions. */
static bool expr_tracks(const char *name)
{
	static const char *const names[] = {
		"ct",    "notrack",      "nat",      "masq",
		"redir", "flow_offload", "synproxy", "connlimit",
	};

	return is_one_of(name, names, ARRAY_SIZE(names));
}

/* iptables' matches and targets. */
static bool xt_tracks(const char *name)
{
	static const char *const names[] = {
		"conntrack", "state",   "connmark", "connbytes", "connlabel",
		"connlimit", "helper",  "cluster",  "CONNMARK",  "CONNSECMARK",
		"CT",        "NOTRACK", "SNAT",     "DNAT",      "MASQUERADE",
		"REDIRECT",  "NETMAP",  "SYNPROXY",
	};

	return is_one_of(name, names, ARRAY_SIZE(names));
}

static bool is_excepted(const struct look *look, const struct nlattr *table)
{
	return table && strcmp(mnl_attr_get_str(table), look->except) == 0;
}

static int look_at_chain(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *type = fw_attr_find(h, NFTA_CHAIN_TYPE);
	struct look *look = ctx;

	if (type && strcmp(mnl_attr_get_str(type), "nat") == 0 &&
	    !is_excepted(look, fw_attr_find(h, NFTA_CHAIN_TABLE)))
		look->found = true;
	return 0;
}

static int look_at_rule(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *list = fw_attr_find(h, NFTA_RULE_EXPRESSIONS);
	struct look *look = ctx;
	const struct nlattr *a;

	if (!list || look->found ||
	    is_excepted(look, fw_attr_find(h, NFTA_RULE_TABLE)))
		return 0;
	for (a = fw_nested(list); a; a = fw_nested_next(list, a)) {
		const struct nlattr *name = fw_nested_find(a, NFTA_EXPR_NAME);
		const struct nlattr *data = fw_nested_find(a, NFTA_EXPR_DATA);
		const char *s = name ? mnl_attr_get_str(name) : "";
		const struct nlattr *xt = NULL;

		if (strcmp(s, "match") == 0)
			xt = fw_nested_find(data, NFTA_MATCH_NAME);
		else if (strcmp(s, "target") == 0)
			xt = fw_nested_find(data, NFTA_TARGET_NAME);
		if (expr_tracks(s) || (xt && xt_tracks(mnl_attr_get_str(xt))))
			look->found = true;
	}
	return 0;
}

static int dump(struct fw *fw, uint16_t type,
		int (*fn)(const struct nlmsghdr *h, void *ctx),
		struct look *look)
{
	int r = 0;

	for (int i = 0; i < FW_DUMP_TRIES; i++) {
		r = fw_dump(fw, type, fn, look);
		if (r != -EINTR)
			break;
	}
	return r;
}

int fw_tracks(struct fw *fw, const char *except, struct err *err)
{
	struct look look = { .except = except };
	int r = dump(fw, NFT_MSG_GETCHAIN, look_at_chain, &look);

	/* who translates has most rules: those need not be read then */
	if (r == 0 && !look.found)
		r = dump(fw, NFT_MSG_GETRULE, look_at_rule, &look);
	return r < 0 ? err_set(err, r, "rules of this host: %s", strerror(-r))
		     : look.found;
}
