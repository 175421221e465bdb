/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool's metadata gets near its end: it is given more beside pool.img, up to a limit. */
#include "lib/test/test.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base.h"
#include "volplugins/thin/fake_pool.h"

#define MIB 2048 /* sectors */

static void name_of(const struct pool_life *l, char name[static 64])
{
	snprintf(name, 64, "meta-%.8s.img", l->pool.layout.uuid);
}

/* Of meta-UUID.img, in sectors; 0: there is none. */
static uint64_t more_of(const struct pool_life *l)
{
	char name[64];
	struct stat st;

	name_of(l, name);
	return fstatat(l->fd, name, &st, 0) < 0 ? 0
						: (uint64_t)st.st_size / 512;
}

/* A pool of 256 MiB: 8 of metadata, and 15.5 are the limit. */
static void made(struct pool_life *l)
{
	fake_pool_stop(l);
	l->config.size = 256 << 20;
	fake_pool_start(l);
	fake_pool_give(l, fake_pool_device(l));
	assert_int_equal(fake_meta_sectors(), 8 * MIB);
}

/* @full: blocks; and the kernel says so, and was asked. */
static void fill(unsigned int full)
{
	unsigned int looks;

	FAKE(fake.meta = full; looks = fake.looks);
	assert_true(fake_event(true));
	assert_true(TEST_WITHIN_S(20, fake_is(fake.looks) > looks));
}

static void grows_to_its_limit(void **state)
{
	struct pool_life *l = *state;
	unsigned int reloads;

	made(l);
	fill(1400); /* of 2048 */
	assert_int_equal(more_of(l), 0);

	fill(1600);
	assert_true(TEST_WITHIN_S(20, fake_is(fake_meta_sectors()) > 8 * MIB));
	fake_pool_stop(l);
	assert_int_equal(more_of(l), 7 * MIB);
	/* and the pool was told: the kernel looks when it is loaded */
	fake_pool_start(l);
	assert_int_equal(fake_meta_sectors(), 15 * MIB);
	assert_int_equal(l->pool.more, 7 * MIB);

	reloads = fake_is(fake.reloads);
	fill(3800); /* of 3840: nothing is left to give */
	assert_int_equal(more_of(l), 7 * MIB);
	assert_int_equal(fake_is(fake.reloads), reloads);
	{
		char why[ERR_MSG_MAX];

		assert_non_null(
			strstr(thin_pool_trouble(&l->pool, why, sizeof(why)),
			       "The pool's metadata"));
	}
}

/* The host's disk is full: told, tried again, and nothing is left of it. */
static void host_disk_is_full(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };

	made(l);
	FAKE(fake.little = true);
	assert_int_equal(thin_pool_more_meta(&l->pool, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "metadata"));
	assert_int_equal(more_of(l), 0);
	assert_int_equal(fake_meta_sectors(), 8 * MIB);
	FAKE(fake.little = false);
	assert_int_equal(thin_pool_more_meta(&l->pool, &err), 1);
	assert_int_equal(fake_meta_sectors(), 15 * MIB);
	assert_int_equal(thin_pool_more_meta(&l->pool, &err), 0);
}

/* Killed when the file was there and the record was not, and before the kernel had it. */
static void a_start_goes_on(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };

	made(l);
	FAKE(fake.disk_full = true); /* state.db's */
	assert_int_equal(thin_pool_more_meta(&l->pool, &err), -ENOSPC);
	FAKE(fake.disk_full = false);
	assert_int_equal(more_of(l), 7 * MIB);
	assert_int_equal(fake_meta_sectors(), 8 * MIB);
	assert_int_equal(l->pool.more, 0);
	fake_pool_restart(l);
	assert_int_equal(fake_meta_sectors(), 15 * MIB);
	assert_int_equal(l->pool.more, 7 * MIB);
}

static void not_without_it(void **state)
{
	struct pool_life *l = *state;
	struct err err = { 0 };
	char name[64];
	int fd;

	made(l);
	assert_int_equal(thin_pool_more_meta(&l->pool, &err), 1);
	fake_pool_stop(l);
	name_of(l, name);
	assert_int_equal(renameat(l->fd, name, l->fd, "moved"), 0);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -ENODEV);
	assert_non_null(strstr(err.msg, name));
	/* put back: taken up */
	assert_int_equal(renameat(l->fd, "moved", l->fd, name), 0);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), 0);
	fake_pool_stop(l);

	fd = openat(l->fd, name, O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	fake_pool_start(l);
	assert_int_equal(thin_pool_use(&l->pool, false, &err), -EUCLEAN);
	assert_non_null(strstr(err.msg, "was cut"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(grows_to_its_limit),
		POOL_TEST(host_disk_is_full),
		POOL_TEST(a_start_goes_on),
		POOL_TEST(not_without_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
