/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Going through a cgroup's tree, which its container may have made as deep as it
 * likes: one open directory at a time, no recursion.  What is in a directory is
 * read at once: a position in it (telldir) is a hash of a name, and the container
 * may choose names that have the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A directory on the way from the top to the open one. */
struct level {
	char *name;            /* owned: in the one above */
	struct dirent **below; /* owned: those in it */
	size_t left;           /* of them, not gone into yet */
};

struct walk {
	const char *top;
	cg_visit *enter;
	cg_leave *leave;
	void *arg;
	int dir; /* of the last level */
	struct level *levels;
	size_t depth, room;
};

static struct level *last(struct walk *w)
{
	return &w->levels[w->depth - 1];
}

/* Return: its name, owned. */
static char *drop_last(struct walk *w)
{
	struct level *l = last(w);

	while (l->left > 0)
		free(l->below[--l->left]);
	free(l->below);
	w->depth--;
	return l->name;
}

static void walk_fini(struct walk *w)
{
	closep(&w->dir);
	while (w->depth > 0)
		free(drop_last(w));
	free(w->levels);
}

static void show(struct walk *w, int fd)
{
	closep(&w->dir);
	w->dir = fd;
}

static int add_level(struct walk *w, const char *name)
{
	char *copy;

	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 32;
		struct level *more =
			reallocarray(w->levels, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		w->levels = more;
		w->room = room;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	w->levels[w->depth++] = (struct level){ .name = copy };
	return 0;
}

static bool is_gone(int code)
{
	return code == ENOENT || code == ENODEV;
}

static int only_dirs(const struct dirent *e)
{
	return e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 &&
	       strcmp(e->d_name, "..") != 0;
}

static int read_names(struct walk *w)
{
	struct level *l = last(w);
	int n = scandirat(w->dir, ".", &l->below, only_dirs, NULL);

	if (n < 0)
		return is_gone(errno) ? 0 : -errno;
	l->left = (size_t)n;
	return 0;
}

/* @fd: taken.  Return: 0; what the visit gave; -errno. */
static int come_to(struct walk *w, int fd, const char *name)
{
	int r;

	show(w, fd);
	r = add_level(w, name);
	if (r == 0 && w->enter)
		r = w->enter(fd, w->arg);
	return r == 0 ? read_names(w) : r;
}

/* Into the next one, if it is still there and a directory. */
static int go_down(struct walk *w)
{
	struct level *l = last(w);
	_cleanup_free_ struct dirent *e = l->below[--l->left];
	int fd = openat(w->dir, e->d_name, DIR_FLAGS);

	if (fd < 0)
		return is_gone(errno) ? 0 : -errno;
	return come_to(w, fd, e->d_name);
}

/*
 * From the top, where ".." of one that was removed leads nowhere, as far as all is
 * still there.
 *
 * @depth: that is wanted, and that was come to.  Return: fd; -errno.
 */
static int again_from_top(struct walk *w, size_t *depth)
{
	int fd = open(w->top, DIR_FLAGS), next, r;
	size_t got;

	if (fd < 0)
		return -errno;
	for (got = 1; got < *depth; got++) {
		next = openat(fd, w->levels[got].name, DIR_FLAGS);
		if (next < 0 && is_gone(errno))
			break;
		r = next < 0 ? -errno : 0;
		close(fd);
		if (r < 0)
			return r;
		fd = next;
	}
	*depth = got;
	return fd;
}

static int go_up(struct walk *w)
{
	_cleanup_free_ char *left = NULL;
	size_t depth = w->depth - 1;
	int fd = openat(w->dir, "..", DIR_FLAGS);

	if (fd < 0)
		fd = again_from_top(w, &depth);
	if (fd < 0)
		return fd;
	show(w, fd);
	while (w->depth > depth) {
		free(left);
		left = drop_last(w);
	}
	if (w->leave)
		w->leave(fd, left);
	return 0;
}

int cg_walk(const char *top, cg_visit *enter, cg_leave *leave, void *arg)
{
	_cleanup_(walk_fini) struct walk w = { .top = top,
					       .enter = enter,
					       .leave = leave,
					       .arg = arg,
					       .dir = -EBADF };
	int fd = open(top, DIR_FLAGS);
	int r = fd < 0 ? -errno : come_to(&w, fd, top);

	while (r == 0 && (last(&w)->left > 0 || w.depth > 1))
		r = last(&w)->left > 0 ? go_down(&w) : go_up(&w);
	return r;
}
