/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of a volume: keep, delete, go back to one.
 *
 * What the driver lists is what there is: a snapshot has no record that could
 * say something else.  So only the intent is written, and whether the name is
 * taken is asked before it: an open intent of a snapshot is undone at the next
 * start by deleting that name, of the others it is carried out.
 *
 * These come from netctl, which repeats a whole request when its connection
 * broke.  Where the first one was carried out, its kept answer tells that "there
 * already" and "not there" are what it did itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

const char vol_method_snapshot[] = "Berth.VolumeSnapshot",
	   vol_method_unsnapshot[] = "Berth.VolumeSnapshotRemove",
	   vol_method_rollback[] = "Berth.VolumeRollback";

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static int no_snapshot(const struct vol_entry *e, const char *snap,
		       struct err *err)
{
	return err_set(err, -ENOENT, "volume %s has no snapshot %s", e->name,
		       snap);
}

/* ---- what there is -------------------------------------------------------- */

struct seen {
	const char *name; /* looked for */
	bool found;
	unsigned int count;
	char first[VOL_NAME_MAX];
};

static void look_at(void *ctx, const struct vol_snapshot *s)
{
	struct seen *seen = ctx;

	if (seen->name && strcmp(seen->name, s->name) == 0)
		seen->found = true;
	if (s->name[0] == '.')
		return;
	if (!seen->count || strcmp(s->name, seen->first) < 0)
		snprintf(seen->first, sizeof(seen->first), "%s", s->name);
	seen->count++;
}

static int can(const struct vol_entry *e, struct err *err)
{
	if (e->core->driver->snapshot_add)
		return 0;
	return err_set(err, -EOPNOTSUPP, "volumes of %s have no snapshots",
		       e->core->driver->name);
}

/* Return: 1: it has that one; 0: no; -errno. */
static int has(struct vol_entry *e, const char *snap, struct err *err)
{
	struct seen seen = { .name = snap };
	int r = e->core->driver->snapshots(e->v, look_at, &seen, err);

	return r < 0 ? r : seen.found;
}

int vol_check_kept(struct vol_entry *e, struct err *err)
{
	struct seen seen = { 0 };
	int r = vol_view_check(e->core, e->name, NULL, err);

	if (r == 0 && e->core->driver->snapshots)
		r = e->core->driver->snapshots(e->v, look_at, &seen, err);
	if (r < 0 || !seen.count)
		return r;
	return err_set(err, -ENOTEMPTY,
		       "volume %s has %u snapshot%s (%.64s%s), which would go "
		       "with it: netctl volume rm --snapshots %s removes both, "
		       "netctl volume snapshot rm %s@%.64s one",
		       e->name, seen.count, seen.count > 1 ? "s" : "",
		       seen.first, seen.count > 1 ? ", ..." : "", e->name,
		       e->name, seen.first);
}

/* Somebody's list: without the core's own. */
struct listing {
	void (*fn)(void *ctx, const struct vol_snapshot *s);
	void *ctx;
};

static void list_one(void *ctx, const struct vol_snapshot *s)
{
	const struct listing *l = ctx;

	if (s->name[0] != '.')
		l->fn(l->ctx, s);
}

int vol_snapshots(struct vol_core *core, const char *name,
		  void (*fn)(void *ctx, const struct vol_snapshot *s),
		  void *ctx, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, name);
	struct listing l = { .fn = fn, .ctx = ctx };
	int r = e ? vol_usable(e, err) : no_memory(err);

	if (r < 0 || !core->driver->snapshots)
		return r;
	e->recovered_seq = 0;
	return core->driver->snapshots(e->v, list_one, &l, err);
}

/* ---- changing it ----------------------------------------------------------- */

/* The answer that is kept, also for telling whose it is. */
static char *answer_of(const char *name, const char *snap)
{
	char *text;

	return asprintf(&text, "{\"Name\":\"%s\",\"Snapshot\":\"%s\"}", name,
			snap) < 0
		       ? NULL
		       : text;
}

/* Was this very request carried out, and its answer lost with an earlier life? */
static bool was_done(const struct vol_entry *e, const char *method,
		     const char *snap)
{
	_cleanup_free_ char *want = answer_of(e->name, snap);

	return want && journal_was_done(e->core->d->state, method, want);
}

static int commit(struct vol_entry *e, const char *snap, uint64_t seq,
		  struct err *err)
{
	_cleanup_free_ char *answer = answer_of(e->name, snap);
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r = answer ? store_begin(s, err) : no_memory(err);

	if (r == 0)
		r = journal_commit(s, seq, answer, err);
	return r < 0 ? r : store_commit(s, err);
}

/* The locked volume, that somebody knows of now. */
static int take(struct vol_core *core, const char *name, struct vol_entry **ret,
		struct err *err)
{
	struct vol_entry *e = vol_entry_take(core, name);
	int r;

	*ret = e;
	r = e ? vol_usable(e, err) : no_memory(err);
	if (r == 0)
		r = can(e, err);
	if (r == 0)
		e->recovered_seq = 0;
	return r;
}

static int begin(struct vol_entry *e, const char *method, const char *snap,
		 uint64_t *ret, struct err *err)
{
	struct vol_request q = { 0 };

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.snap, sizeof(q.snap), "%s", snap);
	return vol_begin_copy(e, method, &q, ret, err);
}

static int snapshot_apply(struct vol_entry *e, const char *snap, uint64_t seq,
			  struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	int r = driver->snapshot_add(e->v, snap, err);

	if (r < 0)
		return r;
	r = FAILPOINT("vol.snapshot.made");
	if (r == 0)
		r = commit(e, snap, seq, err);
	if (r < 0)
		(void)driver->snapshot_del(e->v, snap, NULL);
	return r;
}

int vol_snapshot_add(struct vol_core *core, const char *name, const char *snap,
		     uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	uint64_t seq = 0;
	int r = take(core, name, &e, err);

	if (r == 0)
		r = has(e, snap, err);
	if (r == 1 && was_done(e, vol_method_snapshot, snap))
		return 0;
	if (r == 1)
		return err_set(err, -EEXIST,
			       "volume %s has a snapshot %s already", name,
			       snap);
	if (r == 0)
		r = begin(e, vol_method_snapshot, snap, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.snapshot.intent");
	if (r == 0)
		r = snapshot_apply(e, snap, seq, err);
	if (r < 0) {
		vol_abort(e, core->d->state, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.snapshot.done");
}

/* What is gone stays gone; if that can't be written down, the intent goes. */
static void commit_or_forget(struct vol_entry *e, const char *snap,
			     uint64_t seq, int r)
{
	if (r < 0 || commit(e, snap, seq, NULL) < 0)
		vol_abort(e, e->core->d->state, seq);
}

int vol_unsnapshot_apply(struct vol_entry *e, const char *snap, uint64_t seq,
			 struct err *err)
{
	int r = e->core->driver->snapshot_del(e->v, snap, err);

	if (r < 0 && r != -ENOENT)
		return r;
	commit_or_forget(e, snap, seq, FAILPOINT("vol.unsnapshot.deleted"));
	return 0;
}

int vol_snapshot_del(struct vol_core *core, const char *name, const char *snap,
		     uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	uint64_t seq = 0;
	int r = take(core, name, &e, err);

	if (r == 0)
		r = has(e, snap, err);
	if (r == 0 && was_done(e, vol_method_unsnapshot, snap))
		return 0;
	if (r == 0)
		return no_snapshot(e, snap, err);
	if (r == 1)
		r = vol_view_check(core, name, snap, err);
	if (r == 0)
		r = begin(e, vol_method_unsnapshot, snap, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.unsnapshot.intent");
	if (r == 0)
		r = vol_unsnapshot_apply(e, snap, seq, err);
	if (r < 0) {
		vol_abort(e, core->d->state, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.unsnapshot.done");
}

/* ---- going back -------------------------------------------------------------- */

int vol_rollback_apply(struct vol_entry *e, const char *snap, uint64_t seq,
		       struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	int r = e->attached ? driver->unmount(e->v, err) : 0;

	if (r < 0)
		return r;
	e->attached = false;
	r = driver->rollback(e->v, snap, err);
	if (r < 0)
		return r;
	commit_or_forget(e, snap, seq, FAILPOINT("vol.rollback.rolled"));
	return 0;
}

/* Whose files would be exchanged under them? */
static int nobody_uses(struct vol_entry *e, const char *snap, struct err *err)
{
	if (e->v->users)
		return err_set(
			err, -EBUSY,
			"volume %s is in use by %u mount%s (%.64s): stop "
			"who uses it, or look at the snapshot in a "
			"volume of its own: netctl volume clone %s@%s "
			"NEW",
			e->name, e->v->users, e->v->users > 1 ? "s" : "",
			e->mounts[0].id, e->name, snap);
	return e->attached ? 0 : vol_check_unseen(e, err);
}

int vol_rollback(struct vol_core *core, const char *name, const char *snap,
		 uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	uint64_t seq = 0;
	int r = take(core, name, &e, err);

	if (r == 0)
		r = has(e, snap, err);
	if (r == 0)
		return no_snapshot(e, snap, err);
	if (r == 1)
		r = nobody_uses(e, snap, err);
	if (r == 0)
		r = begin(e, vol_method_rollback, snap, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.rollback.intent");
	if (r == 0)
		r = vol_rollback_apply(e, snap, seq, err);
	if (r < 0) {
		vol_abort(e, core->d->state, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.rollback.done");
}
