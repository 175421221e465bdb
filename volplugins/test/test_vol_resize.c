/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another limit for a volume: its record follows, whatever happens between. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "volplugins/test/fake.h"

static void asks(struct life *l, void *arg)
{
	(void)arg;
	CHECK(resize(l, "v", 7) == -ENOENT);
	CHECK(create(l, "v", "{\"size\":\"5\",\"flavour\":\"3\"}") == 0);
	CHECK(resize(l, "v", 7) == 0);
	CHECK(resize(l, "v", 7) == 0);
	CHECK(fake_size("v") == 7);
	/* the new size is what it has; the rest stays */
	CHECK(create(l, "v", "{\"size\":\"7\",\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "v", "{\"size\":\"5\",\"flavour\":\"3\"}") == -EEXIST);
	CHECK(create(l, "v", "{\"size\":\"7\"}") == -EEXIST);
	CHECK(fake_set("stuck", "v", true) == 0);
	CHECK(resize(l, "v", 1) == -ENOSPC);
	CHECK(fake_set("stuck", "v", false) == 0);
	CHECK(create(l, "v", "{\"size\":\"7\",\"flavour\":\"3\"}") == 0);
	/* in use as well, and one that never had a size */
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(resize(l, "v", 9) == 0);
	CHECK(create(l, "w", NULL) == 0);
	CHECK(resize(l, "w", 2) == 0);
}

static void asks_after_restart(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 1);
	CHECK(create(l, "v", "{\"size\":\"9\",\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "w", "{\"size\":\"2\"}") == 0);
	CHECK(problems(l) == 0);
}

static void record_follows(void **state)
{
	(void)state;
	assert_int_equal(live(asks, NULL, NULL), 0);
	assert_int_equal(live(asks_after_restart, NULL, NULL), 0);
}

static void make(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", "{\"size\":\"5\"}") == 0);
}

static void resize_only(struct life *l, void *arg)
{
	(void)arg;
	(void)resize(l, "v", 8);
	CHECK(users(l, "v") == 0); /* a look changes nothing */
}

static void has(struct life *l, void *arg)
{
	uint64_t want = *(uint64_t *)arg;
	char opts[32];

	snprintf(opts, sizeof(opts), "{\"size\":\"%llu\"}",
		 (unsigned long long)want);
	CHECK(fake_size("v") == (want == 5 ? 0 : want));
	CHECK(create(l, "v", opts) == 0);
	CHECK(problems(l) == 0);
}

struct row {
	const char *fp;
	uint64_t want; /* in the next life */
};

/* A death is rolled forward; an error before anything grew leaves the old. */
static const struct row rows[] = {
	{ "vol.resize.intent:kill", 8 },
	{ "vol.resize.resized:kill", 8 },
	{ "vol.resize.recorded:kill", 8 },
	{ "vol.resize.done:kill", 8 },
	{ "vol.resize.intent:err=EIO", 5 },
	{ "vol.resize.done:err=EIO", 8 },
	/* what grew can't be taken back: the next start writes it down */
	{ "vol.resize.resized:err=EIO", 8 },
	{ "vol.resize.recorded:err=EIO", 8 },
};

static void fault_row(void **state)
{
	const struct row *row = *state;
	uint64_t want = row->want;
	int status;

	assert_int_equal(fake_setup(NULL), 0);
	assert_int_equal(live(make, NULL, NULL), 0);
	status = live(resize_only, NULL, row->fp);
	assert_true(strstr(row->fp, ":kill") ? was_killed(status)
					     : status == 0);
	assert_int_equal(live(has, &want, NULL), 0);
	assert_int_equal(live(has, &want, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
}

/* ---- mounted, though nobody has it ---------------------------------------- */

static void no_line(void *ctx, const char *line)
{
	(void)ctx;
	(void)line;
}

static void mounted_for_nobody(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(create(l, "w", NULL) == 0);
	CHECK(mount_id(l, "w", "a") == 0);
	CHECK(fake_set("mnt", "v", true) == 0);
	CHECK(problems(l) == 1);
	CHECK(vol_gc(l->core, true, no_line, NULL, NULL) == 1);
	CHECK(fake_there("mnt", "v"));
	CHECK(vol_gc(l->core, false, no_line, NULL, NULL) == 1);
	CHECK(!fake_there("mnt", "v"));
	CHECK(fake_there("mnt", "w"));
	CHECK(vol_gc(l->core, false, no_line, NULL, NULL) == 0);
	CHECK(problems(l) == 0);
}

static void mount_without_users_is_told_and_goes(void **state)
{
	(void)state;
	assert_int_equal(live(mounted_for_nobody, NULL, NULL), 0);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 2] = {
		cmocka_unit_test_setup_teardown(record_follows, fake_setup,
						fake_teardown),
		cmocka_unit_test_setup_teardown(
			mount_without_users_is_told_and_goes, fake_setup,
			fake_teardown),
	};

	fake_init();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i + 2] = (struct CMUnitTest){
			.name = rows[i].fp,
			.test_func = fault_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
