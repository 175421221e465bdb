/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of requests to the volume core that nobody comes back for, and of
 * several that were cut off at once. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "volplugins/test/fake.h"

/* ---- what nobody asks for again ----------------------------------------- */

static void create_only(struct life *l, void *arg)
{
	create(l, "v", arg);
}

static void mount_only(struct life *l, void *arg)
{
	(void)arg;
	mount_id(l, "v", "a");
}

static void forgotten_create_goes(struct life *l, void *arg)
{
	(void)arg;
	CHECK(fake_there("vol", "v"));
	fake_expire(l);
	CHECK(!fake_there("vol", "v"));
	CHECK(users(l, "v") == -1);
}

static void seen_create_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(users(l, "v") == 0);
	fake_expire(l);
	CHECK(fake_there("vol", "v"));
	CHECK(users(l, "v") == 0);
}

static void filled_create_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(fake_set("data", "v", true) == 0);
	fake_expire(l);
	CHECK(users(l, "v") == 0);
}

static void forgotten_mount_goes(struct life *l, void *arg)
{
	(void)arg;
	CHECK(fake_there("mnt", "v"));
	fake_expire(l);
	CHECK(!fake_there("mnt", "v"));
	CHECK(users(l, "v") == 0);
}

static void repeated_mount_stays(struct life *l, void *arg)
{
	(void)arg;
	CHECK(mount_id(l, "v", "a") == 0);
	fake_expire(l);
	CHECK(fake_there("mnt", "v"));
	CHECK(users(l, "v") == 1);
}

static void nothing(struct life *l, void *arg)
{
	(void)l;
	(void)arg;
}

/* A Create that was answered before the daemon died is nobody's to undo. */
static void answered_create_stays(struct life *l, void *arg)
{
	(void)arg;
	fake_expire(l);
	CHECK(fake_there("vol", "v"));
	CHECK(users(l, "v") == 0);
}

struct ending {
	const char *name;
	void (*begin)(struct life *l, void *arg);
	const char *fp;
	void (*then)(struct life *l, void *arg);
	bool prepared; /* the volume was there before */
};

static const struct ending endings[] = {
	{ "create rolled forward, nobody came: taken back", create_only,
	  "vol.create.intent:kill", forgotten_create_goes, false },
	{ "create rolled forward, then seen: it stays", create_only,
	  "vol.create.made:kill", seen_create_stays, false },
	{ "create rolled forward, then filled: it stays", create_only,
	  "vol.create.made:kill", filled_create_stays, false },
	{ "create committed before the death: it stays", create_only,
	  "vol.create.done:kill", answered_create_stays, false },
	{ "mount rolled forward, nobody came: taken back", mount_only,
	  "vol.mount.intent:kill", forgotten_mount_goes, true },
	{ "mount rolled forward, then asked again: it stays", mount_only,
	  "vol.mount.mounted:kill", repeated_mount_stays, true },
};

static void ending_row(void **state)
{
	const struct ending *e = *state;

	assert_int_equal(fake_setup(NULL), 0);
	if (e->prepared)
		assert_int_equal(live(create_only, NULL, NULL), 0);
	assert_true(was_killed(live(e->begin, NULL, e->fp)));
	assert_int_equal(live(e->then, NULL, NULL), 0);
	assert_int_equal(live(nothing, NULL, NULL), 0);
	assert_int_equal(fake_teardown(NULL), 0);
}

/* Two Creates at once, and the death of the daemon in both. */
static void *create_thread(void *arg)
{
	uint64_t seq;

	vol_create(((struct life *)arg)->core, "w", NULL, &seq, NULL);
	return NULL;
}

static void create_two(struct life *l, void *arg)
{
	pthread_t t;
	uint64_t seq;

	(void)arg;
	pthread_create(&t, NULL, create_thread, l);
	vol_create(l->core, "v", NULL, &seq, NULL);
	pthread_join(t, NULL);
}

static void two_retries(struct life *l, void *arg)
{
	char *answer = NULL;
	uint64_t seq;

	(void)arg;
	CHECK(fake_there("vol", "v") && fake_there("vol", "w"));
	CHECK(vol_replay(l->core, "VolumeDriver.Create", true, &answer, &seq,
			 NULL) == -ENOTUNIQ);
	CHECK(!fake_there("vol", "v") && !fake_there("vol", "w"));
	CHECK(vol_replay(l->core, "VolumeDriver.Create", true, &answer, &seq,
			 NULL) == -EBADMSG);
	CHECK(users(l, "v") == -1 && users(l, "w") == -1);
	CHECK(vol_replay(l->core, "VolumeDriver.Get", true, &answer, &seq,
			 NULL) == -EBADMSG);
}

static void several_unanswered_are_undone_not_guessed(void **state)
{
	(void)state;
	assert_true(was_killed(live(create_two, NULL,
				    "vol.create.made:sleep=200:nth=1,"
				    "vol.create.made:kill:nth=2")));
	assert_int_equal(live(two_retries, NULL, NULL), 0);
}

int main(void)
{
	struct CMUnitTest tests[1 + ARRAY_SIZE(endings)] = {
		cmocka_unit_test_setup_teardown(
			several_unanswered_are_undone_not_guessed, fake_setup,
			fake_teardown),
	};

	fake_init();
	TEST_ROWS(tests + 1, endings, ending_row);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
