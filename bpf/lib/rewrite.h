/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rewrite.h - put other addresses and ports into a packet, as a router would
 * that translates: one hop less, checksums right.
 *
 * A transport checksum may still be the hardware's to compute (it then covers
 * the pseudo header alone), or the whole packet's sum be known already: the
 * kernel's helper knows which, and plain arithmetic would not.
 */
#ifndef BPF_LIB_REWRITE_H
#define BPF_LIB_REWRITE_H

#include "bpf/lib/packet.h"

/* bpf_l4_csum_replace(): Linux 6.16; not in older headers */
#define CSUM_IPV6 (1ull << 7)

extern const volatile __u8 csum_ipv6;

/* Sum of 16 bit words, not folded: of at most a few dozen words. */
static __always_inline __u32 sum_word(__u32 sum, __u32 w)
{
	return sum + (w & 0xffff) + (w >> 16);
}

static __always_inline __u32 sum_change(__u32 sum, __u32 from, __u32 to)
{
	return sum_word(sum_word(sum, ~from), to);
}

static __always_inline __u32 sum_addr(__u32 sum, const __u32 from[4],
				      const __u32 to[4])
{
	sum = sum_change(sum, from[0], to[0]);
	sum = sum_change(sum, from[1], to[1]);
	sum = sum_change(sum, from[2], to[2]);
	return sum_change(sum, from[3], to[3]);
}

static __always_inline __u16 sum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16) ~((sum & 0xffff) + (sum >> 16));
}

/* What changes in a checksum with both addresses; nothing of an IPv4 address
 * but its last word differs. */
static __noinline __u32 sum_tuple(const struct packet *p,
				  const struct nat_tuple *to)
{
	if (!p->v6)
		return sum_change(sum_change(0, p->t.saddr[3], to->saddr[3]),
				  p->t.daddr[3], to->daddr[3]);
	return sum_addr(sum_addr(0, p->t.saddr, to->saddr), p->t.daddr,
			to->daddr);
}

static __always_inline __u64 pseudo_flags(const struct packet *p)
{
	return BPF_F_PSEUDO_HDR | (p->v6 && csum_ipv6 ? CSUM_IPV6 : 0);
}

static __noinline int rewrite_ip(struct __sk_buff *skb, const struct packet *p,
				 const struct nat_tuple *to)
{
	if (p->v6) {
		struct {
			__u8 before[3], hops;
			__u32 saddr[4], daddr[4];
		} h = { .hops = p->ttl - 1 };
		__u32 diff;

		addr_copy(h.saddr, to->saddr);
		addr_copy(h.daddr, to->daddr);
		/* what no checksum in the packet makes up for, where the whole
		 * packet's sum is known */
		diff = sum_change(0, bpf_htons(p->ttl), bpf_htons(h.hops));
		if (p->frag == FRAG_LATER || p->t.proto == PROTO_SCTP)
			diff += sum_tuple(p, to);
		(void)bpf_csum_update(skb, diff);
		return bpf_skb_store_bytes(skb, ETH_HLEN + 7, &h.hops,
					   sizeof(h) - sizeof(h.before), 0);
	} else {
		struct {
			__u8 ttl, proto;
			__u16 check;
			__u32 saddr, daddr;
		} h = { .ttl = p->ttl - 1,
			.proto = p->t.proto,
			.saddr = to->saddr[3],
			.daddr = to->daddr[3] };
		__u32 sum = sum_tuple(p, to) + (__u16)~p->check;

		sum = sum_change(sum, bpf_htons((__u16)(p->ttl << 8)),
				 bpf_htons((__u16)(h.ttl << 8)));
		h.check = sum_fold(sum);
		return bpf_skb_store_bytes(skb, ETH_HLEN + 8, &h, sizeof(h), 0);
	}
}

static __always_inline int rewrite_echo(struct __sk_buff *skb,
					const struct packet *p,
					const struct nat_tuple *to)
{
	__u16 from_id = p->icmp == ICMP_ASK ? p->t.sport : p->t.dport;
	__u16 to_id = p->icmp == ICMP_ASK ? to->sport : to->dport;
	int r = 0;

	if (p->v6)
		r = bpf_l4_csum_replace(skb, p->l4 + 2, 0, sum_tuple(p, to),
					pseudo_flags(p));
	if (r < 0 || from_id == to_id)
		return r;
	r = bpf_l4_csum_replace(skb, p->l4 + 2, from_id, to_id, 2);
	return r < 0 ? r
		     : bpf_skb_store_bytes(skb, p->l4 + 4, &to_id,
					   sizeof(to_id), 0);
}

/* TCP and UDP.  SCTP's checksum covers its ports, which so can't be changed, and
 * no address. */
static __always_inline int rewrite_ports(struct __sk_buff *skb,
					 const struct packet *p,
					 const struct nat_tuple *to)
{
	__u32 at = p->l4 + (p->t.proto == IPPROTO_TCP ? 16 : 6);
	__u64 none = p->t.proto == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;
	__u16 ports[2] = { to->sport, to->dport };
	__u32 from = p->t.sport | (__u32)p->t.dport << 16;
	int r;

	if (p->t.proto == PROTO_SCTP)
		return 0;
	r = bpf_l4_csum_replace(skb, at, 0, sum_tuple(p, to),
				pseudo_flags(p) | none);
	if (r < 0 || (p->t.sport == to->sport && p->t.dport == to->dport))
		return r;
	r = bpf_l4_csum_replace(skb, at, from,
				to->sport | (__u32)to->dport << 16, none | 4);
	return r < 0 ? r
		     : bpf_skb_store_bytes(skb, p->l4, ports, sizeof(ports), 0);
}

/* rewrite() - let @skb, which @p tells of, be of tuple @to. Return: 0; < 0: half
 * done, drop it. */
static __noinline int rewrite(struct __sk_buff *skb, const struct packet *p,
			      const struct nat_tuple *to)
{
	int r = 0;

	if (p->frag == FRAG_LATER)
		r = 0;
	else if (p->icmp)
		r = rewrite_echo(skb, p, to);
	else
		r = rewrite_ports(skb, p, to);
	return r < 0 ? r : rewrite_ip(skb, p, to);
}

#define PACKET_HOST 0

/* What came to the bridge's MAC is for another host, by the veth's own; before
 * Linux 6.15 bpf_redirect_peer() leaves it so, and the container drops it. */
static __always_inline int to_host(struct __sk_buff *skb)
{
	return skb->pkt_type == PACKET_HOST
		       ? 0
		       : (int)bpf_skb_change_type(skb, PACKET_HOST);
}

static __always_inline int rewrite_macs(struct __sk_buff *skb,
					const struct nat_flow *f)
{
	__u8 macs[12];

	__builtin_memcpy(macs, f->dmac, 6);
	__builtin_memcpy(macs + 6, f->smac, 6);
	if (to_host(skb) < 0)
		return -1;
	return (int)bpf_skb_store_bytes(skb, 0, macs, sizeof(macs), 0);
}

#endif
