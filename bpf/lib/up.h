/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * up.h - a container's packets to this host itself, past the bridge's ports.
 *
 * Where the bridge learns where a MAC is, it does so from packets that pass it: so each
 * port has one pass every LEARN_S seconds.  A bridge that has not heard of a MAC for its
 * ageing time (five minutes) floods what is for it.
 */
#ifndef BPF_LIB_UP_H
#define BPF_LIB_UP_H

#include "bpf/lib/begin.h"
#include "bpf/lib/guard.h"

#define UP_SLOTS \
	16384 /* by interface index; two that meet in one both go by the
			* bridge when they take turns */
#define LEARN_S 16u

/* Which interface passed the bridge last, and when: seconds of the monotonic clock. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, UP_SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} nat_learnt SEC(".maps");

static __always_inline int is_learnt(__u32 ifindex, __u32 now)
{
	__u32 slot = ifindex % UP_SLOTS;
	__u64 *last = bpf_map_lookup_elem(&nat_learnt, &slot), was;

	if (!last)
		return 0;
	was = *(volatile __u64 *)last;
	if (was >> 32 == ifindex && now - (__u32)was < LEARN_S)
		return 1;
	*(volatile __u64 *)last = (__u64)ifindex << 32 | now;
	return 0;
}

/* A packet within a TCP connection to container @own's gateway, of no flow: this host
 * has that connection itself.  It may go up as if the bridge had passed it: the
 * bridge's rules would ask what the guard has asked, and INPUT judges it as ever.
 * What is not as it should be goes by the bridge. */
static __always_inline int
may_go_up(struct __sk_buff *skb, const struct work *w, const struct nat_ep *own)
{
	__u8 dmac[6];

	return w->p.t.proto == IPPROTO_TCP && w->p.frag == FRAG_NO &&
	       !begins(skb, w) &&
	       bpf_skb_load_bytes(skb, 0, dmac, sizeof(dmac)) == 0 &&
	       guard_same(dmac, own->bridge_mac, sizeof(dmac)) &&
	       is_learnt(own->ifindex, w->now);
}

#endif
