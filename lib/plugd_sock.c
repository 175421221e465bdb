// SPDX-License-Identifier: GPL-2.0-or-later
/* The listening socket of a daemon: handed over, or made and looked after. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "lib/plugd_priv.h"

#define BACKLOG 4096 /* callers wait there while we restart */

int plugd_mkdirs(const char *path, mode_t mode, struct err *err)
{
	char part[PATH_MAX];
	int n = snprintf(part, sizeof(part), "%s", path);

	if (n < 0 || (size_t)n >= sizeof(part))
		return err_set(err, -ENAMETOOLONG, "%s", path);
	for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_set(err, -errno, "making %s: %m", part);
		*p = '/';
	}
	if (mkdir(part, mode) < 0 && errno != EEXIST && errno != EROFS)
		return err_set(err, -errno, "making %s: %m", part);
	return 0;
}

static int dir_check(const char *dir, struct err *err)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return err_set(err, -errno, "%s: %m", dir);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s is no directory", dir);
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(err, -EPERM,
			       "%s must belong to uid %u and be writable by "
			       "nobody else (it is uid %u, mode %03o): anyone "
			       "who can write there could answer for us",
			       dir, geteuid(), st.st_uid, st.st_mode & 0777);
	return 0;
}

/* Does somebody listen there?  A connection is all it takes to see. */
static bool is_served(const struct sockaddr_un *addr)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	/* EAGAIN: somebody does, and its backlog is full. */
	return fd >= 0 && (connect(fd, (const struct sockaddr *)addr,
				   sizeof(*addr)) == 0 ||
			   errno == EAGAIN);
}

/*
 * The store's lock is held, so what lies there belongs to no living daemon of
 * this state directory; but there may be another.
 */
static int stale_remove(const struct sockaddr_un *addr, struct err *err)
{
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0
				       : err_set(err, -errno, "%s: %m", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST,
			       "%s exists and is no socket: remove it", path);
	if (is_served(addr))
		return err_set(err, -EADDRINUSE,
			       "%s is served by another daemon, with another "
			       "--state-dir: stop it first",
			       path);
	if (unlink(path) < 0)
		return err_set(err, -errno, "removing the stale %s: %m", path);
	return 0;
}

int plugd_sock_make(struct plugd_sock *k, struct err *err)
{
	_cleanup_close_ int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r;

	if (fd < 0)
		return err_set(err, -errno, "socket: %m");
	if (strlen(k->path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "%s: a socket's path has %zu characters at most",
			       k->path, sizeof(addr.sun_path) - 1);
	strcpy(addr.sun_path, k->path);
	r = stale_remove(&addr, err);
	if (r < 0)
		return r;
	/* umask is 077, so it is ours alone from the start; not connectable
	 * before listen() */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(k->path, 0600) < 0 || lstat(k->path, &k->made) < 0 ||
	    listen(fd, BACKLOG) < 0)
		return err_set(err, -errno, "listening on %s: %m", k->path);
	k->fd = take_fd(fd);
	k->ours = true;
	return 0;
}

static int sock_inherit(struct plugd_sock *k, int count, struct err *err)
{
	if (count > 1)
		return err_set(err, -EINVAL,
			       "LISTEN_FDS hands over %d sockets, one is "
			       "expected",
			       count);
	if (sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <=
	    0)
		return err_set(err, -EINVAL,
			       "what LISTEN_FDS hands over is no listening "
			       "unix stream socket");
	k->fd = SD_LISTEN_FDS_START;
	k->ours = false;
	return 0;
}

int plugd_sock_open(struct plugd_sock *k, const struct plugd *d,
		    struct err *err)
{
	const char *dir = d->dirs.plugin_dir;
	int n = sd_listen_fds(1), r;

	if (n < 0)
		return err_set(err, n, "LISTEN_FDS: %s", strerror(-n));
	if (n > 0)
		return sock_inherit(k, n, err);
	r = plugd_mkdirs(dir, 0755, err);
	if (r == 0)
		r = dir_check(dir, err);
	if (r < 0)
		return r;
	n = snprintf(k->path, sizeof(k->path), "%s/%s.sock", dir,
		     d->prog->name);
	if (n < 0 || (size_t)n >= sizeof(k->path))
		return err_set(err, -ENAMETOOLONG, "%s", dir);
	return plugd_sock_make(k, err);
}

static bool file_is_ours(const struct plugd_sock *k)
{
	struct stat st;

	return lstat(k->path, &st) == 0 && st.st_ino == k->made.st_ino &&
	       st.st_dev == k->made.st_dev;
}

int plugd_sock_lost(const struct plugd_sock *k)
{
	return k->ours && !file_is_ours(k);
}

void plugd_sock_unlink(const struct plugd_sock *k)
{
	if (k->ours && file_is_ours(k))
		unlink(k->path);
}
