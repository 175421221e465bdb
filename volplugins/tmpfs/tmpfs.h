/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tmpfs.h - volumes in memory: a tmpfs each.
 *
 *   <run-dir>/berth-tmpfs/volumes/    0700
 *     NAME/                           the tmpfs, while the volume has users, or
 *                                     with berth.keep=on as long as it has files
 *
 * The volume is its record.  Its content is in the kernel: it outlives every
 * daemon, and no reboot.
 */
#ifndef VOLPLUGINS_TMPFS_TMPFS_H
#define VOLPLUGINS_TMPFS_TMPFS_H

#include "volplugins/vol_driver.h"

extern const struct vol_driver tmpfs_driver;

#endif
