// SPDX-License-Identifier: GPL-2.0-or-later
/* moby's restartmanager, without a clock. */
#include "netctl/box/restart.h"

#include <string.h>

#define PAUSE_MIN_MS 100
#define PAUSE_MAX_MS 60000
#define WELL_MS      10000

bool restart_due(const struct restart *r, int64_t count, int exit_code,
		 bool stopped)
{
	if (stopped)
		return false;
	if (strcmp(r->name, "always") == 0 ||
	    strcmp(r->name, "unless-stopped") == 0)
		return true;
	return strcmp(r->name, "on-failure") == 0 && exit_code != 0 &&
	       (r->max == 0 || count < r->max);
}

unsigned int restart_pause_ms(unsigned int last_ms, uint64_t ran_ms)
{
	if (last_ms == 0 || ran_ms >= WELL_MS)
		return PAUSE_MIN_MS;
	return last_ms > PAUSE_MAX_MS / 2 ? PAUSE_MAX_MS : 2 * last_ms;
}
