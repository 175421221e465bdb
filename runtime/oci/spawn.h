/* SPDX-License-Identifier: GPL-2.0-or-later */
/* spawn.h - fork, into namespaces. */
#ifndef RUNTIME_OCI_SPAWN_H
#define RUNTIME_OCI_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

/*
 * spawn_clone() - as fork(), with new namespaces.
 *
 * @sibling: the child is our parent's, not ours.
 * Return: as fork(); -errno.
 */
pid_t spawn_clone(int flags, bool sibling);
/* spawn_reap() - wait for a helper that has done its work. */
int spawn_reap(pid_t helper, struct err *err);

#endif
