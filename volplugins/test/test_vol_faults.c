/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume core with a death or an error at every fail point, and what becomes
 * of requests that nobody comes back for. */
#include "lib/test/test.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "lib/fail.h"
#include "volplugins/test/fake.h"

/* ---- a fault at every point -------------------------------------------- */

static const struct step {
	const char *method, *id;
	int users_after;
} steps[] = {
	{ "VolumeDriver.Create", NULL, 0 }, { "VolumeDriver.Mount", "a", 1 },
	{ "VolumeDriver.Mount", "b", 2 },   { "VolumeDriver.Unmount", "a", 1 },
	{ "VolumeDriver.Unmount", "b", 0 }, { "VolumeDriver.Remove", NULL, -1 },
};

#define STEPS ((int)ARRAY_SIZE(steps))

static int step_do(struct life *l, const struct step *s)
{
	if (strcmp(s->method, "VolumeDriver.Create") == 0)
		return create(l, "v", "{\"flavour\":\"3\"}");
	if (strcmp(s->method, "VolumeDriver.Mount") == 0)
		return mount_id(l, "v", s->id);
	if (strcmp(s->method, "VolumeDriver.Unmount") == 0)
		return unmount_id(l, "v", s->id);
	return remove_it(l, "v");
}

static void step_seen(struct life *l, const struct step *s)
{
	CHECK(users(l, "v") == s->users_after);
	CHECK(fake_there("vol", "v") == (s->users_after >= 0));
	CHECK(fake_there("mnt", "v") == (s->users_after > 0));
}

/* How far the scenario came; in shared memory, for the parent. */
struct progress {
	int next;     /* step to be done */
	bool retry;   /* it was begun in an earlier life */
	bool refused; /* its retry without a body was */
};

static void go_on(struct life *l, void *arg)
{
	struct progress *p = arg;

	for (; p->next < STEPS; p->next++) {
		const struct step *s = &steps[p->next];
		_cleanup_free_ char *answer = NULL;
		uint64_t seq = 0;
		int r = -EBADMSG;

		if (p->retry) {
			r = vol_replay(l->core, s->method, true, &answer, &seq,
				       NULL);
			CHECK(r == 0 || r == -EBADMSG);
			if (r == 0)
				vol_core_delivered(l->core, seq);
			p->refused = r < 0;
			if (r == 0 && strstr(s->method, ".Mount"))
				CHECK(strcmp(answer, "{ \"Mountpoint\": "
						     "\"\\/fake\\/v\" }") == 0);
			else if (r == 0)
				CHECK(strcmp(answer, "{}") == 0);
		}
		p->retry = true;
		if (r < 0)
			CHECK(step_do(l, s) == 0);
		p->retry = false;
		step_seen(l, s);
	}
	CHECK(problems(l) == 0);
}

static struct progress *progress;

/* What lives passed since passed_clear(), in order: they add lines to a file. */
static char passed_file[] = "/tmp/berth-test-passed-XXXXXX";

struct passed {
	int count;
	struct pass {
		char name[64];
		int nth; /* pass of this name, from 1 */
	} at[512];
};

static void passed_clear(void)
{
	assert_int_equal(truncate(passed_file, 0), 0);
}

static void passed_take(struct passed *ret)
{
	FILE *f = fopen(passed_file, "re");
	struct pass *p = ret->at;

	assert_non_null(f);
	for (; fscanf(f, "%63s", p->name) == 1; p++) {
		assert_true(p - ret->at < (int)ARRAY_SIZE(ret->at) - 1);
		p->nth = 1;
		for (const struct pass *q = ret->at; q < p; q++)
			p->nth += strcmp(q->name, p->name) == 0;
	}
	fclose(f);
	ret->count = (int)(p - ret->at);
	passed_clear();
}

/* The scenario with each of @fps (ended by NULL) in one life after the other,
 * then to its end.  Return: lives that ended by a fault. */
static int play(const char *const *fps)
{
	int deaths = 0, status;

	*progress = (struct progress){ 0 };
	for (; *fps; fps++) {
		status = live(go_on, progress, *fps);

		if (!was_killed(status)) {
			if (status)
				print_message("# %s\n", *fps);
			assert_int_equal(status, 0);
			break;
		}
		deaths++;
		passed_clear();
	}
	status = live(go_on, progress, NULL);
	if (status)
		print_message("# after %s\n", *(fps - (deaths > 0)));
	assert_int_equal(status, 0);
	assert_int_equal(progress->next, STEPS);
	return deaths;
}

/* Points that a request passes before there is anything on disk: a retry
 * without a body can only be refused. */
static bool before_intent(const char *point)
{
	return strcmp(point, "vol.request") == 0;
}

static bool ours(const struct pass *p)
{
	return strncmp(p->name, "vol.", 4) == 0;
}

static void killed_at_each_point_and_pass(void **state)
{
	struct passed all;

	(void)state;
	TEST_ONE_THREAD();
	passed_clear();
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	passed_take(&all);
	assert_true(all.count > 30);
	for (const struct pass *p = all.at; p < all.at + all.count; p++) {
		char fp[128];

		snprintf(fp, sizeof(fp), "%.63s:kill:nth=%d", p->name, p->nth);
		assert_int_equal(play((const char *const[]){ fp, NULL }), 1);
		if (ours(p) && progress->refused != before_intent(p->name)) {
			print_message("# %s\n", fp);
			fail();
		}
	}
}

/* Where the life after a death at @first passes, it dies again, up to three times. */
static int killed_again_after(const char *first)
{
	int deaths, deepest = 0;
	struct passed after;

	assert_int_equal(play((const char *const[]){ first, NULL }), 1);
	passed_take(&after);
	for (const struct pass *q = after.at; q < after.at + after.count; q++) {
		char then[128];

		if (q->nth > 1 || !ours(q))
			continue;
		snprintf(then, sizeof(then), "%.63s:kill:nth=1", q->name);
		deaths = play(
			(const char *const[]){ first, then, then, then, NULL });
		assert_true(deaths > 1);
		deepest = deaths > deepest ? deaths : deepest;
	}
	return deepest;
}

static void killed_again_in_recovery_three_deep(void **state)
{
	int deepest = 0, deaths;
	struct passed all;

	(void)state;
	TEST_ONE_THREAD();
	passed_clear();
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	passed_take(&all);
	for (const struct pass *p = all.at; p < all.at + all.count; p++) {
		char first[128];

		if (p->nth > 1 || !ours(p))
			continue;
		snprintf(first, sizeof(first), "%.63s:kill:nth=1", p->name);
		deaths = killed_again_after(first);
		deepest = deaths > deepest ? deaths : deepest;
	}
	assert_int_equal(deepest, 4);
}

static void fail_once(struct life *l, void *arg)
{
	bool failed = false;

	(void)arg;
	for (int i = 0; i < STEPS; i++) {
		int r = step_do(l, &steps[i]);

		CHECK(r == 0 || (r == -ENOSPC && !failed));
		failed |= r < 0;
		if (r < 0)
			CHECK(step_do(l, &steps[i]) == 0);
		step_seen(l, &steps[i]);
	}
	CHECK(problems(l) == 0);
}

static void error_at_each_point_changes_nothing(void **state)
{
	int status, tried = 0;
	struct passed all;

	(void)state;
	TEST_ONE_THREAD();
	passed_clear();
	assert_int_equal(live(fail_once, NULL, NULL), 0);
	passed_take(&all);
	for (const struct pass *p = all.at; p < all.at + all.count; p++) {
		char fp[128];

		/* these are passed by the start, too */
		if (!strncmp(p->name, "store.", 6) ||
		    strstr(p->name, "journal."))
			continue;
		snprintf(fp, sizeof(fp), "%.63s:err=ENOSPC:nth=%d", p->name,
			 p->nth);
		status = live(fail_once, NULL, fp);
		if (status)
			print_message("# %s\n", fp);
		assert_int_equal(status, 0);
		tried++;
	}
	assert_true(tried > 30);
}

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

#define TEST(fn)                                                          \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = #fn, .test_func = (fn), .setup_func = fake_setup, \
		.teardown_func = fake_teardown,                           \
	}

int main(void)
{
	struct CMUnitTest tests[4 + ARRAY_SIZE(endings)] = {
		TEST(several_unanswered_are_undone_not_guessed),
		TEST(error_at_each_point_changes_nothing),
		TEST(killed_at_each_point_and_pass),
		TEST(killed_again_in_recovery_three_deep),
	};
	int failed;

	fake_init();
	progress = fake_shared(sizeof(*progress));
	close(mkstemp(passed_file));
	setenv("BERTH_FP_LOG", passed_file, 1);
	for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
		tests[4 + i] = (struct CMUnitTest){
			.name = endings[i].name,
			.test_func = ending_row,
			.initial_state = (void *)(uintptr_t)&endings[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(passed_file);
	return failed;
}
