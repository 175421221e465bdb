/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guard.h - what a container may send, and what may reach it: the checks of
 * guard.bpf.c, for every program at a container's port.
 *
 * The host's side of a veth: guard_in() at its ingress, guard_out() at its
 * egress.  They write nothing into a packet, so that none is copied for them,
 * and keep no state.  The includer brings linux/bpf.h and bpf/bpf_helpers.h.
 */
#ifndef BPF_LIB_GUARD_H
#define BPF_LIB_GUARD_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>

#include <bpf/bpf_endian.h>

#include "bpf/guard_map.h"

#define GUARD_HEADERS 8 /* IPv6 extension headers: more are refused */

/* not in uapi, or in headers that do not go with linux/bpf.h */
#define GUARD_INET     2
#define GUARD_INET6    10
#define GUARD_FRAGMENT 44
#define GUARD_OFFSET   0x1fff

#define GUARD_RA       134 /* ICMPv6 */
#define GUARD_NS       135
#define GUARD_NA       136
#define GUARD_REDIRECT 137
#define GUARD_MLD2     143

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_PORT_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* interface index */
	__type(value, struct guard_port);
} guard_port SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, GUARD_DROP_MAX);
	__type(key, __u32); /* enum guard_drop */
	__type(value, __u64);
} guard_count SEC(".maps");

/* What guard_in() and guard_out() return of a drop: this and its reason. */
#define GUARD_DROPPED 16

/* Return: not 0. */
static __always_inline int guard_drop(enum guard_drop why)
{
	__u32 key = why;
	__u64 *n = bpf_map_lookup_elem(&guard_count, &key);

	if (n)
		++*n;
	return GUARD_DROPPED + (int)why;
}

static __always_inline bool guard_same6(const void *a, const void *b)
{
	const __u32 *x = a, *y = b;

	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

/* @n: a constant; neither needs to be aligned. */
static __always_inline bool guard_same(const __u8 *a, const __u8 *b, int n)
{
	__u8 other = 0;

#pragma unroll
	for (int i = 0; i < n; i++)
		other |= a[i] ^ b[i];
	return !other;
}

/* @off, @len: constants.  What is not in the linear part is fetched. */
static __always_inline bool guard_read(struct __sk_buff *skb, __u32 off,
				       void *to, __u32 len)
{
	const char *data = (const char *)(long)skb->data;
	const char *end = (const char *)(long)skb->data_end;

	if (data + off + len <= end) {
		__builtin_memcpy(to, data + off, len);
		return true;
	}
	return bpf_skb_load_bytes(skb, off, to, len) == 0;
}

/* ---- ARP ------------------------------------------------------------------ */

struct guard_arp {
	__u8 form[6]; /* types and lengths */
	__u8 op[2];
	__u8 sha[6], spa[4], tha[6], tpa[4];
};

static __noinline int guard_arp(struct __sk_buff *skb,
				const struct guard_port *p)
{
	static const __u8 ether_ip4[6] = { 0, 1, 8, 0, 6, 4 };
	struct guard_arp arp;
	__u32 spa;

	if (!p->ip4)
		return guard_drop(GUARD_DROP_IP4_OFF);
	if (!guard_read(skb, ETH_HLEN, &arp, sizeof(arp)) ||
	    !guard_same(arp.form, ether_ip4, sizeof(ether_ip4)) || arp.op[0] ||
	    (arp.op[1] != 1 && arp.op[1] != 2) ||
	    !guard_same(arp.sha, p->mac, ETH_ALEN))
		return guard_drop(GUARD_DROP_ARP);
	__builtin_memcpy(&spa, arp.spa, sizeof(spa));
	/* a probe (is this address free?) has none */
	if (spa == p->ip4 || (spa == 0 && arp.op[1] == 1))
		return 0;
	return guard_drop(GUARD_DROP_ARP);
}

/* ---- IPv4 ----------------------------------------------------------------- */

/* Would this host send it on?  What it keeps for itself nftables judges. */
static __always_inline bool guard_routes(struct __sk_buff *skb,
					 struct bpf_fib_lookup *fib)
{
	switch (bpf_fib_lookup(skb, fib, sizeof(*fib), 0)) {
	case BPF_FIB_LKUP_RET_NOT_FWDED:
	case BPF_FIB_LKUP_RET_FWD_DISABLED:
	case BPF_FIB_LKUP_RET_BLACKHOLE:
	case BPF_FIB_LKUP_RET_UNREACHABLE:
	case BPF_FIB_LKUP_RET_PROHIBIT:
		return false;
	}
	return true;
}

static __noinline bool guard_leaves4(struct __sk_buff *skb,
				     const struct guard_port *p,
				     const struct iphdr *ip)
{
	struct bpf_fib_lookup fib = { .family = GUARD_INET };

	if (!(p->flags & GUARD_INTERNAL4) ||
	    (ip->daddr & p->mask4) == p->net4 || ip->daddr == 0xffffffff ||
	    (ip->daddr & bpf_htonl(0xf0000000)) == bpf_htonl(0xe0000000))
		return false;
	fib.ifindex = p->bridge;
	fib.tos = ip->tos;
	fib.ipv4_src = ip->saddr;
	fib.ipv4_dst = ip->daddr;
	return guard_routes(skb, &fib);
}

/* @off: of what follows the IP header. */
static __always_inline int guard_lies4(struct __sk_buff *skb,
				       const struct iphdr *ip, __u32 off)
{
	__be16 ports[2];
	__u8 type;

	if (ip->frag_off & bpf_htons(GUARD_OFFSET))
		return 0;
	if (ip->protocol == IPPROTO_ICMP) {
		if (bpf_skb_load_bytes(skb, off, &type, sizeof(type)) < 0)
			return guard_drop(GUARD_DROP_SHORT);
		if (type == 5)
			return guard_drop(GUARD_DROP_REDIRECT);
	}
	if (ip->protocol == IPPROTO_UDP) {
		if (bpf_skb_load_bytes(skb, off, ports, sizeof(ports)) < 0)
			return guard_drop(GUARD_DROP_SHORT);
		if (ports[0] == bpf_htons(67) && ports[1] == bpf_htons(68))
			return guard_drop(GUARD_DROP_DHCP);
	}
	return 0;
}

static __always_inline int guard_ip4(struct __sk_buff *skb,
				     const struct guard_port *p)
{
	bool source = p->flags & GUARD_SOURCE;
	struct iphdr ip;
	int r = 0;

	if (source && !p->ip4)
		return guard_drop(GUARD_DROP_IP4_OFF);
	if (!guard_read(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 4 ||
	    ip.ihl < 5)
		return guard_drop(GUARD_DROP_ADDRESS);
	if (source)
		r = guard_lies4(skb, &ip, ETH_HLEN + ip.ihl * 4);
	if (r)
		return r;
	if (source && ip.saddr != p->ip4)
		return guard_drop(GUARD_DROP_ADDRESS);
	if (guard_leaves4(skb, p, &ip))
		return guard_drop(GUARD_DROP_INTERNAL);
	return 0;
}

/* ---- IPv6 ----------------------------------------------------------------- */

static __always_inline bool guard_leaves6(struct __sk_buff *skb,
					  const struct guard_port *p,
					  const struct ipv6hdr *ip)
{
	struct bpf_fib_lookup fib = { .family = GUARD_INET6 };
	const __u32 *dst = ip->daddr.in6_u.u6_addr32;
	__u32 other = 0;

	if (!(p->flags & GUARD_INTERNAL6) ||
	    ip->daddr.in6_u.u6_addr8[0] == 0xff ||
	    (dst[0] & bpf_htonl(0xffc00000)) == bpf_htonl(0xfe800000))
		return false;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		int bits = (int)p->len6 - 32 * i;
		__u32 mask = bits >= 32  ? ~0u
			     : bits <= 0 ? 0
					 : ~0u << (32 - bits);

		other |= (dst[i] ^ p->net6[i]) & bpf_htonl(mask);
	}
	if (!other)
		return false;
	fib.ifindex = p->bridge;
	__builtin_memcpy(fib.ipv6_src, &ip->saddr, sizeof(fib.ipv6_src));
	__builtin_memcpy(fib.ipv6_dst, &ip->daddr, sizeof(fib.ipv6_dst));
	return guard_routes(skb, &fib);
}

struct guard_walk {
	__u32 off;
	__u8 proto; /* IPPROTO_NONE: it is in another fragment */
};

/* Past the extension headers.  Return: 0; -1: can't be read, or too many. */
static __always_inline int guard_walk6(struct __sk_buff *skb,
				       struct guard_walk *w)
{
	__u8 h[4];

	for (int i = 0; i <= GUARD_HEADERS; i++) {
		if (w->proto != IPPROTO_HOPOPTS &&
		    w->proto != IPPROTO_ROUTING &&
		    w->proto != IPPROTO_DSTOPTS && w->proto != IPPROTO_AH &&
		    w->proto != GUARD_FRAGMENT)
			return 0;
		if (bpf_skb_load_bytes(skb, w->off, h, sizeof(h)) < 0)
			return -1;
		if (w->proto == GUARD_FRAGMENT) {
			if (h[2] || h[3] & 0xf8) {
				w->proto = IPPROTO_NONE;
				return 0;
			}
			w->off += 8;
		} else if (w->proto == IPPROTO_AH) {
			w->off += (h[1] + 2u) * 4;
		} else {
			w->off += (h[1] + 1u) * 8;
		}
		w->proto = h[0];
	}
	return -1;
}

static __always_inline bool guard_own6(const struct guard_port *p,
				       const void *addr)
{
	return guard_same6(addr, p->ip6) || guard_same6(addr, p->ip6_local);
}

/* Return: 0; GUARD_DROPPED and more; 2: may come from no address (::). */
static __always_inline int guard_nd(struct __sk_buff *skb,
				    const struct guard_port *p, __u32 off)
{
	__u32 target[4];
	bool own;
	__u8 type;

	if (bpf_skb_load_bytes(skb, off, &type, sizeof(type)) < 0)
		return guard_drop(GUARD_DROP_SHORT);
	if (type == GUARD_RA)
		return guard_drop(GUARD_DROP_ROUTER);
	if (type == GUARD_REDIRECT)
		return guard_drop(GUARD_DROP_REDIRECT);
	if (type == GUARD_MLD2)
		return 2;
	if (type != GUARD_NS && type != GUARD_NA)
		return 0;
	own = bpf_skb_load_bytes(skb, off + 8, target, sizeof(target)) == 0 &&
	      guard_own6(p, target);
	if (type == GUARD_NA)
		return own ? 0 : guard_drop(GUARD_DROP_NEIGHBOUR);
	return own ? 2 : 0;
}

/* As guard_nd(). */
static __always_inline int guard_lies6(struct __sk_buff *skb,
				       const struct guard_port *p, __u8 next)
{
	struct guard_walk w = { .off = ETH_HLEN + sizeof(struct ipv6hdr),
				.proto = next };
	__be16 ports[2];

	if (guard_walk6(skb, &w) < 0)
		return guard_drop(GUARD_DROP_SHORT);
	if (w.proto == IPPROTO_ICMPV6)
		return guard_nd(skb, p, w.off);
	if (w.proto != IPPROTO_UDP)
		return 0;
	if (bpf_skb_load_bytes(skb, w.off, ports, sizeof(ports)) < 0)
		return guard_drop(GUARD_DROP_SHORT);
	if (ports[0] == bpf_htons(547) && ports[1] == bpf_htons(546))
		return guard_drop(GUARD_DROP_DHCP);
	return 0;
}

static __noinline int guard_ip6(struct __sk_buff *skb,
				const struct guard_port *p)
{
	static const __u32 none[4];
	bool source = p->flags & GUARD_SOURCE;
	struct ipv6hdr ip;
	int r = 0;

	if (source && guard_same6(p->ip6, none))
		return guard_drop(GUARD_DROP_IP6_OFF);
	if (!guard_read(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.version != 6)
		return guard_drop(GUARD_DROP_ADDRESS);
	if (source)
		r = guard_lies6(skb, p, ip.nexthdr);
	if (r >= GUARD_DROPPED)
		return r;
	if (source && !guard_own6(p, &ip.saddr) &&
	    (r != 2 || !guard_same6(&ip.saddr, none)))
		return guard_drop(GUARD_DROP_ADDRESS);
	if (guard_leaves6(skb, p, &ip))
		return guard_drop(GUARD_DROP_INTERNAL);
	return 0;
}

/* ---- in ------------------------------------------------------------------- */

/* What a container sends.  Return: 0: it may pass; else: dropped, counted:
 * GUARD_DROPPED and the reason. */
static __always_inline int guard_in(struct __sk_buff *skb,
				    const struct guard_port *p)
{
	bool source = p->flags & GUARD_SOURCE;
	struct ethhdr eth;

	if (!source && !(p->flags & (GUARD_INTERNAL4 | GUARD_INTERNAL6)))
		return 0;
	if (!guard_read(skb, 0, &eth, sizeof(eth)))
		return guard_drop(GUARD_DROP_SHORT);
	if (source && !guard_same(eth.h_source, p->mac, ETH_ALEN))
		return guard_drop(GUARD_DROP_MAC);
	/* as the frame says it, as the kernel read it, and no tag between */
	if (source && (skb->vlan_present || skb->protocol != eth.h_proto))
		return guard_drop(GUARD_DROP_ETHERTYPE);
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return guard_ip4(skb, p);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return guard_ip6(skb, p);
	if (!source)
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return guard_arp(skb, p);
	return guard_drop(GUARD_DROP_ETHERTYPE);
}

/* ---- out ------------------------------------------------------------------ */

static __always_inline bool guard_is_group(struct __sk_buff *skb)
{
	__u8 first = 0;

	return !guard_read(skb, 0, &first, sizeof(first)) || first & 1;
}

/*
 * What reaches a container.  Return: as guard_in().
 *
 * What this host made itself has no ingress interface.  What was bridged has
 * the port it came in by; what was routed has the bridge, or an uplink.
 */
static __always_inline int guard_out(struct __sk_buff *skb,
				     const struct guard_port *p)
{
	__u32 ingress = skb->ingress_ifindex;
	bool stamped = skb->priority == GUARD_STAMP;
	const struct guard_port *from;
	__u32 flags;

	if (stamped)
		skb->priority = 0;
	if (!ingress)
		return 0;
	from = bpf_map_lookup_elem(&guard_port, &ingress);
	if (!from || from->bridge != p->bridge)
		return stamped ? 0 : guard_drop(GUARD_DROP_STAMP);
	if (ingress == skb->ifindex && guard_is_group(skb))
		return guard_drop(GUARD_DROP_HAIRPIN);
	flags = from->flags | p->flags;
	/* With bridge netfilter a neighbour's published port is reached from
	 * port to port, judged and stamped on the way. */
	if ((flags & GUARD_APART) && !(flags & GUARD_OTHER) && !stamped)
		return guard_drop(GUARD_DROP_ICC);
	return 0;
}

#endif
