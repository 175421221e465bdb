/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quota.h - how many questions a source may have sent on: a token bucket each.
 *
 * What we answer ourselves costs some microseconds and is not counted.
 */
#ifndef RUNTIME_NAMES_QUOTA_H
#define RUNTIME_NAMES_QUOTA_H

#include "lib/ip.h"

#define QUOTA_PER_S 1000
#define QUOTA_BURST 1000
#define QUOTA_SLOTS 1024

struct quota_slot {
	struct ip_addr who;
	uint32_t tokens;
	uint64_t at_ms; /* when .tokens was right */
};

struct quota {
	struct quota_slot slots[QUOTA_SLOTS];
	uint64_t seed;
};

/* quota_take() - one more by @who at @now_ms.  false: it has had its share. */
bool quota_take(struct quota *q, const struct ip_addr *who, uint64_t now_ms);

#endif
