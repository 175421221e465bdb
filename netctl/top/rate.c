/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two readings of a counter as a rate, and a rate as a short text. */
#include "netctl/top/rate.h"

#include <stdio.h>

double top_rate(struct top_count was, struct top_count now)
{
	if (was.at_ns == 0 || now.at_ns <= was.at_ns || now.value < was.value)
		return TOP_UNKNOWN;
	return (double)(now.value - was.value) * 1e9 /
	       (double)(now.at_ns - was.at_ns);
}

const char *top_text(double rate, enum top_unit unit,
		     char buf[static TOP_TEXT_MAX])
{
	static const char *const letters[] = {
		[TOP_BYTES] = "BKMGTPE",
		[TOP_NUMBER] = " kMGTPE",
	};
	double step = unit == TOP_BYTES ? 1024 : 1000;
	size_t u = 0;

	if (rate < 0) {
		snprintf(buf, TOP_TEXT_MAX, "-");
		return buf;
	}
	/* 999.5 would be printed as 1000. */
	while (rate >= (unit == TOP_NUMBER && u == 0 ? 9999.5 : 999.5) &&
	       letters[unit][u + 1]) {
		rate /= step;
		u++;
	}
	if (u == 0 && (unit == TOP_BYTES || rate >= 99.95 || rate < 0.05))
		snprintf(buf, TOP_TEXT_MAX, "%.0f", rate);
	else
		snprintf(buf, TOP_TEXT_MAX, "%.*f", rate < 99.95, rate);
	if (letters[unit][u] != ' ') {
		size_t n = 0;

		while (buf[n])
			n++;
		buf[n] = letters[unit][u];
		buf[n + 1] = '\0';
	}
	return buf;
}
