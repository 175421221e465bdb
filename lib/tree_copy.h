/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tree_copy.h - a directory tree that somebody else filled, copied by descriptor: no link
 * is followed on either side, no mount below is entered, no device is opened.
 */
#ifndef LIB_TREE_COPY_H
#define LIB_TREE_COPY_H

#include <stdbool.h>

#include "lib/err.h"

#define TREE_COPY_DEPTH 256 /* directories; two descriptors each are open */

/*
 * tree_copy() - what is in the directory @from into the directory @to, which is empty, and
 * the owner, mode and times of @from itself to it.
 *
 * Kept are owners, modes (setuid too), times, links of both kinds (of 65,536 files; more
 * become files of their own), devices, fifos, holes and ACLs; of other extended attributes
 * security.capability of programs and user.*, but not overlayfs' own.  A file system without
 * ACLs or user.* costs those.  Left out are sockets, what is mounted below (a directory of
 * root's, 0755, is there instead), and @to itself where it lies in @from.  The umask is not
 * asked.  Others may change both meanwhile: what is copied then is of no moment in
 * particular, but nothing outside is reached.
 *
 * @from, @to: opened for reading.
 * @stop: asked before each file, and before each buffer of one, whether to give up; may be NULL.
 * Return: 0; -ETIME when @stop said so; -ENAMETOOLONG: deeper than TREE_COPY_DEPTH; -errno.
 *         After a failure @to holds a part.
 */
int tree_copy(int from, int to, bool (*stop)(void *ctx), void *ctx,
	      struct err *err);

#endif
