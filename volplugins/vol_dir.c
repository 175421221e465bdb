/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories that volumes are kept in. */
#include "volplugins/vol_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/tree.h"

int vol_dir_own(int fd, const char *name, struct err *err)
{
	_cleanup_close_ int dir = -EBADF;
	struct stat st;

	if (mkdirat(fd, name, 0700) < 0 && errno != EEXIST)
		return err_set(err, -errno, "make directory %s: %s", name,
			       strerror(errno));
	dir = tree_open(fd, name, err);
	if (dir < 0)
		return dir;
	if (fstat(dir, &st) < 0 || st.st_uid != geteuid())
		return err_set(err, -EPERM,
			       "directory %s does not belong to this daemon's "
			       "user",
			       name);
	if ((st.st_mode & 07777) != 0700 && fchmod(dir, 0700) < 0)
		return err_set(err, -errno, "directory %s: %s", name,
			       strerror(errno));
	return take_fd(dir);
}

int vol_dir_path(int fd, char *buf, size_t size, struct err *err)
{
	char proc[64];
	ssize_t n;

	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = readlink(proc, buf, size);
	if (n < 0 || (size_t)n >= size || buf[0] != '/')
		return err_set(err, n < 0 ? -errno : -ENAMETOOLONG,
			       "the path of the directory of volumes");
	buf[n] = '\0';
	return 0;
}
