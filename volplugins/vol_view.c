/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume's files for another process: to read (a backup), or to fill before
 * there is a volume (a restore).
 *
 * What is read is a snapshot where the driver can make one: an existing one, or
 * one of the core's own, that nobody can name (".backup-…") and that goes with
 * the view.  It is in state.db before it is made, so that no death of ours
 * leaves it.  Elsewhere the view is one more user of the volume itself.
 *
 * The reader gets the path of our descriptor in /proc.  It is a process of this
 * host, found by its connection, and watched: when it ends, the view does.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "lib/log.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

const char vol_method_restore[] = "Berth.VolumeRestore";

enum kind {
	VIEW_SNAPSHOT, /* somebody's */
	VIEW_OWN,      /* ours, ".ID" */
	VIEW_LIVE,     /* the volume, with the mount ID of the view */
	VIEW_STAGED,
};

struct vol_view {
	struct vol_view *next; /* core->views, under core->lock */
	enum kind kind;
	char id[VOL_VIEW_MAX];
	char name[VOL_NAME_MAX], snap[VOL_NAME_MAX];
	int fd;               /* root directory; -EBADF */
	int peer, pid;        /* pidfd */
	uint64_t mount_calls; /* of the volume, when VIEW_LIVE was opened */
	bool told;            /* that it can't be ended */
	struct vol_volume *v; /* VIEW_STAGED: owned */
	json_object *opts;    /* its own, or NULL */
};

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

static void view_free(struct vol_view *w)
{
	if (!w)
		return;
	closep(&w->fd);
	closep(&w->peer);
	json_object_put(w->opts);
	free(w->v);
	free(w);
}
DEFINE_CLEANUP(struct vol_view, view_free)

/* @peer is taken. */
static struct vol_view *view_new(const char *name, int peer, int pid)
{
	struct vol_view *w = calloc(1, sizeof(*w));
	struct timespec ts;

	if (!w) {
		closep(&peer);
		return NULL;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	snprintf(w->id, sizeof(w->id), VOL_VIEW_ID "%llx",
		 (unsigned long long)ts.tv_sec * 1000000000 +
			 (unsigned long long)ts.tv_nsec);
	snprintf(w->name, sizeof(w->name), "%s", name);
	w->fd = -EBADF;
	w->peer = peer;
	w->pid = pid;
	return w;
}

static void view_add(struct vol_core *core, struct vol_view *w)
{
	pthread_mutex_lock(&core->lock);
	w->next = core->views;
	core->views = w;
	pthread_mutex_unlock(&core->lock);
}

/* Out of the list: @id, or with NULL one whose process has ended. */
static struct vol_view *view_take(struct vol_core *core, const char *id)
{
	struct vol_view **at, *w = NULL;

	pthread_mutex_lock(&core->lock);
	for (at = &core->views; *at; at = &(*at)->next) {
		struct pollfd p = { .fd = (*at)->peer, .events = POLLIN };

		if (id ? strcmp((*at)->id, id) == 0 : poll(&p, 1, 0) == 1)
			break;
	}
	if (*at) {
		w = *at;
		*at = w->next;
	}
	pthread_mutex_unlock(&core->lock);
	return w;
}

int vol_view_check(struct vol_core *core, const char *name, const char *snap,
		   struct err *err)
{
	int pid = 0;

	pthread_mutex_lock(&core->lock);
	for (const struct vol_view *w = core->views; w && !pid; w = w->next)
		if (strcmp(w->name, name) == 0 && w->kind != VIEW_STAGED &&
		    (!snap || strcmp(w->snap, snap) == 0))
			pid = w->pid;
	pthread_mutex_unlock(&core->lock);
	return pid ? err_set(err, -EBUSY,
			     "%s%s%s is being read by process %d (a backup): "
			     "wait for it, or end it",
			     name, snap ? "@" : "", snap ? snap : "", pid)
		   : 0;
}

static void tell(const struct vol_view *w, struct vol_view_info *ret)
{
	*ret = (struct vol_view_info){ .live = w->kind == VIEW_LIVE };
	snprintf(ret->id, sizeof(ret->id), "%s", w->id);
	snprintf(ret->path, sizeof(ret->path), "/proc/%d/fd/%d", getpid(),
		 w->fd);
}

/* ---- reading: a snapshot ------------------------------------------------------ */

/* The driver says no more than that it can't. */
static bool cannot(int r)
{
	return r == -EOPNOTSUPP;
}

/* Is the volume itself to be read, as opening a snapshot of it ended in @r?  Whether it
 * may be is asked later; one that there is only no room for is said first to who
 * would be refused. */
static bool is_instead(const struct vol_entry *e, const char *snap, bool live,
		       int r)
{
	if (*snap)
		return false;
	return cannot(r) ||
	       ((r == -ENOSPC || r == -EROFS) && (live || !e->v->users));
}

static void drop_own(struct vol_core *core, struct vol_entry *e,
		     const struct vol_view *w)
{
	int r = e->v ? core->driver->snapshot_del(e->v, w->snap, NULL) : 0;

	/* what stays is told, and tried again, at the next start */
	if (r == 0 || r == -ENOENT || cannot(r))
		(void)store_del(core->d->state, VIEW_KIND, w->id, NULL);
}

static int make_own(struct vol_entry *e, struct vol_view *w, struct err *err)
{
	struct vol_core *core = e->core;
	struct vol_request q = { 0 };
	_cleanup_free_ char *text = NULL;
	int r;

	w->kind = VIEW_OWN;
	snprintf(w->snap, sizeof(w->snap), ".%s", w->id);
	snprintf(q.name, sizeof(q.name), "%s", e->name);
	text = vol_request_print(&q);
	r = text ? store_put(core->d->state, VIEW_KIND, w->id, e->name, text,
			     err)
		 : no_memory(err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.view.intent");
	if (r == 0)
		r = core->driver->snapshot_add(e->v, w->snap, err);
	if (r == 0)
		r = FAILPOINT("vol.view.made");
	if (r < 0)
		drop_own(core, e, w);
	return r;
}

static int open_snapshot(struct vol_entry *e, struct vol_view *w,
			 struct err *err)
{
	int r = 0;

	if (!e->core->driver->snapshot_open || !e->core->driver->snapshot_add)
		return err_set(err, -EOPNOTSUPP,
			       "volumes of %s have no "
			       "snapshots",
			       e->core->driver->name);
	if (!w->snap[0])
		r = make_own(e, w, err);
	if (r < 0)
		return r;
	w->fd = e->core->driver->snapshot_open(e->v, w->snap, err);
	if (w->fd < 0 && w->kind == VIEW_OWN)
		drop_own(e->core, e, w);
	return w->fd < 0 ? w->fd : 0;
}

/* ---- reading: the volume itself ------------------------------------------------ */

/* Its users but us: none, or @live.  Those who come from now on are counted. */
static int look_at_users(struct vol_core *core, struct vol_view *w, bool live,
			 struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, w->name);
	int r = e ? vol_usable(e, err) : no_memory(err);

	if (r < 0)
		return r;
	w->mount_calls = e->mount_calls;
	if (live || e->v->users <= 1)
		return 0;
	return err_set(err, -EBUSY,
		       "volume %s is in use, and there can be no snapshot of "
		       "it: what is read while others write may fit nowhere "
		       "together.  Stop who uses it, or say --live",
		       w->name);
}

static int open_live(struct vol_core *core, struct vol_view *w, bool live,
		     struct err *err)
{
	char path[VOL_PATH_MAX];
	uint64_t seq = 0;
	int r;

	w->kind = VIEW_LIVE;
	/* from now on nobody removes it */
	r = vol_mount(core, w->name, w->id, path, &seq, err);
	vol_core_delivered(core, seq);
	if (r < 0)
		return r;
	r = look_at_users(core, w, live, err);
	if (r == 0) {
		w->fd = open(path,
			     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (w->fd < 0)
			r = err_set(err, -errno, "%.200s: %s", path,
				    strerror(errno));
	}
	if (r < 0) {
		seq = 0;
		(void)vol_unmount(core, w->name, w->id, &seq, NULL);
		vol_core_delivered(core, seq);
	}
	return r;
}

int vol_view_open(struct vol_core *core, const char *name, const char *snap,
		  bool live, int peer, int pid, struct vol_view_info *ret,
		  struct err *err)
{
	_cleanup_(view_freep) struct vol_view *w = view_new(name, peer, pid);
	struct vol_entry *e;
	struct err why = { 0 };
	bool instead = false;
	int r;

	if (!w)
		return no_memory(err);
	snprintf(w->snap, sizeof(w->snap), "%s", snap);
	e = vol_entry_take(core, name);
	r = e ? vol_usable(e, err) : no_memory(err);
	if (r == 0) {
		e->recovered_seq = 0;
		r = open_snapshot(e, w, &why);
		instead = is_instead(e, snap, live, r);
		if (r < 0 && !instead)
			err_set(err, r, "%s", why.msg);
		if (r == 0) { /* under its lock: nobody deletes it */
			tell(w, ret);
			view_add(core, take_ptr(w));
		}
	}
	vol_entry_give(e);
	if (!instead)
		return r;
	w->snap[0] = '\0';
	r = open_live(core, w, live, err);
	if (r < 0)
		return r;
	tell(w, ret);
	view_add(core, take_ptr(w));
	return 0;
}

/* ---- filling -------------------------------------------------------------------- */

/* The archive has the root directory's own, and that is what it gets. */
static int check_options(json_object *opts, struct err *err)
{
	static const char *const roots[] = { "uid", "gid", "mode" };

	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (json_object_object_get_ex(opts, roots[i], NULL))
			return err_set(err, -EINVAL,
				       "option %s: a restored volume has the "
				       "owner and permissions that are in the "
				       "archive",
				       roots[i]);
	return 0;
}

static int stage(struct vol_entry *e, struct vol_view *w, struct err *err)
{
	const struct vol_driver *driver = e->core->driver;
	int r;

	if (!driver->stage)
		return err_set(err, -EOPNOTSUPP,
			       "volumes of %s cannot be filled from an archive",
			       driver->name);
	if (e->v || e->broken || e->removing_seq)
		return err_set(err, -EEXIST,
			       "there is a volume %s already: choose another "
			       "name, or remove it first",
			       e->name);
	if (e->staged)
		return err_set(err, -EBUSY,
			       "volume %s is being restored already", e->name);
	r = vol_rename_check(e, err);
	if (r < 0)
		return r;
	r = vol_new(e->core, e->name, w->opts, &w->v, err);
	if (r == 0 && w->v->from.name[0])
		r = err_set(err, -EINVAL,
			    "option from: it is filled from an archive");
	if (r == 0)
		r = check_options(w->opts, err);
	if (r < 0)
		return r;
	w->fd = driver->stage(w->v, err);
	return w->fd < 0 ? w->fd : FAILPOINT("vol.restore.staged");
}

int vol_view_stage(struct vol_core *core, const char *name, json_object *opts,
		   int peer, int pid, struct vol_view_info *ret,
		   struct err *err)
{
	_cleanup_(view_freep) struct vol_view *w = view_new(name, peer, pid);
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, name);
	int r;

	if (!w || !e)
		return no_memory(err);
	w->kind = VIEW_STAGED;
	r = vol_opts_copy(opts, &w->opts, err);
	if (r == 0)
		r = stage(e, w, err);
	if (r < 0) {
		closep(&w->fd);
		w->fd = -EBADF;
		if (w->v)
			core->driver->unstage(w->v);
		return r;
	}
	e->staged = true;
	tell(w, ret);
	view_add(core, take_ptr(w));
	return 0;
}

static int settle(struct vol_entry *e, struct vol_view *w, uint64_t *ret_seq,
		  struct err *err)
{
	struct store *s = e->core->d->state;
	struct vol_request q = { .opts = w->opts };
	bool settled = false;
	uint64_t seq;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	vol_now(q.time);
	snprintf(w->v->created, sizeof(w->v->created), "%s", q.time);
	r = vol_later_settle(e, err);
	if (r < 0)
		return r;
	r = vol_begin(e, s, vol_method_restore, &q, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.restore.intent");
	if (r == 0)
		r = e->core->driver->settle(w->v, err);
	settled = r == 0;
	if (r == 0)
		r = FAILPOINT("vol.restore.settled");
	if (r == 0)
		r = vol_create_apply(e, NULL, w->v, w->opts, seq, err);
	if (r < 0) {
		/* nobody knows of it: the archive still has all of it */
		if (settled && e->core->driver->remove(w->v, NULL) == VOL_LATER)
			(void)e->core->driver->flush(
				e->core->host,
				(const char *const[]){ e->name, NULL }, NULL);
		vol_abort(e, s, seq);
		return r;
	}
	w->v = NULL;
	*ret_seq = seq;
	return FAILPOINT("vol.restore.done");
}

/* ---- the end --------------------------------------------------------------------- */

static int end_staged(struct vol_core *core, struct vol_view *w, bool keep,
		      uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, w->name);
	int r = 0;

	if (!e)
		return no_memory(err);
	/* a failure of the disk is one of what was written */
	if (keep && syncfs(w->fd) < 0)
		r = err_set(err, -errno, "write volume %s: %s", w->name,
			    strerror(errno));
	closep(&w->fd);
	w->fd = -EBADF;
	if (keep && r == 0)
		r = settle(e, w, ret_seq, err);
	e->staged = false;
	if (w->v)
		core->driver->unstage(w->v);
	return r;
}

/* @e: locked, and given back. */
static int end_own(struct vol_core *core, struct vol_view *w,
		   struct vol_entry *e, struct err *err)
{
	int r = 0;

	if (e->v)
		r = core->driver->snapshot_del(e->v, w->snap, err);
	vol_entry_give(e);
	if (r < 0 && r != -ENOENT)
		return r;
	r = FAILPOINT("vol.view.closed");
	return r < 0 ? r : store_del(core->d->state, VIEW_KIND, w->id, err);
}

/* @e: locked, and given back. */
static int end_live(struct vol_core *core, struct vol_view *w,
		    struct vol_entry *e, bool *shared, struct err *err)
{
	uint64_t seq = 0;
	int r;

	*shared = e->v && (e->v->users > 1 || e->mount_calls != w->mount_calls);
	vol_entry_give(e);
	r = vol_unmount(core, w->name, w->id, &seq, err);
	vol_core_delivered(core, seq);
	return r;
}

/* @w stays the caller's.  @e: its volume, locked, and given back; NULL: it is not waited
 * for long. */
static int view_end(struct vol_core *core, struct vol_view *w,
		    struct vol_entry *e, bool keep, bool *shared,
		    uint64_t *ret_seq, struct err *err)
{
	int r = 0;

	if (w->kind == VIEW_STAGED) {
		vol_entry_give(e);
		return end_staged(core, w, keep, ret_seq, err);
	}
	closep(&w->fd);
	w->fd = -EBADF;
	if (w->kind == VIEW_SNAPSHOT) {
		vol_entry_give(e);
		return 0;
	}
	if (!e)
		r = vol_entry_take_within(core, w->name, 200, &e);
	if (r < 0)
		return err_set(err, r, "volume %s is busy", w->name);
	return w->kind == VIEW_OWN ? end_own(core, w, e, err)
				   : end_live(core, w, e, shared, err);
}

/* The volume of the view @id, locked: as long as the view is in the list nobody removes
 * that, so it stays there while a request of another is waited for. */
static struct vol_entry *take_volume_of(struct vol_core *core, const char *id)
{
	char name[VOL_NAME_MAX] = "";

	pthread_mutex_lock(&core->lock);
	for (const struct vol_view *w = core->views; w; w = w->next)
		if (strcmp(w->id, id) == 0)
			snprintf(name, sizeof(name), "%s", w->name);
	pthread_mutex_unlock(&core->lock);
	return name[0] ? vol_entry_take(core, name) : NULL;
}

int vol_view_close(struct vol_core *core, const char *id, bool keep,
		   bool *shared, uint64_t *ret_seq, struct err *err)
{
	struct vol_entry *e = take_volume_of(core, id);
	_cleanup_(view_freep) struct vol_view *w = view_take(core, id);
	int r;

	*shared = false;
	if (!w)
		vol_entry_give(e);
	if (!w)
		return err_set(
			err, -ENOENT,
			"no view %s: the daemon was restarted meanwhile, "
			"and what was under way is undone",
			id);
	r = view_end(core, w, e, keep, shared, ret_seq, err);
	if (r < 0 && w->kind != VIEW_STAGED)
		view_add(core, take_ptr(w)); /* the tick tries again */
	return r;
}

void vol_view_tick(struct vol_core *core)
{
	struct vol_view *w, *stuck = NULL;

	while ((w = view_take(core, NULL))) {
		struct err err = { 0 };
		uint64_t seq = 0;
		bool shared;
		int r = view_end(core, w, NULL, false, &shared, &seq, &err);

		if (r == 0 || w->kind == VIEW_STAGED) {
			log_info("op=view.end volume=%s pid=%d why=\"its "
				 "process has ended\"",
				 w->name, w->pid);
			view_free(w);
			continue;
		}
		if (!w->told)
			log_warn("op=view.end volume=%s err=\"%s\"", w->name,
				 err.msg);
		w->told = true;
		w->next = stuck;
		stuck = w;
	}
	while ((w = stuck)) {
		stuck = w->next;
		view_add(core, w);
	}
}

void vol_view_close_all(struct vol_core *core)
{
	struct vol_view *w;

	while ((w = core->views)) {
		uint64_t seq = 0;
		bool shared;

		core->views = w->next;
		/* what stays is the next start's */
		(void)view_end(core, w, NULL, false, &shared, &seq, NULL);
		view_free(w);
	}
}
