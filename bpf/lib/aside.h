/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * aside.h - does the daemon want the kernel's own stack to do it all?
 *
 * So it is while this host has IPsec policies: a packet that a program sends on
 * is past them, and no helper asks them.
 */
#ifndef BPF_LIB_ASIDE_H
#define BPF_LIB_ASIDE_H

#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} nat_aside SEC(".maps");

static __always_inline int stands_aside(void)
{
	__u32 zero = 0;
	const __u32 *aside = bpf_map_lookup_elem(&nat_aside, &zero);

	return !aside || *(const volatile __u32 *)aside;
}

#endif
