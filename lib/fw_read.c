/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_read.c - what is in the kernel: tables, chains, foreign rules.
 *
 * Rules are taken apart attribute by attribute instead of by libnftnl, which
 * gives up on a whole rule when it holds one expression that it does not know.
 */
#include <arpa/inet.h>
#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_multiport.h>
#include <stdio.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/fw_priv.h"

#define SLOTS 32 /* the kernel's numbers, both kinds */

static int generation_read(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *id = fw_attr_find(h, NFTA_GEN_ID);
	uint32_t *ret = ctx;

	if (!id || mnl_attr_get_payload_len(id) != sizeof(*ret))
		return -EBADMSG;
	*ret = ntohl(mnl_attr_get_u32(id));
	return 0;
}

int fw_generation(struct fw *fw, uint32_t *ret, struct err *err)
{
	char buf[FW_REQUEST_MAX];
	struct nlmsghdr *h = fw_msg_put(buf, NFT_MSG_GETGEN, 0, NFPROTO_UNSPEC);
	int r = fw_request(fw, h, generation_read, ret);

	return r < 0 ? err_set(err, r, "generation of the ruleset: %s",
			       strerror(-r))
		     : 0;
}

int fw_table_find(struct fw *fw, const struct fw_table *t, struct err *err)
{
	char buf[FW_REQUEST_MAX];
	struct nlmsghdr *h = fw_msg_put(buf, NFT_MSG_GETTABLE, 0, t->family);
	int r = -ENAMETOOLONG;

	if (fw_names_ok(t, NULL)) {
		mnl_attr_put_strz(h, NFTA_TABLE_NAME, t->name);
		r = fw_request(fw, h, NULL, NULL);
	}
	if (r < 0)
		return err_set(err, r, "table %s %s: %s",
			       fw_family_str(t->family), t->name, strerror(-r));
	return 0;
}

struct chain_info {
	bool base;
	uint32_t policy;
};

static int chain_read(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *policy = fw_attr_find(h, NFTA_CHAIN_POLICY);
	struct chain_info *info = ctx;

	info->base = fw_attr_find(h, NFTA_CHAIN_HOOK) != NULL;
	info->policy = policy ? ntohl(mnl_attr_get_u32(policy)) : NF_ACCEPT;
	return 0;
}

static int chain_get(struct fw *fw, const struct fw_table *t, const char *chain,
		     struct chain_info *ret, struct err *err)
{
	char buf[FW_REQUEST_MAX];
	struct nlmsghdr *h = fw_msg_put(buf, NFT_MSG_GETCHAIN, 0, t->family);
	int r = -ENAMETOOLONG;

	if (fw_names_ok(t, chain)) {
		mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, t->name);
		mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chain);
		r = fw_request(fw, h, chain_read, ret);
	}
	if (r < 0)
		return err_set(err, r, "chain %s of table %s %s: %s", chain,
			       fw_family_str(t->family), t->name, strerror(-r));
	return 0;
}

int fw_chain_find(struct fw *fw, const struct fw_table *t, const char *chain,
		  bool *ret_is_base, struct err *err)
{
	struct chain_info info = { 0 };
	int r = chain_get(fw, t, chain, &info, err);

	if (r == 0 && ret_is_base)
		*ret_is_base = info.base;
	return r;
}

int fw_chain_policy(struct fw *fw, const struct fw_table *t, const char *chain,
		    uint32_t *ret, struct err *err)
{
	struct chain_info info = { 0 };
	int r = chain_get(fw, t, chain, &info, err);

	if (r == 0)
		*ret = info.policy;
	return r;
}

/* ---- rules -------------------------------------------------------------- */

/* What a register holds while a rule is read. */
enum held { HELD_OTHER, HELD_IIFNAME, HELD_OIFNAME, HELD_DPORT };

struct reading {
	struct fw_rule_info info;
	enum held held[SLOTS];
	bool decided; /* a verdict was seen */
};

static void copy_text(char *to, size_t size, const void *from, size_t len)
{
	size_t n = strnlen(from, len);

	if (n >= size)
		n = size - 1;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void read_meta(struct reading *rd, const struct nlattr *data)
{
	uint32_t reg = fw_nested_u32(data, NFTA_META_DREG);
	uint32_t key = fw_nested_u32(data, NFTA_META_KEY);

	if (reg >= SLOTS ||
	    (key != NFT_META_IIFNAME && key != NFT_META_OIFNAME))
		rd->info.simple = false;
	else
		rd->held[reg] =
			key == NFT_META_IIFNAME ? HELD_IIFNAME : HELD_OIFNAME;
}

/* The l4 header's bytes 2 and 3: of tcp, udp and sctp alike. */
static void read_payload(struct reading *rd, const struct nlattr *data)
{
	uint32_t reg = fw_nested_u32(data, NFTA_PAYLOAD_DREG);

	rd->info.simple = false;
	if (reg >= SLOTS)
		return;
	rd->held[reg] = HELD_OTHER;
	if (fw_nested_u32(data, NFTA_PAYLOAD_BASE) ==
		    NFT_PAYLOAD_TRANSPORT_HEADER &&
	    fw_nested_u32(data, NFTA_PAYLOAD_OFFSET) == 2 &&
	    fw_nested_u32(data, NFTA_PAYLOAD_LEN) == 2)
		rd->held[reg] = HELD_DPORT;
}

/* Widens what is known of the compared ports by a bound; NULL: none. */
static void note_dport(struct reading *rd, const struct nlattr *first,
		       const struct nlattr *last)
{
	const struct nlattr *low = fw_nested_find(first, NFTA_DATA_VALUE);
	const struct nlattr *high = fw_nested_find(last, NFTA_DATA_VALUE);

	if (!rd->info.dport)
		rd->info.dport_last = UINT16_MAX;
	rd->info.dport = true;
	if (low && mnl_attr_get_payload_len(low) == 2)
		rd->info.dport_first = ntohs(mnl_attr_get_u16(low));
	if (high && mnl_attr_get_payload_len(high) == 2)
		rd->info.dport_last = ntohs(mnl_attr_get_u16(high));
}

static void read_dport(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *value = fw_nested_find(data, NFTA_CMP_DATA);

	switch (fw_nested_u32(data, NFTA_CMP_OP)) {
	case NFT_CMP_EQ:
		note_dport(rd, value, value);
		break;
	case NFT_CMP_GT:
	case NFT_CMP_GTE:
		note_dport(rd, value, NULL);
		break;
	case NFT_CMP_LT:
	case NFT_CMP_LTE:
		note_dport(rd, NULL, value);
		break;
	default:
		note_dport(rd, NULL, NULL);
		break;
	}
}

static void read_range(struct reading *rd, const struct nlattr *data)
{
	uint32_t reg = fw_nested_u32(data, NFTA_RANGE_SREG);

	rd->info.simple = false;
	if (reg < SLOTS && rd->held[reg] == HELD_DPORT)
		note_dport(rd, fw_nested_find(data, NFTA_RANGE_FROM_DATA),
			   fw_nested_find(data, NFTA_RANGE_TO_DATA));
}

static void read_cmp(struct reading *rd, const struct nlattr *data)
{
	uint32_t reg = fw_nested_u32(data, NFTA_CMP_SREG);
	const struct nlattr *value = fw_nested_find(data, NFTA_CMP_DATA);
	enum held held = reg < SLOTS ? rd->held[reg] : HELD_OTHER;
	const char *name;
	size_t len;

	value = fw_nested_find(value, NFTA_DATA_VALUE);
	if (held == HELD_DPORT)
		read_dport(rd, data);
	if (held == HELD_OTHER || held == HELD_DPORT || !value ||
	    fw_nested_u32(data, NFTA_CMP_OP) != NFT_CMP_EQ) {
		rd->info.simple = false;
		return;
	}
	name = mnl_attr_get_payload(value);
	len = mnl_attr_get_payload_len(value);
	if (strnlen(name, len) == len) { /* no NUL compared: a prefix */
		rd->info.simple = false;
		return;
	}
	if (held == HELD_IIFNAME)
		copy_text(rd->info.iifname, sizeof(rd->info.iifname), name,
			  len);
	else
		copy_text(rd->info.oifname, sizeof(rd->info.oifname), name,
			  len);
}

static void read_immediate(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *value = fw_nested_find(data, NFTA_IMMEDIATE_DATA);
	const struct nlattr *verdict = fw_nested_find(value, NFTA_DATA_VERDICT);
	const struct nlattr *chain;

	if (!verdict || rd->decided) {
		rd->info.simple = false;
		return;
	}
	rd->decided = true;
	rd->info.verdict = fw_nested_u32(verdict, NFTA_VERDICT_CODE);
	chain = fw_nested_find(verdict, NFTA_VERDICT_CHAIN);
	if (!chain)
		return;
	rd->info.verdict = UINT32_MAX;
	copy_text(rd->info.jump, sizeof(rd->info.jump),
		  mnl_attr_get_payload(chain), mnl_attr_get_payload_len(chain));
}

/* -m multiport --dports (or --ports): the bounds of them all. */
static void read_multiport(struct reading *rd, const struct nlattr *a)
{
	struct xt_multiport_v1 m = { 0 };

	if (mnl_attr_get_payload_len(a) < sizeof(m))
		return;
	memcpy(&m, mnl_attr_get_payload(a), sizeof(m));
	if (m.flags == XT_MULTIPORT_SOURCE)
		return;
	for (size_t i = 0; i < m.count && i < XT_MULTI_PORTS; i++) {
		if (!rd->info.dport || m.ports[i] < rd->info.dport_first)
			rd->info.dport_first = m.ports[i];
		if (!rd->info.dport || m.ports[i] > rd->info.dport_last)
			rd->info.dport_last = m.ports[i];
		rd->info.dport = true;
	}
}

/* iptables keeps a comment in a match of its own. */
static void read_match(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *name = fw_nested_find(data, NFTA_MATCH_NAME);
	const struct nlattr *info = fw_nested_find(data, NFTA_MATCH_INFO);

	if (name && info && strcmp(mnl_attr_get_str(name), "multiport") == 0)
		read_multiport(rd, info);
	if (!name || !info || strcmp(mnl_attr_get_str(name), "comment") != 0) {
		rd->info.simple = false;
		return;
	}
	copy_text(rd->info.comment, sizeof(rd->info.comment),
		  mnl_attr_get_payload(info), mnl_attr_get_payload_len(info));
}

static void read_expr(struct reading *rd, const struct nlattr *expr)
{
	const struct nlattr *name = fw_nested_find(expr, NFTA_EXPR_NAME);
	const struct nlattr *data = fw_nested_find(expr, NFTA_EXPR_DATA);
	const char *s = name ? mnl_attr_get_str(name) : "";

	if (strcmp(s, "meta") == 0)
		read_meta(rd, data);
	else if (strcmp(s, "cmp") == 0)
		read_cmp(rd, data);
	else if (strcmp(s, "immediate") == 0)
		read_immediate(rd, data);
	else if (strcmp(s, "match") == 0)
		read_match(rd, data);
	else if (strcmp(s, "payload") == 0)
		read_payload(rd, data);
	else if (strcmp(s, "range") == 0)
		read_range(rd, data);
	else if (strcmp(s, "counter") != 0)
		rd->info.simple = false;
}

static void read_exprs(struct reading *rd, const struct nlattr *list)
{
	const struct nlattr *a;

	for (a = fw_nested(list); a; a = fw_nested_next(list, a))
		read_expr(rd, a);
}

static void read_userdata(struct reading *rd, const struct nlattr *a)
{
	const uint8_t *p = mnl_attr_get_payload(a);
	size_t left = mnl_attr_get_payload_len(a);

	/* entries of type, length, value */
	while (left >= 2 && left - 2 >= p[1]) {
		if (p[0] == NFTNL_UDATA_RULE_COMMENT)
			copy_text(rd->info.comment, sizeof(rd->info.comment),
				  p + 2, p[1]);
		left -= 2u + p[1];
		p += 2u + p[1];
	}
}

struct rule_list {
	struct fw_rule_info *rules;
	size_t count, size;
};

static int rule_read(const struct nlmsghdr *h, void *ctx)
{
	struct reading rd = { .info = { .simple = true,
					.verdict = UINT32_MAX } };
	struct rule_list *l = ctx;
	const struct nlattr *a;

	for (a = fw_attrs(h, sizeof(struct nfgenmsg)); a;
	     a = fw_attrs_next(h, a)) {
		switch (mnl_attr_get_type(a)) {
		case NFTA_RULE_HANDLE:
			rd.info.handle = be64toh(mnl_attr_get_u64(a));
			break;
		case NFTA_RULE_EXPRESSIONS:
			read_exprs(&rd, a);
			break;
		case NFTA_RULE_USERDATA:
			read_userdata(&rd, a);
			break;
		default:
			break;
		}
	}
	if (l->count == l->size) {
		size_t size = l->size ? l->size * 2 : 32;
		struct fw_rule_info *n = realloc(l->rules, size * sizeof(*n));

		if (!n)
			return -ENOMEM;
		l->rules = n;
		l->size = size;
	}
	l->rules[l->count++] = rd.info;
	return 0;
}

static int rules_dump(struct fw *fw, const struct fw_table *t,
		      const char *chain, struct rule_list *l)
{
	char buf[FW_REQUEST_MAX];
	int r = -ENAMETOOLONG;

	for (int i = 0; i < FW_DUMP_TRIES && fw_names_ok(t, chain); i++) {
		struct nlmsghdr *h =
			fw_msg_put(buf, NFT_MSG_GETRULE, NLM_F_DUMP, t->family);

		mnl_attr_put_strz(h, NFTA_RULE_TABLE, t->name);
		mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
		l->count = 0;
		r = fw_request(fw, h, rule_read, l);
		if (r != -EINTR)
			break;
	}
	return r;
}

int fw_rule_each(struct fw *fw, const struct fw_table *t, const char *chain,
		 int (*fn)(void *ctx, const struct fw_rule_info *r), void *ctx,
		 struct err *err)
{
	struct rule_list l = { 0 };
	_cleanup_free_ struct fw_rule_info *rules = NULL;
	int r = rules_dump(fw, t, chain, &l);

	rules = l.rules;
	if (r < 0)
		return err_set(err, r, "rules of chain %s of table %s %s: %s",
			       chain, fw_family_str(t->family), t->name,
			       strerror(-r));
	if (l.count == 0) /* empty, or not there: a dump does not say */
		return fw_chain_find(fw, t, chain, NULL, err);
	for (size_t i = 0; i < l.count; i++) {
		r = fn(ctx, &l.rules[i]);
		if (r != 0)
			return r;
	}
	return 0;
}
