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
/*
 * spawn_pid() - wait for a helper's end, and what it has said: SYNC_PID.
 *
 * @ours: the socket.
 * Return: the pid; -EPIPE when it was killed first (a process that it has made
 * sees its socket close, and ends); what it says failed.
 */
pid_t spawn_pid(pid_t helper, int ours, struct err *err);

#endif
