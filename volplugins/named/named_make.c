/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a named volume: built in .staging, put in place by one rename.
 *
 * Three ways: empty (.create), as a copy of another (.clone), or filled by
 * somebody else before it is put in place (.stage, .settle).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "lib/fail.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

int named_stage_open(struct named_volume *v, struct err *err)
{
	const struct named_host *h = named_host_of(v);
	_cleanup_close_ int dir = -EBADF;
	int r;

	if (mkdirat(h->staging, v->base.name, 0700) < 0)
		return err_set(err, -errno, "make directory %s: %s",
			       v->base.name, strerror(errno));
	dir = tree_open(h->staging, v->base.name, err);
	r = dir < 0 ? dir : FAILPOINT("named.create.staged");
	if (r == 0)
		r = named_meta_write(dir, &v->meta, err);
	return r < 0 ? r : take_fd(dir);
}

/* .staging/NAME with all that belongs in it. */
static int stage(struct named_volume *v, struct err *err)
{
	_cleanup_close_ int dir = named_stage_open(v, err);

	return dir < 0 ? dir : v->backing->make(v, dir, err);
}

/* Of a new volume, which has hardly anything in it. */
static void unstage(struct named_volume *v)
{
	struct named_host *h = named_host_of(v);
	_cleanup_close_ int dir = tree_open(h->staging, v->base.name, NULL);

	/* what stays is the next start's */
	if (dir >= 0 && named_purge(h, dir, NULL) == 0 &&
	    tree_empty(dir, NULL, NULL, NULL) == 0)
		unlinkat(h->staging, v->base.name, AT_REMOVEDIR);
	v->backing = NULL;
}

void named_stage_drop(struct named_volume *v)
{
	struct named_host *h = named_host_of(v);
	char heap[NAMED_HEAP_MAX];

	/* what stays is the next start's */
	if (named_trash_put(&h->trash, h->staging, v->base.name, heap, NULL) ==
	    0)
		named_trash_delete(&h->trash, heap);
}

/* The one step that makes it a volume. */
static int put_in_place(struct named_volume *v, struct err *err)
{
	const struct named_host *h = named_host_of(v);
	const char *name = v->base.name;
	int r = FAILPOINT("named.create.ready");

	if (r == 0) {
		r = tree_rename_new(h->staging, name, h->volumes, name);
		if (r < 0)
			err_set(err, r, "put directory %s in place: %s", name,
				strerror(-r));
	}
	return r;
}

static int is_in_place(struct named_volume *v, struct err *err)
{
	const struct named_host *h = named_host_of(v);
	int r = tree_sync(h->volumes); /* else a power cut may undo it */

	return r < 0 ? err_set(err, r, "directory %s: %s", v->base.name,
			       strerror(-r))
		     : 0;
}

/* ---- empty ----------------------------------------------------------------- */

static int make_volume(struct named_volume *v, struct err *err)
{
	int r = named_choose(v, err);

	if (r < 0)
		return r;
	r = stage(v, err);
	if (r == 0)
		r = put_in_place(v, err);
	if (r < 0) {
		unstage(v);
		return r;
	}
	/* of a directory nothing is synced yet, and it is soon made again */
	return v->backing == &named_directory ? VOL_LATER : is_in_place(v, err);
}

/* One whose name is there or not, or is something that we did not make: then
 * it must not keep the others from the disk. */
static int flush_one(const struct named_host *h, const char *name,
		     struct err *err)
{
	_cleanup_close_ int dir = tree_open(h->volumes, name, NULL);
	int r = dir < 0 ? dir : named_data_sync(dir, NULL);

	if (r == 0 || r == -ENOENT || r == -ENOTDIR)
		return 0;
	return err_set(err, r, "sync directory %s: %s", name, strerror(-r));
}

int named_flush(void *host, const char *const *names, struct err *err)
{
	const struct named_host *h = host;
	int r = 0;

	for (; *names && r == 0 && !h->ordered; names++)
		r = flush_one(h, *names, err);
	if (r < 0)
		return r;
	r = tree_sync(h->volumes);
	/* what is still in .staging is emptied by the next start */
	if (r == 0 && !h->ordered)
		r = tree_sync(h->staging);
	return r < 0 ? err_set(err, r, "sync %s: %s", h->root, strerror(-r))
		     : 0;
}

/* Found: whoever made it, what is in it is not touched. */
static int take_up(struct named_volume *v, int dir, struct err *err)
{
	int r = named_fits(v, err);

	if (r < 0)
		return r;
	r = v->backing->verify(v, dir, err);
	if (r == -ENOENT && v->backing == &named_directory) {
		r = v->backing->make(v, dir, err);
		if (r == 0)
			r = named_data_sync(dir, err);
		if (r < 0)
			return r;
	} else if (r < 0) {
		return err_wrap(err, r, "volume %s", v->base.name);
	}
	/* who made it may have been killed before it did this */
	if (r == 0)
		r = tree_sync(named_host_of(v)->volumes);
	return r < 0 ? err_set(err, r, "directory %s: %s", v->base.name,
			       strerror(-r))
		     : VOL_FOUND;
}

/* A directory that nobody has now is made again, as Docker's local does. */
static int may_make_again(struct named_volume *v, struct err *err)
{
	int r = named_choose(v, err);

	if (r < 0 ||
	    (!v->base.users && !v->base.from.name[0] &&
	     (v->backing == &named_directory || v->backing == &named_mount)))
		return r;
	return err_set(err, -ENOENT,
		       "volume %s: its %s is gone: restore it, or remove the "
		       "volume",
		       v->base.name, v->backing->name);
}

int named_create(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r;

	if (dir == -ENOENT) {
		r = base->recorded ? may_make_again(v, err) : 0;
		return r < 0 ? r : make_volume(v, err);
	}
	return dir < 0 ? dir : take_up(v, dir, err);
}

/* ---- a copy ------------------------------------------------------------------ */

/* Fill the staged @dir, and note when that was. */
static int fill_copy(struct named_volume *v, int dir, struct named_volume *src,
		     int from, const char *snap, struct err *err)
{
	_cleanup_close_ int snaps = -EBADF;
	struct vol_snapshot s;
	int r = 0;

	if (*snap) {
		snaps = named_snaps_open(from, NULL);
		r = snaps < 0 ? snaps
			      : v->backing->snap_get(snaps, snap, &s, err);
		if (r == -ENOENT)
			return err_set(err, r, "volume %s has no snapshot %s",
				       src->base.name, snap);
	}
	if (r == 0)
		r = v->backing->copy(v, dir, src, from, snaps,
				     *snap ? snap : NULL, err);
	if (r == 0)
		r = v->backing->stamp(dir, &v->meta.made, err);
	memcpy(v->meta.created, v->base.created, sizeof(v->meta.created));
	if (r == 0)
		r = FAILPOINT("named.clone.copied");
	return r == 0 ? named_meta_write(dir, &v->meta, err) : r;
}

static int make_copy(struct named_volume *v, struct named_volume *src,
		     const char *snap, struct err *err)
{
	_cleanup_close_ int from = named_open(src, err), dir = -EBADF;
	int r = from < 0 ? from : src->backing->verify(src, from, err);

	if (r < 0)
		return err_wrap(err, r, "copy of %s", src->base.name);
	r = named_choose_copy(v, src, err);
	if (r < 0)
		return r;
	r = dir = named_stage_open(v, err);
	if (r >= 0)
		r = fill_copy(v, dir, src, from, snap, err);
	if (r == 0)
		r = put_in_place(v, err);
	if (r < 0) {
		named_stage_drop(v);
		v->backing = NULL;
		return err_wrap(err, r, "copy of %s", src->base.name);
	}
	return is_in_place(v, err);
}

int named_clone(struct vol_volume *base, struct vol_volume *src,
		const char *snap, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);

	if (dir >= 0)
		return take_up(v, dir, err);
	if (dir != -ENOENT)
		return dir;
	if (!src)
		return err_set(err, -ENOENT,
			       "option from: there is no volume %s",
			       base->from.name);
	return make_copy(v, to_named(src), snap, err);
}

/* ---- filled by somebody else --------------------------------------------------- */

static int open_staged(struct named_volume *v, struct err *err)
{
	const struct named_host *h = named_host_of(v);
	_cleanup_close_ int dir = tree_open(h->staging, v->base.name, err);

	if (dir < 0)
		return dir;
	return v->backing->fill ? v->backing->fill(v, dir, err)
				: tree_open(dir, NAMED_DATA, err);
}

int named_stage(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r, fd;

	if (dir >= 0)
		return err_set(err, -EEXIST,
			       "directory %s is there already: docker volume "
			       "create -d %s %s takes it up as it is",
			       base->name, named_driver.name, base->name);
	if (dir != -ENOENT)
		return dir;
	r = named_choose(v, err);
	if (r == 0 && v->backing->detach && !v->backing->fill)
		r = err_set(err, -EOPNOTSUPP,
			    "what is mounted by type=, o= and device= is not "
			    "filled from here");
	if (r < 0)
		return r;
	r = stage(v, err);
	if (r < 0) {
		unstage(v);
		return r;
	}
	fd = open_staged(v, err);
	if (fd < 0)
		unstage(v);
	return fd;
}

int named_settle(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int fd = -EBADF;
	struct statfs sf;
	int r;

	/* the last figure there is, of a file system of its own */
	if (v->backing->fill) {
		fd = open_staged(v, err);
		if (fd < 0)
			return fd;
		if (fstatfs(fd, &sf) == 0)
			named_note_usage(v,
					 (uint64_t)(sf.f_blocks - sf.f_bfree) *
						 (uint64_t)sf.f_bsize);
		closep(&fd);
		fd = -EBADF;
	}
	r = put_in_place(v, err);
	return r == 0 ? is_in_place(v, err) : r;
}

void named_unstage(struct vol_volume *base)
{
	named_stage_drop(to_named(base));
}

/* ---- taken back ------------------------------------------------------------------ */

/* A copy is full from the start: this Create made it and nobody has written to
 * it, or it stays. */
static int unmake_copy(struct named_volume *v, int dir, struct err *err)
{
	struct named_host *h = named_host_of(v);
	char heap[NAMED_HEAP_MAX];
	uint64_t now = 0;
	int r;

	if (!v->base.created[0] ||
	    strcmp(v->meta.created, v->base.created) != 0)
		return err_set(err, -ENOTEMPTY,
			       "volume %s is a copy that was there before",
			       v->base.name);
	r = v->backing->stamp ? v->backing->stamp(dir, &now, err) : 0;
	if (r < 0)
		return r;
	if (!now || now != v->meta.made)
		return err_set(err, -ENOTEMPTY,
			       "volume %s was written to since it was copied",
			       v->base.name);
	r = named_trash_put(&h->trash, h->volumes, v->base.name, heap, err);
	if (r < 0)
		return r;
	(void)tree_sync(h->volumes); /* before its parts go: as a removal */
	named_trash_delete(&h->trash, heap);
	return 0;
}

/* What is empty now may not have been so in them. */
static int no_snapshots(const struct named_volume *v, int dir, struct err *err)
{
	if (unlinkat(dir, NAMED_SNAPS, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
		       "directory %s/" NAMED_SNAPS ": %s", v->base.name,
		       strerror(errno));
}

int named_unmake(struct vol_volume *base, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err);
	int r;

	if (dir == -ENOENT)
		return 0;
	if (dir >= 0 && v->meta.from[0])
		return unmake_copy(v, dir, err);
	r = dir < 0 ? dir : no_snapshots(v, dir, err);
	if (r == 0)
		r = v->backing->unmake(v, dir, err);
	if (r == 0)
		r = named_meta_remove(dir, err);
	named_walker_forget(&named_host_of(v)->walker, base->name);
	if (r < 0)
		return err_wrap(err, r, "take back directory %s", base->name);
	if (unlinkat(named_host_of(v)->volumes, base->name, AT_REMOVEDIR) < 0 &&
	    errno != ENOENT)
		return err_set(err, errno == EEXIST ? -ENOTEMPTY : -errno,
			       "take back directory %s: %s", base->name,
			       strerror(errno));
	(void)tree_sync(named_host_of(v)->volumes);
	return 0;
}

/* ---- another name ----------------------------------------------------------- */

int named_rename(struct vol_volume *base, const char *name, struct err *err)
{
	struct named_host *h = base->host;
	_cleanup_close_ int there = -EBADF;
	int r = tree_rename_new(h->volumes, base->name, h->volumes, name);

	if (r == -ENOENT) {
		there = tree_open(h->volumes, name, NULL);
		r = there < 0 ? r : 0; /* done before */
	}
	if (r == -EEXIST)
		return err_set(err, r,
			       "there is a directory %s/%s that no volume "
			       "owns: make one of it (netctl volume create "
			       "%s), or move it away",
			       h->root, name, name);
	if (r == 0) {
		r = FAILPOINT("named.rename.moved");
		if (r == 0)
			r = tree_sync(h->volumes);
		if (r < 0)
			(void)tree_rename_new(h->volumes, name, h->volumes,
					      base->name);
	}
	if (r < 0)
		return err_set(err, r, "rename directory %s to %s: %s",
			       base->name, name, strerror(-r));
	named_walker_forget(&h->walker, base->name);
	return 0;
}
