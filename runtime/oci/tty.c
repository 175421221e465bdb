/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Terminals: made inside by descriptor, held outside. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/inroot.h"
#include "runtime/oci/rootfs.h"
#include "runtime/oci/tty.h"

int tty_connect(const char *path, struct err *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "--console-socket: longer than %zu bytes",
			       sizeof(to.sun_path) - 1);
	memcpy(to.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_set(err, -errno, "--console-socket %s: %s", path,
			       strerror(errno));
	return take_fd(fd);
}

static int send_master(int sock, int master, struct err *err)
{
	char name[] = "/dev/ptmx"; /* runc sends a name: some read it */
	struct iovec io = { .iov_base = name, .iov_len = sizeof(name) - 1 };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct msghdr msg = { .msg_iov = &io,
			      .msg_iovlen = 1,
			      .msg_control = u.buf,
			      .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &master, sizeof(int));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "the terminal can't be sent: %s",
			       strerror(errno));
	return 0;
}

int tty_receive(int sock, struct err *err)
{
	char name[256];
	struct iovec io = { .iov_base = name, .iov_len = sizeof(name) };
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	struct msghdr msg = { .msg_iov = &io,
			      .msg_iovlen = 1,
			      .msg_control = u.buf,
			      .msg_controllen = sizeof(u.buf) };
	struct cmsghdr *c;
	int fd = -EBADF;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) < 0)
		return err_set(err, -errno, "the terminal did not come: %s",
			       strerror(errno));
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd >= 0 ? fd : err_set(err, -EPROTO, "no terminal came");
}

/* The file to mount over, which may be the image's: no link is followed, it
 * might lead below /proc (CVE-2025-52565). */
static int open_console(int root, struct err *err)
{
	const char *name;
	_cleanup_close_ int dir =
		inroot_parent(root, "/dev/console", &name, err);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		fd = openat(dir, name, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0600);
		if (fd >= 0)
			close(fd);
		fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	return fd >= 0 ? fd
		       : err_set(err, -errno, "/dev/console: %s",
				 strerror(errno));
}

static int show_console(int root, int slave, struct err *err)
{
	_cleanup_close_ int mount = -EBADF;
	_cleanup_close_ int target = open_console(root, err);
	struct stat st;

	if (target < 0)
		return target;
	if (fstat(target, &st) < 0 ||
	    !(S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
		return err_set(err, -EINVAL, "/dev/console: not a file");
	mount = open_tree(slave, "",
			  AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (mount < 0)
		return err_set(err, -errno, "/dev/console: %s",
			       strerror(errno));
	return rootfs_attach(mount, target, err);
}

int tty_setup(int root, int sock, uint16_t rows, uint16_t cols, uid_t uid,
	      bool console, struct err *err)
{
	const struct winsize size = { .ws_row = rows, .ws_col = cols };
	_cleanup_close_ int master =
		inroot_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
	_cleanup_close_ int slave = -EBADF;
	int zero = 0, r;

	if (master < 0)
		return err_set(err, master, "/dev/pts/ptmx: %s",
			       strerror(-master));
	if (!inroot_fs(master, DEVPTS_SUPER_MAGIC))
		return err_set(err, -EINVAL, "/dev/pts is no devpts");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0)
		return err_set(err, -errno, "terminal: %s", strerror(errno));
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_set(err, -errno, "terminal: %s", strerror(errno));
	if (rows && cols && ioctl(master, TIOCSWINSZ, &size) < 0)
		return err_set(err, -errno, "process.consoleSize: %s",
			       strerror(errno));
	if (fchown(slave, uid, (gid_t)-1) < 0 && errno != EINVAL &&
	    errno != EPERM)
		return err_set(err, -errno, "terminal: chown: %s",
			       strerror(errno));
	r = console ? show_console(root, slave, err) : 0;
	if (r == 0)
		r = send_master(sock, master, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			return err_set(err, -errno, "terminal: %s",
				       strerror(errno));
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return err_set(err, -errno, "controlling terminal: %s",
			       strerror(errno));
	return 0;
}
