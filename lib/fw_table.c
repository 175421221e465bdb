/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fw_table.c - tables and chains of a batch. */
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <string.h>

#include "lib/fw.h"
#include "lib/fw_priv.h"

#define MSG_MAX 1024 /* two names, a type and a hook */

bool fw_name_ok(struct fw_batch *b, const char *what, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (len > 0 && len < NFT_NAME_MAXLEN)
		return true;
	fw_batch_fail(b, -EINVAL, "%s: a name has 1 to %d bytes, not %zu", what,
		      NFT_NAME_MAXLEN - 1, len);
	return false;
}

static void table_msg(struct fw_batch *b, const struct fw_table *t,
		      uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = fw_batch_msg(b, t, type, flags, MSG_MAX);

	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, t->name);
	fw_batch_end(b, h);
}

void fw_table_add(struct fw_batch *b, const struct fw_table *t)
{
	table_msg(b, t, NFT_MSG_NEWTABLE, NLM_F_CREATE);
}

void fw_table_del(struct fw_batch *b, const struct fw_table *t)
{
	table_msg(b, t, NFT_MSG_DELTABLE, 0);
}

static void chain_hook_put(struct nlmsghdr *h, const struct fw_chain *c)
{
	struct nlattr *hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);

	mnl_attr_put_u32(h, NFTA_HOOK_HOOKNUM, htonl(c->hook));
	mnl_attr_put_u32(h, NFTA_HOOK_PRIORITY, htonl((uint32_t)c->priority));
	mnl_attr_nest_end(h, hook);
	mnl_attr_put_u32(h, NFTA_CHAIN_POLICY,
			 htonl(c->policy_drop ? NF_DROP : NF_ACCEPT));
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, c->type);
}

void fw_chain_add(struct fw_batch *b, const struct fw_table *t,
		  const struct fw_chain *c)
{
	struct nlmsghdr *h;

	if (!fw_name_ok(b, "chain", c->name) ||
	    (c->type && !fw_name_ok(b, "chain type", c->type)))
		return;
	h = fw_batch_msg(b, t, NFT_MSG_NEWCHAIN, NLM_F_CREATE, MSG_MAX);
	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, c->name);
	if (c->type)
		chain_hook_put(h, c);
	fw_batch_end(b, h);
}

void fw_chain_flush(struct fw_batch *b, const struct fw_table *t,
		    const char *chain)
{
	struct nlmsghdr *h;

	if (!fw_name_ok(b, "chain", chain))
		return;
	/* rules by chain, no handle: all of them */
	h = fw_batch_msg(b, t, NFT_MSG_DELRULE, 0, MSG_MAX);
	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_RULE_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, chain);
	fw_batch_end(b, h);
}

void fw_chain_del(struct fw_batch *b, const struct fw_table *t,
		  const char *chain)
{
	struct nlmsghdr *h;

	if (!fw_name_ok(b, "chain", chain))
		return;
	h = fw_batch_msg(b, t, NFT_MSG_DELCHAIN, 0, MSG_MAX);
	if (!h)
		return;
	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, t->name);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, chain);
	fw_batch_end(b, h);
}
