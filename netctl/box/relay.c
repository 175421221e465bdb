// SPDX-License-Identifier: GPL-2.0-or-later
/* A program's pipes, joined to our own input and outputs. */
#include "netctl/box/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"

static void shut(int *fd)
{
	closep(fd);
	*fd = -1;
}

static int make_pipe(int *ret_read, int *ret_write)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	*ret_read = fds[0];
	*ret_write = fds[1];
	return 0;
}

static int open_null(int *ret)
{
	*ret = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

int relay_open(struct relay *ret, bool input, bool output, struct err *err)
{
	int r;

	*ret = (struct relay){ -1, -1, -1, { -1, -1, -1 }, 0, 0, "" };
	r = input ? make_pipe(&ret->theirs[0], &ret->in)
		  : open_null(&ret->theirs[0]);
	if (r == 0)
		r = output ? make_pipe(&ret->out, &ret->theirs[1])
			   : open_null(&ret->theirs[1]);
	if (r == 0)
		r = output ? make_pipe(&ret->err, &ret->theirs[2])
			   : open_null(&ret->theirs[2]);
	if (r == 0 && ret->in >= 0 && fcntl(ret->in, F_SETFL, O_NONBLOCK) < 0)
		r = -errno;
	return r < 0 ? err_set(err, r, "pipes: %s", strerror(-r)) : 0;
}

void relay_given(struct relay *r)
{
	for (int i = 0; i < 3; i++)
		shut(&r->theirs[i]);
}

void relay_fini(struct relay *r)
{
	relay_given(r);
	shut(&r->in);
	shut(&r->out);
	shut(&r->err);
}

/* ---- one step -------------------------------------------------------------- */

/* Nobody reads on our side: the program is told by the next write of its own. */
static void pass_on(int *from, int to)
{
	char buf[65536];
	ssize_t n = read(*from, buf, sizeof(buf));

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		shut(from);
		return;
	}
	for (ssize_t done = 0; done < n;) {
		ssize_t w = write(to, buf + done, (size_t)(n - done));

		if (w < 0 && errno != EINTR) {
			shut(from);
			return;
		}
		done += w > 0 ? w : 0;
	}
}

static struct pollfd input_poll(const struct relay *r)
{
	if (r->in < 0)
		return (struct pollfd){ .fd = -1 };
	if (r->at < r->len)
		return (struct pollfd){ .fd = r->in, .events = POLLOUT };
	return (struct pollfd){ .fd = 0, .events = POLLIN };
}

static void step_input(struct relay *r)
{
	ssize_t n;

	if (r->at < r->len) {
		n = write(r->in, r->buf + r->at, r->len - r->at);
		if (n > 0)
			r->at += (size_t)n;
		else if (errno != EINTR && errno != EAGAIN)
			shut(&r->in);
		return;
	}
	n = read(0, r->buf, sizeof(r->buf));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		shut(&r->in);
		return;
	}
	r->at = 0;
	r->len = (size_t)n;
}

/* ^C is for all in the foreground, so the child has it already. */
static void pass_signals(int signals, pid_t pid)
{
	struct signalfd_siginfo si;

	while (read(signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		if (si.ssi_signo != SIGCHLD && si.ssi_code <= 0)
			(void)kill(pid, (int)si.ssi_signo); /* not reaped */
}

/* What is there already. */
static void drain(struct relay *r)
{
	for (;;) {
		struct pollfd p[] = { { .fd = r->out, .events = POLLIN },
				      { .fd = r->err, .events = POLLIN } };

		if (poll(p, ARRAY_SIZE(p), 0) <= 0)
			return;
		if (p[0].revents)
			pass_on(&r->out, 1);
		if (p[1].revents)
			pass_on(&r->err, 2);
	}
}

int relay_wait(struct relay *r, pid_t pid, int signals)
{
	int status = 0;
	pid_t got;

	(void)signal(SIGPIPE, SIG_IGN); /* the write says it */
	while ((got = waitpid(pid, &status, WNOHANG)) == 0) {
		struct pollfd p[] = { { .fd = r->out, .events = POLLIN },
				      { .fd = r->err, .events = POLLIN },
				      { .fd = signals, .events = POLLIN },
				      input_poll(r) };

		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[2].revents)
			pass_signals(signals, pid);
		if (p[0].revents)
			pass_on(&r->out, 1);
		if (p[1].revents)
			pass_on(&r->err, 2);
		if (p[3].revents)
			step_input(r);
	}
	if (got < 0)
		return -errno;
	drain(r);
	return status;
}
