// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The bridge table's chains and rules: the source guard.
 *
 * It sees a frame before the bridge learns its source.  A frame that is not
 * allowed expressly falls through to a drop: a header too short to be read
 * ends a rule, and must never end a "drop unless".
 */
#include "dataplane/nft/ruleset_priv.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter_bridge.h>
#include <linux/types.h>
#include <netinet/in.h>

#include "bpf/guard_map.h"

#define DROP            FW_COUNTER, FW_VERDICT(NF_DROP), FW_END
#define ACCEPT          FW_VERDICT(NF_ACCEPT), FW_END
#define IIF_IN(set)     FW_META(0, NFT_META_IIFNAME), FW_LOOKUP(0, set)
#define OIF_IN(set)     FW_META(0, NFT_META_OIFNAME), FW_LOOKUP(0, set)
#define IIF_NOT_IN(set) FW_META(0, NFT_META_IIFNAME), FW_LOOKUP_NOT(0, set)
/* as the frame says it and as the kernel read it: no VLAN tag in between */
#define FRAME(t)   FW_ETHER_TYPE(0), FW_EQ16(0, t), FW_ETHERTYPE(t)
#define SENDER     FW_META(0, NFT_META_IIFNAME), FW_ARP_SETHER(4), FW_ARP_SADDR(6)
#define PKTTYPE(t) FW_META(0, NFT_META_PKTTYPE), FW_EQ8(0, t)
#define ICMP6(t)                                                               \
	FW_ETHERTYPE(ETH_P_IPV6), FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), \
		FW_EQ8(0, t)

/* ARP over Ethernet for IPv4: types, lengths, and the operation */
static const uint8_t arp_request[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
static const uint8_t arp_reply[8] = { 0, 1, 8, 0, 6, 4, 0, 2 };
static const uint8_t dhcp4[4] = { 0, 67, 0, 68 };
static const uint8_t dhcp6[4] = { 547 >> 8, 547 & 0xff, 546 >> 8, 546 & 0xff };
static const uint8_t none[16];

/* clang-format off */
/* iifname @guarded goto guard */
static const struct fw_expr prerouting_1[] = {
	IIF_IN("guarded"), FW_GOTO("guard"), FW_END,
};

static const struct chain_rule prerouting[] = {
	{ prerouting_1, NULL },
	{ NULL, NULL },
};

/* meta pkttype broadcast iifname . oifname @self counter drop */
static const struct fw_expr forward_1[] = {
	PKTTYPE(PACKET_BROADCAST), FW_META(0, NFT_META_IIFNAME),
	FW_META(4, NFT_META_OIFNAME), FW_LOOKUP(0, "self"), DROP,
};
/* meta pkttype multicast iifname . oifname @self counter drop */
static const struct fw_expr forward_2[] = {
	PKTTYPE(PACKET_MULTICAST), FW_META(0, NFT_META_IIFNAME),
	FW_META(4, NFT_META_OIFNAME), FW_LOOKUP(0, "self"), DROP,
};

/*
 * Not the kernel's "isolated" port flag: with bridge netfilter a packet to a
 * published port of a container on the same bridge goes from port to port, and
 * the flag would drop it.  Such a packet came to the bridge's own MAC (pkttype
 * host) and has passed the inet forward chain.
 */
/* iifname @apart oifname @apart meta pkttype != host counter drop */
static const struct fw_expr forward_3[] = {
	IIF_IN("apart"), OIF_IN("apart"), FW_META(0, NFT_META_PKTTYPE),
	FW_NE8(0, PACKET_HOST), DROP,
};

static const struct chain_rule forward[] = {
	{ forward_1, "hairpin: own broadcast" },
	{ forward_2, "hairpin: own broadcast" },
	{ forward_3, "icc is off" },
	{ NULL, NULL },
};

/*
 * From port to port nothing is translated, and with bridge netfilter conntrack
 * would see each frame.  Not by the MAC: a frame to the port's own device is
 * routed as one to the bridge is, and both are pkttype host.
 */
/* meta pkttype other iifname @no-ct notrack */
static const struct fw_expr guard_no_ct[] = {
	PKTTYPE(PACKET_OTHERHOST), IIF_IN("no-ct"), FW_NOTRACK, FW_END,
};
/* The program at the port has looked at all that follows. */
/* meta priority 6274:7001 meta priority set none accept */
static const struct fw_expr guard_seen[] = {
	FW_META(0, NFT_META_PRIORITY), FW_EQ32(0, GUARD_SEEN), FW_IMM32(0, 0u),
	FW_META_SET(NFT_META_PRIORITY, 0), ACCEPT,
};
/* iifname . ether saddr != @mac counter drop */
static const struct fw_expr guard_1[] = {
	FW_META(0, NFT_META_IIFNAME), FW_ETHER_SADDR(4),
	FW_LOOKUP_NOT(0, "mac"), DROP,
};
/* ether type ip meta protocol ip goto guard4 */
static const struct fw_expr guard_2[] = {
	FRAME(ETH_P_IP), FW_GOTO("guard4"), FW_END,
};
/* ether type arp meta protocol arp goto guard-arp */
static const struct fw_expr guard_3[] = {
	FRAME(ETH_P_ARP), FW_GOTO("guard-arp"), FW_END,
};
/* ether type ip6 meta protocol ip6 goto guard6 */
static const struct fw_expr guard_4[] = {
	FRAME(ETH_P_IPV6), FW_GOTO("guard6"), FW_END,
};
/* counter drop */
static const struct fw_expr guard_5[] = {
	DROP,
};

static const struct chain_rule guard[] = {
	{ guard_no_ct, NULL },
	{ guard_seen, NULL },
	{ guard_1, "guard: mac" },
	{ guard_2, NULL },
	{ guard_3, NULL },
	{ guard_4, NULL },
	{ guard_5, "guard: ethertype" },
	{ NULL, NULL },
};

/* iifname != @ports4 counter drop */
static const struct fw_expr guard_arp_1[] = {
	IIF_NOT_IN("ports4"), DROP,
};
/* @nh,0,64 0x1080006040001 iifname . arp saddr ether . arp saddr ip @sender4 accept */
static const struct fw_expr guard_arp_2[] = {
	FW_NH(0, 0, 8), FW_EQ(0, arp_request, 8), FW_ETHER_TYPE(0),
	FW_EQ16(0, ETH_P_ARP), SENDER, FW_LOOKUP(0, "sender4"), ACCEPT,
};
/* @nh,0,64 0x1080006040002 iifname . arp saddr ether . arp saddr ip @sender4 accept */
static const struct fw_expr guard_arp_3[] = {
	FW_NH(0, 0, 8), FW_EQ(0, arp_reply, 8), FW_ETHER_TYPE(0),
	FW_EQ16(0, ETH_P_ARP), SENDER, FW_LOOKUP(0, "sender4"), ACCEPT,
};
/* @nh,0,64 0x1080006040001 arp saddr ip 0.0.0.0 iifname . arp saddr ether @mac accept */
static const struct fw_expr guard_arp_4[] = {
	FW_NH(0, 0, 8), FW_EQ(0, arp_request, 8), FW_ETHER_TYPE(0),
	FW_EQ16(0, ETH_P_ARP), FW_ARP_SADDR(0), FW_EQ(0, none, 4),
	FW_META(0, NFT_META_IIFNAME), FW_ARP_SETHER(4), FW_LOOKUP(0, "mac"),
	ACCEPT,
};
/* counter drop */
static const struct fw_expr guard_arp_5[] = {
	DROP,
};

static const struct chain_rule guard_arp[] = {
	{ guard_arp_1, "guard: ipv4 is off" },
	{ guard_arp_2, NULL },
	{ guard_arp_3, NULL },
	{ guard_arp_4, NULL },
	{ guard_arp_5, "guard: arp" },
	{ NULL, NULL },
};

/* iifname != @ports4 counter drop */
static const struct fw_expr guard4_1[] = {
	IIF_NOT_IN("ports4"), DROP,
};
/* icmp type redirect counter drop */
static const struct fw_expr guard4_2[] = {
	FW_ETHER_TYPE(0), FW_EQ16(0, ETH_P_IP), FW_L4PROTO(IPPROTO_ICMP),
	FW_ICMP_TYPE(0), FW_EQ8(0, 5), DROP,
};
/* udp sport 67 udp dport 68 counter drop */
static const struct fw_expr guard4_3[] = {
	FW_L4PROTO(IPPROTO_UDP), FW_TH(0, 0, 4), FW_EQ(0, dhcp4, 4), DROP,
};
/* iifname . ip saddr @from4 accept */
static const struct fw_expr guard4_4[] = {
	FW_ETHERTYPE(ETH_P_IP), FW_META(0, NFT_META_IIFNAME), FW_IP4_SADDR(4),
	FW_LOOKUP(0, "from4"), ACCEPT,
};
/* counter drop */
static const struct fw_expr guard4_5[] = {
	DROP,
};

static const struct chain_rule guard4[] = {
	{ guard4_1, "guard: ipv4 is off" },
	{ guard4_2, "guard: redirect" },
	{ guard4_3, "guard: dhcp server" },
	{ guard4_4, NULL },
	{ guard4_5, "guard: address" },
	{ NULL, NULL },
};

/* iifname != @ports6 counter drop */
static const struct fw_expr guard6_1[] = {
	IIF_NOT_IN("ports6"), DROP,
};
/* icmpv6 type nd-router-advert counter drop */
static const struct fw_expr guard6_2[] = {
	ICMP6(134), DROP,
};
/* icmpv6 type nd-redirect counter drop */
static const struct fw_expr guard6_3[] = {
	ICMP6(137), DROP,
};
/* udp sport 547 udp dport 546 counter drop */
static const struct fw_expr guard6_4[] = {
	FW_L4PROTO(IPPROTO_UDP), FW_TH(0, 0, 4), FW_EQ(0, dhcp6, 4), DROP,
};
/* icmpv6 type nd-neighbor-advert iifname . @th,64,128 != @target6 counter drop */
static const struct fw_expr guard6_5[] = {
	ICMP6(136), FW_META(0, NFT_META_IIFNAME), FW_ND_TARGET(4),
	FW_LOOKUP_NOT(0, "target6"), DROP,
};
/* iifname . ip6 saddr @from6 accept */
static const struct fw_expr guard6_6[] = {
	FW_ETHERTYPE(ETH_P_IPV6), FW_META(0, NFT_META_IIFNAME),
	FW_IP6_SADDR(4), FW_LOOKUP(0, "from6"), ACCEPT,
};
/* ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . @th,64,128 @target6 accept */
static const struct fw_expr guard6_7[] = {
	FW_ETHERTYPE(ETH_P_IPV6), FW_IP6_SADDR(0), FW_EQ(0, none, 16),
	FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), FW_EQ8(0, 135),
	FW_META(0, NFT_META_IIFNAME), FW_ND_TARGET(4),
	FW_LOOKUP(0, "target6"), ACCEPT,
};
/* ip6 saddr :: icmpv6 type mld2-listener-report accept */
static const struct fw_expr guard6_8[] = {
	FW_ETHERTYPE(ETH_P_IPV6), FW_IP6_SADDR(0), FW_EQ(0, none, 16),
	FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), FW_EQ8(0, 143), ACCEPT,
};
/* counter drop */
static const struct fw_expr guard6_9[] = {
	DROP,
};

static const struct chain_rule guard6[] = {
	{ guard6_1, "guard: ipv6 is off" },
	{ guard6_2, "guard: router" },
	{ guard6_3, "guard: redirect" },
	{ guard6_4, "guard: dhcp server" },
	{ guard6_5, "guard: neighbour" },
	{ guard6_6, NULL },
	{ guard6_7, NULL },
	{ guard6_8, NULL },
	{ guard6_9, "guard: address" },
	{ NULL, NULL },
};

const struct chain_def ruleset_bridge_chains[] = {
	{ { .name = "prerouting",
	    .type = "filter",
	    .hook = NF_BR_PRE_ROUTING,
	    .priority = NF_BR_PRI_NAT_DST_BRIDGED },
	  prerouting },
	{ { .name = "forward",
	    .type = "filter",
	    .hook = NF_BR_FORWARD,
	    .priority = NF_BR_PRI_NAT_DST_BRIDGED },
	  forward },
	{ { .name = "guard" },
	  guard },
	{ { .name = "guard-arp" },
	  guard_arp },
	{ { .name = "guard4" },
	  guard4 },
	{ { .name = "guard6" },
	  guard6 },
	{ { .name = NULL }, NULL },
};
/* clang-format on */
