/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tool.h - the one place where a volume daemon runs a program. */
#ifndef VOLPLUGINS_FS_TOOL_H
#define VOLPLUGINS_FS_TOOL_H

#include "lib/err.h"

#define TOOL_FILE "/proc/self/fd/3" /* what the program calls @file */

struct tool {
	const char *package;     /* that has it */
	const char *const *argv; /* a fixed path first; ended by NULL */
};

/* Is it there?  -EOPNOTSUPP: what to install. */
int tool_probe(const struct tool *t, struct err *err);

/*
 * tool_run() - wait for the program, which has an empty environment and no other
 * descriptor than @file.
 *
 * Return: 0; -EOPNOTSUPP as tool_probe(); -EIO with the first line of what it
 *         said on stderr; -ECANCELED: it was killed, and so says nothing;
 *         -errno.
 */
int tool_run(const struct tool *t, int file, struct err *err);

#endif
