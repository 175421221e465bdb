/* SPDX-License-Identifier: GPL-2.0-or-later */
/* grow.h - making a mounted file system larger. */
#ifndef VOLPLUGINS_FS_GROW_H
#define VOLPLUGINS_FS_GROW_H

#include <stdint.h>

#include "lib/err.h"

/*
 * grow_fs() - let the file system mounted at @root use @size bytes of its
 * device; has it as many: 0.
 *
 * @fs:   "ext4" or "xfs"
 * @root: a descriptor of its root directory
 * @size: of the device, a multiple of 4096
 * Return: 0; -errno, it may have grown by a part then: the device must keep
 *         its new size.
 */
int grow_fs(const char *fs, int root, uint64_t size, struct err *err);

#endif
