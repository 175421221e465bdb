/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ways.h - where a packet goes on: the host's endpoints and links, the route of a flow,
 * and the ways past bridge and stack.
 */
#ifndef BPF_LIB_WAYS_H
#define BPF_LIB_WAYS_H

#include "bpf/lib/flow.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/local.h"
#include "bpf/lib/rate.h"
#include "bpf/lib/rewrite.h"
#include "bpf/lib/stat.h"
#include "bpf/lib/trace.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_EP_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32[4]);
	__type(value, struct nat_ep);
} nat_ep SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_LINK_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct nat_link);
} nat_link SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NAT_SOURCE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nat_source_key);
	__type(value, struct nat_source);
} nat_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_LOCAL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32[4]);
	__type(value, struct nat_local);
} nat_local SEC(".maps");

/* ---- routes -------------------------------------------------------------- */

/* The MTU of the link itself; 0: not known. */
static __always_inline __u16 link_mtu(struct __sk_buff *skb, __u32 ifindex)
{
	__u32 mtu = 0;

	return bpf_check_mtu(skb, ifindex, &mtu, 0, 0) < 0 ? 0 : (__u16)mtu;
}

/* The way of a packet of tuple @t that came in by @from, into @f.  Return: 0; -1:
 * there is none for a forwarded packet. */
static __noinline int route(struct __sk_buff *skb, __u32 from,
			    const struct work *w, const struct nat_tuple *t,
			    struct nat_flow *f)
{
	__u8 v6 = w->p.v6;
	struct bpf_fib_lookup fib = {
		.family = v6 ? FAMILY_INET6 : FAMILY_INET,
		.tot_len = 1, /* asks for the MTU */
		.ifindex = from,
	};
	long r;

	if (v6) {
		addr_copy(fib.ipv6_src, t->saddr);
		addr_copy(fib.ipv6_dst, t->daddr);
	} else {
		fib.ipv4_src = t->saddr[3];
		fib.ipv4_dst = t->daddr[3];
	}
	r = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);
	if (r != BPF_FIB_LKUP_RET_SUCCESS && r != BPF_FIB_LKUP_RET_NO_NEIGH)
		return -1;
	f->ifindex = fib.ifindex;
	f->routed = w->now;
	/* with nobody's MAC known there it is not told */
	f->mtu = r == BPF_FIB_LKUP_RET_SUCCESS ? fib.mtu_result
					       : link_mtu(skb, fib.ifindex);
	f->flags &= ~NAT_GW6;
	if (fib.family == FAMILY_INET6) {
		f->flags |= NAT_GW6;
		addr_copy(f->next_hop, fib.ipv6_dst);
	} else {
		f->next_hop[0] = fib.ipv4_dst;
	}
	return 0;
}

/* Is what it was masqueraded with not, or no more, the address of where it goes
 * out by now?  An address that the user chose is his matter. */
static __always_inline int has_moved(const struct work *w,
				     const struct nat_flow *f)
{
	const struct nat_flow *c = &w->f;
	const struct nat_ep *own;

	if (!(c->flags & NAT_MASQ) ||
	    (c->ifindex == f->ifindex &&
	     bpf_map_lookup_elem(&nat_local, c->to.saddr)))
		return 0;
	own = bpf_map_lookup_elem(&nat_ep, w->p.t.saddr);
	return own && addr_none(own->snat);
}

/* Once a second: routes change, and nobody tells flow @f, found by @key.  Return:
 * 0; -1: the stack's, which may know a way; or the flow is over. */
static __noinline int route_anew(struct __sk_buff *skb, struct work *w,
				 const struct nat_tuple *key,
				 struct nat_flow *f)
{
	struct nat_flow *c = &w->f;
	const struct guard_port *port;
	__u32 own = skb->ifindex;

	port = bpf_map_lookup_elem(&guard_port, &own);
	if (!port || route(skb, port->bridge, w, &c->to, c) < 0)
		return -1;
	if (has_moved(w, f)) {
		flow_remove(w, key, f, 0); /* the next packet begins another */
		return -1;
	}
	f->ifindex = c->ifindex;
	f->routed = c->routed;
	f->mtu = c->mtu;
	f->flags = c->flags;
	addr_copy(f->next_hop, c->next_hop);
	return 0;
}

static __always_inline int route_again(struct __sk_buff *skb, struct work *w,
				       const struct nat_tuple *key,
				       struct nat_flow *f)
{
	return w->f.routed == w->now ? 0 : route_anew(skb, w, key, f);
}

/* ---- onward -------------------------------------------------------------- */

static __noinline int drop(struct __sk_buff *skb, const struct work *w,
			   __u32 why)
{
	count(why);
	trace_drop(skb, w->inside ? TRACE_ENDPOINT : TRACE_UPLINK, (__u8)why);
	return TC_ACT_SHOT;
}

/* What a published port was asked for, and does not do. */
static __always_inline int refuse(struct __sk_buff *skb, const struct work *w,
				  __u32 why)
{
	stat_refused(w->f.port_stat);
	return drop(skb, w, why);
}

static __always_inline int to_peer(struct __sk_buff *skb, const struct work *w)
{
	const struct nat_flow *c = &w->f;

	if (rewrite_macs(skb, c) < 0)
		return drop(skb, w, NAT_DROP_REWRITE);
	count(NAT_COUNT_IN);
	stat_packet(skb, w);
	return (int)bpf_redirect_peer(c->ifindex, 0);
}

/* What is led past the egress of the container's port is charged here. */
static __always_inline int too_fast(struct __sk_buff *skb,
				    const struct nat_flow *c)
{
	return (c->flags & (NAT_PEER | NAT_RATED)) == (NAT_PEER | NAT_RATED) &&
	       rate_in(skb, c->ifindex);
}

static __always_inline int to_wire(struct __sk_buff *skb, const struct work *w)
{
	const struct nat_flow *c = &w->f;
	struct bpf_redir_neigh nh = { 0 };

	if (c->flags & NAT_GW6) {
		nh.nh_family = FAMILY_INET6;
		addr_copy(nh.ipv6_nh, c->next_hop);
	} else {
		nh.nh_family = FAMILY_INET;
		nh.ipv4_nh = c->next_hop[0];
	}
	count(NAT_COUNT_OUT);
	stat_packet(skb, w);
	return (int)bpf_redirect_neigh(c->ifindex, &nh, sizeof(nh), 0);
}

static __noinline int onward(struct __sk_buff *skb, const struct work *w)
{
	return w->f.flags & NAT_PEER ? to_peer(skb, w) : to_wire(skb, w);
}

#endif
