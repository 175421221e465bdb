/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who has a directory mounted.  A bind mount of it shows in mountinfo by the
 * file system's device and the directory's path within that file system, which
 * is found from our own table.
 */
#include "lib/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base.h"

/* A directory as other namespaces would show it. */
struct place {
	dev_t dev;
	char *root; /* owned; NULL: not known, so no answer but yes */
};

struct search {
	struct mounts_query *queries;
	struct place *places; /* owned */
	size_t count;
	ino_t *seen; /* owned: mount namespaces already read */
	size_t seen_count;
	size_t hidden;       /* processes that may not be looked at */
	char hidden_pid[21]; /* the first of them */
	int hidden_errno;
};

static void search_fini(struct search *s)
{
	for (size_t i = 0; s->places && i < s->count; i++)
		free(s->places[i].root);
	free(s->places);
	free(s->seen);
}

static void table_unrefp(struct libmnt_table **tb)
{
	mnt_unref_table(*tb);
}

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Is @path @base or below it? */
static bool is_below(const char *path, const char *base)
{
	size_t n = strlen(base);

	if (strcmp(base, "/") == 0)
		return true;
	return strncmp(path, base, n) == 0 && (!path[n] || path[n] == '/');
}

static int find_place(struct libmnt_table *own, const char *path,
		      struct place *ret)
{
	struct libmnt_fs *fs =
		mnt_table_find_mountpoint(own, path, MNT_ITER_BACKWARD);
	const char *target = fs ? mnt_fs_get_target(fs) : NULL;
	const char *root = fs ? mnt_fs_get_root(fs) : NULL;

	if (!target || !root || !is_below(path, target))
		return 0;
	ret->dev = mnt_fs_get_devno(fs);
	if (strcmp(target, "/") != 0)
		path += strlen(target); /* "" at the mount point itself */
	if (strcmp(root, "/") == 0 && *path)
		root = "";
	if (asprintf(&ret->root, "%s%s", root, path) < 0) {
		ret->root = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int find_places(struct search *s, struct err *err)
{
	_cleanup_(table_unrefp) struct libmnt_table *own =
		mnt_new_table_from_file("/proc/self/mountinfo");

	s->places = calloc(s->count, sizeof(*s->places));
	if (!own || !s->places)
		return err_set(err, own ? -ENOMEM : -EIO,
			       "/proc/self/mountinfo can't be read");
	for (size_t i = 0; i < s->count; i++)
		if (find_place(own, s->queries[i].path, &s->places[i]) < 0)
			return err_set(err, -ENOMEM, "out of memory");
	return 0;
}

static void look_at(struct search *s, struct libmnt_fs *fs)
{
	const char *root = mnt_fs_get_root(fs), *at = mnt_fs_get_target(fs);

	for (size_t i = 0; i < s->count; i++)
		if (root && at && s->places[i].root &&
		    mnt_fs_get_devno(fs) == s->places[i].dev &&
		    is_below(root, s->places[i].root) &&
		    strcmp(at, s->queries[i].path) != 0)
			s->queries[i].seen = true;
}

/* 1: new; 0: read before; -errno. */
static int first_time(struct search *s, ino_t ns)
{
	ino_t *grew;

	for (size_t i = 0; i < s->seen_count; i++)
		if (s->seen[i] == ns)
			return 0;
	grew = reallocarray(s->seen, s->seen_count + 1, sizeof(*grew));
	if (!grew)
		return -ENOMEM;
	s->seen = grew;
	grew[s->seen_count++] = ns;
	return 1;
}

/* 1: the process is there, but we may not look at it: anything could be mounted
 * there.  0: it is gone, and its namespace with it. */
static int is_hidden(const char *pid, int why)
{
	char path[64];
	struct stat st;

	if (why == ENOENT || why == ESRCH)
		return 0;
	/* a process that ends just now gives EACCES as well */
	snprintf(path, sizeof(path), "/proc/%.20s", pid);
	return stat(path, &st) == 0 || errno != ENOENT;
}

static int note_hidden(struct search *s, const char *pid, int why)
{
	if (is_hidden(pid, why) && s->hidden++ == 0) {
		snprintf(s->hidden_pid, sizeof(s->hidden_pid), "%.20s", pid);
		s->hidden_errno = why;
	}
	return 0;
}

/* Does the kernel let us read it, and is it there? */
static int open_table(const char *pid, struct libmnt_table **ret)
{
	char path[64];
	int fd;

	/* libmount does not tell why it could not open it */
	snprintf(path, sizeof(path), "/proc/%.20s/mountinfo", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EINVAL ? -ENOENT : -errno; /* EINVAL: zombie */
	close(fd);
	*ret = mnt_new_table_from_file(path);
	return *ret ? 0 : -ENOENT;
}

/* One process: its mount namespace, unless that was read. */
static int read_process(struct search *s, const char *pid)
{
	_cleanup_(table_unrefp) struct libmnt_table *tb = NULL;
	struct libmnt_iter *it;
	struct libmnt_fs *fs;
	char path[64];
	struct stat st;
	int r;

	snprintf(path, sizeof(path), "/proc/%.20s/ns/mnt", pid);
	if (stat(path, &st) < 0)
		return note_hidden(s, pid, errno);
	r = first_time(s, st.st_ino);
	if (r <= 0)
		return r;
	r = open_table(pid, &tb);
	if (r < 0) {
		s->seen_count--; /* another of this namespace may tell */
		return note_hidden(s, pid, -r);
	}
	it = mnt_new_iter(MNT_ITER_FORWARD);
	if (!it)
		return -ENOMEM;
	while (mnt_table_next_fs(tb, it, &fs) == 0)
		look_at(s, fs);
	mnt_free_iter(it);
	return 0;
}

static int read_processes(struct search *s, struct err *err)
{
	_cleanup_(dir_closep) DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat own;
	int r = 0;

	if (!proc || stat("/proc/self/ns/mnt", &own) < 0)
		return err_set(err, -errno, "/proc: %s", strerror(errno));
	r = first_time(s, own.st_ino);
	while (r >= 0 && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			r = read_process(s, entry->d_name);
	return r < 0 ? err_set(err, r, "out of memory") : 0;
}

int mounts_elsewhere(struct mounts_query *queries, size_t count,
		     struct err *err)
{
	_cleanup_(search_fini) struct search s = { .queries = queries,
						   .count = count };
	int r;

	for (size_t i = 0; i < count; i++)
		queries[i].elsewhere = queries[i].seen = false;
	if (count == 0)
		return 0;
	r = find_places(&s, err);
	if (r == 0)
		r = read_processes(&s, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		queries[i].elsewhere =
			queries[i].seen || s.hidden || !s.places[i].root;
	if (!s.hidden)
		return 0;
	err_set(err, -s.hidden_errno,
		"what %zu processes have mounted can't be read (process %s: "
		"%s); CAP_SYS_PTRACE allows it",
		s.hidden, s.hidden_pid, strerror(s.hidden_errno));
	return 1;
}

int mounts_below(const char *path, int (*fn)(void *ctx, const char *target),
		 void *ctx, struct err *err)
{
	_cleanup_(table_unrefp) struct libmnt_table *own =
		mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_iter *it = mnt_new_iter(MNT_ITER_BACKWARD);
	struct libmnt_fs *fs;
	int r = 0;

	if (!own || !it) {
		mnt_free_iter(it);
		return err_set(err, own ? -ENOMEM : -EIO,
			       "/proc/self/mountinfo can't be read");
	}
	while (r == 0 && mnt_table_next_fs(own, it, &fs) == 0) {
		const char *target = mnt_fs_get_target(fs);

		if (target && is_below(target, path) &&
		    strcmp(target, path) != 0)
			r = fn(ctx, target);
	}
	mnt_free_iter(it);
	return r;
}
