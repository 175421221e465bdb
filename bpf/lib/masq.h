/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * masq.h - a flow out of a container with an address of this host: which address, which
 * port.
 */
#ifndef BPF_LIB_MASQ_H
#define BPF_LIB_MASQ_H

#include "bpf/lib/begin.h"
#include "bpf/lib/big.h"
#include "bpf/lib/hosts.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nat_ports SEC(".maps");

/* May w->f.to.sport be had?  Not if who answers would mean another: a published port,
 * a server of this host, a connection of its own. */
static __noinline int may_have(struct __sk_buff *skb, struct work *w)
{
	pair_of(&w->f, &w->key);
	return is_free(w) &&
	       (w->p.icmp || (!is_published(&w->key, w->p.v6) &&
			      !host_has(skb, w->p.v6, &w->key, 1)));
}

/*
 * Find a source port that nobody uses toward there.  The first try depends on
 * the container and its port alone: a connection that comes again has the port
 * that it had, which a server still in TIME_WAIT takes for what it is.
 */
static __always_inline int choose_port(struct __sk_buff *skb, struct work *w)
{
	__u32 at = w->p.t.saddr[3] * 0x9e3779b1u, zero = 0;
	const __u32 *range = bpf_map_lookup_elem(&nat_ports, &zero);
	__u32 both = range ? *(const volatile __u32 *)range : 0;
	__u32 first = both & 0xffff, ports = (both >> 16) - first + 1u;

	if (!both)
		return -1;
	at = (at >> 16) + bpf_ntohs(w->p.t.sport);
	/* as in skip_extensions(): a loop would not load on Linux 6.1 */
#pragma unroll
	for (int i = 0; i < MASQ_TRIES; i++) {
		w->f.to.sport = bpf_htons((__u16)(first + at % ports));
		if (may_have(skb, w))
			return 0;
		at = bpf_get_prandom_u32();
	}
	count(NAT_COUNT_PORTS);
	return -1;
}

/* On a link of several subnets, as the kernel does it: IPv4 by the next hop, IPv6 by
 * the destination.  NULL: nothing is said of that one. */
static __always_inline const struct nat_source *
find_source(const struct work *w)
{
	struct nat_source_key k = { .bits = NAT_SOURCE_BITS + 128,
				    .ifindex = w->f.ifindex };

	/* IPv4 by a router that has IPv6 alone: it has no subnet of ours */
	if (w->p.v6 || w->f.flags & NAT_GW6)
		addr_copy(k.addr, w->p.t.daddr);
	else
		addr_v4(k.addr, w->f.next_hop[0]);
	return bpf_map_lookup_elem(&nat_source, &k);
}

/* The host's address for what leaves by @link, as w->f does. Return: 0; -1: it has
 * none. */
static __always_inline int choose_source(const struct work *w,
					 const struct nat_ep *own,
					 const struct nat_link *link,
					 __u32 ret[4])
{
	const struct nat_source *s;

	if (!addr_none(own->snat)) {
		addr_copy(ret, own->snat);
		return 0;
	}
	s = link->flags & NAT_LINK_MANY ? find_source(w) : 0;
	if (s) {
		addr_copy(ret, s->addr);
		return 0;
	}
	if (w->p.v6) {
		addr_copy(ret, link->ip6);
		return addr_none(ret) ? -1 : 0;
	}
	addr_v4(ret, link->ip4);
	return link->ip4 ? 0 : -1;
}

/* From this host's address the hosts of its overlay networks take it for this host's:
 * what is theirs is told at forward (ov_wire.c). */
static __always_inline bool is_vxlan(const struct nat_tuple *t)
{
	return t->proto == IPPROTO_UDP && t->dport == bpf_htons(4789);
}

static __noinline int masquerade(struct __sk_buff *skb, struct work *w,
				 __u32 bridge, const struct nat_ep *own)
{
	const struct packet *p = &w->p;
	const struct nat_link *link;

	if (!(own->flags & NAT_EP_MASQ) || own->flags & NAT_EP_INTERNAL ||
	    p->ttl <= 1 || p->t.proto == PROTO_SCTP || is_vxlan(&p->t) ||
	    !addr_routable(p->t.daddr, p->v6) ||
	    (p->icmp ? p->icmp != ICMP_ASK : !begins(skb, w)))
		return TC_ACT_UNSPEC;
	prepare(w, NAT_MASQ | NAT_INSIDE, NAT_MASQ);
	__builtin_memcpy(&w->f.to, &p->t, sizeof(w->f.to));
	if (route(skb, bridge, w, &p->t, &w->f) < 0)
		return TC_ACT_UNSPEC;
	link = bpf_map_lookup_elem(&nat_link, &w->f.ifindex);
	if (!link || link->flags & (NAT_LINK_OURS | NAT_LINK_CLOSED) ||
	    choose_source(w, own, link, w->f.to.saddr) < 0)
		return TC_ACT_UNSPEC;
	if (too_big(skb, p, w->f.mtu))
		return leave_big(skb, p, own, w->f.mtu);
	if (choose_port(skb, w) < 0)
		return TC_ACT_UNSPEC;
	to_endpoint(&w->back, own);
	return begin(skb, w);
}

#endif
