/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A named volume as a file system of its own: NAME/image on a loop device.
 *
 *   NAME/image   as large as the volume, every block of it reserved: a full
 *                disk of the host can't make a write inside fail
 *   NAME/_data   where it is mounted while the volume has users
 *
 * What is done to a volume nobody uses (making it, looking whether it is empty,
 * growing it) is done through a mount that is never attached: it goes with its
 * descriptor, and the loop device with the mount, even if we are killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/fs/grow.h"
#include "volplugins/fs/mkfs.h"
#include "volplugins/named/image.h"
#include "volplugins/named/named_priv.h"

#define PROBE     ".probe"
#define MIN_EXT4  (16ull << 20)  /* below, nothing is left beside the journal */
#define MIN_XFS   (300ull << 20) /* what mkfs.xfs asks for */
#define SIZE_STEP 4096

/* ---- can it be done ------------------------------------------------------ */

static int image_probe(struct named_host *h, struct err *err)
{
	_cleanup_close_ int fd = -EBADF, fs = -EBADF;
	int r = loop_probe(err), code;

	if (r == 0)
		r = mkfs_probe("ext4", err);
	if (r < 0)
		return r;
	fs = mnt_open("ext4", err);
	if (fs < 0)
		return -EOPNOTSUPP;
	fd = openat(h->staging, PROBE,
		    O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	code = fd < 0 || fallocate(fd, 0, 0, SIZE_STEP) < 0 ? errno : 0;
	unlinkat(h->staging, PROBE, 0);
	if (code && code != ENOSPC)
		return err_set(err, -EOPNOTSUPP,
			       "the file system below %s cannot reserve space "
			       "for an image: %s",
			       h->root, strerror(code));
	return 0;
}

static int image_plan(struct named_volume *v, struct err *err)
{
	struct named_meta *m = &v->meta;
	uint64_t min;
	int r;

	if (!m->fs[0])
		snprintf(m->fs, sizeof(m->fs), "ext4");
	r = mkfs_probe(m->fs, err);
	if (r < 0)
		return r;
	min = strcmp(m->fs, "xfs") == 0 ? MIN_XFS : MIN_EXT4;
	if (m->size < min)
		return err_set(err, -EINVAL,
			       "option size: an image with %s has at least "
			       "%llum",
			       m->fs, (unsigned long long)(min >> 20));
	return 0;
}

/* ---- the file ------------------------------------------------------------ */

int image_open_at(int dir, const char *name, struct err *err)
{
	_cleanup_close_ int fd =
		openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return err_set(err, -errno, "file %s: %s", name,
			       strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, -EUCLEAN, "%s is not a file", name);
	return take_fd(fd);
}

static int image_open(int dir, struct err *err)
{
	return image_open_at(dir, IMAGE, err);
}

/* What is there already costs nothing. */
int image_reserve(int image, uint64_t size, struct err *err)
{
	int r;

	do
		r = fallocate(image, 0, 0, (off_t)size) < 0 ? -errno : 0;
	while (r == -EINTR);
	return r < 0 ? err_set(err, r,
			       "reserve %llu bytes for the volume on this "
			       "host's disk: %s",
			       (unsigned long long)size, strerror(-r))
		     : 0;
}

/* Before there is anything in it: on btrfs what was reserved would serve for
 * the first write only. */
static void no_copy_on_write(int image)
{
	int flags;

	if (ioctl(image, FS_IOC_GETFLAGS, &flags) < 0)
		return;
	flags |= FS_NOCOW_FL;
	(void)ioctl(image, FS_IOC_SETFLAGS, &flags);
}

static int image_format(const struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int fd = openat(
		dir, IMAGE, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		0600);
	int r;

	if (fd < 0)
		return err_set(err, -errno, "make file image: %s",
			       strerror(errno));
	no_copy_on_write(fd);
	r = image_reserve(fd, v->meta.size, err);
	if (r == 0)
		r = FAILPOINT("named.image.reserved");
	if (r == 0)
		r = mkfs_run(v->meta.fs, fd, MKFS_ZERO, err);
	if (r == 0) /* mkfs zeroes by making holes */
		r = image_reserve(fd, v->meta.size, err);
	if (r == 0 && fsync(fd) < 0)
		r = err_set(err, -errno, "write file image: %s",
			    strerror(errno));
	return r == 0 ? FAILPOINT("named.image.formatted") : r;
}

/* ---- mounting ------------------------------------------------------------ */

int image_mount(const struct named_volume *v, int image, bool readonly,
		struct err *err)
{
	char path[LOOP_PATH_MAX], mark[LOOP_MARK_MAX];
	_cleanup_close_ int loop = -EBADF, fs = -EBADF, fd = -EBADF;
	int r;

	snprintf(mark, sizeof(mark), "%s%.30s", named_host_of(v)->mark,
		 v->base.name);
	loop = loop_attach(image, mark, path, err);
	if (loop < 0)
		return loop;
	r = FAILPOINT("named.image.looped");
	if (r == 0)
		r = fs = mnt_open(v->meta.fs, err);
	if (r >= 0)
		r = mnt_set(fs, "source", path, err);
	if (r == 0 && strcmp(v->meta.fs, "ext4") == 0)
		r = mnt_set(fs, "errors", "remount-ro", err);
	/* a copy has the same, and both may be mounted */
	if (r == 0 && strcmp(v->meta.fs, "xfs") == 0)
		r = mnt_set(fs, "nouuid", NULL, err);
	if (r == 0 && readonly)
		r = mnt_set(fs, "ro", NULL, err);
	if (r == 0)
		r = fd = mnt_make(fs, MNT_ATTRS_DEFAULT, err);
	if (r < 0)
		return r;
	return take_fd(fd);
}

/* Is it @image that is mounted on _data?  Return: 1, 0; -EBUSY: something
 * else is; -errno. */
static int image_mounted(int dir, int image, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);
	_cleanup_close_ int data = -EBADF, loop = -EBADF;
	struct stat st;

	if (r <= 0)
		return r;
	data = tree_open(dir, NAMED_DATA, err);
	if (data < 0)
		return data;
	if (fstat(data, &st) == 0)
		loop = loop_of(st.st_dev, image, NULL);
	if (loop >= 0)
		return 1;
	return err_set(err, -EBUSY,
		       "something else than its image is mounted on " NAMED_DATA
		       ": unmount it");
}

static int image_attach(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int image = image_open(dir, err), fd = -EBADF;
	struct err why = { 0 };
	int r = image < 0 ? image : image_mounted(dir, image, err);

	if (r != 0)
		return r < 0 ? r : 0;
	/* holes that something made; the data inside must be had even if the
	 * disk is full by now */
	if (image_reserve(image, v->meta.size, &why) < 0)
		log_warn(
			"op=mount volume=%s err=\"%s: writes inside may fail\"",
			v->base.name, why.msg);
	fd = image_mount(v, image, false, err);
	if (fd < 0)
		return fd;
	r = FAILPOINT("named.image.mounted");
	if (r == 0)
		r = mnt_attach(fd, dir, NAMED_DATA, err);
	if (r == 0)
		r = FAILPOINT("named.image.attached");
	if (r < 0)
		(void)mnt_detach(dir, NAMED_DATA, false, NULL);
	return r;
}

static int image_detach(struct named_volume *v, int dir, struct err *err)
{
	int r = mnt_is_mounted(dir, NAMED_DATA, err);
	_cleanup_close_ int image = -EBADF;

	(void)v;
	if (r == -ENOENT || r == 0) /* whatever became of its image */
		return 0;
	if (r > 0)
		r = image = image_open(dir, err);
	if (r == -ENOENT) /* deleted by hand under its mount */
		return mnt_detach(dir, NAMED_DATA, false, err);
	if (r >= 0)
		r = image_mounted(dir, image, err);
	while (r == 1) {
		r = mnt_detach(dir, NAMED_DATA, false, err);
		if (r == 0)
			r = image_mounted(dir, image, err);
	}
	return r < 0 ? r : FAILPOINT("named.image.detached");
}

int image_root_of(int mount, struct err *err)
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

/* ---- making and taking back ---------------------------------------------- */

/* The root directory of the new file system as asked for.  lost+found goes:
 * Docker copies an image's files into an empty volume only, and e2fsck makes
 * it again when it finds something. */
static int image_settle(struct named_volume *v, int mount, struct err *err)
{
	_cleanup_close_ int root = image_root_of(mount, err);
	struct statfs sf;
	int r = 0;

	if (root < 0)
		return root;
	if (unlinkat(root, "lost+found", AT_REMOVEDIR) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0)
		r = named_data_own(v, root);
	if (r == 0 && syncfs(root) < 0)
		r = -errno;
	if (r == 0 && fstatfs(root, &sf) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "set up the file system: %s",
			       strerror(-r));
	named_note_usage(v, used_of(&sf));
	return 0;
}

static int image_make(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int image = -EBADF, root = -EBADF;
	int r = image_format(v, dir, err);

	if (r == 0 && mkdirat(dir, NAMED_DATA, 0700) < 0)
		r = err_set(err, -errno, "make " NAMED_DATA ": %s",
			    strerror(errno));
	if (r == 0)
		r = image = image_open(dir, err);
	if (r >= 0)
		r = root = image_mount(v, image, false, err);
	if (r >= 0)
		r = image_settle(v, root, err);
	if (r == 0)
		r = FAILPOINT("named.image.settled");
	if (r == 0)
		r = tree_sync(dir);
	return r;
}

/* What image_make() has left. */
static int image_fill(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int image = image_open(dir, err), mount = -EBADF;

	if (image < 0)
		return image;
	mount = image_mount(v, image, false, err);
	return mount < 0 ? mount : image_root_of(mount, err);
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Return: 0; -ENOTEMPTY; -errno. */
static int is_empty(int mount, struct err *err)
{
	_cleanup_close_ int fd = image_root_of(mount, err);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "read the volume: %s",
			       strerror(errno));
	(void)take_fd(fd);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			return err_set(err, -ENOTEMPTY, "there is data in it");
	return 0;
}

static int image_unmake(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int image = -EBADF, root = -EBADF;
	int r = image_detach(v, dir, err);

	if (r == 0)
		r = image = image_open(dir, err);
	if (r >= 0)
		r = root = image_mount(v, image, false, err);
	if (r >= 0)
		r = is_empty(root, err);
	if (r < 0 && r != -ENOENT)
		return r;
	if ((unlinkat(dir, IMAGE, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dir, NAMED_DATA, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
			       "delete it: %s", strerror(errno));
	return 0;
}

static int image_verify(struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int image = image_open(dir, err);
	_cleanup_close_ int data = -EBADF;
	struct stat st;

	if (image < 0)
		return image;
	if (fstat(image, &st) < 0)
		return err_set(err, -errno, "file image: %s", strerror(errno));
	if ((uint64_t)st.st_size < v->meta.size)
		return err_set(err, -EUCLEAN,
			       "its image was cut: %lld bytes instead of %llu",
			       (long long)st.st_size,
			       (unsigned long long)v->meta.size);
	data = tree_open(dir, NAMED_DATA, err);
	return data < 0 ? data : 0;
}

/* ---- figures -------------------------------------------------------------- */

static int image_usage(struct named_volume *v, int dir, struct vol_usage *ret,
		       struct err *err)
{
	_cleanup_close_ int data = -EBADF;
	struct statfs sf;
	int r = mnt_is_mounted(dir, NAMED_DATA, err);

	(void)v;
	if (r == 0)
		return -ENODATA;
	data = r < 0 ? r : tree_open(dir, NAMED_DATA, err);
	if (data < 0)
		return data;
	if (fstatfs(data, &sf) < 0)
		return err_set(err, -errno, "statfs: %s", strerror(errno));
	ret->used_known = true;
	ret->used_bytes = used_of(&sf);
	return 0;
}

/* ---- another size ---------------------------------------------------------- */

int image_root(const struct named_volume *v, int dir, int image,
	       struct err *err)
{
	int r = image_mounted(dir, image, err);
	_cleanup_close_ int mount = -EBADF;

	if (r < 0)
		return r;
	if (r)
		return tree_open(dir, NAMED_DATA, err);
	mount = image_mount(v, image, false, err);
	return mount < 0 ? mount : image_root_of(mount, err);
}

static int refuse_smaller(struct named_volume *v, int root, uint64_t size,
			  struct err *err)
{
	struct statfs sf;
	uint64_t used;

	if (fstatfs(root, &sf) < 0)
		return err_set(err, -errno, "statfs: %s", strerror(errno));
	used = used_of(&sf);
	if (size < used)
		return err_set(
			err, -ENOSPC, "%llu bytes are in use, more than %llu",
			(unsigned long long)used, (unsigned long long)size);
	return err_set(err, -EOPNOTSUPP,
		       "an image with %s can grow but not shrink: make a "
		       "smaller volume and copy",
		       v->meta.fs);
}

/* The file and its loop device to @size; the file system does not know yet. */
static int grow_device(int image, int loop, uint64_t size, struct err *err)
{
	int r = image_reserve(image, size, err);

	if (r == 0 && fsync(image) < 0)
		r = err_set(err, -errno, "write file image: %s",
			    strerror(errno));
	if (r == 0)
		r = FAILPOINT("named.image.file-grown");
	if (r == 0)
		r = loop_resize(loop, err);
	return r == 0 ? FAILPOINT("named.image.loop-grown") : r;
}

static int image_resize(struct named_volume *v, int dir, uint64_t size,
			struct err *err)
{
	_cleanup_close_ int image = image_open(dir, err), root = -EBADF,
			    loop = -EBADF;
	struct stat file, st;
	int r = image < 0 ? image : 0;

	if (r == 0)
		r = root = image_root(v, dir, image, err);
	if (r < 0)
		return r;
	if (size < v->meta.size)
		return refuse_smaller(v, root, size, err);
	if (fstat(image, &file) < 0 || fstat(root, &st) < 0)
		return err_set(err, -errno, "stat: %s", strerror(errno));
	loop = loop_of(st.st_dev, image, err);
	if (loop < 0)
		return loop;
	r = grow_device(image, loop, size, err);
	if (r == 0) {
		r = grow_fs(v->meta.fs, root, size, err);
		return r == 0 ? FAILPOINT("named.image.fs-grown") : r;
	}
	/* Give back what was reserved.  Not where the file was larger before:
	 * an earlier call may have grown the file system into that. */
	if ((uint64_t)file.st_size <= v->meta.size &&
	    ftruncate(image, file.st_size) == 0)
		(void)loop_resize(loop, NULL);
	return r;
}

const struct named_backing named_image = {
	.name = "image",
	.limits = true,
	.must_limit = true,
	.probe = image_probe,
	.plan = image_plan,
	.make = image_make,
	.unmake = image_unmake,
	.verify = image_verify,
	.attach = image_attach,
	.detach = image_detach,
	.usage = image_usage,
	.resize = image_resize,
	.fill = image_fill,
	.body = IMAGE,
	.snap_add = image_snap_add,
	.snap_del = image_snap_del,
	.snap_get = image_snap_get,
	.snap_open = image_snap_open,
	.copy = image_copy_volume,
	.stamp = image_stamp,
};
