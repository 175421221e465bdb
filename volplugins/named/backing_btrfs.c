/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A named volume as a btrfs subvolume: deleted as a whole, counted and limited
 * by its quota group.
 *
 * Quotas of the file system are turned on with the first volume that asks for a
 * size, not before.  A limit that is missing when the volume is mounted (quotas
 * were off meanwhile) is set again.
 */
#include <errno.h>
#include <string.h>

#include "lib/answer.h"
#include "lib/btrfs.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/mounts.h"
#include "lib/tree.h"
#include "volplugins/named/backing_btrfs.h"

/* Below this nothing fits: a small file needs 128 KiB to be accounted for. */
#define SIZE_MIN    (1u << 20)
#define NESTED_MAX  1000 /* subvolumes in one, for a figure at hand */
#define GONE_MAX    4096
#define BIG(number) ((unsigned long long)(number))

/* Before Linux 6.10 a quota group outlives its subvolume, and can't be deleted
 * before the kernel has deleted the files, at its next commit.  So it is tried
 * with each later change; what the end of the daemon leaves is one line in
 * "btrfs qgroup show", of a number that never comes back. */
void btrfs_forget_groups(struct named_host *h)
{
	size_t kept = 0;

	pthread_mutex_lock(&h->btrfs.lock);
	for (size_t i = 0; i < h->btrfs.count; i++)
		if (btrfs_qgroup_forget(h->volumes, h->btrfs.gone[i]) < 0)
			h->btrfs.gone[kept++] = h->btrfs.gone[i];
	h->btrfs.count = kept;
	pthread_mutex_unlock(&h->btrfs.lock);
}

int btrfs_remember_gone(void *host, uint64_t id)
{
	struct named_host *h = host;
	uint64_t *gone;

	pthread_mutex_lock(&h->btrfs.lock);
	if (h->btrfs.count < GONE_MAX) {
		gone = reallocarray(h->btrfs.gone, h->btrfs.count + 1,
				    sizeof(*gone));
		if (gone) {
			h->btrfs.gone = gone;
			gone[h->btrfs.count++] = id;
		}
	}
	pthread_mutex_unlock(&h->btrfs.lock);
	return 0;
}

static int btrfs_probe(struct named_host *h, struct err *err)
{
	struct btrfs_quota q = { 0 };

	if (!btrfs_is(h->volumes))
		return err_set(err, -EOPNOTSUPP,
			       "the file system is not btrfs");
	/* also tells a daemon that may not */
	if (btrfs_quota_get(h->volumes, &q, err) < 0)
		return err_wrap(err, -EOPNOTSUPP, "btrfs can't be managed");
	return 0;
}

static int too_small(uint64_t size, struct err *err)
{
	if (!size || size >= SIZE_MIN)
		return 0;
	return err_set(err, -EINVAL,
		       "size=%llu: nothing fits in less than 1m on btrfs",
		       BIG(size));
}

static int btrfs_plan(struct named_volume *v, struct err *err)
{
	int r = named_no_fs(v, err);

	return r < 0 ? r : too_small(v->opts.size, err);
}

int btrfs_open(int dir, const char *name, uint64_t *id, struct err *err)
{
	_cleanup_close_ int fd = tree_open(dir, name, err);
	int r = fd < 0 ? fd : btrfs_subvol_id(fd, id, err);

	return r < 0 ? r : take_fd(fd);
}

static int open_data(int dir, uint64_t *id, struct err *err)
{
	return btrfs_open(dir, NAMED_DATA, id, err);
}

static int btrfs_make(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int data = -EBADF;
	uint64_t id = 0;
	int r;

	btrfs_forget_groups(named_host_of(v));
	r = btrfs_subvol_make(dir, NAMED_DATA, err);
	if (r == 0)
		r = FAILPOINT("named.btrfs.made");
	if (r < 0)
		return r;
	data = open_data(dir, &id, err);
	r = data < 0 ? data : 0;
	if (r == 0 && v->meta.size)
		r = btrfs_quota_need(data, err);
	if (r == 0 && v->meta.size)
		r = btrfs_qgroup_limit(dir, id, v->meta.size, err);
	if (r == 0)
		r = FAILPOINT("named.btrfs.limited");
	if (r < 0)
		return r;
	r = named_data_own(v, data);
	if (r == 0)
		r = tree_sync(data);
	if (r == 0)
		r = tree_sync(dir);
	return r < 0 ? err_set(err, r, "set up " NAMED_DATA ": %s",
			       strerror(-r))
		     : 0;
}

static int btrfs_unmake(struct named_volume *v, int dir, struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int data = open_data(dir, &id, NULL);
	int r = named_directory.unmake(v, dir, err); /* rmdir */

	if (r == 0 && data >= 0)
		btrfs_remember_gone(named_host_of(v), id);
	return r;
}

static int btrfs_verify(struct named_volume *v, int dir, struct err *err)
{
	struct btrfs_quota q = { 0 };
	uint64_t id = 0;
	_cleanup_close_ int data = open_data(dir, &id, err);
	int r;

	if (data == -ENOTDIR && !v->meta.size)
		/* from a backup: less handy, but all there */
		return named_directory.verify(v, dir, err);
	if (data == -ENOTDIR)
		return err_set(err, -ENOTDIR,
			       "its " NAMED_DATA " is not a subvolume any more "
			       "(from a backup?), so its size can't be kept: "
			       "make one in its place and copy the files");
	if (data < 0)
		return data;
	r = v->meta.size ? btrfs_quota_get(data, &q, err) : 0;
	if (r == 0 && v->meta.size && !q.on)
		return err_set(err, -EOPNOTSUPP,
			       "quotas of the file system were turned off, so "
			       "its size can't be kept: btrfs quota enable %s",
			       named_host_of(v)->root);
	return r;
}

static int btrfs_attach(struct named_volume *v, int dir, struct err *err)
{
	struct btrfs_qgroup g = { 0 };
	uint64_t id = 0;
	_cleanup_close_ int data = -EBADF;
	int r;

	if (!v->meta.size)
		return 0;
	data = open_data(dir, &id, err);
	r = data < 0 ? data : btrfs_qgroup_get(data, id, &g, err);
	if (r == -ENODATA) /* no group: made again by the limit */
		r = 0;
	if (r == 0 && g.limit != v->meta.size)
		r = btrfs_qgroup_limit(dir, id, v->meta.size, err);
	return r;
}

static int is_mounted(void *ctx, const char *target)
{
	char shown[256];

	return err_set(ctx, -EBUSY, "%s is a mount point: unmount it first",
		       log_quote(shown, sizeof(shown), target));
}

/* A subvolume goes as a whole, whatever is in it; but a mount in it would be
 * pulled away. */
static int btrfs_removable(struct named_volume *v, int dir, struct err *err)
{
	char path[sizeof(named_host_of(v)->root) + VOL_NAME_MAX];
	uint64_t id = 0;
	_cleanup_close_ int data = open_data(dir, &id, err);

	if (data == -ENOTDIR || data == -ENOENT)
		return tree_removable(dir, err);
	if (data < 0)
		return data;
	snprintf(path, sizeof(path), "%s/%s", named_host_of(v)->root,
		 v->base.name);
	return mounts_below(path, is_mounted, err, err);
}

int btrfs_destroy(struct named_host *h, int dir, const char *name,
		  struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int fd = btrfs_open(dir, name, &id, err);
	int r;

	if (fd < 0)
		return fd;
	(void)btrfs_subvol_each(fd, id, btrfs_remember_gone, h, NULL);
	r = btrfs_subvol_destroy(dir, name, err);
	if (r < 0)
		return r;
	btrfs_remember_gone(h, id);
	return 0;
}

struct purge {
	struct named_host *h;
	int snaps;
	struct err *err;
};

static int purge_snapshot(void *ctx, const char *name)
{
	const struct purge *p = ctx;
	int r = btrfs_destroy(p->h, p->snaps, name, p->err);

	/* what is no subvolume goes with the files */
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

static int btrfs_purge(struct named_host *h, int dir, struct err *err)
{
	_cleanup_close_ int snaps = named_snaps_open(dir, NULL);
	struct purge p = { .h = h, .snaps = snaps, .err = err };
	int r = snaps < 0 ? 0
			  : named_snaps_each(snaps, purge_snapshot, &p, err);

	(void)FAILPOINT("named.btrfs.purge"); /* the Remove has succeeded */
	if (r == 0)
		r = btrfs_destroy(h, dir, NAMED_DATA, err);
	btrfs_forget_groups(h);
	return r == -ENOENT || r == -ENOTDIR ? 0 : r;
}

struct sum {
	int fd;
	uint64_t bytes, exclusive;
	unsigned int count;
	struct err *err;
};

static int add_up(void *ctx, uint64_t id)
{
	struct btrfs_qgroup g = { 0 };
	struct sum *sum = ctx;
	int r = btrfs_qgroup_get(sum->fd, id, &g, sum->err);

	sum->bytes += g.used;
	sum->exclusive += g.exclusive;
	return sum->count++ < NESTED_MAX ? r : -ENODATA;
}

/* With the subvolumes in it, which its limit does not count. */
static int sum_up(int dir, struct sum *sum, struct err *err)
{
	struct btrfs_quota q = { 0 };
	uint64_t id = 0;
	_cleanup_close_ int data = open_data(dir, &id, err);
	int r = data == -ENOTDIR ? -ENODATA : data;

	*sum = (struct sum){ .fd = data, .err = err };
	if (r >= 0)
		r = btrfs_quota_get(data, &q, err);
	if (r == 0 && (!q.on || !q.exact))
		r = -ENODATA;
	if (r == 0)
		r = add_up(sum, id);
	if (r == 0)
		r = btrfs_subvol_each(data, id, add_up, sum, err);
	/* -E2BIG: a container's doing, and no error of ours */
	return r == -E2BIG ? -ENODATA : r;
}

static int btrfs_usage(struct named_volume *v, int dir, struct vol_usage *ret,
		       struct err *err)
{
	struct sum sum;
	int r = sum_up(dir, &sum, err);

	(void)v;
	if (r < 0)
		return r;
	ret->used_bytes = sum.bytes;
	ret->used_known = true;
	return 0;
}

int btrfs_fits(int data, uint64_t id, uint64_t size, struct err *err)
{
	struct btrfs_qgroup g = { 0 };
	struct btrfs_quota q = { 0 };
	int r = btrfs_sync(data, err);

	if (r == 0)
		r = btrfs_quota_get(data, &q, err);
	if (r == 0 && !q.exact)
		return err_set(err, -EAGAIN,
			       "btrfs is still counting what is there: try "
			       "again when btrfs quota rescan -s says that it "
			       "is done");
	if (r == 0)
		r = btrfs_qgroup_get(data, id, &g, err);
	/* carried out again after a crash: what is used may be a block more */
	if (r == 0 && g.used > size && g.limit != size)
		return err_set(err, -ENOSPC,
			       "%llu bytes are used, more than the %llu asked "
			       "for",
			       BIG(g.used), BIG(size));
	return r;
}

static int set_limit(int dir, uint64_t id, uint64_t size, uint64_t old,
		     struct err *err)
{
	int r = btrfs_qgroup_limit(dir, id, size, err);

	if (r < 0)
		return r;
	r = FAILPOINT("named.btrfs.resized");
	if (r < 0)
		(void)btrfs_qgroup_limit(dir, id, old, NULL);
	return r;
}

static int btrfs_resize(struct named_volume *v, int dir, uint64_t size,
			struct err *err)
{
	uint64_t id = 0, old = v->meta.size;
	_cleanup_close_ int data = -EBADF;
	int r = too_small(size, err);

	if (r < 0)
		return r;
	data = open_data(dir, &id, err);
	r = data < 0 ? data : 0;
	if (r == 0 && (size || old))
		r = btrfs_quota_need(data, err);
	if (r == 0 && size && (!old || size < old))
		r = btrfs_fits(data, id, size, err);
	if (r == 0 && (size || old))
		r = set_limit(dir, id, size, old, err);
	return r;
}

/* "exclusive": what of "used" no snapshot and no copy shares. */
static int btrfs_status(struct named_volume *v, int dir, json_object *to,
			struct err *err)
{
	uint64_t id = 0;
	_cleanup_close_ int data = open_data(dir, &id, NULL);
	struct sum sum;
	int r;

	(void)v;
	if (data < 0)
		return 0;
	r = answer_uint(to, "subvolume", id);
	if (r == 0 && sum_up(dir, &sum, NULL) == 0)
		r = answer_uint(to, "exclusive", sum.exclusive);
	return r < 0 ? answer_no_memory(err) : 0;
}

const struct named_backing named_btrfs = {
	.name = "btrfs",
	.limits = true,
	.probe = btrfs_probe,
	.plan = btrfs_plan,
	.make = btrfs_make,
	.unmake = btrfs_unmake,
	.verify = btrfs_verify,
	.attach = btrfs_attach,
	.removable = btrfs_removable,
	.purge = btrfs_purge,
	.usage = btrfs_usage,
	.resize = btrfs_resize,
	.status = btrfs_status,
	.body = NAMED_DATA,
	.snap_add = btrfs_snap_add,
	.snap_del = btrfs_snap_del,
	.snap_get = btrfs_snap_get,
	.snap_open = btrfs_snap_open,
	.copy = btrfs_copy,
	.stamp = btrfs_stamp,
	.replaceable = btrfs_replaceable,
};
