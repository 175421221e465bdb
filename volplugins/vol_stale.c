/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Users that are gone without a word.
 *
 * dockerd gives up an Unmount after 15 s and never repeats it, so a mount ID
 * may outlive its container, and the volume could not be removed before the
 * next reboot.  A container has its volume in its mount namespace: where no
 * namespace but ours has a volume for the grace time, its IDs are dropped.
 * Which of several is the dead one can't be told; then all stay.
 *
 * podman's one ID stays, always.  podman counts its containers itself, and its 1
 * can outlive them (podman volume mount; a daemon that was away when the last one
 * ended).  Were the volume unmounted by us, its next container would be given what
 * is below the mount, for podman asks for no second one.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/mounts.h"
#include "volplugins/vol_priv.h"

#define BY_HAND_S   60  /* between Mount and the container's start */
#define EVERY_MAX_S 120 /* between two sweeps */

/* What podman says for whichever container and volume. */
#define PODMAN_ID \
	"2f73349cfc4630255319c6c8dfc1b46a8996ace9d14d8e07563b165915918ec2"

struct sweep {
	struct vol_core *core;
	bool by_hand, dry;
	vol_line_fn *fn;
	void *ctx;
	int dropped;
};

time_t vol_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec;
}

static void tell(struct sweep *w, const char *name, const char *id)
{
	char line[VOL_NAME_MAX + VOL_ID_MAX + 64];

	w->dropped++;
	snprintf(line, sizeof(line),
		 "mount %s of volume %s: no container has it", id, name);
	if (w->fn)
		w->fn(w->ctx, line);
	else
		log_info("op=gc removed=\"%s\"", line);
}

/* Has it been idle for long enough?  @e is locked. */
static bool is_due(const struct sweep *w, struct vol_entry *e)
{
	time_t now = vol_clock();

	if (!e->idle_since)
		e->idle_since = now;
	if (w->by_hand)
		return now - e->last_mount >= BY_HAND_S;
	return now - e->idle_since >= (time_t)w->core->grace_s;
}

static int drop_users(struct sweep *w, struct vol_entry *e)
{
	char id[VOL_ID_MAX];
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = 0;

	/* from the end, whose place nobody takes */
	for (unsigned int i = e->v->users; r == 0 && i-- > 0;) {
		if (strcmp(e->mounts[i].id, PODMAN_ID) == 0)
			continue;
		snprintf(id, sizeof(id), "%s", e->mounts[i].id);
		if (!w->dry)
			r = vol_unmount_locked(e, id, &seq, &err);
		if (r == 0)
			tell(w, e->name, id);
		/* nobody waits for this answer */
		if (!w->dry)
			vol_core_delivered(w->core, seq);
	}
	if (r < 0)
		log_warn("op=gc volume=%s err=\"%s\"", e->name, err.msg);
	return r;
}

static int sweep_one(struct sweep *w, const char *name, bool elsewhere,
		     struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	int r = vol_entry_take_within(w->core, name, 0, &e);

	if (r == -EBUSY)
		return 0; /* somebody is at it; the main thread waits for nobody */
	if (r < 0)
		return err_set(err, r, "out of memory");
	if (!e->v || !e->v->users)
		return 0;
	/* a backup reads it where we are */
	if (elsewhere || vol_view_check(w->core, name, NULL, NULL) < 0)
		e->idle_since = 0;
	else if (is_due(w, e))
		(void)drop_users(w, e); /* told; again at the next sweep */
	return 0;
}

/* Volumes in use, and where they are. */
struct in_use {
	struct mounts_query *queries;
	char **names;
	size_t count, room;
};

static void in_use_fini(struct in_use *u)
{
	for (size_t i = 0; i < u->count; i++) {
		free((void *)(uintptr_t)u->queries[i].path);
		free(u->names[i]);
	}
	free(u->queries);
	free(u->names);
}

static int note_in_use(void *ctx, const struct vol_info *v)
{
	struct in_use *u = ctx;

	if (!v->users)
		return 0;
	if (u->count == u->room) {
		size_t room = u->room ? u->room * 2 : 16;
		struct mounts_query *queries =
			reallocarray(u->queries, room, sizeof(*queries));
		char **names;

		if (queries)
			u->queries = queries;
		names = reallocarray(u->names, room, sizeof(*names));
		if (names)
			u->names = names;
		if (!queries || !names)
			return -ENOMEM;
		u->room = room;
	}
	u->queries[u->count] = (struct mounts_query){ .path = strdup(v->path) };
	u->names[u->count] = strdup(v->name);
	u->count++;
	return u->queries[u->count - 1].path && u->names[u->count - 1]
		       ? 0
		       : -ENOMEM;
}

/* Told once, and in the problems for as long as it is so. */
static void note_blind(struct vol_core *core, const char *why)
{
	bool told;

	pthread_mutex_lock(&core->lock);
	told = core->blind[0];
	snprintf(core->blind, sizeof(core->blind), "%s", why);
	pthread_mutex_unlock(&core->lock);
	if (why[0] && !told)
		log_warn("op=gc err=\"users that are gone are not seen: %s\"",
			 why);
}

int vol_stale_sweep(struct vol_core *core, bool by_hand, bool dry,
		    vol_line_fn *fn, void *ctx, struct err *err)
{
	struct sweep w = { .core = core,
			   .by_hand = by_hand,
			   .dry = dry,
			   .fn = fn,
			   .ctx = ctx };
	_cleanup_(in_use_fini) struct in_use u = { 0 };
	int r = vol_each(core, note_in_use, &u, err);
	struct err hidden = { 0 };

	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	if (r == 0)
		r = mounts_elsewhere(u.queries, u.count, &hidden);
	if (r < 0)
		return err_set(err, r, "%s", hidden.msg);
	note_blind(core, hidden.msg);
	r = 0;
	for (size_t i = 0; r == 0 && i < u.count; i++)
		r = sweep_one(&w, u.names[i], u.queries[i].elsewhere, err);
	return r < 0 ? r : w.dropped;
}

void vol_stale_tick(struct vol_core *core)
{
	time_t now = vol_clock(), every = (time_t)core->grace_s / 4;
	struct err err = { 0 };

	if (!core->grace_s || now < core->next_sweep)
		return;
	if (vol_stale_sweep(core, false, false, NULL, NULL, &err) < 0)
		log_warn("op=gc err=\"%s\"", err.msg);
	core->next_sweep = now + (every < 1             ? 1
				  : every > EVERY_MAX_S ? EVERY_MAX_S
							: every);
}
