/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rate.h - so much a second, of counters that may begin anew; and how "top" writes it. */
#ifndef NETCTL_TOP_RATE_H
#define NETCTL_TOP_RATE_H

#include <stddef.h>
#include <stdint.h>

/* A counter as it was read. */
struct top_count {
	uint64_t value;
	uint64_t at_ns; /* CLOCK_MONOTONIC; 0: there is no such figure */
};

#define TOP_UNKNOWN (-1.0)

/*
 * top_rate() - what was counted a second between two readings of one counter.
 *
 * Return: TOP_UNKNOWN where one of them is missing, no time has passed, or it is
 * lower than it was: it began anew, and nobody knows when.
 */
double top_rate(struct top_count was, struct top_count now);

enum top_unit {
	TOP_BYTES,  /* "1.5M", by 1024 */
	TOP_NUMBER, /* "12.3k", by 1000 */
};

#define TOP_TEXT_MAX 16

/* top_text() - at most 6 characters; "-": not known.  Return: @buf. */
const char *top_text(double rate, enum top_unit unit,
		     char buf[static TOP_TEXT_MAX]);

#endif
