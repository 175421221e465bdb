/* SPDX-License-Identifier: GPL-2.0-or-later */
/* arc_beneath.h - paths of an archive in the directory it is restored to: nothing
 * outside is reached, whatever they are and whatever is there. */
#ifndef LIB_ARC_BENEATH_H
#define LIB_ARC_BENEATH_H

#include "lib/err.h"

/*
 * arc_beneath_delete() - the file, or the directory with all that is in it.
 *
 * @path: "./a/b".
 * Return: 0, also when it is not there; -EBADMSG: no such path, or one that leads
 *         through what is no directory; -errno.
 */
int arc_beneath_delete(int root, const char *path, struct err *err);

/*
 * arc_beneath_dir() - a directory that is there, "./" being @root itself.
 *
 * @path: as tar has it, with a slash at its end or without.
 * Return: fd; -ENOENT: there is none; -EBADMSG; -errno.
 */
int arc_beneath_dir(int root, const char *path, struct err *err);

#endif
