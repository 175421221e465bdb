/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - who may begin a flow to a published port, and how often.
 */
#ifndef BPF_LIB_POLICY_H
#define BPF_LIB_POLICY_H

#include "bpf/lib/packet.h"

#define LIMIT_TRIES 4

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, NAT_POLICY_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nat_policy_key);
	__type(value, __u32);
} nat_policy SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, NAT_LIMIT_MAX);
	__type(key, struct nat_limit_key);
	__type(value, __u64);
} nat_limit SEC(".maps");

/*
 * Is @source, one more time, above its rate?  What is kept is when its next flow
 * would be due if it kept to the rate (a token bucket in one word): a burst may
 * run ahead of the clock by so many gaps.  A source has one /64 of IPv6: whoever
 * has one address of it has them all.
 */
static __always_inline int above_rate(const struct nat_ep *ep,
				      const struct packet *p)
{
	struct nat_limit_key k = { .policy = ep->policy };
	__u64 now = bpf_ktime_get_ns(), gap = ep->limit_gap;
	__u64 latest = now + ep->limit_burst * gap, *due, was, next;

	addr_copy(k.saddr, p->t.saddr);
	if (p->v6)
		k.saddr[2] = k.saddr[3] = 0;
	due = bpf_map_lookup_elem(&nat_limit, &k);
	if (!due) {
		next = now + gap;
		bpf_map_update_elem(&nat_limit, &k, &next, BPF_NOEXIST);
		return 0;
	}
	for (int i = 0; i < LIMIT_TRIES; i++) {
		was = *(volatile __u64 *)due;
		next = (was > now ? was : now) + gap;
		if (next > latest)
			return 1;
		if (__sync_val_compare_and_swap(due, was, next) == was)
			return 0;
	}
	return 1; /* as many at once as there are processors */
}

/* May the source of @p begin a flow to @ep?  @again: it has been charged for it.
 * Return: 0; why it may not. */
static __always_inline __u32 refused(const struct nat_ep *ep,
				     const struct packet *p, __u32 again)
{
	struct nat_policy_key k = { .bits = NAT_POLICY_BITS + 128,
				    .policy = ep->policy };
	const __u32 *verdict;

	if (!ep->policy)
		return 0;
	addr_copy(k.addr, p->t.saddr);
	verdict = bpf_map_lookup_elem(&nat_policy, &k);
	if (!verdict || *verdict != NAT_POLICY_ALLOW)
		return NAT_DROP_POLICY;
	return ep->limit_gap && !again && above_rate(ep, p) ? NAT_DROP_LIMIT
							    : 0;
}

#endif
