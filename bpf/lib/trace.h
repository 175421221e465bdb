/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - tell whoever listens of a packet that is dropped: one look where
 * nobody does.  The includer brings linux/bpf.h and bpf/bpf_helpers.h.
 */
#ifndef BPF_LIB_TRACE_H
#define BPF_LIB_TRACE_H

#include "bpf/trace_map.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, TRACE_RING_BYTES);
} guard_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct trace_until);
} guard_until SEC(".maps");

/* As much of the head as there is, in steps: the verifier wants constants. */
static __always_inline __u32 trace_head(struct __sk_buff *skb, __u8 *head)
{
	if (bpf_skb_load_bytes(skb, 0, head, TRACE_HEAD) == 0)
		return TRACE_HEAD;
	if (bpf_skb_load_bytes(skb, 0, head, 74) == 0)
		return 74; /* IPv6 and TCP */
	if (bpf_skb_load_bytes(skb, 0, head, 54) == 0)
		return 54; /* IPv4 and TCP */
	if (bpf_skb_load_bytes(skb, 0, head, 42) == 0)
		return 42; /* IPv4 and UDP, ARP */
	return bpf_skb_load_bytes(skb, 0, head, 14) == 0 ? 14 : 0;
}

/* @port: where, if not where the packet came in; else 0, a constant: read before the
 * head is, as the verifier wants a context that nothing was added to. */
static __always_inline void trace_drop_at(struct __sk_buff *skb, __u32 port,
					  __u8 where, __u8 why)
{
	__u32 zero = 0;
	struct trace_until *until = bpf_map_lookup_elem(&guard_until, &zero);
	struct trace_event *e;

	if (!until || bpf_ktime_get_ns() >= until->time_ns)
		return;
	e = bpf_ringbuf_reserve(&guard_ring, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&until->lost, 1);
		return;
	}
	e->time_ns = bpf_ktime_get_ns();
	e->ifindex = port ? port : skb->ifindex;
	e->len = skb->len;
	e->where = where;
	e->why = why;
	e->pad[0] = e->pad[1] = 0;
	e->head_len = trace_head(skb, e->head);
	bpf_ringbuf_submit(e, 0);
}

static __always_inline void trace_drop(struct __sk_buff *skb, __u8 where,
				       __u8 why)
{
	trace_drop_at(skb, 0, where, why);
}

#endif
