/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file system of a thin volume.  Only one that was made here is mounted, as
 * what its record says; what nobody uses is looked at by a mount that is never
 * attached, which goes with its descriptor, and the device with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/fs/grow.h"
#include "volplugins/fs/mkfs.h"
#include "volplugins/thin/crypt.h"

int thin_mount(struct thin_host *h, const struct thin_record *rec,
	       bool readonly, struct err *err)
{
	char path[DMX_PATH_MAX];
	_cleanup_close_ int dev = -EBADF, fs = -EBADF, fd = -EBADF;
	int r;

	dev = thin_block_open(h, rec, path, err);
	if (dev < 0)
		return dev;
	r = fs = mnt_open(rec->fs, err);
	if (r >= 0)
		r = mnt_set(fs, "source", path, err);
	if (r == 0 && strcmp(rec->fs, "ext4") == 0)
		r = mnt_set(fs, "errors", "remount-ro", err);
	/* zeros in tables of inodes nobody needs yet take blocks of the pool */
	if (r == 0 && strcmp(rec->fs, "ext4") == 0)
		r = mnt_set(fs, "noinit_itable", NULL, err);
	/* a copy has the same, and both may be mounted */
	if (r == 0 && strcmp(rec->fs, "xfs") == 0)
		r = mnt_set(fs, "nouuid", NULL, err);
	/* what is deleted goes back to the pool */
	if (r == 0 && !readonly)
		r = mnt_set(fs, "discard", NULL, err);
	if (r == 0 && readonly)
		r = mnt_set(fs, "ro", NULL, err);
	if (r == 0)
		r = fd = mnt_make(fs, MNT_ATTRS_DEFAULT, err);
	return r < 0 ? r : take_fd(fd);
}

int thin_root_of(int mount, struct err *err)
{
	int fd = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_set(err, -errno, "open the file system: %s",
				strerror(errno))
		      : fd;
}

static uint64_t used_of(const struct statfs *sf)
{
	return (uint64_t)(sf->f_blocks - sf->f_bfree) * (uint64_t)sf->f_bsize;
}

/* lost+found goes: Docker copies an image's files into an empty volume only, and
 * e2fsck makes it again when it finds something. */
static int own_root(const struct thin_options *o, int root, uint64_t *ret_used,
		    struct err *err)
{
	struct statfs sf = { 0 };
	int r = 0;

	if (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	/* the mode last: a change of owner takes set-id bits away */
	if (r == 0 &&
	    (fchown(root, o->uid, o->gid) < 0 || fchmod(root, o->mode) < 0))
		r = -errno;
	if (r == 0 && (syncfs(root) < 0 || fstatfs(root, &sf) < 0))
		r = -errno;
	if (r < 0)
		return err_set(err, r, "set up the file system: %s",
			       strerror(-r));
	*ret_used = used_of(&sf);
	return 0;
}

/* What was never written is no zeros when it is deciphered. */
static enum mkfs_content content_of(const struct thin_record *rec)
{
	return rec->key[0] ? MKFS_LEAVE : MKFS_ZEROED;
}

uint64_t thin_format_cost(struct thin_host *h, const struct thin_record *rec)
{
	uint64_t block = thin_pool_block(&h->pool);

	return mkfs_cost(rec->fs, rec->size, content_of(rec), block) +
	       thin_crypt_cost(rec);
}

int thin_format(struct thin_volume *v, struct thin_record *rec, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	_cleanup_close_ int dev = -EBADF, mount = -EBADF, root = -EBADF;
	char path[DMX_PATH_MAX];
	int r;

	r = thin_crypt_format(h, rec, err);
	if (r < 0)
		return r;
	dev = thin_block_open(h, rec, path, err);
	if (dev < 0)
		return dev;
	r = mkfs_run(rec->fs, dev, content_of(rec), err);
	if (r == 0 && fsync(dev) < 0)
		r = err_set(err, -errno, "write the file system: %s",
			    strerror(errno));
	if (r == 0)
		r = FAILPOINT("thin.create.formatted");
	if (r == 0)
		r = mount = thin_mount(h, rec, false, err);
	if (r >= 0)
		r = root = thin_root_of(mount, err);
	if (r >= 0)
		r = own_root(&v->opts, root, &rec->used, err);
	return r == 0 ? FAILPOINT("thin.create.settled") : r;
}

/* Is the kernel to zero tables of inodes in the background? */
static int zero_later(int root, bool on, struct err *err)
{
	_cleanup_close_ int fs = mnt_pick(root, "", err);
	int r = fs < 0 ? fs : 0;

	if (r == 0)
		r = mnt_set(fs, on ? "init_itable" : "noinit_itable", NULL,
			    err);
	return r == 0 ? mnt_reconfigure(fs, err) : r;
}

/* With noinit_itable a resize zeroes the new tables itself: 1.6 % of what is added,
 * or more.  With init_itable it leaves them for later, which is called off. */
static int grow_lazily(const struct thin_record *rec, int root, struct err *err)
{
	struct err late = { 0 };
	int r, off;

	if (strcmp(rec->fs, "ext4") != 0)
		return grow_fs(rec->fs, root, rec->size, err);
	r = zero_later(root, true, err);
	if (r == 0)
		r = FAILPOINT("thin.resize.lazy");
	if (r == 0)
		r = grow_fs(rec->fs, root, rec->size, err);
	off = zero_later(root, false, &late);
	if (r == 0 && off < 0)
		return err_set(err, off, "%s", late.msg);
	return r;
}

/* ext4 can't be asked how large it is, and calls it an error to be made smaller. */
int thin_grow_fs(const struct thin_record *rec, int root, struct err *err)
{
	struct statfs sf = { 0 };
	bool half = rec->size < rec->device;
	int r;

	if (half && fstatfs(root, &sf) == 0 &&
	    (uint64_t)sf.f_blocks * (uint64_t)sf.f_bsize > rec->size)
		return 0;
	r = grow_lazily(rec, root, err);
	if (r == -EINVAL && half)
		return err_set(err, r,
			       "a resize to %" PRIu64 " bytes ended half way, "
			       "and the file system may be that large: ask for "
			       "as much",
			       rec->device);
	return r;
}

int thin_fit(struct thin_host *h, struct thin_record *rec, struct err *err)
{
	_cleanup_close_ int mount = thin_mount(h, rec, false, err),
			    root = -EBADF;
	struct statfs sf = { 0 };
	int r = mount < 0 ? mount : 0;

	if (r == 0)
		r = root = thin_root_of(mount, err);
	if (r >= 0)
		r = thin_grow_fs(rec, root, err);
	if (r == 0 && (syncfs(root) < 0 || fstatfs(root, &sf) < 0))
		r = err_set(err, -errno, "settle the copy: %s",
			    strerror(errno));
	if (r == 0)
		rec->used = used_of(&sf);
	return r;
}

/* ---- where containers find it ------------------------------------------------- */

int thin_is_mounted(struct thin_volume *v, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	int r = mnt_is_mounted(h->volumes, v->base.name, err);
	_cleanup_close_ int root = -EBADF;
	char name[DMX_NAME_MAX];
	struct dmx_info info;
	struct stat st;

	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	root = tree_open(h->volumes, v->base.name, err);
	if (root < 0)
		return root;
	thin_block_name(&h->pool, &v->rec, name);
	if (fstat(root, &st) == 0 && dmx_find(name, &info, NULL) == 0 &&
	    info.dev == st.st_dev)
		return 1;
	return err_set(err, -EBUSY,
		       "something else than its device is mounted on %s/%s: "
		       "unmount it",
		       h->root, v->base.name);
}

static int64_t boot_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + 1; /* 0 is never */
}

void thin_note_usage(struct thin_volume *v, uint64_t used)
{
	v->used = used;
	v->used_at = boot_s();
}

int thin_statfs(struct thin_volume *v, uint64_t *ret, struct err *err)
{
	_cleanup_close_ int root =
		tree_open(thin_host_of(v)->volumes, v->base.name, err);
	struct statfs sf = { 0 };

	if (root < 0)
		return root;
	if (fstatfs(root, &sf) < 0)
		return err_set(err, -errno, "statfs: %s", strerror(errno));
	*ret = used_of(&sf);
	thin_note_usage(v, *ret);
	return 0;
}

int thin_detach(struct thin_volume *v, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	uint64_t used;
	int r = thin_is_mounted(v, err);

	if (r == 1)
		(void)thin_statfs(v, &used, NULL); /* remembered for later */
	while (r == 1) {
		r = mnt_detach(h->volumes, v->base.name, false, err);
		if (r == 0)
			r = thin_is_mounted(v, err);
	}
	if (r == 0)
		unlinkat(h->volumes, v->base.name, AT_REMOVEDIR);
	return r;
}
