/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - files as block devices (/dev/loopN).
 *
 * A device is made with autoclear: it goes with its last user, be that a mount
 * or a descriptor, so that a killed daemon leaves none.  Which file a device
 * has is told by the file's device and inode, never by a name.
 */
#ifndef LIB_LOOP_H
#define LIB_LOOP_H

#include <sys/types.h>

#include "lib/err.h"

#define LOOP_PATH_MAX 32

/* loop_probe() - can loop devices be made here?  -EOPNOTSUPP: why not. */
int loop_probe(struct err *err);

/*
 * loop_attach() - the loop device of the file @image, made where it has none.
 *
 * There is never a second one for the same file: two would have caches of
 * their own and destroy the file system in it.  Blocks of 4096 bytes, direct
 * I/O where the file can, no discards (they would make holes in it).
 *
 * @image: open for reading and writing; borrowed.
 * @mark:  shown by LOOP_GET_STATUS64, at most 63 bytes.
 * @path:  its path, for mnt_set(fs, "source", ...).
 * Return: fd of the device, holds it until something else does; -EBUSY when no
 *         device could be had.
 */
int loop_attach(int image, const char *mark, char path[static LOOP_PATH_MAX],
		struct err *err);
/* loop_of() - the device @dev (st_dev of what is mounted), if it is a loop of
 * @image.  Return: fd; -ENOENT: it is not. */
int loop_of(dev_t dev, int image, struct err *err);
/* loop_has() - has the file @image a loop device, whoever holds it?  1; 0; -errno. */
int loop_has(int image, struct err *err);
/* loop_resize() - take over the file's new size.  @dev: of loop_attach(). */
int loop_resize(int dev, struct err *err);

/* loop_each() - every device with a file: its number, and the file's path as
 * the kernel has it (" (deleted)" at its end where it is). */
int loop_each(int (*fn)(void *ctx, unsigned int number, const char *file),
	      void *ctx, struct err *err);

/* loop_mark() - what loop_attach() was given as @mark; "" when it can't be
 * read. */
#define LOOP_MARK_MAX 64
void loop_mark(unsigned int number, char mark[static LOOP_MARK_MAX]);

#endif
