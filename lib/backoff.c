// SPDX-License-Identifier: GPL-2.0-or-later
/* When to try again. */
#include "lib/backoff.h"

#include <sys/random.h>

#include "lib/clock.h"

uint64_t backoff_between(uint64_t from, uint64_t to)
{
	uint32_t n = 0;

	/* early in a boot there may be nothing random yet */
	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) < 0)
		n = (uint32_t)clock_boot_ms() * 2654435761u;
	return from + (to - from) * n / UINT32_MAX;
}

void backoff_failed(struct backoff *b, unsigned int min, unsigned int max)
{
	uint64_t ms = b->ms ? (uint64_t)b->ms * 2 : min;

	b->ms = ms < max ? (unsigned int)ms : max;
	b->until_ms = clock_boot_ms() + backoff_between(b->ms / 2, b->ms);
}

bool backoff_well(struct backoff *b)
{
	bool had = b->ms;

	*b = (struct backoff){ .ms = 0 };
	return had;
}

unsigned int backoff_left_ms(const struct backoff *b)
{
	uint64_t now = clock_boot_ms();

	return b->until_ms > now ? (unsigned int)(b->until_ms - now) : 0;
}
