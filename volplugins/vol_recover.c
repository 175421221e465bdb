/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The volume core's start and what belongs to an earlier life: load the
 * records, roll open intents forward (undo where that fails), answer requests
 * that come again without a body, and take back what nobody asked for again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/fail.h"
#include "lib/log.h"
#include "lib/netns.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

#define EXPIRE_TICKS 5

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* ---- loading ----------------------------------------------------------- */

struct loading {
	struct vol_core *core;
	struct err *err;
};

static void mark_broken(struct vol_entry *e, const char *why)
{
	e->broken = strdup(why);
	problems_add(&e->core->problems,
		     "the record of volume %s can't be used: %s", e->name, why);
	log_warn("op=load volume=%s err=\"record not usable\"", e->name);
}

static int load_volume(void *ctx, const char *id, const char *parent,
		       const char *json)
{
	struct loading *l = ctx;
	_cleanup_(vol_request_fini) struct vol_request q = { 0 };
	struct vol_entry *e = vol_entry_load(l->core, id, true);
	struct vol_volume *v = NULL;
	json_object *opts;
	struct err err = { 0 };
	int r;

	(void)parent;
	if (!e)
		return no_memory(l->err);
	r = vol_request_parse(json, &q, &err);
	if (r == 0)
		r = vol_new(l->core, id, q.opts, &v, &err);
	if (r == -ENOMEM)
		return no_memory(l->err);
	if (r < 0) {
		mark_broken(e, err.msg);
		return 0;
	}
	snprintf(v->created, sizeof(v->created), "%s", q.time);
	r = vol_opts_copy(q.opts, &opts, l->err);
	if (r < 0) {
		free(v);
		return r;
	}
	vol_entry_set(e, v, opts);
	return 0;
}

static int load_mount(void *ctx, const char *id, const char *parent,
		      const char *json)
{
	struct loading *l = ctx;
	_cleanup_(vol_request_fini) struct vol_request q = { 0 };
	struct vol_entry *e = vol_entry_load(l->core, parent, false);
	struct err err = { 0 };
	int r = vol_request_parse(json, &q, &err);

	if (r < 0 || !e || !e->v) {
		problems_add(&l->core->problems, "mount %s: %s", id,
			     r < 0 ? err.msg : "of a volume without a record");
		return 0;
	}
	if (vol_mount_add(e, q.id, q.time, 0) < 0)
		return no_memory(l->err);
	e->last_mount = vol_clock();
	return 0;
}

static int load(struct vol_core *core, struct err *err)
{
	struct loading l = { .core = core, .err = err };
	int r = store_each(core->d->state, VOL_KIND, NULL, load_volume, &l,
			   err);

	if (r < 0)
		return r;
	return store_each(core->d->run, MOUNT_KIND, NULL, load_mount, &l, err);
}

/* After a reboot, or behind our back, what is in use may not be mounted. */
static int remount(struct vol_core *core, struct err *err)
{
	_cleanup_(vol_names_freep) char **names = vol_names(core);

	if (!names)
		return no_memory(err);
	for (size_t i = 0; names[i]; i++) {
		_cleanup_(vol_entry_givep) struct vol_entry *e =
			vol_entry_take(core, names[i]);
		struct err why = { 0 };

		if (!e)
			return no_memory(err);
		if (!e->v || !e->v->users)
			continue;
		plugd_starting();
		if (core->driver->mount(e->v, &why) == 0)
			e->attached = true;
		else
			problems_add(&core->problems,
				     "volume %s is in use, but: %s", e->name,
				     why.msg);
	}
	return 0;
}

/* ---- open intents ------------------------------------------------------ */

/* What copies data would hold up the start, and all that waits for that: what is not
 * done by then is taken back. */
#define COPY_MS 10000

/* Each: 0 when the intent's end is recorded; else what failed.  Which entry
 * is known from the body only: a key may be cut. */

static int new_volume(struct vol_entry *e, const struct vol_request *q,
		      struct vol_volume **ret, struct err *err)
{
	if (e->v || e->broken)
		return err_set(err, -EEXIST, "the volume is there already");
	return vol_new(e->core, e->name, q->opts, ret, err);
}

static int redo_create(struct vol_entry *e, const struct vol_request *q,
		       const struct journal_intent *i, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *src = NULL;
	_cleanup_free_ struct vol_volume *v = NULL;
	int r = new_volume(e, q, &v, err);

	if (r < 0)
		return r;
	snprintf(v->created, sizeof(v->created), "%s", q->time);
	if (v->from.name[0]) {
		src = vol_entry_take(e->core, v->from.name);
		r = src ? 0 : no_memory(err);
	}
	v->until_ms = clock_mono_ms() + COPY_MS;
	if (r == 0)
		r = vol_create_apply(e, src, v, q->opts, i->seq, err);
	if (r < 0) {
		(void)e->core->driver->unmake(v, NULL);
		return r;
	}
	take_ptr(v)->until_ms = 0;
	/* of an earlier boot: it may have been answered, so it stays */
	if (!i->before_boot)
		e->recovered_seq = i->seq;
	return 0;
}

static int redo_remove(struct vol_entry *e, const struct journal_intent *i,
		       struct err *err)
{
	int r;

	if (!e->v)
		return err_set(err, -ENOENT, "there is no such volume");
	if (e->v->users)
		return err_set(err, -EBUSY, "it is in use");
	/* announced, and nobody had looked yet */
	r = i->waiting ? vol_check_kept(e, err) : 0;
	if (r == 0 && i->waiting)
		r = vol_check_unseen(e, err);
	return r < 0 ? r : vol_remove_apply(e, i->seq, err);
}

static int redo_mount(struct vol_entry *e, const struct vol_request *q,
		      uint64_t seq, struct err *err)
{
	int r;

	if (!e->v)
		return err_set(err, -ENOENT, "there is no such volume");
	if (vol_mount_find(e, q->id))
		return err_set(err, -EEXIST, "it is mounted already");
	r = vol_mount_apply(e, q->id, seq, err);
	if (r == 0)
		vol_mount_find(e, q->id)->recovered = seq;
	else if (e->v->users == 0 && e->core->driver->unmount(e->v, NULL) == 0)
		e->attached = false;
	return r;
}

static int redo_unmount(struct vol_entry *e, const struct vol_request *q,
			uint64_t seq, struct err *err)
{
	if (!vol_mount_find(e, q->id))
		return err_set(err, -ENOENT, "it is not mounted");
	return vol_unmount_apply(e, q->id, seq, err);
}

static int redo_resize(struct vol_entry *e, const struct vol_request *q,
		       uint64_t seq, struct err *err)
{
	if (!e->v || !e->core->driver->resize)
		return err_set(err, -ENOENT, "there is no such volume");
	return vol_resize_apply(e, q->size, seq, err);
}

/* Not answered, so it will be asked for again, and is then of that moment. */
static int undo_snapshot(struct vol_entry *e, const struct vol_request *q,
			 struct err *err)
{
	int r = e->v && e->core->driver->snapshot_del
			? e->core->driver->snapshot_del(e->v, q->snap, err)
			: 0;

	if (r < 0 && r != -ENOENT)
		return err_wrap(err, r, "snapshot %s stays", q->snap);
	return err_set(err, -EINTR, "taken back");
}

static int redo_unsnapshot(struct vol_entry *e, const struct vol_request *q,
			   uint64_t seq, struct err *err)
{
	if (!e->v || !e->core->driver->snapshot_del)
		return err_set(err, -ENOENT, "there is no such volume");
	return vol_unsnapshot_apply(e, q->snap, seq, err);
}

static int redo_rollback(struct vol_entry *e, const struct vol_request *q,
			 uint64_t seq, struct err *err)
{
	int r;

	if (!e->v || !e->core->driver->rollback)
		return err_set(err, -ENOENT, "there is no such volume");
	if (e->v->users)
		return err_set(err, -EBUSY, "it is in use");
	e->v->until_ms = clock_mono_ms() + COPY_MS;
	r = vol_rollback_apply(e, q->snap, seq, err);
	e->v->until_ms = 0;
	return r;
}

static int redo_rename(struct vol_entry *e, const struct vol_request *q,
		       uint64_t seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *to = NULL;

	if (!e->v || !e->core->driver->rename || strcmp(q->name, q->to) == 0)
		return err_set(err, -ENOENT, "there is no such volume");
	if (e->v->users)
		return err_set(err, -EBUSY, "it is in use");
	to = vol_entry_take(e->core, q->to);
	if (!to)
		return no_memory(err);
	if (to->v || to->broken)
		return err_set(err, -EEXIST, "the new name is taken");
	return vol_rename_apply(e, to, seq, err);
}

/* What was staged is in its place, or gone. */
static int redo_restore(struct vol_entry *e, const struct vol_request *q,
			uint64_t seq, struct err *err)
{
	_cleanup_free_ struct vol_volume *v = NULL;
	int r = new_volume(e, q, &v, err);

	if (r < 0)
		return r;
	r = e->core->driver->verify(v, err);
	if (r == -ENOENT) /* a place may have been made for it */
		(void)e->core->driver->unmake(v, NULL);
	if (r < 0)
		return r;
	snprintf(v->created, sizeof(v->created), "%s", q->time);
	r = vol_create_apply(e, NULL, v, q->opts, seq, err);
	if (r < 0)
		return r;
	(void)take_ptr(v);
	return 0;
}

static int redo_copy(struct vol_entry *e, const struct journal_intent *i,
		     const struct vol_request *q, struct err *err)
{
	if (strcmp(i->method, vol_method_snapshot) == 0)
		return undo_snapshot(e, q, err);
	if (strcmp(i->method, vol_method_unsnapshot) == 0)
		return redo_unsnapshot(e, q, i->seq, err);
	if (strcmp(i->method, vol_method_rollback) == 0)
		return redo_rollback(e, q, i->seq, err);
	if (strcmp(i->method, vol_method_restore) == 0)
		return redo_restore(e, q, i->seq, err);
	return err_set(err, -EBADMSG, "a method nobody knows");
}

static int redo(struct vol_entry *e, const struct journal_intent *i,
		const struct vol_request *q, struct err *err)
{
	if (strcmp(i->method, vol_method_create) == 0)
		return redo_create(e, q, i, err);
	if (strcmp(i->method, vol_method_remove) == 0)
		return redo_remove(e, i, err);
	if (strcmp(i->method, vol_method_mount) == 0)
		return redo_mount(e, q, i->seq, err);
	if (strcmp(i->method, vol_method_unmount) == 0)
		return redo_unmount(e, q, i->seq, err);
	if (strcmp(i->method, vol_method_resize) == 0)
		return redo_resize(e, q, i->seq, err);
	if (strcmp(i->method, vol_method_rename) == 0)
		return redo_rename(e, q, i->seq, err);
	return redo_copy(e, i, q, err);
}

static int recover_one(struct vol_core *core, struct store *s,
		       const struct journal_intent *i)
{
	_cleanup_(vol_request_fini) struct vol_request q = { 0 };
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	struct err err = { 0 };
	char why[256];
	int r = vol_request_parse(i->body, &q, &err);

	plugd_starting();
	if (r == 0)
		e = vol_entry_take(core, q.name);
	if (r == 0 && !e)
		return -ENOMEM;
	if (r == 0)
		r = FAILPOINT("vol.recover.redo");
	if (r == 0)
		r = redo(e, i, &q, &err);
	log_info("op=recover method=%s volume=%s result=%s err=%s", i->method,
		 q.name, r < 0 ? "undone" : "done",
		 log_quote(why, sizeof(why), err.msg));
	if (r == 0)
		return 0;
	/* a volume that is half removed or renamed, or resized without record,
	 * keeps its intent: the next start, or the same request, goes on with it */
	if (e && (e->removing_seq == i->seq || e->stale_seq == i->seq ||
		  e->moving_seq == i->seq))
		return 0;
	if (e)
		vol_abort(e, s, i->seq);
	else
		(void)journal_abort(s, i->seq, NULL); /* comes again */
	return 0;
}

static int recover_state(void *ctx, const struct journal_intent *i)
{
	struct vol_core *core = ctx;

	return recover_one(core, core->d->state, i);
}

static int recover_run(void *ctx, const struct journal_intent *i)
{
	struct vol_core *core = ctx;

	return recover_one(core, core->d->run, i);
}

int vol_recover(struct vol_core *core, struct err *err)
{
	int r = load(core, err);

	if (r == 0)
		r = vol_later_recover(core, err);
	if (r == 0)
		r = journal_each_open(core->d->state, recover_state, core, err);
	if (r == 0)
		r = journal_each_open(core->d->run, recover_run, core, err);
	if (r == 0)
		r = vol_view_recover(core, err);
	return r < 0 ? r : remount(core, err);
}

/* ---- taking back what nobody asked for again ---------------------------- */

/* Its record, and what was to be done once more. */
static int forget_volume(struct vol_entry *e, struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r = store_begin(s, err);

	if (r == 0)
		r = store_del(s, VOL_KIND, e->name, err);
	if (r == 0)
		r = vol_later_note(e, "", false, err);
	if (r == 0)
		r = store_commit(s, err);
	if (r == 0)
		vol_later_noted(e, false);
	return r;
}

/* dockerd gave up on this Create and does not know the volume. */
static int undo_create(struct vol_core *core, struct vol_entry *e, uint64_t seq)
{
	struct err err = { 0 };
	int r;

	if (!e->v || e->v->users || e->recovered_seq != seq)
		return 0; /* somebody found it */
	r = core->driver->unmake(e->v, &err);
	if (r == -ENOTEMPTY) {
		e->recovered_seq = 0;
		return 0;
	}
	if (r == 0)
		r = forget_volume(e, &err);
	if (r < 0) {
		log_warn("op=undo volume=%s err=\"%s\"", e->name, err.msg);
		return r;
	}
	e->recovered_seq = 0;
	vol_entry_set(e, NULL, NULL);
	return 0;
}

static int undo_mount(struct vol_core *core, struct vol_entry *e,
		      const char *id, uint64_t seq)
{
	struct vol_mount *m = vol_mount_find(e, id);
	char key[MOUNT_KEY_MAX];
	struct err err = { 0 };
	int r;

	if (!m || m->recovered != seq)
		return 0;
	r = store_del(core->d->run, MOUNT_KIND, vol_mount_key(key, e->name, id),
		      &err);
	if (r < 0) {
		log_warn("op=undo volume=%s err=\"%s\"", e->name, err.msg);
		return r;
	}
	vol_mount_drop(e, m);
	if (e->v->users == 0)
		e->attached = core->driver->unmount(e->v, NULL) < 0;
	return 0;
}

static int undo(void *ctx, const struct journal_intent *i)
{
	struct vol_core *core = ctx;
	_cleanup_(vol_request_fini) struct vol_request q = { 0 };
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	int r;

	if (vol_request_parse(i->body, &q, NULL) < 0)
		return 0;
	r = vol_entry_take_within(core, q.name, 0, &e);
	if (r < 0)
		return r; /* journal_expire() tries again */
	if (strcmp(i->method, vol_method_create) == 0)
		return undo_create(core, e, i->seq);
	if (strcmp(i->method, vol_method_mount) == 0)
		return undo_mount(core, e, q.id, i->seq);
	return 0; /* what was removed, unmounted or resized stays so */
}

int vol_replay(struct vol_core *core, const char *method, bool alone,
	       char **ret, uint64_t *ret_seq, struct err *err)
{
	bool state = strcmp(method, vol_method_create) == 0 ||
		     strcmp(method, vol_method_remove) == 0;
	bool run = strcmp(method, vol_method_mount) == 0 ||
		   strcmp(method, vol_method_unmount) == 0;

	int r;

	if (!state && !run)
		return err_set(err, -EBADMSG, "the request has no body");
	r = journal_replay(state ? core->d->state : core->d->run, method, alone,
			   ret, ret_seq, undo, core, err);
	return r == -ENODATA ? -EBADMSG : r; /* the message is right */
}

void vol_core_tick(struct vol_core *core)
{
	struct store *const stores[] = { core->d->state, core->d->run };

	vol_stale_tick(core);
	vol_view_tick(core);
	vol_later_tick(core);
	if (++core->ticks % EXPIRE_TICKS != 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++) {
		struct err err = { 0 };

		if (journal_expire(stores[i], undo, core, &err) < 0)
			log_debug("op=expire err=\"%s\"", err.msg);
	}
}

/* ---- open and close ----------------------------------------------------- */

int vol_core_open(const struct vol_driver *driver, const struct plugd *d,
		  uint32_t grace_s, struct vol_core **ret, struct err *err)
{
	_cleanup_(vol_core_closep) struct vol_core *core =
		calloc(1, sizeof(*core));
	int r;

	if (!core)
		return no_memory(err);
	core->driver = driver;
	core->d = d;
	core->grace_s = grace_s;
	pthread_mutex_init(&core->lock, NULL);
	problems_init(&core->problems);
	clock_gettime(CLOCK_BOOTTIME, &core->started);
	if (driver->host_open)
		r = driver->host_open(d, &core->host, err);
	else
		r = 0;
	if (r == 0)
		r = netns_boot_id(core->boot, err);
	if (r == 0)
		r = vol_recover(core, err);
	if (r < 0)
		return r;
	*ret = take_ptr(core);
	return 0;
}

void vol_core_close(struct vol_core *core)
{
	if (!core)
		return;
	vol_view_close_all(core);
	vol_later_tick(core); /* else the next start's */
	vol_table_free(core);
	if (core->host && core->driver->host_close)
		core->driver->host_close(core->host);
	problems_fini(&core->problems);
	pthread_mutex_destroy(&core->lock);
	free(core);
}
