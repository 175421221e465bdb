/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of a subvolume: NAME/snapshots/SNAPSHOT is a read-only one, a clone's
 * _data a writable one with a quota group, and so a limit, of its own.
 *
 * The kernel makes one in a step, of one moment, whoever writes; its subvolumes
 * are left out of it.
 */
#include <errno.h>
#include <string.h>

#include "lib/btrfs.h"
#include "lib/fail.h"
#include "lib/tree.h"
#include "volplugins/named/backing_btrfs.h"

/* Its data, which is a subvolume.  Return: fd; -ENOTDIR. */
static int open_data(int dir, struct err *err)
{
	uint64_t id;
	int fd = btrfs_open(dir, NAMED_DATA, &id, err);

	return fd == -ENOTDIR
		       ? err_set(err, fd,
				 "its " NAMED_DATA " is not a subvolume any "
				 "more (from a backup?): make one in its place "
				 "and copy the files")
		       : fd;
}

/* ---- snapshots -------------------------------------------------------------- */

int btrfs_snap_add(struct named_volume *v, int dir, int snaps, const char *name,
		   struct err *err)
{
	_cleanup_close_ int data = open_data(dir, err);
	int r;

	if (data < 0)
		return data;
	r = btrfs_subvol_snapshot(data, snaps, name, true, err);
	if (r < 0)
		return r;
	r = FAILPOINT("named.btrfs.snapped");
	if (r < 0)
		(void)btrfs_destroy(named_host_of(v), snaps, name, NULL);
	return r;
}

int btrfs_snap_del(struct named_host *h, int snaps, const char *name,
		   struct err *err)
{
	int r = btrfs_destroy(h, snaps, name, err);

	btrfs_forget_groups(h);
	return r;
}

int btrfs_snap_get(int snaps, const char *name, struct vol_snapshot *ret,
		   struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int fd = btrfs_open(snaps, name, &id, err);
	struct btrfs_subvol sub;
	struct btrfs_qgroup g;
	struct btrfs_quota q;
	int r = fd < 0 ? fd : btrfs_subvol_get(fd, &sub, err);

	if (r < 0) /* what is no subvolume is no snapshot */
		return r == -ENOTDIR ? -ENOENT : r;
	*ret = (struct vol_snapshot){ 0 };
	named_created(sub.created_s, ret->created);
	if (btrfs_quota_get(fd, &q, NULL) == 0 && q.on && q.exact &&
	    btrfs_qgroup_get(fd, id, &g, NULL) == 0) {
		ret->used_known = ret->own_known = true;
		ret->used_bytes = g.used;
		ret->own_bytes = g.exclusive;
	}
	return 0;
}

int btrfs_snap_open(struct named_volume *v, int snaps, const char *name,
		    struct err *err)
{
	uint64_t id;

	(void)v;
	return btrfs_open(snaps, name, &id, err);
}

/* ---- volumes ----------------------------------------------------------------- */

/* The limit of the copy in @dir.  @trusted: what is in it was within that. */
static int limit(const struct named_volume *v, int dir, bool trusted,
		 struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int data = btrfs_open(dir, NAMED_DATA, &id, err);
	int r = data < 0 ? data : 0;

	if (r == 0 && v->meta.size)
		r = btrfs_quota_need(data, err);
	if (r == 0 && v->meta.size && !trusted)
		r = btrfs_fits(data, id, v->meta.size, err);
	if (r == 0 && v->meta.size)
		r = btrfs_qgroup_limit(dir, id, v->meta.size, err);
	if (r == 0)
		r = FAILPOINT("named.btrfs.copied");
	/* and files that were deleted while they were open are gone by now */
	return r == 0 ? btrfs_sync(data, err) : r;
}

int btrfs_copy(struct named_volume *v, int dir, struct named_volume *src,
	       int from, int snaps, const char *snap, struct err *err)
{
	_cleanup_close_ int data = -EBADF;
	uint64_t id;
	int r;

	btrfs_forget_groups(named_host_of(v));
	data = snap ? btrfs_open(snaps, snap, &id, err) : open_data(from, err);
	if (data < 0)
		return data;
	r = btrfs_subvol_snapshot(data, dir, NAMED_DATA, false, err);
	if (r == 0)
		r = limit(v, dir,
			  !snap && src->meta.size &&
				  v->meta.size >= src->meta.size,
			  err);
	return r == 0 ? tree_sync(dir) : r;
}

int btrfs_stamp(int dir, uint64_t *ret, struct err *err)
{
	_cleanup_close_ int data = open_data(dir, err);
	struct btrfs_subvol sub;
	int r = data < 0 ? data : btrfs_sync(data, err);

	if (r == 0)
		r = btrfs_subvol_get(data, &sub, err);
	if (r == 0)
		*ret = sub.generation;
	return r;
}

static int is_one(void *ctx, uint64_t id)
{
	return err_set(ctx, -ENOTEMPTY,
		       "there is a subvolume in it (number %llu), which no "
		       "snapshot holds: move it away first, or clone the "
		       "snapshot",
		       (unsigned long long)id);
}

int btrfs_replaceable(struct named_volume *v, int dir, struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int data = btrfs_open(dir, NAMED_DATA, &id, err);

	(void)v;
	return data < 0 ? data : btrfs_subvol_each(data, id, is_one, err, err);
}
