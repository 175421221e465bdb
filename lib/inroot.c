/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths below a container's root. */
#include "lib/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base.h"

#define LINKS_MAX 40 /* as the kernel */
#define TRIES     64 /* openat2 gives EAGAIN when something was renamed meanwhile */

static int resolve(int root, const char *path, int flags, mode_t mode,
		   uint64_t how_to)
{
	struct open_how how = { .flags = (uint64_t)(unsigned int)flags |
					 O_CLOEXEC,
				.mode = mode,
				.resolve = how_to };
	int fd = -1;

	for (int i = 0; i < TRIES; i++) {
		fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? fd : -errno;
}

int inroot_open(int root, const char *path, int flags)
{
	return resolve(root, path, flags, 0,
		       RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int inroot_plain(int root, const char *path, int flags)
{
	return resolve(root, path, flags, 0,
		       RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

int inroot_beneath(int root, const char *path, int flags)
{
	return resolve(root, path, flags, 0,
		       RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);
}

/*
 * Component @name of @path (it points into it) is a link in @dir that leads
 * nowhere: what it says takes its place.  Where that lies is the kernel's to
 * resolve, below the root as all else.
 */
static int follow(int dir, char path[PATH_MAX], char *name)
{
	char to[PATH_MAX], out[PATH_MAX];
	char *end = name + strcspn(name, "/"), saved = *end;
	ssize_t n;

	*end = '\0';
	n = readlinkat(dir, name, to, sizeof(to) - 1);
	*end = saved;
	if (n < 0)
		return -errno;
	to[n] = '\0';
	if (snprintf(out, sizeof(out), "%.*s%s%s",
		     to[0] == '/' ? 0 : (int)(name - path), path, to,
		     end) >= (int)sizeof(out))
		return -ENAMETOOLONG;
	memcpy(path, out, strlen(out) + 1);
	return 0;
}

/* One component of @path, up to @end, below @at: opened, or made.  -EEXIST for
 * a link that leads nowhere. */
static int make_dir(int root, int at, const char *path, const char *name)
{
	int fd = inroot_open(root, path, O_PATH | O_DIRECTORY);

	if (fd != -ENOENT)
		return fd;
	if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = inroot_open(root, path, O_PATH | O_DIRECTORY);
	return fd == -ENOENT ? -EEXIST : fd;
}

/* The directory @path, which may be made below @root; @path is changed. */
static int make_dirs(int root, char path[PATH_MAX])
{
	int at = inroot_open(root, "/", O_PATH | O_DIRECTORY), next, links = 0;
	char *end = path, *name;

	while (at >= 0) {
		name = end + strspn(end, "/");
		if (!*name)
			return at;
		end = name + strcspn(name, "/");
		/* the whole path so far: links and ".." are the kernel's */
		char saved = *end;

		*end = '\0';
		next = make_dir(root, at, path, name);
		*end = saved;
		if (next == -EEXIST) {
			next = ++links > LINKS_MAX ? -ELOOP
						   : follow(at, path, name);
			if (next == 0)
				next = inroot_open(root, "/",
						   O_PATH | O_DIRECTORY);
			end = path;
		}
		close(at);
		at = next;
	}
	return at;
}

int inroot_dir(int root, const char *path, struct err *err)
{
	char copy[PATH_MAX];
	int fd = inroot_open(root, path, O_PATH | O_DIRECTORY);

	if (fd == -ENOENT) {
		if (strlen(path) >= sizeof(copy))
			return err_set(err, -ENAMETOOLONG, "%.64s...: too long",
				       path);
		memcpy(copy, path, strlen(path) + 1);
		fd = make_dirs(root, copy);
	}
	if (fd < 0)
		return err_set(err, fd, "%s in the container: %s", path,
			       strerror(-fd));
	return fd;
}

int inroot_parent(int root, const char *path, const char **ret_name,
		  struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char dir[PATH_MAX] = "/";
	size_t len = (size_t)(name - path);
	int fd;

	if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return err_set(err, -EINVAL, "\"%.128s\": no name at its end",
			       path);
	if (len >= sizeof(dir))
		return err_set(err, -ENAMETOOLONG, "%.64s...: too long", path);
	if (len) {
		memcpy(dir, path, len);
		dir[len] = '\0';
	}
	fd = inroot_dir(root, dir, err);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

/* The file @path, made where there is none; @path is changed. */
static int make_file(int root, char path[PATH_MAX], struct err *err)
{
	for (int links = 0; links <= LINKS_MAX; links++) {
		_cleanup_close_ int parent = -EBADF;
		const char *name;
		int fd = inroot_open(root, path, O_PATH), r;

		if (fd != -ENOENT)
			return fd;
		parent = inroot_parent(root, path, &name, err);
		if (parent < 0)
			return parent;
		fd = openat(parent, name,
			    O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0644);
		if (fd >= 0) {
			close(fd);
			return inroot_open(root, path, O_PATH);
		}
		if (errno != EEXIST)
			return -errno;
		r = follow(parent, path, path + (name - path));
		if (r < 0)
			return r;
	}
	return -ELOOP;
}

int inroot_target(int root, const char *path, bool dir, struct err *err)
{
	char copy[PATH_MAX];
	struct err why = { 0 };
	int fd;

	if (dir)
		return inroot_dir(root, path, err);
	if (strlen(path) >= sizeof(copy))
		return err_set(err, -ENAMETOOLONG, "%.64s...: too long", path);
	memcpy(copy, path, strlen(path) + 1);
	fd = make_file(root, copy, &why);
	if (fd < 0)
		return err_set(err, fd, "%s%s%s", why.msg[0] ? "" : path,
			       why.msg[0] ? "" : " in the container: ",
			       why.msg[0] ? why.msg : strerror(-fd));
	return fd;
}

bool inroot_fs(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}
