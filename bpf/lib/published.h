/* SPDX-License-Identifier: GPL-2.0 */
/*
 * published.h - the published ports, which the socket hooks and the programs at
 * the interfaces look up alike.  The includer brings linux/types.h, linux/bpf.h,
 * linux/in.h, bpf/bpf_endian.h and bpf/bpf_helpers.h.
 */
#ifndef BPF_LIB_PUBLISHED_H
#define BPF_LIB_PUBLISHED_H

#include "bpf/sock_map.h"

/* The daemon writes it by mmap(). */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SOCK_ANY_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sock_dst);
} sock_any SEC(".maps");

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
	__type(value, struct sock_span);
} sock_range SEC(".maps");

static __always_inline const struct sock_dst *
published_range(struct sock_prefix *k)
{
	const struct sock_span *s = bpf_map_lookup_elem(&sock_range, k);

	return s ? &s->dst : 0;
}

/* One port, else a range: of the address that is in @k alone. */
static __always_inline const struct sock_dst *
published_at(struct sock_prefix *k)
{
	const struct sock_dst *d = bpf_map_lookup_elem(&sock_pub, &k->key);

	return d ? d : published_range(k);
}

/* The same of any address of a family, where @k is about IPv6 if @v6. */
static __always_inline const struct sock_dst *
published_any(struct sock_prefix *k, __u32 v6)
{
	__u32 at = k->key.port;
	const struct sock_dst *d;

	/* ::ffff:0.0.0.0 or :: */
	k->key.addr[3] = 0;
	if (v6)
		k->key.addr[0] = k->key.addr[1] = k->key.addr[2] = 0;
	if (k->key.proto != IPPROTO_TCP && k->key.proto != IPPROTO_UDP)
		return published_at(k);
	at = bpf_ntohs((__u16)at) + (v6 ? SOCK_ANY_V6 : 0) +
	     (k->key.proto == IPPROTO_UDP ? SOCK_ANY_UDP : 0);
	d = bpf_map_lookup_elem(&sock_any, &at);
	if (d && *(const volatile __u64 *)d)
		return d;
	return published_range(k);
}

/*
 * published_find() - where the port in @k leads, whose address is asked for by a
 * client of IPv6 if @v6: that address before any address, a port before a range.
 * Return: 0; -1: it is not published.
 */
static __always_inline int published_find(struct sock_prefix *k, __u32 v6,
					  struct sock_dst *ret)
{
	const struct sock_dst *d = published_at(k);
	__u64 word;

	if (!d)
		d = published_any(k, v6);
	if (!d)
		return -1;
	word = *(const volatile __u64 *)d;
	__builtin_memcpy(ret, &word, sizeof(*ret));
	return word ? 0 : -1;
}

#endif
