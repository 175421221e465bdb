/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Another name for a volume: there is always one, the old or the new. */
#include "lib/test/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/base.h"
#include "volplugins/test/fake.h"

static int rename_it(struct life *l, const char *name, const char *to)
{
	struct err err = { 0 };
	uint64_t seq = 0;
	int r = vol_rename(l->core, name, to, &seq, &err);

	vol_core_delivered(l->core, seq);
	CHECK(r == 0 || err.msg[0]);
	return r;
}

static void asks(struct life *l, void *arg)
{
	(void)arg;
	CHECK(rename_it(l, "v", "w") == -ENOENT);
	CHECK(create(l, "v", "{\"size\":\"5\",\"flavour\":\"3\"}") == 0);
	CHECK(rename_it(l, "v", "v") == -EINVAL);
	CHECK(create(l, "u", NULL) == 0);
	CHECK(rename_it(l, "v", "u") == -EEXIST);
	/* not while somebody has it */
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(rename_it(l, "v", "w") == -EBUSY);
	CHECK(unmount_id(l, "v", "a") == 0);
	/* nor into what has no record */
	CHECK(fake_set("vol", "w", true) == 0);
	CHECK(rename_it(l, "v", "w") == -EEXIST);
	CHECK(fake_set("vol", "w", false) == 0);
	CHECK(users(l, "v") == 0);

	CHECK(rename_it(l, "v", "w") == 0);
	CHECK(users(l, "v") == -1);
	CHECK(users(l, "w") == 0);
	CHECK(!fake_there("vol", "v"));
	/* it has the options it had, and can be used */
	CHECK(create(l, "w", "{\"size\":\"5\",\"flavour\":\"3\"}") == 0);
	CHECK(create(l, "w", "{\"size\":\"6\"}") == -EEXIST);
	CHECK(mount_id(l, "w", "a") == 0);
	CHECK(unmount_id(l, "w", "a") == 0);
	/* the old name is free */
	CHECK(create(l, "v", NULL) == 0);
	CHECK(rename_it(l, "w", "v") == -EEXIST);
	CHECK(remove_it(l, "v") == 0);
	CHECK(rename_it(l, "w", "v") == 0);
	CHECK(remove_it(l, "u") == 0);
	CHECK(problems(l) == 0);
}

/* A copy takes the place of what it was made of. */
static void asks_for_its_origin(struct life *l, void *arg)
{
	struct err err = { 0 };
	uint64_t seq = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(vol_snapshot_add(l->core, "v", "s", &seq, &err) == 0);
	CHECK(create(l, "c", "{\"size\":\"5\",\"from\":\"v@s\"}") == 0);
	CHECK(vol_snapshot_del(l->core, "v", "s", &seq, &err) == 0);
	CHECK(remove_it(l, "v") == 0);
	CHECK(rename_it(l, "c", "v") == 0);
	CHECK(users(l, "c") == -1);
	CHECK(users(l, "v") == 0);
}

static void is_its_origin(struct life *l, void *arg)
{
	(void)arg;
	CHECK(problems(l) == 0);
	CHECK(users(l, "v") == 0);
	CHECK(create(l, "v", "{\"from\":\"v@s\"}") == -EINVAL);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
	CHECK(resize(l, "v", 6) == 0);
	CHECK(rename_it(l, "v", "w") == 0);
	CHECK(create(l, "w", "{\"size\":\"6\",\"from\":\"v@s\"}") == 0);
}

static void copy_takes_its_origins_name(void **state)
{
	(void)state;
	assert_int_equal(live(asks_for_its_origin, NULL, NULL), 0);
	assert_int_equal(live(is_its_origin, NULL, NULL), 0);
}

static void keeps(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 0);
	CHECK(users(l, "w") == -1);
	CHECK(create(l, "v", "{\"size\":\"5\",\"flavour\":\"3\"}") == 0);
}

static void record_follows(void **state)
{
	(void)state;
	assert_int_equal(live(asks, NULL, NULL), 0);
	assert_int_equal(live(keeps, NULL, NULL), 0);
}

/* What the record says is gone, and something of the new name is there. */
static void asks_for_nothing(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("vol", "v", false) == 0);
	CHECK(fake_set("vol", "w", true) == 0);
	CHECK(rename_it(l, "v", "w") == -ENOENT);
	CHECK(fake_set("vol", "v", true) == 0);
	CHECK(fake_set("vol", "w", false) == 0);
	/* a driver that can't leaves it */
	CHECK(fake_set("stuck", "v", true) == 0);
	CHECK(rename_it(l, "v", "w") == -EIO);
	CHECK(users(l, "v") == 0);
	CHECK(users(l, "w") == -1);
	CHECK(problems(l) == 0);
}

static void another_is_not_taken_for_it(void **state)
{
	(void)state;
	assert_int_equal(live(asks_for_nothing, NULL, NULL), 0);
}

static void is_refused(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(rename_it(l, "v", "w") == -EOPNOTSUPP);
}

static void not_every_driver_can(void **state)
{
	(void)state;
	fake_is_plain = true;
	assert_int_equal(live(is_refused, NULL, NULL), 0);
	fake_is_plain = false;
}

static void make(struct life *l, void *arg)
{
	(void)arg;
	CHECK(create(l, "v", "{\"flavour\":\"3\"}") == 0);
	CHECK(fake_set("data", "v", true) == 0);
}

static void has(struct life *l, void *arg)
{
	bool renamed = *(bool *)arg;
	const char *now = renamed ? "w" : "v", *not = renamed ? "v" : "w";

	CHECK(users(l, now) == 0);
	CHECK(users(l, not ) == -1);
	CHECK(fake_there("data", now));
	CHECK(!fake_there("vol", not ));
	CHECK(problems(l) == 0);
	CHECK(create(l, now, "{\"flavour\":\"3\"}") == 0);
}

/* ---- neither there nor back ------------------------------------------------ */

/* The data have the new name, and do not go back. */
static void gets_stuck(struct life *l, void *arg)
{
	make(l, NULL);
	CHECK(create(l, "x", NULL) == 0);
	if (arg)
		CHECK(fake_set(arg, "v", true) == 0);
	CHECK(fake_set("stuck", "w", true) == 0);
	CHECK(rename_it(l, "v", "w") == -EIO);
	CHECK(fake_there("data", "w"));
}

static void is_refused_by_both_names(struct life *l)
{
	static const char want[] =
		"volume v is half renamed to w: netctl volume rename v w, or a "
		"restart of fake, goes on with it";
	struct err err = { 0 };
	uint64_t seq = 0;

	CHECK(vol_create(l->core, "v", NULL, &seq, &err) == -EBUSY);
	CHECK(strcmp(err.msg, want) == 0);
	CHECK(vol_create(l->core, "w", NULL, &seq, &err) == -EBUSY);
	CHECK(strcmp(err.msg, want) == 0);
	CHECK(!fake_there("vol", "v"));
	for (const char *const *n = (const char *const[]){ "v", "w", NULL }; *n;
	     n++) {
		struct vol_view_info view;

		CHECK(remove_it(l, *n) == -EBUSY);
		CHECK(mount_id(l, *n, "a") == -EBUSY);
		CHECK(resize(l, *n, 7) == -EBUSY);
		CHECK(rename_it(l, *n, "y") == -EBUSY);
		CHECK(rename_it(l, "x", *n) < 0);
		CHECK(vol_view_stage(l->core, *n, NULL, -1, 0, &view, &err) <
		      0);
	}
	CHECK(users(l, "x") == 0);
	CHECK(problems(l) == 1);
	fake_expire(l);
	CHECK(fake_there("data", "w"));
}

static void is_refused_again(struct life *l, void *arg)
{
	(void)arg;
	is_refused_by_both_names(l);
}

static void goes_on(struct life *l, void *arg)
{
	bool renamed = true;

	gets_stuck(l, arg);
	is_refused_by_both_names(l);
	CHECK(rename_it(l, "v", "w") == 0);
	has(l, &renamed);
}

static void goes_on_at_the_start(struct life *l, void *arg)
{
	gets_stuck(l, arg);
	is_refused_by_both_names(l);
}

static void goes_back(struct life *l, void *arg)
{
	bool renamed = false;
	uint64_t seq = 0;

	gets_stuck(l, arg);
	CHECK(fake_set("stuck", "w", false) == 0);
	CHECK(vol_rename(l->core, "v", "w", &seq, NULL) == -EIO);
	has(l, &renamed);
	CHECK(mount_id(l, "v", "a") == 0);
	CHECK(unmount_id(l, "v", "a") == 0);
}

static void half_of_it_waits_for_the_rest(void **state)
{
	static const char once[] = "vol.rename.recorded:err=EIO:nth=1";
	bool renamed = true;

	(void)state;
	assert_int_equal(live(goes_on, NULL, once), 0);
	assert_int_equal(live(has, &renamed, NULL), 0);
}

static void half_of_it_is_ended_by_the_start(void **state)
{
	static const char always[] = "vol.rename.recorded:err=EIO";
	bool renamed = true;

	(void)state;
	assert_int_equal(live(goes_on_at_the_start, NULL, always), 0);
	/* which may be in vain as well */
	assert_int_equal(live(is_refused_again, NULL, always), 0);
	assert_int_equal(live(has, &renamed, NULL), 0);
}

static void half_of_it_is_undone_when_that_works(void **state)
{
	bool renamed = false;

	(void)state;
	assert_int_equal(live(goes_back, NULL, "vol.rename.recorded:err=EIO"),
			 0);
	assert_int_equal(live(has, &renamed, NULL), 0);
}

/* A driver that could not even say that it was done. */
static void failed_after_it_moved(void **state)
{
	char kind[] = "late";
	bool renamed = true;

	(void)state;
	assert_int_equal(live(goes_on, kind, NULL), 0);
	assert_int_equal(live(has, &renamed, NULL), 0);
}

/* A driver whose volumes are there or not without anything to see: what it said is
 * taken for it. */
static void moves_nothing_to_be_seen(struct life *l, void *arg)
{
	uint64_t seq = 0;

	(void)arg;
	CHECK(create(l, "v", NULL) == 0);
	CHECK(fake_set("data", "v", true) == 0);
	CHECK(fake_set("unseen", "v", true) == 0);
	CHECK(fake_set("unseen", "w", true) == 0);
	CHECK(vol_rename(l->core, "v", "w", &seq, NULL) == -EIO);
	vol_core_delivered(l->core, seq);
	CHECK(fake_there("data", "v"));
	CHECK(!fake_there("data", "w"));
	CHECK(users(l, "v") == 0);
}

static void taken_back_unseen(void **state)
{
	(void)state;
	assert_int_equal(live(moves_nothing_to_be_seen, NULL,
			      "vol.rename.renamed:err=EIO"),
			 0);
}

/* ---- killed, or failing, at each step ------------------------------------- */

struct row {
	const char *fp;
	bool renamed;
};

static const struct row rows[] = {
	{ "vol.rename.intent:kill", true },
	{ "vol.rename.renamed:kill", true },
	{ "vol.rename.recorded:kill", true },
	{ "vol.rename.done:kill", true },
	{ "vol.rename.intent:err=EIO", false },
	{ "vol.rename.renamed:err=EIO", false },
	{ "vol.rename.recorded:err=EIO", false },
	{ "vol.rename.done:err=EIO", true },
};

static void rename_only(struct life *l, void *arg)
{
	struct err err = { 0 };
	uint64_t seq = 0;

	(void)arg;
	CHECK(vol_rename(l->core, "v", "w", &seq, &err) == -EIO);
}

/* Who asks again because the answer was lost gets it. */
static void asked_again(struct life *l, void *arg)
{
	has(l, arg);
	CHECK(rename_it(l, "v", "w") == 0);
	has(l, arg);
}

static void fault_row(void **state)
{
	const struct row *row = *state;
	bool renamed = row->renamed, killed = strstr(row->fp, ":kill");
	int status;

	assert_int_equal(fake_setup(NULL), 0);
	assert_int_equal(live(make, NULL, NULL), 0);
	status = live(rename_only, NULL, row->fp);
	assert_true(killed ? was_killed(status) : status == 0);
	assert_int_equal(live(killed ? asked_again : has, &renamed, NULL), 0);
	assert_int_equal(live(has, &renamed, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
}

#define FIRST 9

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + FIRST] = {
		cmocka_unit_test_setup_teardown(record_follows, fake_setup,
						fake_teardown),
		cmocka_unit_test_setup_teardown(copy_takes_its_origins_name,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(another_is_not_taken_for_it,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(not_every_driver_can,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(half_of_it_waits_for_the_rest,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(
			half_of_it_is_ended_by_the_start, fake_setup,
			fake_teardown),
		cmocka_unit_test_setup_teardown(
			half_of_it_is_undone_when_that_works, fake_setup,
			fake_teardown),
		cmocka_unit_test_setup_teardown(failed_after_it_moved,
						fake_setup, fake_teardown),
		cmocka_unit_test_setup_teardown(taken_back_unseen, fake_setup,
						fake_teardown),
	};

	fake_init();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i + FIRST] = (struct CMUnitTest){
			.name = rows[i].fp,
			.test_func = fault_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
