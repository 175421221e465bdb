/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data, holes and attributes of a file, and their digests. */
#include "lib/arc_data.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>

#include "lib/base.h"

/* ---- data ------------------------------------------------------------------------ */

int arc_hash_init(struct arc_hash *h)
{
	h->data = digest_new();
	h->holes = digest_new();
	return h->data && h->holes ? 0 : -ENOMEM;
}

void arc_hash_fini(struct arc_hash *h)
{
	digest_free(take_ptr(h->data));
	digest_free(take_ptr(h->holes));
}

void arc_hash_data(struct arc_hash *h, const void *data, size_t size)
{
	digest_add(h->data, data, size);
}

void arc_hash_hole(struct arc_hash *h, off_t from, off_t to)
{
	const int64_t hole[2] = { from, to };

	digest_add(h->holes, hole, sizeof(hole));
}

void arc_hash_end(struct arc_hash *h, uint8_t ret[static ARC_DIGEST])
{
	uint8_t raw[DIGEST_SIZE], holes[DIGEST_SIZE];

	digest_end_raw(h->data, raw);
	digest_end_raw(h->holes, holes);
	digest_add(h->data, raw, sizeof(raw));
	digest_add(h->data, holes, sizeof(holes));
	digest_end_raw(h->data, raw);
	memcpy(ret, raw, ARC_DIGEST);
}

int arc_data_read(const struct arc_place *p, off_t size, char *buf,
		  const struct arc_sink *sink, struct err *err)
{
	off_t at = 0;
	int r = 0;

	while (r == 0 && at < size) {
		off_t data = lseek(p->fd, at, SEEK_DATA);
		size_t most = size - at < ARC_BUFFER ? (size_t)(size - at)
						     : ARC_BUFFER;
		ssize_t n;

		if (data < 0 && errno == ENXIO)
			data = size;
		if (data > at) {
			if (data > size)
				data = size;
			r = sink->hole(sink->ctx, at, data);
			at = data;
			continue;
		}
		n = pread(p->fd, buf, most, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(err, -errno, "%.300s: %s", p->path,
				       strerror(errno));
		if (n == 0) /* it was cut meanwhile */
			return sink->hole(sink->ctx, at, size);
		r = sink->data(sink->ctx, buf, (size_t)n);
		at += n;
	}
	return r;
}

/* ---- attributes ------------------------------------------------------------------ */

struct names {
	char *list;      /* owned; names, each with its NUL */
	const char **at; /* owned; into .list, sorted */
	size_t count;
};

static void names_fini(struct names *n)
{
	free(n->list);
	free(n->at);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A file system without attributes has none. */
static bool has_none(int code)
{
	return code == ENOTSUP || code == ENODATA;
}

/* By @proc, or by @fd where that is NULL.  -ERANGE: it grew meanwhile. */
static ssize_t list(const char *proc, int fd, char *to, size_t size)
{
	ssize_t n =
		proc ? llistxattr(proc, to, size) : flistxattr(fd, to, size);

	if (n < 0)
		return has_none(errno) ? 0 : -errno;
	return n;
}

static int names_read(const char *proc, int fd, struct names *n)
{
	ssize_t size = list(proc, fd, NULL, 0);
	size_t i = 0;

	if (size <= 0)
		return (int)size;
	size += 256;
	n->list = calloc(1, (size_t)size + 1);
	if (!n->list)
		return -ENOMEM;
	size = list(proc, fd, n->list, (size_t)size);
	if (size <= 0)
		return (int)size;
	for (ssize_t c = 0; c < size; c++)
		n->count += n->list[c] == '\0';
	if (n->count == 0)
		return 0;
	n->at = calloc(n->count, sizeof(*n->at));
	if (!n->at)
		return -ENOMEM;
	for (const char *s = n->list; i < n->count; s += strlen(s) + 1)
		n->at[i++] = s;
	qsort(n->at, n->count, sizeof(*n->at), by_text);
	return 0;
}

static int add_value(struct digest *d, const char *proc, const char *name)
{
	_cleanup_free_ char *value = malloc(XATTR_SIZE_MAX);
	ssize_t n = value ? lgetxattr(proc, name, value, XATTR_SIZE_MAX) : 0;
	uint64_t size;

	if (!value)
		return -ENOMEM;
	if (n < 0) /* taken off meanwhile */
		return has_none(errno) ? 0 : -errno;
	size = (uint64_t)n;
	digest_add(d, name, strlen(name) + 1);
	digest_add(d, &size, sizeof(size));
	digest_add(d, value, (size_t)n);
	return 0;
}

static int add_link(struct digest *d, const char *proc)
{
	_cleanup_free_ char *to = malloc(PATH_MAX);
	ssize_t n = to ? readlink(proc, to, PATH_MAX) : 0;

	if (!to)
		return -ENOMEM;
	if (n < 0)
		return -errno;
	digest_add(d, to, (size_t)n);
	digest_add(d, "", 1);
	return 0;
}

static int look(const struct arc_place *p, uint8_t *ret)
{
	_cleanup_free_ char *proc = arc_place_proc(p);
	_cleanup_(digest_freep) struct digest *d = digest_new();
	_cleanup_(names_fini) struct names n = { 0 };
	uint8_t raw[DIGEST_SIZE] = { 0 };
	bool link = S_ISLNK(p->st.st_mode);
	int r = proc && d ? names_read(proc, -EBADF, &n) : -ENOMEM;

	if (r == 0 && link)
		r = add_link(d, proc);
	for (size_t i = 0; r == 0 && i < n.count; i++)
		r = add_value(d, proc, n.at[i]);
	if (r < 0)
		return r;
	if (n.count || link)
		digest_end_raw(d, raw);
	memcpy(ret, raw, ARC_DIGEST);
	return 0;
}

int arc_meta(const struct arc_place *p, uint8_t ret[static ARC_DIGEST],
	     struct err *err)
{
	int r;

	do {
		r = look(p, ret);
	} while (r == -ERANGE);
	return r < 0 ? err_set(err, r, "attributes of %.300s: %s", p->path,
			       strerror(-r))
		     : 0;
}

int arc_meta_clear(int fd, const char *path, struct err *err)
{
	_cleanup_(names_fini) struct names n = { 0 };
	int r = names_read(NULL, fd, &n);

	for (size_t i = 0; r == 0 && i < n.count; i++) {
		/* the host's security module gives those, and keeps some */
		bool labels = strncmp(n.at[i], "security.", 9) == 0;

		if (fremovexattr(fd, n.at[i]) < 0 && !has_none(errno) &&
		    !labels)
			r = -errno;
	}
	return r < 0 ? err_set(err, r, "take the attributes off %.300s: %s",
			       path, strerror(-r))
		     : 0;
}
