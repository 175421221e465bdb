/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A filter put on the calling thread; its notify descriptor handed on. */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "runtime/oci/seccomp_priv.h"

#define OCI_VERSION "1.1.0"

int sec_load(const struct sec_filter *filter, int *ret_fd)
{
	struct sock_fprog prog = { .len = filter->count,
				   .filter = filter->insns };
	long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags,
			 &prog);

	if (r < 0)
		return -errno;
	if (ret_fd)
		*ret_fd = filter->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER
				  ? (int)r
				  : -EBADF;
	return 0;
}

int sec_notify_take(pid_t pid, int fd, struct err *err)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int copy;

	if (pidfd < 0)
		return err_set(err, -errno, "seccomp: process %d: %m",
			       (int)pid);
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (copy < 0)
		return err_set(err, -errno,
			       "seccomp: notify descriptor of process %d: %m",
			       (int)pid);
	return copy;
}

/* The "container process state" of the runtime spec. */
static json_object *process_state(const struct sec_profile *p, pid_t pid,
				  json_object *state)
{
	_cleanup_(json_putp) json_object *o = json_object_new_object();
	json_object *fds = json_object_new_array();
	const char *metadata = sec_listener_metadata(p);

	if (!o || !fds) {
		json_object_put(fds);
		return NULL;
	}
	json_object_object_add(o, "ociVersion",
			       json_object_new_string(OCI_VERSION));
	json_object_object_add(o, "fds", fds);
	json_object_array_add(fds, json_object_new_string("seccompFd"));
	json_object_object_add(o, "pid", json_object_new_int(pid));
	if (*metadata)
		json_object_object_add(o, "metadata",
				       json_object_new_string(metadata));
	json_object_object_add(o, "state", json_object_get(state));
	return take_ptr(o);
}

static int send_fd(int sock, const char *text, int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_len = strlen(text) };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	_cleanup_free_ char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	iov.iov_base = copy;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	/* the descriptor goes with the first byte */
	while (iov.iov_len > 0) {
		ssize_t n = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n <= 0)
			continue;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
	}
	return 0;
}

int sec_notify_send(const struct sec_profile *p, int fd, pid_t pid,
		    json_object *state, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	_cleanup_(json_putp) json_object *o = process_state(p, pid, state);
	_cleanup_close_ int sock =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (!o)
		return err_set(err, -ENOMEM, "seccomp: out of memory");
	if (sock < 0)
		return err_set(err, -errno, "seccomp: socket: %m");
	if (strlen(p->listener_path) >= sizeof(to.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "listenerPath: longer than %zu bytes",
			       sizeof(to.sun_path) - 1);
	strcpy(to.sun_path, p->listener_path);
	if (connect(sock, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_set(err, -errno,
			       "listenerPath %s: %m: is the seccomp agent "
			       "running?",
			       p->listener_path);
	r = send_fd(sock,
		    json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		    fd);
	return r < 0 ? err_set(err, r, "listenerPath %s: send: %s",
			       p->listener_path, strerror(-r))
		     : 0;
}
