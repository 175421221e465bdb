/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inside.h - the packet that an ICMP error is about: what flow it is of, and how
 * it gets the addresses that its sender knows.
 */
#ifndef BPF_LIB_INSIDE_H
#define BPF_LIB_INSIDE_H

#include "bpf/lib/rewrite.h"

/* What an error is about: the packet inside, as one in the other direction.
 * Return: its transport header's offset; 0: not readable. */
static __noinline __u32 read_inside(struct __sk_buff *skb,
				    const struct packet *p,
				    struct nat_tuple *ret)
{
	__u32 at = p->l4 + 8, l4;
	__u16 ports[4];

	__builtin_memset(ret, 0, sizeof(*ret));
	if (p->v6) {
		struct chain c = { .l4 = at + 40 };
		__u32 h[10];
		int next;

		if (bpf_skb_load_bytes(skb, at, h, sizeof(h)) < 0)
			return 0;
		addr_copy(ret->daddr, &h[2]);
		addr_copy(ret->saddr, &h[6]);
		if (is_mapped(ret->daddr) || is_mapped(ret->saddr))
			return 0;
		next = skip_extensions(skb, &c, (bpf_ntohl(h[1]) >> 8) & 0xff);
		if (next < 0 || c.frag == FRAG_LATER)
			return 0;
		ret->proto = (__u8)next;
		l4 = c.l4;
	} else {
		struct iphdr h;

		if (bpf_skb_load_bytes(skb, at, &h, sizeof(h)) < 0 ||
		    h.frag_off & bpf_htons(0x1fff))
			return 0;
		ret->proto = h.protocol;
		addr_v4(ret->daddr, h.saddr);
		addr_v4(ret->saddr, h.daddr);
		l4 = at + h.ihl * 4u;
	}
	if (bpf_skb_load_bytes(skb, l4, ports, sizeof(ports)) < 0)
		return 0;
	if (ret->proto == (p->v6 ? PROTO_ICMPV6 : IPPROTO_ICMP)) {
		/* an echo's: whoever asked sent it */
		ret->dport = ports[2];
		return l4;
	}
	ret->dport = ports[0];
	ret->sport = ports[1];
	return l4;
}

/* The packet inside gets the addresses and ports that its sender knows. */
static __noinline int rewrite_inside(struct __sk_buff *skb,
				     const struct packet *p, __u32 l4,
				     const struct nat_tuple *in,
				     const struct nat_tuple *to)
{
	__u32 at = p->l4 + 8, sum = p->l4 + 2;
	__u16 ports[2] = { to->dport, to->sport };
	__u32 from = in->dport | (__u32)in->sport << 16;
	long r;

	if (p->v6) {
		__u32 a[8], diff = sum_addr(sum_addr(0, in->saddr, to->saddr),
					    in->daddr, to->daddr);

		addr_copy(&a[0], to->daddr);
		addr_copy(&a[4], to->saddr);
		r = bpf_skb_store_bytes(skb, at + 8, a, sizeof(a), 0);
		if (r == 0)
			r = bpf_l4_csum_replace(skb, sum, 0, diff, 0);
	} else {
		__u32 a[2] = { to->daddr[3], to->saddr[3] }, diff;
		__u16 check;

		/* the inner header's own checksum makes up for them */
		if (bpf_skb_load_bytes(skb, at + 10, &check, 2) < 0)
			return -1;
		diff = sum_change((__u16)~check, in->daddr[3], to->daddr[3]);
		check = sum_fold(sum_change(diff, in->saddr[3], to->saddr[3]));
		r = bpf_skb_store_bytes(skb, at + 10, &check, 2, 0);
		if (r == 0)
			r = bpf_skb_store_bytes(skb, at + 12, a, sizeof(a), 0);
	}
	if (r < 0)
		return -1;
	if (in->proto == IPPROTO_ICMP || in->proto == PROTO_ICMPV6) {
		r = bpf_l4_csum_replace(skb, sum, in->dport, to->dport, 2);
		return r < 0 ? -1
			     : (int)bpf_skb_store_bytes(skb, l4 + 4, ports, 2,
							0);
	}
	r = bpf_l4_csum_replace(skb, sum, from,
				to->dport | (__u32)to->sport << 16, 4);
	return r < 0 ? -1 : (int)bpf_skb_store_bytes(skb, l4, ports, 4, 0);
}

#endif
