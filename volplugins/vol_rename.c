/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another name for a volume, and for all that belongs to it.
 *
 * Both names are locked.  The driver moves what there is in one step; then the
 * record goes from one name to the other in the transaction that ends the intent.
 * An open intent is carried out at the next start: .rename of what is moved
 * already is a success.
 *
 * What moved, could not be recorded and does not go back is under a name that no
 * record has.  Its intent is the only thing that knows, so it stays, and both names
 * are refused until the same request, or the next start, has carried it out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

const char vol_method_rename[] = "Berth.VolumeRename";

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* The answer that is kept, also for telling whose it is. */
static char *answer_of(const char *name, const char *to)
{
	char *text;

	return asprintf(&text, "{\"Name\":\"%s\",\"To\":\"%s\"}", name, to) < 0
		       ? NULL
		       : text;
}

static int rename_commit(struct vol_entry *e, const struct vol_entry *to,
			 uint64_t seq, struct err *err)
{
	struct vol_request q = { .opts = e->opts };
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *answer = answer_of(e->name, to->name);
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", to->name);
	snprintf(q.time, sizeof(q.time), "%s", e->v->created);
	text = vol_request_print(&q);
	if (!text || !answer)
		return no_memory(err);
	r = store_begin(s, err);
	if (r == 0)
		r = store_del(s, VOL_KIND, e->name, err);
	if (r == 0)
		r = store_put(s, VOL_KIND, to->name, "", text, err);
	if (r == 0)
		r = journal_commit(s, seq, answer, err);
	if (r == 0)
		r = FAILPOINT("vol.rename.recorded");
	return r < 0 ? r : store_commit(s, err);
}

int vol_rename_check(const struct vol_entry *e, struct err *err)
{
	/* the old name's is the one that has the record */
	const struct vol_entry *from = e->v ? e : e->moving;
	const struct vol_entry *to = e->v ? e->moving : e;

	return e->moving ? err_set(err, -EBUSY,
				   "volume %s is half renamed to %s: netctl "
				   "volume rename %s %s, or a restart of %s, "
				   "goes "
				   "on with it",
				   from->name, to->name, from->name, to->name,
				   e->core->driver->name)
			 : 0;
}

static void set_moving(struct vol_entry *e, struct vol_entry *to, uint64_t seq)
{
	e->moving = seq ? to : NULL;
	to->moving = seq ? e : NULL;
	e->moving_seq = seq;
}

/* A driver that failed may have moved it nevertheless. */
static bool has_moved(struct vol_entry *e, struct vol_volume *moved)
{
	const struct vol_driver *driver = e->core->driver;

	return driver->verify(e->v, NULL) == -ENOENT &&
	       driver->verify(moved, NULL) != -ENOENT;
}

/* Back under its old name, or both names wait.  @done: the driver said that it moved.
 * Return: @r. */
static int rename_undo(struct vol_entry *e, struct vol_entry *to,
		       struct vol_volume *moved, bool done, uint64_t seq, int r,
		       struct err *err)
{
	struct err why = { 0 };

	if (!(done || has_moved(e, moved)) ||
	    e->core->driver->rename(moved, e->name, &why) == 0) {
		set_moving(e, to, 0);
		return r;
	}
	set_moving(e, to, seq);
	e->recovered_seq = 0; /* not to be taken back */
	return err_wrap(err, r,
			"volume %s can be renamed neither to %s nor back "
			"(%.200s): repair what is wrong and repeat it",
			e->name, to->name, why.msg);
}

int vol_rename_apply(struct vol_entry *e, struct vol_entry *to, uint64_t seq,
		     struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	_cleanup_free_ struct vol_volume *v = NULL;
	_cleanup_(json_putp) json_object *opts = NULL;
	bool seen_free = e->seen_free, done;
	int r = vol_opts_copy(e->opts, &opts, err);

	if (r == 0)
		r = vol_new(e->core, to->name, opts, &v, err);
	if (r == 0 && e->attached)
		r = driver->unmount(e->v, err);
	if (r < 0)
		return r;
	e->attached = false;
	snprintf(v->created, sizeof(v->created), "%s", e->v->created);
	r = driver->rename(e->v, to->name, err);
	done = r == 0;
	if (r == 0)
		r = FAILPOINT("vol.rename.renamed");
	if (r == 0)
		r = rename_commit(e, to, seq, err);
	if (r < 0)
		return rename_undo(e, to, v, done, seq, r, err);
	set_moving(e, to, 0);
	vol_entry_set(to, take_ptr(v), take_ptr(opts));
	to->seen_free = seen_free;
	to->recovered_seq = e->recovered_seq = 0;
	vol_entry_set(e, NULL, NULL);
	return 0;
}

/* Nobody has it, or would look for it under the old name. */
static int nobody_uses(struct vol_entry *e, struct err *err)
{
	if (e->v->users)
		return err_set(err, -EBUSY,
			       "volume %s is in use by %u mount%s (%.64s): "
			       "stop who uses it",
			       e->name, e->v->users, e->v->users > 1 ? "s" : "",
			       e->mounts[0].id);
	if (vol_view_check(e->core, e->name, NULL, err) < 0)
		return -EBUSY;
	return e->attached || e->seen_free ? 0 : vol_check_unseen(e, err);
}

static int is_free(struct vol_entry *to, struct err *err)
{
	if (to->v || to->broken)
		return err_set(err, -EEXIST, "there is a volume %s already",
			       to->name);
	if (to->staged)
		return err_set(err, -EBUSY, "volume %s is being restored",
			       to->name);
	if (to->stale_seq || to->removing_seq)
		return err_set(err, -EBUSY,
			       "the name %s is not free yet: a request of it "
			       "could not be ended; restart %s",
			       to->name, to->core->driver->name);
	if (vol_rename_check(to, err) < 0)
		return -EBUSY;
	/* the one of that name may be gone in memory only */
	return vol_later_settle(to, err);
}

/* Data that lost their record, say: they are no part of this volume.  Without a time
 * of its making .verify looks whether anything is there. */
static int nothing_is_there(const struct vol_pair *p, struct err *err)
{
	struct vol_core *core = p->e->core;
	_cleanup_free_ struct vol_volume *v = NULL;
	int r = vol_new(core, p->other->name, p->e->opts, &v, err);

	if (r < 0 || core->driver->verify(v, NULL) == -ENOENT)
		return r;
	return err_set(err, -EEXIST,
		       "something is called %s that no volume owns: make a "
		       "volume of it (netctl volume create --driver %s %s), or "
		       "take it away",
		       p->other->name, core->driver->name, p->other->name);
}

/* Was this very request carried out, and its answer lost with an earlier life? */
static bool was_done(const struct vol_pair *p)
{
	_cleanup_free_ char *want = answer_of(p->e->name, p->other->name);

	return !p->e->v && p->other->v && want &&
	       journal_was_done(p->e->core->d->state, vol_method_rename, want);
}

static int may_rename(struct vol_pair *p, struct err *err)
{
	struct vol_entry *e = p->e;
	int r = vol_usable(e, err);

	if (r == 0)
		r = nobody_uses(e, err);
	/* what has the new name is not it, if it is not here now */
	if (r == 0 && e->core->driver->verify(e->v, err) == -ENOENT)
		r = -ENOENT;
	if (r == 0)
		r = is_free(p->other, err);
	if (r == 0)
		r = nothing_is_there(p, err);
	return r < 0 ? r : vol_later_settle(e, err);
}

/* The intent of this request, or of the same one before that is half done. */
static int begin(struct vol_pair *p, uint64_t *ret_seq, struct err *err)
{
	struct vol_request q = { 0 };
	int r;

	if (p->e->moving_seq && p->e->moving == p->other) {
		*ret_seq = p->e->moving_seq;
		return 0;
	}
	r = may_rename(p, err);
	if (r < 0)
		return r;
	snprintf(q.name, sizeof(q.name), "%s", p->e->name);
	snprintf(q.to, sizeof(q.to), "%s", p->other->name);
	return vol_begin(p->e, p->e->core->d->state, vol_method_rename, &q,
			 ret_seq, err);
}

int vol_rename(struct vol_core *core, const char *name, const char *to,
	       uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_pair_give) struct vol_pair pair = { 0 };
	struct store *s = core->d->state;
	uint64_t seq;
	int r;

	if (!core->driver->rename)
		return err_set(err, -EOPNOTSUPP,
			       "volumes of %s keep their name",
			       core->driver->name);
	if (strcmp(name, to) == 0)
		return err_set(err, -EINVAL, "volume %s is called that already",
			       name);
	vol_pair_take(core, name, to, &pair);
	if (!pair.e)
		return no_memory(err);
	if (was_done(&pair))
		return 0;
	r = begin(&pair, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.rename.intent");
	if (r == 0)
		r = vol_rename_apply(pair.e, pair.other, seq, err);
	if (r < 0) {
		if (pair.e->moving_seq != seq)
			vol_abort(pair.e, s, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.rename.done");
}
