/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The records of thin volumes and their snapshots, in state.db. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/fail.h"
#include "lib/jdec.h"
#include "volplugins/thin/thin.h"

static const struct jdec_field fields[] = {
	JDEC_FIELD("Number", JDEC_U32, struct thin_record, number,
		   JDEC_REQUIRED),
	JDEC_FIELD("Size", JDEC_U64, struct thin_record, size, JDEC_REQUIRED),
	JDEC_FIELD("Device", JDEC_U64, struct thin_record, device, 0),
	JDEC_FIELD("FS", JDEC_STR, struct thin_record, fs, JDEC_REQUIRED),
	JDEC_FIELD("From", JDEC_STR, struct thin_record, from, 0),
	JDEC_FIELD("Created", JDEC_STR, struct thin_record, created, 0),
	JDEC_FIELD("Used", JDEC_U64, struct thin_record, used, 0),
	JDEC_FIELD("Key", JDEC_STR, struct thin_record, key, 0),
	JDEC_FIELD("Touched", JDEC_BOOL, struct thin_record, touched, 0),
	{ 0 },
};

void thin_key(char key[static THIN_KEY_MAX], const char *name, const char *snap)
{
	snprintf(key, THIN_KEY_MAX, "%.255s%s%.255s", name, *snap ? "@" : "",
		 snap);
}

static int parse(const char *key, const char *text, struct thin_record *ret,
		 struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	struct thin_record rec = { 0 };
	int r = jdec_parse(text, strlen(text), &obj, err);

	if (r == 0)
		r = jdec_object(obj, fields, &rec, err);
	if (r < 0)
		return err_wrap(err, r, "record of %s", key);
	*ret = rec;
	return 0;
}

int thin_load(struct thin_host *h, const char *key, struct thin_record *ret,
	      struct err *err)
{
	_cleanup_free_ char *text = NULL;
	int r = store_get(h->pool.store, THIN_KIND, key, &text, err);

	return r < 0 ? r : parse(key, text, ret, err);
}

int thin_know(struct thin_volume *v, struct err *err)
{
	if (v->rec.number)
		return 0;
	return thin_load(thin_host_of(v), v->base.name, &v->rec, err);
}

static int save(struct thin_host *h, const char *name, const char *snap,
		const struct thin_record *rec, struct thin_change c,
		struct err *err)
{
	_cleanup_(json_putp) json_object *obj = jdec_to_json(fields, rec);
	char key[THIN_KEY_MAX];

	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	thin_key(key, name, snap);
	c.keep = rec->number;
	c.put = key;
	c.put_parent = *snap ? name : "";
	c.json = json_object_to_json_string(obj);
	return thin_change(&h->pool, &c, err);
}

int thin_save(struct thin_host *h, const char *name,
	      const struct thin_record *rec, uint32_t doom, struct err *err)
{
	return save(h, name, "", rec, (struct thin_change){ .doom = doom },
		    err);
}

int thin_save_snap(struct thin_host *h, const char *name, const char *snap,
		   const struct thin_record *rec, struct err *err)
{
	return save(h, name, snap, rec,
		    (struct thin_change){ .unsynced = true }, err);
}

int thin_forget(struct thin_host *h, const char *key, uint32_t number,
		struct err *err)
{
	const struct thin_change c = { .doom = number, .del = key };
	int r = thin_pool_use(&h->pool, false, err);

	if (r == 0)
		r = thin_pool_changeable(&h->pool, err);
	if (r == 0)
		r = thin_change(&h->pool, &c, err);
	if (r < 0)
		return r;
	(void)FAILPOINT("thin.remove.doomed");
	/* what stays is the next start's, or gc's */
	(void)thin_device_del(&h->pool, number, NULL);
	return 0;
}

/* ---- another name ---------------------------------------------------------------- */

struct moving {
	const char *name, *to;
	struct {
		char *id, *json;
	} * all;
	size_t count;
};

static void moving_done(struct moving *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->all[i].id);
		free(m->all[i].json);
	}
	free(m->all);
}

static int note(void *ctx, const char *id, const char *parent, const char *json)
{
	struct moving *m = ctx;
	void *more = reallocarray(m->all, m->count + 1, sizeof(*m->all));

	(void)parent;
	if (!more)
		return -ENOMEM;
	m->all = more;
	m->all[m->count].id = strdup(id);
	m->all[m->count].json = strdup(json);
	m->count++;
	return m->all[m->count - 1].id && m->all[m->count - 1].json ? 0
								    : -ENOMEM;
}

/* In a transaction. */
static int put_snaps(struct store *s, const struct moving *m, struct err *err)
{
	char key[THIN_KEY_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < m->count; i++) {
		thin_key(key, m->to, m->all[i].id + strlen(m->name) + 1);
		r = store_del(s, THIN_KIND, m->all[i].id, err);
		if (r == 0)
			r = store_put(s, THIN_KIND, key, m->to, m->all[i].json,
				      err);
	}
	return r;
}

static int move_records(struct store *s, const char *name, const char *to,
			struct err *err)
{
	_cleanup_(moving_done) struct moving m = { .name = name, .to = to };
	_cleanup_free_ char *text = NULL, *there = NULL;
	int r = store_get(s, THIN_KIND, to, &there, err);

	if (r < 0 && r != -ENOENT)
		return r;
	r = store_get(s, THIN_KIND, name, &text, err);
	if (there)
		return r == -ENOENT ? 0 /* done before */
		       : r < 0      ? r
				    : err_set(err, -EEXIST,
					      "data of %s are there, and no "
						   "volume owns them",
					      to);
	if (r == -ENOENT)
		return err_set(err, r, "its record is gone");
	if (r == 0)
		r = store_each(s, THIN_KIND, name, note, &m, err);
	if (r == 0)
		r = store_del(s, THIN_KIND, name, err);
	if (r == 0)
		r = store_put(s, THIN_KIND, to, "", text, err);
	return r == 0 ? put_snaps(s, &m, err) : r;
}

int thin_move(struct thin_host *h, const char *name, const char *to,
	      struct err *err)
{
	_cleanup_(store_rollbackp) struct store *s = NULL;
	int r = store_begin(h->pool.store, err);

	if (r < 0)
		return r;
	s = h->pool.store;
	r = move_records(s, name, to, err);
	if (r == 0)
		r = FAILPOINT("thin.rename.ready");
	return r == 0 ? store_commit(s, err) : r;
}

/* ---- all of them ------------------------------------------------------------------- */

struct walk {
	int (*snap)(void *ctx, const char *snap, const struct thin_record *rec);
	int (*name)(void *ctx, const char *name);
	void *ctx;
	struct err *err;
};

static int walk_snap(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	const struct walk *w = ctx;
	struct thin_record rec;
	int r = parse(id, json, &rec, w->err);

	return r < 0 ? r : w->snap(w->ctx, id + strlen(parent) + 1, &rec);
}

int thin_each_snap(struct thin_host *h, const char *name,
		   int (*fn)(void *ctx, const char *snap,
			     const struct thin_record *rec),
		   void *ctx, struct err *err)
{
	struct walk w = { .snap = fn, .ctx = ctx, .err = err };

	return store_each(h->pool.store, THIN_KIND, name, walk_snap, &w, err);
}

static int walk_name(void *ctx, const char *id, const char *parent,
		     const char *json)
{
	const struct walk *w = ctx;

	(void)json;
	return *parent ? 0 : w->name(w->ctx, id);
}

int thin_each_name(struct thin_host *h, int (*fn)(void *ctx, const char *name),
		   void *ctx, struct err *err)
{
	struct walk w = { .name = fn, .ctx = ctx, .err = err };

	return store_each(h->pool.store, THIN_KIND, NULL, walk_name, &w, err);
}
