/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The requests that change a volume.
 *
 * Each is: lock the volume (announced in the journal if it has to wait), look,
 * begin the intent, let the driver act (vol_*_apply), then in one transaction
 * the record and the intent's end.  A failure before that end takes the
 * driver's act back and the intent with it; a crash leaves the intent for
 * vol_recover.c, which calls the same vol_*_apply again.
 *
 * The intent is on the disk before the driver acts.  Then the record of a Create
 * or a Remove need not be before the answer: a power cut that takes it leaves the
 * intent, which does the same once more.  What the driver did is on the disk
 * when it returns, or the record says that it is not (vol_later.c).  What refuses
 * or takes back is synced, for an intent must not come back after it.
 */
#include "volplugins/vol_core.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "lib/mounts.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

const char vol_method_create[] = "VolumeDriver.Create",
	   vol_method_remove[] = "VolumeDriver.Remove",
	   vol_method_mount[] = "VolumeDriver.Mount",
	   vol_method_unmount[] = "VolumeDriver.Unmount";

/* A number tells by itself which store it is of. */
void vol_core_sending(struct vol_core *core, uint64_t seq)
{
	journal_sending(core->d->state, seq);
	journal_sending(core->d->run, seq);
}

void vol_core_delivered(struct vol_core *core, uint64_t seq)
{
	journal_settle(core->d->state, seq);
	journal_settle(core->d->run, seq);
}

static int no_volume(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "no volume %s here", name);
}

static int is_whole(struct vol_entry *e, struct err *err)
{
	if (e->broken)
		return err_set(err, -EUCLEAN,
			       "the record of volume %s can't be used: %s",
			       e->name, e->broken);
	return vol_rename_check(e, err);
}

int vol_ready(struct vol_entry *e, struct err *err)
{
	int r = is_whole(e, err);

	if (r < 0 || !e->stale_seq)
		return r;
	r = journal_abort(e->stale_store, e->stale_seq, err);
	if (r == 0)
		e->stale_seq = 0;
	return r;
}

int vol_usable(struct vol_entry *e, struct err *err)
{
	int r = vol_ready(e, err);

	return r < 0 ? r : vol_readable(e, err);
}

int vol_readable(struct vol_entry *e, struct err *err)
{
	int r = is_whole(e, err);

	if (r < 0)
		return r;
	if (!e->v)
		return no_volume(e->name, err);
	if (e->removing_seq)
		return err_set(err, -EBUSY,
			       "volume %s is deleted, but its record could "
			       "not be: remove it again",
			       e->name);
	return 0;
}

/* ---- create ------------------------------------------------------------ */

static int create_commit(struct vol_entry *e, struct vol_volume *v,
			 json_object *opts, bool later, uint64_t seq,
			 struct err *err)
{
	struct vol_request q = { .opts = opts };
	_cleanup_free_ char *text = NULL;
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.time, sizeof(q.time), "%s", v->created);
	text = vol_request_print(&q);
	if (!text)
		return answer_no_memory(err);
	r = store_begin_unsynced(s, err);
	if (r == 0)
		r = store_put(s, VOL_KIND, e->name, "", text, err);
	if (r == 0)
		r = vol_later_note(e, vol_method_create, later, err);
	if (r == 0)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = FAILPOINT("vol.create.recorded");
	return r < 0 ? r : store_commit(s, err);
}

/* @src is locked; NULL: not a copy. */
static int make(struct vol_entry *src, struct vol_volume *v, struct err *err)
{
	int r = 0;

	if (!src)
		return v->driver->create(v, err);
	if (src->v)
		r = vol_usable(src, err);
	if (r < 0)
		return r;
	vol_acknowledge(src);
	return v->driver->clone(v, src->v, v->from.snap, err);
}

int vol_create_apply(struct vol_entry *e, struct vol_entry *src,
		     struct vol_volume *v, json_object *opts, uint64_t seq,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *own = NULL;
	bool later, made;
	int r = vol_opts_copy(opts, &own, err);

	if (r == 0)
		r = make(src, v, err);
	later = r == VOL_LATER;
	made = r == 0 || later;
	if (r >= 0)
		r = FAILPOINT("vol.create.made");
	if (r == 0)
		r = create_commit(e, v, opts, later, seq, err);
	if (r < 0)
		return r;
	vol_later_noted(e, later);
	vol_entry_set(e, v, take_ptr(own));
	e->seen_free = made;
	return 0;
}

static int create_absent(struct vol_announced *a, struct vol_entry *src,
			 const struct vol_request *q, uint64_t *ret_seq,
			 struct err *err)
{
	_cleanup_free_ struct vol_volume *v = NULL;
	struct vol_entry *e = a->e;
	struct vol_core *core = e->core;
	struct store *s = core->d->state;
	uint64_t seq;
	int r = vol_new(core, e->name, q->opts, &v, err);

	if (r == 0 && e->staged)
		r = err_set(err, -EBUSY, "volume %s is being restored",
			    e->name);
	if (r < 0)
		return r;
	snprintf(v->created, sizeof(v->created), "%s", q->time);
	/* the one of that name may be gone in memory only */
	r = vol_later_settle(e, err);
	if (r < 0)
		return r;
	r = vol_announced_begin(a, q, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.create.intent");
	if (r == 0)
		r = vol_create_apply(e, src, v, q->opts, seq, err);
	if (r < 0) {
		/* what holds data by now is not ours to take back */
		(void)core->driver->unmake(v, NULL);
		vol_abort(e, s, seq);
		return r;
	}
	(void)take_ptr(v);
	*ret_seq = seq;
	return FAILPOINT("vol.create.done");
}

/* It is there already: fine, if it is what was asked for. */
static int create_again(struct vol_entry *e, json_object *opts, struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	_cleanup_free_ struct vol_volume *asked = NULL;
	int r = vol_usable(e, err);

	if (r == 0)
		r = vol_new(e->core, e->name, opts, &asked, err);
	if (r < 0)
		return r;
	if (memcmp((char *)e->v + driver->options_offset,
		   (char *)asked + driver->options_offset,
		   driver->options_size) != 0)
		return err_set(err, -EEXIST,
			       "volume %s exists with other options (%.300s): "
			       "ask for the same, or remove it first",
			       e->name,
			       e->opts ? json_object_to_json_string(e->opts)
				       : "none");
	r = driver->create(e->v, err);
	if (r == VOL_LATER) /* made anew, and no intent says so */
		r = driver->flush(e->core->host,
				  (const char *const[]){ e->name, NULL }, err);
	if (r < 0)
		return r;
	vol_acknowledge(e);
	return 0;
}

int vol_create(struct vol_core *core, const char *name, json_object *opts,
	       uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_pair_give) struct vol_pair pair = { 0 };
	_cleanup_(vol_announced_fini) struct vol_announced a = {
		.s = core->d->state, .method = vol_method_create
	};
	_cleanup_free_ struct vol_volume *checked = NULL;
	struct vol_request q = { .opts = opts };
	int r = vol_new(core, name, opts, &checked, err);

	/* one that is on record may be so: a copy that was renamed to its origin */
	if (r == 0 && strcmp(checked->from.name, name) == 0)
		r = err_set(err, -EINVAL,
			    "option from: volume %s cannot be made from itself",
			    name);
	/* what is refused may hold a secret: it never gets to the disk */
	if (r < 0)
		return r;
	snprintf(q.name, sizeof(q.name), "%s", name);
	vol_now(q.time);
	if (checked->from.name[0]) {
		vol_announce(&a, &q);
		vol_pair_take(core, name, checked->from.name, &pair);
		a.e = pair.e;
	} else {
		pair.e = vol_announce_taken(&a, core, &q);
	}
	r = a.e ? vol_ready(a.e, err) : answer_no_memory(err);
	if (r < 0)
		return r;
	return a.e->v ? create_again(a.e, opts, err)
		      : create_absent(&a, pair.other, &q, ret_seq, err);
}

/* ---- remove ------------------------------------------------------------ */

static int remove_commit(struct vol_entry *e, bool later, uint64_t seq,
			 struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r = store_begin_unsynced(s, err);

	if (r == 0)
		r = store_del(s, VOL_KIND, e->name, err);
	if (r == 0)
		r = vol_later_note(e, vol_method_remove, later, err);
	if (r == 0)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = FAILPOINT("vol.remove.recorded");
	return r < 0 ? r : store_commit(s, err);
}

int vol_remove_apply(struct vol_entry *e, uint64_t seq, struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	bool later;
	int r = 0;

	if (e->attached)
		r = driver->unmount(e->v, err);
	if (r < 0)
		return r;
	e->attached = false;
	r = driver->remove(e->v, err);
	if (r < 0)
		return r;
	later = r == VOL_LATER;
	/* From here it can only go forward: the data is gone. */
	e->removing_seq = seq;
	r = FAILPOINT("vol.remove.deleted");
	if (r == 0)
		r = remove_commit(e, later, seq, err);
	if (r < 0)
		return r;
	vol_later_noted(e, later);
	e->removing_seq = 0;
	e->recovered_seq = 0;
	vol_entry_set(e, NULL, NULL);
	return 0;
}

static int in_use(const struct vol_entry *e, struct err *err)
{
	return err_set(err, -EBUSY,
		       "volume %s is in use by %u mount%s (%.64s%s)", e->name,
		       e->v->users, e->v->users > 1 ? "s" : "", e->mounts[0].id,
		       e->v->users > 1 ? ", ..." : "");
}

/*
 * The last look before data are gone: whatever our records say, a volume that
 * another mount namespace has is in use.  Not knowing does not forbid it:
 * dockerd has unmounted it, or the sweep, which knew, dropped its users.
 * Where our own memory goes back to a moment when nobody had it (.seen_free),
 * there is nothing that records could have forgotten, and it is not called.
 */
int vol_check_unseen(struct vol_entry *e, struct err *err)
{
	char path[VOL_PATH_MAX];
	struct mounts_query q = { .path = path };
	int r = e->core->driver->path(e->v, path, sizeof(path), err);

	if (r == 0)
		r = mounts_elsewhere(&q, 1, err);
	e->seen_free = r == 0 && !q.elsewhere;
	if (r < 0 || !q.seen)
		return r < 0 ? r : 0;
	return err_set(err, -EBUSY,
		       "volume %s is in use: a process has %.200s mounted, "
		       "though nobody is on record as its user",
		       e->name, path);
}

int vol_remove(struct vol_core *core, const char *name, uint64_t *ret_seq,
	       struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	struct store *s = core->d->state;
	_cleanup_(vol_announced_fini) struct vol_announced a = {
		.s = s, .method = vol_method_remove
	};
	struct vol_request q = { 0 };
	uint64_t seq;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", name);
	e = vol_announce_taken(&a, core, &q);
	r = e ? vol_ready(e, err) : answer_no_memory(err);
	if (r < 0 || !e->v)
		return r;
	if (e->v->users)
		return in_use(e, err);
	if (!e->removing_seq)
		r = vol_check_kept(e, err);
	if (r == 0 && !e->attached && !e->removing_seq && !e->seen_free) {
		if (!a.seq)
			vol_announce(&a, &q); /* it reads all of /proc */
		r = vol_check_unseen(e, err);
	}
	if (r < 0)
		return r;
	seq = e->removing_seq;
	if (!seq)
		r = vol_announced_begin(&a, &q, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.remove.intent");
	if (r == 0)
		r = vol_remove_apply(e, seq, err);
	if (r < 0) {
		if (!e->removing_seq)
			vol_abort(e, s, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.remove.done");
}

/* ---- get --------------------------------------------------------------- */

#define GET_MS 200 /* most requests are done by then */

/* A volume that is damaged is there all the same: an error would make dockerd
 * tell its user that there is none, who could then not even remove it. */
static int look_inside(struct vol_entry *e, struct vol_info *info,
		       json_object *status, struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	struct err why = { 0 };
	int r = 0;

	if (driver->usage)
		r = driver->usage(e->v, &info->usage, &why);
	if (r == 0 && driver->status)
		r = driver->status(e->v, status, &why);
	if (r == 0)
		return 0;
	info->usage = (struct vol_usage){ 0 };
	return answer_text(status, "problem", why.msg) ? answer_no_memory(err)
						       : 0;
}

int vol_get(struct vol_core *core, const char *name, bool seen,
	    int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
	    struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	_cleanup_(json_putp) json_object *status = json_object_new_object();
	char path[VOL_PATH_MAX];
	struct vol_info info;
	int r = vol_entry_take_within(core, name, GET_MS, &e);

	if (r == -EBUSY) {
		r = vol_tell_busy(core, name, fn, ctx, err);
		if (r != -EAGAIN)
			return r;
		e = vol_entry_take(core, name);
	}
	r = e && status ? vol_readable(e, err) : answer_no_memory(err);
	if (r == 0)
		r = vol_path(e, path, err);
	if (r < 0)
		return r;
	info = (struct vol_info){
		.name = e->name,
		.created = e->v->created,
		.path = path,
		.users = e->v->users,
		.mounts = e->mounts,
		.opts = e->opts,
		.status = status,
	};
	r = look_inside(e, &info, status, err);
	if (r < 0)
		return r;
	if (seen)
		vol_acknowledge(e);
	return fn(ctx, &info);
}
