/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a volume's options to its tmpfs, and what that tells of itself. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "lib/fail.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/tmpfs/tmpfs_priv.h"

/* ---- making ---------------------------------------------------------------- */

static int set_number(int fs, const char *key, uint64_t n, struct err *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	return mnt_set(fs, key, text, err);
}

static int set_size(int fs, const struct tmpfs_options *o, struct err *err)
{
	char text[24];

	if (!o->percent)
		return o->bytes ? set_number(fs, "size", o->bytes, err) : 0;
	snprintf(text, sizeof(text), "%u%%", o->percent);
	return mnt_set(fs, "size", text, err);
}

/* Of its root directory. */
static int set_owner(int fs, const struct tmpfs_options *o, struct err *err)
{
	char mode[16];
	int r;

	snprintf(mode, sizeof(mode), "%o", o->mode);
	r = mnt_set(fs, "mode", mode, err);
	if (r == 0)
		r = set_number(fs, "uid", o->uid, err);
	return r < 0 ? r : set_number(fs, "gid", o->gid, err);
}

static int set_huge(int fs, const struct tmpfs_options *o, struct err *err)
{
	const char *huge = o->huge ? tmpfs_huge[o->huge - 1] : NULL;

	if (!huge || mnt_set(fs, "huge", huge, NULL) == 0)
		return 0;
	return err_set(err, -EOPNOTSUPP,
		       "option huge=%s: this kernel has no huge pages "
		       "(CONFIG_TRANSPARENT_HUGEPAGE): leave it out",
		       huge);
}

static int set_words(int fs, const struct tmpfs_options *o, struct err *err)
{
	static const char *const words[] = { "sync",    "dirsync", "lazytime",
					     "inode32", "inode64", "noswap",
					     "ro" };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(words); i++)
		if (o->words & (1u << i))
			r = mnt_set(fs, words[i], NULL, err);
	return r;
}

static int set_source(int fs, const struct tmpfs_volume *v, struct err *err)
{
	char mark[MNTOPT_VALUE_MAX + 1];
	int n = snprintf(mark, sizeof(mark), "berth:%s:%s", tmpfs_driver.name,
			 v->base.name);

	if (n >= (int)sizeof(mark)) /* of a very long name its beginning */
		mark[sizeof(mark) - 1] = '\0';
	return mnt_set(fs, "source", v->opts.source[0] ? v->opts.source : mark,
		       err);
}

int tmpfs_make(const struct tmpfs_volume *v, struct err *err)
{
	const struct tmpfs_options *o = &v->opts;
	_cleanup_close_ int fs = mnt_open("tmpfs", err);
	int r = fs < 0 ? fs : set_source(fs, v, err);

	if (r == 0)
		r = set_size(fs, o, err);
	if (r == 0 && o->inodes)
		r = set_number(fs, "nr_inodes", o->inodes, err);
	if (r == 0)
		r = set_owner(fs, o, err);
	if (r == 0)
		r = set_huge(fs, o, err);
	if (r == 0 && o->mpol[0])
		r = mnt_set(fs, "mpol", o->mpol, err);
	if (r == 0)
		r = set_words(fs, o, err);
	return r < 0 ? r : mnt_make(fs, o->attr, err);
}

/* ---- showing, hiding --------------------------------------------------------- */

int tmpfs_show(const struct tmpfs_volume *v, int mount, struct err *err)
{
	int volumes = tmpfs_host_of(v)->volumes, r;
	const char *name = v->base.name;

	if (mkdirat(volumes, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make its mount point: %s",
			       strerror(errno));
	r = FAILPOINT("tmpfs.mount.place");
	if (r == 0)
		r = mnt_attach(mount, volumes, name, err);
	if (r < 0) {
		unlinkat(volumes, name, AT_REMOVEDIR);
		return r;
	}
	/* what its parent is part of, it has become part of */
	r = mnt_propagate(mount, v->opts.propagation, false, err);
	if (r == 0)
		r = FAILPOINT("tmpfs.mount.shown");
	if (r < 0) {
		(void)mnt_detach(volumes, name, true, NULL);
		unlinkat(volumes, name, AT_REMOVEDIR);
	}
	return r;
}

/* Its root directory.  Return: fd, O_PATH; -ENOENT; -errno. */
static int open_root(const struct tmpfs_volume *v, struct statfs *st,
		     struct err *err)
{
	_cleanup_close_ int fd =
		openat(tmpfs_host_of(v)->volumes, v->base.name,
		       O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstatfs(fd, st) < 0)
		return err_set(err, -errno, "%s: %s", v->base.name,
			       strerror(errno));
	return take_fd(fd);
}

int tmpfs_mounted(const struct tmpfs_volume *v, struct err *err)
{
	int r = mnt_is_mounted(tmpfs_host_of(v)->volumes, v->base.name, err);
	_cleanup_close_ int fd = -EBADF;
	struct statfs st;

	if (r <= 0)
		return r == -ENOENT ? 0 : r;
	fd = open_root(v, &st, err);
	if (fd < 0)
		return fd;
	return st.f_type == TMPFS_MAGIC
		       ? 1
		       : err_set(err, -EUCLEAN,
				 "something else than a tmpfs is mounted on "
				 "%s/%s: unmount it",
				 tmpfs_host_of(v)->root, v->base.name);
}

int tmpfs_hide(const struct tmpfs_volume *v, struct err *err)
{
	int volumes = tmpfs_host_of(v)->volumes;
	int r = tmpfs_mounted(v, err);

	if (r > 0)
		r = mnt_detach(volumes, v->base.name, false, err);
	if (r < 0)
		return r;
	/* what somebody put there while nothing was mounted stays */
	unlinkat(volumes, v->base.name, AT_REMOVEDIR);
	return 0;
}

/* ---- another name -------------------------------------------------------------- */

/* Do both show one tmpfs? */
static bool are_one(const struct tmpfs_volume *a, const struct tmpfs_volume *b)
{
	struct statfs sf;
	struct stat x, y;
	_cleanup_close_ int fa = open_root(a, &sf, NULL);
	_cleanup_close_ int fb = open_root(b, &sf, NULL);

	return fa >= 0 && fb >= 0 && fstat(fa, &x) == 0 && fstat(fb, &y) == 0 &&
	       x.st_dev == y.st_dev;
}

/* No move_mount(2): out of a shared mount, as /run is one, it moves none. */
static int show_as(const struct tmpfs_volume *v, const struct tmpfs_volume *to,
		   struct err *err)
{
	_cleanup_close_ int mount =
		mnt_clone(tmpfs_host_of(v)->volumes, v->base.name, false, err);

	return mount < 0 ? mount : tmpfs_show(to, mount, err);
}

int tmpfs_move(const struct tmpfs_volume *v, const char *name, struct err *err)
{
	int volumes = tmpfs_host_of(v)->volumes, r = tmpfs_mounted(v, err);
	struct tmpfs_volume to = *v;

	if (r <= 0)
		return r;
	snprintf(to.base.name, sizeof(to.base.name), "%s", name);
	r = tmpfs_mounted(&to, err);
	if (r > 0)
		r = are_one(v, &to)
			    ? 0
			    : err_set(err, -EEXIST,
				      "%s/%s is mounted already, and no "
				      "volume owns it: umount deletes "
				      "what is in it",
				      tmpfs_host_of(v)->root, name);
	else if (r == 0)
		r = show_as(v, &to, err);
	if (r < 0)
		return r;
	r = FAILPOINT("tmpfs.rename.shown");
	if (r == 0)
		r = tmpfs_hide(v, err);
	if (r < 0) { /* nobody knows it by that name yet */
		(void)mnt_detach(volumes, name, true, NULL);
		unlinkat(volumes, name, AT_REMOVEDIR);
	}
	return r;
}

/* ---- telling, changing -------------------------------------------------------- */

static void figures_of(const struct statfs *st, struct tmpfs_figures *ret)
{
	uint64_t block = (uint64_t)st->f_bsize;

	*ret = (struct tmpfs_figures){
		.bytes = st->f_blocks * block,
		.used_bytes = (st->f_blocks - st->f_bfree) * block,
		.inodes = st->f_files,
		.used_inodes = st->f_files - st->f_ffree,
	};
}

int tmpfs_figures(const struct tmpfs_volume *v, struct tmpfs_figures *ret,
		  struct err *err)
{
	struct statfs st;
	_cleanup_close_ int fd = open_root(v, &st, err);

	if (fd < 0)
		return fd;
	figures_of(&st, ret);
	return 0;
}

int tmpfs_pristine(const struct tmpfs_volume *v, struct err *err)
{
	const struct tmpfs_options *o = &v->opts;
	struct tmpfs_figures f;
	struct statfs st;
	struct stat root;
	_cleanup_close_ int fd = open_root(v, &st, err);

	if (fd < 0)
		return fd;
	if (fstat(fd, &root) < 0)
		return err_set(err, -errno, "%s: %s", v->base.name,
			       strerror(errno));
	figures_of(&st, &f);
	/* files that are deleted but open count as well */
	return f.used_bytes == 0 && f.used_inodes == 1 &&
	       (root.st_mode & 07777) == o->mode && root.st_uid == o->uid &&
	       root.st_gid == o->gid;
}

static int too_small(uint64_t size, uint64_t used, struct err *err)
{
	return err_set(err, -ENOSPC,
		       "%llu bytes are in use, more than %llu: remove files, "
		       "or choose a larger size",
		       (unsigned long long)used, (unsigned long long)size);
}

int tmpfs_limit_set(const struct tmpfs_volume *v, uint64_t size,
		    struct err *err)
{
	_cleanup_close_ int fs = -EBADF;
	struct tmpfs_figures f;
	int r = tmpfs_figures(v, &f, err);

	if (r == 0 && f.used_bytes > size)
		r = too_small(size, f.used_bytes, err);
	if (r < 0)
		return r;
	fs = mnt_pick(tmpfs_host_of(v)->volumes, v->base.name, err);
	r = fs < 0 ? fs : set_number(fs, "size", size, err);
	if (r == 0)
		r = FAILPOINT("tmpfs.resize.begin");
	if (r < 0)
		return r;
	r = mnt_reconfigure(fs, err);
	/* somebody wrote meanwhile: the kernel had the last word */
	if (r < 0 && tmpfs_figures(v, &f, NULL) == 0 && f.used_bytes > size)
		return too_small(size, f.used_bytes, err);
	return r;
}
