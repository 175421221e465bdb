/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was answered and is not on the disk yet.
 *
 * A driver may leave what it did for .flush (VOL_LATER).  The intent was on the
 * disk before it began; in its place, in the transaction that ends it, comes a
 * record of LATER_KIND that says the same.  After a power cut the next start
 * does that once more, and until .flush was called the record stays.  So one
 * sync per request is enough, and many share what comes later.
 *
 * The record is gone before anything else is made under that name, or anybody
 * is given the volume: who writes to it and syncs that must find it again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/log.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

/* In state.db, id = volume, parent = the method. */
#define LATER_KIND "later"
/* Locked while the disk works: who wants one of them waits for all. */
#define BATCH 16

int vol_later_note(struct vol_entry *e, const char *method, bool later,
		   struct err *err)
{
	struct store *s = e->core->d->state;
	struct vol_request q = { .opts = e->opts };
	_cleanup_free_ char *text = NULL;

	if (!later)
		return e->later ? store_del(s, LATER_KIND, e->name, err) : 0;
	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.boot, sizeof(q.boot), "%s", e->core->boot);
	text = vol_request_print(&q);
	if (!text)
		return err_set(err, -ENOMEM, "out of memory");
	return store_put(s, LATER_KIND, e->name, method, text, err);
}

void vol_later_noted(struct vol_entry *e, bool later)
{
	struct vol_core *core = e->core;

	pthread_mutex_lock(&core->lock);
	core->laters += later;
	core->laters -= e->later;
	e->later = later;
	pthread_mutex_unlock(&core->lock);
}

/* @held: @n of them, locked and .later. */
static int flush(struct vol_core *core, struct vol_entry *const *held, size_t n,
		 struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = core->d->state;
	const char *names[BATCH + 1] = { NULL };
	int r;

	for (size_t i = 0; i < n; i++)
		names[i] = held[i]->name;
	r = core->driver->flush(core->host, names, err);
	if (r == 0)
		r = FAILPOINT("vol.later.flushed");
	if (r == 0)
		r = store_begin_unsynced(s, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = store_del(s, LATER_KIND, names[i], err);
	if (r == 0)
		r = store_commit(s, err);
	for (size_t i = 0; i < n && r == 0; i++)
		vol_later_noted(held[i], false);
	return r;
}

int vol_later_settle(struct vol_entry *e, struct err *err)
{
	int r = e->later ? flush(e->core, &e, 1, err) : 0;

	return r < 0 ? err_wrap(err, r,
				"what was done to volume %s is not on the disk",
				e->name)
		     : 0;
}

/* Those of @names that nobody is at, from the first on.  Return: how many
 * were looked at. */
static size_t take_some(struct vol_core *core, char *const *names,
			struct vol_entry **held, size_t *ret_held)
{
	size_t seen = 0, n = 0;

	for (; names[seen] && n < BATCH; seen++) {
		struct vol_entry *e = NULL;

		if (vol_entry_take_within(core, names[seen], 0, &e) < 0)
			continue; /* at the next tick */
		if (e->later)
			held[n++] = e;
		else
			vol_entry_give(e);
	}
	*ret_held = n;
	return seen;
}

/* Together; where that fails one by one, so that a bad one keeps no other off the
 * disk.  @err: of the first that failed. */
static int flush_some(struct vol_core *core, struct vol_entry *const *held,
		      size_t n, struct err *err)
{
	struct err why = { 0 };
	int r = flush(core, held, n, n > 1 ? &why : err), first = 0;

	if (r == 0 || n == 1)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = flush(core, &held[i], 1, first < 0 ? &why : err);
		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

int vol_later_flush(struct vol_core *core, struct err *err)
{
	_cleanup_(vol_names_freep) char **names = vol_names_later(core);
	struct err why = { 0 };
	int first = 0;

	for (size_t at = 0; names && names[at];) {
		struct vol_entry *held[BATCH];
		size_t n;
		int r = 0;

		at += take_some(core, names + at, held, &n);
		if (n)
			r = flush_some(core, held, n, first < 0 ? &why : err);
		if (r < 0 && first == 0)
			first = r;
		while (n)
			vol_entry_give(held[--n]);
	}
	return first;
}

void vol_later_tick(struct vol_core *core)
{
	struct err err = { 0 };
	bool some;
	int r;

	pthread_mutex_lock(&core->lock);
	some = core->laters;
	pthread_mutex_unlock(&core->lock);
	if (!some)
		return;
	r = vol_later_flush(core, &err);
	if (r < 0 && !core->later_told)
		log_warn("op=flush err=\"%s\"", err.msg);
	core->later_told = r < 0;
}

/* ---- start ------------------------------------------------------------- */

struct left {
	char name[VOL_NAME_MAX];
	bool create;
	char *text; /* owned */
};

struct lefts {
	struct left *rows; /* owned */
	size_t count;
};

static void lefts_fini(struct lefts *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->rows[i].text);
	free(l->rows);
}

static int left_add(void *ctx, const char *id, const char *parent,
		    const char *json)
{
	struct lefts *l = ctx;
	struct left *rows = reallocarray(l->rows, l->count + 1, sizeof(*rows));
	struct left *left;

	if (!rows)
		return -ENOMEM;
	l->rows = rows;
	left = &rows[l->count];
	*left = (struct left){
		.create = strcmp(parent, vol_method_create) == 0,
		.text = strdup(json),
	};
	snprintf(left->name, sizeof(left->name), "%s", id);
	if (!left->text)
		return -ENOMEM;
	l->count++;
	return 0;
}

static int redo_create(struct vol_entry *e, struct err *err)
{
	int r = e->v ? e->core->driver->create(e->v, err) : 0;

	return r < 0 ? r : 0;
}

/* It cannot be removed any more: then it is there, and must not be hidden. */
static int put_back(struct vol_entry *e, struct vol_volume *v,
		    const struct vol_request *q, struct err *err)
{
	struct vol_request again = { .opts = q->opts };
	_cleanup_(json_putp) json_object *own = NULL;
	_cleanup_free_ char *text = NULL;
	int r = vol_opts_copy(q->opts, &own, err);

	if (r < 0)
		return r;
	snprintf(again.name, sizeof(again.name), "%s", e->name);
	vol_now(again.time);
	snprintf(v->created, sizeof(v->created), "%s", again.time);
	text = vol_request_print(&again);
	r = text ? store_put(e->core->d->state, VOL_KIND, e->name, "", text,
			     err)
		 : err_set(err, -ENOMEM, "out of memory");
	if (r == 0)
		vol_entry_set(e, v, take_ptr(own));
	return r;
}

static int redo_remove(struct vol_entry *e, const struct vol_request *q,
		       struct err *err)
{
	_cleanup_free_ struct vol_volume *v = NULL;
	struct err why = { 0 };
	int r;

	/* A record of a copy may be old, and then not of this volume. */
	if (e->v || e->broken || store_was_restored(e->core->d->state))
		return 0;
	r = vol_new(e->core, e->name, q->opts, &v, err);
	if (r == 0)
		r = e->core->driver->remove(v, &why);
	if (r >= 0)
		return 0;
	if (why.msg[0])
		err_set(err, r,
			"its removal, done before the power went, "
			"can't be done again: %s",
			why.msg);
	if (v && put_back(e, v, q, &why) == 0)
		(void)take_ptr(v);
	return r;
}

static int left_redo(struct vol_core *core, const struct left *left,
		     struct err *err)
{
	_cleanup_(vol_request_fini) struct vol_request q = { 0 };
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, left->name);
	struct err why = { 0 };
	int r;

	if (!e)
		return err_set(err, -ENOMEM, "out of memory");
	r = vol_request_parse(left->text, &q, &why);
	plugd_starting();
	/* in this boot the kernel has what we did */
	if (r == 0 && strcmp(q.boot, core->boot) != 0)
		r = left->create ? redo_create(e, &why)
				 : redo_remove(e, &q, &why);
	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	if (r < 0) {
		problems_add(&core->problems, "volume %s: %s", left->name,
			     why.msg);
		log_warn("op=recover volume=%s err=\"%s\"", left->name,
			 why.msg);
	}
	vol_later_noted(e, true);
	return 0;
}

int vol_later_recover(struct vol_core *core, struct err *err)
{
	_cleanup_(lefts_fini) struct lefts l = { 0 };
	int r;

	if (!core->driver->flush)
		return 0;
	r = store_each(core->d->state, LATER_KIND, NULL, left_add, &l, err);
	for (size_t i = 0; i < l.count && r == 0; i++)
		r = left_redo(core, &l.rows[i], err);
	if (r == 0)
		vol_later_tick(core); /* else one of its */
	return r;
}
