/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copies of an image: NAME/snapshots/SNAPSHOT is a file like NAME/image, which
 * nobody mounts for writing.
 *
 * What was copied while it was in use has a journal with things in it, as after a
 * power cut.  So each copy is mounted once when it is made: that proves it,
 * and from then on it can be mounted read-only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/loop.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/fs/grow.h"
#include "volplugins/named/image.h"

#define NEW ".new" /* in snapshots/: one being made */

static int create(int dir, const char *name, struct err *err)
{
	int fd = openat(dir, name,
			O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);

	return fd < 0 ? err_set(err, -errno, "make file %s: %s", name,
				strerror(errno))
		      : fd;
}

/* Mount it once; its file system becomes as large as @size, if it is smaller.
 * @ret_used: bytes in use; may be NULL. */
static int settle(const struct named_volume *v, int image, uint64_t size,
		  uint64_t *ret_used, struct err *err)
{
	_cleanup_close_ int mount = image_mount(v, image, false, err),
			    root = -EBADF;
	struct statfs sf;
	int r = mount < 0 ? mount : 0;

	if (r == 0)
		r = root = image_root_of(mount, err);
	if (r >= 0)
		r = size ? grow_fs(v->meta.fs, root, size, err) : 0;
	if (r < 0)
		return r;
	if (syncfs(root) < 0 || fstatfs(root, &sf) < 0)
		return err_set(err, -errno, "settle the copy: %s",
			       strerror(errno));
	if (ret_used)
		*ret_used = (uint64_t)(sf.f_blocks - sf.f_bfree) *
			    (uint64_t)sf.f_bsize;
	return 0;
}

/*
 * Has anybody @image mounted, here or in another mount namespace?  That of a
 * container that has just ended goes a moment later.  Return: 1; 0; -errno.
 */
static int is_used(int dir, int image, struct err *err)
{
	const struct timespec step = { .tv_nsec = 10000000 };
	int mounted = mnt_is_mounted(dir, NAMED_DATA, err);
	int r = mounted < 0 ? mounted : loop_has(image, err);

	for (int i = 0; r == 1 && !mounted && i < 100; i++) {
		nanosleep(&step, NULL);
		r = loop_has(image, err);
	}
	return r;
}

/* What the volume in @dir has now, into @out.  @until_ms: as for image_copy(). */
static int catch_now(struct named_volume *v, int dir, int out, bool reserve,
		     uint64_t until_ms, struct err *err)
{
	_cleanup_close_ int in = image_open_at(dir, IMAGE, err), root = -EBADF;
	int r = in < 0 ? in : is_used(dir, in, err);

	if (r < 0)
		return r;
	/* Nobody can begin to write to it: we hold the volume's lock.  So there
	 * is nobody to wait, and it takes as long as it takes. */
	if (r == 0)
		return image_copy(in, out, -EBADF, reserve, until_ms, err);
	root = image_root(v, dir, in, err);
	return root < 0 ? root
			: image_copy(in, out, root, reserve, until_ms, err);
}

/* ---- snapshots -------------------------------------------------------------- */

static int drop(int snaps, const char *name, struct err *err)
{
	if (unlinkat(snaps, name, 0) < 0)
		return err_set(err, -errno, "delete it: %s", strerror(errno));
	return tree_sync(snaps);
}

static int put_in_place(int snaps, int fd, const char *name, struct err *err)
{
	int r = fchmod(fd, 0400) < 0 || fsync(fd) < 0 ? -errno : 0;

	if (r == 0)
		r = FAILPOINT("named.image.snapped");
	if (r == 0)
		r = tree_rename_new(snaps, NEW, snaps, name);
	if (r == 0)
		r = tree_sync(snaps);
	return r < 0 ? err_set(err, r, "put it in place: %s", strerror(-r)) : 0;
}

int image_snap_add(struct named_volume *v, int dir, int snaps, const char *name,
		   struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	unlinkat(snaps, NEW, 0); /* of a killed daemon */
	fd = create(snaps, NEW, err);
	r = fd < 0 ? fd : catch_now(v, dir, fd, false, v->base.until_ms, err);
	if (r == 0)
		r = settle(v, fd, 0, NULL, err);
	if (r == 0)
		r = put_in_place(snaps, fd, name, err);
	if (r < 0)
		unlinkat(snaps, NEW, 0);
	return r;
}

int image_snap_del(struct named_host *h, int snaps, const char *name,
		   struct err *err)
{
	(void)h;
	unlinkat(snaps, NEW, 0); /* of a killed daemon */
	return drop(snaps, name, err);
}

/* Can files of this file system share blocks?  Then how much is a file's own is
 * nothing that it says by itself. */
static bool may_share(int fd)
{
	struct statfs sf;

	return fstatfs(fd, &sf) < 0 ||
	       (sf.f_type != EXT4_SUPER_MAGIC && sf.f_type != TMPFS_MAGIC);
}

int image_snap_get(int snaps, const char *name, struct vol_snapshot *ret,
		   struct err *err)
{
	struct stat st;
	int r = strcmp(name, NEW) == 0 ? -ENOENT : 0;

	if (r == 0 && fstatat(snaps, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r == 0 && !S_ISREG(st.st_mode))
		r = -ENOENT;
	if (r < 0)
		return err_set(err, r, "snapshot %s: %s", name, strerror(-r));
	*ret = (struct vol_snapshot){ .used_known = true };
	named_created(st.st_mtim.tv_sec, ret->created);
	ret->used_bytes = (uint64_t)st.st_blocks * 512;
	ret->own_bytes = ret->used_bytes;
	ret->own_known = !may_share(snaps);
	return 0;
}

int image_snap_open(struct named_volume *v, int snaps, const char *name,
		    struct err *err)
{
	_cleanup_close_ int image = image_open_at(snaps, name, err),
			    mount = -EBADF;

	if (image < 0)
		return image;
	mount = image_mount(v, image, true, err);
	return mount < 0 ? mount : image_root_of(mount, err);
}

/* ---- volumes ----------------------------------------------------------------- */

static int check_size(const struct named_volume *v, int dir, const char *name,
		      uint64_t *ret, struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "file %s: %s", name,
			       strerror(errno));
	*ret = (uint64_t)st.st_size;
	if (v->meta.size >= *ret)
		return 0;
	return err_set(err, -ENOSPC,
		       "size=%llu: an image can grow but not shrink, and it "
		       "has %llu bytes",
		       (unsigned long long)v->meta.size,
		       (unsigned long long)*ret);
}

static int copy_from(struct named_volume *v, int out, struct named_volume *src,
		     int from, int snaps, const char *snap, struct err *err)
{
	_cleanup_close_ int in = -EBADF;

	if (!snap)
		return catch_now(src, from, out, true, v->base.until_ms, err);
	in = image_open_at(snaps, snap, err);
	return in < 0 ? in
		      : image_copy(in, out, -EBADF, true, v->base.until_ms,
				   err);
}

int image_copy_volume(struct named_volume *v, int dir, struct named_volume *src,
		      int from, int snaps, const char *snap, struct err *err)
{
	_cleanup_close_ int out = -EBADF;
	uint64_t size = 0, used = 0;
	int r = snap ? check_size(v, snaps, snap, &size, err)
		     : check_size(v, from, IMAGE, &size, err);

	if (r < 0)
		return r;
	if (mkdirat(dir, NAMED_DATA, 0700) < 0)
		return err_set(err, -errno, "make " NAMED_DATA ": %s",
			       strerror(errno));
	out = create(dir, IMAGE, err);
	r = out < 0 ? out : copy_from(v, out, src, from, snaps, snap, err);
	if (r == 0)
		r = FAILPOINT("named.image.copied");
	if (r == 0 && v->meta.size > size)
		r = image_reserve(out, v->meta.size, err);
	if (r == 0)
		r = settle(v, out, v->meta.size > size ? v->meta.size : 0,
			   &used, err);
	if (r == 0 && fsync(out) < 0)
		r = err_set(err, -errno, "write file image: %s",
			    strerror(errno));
	if (r == 0)
		r = tree_sync(dir);
	if (r == 0)
		named_note_usage(v, used);
	return r;
}

/* The file's last change; its users write through the loop device. */
int image_stamp(int dir, uint64_t *ret, struct err *err)
{
	struct stat st;

	if (fstatat(dir, IMAGE, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_set(err, -errno, "file image: %s", strerror(errno));
	*ret = (uint64_t)st.st_mtim.tv_sec * 1000000000 +
	       (uint64_t)st.st_mtim.tv_nsec;
	return 0;
}
