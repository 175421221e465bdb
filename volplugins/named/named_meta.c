/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a named volume is made of, on disk. */
#include "volplugins/named/named_meta.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "lib/tree.h"

#define META     "meta"
#define META_NEW "meta.new"
#define META_MAX 1024 /* bytes of the file */

enum kind { TEXT, U64, U32 };

static const struct field {
	const char *key;
	enum kind kind;
	size_t offset, size;
} fields[] = {
#define FIELD(key, kind)                                      \
	{                                                     \
#key, kind, offsetof(struct named_meta, key), \
			sizeof(((struct named_meta *)0)->key) \
	}
	FIELD(backing, TEXT), FIELD(fs, TEXT),   FIELD(size, U64),
	FIELD(project, U32),  FIELD(from, TEXT), FIELD(made, U64),
	FIELD(created, TEXT),
#undef FIELD
};

static int damaged(struct err *err, const char *what)
{
	return err_set(err, -EUCLEAN,
		       "file meta: %s (damaged, or of a newer version)", what);
}

/* A word as we write it: no more than what names and times are made of. */
static int set_text(const struct field *f, const char *val, char *to)
{
	size_t n = strlen(val);

	if (n >= f->size || strspn(val, "abcdefghijklmnopqrstuvwxyz"
					"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789_.@:-") != n)
		return -EINVAL;
	memcpy(to, val, n + 1);
	return 0;
}

static int set_number(const struct field *f, const char *val, void *to)
{
	uint64_t n = 0;

	if (!*val)
		return -EINVAL;
	for (; *val; val++)
		if (*val < '0' || *val > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*val - '0'), &n))
			return -EINVAL;
	if (f->kind == U64) {
		memcpy(to, &n, sizeof(n));
	} else {
		uint32_t small = (uint32_t)n;

		if (n > UINT32_MAX)
			return -EINVAL;
		memcpy(to, &small, sizeof(small));
	}
	return 0;
}

static int set_line(char *line, struct named_meta *m)
{
	char *val = strchr(line, '=');

	if (!val)
		return -EINVAL;
	*val++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		void *to = (char *)m + fields[i].offset;

		if (strcmp(fields[i].key, line) != 0)
			continue;
		return fields[i].kind == TEXT ? set_text(&fields[i], val, to)
					      : set_number(&fields[i], val, to);
	}
	return -EINVAL;
}

static int parse(char *text, struct named_meta *m, struct err *err)
{
	char *line, *end;

	for (line = text; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return damaged(err, "it ends in the middle");
		*end = '\0';
		if (set_line(line, m) < 0)
			return damaged(err, "a line that means nothing");
	}
	return m->backing[0] ? 0 : damaged(err, "it names no backing");
}

int named_meta_read(int dir, struct named_meta *ret, struct err *err)
{
	_cleanup_close_ int fd = openat(
		dir, META, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct named_meta m = { 0 };
	char text[META_MAX + 1];
	ssize_t n;
	int r;

	if (fd < 0 && errno == ENOENT) {
		*ret = (struct named_meta){ .backing = "directory" };
		return 0;
	}
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0)
		return err_set(err, -errno, "file meta: %s", strerror(errno));
	if (n == sizeof(text) || memchr(text, '\0', (size_t)n))
		return damaged(err, "it is no text of ours");
	text[n] = '\0';
	r = parse(text, &m, err);
	if (r == 0)
		*ret = m;
	return r;
}

static int print(const struct named_meta *m, char text[static META_MAX])
{
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const void *from = (const char *)m + fields[i].offset;
		uint64_t n = 0;
		uint32_t small;
		int w;

		if (fields[i].kind == TEXT) {
			const char *word = from;

			w = *word ? snprintf(text + len, META_MAX - len,
					     "%s=%s\n", fields[i].key, word)
				  : 0;
		} else {
			memcpy(&small, from, sizeof(small));
			n = small;
			if (fields[i].kind == U64)
				memcpy(&n, from, sizeof(n));
			w = n ? snprintf(text + len, META_MAX - len,
					 "%s=%" PRIu64 "\n", fields[i].key, n)
			      : 0;
		}
		if (w < 0 || (size_t)w >= META_MAX - len)
			return -E2BIG;
		len += (size_t)w;
	}
	return (int)len;
}

static int write_new(int dir, const char *text, size_t len)
{
	_cleanup_close_ int fd = openat(
		dir, META_NEW,
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text, len);

	if (n < 0)
		return -errno;
	if ((size_t)n != len)
		return -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}

int named_meta_write(int dir, const struct named_meta *m, struct err *err)
{
	char text[META_MAX];
	int len, r;

	if (strcmp(m->backing, "directory") == 0 && !m->size)
		return 0;
	len = print(m, text);
	r = len < 0 ? len : write_new(dir, text, (size_t)len);
	if (r == 0)
		r = FAILPOINT("named.meta.written");
	if (r == 0 && renameat(dir, META_NEW, dir, META) < 0)
		r = -errno;
	if (r == 0)
		r = tree_sync(dir);
	if (r < 0) {
		unlinkat(dir, META_NEW, 0);
		return err_set(err, r, "write file meta: %s", strerror(-r));
	}
	return 0;
}

int named_meta_remove(int dir, struct err *err)
{
	if ((unlinkat(dir, META_NEW, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dir, META, 0) < 0 && errno != ENOENT))
		return err_set(err, -errno, "delete file meta: %s",
			       strerror(errno));
	return 0;
}
