/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a named volume's directory; named.h shows where it is, backing.h
 * what is in it.
 */
#include "volplugins/named/named.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/mnt.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

/* The volume's directory, not yet its data.  Return: fd; -errno. */
static int open_volume(const struct named_volume *v, struct err *err)
{
	return tree_open(named_host_of(v)->volumes, v->base.name, err);
}

/* What @dir is made of, into @v. */
static int know(struct named_volume *v, int dir, struct err *err)
{
	struct named_meta m;
	int r;

	if (v->backing)
		return 0;
	r = named_meta_read(dir, &m, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s", v->base.name);
	v->backing = named_backing_find(m.backing);
	if (!v->backing)
		return err_set(err, -EPROTONOSUPPORT,
			       "volume %s: backing %s is not known to this "
			       "version",
			       v->base.name, m.backing);
	v->meta = m;
	return 0;
}

int named_open(struct named_volume *v, struct err *err)
{
	_cleanup_close_ int dir = open_volume(v, err);
	int r = dir < 0 ? dir : know(v, dir, err);

	return r < 0 ? r : take_fd(dir);
}

/* ---- making ------------------------------------------------------------ */

int named_data_own(const struct named_volume *v, int data)
{
	const struct named_options *o = &v->opts;

	/* the mode last: a change of owner takes set-id bits away */
	return fchown(data, o->uid, o->gid) < 0 || fchmod(data, o->mode) < 0
		       ? -errno
		       : 0;
}

int named_data_make(const struct named_volume *v, int dir, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (mkdirat(dir, NAMED_DATA, 0700) < 0)
		return errno == EEXIST
			       ? 0
			       : err_set(err, -errno, "make " NAMED_DATA ": %s",
					 strerror(errno));
	fd = tree_open(dir, NAMED_DATA, err);
	if (fd < 0)
		return fd;
	r = named_data_own(v, fd);
	if (r < 0) {
		unlinkat(dir, NAMED_DATA, AT_REMOVEDIR);
		return err_set(err, r, "set up " NAMED_DATA ": %s",
			       strerror(-r));
	}
	return 0;
}

int named_data_sync(int dir, struct err *err)
{
	_cleanup_close_ int fd = tree_open(dir, NAMED_DATA, err);
	int r = fd < 0 ? fd : tree_sync(fd);

	if (fd < 0)
		return r;
	if (r == 0)
		r = tree_sync(dir);
	return r < 0 ? err_set(err, r, "sync " NAMED_DATA ": %s", strerror(-r))
		     : 0;
}

/* ---- taking away -------------------------------------------------------- */

static int detach(struct named_volume *v, int dir, struct err *err)
{
	struct vol_usage u = { 0 };

	if (!v->backing->detach)
		return 0;
	(void)named_usage(v, dir, &u, NULL); /* remembered for later */
	return v->backing->detach(v, dir, err);
}

/* Is @name all there is in the directory @fd, just opened?  "": nothing is. */
static bool holds_only(int fd, const char *name)
{
	char buf[512] __attribute__((aligned(__alignof__(struct dirent64))));
	ssize_t n = getdents64(fd, buf, sizeof(buf)), at = 0;

	while (at < n) {
		const struct dirent64 *d = (const void *)(buf + at);

		if (strcmp(d->d_name, ".") != 0 &&
		    strcmp(d->d_name, "..") != 0 &&
		    strcmp(d->d_name, name) != 0)
			return false;
		at += d->d_reclen;
	}
	/* one answer may not be all of them */
	return n > 0 && getdents64(fd, buf, sizeof(buf)) == 0;
}

/*
 * A plain directory without data, as most that are removed, with nothing in the
 * way: looked at in a few calls.  False: who knows, look properly.
 */
static bool is_bare(int dir)
{
	_cleanup_close_ int data = -EBADF;
	struct statx sx;

	if (!holds_only(dir, NAMED_DATA))
		return false;
	data = tree_open(dir, NAMED_DATA, NULL);
	if (data < 0 || statx(data, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
			      STATX_TYPE, &sx) < 0)
		return false;
	return (sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) &&
	       !(sx.stx_attributes &
		 (STATX_ATTR_MOUNT_ROOT | STATX_ATTR_IMMUTABLE |
		  STATX_ATTR_APPEND)) &&
	       holds_only(data, "");
}

/* Nothing of it in use, and nothing in it that would stay. */
static int removable(struct named_volume *v, int dir, struct err *err)
{
	int r = detach(v, dir, err);

	if (r < 0)
		return r;
	return v->backing->removable ? v->backing->removable(v, dir, err)
				     : tree_removable(dir, err);
}

static int remove_volume(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	struct named_host *h = named_host_of(v);
	_cleanup_close_ int dir = named_open(v, err);
	char heap[NAMED_HEAP_MAX];
	bool later, bare;
	int r;

	if (dir == -ENOENT)
		return VOL_LATER; /* an earlier life's */
	bare = dir >= 0 && v->backing == &named_directory && is_bare(dir);
	r = dir < 0 ? dir : bare ? 0 : removable(v, dir, err);
	if (r < 0)
		return err_wrap(err, r, "volume %s stays", base->name);
	r = FAILPOINT("named.remove.checked");
	if (r == 0)
		r = named_trash_put(&h->trash, h->volumes, base->name, heap,
				    err);
	if (r < 0)
		return r;
	/* from here it is removed, whatever else goes wrong */
	later = v->backing == &named_directory;
	named_walker_forget(&h->walker, base->name);
	/* what is more than files has to be gone before its parts are */
	if (!later)
		(void)tree_sync(h->volumes);
	(void)FAILPOINT("named.remove.moved");
	/* nobody waits for the room of two empty directories */
	if (bare)
		named_trash_later(&h->trash, heap);
	else
		named_trash_delete(&h->trash, heap);
	return later ? VOL_LATER : 0;
}

/* ---- use ---------------------------------------------------------------- */

static int verify_at(struct named_volume *v, int dir, struct err *err)
{
	int r = dir < 0 ? dir : v->backing->verify(v, dir, err);

	if (r == -ENOENT)
		return err_set(err, -ENOENT,
			       "its %s is gone: restore it, or remove the "
			       "volume",
			       v->backing ? v->backing->name : "directory");
	return r;
}

static int verify(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r = verify_at(v, dir, err);

	if (r < 0)
		return r;
	if (v->opts.size && v->opts.size != v->meta.size)
		return err_set(err, -EUCLEAN,
			       "its limit is %llu bytes, its record says %llu: "
			       "resize it again",
			       (unsigned long long)v->meta.size,
			       (unsigned long long)v->opts.size);
	if (!base->users && v->backing->detach &&
	    mnt_is_mounted(dir, NAMED_DATA, NULL) == 1)
		return err_set(err, -EBUSY,
			       "it is mounted, though nobody uses it: netctl "
			       "gc unmounts it");
	return 0;
}

static int mount_volume(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r = verify_at(v, dir, err);

	if (r == 0 && v->backing->attach)
		r = v->backing->attach(v, dir, err);
	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

static int unmount_volume(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r = dir == -ENOENT ? 0 : dir < 0 ? dir : detach(v, dir, err);

	return r < 0 ? err_wrap(err, r, "volume %s", base->name) : 0;
}

/* It was resized to @size, which can't be written down: back to what is.  An image that
 * grew stays so, larger than is said until the resize comes again. */
static void size_back(struct named_volume *v, int dir, uint64_t size)
{
	uint64_t old = v->meta.size;

	v->meta.size = size;
	(void)v->backing->resize(v, dir, old, NULL);
	v->meta.size = old;
}

static int resize(struct vol_volume *base, uint64_t size, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	struct named_meta m;
	int r = verify_at(v, dir, err);

	if (r == 0)
		r = named_size_round(&size, err);
	if (r == 0 && !v->backing->resize)
		r = err_set(err, -EOPNOTSUPP,
			    "backing=%s has no limit of its own",
			    v->backing->name);
	if (r == 0)
		r = v->backing->resize(v, dir, size, err);
	m = v->meta;
	m.size = size;
	if (r == 0) {
		r = named_meta_write(dir, &m, err);
		if (r < 0)
			size_back(v, dir, size);
	}
	if (r < 0)
		return err_wrap(err, r, "volume %s", base->name);
	v->meta = m;
	v->opts.size = size;
	return 0;
}

static int path(const struct vol_volume *v, char *buf, size_t size,
		struct err *err)
{
	const struct named_host *h = v->host;
	int n = snprintf(buf, size, "%s/%s/" NAMED_DATA, h->root, v->name);

	if (n < 0 || (size_t)n >= size)
		return err_set(err, -ENAMETOOLONG, "volume %s: path too long",
			       v->name);
	return 0;
}

/* ---- telling ------------------------------------------------------------ */

static int64_t boot_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec + 1; /* 0 is never */
}

void named_note_usage(struct named_volume *v, uint64_t used)
{
	v->used = used;
	v->used_at = boot_s();
}

int named_usage(struct named_volume *v, int dir, struct vol_usage *ret,
		struct err *err)
{
	int r = v->backing->usage ? v->backing->usage(v, dir, ret, err)
				  : -ENODATA;

	if (r == 0 && ret->used_known && !ret->age_s)
		named_note_usage(v, ret->used_bytes);
	if (r == -ENODATA && v->used_at) {
		ret->used_known = true;
		ret->used_bytes = v->used;
		ret->age_s = (uint64_t)(boot_s() - v->used_at);
	}
	if (!ret->limit_bytes)
		ret->limit_bytes = v->meta.size;
	return r == -ENODATA ? 0 : r;
}

/* A volume whose directory is gone is still told, without figures. */
static int usage(struct vol_volume *base, struct vol_usage *ret,
		 struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, NULL);

	return dir < 0 ? 0 : named_usage(v, dir, ret, err);
}

static int status(struct vol_volume *base, json_object *to, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, NULL);
	int r;

	r = answer_text(to, "backing",
			v->backing ? v->backing->name : "missing");
	if (r == 0 && dir >= 0 && v->meta.fs[0])
		r = answer_text(to, "fs", v->meta.fs);
	if (r < 0)
		return answer_no_memory(err);
	return dir >= 0 && v->backing->status
		       ? v->backing->status(v, dir, to, err)
		       : 0;
}

const struct vol_driver named_driver = {
	.name = "berth-named",
	.summary = "Docker volumes as directories on this host",
	.volume_size = sizeof(struct named_volume),
	.options_offset = offsetof(struct named_volume, opts),
	.options_size = sizeof(struct named_options),
	.options = named_options,
	.host_open = named_host_open,
	.host_close = named_host_close,
	.defaults = named_defaults,
	.init = named_init,
	.create = named_create,
	.unmake = named_unmake,
	.remove = remove_volume,
	.flush = named_flush,
	.mount = mount_volume,
	.unmount = unmount_volume,
	.resize = resize,
	.rename = named_rename,
	.path = path,
	.usage = usage,
	.status = status,
	.verify = verify,
	.snapshot_add = named_snapshot_add,
	.snapshot_del = named_snapshot_del,
	.snapshots = named_snapshots,
	.snapshot_open = named_snapshot_open,
	.rollback = named_rollback,
	.clone = named_clone,
	.stage = named_stage,
	.settle = named_settle,
	.unstage = named_unstage,
	.check = named_host_check,
	.gc = named_host_gc,
};
