/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One component after the other, no link among them. */
#include "lib/arc_beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "lib/tree.h"

static int leads_out(const char *path, struct err *err)
{
	return err_set(err, -EBADMSG,
		       "the archive: \"%.300s\" is no path in a volume", path);
}

/* The next component of *@path, and past it. */
static int component(const char **path, char name[static NAME_MAX + 1])
{
	size_t len = strcspn(*path, "/");

	if (len == 0 || len > NAME_MAX)
		return -EBADMSG;
	memcpy(name, *path, len);
	name[len] = '\0';
	*path += len;
	while (**path == '/')
		(*path)++;
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ? -EBADMSG : 0;
}

static bool begins_here(const char **path)
{
	if (strncmp(*path, "./", 2) != 0)
		return false;
	*path += 2;
	return true;
}

static int step(int *fd, const char *name, const char *path, struct err *err)
{
	int next = tree_open(*fd, name, err);

	if (next == -ENOTDIR)
		return err_set(err, -EBADMSG,
			       "the archive: \"%.300s\" leads through %s, "
			       "which is no directory",
			       path, name);
	if (next < 0)
		return next;
	closep(fd);
	*fd = next;
	return 0;
}

int arc_beneath_dir(int root, const char *path, struct err *err)
{
	_cleanup_close_ int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	char name[NAME_MAX + 1];
	const char *left = path;
	int r = 0;

	if (fd < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (!begins_here(&left))
		return leads_out(path, err);
	while (*left) {
		if (component(&left, name) < 0)
			return leads_out(path, err);
		r = step(&fd, name, path, err);
		if (r < 0)
			return r;
	}
	return take_fd(fd);
}

static int delete_at(int dir, const char *name, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR)
		return err_set(err, -errno, "delete %s: %s", name,
			       strerror(errno));
	fd = tree_open(dir, name, err);
	if (fd < 0)
		return fd;
	r = tree_empty(fd, NULL, NULL, err);
	if (r == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0)
		r = err_set(err, -errno, "delete %s: %s", name,
			    strerror(errno));
	return r;
}

int arc_beneath_delete(int root, const char *path, struct err *err)
{
	_cleanup_close_ int fd = fcntl(root, F_DUPFD_CLOEXEC, 0);
	char name[NAME_MAX + 1];
	const char *left = path;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "%s", strerror(errno));
	if (!begins_here(&left) || component(&left, name) < 0)
		return leads_out(path, err);
	while (*left) {
		r = step(&fd, name, path, err);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		if (component(&left, name) < 0)
			return leads_out(path, err);
	}
	return delete_at(fd, name, err);
}
