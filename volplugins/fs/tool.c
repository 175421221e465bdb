/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running a program of a fixed path. */
#include "volplugins/fs/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"

int tool_probe(const struct tool *t, struct err *err)
{
	if (access(t->argv[0], X_OK) < 0)
		return err_set(err, -EOPNOTSUPP,
			       "%s: %s: install the package %s", t->argv[0],
			       strerror(errno), t->package);
	return 0;
}

static int spawn(const struct tool *t, int file, int errors, pid_t *ret)
{
	static char *const no_env[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDWR, 0);
	posix_spawn_file_actions_adddup2(&files, 0, 1);
	posix_spawn_file_actions_adddup2(&files, errors, 2);
	posix_spawn_file_actions_adddup2(&files, file, 3);
	r = -posix_spawn(ret, t->argv[0], &files, &attr,
			 (char *const *)(uintptr_t)t->argv, no_env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return r;
}

/* The first line of what comes until the end of @fd, into @line. */
static void first_line(int fd, char *line, size_t size)
{
	char rest[512];
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size && (n = read(fd, line + len, size - len - 1)) > 0)
		len += (size_t)n;
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	while (read(fd, rest, sizeof(rest)) > 0)
		; /* it must not wait for us, nor be killed by SIGPIPE */
}

int tool_run(const struct tool *t, int file, struct err *err)
{
	_cleanup_close_ int from = -EBADF, to = -EBADF, high = -EBADF;
	int r = tool_probe(t, err), status, pipes[2];
	char line[200];
	pid_t pid = -1;

	if (r < 0)
		return r;
	/* above 3, so that no dup2() of the child meets its own number */
	high = fcntl(file, F_DUPFD_CLOEXEC, 10);
	if (high < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(err, -errno, "%s: %s", t->argv[0],
			       strerror(errno));
	from = pipes[0];
	to = fcntl(pipes[1], F_DUPFD_CLOEXEC, 10);
	close(pipes[1]);
	r = to < 0 ? -errno : spawn(t, high, to, &pid);
	if (r < 0)
		return err_set(err, r, "%s: %s", t->argv[0], strerror(-r));
	closep(&to);
	to = -EBADF;
	first_line(from, line, sizeof(line));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, -errno, "%s: %s", t->argv[0],
				       strerror(errno));
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFSIGNALED(status))
		return err_set(err, -ECANCELED,
			       "%s was ended by signal %d (%s) before it was "
			       "done",
			       t->argv[0], WTERMSIG(status),
			       strsignal(WTERMSIG(status)));
	return err_set(err, -EIO, "%s: %.160s", t->argv[0],
		       line[0] ? line : "failed and said nothing");
}
