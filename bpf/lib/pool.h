/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pool.h - a published port of several containers: which of them gets a new
 * connection.  The includer brings linux/types.h, linux/bpf.h and
 * bpf/bpf_helpers.h.
 *
 * A pool is a table of slots that the daemon fills (Maglev) and replaces whole,
 * by one update of the outer map: a packet meets the old table or the new one.
 * What is under way never comes here.
 */
#ifndef BPF_LIB_POOL_H
#define BPF_LIB_POOL_H

#include "bpf/sock_map.h"

struct pool_table {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOCK_POOL_SLOTS);
	__uint(key_size, sizeof(__u32)); /* types get lost in an inner map */
	__uint(value_size, sizeof(struct sock_backend));
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH_OF_MAPS);
	__uint(max_entries, SOCK_POOL_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__array(values, struct pool_table);
} sock_pool SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SOCK_IP6_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct sock_ip6);
} sock_ip6 SEC(".maps");

/* One word more into @h: murmur3's. */
static __always_inline __u32 pool_hash(__u32 h, __u32 word)
{
	h ^= word * 0xcc9e2d51u;
	h = (h ^ (h >> 16)) * 0x85ebca6bu;
	h = (h ^ (h >> 13)) * 0xc2b2ae35u;
	return h ^ (h >> 16);
}

/*
 * pool_resolve() - where @d leads for who asked for host port @port (host
 * order) and is known by @hash.  A family that the container has not, or where
 * @d is for clients of IPv6 and says enough without, is 0.
 * Return: 0; -1: to nobody, as all of them are gone.
 */
static __always_inline int pool_resolve(const struct sock_dst *d, __u32 hash,
					__u16 port, struct sock_backend *ret)
{
	__u32 number = d->at, slot = hash % SOCK_POOL_SLOTS;
	const struct sock_backend *b;
	const struct sock_ip6 *ip6;
	void *table;

	if (sock_dst_kind(d) != SOCK_TO_POOL) {
		__builtin_memset(ret, 0, sizeof(*ret));
		ret->port = (__u16)(port + d->delta);
		ret->ip4 = number;
		if (sock_dst_kind(d) == SOCK_TO_IP4)
			return 0;
		ip6 = bpf_map_lookup_elem(&sock_ip6, &number);
		if (!ip6)
			return -1;
		__builtin_memcpy(ret->ip6, ip6->addr, sizeof(ret->ip6));
		ret->ip4 = 0;
		return 0;
	}
	table = bpf_map_lookup_elem(&sock_pool, &number);
	if (!table)
		return -1;
	b = bpf_map_lookup_elem(table, &slot);
	if (!b)
		return -1;
	__builtin_memcpy(ret, b, sizeof(*ret));
	return 0;
}

#endif
