/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mkfs.h - making a file system. */
#ifndef VOLPLUGINS_FS_MKFS_H
#define VOLPLUGINS_FS_MKFS_H

#include <stdbool.h>

#include "lib/err.h"

/* Is there a program for @fs ("ext4", "xfs")?  -EOPNOTSUPP: what to install. */
int mkfs_probe(const char *fs, struct err *err);

/*
 * mkfs_run() - an empty file system in the whole of the file @image.
 *
 * @zeroed: it is known to read as zeros, and they need not be written.
 *
 * Runs the program of a fixed path with an empty environment and no other
 * descriptor than the file's; the host's mke2fs.conf is not asked.
 *
 * Return: 0; -EOPNOTSUPP as mkfs_probe(); -EIO with the program's first line.
 */
int mkfs_run(const char *fs, int image, bool zeroed, struct err *err);

#endif
