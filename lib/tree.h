/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree.h - directory trees that somebody else fills: look at them and delete
 * them by descriptor, without following a link, leaving the tree, crossing a
 * mount or opening anything but a directory.  Depth and size are unlimited;
 * the stack and the number of descriptors are not touched by either.
 */
#ifndef LIB_TREE_H
#define LIB_TREE_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * tree_open() - open the directory @name in @dirfd for use as a handle.
 *
 * @name: one component: no '/', not "." or "..".
 * Return: fd; -ENOENT; -ENOTDIR, also for a symbolic link.
 */
int tree_open(int dirfd, const char *name, struct err *err);

/* tree_enter() - the directory @name of @fd for reading, unless it is a link or
 * a mount point.  Return: fd; -ENOENT; -ENOTDIR; -EXDEV: a mount point. */
int tree_enter(int fd, const char *name);

/* tree_stream() - what is in @fd, from the start; @fd stays as it is.  Owned
 * (tree_closep()); NULL with errno. */
DIR *tree_stream(int fd);
/* tree_next() - the next of its entries but "." and "..".  Return: 1; 0: there
 * are no more; -errno. */
int tree_next(DIR *dir, const struct dirent **ret);
void tree_closep(DIR **dir);

/*
 * tree_rename_new() - rename, but never onto something that is there.
 *
 * File systems that can't tell by themselves (ZFS before 2.2) are asked first:
 * for directories that nobody else writes to.
 *
 * Return: 0; -EEXIST; -ENOENT.
 */
int tree_rename_new(int fromfd, const char *from, int tofd, const char *to);

/* tree_sync() - what is named in @dirfd is on the disk.  Return: 0; -errno. */
int tree_sync(int dirfd);

/*
 * tree_removable() - would tree_empty(@dirfd) leave nothing behind?
 *
 * Return: 0; -EPERM for an immutable or append-only file, -EBUSY for a mount
 *         point or a part of another file system, @err naming it; -EAGAIN when the tree was changed while
 *         it was read.
 */
int tree_removable(int dirfd, struct err *err);

/*
 * tree_empty() - delete all that is in @dirfd, not itself.
 *
 * Deep parts are moved up into @dirfd first, so what remains of an interrupted
 * call has another shape: for trees that nobody will look at again.  Two at a
 * time on one tree are fine.
 *
 * @stop: asked before each entry whether to give up; may be NULL.
 * Return: 0; -ETIME when @stop said so; else the first thing in the way, after
 *         all the rest was deleted.
 */
int tree_empty(int dirfd, bool (*stop)(void *ctx), void *ctx, struct err *err);

struct tree_usage {
	uint64_t bytes;   /* on the disk, as du(1) counts */
	uint64_t entries; /* seen */
};

/*
 * tree_usage() - how much is in @dirfd, itself included.
 *
 * A file with several names counts once (of more than 65,536 such files, each
 * name counts for its part).  What is mounted below is left out.  The tree may
 * change meanwhile; then the figure is of no moment in particular.
 *
 * @stop: asked before each entry whether to give up; may be NULL.
 * Return: 0; -ETIME when @stop said so; -EAGAIN when directories were moved so
 *         that the way back was lost; -errno.
 */
int tree_usage(int dirfd, struct tree_usage *ret, bool (*stop)(void *ctx),
	       void *ctx, struct err *err);

#endif
