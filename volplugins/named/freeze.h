/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * freeze.h - hold a mounted file system still while its device is copied.
 *
 * Whoever writes to it waits, and would wait for ever if we died: the kernel
 * knows no owner of a freeze.  So a child process, made before it, thaws the
 * file system when we are gone, or after FREEZE_MAX_S whatever we do.  Both may be
 * killed at once (a service as a whole): then it is for the next start to
 * freeze_lift() it.
 */
#ifndef VOLPLUGINS_NAMED_FREEZE_H
#define VOLPLUGINS_NAMED_FREEZE_H

#include <sys/types.h>

#include "lib/err.h"

#define FREEZE_MAX_S 60

struct freeze {
	int root;    /* borrowed */
	pid_t guard; /* 0: not frozen */
};

/* freeze_begin() - @root: a descriptor of the file system, borrowed until
 * freeze_end().  All that was written before is on its device on return. */
int freeze_begin(int root, struct freeze *ret, struct err *err);
/*
 * freeze_end() - a second call: 0.
 *
 * Return: 0; -ETIMEDOUT: it was thawed before, so what was copied since may not
 *         fit together.
 */
int freeze_end(struct freeze *f, struct err *err);
/* freeze_lift() - thaw the file system of @root, whoever froze it.  Return: 1: it
 * was frozen; 0; -errno. */
int freeze_lift(int root, struct err *err);

#endif
