/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who has a directory mounted, told by children with namespaces of their own. */
#include "lib/test/test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/mounts.h"

static char dir[64];

static const char *at(char buf[static 128], const char *name)
{
	snprintf(buf, 128, "%s/%s", dir, name);
	return buf;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A child that bind-mounts @from on "target" in a namespace of its own, and
 * lives until it is killed.  -1: not allowed here. */
static pid_t binder(const char *from)
{
	int ready[2];
	bool ok = false;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		char a[128], b[128];

		ok = unshare(CLONE_NEWNS) == 0 &&
		     mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		     (!from || mount(at(a, from), at(b, "target"), NULL,
				     MS_BIND, NULL) == 0);
		if (write(ready[1], &ok, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &ok, 1), 1);
	close(ready[0]);
	if (!ok)
		end(pid);
	return ok ? pid : -1;
}

static bool elsewhere(const char *name)
{
	char path[128];
	struct mounts_query q = { .path = at(path, name) };

	assert_int_equal(mounts_elsewhere(&q, 1, NULL), 0);
	return q.elsewhere;
}

static int setup(void **state)
{
	static const char *const names[] = { "a", "a/sub", "a b", "ab",
					     "target" };
	char path[128];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/berth-test-mounts-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (mkdir(at(path, names[i]), 0700) < 0)
			return -1;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "a/sub", "a",      "a b",
					     "ab",    "target", "" };
	char path[128];
	int r = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		r |= rmdir(at(path, names[i]));
	return r;
}

struct row {
	const char *name, *mounted, *asked;
	bool want;
};

static const struct row rows[] = {
	{ "mounted itself", "a", "a", true },
	{ "something below it", "a/sub", "a", true },
	{ "something above it is not it", "a", "a/sub", false },
	{ "a name that begins alike", "ab", "a", false },
	{ "a name with a space", "a b", "a b", true },
	{ "nothing", NULL, "a", false },
};

static void bind_row(void **state)
{
	const struct row *row = *state;
	pid_t pid = binder(row->mounted);
	bool got;

	if (pid < 0) {
		print_message("SKIP: no mount namespace: %s\n",
			      strerror(errno));
		skip();
	}
	got = elsewhere(row->asked);
	end(pid);
	assert_int_equal(got, row->want);
	assert_false(elsewhere(row->asked));
}

static void own_namespace_does_not_count(void **state)
{
	char a[128], b[128];
	int status;
	pid_t pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount(at(a, "a"), at(b, "target"), NULL, MS_BIND, NULL) < 0)
			_exit(77);
		_exit(elsewhere("a"));
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* A directory that is a mount point here is asked for by its own path. */
static void mount_point_is_found(void **state)
{
	char a[128];
	int status;
	pid_t pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		pid_t other;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("none", at(a, "a"), "tmpfs", 0, NULL) < 0)
			_exit(77);
		if (mkdir(at(a, "a/in"), 0700) < 0 || elsewhere("a"))
			_exit(1);
		other = binder("a/in");
		if (other < 0 || !elsewhere("a") || !elsewhere("a/in") ||
		    elsewhere("ab"))
			_exit(2);
		end(other);
		if (elsewhere("a"))
			_exit(3);
		/* its copy of ours, as any service's namespace has one */
		other = binder(NULL);
		if (other < 0 || elsewhere("a"))
			_exit(4);
		end(other);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int found(void *ctx, const char *target)
{
	snprintf(ctx, 128, "%s", target);
	return -EBUSY;
}

static void below_is_below(void **state)
{
	char a[128], sub[128], at_last[128] = "";
	pid_t pid;
	int status = 1;

	(void)state;
	at(a, "a");
	at(sub, "a/sub");
	assert_int_equal(mounts_below(a, found, at_last, NULL), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		if (mount(a, a, NULL, MS_BIND, NULL) < 0 ||
		    /* on it is not below */
		    mounts_below(a, found, at_last, NULL) != 0 ||
		    mount("none", sub, "tmpfs", 0, NULL) < 0)
			_exit(1);
		_exit(mounts_below(a, found, at_last, NULL) == -EBUSY &&
				      mounts_below(sub, found, at_last, NULL) ==
					      0 &&
				      strcmp(at_last, sub) == 0
			      ? 0
			      : 2);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

/* Who may not look says so, and answers neither yes for certain nor no. */
static void not_allowed_to_look_is_not_a_no(void **state)
{
	char path[128];
	struct mounts_query q = { .path = at(path, "a") };
	int status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct err err = { 0 };

		if (setresuid(65534, 65534, 65534) < 0)
			_exit(77);
		if (mounts_elsewhere(&q, 1, &err) != 1)
			_exit(1);
		if (!q.elsewhere || q.seen)
			_exit(2);
		_exit(strstr(err.msg, "CAP_SYS_PTRACE") ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Processes that end while we look are gone, not hidden. */
static void processes_that_end_are_no_reason(void **state)
{
	pid_t churn;

	(void)state;
	fflush(stdout);
	churn = fork();
	if (churn == 0)
		for (;;) {
			pid_t pid = fork();

			if (pid == 0)
				_exit(0);
			waitpid(pid, NULL, 0);
		}
	for (int i = 0; i < 50; i++)
		assert_false(elsewhere("a"));
	end(churn);
}

#define TEST(fn)                                \
	(struct CMUnitTest)                     \
	{                                       \
		.name = #fn, .test_func = (fn), \
	}

static void wait_and_exit(pid_t pid)
{
	int status = 1;

	waitpid(pid, &status, 0);
	/* not exit(): the leak checker can't look at the first of a namespace */
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

/*
 * On with the tests in a pid namespace of their own, so that no process of this
 * machine that may not be looked at has a part in them, and none outlives them.
 */
static void own_processes(void)
{
	pid_t pid;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS) < 0)
		return;
	pid = fork();
	if (pid != 0)
		wait_and_exit(pid);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0)
		perror("/proc");
	pid = fork();
	if (pid != 0)
		wait_and_exit(pid);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 5];
	size_t n = TEST_ROWS(tests, rows, bind_row);

	tests[n++] = TEST(own_namespace_does_not_count);
	tests[n++] = TEST(mount_point_is_found);
	tests[n++] = TEST(below_is_below);
	tests[n++] = TEST(not_allowed_to_look_is_not_a_no);
	tests[n++] = TEST(processes_that_end_are_no_reason);
	own_processes();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
