/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The volume core with a death or an error at every fail point that it passes. */
#include "lib/test/test.h"

#include <errno.h>
#include <string.h>

#include "lib/test/fail_passes.h"
#include "volplugins/test/fake.h"

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
		fail_passes_clear();
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

static bool ours(const struct fail_pass *p)
{
	return strncmp(p->point, "vol.", 4) == 0;
}

static void killed_at_each_point_and_pass(void **state)
{
	struct fail_passes all;

	(void)state;
	fail_passes_clear();
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	fail_passes_take(&all);
	assert_true(all.count > 30);
	for (const struct fail_pass *p = all.at; p < all.at + all.count; p++) {
		char fp[128];

		snprintf(fp, sizeof(fp), "%.63s:kill:nth=%d", p->point, p->nth);
		assert_int_equal(play((const char *const[]){ fp, NULL }), 1);
		if (ours(p) && progress->refused != before_intent(p->point)) {
			print_message("# %s\n", fp);
			fail();
		}
	}
}

/* Where the life after a death at @first passes, it dies again, up to three times. */
static int killed_again_after(const char *first)
{
	int deaths, deepest = 0;
	struct fail_passes after;

	assert_int_equal(play((const char *const[]){ first, NULL }), 1);
	fail_passes_take(&after);
	for (const struct fail_pass *q = after.at; q < after.at + after.count;
	     q++) {
		char then[128];

		if (q->nth > 1 || !ours(q))
			continue;
		snprintf(then, sizeof(then), "%.63s:kill:nth=1", q->point);
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
	struct fail_passes all;

	(void)state;
	fail_passes_clear();
	assert_int_equal(play((const char *const[]){ NULL }), 0);
	fail_passes_take(&all);
	for (const struct fail_pass *p = all.at; p < all.at + all.count; p++) {
		char first[128];

		if (p->nth > 1 || !ours(p))
			continue;
		snprintf(first, sizeof(first), "%.63s:kill:nth=1", p->point);
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
	struct fail_passes all;

	(void)state;
	fail_passes_clear();
	assert_int_equal(live(fail_once, NULL, NULL), 0);
	fail_passes_take(&all);
	for (const struct fail_pass *p = all.at; p < all.at + all.count; p++) {
		char fp[128];

		/* these are passed by the start, too */
		if (!strncmp(p->point, "store.", 6) ||
		    strstr(p->point, "journal."))
			continue;
		snprintf(fp, sizeof(fp), "%.63s:err=ENOSPC:nth=%d", p->point,
			 p->nth);
		status = live(fail_once, NULL, fp);
		if (status)
			print_message("# %s\n", fp);
		assert_int_equal(status, 0);
		tried++;
	}
	assert_true(tried > 30);
}

#define TEST(fn)                                                          \
	(struct CMUnitTest)                                               \
	{                                                                 \
		.name = #fn, .test_func = (fn), .setup_func = fake_setup, \
		.teardown_func = fake_teardown,                           \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(error_at_each_point_changes_nothing),
		TEST(killed_at_each_point_and_pass),
		TEST(killed_again_in_recovery_three_deep),
	};

	fake_init();
	progress = fake_shared(sizeof(*progress));
	fail_passes_begin();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
