/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * inroot.h - paths of a container, resolved below its root by the kernel.
 *
 * Whatever the image's symbolic links and ".." say, and however they change
 * meanwhile, what is opened lies below the root (openat2, RESOLVE_IN_ROOT), and
 * no magic link of a procfs is followed.  All work goes on by descriptor.
 */
#ifndef LIB_INROOT_H
#define LIB_INROOT_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

/* inroot_open() - @path below @root.  @flags as open(2), O_CLOEXEC is added.
 * Return: fd; -errno. */
int inroot_open(int root, const char *path, int flags);
/* inroot_plain() - the same, but any symbolic link on the way is -ELOOP. */
int inroot_plain(int root, const char *path, int flags);
/* inroot_beneath() - the same as inroot_open(), but what leads out of @root is refused, and
 * not taken for what is at the same place in it: -EXDEV.  @path: without a "/" first. */
int inroot_beneath(int root, const char *path, int flags);

/*
 * inroot_dir() - an O_PATH fd of the directory @path, made with its parents
 * where it is not there (0755).  A link that leads nowhere, as images have in
 * /etc and /var, is followed, and what it leads to is made below @root.
 *
 * Return: fd; -ENOTDIR; -ELOOP; -errno.
 */
int inroot_dir(int root, const char *path, struct err *err);
/*
 * inroot_parent() - an O_PATH fd of the directory @path lies in, made as by
 * inroot_dir().
 *
 * @ret_name: the last component, in @path; -EINVAL for "." and "..".
 */
int inroot_parent(int root, const char *path, const char **ret_name,
		  struct err *err);
/* inroot_target() - an O_PATH fd of @path to mount on: a directory or (@dir
 * false) a file, made empty where there is none; links as by inroot_dir(). */
int inroot_target(int root, const char *path, bool dir, struct err *err);

/* inroot_fs() - does @fd lie on a file system of @magic (statfs(2))? */
bool inroot_fs(int fd, long magic);

#endif
