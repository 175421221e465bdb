/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the volume core tells: the list, what is wrong, what is left over. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "lib/jdec.h"
#include "volplugins/vol_priv.h"

#define LOOK_MS 100

struct telling {
	struct vol_core *core;
	int (*fn)(void *ctx, const struct vol_info *v);
	void *ctx;
	struct err *err;
	int r;
};

static void tell_one(const void *node, VISIT which, void *ctx)
{
	const struct vol_entry *e = *(const struct vol_entry *const *)node;
	struct telling *t = ctx;
	char path[VOL_PATH_MAX];
	struct vol_info info;

	if ((which != postorder && which != leaf) || t->r < 0 || !e->v)
		return;
	t->r = t->core->driver->path(e->v, path, sizeof(path), t->err);
	if (t->r < 0)
		return;
	info = (struct vol_info){
		.name = e->name,
		.created = e->v->created,
		.path = path,
		.users = e->v->users,
		.opts = e->opts,
	};
	t->r = t->fn(t->ctx, &info);
}

int vol_each(struct vol_core *core,
	     int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
	     struct err *err)
{
	struct telling t = { .core = core, .fn = fn, .ctx = ctx, .err = err };

	pthread_mutex_lock(&core->lock);
	twalk_r(core->names, tell_one, &t);
	pthread_mutex_unlock(&core->lock);
	return t.r;
}

int vol_tell_busy(struct vol_core *core, const char *name,
		  int (*fn)(void *ctx, const struct vol_info *v), void *ctx,
		  struct err *err)
{
	_cleanup_(json_putp) json_object *status = json_object_new_object();
	json_object *yes = json_object_new_boolean(true);
	char path[VOL_PATH_MAX];
	const struct vol_entry *e;
	int r = -EAGAIN;

	if (!status || !yes ||
	    json_object_object_add(status, "busy", yes) < 0) {
		json_object_put(yes);
		return err_set(err, -ENOMEM, "out of memory");
	}
	pthread_mutex_lock(&core->lock);
	e = vol_entry_load(core, name, false);
	if (e && e->v)
		r = core->driver->path(e->v, path, sizeof(path), err);
	if (r == 0)
		r = fn(ctx, &(struct vol_info){
				    .name = e->name,
				    .created = e->v->created,
				    .path = path,
				    .users = e->v->users,
				    .opts = e->opts,
				    .status = status,
			    });
	pthread_mutex_unlock(&core->lock);
	return r;
}

void vol_problems(struct vol_core *core, vol_line_fn *fn, void *ctx)
{
	problems_of_store(core->d->state, fn, ctx);
	problems_of_store(core->d->run, fn, ctx);
	problems_each(&core->problems, fn, ctx);
	pthread_mutex_lock(&core->lock);
	if (core->blind[0]) {
		char line[ERR_MSG_MAX + 64];

		snprintf(line, sizeof(line),
			 "users that are gone are not seen: %s", core->blind);
		fn(ctx, line);
	}
	pthread_mutex_unlock(&core->lock);
}

/* The driver has one context for both of its callbacks. */
struct relay {
	struct vol_core *core;
	vol_line_fn *fn;
	void *ctx;
};

static bool relay_known(void *ctx, const char *name)
{
	const struct relay *relay = ctx;
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	int r = vol_entry_take_within(relay->core, name, 0, &e);

	/* on doubt it is known: gc must not touch it */
	return r < 0 || e->v || e->broken || e->moving;
}

static void relay_line(void *ctx, const char *line)
{
	const struct relay *relay = ctx;

	relay->fn(relay->ctx, line);
}

static int verify_one(struct vol_core *core, const char *name, vol_line_fn *fn,
		      void *ctx, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	int r = vol_entry_take_within(core, name, LOOK_MS, &e);
	char line[ERR_MSG_MAX + VOL_NAME_MAX + 16];
	struct err why = { 0 };

	if (r == -ENOMEM)
		return err_set(err, r, "out of memory");
	if (r == -EBUSY)
		err_set(&why, r, "a request has it: not looked at");
	else if (!e->v || (vol_rename_check(e, &why) == 0 &&
			   core->driver->verify(e->v, &why) == 0))
		return 0;
	snprintf(line, sizeof(line), "volume %s: %s", name, why.msg);
	fn(ctx, line);
	return 0;
}

int vol_check(struct vol_core *core, vol_line_fn *fn, void *ctx,
	      struct err *err)
{
	_cleanup_(vol_names_freep) char **names = vol_names(core);
	struct relay relay = { .core = core, .fn = fn, .ctx = ctx };
	int r = 0;

	if (!names)
		return err_set(err, -ENOMEM, "out of memory");
	vol_problems(core, fn, ctx);
	for (size_t i = 0; r == 0 && names[i]; i++)
		r = verify_one(core, names[i], fn, ctx, err);
	if (r == 0 && core->driver->check)
		r = core->driver->check(core->host, relay_known, relay_line,
					&relay, err);
	return r;
}

/* Mounted, though nobody has it: what an earlier life could not unmount, or
 * whose record of users was lost.  Return: 1 if it was (would be) unmounted. */
static int unmount_idle(struct vol_core *core, const char *name, bool dry,
			vol_line_fn *fn, void *ctx)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e = NULL;
	char line[ERR_MSG_MAX + VOL_NAME_MAX + 32];
	struct err why = { 0 };

	if (vol_entry_take_within(core, name, 0, &e) < 0 || !e->v ||
	    e->v->users || core->driver->verify(e->v, &why) != -EBUSY)
		return 0;
	if (!dry && core->driver->unmount(e->v, &why) < 0) {
		snprintf(line, sizeof(line), "mount of volume %s stays: %s",
			 name, why.msg);
		fn(ctx, line);
		return 0;
	}
	if (!dry)
		e->attached = false;
	snprintf(line, sizeof(line), "mount of volume %s, which has no users",
		 name);
	fn(ctx, line);
	return 1;
}

int vol_gc(struct vol_core *core, bool dry, vol_line_fn *fn, void *ctx,
	   struct err *err)
{
	struct relay relay = { .core = core, .fn = fn, .ctx = ctx };
	_cleanup_(vol_names_freep) char **names = NULL;
	int stale, r = 0, idle = 0;

	stale = vol_stale_sweep(core, true, dry, fn, ctx, err);
	if (stale < 0)
		return stale;
	names = vol_names(core);
	for (size_t i = 0; names && names[i]; i++)
		idle += unmount_idle(core, names[i], dry, fn, ctx);
	if (core->driver->gc)
		r = core->driver->gc(core->host, dry, relay_known, relay_line,
				     &relay, err);
	return r < 0 ? r : stale + idle + r;
}
