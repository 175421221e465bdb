/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vol_dir.h - the directories a volume driver keeps its volumes in. */
#ifndef VOLPLUGINS_VOL_DIR_H
#define VOLPLUGINS_VOL_DIR_H

#include <stddef.h>

#include "lib/err.h"

/*
 * vol_dir_own() - a directory of ours in @fd: made where missing, and closed to
 * others (0700), so that no user of this host gets at what is in a volume.
 *
 * Return: fd; -EPERM: it is somebody else's; -errno.
 */
int vol_dir_own(int fd, const char *name, struct err *err);

/* vol_dir_path() - the path of a descriptor, as containers' mounts need it:
 * absolute, without symbolic links.  Return: 0; -ENAMETOOLONG; -errno. */
int vol_dir_path(int fd, char *buf, size_t size, struct err *err);

#endif
