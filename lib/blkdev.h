/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blkdev.h - block devices and what is on them.  The only user of libblkid. */
#ifndef LIB_BLKDEV_H
#define LIB_BLKDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * blkdev_open() - the block device @path, for reading and writing.
 *
 * @alone: nobody else may have it.
 * Return: fd; -EBUSY: @alone, and it is mounted, or part of something else;
 *         -ENOTBLK.
 */
int blkdev_open(const char *path, bool alone, struct err *err);

/* blkdev_size() - of a device or a file, in bytes. */
int blkdev_size(int fd, uint64_t *ret, struct err *err);

/*
 * blkdev_blank() - is there nothing on it that anybody would miss?
 *
 * Neither a file system, a partition table, RAID, LUKS, swap or whatever else
 * libblkid knows, nor anything but zeros in the first MiB.
 *
 * @path: for messages.
 * Return: 0; -EEXIST: what there is.
 */
int blkdev_blank(int fd, const char *path, struct err *err);

#endif
