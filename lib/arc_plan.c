/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two indexes compared. */
#include "lib/arc_plan.h"

#include <errno.h>
#include <string.h>

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* What the entries themselves say. */
static bool alike(const struct arc_entry *a, const struct arc_entry *b)
{
	return a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->size == b->size && a->rdev == b->rdev &&
	       same_time(&a->mtime, &b->mtime);
}

bool arc_same_time(const struct arc_entry *was, const struct arc_entry *now)
{
	return was->ino == now->ino && same_time(&was->ctime, &now->ctime);
}

static bool proven(const struct arc_entry *was, const struct arc_entry *now)
{
	return !was->doubt && arc_same_time(was, now);
}

enum arc_look arc_look(const struct arc_entry *was, const struct arc_entry *now,
		       bool trust, const uint8_t *meta, const uint8_t *data)
{
	if (!was || !alike(was, now))
		return ARC_LOOK_OTHER;
	if (trust && proven(was, now))
		return ARC_LOOK_SAME;
	if (!meta)
		return ARC_LOOK_META;
	if (memcmp(meta, was->meta, ARC_DIGEST) != 0)
		return ARC_LOOK_OTHER;
	if (!S_ISREG(now->mode))
		return ARC_LOOK_SAME;
	if (!data)
		return ARC_LOOK_DATA;
	return memcmp(data, was->data, ARC_DIGEST) == 0 ? ARC_LOOK_SAME
							: ARC_LOOK_OTHER;
}

/* ---- the plan ------------------------------------------------------------------------ */

void arc_plan_fini(struct arc_plan *p)
{
	for (size_t i = 0; i < p->now.count; i++)
		free(p->now.entries[i].path);
	free(p->now.entries);
	free(p->steps);
	free(p->gone);
}

int arc_plan_add(struct arc_plan *p, const struct arc_entry *now, bool same)
{
	int r = arc_index_add(&p->now, now);

	if (r == 0)
		p->now.entries[p->now.count - 1].same = same;
	return r;
}

static size_t parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? (size_t)(slash - path) : 0;
}

struct arc_step *arc_plan_find(struct arc_plan *p, const char *path,
			       struct arc_entry **ret)
{
	*ret = arc_index_find(&p->now, path, strlen(path));
	return *ret ? &p->steps[*ret - p->now.entries] : NULL;
}

/* Something happens to @path: all above it are gone through, and where a name comes,
 * goes or is made anew the directory it is in is put. */
static void touch_parents(struct arc_plan *p, const char *path, bool first)
{
	size_t len = parent_len(path);

	while (len) {
		struct arc_entry *e = arc_index_find(&p->now, path, len);
		struct arc_step *s = e ? &p->steps[e - p->now.entries] : NULL;

		/* above it this was done before */
		if (s && s->below && (!first || s->todo == ARC_PUT))
			return;
		if (s && first)
			s->todo = ARC_PUT;
		if (s)
			s->below = true;
		first = false;
		while (len && path[len - 1] != '/')
			len--;
		len -= len > 0;
	}
}

/*
 * A kept name must be of the same file as the others of its file, before and now.
 * One that was met without others is a file of its own in the archive, even if
 * others of its inode were met later.
 */
static int keep_link(struct arc_inodes *was_now, struct arc_inodes *now_was,
		     const struct arc_entry *was, uint64_t now,
		     enum arc_todo *todo)
{
	bool alone = was->links < 2;
	struct arc_inode *there =
		alone ? NULL : arc_inodes_find(was_now, was->ino);
	struct arc_inode *back = arc_inodes_find(now_was, now);

	if (!there && !back) {
		back = arc_inodes_add(now_was, now, NULL);
		if (!alone)
			there = arc_inodes_add(was_now, was->ino, NULL);
		if (!back || (!alone && !there))
			return -ENOMEM;
		back->as = was->ino;
		if (there)
			there->as = now;
		*todo = ARC_KEEP;
		return 0;
	}
	*todo = there && back && there->as == now && back->as == was->ino
			? ARC_KEEP
			: ARC_PUT;
	return 0;
}

static int settle_links(struct arc_plan *p, struct arc_inodes *kept)
{
	_cleanup_(arc_inodes_fini) struct arc_inodes was_now = { 0 };
	_cleanup_(arc_inodes_fini) struct arc_inodes now_was = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->now.count; i++) {
		const struct arc_entry *e = &p->now.entries[i];
		struct arc_step *s = &p->steps[i];

		if (s->todo != ARC_KEEP || S_ISDIR(e->mode) ||
		    (e->links < 2 && s->was->links < 2))
			continue;
		r = keep_link(&was_now, &now_was, s->was, e->ino, &s->todo);
		if (r == 0 && s->todo == ARC_KEEP &&
		    !arc_inodes_add(kept, e->ino, e))
			r = -ENOMEM;
	}
	return r;
}

static bool same_kind(const struct arc_entry *a, const struct arc_entry *b)
{
	return (a->mode & S_IFMT) == (b->mode & S_IFMT);
}

static bool stays_dir(const struct arc_step *s, const struct arc_entry *now)
{
	return S_ISDIR(now->mode) && s->was && same_kind(s->was, now);
}

static void settle_gone(struct arc_plan *p)
{
	for (size_t i = 0; i < p->since->count; i++) {
		const struct arc_entry *was = &p->since->entries[i];
		const struct arc_entry *now =
			arc_index_find(&p->now, was->path, strlen(was->path));

		p->gone[i] = !now || !same_kind(was, now);
	}
}

static bool is_topmost(const struct arc_plan *p, size_t i)
{
	const char *path = p->since->entries[i].path;
	const struct arc_entry *up =
		arc_index_find(p->since, path, parent_len(path));

	return p->gone[i] && !(up && p->gone[up - p->since->entries]);
}

const char *arc_plan_deleted(const struct arc_plan *p, size_t *at)
{
	while (*at < p->since->count)
		if (is_topmost(p, (*at)++))
			return p->since->entries[*at - 1].path;
	return NULL;
}

int arc_plan_settle(struct arc_plan *p, struct arc_inodes *kept)
{
	const char *path;
	size_t at = 0;
	int r;

	arc_index_sort(&p->now);
	p->steps = calloc(p->now.count + 1, sizeof(*p->steps));
	p->gone = calloc(p->since->count + 1, sizeof(*p->gone));
	if (!p->steps || !p->gone)
		return -ENOMEM;
	for (size_t i = 0; i < p->now.count; i++) {
		const struct arc_entry *e = &p->now.entries[i];

		p->steps[i].was =
			arc_index_find(p->since, e->path, strlen(e->path));
		p->steps[i].todo =
			e->same && p->steps[i].was ? ARC_KEEP : ARC_PUT;
	}
	r = settle_links(p, kept);
	if (r < 0)
		return r;
	settle_gone(p);
	for (size_t i = 0; i < p->now.count; i++)
		if (p->steps[i].todo == ARC_PUT) {
			touch_parents(
				p, p->now.entries[i].path,
				!stays_dir(&p->steps[i], &p->now.entries[i]));
			p->bytes += p->now.entries[i].size;
		}
	while ((path = arc_plan_deleted(p, &at))) {
		touch_parents(p, path, true);
		p->deletions++;
	}
	return 0;
}
