/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other side of sup_ctl.c, and how a supervisor comes to be. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/base.h"
#include "lib/clock.h"
#include "lib/jdec.h"
#include "netctl/jget.h"
#include "netctl/sup.h"
#include "netctl/sup_priv.h"

#define GRACE_MS 25000 /* the supervisor's answer comes first */
#define BIRTH_MS 2000  /* from another's lock to its socket */

/* ---- asking -------------------------------------------------------------- */

static char *ctl_path(const struct ctl *ctl)
{
	char *path = NULL;

	return asprintf(&path, "%s/netctl/ctl.sock", ctl->run_dir) < 0 ? NULL
								       : path;
}

static int no_supervisor(const struct ctl *ctl, struct err *err)
{
	return err_set(err, -ENOENT,
		       "no supervisor runs in %s: 'netctl up' starts one",
		       ctl->run_dir);
}

static int receive(int fd, unsigned int timeout_ms, json_object **ret,
		   struct err *err)
{
	_cleanup_free_ char *buf = malloc(SUP_MSG_MAX);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (!buf)
		return err_set(err, -ENOMEM, "out of memory");
	if (poll(&p, 1, (int)timeout_ms) == 0)
		return err_set(err, -ETIMEDOUT,
			       "the supervisor gave no answer in %u s",
			       timeout_ms / 1000);
	n = recv(fd, buf, SUP_MSG_MAX, 0);
	if (n <= 0)
		return err_set(err, -EPIPE,
			       "the supervisor went away: try again");
	return jdec_parse(buf, (size_t)n, ret, err);
}

/* The daemon's last lines, each escaped by itself. */
static void print_tail(const char *text)
{
	_cleanup_free_ char *copy = strdup(text);

	for (char *save = NULL,
		  *line = copy ? strtok_r(copy, "\n", &save) : NULL;
	     line; line = strtok_r(NULL, "\n", &save)) {
		_cleanup_free_ char *safe = out_escape(line);

		fprintf(stderr, "  | %s\n", safe ? safe : "");
	}
}

int sup_request(const struct ctl *ctl, json_object *req, json_object **ret,
		struct err *err)
{
	_cleanup_free_ char *path = ctl_path(ctl);
	_cleanup_(json_putp) json_object *answer = NULL;
	_cleanup_close_ int fd = -EBADF;
	const char *text =
		json_object_to_json_string_ext(req, JSON_C_TO_STRING_PLAIN);
	int r;

	if (!path || !text)
		return err_set(err, -ENOMEM, "out of memory");
	fd = sup_connect(path, SOCK_SEQPACKET, err);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return no_supervisor(ctl, err);
	if (fd < 0)
		return fd;
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	r = receive(fd, ctl->timeout_ms + GRACE_MS, &answer, err);
	if (r < 0)
		return r;
	if (*jget_str(answer, "Err")) {
		print_tail(jget_str(answer, "Tail"));
		return err_set(err, -EREMOTEIO, "%s", jget_str(answer, "Err"));
	}
	if (ret)
		*ret = take_ptr(answer);
	return 0;
}

/* ---- being --------------------------------------------------------------- */

static int init(struct sup *s, const struct ctl *ctl, struct err *err)
{
	*s = (struct sup){ .foreground = ctl->foreground };
	s->plugin_dir = cli_absolute(ctl->plugin_dir);
	s->state_dir = cli_absolute(ctl->state_dir);
	s->run_dir = cli_absolute(ctl->run_dir);
	s->bpf_dir = cli_absolute(ctl->bpf_dir);
	s->cgroup = ctl->cgroup ? cli_absolute(ctl->cgroup) : NULL;
	if (!s->plugin_dir || !s->state_dir || !s->run_dir || !s->bpf_dir ||
	    (ctl->cgroup && !s->cgroup))
		return err_set(err, -ENOMEM, "the working directory: %s",
			       strerror(errno));
	if (asprintf(&s->dir, "%s/netctl", s->run_dir) < 0 ||
	    asprintf(&s->ctl_path, "%s/ctl.sock", s->dir) < 0 ||
	    asprintf(&s->notify_path, "%s/notify.sock", s->dir) < 0)
		return err_set(err, -ENOMEM, "out of memory");
	return sup_prepare(s, err);
}

int sup_foreground(const struct ctl *ctl, json_object *req, struct err *err)
{
	struct sup *s = malloc(sizeof(*s));
	int r;

	if (!s)
		return err_set(err, -ENOMEM, "out of memory");
	r = init(s, ctl, err);
	if (r == 0)
		r = sup_run(s, req, err);
	sup_fini(s);
	free(s);
	return r;
}

/* What the newborn tells the one who called it. */
struct birth {
	int r;
	struct err err;
};

/* stdin, stdout of nobody; what goes wrong for us at last in a file. */
static void detach(const char *run_dir)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	_cleanup_close_ int log = -EBADF;

	if (asprintf(&path, "%s/netctl/supervisor.log", run_dir) < 0)
		path = NULL;
	else
		log = open(path,
			   O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW |
				   O_CLOEXEC,
			   0600);
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(log >= 0 ? log : null, STDERR_FILENO);
	if (chdir("/") < 0)
		fprintf(stderr, "netctl: chdir /: %s\n", strerror(errno));
}

static void live(const struct ctl *ctl, int report)
{
	struct sup *s = malloc(sizeof(*s));
	struct birth b = { 0 };

	/* Nothing of the caller's stays open: no shell waits for us. */
	(void)dup2(report, 3);
	(void)close_range(4, ~0u, 0);
	if (!s)
		_exit(1);
	b.r = init(s, ctl, &b.err);
	detach(s->run_dir);
	(void)fcntl(3, F_SETFD, FD_CLOEXEC);
	if (write(3, &b, sizeof(b)) == sizeof(b) && b.r == 0) {
		(void)close(3);
		b.r = sup_run(s, NULL, &b.err);
		if (b.r < 0)
			fprintf(stderr, "netctl: %s\n", b.err.msg);
	}
	sup_fini(s);
	_exit(b.r == 0 ? 0 : 1);
}

/* Twice, so that nobody's child is left behind, and no session leader. */
static int give_birth(const struct ctl *ctl, struct birth *ret, struct err *err)
{
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_set(err, -errno, "pipe: %s", strerror(errno));
	in = fds[0];
	out = fds[1];
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "cannot make a process: %s",
			       strerror(errno));
	if (pid == 0) {
		(void)setsid();
		if (fork() == 0)
			live(ctl, out);
		_exit(0);
	}
	closep(&out);
	out = -EBADF;
	(void)waitpid(pid, NULL, 0);
	if (read(in, ret, sizeof(*ret)) != sizeof(*ret))
		return err_set(err, -EIO, "the supervisor died at birth");
	return 0;
}

int sup_ensure(const struct ctl *ctl, struct err *err)
{
	_cleanup_free_ char *path = ctl_path(ctl);
	uint64_t until = clock_mono_ms() + BIRTH_MS;
	struct birth b = { 0 };
	int r;

	if (!path)
		return err_set(err, -ENOMEM, "out of memory");
	for (;;) {
		_cleanup_close_ int fd =
			sup_connect(path, SOCK_SEQPACKET, NULL);

		if (fd >= 0)
			return 0;
		r = give_birth(ctl, &b, err);
		if (r < 0)
			return r;
		/* Busy: another's, between its lock and its socket, or on its
		 * way out. */
		if (b.r != -EBUSY || clock_mono_ms() > until)
			break;
		(void)poll(NULL, 0, 50);
	}
	return b.r < 0 ? err_set(err, b.r, "%s", b.err.msg) : 0;
}
