/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Freezing a file system, with a guard that thaws it should we die. */
#include "volplugins/named/freeze.h"

#include <errno.h>
#include <linux/close_range.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"

/*
 * The child of a process with threads: nothing but system calls.  It keeps no
 * descriptor but these two, so that it holds no socket or lock of a daemon that
 * is started again, and no signal that is for the whole group ends it.
 */
static _Noreturn void guard(int root, int parent)
{
	struct pollfd p = { .fd = 4, .events = POLLIN };

	/* they may be in each other's place */
	root = dup(root);
	parent = dup(parent);
	if (dup2(root, 3) != 3 || dup2(parent, 4) != 4)
		_exit(1);
	close_range(5, ~0u, 0);
	(void)poll(&p, 1, FREEZE_MAX_S * 1000);
	ioctl(3, FITHAW, 0);
	_exit(0);
}

static int guard_start(int root, pid_t *ret, struct err *err)
{
	_cleanup_close_ int self = pidfd_open(getpid(), 0);
	sigset_t all, before;
	pid_t pid = -1;
	int code;

	/* the child's from its first moment: a stop's SIGTERM is for all of a
	 * service, and came before it could say that it ignores it */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (self >= 0)
		pid = fork();
	code = errno;
	if (pid == 0)
		guard(root, self);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0)
		return err_set(err, -code, "guard of a frozen file system: %s",
			       strerror(code));
	*ret = pid;
	return 0;
}

/* Return: 1 when it had thawed by itself. */
static int guard_stop(pid_t pid)
{
	int status = 0;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status);
}

int freeze_begin(int root, struct freeze *ret, struct err *err)
{
	int r;

	*ret = (struct freeze){ .root = root };
	r = guard_start(root, &ret->guard, err);
	if (r < 0)
		return r;
	if (ioctl(root, FIFREEZE, 0) < 0) {
		r = err_set(err, -errno, "hold the file system still: %s",
			    errno == EBUSY ? "somebody else has (fsfreeze)"
					   : strerror(errno));
		(void)guard_stop(ret->guard);
		ret->guard = 0;
		return r;
	}
	return 0;
}

int freeze_end(struct freeze *f, struct err *err)
{
	pid_t pid = f->guard;
	int early, r;

	if (!pid)
		return 0;
	f->guard = 0;
	/* the guard last: until then it is needed */
	r = ioctl(f->root, FITHAW, 0) < 0 ? -errno : 0;
	early = guard_stop(pid);
	if (r == 0 && !early)
		return 0;
	return err_set(err, -ETIMEDOUT,
		       "its users would have waited for longer than %d s while "
		       "it was copied: stop them before, or keep the volumes "
		       "on a file system that can share blocks (xfs, btrfs)",
		       FREEZE_MAX_S);
}

int freeze_lift(int root, struct err *err)
{
	if (ioctl(root, FITHAW, 0) == 0)
		return 1;
	return errno == EINVAL
		       ? 0
		       : err_set(err, -errno, "thaw the file system: %s",
				 strerror(errno));
}
