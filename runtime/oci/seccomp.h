/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seccomp.h - linux.seccomp of config.json as a filter the kernel takes.
 *
 * Decode and build in the runtime, load in the container's first process as
 * the last thing before execve (before dropping capabilities where
 * no_new_privs isn't set).  Names begin with sec_: seccomp_ is libseccomp's.
 */
#ifndef RUNTIME_OCI_SECCOMP_H
#define RUNTIME_OCI_SECCOMP_H

#include <json-c/json.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"

struct sec_profile;

/*
 * sec_decode() - linux.seccomp to a profile, all of it checked.
 *
 * @obj: borrowed, may be freed after.
 * @ret: owned, sec_profile_free().
 *
 * Return: 0; -EBADMSG naming the key; -EINVAL for an action, operator, flag or
 *         architecture there isn't, SCMP_ACT_NOTIFY without listenerPath or as
 *         default or on write(2); -ENOMEM.
 */
int sec_decode(json_object *obj, struct sec_profile **ret, struct err *err);
void sec_profile_free(struct sec_profile *profile);
DEFINE_CLEANUP(struct sec_profile, sec_profile_free)

/* What a process loads.  Plain memory: fork, then load in the child. */
struct sec_filter {
	struct sock_filter *insns; /* owned */
	unsigned short count;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_*; NEW_LISTENER: notify */
	bool cached;        /* read from the cache, not built */
};

/*
 * sec_build() - compile @profile for this machine.
 *
 * Names libseccomp doesn't know are left out (debug log).  A system call newer
 * than the newest in the profile gets ENOSYS instead of the default action, if
 * that is an errno or kill, so that a C library falls back.
 *
 * @cache_dir: compiled filters are kept there by content; made 0700 when it
 *             isn't there, and not used unless it and the file are root's, of
 *             exact size and unharmed.  NULL: build anew.  A cache that can't
 *             be read or written is no failure.
 * @ret:       owned, sec_filter_free().
 *
 * Return: 0; -EOPNOTSUPP for a flag or action this kernel lacks; -E2BIG above
 *         the kernel's 4096 instructions; -EINVAL, -ENOMEM.
 */
int sec_build(const struct sec_profile *profile, const char *cache_dir,
	      struct sec_filter **ret, struct err *err);
void sec_filter_free(struct sec_filter *filter);
DEFINE_CLEANUP(struct sec_filter, sec_filter_free)

/*
 * sec_load() - put the calling thread under @filter, for good.
 *
 * Calls nothing but seccomp(2).  Needs no_new_privs or CAP_SYS_ADMIN.
 *
 * @ret_fd: the notify descriptor (close-on-exec) when the profile notifies,
 *          else -EBADF; may be NULL when it doesn't.
 *
 * Return: 0; -errno: -EACCES without either right.
 */
int sec_load(const struct sec_filter *filter, int *ret_fd);

/* Where the notify descriptor goes, NULL when no system call notifies; and
 * listenerMetadata, "" when there is none.  Borrowed from @profile. */
const char *sec_listener_path(const struct sec_profile *profile);
const char *sec_listener_metadata(const struct sec_profile *profile);

/*
 * sec_notify_take() - the runtime's copy of descriptor @fd of process @pid:
 * the filter may forbid the process to send it itself.
 *
 * Return: fd, owned, close-on-exec; -errno.
 */
int sec_notify_take(pid_t pid, int fd, struct err *err);

/*
 * sec_notify_send() - hand @fd to the agent listening at sec_listener_path(),
 * with the container process state of the runtime spec.
 *
 * @state: borrowed; the container's state as 'state' prints it ("status":
 *         "creating" or "running").
 * @pid:   of the process that loaded the filter.
 *
 * Return: 0; -errno: -ECONNREFUSED, -ENOENT when nobody listens.
 */
int sec_notify_send(const struct sec_profile *profile, int fd, pid_t pid,
		    json_object *state, struct err *err);

/* For 'features': names of what this libseccomp and kernel can, NULL at the
 * end; static. */
extern const char *const sec_action_names[],
	*const sec_operator_names[], *const sec_arch_names[],
					     *const sec_flag_names[];

#endif
