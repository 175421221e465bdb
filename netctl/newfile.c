/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file that appears when it is whole. */
#include "netctl/newfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"

static int open_there(struct newfile *f, const char *path, struct err *err)
{
	f->fd = openat(f->dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (f->fd >= 0)
		return 0;
	if (asprintf(&f->part, ".%s.part", f->name) < 0) {
		f->part = NULL;
		return err_set(err, -ENOMEM, "out of memory");
	}
	f->fd = openat(f->dir, f->part,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (f->fd >= 0)
		return 0;
	free(take_ptr(f->part)); /* not ours to delete */
	return err_set(err, -errno, "make %s: %s", path, strerror(errno));
}

int newfile_open(const char *path, struct newfile *ret, struct err *err)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *dir =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	struct stat st;

	*ret = (struct newfile){ .dir = -EBADF, .fd = -EBADF };
	if (strcmp(path, "-") == 0) {
		ret->is_stdout = true;
		ret->fd = STDOUT_FILENO;
		return isatty(ret->fd) ? err_set(err, -EINVAL,
						 "an archive is nothing for a "
						 "terminal: "
						 "redirect it, or name a file")
				       : 0;
	}
	ret->name = strdup(slash ? slash + 1 : path);
	if (!dir || !ret->name)
		return err_set(err, -ENOMEM, "out of memory");
	ret->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret->dir < 0)
		return err_set(err, -errno, "directory %s: %s", dir,
			       strerror(errno));
	if (fstatat(ret->dir, ret->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(err, -EEXIST,
			       "%s is there already, and is not replaced",
			       path);
	return open_there(ret, path, err);
}

static int show(struct newfile *f)
{
	char proc[64];

	if (f->part)
		return renameat2(f->dir, f->part, f->dir, f->name,
				 RENAME_NOREPLACE);
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", f->fd);
	return linkat(AT_FDCWD, proc, f->dir, f->name, AT_SYMLINK_FOLLOW);
}

int newfile_commit(struct newfile *f, struct err *err)
{
	if (f->is_stdout)
		return 0;
	if (fsync(f->fd) < 0 || show(f) < 0)
		return err_set(err, -errno, "write %s: %s", f->name,
			       strerror(errno));
	free(take_ptr(f->part));
	if (fsync(f->dir) < 0)
		return err_set(err, -errno, "write %s: %s", f->name,
			       strerror(errno));
	return 0;
}

void newfile_close(struct newfile *f)
{
	if (f->part)
		unlinkat(f->dir, f->part, 0);
	if (!f->is_stdout)
		closep(&f->fd);
	closep(&f->dir);
	free(f->name);
	free(f->part);
}
