/* SPDX-License-Identifier: GPL-2.0-or-later */
/* skew.h - a CLOCK_BOOTTIME that tests move on.  For programs linked with
 * -Wl,--wrap=clock_gettime. */
#ifndef LIB_TEST_SKEW_H
#define LIB_TEST_SKEW_H

#include <stdint.h>

/* Seconds to add; in memory that child processes share.  NULL: none. */
extern _Atomic int64_t *clock_skew_s;

#endif
