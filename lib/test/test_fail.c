/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fail points; each case in a child, since the plan is read once. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base.h"
#include "lib/fail.h"

#define PASSES 3

struct row {
	const char *name, *plan;
	int results[PASSES]; /* of point one, errno or 0 */
	int killed_at;       /* pass, from 1; 0: never */
};

static const struct row rows[] = {
	{ .name = "nothing asked", .plan = NULL },
	{ .name = "empty", .plan = "" },
	{ .name = "another point", .plan = "test.two:err=EIO" },
	{ .name = "error on every pass",
	  .plan = "test.one:err=ENOSPC",
	  .results = { ENOSPC, ENOSPC, ENOSPC } },
	{ .name = "error on the second pass",
	  .plan = "test.one:err=EIO:nth=2",
	  .results = { 0, EIO, 0 } },
	{ .name = "nth before the action",
	  .plan = "test.one:nth=3:err=EIO",
	  .results = { 0, 0, EIO } },
	{ .name = "two rules",
	  .plan = "test.one:err=EIO:nth=1,test.one:err=EROFS:nth=3",
	  .results = { EIO, 0, EROFS } },
	{ .name = "kill", .plan = "test.one:kill", .killed_at = 1 },
	{ .name = "kill on the third pass",
	  .plan = "test.one:kill:nth=3",
	  .killed_at = 3 },
	{ .name = "prefix is another name", .plan = "test.on:kill" },
	{ .name = "unknown action is not taken", .plan = "test.one:explode" },
	{ .name = "unknown errno is not taken", .plan = "test.one:err=EFOO" },
	{ .name = "no action", .plan = "test.one" },
	{ .name = "nth alone is no action", .plan = "test.one:nth=1" },
	{ .name = "nth of zero is not taken",
	  .plan = "test.one:err=EIO:nth=0" },
	{ .name = "good rule after a bad one",
	  .plan = "test.one:what,test.one:err=EIO",
	  .results = { EIO, EIO, EIO } },
};

static int point_one(void)
{
	return FAILPOINT("test.one");
}

static int point_two(void)
{
	return FAILPOINT("test.two");
}

/* The exit status of a child that passes point one; 100 + pass when wrong. */
static void child(const struct row *row)
{
	int null = open("/dev/null", O_WRONLY);

	dup2(null, STDERR_FILENO); /* bad rules are told there */
	if (row->plan)
		setenv("BERTH_FP", row->plan, 1);
	for (int i = 0; i < PASSES; i++) {
		if (row->killed_at && i + 1 > row->killed_at)
			_exit(50);
		if (point_one() != -row->results[i])
			_exit(100 + i);
	}
	_exit(0);
}

static void plan_row(void **state)
{
	const struct row *row = *state;
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (pid == 0)
		child(row);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (row->killed_at) {
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
	} else {
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static void sleeps_as_long_as_asked(void **state)
{
	struct timespec a, b;
	int status;
	pid_t pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", "test.one:sleep=50", 1);
		clock_gettime(CLOCK_MONOTONIC, &a);
		if (point_one() != 0)
			_exit(1);
		clock_gettime(CLOCK_MONOTONIC, &b);
		_exit((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) /
							     1000000 <
				      50
			      ? 2
			      : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void passes_are_logged(void **state)
{
	char path[] = "/tmp/berth-test-fail-XXXXXX", buf[64] = "";
	_cleanup_close_ int fd = mkstemp(path);
	int status;
	pid_t pid;

	(void)state;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP_LOG", path, 1);
		_exit(point_one() || point_two() || point_one());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(read(fd, buf, sizeof(buf) - 1) > 0);
	unlink(path);
	assert_string_equal(buf, "test.one\ntest.two\ntest.one\n");
}

static void list_has_every_point_once(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	(void)state;
	assert_non_null(f);
	fail_list(f);
	fclose(f);
	assert_non_null(strstr(text, "test.one\n"));
	assert_non_null(strstr(text, "test.two\n"));
	assert_ptr_equal(strstr(strstr(text, "test.one\n") + 1, "test.one"),
			 NULL);
	free(text);
}

#define TEST(fn)                               \
	(struct CMUnitTest)                    \
	{                                      \
		.name = #fn, .test_func = (fn) \
	}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 3];
	size_t n = 0;

	unsetenv("BERTH_FP");
	unsetenv("BERTH_FP_LOG");
	n = TEST_ROWS(tests, rows, plan_row);
	tests[n++] = TEST(sleeps_as_long_as_asked);
	tests[n++] = TEST(passes_are_logged);
	tests[n++] = TEST(list_has_every_point_once);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
