// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The inet table's chains that guard loopback and translate addresses.
 *
 * The text above each rule is what nft(8) prints; a test compares.  Rules that
 * drop have a counter and a comment, so that it can be seen which one moved.
 */
#include "dataplane/nft/ruleset_match.h"

#include <linux/if_packet.h>

static const uint8_t net127[1] = { 127 };
static const uint8_t loopback6[16] = { [15] = 1 };
static const uint8_t mapped127[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };

/* clang-format off */
/* iif "lo" accept */
static const struct fw_expr wire_1[] = {
	FW_META(0, NFT_META_IIF), FW_EQ32(0, 1u), ACCEPT,
};
/* ip daddr 127.0.0.0/8 counter drop */
static const struct fw_expr wire_2[] = {
	FW_IS_IP4, FW_NH(0, 16, 1), FW_EQ(0, net127, 1), DROP,
};
/* ip saddr 127.0.0.0/8 counter drop */
static const struct fw_expr wire_3[] = {
	FW_IS_IP4, FW_NH(0, 12, 1), FW_EQ(0, net127, 1), DROP,
};
/* meta nfproto ipv4 accept */
static const struct fw_expr wire_ip4[] = {
	FW_IS_IP4, ACCEPT,
};
/* ip6 daddr ::1 counter drop */
static const struct fw_expr wire_4[] = {
	FW_IS_IP6, FW_IP6_DADDR(0), FW_EQ(0, loopback6, 16), DROP,
};
/* ip6 saddr ::1 counter drop */
static const struct fw_expr wire_5[] = {
	FW_IS_IP6, FW_IP6_SADDR(0), FW_EQ(0, loopback6, 16), DROP,
};
/* ip6 daddr ::ffff:127.0.0.0/104 counter drop */
static const struct fw_expr wire_6[] = {
	FW_IS_IP6, FW_NH(0, 24, 13), FW_EQ(0, mapped127, 13), DROP,
};
/* ip6 saddr ::ffff:127.0.0.0/104 counter drop */
static const struct fw_expr wire_7[] = {
	FW_IS_IP6, FW_NH(0, 8, 13), FW_EQ(0, mapped127, 13), DROP,
};

static const struct chain_rule wire[] = {
	{ wire_1, NULL },
	{ wire_2, "loopback from a wire" },
	{ wire_3, "loopback from a wire" },
	{ wire_ip4, NULL },
	{ wire_4, "loopback from a wire" },
	{ wire_5, "loopback from a wire" },
	{ wire_6, "loopback from a wire" },
	{ wire_7, "loopback from a wire" },
	{ NULL, NULL },
};

/* dnat ip to ip daddr . meta l4proto . th dport map @addr4 */
static const struct fw_expr publish_1[] = {
	DEST4, FW_MAP(0, "addr4", 0), FW_DNAT(NFPROTO_IPV4, 0, 1), FW_END,
};
/* dnat ip to ip daddr . meta l4proto . th dport map @addr4r */
static const struct fw_expr publish_2[] = {
	DEST4, FW_MAP(0, "addr4r", 0), FW_DNAT(NFPROTO_IPV4, 0, FW_NO_REG),
	FW_END,
};
/* meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any4 */
static const struct fw_expr publish_3[] = {
	FW_IS_IP4, PORT, FW_MAP(0, "any4", 0), FW_DNAT(NFPROTO_IPV4, 0, 1),
	FW_END,
};
/* meta nfproto ipv4 dnat ip to meta l4proto . th dport map @any4r */
static const struct fw_expr publish_4[] = {
	FW_IS_IP4, PORT, FW_MAP(0, "any4r", 0),
	FW_DNAT(NFPROTO_IPV4, 0, FW_NO_REG), FW_END,
};
/* dnat ip6 to ip6 daddr . meta l4proto . th dport map @addr6 */
static const struct fw_expr publish_5[] = {
	DEST6, FW_MAP(0, "addr6", 0), FW_DNAT(NFPROTO_IPV6, 0, 4), FW_END,
};
/* dnat ip6 to ip6 daddr . meta l4proto . th dport map @addr6r */
static const struct fw_expr publish_6[] = {
	DEST6, FW_MAP(0, "addr6r", 0), FW_DNAT(NFPROTO_IPV6, 0, FW_NO_REG),
	FW_END,
};
/* meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @any6 */
static const struct fw_expr publish_7[] = {
	FW_IS_IP6, PORT, FW_MAP(0, "any6", 0), FW_DNAT(NFPROTO_IPV6, 0, 4),
	FW_END,
};
/* meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @any6r */
static const struct fw_expr publish_8[] = {
	FW_IS_IP6, PORT, FW_MAP(0, "any6r", 0),
	FW_DNAT(NFPROTO_IPV6, 0, FW_NO_REG), FW_END,
};

static const struct chain_rule publish[] = {
	{ publish_1, NULL },
	{ publish_2, NULL },
	{ publish_3, NULL },
	{ publish_4, NULL },
	{ publish_5, NULL },
	{ publish_6, NULL },
	{ publish_7, NULL },
	{ publish_8, NULL },
	{ NULL, NULL },
};

/* iifname @nets jump dstnat-nets */
static const struct fw_expr dstnat_1[] = {
	IIF_IN("nets"), FW_JUMP("dstnat-nets"), FW_END,
};
/* fib daddr type local goto arrive */
static const struct fw_expr dstnat_2[] = {
	FW_FIB_DADDR_TYPE(RTN_LOCAL), FW_GOTO("arrive"), FW_END,
};

static const struct chain_rule dstnat[] = {
	{ dstnat_1, NULL },
	{ dstnat_2, NULL },
	{ NULL, NULL },
};

/* ip daddr @gates4 iifname . ip daddr != @gate4 counter drop */
static const struct fw_expr dstnat_nets_1[] = {
	FW_IS_IP4, FW_IP4_DADDR(0), FW_LOOKUP(0, "gates4"),
	FW_META(0, NFT_META_IIFNAME), FW_IP4_DADDR(4),
	FW_LOOKUP_NOT(0, "gate4"), DROP,
};
/* ip6 daddr @gates6 iifname . ip6 daddr != @gate6 counter drop */
static const struct fw_expr dstnat_nets_2[] = {
	FW_IS_IP6, FW_IP6_DADDR(0), FW_LOOKUP(0, "gates6"),
	FW_META(0, NFT_META_IIFNAME), FW_IP6_DADDR(4),
	FW_LOOKUP_NOT(0, "gate6"), DROP,
};

static const struct chain_rule dstnat_nets[] = {
	{ dstnat_nets_1, "gateway of another network" },
	{ dstnat_nets_2, "gateway of another network" },
	{ NULL, NULL },
};

/* meta pkttype != broadcast jump judge */
static const struct fw_expr arrive_1[] = {
	FW_META(0, NFT_META_PKTTYPE), FW_NE8(0, PACKET_BROADCAST),
	FW_JUMP("judge"), FW_END,
};
/* goto publish */
static const struct fw_expr arrive_2[] = {
	FW_GOTO("publish"), FW_END,
};

static const struct chain_rule arrive[] = {
	{ arrive_1, NULL },
	{ arrive_2, NULL },
	{ NULL, NULL },
};

/* ip daddr . meta l4proto . th dport @judge-addr4 goto judged */
static const struct fw_expr judge_1[] = {
	DEST4, FW_LOOKUP(0, "judge-addr4"), FW_GOTO("judged"), FW_END,
};
/* ip daddr . meta l4proto . th dport @judge-addr4r goto judged */
static const struct fw_expr judge_2[] = {
	DEST4, FW_LOOKUP(0, "judge-addr4r"), FW_GOTO("judged"), FW_END,
};
/* meta nfproto ipv4 meta l4proto . th dport @judge-any4 goto judged */
static const struct fw_expr judge_3[] = {
	FW_IS_IP4, PORT, FW_LOOKUP(0, "judge-any4"), FW_GOTO("judged"), FW_END,
};
/* meta nfproto ipv4 meta l4proto . th dport @judge-any4r goto judged */
static const struct fw_expr judge_4[] = {
	FW_IS_IP4, PORT, FW_LOOKUP(0, "judge-any4r"), FW_GOTO("judged"), FW_END,
};
/* ip6 daddr . meta l4proto . th dport @judge-addr6 goto judged */
static const struct fw_expr judge_5[] = {
	DEST6, FW_LOOKUP(0, "judge-addr6"), FW_GOTO("judged"), FW_END,
};
/* ip6 daddr . meta l4proto . th dport @judge-addr6r goto judged */
static const struct fw_expr judge_6[] = {
	DEST6, FW_LOOKUP(0, "judge-addr6r"), FW_GOTO("judged"), FW_END,
};
/* meta nfproto ipv6 meta l4proto . th dport @judge-any6 goto judged */
static const struct fw_expr judge_7[] = {
	FW_IS_IP6, PORT, FW_LOOKUP(0, "judge-any6"), FW_GOTO("judged"), FW_END,
};
/* meta nfproto ipv6 meta l4proto . th dport @judge-any6r goto judged */
static const struct fw_expr judge_8[] = {
	FW_IS_IP6, PORT, FW_LOOKUP(0, "judge-any6r"), FW_GOTO("judged"), FW_END,
};

static const struct chain_rule judge[] = {
	{ judge_1, NULL },
	{ judge_2, NULL },
	{ judge_3, NULL },
	{ judge_4, NULL },
	{ judge_5, NULL },
	{ judge_6, NULL },
	{ judge_7, NULL },
	{ judge_8, NULL },
	{ NULL, NULL },
};

/* meta mark set meta mark | 0x02000000 accept */
static const struct fw_expr judged_1[] = {
	FW_META(0, NFT_META_MARK), FW_OR32(0, JUDGE_MARK),
	FW_META_SET(NFT_META_MARK, 0), ACCEPT,
};

static const struct chain_rule judged[] = {
	{ judged_1, NULL },
	{ NULL, NULL },
};

/* ip daddr 127.0.0.0/8 accept */
static const struct fw_expr output_1[] = {
	FW_IS_IP4, FW_NH(0, 16, 1), FW_EQ(0, net127, 1), ACCEPT,
};
/* ip6 daddr ::1 accept */
static const struct fw_expr output_2[] = {
	FW_IS_IP6, FW_IP6_DADDR(0), FW_EQ(0, loopback6, 16), ACCEPT,
};
/* fib daddr type local goto publish */
static const struct fw_expr output_3[] = {
	FW_FIB_DADDR_TYPE(RTN_LOCAL), FW_GOTO("publish"), FW_END,
};

static const struct chain_rule output[] = {
	{ output_1, NULL },
	{ output_2, NULL },
	{ output_3, NULL },
	{ NULL, NULL },
};

/* ct status dnat oifname . ip saddr @local4 masquerade */
static const struct fw_expr srcnat_1[] = {
	CT_DNAT, FW_IS_IP4, FW_META(0, NFT_META_OIFNAME), FW_IP4_SADDR(4),
	FW_LOOKUP(0, "local4"), FW_MASQ, FW_END,
};
/* ct status dnat oifname . ip6 saddr @local6 masquerade */
static const struct fw_expr srcnat_2[] = {
	CT_DNAT, FW_IS_IP6, FW_META(0, NFT_META_OIFNAME), FW_IP6_SADDR(4),
	FW_LOOKUP(0, "local6"), FW_MASQ, FW_END,
};
/* oifname @nets accept */
static const struct fw_expr srcnat_3[] = {
	OIF_IN("nets"), ACCEPT,
};
/* meta nfproto ipv4 iifname @masq4 jump srcnat4 */
static const struct fw_expr srcnat_4[] = {
	FW_IS_IP4, IIF_IN("masq4"), FW_JUMP("srcnat4"), FW_END,
};
/* meta nfproto ipv6 iifname @masq6 jump srcnat6 */
static const struct fw_expr srcnat_5[] = {
	FW_IS_IP6, IIF_IN("masq6"), FW_JUMP("srcnat6"), FW_END,
};

static const struct chain_rule srcnat[] = {
	{ srcnat_1, NULL },
	{ srcnat_2, NULL },
	{ srcnat_3, NULL },
	{ srcnat_4, NULL },
	{ srcnat_5, NULL },
	{ NULL, NULL },
};

/* snat ip to iifname map @snat4 */
static const struct fw_expr srcnat4_1[] = {
	FW_META(0, NFT_META_IIFNAME), FW_MAP(0, "snat4", 0),
	FW_SNAT(NFPROTO_IPV4, 0), FW_END,
};
/* masquerade */
static const struct fw_expr srcnat4_2[] = {
	FW_MASQ, FW_END,
};

static const struct chain_rule srcnat4[] = {
	{ srcnat4_1, NULL },
	{ srcnat4_2, NULL },
	{ NULL, NULL },
};

/* snat ip6 to iifname map @snat6 */
static const struct fw_expr srcnat6_1[] = {
	FW_META(0, NFT_META_IIFNAME), FW_MAP(0, "snat6", 0),
	FW_SNAT(NFPROTO_IPV6, 0), FW_END,
};
/* masquerade */
static const struct fw_expr srcnat6_2[] = {
	FW_MASQ, FW_END,
};

static const struct chain_rule srcnat6[] = {
	{ srcnat6_1, NULL },
	{ srcnat6_2, NULL },
	{ NULL, NULL },
};

const struct chain_def ruleset_wire_chains[] = {
	{ { .name = "wire",
	    .type = "filter",
	    .hook = NF_INET_PRE_ROUTING,
	    .priority = NF_IP_PRI_RAW },
	  wire },
	{ { .name = NULL }, NULL },
};

const struct chain_def ruleset_nat_chains[] = {
	{ { .name = "publish" },
	  publish },
	{ { .name = "dstnat",
	    .type = "nat",
	    .hook = NF_INET_PRE_ROUTING,
	    .priority = NF_IP_PRI_NAT_DST },
	  dstnat },
	{ { .name = "dstnat-nets" },
	  dstnat_nets },
	{ { .name = "arrive" },
	  arrive },
	{ { .name = "judge" },
	  judge },
	{ { .name = "judged" },
	  judged },
	{ { .name = "output",
	    .type = "nat",
	    .hook = NF_INET_LOCAL_OUT,
	    .priority = NF_IP_PRI_NAT_DST },
	  output },
	{ { .name = "srcnat",
	    .type = "nat",
	    .hook = NF_INET_POST_ROUTING,
	    .priority = NF_IP_PRI_NAT_SRC },
	  srcnat },
	{ { .name = "srcnat4" },
	  srcnat4 },
	{ { .name = "srcnat6" },
	  srcnat6 },
	{ { .name = NULL }, NULL },
};
/* clang-format on */
