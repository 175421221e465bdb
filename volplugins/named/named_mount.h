/* SPDX-License-Identifier: GPL-2.0-or-later */
/* named_mount.h - the detached mount that a volume's options describe. */
#ifndef VOLPLUGINS_NAMED_NAMED_MOUNT_H
#define VOLPLUGINS_NAMED_NAMED_MOUNT_H

#include "volplugins/mntopt.h"

/*
 * named_mount_make() - open, resolve and mount; may take as long as a server
 * is dead.
 *
 * A bind follows symbolic links, as Docker does, but not those of /proc.
 *
 * @m:        changed, and of no use afterwards but to be freed.
 * @volumes:  path of the directory with all volumes: no source of a bind.
 * @ret_used: bytes in use on a server, 0 for anything else.
 *
 * Return: fd of the mount, attached nowhere; -errno.
 */
int named_mount_make(struct mntopt *m, const char *volumes, uint64_t *ret_used,
		     struct err *err);

#endif
