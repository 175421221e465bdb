/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume core's table: names, their locks, their volumes and mount IDs. */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <string.h>

#include "lib/answer.h"
#include "volplugins/vol_priv.h"
#include "volplugins/vol_record.h"

#define TRY_MS 5

static int by_name(const void *a, const void *b)
{
	const struct vol_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void mounts_clear(struct vol_entry *e)
{
	while (e->v && e->v->users)
		free(e->mounts[--e->v->users].id);
	free(take_ptr(e->mounts));
}

static void entry_free(void *p)
{
	struct vol_entry *e = p;

	mounts_clear(e);
	json_object_put(e->opts);
	free(e->v);
	free(e->broken);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static struct vol_entry *entry_new(struct vol_core *core, const char *name)
{
	struct vol_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->core = core;
	pthread_mutex_init(&e->lock, NULL);
	snprintf(e->name, sizeof(e->name), "%s", name);
	return e;
}

/* Find or make the entry of @name; the table is locked. */
static struct vol_entry *entry_get(struct vol_core *core, const char *name)
{
	struct vol_entry *fresh = entry_new(core, name);
	struct vol_entry **at =
		fresh ? tsearch(fresh, &core->names, by_name) : NULL;

	if (!at || *at != fresh) {
		if (fresh)
			entry_free(fresh);
		return at ? *at : NULL;
	}
	return fresh;
}

/* The entry of @name with one more reference, not locked. */
static struct vol_entry *entry_ref(struct vol_core *core, const char *name)
{
	struct vol_entry *e;

	pthread_mutex_lock(&core->lock);
	e = entry_get(core, name);
	if (e)
		e->refs++;
	pthread_mutex_unlock(&core->lock);
	return e;
}

/* Give it back, locked or not. */
static void entry_unref(struct vol_entry *e)
{
	struct vol_core *core = e->core;
	bool last;

	pthread_mutex_lock(&core->lock);
	last = --e->refs == 0 && !e->v && !e->broken && !e->stale_seq &&
	       !e->staged && !e->later && !e->moving;
	if (last)
		tdelete(e, &core->names, by_name);
	pthread_mutex_unlock(&core->lock);
	if (last)
		entry_free(e);
}

struct vol_entry *vol_entry_take(struct vol_core *core, const char *name)
{
	struct vol_entry *e = entry_ref(core, name);

	if (e)
		pthread_mutex_lock(&e->lock);
	return e;
}

int vol_entry_take_within(struct vol_core *core, const char *name, int wait_ms,
			  struct vol_entry **ret)
{
	const struct timespec step = { .tv_nsec = TRY_MS * 1000000 };
	struct vol_entry *e = entry_ref(core, name);
	int r = e ? -pthread_mutex_trylock(&e->lock) : -ENOMEM;

	for (; r == -EBUSY && wait_ms > 0; wait_ms -= TRY_MS) {
		nanosleep(&step, NULL);
		r = -pthread_mutex_trylock(&e->lock);
	}
	if (r == 0)
		*ret = e;
	else if (e)
		entry_unref(e);
	return r;
}

void vol_pair_take(struct vol_core *core, const char *name, const char *other,
		   struct vol_pair *ret)
{
	bool two = *other != '\0', first = two && strcmp(other, name) < 0;

	*ret = (struct vol_pair){ 0 };
	if (first)
		ret->other = vol_entry_take(core, other);
	ret->e = vol_entry_take(core, name);
	if (two && !first)
		ret->other = vol_entry_take(core, other);
	if (ret->e && (ret->other || !two))
		return;
	vol_pair_give(ret);
	*ret = (struct vol_pair){ 0 };
}

void vol_pair_give(struct vol_pair *p)
{
	vol_entry_give(p->e);
	vol_entry_give(p->other);
}

struct vol_entry *vol_entry_load(struct vol_core *core, const char *name,
				 bool make)
{
	struct vol_entry key = { 0 }, **at;

	if (make)
		return entry_get(core, name);
	snprintf(key.name, sizeof(key.name), "%s", name);
	at = tfind(&key, &core->names, by_name);
	return at ? *at : NULL;
}

void vol_entry_give(struct vol_entry *e)
{
	if (!e)
		return;
	pthread_mutex_unlock(&e->lock);
	entry_unref(e);
}

void vol_entry_set(struct vol_entry *e, struct vol_volume *v, json_object *opts)
{
	struct vol_volume *old;

	pthread_mutex_lock(&e->core->lock);
	mounts_clear(e);
	old = e->v;
	e->v = v;
	if (v)
		v->recorded = true;
	json_object_put(e->opts);
	e->opts = opts;
	pthread_mutex_unlock(&e->core->lock);
	free(old);
	e->attached = e->seen_free = false;
}

int vol_opts_copy(json_object *from, json_object **ret, struct err *err)
{
	*ret = NULL;
	if (from && json_object_deep_copy(from, ret, NULL) < 0)
		return answer_no_memory(err);
	return 0;
}

struct collect {
	char **names;
	size_t count, room;
	bool later; /* those with something for .flush, else the volumes */
	bool failed;
};

static void collect_one(const void *node, VISIT which, void *ctx)
{
	const struct vol_entry *e = *(const struct vol_entry *const *)node;
	struct collect *c = ctx;

	if ((which != postorder && which != leaf) || c->failed ||
	    (c->later ? !e->later : !e->v && !e->broken))
		return;
	if (c->count + 1 >= c->room) {
		size_t room = c->room ? c->room * 2 : 64;
		char **grew = reallocarray(c->names, room, sizeof(*grew));

		if (!grew) {
			c->failed = true;
			return;
		}
		c->names = grew;
		c->room = room;
	}
	c->names[c->count] = strdup(e->name);
	c->failed = !c->names[c->count++];
	c->names[c->count] = NULL;
}

static char **collect(struct vol_core *core, bool later)
{
	struct collect c = { .later = later };

	pthread_mutex_lock(&core->lock);
	twalk_r(core->names, collect_one, &c);
	pthread_mutex_unlock(&core->lock);
	if (!c.names)
		return c.failed ? NULL : calloc(1, sizeof(char *));
	if (c.failed)
		vol_names_free(take_ptr(c.names));
	return c.names;
}

char **vol_names(struct vol_core *core)
{
	return collect(core, false);
}

char **vol_names_later(struct vol_core *core)
{
	return collect(core, true);
}

void vol_names_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

void vol_table_free(struct vol_core *core)
{
	tdestroy(take_ptr(core->names), entry_free);
}

/* The option "from" is the core's as well: it locks what is copied. */
static int read_from(struct vol_volume *v, json_object *opts, struct err *err)
{
	json_object *from = NULL;
	int r;

	if (!opts || !json_object_object_get_ex(opts, "from", &from) || !from)
		return 0;
	if (!v->driver->clone)
		return err_set(err, -EOPNOTSUPP,
			       "option from: volumes of %s cannot be copied",
			       v->driver->name);
	r = vol_ref_parse(json_object_get_string(from), &v->from, err);
	return r < 0 ? err_wrap(err, r, "option from") : 0;
}

int vol_new(struct vol_core *core, const char *name, json_object *opts,
	    struct vol_volume **ret, struct err *err)
{
	const struct vol_driver *driver = core->driver;
	_cleanup_free_ struct vol_volume *v = calloc(1, driver->volume_size);
	char what[96];
	int r;

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	v->driver = driver;
	v->host = core->host;
	snprintf(v->name, sizeof(v->name), "%s", name);
	if (driver->defaults)
		driver->defaults(v);
	snprintf(what, sizeof(what), "a %s volume", driver->name);
	r = read_from(v, opts, err);
	if (r == 0)
		r = opts_decode(opts, driver->options,
				(char *)v + driver->options_offset, what, err);
	if (r == 0 && driver->init)
		r = driver->init(v, err);
	if (r < 0)
		return r;
	*ret = take_ptr(v);
	return 0;
}

struct vol_mount *vol_mount_find(struct vol_entry *e, const char *id)
{
	for (unsigned int i = 0; e->v && i < e->v->users; i++)
		if (strcmp(e->mounts[i].id, id) == 0)
			return &e->mounts[i];
	return NULL;
}

int vol_mount_add(struct vol_entry *e, const char *id, const char *since,
		  uint64_t recovered)
{
	_cleanup_free_ char *own = strdup(id);
	struct vol_mount *grew =
		reallocarray(e->mounts, e->v->users + 1, sizeof(*e->mounts));

	if (grew)
		e->mounts = grew;
	if (!grew || !own)
		return -ENOMEM;
	grew[e->v->users] = (struct vol_mount){ .recovered = recovered };
	snprintf(grew[e->v->users].since, sizeof(grew->since), "%s", since);
	grew[e->v->users].id = take_ptr(own);
	pthread_mutex_lock(&e->core->lock); /* vol_each() reads it */
	e->v->users++;
	pthread_mutex_unlock(&e->core->lock);
	return 0;
}

void vol_mount_drop(struct vol_entry *e, struct vol_mount *m)
{
	pthread_mutex_lock(&e->core->lock);
	e->v->users--;
	pthread_mutex_unlock(&e->core->lock);
	free(m->id);
	*m = e->mounts[e->v->users];
}
