/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unix sockets by path: listen in place of a stale file, connect. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/base.h"
#include "netctl/sup_priv.h"

static int address(const char *path, struct sockaddr_un *ret, struct err *err)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(ret->sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "socket path %s is longer than %zu bytes: "
			       "choose a shorter directory",
			       path, sizeof(ret->sun_path) - 1);
	strcpy(ret->sun_path, path);
	return 0;
}

int sup_connect(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	r = address(path, &sun, err);
	if (r < 0)
		return r;
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0) {
		r = -errno;
		return err_set(err, r, "%s: %s", path, strerror(-r));
	}
	return take_fd(fd);
}

/* 0: nobody listens there (a stale file is gone); -EADDRINUSE. */
static int clear_stale(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd = -EBADF;
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_set(err, -errno, "%s: %s", path,
						 strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			       "%s is no socket: remove it if nothing needs it",
			       path);
	fd = sup_connect(path, type, NULL);
	if (fd == -ECONNREFUSED)
		return unlink(path) == 0 || errno == ENOENT
			       ? 0
			       : err_set(err, -errno, "cannot remove %s: %s",
					 path, strerror(errno));
	if (fd >= 0)
		(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	if (peer.pid == 1)
		return err_set(
			err, -EADDRINUSE,
			"%s is held by the service manager: use its commands "
			"(systemctl), or disable its unit first",
			path);
	return err_set(
		err, -EADDRINUSE,
		"%s is served by another process (pid %d): stop it first", path,
		peer.pid);
}

int sup_listen(const char *path, int type, struct err *err)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sun;
	mode_t mask;
	int r;

	if (fd < 0)
		return err_set(err, -errno, "socket: %s", strerror(errno));
	r = address(path, &sun, err);
	if (r == 0 && type != SOCK_DGRAM)
		r = clear_stale(path, type, err);
	if (r < 0)
		return r;
	if (type == SOCK_DGRAM) /* only under the lock: nobody else's */
		(void)unlink(path);
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ? -errno : 0;
	umask(mask);
	if (r == 0 && type != SOCK_DGRAM && listen(fd, SUP_BACKLOG) < 0)
		r = -errno;
	if (r < 0)
		return err_set(err, r, "cannot listen on %s: %s", path,
			       strerror(-r));
	return take_fd(fd);
}

int sup_mkdirs(const char *path, mode_t mode, struct err *err)
{
	_cleanup_free_ char *p = strdup(path);

	if (!p)
		return err_set(err, -ENOMEM, "out of memory");
	for (char *s = p + 1;; s++) {
		char c = *s;

		if (c && c != '/')
			continue;
		*s = '\0';
		if (mkdir(p, mode) < 0 && errno != EEXIST)
			return err_set(err, -errno, "cannot make %s: %s", p,
				       strerror(errno));
		if (!c)
			return 0;
		*s = c;
	}
}
