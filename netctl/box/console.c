// SPDX-License-Identifier: GPL-2.0-or-later
/* A socket for one descriptor. */
#include "netctl/box/console.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

int console_listen(struct box *b, int *ret, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	box_drop(b, CONSOLE_NAME);
	snprintf(at.sun_path, sizeof(at.sun_path),
		 "/proc/self/fd/%d/" CONSOLE_NAME, b->dir);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 ||
	    listen(fd, 1) < 0)
		return err_set(err, -errno, "%s/" CONSOLE_NAME ": %s", b->path,
			       strerror(errno));
	*ret = take_fd(fd);
	return 0;
}

int console_accept(int listener, int *ret_master, struct err *err)
{
	_cleanup_close_ int fd = -1;
	struct pollfd p = { .fd = listener, .events = POLLIN };
	char name[64];
	struct iovec io = { .iov_base = name, .iov_len = sizeof(name) };
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} ctrl = { 0 };
	struct msghdr h = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = ctrl.space,
			    .msg_controllen = sizeof(ctrl.space) };
	struct cmsghdr *c = NULL;

	/* it was connected to before "create" ended well */
	if (poll(&p, 1, 0) == 1)
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0 && recvmsg(fd, &h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) >= 0)
		c = CMSG_FIRSTHDR(&h);
	if (!c || c->cmsg_type != SCM_RIGHTS)
		return err_set(err, -EPROTO,
			       "the runtime gave no terminal away");
	memcpy(ret_master, CMSG_DATA(c), sizeof(int));
	return 0;
}

void console_drop(const struct box *b)
{
	box_drop(b, CONSOLE_NAME);
}
