/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tree_priv.h - what the parts of lib/tree share. */
#ifndef LIB_TREE_PRIV_H
#define LIB_TREE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/base.h"
#include "lib/err.h"

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

/* One directory on the way down. */
struct tree_level {
	dev_t dev;
	ino_t ino;
	char **dirs; /* sub-directories not yet entered; the last is next */
	size_t count, room;
};

struct tree_walk {
	struct tree_level *levels;
	size_t depth, room;
	int fd; /* of the last level */
	struct err *err;
	/* What to do with each entry but "." and ".."; tree_walk_later() for a
	 * directory to be entered.  Return: 0, or what ends the walk. */
	int (*look)(struct tree_walk *w, const char *name);
	void *ctx;
	bool lenient; /* a directory that can't be entered is passed by */
};

/* tree_walk() - from @dirfd down, one directory at a time; the rest of @w is set
 * by the caller. */
int tree_walk(struct tree_walk *w, int dirfd);
int tree_walk_later(struct tree_walk *w, const char *name);
/* "NAME, N directories down, is WHAT", for the user.  Return: @code. */
int tree_walk_refuse(struct tree_walk *w, int code, const char *name,
		     const char *what);
/* The directory that is being read. */
const struct tree_level *tree_walk_level(const struct tree_walk *w);

#endif
