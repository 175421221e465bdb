/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The clock of skew.h. */
#include "lib/test/skew.h"

#include <time.h>

_Atomic int64_t *clock_skew_s;

int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	int r = __real_clock_gettime(id, ts);

	if (id == CLOCK_BOOTTIME && clock_skew_s)
		ts->tv_sec += *clock_skew_s;
	return r;
}
