/* SPDX-License-Identifier: GPL-2.0 */
/*
 * published.h - the published ports, which the socket hooks and the programs at
 * the interfaces look up alike.  The includer brings linux/types.h, linux/bpf.h
 * and bpf/bpf_helpers.h.
 */
#ifndef BPF_LIB_PUBLISHED_H
#define BPF_LIB_PUBLISHED_H

#include "bpf/sock_map.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCK_PUB_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sock_key);
	__type(value, struct sock_dst);
} sock_pub SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, SOCK_RANGE_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct sock_prefix);
	__type(value, struct sock_dst);
} sock_range SEC(".maps");

/* One port, else a range: of the address that is in @k alone. */
static __always_inline const struct sock_dst *
published_at(struct sock_prefix *k)
{
	const struct sock_dst *d = bpf_map_lookup_elem(&sock_pub, &k->key);

	return d ? d : bpf_map_lookup_elem(&sock_range, k);
}

#endif
