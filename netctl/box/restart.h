/* SPDX-License-Identifier: GPL-2.0-or-later */
/* restart.h - "--restart" as Docker does it: whether, and after how long. */
#ifndef NETCTL_BOX_RESTART_H
#define NETCTL_BOX_RESTART_H

#include <stdbool.h>
#include <stdint.h>

struct restart {
	const char *name; /* "no", "always", "unless-stopped", "on-failure" */
	int64_t max;      /* of on-failure; 0: no end */
};

/* @count: restarts so far.  @stopped: somebody asked for its end. */
bool restart_due(const struct restart *r, int64_t count, int exit_code,
		 bool stopped);

/* @last_ms: the pause before, 0: none.  100 ms, then twice as long each time up to a
 * minute; from the beginning again after one that ran for 10 s. */
unsigned int restart_pause_ms(unsigned int last_ms, uint64_t ran_ms);

#endif
