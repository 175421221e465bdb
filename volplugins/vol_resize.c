/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another limit for a volume.
 *
 * The record's option "size" changes in the transaction that ends the intent,
 * so that a Create with the new size is one with the same options.  What grew
 * can't be made smaller again: an intent is always rolled forward.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "volplugins/vol_intent.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

const char vol_method_resize[] = "Berth.VolumeResize";

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

/* The options of @e with another size.  Owned; NULL: out of memory. */
static json_object *with_size(const struct vol_entry *e, uint64_t size)
{
	const struct vol_driver *driver = e->core->driver;
	_cleanup_(json_putp) json_object *opts = NULL;
	json_object *text;
	char digits[24];

	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)size);
	if (!e->opts)
		opts = json_object_new_object();
	else if (json_object_deep_copy(e->opts, &opts, NULL) < 0)
		return NULL;
	if (opts && driver->unsize && driver->unsize(opts) < 0)
		return NULL;
	text = json_object_new_string(digits);
	if (!opts || !text || json_object_object_add(opts, "size", text) < 0) {
		json_object_put(text);
		return NULL;
	}
	return take_ptr(opts);
}

static int resize_commit(struct vol_entry *e, json_object *opts, uint64_t seq,
			 struct err *err)
{
	struct vol_request q = { .opts = opts };
	_cleanup_free_ char *text = NULL;
	_cleanup_(store_rollbackp) struct store *s = e->core->d->state;
	int r;

	snprintf(q.name, sizeof(q.name), "%s", e->name);
	snprintf(q.time, sizeof(q.time), "%s", e->v->created);
	text = vol_request_print(&q);
	if (!text)
		return no_memory(err);
	r = store_begin(s, err);
	if (r == 0)
		r = store_put(s, VOL_KIND, e->name, "", text, err);
	if (r == 0)
		r = journal_commit(s, seq, "{}", err);
	if (r == 0)
		r = FAILPOINT("vol.resize.recorded");
	return r < 0 ? r : store_commit(s, err);
}

int vol_resize_apply(struct vol_entry *e, uint64_t size, uint64_t seq,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *opts = with_size(e, size);
	int r = opts ? e->core->driver->resize(e->v, size, err)
		     : no_memory(err);

	if (r < 0)
		return r;
	r = FAILPOINT("vol.resize.resized");
	if (r == 0)
		r = resize_commit(e, opts, seq, err);
	if (r < 0) {
		/* it has the new size: the next start writes that down, if
		 * nobody changes the volume before */
		e->stale_store = e->core->d->state;
		e->stale_seq = seq;
		return err_wrap(err, r,
				"volume %s was resized, which could "
				"not be recorded: repeat it",
				e->name);
	}
	pthread_mutex_lock(&e->core->lock); /* vol_each() reads it */
	json_object_put(e->opts);
	e->opts = take_ptr(opts);
	pthread_mutex_unlock(&e->core->lock);
	return 0;
}

int vol_resize(struct vol_core *core, const char *name, uint64_t size,
	       uint64_t *ret_seq, struct err *err)
{
	_cleanup_(vol_entry_givep) struct vol_entry *e =
		vol_entry_take(core, name);
	struct vol_request q = { .size = size };
	struct store *s = core->d->state;
	uint64_t seq;
	int r = e ? vol_usable(e, err) : no_memory(err);

	if (r == 0 && !core->driver->resize)
		r = err_set(err, -EOPNOTSUPP, "volumes of %s cannot be resized",
			    core->driver->name);
	if (r < 0)
		return r;
	snprintf(q.name, sizeof(q.name), "%s", name);
	r = vol_begin(e, s, vol_method_resize, &q, &seq, err);
	if (r < 0)
		return r;
	r = FAILPOINT("vol.resize.intent");
	if (r == 0)
		r = vol_resize_apply(e, size, seq, err);
	if (r < 0) {
		if (e->stale_seq != seq)
			vol_abort(e, s, seq);
		return r;
	}
	*ret_seq = seq;
	return FAILPOINT("vol.resize.done");
}
