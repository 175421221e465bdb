/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading and writing the files of a cgroup, and taking writes back. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define FILE_MAX (1 << 20) /* bytes: cgroup.procs of 100,000 processes */

int cg_fd(struct cg_part *part)
{
	if (part->fd < 0) {
		part->fd = open(part->dir,
				O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (part->fd < 0)
			return -errno;
	}
	return part->fd;
}

bool cg_has(struct cg_part *part, const char *file)
{
	int fd = cg_fd(part);

	return fd >= 0 && faccessat(fd, file, F_OK, 0) == 0;
}

int cg_read(struct cg_part *part, const char *file, char **ret)
{
	_cleanup_close_ int fd =
		cg_fd(part) < 0 ? -EBADF
				: openat(part->fd, file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t len = 0, room = 0;

	if (part->fd < 0)
		return cg_fd(part);
	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (len + 1 >= room) {
			char *more;

			room = room ? room * 2 : 4096;
			if (room > FILE_MAX)
				return -EFBIG;
			more = realloc(text, room);
			if (!more)
				return -ENOMEM;
			text = more;
		}
		n = read(fd, text + len, room - len - 1);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	*ret = take_ptr(text);
	return 0;
}

static int to_u64(const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long n;

	if (!strncmp(text, "max", 3)) {
		*ret = UINT64_MAX;
		return 0;
	}
	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno)
		return -EBADMSG;
	*ret = n;
	return 0;
}

int cg_read_u64(struct cg_part *part, const char *file, uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	int r = cg_read(part, file, &text);

	return r < 0 ? r : to_u64(text, ret);
}

/* The line that begins with "@key ", NULL when there is none. */
static const char *line_of(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (*text) {
		if (!strncmp(text, key, len) && text[len] == ' ')
			return text;
		text += strcspn(text, "\n");
		text += strspn(text, "\n");
	}
	return NULL;
}

int cg_read_key(struct cg_part *part, const char *file, const char *key,
		uint64_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	int r = cg_read(part, file, &text);

	if (r < 0)
		return r;
	line = line_of(text, key);
	return line ? to_u64(line + strlen(key) + 1, ret) : -ENOENT;
}

int cg_write(struct cg_part *part, const char *file, const char *value)
{
	_cleanup_close_ int fd = -EBADF;
	size_t len = strlen(value);
	int dir = cg_fd(part);

	if (dir < 0)
		return dir;
	fd = openat(dir, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (write(fd, value, len) != (ssize_t)len)
		return errno ? -errno : -EIO;
	return 0;
}

int cg_error(struct err *err, int code, const struct cg_part *part,
	     const char *file, const char *value)
{
	if (code == -ENOENT)
		return err_set(err, -EOPNOTSUPP,
			       "%s/%s: not there: the kernel or its parent "
			       "cgroup lacks this limit",
			       part->dir, file);
	return err_set(err, code, "write \"%s\" to %s/%s: %s", value, part->dir,
		       file, strerror(-code));
}

/* Takes @value. */
static int remember(struct cg_write *w, struct cg_part *part, const char *file,
		    char *value)
{
	_cleanup_free_ char *kept = value;
	struct cg_old *more = reallocarray(w->old, w->count + 1, sizeof(*more));
	char *name;

	if (!more)
		return -ENOMEM;
	w->old = more;
	name = strdup(file);
	if (!name)
		return -ENOMEM;
	w->old[w->count++] = (struct cg_old){ part, name, take_ptr(kept) };
	return 0;
}

static int write_limit(struct cg_write *w, struct cg_part *part,
		       const char *file, const char *value)
{
	int r = cg_write(part, file, value);

	return r < 0 ? cg_error(w->err, r, part, file, value) : 0;
}

int cg_set(struct cg_write *w, struct cg_part *part, const char *file,
	   const char *value)
{
	char *was = NULL;
	int r;

	if (w->undo) {
		r = cg_read(part, file, &was);
		if (r == 0)
			r = remember(w, part, file, was);
		if (r < 0)
			return cg_error(w->err, r, part, file, value);
	}
	return write_limit(w, part, file, value);
}

int cg_set_keyed(struct cg_write *w, struct cg_part *part, const char *file,
		 const char *key, const char *none, const char *value)
{
	_cleanup_free_ char *text = NULL;
	const char *line;
	char *was = NULL;
	int r;

	if (w->undo) {
		r = cg_read(part, file, &text);
		if (r < 0)
			return cg_error(w->err, r, part, file, value);
		line = line_of(text, key);
		if (line)
			was = strndup(line, strcspn(line, "\n"));
		else if (asprintf(&was, "%s %s", key, none) < 0)
			was = NULL;
		r = was ? remember(w, part, file, was) : -ENOMEM;
		if (r < 0)
			return cg_error(w->err, r, part, file, value);
	}
	return write_limit(w, part, file, value);
}

int cg_set_s64(struct cg_write *w, struct cg_part *part, const char *file,
	       int64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	return cg_set(w, part, file, text);
}

int cg_set_max(struct cg_write *w, struct cg_part *part, const char *file,
	       int64_t value)
{
	return value < 0 ? cg_set(w, part, file, "max")
			 : cg_set_s64(w, part, file, value);
}

void cg_undo(struct cg_write *w)
{
	while (w->count > 0) {
		struct cg_old *old = &w->old[--w->count];

		/* Best effort: the error told is the one that led here. */
		(void)cg_write(old->part, old->file,
			       *old->value ? old->value : "\n");
		free(old->file);
		free(old->value);
	}
}

void cg_write_done(struct cg_write *w)
{
	for (size_t i = 0; i < w->count; i++) {
		free(w->old[i].file);
		free(w->old[i].value);
	}
	free(w->old);
	w->old = NULL;
	w->count = 0;
}
