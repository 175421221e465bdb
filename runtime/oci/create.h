/* SPDX-License-Identifier: GPL-2.0-or-later */
/* create.h - a container from a bundle, up to waiting for 'start'. */
#ifndef RUNTIME_OCI_CREATE_H
#define RUNTIME_OCI_CREATE_H

#include <stdbool.h>

#include "lib/err.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/state.h"

/* Compiled filters, by content. */
#define CREATE_SECCOMP_CACHE "/run/berth-oci-seccomp"

struct create {
	const char *id, *bundle, *pid_file, *console_socket;
	unsigned int preserve; /* descriptors after 2 */
	unsigned int listen;   /* so many of these by socket activation */
	bool new_keyring;
	bool foreground; /* the terminal is ours: its master in ret_master */
	int ret_master;  /* owned by the caller; -EBADF: none */
};

/*
 * create_container() - all of 'create'.
 *
 * On failure nothing is left: no process, cgroup, directory; and where the
 * runtime's hooks have begun, the poststop hooks are run.
 *
 * @ret: owned, locked; its process is our child.
 */
int create_container(struct oci *oci, struct create *req, struct state **ret,
		     struct err *err);
/* create_start() - 'start' of a created container, with its poststart hooks (a
 * failure of these is logged only: the container runs). */
int create_start(struct oci *oci, struct state *st, struct err *err);
/*
 * create_destroy() - end what runs, remove cgroup and directory, run poststop
 * hooks (a failure of these is logged only).  Twice is harmless.
 */
int create_destroy(struct oci *oci, struct state *st, struct err *err);

/* create_pid_file() - replaced whole: nobody reads half a number. */
int create_pid_file(const char *path, pid_t pid, struct err *err);
/*
 * create_preserved() - how many descriptors after 2 to keep: @count given by
 * --preserve-fds (NULL: none), and those of LISTEN_FDS where LISTEN_PID is us.
 * Each must be the caller's and open.
 *
 * @ret_listen: how many of @ret by LISTEN_FDS; NULL: these don't count.
 * Return: 0; -EINVAL; -EBADF.
 */
int create_preserved(const char *count, unsigned int *ret,
		     unsigned int *ret_listen, struct err *err);

#endif
