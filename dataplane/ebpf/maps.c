/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pinned maps: whose they are, taking them over, making them equal to a list. */
#include "dataplane/ebpf/maps.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base.h"
#include "lib/fail.h"

#define BATCH 1024

/* ---- pins --------------------------------------------------------------- */

int maps_owner(const struct pin_dir *d, const char *meta,
	       const struct maps_meta *ours, struct err *err)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd = bpf_obj_get(pin_path(d, meta, path));
	struct bpf_map_info info = { 0 };
	struct maps_meta got = { 0 };
	__u32 zero = 0, len = sizeof(info);

	if (fd < 0 && errno == ENOENT)
		return MAPS_NONE;
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (bpf_obj_get_info_by_fd(fd, &info, &len) < 0 ||
	    info.value_size != sizeof(got) ||
	    bpf_map_lookup_elem(fd, &zero, &got) < 0 ||
	    got.layout != ours->layout)
		return MAPS_OTHER;
	return got.netns_cookie == ours->netns_cookie ? MAPS_OURS
						      : MAPS_FOREIGN;
}

static int reuse(const struct pin_dir *d, struct bpf_map *map, struct err *err)
{
	char path[PIN_PATH_MAX];
	_cleanup_close_ int fd =
		bpf_obj_get(pin_path(d, bpf_map__name(map), path));
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	if (info.type != bpf_map__type(map) ||
	    info.key_size != bpf_map__key_size(map) ||
	    info.value_size != bpf_map__value_size(map) ||
	    info.max_entries != bpf_map__max_entries(map))
		return err_set(err, -EPROTO,
			       "%s: another layout than this program's; stop "
			       "the daemon and remove %s",
			       path, d->path);
	r = bpf_map__reuse_fd(map, fd);
	return r < 0 ? err_set(err, r, "%s: %s", path, strerror(-r)) : 0;
}

int maps_reuse(const struct pin_dir *d, struct bpf_object *obj, struct err *err)
{
	struct bpf_map *map;
	int r = 0;

	bpf_object__for_each_map(map, obj)
	{
		if (r == 0 && !bpf_map__is_internal(map))
			r = reuse(d, map, err);
	}
	return r;
}

static int pin_some(const struct pin_dir *d, struct bpf_object *obj, bool meta,
		    struct err *err)
{
	struct bpf_map *map;
	char path[PIN_PATH_MAX];
	int r = 0;

	bpf_object__for_each_map(map, obj)
	{
		const char *name = bpf_map__name(map);

		if (r < 0 || bpf_map__is_internal(map) ||
		    pin_is_meta(name) != meta || pin_exists(d, name))
			continue;
		r = bpf_obj_pin(bpf_map__fd(map), pin_path(d, name, path));
		if (r < 0)
			r = err_set(err, r, "%s: %s", path, strerror(-r));
	}
	return r;
}

int maps_pin(const struct pin_dir *d, struct bpf_object *obj, struct err *err)
{
	int r = pin_some(d, obj, true, err);

	return r < 0 ? r : pin_some(d, obj, false, err);
}

int maps_replace(struct pin_dir *d, const char *set, const char *const *keep,
		 const char *const *more, struct bpf_object *obj,
		 struct err *err)
{
	int r = 0;

	for (; r == 0 && more && *more; more++)
		r = pin_remove(d, *more, err);
	if (r == 0)
		r = pin_remove_but(d, set, keep, err);
	if (r < 0)
		return r;
	r = FAILPOINT("maps.replace");
	return r < 0 ? err_set(err, r, "test: maps.replace")
		     : maps_pin(d, obj, err);
}

int maps_mark(struct bpf_map *meta, const struct maps_meta *ours,
	      struct err *err)
{
	const __u32 zero = 0;
	int r = bpf_map__update_elem(meta, &zero, sizeof(zero), ours,
				     sizeof(*ours), BPF_ANY);

	return r < 0 ? err_set(err, r, "%s: %s", bpf_map__name(meta),
			       strerror(-r))
		     : 0;
}

/* ---- lists -------------------------------------------------------------- */

static size_t stride(const struct maps_list *l)
{
	return l->key_size + l->value_size;
}

static char *item(const struct maps_list *l, size_t i)
{
	return l->items + i * stride(l);
}

void maps_list_fini(struct maps_list *l)
{
	free(l->items);
	l->items = NULL;
	l->count = l->room = 0;
}

int maps_list_add(struct maps_list *l, const void *key, const void *value,
		  struct err *err)
{
	if (l->count == l->room) {
		size_t room = l->room ? l->room * 2 : 64;
		char *p = reallocarray(l->items, room, stride(l));

		if (!p)
			return err_set(err, -ENOMEM, "BPF maps: out of memory");
		l->items = p;
		l->room = room;
	}
	memcpy(item(l, l->count), key, l->key_size);
	memcpy(item(l, l->count) + l->key_size, value, l->value_size);
	l->count++;
	return 0;
}

static int by_key(const void *a, const void *b, void *size)
{
	return memcmp(a, b, *(const size_t *)size);
}

/* Equal keys stay in the order they were added: their place is part of what is
 * compared. */
static int sort(struct maps_list *l, struct err *err)
{
	size_t step = stride(l) + sizeof(uint32_t), k = l->key_size + 4, n = 0;
	_cleanup_free_ char *more = calloc(l->count + 1, step);

	if (!more)
		return err_set(err, -ENOMEM, "BPF maps: out of memory");
	for (size_t i = 0; i < l->count; i++) {
		char *to = more + i * step;
		uint32_t place = htobe32((uint32_t)i);

		memcpy(to, item(l, i), l->key_size);
		memcpy(to + l->key_size, &place, sizeof(place));
		memcpy(to + k, item(l, i) + l->key_size, l->value_size);
	}
	qsort_r(more, l->count, step, by_key, &k);
	for (size_t i = 0; i < l->count; i++) {
		const char *from = more + i * step;

		if (n && memcmp(item(l, n - 1), from, l->key_size) == 0)
			n--;
		memcpy(item(l, n), from, l->key_size);
		memcpy(item(l, n) + l->key_size, from + k, l->value_size);
		n++;
	}
	l->count = n;
	return 0;
}

static char *find(const struct maps_list *l, const void *key, size_t *ret)
{
	size_t lo = 0, hi = l->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = memcmp(item(l, mid), key, l->key_size);

		if (c == 0) {
			*ret = mid;
			return item(l, mid);
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* ---- the map against the list ------------------------------------------- */

struct sync {
	int fd;
	const char *what;
	const struct maps_list *want;
	bool *right;          /* owned: is there already, as wanted */
	struct maps_list bad; /* keys that are there and not wanted */
	char *keys, *values;  /* owned: one batch */
	char *from, *to;      /* owned: the kernel's cursor, of a trie a key */
};

static void sync_fini(struct sync *s)
{
	free(s->right);
	free(s->keys);
	free(s->values);
	free(s->from);
	free(s->to);
	maps_list_fini(&s->bad);
}

static int failed(const struct sync *s, int r, struct err *err)
{
	if (r == -E2BIG || r == -ENOSPC) /* the latter of a trie */
		return err_set(err, -E2BIG, "BPF map of %s: full", s->what);
	return err_set(err, r, "BPF map of %s: %s", s->what, strerror(-r));
}

static int look_at(struct sync *s, __u32 count, struct err *err)
{
	const struct maps_list *w = s->want;
	int r = 0;

	for (__u32 i = 0; r == 0 && i < count; i++) {
		const char *key = s->keys + i * w->key_size;
		const char *value = s->values + i * w->value_size;
		size_t at = 0;
		const char *there = find(w, key, &at);

		if (!there)
			r = maps_list_add(&s->bad, key, value, err);
		else
			s->right[at] = memcmp(there + w->key_size, value,
					      w->value_size) == 0;
	}
	return r;
}

/* Read all of the map.  An entry that moves meanwhile is seen at the next. */
static int read_map(struct sync *s, struct err *err)
{
	__u32 room = BATCH;
	bool first = true;
	int r;

	for (;;) {
		__u32 count = room;

		r = bpf_map_lookup_batch(s->fd, first ? NULL : s->from, s->to,
					 s->keys, s->values, &count, NULL);
		if (r == -ENOSPC) { /* one bucket has more than that */
			char *k, *v;

			room *= 2;
			k = reallocarray(s->keys, room, s->want->key_size);
			if (k)
				s->keys = k;
			v = reallocarray(s->values, room, s->want->value_size);
			if (v)
				s->values = v;
			if (!k || !v)
				return failed(s, -ENOMEM, err);
			continue;
		}
		if (r < 0 && r != -ENOENT)
			return failed(s, r, err);
		if (look_at(s, count, err) < 0)
			return -ENOMEM;
		if (r == -ENOENT)
			return 0;
		memcpy(s->from, s->to, s->want->key_size);
		first = false;
	}
}

static int compare(struct sync *s, struct maps_list *want, struct err *err)
{
	int r = sort(want, err);

	if (r < 0)
		return r;
	s->want = want;
	s->bad.key_size = want->key_size;
	s->bad.value_size = want->value_size;
	s->right = calloc(want->count + 1, sizeof(*s->right));
	s->keys = calloc(BATCH, want->key_size);
	s->values = calloc(BATCH, want->value_size);
	s->from = calloc(1, want->key_size);
	s->to = calloc(1, want->key_size);
	if (!s->right || !s->keys || !s->values || !s->from || !s->to)
		return failed(s, -ENOMEM, err);
	return read_map(s, err);
}

int maps_differ(int fd, const char *what, struct maps_list *want,
		struct err *err)
{
	_cleanup_(sync_fini) struct sync s = { .fd = fd, .what = what };
	int r = compare(&s, want, err), n = (int)s.bad.count;

	if (r < 0)
		return r;
	for (size_t i = 0; i < want->count; i++)
		n += !s.right[i];
	return n;
}

int maps_sync(int fd, const char *what, struct maps_list *want, struct err *err)
{
	_cleanup_(sync_fini) struct sync s = { .fd = fd, .what = what };
	int r = compare(&s, want, err), n = 0;

	for (size_t i = 0; r == 0 && i < want->count; i++) {
		if (s.right[i])
			continue;
		r = bpf_map_update_elem(fd, item(want, i),
					item(want, i) + want->key_size,
					BPF_ANY);
		if (r < 0)
			return failed(&s, r, err);
		n++;
	}
	for (size_t i = 0; r == 0 && i < s.bad.count; i++) {
		r = bpf_map_delete_elem(fd, item(&s.bad, i));
		if (r < 0 && r != -ENOENT)
			return failed(&s, r, err);
		r = 0;
		n++;
	}
	return r < 0 ? r : n;
}
