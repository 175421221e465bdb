/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The requests that use a volume: Mount and Unmount, counted by their ids. */
#include "volplugins/vol_core.h"

#include <errno.h>
#include <stdio.h>

#include "lib/answer.h"
#include "lib/fail.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

/* ---- mount ------------------------------------------------------------- */

static int mount_commit(struct vol_entry *e, const char *id, const char *since,
			const char *path, uint64_t seq, struct err *err)
{
	_cleanup_(json_putp) json_object *answer = vol_mount_answer(path);
	_cleanup_(store_rollbackp) struct store *s = e->core->d->run;
	struct vol_request q = { 0 };
	_cleanup_free_ char *text = NULL;
	char key[MOUNT_KEY_MAX];
	int r;

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.id, sizeof(q.id), "%s", id);
	snprintf(q.time, sizeof(q.time), "%s", since);
	text = vol_request_print(&q);
	if (!text || !answer)
		return answer_no_memory(err);
	r = store_begin(s, err);
	if (r == 0)
		r = store_put(s, MOUNT_KIND, vol_mount_key(key, e->name, id),
			      e->name, text, err);
	if (r == 0)
		r = journal_commit(s, seq, json_object_to_json_string(answer),
				   err);
	if (r == 0)
		r = FAILPOINT("vol.mount.recorded");
	return r < 0 ? r : store_commit(s, err);
}

int vol_path(struct vol_entry *e, char path[static VOL_PATH_MAX],
	     struct err *err)
{
	int r = e->core->driver->path(e->v, path, VOL_PATH_MAX, err);

	/* dockerd would take "" and start the container on its own files */
	if (r == 0 && path[0] != '/')
		r = err_set(err, -EIO, "volume %s has no path", e->name);
	return r;
}

int vol_mount_apply(struct vol_entry *e, const char *id, uint64_t seq,
		    struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	char path[VOL_PATH_MAX], since[32];
	int r;

	e->seen_free = false;
	/* what is synced in it is to be found again */
	r = vol_later_settle(e, err);
	if (r == 0)
		r = driver->mount(e->v, err);
	if (r < 0)
		return r;
	e->attached = true;
	r = FAILPOINT("vol.mount.mounted");
	if (r == 0)
		r = vol_path(e, path, err);
	vol_now(since);
	if (r == 0)
		r = vol_mount_add(e, id, since, 0);
	if (r < 0)
		return r;
	r = mount_commit(e, id, since, path, seq, err);
	if (r < 0)
		vol_mount_drop(e, vol_mount_find(e, id));
	return r;
}

static void mount_undo(struct vol_entry *e)
{
	if (e->v->users == 0 && e->attached &&
	    e->core->driver->unmount(e->v, NULL) == 0)
		e->attached = false;
}

static int mount_new(struct vol_announced *a, const struct vol_request *q,
		     uint64_t *ret_seq, struct err *err)
{
	struct vol_entry *e = a->e;
	struct store *s = e->core->d->run;
	uint64_t seq;
	int r = vol_announced_begin(a, q, &seq, err);

	if (r < 0)
		return r;
	r = FAILPOINT("vol.mount.intent");
	if (r == 0)
		r = vol_mount_apply(e, q->id, seq, err);
	if (r < 0) {
		mount_undo(e);
		vol_abort(e, s, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.mount.done");
}

int vol_mount(struct vol_core *core, const char *name, const char *id,
	      char path[static VOL_PATH_MAX], uint64_t *ret_seq,
	      struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	_cleanup_(vol_announced_fini) struct vol_announced a = {
		.s = core->d->run, .method = vol_method_mount
	};
	struct vol_request q = { 0 };
	struct vol_mount *m;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", name);
	snprintf(q.id, sizeof(q.id), "%s", id);
	e = vol_announce_taken(&a, core, &q);
	r = e ? vol_usable(e, err) : answer_no_memory(err);
	if (r == 0)
		r = vol_path(e, path, err);
	if (r < 0)
		return r;
	vol_acknowledge(e);
	e->last_mount = vol_clock();
	e->mount_calls++;
	e->idle_since = 0;
	m = vol_mount_find(e, id);
	if (!m) {
		r = mount_new(&a, &q, ret_seq, err);
	} else {
		/* its answer was lost, or dockerd lost count: same answer */
		r = core->driver->mount(e->v, err);
		m->recovered = 0;
	}
	return r;
}

/* ---- unmount ----------------------------------------------------------- */

static int unmount_commit(struct vol_entry *e, const char *id, uint64_t seq,
			  struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = e->core->d->run;
	char key[MOUNT_KEY_MAX];
	int r = store_begin(s, err);

	if (r == 0)
		r = store_del(s, MOUNT_KIND, vol_mount_key(key, e->name, id),
			      err);
	if (r == 0)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = FAILPOINT("vol.unmount.recorded");
	return r < 0 ? r : store_commit(s, err);
}

/* A driver that cannot unmount does not keep the ID: the peer is gone and
 * won't ask again.  The volume stays attached, and Remove tries again. */
int vol_unmount_apply(struct vol_entry *e, const char *id, uint64_t seq,
		      struct err *err)
{
	struct vol_mount *m = vol_mount_find(e, id);
	int r, stuck = 0;

	if (m && e->v->users == 1)
		stuck = e->core->driver->unmount(e->v, err);
	r = FAILPOINT("vol.unmount.unmounted");
	if (r == 0)
		r = unmount_commit(e, id, seq, stuck < 0 ? NULL : err);
	if (r < 0) {
		if (stuck == 0 && m && e->v->users == 1)
			e->attached = e->core->driver->mount(e->v, NULL) == 0;
		return r;
	}
	if (m && e->v->users == 1)
		e->attached = stuck < 0;
	if (m)
		vol_mount_drop(e, m);
	return 0;
}

static int unmount_begun(struct vol_entry *e, const char *id, uint64_t seq,
			 uint64_t *ret_seq, struct err *err)
{
	struct store *s = e->core->d->run;
	int r = FAILPOINT("vol.unmount.intent");

	if (r == 0)
		r = vol_unmount_apply(e, id, seq, err);
	if (r < 0) {
		vol_abort(e, s, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.unmount.done");
}

int vol_unmount_locked(struct vol_entry *e, const char *id, uint64_t *ret_seq,
		       struct err *err)
{
	struct vol_request q = { 0 };
	uint64_t seq;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.id, sizeof(q.id), "%s", id);
	r = vol_begin(e, e->core->d->run, vol_method_unmount, &q, &seq, err);
	return r < 0 ? r : unmount_begun(e, q.id, seq, ret_seq, err);
}

int vol_unmount(struct vol_core *core, const char *name, const char *id,
		uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	_cleanup_(vol_announced_fini) struct vol_announced a = {
		.s = core->d->run, .method = vol_method_unmount
	};
	struct vol_request q = { 0 };
	uint64_t seq;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", name);
	snprintf(q.id, sizeof(q.id), "%s", id);
	e = vol_announce_taken(&a, core, &q);
	r = e ? vol_ready(e, err) : answer_no_memory(err);
	if (r < 0 || !vol_mount_find(e, id))
		return r;
	r = vol_announced_begin(&a, &q, &seq, err);
	return r < 0 ? r : unmount_begun(e, id, seq, ret_seq, err);
}
