/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What may pass a wire: two nftables tables of our own, beside the dataplane's.
 *
 * inet, at input: VXLAN packets with a VNI of ours only from that network's hosts,
 * and where endpoints are known, with a sender that is on that host.  Fragments of
 * IPv4 are put together already here.  Those of IPv6 are not: a first one too short to
 * have a VNI falls to the last drop, and without it the others are nothing.
 * One of an encrypted network comes and goes by WireGuard, no other does, and nothing
 * else comes that way.  At forward: none from behind this host to another of a network.
 * bridge, at the wire's port: nothing of the gateway, which each host has for
 * itself; no router's or neighbour's lies; of groups what one sender may send.  Where
 * endpoints are known, from each MAC its own addresses and no others; with the MAC's
 * host, above, no host speaks for another's endpoint.
 *
 * Rules are fixed, networks are elements: a change keeps the counters.
 */
#include "netplugins/overlay/ov_wire.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/netfilter_bridge.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>

#include "lib/fw_typeof.h"

#define TABLE    OVERLAY_DRIVER "-vxlan"
#define GROUP_PS 1000 /* frames to groups a second, of one sender */

/* ---- sets --------------------------------------------------------------------- */

/* @th,96,32 is the VNI, @th,176,48 the sender's MAC in it */
static const uint8_t typeof_vnis[] = { FW_TYPEOF_ONE_VERDICT(96, 32) };
static const uint8_t typeof_vni[] = { FW_TYPEOF_ONE(96, 32) };
static const uint8_t typeof_host4[] = {
	FW_TYPEOF_CONCAT(FW_TYPEOF_TH_LEN + FW_TYPEOF_ADDR_LEN,
			 FW_TYPEOF_TH(0, 96, 32), FW_TYPEOF_IP4_SADDR(1)),
};
static const uint8_t typeof_host6[] = {
	FW_TYPEOF_CONCAT(FW_TYPEOF_TH_LEN + FW_TYPEOF_ADDR_LEN,
			 FW_TYPEOF_TH(0, 96, 32), FW_TYPEOF_IP6_SADDR(1)),
};
static const uint8_t typeof_far4[] = {
	FW_TYPEOF_CONCAT(2 * FW_TYPEOF_TH_LEN + FW_TYPEOF_ADDR_LEN,
			 FW_TYPEOF_TH(0, 96, 32), FW_TYPEOF_IP4_SADDR(1),
			 FW_TYPEOF_TH(2, 176, 48)),
};
static const uint8_t typeof_far6[] = {
	FW_TYPEOF_CONCAT(2 * FW_TYPEOF_TH_LEN + FW_TYPEOF_ADDR_LEN,
			 FW_TYPEOF_TH(0, 96, 32), FW_TYPEOF_IP6_SADDR(1),
			 FW_TYPEOF_TH(2, 176, 48)),
};
static const uint8_t typeof_target6[] = {
	FW_TYPEOF_CONCAT(FW_TYPEOF_IIFNAME_LEN + FW_TYPEOF_TH_LEN,
			 FW_TYPEOF_IIFNAME(0), FW_TYPEOF_TH(1, 64, 128)),
};
static const uint8_t typeof_says6[] = {
	FW_TYPEOF_CONCAT(FW_TYPEOF_IIFNAME_LEN + FW_TYPEOF_ADDR_LEN +
				 FW_TYPEOF_TH_LEN,
			 FW_TYPEOF_IIFNAME(0), FW_TYPEOF_ETHER_SADDR(1),
			 FW_TYPEOF_TH(2, 64, 128)),
};
#define TYPEOF(t) .userdata = (t), .userdata_len = sizeof(t)

const struct fw_set ov_wire_sets[SET_MAX] = {
	[SET_VNIS] = { .name = "vnis",
		       .key_type = FW_TYPE_INTEGER,
		       .key_len = 4,
		       .verdict_map = true,
		       TYPEOF(typeof_vnis) },
	[SET_SECRET] = { .name = "encrypted",
			 .key_type = FW_TYPE_INTEGER,
			 .key_len = 4,
			 TYPEOF(typeof_vni) },
	[SET_HOSTS4] = { .name = "hosts4",
			 .key_type = FW_TYPES2(FW_TYPE_INTEGER, FW_TYPE_IPV4),
			 .key_len = 8,
			 TYPEOF(typeof_host4) },
	[SET_HOSTS6] = { .name = "hosts6",
			 .key_type = FW_TYPES2(FW_TYPE_INTEGER, FW_TYPE_IPV6),
			 .key_len = 20,
			 TYPEOF(typeof_host6) },
	[SET_FAR4] = { .name = "far4",
		       .key_type = FW_TYPES3(FW_TYPE_INTEGER, FW_TYPE_IPV4,
					     FW_TYPE_INTEGER),
		       .key_len = 16,
		       TYPEOF(typeof_far4) },
	[SET_FAR6] = { .name = "far6",
		       .key_type = FW_TYPES3(FW_TYPE_INTEGER, FW_TYPE_IPV6,
					     FW_TYPE_INTEGER),
		       .key_len = 28,
		       TYPEOF(typeof_far6) },
	[SET_WIRES] = { .name = "wires",
			.key_type = FW_TYPE_IFNAME,
			.key_len = 16 },
	[SET_WAYS] = { .name = "ways",
		       .key_type = FW_TYPE_IFNAME,
		       .key_len = 16,
		       .verdict_map = true },
	[SET_KNOWN] = { .name = "known",
			.key_type = FW_TYPE_IFNAME,
			.key_len = 16 },
	[SET_OWN4] = { .name = "own4",
		       .key_type = FW_TYPES3(FW_TYPE_IFNAME, FW_TYPE_ETHER,
					     FW_TYPE_IPV4),
		       .key_len = 28 },
	[SET_OWN6] = { .name = "own6",
		       .key_type = FW_TYPES3(FW_TYPE_IFNAME, FW_TYPE_ETHER,
					     FW_TYPE_IPV6),
		       .key_len = 40 },
	[SET_SAYS6] = { .name = "says6",
			.key_type = FW_TYPES3(FW_TYPE_IFNAME, FW_TYPE_ETHER,
					      FW_TYPE_INTEGER),
			.key_len = 40,
			TYPEOF(typeof_says6) },
	[SET_GATE_MAC] = { .name = "gate-mac",
			   .key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_ETHER),
			   .key_len = 24 },
	[SET_GATE4] = { .name = "gate4",
			.key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_IPV4),
			.key_len = 20 },
	[SET_GATE6] = { .name = "gate6",
			.key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_IPV6),
			.key_len = 32 },
	[SET_TARGET6] = { .name = "target6",
			  .key_type =
				  FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_INTEGER),
			  .key_len = 32,
			  TYPEOF(typeof_target6) },
	[SET_GROUPS] = { .name = "groups",
			 .key_type = FW_TYPE_ETHER,
			 .key_len = 6,
			 .dynamic = true,
			 .timeout_ms = 60000 },
};

/* ---- rules -------------------------------------------------------------------- */

#define DROP FW_COUNTER, FW_VERDICT(NF_DROP), FW_END
/* most frames are not a wire's: that is seen by three bytes, without a lookup */
#define WIRE(k)   FW_META(0, k), FW_EQ(0, wire_prefix, 3)
#define OIF_IN(s) WIRE(NFT_META_OIFNAME), FW_LOOKUP(0, s)
/* ... nor a gateway's */
#define GATE_MAC(k)                                                     \
	FW_LL(0, 6, 3), FW_EQ(0, gate_prefix, 3), k, FW_ETHER_SADDR(4), \
		FW_LOOKUP(0, "gate-mac")
#define IIF        FW_META(0, NFT_META_IIFNAME)
#define OIF        FW_META(0, NFT_META_OIFNAME)
#define VNI        FW_TH(0, 12, 4) /* and the byte that must be 0 */
#define FAR_MAC(r) FW_TH(r, 22, 6)
/* as the frame says it and as the kernel read it: no VLAN tag in between; for what lets
 * pass (nft would leave it out of a drop's listing that it reads back) */
#define FRAME(t) FW_ETHER_TYPE(0), FW_EQ16(0, t), FW_ETHERTYPE(t)
#define ICMP6(t)                                                               \
	FW_ETHERTYPE(ETH_P_IPV6), FW_L4PROTO(IPPROTO_ICMPV6), FW_ICMP_TYPE(0), \
		FW_EQ8(0, t)
#define RETURN FW_VERDICT(NFT_RETURN), FW_END
/* who sent the frame, from which address; and whose a neighbour message says it is */
#define OWN6  IIF, FW_ETHER_SADDR(4), FW_IP6_SADDR(6), FW_LOOKUP(0, "own6")
#define SAYS6 IIF, FW_ETHER_SADDR(4), FW_ND_TARGET(6)

static const uint8_t group_bit[1] = { 1 };
static const uint8_t nobody[16] = { 0 }; /* :: */
/* of a wire's name, of a gateway's MAC (ov_net.c) */
static const uint8_t wire_prefix[3] = { 'b', 'x', '-' };
static const uint8_t gate_prefix[3] = { 0x02, 0x76, 0x78 };

/* clang-format off */
static const struct ov_wire_rule inet_rules[] = {
	{ "input", NULL,
	  { FW_L4PROTO(IPPROTO_UDP), FW_TH_DPORT(0), FW_EQ16(0, OV_PORT),
	    FW_GOTO("vxlan"), FW_END } },
	{ "input", "only VXLAN comes by WireGuard",
	  { FW_IIFNAME(OV_WG_LINK), DROP } },
	{ "forward", "by WireGuard",
	  { FW_IIFNAME(OV_WG_LINK), DROP } },
	{ "forward", "by WireGuard",
	  { FW_OIFNAME(OV_WG_LINK), DROP } },
	{ "forward", NULL,
	  { FW_L4PROTO(IPPROTO_UDP), FW_TH_DPORT(0), FW_EQ16(0, OV_PORT),
	    FW_GOTO("passing"), FW_END } },
	/* a host of the network may be a VM here, on a bridge */
	{ "passing", NULL, { FW_IS_IP4, VNI, FW_IP4_SADDR(1),
			     FW_LOOKUP(0, "hosts4"), RETURN } },
	{ "passing", NULL, { FW_IS_IP6, VNI, FW_IP6_SADDR(1),
			     FW_LOOKUP(0, "hosts6"), RETURN } },
	/* masqueraded it would come from this host, one of the network's */
	{ "passing", "VXLAN of a container",
	  { FW_IS_IP4, VNI, FW_IP4_DADDR(1), FW_LOOKUP(0, "hosts4"), DROP } },
	{ "passing", "VXLAN of a container",
	  { FW_IS_IP6, VNI, FW_IP6_DADDR(1), FW_LOOKUP(0, "hosts6"), DROP } },
	{ "postrouting", "in clear",
	  { FW_L4PROTO(IPPROTO_UDP), FW_TH_DPORT(0), FW_EQ16(0, OV_PORT),
	    VNI, FW_LOOKUP(0, "encrypted"), FW_NOT_OIFNAME(OV_WG_LINK),
	    DROP } },
	/* each packet comes here: one lookup, and one of its sender */
	{ "vxlan", NULL, { VNI, FW_VMAP(0, "vnis"), FW_END } },
	{ "vxlan", "no network of ours, by WireGuard",
	  { FW_IIFNAME(OV_WG_LINK), DROP } },
	/* another program's, that has VXLAN of its own */
	{ "vxlan", NULL, { VNI, RETURN } },
	{ "vxlan", "too short for a VNI", { DROP } },
	{ "clear", "not of an encrypted network",
	  { FW_IIFNAME(OV_WG_LINK), DROP } },
	{ "clear", NULL, { FW_GOTO("hosts"), FW_END } },
	{ "clear-known", "not of an encrypted network",
	  { FW_IIFNAME(OV_WG_LINK), DROP } },
	{ "clear-known", NULL, { FW_GOTO("known"), FW_END } },
	{ "secret", "in clear", { FW_NOT_IIFNAME(OV_WG_LINK), DROP } },
	{ "secret", NULL, { FW_GOTO("hosts"), FW_END } },
	{ "secret-known", "in clear", { FW_NOT_IIFNAME(OV_WG_LINK), DROP } },
	{ "secret-known", NULL, { FW_GOTO("known"), FW_END } },
	{ "hosts", NULL, { FW_IS_IP4, VNI, FW_IP4_SADDR(1),
			   FW_LOOKUP(0, "hosts4"), RETURN } },
	{ "hosts", NULL, { FW_IS_IP6, VNI, FW_IP6_SADDR(1),
			   FW_LOOKUP(0, "hosts6"), RETURN } },
	{ "hosts", "no host of the network", { DROP } },
	{ "known", NULL, { FW_IS_IP4, VNI, FW_IP4_SADDR(1), FAR_MAC(2),
			   FW_LOOKUP(0, "far4"), RETURN } },
	{ "known", NULL, { FW_IS_IP6, VNI, FW_IP6_SADDR(1), FAR_MAC(5),
			   FW_LOOKUP(0, "far6"), RETURN } },
	{ "known", "no endpoint of that host", { DROP } },
};

static const struct ov_wire_rule bridge_rules[] = {
	{ "prerouting", NULL,
	  { WIRE(NFT_META_IIFNAME), FW_VMAP(0, "ways"), FW_END } },
	/* as dp_network.no_ct: what a container sends on */
	{ "in", NULL,
	  { FW_META(0, NFT_META_PKTTYPE), FW_EQ8(0, PACKET_OTHERHOST),
	    FW_NOTRACK, FW_END } },
	{ "in", "the gateway's MAC",
	  { GATE_MAC(IIF), DROP } },
	/* most frames are IPv4's, and done after three rules */
	{ "in", "the gateway's address",
	  { FW_ETHERTYPE(ETH_P_IP), IIF, FW_IP4_SADDR(4), FW_LOOKUP(0, "gate4"),
	    DROP } },
	{ "in", NULL, { FRAME(ETH_P_IP), FW_VERDICT(NF_ACCEPT), FW_END } },
	/* a question, too, tells who the asker is */
	{ "in", "the gateway's address",
	  { FW_ETHERTYPE(ETH_P_IPV6), IIF, FW_IP6_SADDR(4), FW_LOOKUP(0, "gate6"),
	    DROP } },
	{ "in", "asks for the gateway",
	  { ICMP6(135), IIF, FW_ND_TARGET(4), FW_LOOKUP(0, "target6"), DROP } },
	{ "in", "the gateway's address",
	  { ICMP6(136), IIF, FW_ND_TARGET(4), FW_LOOKUP(0, "target6"), DROP } },
	{ "in", "router", { ICMP6(134), DROP } },
	{ "in", "redirect", { ICMP6(137), DROP } },
	{ "in", NULL, { FRAME(ETH_P_IPV6), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in", "the gateway's address",
	  { FW_ETHERTYPE(ETH_P_ARP), IIF, FW_ARP_SADDR(4), FW_LOOKUP(0, "gate4"),
	    DROP } },
	{ "in", "asks for the gateway",
	  { FW_ETHERTYPE(ETH_P_ARP), IIF, FW_ARP_TADDR(4), FW_LOOKUP(0, "gate4"),
	    DROP } },
	{ "in", NULL, { FRAME(ETH_P_ARP), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in", "ethertype", { DROP } },
	{ "in-own", NULL,
	  { FW_META(0, NFT_META_PKTTYPE), FW_EQ8(0, PACKET_OTHERHOST),
	    FW_NOTRACK, FW_END } },
	{ "in-own", NULL, { FRAME(ETH_P_IP), FW_GOTO("in-own4"), FW_END } },
	{ "in-own", NULL, { FRAME(ETH_P_IPV6), FW_GOTO("in-own6"), FW_END } },
	{ "in-own", NULL, { FRAME(ETH_P_ARP), FW_GOTO("in-own-arp"), FW_END } },
	{ "in-own", "ethertype", { DROP } },
	/* the gateway owns nothing out there: this lookup sees to that as well */
	{ "in-own4", NULL,
	  { FW_ETHERTYPE(ETH_P_IP), IIF, FW_ETHER_SADDR(4), FW_IP4_SADDR(6),
	    FW_LOOKUP(0, "own4"), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in-own4", "not its own address", { DROP } },
	{ "in-own6", NULL,
	  { FW_ETHERTYPE(ETH_P_IPV6), FW_META(0, NFT_META_L4PROTO),
	    FW_NE8(0, IPPROTO_ICMPV6), OWN6, FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in-own6", "router", { ICMP6(134), DROP } },
	{ "in-own6", "redirect", { ICMP6(137), DROP } },
	{ "in-own6", "asks for the gateway",
	  { ICMP6(135), IIF, FW_ND_TARGET(4), FW_LOOKUP(0, "target6"), DROP } },
	{ "in-own6", "not its own address",
	  { ICMP6(136), SAYS6, FW_LOOKUP_NOT(0, "says6"), DROP } },
	{ "in-own6", NULL,
	  { FW_ETHERTYPE(ETH_P_IPV6), OWN6, FW_VERDICT(NF_ACCEPT), FW_END } },
	/* from nobody: is my address free? who is listening? */
	{ "in-own6", NULL,
	  { ICMP6(135), SAYS6, FW_LOOKUP(0, "says6"), FW_IP6_SADDR(0),
	    FW_EQ(0, nobody, 16), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in-own6", NULL,
	  { ICMP6(143), FW_IP6_SADDR(0), FW_EQ(0, nobody, 16),
	    FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in-own6", "not its own address", { DROP } },
	{ "in-own-arp", "asks for the gateway",
	  { FW_ETHERTYPE(ETH_P_ARP), IIF, FW_ARP_TADDR(4), FW_LOOKUP(0, "gate4"),
	    DROP } },
	/* what it says, whoever says it: that is the truth then */
	{ "in-own-arp", NULL,
	  { FW_ETHERTYPE(ETH_P_ARP), IIF, FW_ARP_SETHER(4), FW_ARP_SADDR(6),
	    FW_LOOKUP(0, "own4"), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "in-own-arp", "not its own address", { DROP } },
	{ "postrouting", NULL, { OIF_IN("wires"), FW_GOTO("out"), FW_END } },
	{ "out", "the gateway's MAC",
	  { GATE_MAC(OIF), DROP } },
	{ "out", NULL,
	  { FRAME(ETH_P_IP), FW_LL(0, 0, 1), FW_AND(0, group_bit, 1),
	    FW_EQ8(0, 0), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "out", "asks for the gateway",
	  { FW_ETHERTYPE(ETH_P_ARP), OIF, FW_ARP_TADDR(4), FW_LOOKUP(0, "gate4"),
	    DROP } },
	{ "out", "asks for the gateway",
	  { ICMP6(135), OIF, FW_ND_TARGET(4), FW_LOOKUP(0, "target6"), DROP } },
	{ "out", NULL,
	  { FW_LL(0, 0, 1), FW_AND(0, group_bit, 1), FW_EQ8(0, 0),
	    FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "out", "asks for nobody",
	  { FRAME(ETH_P_ARP), OIF_IN("known"), DROP } },
	{ "out", "asks for nobody", { ICMP6(135), OIF_IN("known"), DROP } },
	{ "out", "too many to groups",
	  { FW_ETHER_SADDR(0), FW_METER(0, "groups", GROUP_PS, GROUP_PS),
	    DROP } },
};

static const struct fw_chain inet_chains[] = {
	/* before the host's own rules, which may accept the port */
	{ .name = "input", .type = "filter", .hook = NF_INET_LOCAL_IN,
	  .priority = NF_IP_PRI_MANGLE },
	{ .name = "forward", .type = "filter", .hook = NF_INET_FORWARD,
	  .priority = NF_IP_PRI_MANGLE },
	/* behind all that may lead a packet elsewhere */
	{ .name = "postrouting", .type = "filter", .hook = NF_INET_POST_ROUTING,
	  .priority = NF_IP_PRI_LAST },
	{ .name = "vxlan" },
	{ .name = "clear" },
	{ .name = "clear-known" },
	{ .name = "secret" },
	{ .name = "secret-known" },
	{ .name = "hosts" },
	{ .name = "known" },
	{ .name = "passing" },
};

static const struct fw_chain bridge_chains[] = {
	{ .name = "prerouting", .type = "filter", .hook = NF_BR_PRE_ROUTING,
	  .priority = NF_BR_PRI_FILTER_BRIDGED },
	{ .name = "postrouting", .type = "filter", .hook = NF_BR_POST_ROUTING,
	  .priority = NF_BR_PRI_FILTER_BRIDGED },
	{ .name = "in" },
	{ .name = "in-own" },
	{ .name = "in-own4" },
	{ .name = "in-own6" },
	{ .name = "in-own-arp" },
	{ .name = "out" },
};
/* clang-format on */

const struct ov_wire_half ov_wire_halves[2] = {
	{ { NFPROTO_INET, TABLE },
	  inet_chains,
	  ARRAY_SIZE(inet_chains),
	  inet_rules,
	  ARRAY_SIZE(inet_rules),
	  0,
	  SET_BRIDGE_FIRST },
	{ { NFPROTO_BRIDGE, TABLE },
	  bridge_chains,
	  ARRAY_SIZE(bridge_chains),
	  bridge_rules,
	  ARRAY_SIZE(bridge_rules),
	  SET_BRIDGE_FIRST,
	  SET_MAX },
};
