/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of thin volumes: a device that shares its blocks with the volume's,
 * until one of them is written to.
 *
 * While it is taken the volume's device is suspended, which makes its file
 * system whole on it; writers wait for that moment.  Who is killed in it leaves
 * them waiting until the next start, which resumes what is suspended.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/fail.h"
#include "volplugins/thin/crypt.h"

/* Nothing waits for a disk but the pool's own while nobody may write. */
static int copy_frozen(struct thin_host *h, const struct thin_record *origin,
		       uint32_t number, struct err *err)
{
	int r = thin_block_freeze(&h->pool, origin, err), thawed;

	if (r < 0)
		return r;
	r = FAILPOINT("thin.copy.frozen");
	if (r == 0)
		r = thin_device_make(&h->pool, number, origin->number, err);
	thawed = thin_block_thaw(&h->pool, origin, r < 0 ? NULL : err);
	return r < 0 ? r : thawed;
}

int thin_copy(struct thin_host *h, const struct thin_record *origin,
	      unsigned int full, uint32_t *ret, struct err *err)
{
	uint32_t number = 0;
	int r = thin_pool_room(&h->pool, full, 0, err);

	if (r == 0)
		r = thin_device_begin(&h->pool, &number, err);
	if (r < 0)
		return r;
	r = copy_frozen(h, origin, number, err);
	if (r < 0)
		(void)thin_device_del(&h->pool, number, NULL);
	else
		*ret = number;
	return r;
}

static int know_snap(struct thin_volume *v, const char *snap,
		     struct thin_record *ret, struct err *err)
{
	char key[THIN_KEY_MAX];
	int r;

	thin_key(key, v->base.name, snap);
	r = thin_load(thin_host_of(v), key, ret, err);
	return r == -ENOENT ? err_set(err, r, "volume %s has no snapshot %s",
				      v->base.name, snap)
			    : r;
}

static void set_created(struct thin_record *rec)
{
	time_t now = time(NULL);
	struct tm tm;

	rec->created[0] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(rec->created, sizeof(rec->created),
			 "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int add(struct thin_volume *v, const char *snap, struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	struct thin_record rec = v->rec;
	int r = thin_is_mounted(v, err);

	if (r == 1)
		(void)thin_statfs(v, &rec.used, NULL);
	else if (v->used_at)
		rec.used = v->used;
	set_created(&rec);
	/* what saves data is let in where little room is left (vol_view.c) */
	if (r >= 0)
		r = thin_copy(h, &v->rec,
			      *snap == '.' ? THIN_FULL_OWN : THIN_FULL,
			      &rec.number, err);
	if (r < 0)
		return r;
	r = FAILPOINT("thin.snapshot.taken");
	if (r == 0)
		r = thin_save_snap(h, v->base.name, snap, &rec, err);
	if (r < 0)
		(void)thin_device_del(&h->pool, rec.number, NULL);
	return r;
}

int thin_snapshot_add(struct vol_volume *base, const char *snap,
		      struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record there;
	int r = thin_know(v, err);

	if (r == 0 && know_snap(v, snap, &there, NULL) == 0)
		return err_set(err, -EEXIST,
			       "volume %s has a snapshot %s already",
			       base->name, snap);
	if (r == 0)
		r = add(v, snap, err);
	return r < 0 ? err_wrap(err, r, "snapshot %s of volume %s", snap,
				base->name)
		     : 0;
}

int thin_snapshot_del(struct vol_volume *base, const char *snap,
		      struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record rec;
	char key[THIN_KEY_MAX];
	int r = know_snap(v, snap, &rec, err);

	if (r < 0)
		return r;
	thin_key(key, base->name, snap);
	r = thin_forget(thin_host_of(v), key, rec.number, err);
	return r < 0 ? err_wrap(err, r, "snapshot %s of volume %s", snap,
				base->name)
		     : 0;
}

struct listing {
	void (*fn)(void *ctx, const struct vol_snapshot *s);
	void *ctx;
};

static int list_one(void *ctx, const char *snap, const struct thin_record *rec)
{
	const struct listing *l = ctx;
	struct vol_snapshot s = { 0 };

	snprintf(s.name, sizeof(s.name), "%s", snap);
	snprintf(s.created, sizeof(s.created), "%s", rec->created);
	s.used_known = rec->used != 0;
	s.used_bytes = rec->used;
	l->fn(l->ctx, &s);
	return 0;
}

int thin_snapshots(struct vol_volume *base,
		   void (*fn)(void *ctx, const struct vol_snapshot *s),
		   void *ctx, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct listing l = { .fn = fn, .ctx = ctx };

	return thin_each_snap(thin_host_of(v), base->name, list_one, &l, err);
}

/* Its device can be written to, the mount can't: what was copied of a file system
 * in use may have a journal to go through. */
int thin_snapshot_open(struct vol_volume *base, const char *snap,
		       struct err *err)
{
	struct thin_volume *v = to_thin(base);
	_cleanup_close_ int mount = -EBADF;
	struct thin_record rec;
	int r = know_snap(v, snap, &rec, err);

	if (r == 0)
		r = thin_pool_use(&thin_host_of(v)->pool, false, err);
	if (r == 0)
		r = mount = thin_mount(thin_host_of(v), &rec, true, err);
	return r < 0 ? r : thin_root_of(mount, err);
}

/* ---- going back -------------------------------------------------------------- */

/* A copy of the snapshot takes the place of the volume's device, in one
 * transaction. */
static int exchange(struct thin_volume *v, const struct thin_record *snap,
		    struct err *err)
{
	struct thin_host *h = thin_host_of(v);
	struct thin_record rec = v->rec;
	uint32_t old = v->rec.number;
	int r = thin_pool_changeable(&h->pool, err);

	if (r == 0)
		r = thin_copy(h, snap, THIN_FULL, &rec.number, err);
	if (r < 0)
		return r;
	rec.device = snap->device;
	rec.used = snap->used;
	rec.touched = true;
	if (rec.size > snap->size)
		r = thin_fit(h, &rec, err);
	if (r == 0)
		r = FAILPOINT("thin.rollback.copied");
	if (r == 0)
		r = thin_save(h, v->base.name, &rec, old, err);
	if (r < 0) {
		(void)thin_device_del(&h->pool, rec.number, NULL);
		return r;
	}
	v->rec = rec;
	thin_note_usage(v, rec.used);
	(void)FAILPOINT("thin.rollback.exchanged"); /* it is done */
	(void)thin_device_del(&h->pool, old, NULL);
	return 0;
}

int thin_rollback(struct vol_volume *base, const char *snap, struct err *err)
{
	struct thin_volume *v = to_thin(base);
	struct thin_record rec;
	int r = thin_know(v, err);

	if (r == 0)
		r = know_snap(v, snap, &rec, err);
	if (r == 0)
		r = thin_pool_use(&thin_host_of(v)->pool, false, err);
	if (r == 0)
		r = thin_is_mounted(v, err);
	if (r == 1)
		r = err_set(err, -EBUSY, "it is mounted");
	if (r == 0)
		r = exchange(v, &rec, err);
	return r < 0 ? err_wrap(err, r, "volume %s stays as it is", base->name)
		     : 0;
}
