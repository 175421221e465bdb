/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_rate.h - how fast ports may be, in the guard's map guard_rate. */
#ifndef DATAPLANE_EBPF_GUARD_RATE_H
#define DATAPLANE_EBPF_GUARD_RATE_H

#include <stdbool.h>

#include "dataplane/rate.h"
#include "lib/err.h"

/*
 * guard_rate_put() - have @r in @map; no entry where it is none.  What is there in
 * the same form stays, with what was used of its burst.
 * Return: 1: it was another one; 0: nothing to do; -errno.
 */
int guard_rate_put(int map, int ifindex, const struct dp_rates *r,
		   struct err *err);
void guard_rate_del(int map, int ifindex); /* absent: fine */
bool guard_rate_is(int map, int ifindex, const struct dp_rates *r);

#endif
