/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pin.h - the directory of a driver's BPF pins, <bpf-dir>/berth/v1/<driver>/,
 * and what the programs pinned there are attached to.
 *
 * What is pinned lives on without the daemon.  The directory is locked while a
 * daemon has it, so that two never share one.
 */
#ifndef DATAPLANE_EBPF_PIN_H
#define DATAPLANE_EBPF_PIN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

#define PIN_PATH_MAX 256

struct pin_dir {
	char base[PIN_PATH_MAX]; /* the bpffs, "/sys/fs/bpf" */
	char path[PIN_PATH_MAX]; /* base/berth/v1/<driver> */
	int lock;                /* owned; -EBADF: not locked, not there */
};

/* pin_init() - names only.  @bpf_dir: NULL: /sys/fs/bpf. */
int pin_init(struct pin_dir *d, const char *bpf_dir, const char *driver,
	     struct err *err);
void pin_fini(struct pin_dir *d); /* unlocks, leaves the pins */

/*
 * pin_lock() - lock the directory if it is there.
 * Return: 1; 0: it is not there; -EBUSY: another process has it.
 */
int pin_lock(struct pin_dir *d, struct err *err);
/* Make and lock it; mounts a bpffs on base where there is none. */
int pin_make(struct pin_dir *d, struct err *err);

/* "path/name" into @buf. Return: @buf. */
const char *pin_path(const struct pin_dir *d, const char *name,
		     char buf[static PIN_PATH_MAX]);
bool pin_exists(const struct pin_dir *d, const char *name);
/* Does it end in "_meta"? */
bool pin_is_meta(const char *name);

/* Unpin all names that begin with @prefix, "..._meta" last: what is left half
 * way is still told by it (maps.h).  Absent: 0. */
int pin_remove(struct pin_dir *d, const char *prefix, struct err *err);
/* The same, but for those that a pattern in @keep, which NULL ends, matches
 * ("sock_link_*"). */
int pin_remove_but(struct pin_dir *d, const char *prefix,
		   const char *const *keep, struct err *err);
/* Remove the directory and those above it as far as they are empty; unlocks
 * it if it is gone. */
void pin_rmdir(struct pin_dir *d);

/* pin_cgroup() - the cgroup v2 root from mountinfo into @buf.  @ret_whole: it is
 * the root, not a part of the tree that is all that is mounted here. */
int pin_cgroup(char *buf, size_t size, bool *ret_whole, struct err *err);

/* Send libbpf's words to the log, at debug level. */
void pin_quiet_libbpf(void);

#endif
