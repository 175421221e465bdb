/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of a container while another command works on it. */
#include "lib/test/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/oci/state.h"

#define SAW(status) (100 + (int)(status))

static char root[] = "/tmp/berth-test-XXXXXX";

static struct state *claimed(const char *id)
{
	struct state *st = NULL;
	struct err err = { 0 };

	if (state_new(root, id, &st, &err) < 0)
		fail_msg("%s", err.msg);
	return st;
}

static void saved(struct state *st, bool creating)
{
	struct err err = { 0 };

	st->creating = creating;
	if (state_save(st, &err) < 0)
		fail_msg("%s", err.msg);
}

/* Its first process, that is: us. */
static void runs(struct state *st)
{
	st->pid = getpid();
	st->start = state_start_of(getpid());
}

static void removed(struct state *st)
{
	assert_int_equal(state_remove(root, st, NULL), 0);
	state_free(st);
}

/* Return: SAW() or an errno. */
static int sees(const char *id)
{
	_cleanup_(state_freep) struct state *st = NULL;
	enum status status = STATUS_STOPPED;
	int r = state_peek(root, id, &st, NULL);

	if (r == 0)
		r = state_status(st, &status, NULL);
	return r < 0 ? -r : SAW(status);
}

/* Somebody who looks; what() is what they saw.  @held: by us, or NULL. */
static pid_t looks(const char *id, const struct state *held)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (held)
		close(held->dir); /* or the lock would be the child's, too */
	alarm(10);
	_exit(sees(id));
}

/* Return: SAW() or an errno; SAW(-1) when they waited too long. */
static int what(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : SAW(-1);
}

/* The lock is held to the end. */
static void waits_for_the_state_not_for_the_lock(void **state)
{
	struct state *st = claimed("a");
	pid_t pid = looks("a", st);

	(void)state;
	test_pause_ms(100);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	saved(st, true);
	assert_int_equal(what(pid), SAW(STATUS_CREATING));
	assert_int_equal(what(looks("a", st)), SAW(STATUS_CREATING));
	saved(st, false);
	assert_int_equal(what(looks("a", st)), SAW(STATUS_STOPPED));
	removed(st);
}

static void sees_that_it_is_gone(void **state)
{
	struct state *st = claimed("b");
	pid_t pid = looks("b", st);

	(void)state;
	test_pause_ms(100);
	removed(st);
	assert_int_equal(what(pid), ENOENT);
}

static void one_killed_early_is_stopped(void **state)
{
	struct state *st = claimed("c");

	(void)state;
	state_free(st);
	assert_int_equal(what(looks("c", NULL)), SAW(STATUS_STOPPED));
	assert_int_equal(state_open(root, "c", &st, NULL), 0);
	removed(st);
}

static void a_killed_create_is_not_at_work(void **state)
{
	struct state *st = claimed("d");

	(void)state;
	runs(st);
	saved(st, true);
	assert_int_equal(what(looks("d", st)), SAW(STATUS_CREATING));
	state_unlock(st);
	assert_int_equal(what(looks("d", st)), SAW(STATUS_RUNNING));
	removed(st);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

/* Between its load and its look at the lock.  First, while nothing has passed a
 * fail point: it is read once. */
static void create_ends_while_one_looks(void **state)
{
	char log[64], byte = 0;
	struct state *st;
	int go[2];
	pid_t pid;

	(void)state;
	snprintf(log, sizeof(log), "%s/.passed", root);
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0) {
		setenv("BERTH_FP", "oci.peek:sleep=2000", 1);
		setenv("BERTH_FP_LOG", log, 1);
		alarm(10);
		_exit(read(go[0], &byte, 1) == 1 ? sees("e") : 99);
	}
	st = claimed("e");
	saved(st, true);
	assert_int_equal(write(go[1], &byte, 1), 1);
	assert_true(TEST_WITHIN_S(5, is_there(log)));
	runs(st);
	saved(st, false);
	state_unlock(st);
	assert_int_equal(what(pid), SAW(STATUS_RUNNING));
	removed(st);
	close(go[0]);
	close(go[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_ends_while_one_looks),
		cmocka_unit_test(waits_for_the_state_not_for_the_lock),
		cmocka_unit_test(sees_that_it_is_gone),
		cmocka_unit_test(one_killed_early_is_stopped),
		cmocka_unit_test(a_killed_create_is_not_at_work),
	};
	int r;

	if (!mkdtemp(root))
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	test_rmdir(root);
	return r;
}
