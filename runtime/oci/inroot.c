/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Paths below a container's root. */
#include "runtime/oci/inroot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/base.h"

#define TRIES 64 /* openat2 gives EAGAIN when something was renamed meanwhile */

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

/* The directory @path, which may be made below @root; @path is changed and put
 * back. */
static int make_dirs(int root, char *path)
{
	int at = inroot_open(root, "/", O_PATH | O_DIRECTORY), next;
	char *end = path, *name;

	while (at >= 0) {
		name = end + strspn(end, "/");
		if (!*name)
			return at;
		end = name + strcspn(name, "/");
		/* the whole path so far: links and ".." are the kernel's */
		char saved = *end;

		*end = '\0';
		next = inroot_open(root, path, O_PATH | O_DIRECTORY);
		if (next == -ENOENT) {
			if (mkdirat(at, name, 0755) < 0 && errno != EEXIST)
				next = -errno;
			else
				next = inroot_open(root, path,
						   O_PATH | O_DIRECTORY);
			if (next == -ENOENT)
				next = -EEXIST; /* a link to nowhere */
		}
		*end = saved;
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

int inroot_target(int root, const char *path, bool dir, struct err *err)
{
	_cleanup_close_ int parent = -EBADF;
	const char *name;
	int fd;

	if (dir)
		return inroot_dir(root, path, err);
	fd = inroot_open(root, path, O_PATH);
	if (fd != -ENOENT)
		return fd >= 0 ? fd
			       : err_set(err, fd, "%s in the container: %s",
					 path, strerror(-fd));
	parent = inroot_parent(root, path, &name, err);
	if (parent < 0)
		return parent;
	fd = openat(parent, name, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC,
		    0644);
	if (fd < 0)
		return err_set(err, -errno, "%s in the container: %s", path,
			       strerror(errno));
	close(fd);
	fd = inroot_open(root, path, O_PATH);
	return fd >= 0 ? fd
		       : err_set(err, fd, "%s in the container: %s", path,
				 strerror(-fd));
}

bool inroot_fs(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long)fs.f_type == magic;
}
