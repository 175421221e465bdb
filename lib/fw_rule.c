/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_rule.c - rules: struct fw_expr to the kernel's expressions. */
#include <endian.h>
#include <stdio.h> /* libnftnl/expr.h uses FILE without it */

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/udata.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/fw_priv.h"

#define RULE_MSG_MAX 2048 /* header, names, comment */
#define EXPR_MAX     640  /* headers, a name, two values */
#define SLOTS        16

static uint32_t reg(uint8_t slot)
{
	return NFT_REG32_00 + slot;
}

static uint32_t value_len(const struct fw_expr *e)
{
	return e->name ? FW_IFNAME_LEN : e->len;
}

static void set_value(struct nftnl_expr *n, uint16_t attr,
		      const struct fw_expr *e)
{
	char name[FW_IFNAME_LEN] = "";

	if (e->name)
		memcpy(name, e->name, strlen(e->name));
	nftnl_expr_set(n, attr,
		       e->name   ? name
		       : e->data ? e->data
				 : e->value,
		       value_len(e));
}

static void fill_meta(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_META_KEY, e->key);
	nftnl_expr_set_u32(n,
			   e->kind == FW_KIND_META ? NFTNL_EXPR_META_DREG
						   : NFTNL_EXPR_META_SREG,
			   reg(e->reg));
}

static void fill_payload(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_PAYLOAD_DREG, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_PAYLOAD_BASE, e->key);
	nftnl_expr_set_u32(n, NFTNL_EXPR_PAYLOAD_OFFSET, e->offset);
	nftnl_expr_set_u32(n, NFTNL_EXPR_PAYLOAD_LEN, e->len);
}

static void fill_ct(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_CT_KEY, e->key);
	nftnl_expr_set_u32(n,
			   e->kind == FW_KIND_CT ? NFTNL_EXPR_CT_DREG
						 : NFTNL_EXPR_CT_SREG,
			   reg(e->reg));
	if (e->dir)
		nftnl_expr_set_u8(n, NFTNL_EXPR_CT_DIR, (uint8_t)(e->dir - 1));
}

static void fill_fib(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_FIB_DREG, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_FIB_RESULT, e->key);
	nftnl_expr_set_u32(n, NFTNL_EXPR_FIB_FLAGS, e->flags);
}

static void fill_imm(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_IMM_DREG, reg(e->reg));
	set_value(n, NFTNL_EXPR_IMM_DATA, e);
}

static void fill_verdict(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
	nftnl_expr_set_u32(n, NFTNL_EXPR_IMM_VERDICT, e->verdict);
	if (e->name)
		nftnl_expr_set_str(n, NFTNL_EXPR_IMM_CHAIN, e->name);
}

static void fill_cmp(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_CMP_SREG, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_CMP_OP, e->key);
	set_value(n, NFTNL_EXPR_CMP_DATA, e);
}

static void fill_range(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_RANGE_SREG, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_RANGE_OP, e->key);
	nftnl_expr_set(n, NFTNL_EXPR_RANGE_FROM_DATA,
		       e->data ? e->data : e->value, e->len);
	nftnl_expr_set(n, NFTNL_EXPR_RANGE_TO_DATA,
		       e->data2 ? e->data2 : e->value2, e->len);
}

static void fill_bitwise(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_BITWISE_SREG, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_BITWISE_DREG, reg(e->reg2));
	nftnl_expr_set_u32(n, NFTNL_EXPR_BITWISE_OP, NFT_BITWISE_BOOL);
	nftnl_expr_set_u32(n, NFTNL_EXPR_BITWISE_LEN, e->len);
	nftnl_expr_set(n, NFTNL_EXPR_BITWISE_MASK, e->data ? e->data : e->value,
		       e->len);
	nftnl_expr_set(n, NFTNL_EXPR_BITWISE_XOR, e->value2, e->len);
}

static void fill_lookup(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_LOOKUP_SREG, reg(e->reg));
	nftnl_expr_set_str(n, NFTNL_EXPR_LOOKUP_SET, e->name);
	if (e->kind == FW_KIND_MAP)
		nftnl_expr_set_u32(n, NFTNL_EXPR_LOOKUP_DREG,
				   e->has_dreg ? reg(e->reg2)
					       : NFT_REG_VERDICT);
	if (e->flags)
		nftnl_expr_set_u32(n, NFTNL_EXPR_LOOKUP_FLAGS, e->flags);
}

static void fill_nat(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_NAT_TYPE, e->key);
	nftnl_expr_set_u32(n, NFTNL_EXPR_NAT_FAMILY, e->offset);
	if (e->reg != FW_NO_REG)
		nftnl_expr_set_u32(n, NFTNL_EXPR_NAT_REG_ADDR_MIN, reg(e->reg));
	if (e->reg2 != FW_NO_REG)
		nftnl_expr_set_u32(n, NFTNL_EXPR_NAT_REG_PROTO_MIN,
				   reg(e->reg2));
	if (e->flags)
		nftnl_expr_set_u32(n, NFTNL_EXPR_NAT_FLAGS, e->flags);
}

static void fill_dup(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_DUP_SREG_ADDR, reg(e->reg));
	if (e->reg2 != FW_NO_REG)
		nftnl_expr_set_u32(n, NFTNL_EXPR_DUP_SREG_DEV, reg(e->reg2));
}

static void fill_reject(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_REJECT_TYPE, e->key);
	nftnl_expr_set_u8(n, NFTNL_EXPR_REJECT_CODE, (uint8_t)e->flags);
}

static void fill_limit(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u64(n, NFTNL_EXPR_LIMIT_RATE, e->rate);
	nftnl_expr_set_u64(n, NFTNL_EXPR_LIMIT_UNIT, e->offset);
	nftnl_expr_set_u32(n, NFTNL_EXPR_LIMIT_BURST, e->flags);
	nftnl_expr_set_u32(n, NFTNL_EXPR_LIMIT_TYPE, NFT_LIMIT_PKTS);
	nftnl_expr_set_u32(n, NFTNL_EXPR_LIMIT_FLAGS, 0);
}

/* Return: 0; -ENOMEM: without the limit it would match everything. */
static int fill_meter(struct nftnl_expr *n, const struct fw_expr *e)
{
	struct nftnl_expr *limit = nftnl_expr_alloc("limit");

	if (!limit)
		return -ENOMEM;
	fill_limit(limit, e);
	nftnl_expr_set_u32(limit, NFTNL_EXPR_LIMIT_FLAGS, NFT_LIMIT_F_INV);
	nftnl_expr_set_u32(n, NFTNL_EXPR_DYNSET_SREG_KEY, reg(e->reg));
	nftnl_expr_set_u32(n, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
	nftnl_expr_set_str(n, NFTNL_EXPR_DYNSET_SET_NAME, e->name);
	nftnl_expr_set(n, NFTNL_EXPR_DYNSET_EXPR, limit, 0); /* taken */
	return 0;
}

static void fill_socket(struct nftnl_expr *n, const struct fw_expr *e)
{
	nftnl_expr_set_u32(n, NFTNL_EXPR_SOCKET_KEY, e->key);
	nftnl_expr_set_u32(n, NFTNL_EXPR_SOCKET_DREG, reg(e->reg));
}

static void fill_nothing(struct nftnl_expr *n, const struct fw_expr *e)
{
	(void)n;
	(void)e;
}

static const struct {
	const char *name;
	void (*fill)(struct nftnl_expr *n, const struct fw_expr *e);
} kinds[FW_KIND_MAX] = {
	[FW_KIND_META] = { "meta", fill_meta },
	[FW_KIND_META_SET] = { "meta", fill_meta },
	[FW_KIND_PAYLOAD] = { "payload", fill_payload },
	[FW_KIND_CT] = { "ct", fill_ct },
	[FW_KIND_CT_SET] = { "ct", fill_ct },
	[FW_KIND_FIB] = { "fib", fill_fib },
	[FW_KIND_IMM] = { "immediate", fill_imm },
	[FW_KIND_CMP] = { "cmp", fill_cmp },
	[FW_KIND_RANGE] = { "range", fill_range },
	[FW_KIND_BITWISE] = { "bitwise", fill_bitwise },
	[FW_KIND_LOOKUP] = { "lookup", fill_lookup },
	[FW_KIND_MAP] = { "lookup", fill_lookup },
	[FW_KIND_COUNTER] = { "counter", fill_nothing },
	[FW_KIND_VERDICT] = { "immediate", fill_verdict },
	[FW_KIND_NAT] = { "nat", fill_nat },
	[FW_KIND_MASQ] = { "masq", fill_nothing },
	[FW_KIND_DUP] = { "dup", fill_dup },
	[FW_KIND_REJECT] = { "reject", fill_reject },
	[FW_KIND_LIMIT] = { "limit", fill_limit },
	[FW_KIND_NOTRACK] = { "notrack", fill_nothing },
	[FW_KIND_SOCKET] = { "socket", fill_socket },
	[FW_KIND_METER] = { "dynset", fill_nothing }, /* fill_meter() */
};

static bool slot_ok(uint8_t slot)
{
	return slot < SLOTS || slot == FW_NO_REG;
}

/* What the kernel would not notice, or would answer with a bare EINVAL. */
static const char *expr_wrong(const struct fw_expr *e)
{
	size_t name_max = NFT_NAME_MAXLEN;

	if ((unsigned int)e->kind >= FW_KIND_MAX || !kinds[e->kind].name)
		return "unknown kind";
	if (!slot_ok(e->reg) || !slot_ok(e->reg2))
		return "no such register slot";
	if (e->kind == FW_KIND_CMP || e->kind == FW_KIND_IMM)
		name_max = FW_IFNAME_LEN;
	if (e->name && (!e->name[0] || strlen(e->name) >= name_max))
		return "bad name";
	if ((e->kind == FW_KIND_LOOKUP || e->kind == FW_KIND_MAP ||
	     e->kind == FW_KIND_METER) &&
	    !e->name)
		return "no set";
	if (e->kind == FW_KIND_PAYLOAD)
		return NULL;
	if (e->len > FW_KEY_MAX || (!e->data && e->len > FW_VALUE_MAX) ||
	    (e->kind == FW_KIND_BITWISE && e->len > FW_VALUE_MAX))
		return "value too long";
	return NULL;
}

static int rule_exprs(struct nftnl_rule *n, const struct fw_expr *e,
		      size_t *ret_count)
{
	size_t count = 0;

	for (; e->kind != FW_KIND_END; e++, count++) {
		struct nftnl_expr *x = nftnl_expr_alloc(kinds[e->kind].name);

		if (!x)
			return -ENOMEM;
		kinds[e->kind].fill(x, e);
		nftnl_rule_add_expr(n, x);
		if (e->kind == FW_KIND_METER && fill_meter(x, e) < 0)
			return -ENOMEM;
	}
	*ret_count = count;
	return 0;
}

static int rule_comment(struct nftnl_rule *n, const char *comment)
{
	struct nftnl_udata_buf *ud =
		nftnl_udata_buf_alloc(NFTNL_UDATA_COMMENT_MAXLEN + 8);
	int r = -ENOMEM;

	if (!ud)
		return r;
	if (nftnl_udata_put_strz(ud, NFTNL_UDATA_RULE_COMMENT, comment))
		r = nftnl_rule_set_data(n, NFTNL_RULE_USERDATA,
					nftnl_udata_buf_data(ud),
					nftnl_udata_buf_len(ud));
	nftnl_udata_buf_free(ud);
	return r < 0 ? -ENOMEM : 0;
}

static int rule_fill(struct nftnl_rule *n, const struct fw_table *t,
		     const struct fw_rule *r, size_t *ret_exprs)
{
	if (nftnl_rule_set_str(n, NFTNL_RULE_TABLE, t->name) < 0 ||
	    nftnl_rule_set_str(n, NFTNL_RULE_CHAIN, r->chain) < 0 ||
	    (r->comment && rule_comment(n, r->comment) < 0))
		return -ENOMEM;
	nftnl_rule_set_u32(n, NFTNL_RULE_FAMILY, t->family);
	if (r->handle)
		nftnl_rule_set_u64(n, NFTNL_RULE_POSITION, r->handle);
	return rule_exprs(n, r->exprs, ret_exprs);
}

static bool rule_ok(struct fw_batch *b, const struct fw_rule *r)
{
	if (!fw_name_ok(b, "chain", r->chain))
		return false;
	if (r->comment && strlen(r->comment) >= NFTNL_UDATA_COMMENT_MAXLEN) {
		fw_batch_fail(b, -EINVAL,
			      "rule in chain %s: comment longer than %d bytes",
			      r->chain, NFTNL_UDATA_COMMENT_MAXLEN - 1);
		return false;
	}
	for (size_t i = 0; r->exprs[i].kind != FW_KIND_END; i++) {
		const char *wrong = expr_wrong(&r->exprs[i]);

		if (!wrong)
			continue;
		fw_batch_fail(b, -EINVAL,
			      "rule in chain %s: expression %zu: %s", r->chain,
			      i, wrong);
		return false;
	}
	return true;
}

static void rule_put(struct nftnl_rule **n)
{
	if (*n)
		nftnl_rule_free(*n);
}

void fw_rule_add(struct fw_batch *b, const struct fw_table *t,
		 const struct fw_rule *r)
{
	_cleanup_(rule_put) struct nftnl_rule *n = NULL;
	bool before = r->insert || r->handle;
	struct nlmsghdr *h;
	size_t exprs = 0;

	if (b->failed || !rule_ok(b, r) || !fw_name_ok(b, "table", t->name))
		return;
	n = nftnl_rule_alloc();
	if (!n || rule_fill(n, t, r, &exprs) < 0) {
		fw_batch_fail(b, -ENOMEM, "rule in chain %s: out of memory",
			      r->chain);
		return;
	}
	h = fw_batch_msg(b, t, NFT_MSG_NEWRULE,
			 (uint16_t)(NLM_F_CREATE | (before ? 0 : NLM_F_APPEND)),
			 RULE_MSG_MAX + exprs * EXPR_MAX);
	if (!h)
		return;
	nftnl_rule_nlmsg_build_payload(h, n);
	fw_batch_end(b, h);
}

void fw_rule_del(struct fw_batch *b, const struct fw_table *t,
		 const char *chain, uint64_t handle)
{
	struct nlmsghdr *h;

	if (!fw_name_ok(b, "chain", chain))
		return;
	if (handle == 0) { /* the kernel would delete all of the chain */
		fw_batch_fail(b, -EINVAL, "rule in chain %s: no handle", chain);
		return;
	}
	h = fw_batch_msg(b, t, NFT_MSG_DELRULE, 0, RULE_MSG_MAX);
	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
	mnl_attr_put_u64(h, NFTA_RULE_HANDLE, htobe64(handle));
	fw_batch_end(b, h);
}
