/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rate.h - how many bytes a second an endpoint may send and get: pure data, and
 * how it is written.
 *
 * A rate holds on average: a burst may come at once, and then no more than the
 * rate.
 */
#ifndef DATAPLANE_RATE_H
#define DATAPLANE_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define DP_RATE_MIN  UINT64_C(1000)        /* bytes a second: 8kbit */
#define DP_RATE_MAX  UINT64_C(12500000000) /* 100gbit */
#define DP_BURST_MIN UINT64_C(2048)        /* bytes: 2kb */
#define DP_BURST_MAX (UINT64_C(1) << 30)   /* 1gb */

struct dp_rate {
	uint64_t bytes; /* a second; 0: no limit */
	uint64_t burst; /* bytes; 0: no limit */
};

struct dp_rates {
	struct dp_rate in, out; /* to the endpoint, from it */
};

bool dp_rates_equal(const struct dp_rates *a, const struct dp_rates *b);
bool dp_rates_is_none(const struct dp_rates *r);

/*
 * dp_rates_parse() - "RATE" for both directions, or "in=RATE", "out=RATE", or
 * both with a comma between; a direction that is not named has no limit.  RATE is
 * "none", or as tc(8) has it, "10mbit", and a burst behind a colon in tc's units
 * of size, "10mbit:256kb".
 *
 * Without a burst it is what the rate gives in half a second, and 128 KiB at
 * least: TCP that has lost a window sends nothing for 200 ms.
 *
 * Return: 0; -EINVAL: what is wrong, and what would be right.
 */
int dp_rates_parse(const char *text, struct dp_rates *ret, struct err *err);

#endif
