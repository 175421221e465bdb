/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory tree, file by file. */
#include "lib/arc_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"

struct level {
	DIR *dir;
	size_t len; /* of the path above */
};

struct walk {
	const struct arc_walker *how;
	struct level *levels; /* owned */
	size_t depth, room;
	char *path; /* owned; "./a/b" */
	size_t path_room;
	dev_t dev;
	struct err *err;
};

static void walk_fini(struct walk *w)
{
	while (w->depth)
		closedir(w->levels[--w->depth].dir);
	free(w->levels);
	free(w->path);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "out of memory");
}

int arc_place_open(struct arc_place *p, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat now;

	if (p->fd >= 0)
		return 0;
	fd = openat(p->dir, p->name,
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == EMFILE)
		return err_set(err, -errno,
			       "%.300s: directories are too deep here, and "
			       "each needs a descriptor (ulimit -n)",
			       p->path);
	if (fd < 0)
		return err_set(err, errno == ELOOP ? -ENOENT : -errno,
			       "%.300s: %s", p->path, strerror(errno));
	if (fstat(fd, &now) < 0 || now.st_ino != p->st.st_ino ||
	    now.st_dev != p->st.st_dev)
		return -ENOENT;
	p->st = now;
	p->fd = take_fd(fd);
	return 0;
}

char *arc_place_proc(const struct arc_place *p)
{
	char *at;

	return asprintf(&at, "/proc/self/fd/%d/%s", p->dir, p->name) < 0 ? NULL
									 : at;
}

static int path_add(struct walk *w, size_t len, const char *name)
{
	size_t need = len + strlen(name) + 2;

	if (need > w->path_room) {
		char *grew = realloc(w->path, need * 2);

		if (!grew)
			return no_memory(w->err);
		w->path = grew;
		w->path_room = need * 2;
	}
	w->path[len] = '/';
	strcpy(w->path + len + 1, name);
	return 0;
}

/* @fd is taken. */
static int descend(struct walk *w, int fd)
{
	DIR *dir = fdopendir(fd);

	if (!dir) {
		closep(&fd);
		return err_set(w->err, -errno, "%.300s: %s", w->path,
			       strerror(errno));
	}
	if (w->depth == w->room) {
		size_t room = w->room ? w->room * 2 : 32;
		struct level *grew =
			reallocarray(w->levels, room, sizeof(*grew));

		if (!grew) {
			closedir(dir);
			return no_memory(w->err);
		}
		w->levels = grew;
		w->room = room;
	}
	w->levels[w->depth].dir = dir;
	w->levels[w->depth++].len = strlen(w->path);
	return 0;
}

static int left_out(struct walk *w, const char *why)
{
	if (w->how->left_out)
		w->how->left_out(w->how->ctx, w->path, why);
	return 0;
}

static int visit(struct walk *w, int dir, const char *name)
{
	struct arc_place p = {
		.dir = dir, .name = name, .path = w->path, .fd = -EBADF
	};
	int r;

	if (fstatat(dir, name, &p.st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
				       : err_set(w->err, -errno, "%.300s: %s",
						 w->path, strerror(errno));
	if (S_ISSOCK(p.st.st_mode))
		return left_out(w, "a socket");
	if (p.st.st_dev != w->dev)
		return left_out(
			w, "another file system, or a subvolume, is there");
	r = w->how->visit(w->how->ctx, &p);
	if (r == 1 && p.fd >= 0)
		r = descend(w, take_fd(p.fd));
	closep(&p.fd);
	return r;
}

static int walk(struct walk *w)
{
	int r = 0;

	while (r == 0 && w->depth) {
		struct level *l = &w->levels[w->depth - 1];
		struct dirent *entry;

		errno = 0;
		entry = readdir(l->dir);
		if (!entry) {
			w->path[l->len] = '\0';
			if (errno)
				return err_set(w->err, -errno, "%.300s: %s",
					       w->path, strerror(errno));
			closedir(l->dir);
			w->depth--;
			continue;
		}
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		r = path_add(w, l->len, entry->d_name);
		if (r == 0)
			r = visit(w, dirfd(l->dir), entry->d_name);
	}
	return r;
}

int arc_walk(int root, const struct arc_walker *how, struct err *err)
{
	_cleanup_(walk_fini) struct walk w = { .how = how, .err = err };
	struct stat st;
	int r;

	w.path = strdup(".");
	w.path_room = 2;
	if (!w.path)
		return no_memory(err);
	if (fstat(root, &st) < 0)
		return err_set(err, -errno, "read it: %s", strerror(errno));
	w.dev = st.st_dev;
	r = visit(&w, root, ".");
	return r == 0 ? walk(&w) : r;
}
