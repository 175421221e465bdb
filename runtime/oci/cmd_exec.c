/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Another process in a container.  A helper enters the namespaces of its first
 * process, all by one pidfd, and makes the process our child from there.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "runtime/oci/create.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/proc.h"
#include "runtime/oci/spawn.h"
#include "runtime/oci/state.h"
#include "runtime/oci/sync.h"
#include "runtime/oci/tty.h"

#define LIST_MAX 256 /* of --env, --cap, --additional-gids, arguments */

struct request {
	const char *id, *process, *pid_file, *console_socket, *cwd, *user;
	const char *preserve;
	const char *env[LIST_MAX], *caps[LIST_MAX];
	uint32_t groups[LIST_MAX];
	size_t env_count, cap_count, group_count;
	char **args; /* of main(); ended by NULL */
	int arg_count;
	bool detach, terminal, no_new_privs, ignore_paused, only_groups;
};

struct joined {
	const struct state *state;
	const struct spec *spec;
	struct proc *proc;
	int pidfd;
};

enum {
	OPT_PROCESS = 256,
	OPT_PID_FILE,
	OPT_SOCKET,
	OPT_CWD,
	OPT_PRESERVE,
	OPT_NNP,
	OPT_PAUSED,
	OPT_ONLY_GIDS,
};

static const struct option options[] = {
	{ "process", required_argument, NULL, 'p' },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "console-socket", required_argument, NULL, OPT_SOCKET },
	{ "cwd", required_argument, NULL, OPT_CWD },
	{ "env", required_argument, NULL, 'e' },
	{ "user", required_argument, NULL, 'u' },
	{ "additional-gids", required_argument, NULL, 'g' },
	{ "only-additional-gids", no_argument, NULL, OPT_ONLY_GIDS },
	{ "cap", required_argument, NULL, 'c' },
	{ "tty", no_argument, NULL, 't' },
	{ "detach", no_argument, NULL, 'd' },
	{ "preserve-fds", required_argument, NULL, OPT_PRESERVE },
	{ "no-new-privs", no_argument, NULL, OPT_NNP },
	{ "ignore-paused", no_argument, NULL, OPT_PAUSED },
	{ 0 },
};

static int number(const char *text, const char **ret_end, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || text[0] == '-' || errno || n >= UINT32_MAX)
		return -EINVAL;
	*ret = (uint32_t)n;
	*ret_end = end;
	return 0;
}

static int add_option(struct request *rq, int c, struct err *err)
{
	const char *end = "";

	if (rq->env_count == LIST_MAX || rq->cap_count == LIST_MAX ||
	    rq->group_count == LIST_MAX)
		return err_set(err, -E2BIG, "more than %d of one option",
			       LIST_MAX - 1);
	switch (c) {
	case 'e':
		rq->env[rq->env_count++] = optarg;
		return 0;
	case 'c':
		rq->caps[rq->cap_count++] = optarg;
		return 0;
	case 'g':
		if (number(optarg, &end, &rq->groups[rq->group_count++]) < 0 ||
		    *end)
			return err_set(err, -EINVAL,
				       "--additional-gids: \"%.32s\" is not a "
				       "number",
				       optarg);
		return 0;
	case 't':
		rq->terminal = true;
		return 0;
	case 'd':
		rq->detach = true;
		return 0;
	case OPT_NNP:
		rq->no_new_privs = true;
		return 0;
	case OPT_ONLY_GIDS:
		rq->only_groups = true;
		return 0;
	default:
		rq->ignore_paused = true;
		return 0;
	}
}

static int read_options(int argc, char **argv, struct request *rq,
			struct err *err)
{
	int c, r = 0;

	while (r == 0 &&
	       (c = oci_option(argc, argv, "+:p:e:u:g:c:td", options, err))) {
		if (c < 0)
			return c;
		if (c == 'p')
			rq->process = optarg;
		else if (c == OPT_PID_FILE)
			rq->pid_file = optarg;
		else if (c == OPT_SOCKET)
			rq->console_socket = optarg;
		else if (c == OPT_CWD)
			rq->cwd = optarg;
		else if (c == 'u')
			rq->user = optarg;
		else if (c == OPT_PRESERVE)
			rq->preserve = optarg;
		else
			r = add_option(rq, c, err);
	}
	if (r < 0)
		return r;
	if (optind >= argc)
		return err_set(err, -EINVAL, "exec takes a container id");
	rq->id = argv[optind++];
	rq->args = argv + optind;
	rq->arg_count = argc - optind;
	if (!rq->process && !rq->arg_count)
		return err_set(err, -EINVAL,
			       "exec takes a command, or --process FILE");
	if (rq->process &&
	    (rq->arg_count || rq->cwd || rq->user || rq->env_count ||
	     rq->cap_count || rq->group_count || rq->no_new_privs))
		return err_set(err, -EINVAL,
			       "--process FILE says all: no command, --cwd, "
			       "--env, --user, --cap, --additional-gids, "
			       "--no-new-privs with it");
	return 0;
}

/* @more at the end of @arr: a new array, owned. */
static int append(struct jdec_array *arr, const void *more, size_t count,
		  size_t size, struct err *err)
{
	char *items = calloc(arr->count + count + 1, size);

	if (!items)
		return err_set(err, -ENOMEM, "out of memory");
	if (arr->count)
		memcpy(items, arr->items, arr->count * size);
	if (count)
		memcpy(items + arr->count * size, more, count * size);
	free(arr->items);
	arr->items = items;
	arr->count += count;
	return 0;
}

static int set_user(struct spec_user *u, const char *text, struct err *err)
{
	const char *end = "";

	if (!text)
		return 0;
	if (number(text, &end, &u->uid) < 0 ||
	    (*end == ':' && number(end + 1, &end, &u->gid) < 0) || *end)
		return err_set(err, -EINVAL,
			       "--user: \"%.64s\" is not UID or UID:GID", text);
	return 0;
}

static int add_caps(struct spec_caps *caps, const struct request *rq,
		    struct err *err)
{
	struct jdec_array *sets[] = { &caps->bounding, &caps->effective,
				      &caps->permitted };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(sets); i++)
		r = append(sets[i], rq->caps, rq->cap_count, sizeof(char *),
			   err);
	return r;
}

/* The container's own process with what the command line says. */
static int from_options(const struct request *rq, struct spec_process *p,
			struct err *err)
{
	int r;

	p->args.count = 0;
	if (rq->only_groups)
		p->user.groups.count = 0;
	r = append(&p->args, rq->args, (size_t)rq->arg_count, sizeof(char *),
		   err);
	if (r == 0)
		r = append(&p->env, rq->env, rq->env_count, sizeof(char *),
			   err);
	if (r == 0)
		r = append(&p->user.groups, rq->groups, rq->group_count,
			   sizeof(uint32_t), err);
	if (r == 0)
		r = set_user(&p->user, rq->user, err);
	if (r == 0)
		r = add_caps(&p->caps, rq, err);
	if (r < 0)
		return r;
	if (rq->cwd)
		p->cwd = rq->cwd;
	p->no_new_privs = p->no_new_privs || rq->no_new_privs;
	p->terminal = false;
	return spec_process_check(p, err);
}

static int ns_flags(pid_t pid)
{
	static const struct {
		const char *name;
		int flag;
	} all[] = {
		{ "user", CLONE_NEWUSER },     { "mnt", CLONE_NEWNS },
		{ "pid", CLONE_NEWPID },       { "net", CLONE_NEWNET },
		{ "ipc", CLONE_NEWIPC },       { "uts", CLONE_NEWUTS },
		{ "cgroup", CLONE_NEWCGROUP },
	};
	struct stat own, its;
	char path[64];
	int flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(path, sizeof(path), "/proc/self/ns/%s", all[i].name);
		if (stat(path, &own) < 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid,
			 all[i].name);
		if (stat(path, &its) < 0)
			return -errno;
		if (own.st_ino != its.st_ino || own.st_dev != its.st_dev)
			flags |= all[i].flag;
	}
	return flags;
}

static int become_root(const struct joined *j, struct err *err)
{
	if (!spec_ns_find(j->spec, CLONE_NEWUSER))
		return 0;
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return err_set(err, -errno, "user namespace: %s",
			       strerror(errno));
	proc_guard();
	return 0;
}

static _Noreturn void run_process(const struct joined *j)
{
	struct err err = { 0 };
	int r;

	proc_reset();
	/* the host's: nothing in here may reach it, nor hold the lock on it */
	close(j->state->dir);
	r = sync_expect(j->proc->sync, SYNC_GO, &err);
	if (r == 0)
		r = become_root(j, &err);
	if (r == 0 && setsid() < 0)
		r = err_set(&err, -errno, "setsid: %s", strerror(errno));
	if (r == 0 && !j->state->keep_keyring)
		r = proc_keyring(&err);
	umask(0);
	if (r == 0)
		r = FAILPOINT("oci.exec.enter");
	if (r == 0)
		r = proc_enter(j->proc, &err);
	if (r == 0)
		r = proc_become(j->proc, &err);
	if (r == 0)
		r = FAILPOINT("oci.exec.ready");
	if (r == 0)
		r = proc_exec(j->proc, &err);
	(void)sync_tell(j->proc->sync, SYNC_FAILED, r, &err);
	_exit(1);
}

static _Noreturn void helper(const struct joined *j)
{
	int flags = ns_flags(j->state->pid), r = 0;
	struct err err = { 0 };
	pid_t pid;

	proc_reset();
	/* the descriptor is of the process that was looked at, or of a dead one */
	if (flags < 0 || (flags && setns(j->pidfd, flags) < 0))
		r = err_set(&err, flags < 0 ? flags : -errno,
			    "its namespaces can't be joined: %s",
			    strerror(flags < 0 ? -flags : errno));
	if (r == 0) {
		pid = spawn_clone(0, true);
		if (pid == 0)
			run_process(j);
		r = pid < 0 ? err_set(&err, pid, "clone3: %s", strerror(-pid))
			    : FAILPOINT("oci.exec.helper");
		if (r == 0)
			r = sync_send(j->proc->sync, SYNC_PID, pid, NULL);
	}
	if (r < 0)
		(void)sync_send(j->proc->sync, SYNC_FAILED, r, &err);
	_exit(0);
}

struct running {
	struct cgroup *cg;
	struct sec_profile *profile;
	struct sec_filter *filter;
	int ours, theirs, pidfd, console, master_sock, master;
	pid_t pid;
};

static void running_fini(struct running *x)
{
	if (x->pid > 0) {
		kill(x->pid, SIGKILL); /* our child, not waited for */
		while (waitpid(x->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	cgroup_free(x->cg);
	sec_filter_free(x->filter);
	sec_profile_free(x->profile);
	closep(&x->ours);
	closep(&x->theirs);
	closep(&x->pidfd);
	closep(&x->console);
	closep(&x->master_sock);
	closep(&x->master);
}

static int open_console(struct running *x, const struct request *rq,
			struct err *err)
{
	int pair[2];

	if (!rq->console_socket && rq->detach)
		return err_set(err, -EINVAL,
			       "a detached terminal needs --console-socket");
	if (rq->console_socket) {
		x->console = tty_connect(rq->console_socket, err);
		return x->console < 0 ? x->console : 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "socket pair: %s", strerror(errno));
	x->console = pair[0];
	x->master_sock = pair[1];
	return 0;
}

static int pass_notify(struct running *x, const struct state *st, int number,
		       struct err *err)
{
	_cleanup_(json_putp) json_object *obj =
		state_json(st, STATUS_RUNNING, false);
	_cleanup_close_ int fd = sec_notify_take(x->pid, number, err);
	int r;

	if (fd < 0 || !obj)
		return fd < 0 ? fd : err_set(err, -ENOMEM, "out of memory");
	r = sec_notify_send(x->profile, fd, x->pid, obj, err);
	return r == 0 ? sync_send(x->ours, SYNC_GO, 0, NULL) : r;
}

/* The process is in its cgroup before it does anything of its own. */
static int spawn(struct running *x, struct state *st, const struct spec *spec,
		 struct proc *proc, struct err *err)
{
	const struct joined j = {
		.state = st, .spec = spec, .proc = proc, .pidfd = x->pidfd
	};
	int pair[2], r = sync_pair(pair, err);
	pid_t pid;

	if (r < 0)
		return r;
	x->ours = pair[0];
	x->theirs = proc->sync = pair[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "fork: %s", strerror(errno));
	if (pid == 0) {
		close(x->ours);
		helper(&j);
	}
	close(take_fd(x->theirs));
	r = spawn_pid(pid, x->ours, err);
	if (r < 0)
		return r;
	x->pid = r;
	r = x->cg ? cgroup_join_beside(x->cg, x->pid, st->pid, err) : 0;
	if (r == 0)
		r = proc_limits(x->pid, proc->p, err);
	if (r == 0)
		r = FAILPOINT("oci.exec.clone");
	return r;
}

/* Return: 0 when the program runs. */
static int talk(struct running *x, const struct state *st, struct err *err)
{
	struct sync_msg msg = { 0 };
	int r = sync_send(x->ours, SYNC_GO, 0, NULL);

	while (r == 0) {
		r = sync_recv(x->ours, &msg, err);
		/* the socket went with exec, or with its death, whose status
		 * is told like any other */
		if (r == -EPIPE)
			return 0;
		if (r == 0 && msg.what == SYNC_NOTIFY)
			r = pass_notify(x, st, msg.value, err);
	}
	return r;
}

static int prepare(struct running *x, struct state *st, struct spec *spec,
		   const struct request *rq, struct err *err)
{
	enum status status;
	int r = state_status(st, &status, err);

	if (r < 0)
		return r;
	if (status == STATUS_STOPPED)
		return err_set(err, -ESRCH,
			       "container %s: is stopped: nothing can be "
			       "executed in it",
			       st->id);
	if (status == STATUS_PAUSED && !rq->ignore_paused)
		return err_set(err, -EBUSY,
			       "container %s: is paused (--ignore-paused waits "
			       "for resume)",
			       st->id);
	x->pidfd = state_pidfd(st);
	if (x->pidfd < 0)
		return err_set(err, -ESRCH, "container %s: is stopped", st->id);
	r = state_cgroup(st, &x->cg, err);
	if (r < 0 || !spec->linux_.seccomp)
		return r;
	r = sec_decode(spec->linux_.seccomp, &x->profile, err);
	return r == 0 ? sec_build(x->profile, CREATE_SECCOMP_CACHE, &x->filter,
				  err)
		      : r;
}

static int finish(struct running *x, const struct request *rq, struct err *err)
{
	pid_t pid = x->pid;
	int r = create_pid_file(rq->pid_file, pid, err);

	if (r == 0 && x->master_sock >= 0) {
		x->master = tty_receive(x->master_sock, err);
		r = x->master < 0 ? x->master : 0;
	}
	if (r < 0)
		return r;
	x->pid = 0;
	return rq->detach ? 0 : tty_wait(pid, x->master, err);
}

static int exec_in(struct oci *oci, struct state *st, const struct request *rq,
		   struct err *err)
{
	_cleanup_(running_fini) struct running x = { .ours = -EBADF,
						     .theirs = -EBADF,
						     .pidfd = -EBADF,
						     .console = -EBADF,
						     .master_sock = -EBADF,
						     .master = -EBADF };
	_cleanup_(spec_freep) struct spec *spec = NULL;
	_cleanup_(spec_process_fini) struct spec_process given = { 0 };
	_cleanup_(json_putp) json_object *doc = NULL;
	struct proc proc = { .p = &given, .fifo = -EBADF };
	int r = create_preserved(rq->preserve, &proc.preserve, NULL, err);

	if (r == 0)
		r = spec_load(st->dir, STATE_CONFIG, &spec, err);
	if (r < 0)
		return r;
	if (rq->process) {
		r = spec_process_load(rq->process, &doc, &given, err);
	} else {
		proc.p = &spec->process;
		r = from_options(rq, &spec->process, err);
	}
	if (r == 0 && rq->terminal) {
		given.terminal = true;
		spec->process.terminal = true;
	}
	if (r == 0)
		r = prepare(&x, st, spec, rq, err);
	if (r == 0 && proc.p->terminal)
		r = open_console(&x, rq, err);
	if (r < 0)
		return r;
	proc_warn(oci, proc.p, spec_ns_find(spec, CLONE_NEWUSER));
	proc.console = x.console;
	proc.filter = x.filter;
	r = spawn(&x, st, spec, &proc, err);
	/* from here on 'delete' finds it in the cgroup; and it may wait long, for
	 * 'resume' or for what the container has made of its files */
	state_unlock(st);
	if (r == 0)
		r = talk(&x, st, err);
	return r == 0 ? finish(&x, rq, err) : r;
}

int cmd_exec(struct oci *oci, int argc, char **argv, struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_free_ struct request *rq = calloc(1, sizeof(*rq));
	int r;

	if (!rq)
		return err_set(err, -ENOMEM, "out of memory");
	r = read_options(argc, argv, rq, err);
	if (r == 0)
		r = state_open(oci->root, rq->id, &st, err);
	if (r < 0)
		return r;
	if (!rq->detach)
		tty_block();
	return exec_in(oci, st, rq, err);
}
