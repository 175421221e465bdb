/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backoff.h - when to try again what failed: later each time, and not when all other
 * hosts do.
 */
#ifndef LIB_BACKOFF_H
#define LIB_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

/* All zero: it has not failed.  One thread at a time. */
struct backoff {
	unsigned int ms;   /* the last pause, at most; 0: all is well */
	uint64_t until_ms; /* by clock_boot_ms() */
};

/* backoff_failed() - pause for twice as long as before, from @min to @max ms, of which
 * a random part of up to half is left out. */
void backoff_failed(struct backoff *b, unsigned int min, unsigned int max);
/* backoff_well() - it did not fail: the next pause is the shortest.  True: it had. */
bool backoff_well(struct backoff *b);
/* backoff_left_ms() - of the pause; 0: try. */
unsigned int backoff_left_ms(const struct backoff *b);

/* backoff_between() - anything from @from to @to, by chance: for what all hosts do now
 * and then. */
uint64_t backoff_between(uint64_t from, uint64_t to);

#endif
