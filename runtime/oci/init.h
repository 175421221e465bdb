/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.h - the container's first process, from clone to its program.
 *
 *   runtime                          process
 *   clone3 (namespaces)  ----------> dies with the runtime from here on
 *   id maps, cgroup, limits
 *   SYNC_GO              ----------> user, host name, mounts, devices
 *   prestart, createRuntime hooks <- SYNC_HOOKS
 *   SYNC_GO              ----------> createContainer hooks, pivot_root, masks,
 *                                    terminal, user, capabilities, filter
 *   pid file, state "created"     <- SYNC_READY
 *                                    waits for one byte of exec.fifo,
 *                                    startContainer hooks, execve
 */
#ifndef RUNTIME_OCI_INIT_H
#define RUNTIME_OCI_INIT_H

#include <stdbool.h>

#include "runtime/oci/cgroup.h"
#include "runtime/oci/seccomp.h"
#include "runtime/oci/spec.h"
#include "runtime/oci/state.h"

struct init {
	const struct spec *spec; /* all borrowed */
	const struct state *state;
	const struct cgroup *cg;
	const struct sec_filter *filter;
	int sync, fifo, console;
	unsigned int preserve, listen;
};

/* init_run() - never comes back. */
_Noreturn void init_run(const struct init *init);

/*
 * init_spawn() - make the process, in its new and joined namespaces.
 *
 * @close: the runtime's end of the socket pair, closed in the process.
 * Return: its pid, a child of ours; -errno.
 */
int init_spawn(const struct init *init, int close, struct err *err);

#endif
