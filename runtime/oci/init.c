/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the container's first process does before it is the container's. */
#include "runtime/oci/init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "runtime/oci/hook.h"
#include "runtime/oci/proc.h"
#include "runtime/oci/rootfs.h"
#include "runtime/oci/sync.h"

static int become_root(const struct init *in, struct err *err)
{
	if (!spec_ns_find(in->spec, CLONE_NEWUSER))
		return 0;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
	    (setgroups(0, NULL) < 0 && errno != EPERM))
		return err_set(err, -errno,
			       "user namespace: id 0 is not mapped: %s",
			       strerror(errno));
	proc_guard();
	return 0;
}

static int set_names(const struct spec *spec, struct err *err)
{
	if (spec->hostname && *spec->hostname &&
	    sethostname(spec->hostname, strlen(spec->hostname)) < 0)
		return err_set(err, -errno, "hostname: %s", strerror(errno));
	if (spec->domainname && *spec->domainname &&
	    setdomainname(spec->domainname, strlen(spec->domainname)) < 0)
		return err_set(err, -errno, "domainname: %s", strerror(errno));
	return 0;
}

static int first_steps(const struct init *in, struct err *err)
{
	const struct spec_ns *cgroup = spec_ns_find(in->spec, CLONE_NEWCGROUP);
	int r = sync_expect(in->sync, SYNC_GO, err);

	if (r == 0)
		r = become_root(in, err);
	if (r < 0)
		return r;
	/* only now, in its cgroup, is that what it will see as the root */
	if (cgroup && !cgroup->path && unshare(CLONE_NEWCGROUP) < 0)
		return err_set(err, -errno, "cgroup namespace: %s",
			       strerror(errno));
	if (setsid() < 0)
		return err_set(err, -errno, "setsid: %s", strerror(errno));
	r = in->state->keep_keyring ? 0 : proc_keyring(err);
	return r == 0 ? set_names(in->spec, err) : r;
}

/* Hooks in here are told the pid that the host knows. */
static int own_hooks(const struct init *in, enum spec_point point, int pid,
		     struct err *err)
{
	_cleanup_(json_putp) json_object *obj = NULL;
	struct state st = *in->state;

	if (!in->spec->hooks[point].count)
		return 0;
	st.pid = pid;
	obj = state_json(&st,
			 point == SPEC_START_CONTAINER ? STATUS_CREATED
						       : STATUS_CREATING,
			 false);
	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	return hook_run(in->spec, point, obj, err);
}

static int make_rootfs(const struct init *in, struct rootfs *fs, int *ret_pid,
		       struct err *err)
{
	struct sync_msg msg = { 0 };
	int r;

	umask(0);
	r = FAILPOINT("oci.init.rootfs");
	if (r == 0)
		r = rootfs_open(fs, err);
	if (r == 0)
		r = rootfs_mounts(fs, err);
	if (r == 0)
		r = rootfs_devices(fs, err);
	if (r < 0)
		return r;
	r = sync_tell(in->sync, SYNC_HOOKS, 0, NULL);
	if (r == 0)
		r = sync_recv(in->sync, &msg, err);
	*ret_pid = msg.value;
	if (r == 0)
		r = own_hooks(in, SPEC_CREATE_CONTAINER, *ret_pid, err);
	if (r == 0)
		r = FAILPOINT("oci.init.pivot");
	if (r == 0)
		r = rootfs_mask(fs, err);
	if (r == 0)
		r = rootfs_pivot(fs, err);
	return r;
}

static int wait_for_start(const struct init *in, struct err *err)
{
	ssize_t n;
	char c;

	do
		n = read(in->fifo, &c, 1);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0
		      : err_set(err, -EIO, "start: %s",
				n < 0 ? strerror(errno) : "nothing came");
}

static int prepare(const struct init *in, struct proc *proc, int *ret_pid,
		   struct err *err)
{
	_cleanup_(rootfs_fini) struct rootfs fs = {
		.spec = in->spec,
		.path = in->state->rootfs,
		.bundle = in->state->bundle,
		.cg = in->cg,
		.userns = spec_ns_find(in->spec, CLONE_NEWUSER) != NULL,
		.root = -EBADF,
		.proc = -EBADF,
		.null = -EBADF,
	};
	int r = first_steps(in, err);

	if (r == 0)
		r = make_rootfs(in, &fs, ret_pid, err);
	if (r == 0)
		r = proc_enter(proc, err);
	if (r == 0)
		r = rootfs_close_off(&fs, err);
	return r;
}

_Noreturn void init_run(const struct init *in)
{
	struct proc proc = { .p = &in->spec->process,
			     .filter = in->filter,
			     .sync = in->sync,
			     .fifo = in->fifo,
			     .console = in->console,
			     .init = true,
			     .preserve = in->preserve,
			     .listen = in->listen };
	struct err err = { 0 };
	int pid = 0, r;

	proc_reset();
	/* the runtime's lock would be held until the program runs */
	close(in->state->dir);
	r = prepare(in, &proc, &pid, &err);
	if (r == 0)
		r = proc_become(&proc, &err);
	if (r == 0)
		r = FAILPOINT("oci.init.ready");
	if (r < 0) {
		if (!err.msg[0])
			err_set(&err, r, "%s", strerror(-r));
		(void)sync_tell(in->sync, SYNC_FAILED, r, &err);
		_exit(1);
	}
	/* from here on nobody waits for us but 'start' */
	if (sync_tell(in->sync, SYNC_READY, 0, NULL) < 0)
		_exit(1);
	close(in->sync);
	r = wait_for_start(in, &err);
	if (r == 0)
		r = own_hooks(in, SPEC_START_CONTAINER, pid, &err);
	if (r == 0)
		r = proc_exec(&proc, &err);
	dprintf(2, "berth-oci: %s\n", err.msg);
	_exit(r == -ENOENT ? 127 : 126);
}
