/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - a process becomes what config.json's "process" says.
 *
 * Called in the process itself, whose root is the container's; what only the
 * host's root may do (limits, oom_score_adj) the runtime does to it by pid.
 */
#ifndef RUNTIME_OCI_PROC_H
#define RUNTIME_OCI_PROC_H

#include <limits.h>
#include <stdbool.h>

#include "lib/err.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/seccomp.h"
#include "runtime/oci/spec.h"

struct proc {
	const struct spec_process *p;    /* borrowed */
	const struct sec_filter *filter; /* borrowed; NULL: none */
	int sync;                        /* for SYNC_NOTIFY */
	int fifo;                        /* that is waited at; -EBADF: none */
	int console;                     /* -EBADF: none */
	bool init;                       /* the container's first process */
	unsigned int preserve;           /* descriptors after 2 to keep */
	unsigned int listen;             /* of these: told by LISTEN_FDS */
	char path[PATH_MAX];             /* found by proc_become() */
	char **argv, **env;              /* owned */
};

/* proc_warn() - in the runtime: a line of the log for the capabilities that the
 * process will not get.  @userns: in its namespace it holds all there are. */
void proc_warn(const struct oci *oci, const struct spec_process *p,
	       bool userns);
/* proc_limits() - in the runtime: rlimits and oom_score_adj of child @pid. */
int proc_limits(pid_t pid, const struct spec_process *p, struct err *err);

/* proc_keyring() - a new session keyring, empty, in place of the caller's.  Not
 * joined by name: whoever makes one of that name first could read it.  A kernel
 * without keys is no failure. */
int proc_keyring(struct err *err);
/* proc_enter() - terminal and working directory, which may have to be made. */
int proc_enter(struct proc *proc, struct err *err);
/*
 * proc_become() - user, capabilities, filter; every
 * descriptor above those to be kept is closed, but for sync and fifo.  After it
 * the process outlives the runtime.
 *
 * Return: 0; -ENOENT, -EACCES for a program that can't be run, in runc's words.
 */
int proc_become(struct proc *proc, struct err *err);
/* proc_exec() - the program; returns only when that fails: -errno. */
int proc_exec(struct proc *proc, struct err *err);
void proc_fini(struct proc *proc);

/* proc_reset() - in a child just made: signals as a program expects them, and
 * proc_guard(). */
void proc_reset(void);
/* proc_guard() - its end with its parent's, nothing to be read by others; a change
 * of the user clears both. */
void proc_guard(void);

#endif
