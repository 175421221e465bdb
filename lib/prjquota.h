/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * prjquota.h - project quotas of ext4 and xfs: a directory with a project id,
 * which all that is made below it inherits, and a limit for that id.
 *
 * Ids 1900000000 to 1999999999 are taken for ours, except those in
 * /etc/projid.  Needs CAP_SYS_ADMIN and Linux 5.14 (quotactl_fd).
 *
 * A process outside of any user namespace may give files that it owns another
 * id: what must not be changed by it is read from a directory it can't reach.
 */
#ifndef LIB_PRJQUOTA_H
#define LIB_PRJQUOTA_H

#include <stdint.h>

#include "lib/err.h"

#define PRJQUOTA_FIRST 1900000000u
#define PRJQUOTA_COUNT 100000000u

/*
 * prjquota_check() - are the limits of project ids kept where @fd is?
 *
 * Return: 0; -EOPNOTSUPP, @err saying what to do about it.
 */
int prjquota_check(int fd, struct err *err);

/*
 * prjquota_pick() - an id of our range with no files, no limit and no name.
 *
 * It is free until somebody uses it: one call at a time, up to
 * prjquota_claim().
 *
 * @next: kept by the caller, 0 at first: where to go on looking.
 * Return: 0; -EUSERS: a thousand in a row were taken.
 */
int prjquota_pick(int fd, uint32_t *next, uint32_t *ret, struct err *err);

/*
 * prjquota_claim() - the directory @fd is of project @id, and what will be made
 * in it; 0: of none, and what will be made neither.  Again: 0.
 *
 * What is in it already keeps its own.
 */
int prjquota_claim(int fd, uint32_t id, struct err *err);

/* prjquota_id() - the project that the file or directory @fd is of; 0: none,
 * or none that new files would inherit. */
int prjquota_id(int fd, uint32_t *ret, struct err *err);

struct prjquota {
	uint64_t used, limit; /* bytes; limit 0: none */
	uint64_t inodes;
};

/* prjquota_get() - the figures of @id now; an unknown id: all 0. */
int prjquota_get(int fd, uint32_t id, struct prjquota *ret, struct err *err);

/* prjquota_limit() - at most @bytes (rounded up to the file system's blocks)
 * for @id; 0: no limit.  Below what is used: nothing can be added. */
int prjquota_limit(int fd, uint32_t id, uint64_t bytes, struct err *err);

#endif
