/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backing_btrfs.h - what the parts of backing=btrfs share: backing_btrfs.c and
 * its copies (backing_btrfs_snap.c). */
#ifndef VOLPLUGINS_NAMED_BACKING_BTRFS_H
#define VOLPLUGINS_NAMED_BACKING_BTRFS_H

#include "volplugins/named/named_priv.h"

/* ---- backing_btrfs.c ----------------------------------------------------- */

/* The subvolume @name and its number.  Return: fd; -ENOENT; -ENOTDIR: none. */
int btrfs_open(int dir, const char *name, uint64_t *id, struct err *err);
/* It and what is in it, with their quota groups.  -ENOENT, -ENOTDIR. */
int btrfs_destroy(struct named_host *h, int dir, const char *name,
		  struct err *err);
/* The quota groups of subvolumes that are gone. */
void btrfs_forget_groups(struct named_host *h);
int btrfs_remember_gone(void *host, uint64_t id);
/* Would @size be less than there is?  -ENOSPC; -EAGAIN: not known. */
int btrfs_fits(int data, uint64_t id, uint64_t size, struct err *err);

/* ---- backing_btrfs_snap.c: ops of the backing ------------------------------ */

int btrfs_snap_add(struct named_volume *v, int dir, int snaps, const char *name,
		   struct err *err);
int btrfs_snap_del(struct named_host *h, int snaps, const char *name,
		   struct err *err);
int btrfs_snap_get(int snaps, const char *name, struct vol_snapshot *ret,
		   struct err *err);
int btrfs_snap_open(struct named_volume *v, int snaps, const char *name,
		    struct err *err);
int btrfs_copy(struct named_volume *v, int dir, struct named_volume *src,
	       int from, int snaps, const char *snap, struct err *err);
int btrfs_stamp(int dir, uint64_t *ret, struct err *err);
int btrfs_replaceable(struct named_volume *v, int dir, struct err *err);

#endif
