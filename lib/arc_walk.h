/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_walk.h - each file below a directory, by descriptors: no link is followed, no
 * other file system entered, nothing opened that opening has an effect on. */
#ifndef LIB_ARC_WALK_H
#define LIB_ARC_WALK_H

#include <sys/stat.h>

#include "lib/arc.h"

/* One of them; borrowed, valid until the visit returns. */
struct arc_place {
	int dir;          /* the directory it is in */
	const char *name; /* there */
	char *path;       /* "./a/b"; "."; read only */
	struct stat st;
	int fd; /* after arc_place_open(); else -EBADF */
};

/*
 * arc_place_open() - for reading: a regular file or a directory.  .st is of what
 * was opened then.  What was opened already stays so.
 *
 * Return: 0; -ENOENT: gone meanwhile, or another file; -errno.
 */
int arc_place_open(struct arc_place *p, struct err *err);

/* arc_place_proc() - a path to it that begins at the directory's descriptor; no
 * link follows.  Owned; NULL: out of memory. */
char *arc_place_proc(const struct arc_place *p);

struct arc_walker {
	void *ctx;
	/* Directories before what is in them.  Return: 1: go into this
	 * directory, which is open; 0: go on; -errno, or any other, ends it. */
	int (*visit)(void *ctx, struct arc_place *p);
	/* Sockets, other file systems.  May be NULL. */
	void (*left_out)(void *ctx, const char *path, const char *why);
};

/*
 * arc_walk() - @root itself and all below.  A descriptor a level is open.
 *
 * Return: 0; what the visit returned; -errno.
 */
int arc_walk(int root, const struct arc_walker *how, struct err *err);

#endif
