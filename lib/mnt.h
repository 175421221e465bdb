/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mnt.h - mounting by descriptor, with the mount API of Linux 5.2.
 *
 * A mount is made detached: nobody sees it, and it goes with its descriptor,
 * whatever kills the caller.  mnt_attach() is the one step that shows it.
 * Each option is passed by itself, so no value can smuggle in another option;
 * what the file system has to say about a refusal ends up in @err.
 */
#ifndef LIB_MNT_H
#define LIB_MNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h> /* MOUNT_ATTR_NODEV, ... */

#include "lib/err.h"

/* What we mount is somebody else's: no devices, no setuid programs. */
#define MNT_ATTRS_DEFAULT (MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID)

/* mnt_open() - begin to mount a @fstype.  Return: fd (close it); -ENODEV when
 * the kernel does not have it. */
int mnt_open(const char *fstype, struct err *err);
/* mnt_set() - one option; @val NULL: a flag.  Key "source" is the device. */
int mnt_set(int fs, const char *key, const char *val, struct err *err);
/*
 * mnt_make() - the mount of @fs, detached.
 *
 * @attrs: MOUNT_ATTR_*
 * Return: an O_PATH fd of the root of the mount; -errno.
 */
int mnt_make(int fs, uint64_t attrs, struct err *err);
/*
 * mnt_pick() - begin to change the options of the file system that is mounted
 * on @name of @dirfd: mnt_set(), then mnt_reconfigure().
 *
 * @name: "": @dirfd is the root of it, attached or not.
 *
 * What is not set stays as it is.  Follows no link.  Return: fd; -EINVAL when
 * nothing is mounted there.
 */
int mnt_pick(int dirfd, const char *name, struct err *err);
int mnt_reconfigure(int fs, struct err *err);
/*
 * mnt_clone() - a detached mount of the directory tree @dirfd/@path (bind).
 *
 * @path: "": @dirfd itself.  A symbolic link as last component is refused.
 * @recursive: with what is mounted below.
 * Return: an O_PATH fd; -errno.
 */
int mnt_clone(int dirfd, const char *path, bool recursive, struct err *err);
/* mnt_attrs() - change a mount, given by its root: @set and @clear
 * MOUNT_ATTR_*. */
int mnt_attrs(int mount, uint64_t set, uint64_t clear, bool recursive,
	      struct err *err);

/*
 * mnt_attach() - show the detached @mount at the directory @name of @dirfd.
 *
 * Follows no link.  @name: one component.  Whatever is mounted there already
 * is covered: ask mnt_is_mounted() first, under a lock.
 */
int mnt_attach(int mount, int dirfd, const char *name, struct err *err);
/* mnt_propagate() - make the mount @propagation: MS_PRIVATE, MS_SLAVE or
 * MS_SHARED. */
int mnt_propagate(int mount, uint64_t propagation, bool recursive,
		  struct err *err);
/*
 * mnt_is_mounted() - is something mounted on @name of @dirfd?
 *
 * Follows no link and does not touch what is mounted: a file server that is
 * dead holds nobody up.
 *
 * Return: 1, 0; -ENOENT; -errno.
 */
int mnt_is_mounted(int dirfd, const char *name, struct err *err);
/*
 * mnt_detach() - unmount what was mounted last on @name of @dirfd; nothing
 * there: 0.
 *
 * @lazy: out of sight now, gone when its last user is.
 * Return: 0; -EBUSY when it has users in this mount namespace; -errno.
 */
int mnt_detach(int dirfd, const char *name, bool lazy, struct err *err);

#endif
