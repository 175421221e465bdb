/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Going through a cgroup's tree, which its container may have made as deep as it
 * likes: one open directory at a time, no recursion. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "runtime/oci/cgroup_priv.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* A directory above the one that is open. */
struct level {
	long after; /* telldir() there: what follows the one we went down into */
	char *name; /* owned: of that one */
};

struct walk {
	const char *top;
	DIR *dir; /* the open one */
	struct level *up;
	size_t depth, room;
};

static void walk_fini(struct walk *w)
{
	if (w->dir)
		closedir(w->dir);
	while (w->depth > 0)
		free(w->up[--w->depth].name);
	free(w->up);
}

static int show(struct walk *w, int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		int r = -errno;

		closep(&fd);
		return r;
	}
	if (w->dir)
		closedir(w->dir);
	w->dir = dir;
	return 0;
}

/* Return: 1; 0 when it is gone, or no directory; -errno. */
static int go_down(struct walk *w, const char *name)
{
	long after = telldir(w->dir);
	int fd = openat(dirfd(w->dir), name, DIR_FLAGS), r;
	char *copy;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 32;
		struct level *more = reallocarray(w->up, room, sizeof(*more));

		if (!more) {
			close(fd);
			return -ENOMEM;
		}
		w->up = more;
		w->room = room;
	}
	copy = strdup(name);
	if (!copy) {
		close(fd);
		return -ENOMEM;
	}
	r = show(w, fd);
	if (r < 0) {
		free(copy);
		return r;
	}
	w->up[w->depth++] = (struct level){ after, copy };
	return 1;
}

/* From the top, where ".." of a removed one leads nowhere. */
static int again_from_top(struct walk *w, size_t depth)
{
	int fd = open(w->top, DIR_FLAGS), next;

	for (size_t i = 0; fd >= 0 && i < depth; i++) {
		next = openat(fd, w->up[i].name, DIR_FLAGS);
		close(fd);
		fd = next;
	}
	return fd;
}

/* @ret_name: owned; the one that was left. */
static int go_up(struct walk *w, char **ret_name)
{
	struct level *l = &w->up[w->depth - 1];
	int fd = openat(dirfd(w->dir), "..", DIR_FLAGS), r;

	if (fd < 0)
		fd = again_from_top(w, w->depth - 1);
	r = fd < 0 ? -errno : show(w, fd);
	if (r < 0)
		return r;
	seekdir(w->dir, l->after);
	*ret_name = l->name;
	w->depth--;
	return 0;
}

int cg_walk(const char *top, cg_visit *enter, cg_leave *leave, void *arg)
{
	_cleanup_(walk_fini) struct walk w = { .top = top };
	int r = show(&w, open(top, DIR_FLAGS));

	if (r < 0 || !w.dir)
		return r;
	if (enter)
		r = enter(dirfd(w.dir), arg);
	while (r == 0) {
		_cleanup_free_ char *left = NULL;
		struct dirent *e = readdir(w.dir);

		if (e && (e->d_type != DT_DIR || *e->d_name == '.'))
			continue;
		if (e) {
			r = go_down(&w, e->d_name);
			if (r > 0)
				r = enter ? enter(dirfd(w.dir), arg) : 0;
			continue;
		}
		if (w.depth == 0)
			break;
		r = go_up(&w, &left);
		if (r == 0 && leave)
			leave(dirfd(w.dir), left);
	}
	return r;
}
