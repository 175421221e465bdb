// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The inet table's chains that decide what may pass: between networks, into
 * them, out of them, and to the host itself.
 */
#include "dataplane/nft/ruleset_match.h"

#include <linux/types.h>

#include "bpf/guard_map.h"

/* clang-format off */
/*
 * The stamp of what this chain judged, without which the guard lets nothing into
 * a container (bpf/lib/guard.h).  Not a chain of its own, later: tables come
 * and go while packets are between two hooks, and such a one would be stamped
 * and not judged.
 */
/* oifname @nets meta priority set 6274:7000 */
static const struct fw_expr forward_0[] = {
	OIF_IN("nets"), FW_IMM32(0, GUARD_STAMP),
	FW_META_SET(NFT_META_PRIORITY, 0), FW_END,
};
/* ct state established,related accept */
static const struct fw_expr forward_1[] = {
	CT_KNOWN, ACCEPT,
};
/* iifname . oifname @icc accept */
static const struct fw_expr forward_2[] = {
	IFS_IN("icc"), ACCEPT,
};
/* iifname @nets jump from */
static const struct fw_expr forward_3[] = {
	IIF_IN("nets"), FW_JUMP("from"), FW_END,
};
/* oifname @nets goto into */
static const struct fw_expr forward_4[] = {
	OIF_IN("nets"), FW_GOTO("into"), FW_END,
};
/* iifname @nets accept */
static const struct fw_expr forward_5[] = {
	IIF_IN("nets"), ACCEPT,
};
/* iifname @friends accept */
static const struct fw_expr forward_6[] = {
	IIF_IN("friends"), ACCEPT,
};
/* oifname @friends accept */
static const struct fw_expr forward_7[] = {
	OIF_IN("friends"), ACCEPT,
};
/* iifname . oifname @within accept */
static const struct fw_expr forward_8[] = {
	IFS_IN("within"), ACCEPT,
};
/* meta nfproto @stop counter drop */
static const struct fw_expr forward_9[] = {
	FW_META(0, NFT_META_NFPROTO), FW_LOOKUP(0, "stop"), DROP,
};

static const struct chain_rule forward[] = {
	{ forward_0, NULL },
	{ forward_1, NULL },
	{ forward_2, NULL },
	{ forward_3, NULL },
	{ forward_4, NULL },
	{ forward_5, NULL },
	{ forward_6, NULL },
	{ forward_7, NULL },
	{ forward_8, NULL },
	{ forward_9, "forwarding between others" },
	{ NULL, NULL },
};

/* fib saddr . iif oif missing counter drop */
static const struct fw_expr from_1[] = {
	FW_FIB(0, NFT_FIB_RESULT_OIF, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF | NFTA_FIB_F_PRESENT),
	FW_EQ32(0, 0u), DROP,
};
/* meta nfproto ipv4 iifname @internal4 iifname . oifname != @same counter drop */
static const struct fw_expr from_2[] = {
	FW_IS_IP4, IIF_IN("internal4"), IFS_NOT_IN("same"), DROP,
};
/* meta nfproto ipv6 iifname @internal6 iifname . oifname != @same counter drop */
static const struct fw_expr from_3[] = {
	FW_IS_IP6, IIF_IN("internal6"), IFS_NOT_IN("same"), DROP,
};
/* oifname @foreign ct status ! dnat counter drop */
static const struct fw_expr from_4[] = {
	OIF_IN("foreign"), CT_NOT_DNAT, DROP,
};
/*
 * What conntrack makes nothing of, a late RST say, is not translated: it would
 * leave with the container's own address.
 */
/* ct state invalid meta nfproto ipv4 iifname @masq4 oifname != @nets counter drop */
static const struct fw_expr from_5[] = {
	CT_INVALID, FW_IS_IP4, IIF_IN("masq4"), OIF_NOT_IN("nets"), DROP,
};
/* ct state invalid meta nfproto ipv6 iifname @masq6 oifname != @nets counter drop */
static const struct fw_expr from_6[] = {
	CT_INVALID, FW_IS_IP6, IIF_IN("masq6"), OIF_NOT_IN("nets"), DROP,
};

static const struct chain_rule from[] = {
	{ from_1, "forged source" },
	{ from_2, "internal" },
	{ from_3, "internal" },
	{ from_4, "network of others" },
	{ from_5, "invalid" },
	{ from_6, "invalid" },
	{ NULL, NULL },
};

/* meta nfproto ipv4 oifname @internal4 counter drop */
static const struct fw_expr into_1[] = {
	FW_IS_IP4, OIF_IN("internal4"), DROP,
};
/* meta nfproto ipv6 oifname @internal6 counter drop */
static const struct fw_expr into_2[] = {
	FW_IS_IP6, OIF_IN("internal6"), DROP,
};
/* iifname != @nets ip saddr @subnets4 counter drop */
static const struct fw_expr into_3[] = {
	IIF_NOT_IN("nets"), FW_IS_IP4, FW_IP4_SADDR(0),
	FW_LOOKUP(0, "subnets4"), DROP,
};
/* iifname != @nets ip6 saddr @subnets6 counter drop */
static const struct fw_expr into_4[] = {
	IIF_NOT_IN("nets"), FW_IS_IP6, FW_IP6_SADDR(0),
	FW_LOOKUP(0, "subnets6"), DROP,
};
/* ct status dnat accept */
static const struct fw_expr into_5[] = {
	CT_DNAT, ACCEPT,
};
/* iifname . oifname @same counter drop */
static const struct fw_expr into_6[] = {
	IFS_IN("same"), DROP,
};
/* meta nfproto ipv4 goto into4 */
static const struct fw_expr into_7[] = {
	FW_IS_IP4, FW_GOTO("into4"), FW_END,
};
/* meta nfproto ipv6 goto into6 */
static const struct fw_expr into_8[] = {
	FW_IS_IP6, FW_GOTO("into6"), FW_END,
};

static const struct chain_rule into[] = {
	{ into_1, "internal" },
	{ into_2, "internal" },
	{ into_3, "forged source" },
	{ into_4, "forged source" },
	{ into_5, NULL },
	{ into_6, "icc is off" },
	{ into_7, NULL },
	{ into_8, NULL },
	{ NULL, NULL },
};

/* oifname @direct4 accept */
static const struct fw_expr into4_1[] = {
	OIF_IN("direct4"), ACCEPT,
};
/* oifname @routed4 icmp type echo-request accept */
static const struct fw_expr into4_2[] = {
	OIF_IN("routed4"), FW_IS_IP4, FW_L4PROTO(IPPROTO_ICMP),
	FW_ICMP_TYPE(0), FW_EQ8(0, 8), ACCEPT,
};
/* oifname @routed4 goto open */
static const struct fw_expr into4_3[] = {
	OIF_IN("routed4"), FW_GOTO("open"), FW_END,
};
/* iifname . oifname @trusted goto open */
static const struct fw_expr into4_4[] = {
	IFS_IN("trusted"), FW_GOTO("open"), FW_END,
};
/* counter drop */
static const struct fw_expr into4_5[] = {
	DROP,
};

static const struct chain_rule into4[] = {
	{ into4_1, NULL },
	{ into4_2, NULL },
	{ into4_3, NULL },
	{ into4_4, NULL },
	{ into4_5, "not published" },
	{ NULL, NULL },
};

/* oifname @direct6 accept */
static const struct fw_expr into6_1[] = {
	OIF_IN("direct6"), ACCEPT,
};
/* oifname @routed6 icmpv6 type echo-request accept */
static const struct fw_expr into6_2[] = {
	OIF_IN("routed6"), FW_IS_IP6, FW_L4PROTO(IPPROTO_ICMPV6),
	FW_ICMP_TYPE(0), FW_EQ8(0, 128), ACCEPT,
};
/* oifname @routed6 goto open */
static const struct fw_expr into6_3[] = {
	OIF_IN("routed6"), FW_GOTO("open"), FW_END,
};
/* iifname . oifname @trusted goto open */
static const struct fw_expr into6_4[] = {
	IFS_IN("trusted"), FW_GOTO("open"), FW_END,
};
/* counter drop */
static const struct fw_expr into6_5[] = {
	DROP,
};

static const struct chain_rule into6[] = {
	{ into6_1, NULL },
	{ into6_2, NULL },
	{ into6_3, NULL },
	{ into6_4, NULL },
	{ into6_5, "not published" },
	{ NULL, NULL },
};

/* ip daddr . meta l4proto . th dport @open4 accept */
static const struct fw_expr open_1[] = {
	DEST4, FW_LOOKUP(0, "open4"), ACCEPT,
};
/* ip daddr . meta l4proto . th dport @open4r accept */
static const struct fw_expr open_2[] = {
	DEST4, FW_LOOKUP(0, "open4r"), ACCEPT,
};
/* ip6 daddr . meta l4proto . th dport @open6 accept */
static const struct fw_expr open_3[] = {
	DEST6, FW_LOOKUP(0, "open6"), ACCEPT,
};
/* ip6 daddr . meta l4proto . th dport @open6r accept */
static const struct fw_expr open_4[] = {
	DEST6, FW_LOOKUP(0, "open6r"), ACCEPT,
};
/* counter drop */
static const struct fw_expr open_5[] = {
	DROP,
};

static const struct chain_rule open[] = {
	{ open_1, NULL },
	{ open_2, NULL },
	{ open_3, NULL },
	{ open_4, NULL },
	{ open_5, "not published" },
	{ NULL, NULL },
};

/* iif "lo" accept */
static const struct fw_expr input_1[] = {
	FW_META(0, NFT_META_IIF), FW_EQ32(0, 1u), ACCEPT,
};
/* iifname @nets goto host */
static const struct fw_expr input_2[] = {
	IIF_IN("nets"), FW_GOTO("host"), FW_END,
};
/*
 * Frames to link-local groups are given to the bridge's port itself, some of
 * them past every hook of the bridge: an IP packet in one comes from there.
 */
/* iifname @ports counter drop */
static const struct fw_expr input_3[] = {
	IIF_IN("ports"), DROP,
};

static const struct chain_rule input[] = {
	{ input_1, NULL },
	{ input_2, NULL },
	{ input_3, "past the bridge" },
	{ NULL, NULL },
};

/* What containers send to the host most of all comes first. */
/* iifname . ip daddr @gate4 accept */
static const struct fw_expr host_1[] = {
	FW_IS_IP4, FW_META(0, NFT_META_IIFNAME), FW_IP4_DADDR(4),
	FW_LOOKUP(0, "gate4"), ACCEPT,
};
/* iifname . ip6 daddr @gate6 accept */
static const struct fw_expr host_2[] = {
	FW_IS_IP6, FW_META(0, NFT_META_IIFNAME), FW_IP6_DADDR(4),
	FW_LOOKUP(0, "gate6"), ACCEPT,
};
/* ip daddr @gates4 counter drop */
static const struct fw_expr host_3[] = {
	FW_IS_IP4, FW_IP4_DADDR(0), FW_LOOKUP(0, "gates4"), DROP,
};
/* ip6 daddr @gates6 counter drop */
static const struct fw_expr host_4[] = {
	FW_IS_IP6, FW_IP6_DADDR(0), FW_LOOKUP(0, "gates6"), DROP,
};
/* meta nfproto ipv4 iifname @internal4 goto host-internal4 */
static const struct fw_expr host_5[] = {
	FW_IS_IP4, IIF_IN("internal4"), FW_GOTO("host-internal4"), FW_END,
};
/* meta nfproto ipv6 iifname @internal6 goto host-internal6 */
static const struct fw_expr host_6[] = {
	FW_IS_IP6, IIF_IN("internal6"), FW_GOTO("host-internal6"), FW_END,
};

static const struct chain_rule host[] = {
	{ host_1, NULL },
	{ host_2, NULL },
	{ host_3, "gateway of another network" },
	{ host_4, "gateway of another network" },
	{ host_5, NULL },
	{ host_6, NULL },
	{ NULL, NULL },
};

/* ct state established,related accept */
static const struct fw_expr host_internal4_1[] = {
	CT_KNOWN, ACCEPT,
};
/* iifname @isolated4 counter drop */
static const struct fw_expr host_internal4_2[] = {
	IIF_IN("isolated4"), DROP,
};
/* counter drop */
static const struct fw_expr host_internal4_3[] = {
	DROP,
};

static const struct chain_rule host_internal4[] = {
	{ host_internal4_1, NULL },
	{ host_internal4_2, "isolated" },
	{ host_internal4_3, "internal" },
	{ NULL, NULL },
};

/* ct state established,related accept */
static const struct fw_expr host_internal6_1[] = {
	CT_KNOWN, ACCEPT,
};
/* iifname @isolated6 counter drop */
static const struct fw_expr host_internal6_2[] = {
	IIF_IN("isolated6"), DROP,
};
/* icmpv6 type nd-neighbor-solicit accept */
static const struct fw_expr host_internal6_3[] = {
	FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), FW_EQ8(0, 135), ACCEPT,
};
/* icmpv6 type nd-neighbor-advert accept */
static const struct fw_expr host_internal6_4[] = {
	FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), FW_EQ8(0, 136), ACCEPT,
};
/* counter drop */
static const struct fw_expr host_internal6_5[] = {
	DROP,
};

static const struct chain_rule host_internal6[] = {
	{ host_internal6_1, NULL },
	{ host_internal6_2, "isolated" },
	{ host_internal6_3, NULL },
	{ host_internal6_4, NULL },
	{ host_internal6_5, "internal" },
	{ NULL, NULL },
};

const struct chain_def ruleset_filter_chains[] = {
	{ { .name = "forward",
	    .type = "filter",
	    .hook = NF_INET_FORWARD,
	    .priority = NF_IP_PRI_FILTER - 5 },
	  forward },
	{ { .name = "from" },
	  from },
	{ { .name = "into" },
	  into },
	{ { .name = "into4" },
	  into4 },
	{ { .name = "into6" },
	  into6 },
	{ { .name = "open" },
	  open },
	{ { .name = "input",
	    .type = "filter",
	    .hook = NF_INET_LOCAL_IN,
	    .priority = NF_IP_PRI_FILTER - 5 },
	  input },
	{ { .name = "host" },
	  host },
	{ { .name = "host-internal4" },
	  host_internal4 },
	{ { .name = "host-internal6" },
	  host_internal6 },
	{ { .name = NULL }, NULL },
};
/* clang-format on */
