/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs: waited for in bounded time, joined, undone when nobody waits. */
#include "lib/test/test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "volplugins/named/named_job.h"

/* What a test's job does: wait until told, then give a descriptor. */
struct work {
	atomic_int runs, frees, *go; /* go NULL: at once */
	int result;                  /* fd to be given, or -errno */
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int work_run(void *arg, uint64_t *ret_used, struct err *err)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct work *w = arg;

	atomic_fetch_add(&w->runs, 1);
	while (w->go && !atomic_load(w->go))
		nanosleep(&ms, NULL);
	*ret_used = 42;
	return w->result < 0 ? err_set(err, w->result, "it did not work")
			     : w->result;
}

static void work_free(void *arg)
{
	struct work *w = arg;

	atomic_fetch_add(&w->frees, 1);
}

static struct named_job_spec spec(struct work *w, const char *key, int wait_ms)
{
	return (struct named_job_spec){ .key = key,
					.run = work_run,
					.free = work_free,
					.arg = w,
					.wait_ms = wait_ms,
					.slow = "too slow" };
}

/* On a thread that is not the start's. */
struct caller {
	struct named_jobs *jobs;
	struct named_job_spec spec;
	int r, ms;
	uint64_t used;
	struct err err;
	pthread_t thread;
};

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	int64_t begin = now_ms();

	c->r = named_job_run(c->jobs, &c->spec, &c->used, &c->err);
	c->ms = (int)(now_ms() - begin);
	return NULL;
}

static void call(struct caller *c)
{
	assert_int_equal(pthread_create(&c->thread, NULL, caller_main, c), 0);
}

static void ended(struct caller *c)
{
	pthread_join(c->thread, NULL);
}

static struct named_jobs *jobs_new(void)
{
	struct named_jobs *jobs = NULL;

	assert_int_equal(named_jobs_new(&jobs, NULL), 0);
	return jobs;
}

static void wait_for(atomic_int *n, int want)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && atomic_load(n) < want; i++)
		nanosleep(&ms, NULL);
	assert_int_equal(atomic_load(n), want);
}

static void result_and_figure_come_back(void **state)
{
	struct named_jobs *jobs = jobs_new();
	struct work w = { .result = dup(2) }, bad = { .result = -EIO };
	struct named_job_spec s = spec(&w, "a", 5000);
	struct err err = { 0 };
	uint64_t used = 0;

	(void)state;
	assert_int_equal(named_job_run(jobs, &s, &used, &err), w.result);
	assert_int_equal(used, 42);
	assert_int_equal(close(w.result), 0); /* ours, and still open */
	s = spec(&bad, "a", 5000);
	assert_int_equal(named_job_run(jobs, &s, &used, &err), -EIO);
	assert_string_equal(err.msg, "it did not work");
	assert_int_equal(w.frees, 1);
	assert_int_equal(bad.frees, 1);
	named_jobs_free(jobs);
}

/* Does the pipe's other end report that all writers are gone? */
static bool hung_up(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 5000) == 1 && p.revents & POLLHUP;
}

static void late_result_is_undone(void **state)
{
	struct named_jobs *jobs = jobs_new();
	atomic_int go = 0;
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	struct work w = { .go = &go, .result = p[1] };
	struct caller c = { .jobs = jobs, .spec = spec(&w, "a", 100) };

	call(&c);
	ended(&c);
	assert_int_equal(c.r, -ETIMEDOUT);
	assert_string_equal(c.err.msg, "too slow");
	assert_in_range(c.ms, 100, 30000);
	/* the owner may go, the job goes on */
	named_jobs_free(jobs);
	atomic_store(&go, 1);
	assert_true(hung_up(p[0]));
	wait_for(&w.frees, 1);
	close(p[0]);
}

static void same_key_waits_for_the_one_under_way(void **state)
{
	struct named_jobs *jobs = jobs_new();
	atomic_int go = 0;
	struct work w = { .go = &go, .result = dup(2) },
		    again = { .result = -1 };
	struct caller a = { .jobs = jobs, .spec = spec(&w, "a", 50) };
	struct caller b = { .jobs = jobs, .spec = spec(&again, "a", 5000) };

	(void)state;
	call(&a);
	ended(&a);
	assert_int_equal(a.r, -ETIMEDOUT);
	call(&b);
	wait_for(&again.frees, 1);
	atomic_store(&go, 1);
	ended(&b);
	assert_int_equal(b.r, w.result);
	assert_int_equal(again.runs, 0);
	assert_int_equal(w.runs, 1);
	close(w.result);
	named_jobs_free(jobs);
}

static void others_are_not_held_up(void **state)
{
	struct named_jobs *jobs = jobs_new();
	atomic_int go = 0;
	struct work hang = { .go = &go, .result = -EIO },
		    w = { .result = -ENODEV };
	struct caller a = { .jobs = jobs, .spec = spec(&hang, "a", 5000) };
	struct caller b = { .jobs = jobs, .spec = spec(&w, "b", 5000) };

	(void)state;
	call(&a);
	wait_for(&hang.runs, 1);
	call(&b);
	ended(&b);
	assert_int_equal(b.r, -ENODEV);
	assert_in_range(b.ms, 0, 4000);
	atomic_store(&go, 1);
	ended(&a);
	assert_int_equal(a.r, -EIO);
	named_jobs_free(jobs);
}

static void too_many_are_refused(void **state)
{
	struct named_jobs *jobs = jobs_new();
	atomic_int go = 0;
	static struct work w[NAMED_JOBS_MAX];
	static struct caller c[NAMED_JOBS_MAX + 1];
	static char keys[NAMED_JOBS_MAX][16];
	struct work more = { .result = -EIO };

	(void)state;
	for (int i = 0; i < NAMED_JOBS_MAX; i++) {
		w[i] = (struct work){ .go = &go, .result = -EIO };
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		c[i] = (struct caller){ .jobs = jobs,
					.spec = spec(&w[i], keys[i], 1) };
		call(&c[i]);
		ended(&c[i]);
		assert_int_equal(c[i].r, -ETIMEDOUT);
	}
	c[NAMED_JOBS_MAX] =
		(struct caller){ .jobs = jobs, .spec = spec(&more, "more", 1) };
	call(&c[NAMED_JOBS_MAX]);
	ended(&c[NAMED_JOBS_MAX]);
	assert_int_equal(c[NAMED_JOBS_MAX].r, -EAGAIN);
	assert_int_equal(more.frees, 1);
	assert_int_equal(more.runs, 0);
	atomic_store(&go, 1);
	for (int i = 0; i < NAMED_JOBS_MAX; i++)
		wait_for(&w[i].frees, 1);
	named_jobs_free(jobs);
}

/* Servers that are dead: the first costs three seconds, the rest little. */
static void start_is_not_held_up(void **state)
{
	struct named_jobs *jobs = jobs_new();
	atomic_int go = 0;
	struct work w[4];
	const char *const keys[] = { "a", "b", "c", "d" };
	int64_t begin = now_ms();

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct named_job_spec s = spec(&w[i], keys[i], 90000);

		w[i] = (struct work){ .go = &go, .result = -EIO };
		assert_int_equal(named_job_run(jobs, &s, NULL, NULL),
				 -ETIMEDOUT);
	}
	assert_in_range(now_ms() - begin, 3600, 60000);
	atomic_store(&go, 1);
	for (int i = 0; i < 4; i++)
		wait_for(&w[i].frees, 1);
	named_jobs_free(jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(result_and_figure_come_back),
		cmocka_unit_test(late_result_is_undone),
		cmocka_unit_test(same_key_waits_for_the_one_under_way),
		cmocka_unit_test(others_are_not_held_up),
		cmocka_unit_test(too_many_are_refused),
		cmocka_unit_test(start_is_not_held_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
