// SPDX-License-Identifier: GPL-2.0-or-later
/* A socket for one descriptor. */
#include "netctl/box/console.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/fdpass.h"

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

	*ret_master = -1;
	/* it was connected to before "create" ended well */
	if (poll(&p, 1, 0) == 1)
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		(void)fdpass_recv(fd, name, sizeof(name), MSG_DONTWAIT,
				  ret_master, 1);
	return *ret_master >= 0 ? 0
				: err_set(err, -EPROTO,
					  "the runtime gave no terminal away");
}

void console_drop(const struct box *b)
{
	box_drop(b, CONSOLE_NAME);
}
