/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fw_rule.c - each expression as nft(8) reads it, and the same bytecode
 * that nft(8) makes of that text.
 */
#include <linux/if_ether.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/rtnetlink.h>

#include "lib/test/test.h"

#include "lib/fw.h"
#include "lib/fw_expr.h"
#include "lib/test/fw_test.h"

#define MAX_EXPRS 16

enum base { PLAIN, DSTNAT, SRCNAT, INPUT };

struct row {
	const char *text; /* of the rule as nft list prints it; the name */
	uint8_t family;   /* 0: inet */
	enum base base;
	const char *comment;
	bool differs; /* nft joins loads, or swaps a byte */
	struct fw_expr exprs[MAX_EXPRS];
};

static const uint8_t net_172_17_12[4] = { 172, 17, 16, 0 };
static const uint8_t mask_20[4] = { 0xff, 0xff, 0xf0, 0 };
static const uint8_t ip4[4] = { 10, 9, 0, 2 };
static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 };
static const uint8_t mac[6] = { 2, 0x42, 10, 9, 0, 2 };
static const uint8_t port_lo[2] = { 0, 80 }, port_hi[2] = { 0, 90 };
static const uint32_t dev = 1;

#define STATE(s)    NF_CT_STATE_BIT(s)
#define ESTABLISHED (STATE(IP_CT_ESTABLISHED) | STATE(IP_CT_RELATED))

static const struct row rows[] = {
	/* meta and cmp */
	{ "iifname \"lo\" accept",
	  .exprs = { FW_IIFNAME("lo"), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "oifname != \"br0\" counter packets 0 bytes 0 drop",
	  .exprs = { FW_NOT_OIFNAME("br0"), FW_COUNTER, FW_VERDICT(NF_DROP),
		     FW_END } },
	{ "iifname != \"br0\" oifname \"br1\" return",
	  .exprs = { FW_NOT_IIFNAME("br0"), FW_OIFNAME("br1"),
		     FW_VERDICT(NFT_RETURN), FW_END } },
	{ "iifname \"br-*\"", .exprs = { FW_META(0, NFT_META_IIFNAME),
					 FW_EQ(0, "br-", 3), FW_END } },
	{ "iif \"lo\"",
	  .exprs = { FW_META(0, NFT_META_IIF), FW_EQ32(0, 1), FW_END } },
	{ "oif != \"lo\"",
	  .exprs = { FW_META(0, NFT_META_OIF), FW_NE32(0, 1), FW_END } },
	{ "meta nfproto ipv4", .exprs = { FW_IS_IP4, FW_END } },
	{ "meta nfproto ipv6", .exprs = { FW_IS_IP6, FW_END } },
	{ "meta l4proto tcp", .exprs = { FW_L4PROTO(6), FW_END } },
	{ "meta l4proto != udp",
	  .exprs = { FW_META(0, NFT_META_L4PROTO), FW_NE8(0, 17), FW_END } },
	{ "meta mark 0x00000042",
	  .exprs = { FW_META(0, NFT_META_MARK), FW_EQ32(0, 0x42), FW_END } },
	{ "meta mark & 0x00000080 == 0x00000080",
	  .exprs = { FW_META(0, NFT_META_MARK), FW_AND32(0, 0x80),
		     FW_EQ32(0, 0x80), FW_END } },
	{ "meta mark set meta mark | 0x00000080",
	  .exprs = { FW_META(0, NFT_META_MARK), FW_OR32(0, 0x80),
		     FW_META_SET(NFT_META_MARK, 0), FW_END } },
	{ "meta mark set meta mark & 0xffffff7f",
	  .exprs = { FW_META(0, NFT_META_MARK), FW_AND32(0, 0xffffff7fu),
		     FW_META_SET(NFT_META_MARK, 0), FW_END } },
	{ "meta mark set 0x00000007",
	  .exprs = { FW_IMM32(0, 7), FW_META_SET(NFT_META_MARK, 0), FW_END } },
	{ "meta oifkind \"bridge\"",
	  .exprs = { FW_META(0, NFT_META_OIFKIND),
		     FW_EQ(0, "bridge\0\0\0\0\0\0\0\0\0", 16), FW_END } },
	{ "meta iifkind \"veth\"",
	  .exprs = { FW_META(0, NFT_META_IIFKIND), FW_EQ_IFNAME(0, "veth"),
		     FW_END } },

	/* payload */
	{ "ip daddr 10.9.0.2",
	  .exprs = { FW_IS_IP4, FW_IP4_DADDR(0), FW_EQ(0, ip4, 4), FW_END } },
	{ "ip daddr 127.0.0.0/8 counter packets 0 bytes 0 drop",
	  .exprs = { FW_IS_IP4, FW_NH(0, 16, 1), FW_EQ8(0, 127), FW_COUNTER,
		     FW_VERDICT(NF_DROP), FW_END } },
	{ "ip saddr 172.17.16.0/20",
	  .exprs = { FW_IS_IP4, FW_IP4_SADDR(0), FW_AND(0, mask_20, 4),
		     FW_EQ(0, net_172_17_12, 4), FW_END } },
	{ "ip6 daddr 2001:db8::2",
	  .exprs = { FW_IS_IP6, FW_IP6_DADDR(0), FW_EQ(0, ip6, 16), FW_END } },
	{ "ip6 saddr ::ffff:127.0.0.0/104",
	  .exprs = { FW_IS_IP6, FW_NH(0, 8, 13),
		     FW_EQ(0, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f", 13),
		     FW_END } },
	{ "ip6 saddr != ::1",
	  .exprs = { FW_IS_IP6, FW_IP6_SADDR(0),
		     FW_NE(0, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16),
		     FW_END } },
	{ "tcp dport 80",
	  .exprs = { FW_L4PROTO(6), FW_TH_DPORT(0), FW_EQ16(0, 80), FW_END } },
	{ "udp sport 67 udp dport 68 drop", .differs = true,
	  .exprs = { FW_L4PROTO(17), FW_TH_SPORT(0), FW_EQ16(0, 67),
		     FW_TH_DPORT(0), FW_EQ16(0, 68), FW_VERDICT(NF_DROP),
		     FW_END } },
	{ "tcp dport != 80-90",
	  .exprs = { FW_L4PROTO(6), FW_TH_DPORT(0),
		     FW_RANGE(0, NFT_RANGE_NEQ, port_lo, port_hi, 2),
		     FW_END } },
	{ "icmp type echo-request accept",
	  .exprs = { FW_IS_IP4, FW_L4PROTO(1), FW_ICMP_TYPE(0), FW_EQ8(0, 8),
		     FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "icmpv6 type nd-router-advert drop",
	  .exprs = { FW_IS_IP6, FW_L4PROTO(58), FW_ICMP_TYPE(0), FW_EQ8(0, 134),
		     FW_VERDICT(NF_DROP), FW_END } },
	{ "ether saddr 02:42:0a:09:00:02", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHER_SADDR(0), FW_EQ(0, mac, 6), FW_END } },
	{ "ether type ip drop", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHER_TYPE(0), FW_EQ16(0, ETH_P_IP),
		     FW_VERDICT(NF_DROP), FW_END } },
	{ "meta protocol ip6", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHERTYPE(ETH_P_IPV6), FW_END } },
	{ "arp operation request", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHER_TYPE(0), FW_EQ16(0, ETH_P_ARP), FW_ARP_OP(0),
		     FW_EQ16(0, 1), FW_END } },
	{ "arp saddr ip 10.9.0.2", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHER_TYPE(0), FW_EQ16(0, ETH_P_ARP), FW_ARP_SADDR(0),
		     FW_EQ(0, ip4, 4), FW_END } },
	{ "arp saddr ether 02:42:0a:09:00:02", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHER_TYPE(0), FW_EQ16(0, ETH_P_ARP), FW_ARP_SETHER(0),
		     FW_EQ(0, mac, 6), FW_END } },
	{ "ip saddr 10.9.0.2", .family = NFPROTO_BRIDGE,
	  .exprs = { FW_ETHERTYPE(ETH_P_IP), FW_IP4_SADDR(0), FW_EQ(0, ip4, 4),
		     FW_END } },
	{ "iifname . ether saddr != @port_mac drop", .family = NFPROTO_BRIDGE,
	  .comment = "guard: mac",
	  .exprs = { FW_META(0, NFT_META_IIFNAME), FW_ETHER_SADDR(4),
		     FW_LOOKUP_NOT(0, "port_mac"), FW_VERDICT(NF_DROP),
		     FW_END } },

	/* conntrack and fib */
	{ "ct state established,related accept",
	  .exprs = { FW_CT_STATE(ESTABLISHED), FW_VERDICT(NF_ACCEPT),
		     FW_END } },
	{ "ct status dnat accept", .exprs = { FW_CT_STATUS(IPS_DST_NAT),
					      FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "ct direction original",
	  .exprs = { FW_CT(0, NFT_CT_DIRECTION), FW_EQ8(0, IP_CT_DIR_ORIGINAL),
		     FW_END } },
	{ "meta l4proto tcp ct original proto-dst 80",
	  .exprs = { FW_L4PROTO(6),
		     FW_CT_DIR(0, NFT_CT_PROTO_DST, IP_CT_DIR_ORIGINAL),
		     FW_EQ16(0, 80), FW_END } },
	{ "ct mark set 0x00000007",
	  .exprs = { FW_IMM32(0, 7), FW_CT_SET(NFT_CT_MARK, 0), FW_END } },
	{ "ct mark & 0x000000f0 != 0x00000010",
	  .exprs = { FW_CT(0, NFT_CT_MARK), FW_AND32(0, 0xf0), FW_NE32(0, 0x10),
		     FW_END } },
	{ "fib daddr type local jump other", .base = DSTNAT,
	  .exprs = { FW_FIB_DADDR_TYPE(RTN_LOCAL), FW_JUMP("other"), FW_END } },
	{ "fib daddr . iif type local", .base = DSTNAT,
	  .exprs = { FW_FIB(0, NFT_FIB_RESULT_ADDRTYPE,
			    NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF),
		     FW_EQ32(0, RTN_LOCAL), FW_END } },

	/* sets and maps */
	{ "iifname @nets goto other",
	  .exprs = { FW_META(0, NFT_META_IIFNAME), FW_LOOKUP(0, "nets"),
		     FW_GOTO("other"), FW_END } },
	{ "oifname != @nets drop",
	  .exprs = { FW_META(0, NFT_META_OIFNAME), FW_LOOKUP_NOT(0, "nets"),
		     FW_VERDICT(NF_DROP), FW_END } },
	{ "iifname . oifname @same accept",
	  .exprs = { FW_META(0, NFT_META_IIFNAME), FW_META(4, NFT_META_OIFNAME),
		     FW_LOOKUP(0, "same"), FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "iifname vmap @modes", .exprs = { FW_META(0, NFT_META_IIFNAME),
					    FW_VMAP(0, "modes"), FW_END } },
	{ "ip daddr . meta l4proto . th dport @open4 accept",
	  .exprs = { FW_IS_IP4, FW_IP4_DADDR(0), FW_META(1, NFT_META_L4PROTO),
		     FW_TH_DPORT(2), FW_LOOKUP(0, "open4"),
		     FW_VERDICT(NF_ACCEPT), FW_END } },
	{ "dnat ip to ip daddr . meta l4proto . th dport map @pub4_addr",
	  .base = DSTNAT,
	  .exprs = { FW_IS_IP4, FW_IP4_DADDR(0), FW_META(1, NFT_META_L4PROTO),
		     FW_TH_DPORT(2), FW_MAP(0, "pub4_addr", 0),
		     FW_DNAT(NFPROTO_IPV4, 0, 1), FW_END } },
	{ "meta nfproto ipv4 dnat ip to meta l4proto . th dport map @rng4_any",
	  .differs = true, .base = DSTNAT,
	  .exprs = { FW_IS_IP4, FW_META(0, NFT_META_L4PROTO), FW_TH_DPORT(1),
		     FW_MAP(0, "rng4_any", 0),
		     FW_DNAT(NFPROTO_IPV4, 0, FW_NO_REG), FW_END } },
	{ "meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @pub6_any",
	  .base = DSTNAT,
	  .exprs = { FW_IS_IP6, FW_META(0, NFT_META_L4PROTO), FW_TH_DPORT(1),
		     FW_MAP(0, "pub6_any", 0), FW_DNAT(NFPROTO_IPV6, 0, 4),
		     FW_END } },
	{ "meta nfproto ipv4 snat ip to iifname map @snat4", .base = SRCNAT,
	  .exprs = { FW_IS_IP4, FW_META(0, NFT_META_IIFNAME),
		     FW_MAP(0, "snat4", 0), FW_SNAT(NFPROTO_IPV4, 0),
		     FW_END } },

	/* statements */
	{ "meta l4proto tcp dnat ip to 10.9.0.2:80", .base = DSTNAT,
	  .exprs = { FW_L4PROTO(6), FW_IMM(0, ip4, 4), FW_IMM16(4, 80),
		     FW_DNAT(NFPROTO_IPV4, 0, 4), FW_END } },
	{ "masquerade", .base = SRCNAT, .exprs = { FW_MASQ, FW_END } },
	{ "notrack", .exprs = { FW_NOTRACK, FW_END } },
	{ "socket wildcard 1", .exprs = { FW_SOCKET(0, NFT_SOCKET_WILDCARD),
					  FW_EQ8(0, 1), FW_END } },
	{ "dup to 10.9.0.2 device \"lo\"", .family = NFPROTO_IPV4,
	  .exprs = { FW_IMM(0, ip4, 4), FW_IMM(4, &dev, 4), FW_DUP(0, 4),
		     FW_END } },
	{ "reject", .base = INPUT,
	  .exprs = { FW_REJECT(NFT_REJECT_ICMPX_UNREACH,
			       NFT_REJECT_ICMPX_PORT_UNREACH),
		     FW_END } },
	{ "limit rate 10/minute burst 7 packets",
	  .exprs = { FW_LIMIT(10, 60, 7), FW_END } },
	{ "counter packets 0 bytes 0 accept", .comment = "berth:x:y z",
	  .exprs = { FW_COUNTER, FW_VERDICT(NF_ACCEPT), FW_END } },
};

/* The sets that the rows name. */
static const struct fw_set sets_inet[] = {
	{ .name = "nets", .key_type = FW_TYPE_IFNAME, .key_len = 16 },
	{ .name = "same",
	  .key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_IFNAME),
	  .key_len = 32,
	  .concat = true },
	{ .name = "modes",
	  .key_type = FW_TYPE_IFNAME,
	  .key_len = 16,
	  .verdict_map = true },
	{ .name = "open4",
	  .key_type = FW_TYPES3(FW_TYPE_IPV4, FW_TYPE_L4PROTO, FW_TYPE_PORT),
	  .key_len = 12,
	  .concat = true },
	{ .name = "pub4_addr",
	  .key_type = FW_TYPES3(FW_TYPE_IPV4, FW_TYPE_L4PROTO, FW_TYPE_PORT),
	  .key_len = 12,
	  .concat = true,
	  .data_type = FW_TYPES2(FW_TYPE_IPV4, FW_TYPE_PORT),
	  .data_len = 8 },
	{ .name = "rng4_any",
	  .key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT),
	  .key_len = 8,
	  .concat = true,
	  .interval = true,
	  .field_len = { 1, 2 },
	  .field_count = 2,
	  .data_type = FW_TYPE_IPV4,
	  .data_len = 4 },
	{ .name = "pub6_any",
	  .key_type = FW_TYPES2(FW_TYPE_L4PROTO, FW_TYPE_PORT),
	  .key_len = 8,
	  .concat = true,
	  .data_type = FW_TYPES2(FW_TYPE_IPV6, FW_TYPE_PORT),
	  .data_len = 20 },
	{ .name = "snat4",
	  .key_type = FW_TYPE_IFNAME,
	  .key_len = 16,
	  .data_type = FW_TYPE_IPV4,
	  .data_len = 4 },
	{ 0 },
};

static const struct fw_set sets_bridge[] = {
	{ .name = "port_mac",
	  .key_type = FW_TYPES2(FW_TYPE_IFNAME, FW_TYPE_ETHER),
	  .key_len = 24,
	  .concat = true },
	{ 0 },
};

static const struct fw_set sets_none[] = { { 0 } };

static const struct fw_chain bases[] = {
	[PLAIN] = { .name = "c" },
	[DSTNAT] = { .name = "c",
		     .type = "nat",
		     .hook = NF_INET_PRE_ROUTING,
		     .priority = -100 },
	[SRCNAT] = { .name = "c",
		     .type = "nat",
		     .hook = NF_INET_POST_ROUTING,
		     .priority = 100 },
	[INPUT] = { .name = "c",
		    .type = "filter",
		    .hook = NF_INET_LOCAL_IN,
		    .priority = 250 },
};

static struct fw *fw;

static const char *family_str(uint8_t family)
{
	return family == NFPROTO_BRIDGE ? "bridge"
	       : family == NFPROTO_IPV4 ? "ip"
					: "inet";
}

static void make(const struct row *row, const struct fw_table *t)
{
	_cleanup_(fw_batch_freep) struct fw_batch *b = fw_batch_new(fw);
	const struct fw_set *s = t->family == NFPROTO_INET     ? sets_inet
				 : t->family == NFPROTO_BRIDGE ? sets_bridge
							       : sets_none;
	struct fw_chain other = { .name = "other" };
	struct err err = { 0 };

	assert_non_null(b);
	fw_table_add(b, t);
	fw_table_del(b, t);
	fw_table_add(b, t);
	for (; s->name; s++)
		fw_set_add(b, t, s);
	fw_chain_add(b, t, &other);
	fw_chain_add(b, t, &bases[row->base]);
	fw_rule_add(b, t,
		    &(struct fw_rule){ .chain = "c",
				       .exprs = row->exprs,
				       .comment = row->comment });
	if (fw_commit(b, &err) < 0)
		fail_msg("%s", err.msg);
}

/* The one rule in a listing of chain c: its last indented line. */
static void rule_of(char *listing, char *line, size_t size)
{
	char *end = strstr(listing, "\n\t}\n}"), *start = end;

	if (!end) {
		fail_msg("no rule in: %s", listing);
		return;
	}
	*end = '\0';
	while (start > listing && start[-1] != '\n')
		start--;
	snprintf(line, size, "%s", start + strspn(start, "\t"));
}

/* Only the bytecode of a listing with --debug=netlink. */
static void bytecode_of(char *listing)
{
	char *to = listing, *line = listing, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		size_t len = (size_t)(end + 1 - line);

		if (line[0] != ' ')
			continue;
		memmove(to, line, len);
		to += len;
	}
	*to = '\0';
}

static void rule_row(void **state)
{
	const struct row *row = *state;
	struct fw_table t = { row->family ? row->family : NFPROTO_INET, "t" };
	const char *fam = family_str(t.family);
	char want[256], got[256], cmd[512];
	static char out[OUT_MAX], ours[OUT_MAX], theirs[OUT_MAX];

	make(row, &t);
	snprintf(cmd, sizeof(cmd), "nft list chain %s t c 2>&1", fam);
	assert_int_equal(sh(out, cmd), 0);
	rule_of(out, got, sizeof(got));
	snprintf(want, sizeof(want), "%s%s%s%s", row->text,
		 row->comment ? " comment \"" : "",
		 row->comment ? row->comment : "", row->comment ? "\"" : "");

	/* nft's own compilation of its listing */
	snprintf(cmd, sizeof(cmd), "nft --debug=netlink list table %s t 2>&1",
		 fam);
	assert_int_equal(sh(ours, cmd), 0);
	snprintf(cmd, sizeof(cmd),
		 "{ echo 'delete table %s t'; nft list table %s t; } |"
		 " nft -f - 2>&1",
		 fam, fam);
	assert_int_equal(sh(out, cmd), 0);
	snprintf(cmd, sizeof(cmd),
		 "nft --debug=netlink list table %s t 2>&1;"
		 " nft delete table %s t",
		 fam, fam);
	assert_int_equal(sh(theirs, cmd), 0);
	assert_string_equal(got, want);
	bytecode_of(ours);
	bytecode_of(theirs);
	if (!row->differs)
		assert_string_equal(ours, theirs);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows)];

	(void)test_rows(tests, rows, ARRAY_SIZE(rows), sizeof(rows[0]),
			offsetof(struct row, text), rule_row);

	return fw_test_run(&fw, tests, ARRAY_SIZE(tests));
}
