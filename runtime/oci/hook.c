/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running hooks: state on stdin, a timeout, nothing of ours left open. */
#include "runtime/oci/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/clock.h"

/* "array of texts" to what execve takes; the texts are borrowed */
static char **texts(const struct jdec_array *arr, const char *first)
{
	char **v = calloc(arr->count + 2, sizeof(*v));

	if (!v)
		return NULL;
	if (arr->count)
		memcpy(v, arr->items, arr->count * sizeof(*v));
	else if (first)
		memcpy(v, &first, sizeof(*v));
	return v;
}

/* The state, to be read from its begin: a hook that doesn't read it can't
 * block us, and one that does sees its end. */
static int state_file(json_object *state)
{
	const char *text =
		json_object_to_json_string_ext(state, JSON_C_TO_STRING_PLAIN);
	int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) ||
	    lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return -EIO;
	}
	return fd;
}

static void child(const struct spec_hook *h, int in, char **argv, char **env)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) < 0)
		_exit(126);
	(void)close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	execve(h->path, argv, env);
	_exit(errno == ENOENT ? 127 : 126);
}

static int ended(const struct spec_hook *h, pid_t pid, struct err *err)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "hook %s: wait: %s",
				       h->path, strerror(errno));
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "hook %s: ended by signal %d",
			       h->path, WTERMSIG(status));
	if (WEXITSTATUS(status) == 127)
		return err_set(err, -EIO,
			       "hook %s: exit status 127 (not there?)",
			       h->path);
	if (WEXITSTATUS(status))
		return err_set(err, -EIO, "hook %s: exit status %d", h->path,
			       WEXITSTATUS(status));
	return 0;
}

static int wait_for(const struct spec_hook *h, pid_t pid, struct err *err)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	uint64_t end = clock_mono_ms() + (uint64_t)h->timeout_s * 1000;
	uint64_t now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int r = 0;

	if (!h->timeout_s)
		return ended(h, pid, err);
	while (fd >= 0) {
		now = clock_mono_ms();
		if (now >= end)
			break;
		r = poll(&p, 1, end - now < 60000 ? (int)(end - now) : 60000);
		if (r > 0)
			return ended(h, pid, err);
		if (r < 0 && errno != EINTR)
			break;
	}
	kill(pid, SIGKILL); /* our child, not waited for: the pid is its own */
	(void)ended(h, pid, NULL);
	return err_set(err, -ETIMEDOUT, "hook %s: not done after %u s", h->path,
		       h->timeout_s);
}

static int run_one(const struct spec_hook *h, json_object *state,
		   struct err *err)
{
	_cleanup_free_ char **argv = texts(&h->args, h->path);
	_cleanup_free_ char **own = h->env.count ? texts(&h->env, NULL) : NULL;
	char **env = h->env.count ? own : environ; /* as runc and crun */
	_cleanup_close_ int in = state_file(state);
	pid_t pid;

	if (!argv || !env || in < 0)
		return err_set(err, -ENOMEM, "hook %s: no memory", h->path);
	pid = fork();
	if (pid < 0)
		return err_set(err, -errno, "hook %s: fork: %s", h->path,
			       strerror(errno));
	if (pid == 0)
		child(h, in, argv, env);
	return wait_for(h, pid, err);
}

int hook_run(const struct spec *spec, enum spec_point point, json_object *state,
	     struct err *err)
{
	bool all = point == SPEC_POSTSTART || point == SPEC_POSTSTOP;
	int first = 0, r;

	for (size_t i = 0; i < spec->hooks[point].count; i++) {
		r = run_one(SPEC_ELEM(struct spec_hook, spec->hooks[point], i),
			    state, first == 0 ? err : NULL);
		if (first == 0)
			first = r;
		if (r < 0 && !all)
			break;
	}
	return first;
}
