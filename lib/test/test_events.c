/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring: numbers, what a late reader misses, and who waits. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/clock.h"
#include "lib/events.h"

struct got {
	uint64_t first, last, missed, count;
	struct event newest;
};

static struct got get(struct events *e, uint64_t after, unsigned int max)
{
	_cleanup_(events_copy_fini) struct events_copy c = { 0 };
	struct got g = { 0 };

	assert_int_equal(events_read(e, after, max, &c), 0);
	for (size_t i = 0; i < c.count; i++)
		assert_int_equal(c.list[i].seq, c.list[0].seq + i);
	g.last = c.last;
	g.missed = c.missed;
	g.count = c.count;
	if (c.count) {
		g.first = c.list[0].seq;
		g.newest = c.list[c.count - 1];
		assert_int_equal(g.newest.seq, c.last);
	}
	return g;
}

static void numbers_and_misses(void **state)
{
	_cleanup_(events_freep) struct events *e = events_new();
	struct got g;
	char long_id[300];

	(void)state;
	assert_non_null(e);
	g = get(e, 0, 9);
	assert_int_equal(g.count + g.last + g.missed, 0);
	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	events_add(e, "network", "create", long_id, NULL);
	g = get(e, 0, 9);
	assert_int_equal(g.count, 1);
	assert_int_equal(g.last, 1);
	assert_string_equal(g.newest.type, "network");
	assert_string_equal(g.newest.of, "");
	assert_int_equal(strlen(g.newest.id), sizeof(g.newest.id) - 1);
	assert_true(g.newest.time_ns > 1500000000000000000);

	for (unsigned int i = 0; i < EVENTS_KEPT + 99; i++)
		events_add(e, "a", "b", NULL, NULL);
	g = get(e, 50, 10);
	assert_int_equal(g.missed, 50); /* 51 to 100 gave way */
	assert_int_equal(g.first, 101);
	assert_int_equal(g.count, 10);
	assert_int_equal(g.last, 110);
	g = get(e, g.last, EVENTS_KEPT + 1);
	assert_int_equal(g.missed, 0);
	assert_int_equal(g.last, EVENTS_KEPT + 100);
	/* A number of another run, or "from now on". */
	g = get(e, UINT64_MAX, 9);
	assert_int_equal(g.count + g.missed, 0);
	assert_int_equal(g.last, EVENTS_KEPT + 100);
}

struct waiter {
	struct events *e;
	uint64_t after;
};

/* The test's own short wait may have had the last place. */
static void *wait_long(void *arg)
{
	const struct waiter *w = arg;
	int r;

	do
		r = events_wait(w->e, w->after, 30000);
	while (r == -EBUSY);
	return (void *)(intptr_t)r;
}

/* EVENTS_WAITERS of them, and all wait. */
static void start_waiters(struct waiter *w, pthread_t t[EVENTS_WAITERS],
			  uint64_t start)
{
	for (size_t i = 0; i < EVENTS_WAITERS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, wait_long, w), 0);
	while (events_wait(w->e, w->after, 1) != -EBUSY)
		assert_true(clock_mono_ms() - start < 20000);
}

static void join_waiters(pthread_t t[EVENTS_WAITERS])
{
	void *r;

	for (size_t i = 0; i < EVENTS_WAITERS; i++) {
		pthread_join(t[i], &r);
		assert_null(r);
	}
}

static void waiting(void **state)
{
	_cleanup_(events_freep) struct events *e = events_new();
	struct waiter w = { .e = e };
	pthread_t t[EVENTS_WAITERS];
	uint64_t start = clock_mono_ms();

	(void)state;
	assert_int_equal(events_wait(e, 0, 30), 0);
	assert_true(clock_mono_ms() - start >= 29);
	start_waiters(&w, t, start);
	events_add(e, "a", "b", "c", "d");
	join_waiters(t);
	assert_int_equal(events_wait(e, 0, 30000), 0); /* there is one */
	w.after = 1;                                   /* and no other */
	start_waiters(&w, t, start);
	events_end(e);
	join_waiters(t);
	assert_int_equal(events_wait(e, 1, 30000), 0); /* nobody waits */
	assert_true(clock_mono_ms() - start < 25000);
	events_add(NULL, "a", "b", "c", "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_misses),
		cmocka_unit_test(waiting),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
