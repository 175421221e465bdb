/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a daemon's process: its binary, arguments, socket and environment. */
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/base.h"
#include "netctl/jget.h"
#include "netctl/sup.h"
#include "netctl/sup_priv.h"

#define FILES_MAX 65536
#define LISTEN_FD 3 /* SD_LISTEN_FDS_START */

int sup_bin_dir(char buf[static PATH_MAX], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", buf, PATH_MAX - 1);
	char *slash;

	if (n < 0)
		return err_set(err, -errno, "/proc/self/exe: %s",
			       strerror(errno));
	buf[n] = '\0';
	slash = strrchr(buf, '/');
	if (slash)
		*slash = '\0';
	return 0;
}

int sup_find_binary(const char *dir, const char *name, char **ret,
		    struct err *err)
{
	static const char *const places[] = {
		"/usr/local/libexec/berth", "/usr/libexec/berth",
		"/usr/local/sbin",          "/usr/sbin",
		"/usr/local/bin",           "/usr/bin",
	};

	for (size_t i = 0; i <= ARRAY_SIZE(places); i++) {
		_cleanup_free_ char *path = NULL;

		if (asprintf(&path, "%s/%s", i ? places[i - 1] : dir, name) <
		    0) {
			path = NULL;
			return err_set(err, -ENOMEM, "out of memory");
		}
		if (access(path, X_OK) == 0) {
			*ret = take_ptr(path);
			return 0;
		}
	}
	return err_set(
		err, -ENOENT,
		"there is no %s in %s, nor in /usr/local/libexec/berth, "
		"/usr/libexec/berth or a bin directory: build or install it",
		name, dir);
}

/* Owned array, ended by NULL; the texts are borrowed from @s and @c. */
static const char **build_argv(const struct sup *s, const struct sup_child *c,
			       const char *path)
{
	size_t count = jget_len(c->flags), n = 0;
	const char **argv = calloc(count + 12, sizeof(*argv));

	if (!argv)
		return NULL;
	argv[n++] = path;
	argv[n++] = "--plugin-dir";
	argv[n++] = s->plugin_dir;
	argv[n++] = "--state-dir";
	argv[n++] = s->state_dir;
	argv[n++] = "--run-dir";
	argv[n++] = s->run_dir;
	argv[n++] = "--bpf-dir";
	argv[n++] = s->bpf_dir;
	if (s->cgroup) {
		argv[n++] = "--cgroup";
		argv[n++] = s->cgroup;
	}
	for (size_t i = 0; i < count; i++)
		argv[n++] = json_object_get_string(
			json_object_array_get_idx(c->flags, i));
	return argv;
}

/* As the units in packaging/systemd: a published port is a descriptor.  Where
 * more is not granted, what the caller had is what there is. */
static void raise_limits(void)
{
	struct rlimit files = { 0, 0 };
	const struct rlimit memory = { RLIM_INFINITY, RLIM_INFINITY };

	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_max < FILES_MAX) {
		files.rlim_max = FILES_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)setrlimit(RLIMIT_MEMLOCK, &memory);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* EINVAL for KILL and STOP */
	/* A log line into the pipe of a killed supervisor must not kill. */
	(void)signal(SIGPIPE, SIG_IGN);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child: only returns when it failed. */
static void become(const struct sup *s, const struct sup_child *c,
		   const char *path, int out, pid_t supervisor)
{
	_cleanup_free_ const char **argv = build_argv(s, c, path);
	char pid[16];
	int null;

	if (!argv)
		return;

	/* Die with the supervisor, also when it died before this line. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != supervisor)
		return;
	setsid(); /* a terminal's ^C is for the supervisor alone */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return;
	if (c->listen_fd == LISTEN_FD ? fcntl(LISTEN_FD, F_SETFD, 0) < 0
				      : dup2(c->listen_fd, LISTEN_FD) < 0)
		return;
	(void)close_range(LISTEN_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC);
	reset_signals();
	raise_limits();
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (setenv("LISTEN_PID", pid, 1) < 0 ||
	    setenv("LISTEN_FDS", "1", 1) < 0 ||
	    setenv("LISTEN_FDNAMES", c->name, 1) < 0 ||
	    setenv("NOTIFY_SOCKET", s->notify_path, 1) < 0)
		return;
	(void)unsetenv("JOURNAL_STREAM"); /* stderr is a pipe of ours */
	if (chdir("/") < 0)
		return;
	execv(path, (char *const *)(uintptr_t)argv);
}

int sup_spawn(struct sup *s, struct sup_child *c, struct err *err)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	pid_t self = getpid(), pid;
	int fds[2], r;

	r = sup_find_binary(c->bin_dir, c->name, &path, err);
	if (r < 0 || !path)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	in = fds[0];
	out = fds[1];
	(void)fcntl(in, F_SETFL, O_NONBLOCK);
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot make a process: %s",
			       strerror(errno));
	if (pid == 0) {
		become(s, c, path, out, self);
		dprintf(STDERR_FILENO, "cannot start %s: %s\n", path,
			strerror(errno));
		_exit(127);
	}
	c->pid = pid;
	c->pidfd = pidfd_open(pid, 0); /* not reaped yet: the right one */
	if (c->pidfd < 0) {
		r = -errno;
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return err_set(err, r, "pidfd_open: %s", strerror(-r));
	}
	c->out_fd = take_fd(in);
	return 0;
}
