/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.h - how much of the established flows one endpoint has: not so much that
 * the others' find no room.
 *
 * Each entry that leads to an endpoint counts for it from when its flow is
 * established to when it is no more.  Whoever changes the flow's state counts, and
 * no two do (flow.h).  nat_flow.c, which removes flows too, has the counts mapped.
 */
#ifndef BPF_LIB_SHARE_H
#define BPF_LIB_SHARE_H

#include <bpf/bpf_helpers.h>

#include "bpf/nat_map.h"

extern const volatile __u32 est_share;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, NAT_SHARE_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __s64);
} nat_share SEC(".maps");

/* Return: NULL: it leads to no endpoint. */
static __always_inline __s64 *share_of(const struct nat_flow *f)
{
	__u32 slot = f->ifindex % NAT_SHARE_SLOTS;

	return f->flags & NAT_PEER ? bpf_map_lookup_elem(&nat_share, &slot) : 0;
}

static __always_inline int share_is_spent(const struct nat_flow *f)
{
	const __s64 *n = share_of(f);

	return n && *(const volatile __s64 *)n >= (__s64)est_share;
}

static __always_inline void share_add(const struct nat_flow *f, __s64 more)
{
	__s64 *n = share_of(f);

	if (n)
		__sync_fetch_and_add(n, more);
}

#endif
