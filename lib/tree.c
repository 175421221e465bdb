/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deleting directory trees that somebody else filled. */
#include "lib/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/base.h"
#include "lib/log.h"
#include "lib/tree_priv.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

struct emptying {
	int root;
	bool (*stop)(void *ctx);
	void *ctx;
	unsigned int next; /* number for a directory moved up */
	bool progress;     /* something went in this pass */
	int code;          /* what stood in the way first, 0: nothing */
	struct err *err;
};

void tree_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int tree_open(int dirfd, const char *name, struct err *err)
{
	int fd, r;

	if (!*name || strchr(name, '/') || is_dots(name))
		return err_set(err, -EINVAL, "not a name in a directory");
	fd = openat(dirfd, name, DIR_FLAGS);
	r = fd < 0 ? -errno : fd;
	if (r == -ELOOP)
		r = -ENOTDIR;
	if (r < 0)
		return err_set(err, r, "directory %s: %s", name, strerror(-r));
	return fd;
}

int tree_enter(int fd, const char *name)
{
	const struct open_how how = {
		.flags = DIR_FLAGS,
		.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
	};
	int dir = (int)syscall(SYS_openat2, fd, name, &how, sizeof(how));

	if (dir < 0 && errno == ENOSYS) /* before Linux 5.6 */
		dir = openat(fd, name, DIR_FLAGS);
	return dir < 0 ? -errno : dir;
}

int tree_rename_new(int fromfd, const char *from, int tofd, const char *to)
{
	if (renameat2(fromfd, from, tofd, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (faccessat(tofd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return -EEXIST;
	return renameat(fromfd, from, tofd, to) < 0 ? -errno : 0;
}

int tree_sync(int dirfd)
{
	/* EINVAL: a file system that does not know how to */
	return fsync(dirfd) < 0 && errno != EINVAL ? -errno : 0;
}

DIR *tree_stream(int fd)
{
	_cleanup_close_ int own = openat(fd, ".", DIR_FLAGS);
	DIR *dir = own < 0 ? NULL : fdopendir(own);

	if (dir)
		(void)take_fd(own);
	return dir;
}

int tree_next(DIR *dir, const struct dirent **ret)
{
	do {
		errno = 0;
		*ret = readdir(dir);
	} while (*ret && is_dots((*ret)->d_name));
	return *ret ? 1 : -errno;
}

/* Return: 0, or -errno; "gone already" is 0. */
static int unlink_in(int fd, const char *name, int flags)
{
	int r = unlinkat(fd, name, flags) < 0 ? -errno : 0;

	return r == -ENOENT ? 0 : r;
}

static void blame(struct emptying *e, int code, const char *name)
{
	char shown[96];

	if (e->code)
		return;
	e->code = code;
	err_set(e->err, code, "cannot delete %s: %s",
		log_quote(shown, sizeof(shown), name), strerror(-code));
}

/* Give the directory @name of @fd a new place, in the root. */
static int move_up(struct emptying *e, int fd, const char *name)
{
	char to[16];
	int r;

	do {
		snprintf(to, sizeof(to), "%u", e->next++);
		r = tree_rename_new(fd, name, e->root, to);
	} while (r == -EEXIST && e->next < UINT32_MAX);
	return r == -ENOENT ? 0 : r;
}

/* Take @name out of @fd, which is below the root. */
static void take_out(struct emptying *e, int fd, const struct dirent *entry)
{
	int r = -EISDIR;

	if (entry->d_type != DT_DIR)
		r = unlink_in(fd, entry->d_name, 0);
	if (r == -EISDIR)
		r = unlink_in(fd, entry->d_name, AT_REMOVEDIR);
	if (r == -ENOTEMPTY || r == -EEXIST)
		r = move_up(e, fd, entry->d_name);
	if (r < 0)
		blame(e, r, entry->d_name);
	else
		e->progress = true;
}

static bool stopped(const struct emptying *e)
{
	return e->stop && e->stop(e->ctx);
}

/* A directory in the root: take all out of it, then delete it. */
static int clear_dir(struct emptying *e, const char *name)
{
	_cleanup_close_ int fd = -EBADF;
	_cleanup_(tree_closep) DIR *dir = NULL;
	struct dirent *entry;
	int r = unlink_in(e->root, name, AT_REMOVEDIR);

	if (r == 0) { /* it was empty */
		e->progress = true;
		return 0;
	}
	fd = tree_enter(e->root, name);
	dir = fd < 0 ? NULL : tree_stream(fd);
	if (!dir) {
		r = fd == -EXDEV ? -EBUSY : fd < 0 ? fd : -errno;
		if (r != -ENOENT)
			blame(e, r, name);
		return 0;
	}
	while ((entry = readdir(dir))) {
		if (is_dots(entry->d_name))
			continue;
		if (stopped(e))
			return -ETIME;
		take_out(e, fd, entry);
	}
	r = unlink_in(e->root, name, AT_REMOVEDIR);
	if (r < 0 && r != -ENOTEMPTY) /* entries readdir missed: next pass */
		blame(e, r, name);
	if (r == 0)
		e->progress = true;
	return 0;
}

/* Return: entries that were there; -ETIME; -errno. */
static int empty_pass(struct emptying *e)
{
	_cleanup_(tree_closep) DIR *dir = tree_stream(e->root);
	struct dirent *entry;
	int seen = 0, r = 0;

	if (!dir)
		return err_set(e->err, -errno, "read the directory: %s",
			       strerror(errno));
	while ((entry = readdir(dir))) {
		if (is_dots(entry->d_name))
			continue;
		if (stopped(e))
			return -ETIME;
		seen = 1;
		if (entry->d_type != DT_DIR)
			r = unlink_in(e->root, entry->d_name, 0);
		if (entry->d_type == DT_DIR || r == -EISDIR)
			r = clear_dir(e, entry->d_name);
		else if (r < 0)
			blame(e, r, entry->d_name);
		else
			e->progress = true;
		if (r == -ETIME)
			return r;
		r = 0;
	}
	return seen;
}

int tree_empty(int dirfd, bool (*stop)(void *ctx), void *ctx, struct err *err)
{
	struct emptying e = {
		.root = dirfd, .stop = stop, .ctx = ctx, .err = err
	};
	int r;

	do {
		e.progress = false;
		e.code = 0;
		r = empty_pass(&e);
	} while (r > 0 && e.progress);
	if (r == -ETIME)
		return err_set(err, r, "not done yet");
	if (r < 0)
		return r;
	if (r > 0)
		return e.code ? e.code
			      : err_set(err, -ENOTEMPTY, "still being filled");
	return 0;
}
