/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * big.h - packets that are too big for the way they take.
 *
 * Nothing here can cut one in two: its checksum is not computed yet, and the
 * kernel's own fragmentation takes none whose source is the host's.  So it is
 * dropped, and its sender is told by ICMP and cuts the next ones himself; their
 * fragments are translated.  Where the stack would tell him as well it does.
 * Without DF it would cut the packet and send it on by nftables, which knows
 * nothing of the flow: from another port.  So it does with fragments, DF or not
 * and IPv6, where bridge netfilter puts them together and forgets how large they
 * were.
 */
#ifndef BPF_LIB_BIG_H
#define BPF_LIB_BIG_H

#include "bpf/lib/flow.h"
#include "bpf/lib/inside.h"
#include "bpf/lib/packet.h"
#include "bpf/lib/rewrite.h"

#define IP_DF       0x4000
#define BIG_HOPS    64
#define BIG_UNREACH 3 /* type and code of "fragmentation needed" */
#define BIG_NEEDED  4
#define BIG_TOO_BIG 2 /* type of ICMPv6 "packet too big" */

/* Is it more than the way takes at once? */
static __always_inline int too_big(struct __sk_buff *skb,
				   const struct packet *p, __u32 mtu)
{
	__u32 len = skb->len - ETH_HLEN;

	if (!mtu)
		return 0;
	if (skb->gso_size)
		len = p->l4 - ETH_HLEN + (p->tcp_len ? p->tcp_len : 8u) +
		      skb->gso_size;
	return len > mtu;
}

struct big4 {
	struct iphdr ip;
	__u8 type, code;
	__u16 check, unused, mtu;
	__u8 inside[28]; /* header and ports */
};

struct big6 {
	__u32 first;
	__u16 len;
	__u8 next, hops;
	__u32 saddr[4], daddr[4];
	__u8 type, code;
	__u16 check;
	__u32 mtu;
	__u8 inside[56]; /* header, the fragment's, and ports */
};

/* Back to where it came from, @size bytes behind the Ethernet header. */
static __always_inline int send_back(struct __sk_buff *skb, const void *packet,
				     __u32 size, const struct nat_ep *ep)
{
	if (to_host(skb) < 0 ||
	    bpf_skb_change_tail(skb, ETH_HLEN + size, 0) < 0 ||
	    bpf_skb_store_bytes(skb, 0, ep->mac, 6, 0) < 0 ||
	    bpf_skb_store_bytes(skb, 6, ep->bridge_mac, 6, 0) < 0 ||
	    bpf_skb_store_bytes(skb, ETH_HLEN, packet, size, 0) < 0)
		return TC_ACT_SHOT;
	return (int)bpf_redirect_peer(skb->ifindex, 0);
}

static __always_inline int tell_v4(struct __sk_buff *skb,
				   const struct nat_ep *ep, __u32 mtu)
{
	struct big4 m = {
		.ip = { .version = 4,
			.ihl = 5,
			.tot_len = bpf_htons(sizeof(m)),
			.ttl = BIG_HOPS,
			.protocol = IPPROTO_ICMP,
			.saddr = ep->gateway[3] },
		.type = BIG_UNREACH,
		.code = BIG_NEEDED,
		.mtu = bpf_htons((__u16)mtu),
	};

	if (bpf_skb_load_bytes(skb, ETH_HLEN, m.inside, sizeof(m.inside)) < 0)
		return TC_ACT_SHOT;
	__builtin_memcpy(&m.ip.daddr, m.inside + 12, 4);
	m.ip.check = sum_fold(
		(__u32)bpf_csum_diff(0, 0, (__be32 *)&m.ip, sizeof(m.ip), 0));
	m.check = sum_fold((__u32)bpf_csum_diff(0, 0, (__be32 *)&m.type,
						sizeof(m) - sizeof(m.ip), 0));
	return send_back(skb, &m, sizeof(m), ep);
}

static __always_inline int tell_v6(struct __sk_buff *skb,
				   const struct nat_ep *ep, __u32 mtu)
{
	const __u32 size = sizeof(struct big6) - 40;
	struct big6 m = {
		.first = bpf_htonl(6u << 28),
		.len = bpf_htons(size),
		.next = PROTO_ICMPV6,
		.hops = BIG_HOPS,
		.type = BIG_TOO_BIG,
		.mtu = bpf_htonl(mtu),
	};
	__u32 sum;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, m.inside, sizeof(m.inside)) < 0)
		return TC_ACT_SHOT;
	addr_copy(m.saddr, ep->gateway);
	__builtin_memcpy(m.daddr, m.inside + 8, 16);
	/* the pseudo header is the addresses, and these two */
	sum = (__u32)bpf_csum_diff(0, 0, (__be32 *)m.saddr, sizeof(m) - 8, 0);
	sum = sum_word(sum_word((sum & 0xffff) + (sum >> 16), bpf_htonl(size)),
		       bpf_htonl(PROTO_ICMPV6));
	m.check = sum_fold(sum);
	return send_back(skb, &m, sizeof(m), ep);
}

/*
 * leave_big() - @p, which @ep sent, is more than @mtu.
 * Return: what the program returns.
 */
static __noinline int leave_big(struct __sk_buff *skb, const struct packet *p,
				const struct nat_ep *ep, __u32 mtu)
{
	__u16 off = 0;

	count(NAT_DROP_BIG);
	if (!p->v6 && bpf_skb_load_bytes(skb, ETH_HLEN + 6, &off, 2) < 0)
		return TC_ACT_SHOT;
	if (!p->frag && (p->v6 || off & bpf_htons(IP_DF)))
		return TC_ACT_UNSPEC;
	/* who sends options, or other headers, is not told */
	if (p->frag == FRAG_LATER || !ep || addr_none(ep->gateway) ||
	    p->l4 != ETH_HLEN + (p->v6 ? 48u : 20u))
		return TC_ACT_SHOT;
	return p->v6 ? tell_v6(skb, ep, mtu) : tell_v4(skb, ep, mtu);
}

#endif
