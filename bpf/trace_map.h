/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace_map.h - what the tc programs tell of packets that they drop; included by
 * bpf/ and dataplane/ebpf/trace.c.  The includer brings __u32 (linux/types.h).
 */
#ifndef BPF_TRACE_MAP_H
#define BPF_TRACE_MAP_H

#define TRACE_RING_BYTES (256u * 1024) /* some 2,000 events */
#define TRACE_HEAD       96u           /* of a frame: as much as is told */

enum trace_where {
	TRACE_GUARD_IN,  /* out of a container; why: enum guard_drop */
	TRACE_GUARD_OUT, /* into a container; why: enum guard_drop */
	TRACE_ENDPOINT,  /* out of a container; why: enum nat_count */
	TRACE_UPLINK,    /* from a wire; why: enum nat_count */
	TRACE_WHERE_MAX,
};

/* In guard_ring.  The maps are the guard's, which is there wherever a program
 * is that drops. */
struct trace_event {
	__u64 time_ns; /* monotonic clock */
	__u32 ifindex;
	__u32 len;      /* of the frame */
	__u32 head_len; /* bytes of .head that are its first */
	__u8 where, why;
	__u8 pad[2]; /* 0 */
	__u8 head[TRACE_HEAD];
};

/* Somebody listens until then; the one entry of guard_until. */
struct trace_until {
	__u64 time_ns; /* monotonic clock; 0: nobody */
	__u64 lost;    /* events since, for which there was no room */
};

_Static_assert(sizeof(struct trace_event) == 120, "trace_event has a hole");
_Static_assert(sizeof(struct trace_until) == 16, "trace_until has a hole");

#endif
