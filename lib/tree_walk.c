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

#include "lib/log.h"
#include "lib/tree.h"
#include "lib/tree_priv.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)

static void dir_closep(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static void level_fini(struct tree_level *l)
{
	while (l->count)
		free(l->dirs[--l->count]);
	free(l->dirs);
}

static void walk_fini(struct tree_walk *w)
{
	while (w->depth)
		level_fini(&w->levels[--w->depth]);
	free(w->levels);
	closep(&w->fd);
	w->fd = -EBADF;
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

static int no_memory(struct tree_walk *w)
{
	return err_set(w->err, -ENOMEM, "out of memory");
}

static int level_push(struct tree_walk *w)
{
	struct tree_level *grew =
		grown(w->levels, w->depth, &w->room, sizeof(*w->levels));
	struct stat st;

	if (!grew)
		return no_memory(w);
	w->levels = grew;
	if (fstat(w->fd, &st) < 0)
		return err_set(w->err, -errno, "stat: %s", strerror(errno));
	w->levels[w->depth++] =
		(struct tree_level){ .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

const struct tree_level *tree_walk_level(const struct tree_walk *w)
{
	return &w->levels[w->depth - 1];
}

int tree_walk_later(struct tree_walk *w, const char *name)
{
	struct tree_level *l = &w->levels[w->depth - 1];
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

/* Look at all that is in the directory w->fd. */
static int read_level(struct tree_walk *w)
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
			r = w->look(w, entry->d_name);
	return r;
}

int tree_walk_refuse(struct tree_walk *w, int code, const char *name,
		     const char *what)
{
	char shown[160];

	return err_set(w->err, code, "%s, %zu directories down, is %s",
		       log_quote(shown, sizeof(shown), name), w->depth - 1,
		       what);
}

/* Into the next sub-directory of the last level. */
static int descend(struct tree_walk *w)
{
	struct tree_level *l = &w->levels[w->depth - 1];
	_cleanup_free_ char *name = l->dirs[--l->count];
	int fd = tree_enter(w->fd, name);

	if (fd == -ENOENT || (fd < 0 && w->lenient))
		return 0;
	if (fd < 0)
		return tree_walk_refuse(w, fd, name, strerror(-fd));
	closep(&w->fd);
	w->fd = fd;
	return read_level(w);
}

static int ascend(struct tree_walk *w)
{
	struct tree_level *up;
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

int tree_walk(struct tree_walk *w, int dirfd)
{
	int r;

	w->fd = openat(dirfd, ".", DIR_FLAGS);
	if (w->fd < 0)
		return err_set(w->err, -errno, "open the directory: %s",
			       strerror(errno));
	r = read_level(w);
	while (r == 0 && w->depth)
		r = tree_walk_level(w)->count ? descend(w) : ascend(w);
	walk_fini(w);
	return r;
}
