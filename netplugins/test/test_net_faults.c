/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life cycle with a fault at every step: killed there, and dockerd's retry,
 * whole or empty; killed again in recovery; an error there.
 */
#include "lib/test/test.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "lib/log.h"
#include "netplugins/test/fake.h"
#include "netplugins/test/life.h"
#include "netplugins/test/requests.h"

/* What dockerd sends for a container with a port, start to end; then the same
 * address given out again, as after a dockerd that was killed. */
static const struct step script[] = {
	{ D "CreateNetwork", NETWORK1 },
	{ D "CreateEndpoint", ENDPOINT1 },
	{ D "Join", JOIN1 },
	{ D "ProgramExternalConnectivity", PORTS("8080", "8080") },
	{ D "RevokeExternalConnectivity", "{" IDS "}" },
	{ D "ProgramExternalConnectivity", PORTS("0", "0") },
	{ D "Leave", "{" IDS "}" },
	{ D "CreateEndpoint", ENDPOINT(IDS2, "10.1.0.2/24") },
	{ D "DeleteEndpoint", "{" IDS2 "}" },
	{ D "DeleteEndpoint", "{" IDS "}" },
	{ D "CreateEndpoint", ENDPOINT1 }, /* left for DeleteNetwork */
	{ D "DeleteNetwork", "{\"NetworkID\":\"" NET "\"}" },
};

/* Shared with the children. */
struct report {
	int at;     /* the call under way */
	int failed; /* 0, or which check, from 1 */
	char text[400];
	char answers[ARRAY_SIZE(script)][1024];
};

static struct fake_kernel *kernel;
static struct report *report;
static char dir[32];

static int setup(void **state)
{
	(void)state;
	memset(kernel->items, 0, sizeof(kernel->items));
	life_mkdir(dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_rmdir(dir);
	return 0;
}

/* ---- kills ----------------------------------------------------------------- */

static void child_fail(int check, const char *what, const char *text)
{
	report->failed = check;
	snprintf(report->text, sizeof(report->text), "%s: %s", what, text);
	_exit(1);
}

/* Play the script from @from; the first call with an empty body if @retry. */
static void play(int from, bool empty, bool compare)
{
	struct life l;
	struct err err = { 0 };

	if (life_open(&l, dir, &fake_driver, &err) < 0)
		child_fail(1, "open", err.msg);
	for (int i = from; i < (int)ARRAY_SIZE(script); i++) {
		bool retry = i == from && empty;
		char answer[1024];

		report->at = i;
		err.msg[0] = '\0';
		if (life_call(&l, script[i].method,
			      retry ? NULL : script[i].body, true, answer,
			      &err) < 0)
			child_fail(2, script[i].method, err.msg);
		if (!compare)
			strcpy(report->answers[i], answer);
		else if (strcmp(answer, report->answers[i]) != 0)
			child_fail(3, script[i].method, answer);
	}
	if (fake_count(kernel))
		child_fail(4, "kernel", "objects left");
	if (life_records(&l))
		child_fail(5, "store", "records left");
	life_close(&l);
}

/* @point NULL: no fault. Return: waitpid's status. */
static int in_child(const char *point, const char *what, int from, bool empty,
		    bool compare)
{
	char plan[128];
	int status = 0;
	pid_t pid;

	report->failed = 0;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		unsetenv("BERTH_FP");
		if (point) {
			snprintf(plan, sizeof(plan), "%s:%s:nth=1", point,
				 what);
			setenv("BERTH_FP", plan, 1);
		}
		play(from, empty, compare);
		fflush(NULL);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		fail_msg("fork");
	return status;
}

static bool killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void must_end_well(int status, const char *point, const char *how)
{
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("%s, %s: status %x, check %d at call %d: %s", point,
			 how, (unsigned int)status, report->failed, report->at,
			 report->text);
}

static void clean_run(void **state)
{
	(void)state;
	must_end_well(in_child(NULL, NULL, 0, false, false), "none", "clean");
}

/* R1-R3: killed at the point, dockerd retries (with an empty body where the
 * request had been read, whole where the connection was refused). */
static void killed_at(void **state)
{
	const char *point = *state;

	for (int empty = 0; empty <= 1; empty++) {
		int status;

		if (empty) { /* unfetched answers are kept for 20 s */
			teardown(state);
			life_mkdir(dir);
		}
		status = in_child(point, "kill", 0, false, true);

		if (!killed(status)) {
			must_end_well(status, point, "not reached");
			print_message("not reached: %s\n", point);
			return;
		}
		must_end_well(in_child(NULL, NULL, report->at, empty, true),
			      point, empty ? "empty retry" : "whole retry");
		/* a new daemon on the same directory finds nothing */
		must_end_well(in_child(NULL, NULL, 0, false, true), point,
			      "again");
	}
}

/* Killed at the point, and again while recovering from that. */
static void killed_twice(void **state)
{
	static const char *const late[] = { "net.recover.network",
					    "net.recover.endpoint",
					    "net.recover.intent",
					    "journal.replay.taken" };
	const char *point = *state;

	for (size_t i = 0; i < ARRAY_SIZE(late); i++) {
		int status = in_child(point, "kill", 0, false, true), at;

		if (!killed(status))
			return;
		at = report->at;
		status = in_child(late[i], "kill", at, true, true);
		if (killed(status))
			status = in_child(NULL, NULL, at, true, true);
		must_end_well(status, point, late[i]);
	}
}

/* R2: an error at the point is answered, nothing of the request remains, and
 * the same request then succeeds. */
static void error_at(void **state)
{
	const char *point = *state;
	int status = in_child(point, "err=ENOSPC", 0, false, true);

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return; /* not on this path, or the point can't fail */
	if (report->failed != 2)
		fail_msg("%s: check %d: %s", point, report->failed,
			 report->text);
	must_end_well(in_child(NULL, NULL, report->at, false, true), point,
		      "after the error");
}

/* Ports are published, then @end fails at @point.
 * Fail points are read once a process: each life is a child. */
static void fail_and_end(const char *end, const char *point)
{
	static const struct step begin[] = {
		{ D "CreateNetwork", NETWORK1 },
		{ D "CreateEndpoint", ENDPOINT1 },
		{ D "Join", JOIN1 },
		{ D "ProgramExternalConnectivity", PORTS("8080", "8080") },
	};
	struct err err = { 0 };
	struct life l;

	setenv("BERTH_FP", point, 1);
	if (life_open(&l, dir, &fake_driver, &err) < 0)
		_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(begin); i++)
		if (life_call(&l, begin[i].method, begin[i].body, true, NULL,
			      &err) < 0)
			_exit(2);
	_exit(life_call(&l, end, "{" IDS "}", true, NULL, &err) == -EIO ? 0
									: 3);
}

static void next_life(void)
{
	struct err err = { 0 };
	struct life l;

	fake_find(kernel, EP)->exposed = false; /* all is told anew */
	unsetenv("BERTH_FP");
	if (life_open(&l, dir, &fake_driver, &err) < 0)
		_exit(1);
	_exit(fake_find(kernel, EP)->exposed ? 4 : 0);
}

/* dockerd does not repeat a Revoke or Leave that failed. */
static void failed_end_is_not_published_again(void **state)
{
	const struct step *end = *state;
	int status = 0;

	for (int life = 0; life < 2; life++) {
		pid_t pid;

		fflush(NULL);
		pid = fork();
		if (pid == 0 && life == 0)
			fail_and_end(end->method, end->body);
		else if (pid == 0)
			next_life();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

/* A method, and where it fails. */
static const struct step ends[] = {
	{ D "RevokeExternalConnectivity", "net.revoke.kernel:err=EIO" },
	{ D "Leave", "net.leave.kernel:err=EIO" },
	{ D "Leave", "net.close.recorded:err=EIO" },
};

/* Finished after a crash; the peer comes back with the whole request, so it
 * knows the object and nothing is kept for undoing. */
static void whole_retry_keeps(void **state)
{
	struct life l;

	(void)state;
	assert_true(killed(in_child("net.create_endpoint.kernel", "kill", 0,
				    false, true)));
	life_start(&l, dir, &fake_driver);
	assert_non_null(fake_find(kernel, EP));
	life_good(&l, D "CreateEndpoint", ENDPOINT1, NULL);
	assert_int_equal(
		life_call(&l, D "CreateEndpoint", NULL, true, NULL, NULL),
		-EBADMSG);
	life_good(&l, D "EndpointOperInfo", "{" IDS "}", NULL);
	life_close(&l);
}

/* One life that can't finish what another was cut off in. */
static void retry_of_what_failed(const char *point)
{
	struct err err = { 0 };
	struct life l;

	setenv("BERTH_FP", point, 1);
	if (life_open(&l, dir, &fake_driver, &err) < 0)
		_exit(1);
	if (life_call(&l, D "CreateEndpoint", NULL, true, NULL, &err) != -EIO ||
	    !strstr(err.msg, "could not be finished: "))
		child_fail(1, "first retry", err.msg);
	/* That was its answer: another one is nobody's. */
	if (life_call(&l, D "CreateEndpoint", NULL, true, NULL, &err) !=
		    -EBADMSG ||
	    !strstr(err.msg, "no request of this kind was cut off"))
		child_fail(2, "second retry", err.msg);
	life_close(&l);
	_exit(0);
}

static void the_retry_is_told_why_it_failed(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	assert_true(killed(
		in_child("fake.endpoint_add.before", "kill", 0, false, true)));
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		retry_of_what_failed("fake.endpoint_add.before:err=EIO");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		fail_msg("%s", report->text);
	assert_int_equal(fake_count(kernel), 1); /* the network */
}

/* ---- main ---------------------------------------------------------------------- */

static const char *const points[] = {
	"net.create_network.intent",
	"fake.network_add.before",
	"fake.network_add.after",
	"net.create_network.kernel",
	"net.create_network.committed",
	"net.create_endpoint.intent",
	"fake.endpoint_add.before",
	"fake.endpoint_add.after",
	"net.create_endpoint.kernel",
	"net.create_endpoint.committed",
	"net.join.intent",
	"net.join.kernel",
	"net.join.committed",
	"net.expose.intent",
	"fake.expose",
	"net.expose.kernel",
	"net.expose.committed",
	"net.revoke.intent",
	"net.close.recorded",
	"fake.unexpose",
	"net.revoke.kernel",
	"net.revoke.committed",
	"net.leave.intent",
	"net.leave.kernel",
	"net.leave.committed",
	"net.drop_endpoint.kernel",
	"net.delete_endpoint.intent",
	"fake.endpoint_del",
	"net.delete_endpoint.kernel",
	"net.delete_endpoint.committed",
	"net.delete_network.intent",
	"fake.network_del",
	"net.delete_network.kernel",
};

#define CASE(fn_, name_, arg_)                                            \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = (name_), .test_func = (fn_), .setup_func = setup, \
		.teardown_func = teardown,                                \
		.initial_state = (void *)(uintptr_t)(arg_)                \
	}

static char names[3 * ARRAY_SIZE(points)][80];

static void add_points(struct CMUnitTest *tests, size_t *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		char *name = names[3 * i];

		snprintf(name, sizeof(names[0]), "killed at %s", points[i]);
		tests[(*n)++] = CASE(killed_at, name, points[i]);
		name = names[3 * i + 1];
		snprintf(name, sizeof(names[0]), "killed twice, %s", points[i]);
		tests[(*n)++] = CASE(killed_twice, name, points[i]);
		name = names[3 * i + 2];
		snprintf(name, sizeof(names[0]), "error at %s", points[i]);
		tests[(*n)++] = CASE(error_at, name, points[i]);
	}
}

int main(void)
{
	struct CMUnitTest tests[3 * ARRAY_SIZE(points) + ARRAY_SIZE(ends) + 3];
	size_t n = 0;

	log_level_set("error", NULL);
	kernel = fake_kernel_new();
	fake_use(kernel);
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED)
		return 1;
	tests[n++] = CASE(clean_run, "whole script", NULL);
	add_points(tests, &n);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		tests[n++] = CASE(failed_end_is_not_published_again,
				  ends[i].body, &ends[i]);
	tests[n++] = CASE(the_retry_is_told_why_it_failed,
			  "the retry is told why it failed", NULL);
	/* the last: it passes fail points in this process, which reads them once */
	tests[n++] = CASE(whole_retry_keeps, "whole retry keeps", NULL);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("faults", tests, n, NULL, NULL);
}
