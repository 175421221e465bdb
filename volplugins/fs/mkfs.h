/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mkfs.h - making a file system. */
#ifndef VOLPLUGINS_FS_MKFS_H
#define VOLPLUGINS_FS_MKFS_H

#include <stdint.h>

#include "lib/err.h"

/* What is in the file before, and what is to become of it. */
enum mkfs_content {
	MKFS_ZERO, /* anything: what is to read as zeros is zeroed, all of it */
	MKFS_ZEROED, /* zeros: they need not be written */
	/* anything, and what is written costs: only what is read before it is
	 * written is zeroed, a journal, which is kept small */
	MKFS_LEAVE,
};

/* Is there a program for @fs ("ext4", "xfs")?  -EOPNOTSUPP: what to install. */
int mkfs_probe(const char *fs, struct err *err);

/*
 * mkfs_run() - an empty file system in the whole of @image, a file or a block device.
 *
 * Runs the program of a fixed path with an empty environment and no other
 * descriptor than the file's; the host's mke2fs.conf is not asked.
 *
 * Return: 0; -EOPNOTSUPP as mkfs_probe(); -EIO with the program's first line.
 */
int mkfs_run(const char *fs, int image, enum mkfs_content content,
	     struct err *err);

/*
 * mkfs_cost() - how many bytes mkfs_run() writes at most, where there is no other
 * way to write zeros and where room is taken @block bytes at a time.
 *
 * @size:    of the file
 * @content: not MKFS_ZERO
 */
uint64_t mkfs_cost(const char *fs, uint64_t size, enum mkfs_content content,
		   uint64_t block);

#endif
