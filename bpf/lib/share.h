/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * share.h - how much of the established flows one endpoint has: not so much that
 * the others' find no room.
 *
 * Each entry of nat_est that leads to an endpoint counts for it, from when it is
 * entered to when it is removed, by whomever.  So nobody else enters or removes
 * entries there: these two here, and nat_flow.c, which has the counts mapped.
 */
#ifndef BPF_LIB_SHARE_H
#define BPF_LIB_SHARE_H

#include <bpf/bpf_helpers.h>

#include "bpf/nat_map.h"

#define SHARE_EEXIST (-17)

extern const volatile __u32 est_share;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, NAT_EST_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct nat_tuple);
	__type(value, struct nat_flow);
} nat_est SEC(".maps");

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

/* Return: 0; negative: no room. */
static __always_inline long est_put(const struct nat_tuple *key,
				    const struct nat_flow *f)
{
	long r = bpf_map_update_elem(&nat_est, key, f, BPF_NOEXIST);
	__s64 *n;

	if (r == SHARE_EEXIST)
		return bpf_map_update_elem(&nat_est, key, f, BPF_EXIST);
	if (r < 0)
		return r;
	n = share_of(f);
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

/* @f: the entry, or what it was. */
static __always_inline void est_drop(const struct nat_tuple *key,
				     const struct nat_flow *f)
{
	__s64 *n;

	if (bpf_map_delete_elem(&nat_est, key) < 0)
		return;
	n = share_of(f);
	if (n)
		__sync_fetch_and_add(n, -1);
}

#endif
