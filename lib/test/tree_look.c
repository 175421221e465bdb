/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All that a tree of files is, as text; see tree_look.h. */
#include "lib/test/tree_look.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/digest.h"
#include "lib/test/test.h"

#define BLOCK 4096 /* of zeros it is as good as a hole */
#define NAMES 4096 /* of all attributes of a file */

struct name {
	struct name *next;
	ino_t ino;
	char path[];
};

struct look {
	FILE *out;
	const char *root;
	struct name *names; /* the first of each file that has several */
};

static void put_hex(FILE *out, const unsigned char *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", data[i]);
}

static void attribute(FILE *out, const char *path, const char *name)
{
	static unsigned char value[1 << 16];
	ssize_t n = lgetxattr(path, name, value, sizeof(value));

	if (n < 0 && (errno == ENODATA || errno == EOPNOTSUPP))
		return;
	if (n < 0)
		fail_msg("%s: attribute %s: %s", path, name, strerror(errno));
	fprintf(out, "  %s=", name);
	put_hex(out, value, (size_t)n);
	fputc('\n', out);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void attributes(FILE *out, const char *path)
{
	char list[NAMES], *sorted[NAMES / 2];
	ssize_t n = llistxattr(path, list, sizeof(list));
	size_t count = 0;

	if (n < 0 && errno != EOPNOTSUPP)
		fail_msg("%s: attributes: %s", path, strerror(errno));
	for (char *at = list; n > 0 && at < list + n; at += strlen(at) + 1)
		sorted[count++] = at;
	qsort(sorted, count, sizeof(*sorted), by_text);
	for (size_t i = 0; i < count; i++)
		attribute(out, path, sorted[i]);
	/* not every file system lists them */
	attribute(out, path, "system.posix_acl_access");
	attribute(out, path, "system.posix_acl_default");
}

static void add_data(struct digest *d, const char *path, int fd, off_t at,
		     off_t end)
{
	static const unsigned char zeros[BLOCK];
	unsigned char buf[BLOCK];

	while (at < end) {
		ssize_t n = pread(fd, buf, sizeof(buf), at);

		if (n <= 0)
			fail_msg("%s: at %lld: %s", path, (long long)at,
				 n < 0 ? strerror(errno) : "ends");
		if (memcmp(buf, zeros, (size_t)n) != 0) {
			digest_add(d, &at, sizeof(at));
			digest_add(d, buf, (size_t)n);
		}
		at += n;
	}
}

static void content(FILE *out, const char *path, off_t size)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_(digest_freep) struct digest *d = digest_new();
	char hex[DIGEST_HEX_MAX];
	off_t at = 0, end;

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	assert_non_null(d);
	while (at < size && (at = lseek(fd, at, SEEK_DATA)) >= 0) {
		end = lseek(fd, at, SEEK_HOLE);
		assert_true(end > at);
		add_data(d, path, fd, at - at % BLOCK, end);
		at = end;
	}
	if (at < 0 && errno != ENXIO)
		fail_msg("%s: data: %s", path, strerror(errno));
	digest_end(d, hex);
	fprintf(out, "  content=%s\n", hex);
}

static void first_name(struct look *l, const char *path, ino_t ino)
{
	struct name *n = l->names;

	while (n && n->ino != ino)
		n = n->next;
	if (!n) {
		n = malloc(sizeof(*n) + strlen(path) + 1);
		assert_non_null(n);
		n->ino = ino;
		strcpy(n->path, path);
		n->next = l->names;
		l->names = n;
	}
	fprintf(l->out, "  file=%s\n", n->path);
}

static void entry(struct look *l, const char *path, const struct stat *st)
{
	const char *name = path + strlen(l->root);
	char target[4096] = "";

	fprintf(l->out,
		".%s\n  mode=%o owner=%u:%u links=%lu time=%lld.%09ld\n", name,
		st->st_mode, st->st_uid, st->st_gid, st->st_nlink,
		(long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (!S_ISDIR(st->st_mode))
		fprintf(l->out, "  size=%lld\n", (long long)st->st_size);
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		fprintf(l->out, "  device=%u:%u\n", major(st->st_rdev),
			minor(st->st_rdev));
	if (S_ISLNK(st->st_mode)) {
		assert_true(readlink(path, target, sizeof(target) - 1) > 0);
		fprintf(l->out, "  to=%s\n", target);
	}
	attributes(l->out, path);
	if (S_ISREG(st->st_mode))
		content(l->out, path, st->st_size);
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1)
		first_name(l, name, st->st_ino);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

char *tree_look(const char *dir)
{
	struct look l = { .root = dir };
	_cleanup_free_ char *root = strdup(dir);
	char *roots[] = { root, NULL }, *text = NULL;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	struct name *next;
	size_t size = 0;
	FTSENT *e;

	l.out = open_memstream(&text, &size);
	assert_non_null(l.out);
	assert_non_null(fts);
	while ((e = fts_read(fts))) {
		if (e->fts_info == FTS_DP)
			continue;
		if (e->fts_errno)
			fail_msg("%s: %s", e->fts_path, strerror(e->fts_errno));
		entry(&l, e->fts_path, e->fts_statp);
	}
	fts_close(fts);
	for (; l.names; l.names = next) {
		next = l.names->next;
		free(l.names);
	}
	assert_int_equal(fclose(l.out), 0);
	return text;
}

void trees_alike(const char *a, const char *b, const char *after)
{
	_cleanup_free_ char *was = tree_look(a), *is = tree_look(b);
	size_t line = 0, at = 0, last = 0;

	if (strcmp(was, is) == 0)
		return;
	for (; was[at] && was[at] == is[at]; at++)
		if (was[at] == '\n') {
			line = at + 1;
			/* a name's line, which the others are of */
			if (was[line] == '.')
				last = line;
		}
	fail_msg("after %s: of %.*s\n%s: %.*s\n%s: %.*s", after,
		 (int)strcspn(was + last, "\n"), was + last, a,
		 (int)strcspn(was + line, "\n"), was + line, b,
		 (int)strcspn(is + line, "\n"), is + line);
}
