/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - milliseconds for deadlines and ages, by clocks that nobody sets.  Never 0,
 * so that 0 can be "not yet".
 */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms_of(clockid_t id)
{
	struct timespec t;

	(void)clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000 + 1;
}

/* It stands still while the host sleeps: for what this host does. */
static inline uint64_t clock_mono_ms(void)
{
	return clock_ms_of(CLOCK_MONOTONIC);
}

/* The same in nanoseconds, for rates. */
static inline uint64_t clock_mono_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec + 1;
}

/* It goes on meanwhile: for what others count as well, as leases. */
static inline uint64_t clock_boot_ms(void)
{
	return clock_ms_of(CLOCK_BOOTTIME);
}

#endif
