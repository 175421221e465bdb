/* SPDX-License-Identifier: GPL-2.0-or-later */
/* guard_count.h - what the guard dropped at containers' ports, by reason. */
#ifndef DATAPLANE_EBPF_GUARD_COUNT_H
#define DATAPLANE_EBPF_GUARD_COUNT_H

#include <stdint.h>

#include "dataplane/ebpf/pin.h"
#include "lib/err.h"

/* guard_counts() - each reason once, "guard-rate".  No port is guarded: none. */
int guard_counts(const struct pin_dir *pins,
		 void (*fn)(void *ctx, const char *name, uint64_t value),
		 void *ctx, struct err *err);

#endif
