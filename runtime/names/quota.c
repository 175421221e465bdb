// SPDX-License-Identifier: GPL-2.0-or-later
/* A token bucket a source, in a table of fixed size. */
#include "runtime/names/quota.h"

#include <string.h>

#define PROBES 8

static uint64_t hash(const struct quota *q, const struct ip_addr *a)
{
	uint64_t h = q->seed ^ a->family;

	for (unsigned int i = 0; i < ip_bytes(a); i++)
		h = (h ^ a->bytes[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Its own, or of those where it may be the one not used for the longest time. */
static struct quota_slot *slot_of(struct quota *q, const struct ip_addr *who)
{
	uint64_t h = hash(q, who);
	struct quota_slot *s, *old = NULL;

	for (uint64_t i = 0; i < PROBES; i++) {
		s = &q->slots[(h + i) % QUOTA_SLOTS];
		if (ip_equal(&s->who, who))
			return s;
		if (!old || s->at_ms < old->at_ms)
			old = s;
	}
	*old = (struct quota_slot){ .who = *who, .tokens = QUOTA_BURST };
	return old;
}

bool quota_take(struct quota *q, const struct ip_addr *who, uint64_t now_ms)
{
	struct quota_slot *s = slot_of(q, who);
	uint64_t more = (now_ms - s->at_ms) * QUOTA_PER_S / 1000;

	if (more) {
		more += s->tokens;
		s->tokens = more > QUOTA_BURST ? QUOTA_BURST : (uint32_t)more;
		s->at_ms = now_ms;
	}
	if (s->tokens == 0)
		return false;
	s->tokens--;
	return true;
}
