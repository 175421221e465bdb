/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree into an archive.
 *
 * An increment goes through the tree twice: to compare it with the index of the
 * archive before, and to put what is other.  Between the two a tree that others write
 * to may change: what is not put then has in the new index what the archives before
 * make of it, or nothing, so that the next increment finds it changed.
 */
#include "lib/arc_out.h"

#include <string.h>

#include "lib/arc_plan.h"

static void left_out(void *ctx, const char *path, const char *why)
{
	const struct arc_out *o = ctx;

	if (o->hooks->left_out)
		o->hooks->left_out(o->hooks->ctx, path, why);
}

/* ---- whole ----------------------------------------------------------------------- */

static int visit(void *ctx, struct arc_place *p)
{
	struct arc_entry e = { .path = p->path };
	struct arc_out *o = ctx;
	int r = arc_out_put(o, p, &e);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = arc_out_index(o, &e);
	return r == 0 && S_ISDIR(p->st.st_mode) ? 1 : r;
}

static int write_all(struct arc_out *o, int root)
{
	const struct arc_walker how = { .ctx = o,
					.visit = visit,
					.left_out = left_out };

	return arc_walk(root, &how, o->err);
}

/* ---- what was changed -------------------------------------------------------------- */

struct increment {
	struct arc_out *o;
	struct arc_plan plan;
	struct arc_inodes read; /* with several names, and digest of content */
};

static void increment_fini(struct increment *i)
{
	arc_plan_fini(&i->plan);
	arc_inodes_fini(&i->read);
}

static int look_data(void *ctx, const char *data, size_t size)
{
	struct arc_out *o = ctx;

	arc_hash_data(&o->hash, data, size);
	return arc_out_told(o);
}

static int look_hole(void *ctx, off_t from, off_t to)
{
	struct arc_out *o = ctx;

	arc_hash_hole(&o->hash, from, to);
	return arc_out_told(o);
}

/* The digest of what it holds. */
static int read_data(struct increment *i, struct arc_place *p,
		     struct arc_entry *e)
{
	struct arc_out *o = i->o;
	const struct arc_sink sink = { .ctx = o,
				       .data = look_data,
				       .hole = look_hole };
	struct arc_inode *known = arc_inodes_find(&i->read, p->st.st_ino);
	int r = arc_place_open(p, o->err);

	if (r < 0)
		return r;
	arc_out_times(o, e, &p->st);
	if (known && e->links > 1 && arc_same_time(&known->made, e)) {
		memcpy(e->data, known->made.data, ARC_DIGEST);
		return 0;
	}
	r = arc_data_read(p, p->st.st_size, o->buf, &sink, o->err);
	arc_hash_end(&o->hash, e->data);
	if (r == 0 && e->links > 1 && !arc_inodes_add(&i->read, e->ino, e))
		r = err_set(o->err, -ENOMEM, "out of memory");
	return r;
}

/* What can't be told from its times is told from attributes and content. */
static int look(struct increment *i, struct arc_place *p,
		const struct arc_entry *was, struct arc_entry *e,
		enum arc_look *ret)
{
	bool trust = i->o->trust;
	int r = 0;

	*ret = arc_look(was, e, trust, NULL, NULL);
	if (*ret == ARC_LOOK_META) {
		r = arc_meta(p, e->meta, i->o->err);
		*ret = arc_look(was, e, trust, e->meta, NULL);
	}
	if (r == 0 && *ret == ARC_LOOK_DATA) {
		r = read_data(i, p, e);
		*ret = arc_look(was, e, trust, e->meta, e->data);
	}
	if (*ret == ARC_LOOK_SAME) {
		memcpy(e->meta, was->meta, ARC_DIGEST);
		memcpy(e->data, was->data, ARC_DIGEST);
	}
	return r;
}

static int scan(void *ctx, struct arc_place *p)
{
	struct arc_entry e = { .path = p->path };
	struct increment *i = ctx;
	enum arc_look what = ARC_LOOK_OTHER;
	int r = S_ISDIR(p->st.st_mode) ? arc_place_open(p, i->o->err) : 0;

	i->o->path = p->path;
	arc_out_times(i->o, &e, &p->st);
	if (r == 0)
		r = look(
			i, p,
			arc_index_find(i->plan.since, p->path, strlen(p->path)),
			&e, &what);
	if (r != 0)
		return r == -ENOENT ? 0 : r;
	if (arc_plan_add(&i->plan, &e, what == ARC_LOOK_SAME) < 0)
		return err_set(i->o->err, -ENOMEM, "out of memory");
	r = arc_out_told(i->o);
	return r == 0 && S_ISDIR(p->st.st_mode) ? 1 : r;
}

static void left_out_scan(void *ctx, const char *path, const char *why)
{
	const struct increment *i = ctx;

	left_out(i->o, path, why);
}

static int put_changed(void *ctx, struct arc_place *p)
{
	struct increment *i = ctx;
	struct arc_entry *e;
	struct arc_step *s = arc_plan_find(&i->plan, p->path, &e);
	int r = 0;

	/* what came, or became another kind, since is the next one's */
	if (!s || (e->mode & S_IFMT) != (p->st.st_mode & S_IFMT))
		return 0;
	if (s->todo == ARC_PUT) {
		r = arc_out_put(i->o, p, e);
		s->done = r == 0;
	} else if (s->below) {
		r = arc_place_open(p, i->o->err);
	}
	if (r != 0)
		return r == -ENOENT ? 0 : r;
	return s->below ? 1 : 0;
}

static int put_since(struct arc_out *o, const struct arc_plan *plan)
{
	char text[ARC_SINCE_SIZE + 1];
	const char *path;
	size_t size = 0, at = 0;
	int r;

	arc_since_make(text, plan->since->sha256);
	r = arc_out_begin(o, ARC_SINCE, strlen(text));
	if (r == 0)
		r = arc_out_data(o, text, strlen(text));
	while ((path = arc_plan_deleted(plan, &at)))
		size += strlen(path) + 1;
	if (r == 0)
		r = arc_out_begin(o, ARC_DELETED, size);
	at = 0;
	while (r == 0 && (path = arc_plan_deleted(plan, &at)))
		r = arc_out_data(o, path, strlen(path) + 1);
	o->sum.deleted = plan->deletions;
	return r;
}

/* What this archive and those before make of it; false: nothing. */
static bool as_made(const struct arc_step *s, struct arc_entry *e)
{
	char *path = e->path;

	if (s->todo == ARC_KEEP || s->done)
		return true;
	if (!s->was || (s->was->mode & S_IFMT) != (e->mode & S_IFMT))
		return false;
	*e = *s->was;
	e->path = path;
	e->doubt = true;
	return true;
}

static int put_index(struct arc_out *o, struct arc_plan *plan)
{
	int r = 0;

	for (size_t n = 0; r == 0 && n < plan->now.count; n++)
		if (as_made(&plan->steps[n], &plan->now.entries[n]))
			r = arc_out_index(o, &plan->now.entries[n]);
	return r;
}

static int write_changed(struct arc_out *o, int root,
			 const struct arc_index *since)
{
	_cleanup_(increment_fini) struct increment i = {
		.o = o, .plan = { .since = since }
	};
	const struct arc_walker scanner = { .ctx = &i,
					    .visit = scan,
					    .left_out = left_out_scan };
	const struct arc_walker putter = { .ctx = &i, .visit = put_changed };
	int r = arc_walk(root, &scanner, o->err);

	if (r == 0 && arc_plan_settle(&i.plan, &o->links) < 0)
		r = err_set(o->err, -ENOMEM, "out of memory");
	if (r != 0)
		return r;
	if (o->hooks->total)
		o->hooks->total(o->hooks->ctx, i.plan.bytes);
	r = put_since(o, &i.plan);
	if (r == 0)
		r = arc_walk(root, &putter, o->err);
	return r == 0 ? put_index(o, &i.plan) : r;
}

int arc_write(int root, time_t begun, const struct arc_index *since, int out,
	      const struct arc_hooks *hooks, struct arc_sum *ret,
	      struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_(arc_out_fini) struct arc_out o = { 0 };
	int r = arc_locale_enter(&l, err);

	if (r == 0)
		r = arc_out_open(&o, root, begun, out, hooks, err);
	if (r == 0)
		r = since ? write_changed(&o, root, since)
			  : write_all(&o, root);
	if (r == 0)
		r = arc_out_end(&o);
	if (r == 0)
		*ret = o.sum;
	return r;
}
