/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw_expr.h - the expressions a rule is made of, one macro each.
 *
 *	const struct fw_expr drop_foreign[] = {
 *		FW_META(0, NFT_META_IIFNAME),
 *		FW_LOOKUP(0, "nets"),
 *		FW_COUNTER,
 *		FW_VERDICT(NF_DROP),
 *		FW_END,
 *	};
 *
 * A rule is evaluated left to right; a comparison or lookup that does not
 * match ends it.  Values travel in registers.  A register here is a SLOT of
 * four bytes, 0..15 (the kernel's NFT_REG32_00 + slot; slots 0, 4, 8, 12 are
 * what nft(8) prints as reg 1..4): a 16-byte value (IPv6 address, interface
 * name) loaded at slot s fills s..s+3.  A concatenation is its parts in
 * consecutive slots, each padded to four bytes, the same layout as a set key:
 *
 *	ip daddr . meta l4proto . th dport map @pub4_addr
 *	  = FW_IP4_DADDR(0), FW_META(1, NFT_META_L4PROTO), FW_TH_DPORT(2),
 *	    FW_MAP(0, "pub4_addr", 0)
 *
 * and a map's data (address . port) comes out the same way: address at the
 * destination slot, port one slot (v4) or four slots (v6) after it.
 *
 * Pointers and strings in an expression are borrowed until fw_rule_add()
 * returns, so static tables and locals both do.  Most macros are constant
 * initialisers.  Matching IPv4 fields in an inet table needs FW_IS_IP4 before
 * it, as nft(8) adds on its own; in a bridge table FW_ETHERTYPE(ETH_P_IP).
 * Transport fields need FW_L4PROTO(x), or FW_META(.., NFT_META_L4PROTO) as a
 * part of the lookup.
 */
#ifndef LIB_FW_EXPR_H
#define LIB_FW_EXPR_H

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <stdbool.h>
#include <stdint.h>

enum fw_kind {
	FW_KIND_END,
	FW_KIND_META,
	FW_KIND_META_SET,
	FW_KIND_PAYLOAD,
	FW_KIND_CT,
	FW_KIND_CT_SET,
	FW_KIND_FIB,
	FW_KIND_IMM,
	FW_KIND_CMP,
	FW_KIND_RANGE,
	FW_KIND_BITWISE,
	FW_KIND_LOOKUP,
	FW_KIND_MAP,
	FW_KIND_COUNTER,
	FW_KIND_VERDICT,
	FW_KIND_NAT,
	FW_KIND_MASQ,
	FW_KIND_DUP,
	FW_KIND_REJECT,
	FW_KIND_LIMIT,
	FW_KIND_METER,
	FW_KIND_NOTRACK,
	FW_KIND_SOCKET,
	FW_KIND_MAX,
};

#define FW_NO_REG     0xff
#define FW_VALUE_MAX  16
#define FW_IFNAME_LEN 16 /* of a key or compared value, padded with NULs */

/* Use the macros; what a member means depends on the kind. */
struct fw_expr {
	enum fw_kind kind;
	uint8_t reg;   /* the slot read, or for a load the one written */
	uint8_t reg2;  /* destination of a map; NAT: port; dup: device */
	uint8_t dir;   /* ct: 1 + IP_CT_DIR_*; 0: none */
	bool has_dreg; /* map: reg2 is a slot (else: the verdict) */
	uint32_t key;  /* meta, ct, fib result, payload base, cmp op, type */
	uint32_t offset, flags, verdict;
	uint32_t len;     /* of value or data, of a payload load */
	const void *data; /* NULL: value */
	const void *data2;
	uint8_t value[FW_VALUE_MAX], value2[FW_VALUE_MAX];
	const char *name; /* set, chain, interface */
	uint64_t rate;
};

/* clang-format off */
#define FW_END { .kind = FW_KIND_END }

/* ---- loads: the first argument is the slot written -------------------- */

/* @k: NFT_META_IIFNAME, _OIFNAME, _IIF, _OIF, _L4PROTO, _NFPROTO, _PROTOCOL,
 * _MARK, _IIFKIND, _OIFKIND, ...  Names and kinds fill four slots. */
#define FW_META(r, k) { .kind = FW_KIND_META, .reg = (r), .key = (k) }
/* @b: NFT_PAYLOAD_LL_HEADER, _NETWORK_HEADER, _TRANSPORT_HEADER */
#define FW_PAYLOAD(r, b, off, n) \
	{ .kind = FW_KIND_PAYLOAD, .reg = (r), .key = (b), .offset = (off), \
	  .len = (n) }
/* @k: NFT_CT_STATE, _STATUS, _MARK, _DIRECTION, ...; NFT_CT_LABELS fills four */
#define FW_CT(r, k) { .kind = FW_KIND_CT, .reg = (r), .key = (k) }
/* keys that want a direction, e.g. NFT_CT_PROTO_DST; @d: IP_CT_DIR_ORIGINAL.. */
#define FW_CT_DIR(r, k, d) \
	{ .kind = FW_KIND_CT, .reg = (r), .key = (k), .dir = 1 + (d) }
/* @res: NFT_FIB_RESULT_ADDRTYPE.. @fl: NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF.. */
#define FW_FIB(r, res, fl) \
	{ .kind = FW_KIND_FIB, .reg = (r), .key = (res), .flags = (fl) }
/* Of this host's socket for the packet; without one the rule ends.  @k:
 * NFT_SOCKET_TRANSPARENT, _MARK, _WILDCARD. */
#define FW_SOCKET(r, k) { .kind = FW_KIND_SOCKET, .reg = (r), .key = (k) }
/* A constant. FW_IMM: @n bytes at @p, network order for addresses. */
#define FW_IMM(r, p, n) \
	{ .kind = FW_KIND_IMM, .reg = (r), .data = (p), .len = (n) }
#define FW_IMM16(r, v) /* a port: host order in, network order out */ \
	{ .kind = FW_KIND_IMM, .reg = (r), .len = 2, .value = FW_BE16(v) }
#define FW_IMM32(r, v) /* mark, ifindex: host order */ \
	{ .kind = FW_KIND_IMM, .reg = (r), .len = 4, .value = FW_HOST32(v) }

/* Named payload fields. */
#define FW_NH(r, off, n) FW_PAYLOAD(r, NFT_PAYLOAD_NETWORK_HEADER, off, n)
#define FW_TH(r, off, n) FW_PAYLOAD(r, NFT_PAYLOAD_TRANSPORT_HEADER, off, n)
#define FW_LL(r, off, n) FW_PAYLOAD(r, NFT_PAYLOAD_LL_HEADER, off, n)
#define FW_IP4_SADDR(r)    FW_NH(r, 12, 4)
#define FW_IP4_DADDR(r)    FW_NH(r, 16, 4)
#define FW_IP6_SADDR(r)    FW_NH(r, 8, 16)
#define FW_IP6_DADDR(r)    FW_NH(r, 24, 16)
#define FW_TH_SPORT(r)     FW_TH(r, 0, 2)
#define FW_TH_DPORT(r)     FW_TH(r, 2, 2)
#define FW_ICMP_TYPE(r)    FW_TH(r, 0, 1) /* v4 and v6 */
#define FW_ND_TARGET(r)    FW_TH(r, 8, 16)
#define FW_ETHER_DADDR(r)  FW_LL(r, 0, 6)
#define FW_ETHER_SADDR(r)  FW_LL(r, 6, 6)
#define FW_ETHER_TYPE(r)   FW_LL(r, 12, 2)
#define FW_ARP_OP(r)       FW_NH(r, 6, 2)
#define FW_ARP_SETHER(r)   FW_NH(r, 8, 6)
#define FW_ARP_SADDR(r)    FW_NH(r, 14, 4)
#define FW_ARP_TETHER(r)   FW_NH(r, 18, 6)
#define FW_ARP_TADDR(r)    FW_NH(r, 24, 4)

/* ---- tests: the first argument is the slot read ------------------------ */

#define FW_CMP(r, op, p, n) /* @op: NFT_CMP_EQ, _NEQ, _LT, _LTE, _GT, _GTE */ \
	{ .kind = FW_KIND_CMP, .reg = (r), .key = (op), .data = (p), \
	  .len = (n) }
#define FW_EQ(r, p, n) FW_CMP(r, NFT_CMP_EQ, p, n)
#define FW_NE(r, p, n) FW_CMP(r, NFT_CMP_NEQ, p, n)
#define FW_CMP_V(r, op, n, v) \
	{ .kind = FW_KIND_CMP, .reg = (r), .key = (op), .len = (n), .value = v }
#define FW_EQ8(r, v)  FW_CMP_V(r, NFT_CMP_EQ, 1, FW_HOST8(v))
#define FW_NE8(r, v)  FW_CMP_V(r, NFT_CMP_NEQ, 1, FW_HOST8(v))
#define FW_EQ16(r, v) /* host order in, compared in network order */ \
	FW_CMP_V(r, NFT_CMP_EQ, 2, FW_BE16(v))
#define FW_NE16(r, v) FW_CMP_V(r, NFT_CMP_NEQ, 2, FW_BE16(v))
#define FW_EQ32(r, v) /* host order: marks, ct bits, fib types, ifindexes */ \
	FW_CMP_V(r, NFT_CMP_EQ, 4, FW_HOST32(v))
#define FW_NE32(r, v) FW_CMP_V(r, NFT_CMP_NEQ, 4, FW_HOST32(v))
/* @s: exact interface name */
#define FW_EQ_IFNAME(r, s) \
	{ .kind = FW_KIND_CMP, .reg = (r), .key = NFT_CMP_EQ, .name = (s) }
#define FW_NE_IFNAME(r, s) \
	{ .kind = FW_KIND_CMP, .reg = (r), .key = NFT_CMP_NEQ, .name = (s) }
/* from..to inclusive; @op: NFT_RANGE_EQ inside, NFT_RANGE_NEQ outside */
#define FW_RANGE(r, op, from, to, n) \
	{ .kind = FW_KIND_RANGE, .reg = (r), .key = (op), .data = (from), \
	  .data2 = (to), .len = (n) }
#define FW_RANGE16(r, op, from, to) /* ports, host order in */ \
	{ .kind = FW_KIND_RANGE, .reg = (r), .key = (op), .len = 2, \
	  .value = FW_BE16(from), .value2 = FW_BE16(to) }
/* slot = (slot & mask) ^ xor.  A prefix whose length is a multiple of 8 needs
 * none: load that many bytes, as nft(8) does.  FW_AND: @n bytes of mask. */
#define FW_AND(r, mask, n) \
	{ .kind = FW_KIND_BITWISE, .reg = (r), .reg2 = (r), .data = (mask), \
	  .len = (n) }
#define FW_BITWISE32(r, mask, xor) \
	{ .kind = FW_KIND_BITWISE, .reg = (r), .reg2 = (r), .len = 4, \
	  .value = FW_HOST32(mask), .value2 = FW_HOST32(xor) }
#define FW_AND32(r, mask) FW_BITWISE32(r, mask, 0u)
#define FW_OR32(r, bits)  FW_BITWISE32(r, ~(uint32_t)(bits), bits)

/* The key starts at slot @r and is as long as the set says. */
#define FW_LOOKUP(r, set) \
	{ .kind = FW_KIND_LOOKUP, .reg = (r), .name = (set) }
#define FW_LOOKUP_NOT(r, set) \
	{ .kind = FW_KIND_LOOKUP, .reg = (r), .name = (set), \
	  .flags = NFT_LOOKUP_F_INV }
/* Ends the rule where the key is absent; else data to slot @dst.. / verdict. */
#define FW_MAP(r, map, dst) \
	{ .kind = FW_KIND_MAP, .reg = (r), .name = (map), .reg2 = (dst), \
	  .has_dreg = true }
#define FW_VMAP(r, map) { .kind = FW_KIND_MAP, .reg = (r), .name = (map) }

/* ---- statements --------------------------------------------------------- */

#define FW_COUNTER { .kind = FW_KIND_COUNTER }
/* @v: NF_ACCEPT, NF_DROP, NFT_RETURN, NFT_CONTINUE */
#define FW_VERDICT(v) { .kind = FW_KIND_VERDICT, .verdict = (uint32_t)(v) }
#define FW_JUMP(c) \
	{ .kind = FW_KIND_VERDICT, .verdict = (uint32_t)NFT_JUMP, .name = (c) }
#define FW_GOTO(c) \
	{ .kind = FW_KIND_VERDICT, .verdict = (uint32_t)NFT_GOTO, .name = (c) }
#define FW_META_SET(k, r) { .kind = FW_KIND_META_SET, .reg = (r), .key = (k) }
#define FW_CT_SET(k, r) { .kind = FW_KIND_CT_SET, .reg = (r), .key = (k) }
/* @t: NFT_NAT_DNAT, NFT_NAT_SNAT; @fam: NFPROTO_IPV4, NFPROTO_IPV6; @addr, @port:
 * slots, FW_NO_REG: keep; @fl: NF_NAT_RANGE_*, 0 as a rule. */
#define FW_NAT(t, fam, addr, port, fl) \
	{ .kind = FW_KIND_NAT, .key = (t), .offset = (fam), .reg = (addr), \
	  .reg2 = (port), .flags = (fl) }
#define FW_DNAT(fam, addr, port) FW_NAT(NFT_NAT_DNAT, fam, addr, port, 0)
#define FW_SNAT(fam, addr) FW_NAT(NFT_NAT_SNAT, fam, addr, FW_NO_REG, 0)
#define FW_MASQ { .kind = FW_KIND_MASQ }
/* Conntrack leaves the packet alone; before its hook (priority -200). */
#define FW_NOTRACK { .kind = FW_KIND_NOTRACK }
/* Copy the packet to the gateway in slot @addr, out of the interface whose
 * index is in slot @dev.  The kernel has it for ip, ip6 and netdev tables, not
 * for inet and bridge. */
#define FW_DUP(addr, dev) \
	{ .kind = FW_KIND_DUP, .reg = (addr), .reg2 = (dev) }
/* @t: NFT_REJECT_ICMP_UNREACH, _TCP_RST, _ICMPX_UNREACH; @code: NFT_REJECT_ICMPX_* */
#define FW_REJECT(t, code) \
	{ .kind = FW_KIND_REJECT, .key = (t), .flags = (code) }
/* Matches up to @n packets a @unit_s seconds (1, 60, 3600..), burst @b. */
#define FW_LIMIT(n, unit_s, b) \
	{ .kind = FW_KIND_LIMIT, .rate = (n), .offset = (unit_s), .flags = (b) }
/* Matches what is above @n packets a second of one key (slot @r), with @b at once;
 * @set: dynamic, with a time-out.  nft: update @set { key limit rate over .. } */
#define FW_METER(r, set, n, b) \
	{ .kind = FW_KIND_METER, .reg = (r), .name = (set), .rate = (n), \
	  .offset = 1, .flags = (b) }

/* ---- pairs of load and test, in slot 0 ---------------------------------- */

#define FW_NFPROTO(p)    FW_META(0, NFT_META_NFPROTO), FW_EQ8(0, p)
#define FW_IS_IP4        FW_NFPROTO(NFPROTO_IPV4)
#define FW_IS_IP6        FW_NFPROTO(NFPROTO_IPV6)
#define FW_L4PROTO(p)    FW_META(0, NFT_META_L4PROTO), FW_EQ8(0, p)
/* as the kernel reads the frame, behind a VLAN tag; FW_ETHER_TYPE() is what is
 * on the wire, 0x8100 where there is a tag */
#define FW_ETHERTYPE(t)  FW_META(0, NFT_META_PROTOCOL), FW_EQ16(0, t)
#define FW_IIFNAME(s)    FW_META(0, NFT_META_IIFNAME), FW_EQ_IFNAME(0, s)
#define FW_OIFNAME(s)    FW_META(0, NFT_META_OIFNAME), FW_EQ_IFNAME(0, s)
#define FW_NOT_IIFNAME(s) FW_META(0, NFT_META_IIFNAME), FW_NE_IFNAME(0, s)
#define FW_NOT_OIFNAME(s) FW_META(0, NFT_META_OIFNAME), FW_NE_IFNAME(0, s)
/* any of @bits, e.g. NF_CT_STATE_BIT(..) | ..; IPS_DST_NAT */
#define FW_CT_STATE(bits) \
	FW_CT(0, NFT_CT_STATE), FW_AND32(0, bits), FW_NE32(0, 0u)
#define FW_CT_STATUS(bits) \
	FW_CT(0, NFT_CT_STATUS), FW_AND32(0, bits), FW_NE32(0, 0u)
#define FW_FIB_DADDR_TYPE(t) /* RTN_LOCAL.. */ \
	FW_FIB(0, NFT_FIB_RESULT_ADDRTYPE, NFTA_FIB_F_DADDR), FW_EQ32(0, t)

/* ---- values as bytes ---------------------------------------------------- */

#define FW_HOST8(v) { (uint8_t)(v) }
#define FW_BE16(v) { (uint8_t)((v) >> 8), (uint8_t)((v) & 0xff) }
#define FW_BYTE(v, n) ((uint8_t)((uint32_t)(v) >> (n)))
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FW_HOST32(v) \
	{ FW_BYTE(v, 0), FW_BYTE(v, 8), FW_BYTE(v, 16), FW_BYTE(v, 24) }
#else
#define FW_HOST32(v) \
	{ FW_BYTE(v, 24), FW_BYTE(v, 16), FW_BYTE(v, 8), FW_BYTE(v, 0) }
#endif
/* clang-format on */

#endif
