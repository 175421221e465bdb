// SPDX-License-Identifier: GPL-2.0
/*
 * guard.bpf.c - the guard of a container's port, at the tc hooks of the host's
 * side of its veth: what no change of the host's firewall takes away.
 *
 * What passes goes on to whatever else hangs there (TC_ACT_UNSPEC), or past the
 * bridge (short.h).  A port that is not in the map is not told to anybody yet, or no
 * longer: nothing passes.
 */
#include <linux/types.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

#include "bpf/lib/guard.h"
#include "bpf/lib/rate.h"
#include "bpf/lib/short.h"
#include "bpf/lib/trace.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct guard_meta);
} guard_meta SEC(".maps");

static __always_inline int drop(struct __sk_buff *skb, __u8 where, int said)
{
	trace_drop(skb, where, (__u8)(said - GUARD_DROPPED));
	return TC_ACT_SHOT;
}

SEC("tc")
int guard_ingress(struct __sk_buff *skb)
{
	__u32 index = skb->ifindex;
	const struct guard_port *p = bpf_map_lookup_elem(&guard_port, &index);
	int r;

	if (!p)
		return TC_ACT_SHOT;
	r = guard_in(skb, p);
	if (!r && p->flags & GUARD_RATED && rate_out(skb, index))
		r = guard_drop(GUARD_DROP_RATE);
	if (r)
		return drop(skb, TRACE_GUARD_IN, r);
	r = short_from_port(skb, p);
	if (r != TC_ACT_UNSPEC)
		return r;
	if (p->flags & GUARD_SOURCE)
		skb->priority = GUARD_SEEN;
	return TC_ACT_UNSPEC;
}

SEC("tc")
int guard_egress(struct __sk_buff *skb)
{
	__u32 index = skb->ifindex;
	const struct guard_port *p = bpf_map_lookup_elem(&guard_port, &index);
	int r;

	if (!p)
		return TC_ACT_SHOT;
	r = guard_out(skb, p);
	if (!r && p->flags & GUARD_RATED && rate_in(skb, index))
		r = guard_drop(GUARD_DROP_RATE);
	return r ? drop(skb, TRACE_GUARD_OUT, r) : TC_ACT_UNSPEC;
}

/* At a VXLAN link, a port of the bridge. */
SEC("tc")
int guard_wire(struct __sk_buff *skb)
{
	__u32 index = skb->ifindex;
	const struct guard_port *wire =
		bpf_map_lookup_elem(&guard_port, &index);

	return wire ? short_from_wire(skb, wire) : TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
