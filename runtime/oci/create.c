/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Create, start and destroy. */
#include "runtime/oci/create.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"
#include "lib/inroot.h"
#include "runtime/oci/hook.h"
#include "runtime/oci/init.h"
#include "runtime/oci/proc.h"
#include "runtime/oci/sync.h"
#include "runtime/oci/tty.h"

#define KILL_WAIT_MS   10000
#define CGROUP_WAIT_MS 10000

/* Everything that is undone when create fails half way. */
struct making {
	struct oci *oci;
	struct spec *spec;
	struct state *state; /* its directory is to be removed */
	struct cgroup *cg;
	bool cg_made, hooked; /* hooked: a runtime's hook may have run */
	struct sec_profile *profile;
	struct sec_filter *filter;
	int fifo, console, ours, theirs, master_sock;
	pid_t pid;
};

/* What the runtime's hooks have made is for the poststop hooks to remove. */
static void run_poststop(struct making *m)
{
	_cleanup_(json_putp) json_object *obj =
		state_json(m->state, STATUS_STOPPED, false);
	struct err why = { 0 };
	int r = obj ? hook_run(m->spec, SPEC_POSTSTOP, obj, &why)
		    : err_set(&why, -ENOMEM, "out of memory");

	if (r < 0)
		oci_log(m->oci, "warning", "container %s: poststop: %s",
			m->state->id, why.msg);
}

static void making_fini(struct making *m)
{
	if (m->pid > 0) {
		kill(m->pid, SIGKILL); /* our child, not waited for */
		while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	/* first what ran, then where */
	if (m->cg_made) {
		(void)cgroup_kill(m->cg, SIGKILL, NULL);
		(void)cgroup_remove(m->cg, CGROUP_WAIT_MS, NULL);
	}
	if (m->state && m->hooked)
		run_poststop(m);
	if (m->state)
		(void)state_remove(m->oci->root, m->state, NULL);
	state_free(m->state);
	cgroup_free(m->cg);
	sec_filter_free(m->filter);
	sec_profile_free(m->profile);
	spec_free(m->spec);
	closep(&m->fifo);
	closep(&m->console);
	closep(&m->ours);
	closep(&m->theirs);
	closep(&m->master_sock);
}

int create_pid_file(const char *path, pid_t pid, struct err *err)
{
	char temp[PATH_MAX], text[16];
	int fd, len, r = 0;

	if (!path)
		return 0;
	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
		return err_set(err, -ENAMETOOLONG, "--pid-file: too long");
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	len = snprintf(text, sizeof(text), "%d", (int)pid);
	if (fd < 0 || write(fd, text, (size_t)len) != len ||
	    rename(temp, path) < 0)
		r = err_set(err, -errno, "--pid-file %s: %s", path,
			    strerror(errno));
	if (fd >= 0)
		close(fd);
	return r;
}

static int count_of(const char *what, const char *text, unsigned int *ret,
		    struct err *err)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > 1024 || text[0] == '-')
		return err_set(err, -EINVAL, "%s: \"%.16s\" is not in 0..1024",
			       what, text);
	*ret = (unsigned int)n;
	return 0;
}

int create_preserved(const char *count, unsigned int *ret,
		     unsigned int *ret_listen, struct err *err)
{
	const char *listen = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
	unsigned int n = 0, more = 0;
	int r = count ? count_of("--preserve-fds", count, &n, err) : 0;

	/* sd_listen_fds(3): those of another process are not for us */
	if (r == 0 && ret_listen && listen && pid &&
	    strtol(pid, NULL, 10) == (long)getpid())
		r = count_of("LISTEN_FDS", listen, &more, err);
	if (r < 0)
		return r;
	/* one that was closed is one of ours now, or would become one */
	for (unsigned int i = 0; i < n + more; i++) {
		int flags = fcntl(3 + (int)i, F_GETFD);

		if (flags < 0 || (flags & FD_CLOEXEC))
			return err_set(err, -EBADF,
				       "descriptor %u is to be kept and is "
				       "not open",
				       3 + i);
	}
	*ret = n + more;
	if (ret_listen)
		*ret_listen = more;
	return 0;
}

static int set_times(struct state *st)
{
	struct timespec now;
	struct passwd *pw = getpwuid(getuid());
	char when[64];
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	if (asprintf(&st->created, "%s.%09ldZ", when, now.tv_nsec) < 0) {
		st->created = NULL;
		return -ENOMEM;
	}
	st->owner = strdup(pw ? pw->pw_name : "");
	return st->owner ? 0 : -ENOMEM;
}

static int set_paths(struct making *m, const char *bundle, struct err *err)
{
	struct state *st = m->state;
	char path[PATH_MAX];

	st->bundle = realpath(bundle, NULL);
	if (!st->bundle)
		return err_set(err, -errno, "--bundle %s: %s", bundle,
			       strerror(errno));
	if (snprintf(path, sizeof(path), "%s%s%s",
		     m->spec->root_path[0] == '/' ? "" : st->bundle,
		     m->spec->root_path[0] == '/' ? "" : "/",
		     m->spec->root_path) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "root.path: too long");
	st->rootfs = realpath(path, NULL);
	if (!st->rootfs)
		return err_set(err, -errno, "root.path: %.200s: %s", path,
			       strerror(errno));
	if (strcmp(st->rootfs, "/") == 0)
		return err_set(err, -EINVAL, "root.path: it is the host's /");
	st->annotations = json_object_get(m->spec->annotations);
	return set_times(st) < 0 ? err_set(err, -ENOMEM, "out of memory") : 0;
}

/* One that is there and empty may be that of a container that has stopped: its
 * 'delete' would end what runs there then. */
static int claim_cgroup(struct making *m, struct err *err)
{
	int r = cgroup_make(m->cg, err);

	if (r == 0 && cgroup_found(m->cg))
		r = state_cgroup_unused(m->oci->root, m->state, err);
	return r;
}

/* What is decided now stays so, whatever becomes of the bundle. */
static int keep_config(struct making *m, struct err *err)
{
	const char *text = json_object_to_json_string_ext(
		m->spec->doc,
		JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	_cleanup_close_ int fd =
		openat(m->state->dir, STATE_CONFIG,
		       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	size_t len = strlen(text), done = 0;
	ssize_t n = fd < 0 ? -1 : 0;

	while (n >= 0 && done < len) {
		n = write(fd, text + done, len - done);
		done += n > 0 ? (size_t)n : 0;
	}
	if (n < 0)
		return err_set(err, -errno,
			       "container %s: " STATE_CONFIG ": %s",
			       m->state->id, strerror(errno));
	return 0;
}

static int decide(struct making *m, const struct create *req, struct err *err)
{
	_cleanup_close_ int dir =
		open(req->bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return err_set(err, -errno, "--bundle %s: %s", req->bundle,
			       strerror(errno));
	r = spec_load(dir, "config.json", &m->spec, err);
	if (r < 0)
		return r;
	if (m->spec->process.terminal && !req->console_socket &&
	    !req->foreground)
		return err_set(err, -EINVAL,
			       "process.terminal needs --console-socket");
	if (!m->spec->process.terminal && req->console_socket)
		return err_set(err, -EINVAL,
			       "--console-socket needs process.terminal");
	proc_warn(m->oci, &m->spec->process,
		  spec_ns_find(m->spec, CLONE_NEWUSER));
	if (!m->spec->linux_.seccomp)
		return 0;
	r = sec_decode(m->spec->linux_.seccomp, &m->profile, err);
	if (r == 0)
		r = sec_build(m->profile, CREATE_SECCOMP_CACHE, &m->filter,
			      err);
	return r < 0 ? err_wrap(err, r, "linux.seccomp") : 0;
}

/* The cgroup; where it is, is written down before it is made, and that it is
 * ours once it was seen to be nobody else's. */
static int make_cgroup(struct making *m, struct err *err)
{
	_cleanup_(cgroup_resources_freep) struct cgroup_resources *res = NULL;
	const struct spec_linux *l = &m->spec->linux_;
	int r = cgroup_resources_decode(l->resources, &res, err);

	if (r < 0)
		return err_wrap(err, r, "linux.resources");
	r = cgroup_resolve(l->cgroups_path, m->state->id, &m->cg, err);
	if (r < 0)
		return err_wrap(err, r, "linux.cgroupsPath");
	if (cgroup_save(m->cg, &m->state->cgroups) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	m->state->unclaimed = true;
	r = state_save(m->state, err);
	if (r < 0)
		return r;
	r = claim_cgroup(m, err);
	if (r < 0) {
		/* it is somebody else's: not ours to remove */
		json_object_put(take_ptr(m->state->cgroups));
		return err_wrap(err, r, "cgroup");
	}
	m->cg_made = true;
	m->state->unclaimed = false;
	r = state_save(m->state, err);
	if (r == 0)
		r = FAILPOINT("oci.create.cgroup");
	if (r == 0)
		r = cgroup_apply(m->cg, res, err);
	return r < 0 ? err_wrap(err, r, "linux.resources") : 0;
}

static int make_fifo(struct making *m, struct err *err)
{
	if (mkfifoat(m->state->dir, STATE_FIFO, 0600) < 0)
		return err_set(err, -errno, STATE_FIFO ": %s", strerror(errno));
	/* both ways: its reader waits, and does not see an end */
	m->fifo = openat(m->state->dir, STATE_FIFO,
			 O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (m->fifo < 0)
		return err_set(err, -errno, STATE_FIFO ": %s", strerror(errno));
	return 0;
}

static int make_console(struct making *m, const struct create *req,
			struct err *err)
{
	int pair[2];

	if (!m->spec->process.terminal)
		return 0;
	if (req->console_socket) {
		m->console = tty_connect(req->console_socket, err);
		return m->console < 0 ? m->console : 0;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, -errno, "socket pair: %s", strerror(errno));
	m->console = pair[0];
	m->master_sock = pair[1];
	return 0;
}

static int write_map(pid_t pid, const char *file, const struct jdec_array *map,
		     struct err *err)
{
	char path[64], text[4096];
	size_t len = 0;
	int fd;

	for (size_t i = 0; i < map->count; i++) {
		const struct spec_map *e = SPEC_ELEM(struct spec_map, *map, i);

		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%u %u %u\n", e->container_id,
					e->host_id, e->size);
		if (len >= sizeof(text))
			return err_set(err, -E2BIG, "%s: too many lines", file);
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
		int r = err_set(err, -errno, "user namespace: %s: %s", file,
				strerror(errno));

		if (fd >= 0)
			close(fd);
		return r;
	}
	close(fd);
	return 0;
}

static int map_ids(struct making *m, struct err *err)
{
	const struct spec_ns *ns = spec_ns_find(m->spec, CLONE_NEWUSER);
	int r;

	if (!ns || ns->path)
		return 0;
	r = write_map(m->pid, "gid_map", &m->spec->linux_.gid_map, err);
	return r == 0 ? write_map(m->pid, "uid_map", &m->spec->linux_.uid_map,
				  err)
		      : r;
}

static int run_runtime_hooks(struct making *m, struct err *err)
{
	_cleanup_(json_putp) json_object *obj =
		state_json(m->state, STATUS_CREATING, false);
	int r;

	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	r = hook_run(m->spec, SPEC_PRESTART, obj, err);
	return r == 0 ? hook_run(m->spec, SPEC_CREATE_RUNTIME, obj, err) : r;
}

static int pass_notify(struct making *m, int number, struct err *err)
{
	_cleanup_(json_putp) json_object *obj =
		state_json(m->state, STATUS_CREATING, false);
	_cleanup_close_ int fd = sec_notify_take(m->pid, number, err);
	int r;

	if (fd < 0)
		return fd;
	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	r = sec_notify_send(m->profile, fd, m->pid, obj, err);
	return r == 0 ? sync_send(m->ours, SYNC_GO, 0, NULL) : r;
}

/* The talk with the process, until it is ready. */
static int talk(struct making *m, struct err *err)
{
	struct sync_msg msg;
	int r = sync_send(m->ours, SYNC_GO, 0, NULL);

	while (r == 0) {
		r = sync_recv(m->ours, &msg, err);
		if (r < 0 || msg.what == SYNC_READY)
			return r;
		if (msg.what == SYNC_NOTIFY) {
			r = pass_notify(m, msg.value, err);
			continue;
		}
		r = FAILPOINT("oci.create.hooks");
		m->hooked = true;
		if (r == 0)
			r = run_runtime_hooks(m, err);
		if (r == 0)
			r = sync_send(m->ours, SYNC_GO, m->pid, NULL);
	}
	return r;
}

static int make_process(struct making *m, const struct create *req,
			struct err *err)
{
	int pair[2], r = sync_pair(pair, err);
	struct init in = { .spec = m->spec,
			   .state = m->state,
			   .cg = m->cg,
			   .filter = m->filter,
			   .fifo = m->fifo,
			   .console = m->console,
			   .preserve = req->preserve,
			   .listen = req->listen };

	if (r < 0)
		return r;
	m->ours = pair[0];
	m->theirs = in.sync = pair[1];
	r = init_spawn(&in, m->ours, err);
	if (r < 0)
		return r;
	m->pid = m->state->pid = r;
	/* what only the process holds tells us of its end */
	close(take_fd(m->theirs));
	m->state->start = state_start_of(m->pid);
	r = FAILPOINT("oci.create.clone");
	if (r == 0)
		r = map_ids(m, err);
	if (r == 0)
		r = cgroup_join(m->cg, m->pid, err);
	if (r == 0)
		r = proc_limits(m->pid, &m->spec->process, err);
	if (r == 0)
		r = state_save(m->state, err);
	return r == 0 ? talk(m, err) : r;
}

int create_container(struct oci *oci, struct create *req, struct state **ret,
		     struct err *err)
{
	_cleanup_(making_fini) struct making m = { .oci = oci,
						   .fifo = -EBADF,
						   .console = -EBADF,
						   .ours = -EBADF,
						   .theirs = -EBADF,
						   .master_sock = -EBADF };
	int r = state_id_valid(req->id, err);

	req->ret_master = -EBADF;
	if (r == 0)
		r = decide(&m, req, err);
	if (r == 0)
		r = state_new(oci->root, req->id, &m.state, err);
	if (r == 0) {
		m.state->creating = true;
		m.state->keep_keyring = !req->new_keyring;
	}
	if (r == 0)
		r = set_paths(&m, req->bundle, err);
	if (r == 0)
		r = keep_config(&m, err);
	if (r == 0)
		r = FAILPOINT("oci.create.state");
	if (r == 0)
		r = make_cgroup(&m, err);
	if (r == 0)
		r = make_fifo(&m, err);
	if (r == 0)
		r = make_console(&m, req, err);
	if (r == 0)
		r = make_process(&m, req, err);
	if (r == 0)
		r = FAILPOINT("oci.create.ready");
	if (r == 0) {
		m.state->creating = false;
		r = state_save(m.state, err);
	}
	if (r == 0)
		r = create_pid_file(req->pid_file, m.pid, err);
	if (r == 0 && m.master_sock >= 0) {
		req->ret_master = tty_receive(m.master_sock, err);
		r = req->ret_master < 0 ? req->ret_master : 0;
	}
	if (r < 0) {
		if (err && !err->msg[0])
			err_set(err, r, "create: %s", strerror(-r));
		return r;
	}
	m.pid = 0;
	m.cg_made = false;
	*ret = take_ptr(m.state);
	return 0;
}

static int run_hooks(struct state *st, enum spec_point point,
		     enum status status, struct err *err)
{
	_cleanup_(spec_freep) struct spec *spec = NULL;
	_cleanup_(json_putp) json_object *obj = NULL;
	int r = spec_load(st->dir, STATE_CONFIG, &spec, err);

	if (r < 0)
		return r;
	if (!spec->hooks[point].count)
		return 0;
	obj = state_json(st, status, false);
	if (!obj)
		return err_set(err, -ENOMEM, "out of memory");
	return hook_run(spec, point, obj, err);
}

int create_start(struct oci *oci, struct state *st, struct err *err)
{
	_cleanup_close_ int fifo = -EBADF;
	struct err why = { 0 };
	enum status status;
	int r = state_status(st, &status, err);

	if (r < 0)
		return r;
	if (status != STATUS_CREATED)
		return err_set(err, -EINVAL,
			       "container %s: is %s, only one that is created "
			       "can be started",
			       st->id, state_status_name(status));
	if (st->creating) { /* of a 'create' killed at its very end */
		st->creating = false;
		r = state_save(st, err);
		if (r < 0)
			return r;
	}
	fifo = openat(st->dir, STATE_FIFO,
		      O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fifo < 0 || unlinkat(st->dir, STATE_FIFO, 0) < 0 ||
	    write(fifo, "0", 1) != 1)
		return err_set(err, -errno, "container %s: start: %s", st->id,
			       errno == ENXIO ? "its process has ended"
					      : strerror(errno));
	r = FAILPOINT("oci.start");
	if (r < 0)
		return err_wrap(err, r, "container %s: start", st->id);
	/* it runs: to say that it doesn't would be wrong */
	if (run_hooks(st, SPEC_POSTSTART, STATUS_RUNNING, &why) < 0)
		oci_log(oci, "warning", "container %s: poststart: %s", st->id,
			why.msg);
	return 0;
}

static int end_process(struct state *st, struct err *err)
{
	_cleanup_close_ int fd = state_pidfd(st);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return 0;
	if (pidfd_send_signal(fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return err_set(err, -errno, "container %s: kill: %s", st->id,
			       strerror(errno));
	if (poll(&p, 1, KILL_WAIT_MS) != 1)
		return err_set(err, -EBUSY,
			       "container %s: process %d does not end", st->id,
			       (int)st->pid);
	return 0;
}

int create_destroy(struct oci *oci, struct state *st, struct err *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cg = NULL;
	struct err why = { 0 };
	int r = state_cgroup(st, &cg, err);

	/* a frozen process does not die */
	if (r == 0 && cg)
		r = cgroup_kill(cg, SIGKILL, err);
	if (r == 0)
		r = end_process(st, err);
	if (r == 0 && cg)
		r = cgroup_remove(cg, CGROUP_WAIT_MS, err);
	if (r == 0)
		r = state_drop_unclaimed(st, err);
	if (r == 0)
		r = FAILPOINT("oci.delete.cgroup");
	if (r < 0)
		return err_wrap(err, r, "container %s", st->id);
	if (faccessat(st->dir, STATE_CONFIG, F_OK, 0) == 0 &&
	    run_hooks(st, SPEC_POSTSTOP, STATUS_STOPPED, &why) < 0)
		oci_log(oci, "warning", "container %s: poststop: %s", st->id,
			why.msg);
	return state_remove(oci->root, st, err);
}
