/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_udp.c - does some chain keep a UDP port from everybody?
 *
 * The rules that a packet would meet are gone through with what is known of it: its
 * protocol and port, whether it can be an answer, that it is not from this host.  A
 * condition on something else may hold or not, and a rule with one that lets pass may be the one
 * that does: so what is found is so, and much is not found.
 */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

#define DEPTH 16 /* of jumps, as in the kernel */
#define SLOTS 32 /* the kernel's numbers of registers, both kinds */

/* As in the kernel's headers, which say it by enums of conntrack's own. */
#define STATE_NEW         (UINT32_C(1) << (IP_CT_NEW + 1))
#define STATE_ESTABLISHED (UINT32_C(1) << (IP_CT_ESTABLISHED + 1))
#define STATE_UNTRACKED   (UINT32_C(1) << 6)

enum match { YES, MAYBE, NO };

enum verdict {
	NONE, /* the next rule */
	PASS, /* or may: what is not understood */
	REFUSE,
	RETURN,
	JUMP,
	GOTO,
};

struct rule {
	size_t chain;
	enum match match;
	enum verdict verdict;
	char to[64];
};

struct chain {
	uint8_t family;
	char table[64], name[64];
	bool base, drops; /* of input; its policy */
};

/* Of it the kernel asks nothing. */
struct dormant {
	uint8_t family;
	char table[64];
};

struct walk {
	uint8_t family; /* the packet's */
	uint16_t port;
	const char *not_by;
	uint32_t states;      /* of conntrack's: one of these is its */
	struct chain *chains; /* owned, as .rules: in their order */
	struct rule *rules;
	struct dormant *dormant; /* owned */
	size_t chain_count, rule_count, dormant_count;
};

static void walk_fini(struct walk *w)
{
	free(w->chains);
	free(w->rules);
	free(w->dormant);
	w->chains = NULL;
	w->rules = NULL;
	w->dormant = NULL;
	w->chain_count = w->rule_count = w->dormant_count = 0;
}

static void copy_name(char to[64], const struct nlattr *a)
{
	snprintf(to, 64, "%s", a ? mnl_attr_get_str(a) : "");
}

static bool is_met(const struct walk *w, uint8_t family)
{
	return family == NFPROTO_INET || family == w->family;
}

static int read_table(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *flags = fw_attr_find(h, NFTA_TABLE_FLAGS);
	struct walk *w = ctx;
	struct dormant *d;

	if (!flags || mnl_attr_get_payload_len(flags) != sizeof(uint32_t) ||
	    !(be32toh(mnl_attr_get_u32(flags)) & NFT_TABLE_F_DORMANT))
		return 0;
	d = reallocarray(w->dormant, w->dormant_count + 1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	w->dormant = d;
	d += w->dormant_count++;
	d->family = m->nfgen_family;
	copy_name(d->table, fw_attr_find(h, NFTA_TABLE_NAME));
	return 0;
}

static bool is_dormant(const struct walk *w, uint8_t family, const char *table)
{
	for (size_t i = 0; i < w->dormant_count; i++)
		if (w->dormant[i].family == family &&
		    strcmp(w->dormant[i].table, table) == 0)
			return true;
	return false;
}

static int read_chain(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *hook = fw_attr_find(h, NFTA_CHAIN_HOOK);
	const struct nlattr *policy = fw_attr_find(h, NFTA_CHAIN_POLICY);
	struct walk *w = ctx;
	struct chain *c;

	if (!is_met(w, m->nfgen_family))
		return 0;
	c = reallocarray(w->chains, w->chain_count + 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	w->chains = c;
	c += w->chain_count++;
	*c = (struct chain){
		.family = m->nfgen_family,
		.base = hook && fw_nested_u32(hook, NFTA_HOOK_HOOKNUM) ==
					NF_INET_LOCAL_IN,
		.drops = policy &&
			 mnl_attr_get_payload_len(policy) == sizeof(uint32_t) &&
			 be32toh(mnl_attr_get_u32(policy)) == NF_DROP,
	};
	copy_name(c->table, fw_attr_find(h, NFTA_CHAIN_TABLE));
	copy_name(c->name, fw_attr_find(h, NFTA_CHAIN_NAME));
	c->base = c->base && !is_dormant(w, c->family, c->table);
	return 0;
}

static struct chain *find(struct walk *w, uint8_t family, const char *table,
			  const char *name)
{
	for (size_t i = 0; i < w->chain_count; i++) {
		struct chain *c = &w->chains[i];

		if (c->family == family && strcmp(c->name, name) == 0 &&
		    strcmp(c->table, table) == 0)
			return c;
	}
	return NULL;
}

/* ---- conditions ------------------------------------------------------------- */

/* What of the packet a register holds. */
struct held {
	bool known;
	size_t len;
	uint8_t bytes[16];
	bool iifname, iif; /* of which only whose they are not is known */
	bool state;        /* conntrack's */
	uint32_t mask;     /* of it */
};

struct reading {
	const struct walk *w;
	struct held held[SLOTS];
	struct rule rule;
};

static struct held *slot(struct reading *rd, const struct nlattr *data,
			 uint16_t type)
{
	uint32_t reg = fw_nested_u32(data, type);

	return reg < SLOTS ? &rd->held[reg] : NULL;
}

/* What is not understood may have written to any register. */
static void forget(struct reading *rd)
{
	memset(rd->held, 0, sizeof(rd->held));
}

static void hold(struct held *h, const void *bytes, size_t len)
{
	*h = (struct held){ .known = true, .len = len };
	memcpy(h->bytes, bytes, len);
}

static void read_meta(struct reading *rd, const struct nlattr *data)
{
	const uint8_t udp = IPPROTO_UDP;
	struct held *h = slot(rd, data, NFTA_META_DREG);

	if (!h)
		return;
	*h = (struct held){ .known = false };
	switch (fw_nested_u32(data, NFTA_META_KEY)) {
	case NFT_META_L4PROTO:
		hold(h, &udp, 1);
		break;
	case NFT_META_NFPROTO:
		hold(h, &rd->w->family, 1);
		break;
	case NFT_META_IIFNAME:
		h->iifname = true;
		break;
	case NFT_META_IIF:
		h->iif = true;
		break;
	default:
		break;
	}
}

static void read_payload(struct reading *rd, const struct nlattr *data)
{
	uint32_t base = fw_nested_u32(data, NFTA_PAYLOAD_BASE);
	uint32_t at = fw_nested_u32(data, NFTA_PAYLOAD_OFFSET);
	uint32_t len = fw_nested_u32(data, NFTA_PAYLOAD_LEN);
	const uint16_t port = htobe16(rd->w->port);
	const uint8_t udp = IPPROTO_UDP;
	struct held *h = slot(rd, data, NFTA_PAYLOAD_DREG);

	if (!h)
		return;
	*h = (struct held){ .known = false };
	if (base == NFT_PAYLOAD_TRANSPORT_HEADER && at == 2 && len == 2)
		hold(h, &port, 2);
	else if (base == NFT_PAYLOAD_NETWORK_HEADER && len == 1 &&
		 at == (rd->w->family == NFPROTO_IPV4 ? 9 : 6))
		hold(h, &udp, 1);
}

static void read_ct(struct reading *rd, const struct nlattr *data)
{
	struct held *h = slot(rd, data, NFTA_CT_DREG);

	if (!h)
		return;
	*h = (struct held){ .mask = UINT32_MAX };
	h->state = fw_nested_u32(data, NFTA_CT_KEY) == NFT_CT_STATE;
}

static void read_bitwise(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *mask = fw_nested_find(
		fw_nested_find(data, NFTA_BITWISE_MASK), NFTA_DATA_VALUE);
	struct held *from = slot(rd, data, NFTA_BITWISE_SREG);
	struct held *to = slot(rd, data, NFTA_BITWISE_DREG);
	struct held was = from ? *from : (struct held){ .known = false };

	if (!to)
		return;
	*to = (struct held){ .known = false };
	if (!was.state || !mask ||
	    mnl_attr_get_payload_len(mask) != sizeof(to->mask))
		return;
	to->state = true;
	memcpy(&to->mask, mnl_attr_get_payload(mask), sizeof(to->mask));
}

static enum match both(enum match a, enum match b)
{
	if (a == NO || b == NO)
		return NO;
	return a == YES && b == YES ? YES : MAYBE;
}

static enum match compare(int sign, uint32_t op)
{
	switch (op) {
	case NFT_CMP_EQ:
		return sign == 0 ? YES : NO;
	case NFT_CMP_NEQ:
		return sign != 0 ? YES : NO;
	case NFT_CMP_LT:
		return sign < 0 ? YES : NO;
	case NFT_CMP_LTE:
		return sign <= 0 ? YES : NO;
	case NFT_CMP_GT:
		return sign > 0 ? YES : NO;
	case NFT_CMP_GTE:
		return sign >= 0 ? YES : NO;
	default:
		return MAYBE;
	}
}

/* A whole name has its NUL in it. */
static bool is_name(const char *name, const void *value, size_t len)
{
	return name && len > strlen(name) &&
	       memcmp(value, name, strlen(name) + 1) == 0;
}

static enum match match_held(const struct walk *w, const struct held *h,
			     const void *value, size_t len, uint32_t op)
{
	static const uint32_t lo = 1, none;

	if (h->known && h->len == len)
		return compare(memcmp(h->bytes, value, len), op);
	if ((h->iifname &&
	     (is_name("lo", value, len) || is_name(w->not_by, value, len))) ||
	    (h->iif && len == sizeof(lo) && memcmp(value, &lo, len) == 0))
		return compare(1, op);
	/* "ct state established": not 0 are those bits of it */
	if (h->state && len == sizeof(none) && op == NFT_CMP_NEQ &&
	    memcmp(value, &none, len) == 0 && !(h->mask & w->states))
		return NO;
	return MAYBE;
}

static enum match read_cmp(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *value = fw_nested_find(
		fw_nested_find(data, NFTA_CMP_DATA), NFTA_DATA_VALUE);
	const struct held *h = slot(rd, data, NFTA_CMP_SREG);

	if (!h || !value)
		return MAYBE;
	return match_held(rd->w, h, mnl_attr_get_payload(value),
			  mnl_attr_get_payload_len(value),
			  fw_nested_u32(data, NFTA_CMP_OP));
}

static enum match read_range(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *from = fw_nested_find(
		fw_nested_find(data, NFTA_RANGE_FROM_DATA), NFTA_DATA_VALUE);
	const struct nlattr *to = fw_nested_find(
		fw_nested_find(data, NFTA_RANGE_TO_DATA), NFTA_DATA_VALUE);
	const struct held *h = slot(rd, data, NFTA_RANGE_SREG);
	bool in;

	if (!h || !h->known || !from || !to ||
	    mnl_attr_get_payload_len(from) != h->len ||
	    mnl_attr_get_payload_len(to) != h->len)
		return MAYBE;
	in = memcmp(h->bytes, mnl_attr_get_payload(from), h->len) >= 0 &&
	     memcmp(h->bytes, mnl_attr_get_payload(to), h->len) <= 0;
	return in == (fw_nested_u32(data, NFTA_RANGE_OP) == NFT_RANGE_EQ) ? YES
									  : NO;
}

/* iptables' -m: a comment is no condition, and of states we know. */
static enum match read_xt(const struct walk *w, const struct nlattr *data)
{
	const struct nlattr *name = fw_nested_find(data, NFTA_MATCH_NAME);
	const struct nlattr *info = fw_nested_find(data, NFTA_MATCH_INFO);
	struct xt_conntrack_mtinfo3 ct;

	if (!name || !info)
		return MAYBE;
	if (strcmp(mnl_attr_get_str(name), "comment") == 0)
		return YES;
	if (strcmp(mnl_attr_get_str(name), "conntrack") != 0 ||
	    mnl_attr_get_payload_len(info) < sizeof(ct))
		return MAYBE;
	memcpy(&ct, mnl_attr_get_payload(info), sizeof(ct));
	return ct.match_flags == XT_CONNTRACK_STATE && !ct.invert_flags &&
			       !(ct.state_mask & w->states)
		       ? NO
		       : MAYBE;
}

/* ---- verdicts ---------------------------------------------------------------- */

static void read_verdict(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *verdict = fw_nested_find(
		fw_nested_find(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT);
	struct rule *r = &rd->rule;

	if (!verdict) { /* a value, into a register */
		forget(rd);
		return;
	}
	switch ((int)fw_nested_u32(verdict, NFTA_VERDICT_CODE)) {
	case NF_DROP:
		r->verdict = REFUSE;
		break;
	case NFT_RETURN:
		r->verdict = RETURN;
		break;
	case NFT_JUMP:
	case NFT_GOTO:
		r->verdict = (int)fw_nested_u32(verdict, NFTA_VERDICT_CODE) ==
					     NFT_JUMP
				     ? JUMP
				     : GOTO;
		copy_name(r->to, fw_nested_find(verdict, NFTA_VERDICT_CHAIN));
		break;
	case NFT_CONTINUE:
		break;
	default:
		r->verdict = PASS;
	}
}

static void read_target(struct reading *rd, const struct nlattr *data)
{
	const struct nlattr *name = fw_nested_find(data, NFTA_TARGET_NAME);
	const char *s = name ? mnl_attr_get_str(name) : "";

	if (strcmp(s, "REJECT") == 0)
		rd->rule.verdict = REFUSE;
	else if (strcmp(s, "LOG") != 0 && strcmp(s, "MARK") != 0 &&
		 strcmp(s, "CONNMARK") != 0)
		rd->rule.verdict = PASS;
}

static void read_expr(struct reading *rd, const struct nlattr *expr)
{
	const struct nlattr *name = fw_nested_find(expr, NFTA_EXPR_NAME);
	const struct nlattr *data = fw_nested_find(expr, NFTA_EXPR_DATA);
	const char *s = name ? mnl_attr_get_str(name) : "";
	enum match m = YES;

	if (strcmp(s, "meta") == 0)
		read_meta(rd, data);
	else if (strcmp(s, "payload") == 0)
		read_payload(rd, data);
	else if (strcmp(s, "ct") == 0)
		read_ct(rd, data);
	else if (strcmp(s, "bitwise") == 0)
		read_bitwise(rd, data);
	else if (strcmp(s, "cmp") == 0)
		m = read_cmp(rd, data);
	else if (strcmp(s, "range") == 0)
		m = read_range(rd, data);
	else if (strcmp(s, "match") == 0)
		m = read_xt(rd->w, data);
	else if (strcmp(s, "immediate") == 0)
		read_verdict(rd, data);
	else if (strcmp(s, "target") == 0)
		read_target(rd, data);
	else if (strcmp(s, "reject") == 0)
		rd->rule.verdict = REFUSE;
	else if (strcmp(s, "counter") != 0 && strcmp(s, "log") != 0) {
		m = MAYBE;
		forget(rd);
	}
	/* where a map says, or to a program: who knows */
	if (strcmp(s, "queue") == 0 ||
	    (strcmp(s, "lookup") == 0 &&
	     fw_nested_u32(data, NFTA_LOOKUP_DREG) == NFT_REG_VERDICT))
		rd->rule.verdict = PASS;
	rd->rule.match = both(rd->rule.match, m);
}

static int read_rule(const struct nlmsghdr *h, void *ctx)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);
	const struct nlattr *list = fw_attr_find(h, NFTA_RULE_EXPRESSIONS);
	struct walk *w = ctx;
	struct reading rd = { .w = w };
	char table[64], name[64];
	struct chain *c;
	struct rule *r;

	copy_name(table, fw_attr_find(h, NFTA_RULE_TABLE));
	copy_name(name, fw_attr_find(h, NFTA_RULE_CHAIN));
	c = list ? find(w, m->nfgen_family, table, name) : NULL;
	if (!c)
		return 0;
	for (const struct nlattr *a = fw_nested(list); a;
	     a = fw_nested_next(list, a))
		read_expr(&rd, a);
	rd.rule.chain = (size_t)(c - w->chains);
	r = reallocarray(w->rules, w->rule_count + 1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	w->rules = r;
	r[w->rule_count++] = rd.rule;
	return 0;
}

/* ---- walking ------------------------------------------------------------------ */

/* What may become of the packet in a chain. */
struct end {
	bool passes; /* for good */
	bool falls;  /* out of its end, or returns */
};

static struct end go(struct walk *w, const struct chain *c, unsigned int depth);

/* Return: it ends here for sure. */
static bool step(struct walk *w, const struct chain *c, const struct rule *r,
		 unsigned int depth, struct end *e)
{
	const struct chain *to;
	struct end sub;

	switch (r->verdict) {
	case PASS:
		e->passes = true;
		return r->match == YES;
	case REFUSE:
		return r->match == YES;
	case RETURN:
		e->falls = true;
		return r->match == YES;
	case JUMP:
	case GOTO:
		to = find(w, c->family, c->table, r->to);
		sub = to && depth < DEPTH ? go(w, to, depth + 1)
					  : (struct end){ true, true };
		e->passes |= sub.passes;
		if (r->verdict == GOTO)
			e->falls |= sub.falls;
		return r->match == YES && (r->verdict == GOTO || !sub.falls);
	case NONE:
		break;
	}
	return false;
}

static struct end go(struct walk *w, const struct chain *c, unsigned int depth)
{
	const size_t at = (size_t)(c - w->chains);
	struct end e = { false, false };

	for (size_t i = 0; i < w->rule_count && !e.passes; i++) {
		const struct rule *r = &w->rules[i];

		if (r->chain != at || r->match == NO)
			continue;
		if (step(w, c, r, depth, &e))
			return e;
	}
	e.falls = true;
	return e;
}

static int load(struct fw *fw, struct walk *w)
{
	int r = -EINTR;

	for (int i = 0; i < FW_DUMP_TRIES && r == -EINTR; i++) {
		walk_fini(w);
		r = fw_dump(fw, NFT_MSG_GETTABLE, read_table, w);
		if (r == 0)
			r = fw_dump(fw, NFT_MSG_GETCHAIN, read_chain, w);
		if (r == 0)
			r = fw_dump(fw, NFT_MSG_GETRULE, read_rule, w);
	}
	return r;
}

int fw_udp_refused(struct fw *fw, const struct fw_udp *to, const char *except,
		   struct fw_barrier *ret, struct err *err)
{
	_cleanup_(walk_fini) struct walk w = {
		.family = to->family,
		.port = to->port,
		.not_by = to->not_by,
		.states = STATE_NEW | STATE_UNTRACKED |
			  (to->answers ? STATE_ESTABLISHED : 0),
	};
	int r = load(fw, &w);

	if (r < 0)
		return err_set(err, r, "rules of this host: %s", strerror(-r));
	for (size_t i = 0; i < w.chain_count; i++) {
		const struct chain *c = &w.chains[i];
		struct end e;

		if (!c->base || strncmp(c->table, except, strlen(except)) == 0)
			continue;
		e = go(&w, c, 0);
		if (e.passes || (e.falls && !c->drops))
			continue;
		*ret = (struct fw_barrier){ .family = c->family,
					    .policy = e.falls };
		memcpy(ret->table, c->table, sizeof(ret->table));
		memcpy(ret->chain, c->name, sizeof(ret->chain));
		return 1;
	}
	return 0;
}
