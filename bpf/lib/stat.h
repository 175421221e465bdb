/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stat.h - count what published ports and endpoints send and get.
 *
 * Nothing interrupts a program at these hooks on its own processor but what
 * counts elsewhere, so plain additions do.  (The socket hooks can be interrupted
 * by these: they add atomically.)
 */
#ifndef BPF_LIB_STAT_H
#define BPF_LIB_STAT_H

#include "bpf/lib/flow.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NAT_STAT_MAX);
	__type(key, __u32);
	__type(value, struct nat_stat);
} nat_stat SEC(".maps");

/* NULL: not counted. */
static __always_inline struct nat_stat *stat_at(__u32 index)
{
	return index ? bpf_map_lookup_elem(&nat_stat, &index) : 0;
}

static __always_inline void stat_in(__u32 index, __u32 packets, __u32 bytes)
{
	struct nat_stat *s = stat_at(index);

	if (!s)
		return;
	s->packets_in += packets;
	s->bytes_in += bytes;
}

static __always_inline void stat_out(__u32 index, __u32 packets, __u32 bytes)
{
	struct nat_stat *s = stat_at(index);

	if (!s)
		return;
	s->packets_out += packets;
	s->bytes_out += bytes;
}

/* Packet w->p of flow w->f goes on. */
static __always_inline void stat_packet(struct __sk_buff *skb,
					const struct work *w)
{
	const struct packet *p = &w->p;
	const struct nat_flow *f = &w->f;
	__u32 packets = skb->gso_segs, bytes = skb->len;

	if (packets > 1)
		bytes += (packets - 1) *
			 (p->l4 + (p->tcp_len ? p->tcp_len : 8u));
	else
		packets = 1;
	if (f->flags & NAT_FORWARD)
		stat_in(f->port_stat, packets, bytes);
	else
		stat_out(f->port_stat, packets, bytes);
	stat_out(f->from_stat, packets, bytes);
	stat_in(f->to_stat, packets, bytes);
}

static __always_inline void stat_begun(__u32 index)
{
	struct nat_stat *s = stat_at(index);

	if (s)
		s->flows++;
}

/* Flow @f has begun.  That of a container to itself is one. */
static __always_inline void stat_flow(const struct nat_flow *f)
{
	stat_begun(f->port_stat);
	stat_begun(f->from_stat);
	if (f->to_stat != f->from_stat)
		stat_begun(f->to_stat);
}

static __always_inline void stat_refused(__u32 index)
{
	struct nat_stat *s = stat_at(index);

	if (s)
		s->refused++;
}

#endif
