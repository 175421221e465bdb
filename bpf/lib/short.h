/* SPDX-License-Identifier: GPL-2.0 */
/*
 * short.h - the short way: IP frames from endpoint to endpoint of one network past
 * the bridge, with what the bridge's hooks and rules would have looked at.
 *
 * Only unicast frames of IPv4, and of IPv6 with TCP or UDP behind its header: so no
 * neighbour message is among them, however it is wrapped.  Everything else, and what
 * is not right or does not fit, is left to the bridge, where it is judged and
 * counted; only a port's rate is charged here.  The includer brings linux/bpf.h,
 * linux/pkt_cls.h, bpf/bpf_helpers.h, bpf/lib/guard.h, rate.h and trace.h.
 */
#ifndef BPF_LIB_SHORT_H
#define BPF_LIB_SHORT_H

#include "bpf/guard_map.h"
#include "bpf/lib/guard.h"
#include "bpf/lib/rate.h"
#include "bpf/lib/trace.h"

#define SHORT_TO_HOST 0 /* PACKET_HOST of linux/if_packet.h */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_WAY_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct guard_way_key);
	__type(value, struct guard_way);
} guard_way SEC(".maps");

/* Is it such a frame?  @eth: filled if so. */
static __always_inline bool short_takes(struct __sk_buff *skb,
					struct ethhdr *eth)
{
	__u8 next;

	if (skb->vlan_present || !guard_read(skb, 0, eth, sizeof(*eth)) ||
	    eth->h_dest[0] & 1 || skb->protocol != eth->h_proto)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return true;
	return eth->h_proto == bpf_htons(ETH_P_IPV6) &&
	       guard_read(skb, ETH_HLEN + 6, &next, sizeof(next)) &&
	       (next == IPPROTO_TCP || next == IPPROTO_UDP);
}

static __always_inline const struct guard_way *short_find(__u32 bridge,
							  const __u8 *mac)
{
	struct guard_way_key k = { .bridge = bridge };

	__builtin_memcpy(k.mac, mac, sizeof(k.mac));
	return bpf_map_lookup_elem(&guard_way, &k);
}

/* As a bridge sees it: a super packet always does. */
static __always_inline bool short_fits(struct __sk_buff *skb, __u32 index)
{
	__u32 mtu = 0;

	return skb->gso_size || !bpf_check_mtu(skb, index, &mtu, 0, 0);
}

/* Does it come from an address of the sender's? */
static __always_inline bool short_owns(struct __sk_buff *skb,
				       const struct guard_way *from)
{
	static const __u32 none[4];
	__u32 src[4];

	if (skb->protocol == bpf_htons(ETH_P_IP))
		return from->ip4 &&
		       guard_read(skb, ETH_HLEN + 12, src, sizeof(src[0])) &&
		       src[0] == from->ip4;
	return guard_read(skb, ETH_HLEN + 8, src, sizeof(src)) &&
	       !guard_same6(src, none) &&
	       (guard_same6(src, from->ip6) ||
		guard_same6(src, from->ip6_local));
}

/* Into the container behind port @index, of @bridge. */
static __always_inline int short_into(struct __sk_buff *skb, __u32 bridge,
				      __u32 index)
{
	const struct guard_port *to = bpf_map_lookup_elem(&guard_port, &index);

	if (!to || !(to->flags & GUARD_SHORT) || to->bridge != bridge ||
	    !short_fits(skb, index))
		return TC_ACT_UNSPEC;
	if (to->flags & GUARD_RATED && rate_in(skb, index)) {
		(void)guard_drop(GUARD_DROP_RATE);
		trace_drop_at(skb, index, TRACE_GUARD_OUT, GUARD_DROP_RATE);
		return TC_ACT_SHOT;
	}
	/* as a veth does it */
	skb->mark = 0;
	skb->priority = 0;
	(void)bpf_skb_change_type(skb, SHORT_TO_HOST);
	return (int)bpf_redirect_peer(index, 0);
}

/* Of what the guard let out of port @p.  Return: TC_ACT_UNSPEC: by the bridge. */
static __always_inline int short_from_port(struct __sk_buff *skb,
					   const struct guard_port *p)
{
	const struct guard_way *to;
	struct ethhdr eth;

	if (!(p->flags & GUARD_SHORT) || !short_takes(skb, &eth))
		return TC_ACT_UNSPEC;
	to = short_find(p->bridge, eth.h_dest);
	if (!to || to->ifindex == skb->ifindex)
		return TC_ACT_UNSPEC;
	if (!to->far)
		return short_into(skb, p->bridge, to->ifindex);
	if (!short_fits(skb, to->ifindex))
		return TC_ACT_UNSPEC;
	return (int)bpf_redirect(to->ifindex, 0);
}

/* Of what came from another host by a VXLAN link, which is @wire. */
static __always_inline int short_from_wire(struct __sk_buff *skb,
					   const struct guard_port *wire)
{
	const struct guard_way *from, *to;
	struct ethhdr eth;

	if (!short_takes(skb, &eth))
		return TC_ACT_UNSPEC;
	from = short_find(wire->bridge, eth.h_source);
	if (!from || !from->far || from->ifindex != skb->ifindex ||
	    !short_owns(skb, from))
		return TC_ACT_UNSPEC;
	to = short_find(wire->bridge, eth.h_dest);
	if (!to || to->far)
		return TC_ACT_UNSPEC;
	return short_into(skb, wire->bridge, to->ifindex);
}

#endif
