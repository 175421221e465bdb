/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state.h - what is known of a container between two commands.
 *
 * <root>/<id>/, itself the lock (flock: one command that changes it at a time), holds:
 * config.json (as it was at create: later changes of the bundle do not count),
 * state.json (replaced whole, by rename), exec.fifo (there until 'start').  What
 * 'delete --force' needs to clean up is written before it is made.
 */
#ifndef RUNTIME_OCI_STATE_H
#define RUNTIME_OCI_STATE_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"
#include "runtime/oci/cgroup.h"
#include "runtime/oci/spec.h"

#define STATE_FIFO       "exec.fifo"
#define STATE_CONFIG     "config.json"
#define STATE_ID_MAX     1024
#define OCI_SPEC_VERSION "1.1.0"

enum status {
	STATUS_CREATING,
	STATUS_CREATED,
	STATUS_RUNNING,
	STATUS_PAUSED,
	STATUS_STOPPED,
};

struct state {
	char *id, *bundle, *rootfs, *created, *owner; /* owned */
	int dir;                  /* owned: <root>/<id>; the lock is on it */
	pid_t pid;                /* 0: none yet */
	uint64_t start;           /* of pid, field 22 of /proc/PID/stat */
	json_object *cgroups;     /* owned; NULL: none yet */
	bool peeked;              /* by state_peek(): not locked */
	bool creating;            /* 'create' has not come to its end; where it
				   * was peeked at: it is at work */
	bool unclaimed;           /* may be another's: see state_cgroup() */
	bool keep_keyring;        /* --no-new-keyring */
	json_object *annotations; /* owned; may be NULL */
};

/* state_id_valid() - letters, digits and "_+-.", no ".", no "..".  -EINVAL. */
int state_id_valid(const char *id, struct err *err);

/*
 * state_new() - claim @id below @root.
 *
 * Return: 0; -EEXIST; -EINVAL; -errno.
 */
int state_new(const char *root, const char *id, struct state **ret,
	      struct err *err);
/* state_open() - a container that is there, locked.  -ENOENT. */
int state_open(const char *root, const char *id, struct state **ret,
	       struct err *err);
/*
 * state_peek() - as state_open(), to look only: it waits for no command that
 * works on the container (a hook of its may be what asks).  Not to be saved.
 */
int state_peek(const char *root, const char *id, struct state **ret,
	       struct err *err);
void state_free(struct state *st); /* NULL: nothing; unlocks */
DEFINE_CLEANUP(struct state, state_free)

/* state_save() - replace state.json; -ENOSPC leaves the old one. */
int state_save(struct state *st, struct err *err);
/* state_remove() - the directory, at the end; what is gone is no failure. */
int state_remove(const char *root, struct state *st, struct err *err);
/* state_unlock() - let other commands in while this one waits. */
void state_unlock(struct state *st);
/* state_lock() - again.  -ENOENT when it was removed meanwhile, also where
 * another has its id since. */
int state_lock(struct state *st, struct err *err);

/*
 * state_pidfd() - the container's first process, if it lives and is the one it
 * was: a pid that somebody else has got since is told by its start time.
 *
 * Return: fd, owned; -ESRCH.
 */
int state_pidfd(const struct state *st);
/* state_start_of() - the start time of @pid; 0 when it is dead or a zombie. */
uint64_t state_start_of(pid_t pid);

/* state_status() - "creating" only where it was peeked at: whoever has the lock
 * sees what 'create' has left. */
int state_status(const struct state *st, enum status *ret, struct err *err);
const char *state_status_name(enum status status);
/* state_cgroup() - @ret owned; *@ret NULL where none was made, or where it was
 * not yet seen that it is nobody else's. */
int state_cgroup(const struct state *st, struct cgroup **ret, struct err *err);
/* state_drop_unclaimed() - remove those that were written down, but not seen to
 * be ours, where they are empty; what is in use stays. */
int state_drop_unclaimed(const struct state *st, struct err *err);

/*
 * state_cgroup_unused() - no other container below @root, running or not, has
 * the cgroups that @st names.  Saved first: of two that begin, one sees it.
 *
 * Return: 0; -EBUSY naming the other; -errno.
 */
int state_cgroup_unused(const char *root, const struct state *st,
			struct err *err);

/*
 * state_json() - the state as the runtime spec has it, for hooks; with @full
 * what runc's 'state' prints besides.
 *
 * Return: owned; NULL when out of memory.
 */
json_object *state_json(const struct state *st, enum status status, bool full);

#endif
