/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy.h - who may reach a published port, and how often: pure data.
 *
 * The longest prefix that holds the client's address decides; of two equal ones
 * that deny.  Who is in none: denied where there is any prefix that allows, of
 * whatever family, else allowed.
 */
#ifndef DATAPLANE_POLICY_H
#define DATAPLANE_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/ip.h"

#define DP_POLICY_MAX       32      /* prefixes, allowed and denied ones */
#define DP_POLICY_RATE_MAX  1000000 /* .rate and .burst */
#define DP_POLICY_BURST_MAX DP_POLICY_RATE_MAX

struct dp_policy_rule {
	struct ip_prefix net; /* host bits are 0 */
	bool allow;
};

struct dp_policy {
	struct dp_policy_rule rules[DP_POLICY_MAX];
	uint32_t count; /* of .rules */
	uint32_t rate;  /* new flows a second from one source; 0: no limit */
	uint32_t burst; /* of them at once; 1 at least where .rate is */
};

/* Everybody may, as often as he likes: as if there were none. */
bool dp_policy_is_none(const struct dp_policy *p);
bool dp_policy_equal(const struct dp_policy *a, const struct dp_policy *b);
/* May who is in none of the prefixes? */
bool dp_policy_allows_others(const struct dp_policy *p);

#endif
