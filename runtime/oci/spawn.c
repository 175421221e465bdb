/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making the first process.  New namespaces come with clone3(); where some are
 * joined, a helper joins them first and makes the process our child, not its
 * own (CLONE_PARENT): we never leave our namespaces.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "runtime/oci/init.h"
#include "runtime/oci/proc.h"
#include "runtime/oci/spawn.h"
#include "runtime/oci/sync.h"

pid_t spawn_clone(int flags, bool sibling)
{
	/* the exit signal of a sibling is the helper's: SIGCHLD as well */
	struct clone_args args = {
		.flags = (uint64_t)(unsigned int)flags |
			 (sibling ? CLONE_PARENT : 0),
		.exit_signal = sibling ? 0 : SIGCHLD,
	};
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? (pid_t)-errno : (pid_t)pid;
}

pid_t spawn_pid(pid_t helper, int ours, struct err *err)
{
	struct pollfd said = { .fd = ours, .events = POLLIN };
	struct sync_msg msg = { 0 };
	int r;

	while (waitpid(helper, NULL, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "waitpid: %s",
				       strerror(errno));
	/* it is gone: what it had to say is there, or never will be */
	if (poll(&said, 1, 0) != 1)
		return err_set(err, -EPIPE,
			       "the helper that joins namespaces was killed");
	r = sync_recv(ours, &msg, err);
	if (r == 0 && msg.what != SYNC_PID)
		r = err_set(err, -EPROTO, "message %d", (int)msg.what);
	return r < 0 ? r : msg.value;
}

/* User namespaces last: before that we may join what the host's root may. */
static int join(const struct spec *spec, struct err *err)
{
	const struct spec_ns *user = NULL;
	_cleanup_close_ int fd = -EBADF;

	for (size_t i = 0; i <= spec->linux_.namespaces.count; i++) {
		const struct spec_ns *ns =
			i < spec->linux_.namespaces.count
				? SPEC_ELEM(struct spec_ns,
					    spec->linux_.namespaces, i)
				: user;

		if (!ns || !ns->path)
			continue;
		if (ns->flag == CLONE_NEWUSER && !user) {
			user = ns;
			continue;
		}
		closep(&fd);
		fd = open(ns->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || setns(fd, ns->flag) < 0)
			return err_set(err, -errno,
				       "linux.namespaces: join %s %.200s: %s",
				       ns->type, ns->path, strerror(errno));
	}
	return 0;
}

static _Noreturn void helper(const struct init *in, int flags)
{
	struct err err = { 0 };
	pid_t pid;
	int r;

	proc_reset();
	r = join(in->spec, &err);
	if (r == 0) {
		pid = spawn_clone(flags, true);
		if (pid == 0)
			init_run(in);
		r = pid < 0 ? err_set(&err, pid, "clone3: %s", strerror(-pid))
			    : sync_send(in->sync, SYNC_PID, pid, NULL);
	}
	if (r < 0)
		(void)sync_send(in->sync, SYNC_FAILED, r, &err);
	_exit(0);
}

static int by_helper(const struct init *in, int flags, int ours,
		     struct err *err)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(ours);
		helper(in, flags);
	}
	return spawn_pid(pid, ours, err);
}

int init_spawn(const struct init *in, int ours, struct err *err)
{
	int flags = spec_ns_new(in->spec) & ~CLONE_NEWCGROUP;
	bool joins = false;
	pid_t pid;

	for (size_t i = 0; i < in->spec->linux_.namespaces.count; i++)
		joins = joins || SPEC_ELEM(struct spec_ns,
					   in->spec->linux_.namespaces, i)
					 ->path;
	if (joins)
		return by_helper(in, flags, ours, err);
	pid = spawn_clone(flags, false);
	if (pid < 0)
		return err_set(err, pid, "clone3: %s", strerror(-pid));
	if (pid == 0) {
		close(ours);
		init_run(in);
	}
	return pid;
}
