/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of a named volume: NAME/snapshots/SNAPSHOT, a subvolume or a file
 * by what the volume is made of.  They go where the volume's directory goes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/tree.h"
#include "volplugins/named/named_priv.h"

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

void named_created(int64_t at_s, char buf[static 32])
{
	time_t at = (time_t)at_s;
	struct tm tm;

	buf[0] = '\0';
	if (at_s > 0 && gmtime_r(&at, &tm))
		strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int named_snaps_open(int dir, struct err *err)
{
	return tree_open(dir, NAMED_SNAPS, err);
}

static int snaps_make(int dir, struct err *err)
{
	int r = mkdirat(dir, NAMED_SNAPS, 0700) < 0 ? -errno : 0;

	if (r == 0)
		r = tree_sync(dir);
	if (r < 0 && r != -EEXIST)
		return err_set(err, r, "make directory " NAMED_SNAPS ": %s",
			       strerror(-r));
	return named_snaps_open(dir, err);
}

int named_snaps_each(int snaps, int (*fn)(void *ctx, const char *name),
		     void *ctx, struct err *err)
{
	_cleanup_close_ int fd =
		openat(snaps, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "read " NAMED_SNAPS ": %s",
			       strerror(errno));
	(void)take_fd(fd);
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = fn(ctx, entry->d_name);
	return r;
}

/* The volume's directory, and is what it is made of able to? */
static int open_able(struct named_volume *v, struct err *err)
{
	_cleanup_close_ int dir = named_open(v, err);
	int r = dir < 0 ? dir : 0;

	if (r == 0 && !v->backing->snap_add)
		r = named_cannot(v, "snapshotted", err);
	if (r == 0)
		r = v->backing->verify(v, dir, err);
	return r < 0 ? r : take_fd(dir);
}

int named_snapshot_add(struct vol_volume *base, const char *snap,
		       struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = open_able(v, err), snaps = -EBADF;
	int r = dir < 0 ? dir : 0;

	if (r == 0)
		r = snaps = snaps_make(dir, err);
	if (r >= 0)
		r = v->backing->snap_add(v, dir, snaps, snap, err);
	if (r >= 0 || r == -EOPNOTSUPP)
		return r < 0 ? r : 0;
	return err_wrap(err, r, "snapshot %s of volume %s", snap, base->name);
}

int named_snapshot_del(struct vol_volume *base, const char *snap,
		       struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err), snaps = -EBADF;
	int r = dir < 0 ? dir : 0;

	if (r < 0)
		return err_wrap(err, r, "snapshot %s of volume %s", snap,
				base->name);
	if (!v->backing->snap_del)
		return err_wrap(err, named_cannot(v, "snapshotted", err),
				"snapshot %s of volume %s", snap, base->name);
	r = snaps = named_snaps_open(dir, err);
	if (r >= 0)
		r = v->backing->snap_del(named_host_of(v), snaps, snap, err);
	return r < 0 ? err_wrap(err, r, "snapshot %s of volume %s", snap,
				base->name)
		     : 0;
}

struct listing {
	struct named_volume *v;
	int snaps;
	void (*fn)(void *ctx, const struct vol_snapshot *s);
	void *ctx;
	struct err *err;
};

static int list_one(void *ctx, const char *name)
{
	const struct listing *l = ctx;
	struct vol_snapshot s = { 0 };
	int r = l->v->backing->snap_get(l->snaps, name, &s, l->err);

	if (r < 0)
		return r == -ENOENT ? 0 : r; /* half made, or gone meanwhile */
	snprintf(s.name, sizeof(s.name), "%s", name);
	l->fn(l->ctx, &s);
	return 0;
}

int named_snapshots(struct vol_volume *base,
		    void (*fn)(void *ctx, const struct vol_snapshot *s),
		    void *ctx, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = named_open(v, err), snaps = -EBADF;
	struct listing l = { .v = v, .fn = fn, .ctx = ctx, .err = err };

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (!v->backing->snap_get)
		return 0;
	l.snaps = snaps = named_snaps_open(dir, err);
	if (snaps < 0)
		return snaps == -ENOENT ? 0 : snaps;
	return named_snaps_each(snaps, list_one, &l, err);
}

int named_snapshot_open(struct vol_volume *base, const char *snap,
			struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = open_able(v, err), snaps = -EBADF;
	struct vol_snapshot s;
	int r = dir < 0 ? dir : 0;

	if (r == 0)
		r = snaps = named_snaps_open(dir, err);
	if (r >= 0)
		r = v->backing->snap_get(snaps, snap, &s, err);
	if (r == 0)
		r = v->backing->snap_open(v, snaps, snap, err);
	if (r == -ENOENT)
		return err_set(err, r, "volume %s has no snapshot %s",
			       base->name, snap);
	return r;
}

/* ---- going back ---------------------------------------------------------- */

/* .staging/NAME gets what the snapshot has; then the two exchange their bodies,
 * in one step, and the old one goes as a removed volume does. */
static int exchange(struct named_volume *v, int dir, int staged,
		    struct err *err)
{
	const char *body = v->backing->body;
	int r = FAILPOINT("named.rollback.staged");

	if (r == 0 && renameat2(staged, body, dir, body, RENAME_EXCHANGE) < 0)
		r = err_set(err, -errno, "exchange %s: %s", body,
			    strerror(errno));
	if (r == 0)
		(void)tree_sync(dir); /* a power cut may undo it, whole */
	return r;
}

static int roll_back(struct named_volume *v, int dir, const char *snap,
		     struct err *err)
{
	_cleanup_close_ int snaps = named_snaps_open(dir, err), staged = -EBADF;
	struct vol_snapshot s;
	int r = snaps < 0 ? snaps : v->backing->snap_get(snaps, snap, &s, err);

	if (r == 0 && v->backing->replaceable)
		r = v->backing->replaceable(v, dir, err);
	if (r < 0)
		return r;
	r = staged = named_stage_open(v, err);
	if (r >= 0)
		r = v->backing->copy(v, staged, v, dir, snaps, snap, err);
	if (r == 0)
		r = exchange(v, dir, staged, err);
	if (r == 0)
		(void)FAILPOINT("named.rollback.exchanged"); /* it is done */
	named_stage_drop(v);
	return r;
}

int named_rollback(struct vol_volume *base, const char *snap, struct err *err)
{
	struct named_volume *v = to_named(base);
	_cleanup_close_ int dir = open_able(v, err);
	int r = dir < 0 ? dir : roll_back(v, dir, snap, err);

	return r < 0 ? err_wrap(err, r, "volume %s stays as it is", base->name)
		     : 0;
}
