// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs berth-oci and reads what it says when it fails. */
#include "netctl/box/runtime.h"

#include <fcntl.h>
#include <json-c/json.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "lib/jdec.h"
#include "netctl/jget.h"
#include "netctl/sup.h"

#define ARGS_MAX  600
#define SAID_MAX  RUNTIME_SAID_MAX
#define NAME_SELF "berth-oci"

int runtime_find(const struct ctl *ctl, struct runtime *ret, struct err *err)
{
	char dir[PATH_MAX];
	_cleanup_free_ char *mid = NULL;
	int r = sup_bin_dir(dir, err);

	*ret = (struct runtime){ 0 };
	if (r == 0)
		r = sup_find_binary(dir, NAME_SELF, &ret->bin, err);
	if (r < 0)
		return r;
	if (asprintf(&mid, "%s/netctl", ctl->run_dir) < 0 ||
	    asprintf(&ret->root, "%s/oci", mid) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	if ((mkdir(ctl->run_dir, 0755) < 0 && errno != EEXIST) ||
	    (mkdir(mid, 0700) < 0 && errno != EEXIST) ||
	    (mkdir(ret->root, 0700) < 0 && errno != EEXIST))
		return err_set(err, -errno, "make %s: %s", ret->root,
			       strerror(errno));
	return 0;
}

void runtime_free(struct runtime *rt)
{
	free(take_ptr(rt->bin));
	free(take_ptr(rt->root));
}

/* Owned array of borrowed texts. */
static const char **build_argv(const struct runtime *rt,
			       const char *const *args, const char *log)
{
	const char **argv = calloc(ARGS_MAX + 10, sizeof(*argv));
	size_t n = 0;

	if (!argv)
		return NULL;
	argv[n++] = rt->bin;
	argv[n++] = "--root";
	argv[n++] = rt->root;
	if (log) {
		argv[n++] = "--log";
		argv[n++] = log;
		argv[n++] = "--log-format";
		argv[n++] = "json";
	}
	while (*args && n < ARGS_MAX)
		argv[n++] = *args++;
	return argv;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* EINVAL for KILL and STOP */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the child of @parent: killed while it makes something it would go on, and nobody
 * know of what it made. */
static void become(const struct runtime *rt, const char *const *args,
		   const char *log, const int *stdio, pid_t parent)
{
	_cleanup_free_ const char **argv = build_argv(rt, args, log);
	int at[3];

	if (!argv || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
	    getppid() != parent)
		return;
	/* none of the three is overwritten before it was copied */
	for (int i = 0; i < 3; i++)
		at[i] = fcntl(stdio[i], F_DUPFD_CLOEXEC, 3);
	for (int i = 0; i < 3; i++)
		if (at[i] < 0 || dup2(at[i], i) < 0)
			return;
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return;
	reset_signals();
	execv(rt->bin, (char *const *)(uintptr_t)argv);
}

/* In the child. @relay: NULL: with the terminal that is ours. */
static void become_front(const struct runtime *rt, const char *const *args,
			 const char *log, const struct relay *relay)
{
	_cleanup_free_ const char **argv = build_argv(rt, args, log);

	for (int i = 0; relay && i < 3; i++)
		if (dup2(relay->theirs[i], i) < 0)
			return;
	reset_signals();
	if (argv)
		execv(rt->bin, (char *const *)(uintptr_t)argv);
}

/* The last "msg" of a log. */
static void read_log(const char *log, char said[static SAID_MAX])
{
	FILE *f = fopen(log, "re");
	char line[SAID_MAX];

	while (f && fgets(line, sizeof(line), f)) {
		_cleanup_(json_putp) json_object *o = NULL;

		if (jdec_parse(line, strlen(line), &o, NULL) == 0 &&
		    strcmp(jget_str(o, "level"), "error") == 0)
			snprintf(said, SAID_MAX, "%s", jget_str(o, "msg"));
	}
	if (f)
		fclose(f);
}

static void read_pipe(int fd, char said[static SAID_MAX])
{
	size_t n = 0;
	ssize_t got;
	char *text;

	while ((got = read(fd, said + n, SAID_MAX - 1 - n)) > 0 ||
	       (got < 0 && errno == EINTR))
		n += got > 0 ? (size_t)got : 0;
	said[n] = '\0';
	said[strcspn(said, "\n")] = '\0';
	text = strncmp(said, NAME_SELF ": ", strlen(NAME_SELF) + 2) == 0
		       ? said + strlen(NAME_SELF) + 2
		       : said;
	memmove(said, text, strlen(text) + 1);
}

static int await(pid_t pid)
{
	int status = 0;
	pid_t got;

	do
		got = waitpid(pid, &status, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -ECANCELED;
}

int runtime_run(const struct runtime *rt, const char *const *args,
		const char *log, const int *stdio, struct err *err)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int in = -1, out = -1;
	char said[SAID_MAX] = "";
	int fds[2], own[3], r;
	pid_t self = getpid(), pid;

	if (null < 0 || pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: %s", rt->bin, strerror(errno));
	in = fds[0];
	out = fds[1];
	own[0] = own[1] = null;
	own[2] = log ? null : out;
	if (log)
		(void)unlink(log);
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot make a process: %s",
			       strerror(errno));
	if (pid == 0) {
		become(rt, args, log, stdio ? stdio : own, self);
		_exit(127);
	}
	close(take_fd(out));
	if (!log)
		read_pipe(in, said);
	r = await(pid);
	if (r == 0)
		return 0;
	if (log)
		read_log(log, said);
	return err_set(err, r, "%s", *said ? said : NAME_SELF " failed");
}

int runtime_front(const struct runtime *rt, const char *const *args,
		  struct relay *relay, char ret_said[static RUNTIME_SAID_MAX],
		  struct err *err)
{
	static const int signals[] = { SIGCHLD, SIGINT,  SIGTERM, SIGHUP,
				       SIGQUIT, SIGUSR1, SIGUSR2 };
	_cleanup_close_ int mem = memfd_create("log", MFD_CLOEXEC), sfd = -1;
	struct relay none = { -1, -1, -1, { -1, -1, -1 }, 0, 0, "" };
	char log[48];
	sigset_t set;
	pid_t pid;
	int status;

	*ret_said = '\0';
	snprintf(log, sizeof(log), "/proc/%d/fd/%d", getpid(), mem);
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (mem < 0 || sfd < 0)
		return err_set(err, -errno, "%s: %s", rt->bin, strerror(errno));
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot make a process: %s",
			       strerror(errno));
	if (pid == 0) {
		become_front(rt, args, log, relay);
		_exit(127);
	}
	if (relay)
		relay_given(relay);
	status = relay_wait(relay ? relay : &none, pid, sfd);
	read_log(log, ret_said);
	if (status < 0)
		return err_set(err, status, "wait: %s", strerror(-status));
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}
