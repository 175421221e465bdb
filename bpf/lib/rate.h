/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rate.h - a container's bandwidth: berth.rate.
 *
 * One token bucket a direction, in one word.  A frame passes as long as the bucket
 * is not empty, and may leave it in debt: so a super packet of 64 KiB passes with
 * the least burst, and big and small frames are treated alike.  It is a policer:
 * what is led to a container by bpf_redirect_peer() meets no queue.  To spare a
 * sender that listens (ECN) the losses, his packets are marked from half the burst
 * on.
 *
 * ARP and neighbour discovery are charged like everything else, but pass until
 * GUARD_RATE_ROOM bytes more are owed: who is at his rate stays reachable, and who
 * sends nothing but ARP keeps to it as well.
 *
 * A frame counts with its Ethernet header, without preamble and checksum; a super
 * packet as the frames that it stands for.  The includer brings linux/bpf.h,
 * bpf/bpf_helpers.h and bpf/lib/guard.h.
 */
#ifndef BPF_LIB_RATE_H
#define BPF_LIB_RATE_H

#include "bpf/lib/guard.h"

#define RATE_TRIES 4
#define RATE_HEAD4 66u /* of each further frame: Ethernet, IP, TCP with times */
#define RATE_HEAD6 86u

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, GUARD_PORT_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); /* interface index */
	__type(value, struct guard_rate);
} guard_rate SEC(".maps");

/* ARP, and what ICMPv6 has for it: RS, RA, NS, NA, redirect. */
static __always_inline bool rate_is_control(struct __sk_buff *skb)
{
	__u8 next = 0, type = 0;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return true;
	return skb->protocol == bpf_htons(ETH_P_IPV6) &&
	       guard_read(skb, ETH_HLEN + 6, &next, sizeof(next)) &&
	       next == IPPROTO_ICMPV6 &&
	       guard_read(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type,
			  sizeof(type)) &&
	       type >= 133 && type <= GUARD_REDIRECT;
}

static __always_inline __u64 rate_len(struct __sk_buff *skb)
{
	__u64 head = skb->protocol == bpf_htons(ETH_P_IPV6) ? RATE_HEAD6
							    : RATE_HEAD4;
	__u64 more = skb->gso_segs;

	return skb->len + (more > 1 ? (more - 1) * head : 0);
}

/* Charge @skb.  Return: it must go. */
static __always_inline bool rate_charge(struct __sk_buff *skb,
					struct guard_bucket *b)
{
	__u64 now = bpf_ktime_get_ns(), was, most = b->burst, ahead;
	__u64 cost =
		(rate_len(skb) * b->cost + (1 << (GUARD_RATE_SHIFT - 1))) >>
		GUARD_RATE_SHIFT;

	if (!b->cost)
		return false;
	was = *(volatile __u64 *)&b->due;
	ahead = was > now ? was - now : 0;
	if (ahead > most && rate_is_control(skb))
		most += (GUARD_RATE_ROOM * b->cost) >> GUARD_RATE_SHIFT;
	for (int i = 0; i < RATE_TRIES; i++) {
		__u64 seen;

		ahead = was > now ? was - now : 0;
		if (ahead > most)
			return true;
		seen = __sync_val_compare_and_swap(&b->due, was,
						   now + ahead + cost);
		if (seen == was) {
			if (ahead > b->burst / 2)
				bpf_skb_ecn_set_ce(skb);
			return false;
		}
		was = seen;
	}
	/* as many at once as there are processors: none gets it for nothing */
	__sync_fetch_and_add(&b->due, cost);
	return false;
}

/* From, and to, the container behind @index.  Return: above its rate, drop it. */
static __always_inline bool rate_out(struct __sk_buff *skb, __u32 index)
{
	struct guard_rate *r = bpf_map_lookup_elem(&guard_rate, &index);

	return r && rate_charge(skb, &r->out);
}

static __always_inline bool rate_in(struct __sk_buff *skb, __u32 index)
{
	struct guard_rate *r = bpf_map_lookup_elem(&guard_rate, &index);

	return r && rate_charge(skb, &r->in);
}

#endif
