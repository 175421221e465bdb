// SPDX-License-Identifier: GPL-2.0-or-later
/* Descriptors as ancillary data. */
#include "lib/fdpass.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr head;
	char space[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
};

int fdpass_send(int sock, const void *data, size_t size, const int *fds,
		size_t n)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)data,
			    .iov_len = size };
	struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };
	union control ctrl = { 0 };
	struct cmsghdr *c = &ctrl.head;

	if (n > FDPASS_MAX)
		return -EINVAL;
	if (n) {
		h.msg_control = ctrl.space;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(sock, &h, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

ssize_t fdpass_recv(int sock, void *data, size_t size, int flags, int *fds,
		    size_t max)
{
	struct iovec io = { .iov_base = data, .iov_len = size };
	union control ctrl = { 0 };
	struct msghdr h = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = ctrl.space,
			    .msg_controllen = sizeof(ctrl.space) };
	ssize_t n;

	for (size_t i = 0; i < max; i++)
		fds[i] = -1;
	do
		n = recvmsg(sock, &h, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(int));
			if (i < max && fds[i] < 0)
				fds[i] = fd;
			else
				close(fd);
		}
	}
	return n;
}
