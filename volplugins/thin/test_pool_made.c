/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A pool that is made or taken up: what it is on, and what is there of that name. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "lib/base.h"
#include "volplugins/thin/fake_pool.h"

/* The pool is up, and that could not be written down: made anew, it is not to be
 * below one that is up. */
static void begun_again_from_nothing(void **state)
{
	struct pool_life *l = *state;

	FAKE(fake.late = true); /* for the record that it is ready */
	assert_int_equal(thin_pool_use(&l->pool, true, NULL), -ENOSPC);
	FAKE(fake.late = false);
	assert_int_equal(fake_is(fake.made), 3);
	assert_int_equal(thin_pool_use(&l->pool, true, NULL), 0);
	assert_int_equal(fake_is(fake.made), 6);
}

/* Killed between the pool's name and its table. */
static void without_a_table(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	uint32_t n = fake_pool_device(l);
	char name[DMX_NAME_MAX];

	fake_pool_give(l, n);
	fake_pool_stop(l);
	snprintf(name, sizeof(name), "%s-pool", l->pool.prefix);
	FAKE(snprintf(fake.names[0], DMX_NAME_MAX, "%s", name));
	FAKE(fake.live[0] = false);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
	assert_true(fake_slot(name) >= 0 &&
		    fake_is(fake.live[fake_slot(name)]));
}

static void not_with_somebody_elses_device(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	char name[DMX_NAME_MAX];

	fake_pool_give(l, fake_pool_device(l));
	fake_pool_stop(l);
	snprintf(name, sizeof(name), "%s-pool", l->pool.prefix);
	FAKE(snprintf(fake.names[7], DMX_NAME_MAX, "%s", name));
	FAKE(fake.live[7] = fake.foreign[7] = true);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, name));
	assert_non_null(strstr(err.msg, "somebody else's"));
	assert_int_equal(fake_slot(name), 7);
}

static void not_without_its_image(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };

	fake_pool_give(l, fake_pool_device(l));
	fake_pool_stop(l);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	fake_pool_start(l);
	/* not "there is none": who removes a snapshot takes that for done */
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "tried again"));
	assert_int_equal(faccessat(l->fd, "pool.img", F_OK, 0), -1);
	fake_pool_stop(l);

	/* cut: not for the kernel to find out, nor to be made as long again */
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	{
		_cleanup_close_ int fd = openat(l->fd, "pool.img", O_RDWR);

		assert_int_equal(ftruncate(fd, 32 << 20), 0);
	}
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "was cut"));
	fake_pool_stop(l);
	l->config.size = 0;
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "was cut"));
}

/* Its disk comes after the daemon: who uses it has it then, and who only asks within
 * seconds. */
static void taken_up_when_it_is_there(void **state)
{
	struct pool_life *l = *state;
	uint32_t kept = fake_pool_device(l), lost;
	char why[ERR_MSG_MAX];
	struct err err = { 0 };

	fake_pool_give(l, kept);
	lost = fake_pool_device(l);
	fake_pool_stop(l);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	fake_pool_start(l);
	assert_non_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -ENODEV);
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
	assert_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
	/* and what an earlier life had begun is taken back */
	for (int i = 0; fake_is(fake.there[lost]) && i < 2000; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_true(fake_is(fake.there[kept]) && !fake_is(fake.there[lost]));
	assert_int_not_equal(fake_pool_device(l), lost);

	/* nobody uses it */
	fake_pool_stop(l);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	fake_pool_start(l);
	assert_non_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	for (int i = 0;
	     thin_pool_trouble(&l->pool, why, sizeof(why)) && i < 2000; i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
}

static void put_suspended(int i, const char *name)
{
	FAKE(snprintf(fake.names[i], DMX_NAME_MAX, "%s", name));
	FAKE(fake.suspended[i] = fake.live[i] = true);
	FAKE(fake.last[i] = false);
}

/* Killed while an encrypted volume was copied.  What is above waits for what is below,
 * and the start for that: be the pool's device there or not. */
static void goes_on_from_the_pool_up(void **state)
{
	struct pool_life *l = *state;
	char pool[DMX_NAME_MAX], below[DMX_NAME_MAX], above[DMX_NAME_MAX];
	char want[3 * DMX_NAME_MAX + 3];

	fake_pool_give(l, fake_pool_device(l));
	snprintf(pool, sizeof(pool), "%s-pool", l->pool.prefix);
	thin_device_name(&l->pool, 1, below);
	thin_crypt_name(&l->pool, 1, above);
	fake_pool_stop(l);
	assert_int_equal(renameat(l->fd, "pool.img", l->fd, "moved"), 0);
	put_suspended(3, above);
	put_suspended(4, below);
	put_suspended(5, pool);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, NULL), -ENODEV);
	snprintf(want, sizeof(want), "%s %s %s ", pool, below, above);
	assert_string_equal(fake.resumed, want);
	/* nor does a device stay that was killed before it was used */
	assert_true(fake_is(fake.last[3]) && fake_is(fake.last[4]) &&
		    !fake_is(fake.last[5]));
	fake_pool_stop(l);
	FAKE(memset(fake.names, 0, sizeof(fake.names)));
	assert_int_equal(renameat(l->fd, "moved", l->fd, "pool.img"), 0);
	fake_pool_start(l);
}

/* That thin_check did not come to an end says nothing of the pool. */
static void a_check_that_did_not_end(void **state)
{
	struct pool_life *l = *state;
	unsigned int checks;
	time_t begun;
	struct err err = { 0 };

	fake_pool_give(l, fake_pool_device(l));
	FAKE(fake.check = -ECANCELED);
	checks = fake_is(fake.checks);
	begun = time(NULL);
	fake_pool_restart(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -ECANCELED);
	assert_non_null(strstr(err.msg, "was not checked"));
	assert_null(strstr(err.msg, "damaged"));
	/* it is not begun again at once, whoever asks */
	for (int i = 0; i < 10; i++)
		assert_int_equal(thin_pool_use(&l->pool, false, &err),
				 -ECANCELED);
	assert_non_null(strstr(err.msg, "tried again in "));
	assert_true(fake_is(fake.checks) - checks <=
		    1 + (time(NULL) - begun) / 5);
	FAKE(fake.check = 0);
	for (int i = 0; thin_pool_use(&l->pool, false, &err) < 0 && i < 2000;
	     i++)
		nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);

	FAKE(fake.check = -EIO);
	fake_pool_restart(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "damaged"));
	/* which does not pass: whoever repairs it has the device to himself */
	FAKE(fake.check = 0);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "restart berth-thin"));
}

/* The start waits for no check and no disk; nor does who only asks. */
static void taken_up_behind_the_start(void **state)
{
	struct pool_life *l = *state;
	char why[ERR_MSG_MAX];
	struct err err = { 0 };
	uint32_t kept = fake_pool_device(l), lost;

	fake_pool_give(l, kept);
	lost = fake_pool_device(l);
	fake_pool_stop(l);
	l->deferred = true;
	fake_disk_hangs(true);
	fake_pool_start(l);
	assert_true(fake_is_waited(1));
	assert_int_equal(thin_pool_told(&l->pool, &err), -EAGAIN);
	assert_non_null(strstr(err.msg, "is checked first"));
	assert_non_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
	fake_disk_hangs(false);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
	assert_int_equal(thin_pool_told(&l->pool, &err), 0);
	assert_null(thin_pool_trouble(&l->pool, why, sizeof(why)));
	/* what an earlier life had begun is taken back, too */
	assert_true(TEST_WITHIN_S(20, !fake_is(fake.there[lost])));
	assert_true(fake_is(fake.there[kept]));
}

/* The host's disk has less than was asked for: it is not left full. */
static void no_room_for_its_image(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	struct stat st;

	FAKE(fake.little = true);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "--pool-size"));
	assert_int_equal(fstatat(l->fd, "pool.img", &st, 0), 0);
	assert_int_equal(st.st_blocks, 0);

	FAKE(fake.little = false);
	fake_pool_give(l, fake_pool_device(l));
	FAKE(fake.little = true);
	l->config.size = 128 << 20;
	fake_pool_restart(l);
	assert_int_equal(fstatat(l->fd, "pool.img", &st, 0), 0);
	assert_int_equal(st.st_size, 64 << 20);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
}

static void another_pool_is_refused(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	char c, before[DMX_NAME_MAX], name[DMX_NAME_MAX];

	fake_pool_give(l, fake_pool_device(l));
	thin_crypt_name(&l->pool, 1, before);
	fake_pool_stop(l);
	{
		_cleanup_close_ int fd = openat(l->fd, "pool.img", O_RDWR);

		assert_int_equal(pread(fd, &c, 1, 24), 1);
		c = c == '0' ? '1' : '0';
		assert_int_equal(pwrite(fd, &c, 1, 24), 1);
	}
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, true, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "another pool"));
	/* what of ours is mounted is still found, to be unmounted */
	thin_crypt_name(&l->pool, 1, name);
	assert_string_equal(name, before);
}

static void grows_with_its_image(void **state)
{
	struct pool_life *l = *state;
	uint64_t before;

	fake_pool_give(l, fake_pool_device(l));
	before = l->pool.data_sectors;
	l->config.size = 128 << 20;
	fake_pool_restart(l);
	assert_int_equal(l->pool.data_sectors - before, 128 << 10);
	assert_int_equal(thin_pool_use(&l->pool, false, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(begun_again_from_nothing),
		POOL_TEST(without_a_table),
		POOL_TEST(not_with_somebody_elses_device),
		POOL_TEST(not_without_its_image),
		POOL_TEST(taken_up_when_it_is_there),
		POOL_TEST(taken_up_behind_the_start),
		POOL_TEST(goes_on_from_the_pool_up),
		POOL_TEST(a_check_that_did_not_end),
		POOL_TEST(no_room_for_its_image),
		POOL_TEST(another_pool_is_refused),
		POOL_TEST(grows_with_its_image),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
