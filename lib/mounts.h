/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mounts.h - who has a directory mounted.  The only user of libmount. */
#ifndef LIB_MOUNTS_H
#define LIB_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

struct mounts_query {
	const char *path; /* borrowed; absolute, without symbolic links */
	bool elsewhere;   /* the answer: yes, or it can't be known */
	bool seen;        /* yes for certain */
};

/*
 * mounts_elsewhere() - is each directory, or something below it, mounted in a
 * mount namespace other than the caller's?  A mount at its own path does not
 * count: that is a copy of the caller's, which any namespace made later has.
 *
 * Reads the mountinfo of every process of this pid namespace, one a mount
 * namespace: some microseconds a process.
 *
 * Return: 0, with all answers; 1 with text when there are processes that may
 * not be looked at, so that .elsewhere is true for each; -errno when the own
 * table can't be read.
 */
int mounts_elsewhere(struct mounts_query *queries, size_t count,
		     struct err *err);

/*
 * mounts_below() - every mount point of this namespace below the directory
 * @path (not itself), innermost first; @fn may unmount it.
 *
 * Return: 0; what @fn returned when that is not 0; -errno.
 */
int mounts_below(const char *path, int (*fn)(void *ctx, const char *target),
		 void *ctx, struct err *err);

#endif
