/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walking a directory tree with one descriptor: the names of the directories
 * still to be seen are kept per level, and ".." is trusted only when it is the
 * directory that was left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "lib/base.h"
#include "lib/log.h"
#include "lib/tree.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

#ifndef STATX_ATTR_MOUNT_ROOT
#define STATX_ATTR_MOUNT_ROOT 0x2000
#endif

/* One directory on the way down. */
struct level {
	dev_t dev;
	ino_t ino;
	char **dirs; /* sub-directories not yet entered; the last is next */
	size_t count, room;
};

struct walk {
	struct level *levels;
	size_t depth, room;
	int fd; /* of the last level */
	struct err *err;
};

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void level_fini(struct level *l)
{
	while (l->count)
		free(l->dirs[--l->count]);
	free(l->dirs);
}

static void walk_finip(struct walk *w)
{
	while (w->depth)
		level_fini(&w->levels[--w->depth]);
	free(w->levels);
	closep(&w->fd);
}

/* The array @items of *@room elements of @size, with space for one more. */
static void *grown(void *items, size_t count, size_t *room, size_t size)
{
	size_t more = *room ? *room * 2 : 16;

	if (count < *room)
		return items;
	items = reallocarray(items, more, size);
	if (items)
		*room = more;
	return items;
}

static int no_memory(struct walk *w)
{
	return err_set(w->err, -ENOMEM, "out of memory");
}

static int level_push(struct walk *w)
{
	struct level *grew =
		grown(w->levels, w->depth, &w->room, sizeof(*w->levels));
	struct stat st;

	if (!grew)
		return no_memory(w);
	w->levels = grew;
	if (fstat(w->fd, &st) < 0)
		return err_set(w->err, -errno, "stat: %s", strerror(errno));
	w->levels[w->depth++] =
		(struct level){ .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

static int remember(struct walk *w, struct level *l, const char *name)
{
	char **grew = grown(l->dirs, l->count, &l->room, sizeof(*l->dirs));

	if (!grew)
		return no_memory(w);
	l->dirs = grew;
	l->dirs[l->count] = strdup(name);
	if (!l->dirs[l->count])
		return no_memory(w);
	l->count++;
	return 0;
}

static int refuse(struct walk *w, int code, const char *name, const char *what)
{
	char shown[160];

	return err_set(w->err, code, "%s, %zu directories down, is %s",
		       log_quote(shown, sizeof(shown), name), w->depth - 1,
		       what);
}

/* @l: the level that holds @name. */
static int look_at(struct walk *w, struct level *l, const char *name)
{
	struct statx sx;

	if (statx(w->fd, name,
		  AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		  STATX_TYPE, &sx) < 0)
		return errno == ENOENT
			       ? 0
			       : refuse(w, -errno, name, strerror(errno));
	if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
		return refuse(w, -EBUSY, name,
			      "a mount point: unmount it first");
	/* Before Linux 5.8 a mount shows by the device only.  Of directories:
	 * files of an overlay may have the device of its lower layer. */
	if (S_ISDIR(sx.stx_mode) &&
	    makedev(sx.stx_dev_major, sx.stx_dev_minor) != l->dev)
		return refuse(w, -EBUSY, name,
			      "on another file system (a btrfs subvolume?): "
			      "remove it first");
	if (sx.stx_attributes & STATX_ATTR_IMMUTABLE)
		return refuse(w, -EPERM, name, "immutable: chattr -i it first");
	if (sx.stx_attributes & STATX_ATTR_APPEND)
		return refuse(w, -EPERM, name,
			      "append-only: chattr -a it first");
	return S_ISDIR(sx.stx_mode) ? remember(w, l, name) : 0;
}

/* Look at all that is in the directory w->fd. */
static int read_level(struct walk *w)
{
	_cleanup_close_ int own = openat(w->fd, ".", DIR_FLAGS);
	_cleanup_(dir_closep) DIR *dir = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;
	int r = level_push(w);

	if (!dir)
		return err_set(w->err, -errno, "read a directory: %s",
			       strerror(errno));
	(void)take_fd(own);
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			r = look_at(w, &w->levels[w->depth - 1], entry->d_name);
	return r;
}

/* Into the next sub-directory of the last level. */
static int descend(struct walk *w)
{
	struct level *l = &w->levels[w->depth - 1];
	_cleanup_free_ char *name = l->dirs[--l->count];
	int fd = openat(w->fd, name, DIR_FLAGS);

	if (fd < 0)
		return errno == ENOENT
			       ? 0
			       : refuse(w, -errno, name, strerror(errno));
	closep(&w->fd);
	w->fd = fd;
	return read_level(w);
}

static int ascend(struct walk *w)
{
	struct level *up;
	struct stat st;
	int fd;

	level_fini(&w->levels[--w->depth]);
	if (w->depth == 0)
		return 0;
	up = &w->levels[w->depth - 1];
	fd = openat(w->fd, "..", DIR_FLAGS);
	closep(&w->fd);
	w->fd = fd;
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_dev != up->dev ||
	    st.st_ino != up->ino)
		return err_set(w->err, -EAGAIN,
			       "the directory was changed while it was read: "
			       "try again");
	return 0;
}

int tree_removable(int dirfd, struct err *err)
{
	_cleanup_(walk_finip) struct walk w = { .fd = -EBADF, .err = err };
	int r;

	w.fd = openat(dirfd, ".", DIR_FLAGS);
	if (w.fd < 0)
		return err_set(err, -errno, "open the directory: %s",
			       strerror(errno));
	r = read_level(&w);
	while (r == 0 && w.depth)
		r = w.levels[w.depth - 1].count ? descend(&w) : ascend(&w);
	return r;
}
