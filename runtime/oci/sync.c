/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages over a socket pair; an end that closes is a message as well. */
#include "runtime/oci/sync.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int sync_pair(int ret[static 2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
		return err_set(err, -errno, "socket pair: %s", strerror(errno));
	return 0;
}

static void fill(struct sync_msg *msg, enum sync_what what, int value,
		 const struct err *err)
{
	*msg = (struct sync_msg){ .what = what, .value = value };
	if (err)
		msg->err = *err;
}

int sync_send(int fd, enum sync_what what, int value, const struct err *err)
{
	struct sync_msg msg;

	fill(&msg, what, value, err);
	return send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int sync_tell(int fd, enum sync_what what, int value, const struct err *err)
{
	struct sync_msg msg;

	fill(&msg, what, value, err);
	return write(fd, &msg, sizeof(msg)) < 0 ? -errno : 0;
}

int sync_recv(int fd, struct sync_msg *ret, struct err *err)
{
	ssize_t n;

	do
		n = read(fd, ret, sizeof(*ret));
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(*ret))
		return err_set(err, -EPIPE,
			       "the container's process ended before it was "
			       "ready");
	if (ret->what != SYNC_FAILED)
		return 0;
	ret->err.msg[ERR_MSG_MAX - 1] = '\0';
	return err_set(err, ret->value, "%s", ret->err.msg);
}

int sync_expect(int fd, enum sync_what what, struct err *err)
{
	struct sync_msg msg;
	int r = sync_recv(fd, &msg, err);

	if (r == 0 && msg.what != what)
		r = err_set(err, -EPROTO, "message %d instead of %d",
			    (int)msg.what, (int)what);
	return r;
}
