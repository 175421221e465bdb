/* SPDX-License-Identifier: GPL-2.0-or-later */
/* progress.h - how far a backup is, on stderr where that is a terminal; and the
 * wish of the user to end it. */
#ifndef NETCTL_PROGRESS_H
#define NETCTL_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *what; /* "backup of v1" */
	uint64_t total;   /* bytes; 0: not known */
	bool shown;
	int64_t began_ms, told_ms;
};

/* progress_begin() - from now on SIGINT, SIGTERM and SIGHUP end nothing by
 * themselves, and SIGPIPE is an error of write(). */
void progress_begin(struct progress *p, const char *what, uint64_t total);
/* Return: 0; -EINTR: the user wants to end it. */
int progress_tell(struct progress *p, uint64_t bytes);
/* Take the line away. */
void progress_end(struct progress *p);

#endif
