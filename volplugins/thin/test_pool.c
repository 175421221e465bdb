/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool and our records of it, as a kill leaves them. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base.h"
#include "volplugins/thin/fake_pool.h"

/* Both orders: what lies in the pool when its number was written down only. */
static void undone_unless_given(void **state)
{
	struct pool_life *l = *state;
	uint32_t kept = fake_pool_device(l), lost;

	fake_pool_give(l, kept);
	lost = fake_pool_device(l);
	assert_true(fake_is(fake.there[kept]) && fake_is(fake.there[lost]));
	fake_pool_restart(l);
	assert_true(fake_is(fake.there[kept]));
	assert_false(fake_is(fake.there[lost]));
	assert_string_equal(l->pool.doubt.msg, "");
	/* a number is never used twice */
	assert_int_equal(fake_pool_device(l), lost + 1);
}

/* Killed before the message: there is nothing to delete. */
static void written_down_but_not_made(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l), *left = NULL;
	size_t count = 1;

	fake_pool_give(l, n);
	FAKE(fake.refuse = "create_thin");
	assert_int_equal(thin_device_add(&l->pool, &n, NULL), -EIO);
	FAKE(fake.refuse = NULL);
	fake_pool_restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_int_equal(thin_record_doomed(&l->pool, &left, &count, NULL), 0);
	assert_int_equal(count, 0);
	free(left);
}

/* Killed between the message and the transaction id. */
static void made_but_not_counted(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l), next = n + 1;

	fake_pool_give(l, n);
	FAKE(fake.refuse = "set_transaction_id");
	assert_int_equal(thin_device_add(&l->pool, &n, NULL), -EIO);
	FAKE(fake.there[next] = true); /* taking it back was cut off, too */
	fake_pool_restart(l);
	FAKE(fake.refuse = NULL);
	fake_pool_restart(l);
	assert_false(fake_is(fake.there[next]));
	assert_string_equal(l->pool.doubt.msg, "");
	assert_int_equal(fake_pool_device(l), next + 1);
}

/* A removed one goes, whenever that is. */
static void deleted_at_the_next_start(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l);
	const struct thin_change c = { .doom = n, .del = "v" };

	fake_pool_give(l, n);
	FAKE(fake.refuse = "delete");
	assert_int_equal(thin_change(&l->pool, &c, NULL), 0);
	assert_int_equal(thin_device_del(&l->pool, n, NULL), -EIO);
	assert_true(fake_is(fake.there[n]));
	FAKE(fake.refuse = NULL);
	fake_pool_restart(l);
	assert_false(fake_is(fake.there[n]));
}

/* gc, while another request makes a volume. */
static void gc_leaves_what_is_being_made(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l), dropped = fake_pool_device(l);

	assert_int_equal(thin_device_settle(&l->pool, NULL, NULL), 0);
	assert_true(fake_is(fake.there[n]) && fake_is(fake.there[dropped]));
	fake_pool_give(l, n);
	/* it had read the list before */
	assert_int_equal(thin_device_del(&l->pool, n, NULL), 0);
	assert_true(fake_is(fake.there[n]));

	/* whoever made it gave it up, and could not delete it then */
	FAKE(fake.refuse = "delete");
	assert_int_equal(thin_device_del(&l->pool, dropped, NULL), -EIO);
	FAKE(fake.refuse = NULL);
	assert_int_equal(thin_device_settle(&l->pool, NULL, NULL), 0);
	assert_false(fake_is(fake.there[dropped]));
	assert_true(fake_is(fake.there[n]));
}

/* Open as it was to go, and let go later: nobody need ask again. */
static void deleted_when_it_is_let_go(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l);
	bool gone = false;

	FAKE(fake.refuse = "delete");
	assert_int_equal(thin_device_del(&l->pool, n, NULL), -EIO);
	for (int i = 0; i < 300 && thin_pool_undeleted(&l->pool) == 0; i++)
		usleep(100000);
	assert_int_equal(thin_pool_undeleted(&l->pool), 1);
	FAKE(fake.refuse = NULL);
	for (int i = 0; i < 600 && !gone; i++) {
		usleep(100000);
		gone = !fake_is(fake.there[n]) &&
		       thin_pool_undeleted(&l->pool) == 0;
	}
	assert_true(gone);
}

/* Killed between making its device in the kernel and saying that it goes with
 * the last user. */
static void deleted_though_its_device_stayed(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l);

	FAKE(fake.busy = n);
	fake_pool_restart(l);
	assert_false(fake_is(fake.there[n]));
}

/* The host's disk is full: the pool must not get ahead of its record. */
static void no_message_without_its_record(void **state)
{
	struct pool_life *l = *state;
	uint32_t n = fake_pool_device(l), dropped, m;
	uint64_t transaction;

	fake_pool_give(l, n);
	dropped = fake_pool_device(l);
	transaction = fake_is(fake.transaction);
	FAKE(fake.disk_full = true);
	assert_int_equal(thin_device_add(&l->pool, &m, NULL), -ENOSPC);
	assert_int_equal(thin_device_del(&l->pool, dropped, NULL), -ENOSPC);
	assert_true(fake_is(fake.transaction) == transaction);
	FAKE(fake.disk_full = false);
	fake_pool_restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_false(fake_is(fake.there[dropped]));
	assert_true(fake_is(fake.there[n]));
}

static void records_of_another_moment(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	uint32_t n = fake_pool_device(l), m;

	fake_pool_give(l, n);
	/* made by those who are not in this state.db */
	FAKE(fake.transaction += 3);
	FAKE(fake.there[n + 1] = fake.there[n + 2] = true);
	fake_pool_restart(l);
	assert_int_equal(thin_device_add(&l->pool, &m, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "--pool-transaction 4"));
	assert_int_equal(thin_device_del(&l->pool, n, NULL), -EUCLEAN);
	assert_true(fake_is(fake.there[n]));

	/* the wrong number is no word either */
	l->config.accept = true;
	l->config.transaction = 3;
	fake_pool_restart(l);
	assert_int_equal(thin_device_add(&l->pool, &m, NULL), -EUCLEAN);
	l->config.transaction = 4;
	fake_pool_restart(l);
	assert_int_equal(thin_device_add(&l->pool, &m, &err), 0);
	assert_true(m > n + 2);
	assert_true(fake_is(fake.there[n + 1]) && fake_is(fake.there[n + 2]));
}

/* A pool that tells nothing is no reason to forget what is doomed. */
static void a_pool_that_the_kernel_gave_up(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	uint32_t kept = fake_pool_device(l), n;
	uint64_t recorded;

	fake_pool_give(l, kept);
	recorded = l->pool.recorded;
	FAKE(fake.gave_up = true);
	l->config.accept = true;
	l->config.transaction = 0;
	fake_pool_restart(l);
	assert_true(thin_device_add(&l->pool, &n, &err) < 0);
	assert_non_null(strstr(err.msg, "the kernel gave the pool up"));
	assert_true(l->pool.recorded == recorded);
	/* repaired, and another start */
	FAKE(fake.gave_up = false);
	l->config.accept = false;
	fake_pool_restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	assert_int_equal(thin_device_add(&l->pool, &n, &err), 0);
	assert_true(fake_is(fake.there[kept]));
}

/* Doomed then, a volume now. */
static void doomed_at_another_moment(void **state)
{
	struct pool_life *l = *state;
	uint32_t kept = fake_pool_device(l), then, again;

	fake_pool_give(l, kept);
	then = fake_pool_device(l);
	FAKE(fake.transaction += 2);
	l->config.accept = true;
	l->config.transaction = fake_is(fake.transaction);
	fake_pool_restart(l);
	assert_string_equal(l->pool.doubt.msg, "");
	fake_pool_restart(l);
	assert_true(fake_is(fake.there[kept]) && fake_is(fake.there[then]));

	/* one that was given without a message: the transaction is the same; and the
	 * pool can't be used in the life that knows of it */
	again = fake_pool_device(l);
	fake_pool_stop(l);
	FAKE(fake.restored = true);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	fake_pool_start(l);
	fake_pool_stop(l);
	FAKE(fake.restored = false);
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, NULL), 0);
	assert_true(fake_is(fake.there[again]));
}

static void nothing_new_in_a_full_pool(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };

	fake_pool_give(l, fake_pool_device(l));
	FAKE(fake.full = 89);
	assert_int_equal(thin_pool_room(&l->pool, THIN_FULL, 0, &err), 0);
	FAKE(fake.full = 90);
	assert_int_equal(thin_pool_room(&l->pool, THIN_FULL, 0, &err), -ENOSPC);
	FAKE(fake.full = 97);
	assert_int_equal(thin_pool_room(&l->pool, THIN_FULL_OWN, 0, &err), 0);
	FAKE(fake.full = 98);
	assert_int_equal(thin_pool_room(&l->pool, THIN_FULL_OWN, 0, &err),
			 -ENOSPC);
	assert_non_null(strstr(err.msg, "from 98% on"));
}

static void *make_one(void *arg)
{
	uint32_t n;

	return (void *)(intptr_t)thin_device_add(arg, &n, NULL);
}

/* As Get does. */
static void *tell(void *arg)
{
	char why[ERR_MSG_MAX];
	struct thin_status s;
	uint64_t n;
	bool ok = !thin_pool_trouble(arg, why, sizeof(why)) &&
		  thin_device_mapped(arg, 1, &n, NULL) == -ENOENT &&
		  thin_pool_seen(arg, &s, &n, NULL) == 0;

	return ok ? NULL : arg;
}

static void told_while_the_pool_hangs(void **state)
{
	struct pool_life *l = *state;
	pthread_t maker, asker;
	struct timespec until;
	char why[ERR_MSG_MAX] = "";
	void *made, *told;
	int r;

	fake_pool_give(l, fake_pool_device(l));
	fake_disk_hangs(true);
	assert_int_equal(pthread_create(&maker, NULL, make_one, &l->pool), 0);
	assert_true(fake_is_waited(1));
	assert_int_equal(pthread_create(&asker, NULL, tell, &l->pool), 0);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	r = pthread_timedjoin_np(asker, &told, &until);
	/* the thread that looks may write down an answer of before */
	for (int i = 0; r == 0 && !*why && i < 2000; i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
		pthread_mutex_lock(&l->pool.seen.lock);
		l->pool.seen.at -= THIN_SILENT_S;
		pthread_mutex_unlock(&l->pool.seen.lock);
		(void)thin_pool_trouble(&l->pool, why, sizeof(why));
	}
	fake_disk_hangs(false);
	pthread_join(maker, &made);
	if (r != 0)
		pthread_join(asker, &told);
	assert_int_equal(r, 0);
	assert_non_null(strstr(why, "has not answered for "));
	assert_null(told);
	assert_null(made);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What the kernel tells of the pool is looked at before the five seconds are over; what
 * it tells of others is not. */
static void looked_at_by_an_event(void **state)
{
	struct pool_life *l = *state;
	struct thin_status s;
	unsigned int looks;
	uint64_t age;
	int64_t begun;

	fake_pool_give(l, fake_pool_device(l));
	/* the look of the start is over when the next event is waited for */
	assert_true(fake_event(true) && fake_event(false));
	looks = fake_is(fake.looks);
	begun = now_ms();
	for (int i = 0; i < 20; i++)
		assert_true(fake_event(false));
	/* one more each five seconds, however slow this machine is */
	assert_true(fake_is(fake.looks) - looks <=
		    (now_ms() - begun) / 5000 + 1);

	FAKE(fake.full = 85);
	begun = now_ms();
	assert_true(fake_event(true));
	do
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	while (thin_pool_seen(&l->pool, &s, &age, NULL) == 0 &&
	       s.used_data < 85 && now_ms() - begun < 20000);
	assert_int_equal(s.used_data, 85);
	assert_true(now_ms() - begun < 3000);
}

/* The thread was there before device-mapper was. */
static void events_that_come_later(void **state)
{
	struct pool_life *l = *state;

	fake_pool_give(l, fake_pool_device(l));
	fake_pool_stop(l);
	FAKE(fake.told = false);
	FAKE(fake.deaf = 1);
	fake_pool_start(l);
	assert_true(fake_event(true));
	assert_int_equal(fake_is(fake.deaf), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(undone_unless_given),
		POOL_TEST(written_down_but_not_made),
		POOL_TEST(made_but_not_counted),
		POOL_TEST(deleted_at_the_next_start),
		POOL_TEST(gc_leaves_what_is_being_made),
		POOL_TEST(deleted_though_its_device_stayed),
		POOL_TEST(deleted_when_it_is_let_go),
		POOL_TEST(no_message_without_its_record),
		POOL_TEST(records_of_another_moment),
		POOL_TEST(a_pool_that_the_kernel_gave_up),
		POOL_TEST(doomed_at_another_moment),
		POOL_TEST(nothing_new_in_a_full_pool),
		POOL_TEST(told_while_the_pool_hangs),
		POOL_TEST(looked_at_by_an_event),
		POOL_TEST(events_that_come_later),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
