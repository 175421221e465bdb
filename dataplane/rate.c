/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rates of endpoints: reading and comparing. */
#include "dataplane/rate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base.h"
#include "lib/log.h"

#define BURST_LEAST UINT64_C(131072) /* where none is given */

struct unit {
	const char *name;
	double bytes;
};

/* As tc(8): bit and bps (bytes a second!), k is 1000 and ki 1024. */
static const struct unit rate_units[] = {
	{ "", 1. / 8 },
	{ "bit", 1. / 8 },
	{ "kbit", 1e3 / 8 },
	{ "mbit", 1e6 / 8 },
	{ "gbit", 1e9 / 8 },
	{ "tbit", 1e12 / 8 },
	{ "bps", 1 },
	{ "kbps", 1e3 },
	{ "mbps", 1e6 },
	{ "gbps", 1e9 },
	{ "tbps", 1e12 },
	{ "kibit", 0x1p10 / 8 },
	{ "mibit", 0x1p20 / 8 },
	{ "gibit", 0x1p30 / 8 },
	{ "tibit", 0x1p40 / 8 },
	{ "kibps", 0x1p10 },
	{ "mibps", 0x1p20 },
	{ "gibps", 0x1p30 },
	{ "tibps", 0x1p40 },
};

/* Sizes, where k is 1024. */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "b", 1 },
	{ "k", 0x1p10 },
	{ "kb", 0x1p10 },
	{ "m", 0x1p20 },
	{ "mb", 0x1p20 },
	{ "g", 0x1p30 },
	{ "gb", 0x1p30 },
	{ "kbit", 0x1p10 / 8 },
	{ "mbit", 0x1p20 / 8 },
	{ "gbit", 0x1p30 / 8 },
};

bool dp_rates_equal(const struct dp_rates *a, const struct dp_rates *b)
{
	return a->in.bytes == b->in.bytes && a->in.burst == b->in.burst &&
	       a->out.bytes == b->out.bytes && a->out.burst == b->out.burst;
}

bool dp_rates_is_none(const struct dp_rates *r)
{
	return !r->in.bytes && !r->out.bytes;
}

/* A number with or without a fraction, and its unit.  strtod() alone takes signs,
 * blanks, exponents and hexadecimals.  Return: 0; -EINVAL. */
static int parse_amount(const char *text, const struct unit *units,
			size_t count, double *ret)
{
	size_t len = strspn(text, "0123456789."),
	       whole = strspn(text, "0123456789");
	char *end, number[24];

	if (whole == 0 || len >= sizeof(number) || text[len - 1] == '.')
		return -EINVAL;
	snprintf(number, sizeof(number), "%.*s", (int)len, text);
	*ret = strtod(number, &end);
	if (*end)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (strcasecmp(text + len, units[i].name) == 0) {
			*ret *= units[i].bytes;
			return 0;
		}
	return -EINVAL;
}

static int refuse(const char *text, struct err *err)
{
	char shown[96];

	return err_set(err, -EINVAL,
		       "%s is not a rate: write 10mbit, 10mbit:256kb with a "
		       "burst, in=10mbit,out=2mbit, or none, in the units of "
		       "tc(8)",
		       log_quote(shown, sizeof(shown), text));
}

static bool within(double amount, uint64_t least, uint64_t most)
{
	return amount >= (double)least && amount <= (double)most;
}

static uint64_t default_burst(uint64_t bytes)
{
	uint64_t burst = bytes / 2;

	if (burst < BURST_LEAST)
		return BURST_LEAST;
	return burst > DP_BURST_MAX ? DP_BURST_MAX : burst;
}

/* "10mbit", "10mbit:256kb", "none" */
static int parse_rate(const char *text, struct dp_rate *ret, struct err *err)
{
	size_t len = strcspn(text, ":");
	char rate[32];
	double n;

	*ret = (struct dp_rate){ 0 };
	if (strcmp(text, "none") == 0)
		return 0;
	snprintf(rate, sizeof(rate), "%.*s", (int)len, text);
	if (len >= sizeof(rate) ||
	    parse_amount(rate, rate_units, ARRAY_SIZE(rate_units), &n) < 0)
		return refuse(text, err);
	if (!within(n, DP_RATE_MIN, DP_RATE_MAX))
		return err_set(err, -EINVAL,
			       "\"%s\" is not in 8kbit to 100gbit (bit: bits, "
			       "bps: bytes a second)",
			       rate);
	ret->bytes = (uint64_t)n;
	ret->burst = default_burst(ret->bytes);
	if (!text[len])
		return 0;
	if (parse_amount(text + len + 1, size_units, ARRAY_SIZE(size_units),
			 &n) < 0)
		return refuse(text, err);
	if (!within(n, DP_BURST_MIN, DP_BURST_MAX))
		return err_set(err, -EINVAL,
			       "burst \"%s\" is not in 2kb to 1gb (a number "
			       "alone is bytes)",
			       text + len + 1);
	ret->burst = (uint64_t)n;
	return 0;
}

/* Which direction does "in=..." speak of?  NULL: of none. */
static struct dp_rate *direction(struct dp_rates *r, const char *text,
				 const char **value)
{
	if (strncmp(text, "in=", 3) == 0) {
		*value = text + 3;
		return &r->in;
	}
	if (strncmp(text, "out=", 4) == 0) {
		*value = text + 4;
		return &r->out;
	}
	return NULL;
}

int dp_rates_parse(const char *text, struct dp_rates *ret, struct err *err)
{
	const char *rest = text, *value;
	struct dp_rates got = { 0 };
	unsigned int seen = 0;
	char part[96];
	int r = 0;

	if (!strchr(text, '=')) {
		r = parse_rate(text, &got.in, err);
		got.out = got.in;
		rest = NULL;
	}
	while (r == 0 && rest) {
		size_t len = strcspn(rest, ",");
		struct dp_rate *to;
		unsigned int bit;

		snprintf(part, sizeof(part), "%.*s", (int)len, rest);
		to = len < sizeof(part) ? direction(&got, part, &value) : NULL;
		bit = to == &got.in ? 1 : 2;
		if (!to || seen & bit)
			return refuse(text, err);
		seen |= bit;
		r = parse_rate(value, to, err);
		rest = rest[len] ? rest + len + 1 : NULL;
	}
	if (r == 0)
		*ret = got;
	return r;
}
