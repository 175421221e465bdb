/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_entry.h - what is told of a port, as the guard's map has it. */
#ifndef DATAPLANE_EBPF_GUARD_ENTRY_H
#define DATAPLANE_EBPF_GUARD_ENTRY_H

#include <linux/types.h>

#include "bpf/guard_map.h"
#include "dataplane/ebpf/guard.h"

/* @bridge: its interface index. */
struct guard_port guard_entry(const struct guard_conf *c, int bridge);
/* Return: 1: the entry was another one; 0: nothing to do; -errno. */
int guard_entry_put(int map, int ifindex, const struct guard_port *v,
		    struct err *err);
/* Delete what @keep does not want of a map by interface index. */
void guard_entry_sweep(int map, bool (*keep)(void *ctx, int ifindex),
		       void *ctx);

#endif
