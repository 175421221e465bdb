/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands that change a container. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/base.h"
#include "runtime/oci/create.h"
#include "runtime/oci/oci.h"
#include "runtime/oci/signame.h"
#include "runtime/oci/state.h"
#include "runtime/oci/tty.h"

#define FREEZE_MS 10000

enum { OPT_PID_FILE = 256, OPT_SOCKET, OPT_KEYRING, OPT_PRESERVE, OPT_KEEP };

static const struct option create_options[] = {
	{ "bundle", required_argument, NULL, 'b' },
	{ "pid-file", required_argument, NULL, OPT_PID_FILE },
	{ "console-socket", required_argument, NULL, OPT_SOCKET },
	{ "no-new-keyring", no_argument, NULL, OPT_KEYRING },
	{ "preserve-fds", required_argument, NULL, OPT_PRESERVE },
	/* run only: */
	{ "detach", no_argument, NULL, 'd' },
	{ "keep", no_argument, NULL, OPT_KEEP },
	{ 0 },
};

struct run {
	struct create create;
	bool detach, keep;
};

static int create_request(int argc, char **argv, struct run *ret,
			  struct err *err)
{
	const char *preserve = NULL;
	bool run = strcmp(argv[0], "run") == 0;
	int c, r;

	ret->create.bundle = ".";
	ret->create.new_keyring = true;
	while ((c = oci_option(argc, argv, run ? "+:b:d" : "+:b:",
			       create_options, err)) > 0) {
		if (c == 'b')
			ret->create.bundle = optarg;
		else if (c == OPT_PID_FILE)
			ret->create.pid_file = optarg;
		else if (c == OPT_SOCKET)
			ret->create.console_socket = optarg;
		else if (c == OPT_KEYRING)
			ret->create.new_keyring = false;
		else if (c == OPT_PRESERVE)
			preserve = optarg;
		else if (!run)
			return err_set(err, -EINVAL,
				       "--detach and --keep are of run");
		else if (c == 'd')
			ret->detach = true;
		else
			ret->keep = true;
	}
	r = c;
	if (r == 0)
		r = oci_one_id(argc, argv, &ret->create.id, err);
	if (r == 0)
		r = create_preserved(preserve, &ret->create.preserve,
				     &ret->create.listen, err);
	return r;
}

int cmd_create(struct oci *oci, int argc, char **argv, struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	struct run run = { 0 };
	int r = create_request(argc, argv, &run, err);

	return r < 0 ? r : create_container(oci, &run.create, &st, err);
}

int cmd_run(struct oci *oci, int argc, char **argv, struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_close_ int master = -EBADF;
	struct run run = { 0 };
	int r = create_request(argc, argv, &run, err), status;

	if (r < 0)
		return r;
	run.create.foreground = !run.detach;
	if (!run.detach)
		tty_block();
	r = create_container(oci, &run.create, &st, err);
	master = run.create.ret_master;
	if (r < 0)
		return r;
	r = create_start(oci, st, err);
	if (r < 0) {
		(void)create_destroy(oci, st, NULL);
		return r;
	}
	if (run.detach)
		return 0;
	state_unlock(st);
	status = tty_wait(st->pid, master, err);
	if (status < 0 || run.keep)
		return status;
	/* somebody else may have deleted it meanwhile */
	r = state_lock(st, err);
	if (r == 0)
		r = create_destroy(oci, st, err);
	return r < 0 && r != -ENOENT ? r : status;
}

/* A command with an id and nothing else. */
static int open_only(struct oci *oci, int argc, char **argv, struct state **ret,
		     struct err *err)
{
	static const struct option none[] = { { 0 } };
	const char *id = NULL;
	int r = oci_option(argc, argv, "+:", none, err);

	if (r == 0)
		r = oci_one_id(argc, argv, &id, err);
	return r < 0 ? r : state_open(oci->root, id, ret, err);
}

int cmd_start(struct oci *oci, int argc, char **argv, struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	int r = open_only(oci, argc, argv, &st, err);

	return r < 0 ? r : create_start(oci, st, err);
}

static int signal_all(struct state *st, int sig, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	int r = state_cgroup(st, &cg, err);

	return r == 0 && cg ? cgroup_kill(cg, sig, err) : r;
}

/* The freezer of v1 keeps a process from dying, too. */
static int let_die(struct state *st, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	int r = state_cgroup(st, &cg, err);

	if (r < 0 || !cg || cgroup_unified(cg))
		return r;
	r = cgroup_frozen(cg, err);
	return r > 0 ? cgroup_freeze(cg, false, FREEZE_MS, err) : r;
}

static int signal_one(struct state *st, int sig, struct err *err)
{
	_cleanup_close_ int fd = state_pidfd(st);

	/* podman and containerd look for these words */
	if (fd < 0)
		return err_set(err, -ESRCH,
			       "container %s: container not running", st->id);
	if (pidfd_send_signal(fd, sig, NULL, 0) < 0)
		return err_set(err, -errno, "container %s: signal %d: %s",
			       st->id, sig,
			       errno == ESRCH ? "container not running"
					      : strerror(errno));
	return sig == SIGKILL ? let_die(st, err) : 0;
}

int cmd_kill(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ 0 },
	};
	_cleanup_(state_freep) struct state *st = NULL;
	int sig = SIGTERM, c, r;
	bool all = false;

	while ((c = oci_option(argc, argv, "+:a", options, err)) > 0)
		all = true;
	if (c < 0)
		return c;
	if (argc - optind < 1 || argc - optind > 2)
		return err_set(err, -EINVAL,
			       "kill takes a container id and a signal");
	if (argc - optind == 2) {
		sig = signame_parse(argv[optind + 1], err);
		if (sig < 0)
			return sig;
	}
	/* to send to all, they are stopped for a moment: not beside 'pause' */
	if (all && sig != SIGKILL)
		r = state_open(oci->root, argv[optind], &st, err);
	else
		r = state_peek(oci->root, argv[optind], &st, err);
	if (r < 0)
		return r;
	return all ? signal_all(st, sig, err) : signal_one(st, sig, err);
}

int cmd_delete(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ 0 },
	};
	_cleanup_(state_freep) struct state *st = NULL;
	bool force = false;
	enum status status = STATUS_CREATING;
	const char *id = NULL;
	int c, r;

	while ((c = oci_option(argc, argv, "+:f", options, err)) > 0)
		force = true;
	r = c < 0 ? c : oci_one_id(argc, argv, &id, err);
	if (r == 0)
		r = state_open(oci->root, id, &st, err);
	if (r == -ENOENT && force)
		return 0;
	if (r == 0)
		r = state_status(st, &status, err);
	if (r < 0)
		return r;
	/* one that never began may go unforced, as with runc and crun */
	if (!force && status != STATUS_STOPPED && status != STATUS_CREATED)
		return err_set(err, -EBUSY,
			       "container %s: is %s, not stopped (--force ends "
			       "it)",
			       id, state_status_name(status));
	return create_destroy(oci, st, err);
}

static int freeze(struct oci *oci, int argc, char **argv, bool frozen,
		  struct err *err)
{
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	enum status status = STATUS_CREATING;
	int r = open_only(oci, argc, argv, &st, err);

	if (r == 0)
		r = state_status(st, &status, err);
	if (r < 0)
		return r;
	if (frozen ? status != STATUS_RUNNING && status != STATUS_CREATED
		   : status != STATUS_PAUSED)
		return err_set(err, -EINVAL, "container %s: is %s, not %s",
			       st->id, state_status_name(status),
			       frozen ? "running" : "paused");
	r = state_cgroup(st, &cg, err);
	if (r == 0 && !cg)
		r = err_set(err, -ENOENT, "container %s: has no cgroup",
			    st->id);
	return r == 0 ? cgroup_freeze(cg, frozen, FREEZE_MS, err) : r;
}

int cmd_pause(struct oci *oci, int argc, char **argv, struct err *err)
{
	return freeze(oci, argc, argv, true, err);
}

int cmd_resume(struct oci *oci, int argc, char **argv, struct err *err)
{
	return freeze(oci, argc, argv, false, err);
}

static int read_resources(const char *path, struct cgroup_resources **ret,
			  struct err *err)
{
	_cleanup_close_ int fd = strcmp(path, "-") == 0
					 ? dup(0)
					 : open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(json_putp) json_object *doc = NULL;
	char text[65536];
	size_t len = 0;
	ssize_t n = 1;
	int r;

	while (fd >= 0 && n > 0 && len < sizeof(text)) {
		n = read(fd, text + len, sizeof(text) - len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (fd < 0 || n < 0 || len == sizeof(text))
		return err_set(err, fd < 0 || n < 0 ? -errno : -EFBIG,
			       "--resources %s: %s", path,
			       fd < 0 || n < 0 ? strerror(errno)
					       : "larger than 64 KiB");
	r = jdec_parse(text, len, &doc, err);
	if (r == 0)
		r = cgroup_resources_decode(doc, ret, err);
	return r < 0 ? err_wrap(err, r, "--resources %s", path) : 0;
}

int cmd_update(struct oci *oci, int argc, char **argv, struct err *err)
{
	static const struct option options[] = {
		{ "resources", required_argument, NULL, 'r' },
		{ 0 },
	};
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	_cleanup_(state_freep) struct state *st = NULL;
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	const char *id, *path = NULL;
	int c, r;

	while ((c = oci_option(argc, argv, "+:r:", options, err)) > 0)
		path = optarg;
	r = c < 0 ? c : oci_one_id(argc, argv, &id, err);
	if (r == 0 && !path)
		r = err_set(err, -EINVAL, "update: --resources FILE is needed");
	if (r == 0)
		r = state_open(oci->root, id, &st, err);
	if (r == 0)
		r = read_resources(path, &res, err);
	if (r == 0)
		r = state_cgroup(st, &cg, err);
	if (r == 0 && !cg)
		r = err_set(err, -ENOENT, "container %s: has no cgroup", id);
	return r == 0 ? cgroup_update(cg, res, err) : r;
}
