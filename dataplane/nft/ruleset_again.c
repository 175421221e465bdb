// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * berth.firewall=respect: what is published is judged by the host's own INPUT
 * rules first (dataplane/ebpf/reinject.h tells the whole way).
 *
 * First time in, a packet to such a port is marked and goes to INPUT with its
 * own destination.  What every INPUT rule accepted reaches the late chain
 * here: a copy leaves by our device, comes in again with the other mark, and
 * is translated then.  Only a flow's first packet goes twice.
 */
#include "dataplane/ebpf/reinject.h"
#include "dataplane/nft/ruleset_match.h"
#include "lib/ip.h"

#include <linux/if_packet.h>

/*
 * The copy is told by its broadcast MAC, with the packet for an address of this
 * host: the mark it came with may be gone by then (wg-quick and others restore
 * conntrack's mark in mangle PREROUTING).  A packet of somebody else's like that
 * is made to look like a multicast first, which nothing of the host tells apart.
 */
#define PKTTYPE(t) FW_META(0, NFT_META_PKTTYPE), FW_EQ8(0, t)
#define SET_PKTTYPE(t) \
	FW_IMM(0, &(const uint8_t){ t }, 1), FW_META_SET(NFT_META_PKTTYPE, 0)

/* clang-format off */
/* meta mark & 0x01000000 == 0x00000000 meta pkttype broadcast fib daddr type
 * local meta pkttype set multicast */
static const struct fw_expr again_1[] = {
	PKTTYPE(PACKET_BROADCAST), FW_META(0, NFT_META_MARK),
	FW_AND32(0, REINJECT_MARK), FW_EQ32(0, 0u),
	FW_FIB_DADDR_TYPE(RTN_LOCAL), SET_PKTTYPE(PACKET_MULTICAST), FW_END,
};

static const struct chain_rule again[] = {
	{ again_1, NULL },
	{ NULL, NULL },
};

/* meta pkttype broadcast ct status dnat meta mark set meta mark & 0xfcffffff
 * meta pkttype set host */
static const struct fw_expr unmark_1[] = {
	PKTTYPE(PACKET_BROADCAST), CT_DNAT, FW_META(0, NFT_META_MARK),
	FW_AND32(0, ~(REINJECT_MARK | JUDGE_MARK)),
	FW_META_SET(NFT_META_MARK, 0), SET_PKTTYPE(PACKET_HOST), FW_END,
};

static const struct chain_rule unmark[] = {
	{ unmark_1, NULL },
	{ NULL, NULL },
};

const struct chain_def ruleset_again_chains[] = {
	{ { .name = "again",
	    .type = "filter",
	    .hook = NF_INET_PRE_ROUTING,
	    .priority = NF_IP_PRI_RAW + 1 },
	  again },
	{ { .name = "unmark",
	    .type = "filter",
	    .hook = NF_INET_PRE_ROUTING,
	    .priority = NF_IP_PRI_NAT_DST + 10 },
	  unmark },
	{ { .name = NULL }, NULL },
};

/* meta pkttype broadcast fib daddr type local counter drop */
static const struct fw_expr late_1[] = {
	PKTTYPE(PACKET_BROADCAST), FW_FIB_DADDR_TYPE(RTN_LOCAL), DROP,
};
/* clang-format on */

void ruleset_late(struct fw_batch *b, const struct fw_table *t, int index)
{
	const struct fw_chain chain = { .name = "late",
					.type = "filter",
					.hook = NF_INET_LOCAL_IN,
					.priority = 250 };
	struct ip_addr gateway = { 0 };
	int r = ip_parse(t->family == NFPROTO_IPV4 ? REINJECT_GW4
						   : REINJECT_GW6,
			 &gateway, NULL);
	const struct fw_expr late_2[] = {
		FW_META(0, NFT_META_MARK),
		FW_AND32(0, JUDGE_MARK),
		FW_NE32(0, 0u),
		FW_COUNTER,
		FW_IMM(0, gateway.bytes, ip_bytes(&gateway)),
		FW_IMM32(4, index),
		FW_DUP(0, 4),
		FW_VERDICT(NF_DROP),
		FW_END,
	};
	const struct fw_rule rules[LATE_RULES] = {
		{ .chain = "late",
		  .exprs = late_1,
		  .comment = "came in twice" },
		{ .chain = "late",
		  .exprs = late_2,
		  .comment = "accepted: in again" },
	};

	(void)r; /* a constant */
	fw_chain_add(b, t, &chain);
	fw_rule_add(b, t, &rules[0]);
	fw_rule_add(b, t, &rules[1]);
}
