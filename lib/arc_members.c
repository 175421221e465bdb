// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An index of the names, by the number of each member; to read one the tar is read
 * again up to it.  What lies between is skipped by seeking where it is not packed.
 */
#include "lib/arc_members.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/arc_layer_priv.h"

#define BLOCK     (1u << 18)
#define NAMES_MAX 100000u
#define NAME_SIZE (16u << 20) /* of all of them */
#define SIZE_MOST (1ull << 37)
#define HOPS      8

struct member {
	char *name, *link; /* owned; .link NULL: a file */
	uint64_t size, number;
};

struct arc_members {
	int fd;
	struct member *v; /* owned; by name */
	size_t n, room, bytes;
};

struct arc_member {
	struct archive *a; /* owned */
	int fd;            /* owned */
};

/* ---- reading ----------------------------------------------------------------------- */

static int open_tar(int fd, struct archive **ret, int *ret_fd, struct err *err)
{
	struct archive *a = archive_read_new();
	char path[32];
	int own;

	/* with an offset of its own */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_RDONLY | O_CLOEXEC);
	*ret = a;
	*ret_fd = own;
	if (own < 0)
		return err_set(err, -errno, "the archive: %s", strerror(errno));
	if (!a)
		return err_set(err, -ENOMEM, "out of memory");
	if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
	    archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
	    archive_read_support_filter_zstd(a) != ARCHIVE_OK ||
	    archive_read_open_fd(a, own, BLOCK) != ARCHIVE_OK)
		return arc_fail(a, -EBADMSG, "the archive", err);
	return 0;
}

void arc_member_free(struct arc_member *f)
{
	if (!f)
		return;
	archive_read_free(f->a);
	closep(&f->fd);
	free(f);
}

static int find_number(struct arc_member *f, uint64_t number, struct err *err)
{
	struct archive_entry *e;

	for (uint64_t i = 0; i <= number; i++)
		if (layer_header(f->a, &e) != ARCHIVE_OK)
			return arc_fail(f->a, -EBADMSG, "the archive", err);
	return 0;
}

ssize_t arc_member_read(struct arc_member *f, void *buf, size_t size)
{
	la_ssize_t n = archive_read_data(f->a, buf, size);

	return n < 0 ? arc_fail(f->a, -EBADMSG, "", NULL) : (ssize_t)n;
}

/* ---- the index ------------------------------------------------------------------------ */

static int by_name(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int is_name(const void *name, const void *member)
{
	const struct member *m = member;

	return strcmp(name, m->name);
}

static const struct member *find(const struct arc_members *m, const char *name)
{
	return m->n ? bsearch(name, m->v, m->n, sizeof(*m->v), is_name) : NULL;
}

static void member_fini(struct member *e)
{
	free(e->name);
	free(e->link);
}

void arc_members_free(struct arc_members *m)
{
	if (!m)
		return;
	while (m->n)
		member_fini(&m->v[--m->n]);
	free(m->v);
	free(m);
}

/* A place for one more; NULL: there is none. */
static struct member *grow(struct arc_members *m, struct err *err)
{
	size_t room = m->room ? m->room * 2 : 64;
	struct member *v = m->v;

	if (m->n >= NAMES_MAX || m->bytes > NAME_SIZE) {
		(void)err_set(err, -EFBIG,
			      "the archive has more files in it than an image "
			      "has");
		return NULL;
	}
	if (m->n == m->room) {
		v = reallocarray(m->v, room, sizeof(*v));
		if (!v) {
			(void)err_set(err, -ENOMEM, "out of memory");
			return NULL;
		}
		m->v = v;
		m->room = room;
	}
	return &v[m->n];
}

/* Where the link of the member @path leads.  Owned; NULL: nowhere. */
static char *link_of(struct archive_entry *e, const char *path)
{
	const char *to = archive_entry_hardlink(e);
	size_t up = 0, len;
	char all[2 * PATH_MAX], out[PATH_MAX];

	if (!to) {
		const char *slash = strrchr(path, '/');

		to = archive_entry_symlink(e);
		up = slash ? (size_t)(slash - path) : 0;
	}
	if (!to || *to == '/' || strlen(to) >= PATH_MAX)
		return NULL;
	while (strncmp(to, "../", 3) == 0) {
		if (!up)
			return NULL;
		while (up && path[--up] != '/')
			;
		to += 3;
	}
	len = (size_t)snprintf(all, sizeof(all), "%.*s/%s", (int)up, path, to);
	return len < sizeof(all) && layer_path(all, out, NULL) == 0
		       ? strdup(out)
		       : NULL;
}

static int add(struct arc_members *m, struct archive_entry *e, uint64_t number,
	       struct err *err)
{
	const char *name = archive_entry_pathname(e);
	bool link = archive_entry_hardlink(e) ||
		    archive_entry_filetype(e) == AE_IFLNK;
	char path[PATH_MAX];
	struct member *x;
	int r;

	if (!name)
		return err_set(err, -EBADMSG, "a file without a name");
	r = layer_path(name, path, err);
	if (r < 0 || (!link && archive_entry_filetype(e) != AE_IFREG))
		return r;
	x = grow(m, err);
	if (!x)
		return -EFBIG;
	*x = (struct member){ .number = number };
	x->name = strdup(path);
	if (!x->name)
		return err_set(err, -ENOMEM, "out of memory");
	m->n++;
	m->bytes += strlen(path) + sizeof(*x);
	if (!link) {
		x->size = (uint64_t)archive_entry_size(e);
		return 0;
	}
	x->link = link_of(e, path);
	if (x->link)
		m->bytes += strlen(x->link);
	else
		x->link = strdup("");
	return x->link ? 0 : err_set(err, -ENOMEM, "out of memory");
}

static int read_names(struct arc_members *m, struct archive *a, struct err *err)
{
	struct archive_entry *e;
	int r = 0, rc;

	for (uint64_t i = 0; r == 0; i++) {
		rc = layer_header(a, &e);
		if (rc == ARCHIVE_EOF)
			break;
		if (rc != ARCHIVE_OK)
			return arc_fail(a, -EBADMSG, "the archive", err);
		/* also of directories, which are not kept */
		if (i > NAMES_MAX ||
		    (uint64_t)archive_filter_bytes(a, 0) > SIZE_MOST)
			return err_set(err, -EFBIG,
				       "the archive is larger than an image "
				       "is");
		r = add(m, e, i, err);
	}
	if (r < 0)
		return err_wrap(err, r, "the archive");
	if (m->n)
		qsort(m->v, m->n, sizeof(*m->v), by_name);
	for (size_t i = 1; i < m->n; i++)
		if (strcmp(m->v[i].name, m->v[i - 1].name) == 0)
			return err_set(err, -EBADMSG,
				       "the archive has %.200s twice",
				       m->v[i].name);
	return 0;
}

int arc_members_open(int fd, struct arc_members **ret, struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_(arc_members_freep) struct arc_members *m =
		calloc(1, sizeof(*m));
	_cleanup_close_ int own = -EBADF;
	struct archive *a = NULL;
	int r = m ? arc_locale_enter(&l, err)
		  : err_set(err, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	m->fd = fd;
	r = open_tar(fd, &a, &own, err);
	if (r == 0)
		r = read_names(m, a, err);
	archive_read_free(a);
	if (r == 0)
		*ret = take_ptr(m);
	return r;
}

int arc_member_open(const struct arc_members *m, const char *name,
		    struct arc_member **ret, uint64_t *ret_size,
		    struct err *err)
{
	_cleanup_(arc_locale_leave) struct arc_locale l = { 0 };
	_cleanup_(arc_member_freep) struct arc_member *f =
		calloc(1, sizeof(*f));
	const struct member *e = find(m, name);
	int r = f ? arc_locale_enter(&l, err)
		  : err_set(err, -ENOMEM, "out of memory");

	if (r < 0)
		return r;
	f->fd = -EBADF;
	for (int i = 0; e && e->link && i < HOPS; i++)
		e = find(m, e->link);
	if (!e || e->link)
		return err_set(err, -ENOENT, "the archive has no file %.200s",
			       name);
	r = open_tar(m->fd, &f->a, &f->fd, err);
	if (r == 0)
		r = find_number(f, e->number, err);
	if (r < 0)
		return r;
	*ret_size = e->size;
	*ret = take_ptr(f);
	return 0;
}
